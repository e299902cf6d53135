//! From the configuration and what is found on the machine to a [`Snapshot`](crate::resolve::Snapshot)'s ingredients: the
//! path that `check`, start and reload have in common.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::Ipv6Net;

use super::home::{home_routes, home_servers, without_effect};
use super::hosts_files::HostsFiles;
use super::watch::{Content, Watched};
use crate::config::{self, Config, ConfigErrors, Disk, Files, Loaded};
use crate::dns::Name;
use crate::files;
use crate::listen::is_held_by_another;
use crate::policy::Origin;
use crate::resolve::{Ingredients, LocalName, is_made_by_search};
use crate::upstream::{
    Endpoint, Here, Server, SystemError, SystemServers, loops, system_files, system_servers,
};

/// Where the settings come from: the command line.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--listen`, in place of the file's.
    pub listen: Vec<SocketAddr>,
    /// `--upstream`, in place of the file's.
    pub upstream: Vec<Server>,
    /// `--socket`, in place of the file's; none with "off".
    pub socket: Option<Option<PathBuf>>,
    /// What [`Source::hold_stream`] read, or why it could not.
    pub held: Option<Result<Vec<u8>, String>>,
    /// See [`GuardSettings::arguments`](crate::policy::GuardSettings::arguments).
    pub arguments: Option<Arc<str>>,
}

/// What is found on the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The addresses we listen on.
    pub listening: Vec<SocketAddr>,
    /// The addresses of the host's interfaces.
    pub own: Vec<IpAddr>,
    /// The host's own name, if it has one with a dot.
    pub host_name: Option<Name>,
    /// Translation prefixes learned from the network.
    pub nat64: Vec<Ipv6Net>,
    /// What was last found for `system`: it stays in use while the machine names no server.
    pub system: Option<SystemServers>,
    /// A service manager has started this, perhaps before there is a network: where the machine names no server yet, that
    /// is no error but waited for.
    pub waits: bool,
    /// This is a container.
    pub in_container: bool,
}

/// Why settings cannot be put to use.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The configuration has errors.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// There is nobody to ask.
    #[error("{error}")]
    NoUpstream {
        /// Where was looked, and what was found there.
        error: SystemError,
        /// See [`BuildError::watch`].
        watch: Vec<PathBuf>,
    },
    /// A server is this daemon itself.
    #[error(
        "{server} is this daemon itself: a query would go round for ever; name another server with `--upstream ADDRESS` or `servers` in [upstream]"
    )]
    Loop {
        /// The server.
        server: Endpoint,
        /// See [`BuildError::watch`].
        watch: Vec<PathBuf>,
    },
}

impl BuildError {
    /// Each error on a line of its own.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Config(errors) => errors.errors.iter().map(config::ConfigError::one_line).collect(),
            other => vec![other.to_string()],
        }
    }

    /// Files and directories whose change may put an end to the error.
    pub fn watch(&self) -> Vec<PathBuf> {
        match self {
            Self::Config(errors) => errors.files.iter().chain(&errors.directories).cloned().collect(),
            Self::NoUpstream { watch, .. } | Self::Loop { watch, .. } => watch.clone(),
        }
    }
}

/// What was read, for the next reading: most of it stays as it is.
#[derive(Debug, Default)]
pub(super) struct Memory {
    config: config::Memory,
    hosts: HostsFiles,
}

/// Settings that can be put to use.
#[derive(Debug)]
pub struct Built {
    /// The configuration, the command line worked in, without what went into `ingredients`.
    pub config: Config,
    /// Who said where to listen; `None` if nobody did.
    pub listen_by: Option<Origin>,
    /// What a snapshot is made of.
    pub ingredients: Ingredients,
    /// What was found for `system`, if that was asked for.
    pub system: Option<SystemServers>,
    /// Those of its servers that are the network's own.
    pub home_servers: Vec<Endpoint>,
    /// The files of the configuration that were read.
    pub files: Vec<PathBuf>,
    /// Warnings, a line each.
    pub warnings: Vec<String>,
    /// A hosts file is there and could not be read, so that `ingredients.hosts` lacks its names.
    pub hosts_unread: bool,
    /// Files and directories whose change may change the settings, with what was read of them.
    pub watch: Vec<Watched>,
}

