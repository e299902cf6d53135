//! What this machine is, and what stubborn is on it. Nothing is changed, and only the control socket is spoken to.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::proof;
use crate::config::{self, Config, ConfigErrors, DEFAULT_PATH, Disk};
use crate::control::ClientError;
use crate::files;
use crate::machine::{self, Holder, Link, Process, ResolvConf, Root};

/// The most octets that are read of a file: the limit for a configuration.
const LONGEST: u64 = 16 << 20;

/// Files whose text decides what is to be done.
const FILES: &[&str] = &[
    "/etc/resolv.conf",
    super::SAVED_SERVERS,
    "/etc/resolvconf.conf",
    "/etc/dnsmasq.conf",
    "/etc/pihole/pihole.toml",
    "/etc/pihole/setupVars.conf",
    "/etc/systemd/resolved.conf",
    "/run/systemd/resolve/resolv.conf",
    "/run/dnsmasq/resolv.conf",
    "/run/resolvconf/resolv.conf",
];

/// Directories all of whose files do.
const DIRECTORIES: &[&str] = &["/etc/dnsmasq.d", "/etc/systemd/resolved.conf.d"];

/// Paths that mean something by being there.
const MARKS: &[&str] = &[
    "/etc/NIXOS",
    "/run/systemd/system",
    "/etc/dhcp/dhclient-enter-hooks.d",
    "/lib/systemd/system/stubborn.service",
    "/usr/lib/systemd/system/stubborn.service",
    "/etc/systemd/system/stubborn.service",
    "/etc/systemd/system/multi-user.target.wants/stubborn.service",
    "/etc/systemd/system/sockets.target.wants/stubborn.socket",
];

/// Programs that decide who is asked, by the name the kernel shows.
const PROGRAMS: &[&str] =
    &["systemd-resolve", "NetworkManager", "dhclient", "dhcpcd", "dockerd", super::plan::OWN_NAME];

/// Where stubborn listens as the upstream of another program, if nobody else is there.
const BESIDE: std::ops::RangeInclusive<u16> = 5335..=5339;

/// A machine, as far as DNS goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Machine {
    /// `/etc/resolv.conf`
    pub resolv_conf: ResolvConf,
    /// It is a mount of its own.
    pub is_mounted: bool,
    /// The programs that run and decide who is asked.
    pub programs: Vec<Process>,
    /// Who has port 53.
    pub holders: Vec<Holder>,
    /// Interfaces with servers of their own in systemd-resolved.
    pub links: Vec<Link>,
    /// The files there are of those that decide, each with its text; those of a directory in the order of their names.
    pub files: Vec<(PathBuf, String)>,
    /// The servers that an earlier setup saved, even if its file is taken away before this plan is carried out.
    pub saved: String,
    /// Those of them that cannot be changed line by line: they are not text, or longer than 1 MiB.
    pub unfit: Vec<PathBuf>,
    /// The paths there are that mean something by being there.
    pub marks: Vec<PathBuf>,
    /// A free port beside 53.
    pub free_port: Option<u16>,
}

impl Machine {
    /// The text of a file; empty where it is not there.
    pub fn text(&self, path: &str) -> &str {
        self.files.iter().find(|(found, _)| found == Path::new(path)).map_or("", |(_, text)| text)
    }

    /// Whether a file is there.
    pub fn has(&self, path: &str) -> bool {
        self.files.iter().any(|(found, _)| found == Path::new(path))
            || self.marks.iter().any(|mark| mark == Path::new(path))
    }

    /// Whether a program runs.
    pub fn runs(&self, name: &str) -> bool {
        self.programs.iter().any(|process| process.name == name)
    }
}

/// stubborn, on this machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ours {
    /// The configuration file, there or not.
    pub path: PathBuf,
    /// What it holds.
    pub text: String,
    /// What it says.
    pub config: Config,
    /// Keys that are written in it.
    pub written: Vec<String>,
    /// The daemon, if it answers.
    pub running: Option<Running>,
    /// Why it is not asked though somebody listens on its control socket.
    pub unheard: Option<String>,
    /// Another file that the daemon reads, unless `--config` names one.
    pub another: Option<PathBuf>,
    /// `--listen`
    pub wanted: Option<SocketAddr>,
}

/// The daemon.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// The servers it asks for names without a route.
    pub upstreams: Vec<String>,
    /// The network's own search domains, whose names it asks of the network's servers.
    pub home_domains: Vec<String>,
    /// Where it listens.
    pub listeners: Vec<SocketAddr>,
    /// It lets everything through and reports it.
    pub only_monitors: bool,
}

