//! The daemon: binds, starts its workers, and from then on keeps the policy up to date until it is told to stop.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use super::addresses::OwnAddresses;
use super::build::{BuildError, Built, Environment, Source};
use super::difference::{difference, restart_keys};
use super::nat64::learn;
use super::watch::{WatchOptions, Watched, Watcher};
use crate::config::Config;
use crate::listen::{BindError, Bound, Connections, Service, bind, work};
use crate::resolve::{Ingredients, Resolver, Snapshot};
use crate::telemetry::{LogError, LogHandle, Logging, Telemetry};
use crate::upstream::Servers;

/// The most workers `workers = "auto"` takes: a resolver of one household is never short of more.
const AUTO_WORKERS: usize = 4;
/// How often the translation prefixes are learned anew.
const LEARN_INTERVAL: Duration = Duration::from_secs(3600);
/// How often everything is read where each reading names files that the one before did not.
const BUILD_ATTEMPTS: usize = 4;
/// The same after nothing could be learned.
const LEARN_AGAIN: Duration = Duration::from_secs(30);
/// How often folded reports are looked through.
const FOLD_TICK: Duration = Duration::from_secs(1);

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings cannot be put to use.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// An address cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
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

/// Runs the daemon until SIGTERM or SIGINT. With `ready`, writes the bound addresses to that file once it answers.
///
/// # Errors
/// What keeps it from starting; once it answers, nothing but a signal ends it.
pub fn run(source: Source, ready: Option<&Path>) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("cannot start the runtime"))?;
    LocalSet::new().block_on(&runtime, async {
        let daemon = Daemon::start(source)?;
        // Before anybody is told that it answers: SIGHUP means reload from then on.
        let signals = Signals::handle()?;
        if let Some(path) = ready {
            daemon.write_ready_file(path).map_err(system("cannot write the ready file"))?;
        }
        daemon.keep(signals).await
    })
}

struct Daemon {
    source: Source,
    /// As it was at the start: what takes a restart is still so.
    config: Config,
    environment: Environment,
    ingredients: Ingredients,
    servers: Servers,
    service: Service,
    watcher: Watcher,
    watched: BTreeSet<PathBuf>,
    own: Option<OwnAddresses>,
    logging: Logging,
    level: LogHandle,
    workers: Vec<JoinHandle<std::io::Result<usize>>>,
    stop: CancellationToken,
}