/// The file system, and what was read of it: should a file be written at that very moment, the watch has to find that
/// it now holds something else, even where that is what it held before.
#[derive(Default)]
struct Reading<'a> {
    seen: RefCell<HashMap<PathBuf, Content>>,
    /// A stream, and what came of it when it was read.
    held: Option<(&'a Path, &'a Result<Vec<u8>, String>)>,
}

impl Files for Reading<'_> {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        if let Some((_, held)) = self.held.filter(|(held, _)| *held == path) {
            return held.clone().map_err(std::io::Error::other);
        }
        let octets = Disk.read(path)?;
        self.note(path, &octets);
        Ok(octets)
    }

    fn list(&self, directory: &Path) -> std::io::Result<Vec<OsString>> {
        Disk.list(directory)
    }
}

impl Reading<'_> {
    fn note(&self, path: &Path, octets: &[u8]) -> Content {
        let content = Content::of_file(octets);
        // The watch does not look into pipes and devices.
        if std::fs::metadata(path).is_ok_and(|file| file.is_file()) {
            self.seen.borrow_mut().insert(path.to_owned(), content);
        }
        content
    }

    fn watched(&self, path: PathBuf) -> Watched {
        let seen = self.seen.borrow().get(&path).copied();
        Watched { path, seen }
    }
}

impl Source {
    /// Reads and checks the configuration, and works the command line in.
    ///
    /// # Errors
    /// Every error of the configuration.
    pub fn load(&self) -> Result<Loaded, ConfigErrors> {
        let source = self.holding_stream();
        source.load_from(&source.reading(), &mut config::Memory::default())
    }

