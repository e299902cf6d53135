//! From the configuration and what is found on the machine to a [`Snapshot`]'s ingredients: the path that `check`, start
//! and reload have in common.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::Ipv6Net;

use crate::config::{self, Config, ConfigErrors, Loaded};
use crate::resolve::{Hosts, Ingredients};
use crate::upstream::{Endpoint, Server, SystemError, SystemServers, loops, system_files, system_servers};

/// Where the settings come from: the command line.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--listen`, in place of the file's.
    pub listen: Vec<SocketAddr>,
    /// `--upstream`, in place of the file's.
    pub upstream: Vec<Server>,
}

/// What is found on the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The addresses we listen on.
    pub listening: Vec<SocketAddr>,
    /// The addresses of the host's interfaces.
    pub own: Vec<IpAddr>,
    /// Translation prefixes learned from the network.
    pub nat64: Vec<Ipv6Net>,
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
    /// Files and directories whose change may put an end to the error.
    pub fn watch(&self) -> Vec<PathBuf> {
        match self {
            Self::Config(errors) => errors.files.iter().chain(&errors.directories).cloned().collect(),
            Self::NoUpstream { watch, .. } | Self::Loop { watch, .. } => watch.clone(),
        }
    }
}

/// Settings that can be put to use.
#[derive(Debug)]
pub struct Built {
    /// The configuration, the command line worked in.
    pub config: Config,
    /// What a snapshot is made of.
    pub ingredients: Ingredients,
    /// What was found for `system`, if that was asked for.
    pub system: Option<SystemServers>,
    /// Warnings, a line each.
    pub warnings: Vec<String>,
    /// Files and directories whose change may change the settings.
    pub watch: Vec<PathBuf>,
}

impl Source {
    /// Reads and checks the configuration, and works the command line in.
    ///
    /// # Errors
    /// Every error of the configuration.
    pub fn load(&self) -> Result<Loaded, ConfigErrors> {
        let mut loaded = config::load(self.config.as_deref())?;
        if !self.listen.is_empty() {
            loaded.config.server.listen.clone_from(&self.listen);
        }
        if !self.upstream.is_empty() {
            loaded.config.upstream.servers.clone_from(&self.upstream);
        }
        Ok(loaded)
    }

    /// From now on the default file is the one named, where it is there: should it vanish, that is no wish for the defaults.
    pub(super) fn hold_default(&mut self) {
        let default = Path::new(config::DEFAULT_PATH);
        if self.config.is_none() && default.exists() {
            self.config = Some(default.to_owned());
        }
    }

    /// Reads, checks, and finds what the settings name on the machine.
    ///
    /// # Errors
    /// See [`BuildError`]; nothing has been changed by then.
    pub fn build(&self, environment: &Environment) -> Result<Built, BuildError> {
        let Loaded { config, files, directories, warnings } = self.load()?;
        let mut warnings: Vec<String> = warnings.iter().map(config::ConfigError::one_line).collect();
        let listening = match environment.listening.as_slice() {
            [] => config.server.listen.as_slice(),
            bound => bound,
        };
        let mut watch: Vec<PathBuf> = files.into_iter().chain(directories).collect();
        if config.upstream.servers.contains(&Server::System) {
            watch.extend(system_files().iter().map(|path| path.to_path_buf()));
        }
        watch.extend(config.names.hosts_files.iter().cloned());
        let (servers, system) = find_servers(&config, listening, &environment.own, &watch)?;
        for route in &config.routes {
            if let Some(server) = loops(&route.servers, listening, &environment.own) {
                return Err(BuildError::Loop { server, watch });
            }
        }
        let mut hosts = Vec::new();
        for path in &config.names.hosts_files {
            match read_hosts(path) {
                Ok(found) => hosts.extend(found),
                Err(why) => warnings.push(why),
            }
        }
        let ingredients = Ingredients {
            guard: config.guard.clone(),
            routes: config.routes.clone(),
            locals: config.locals.clone(),
            names: config.names.clone(),
            allow_clients: config.server.allow_clients.clone(),
            servers,
            timeout: config.upstream.timeout,
            hosts,
            own: environment.own.clone(),
            nat64: environment.nat64.clone(),
        };
        Ok(Built { config, ingredients, system, warnings, watch })
    }
}

fn find_servers(
    config: &Config,
    listening: &[SocketAddr],
    own: &[IpAddr],
    watch: &[PathBuf],
) -> Result<(Vec<Endpoint>, Option<SystemServers>), BuildError> {
    let mut servers: Vec<Endpoint> = Vec::new();
    let mut system = None;
    for server in &config.upstream.servers {
        match server {
            Server::At(endpoint) => match loops(&[*endpoint], listening, own) {
                Some(server) => return Err(BuildError::Loop { server, watch: watch.to_vec() }),
                None => servers.push(*endpoint),
            },
            Server::System => {
                let found = system_servers(listening, own, &system_files())
                    .map_err(|error| BuildError::NoUpstream { error, watch: watch.to_vec() })?;
                servers.extend(
                    found.endpoints.iter().filter(|endpoint| !servers.contains(endpoint)).collect::<Vec<_>>(),
                );
                system = Some(found);
            }
        }
    }
    Ok((servers, system))
}

/// The names of a hosts file. One that blocks a name with 0.0.0.0 gets that name an empty answer, never that address.
fn read_hosts(path: &Path) -> Result<Vec<(crate::dns::Name, Vec<IpAddr>)>, String> {
    let octets = match std::fs::read(path) {
        Ok(octets) => octets,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}; its names are not answered", path.display())),
    };
    let mut hosts = Hosts::parse(&octets)
        .map_err(|error| format!("{}: {error}; its names are not answered", path.display()))?;
    for (_, addresses) in &mut hosts.names {
        addresses.retain(|address| !address.is_unspecified());
    }
    Ok(hosts.names)
}
