//! What is read of the machine, and whom it asks.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::SystemTime;

use super::browsers::{Browser, browsers};
use super::progress::{Progress, Tell, together};
use super::trial::{Answerer, Trial, Who, who_answers};
use super::trials::Trials;
use crate::control::{ClientError, Command, Reply, Status};
use crate::machine::{Holder, Link, Process, ResolvConf, Root, holders, links, processes, resolv_conf};

/// The port of every server in a resolv.conf.
pub(super) const PORT: u16 = 53;
/// What systemd keeps the time of: no right clock is before it.
const TIMESYNC: &str = "/var/lib/systemd/timesync/clock";

/// What is to be looked at.
pub struct Wanted<'a> {
    /// The machine's files.
    pub root: Root,
    /// The configuration file.
    pub config: PathBuf,
    /// Asks the daemon.
    pub ask: &'a Ask<'a>,
    /// Tells a person what takes so long.
    pub tell: &'a Tell<'a>,
    /// The servers that the configuration names, where the daemon says nothing.
    pub upstreams: Vec<SocketAddr>,
    /// Nobody outside this machine is asked.
    pub offline: bool,
}

/// Asks the daemon.
pub type Ask<'a> = dyn Fn(&Command) -> Result<Reply, ClientError> + Sync + 'a;

/// The daemon, as far as its control socket shows it.
#[derive(Debug)]
pub enum Daemon {
    /// It runs, and says this of itself.
    Runs(Box<Status>),
    /// Nobody listens at the socket.
    Absent(String),
    /// One may run, and says nothing of itself.
    Silent(String),
}

