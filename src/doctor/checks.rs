//! The checks, each a function of what was observed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use super::observe::{Daemon, Observed, PORT, address, socket};
use super::problems::*;
use super::trial::{Seen, Who};
use super::{Finding, practice};
use crate::machine::{Kind, Link};

/// A clock that is wrong by more than this is not just inaccurate, in seconds.
const CLOCK: i64 = 60;
/// Servers of resolv.conf that glibc asks.
const SERVERS: usize = 3;

/// How the daemon names a loop among its problems.
const LEADS_BACK: &str = "leads back to this daemon";

type Check = fn(&Observed, &mut Report);

const CHECKS: [(&str, Check); 12] = [
    ("daemon", daemon),
    ("port 53", port),
    ("resolv.conf", resolv_conf),
    ("systemd-resolved", resolved),
    ("other interfaces", interfaces),
    ("IPv6", v6),
    ("browsers", browsers),
    ("containers", containers),
    ("in practice", practice::in_practice),
    ("upstream", practice::upstream),
    ("clock", clock),
    ("permissions", permissions),
];

/// All checks, in the order of their table.
pub fn examine(observed: &Observed) -> Vec<Finding> {
    let mut report = Report::default();
    for (name, check) in CHECKS {
        report.check = name;
        check(observed, &mut report);
    }
    report.findings
}

#[derive(Default)]
pub(super) struct Report {
    check: &'static str,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn fine(&mut self, what: String) {
        self.add(&FINE, what);
    }

    pub(super) fn add(&mut self, problem: &Problem, what: String) {
        let Problem(level, means, fix) = *problem;
        self.findings.push(Finding { check: self.check, level, what, means, fix });
    }

    /// The check has found nothing so far.
    fn is_empty(&self) -> bool {
        self.findings.last().is_none_or(|last| last.check != self.check)
    }

    fn else_fine(&mut self, what: &str) {
        if self.is_empty() {
            self.fine(what.to_owned());
        }
    }
}

fn daemon(observed: &Observed, report: &mut Report) {
    let status = match &observed.daemon {
        Daemon::Runs(status) => status,
        Daemon::Absent(why) => return report.add(&NO_DAEMON, why.clone()),
        Daemon::Silent(why) => return report.add(&SILENT_DAEMON, why.clone()),
    };
    for problem in &status.problems {
        let is_loop = problem.contains(LEADS_BACK);
        report.add(if is_loop { &LOOP } else { &DAEMON_SAYS }, problem.clone());
    }
    for server in status.upstreams.iter().filter(|server| server.leads_back).filter_map(socket) {
        if let Some(name) = holder(observed, server) {
            report.add(&LOOP, format!("{name} is the program at {server}, which leads back to stubborn"));
        }
    }
    match status.policy.mode.as_str() {
        "enforce" => report.fine(format!("stubborn {} runs with mode enforce", status.program)),
        mode => report.add(&MONITORS, format!("stubborn runs with mode {mode}")),
    }
}

/// The program on this machine that has an address, as far as this user may know.
pub(super) fn holder(observed: &Observed, address: SocketAddr) -> Option<&str> {
    let ip = if address.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
    let holders = observed.holders.iter().filter(|holder| holder.address.port() == address.port());
    let mut processes = holders.filter(|holder| holder.receives(ip)).flat_map(|holder| &holder.processes);
    processes.next().map(|process| process.name.as_str())
}

/// What is at a server's address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Stubborn,
    /// The stub of systemd-resolved, which is judged by whom it asks.
    Resolved,
    /// Nobody, on this machine.
    Nobody,
    /// Another program on this machine.
    Local,
    Elsewhere,
}

