//! The daemon: binds, starts its workers, and from then on keeps the policy up to date until it is told to stop.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::activation::{ActivationError, passed_sockets};
use super::addresses::OwnAddresses;
use super::build::{BuildError, Built, Environment, Memory, Source};
use super::clock::ClockWatch;
use super::confine::{Confinement, Needs};
use super::difference::written_count;
use super::found::{arguments, default_sockets};
use super::host_name::host_name;
use super::listening::{AbsentAddress, follow_absent, listen, tell_absent};
use super::loops::{is_near, look_for_loops};
use super::nat64::{Learned, learn};
use super::notify::{Notifier, is_service};
use super::pid_file::{PidFile, PidFileError};
use super::privileges::{PrivilegesError, User};
use super::reading::{Reloads, Wanted};
use super::signals::Signals;
use super::socket_place;
use super::system::give_back_memory;
use super::watch::{WatchOptions, Watcher};
use super::watchdog::Watchdog;
use super::workers::Workers;
use crate::config::Config;
use crate::control::{self, Call, Control};
use crate::listen::{BindError, Bound, Connections, Drained, Passed, Service};
use crate::metrics;
use crate::resolve::{Ingredients, Resolver, Snapshot};
use crate::telemetry::{Level, LogError, LogHandle, Logging, Telemetry};
use crate::upstream::{Servers, in_container};

