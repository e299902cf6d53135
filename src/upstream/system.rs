//! The servers the system itself would ask, and never this daemon: once `/etc/resolv.conf` names us, a forwarder that
//! follows it asks itself until the last socket is used up.

mod conf;
mod here;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::Endpoint;
use crate::dns::Name;
use conf::Parsed;
pub use here::{Here, in_container, may_be_docker};

/// Where the system's servers are looked for, in this order, and what each file is.
#[cfg(all(unix, not(any(target_os = "android", target_vendor = "apple"))))]
pub const SYSTEM_FILES: &[(&str, &str)] = &[
    ("/etc/resolv.conf", "what every program uses"),
    (RESOLVED, "what systemd-resolved forwards to; resolv.conf names only its stub 127.0.0.53"),
    (
        "/run/NetworkManager/no-stub-resolv.conf",
        "what NetworkManager got, where it put a local server before it",
    ),
    ("/run/resolvconf/resolv.conf", "what resolvconf(8) collected, where resolv.conf is not a link to it"),
    ("/etc/resolv.conf.stubborn-saved", "resolv.conf as it was before it named this daemon"),
];

/// Where the system's servers are looked for: there is no file.
#[cfg(not(all(unix, not(any(target_os = "android", target_vendor = "apple")))))]
pub const SYSTEM_FILES: &[(&str, &str)] = &[("the system's network settings", "the only source")];

const RESOLVED: &str = "/run/systemd/resolve/resolv.conf";

/// Where systemd-resolved listens for programs (systemd-resolved.service(8)).
const RESOLVED_STUBS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 54))];

/// The files of [`SYSTEM_FILES`].
pub fn system_files() -> Vec<&'static Path> {
    SYSTEM_FILES.iter().map(|(path, _)| Path::new(*path)).collect()
}

/// The system's servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemServers {
    /// At least one, in the file's order, each once.
    pub endpoints: Vec<Endpoint>,
    /// The search domains of the same file.
    pub search: Vec<Name>,
    /// The line they are in, from 1; 0 where there is none.
    pub search_line: u32,
    /// The file they are from.
    pub found_in: PathBuf,
    /// The servers not taken, of all files that were read, and why not.
    pub skipped: Vec<(Endpoint, Skip)>,
    /// Notes on lines of these files whose server cannot be asked.
    pub notes: Vec<String>,
}

/// Why a server was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// We listen there.
    ThisDaemon,
    /// It is the stub of systemd-resolved, which asks us.
    StubOfThisDaemon,
    /// Its interface does not exist here.
    UnknownInterface,
    /// A link-local address says nothing without the interface.
    NoInterface,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ThisDaemon => "is this daemon itself: a loop",
            Self::StubOfThisDaemon => "is the stub of systemd-resolved, which asks this daemon: a loop",
            Self::UnknownInterface => "is on an interface that does not exist",
            Self::NoInterface => "is link-local and names no interface",
        })
    }
}

impl SystemServers {
    /// Whether a server was not taken because this daemon listens there.
    pub fn passed_over_this_daemon(&self) -> bool {
        is_among(&self.skipped)
    }
}

fn is_among(skipped: &[(Endpoint, Skip)]) -> bool {
    skipped.iter().any(|(_, skip)| *skip == Skip::ThisDaemon)
}

/// Why there are no system servers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SystemError {
    /// No file has a server that is not this daemon.
    #[error(
        "no upstream server: {}; name one with `--upstream ADDRESS` or with `servers` in `[upstream]`",
        list(.0.iter().map(|(path, found)| format!("{}: {found}", path.display())))
    )]
    NoServer(Vec<(PathBuf, Found)>),
}

impl SystemError {
    /// Whether a server was not taken because this daemon listens there.
    pub fn passed_over_this_daemon(&self) -> bool {
        let Self::NoServer(files) = self;
        files.iter().any(|(_, found)| matches!(found, Found::Skipped(skipped) if is_among(skipped)))
    }
}