impl Daemon {
    fn start(mut source: Source) -> Result<Self, RunError> {
        source.hold_stream();
        let own = OwnAddresses::start();
        let mut environment = Environment::default();
        if let Ok(own) = &own {
            environment.own = own.current().iter().copied().collect();
        }
        let Built { config, ingredients, system: found, warnings, watch, hosts_unread: _ } =
            source.build(&environment)?;
        source.hold_default();
        let watched: BTreeSet<PathBuf> = watch.iter().map(|watched| watched.path.clone()).collect();
        let logging = Logging::install(config.log)?;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let own = own
            .inspect_err(|error| tracing::error!(%error, "the host's own addresses cannot be followed"))
            .ok();
        // Watched from before the last reading that counts: what changes in between is seen by the next look.
        let watcher = Watcher::start(watch, WatchOptions::default()).map_err(|error| match error {
            super::WatchError::Thread(source) => RunError::System { what: "cannot watch files", source },
        })?;

        let Bound { workers: sockets, addresses } = bind(&config.server.listen, worker_count(&config))?;
        environment.listening = addresses;
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
            telemetry: Arc::new(Telemetry::default()),
            connections: Connections::new(
                config.server.tcp_connections,
                config.server.tcp_connections_per_client,
            ),
            tcp_idle_timeout: config.server.tcp_idle_timeout,
        };
        let stop = CancellationToken::new();
        let mut workers = Vec::new();
        for (number, sockets) in sockets.into_iter().enumerate() {
            let (service, stop) = (service.clone(), stop.clone());
            let thread = std::thread::Builder::new().name(format!("worker-{number}"));
            workers.push(
                thread
                    .spawn(move || work(sockets, &service, &stop))
                    .map_err(system("cannot start a worker"))?,
            );
        }
        let level = logging.handle();
        Ok(Self {
            source,
            config,
            environment,
            ingredients,
            servers,
            service,
            watcher,
            watched,
            own,
            logging,
            level,
            workers,
            stop,
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
        std::fs::File::create(&beside)?.write_all(lines.as_bytes())?;
        std::fs::rename(beside, path)
    }

    /// Follows files, addresses and signals until it is to stop.
    async fn keep(mut self, mut signals: Signals) -> Result<(), RunError> {
        let mut fold_tick = tokio::time::interval(FOLD_TICK);
        let mut learn_tick = tokio::time::interval(LEARN_INTERVAL);
        let (learned_sender, mut learned) = tokio::sync::mpsc::unbounded_channel();
        // What changed between the first reading and the start of the watch.
        self.reload("start", false);
        loop {
            tokio::select! {
                changed = self.watcher.changed() => {
                    let files: Vec<String> = changed.iter().map(|path| path.display().to_string()).collect();
                    self.reload(&files.join(", "), true);
                }
                _ = signals.hangup.recv() => self.reload("SIGHUP", true),
                own = next_addresses(self.own.as_mut()) => {
                    self.environment.own = own;
                    self.reload("an address of this host", true);
                    learn_tick.reset_immediately();
                }
                // Only a host with IPv6 beyond its own link can reach anything behind such a prefix.
                _ = learn_tick.tick(), if self.environment.own.iter().any(is_global_v6) => {
                    let (resolver, sender) = (Arc::clone(&self.service.resolver), learned_sender.clone());
                    tokio::task::spawn_local(async move {
                        let _ = sender.send(learn(&resolver).await);
                    });
                }
                // What was learned before stays until something else is known.
                Some(learned) = learned.recv() => match learned {
                    None => learn_tick.reset_after(LEARN_AGAIN),
                    Some(prefixes) if prefixes == self.environment.nat64 => {}
                    Some(prefixes) => {
                        self.environment.nat64 = prefixes;
                        self.reload("the network's NAT64 prefix", true);
                    }
                },
                _ = fold_tick.tick() => self.service.telemetry.write_folded(Instant::now()),
                _ = signals.terminate.recv() => return self.finish("SIGTERM"),
                _ = signals.interrupt.recv() => return self.finish("SIGINT"),
            }
        }
    }

    /// Reads everything anew, builds all of it, and only then puts it in use. An error changes nothing.
    fn reload(&mut self, cause: &str, say_unchanged: bool) {
        let built = match self.build_watched() {
            Ok(built) => built,
            Err(error) => {
                log_reload_error(cause, &error, self.service.resolver.snapshot().generation);
                self.follow_environment();
                return;
            }
        };
        self.source.hold_default();
        let mut built = built;
        if built.hosts_unread {
            // Names of a hosts file must not go to the upstream because the file cannot be read just now.
            built.ingredients.hosts.clone_from(&self.ingredients.hosts);
        }
        for warning in &built.warnings {
            tracing::warn!("{warning}");
        }
        let restart = restart_keys(&self.config, &built.config);
        if !restart.is_empty() {
            tracing::warn!(keys = restart.join(", "), "these keys take effect with a restart only");
        }
        self.level.set_level(built.config.log.level);
        let changes = difference(&self.ingredients, &built.ingredients);
        if changes.is_none() && !say_unchanged {
            return;
        }
        // Even where nothing changed that is counted, the origins in explanations may have moved: build anew.
        let generation = self.service.resolver.snapshot().generation + 1;
        self.service.resolver.replace(Snapshot::new(generation, &built.ingredients, &self.servers));
        self.ingredients = built.ingredients;
        match changes {
            Some(changes) => tracing::info!(generation, cause, "reloaded: {changes}"),
            None => tracing::info!(generation, cause, "reloaded: nothing changed"),
        }
    }

    /// Builds with everything under watch from before it was read, so that nothing changes unseen in between. What a
    /// refused configuration names is watched besides: the mistake may be in a file it is the first to include.
    fn build_watched(&mut self) -> Result<Built, BuildError> {
        let mut attempts = 0;
        loop {
            let built = self.source.build(&self.environment);
            attempts += 1;
            let watch: Vec<Watched> = match &built {
                Ok(built) => built.watch.clone(),
                Err(error) => {
                    error.watch().into_iter().chain(self.watched.iter().cloned()).map(Watched::from).collect()
                }
            };
            let watched: BTreeSet<PathBuf> = watch.iter().map(|watched| watched.path.clone()).collect();
            let known = watched.is_subset(&self.watched);
            if built.is_ok() || !known {
                self.watcher.set_paths(watch);
                self.watched = watched;
            }
            // Files that come and go faster than they are read are seen as changes later.
            if known || attempts == BUILD_ATTEMPTS {
                return built;
            }
        }
    }

    /// Puts the host's present addresses and prefixes under the settings in use: a file with errors is no reason to leave
    /// the host's own addresses open.
    fn follow_environment(&mut self) {
        let Environment { own, nat64, .. } = &self.environment;
        if self.ingredients.own == *own && self.ingredients.nat64 == *nat64 {
            return;
        }
        self.ingredients.own.clone_from(own);
        self.ingredients.nat64.clone_from(nat64);
        let generation = self.service.resolver.snapshot().generation + 1;
        self.service.resolver.replace(Snapshot::new(generation, &self.ingredients, &self.servers));
        tracing::info!(generation, "the host's addresses are followed all the same");
    }

    fn finish(self, signal: &str) -> Result<(), RunError> {
        tracing::info!(signal, "stopping");
        self.stop.cancel();
        let mut abandoned = 0;
        for worker in self.workers {
            match worker.join() {
                Ok(Ok(left)) => abandoned += left,
                Ok(Err(error)) => tracing::error!(%error, "a worker could not run"),
                Err(_) => tracing::error!("a worker panicked: this is a bug, please report it"),
            }
        }
        self.service.telemetry.finish(Instant::now());
        tracing::info!(abandoned, "stopped");
        drop(self.logging);
        Ok(())
    }
}

/// The signals the daemon follows.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn handle() -> Result<Self, RunError> {
        Ok(Self {
            hangup: handler(SignalKind::hangup())?,
            terminate: handler(SignalKind::terminate())?,
            interrupt: handler(SignalKind::interrupt())?,
        })
    }
}

fn handler(kind: SignalKind) -> Result<Signal, RunError> {
    signal(kind).map_err(system("cannot handle signals"))
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

fn worker_count(config: &Config) -> usize {
    config.server.workers.unwrap_or_else(|| {
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(AUTO_WORKERS)
    })
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
        listening,
        upstream,
        upstream_from = found_in,
        ranges = snapshot.policy.range_count(),
        exceptions = snapshot.policy.exception_count(),
        routes = ingredients.routes.len(),
        local_names = snapshot.local_count(),
        "stubborn {} answers",
        env!("CARGO_PKG_VERSION"),
    );
}

fn log_reload_error(cause: &str, error: &BuildError, generation: u64) {
    match error {
        BuildError::Config(errors) => {
            for error in &errors.errors {
                tracing::error!(cause, "{}", error.one_line());
            }
        }
        other => tracing::error!(cause, "{other}"),
    }
    tracing::error!(cause, generation, "not reloaded: the policy in use stays as it is");
}