fn there(observed: &Observed, ip: IpAddr) -> There {
    let who = observed.answerers.iter().find(|one| one.address.ip() == ip).map(|one| &one.who);
    let is_here = ip.is_loopback() || ip.is_unspecified();
    let is_resolved = matches!(ip, IpAddr::V4(v4) if matches!(v4.octets(), [127, 0, 0, 53 | 54]));
    match who {
        // A forwarder may pass on that question too, and the answer.
        Some(Who::Stubborn(_)) if !is_here || is_held_by_stubborn(observed, ip) => There::Stubborn,
        _ if is_resolved => There::Resolved,
        _ if !is_here => There::Elsewhere,
        Some(Who::Nobody) => There::Nobody,
        _ => There::Local,
    }
}

/// Nothing shows that another program has the address.
fn is_held_by_stubborn(observed: &Observed, ip: IpAddr) -> bool {
    let name = holder(observed, SocketAddr::new(ip, PORT));
    name.is_none_or(|name| name.starts_with("stubborn") || name == "systemd")
}

/// What was seen of a server's way to the daemon.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It asked the daemon for every name.
    Leads,
    /// It asked the daemon for some names only.
    LeadsAtTimes,
    /// It answered, and did not ask the daemon.
    LeadsPast,
    Unknown,
}

fn way(observed: &Observed, ip: IpAddr) -> Way {
    let trial = observed.programs.iter().find(|trial| trial.server.ip() == ip);
    match trial.and_then(|trial| Some((trial, trial.seen?))) {
        Some((_, Seen { missed: 0, .. })) => Way::Leads,
        Some((_, seen)) if seen.names > 0 => Way::LeadsAtTimes,
        Some((trial, _)) if trial.answers => Way::LeadsPast,
        _ => Way::Unknown,
    }
}

/// Something asks there, as far as files show.
fn is_named(observed: &Observed, ip: IpAddr) -> bool {
    let servers = &observed.resolv_conf.servers;
    let by_default = servers.is_empty() && ip == IpAddr::V4(Ipv4Addr::LOCALHOST);
    let by_resolved = is_resolved_asked(observed) && observed.resolved_servers.contains(&ip);
    servers.contains(&ip) || by_default || by_resolved
}

fn port(observed: &Observed, report: &mut Report) {
    for one in observed.answerers.iter().filter(|one| one.address.ip().is_loopback()) {
        let ip = one.address.ip();
        let is_named = is_named(observed, ip);
        let version = match (&one.who, there(observed, ip)) {
            (_, There::Resolved) => continue,
            (Who::Stubborn(version), There::Stubborn) => {
                report.fine(format!("{version} answers at {ip}"));
                continue;
            }
            (Who::Nobody, _) if is_named => {
                report.add(&NOBODY_ANSWERS, format!("nobody answers at {ip}"));
                continue;
            }
            (Who::Nobody, _) => {
                report.fine(format!("nobody answers at {ip}, and nothing was found to ask there"));
                continue;
            }
            (Who::Stubborn(version) | Who::Other(version), _) => version,
        };
        let name = holder(observed, SocketAddr::new(ip, PORT)).unwrap_or_default();
        let mut names = vec![name, version.as_str()];
        names.retain(|name| !name.is_empty());
        let names = match names.as_slice() {
            [] => "another program".to_owned(),
            [name, version] if version.starts_with(name) => (*version).to_owned(),
            names => names.join(", which says of itself "),
        };
        let what = format!("{names} answers at {ip}");
        match way(observed, ip) {
            Way::Leads => report.fine(format!("{what}, and asks stubborn")),
            Way::LeadsAtTimes => {
                report.add(&OTHER_PAST, format!("{what}, and asks stubborn for some names only"));
            }
            Way::LeadsPast => report.add(&OTHER_PAST, format!("{what}, and was not seen to ask stubborn")),
            Way::Unknown if is_named => report.add(&OTHER_ANSWERS, what),
            Way::Unknown => report.fine(format!("{what}, and nothing was found to ask there")),
        }
    }
}