/// What was found in a file instead of a server to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is not there.
    Missing,
    /// It cannot be read.
    Unreadable(std::io::ErrorKind),
    /// It is a pipe, a socket or a device.
    NotAFile,
    /// It is larger than 64 KiB.
    TooLarge,
    /// No line of it names a server.
    NoServer,
    /// None of its lines names a usable server; a note for each line.
    Unusable(Vec<String>),
    /// None of its servers can be asked.
    Skipped(Vec<(Endpoint, Skip)>),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("does not exist"),
            Self::Unreadable(kind) => write!(f, "cannot be read ({kind})"),
            Self::NotAFile => f.write_str("is not a regular file"),
            Self::TooLarge => write!(f, "is larger than {} KiB", conf::MAX_SIZE >> 10),
            Self::NoServer => f.write_str("names no server"),
            Self::Unusable(notes) => write!(f, "names no server ({})", list(notes.iter().cloned())),
            Self::Skipped(servers) => {
                f.write_str(&list(servers.iter().map(|(server, why)| format!("{server} {why}"))))
            }
        }
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// The servers of the first of `files` that has one which is not this daemon.
///
/// Reads the files (at most 64 KiB each) and, for a scoped address, asks the system for the interface's number; it asks no
/// server.
///
/// # Errors
///
/// No file has such a server: the error names every file and why each of its servers was not taken.
pub fn system_servers(here: Here<'_>, files: &[&Path]) -> Result<SystemServers, SystemError> {
    let read: Vec<(&Path, Result<Parsed, Found>)> =
        files.iter().map(|path| (*path, conf::read(path))).collect();
    // The stub itself is another program; whom it asks stands in its own file.
    let stub_asks_us = read.iter().any(|(path, parsed)| {
        let ours = |parsed: &Parsed| parsed.servers.iter().any(|server| here.is_ours(server.0));
        path.ends_with(RESOLVED.trim_start_matches('/')) && parsed.as_ref().is_ok_and(ours)
    });
    let verdict = |address: SocketAddr, unfit: Option<Skip>| match address.ip() {
        _ if here.is_ours(address) => Some(Skip::ThisDaemon),
        ip if stub_asks_us && RESOLVED_STUBS.contains(&ip) => Some(Skip::StubOfThisDaemon),
        _ => unfit,
    };

    let mut looked = Vec::new();
    let mut skipped = Vec::new();
    let mut notes = Vec::new();
    for (path, parsed) in read {
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(found) => {
                if let Found::Unusable(unusable) = &found {
                    notes.extend(unusable.iter().map(|note| format!("{}: {note}", path.display())));
                }
                looked.push((path.to_owned(), found));
                continue;
            }
        };
        notes.extend(parsed.notes.iter().map(|note| format!("{}: {note}", path.display())));
        let mut endpoints = Vec::new();
        let mut not_taken = Vec::new();
        for (address, unfit) in parsed.servers {
            let endpoint = Endpoint::Do53(address);
            match verdict(address, unfit) {
                Some(skip) => not_taken.push((endpoint, skip)),
                None if endpoints.contains(&endpoint) => {}
                None => endpoints.push(endpoint),
            }
        }
        skipped.extend(not_taken.iter().copied());
        if !endpoints.is_empty() {
            return Ok(SystemServers {
                endpoints,
                search: parsed.search,
                search_line: parsed.search_line,
                found_in: path.to_owned(),
                skipped,
                notes,
            });
        }
        looked.push((path.to_owned(), Found::Skipped(not_taken)));
    }
    Err(SystemError::NoServer(looked))
}

/// The first of the explicitly configured `servers` that is this daemon itself.
pub fn loops(servers: &[Endpoint], here: Here<'_>) -> Option<Endpoint> {
    servers.iter().copied().find(|server| here.is_ours(server.address()))
}