/// What was found.
#[derive(Debug)]
pub struct Observed {
    /// What the daemon says of itself; or why it says nothing.
    pub daemon: Daemon,
    /// The file of every program.
    pub resolv_conf: ResolvConf,
    /// The line of nsswitch.conf that says where names are looked up.
    pub hosts_line: String,
    /// Who answers at the loopback addresses and at each server that is named anywhere.
    pub answerers: Vec<Answerer>,
    /// Who has port 53, and the ports of upstreams on this machine.
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
    /// Docker runs here, with the servers that daemon.json has it tell its containers.
    pub docker: Option<Vec<IpAddr>>,
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
    /// Why they were not asked for.
    pub not_tried: Option<String>,
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
pub fn observe(wanted: Wanted<'_>) -> Observed {
    let Wanted { root, config, ask, tell, upstreams, offline } = wanted;
    let progress = Progress::new(tell);
    let resolv_conf = resolv_conf(&root);
    let links = links(&root);
    let running = processes(&root);
    let runs = |name: &str| running.iter().any(|process| process.name == name);
    let resolved_servers = servers(&root.text("/run/systemd/resolve/resolv.conf").unwrap_or_default());
    let docker = runs("dockerd").then(|| docker_servers(&root));
    let of_links = links.iter().flat_map(|link| &link.servers).filter_map(|server| address(server));
    let mut named = BTreeSet::new();
    named.extend([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    named.extend(resolv_conf.servers.iter().chain(&resolved_servers).copied().chain(of_links));
    named.extend(docker.iter().flatten());
    named.retain(|ip| !offline || ip.is_loopback());
    let (daemon, answerers) = progress.during("asking the daemon, and who answers on port 53", || {
        together(|| daemon(ask), || who_answers_at(&named))
    });
    let upstreams = match &daemon {
        Daemon::Runs(status) => {
            status.upstreams.iter().filter(|one| one.route.is_none()).filter_map(socket).collect()
        }
        Daemon::Absent(_) | Daemon::Silent(_) => upstreams,
    };
    let ports: BTreeSet<u16> = upstreams.iter().map(SocketAddr::port).chain([PORT]).collect();
    let holders = ports.into_iter().flat_map(|port| holders(&root, port)).collect();
    // Without a server there, the C library asks this machine (resolv.conf(5)).
    let default = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let asked: &[IpAddr] = if resolv_conf.servers.is_empty() { &default } else { &resolv_conf.servers };
    let of_programs = asked.iter().take(3).map(|ip| (*ip, PORT).into()).collect();
    let may_run =
        running.iter().any(is_daemon) || answerers.iter().any(|one| matches!(one.who, Who::Stubborn(_)));
    let trials = progress.during("asking for names that lead inside", || {
        Trials { ask, offline, may_run, daemon: &daemon }.run(of_programs, upstreams)
    });
    // What it has found out meanwhile, such as a loop, belongs to what it says.
    let daemon = match daemon {
        Daemon::Runs(status) => status_again(ask, status),
        absent => absent,
    };
    Observed {
        hosts_line: hosts_line(&root.text("/etc/nsswitch.conf").unwrap_or_default()),
        answerers,
        holders,
        resolved: runs("systemd-resolve"),
        resolved_servers,
        resolved_takes_all: takes_all(&root),
        links,
        browsers: browsers(&root),
        docker,
        clock: clock(&root, &config),
        files: facts(&root, &config),
        user: std::fs::metadata("/proc/self").map_or(u32::MAX, |own| own.uid()),
        programs: trials.programs,
        upstreams: trials.upstreams,
        not_tried: trials.not_tried,
        daemon,
        resolv_conf,
    }
}

fn daemon(ask: &Ask<'_>) -> Daemon {
    match ask(&Command::Status) {
        Ok(Reply::Status(status)) => Daemon::Runs(status),
        Ok(Reply::Refused { message }) => {
            Daemon::Silent(format!("the daemon refuses to say how it is: {message}"))
        }
        Ok(_) => Daemon::Silent("the daemon gave another reply than was asked for".to_owned()),
        Err(error @ ClientError::NoDaemon { .. }) => Daemon::Absent(error.to_string()),
        Err(error) => Daemon::Silent(error.to_string()),
    }
}

fn status_again(ask: &Ask<'_>, before: Box<Status>) -> Daemon {
    match daemon(ask) {
        Daemon::Absent(_) | Daemon::Silent(_) => Daemon::Runs(before),
        runs @ Daemon::Runs(_) => runs,
    }
}

fn who_answers_at(addresses: &BTreeSet<IpAddr>) -> Vec<Answerer> {
    thread::scope(|scope| {
        let asked: Vec<_> =
            addresses.iter().map(|ip| scope.spawn(|| who_answers((*ip, PORT).into()))).collect();
        asked.into_iter().filter_map(|asked| asked.join().ok()).collect()
    })
}

/// A daemon of stubborn, and not one of its commands.
fn is_daemon(process: &Process) -> bool {
    process.name == "stubborn" && process.arguments.iter().any(|argument| argument == "run")
}

/// The clock, and a time that is over.
fn clock(root: &Root, config: &Path) -> (i64, Option<(PathBuf, i64)>) {
    let over = [config.to_owned(), PathBuf::from(TIMESYNC)].into_iter().filter_map(|path| {
        let written = std::fs::metadata(root.at(&path)).ok()?.mtime();
        Some((path, written))
    });
    (unix_seconds(), over.max_by_key(|(_, written)| *written))
}

fn facts(root: &Root, config: &Path) -> Vec<Facts> {
    let directory = config.parent().map(PathBuf::from).unwrap_or_default();
    let paths = [
        config.to_owned(),
        directory,
        "/etc/resolv.conf".into(),
        "/etc/hosts".into(),
        "/run/stubborn/control.sock".into(),
    ];
    let facts = paths.into_iter().filter_map(|path| {
        let file = std::fs::metadata(root.at(&path)).ok()?;
        Some(Facts { path, owner: file.uid(), mode: file.mode() })
    });
    facts.collect()
}

/// `"dns"` in daemon.json.
fn docker_servers(root: &Root) -> Vec<IpAddr> {
    let text = root.text("/etc/docker/daemon.json").unwrap_or_default();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let servers = json.get("dns").and_then(serde_json::Value::as_array).into_iter().flatten();
    servers.filter_map(|server| address(server.as_str()?)).collect()
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

pub(super) fn socket(upstream: &crate::control::UpstreamStatus) -> Option<SocketAddr> {
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