/// Looks at the machine.
pub fn survey(root: &Root) -> Machine {
    let (mut files, mut unfit) = (Vec::new(), Vec::new());
    let in_directories = DIRECTORIES
        .iter()
        .flat_map(|directory| {
            root.names(directory).into_iter().map(move |name| format!("{directory}/{name}"))
        })
        .filter(|path| !path.contains("/."));
    for path in FILES.iter().map(ToString::to_string).chain(in_directories) {
        if let Some(text) = root.text(&path) {
            if files::read(&root.at(&path), LONGEST).map_or(true, |octets| octets != text.as_bytes()) {
                unfit.push(PathBuf::from(&path));
            }
            files.push((PathBuf::from(path), text));
        }
    }
    let mounts = root.text("/proc/self/mountinfo").unwrap_or_default();
    let programs = machine::processes(root).into_iter();
    Machine {
        resolv_conf: machine::resolv_conf(root),
        is_mounted: mounts.lines().any(|line| line.split(' ').nth(4) == Some(machine::RESOLV_CONF)),
        programs: programs
            .filter(|process| PROGRAMS.contains(&process.name.as_str()) && process.pid != std::process::id())
            .collect(),
        holders: machine::holders(root, 53),
        links: machine::links(root),
        saved: root.text(super::SAVED_SERVERS).unwrap_or_default(),
        files,
        unfit,
        marks: MARKS
            .iter()
            .map(PathBuf::from)
            .filter(|mark| root.at(mark).symlink_metadata().is_ok())
            .collect(),
        free_port: BESIDE.into_iter().find(|port| {
            let held = machine::holders(root, *port);
            held.iter().flat_map(|holder| &holder.processes).all(|process| process.name == "stubborn")
                && held.iter().all(|holder| !holder.processes.is_empty())
        }),
    }
}

impl Ours {
    /// Reads the configuration and asks the daemon how it is.
    ///
    /// # Errors
    /// The configuration has errors.
    pub fn read(
        config: Option<&Path>,
        wanted: Option<SocketAddr>,
        root: &Root,
    ) -> Result<Self, ConfigErrors> {
        let path = config.unwrap_or(Path::new(DEFAULT_PATH)).to_owned();
        // What an earlier setup wrote there does not count.
        let is_undone = root.instead(&path).is_some();
        let loaded = match is_undone {
            true => {
                config::from_text(&path, &root.text(&path).unwrap_or_default(), &Disk, crate::edit::now())?
            }
            false => config::load(config)?,
        };
        let socket = loaded.config.control.socket.as_deref();
        let (mut unheard, mut another) = (None, None);
        let running = socket.and_then(|socket| match proof::status(socket) {
            Ok(status) => {
                let reads = status.config_file.or(status.config_file_awaited).map(PathBuf::from);
                another = reads.filter(|reads| config.is_none() && !is_same(reads, &path));
                Some(Running {
                    pid: status.pid,
                    // After the undoing it listens where the file says.
                    listeners: match is_undone {
                        true => loaded.config.server.listen.clone(),
                        false => status.listeners.iter().filter_map(|text| text.parse().ok()).collect(),
                    },
                    upstreams: status
                        .upstreams
                        .into_iter()
                        .filter(|upstream| upstream.route.is_none())
                        .map(|upstream| upstream.server)
                        .collect(),
                    only_monitors: status.policy.mode == "monitor",
                    home_domains: status.policy.home_domains.into_iter().map(|home| home.domain).collect(),
                })
            }
            // It runs, and this user may not ask where it listens: where its configuration says.
            Err(ClientError::NoPermission { .. }) => {
                Some(Running { listeners: loaded.config.server.listen.clone(), ..Running::default() })
            }
            Err(ClientError::NoDaemon { .. }) => None,
            Err(error) => {
                unheard = Some(error.to_string());
                None
            }
        });
        Ok(Self {
            // It was read as text just now, unless it came out of a pipe.
            text: files::read(&root.at(&path), LONGEST)
                .ok()
                .and_then(|text| String::from_utf8(text).ok())
                .unwrap_or_default(),
            path,
            config: loaded.config,
            written: loaded.written.into_iter().map(|(key, _)| key).collect(),
            running,
            unheard,
            another,
            wanted,
        })
    }

    /// Whether a key is written in the file.
    pub fn wrote(&self, key: &str) -> bool {
        self.written.iter().any(|written| written == key)
    }

    /// Where it listens, or will.
    pub fn listeners(&self) -> &[SocketAddr] {
        self.running.as_ref().map_or(&self.config.server.listen, |running| &running.listeners)
    }

    /// Whether a socket is its own. Who may not know whose it is believes the daemon.
    pub fn has(&self, holder: &Holder, machine: &Machine) -> bool {
        let by_systemd = machine.has("/etc/systemd/system/sockets.target.wants/stubborn.socket");
        let running = self.running.as_ref();
        if holder.processes.is_empty() {
            return running.is_some_and(|running| running.listeners.contains(&holder.address));
        }
        holder.processes.iter().any(|process| {
            process.name == "stubborn"
                || running.is_some_and(|running| running.pid == process.pid)
                || (by_systemd && process.pid == 1)
        })
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The address on which programs of this machine reach a socket.
pub(super) fn reached(address: SocketAddr) -> Option<SocketAddr> {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    ip.is_loopback().then_some(SocketAddr::new(ip, address.port()))
}
