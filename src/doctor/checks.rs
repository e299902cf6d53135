//! The checks, each a function of what was observed.

use std::net::IpAddr;
use std::path::Path;

use super::observe::{Observed, address};
use super::trial::{Trial, Who};
use super::{Finding, Level};
use crate::machine::Link;

/// More than this is no inaccuracy of a clock, in seconds.
const CLOCK: i64 = 60;
/// Servers of resolv.conf that glibc asks.
const SERVERS: usize = 3;

type Check = fn(&Observed) -> Vec<Finding>;

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
    let run = |(name, check): (&'static str, Check)| {
        check(observed).into_iter().map(move |finding| Finding { check: name, ..finding })
    };
    CHECKS.into_iter().flat_map(run).collect()
}

fn daemon(observed: &Observed) -> Vec<Finding> {
    let status = match &observed.daemon {
        Ok(status) => status,
        Err(why) => {
            return vec![Finding::unknown(
                why.as_str(),
                "What the daemon would say of itself is not known.",
                "Start it, or run this as root or as one of the group `stubborn`.",
            )];
        }
    };
    let mut found: Vec<Finding> = status
        .problems
        .iter()
        .map(|problem| {
            Finding::unknown(
                problem.as_str(),
                "The daemon itself says so.",
                "See `stubborn status` and its log.",
            )
        })
        .collect();
    found.push(match status.policy.mode.as_str() {
        "enforce" => Finding::fine(format!("stubborn {} runs, and blocks", status.program)),
        mode => Finding::open(
            format!("stubborn runs with mode {mode}"),
            "What leads inside is reported and passed on.",
            "Set `mode = \"enforce\"` in [guard].",
        ),
    });
    found
}

/// What is at a server's address.
enum There {
    Stubborn,
    /// The stub of systemd-resolved, which is judged by whom it asks.
    Resolved,
    /// Another program of this machine.
    Local,
    Elsewhere,
}

fn there(observed: &Observed, ip: IpAddr) -> There {
    match ip {
        _ if matches!(who(observed, ip), Some(Who::Stubborn(_))) => There::Stubborn,
        IpAddr::V4(v4) if matches!(v4.octets(), [127, 0, 0, 53 | 54]) => There::Resolved,
        _ if ip.is_loopback() || ip.is_unspecified() => There::Local,
        _ => There::Elsewhere,
    }
}

fn who(observed: &Observed, ip: IpAddr) -> Option<&Who> {
    observed.answerers.iter().find(|one| one.address.ip() == ip).map(|one| &one.who)
}

fn port(observed: &Observed) -> Vec<Finding> {
    let loopback = observed.answerers.iter().filter(|one| one.address.ip().is_loopback());
    loopback
        .filter(|one| !matches!(there(observed, one.address.ip()), There::Resolved))
        .map(|one| {
            let ip = one.address.ip();
            let holders = observed.holders.iter().filter(|holder| holder.receives(ip));
            let mut names: Vec<&str> =
                holders.flat_map(|holder| &holder.processes).map(|process| process.name.as_str()).collect();
            names.dedup();
            match &one.who {
                Who::Stubborn(version) => Finding::fine(format!("{version} answers at {ip}")),
                Who::Nobody => Finding::fine(format!("nobody answers at {ip}")),
                Who::Other(version) => Finding::unknown(
                    format!("{} answers at {ip}", [&[version.as_str()], &names[..]].concat().join(" ").trim()),
                    "Whoever asks there is protected only if that program asks stubborn.",
                    "Make stubborn its upstream, or let stubborn have the port: `stubborn setup` does either.",
                ),
            }
        })
        .collect()
}

fn resolv_conf(observed: &Observed) -> Vec<Finding> {
    let servers = &observed.resolv_conf.servers;
    if servers.is_empty() {
        return vec![Finding::unknown(
            "/etc/resolv.conf names no server",
            "Programs then ask 127.0.0.1, or none.",
            "Run `stubborn setup`.",
        )];
    }
    let mut found = Vec::new();
    for (place, ip) in servers.iter().enumerate() {
        found.push(match there(observed, *ip) {
            // The check of IPv6 has a word for it.
            There::Elsewhere if ip.is_ipv6() => continue,
            There::Stubborn => Finding::fine(format!("/etc/resolv.conf names {ip}, which is stubborn")),
            There::Resolved => Finding::fine(format!("/etc/resolv.conf names {ip}, which is systemd-resolved")),
            There::Local if who(observed, *ip) == Some(&Who::Nobody) => Finding::unknown(
                format!("/etc/resolv.conf names {ip}, where nobody answers"),
                "Programs wait, and then ask the next server, or find nothing.",
                "Start stubborn there, or take the line out.",
            ),
            There::Local => Finding::unknown(
                format!("/etc/resolv.conf names {ip}, which is another program on this machine"),
                "Programs are protected only if it asks stubborn.",
                "See below, in practice.",
            ),
            There::Elsewhere if place >= SERVERS => Finding::unknown(
                format!("/etc/resolv.conf names {ip} as server {}", place + 1),
                "Most programs read no more than three servers; one that does goes past stubborn.",
                "Take the line out.",
            ),
            There::Elsewhere if place == 0 => Finding::open(
                format!("/etc/resolv.conf names {ip} first"),
                "Programs ask it and not stubborn.",
                "Run `stubborn setup`.",
            ),
            There::Elsewhere => Finding::open(
                format!("/etc/resolv.conf names {ip} besides"),
                "It is asked when stubborn is slow or refuses, and by some programs always (musl asks all at once).",
                "Take the line out: stubborn asks several servers by itself.",
            ),
        });
    }
    found
}