/// How often the translation prefixes are learned anew.
const LEARN_INTERVAL: Duration = Duration::from_secs(3600);
/// The same after nothing could be learned.
const LEARN_AGAIN: Duration = Duration::from_secs(30);
/// How often servers are looked at again that lead back here.
const LOOP_INTERVAL: Duration = Duration::from_secs(30);
/// Operators' commands that may wait.
const MAX_CALLS: usize = 4;
/// How often the folded reports, the clock and the host's name are looked at.
const FOLD_TICK: Duration = Duration::from_secs(1);
/// How often the service manager is told how the service is.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings cannot be put to use.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// An address cannot be had.
    #[error("{place}{error}")]
    Bind {
        /// Who named the address; empty if nobody did.
        place: String,
        /// Why not.
        error: BindError,
    },
    /// Sockets were passed that are of no use.
    #[error(transparent)]
    Activation(#[from] ActivationError),
    /// The pid file cannot be had.
    #[error(transparent)]
    PidFile(#[from] PidFileError),
    /// Another user is to be had, and cannot.
    #[error(transparent)]
    Privileges(#[from] PrivilegesError),
    /// The log cannot be written.
    #[error("{0}")]
    Log(#[from] LogError),
    /// Threads, signals, or the ready file.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

pub(super) fn system(what: &'static str) -> impl Fn(std::io::Error) -> RunError {
    move |source| RunError::System { what, source }
}

/// What is to be done around the service.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A file for the bound addresses, written once it answers.
    pub ready_file: Option<PathBuf>,
    /// A file for the number of the process, there from when the addresses are bound until the end.
    pub pid_file: Option<PathBuf>,
    /// `NAME` or `NAME:GROUP`: whom to become once the addresses are bound.
    pub user: Option<String>,
}

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting; once it answers, nothing but a signal ends it.
pub fn run(source: Source, options: &Options) -> Result<(), RunError> {
    // Before anything else has a descriptor.
    let passed = passed_sockets()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("cannot start the runtime"))?;
    LocalSet::new().block_on(&runtime, async {
        let daemon = Daemon::start(source, passed, options)?;
        // Before anybody is told that it answers: SIGHUP means reload from then on.
        let signals = Signals::handle()?;
        if let Some(path) = &options.ready_file {
            daemon.write_ready_file(path).map_err(system("cannot write the ready file"))?;
        }
        daemon.keep(signals).await
    })
}

pub(super) struct Daemon {
    pub(super) source: Source,
    pub(super) memory: Memory,
    /// As it was at the start: what takes a restart is still so.
    pub(super) config: Config,
    /// The keys that the files have otherwise by now.
    pub(super) restart: Vec<&'static str>,
    /// The files the settings in use are of.
    pub(super) files: Vec<PathBuf>,
    pub(super) environment: Environment,
    pub(super) ingredients: Ingredients,
    pub(super) servers: Servers,
    pub(super) service: Service,
    pub(super) watcher: Arc<Watcher>,
    pub(super) reloads: Reloads,
    pub(super) watched: BTreeSet<PathBuf>,
    pub(super) confinement: Confinement,
    /// The default addresses that this machine did not have at the start.
    pub(super) absent: Vec<AbsentAddress>,
    own: Option<OwnAddresses>,
    logging: Logging,
    pub(super) level: LogHandle,
    /// As the file has it: what an operator sets holds until that changes.
    pub(super) file_level: Level,
    calls: mpsc::Receiver<Call>,
    pub(super) notifier: Notifier,
    watchdog: Watchdog,
    /// Gone with the daemon.
    _pid_file: Option<PidFile>,
    pub(super) workers: Workers,
}

impl Daemon {
    fn start(mut source: Source, passed: Passed, options: &Options) -> Result<Self, RunError> {
        source.hold_stream();
        let user = options.user.as_deref().map(User::find).transpose()?;
        let own = OwnAddresses::start();
        let mut environment = Environment {
            listening: passed.addresses(),
            host_name: host_name(),
            waits: is_service(),
            in_container: in_container(),
            ..Environment::default()
        };
        if let Ok(own) = &own {
            environment.own = own.current().iter().copied().collect();
        }
        let mut memory = Memory::default();
        let built = source.build_again(&environment, &mut memory)?;
        let Bound { workers: sockets, addresses, absent } = listen(&built, passed)?;
        let Built { config, mut ingredients, system: found, files, warnings, watch, .. } = built;
        source.hold_default();
        // Before the confinement: the default file need not be this daemon's.
        let default_sockets = default_sockets();
        let watched: BTreeSet<PathBuf> = watch.iter().map(|watched| watched.path.clone()).collect();
        environment.listening = addresses;
        environment.system.clone_from(&found);
        let pid_file = options.pid_file.as_deref().map(PidFile::take).transpose()?;
        prepare_socket_place(&config, user.as_ref());
        if let Some(user) = &user {
            user.assume()?;
        }
        // Before there is another thread, which would have to be held to it by itself.
        let confinement = Confinement::begin(&Needs {
            read: watched.iter().cloned().collect(),
            sockets: config.control.socket.iter().flat_map(|socket| control::places(socket)).collect(),
            files: options.pid_file.iter().chain(&options.ready_file).cloned().collect(),
        });
        let logging = Logging::install(config.log)?;
        if let Some(user) = user {
            user.tell();
        }
        confinement.tell();
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let absent = tell_absent(absent, &environment.listening);
        let own = own
            .inspect_err(|error| tracing::error!(%error, "the host's own addresses cannot be followed"))
            .ok();
        let telemetry = Arc::new(Telemetry::default());
        let (sender, calls) = mpsc::channel(MAX_CALLS);
        let open = config.control.socket.clone().and_then(|socket| {
            control::start(Control { socket, telemetry: Arc::clone(&telemetry), calls: sender })
        });
        source.arguments = arguments(&source, open.as_deref(), &default_sockets, options.user.is_some());
        ingredients.guard.arguments.clone_from(&source.arguments);
        let servers = Servers::default();
        let snapshot = Snapshot::new(1, &ingredients, &servers);
        log_start(
            &environment,
            &ingredients,
            &snapshot,
            found.as_ref().map(|system| system.found_in.as_path()),
        );
        let service = Service {
            resolver: Arc::new(Resolver::new(snapshot, &config.cache)),
            telemetry,
            connections: Connections::new(
                config.server.tcp_connections,
                config.server.tcp_connections_per_client,
            ),
            tcp_idle_timeout: config.server.tcp_idle_timeout,
        };
        service.telemetry.log_queries(config.log.queries);
        let workers = Workers::start(sockets, &service);
        let (workers, pulses) = workers.map_err(system("cannot start a worker"))?;
        // Files are watched from before the last reading that counts: what changes in between is seen by the next look.
        let watcher = Watcher::start(watch, WatchOptions::default()).map_err(|error| match error {
            super::WatchError::Thread(source) => RunError::System { what: "cannot watch files", source },
        })?;
        if let Some(address) = config.metrics.listen {
            let sources = metrics::Sources {
                resolver: Arc::clone(&service.resolver),
                telemetry: Arc::clone(&service.telemetry),
                connections: Arc::clone(&service.connections),
                cache_size: config.cache.size,
            };
            metrics::start(config.metrics.clone(), address, sources);
        }
        let (level, file_level) = (logging.handle(), config.log.level);
        Ok(Self {
            source,
            memory,
            config,
            restart: Vec::new(),
            files,
            environment,
            ingredients,
            servers,
            service,
            watcher: Arc::new(watcher),
            reloads: Reloads::default(),
            watched,
            confinement,
            absent,
            own,
            logging,
            level,
            file_level,
            calls,
            notifier: Notifier::from_environment(),
            watchdog: Watchdog::new(pulses),
            _pid_file: pid_file,
            workers,
        })
    }

    fn write_ready_file(&self, path: &Path) -> std::io::Result<()> {
        let lines: String = self
            .environment
            .listening
            .iter()
            .map(|address| format!("udp {address}\ntcp {address}\n"))
            .collect();
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        // Not through a link that somebody else may have put there.
        let _ = std::fs::remove_file(&beside);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(&beside)?;
        file.write_all(lines.as_bytes())?;
        std::fs::rename(beside, path)
    }

    /// Follows files, addresses and signals until it is to stop.
    async fn keep(mut self, mut signals: Signals) -> Result<(), RunError> {
        let mut fold_tick = tokio::time::interval(FOLD_TICK);
        let mut status_tick = tokio::time::interval(STATUS_INTERVAL);
        let mut learn_tick = tokio::time::interval(LEARN_INTERVAL);
        let mut loop_tick = tokio::time::interval(LOOP_INTERVAL);
        let mut clock = ClockWatch::default();
        let (told_sender, mut told) = mpsc::unbounded_channel();
        let mut learned = Learned::default();
        // What changed between the first reading and the start of the watch.
        self.read_anew("start", false);
        self.notifier.ready();
        self.look_for_loops_nearby();
        // Not after a reload: the next one needs as much again.
        give_back_memory();
        loop {
            tokio::select! {
                changed = self.watcher.changed() => {
                    let files: Vec<String> = changed.iter().map(|path| path.display().to_string()).collect();
                    self.reload(Wanted::new(&files.join(", "), true));
                }
                (wanted, read) = self.reloads.finished() => self.take(wanted, read),
                _ = signals.hangup.recv() => self.reload(Wanted::new("SIGHUP", true)),
                Some(call) = self.calls.recv() => self.carry_out(call),
                own = next_addresses(self.own.as_mut()) => {
                    self.environment.own = own;
                    follow_absent(&mut self.absent, &self.environment.own);
                    self.reload(Wanted::new("an address of this host", true));
                    learn_tick.reset_immediately();
                }
                // Only a host with IPv6 beyond its own link can reach anything behind such a prefix.
                _ = learn_tick.tick(), if self.environment.own.iter().any(is_global_v6) => {
                    learn(&self.service.resolver, &told_sender);
                }
                Some(told) = told.recv() => {
                    if told.prefixes.is_none() {
                        learn_tick.reset_after(LEARN_AGAIN);
                    }
                    learned.take(told, Instant::now());
                    let prefixes = learned.prefixes();
                    if prefixes != self.environment.nat64 {
                        self.environment.nat64 = prefixes;
                        self.reload(Wanted::new("the network's NAT64 prefix", true));
                    }
                }
                _ = fold_tick.tick() => {
                    self.service.telemetry.write_folded(Instant::now());
                    clock.look(self.service.resolver.clock_behind());
                    self.follow_host_name();
                }
                _ = loop_tick.tick() => {
                    look_for_loops(&self.service.resolver, |_, loops| loops.is_found());
                }
                () = self.watchdog.alive() => self.notifier.alive(),
                _ = status_tick.tick(), if self.notifier.is_on() => self.tell_status(),
                _ = signals.terminate.recv() => return self.finish("SIGTERM"),
                _ = signals.interrupt.recv() => return self.finish("SIGINT"),
            }
        }
    }

    fn follow_host_name(&mut self) {
        let host_name = host_name();
        if host_name != self.environment.host_name {
            self.environment.host_name = host_name;
            self.reload(Wanted::new("the name of this host", true));
        }
    }

    /// Asks the servers that may ask this machine, or that do not answer, whether they lead back here.
    pub(super) fn look_for_loops_nearby(&self) {
        let own = &self.environment.own;
        look_for_loops(&self.service.resolver, |server, _| {
            !server.is_up() || is_near(server.endpoint.address().ip(), own)
        });
    }

    fn finish(self, signal: &str) -> Result<(), RunError> {
        tracing::info!(name: "stopping", signal, "stopping");
        self.notifier.stopping();
        let Drained { drained, abandoned } = self.workers.stop();
        self.service.telemetry.finish(Instant::now());
        tracing::info!(name: "stopped", drained, abandoned, "stopped");
        drop(self.logging);
        Ok(())
    }
}

fn prepare_socket_place(config: &Config, user: Option<&User>) {
    match (&config.control.socket, user) {
        (Some(socket), Some(user)) => user.make_place(socket),
        // What a daemon of another user left is root's again.
        (Some(socket), None) if socket == Path::new(control::DEFAULT_SOCKET) => {
            socket_place::prepare(socket, 0, 0)
        }
        _ => {}
    }
}

async fn next_addresses(own: Option<&mut OwnAddresses>) -> Vec<IpAddr> {
    match own {
        Some(own) => own.changed().await.iter().copied().collect(),
        None => std::future::pending().await,
    }
}

fn is_global_v6(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if !v6.is_loopback() && !v6.is_unicast_link_local())
}

fn log_start(
    environment: &Environment,
    ingredients: &Ingredients,
    snapshot: &Snapshot,
    found_in: Option<&Path>,
) {
    let list = |items: Vec<String>| items.join(", ");
    let listening = list(environment.listening.iter().map(ToString::to_string).collect());
    let upstream = list(ingredients.servers.iter().map(ToString::to_string).collect());
    let found_in = found_in.map_or("the configuration".to_owned(), |path| path.display().to_string());
    tracing::info!(
        name: "started",
        listening,
        upstream,
        upstream_from = found_in,
        ranges = snapshot.policy.range_count(),
        exceptions = written_count(&ingredients.guard.exceptions),
        routes = ingredients.routes.len(),
        home_domains = ingredients.home.iter().map(|route| route.trust.domain.to_string()).collect::<Vec<_>>().join(", "),
        local_names = snapshot.local_count(),
        "stubborn {} answers",
        env!("CARGO_PKG_VERSION"),
    );
}