    fn reading(&self) -> Reading<'_> {
        Reading { held: self.config.as_deref().zip(self.held.as_ref()), ..Reading::default() }
    }

    fn holding_stream(&self) -> Self {
        let mut source = self.clone();
        source.hold_stream();
        source
    }

    fn load_from(&self, files: &dyn Files, memory: &mut config::Memory) -> Result<Loaded, ConfigErrors> {
        let mut loaded = config::load_again(self.config.as_deref(), files, memory)?;
        if !self.listen.is_empty() {
            loaded.config.server.listen.clone_from(&self.listen);
            given(&mut loaded, "server.listen");
        }
        if !self.upstream.is_empty() {
            loaded.config.upstream.servers.clone_from(&self.upstream);
            given(&mut loaded, "upstream.servers");
        }
        if let Some(socket) = &self.socket {
            loaded.config.control.socket.clone_from(socket);
        }
        loaded.config.guard.arguments.clone_from(&self.arguments);
        Ok(loaded)
    }

    /// From now on the default file is the one named, where it is there: if it vanishes, nobody asked for the defaults.
    pub(super) fn hold_default(&mut self) {
        let default = Path::new(config::DEFAULT_PATH);
        if self.config.is_none() && default.exists() {
            self.config = Some(default.to_owned());
        }
    }

    /// The configuration file that each reload reads, as an absolute path; none if there is no file, or a pipe in its place.
    pub fn file(&self) -> Option<PathBuf> {
        let path = self.config.as_deref().filter(|_| self.held.is_none())?;
        // Without a working directory, there is nothing to add.
        Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
    }

    /// The file that the next reload reads if it is there by then; none if there is one already, or a pipe in its place.
    pub(super) fn awaited_file(&self) -> Option<PathBuf> {
        self.config.is_none().then(|| PathBuf::from(config::DEFAULT_PATH))
    }

    /// Keeps what comes out of `config` where that is a pipe or a device: it comes out once, and each reload reads again.
    pub fn hold_stream(&mut self) {
        let Some(path) = &self.config else { return };
        if self.held.is_none() && files::is_stream(path) {
            self.held = Some(config::read_once(path).map_err(|error| error.to_string()));
        }
    }

    /// Reads, checks, and finds what the settings name on the machine.
    ///
    /// # Errors
    /// See [`BuildError`]; nothing has been changed by then.
    pub fn build(&self, environment: &Environment) -> Result<Built, BuildError> {
        self.holding_stream().build_again(environment, &mut Memory::default())
    }

    /// Builds as part of a running daemon, which never waits for a pipe.
    pub(super) fn build_again(
        &self,
        environment: &Environment,
        memory: &mut Memory,
    ) -> Result<Built, BuildError> {
        let reading = self.reading();
        let Loaded { mut config, files, directories, warnings, written } =
            self.load_from(&reading, &mut memory.config)?;
        let listen_by = written.into_iter().find(|(key, _)| key == "server.listen").map(|(_, origin)| origin);
        let read = files.iter().filter(|file| file.exists()).cloned().collect();
        let mut warnings: Vec<String> = warnings.iter().map(config::ConfigError::one_line).collect();
        let listening = match environment.listening.as_slice() {
            [] => config.server.listen.as_slice(),
            bound => bound,
        };
        let here = Here { listening, own: &environment.own, in_container: environment.in_container };
        let mut watch: Vec<PathBuf> = files.into_iter().chain(directories).collect();
        if config.upstream.servers.contains(&Server::System) {
            watch.extend(system_files().iter().map(|path| path.to_path_buf()));
        }
        watch.extend(config.names.hosts_files.iter().cloned());
        let mut found = find_servers(&config, here, environment, &watch);
        if environment.listening.is_empty() && found_itself(&found) {
            // Not bound yet: another program may have the port, and is then no loop.
            let free = |address: &&SocketAddr| !is_held_by_another(**address);
            let listening: Vec<SocketAddr> = listening.iter().filter(free).copied().collect();
            let here = Here { listening: &listening, ..here };
            found = find_servers(&config, here, environment, &watch);
        }
        let Found { servers, system, missing } = found?;
        warnings.extend(missing);
        warnings.extend(system.iter().flat_map(|system| system.notes.iter().cloned()));
        warnings.extend(system.iter().flat_map(|system| searched(&config.locals, &system.search)));
        let home_servers = system.as_ref().map(|system| home_servers(system, &environment.own));
        let home_servers = home_servers.unwrap_or_default();
        let home = system.as_ref().map(|system| home_routes(system, &home_servers, &config));
        let home = home.unwrap_or_default();
        warnings.extend(without_effect(&config, &home));
        for route in &config.routes {
            if let Some(server) = loops(&route.servers, here) {
                return Err(BuildError::Loop { server, watch });
            }
        }
        let hosts = memory.hosts.read(&config.names.hosts_files, |path, octets| reading.note(path, octets));
        warnings.extend(hosts.unread.iter().chain(&hosts.skipped).cloned());
        let ingredients = Ingredients {
            guard: std::mem::take(&mut config.guard),
            routes: std::mem::take(&mut config.routes),
            home,
            home_server: home_servers.first().copied(),
            locals: std::mem::take(&mut config.locals),
            names: std::mem::take(&mut config.names),
            allow_clients: config.server.allow_clients.clone(),
            servers,
            timeout: config.upstream.timeout,
            hosts: hosts.names,
            own: environment.own.clone(),
            host_name: environment.host_name.clone(),
            nat64: environment.nat64.clone(),
        };
        let watch = watch.into_iter().map(|path| reading.watched(path)).collect();
        Ok(Built {
            config,
            listen_by,
            ingredients,
            system,
            home_servers,
            files: read,
            warnings,
            hosts_unread: !hosts.unread.is_empty(),
            watch,
        })
    }
}