fn resolv_conf(observed: &Observed, report: &mut Report) {
    for (place, ip) in observed.resolv_conf.servers.iter().enumerate() {
        let name = holder(observed, SocketAddr::new(*ip, PORT)).unwrap_or("another program");
        let (problem, what) = match (there(observed, *ip), way(observed, *ip)) {
            (There::Stubborn, _) => (&FINE, "which is stubborn".to_owned()),
            (There::Resolved, Way::Leads) => (&FRONT, "systemd-resolved, which asks stubborn".to_owned()),
            (There::Local, Way::LeadsAtTimes) => {
                (&LOCAL_PAST, format!("where {name} answers and asks stubborn for some names only"))
            }
            (There::Resolved, _) => (&FINE, "which is systemd-resolved".to_owned()),
            (There::Local, Way::Leads) => (&FRONT, format!("where {name} answers and asks stubborn")),
            (There::Elsewhere, Way::Leads) => (&FRONT, "a resolver elsewhere that asks stubborn".to_owned()),
            (There::Nobody, _) => (&NOBODY_THERE, "where nobody answers".to_owned()),
            (There::Local, Way::LeadsPast) => {
                (&LOCAL_PAST, format!("where {name} answers and was not seen to ask stubborn"))
            }
            (There::Local, Way::Unknown) => (&LOCAL_SERVER, format!("which is {name} on this machine")),
            // The check of IPv6 has a word for it.
            (There::Elsewhere, _) if ip.is_ipv6() => continue,
            (There::Elsewhere, _) if place >= SERVERS => (&LATE_SERVER, "after three others".to_owned()),
            (There::Elsewhere, _) if place == 0 => (&FIRST_SERVER, "first".to_owned()),
            (There::Elsewhere, _) => (&SECOND_SERVER, "besides".to_owned()),
        };
        let comma = if what.contains(' ') && !what.starts_with("after") { "," } else { "" };
        report.add(problem, format!("/etc/resolv.conf names {ip}{comma} {what}"));
    }
    if observed.resolv_conf.servers.is_empty() {
        report.add(
            &NO_SERVER,
            match &observed.resolv_conf.kind {
                Kind::Missing => "/etc/resolv.conf does not exist".to_owned(),
                Kind::Link(target) if !observed.resolv_conf.is_readable => {
                    format!("/etc/resolv.conf is a link to {}, which cannot be read", target.display())
                }
                Kind::File | Kind::Link(_) => "/etc/resolv.conf names no server".to_owned(),
            },
        );
    }
}

/// Programs ask systemd-resolved, by resolv.conf or by nsswitch.conf.
fn is_resolved_asked(observed: &Observed) -> bool {
    let by_switch = observed.hosts_line.split_whitespace().any(|word| word == "resolve");
    let mut servers = observed.resolv_conf.servers.iter();
    observed.resolved && (by_switch || servers.any(|ip| there(observed, *ip) == There::Resolved))
}

fn resolved(observed: &Observed, report: &mut Report) {
    if !is_resolved_asked(observed) {
        return report.fine("programs do not ask systemd-resolved".to_owned());
    }
    let of_links: Vec<IpAddr> = observed.links.iter().flat_map(addresses).collect();
    for ip in observed.resolved_servers.iter().filter(|ip| ip.is_ipv4() && !of_links.contains(ip)) {
        let is_stubborn = there(observed, *ip) == There::Stubborn;
        report.add(if is_stubborn { &FINE } else { &RESOLVED_PAST }, format!("systemd-resolved asks {ip}"));
    }
    if report.is_empty() {
        report.add(&RESOLVED_WITHOUT, "systemd-resolved has no server that is stubborn".to_owned());
    }
}

fn addresses(link: &Link) -> impl Iterator<Item = IpAddr> + '_ {
    link.servers.iter().filter_map(|server| address(server))
}