/// Programs ask systemd-resolved, by resolv.conf or by nsswitch.conf.
fn is_resolved_asked(observed: &Observed) -> bool {
    let by_switch = observed.hosts_line.split_whitespace().any(|word| word == "resolve");
    let mut servers = observed.resolv_conf.servers.iter();
    observed.resolved && (by_switch || servers.any(|ip| matches!(there(observed, *ip), There::Resolved)))
}

fn resolved(observed: &Observed) -> Vec<Finding> {
    if !observed.resolved {
        return vec![Finding::fine("systemd-resolved does not run")];
    }
    if !is_resolved_asked(observed) {
        return vec![Finding::fine("systemd-resolved runs, and programs do not ask it")];
    }
    let of_links: Vec<IpAddr> = observed.links.iter().flat_map(addresses).collect();
    let own = observed.resolved_servers.iter().filter(|ip| ip.is_ipv4() && !of_links.contains(ip));
    let mut found: Vec<Finding> = own
        .map(|ip| match there(observed, *ip) {
            There::Stubborn => Finding::fine(format!("systemd-resolved asks {ip}, which is stubborn")),
            There::Resolved | There::Local | There::Elsewhere => Finding::open(
                format!("systemd-resolved asks {ip}"),
                "Programs ask systemd-resolved, and it goes past stubborn.",
                "Run `stubborn setup`, which makes stubborn its only server.",
            ),
        })
        .collect();
    if found.is_empty() {
        found.push(Finding::open(
            "systemd-resolved has no server that is stubborn",
            "It asks the servers of the interfaces, or those that are built into it.",
            "Run `stubborn setup`, which makes stubborn its only server.",
        ));
    }
    found
}

fn addresses(link: &Link) -> impl Iterator<Item = IpAddr> + '_ {
    link.servers.iter().filter_map(|server| address(server))
}

fn interfaces(observed: &Observed) -> Vec<Finding> {
    let in_use = is_resolved_asked(observed);
    let mut found = Vec::new();
    for link in observed.links.iter().filter(|_| in_use) {
        let past = |ip: &IpAddr| ip.is_ipv4() && !matches!(there(observed, *ip), There::Stubborn);
        let servers: Vec<String> = addresses(link).filter(past).map(|ip| ip.to_string()).collect();
        if servers.is_empty() {
            continue;
        }
        let what = format!("{} has {} for its own", link.name, servers.join(", "));
        found.push(if observed.resolved_takes_all && !link.takes_all() {
            match link.domains.as_slice() {
                [] => Finding::fine(format!("{what}, and they are not asked")),
                domains => Finding::unknown(
                    format!("{what}, for {}", domains.join(", ")),
                    "Names below these domains are asked there, past stubborn: right for a VPN that you trust.",
                    "Give stubborn a [[route]] for them instead, which limits what they may answer.",
                ),
            }
        } else {
            Finding::open(
                what,
                "systemd-resolved asks them for all names, beside or before stubborn.",
                "Run `stubborn setup`; or `resolvectl dns LINK 127.0.0.1`, until the interface comes up anew.",
            )
        });
    }
    if found.is_empty() {
        found.push(Finding::fine("no interface has servers of its own that are asked"));
    }
    found
}

fn v6(observed: &Observed) -> Vec<Finding> {
    let in_use = is_resolved_asked(observed);
    let by_resolved = observed.resolved_servers.iter().copied().filter(|_| in_use);
    let mut servers: Vec<IpAddr> = observed.resolv_conf.servers.iter().copied().chain(by_resolved).collect();
    servers.retain(|ip| ip.is_ipv6() && matches!(there(observed, *ip), There::Elsewhere));
    servers.sort();
    servers.dedup();
    if servers.is_empty() {
        return vec![Finding::fine("no resolver with an IPv6 address is asked past stubborn")];
    }
    let open = |ip: IpAddr| {
        Finding::open(
            format!("{ip} is asked"),
            "The router announced it beside DHCP (RFC 8106), and it goes past stubborn.",
            "Run `stubborn setup`; or have the network's configuration ignore announced servers (`ipv6.ignore-auto-dns`).",
        )
    };
    servers.into_iter().map(open).collect()
}