/// A warning for each wildcard that answers public names on this machine, because of the machine's search list.
fn searched(locals: &[LocalName], search: &[Name]) -> Vec<String> {
    let of_local = |local: &LocalName| {
        let LocalName { name, origin, .. } = local;
        let domain = search.iter().find(|domain| is_made_by_search(name.as_ref(), domain.as_ref()))?;
        let suffix = name.to_string();
        let suffix = suffix.strip_suffix(&format!(".{domain}"))?.to_owned();
        Some(format!(
            "{origin}: this machine has {domain} in its search list, so \"*.{name}\" answers every public name that ends in \
             \"{suffix}\" and has no answer of its own: write the hosts one by one"
        ))
    };
    locals.iter().filter(|local| local.wildcard).filter_map(of_local).collect()
}

/// A key was set by an argument, whatever the file says.
fn given(loaded: &mut Loaded, key: &str) {
    loaded.written.retain(|(written, _)| written != key);
    loaded.written.push((key.to_owned(), Origin::CommandLine));
}

/// Whom to ask.
#[derive(Default)]
struct Found {
    servers: Vec<Endpoint>,
    system: Option<SystemServers>,
    /// Why those last found for `system` are asked.
    missing: Option<String>,
}

/// Whether the machine names a server that was taken for this daemon.
fn found_itself(found: &Result<Found, BuildError>) -> bool {
    match found {
        Ok(found) => found.system.as_ref().is_some_and(SystemServers::passed_over_this_daemon),
        Err(BuildError::NoUpstream { error, .. }) => error.passed_over_this_daemon(),
        Err(_) => false,
    }
}

fn find_servers(
    config: &Config,
    here: Here<'_>,
    environment: &Environment,
    watch: &[PathBuf],
) -> Result<Found, BuildError> {
    let mut found = Found::default();
    for server in &config.upstream.servers {
        match server {
            Server::At(endpoint) => match loops(&[*endpoint], here) {
                Some(server) => return Err(BuildError::Loop { server, watch: watch.to_vec() }),
                None => found.servers.push(*endpoint),
            },
            Server::System => match system_servers(here, &system_files()) {
                Ok(system) => {
                    add(&mut found.servers, &system.endpoints);
                    found.system = Some(system);
                }
                // An interface that is down has its servers taken out of resolv.conf, and perhaps only for a moment.
                Err(error) => {
                    let last = environment.system.iter().flat_map(|last| last.endpoints.iter().copied());
                    let last: Vec<Endpoint> = last.filter(|s| loops(&[*s], here).is_none()).collect();
                    let names: Vec<String> = last.iter().map(Endpoint::to_string).collect();
                    found.missing = Some(match names.as_slice() {
                        [] if !environment.waits => {
                            return Err(BuildError::NoUpstream { error, watch: watch.to_vec() });
                        }
                        [] => format!("nothing can be looked up until the machine names a server: {error}"),
                        names => format!("the servers so far stay in use ({}): {error}", names.join(", ")),
                    });
                    add(&mut found.servers, &last);
                    // The search domains stay with their servers. What else was found is told already.
                    found.system = environment.system.clone().filter(|_| !last.is_empty());
                    if let Some(system) = &mut found.system {
                        system.endpoints = last;
                        system.skipped.clear();
                        system.notes.clear();
                    }
                }
            },
        }
    }
    Ok(found)
}

fn add(servers: &mut Vec<Endpoint>, more: &[Endpoint]) {
    for endpoint in more {
        if !servers.contains(endpoint) {
            servers.push(*endpoint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_that_answers_public_names_because_of_the_search_list_gets_a_warning() {
        let table = |name: &str| format!("[[local]]\nname = \"{name}\"\naddresses = [\"10.0.0.1\"]\n");
        let text = ["*.dev.example.org", "*.staging.example.org", "com.example.org"].map(table).concat();
        let loaded = config::from_text(Path::new("a.toml"), &text, &Disk, 0).unwrap();
        let search = ["lan", "example.org"].map(|name| Name::from_text(name).unwrap());
        let warnings = searched(&loaded.config.locals, &search);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(
            warnings[0].contains("\"*.dev.example.org\" answers") && warnings[0].starts_with("a.toml:1: "),
            "{warnings:?}"
        );
        assert_eq!(searched(&loaded.config.locals, &[]), [""; 0]);
    }
}
