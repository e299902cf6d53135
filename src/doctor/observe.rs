//! What is read of the machine, and whom it asks.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::SystemTime;

use super::browsers::{Browser, browsers};
use super::trial::{Answerer, Trial, try_names, who_answers};
use crate::control::Status;
use crate::machine::{Holder, Link, ResolvConf, Root, holders, links, processes, resolv_conf};

/// The port of every server in a resolv.conf.
const PORT: u16 = 53;
/// What systemd keeps the time of: no right clock is before it.
const TIMESYNC: &str = "/var/lib/systemd/timesync/clock";

/// What is to be looked at.
#[derive(Debug)]
pub struct Wanted {
    /// The machine's files.
    pub root: Root,
    /// The configuration file.
    pub config: PathBuf,
    /// What the daemon says of itself; or why it says nothing.
    pub daemon: Result<Box<Status>, String>,
    /// The servers that the configuration names, where the daemon says nothing.
    pub upstreams: Vec<SocketAddr>,
    /// Nobody outside this machine is asked.
    pub offline: bool,
}

/// What was found.
#[derive(Debug)]
pub struct Observed {
    /// What the daemon says of itself; or why it says nothing.
    pub daemon: Result<Box<Status>, String>,
    /// The file of every program.
    pub resolv_conf: ResolvConf,
    /// The line of nsswitch.conf that says where names are looked up.
    pub hosts_line: String,
    /// Who answers at the loopback addresses and at each server that is named anywhere.
    pub answerers: Vec<Answerer>,
    /// Who has port 53.
    pub holders: Vec<Holder>,
    /// systemd-resolved runs.
    pub resolved: bool,
    /// The servers it asks for names of no interface's.
    pub resolved_servers: Vec<IpAddr>,
    /// These are asked for every name, whatever the interfaces have (`Domains=~.`).
    pub resolved_takes_all: bool,
    /// The servers it has for single interfaces.
    pub links: Vec<Link>,
    /// Browsers with a way of their own.
    pub browsers: Vec<Browser>,
    /// Docker runs here; and has been told which servers its containers are to ask.
    pub docker: Option<bool>,
    /// The machine's clock, and a time that is over, by the file that shows it; both in Unix seconds.
    pub clock: (i64, Option<(PathBuf, i64)>),
    /// What protection depends on.
    pub files: Vec<Facts>,
    /// This process's user.
    pub user: u32,
    /// Names that lead inside, asked for where programs ask.
    pub programs: Vec<Trial>,
    /// And where stubborn asks.
    pub upstreams: Vec<Trial>,
}

/// Who may change a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The file, or a directory.
    pub path: PathBuf,
    /// Its owner.
    pub owner: u32,
    /// Its mode.
    pub mode: u32,
}

/// Looks.
pub fn observe(wanted: Wanted) -> Observed {
    let Wanted { root, config, daemon, upstreams, offline } = wanted;
    let resolv_conf = resolv_conf(&root);
    let links = links(&root);
    let running = processes(&root);
    let runs = |name: &str| running.iter().any(|process| process.name == name);
    let resolved = runs("systemd-resolve");
    let resolved_servers = servers(&root.text("/run/systemd/resolve/resolv.conf").unwrap_or_default());
    let of_links = links.iter().flat_map(|link| &link.servers).filter_map(|server| address(server));
    let mut named = BTreeSet::new();
    named.extend([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    named.extend(resolv_conf.servers.iter().chain(&resolved_servers).copied().chain(of_links));
    let is_asked = |ip: &&IpAddr| !offline || ip.is_loopback();
    let answerers = named.iter().filter(is_asked).map(|ip| who_answers((*ip, PORT).into())).collect();
    let upstreams = match &daemon {
        Ok(status) => status.upstreams.iter().filter(|one| one.route.is_none()).filter_map(socket).collect(),
        Err(_) => upstreams,
    };
    // Whoever is asked here asks outside.
    let tried = |servers: &[SocketAddr]| -> Vec<Trial> {
        servers.iter().filter(|_| !offline).map(|server| try_names(*server)).collect()
    };
    let of_programs: Vec<SocketAddr> =
        resolv_conf.servers.iter().take(3).map(|ip| (*ip, PORT).into()).collect();
    let docker = runs("dockerd")
        .then(|| root.text("/etc/docker/daemon.json").is_some_and(|text| text.contains("\"dns\"")));
    let over = [config.clone(), PathBuf::from(TIMESYNC)].into_iter().filter_map(|path| {
        let written = std::fs::metadata(root.at(&path)).ok()?.mtime();
        Some((path, written))
    });
    let over = over.max_by_key(|(_, written)| *written);
    let directory = config.parent().map(PathBuf::from).unwrap_or_default();
    let files = [
        config,
        directory,
        "/etc/resolv.conf".into(),
        "/etc/hosts".into(),
        "/run/stubborn/control.sock".into(),
    ]
    .into_iter()
    .filter_map(|path| {
        let file = std::fs::metadata(root.at(&path)).ok()?;
        Some(Facts { path, owner: file.uid(), mode: file.mode() })
    });
    Observed {
        hosts_line: hosts_line(&root.text("/etc/nsswitch.conf").unwrap_or_default()),
        answerers,
        holders: holders(&root, PORT),
        resolved,
        resolved_servers,
        resolved_takes_all: takes_all(&root),
        links,
        browsers: browsers(&root),
        docker,
        clock: (unix_seconds(), over),
        files: files.collect(),
        user: std::fs::metadata("/proc/self").map_or(u32::MAX, |own| own.uid()),
        programs: tried(&of_programs),
        upstreams: tried(&upstreams),
        daemon,
        resolv_conf,
    }
}

/// resolved.conf(5) and what is laid over it.
fn takes_all(root: &Root) -> bool {
    const PLACES: [&str; 3] = ["/usr/lib/systemd", "/run/systemd", "/etc/systemd"];
    let dropped = PLACES.into_iter().flat_map(|place| {
        let directory = format!("{place}/resolved.conf.d");
        root.names(&directory).into_iter().map(move |name| format!("{directory}/{name}"))
    });
    let texts = dropped.chain(["/etc/systemd/resolved.conf".to_owned()]).filter_map(|path| root.text(path));
    let says = |text: String| {
        let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix("Domains="));
        lines.any(|domains| domains.split_whitespace().any(|domain| domain == "~."))
    };
    texts.into_iter().any(says)
}

fn socket(upstream: &crate::control::UpstreamStatus) -> Option<SocketAddr> {
    let ip = || Some(SocketAddr::new(upstream.server.parse().ok()?, PORT));
    upstream.server.parse().ok().or_else(ip)
}

fn hosts_line(text: &str) -> String {
    text.lines().find_map(|line| line.strip_prefix("hosts:")).unwrap_or_default().trim().to_owned()
}

fn servers(text: &str) -> Vec<IpAddr> {
    text.lines().filter_map(|line| line.strip_prefix("nameserver")).filter_map(address).collect()
}

/// Of `192.0.2.1`, `[2001:db8::1]:53%eth0#name` and the like.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().split(['%', '#']).next()?;
    let bare = || text.trim_start_matches('[').split(']').next()?.parse().ok();
    text.parse::<SocketAddr>().ok().map(|socket| socket.ip()).or_else(bare)
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