fn interfaces(observed: &Observed, report: &mut Report) {
    let in_use = is_resolved_asked(observed);
    for link in observed.links.iter().filter(|_| in_use) {
        let past = |ip: &IpAddr| ip.is_ipv4() && there(observed, *ip) != There::Stubborn;
        let servers: Vec<String> = addresses(link).filter(past).map(|ip| ip.to_string()).collect();
        if servers.is_empty() {
            continue;
        }
        let what = format!("{} has {} for its own", link.name, servers.join(", "));
        if !observed.resolved_takes_all || link.takes_all() {
            report.add(&LINK_PAST, what);
        } else if link.domains.is_empty() {
            report.fine(format!("{what}, and they are not asked"));
        } else {
            report.add(&LINK_DOMAINS, format!("{what}, for {}", link.domains.join(", ")));
        }
    }
    report.else_fine("no interface was found to have servers of its own that are asked");
}

fn v6(observed: &Observed, report: &mut Report) {
    let in_use = is_resolved_asked(observed);
    let by_resolved = observed.resolved_servers.iter().filter(|_| in_use);
    let mut seen: Vec<&IpAddr> = Vec::new();
    for ip in observed.resolv_conf.servers.iter().chain(by_resolved) {
        let is_past = there(observed, *ip) == There::Elsewhere && way(observed, *ip) != Way::Leads;
        if ip.is_ipv6() && is_past && !seen.contains(&ip) {
            seen.push(ip);
            report.add(&V6_PAST, format!("{ip} is asked"));
        }
    }
    report.else_fine("no resolver with an IPv6 address was found to be asked past stubborn");
}

fn browsers(observed: &Observed, report: &mut Report) {
    for browser in &observed.browsers {
        let mode = browser.mode.as_deref().unwrap_or("its default");
        let policy = if browser.overruled { ", but a policy has it off" } else { "" };
        let what = format!("{}: DNS over HTTPS is {mode}{policy}", browser.place);
        // By default Firefox asks for its canary, and Chromium leaves a resolver on loopback alone.
        report.add(if browser.on && !browser.overruled { &BROWSER_PAST } else { &FINE }, what);
    }
    report.else_fine("no browser's profile was found in the homes that this user can read");
}

fn containers(observed: &Observed, report: &mut Report) {
    let Some(told) = &observed.docker else { return };
    let names = told.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if told.iter().any(|ip| there(observed, *ip) != There::Stubborn) {
        report.add(&DOCKER_TOLD, format!("daemon.json has Docker's containers ask {names}"));
    } else if !told.is_empty() {
        report.fine(format!("daemon.json has Docker's containers ask {names}, which is stubborn"));
    } else if observed.resolv_conf.servers.iter().all(IpAddr::is_loopback) {
        report.add(&DOCKER_PAST, "Docker runs, and resolv.conf names nothing but loopback".to_owned());
    } else {
        report.fine("Docker runs; it has its containers ask the servers of resolv.conf".to_owned());
    }
}

fn clock(observed: &Observed, report: &mut Report) {
    let (now, over) = &observed.clock;
    for (path, written) in over.iter().filter(|(_, written)| *written > now + CLOCK) {
        let what = format!("the clock is {} s before {} was written", written - now, path.display());
        report.add(&CLOCK_BEHIND, what);
    }
    report.else_fine("nothing shows the clock to be wrong");
}

fn permissions(observed: &Observed, report: &mut Report) {
    // Sockets and resolv.conf belong to services.
    let services = ["/etc/resolv.conf", "/run/stubborn/control.sock"].map(Path::new);
    for file in &observed.files {
        let is_sticky = file.mode & 0o1000 != 0;
        let path = file.path.display();
        if file.mode & 0o002 != 0 && !is_sticky {
            let what = format!("everybody may write {path} (mode {:o})", file.mode & 0o7777);
            report.add(&ANYBODY_WRITES, what);
        } else if ![0, observed.user].contains(&file.owner) && !services.contains(&file.path.as_path()) {
            report.add(&OTHERS_OWN, format!("{path} belongs to user {}", file.owner));
        }
    }
    report
        .else_fine("what protection depends on belongs to root or this user, and not everybody may write it");
}
