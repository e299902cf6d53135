//! The checks, each a function of what was observed.

use std::net::IpAddr;
use std::path::Path;

use super::Finding;
use super::observe::{Observed, address};
use super::problems::*;
use super::trial::{Trial, Who};
use crate::machine::Link;

/// More than this is no inaccuracy of a clock, in seconds.
const CLOCK: i64 = 60;
/// Servers of resolv.conf that glibc asks.
const SERVERS: usize = 3;

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
    ("in practice", in_practice),
    ("upstream", upstream),
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
struct Report {
    check: &'static str,
    findings: Vec<Finding>,
}

impl Report {
    fn fine(&mut self, what: String) {
        self.add(&FINE, what);
    }

    fn add(&mut self, problem: &Problem, what: String) {
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
        Ok(status) => status,
        Err(why) => return report.add(&NO_DAEMON, why.clone()),
    };
    for problem in &status.problems {
        report.add(&DAEMON_SAYS, problem.clone());
    }
    match status.policy.mode.as_str() {
        "enforce" => report.fine(format!("stubborn {} runs, and blocks", status.program)),
        mode => report.add(&MONITORS, format!("stubborn runs with mode {mode}")),
    }
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
    match (ip, who) {
        (_, Some(Who::Stubborn(_))) => There::Stubborn,
        (IpAddr::V4(v4), _) if matches!(v4.octets(), [127, 0, 0, 53 | 54]) => There::Resolved,
        _ if !ip.is_loopback() && !ip.is_unspecified() => There::Elsewhere,
        (_, Some(Who::Nobody)) => There::Nobody,
        _ => There::Local,
    }
}

fn port(observed: &Observed, report: &mut Report) {
    for one in observed.answerers.iter().filter(|one| one.address.ip().is_loopback()) {
        let ip = one.address.ip();
        let version = match &one.who {
            _ if there(observed, ip) == There::Resolved => continue,
            Who::Stubborn(version) => {
                report.fine(format!("{version} answers at {ip}"));
                continue;
            }
            Who::Nobody => {
                report.fine(format!("nobody answers at {ip}"));
                continue;
            }
            Who::Other(version) => version,
        };
        let holders = observed.holders.iter().filter(|holder| holder.receives(ip));
        let mut names: Vec<&str> =
            holders.flat_map(|holder| &holder.processes).map(|process| process.name.as_str()).collect();
        names.insert(0, version);
        names.retain(|name| !name.is_empty());
        names.dedup();
        let names = if names.is_empty() { "another program".to_owned() } else { names.join(" ") };
        report.add(&OTHER_ANSWERS, format!("{names} answers at {ip}"));
    }
}

fn resolv_conf(observed: &Observed, report: &mut Report) {
    for (place, ip) in observed.resolv_conf.servers.iter().enumerate() {
        let there = there(observed, *ip);
        let (problem, what) = match there {
            There::Stubborn => (&FINE, ", which is stubborn"),
            There::Resolved => (&FINE, ", which is systemd-resolved"),
            There::Nobody => (&NOBODY_THERE, ", where nobody answers"),
            There::Local => (&LOCAL_SERVER, ", which is another program on this machine"),
            // The check of IPv6 has a word for it.
            There::Elsewhere if ip.is_ipv6() => continue,
            There::Elsewhere if place >= SERVERS => (&LATE_SERVER, " after three others"),
            There::Elsewhere if place == 0 => (&FIRST_SERVER, " first"),
            There::Elsewhere => (&SECOND_SERVER, " besides"),
        };
        report.add(problem, format!("/etc/resolv.conf names {ip}{what}"));
    }
    if observed.resolv_conf.servers.is_empty() {
        report.add(&NO_SERVER, "/etc/resolv.conf names no server".to_owned());
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
    report.else_fine("no interface has servers of its own that are asked");
}

fn v6(observed: &Observed, report: &mut Report) {
    let in_use = is_resolved_asked(observed);
    let by_resolved = observed.resolved_servers.iter().filter(|_| in_use);
    let mut seen: Vec<&IpAddr> = Vec::new();
    for ip in observed.resolv_conf.servers.iter().chain(by_resolved) {
        if ip.is_ipv6() && there(observed, *ip) == There::Elsewhere && !seen.contains(&ip) {
            seen.push(ip);
            report.add(&V6_PAST, format!("{ip} is asked"));
        }
    }
    report.else_fine("no resolver with an IPv6 address is asked past stubborn");
}

fn browsers(observed: &Observed, report: &mut Report) {
    for browser in &observed.browsers {
        let mode = browser.mode.as_deref().unwrap_or("its default");
        let policy = if browser.overruled { ", but a policy has it off" } else { "" };
        let what = format!("{}: DNS over HTTPS is {mode}{policy}", browser.place);
        // By default Firefox asks for its canary, and Chromium leaves a resolver on loopback alone.
        report.add(if browser.on && !browser.overruled { &BROWSER_PAST } else { &FINE }, what);
    }
    report.else_fine("no browser's profile was found");
}

fn containers(observed: &Observed, report: &mut Report) {
    match observed.docker {
        None => {}
        Some(true) => {
            report.add(&DOCKER_TOLD, "Docker is told in daemon.json whom its containers ask".to_owned());
        }
        Some(false) if observed.resolv_conf.servers.iter().all(IpAddr::is_loopback) => {
            report.add(&DOCKER_PAST, "Docker runs, and resolv.conf names nothing but loopback".to_owned());
        }
        Some(false) => report.fine("Docker's containers ask the servers of resolv.conf".to_owned()),
    }
}

fn in_practice(observed: &Observed, report: &mut Report) {
    for Trial { server, answers, came, kept } in &observed.programs {
        let server = server.ip();
        match (answers, came.as_slice()) {
            (false, _) => {
                report.add(&NO_ANSWER, format!("{server} has no answer for the names it is tried with"))
            }
            (true, []) => {
                report.fine(format!("of {} names that lead inside none does at {server}", kept.len()));
            }
            (true, came) => {
                report.add(&LEADS_INSIDE, format!("at {server} these lead inside: {}", came.join(", ")))
            }
        }
    }
    if observed.programs.is_empty() {
        report.add(&NOT_TRIED, "not tried".to_owned());
    }
}

fn upstream(observed: &Observed, report: &mut Report) {
    for Trial { server, answers, came: _, kept } in &observed.upstreams {
        match (answers, kept.as_slice()) {
            (false, _) => {
                report.add(&NO_ANSWER, format!("{server} has no answer for the names it is tried with"))
            }
            (true, []) => {
                report
                    .fine(format!("{server} passes on whatever leads inside: stubborn is what keeps it out"));
            }
            (true, kept) => {
                report.add(&FILTERS_TOO, format!("{server} filters too, and keeps back {}", kept.join(", ")))
            }
        }
    }
    if observed.upstreams.is_empty() {
        report.add(&NOT_TRIED, "not tried".to_owned());
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
    report.else_fine("only root, or this user, may change what protection depends on");
}