fn browsers(observed: &Observed) -> Vec<Finding> {
    let mut found = Vec::new();
    for browser in &observed.browsers {
        let mode = browser.mode.as_deref().unwrap_or("its default");
        let what = format!("{}: DNS over HTTPS is {mode}", browser.place);
        found.push(match (browser.on, browser.overruled) {
            (true, false) => Finding::open(
                what,
                "The browser asks a resolver of its own, past stubborn, or does so when it sees fit.",
                "Turn it off in the browser's settings, or for all of them by a policy: DNSOverHTTPS (Firefox), DnsOverHttpsMode \"off\" (Chromium).",
            ),
            (true, true) => Finding::fine(format!("{what}, but a policy has it off")),
            // Firefox asks for its canary, and Chromium leaves a resolver on loopback alone.
            (false, _) => Finding::fine(what),
        });
    }
    if found.is_empty() {
        found.push(Finding::fine("no browser's profile was found"));
    }
    found
}

fn containers(observed: &Observed) -> Vec<Finding> {
    let Some(told) = observed.docker else { return Vec::new() };
    let mut servers = observed.resolv_conf.servers.iter();
    if told {
        return vec![Finding::unknown(
            "Docker is told in daemon.json whom its containers ask",
            "They are protected only if that is stubborn.",
            "Name an address of this machine at which stubborn listens.",
        )];
    }
    if servers.all(IpAddr::is_loopback) {
        return vec![Finding::open(
            "Docker runs, and resolv.conf names nothing but loopback",
            "A container cannot reach that, so Docker has it ask 8.8.8.8.",
            "Have stubborn listen on the bridge's address too, and name that as \"dns\" in /etc/docker/daemon.json.",
        )];
    }
    vec![Finding::fine("Docker's containers ask the servers of resolv.conf")]
}

fn in_practice(observed: &Observed) -> Vec<Finding> {
    let judge = |trial: &Trial| match (trial.answers, trial.came.as_slice()) {
        (false, _) => untried(trial),
        (true, []) => Finding::fine(format!(
            "of {} names that lead inside none does at {}",
            trial.kept.len(),
            trial.server.ip()
        )),
        (true, came) => Finding::open(
            format!("at {} these lead inside: {}", trial.server.ip(), came.join(", ")),
            "A page under such a name reaches what listens inside. That is so for every public name, unless an exception is for these.",
            "Put right what stands above; `stubborn explain NAME` tells if an exception lets them through.",
        ),
    };
    let found: Vec<Finding> = observed.programs.iter().map(judge).collect();
    if found.is_empty() { vec![not_asked()] } else { found }
}

fn upstream(observed: &Observed) -> Vec<Finding> {
    let judge = |trial: &Trial| match (trial.answers, trial.kept.as_slice()) {
        (false, _) => untried(trial),
        (true, []) => Finding::fine(format!(
            "{} passes on whatever leads inside: stubborn is what keeps it out",
            trial.server
        )),
        (true, kept) => Finding::new(
            Level::Fine,
            format!("{} filters too, and keeps back {}", trial.server, kept.join(", ")),
            "Such answers never reach stubborn, so its exceptions and its log have nothing of them.",
            "For a name of your own that should lead inside, make an exception there as well, or a [[route]] to another server.",
        ),
    };
    let found: Vec<Finding> = observed.upstreams.iter().map(judge).collect();
    if found.is_empty() { vec![not_asked()] } else { found }
}

fn untried(trial: &Trial) -> Finding {
    Finding::unknown(
        format!("{} does not answer for the names it is tried with", trial.server),
        "Whether it filters is not known.",
        "Try again with a network, or see that it answers: `dig @SERVER 1.1.1.1.nip.io`.",
    )
}

fn not_asked() -> Finding {
    Finding::unknown("not tried", "Nobody was to be asked, or there is nobody.", "Run it without --offline.")
}

fn clock(observed: &Observed) -> Vec<Finding> {
    let (now, over) = &observed.clock;
    vec![match over {
        Some((path, written)) if *written > now + CLOCK => Finding::open(
            format!("the clock is {} s before {} was written", written - now, path.display()),
            "It is wrong: exceptions that should be over hold again.",
            "Set it, and have it kept right (systemd-timesyncd, chrony).",
        ),
        _ => Finding::fine("nothing shows the clock to be wrong"),
    }]
}

fn permissions(observed: &Observed) -> Vec<Finding> {
    // Sockets and resolv.conf belong to services.
    let services = ["/etc/resolv.conf", "/run/stubborn/control.sock"].map(Path::new);
    let mut found = Vec::new();
    for file in &observed.files {
        let sticky_directory = file.mode & 0o1000 != 0;
        let path = file.path.display();
        if file.mode & 0o002 != 0 && !sticky_directory {
            found.push(Finding::open(
                format!("everybody may write {path} (mode {:o})", file.mode & 0o7777),
                "Any program of any user can let names lead inside.",
                "chmod o-w it.",
            ));
        } else if ![0, observed.user].contains(&file.owner) && !services.contains(&file.path.as_path()) {
            found.push(Finding::open(
                format!("{path} belongs to user {}", file.owner),
                "Programs of that user can let names lead inside.",
                "chown it to root.",
            ));
        }
    }
    if found.is_empty() {
        found.push(Finding::fine("only root, or this user, may change what protection depends on"));
    }
    found
}
