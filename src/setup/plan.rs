//! From what the machine is to what is to be done about it; pure.
//!
//! Whoever writes `/etc/resolv.conf` is told to keep off, but goes on collecting the servers of the network where the daemon
//! finds them (see [`SYSTEM_FILES`](crate::upstream::SYSTEM_FILES)); then programs are pointed at stubborn:
//!
//! | who | is told | and the network's servers stay in |
//! |---|---|---|
//! | systemd-resolved | to ask stubborn for every name, and cache nothing | its own resolv.conf |
//! | NetworkManager | to write no resolv.conf | its no-stub-resolv.conf, and systemd-resolved's |
//! | Debian's resolvconf | nothing: it leaves a file alone that is not a link to its own | /run/resolvconf/resolv.conf |
//! | openresolv | to write to | /run/resolvconf/resolv.conf |
//! | dhclient | by a hook to write to | resolv.conf.stubborn-saved |
//!
//! Where dnsmasq or Pi-hole has port 53, it stays there, and stubborn is its upstream.

mod front;
mod kept;
mod prepare;
mod programs;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::survey::reached;
use super::{Machine, Ours, Plan, Step};
use crate::machine::{Holder, Kind, Process, RESOLV_CONF};
use crate::upstream::Server;
use front::{Front, behind, front, listen_behind};
use kept::keep_servers;
use prepare::{prepare, resolved_servers};
use programs::programs;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Where systemd-resolved listens for programs.
const STUB: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53));
const RESOLVED: &str = "systemd-resolve";
const NM: &str = "NetworkManager";
/// The name of our own processes.
pub(super) const OWN_NAME: &str = "stubborn";
const UPLINK: &str = "/run/systemd/resolve/resolv.conf";
const HEADER: &str = "# stubborn setup wrote this; `stubborn restore` puts back what was here.\n";

/// Why the machine cannot be pointed at stubborn as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}\n  {help}")]
pub struct Refused {
    /// What is in the way.
    pub why: String,
    /// What to do about it.
    pub help: String,
}

fn refused(why: impl Into<String>, help: impl Into<String>) -> Refused {
    Refused { why: why.into(), help: help.into() }
}

/// What to do on this machine.
///
/// # Errors
/// It cannot be done, and why, and what to do about it.
pub fn plan(machine: &Machine, ours: &Ours) -> Result<Plan, Refused> {
    if machine.has("/etc/NIXOS") {
        return Err(refused(
            "NixOS makes these files from its configuration",
            "write there: networking.nameservers = [ \"127.0.0.1\" ]; networking.resolvconf.useLocalResolver = true;",
        ));
    }
    if machine.is_mounted {
        return Err(refused(
            "/etc/resolv.conf is a mount of its own, as in a container",
            "point the container at stubborn from outside, such as with `--dns`",
        ));
    }
    if let Some(another) = &ours.another {
        return Err(refused(
            format!("the running daemon reads {}, and not {}", another.display(), ours.path.display()),
            format!(
                "name the file that it reads after the next start of the machine, such as `--config {}`",
                another.display()
            ),
        ));
    }
    let front = front(machine, ours)?;
    let is_edited = |path: &&PathBuf| {
        path.starts_with("/etc/resolvconf.conf")
            || (front.is_some() && !path.starts_with("/etc/systemd") && !path.starts_with("/run"))
    };
    if let Some(path) = machine.unfit.iter().filter(|path| !path.ends_with("resolv.conf")).find(is_edited) {
        return Err(refused(
            format!("{} is not text, or longer than 1 MiB, and so is not changed from here", path.display()),
            "have no such bytes in it, or move what is long elsewhere",
        ));
    }
    let listen = match front {
        None => listen_alone(machine, ours)?,
        Some(_) => listen_behind(machine, ours)?,
    };
    let mut plan = Plan {
        machine: describe(machine, front),
        listen,
        prepare: Vec::new(),
        switch: Vec::new(),
        server: if front.is_some() { LOCAL } else { listen.ip() },
        is_behind: front.is_some(),
        first: None,
        warnings: Vec::new(),
    };
    let mut asked_before = match front {
        Some(front) => behind(&mut plan, machine, front)?,
        None if ours.config.upstream.servers == [Server::System] => resolved_servers(machine),
        None => Vec::new(),
    };
    asked_before.retain(|server| *server != listen.to_string());
    let names_servers = !asked_before.is_empty();
    prepare(&mut plan, machine, ours, front, asked_before)?;
    if front.is_none() && ours.config.upstream.servers.contains(&Server::System) {
        keep_servers(&mut plan, machine, ours, names_servers)?;
    }
    programs(&mut plan, machine);
    warnings(&mut plan, machine, ours);
    Ok(plan)
}

fn describe(machine: &Machine, front: Option<Front<'_>>) -> String {
    let mut parts = Vec::new();
    match front {
        Some(Front::PiHole) => parts.push("Pi-hole has port 53".to_owned()),
        Some(Front::Dnsmasq(_)) => parts.push("dnsmasq has port 53".to_owned()),
        None => {}
    }
    for (program, name) in
        [(RESOLVED, "systemd-resolved"), (NM, NM), ("dhclient", "dhclient"), ("dhcpcd", "dhcpcd")]
    {
        if machine.runs(program) {
            parts.push(format!("{name} runs"));
        }
    }
    if machine.has("/etc/resolvconf.conf") {
        parts.push("openresolv is there".to_owned());
    }
    parts.push(match &machine.resolv_conf.kind {
        Kind::Missing => "there is no /etc/resolv.conf".to_owned(),
        Kind::File => "/etc/resolv.conf is a file".to_owned(),
        Kind::Link(target) => format!("/etc/resolv.conf is a link to {}", target.display()),
    });
    parts.join(", ")
}

/// The first of these at which programs can ask: glibc knows port 53 only.
fn usable(listeners: &[SocketAddr]) -> Option<SocketAddr> {
    let mut usable: Vec<SocketAddr> =
        listeners.iter().filter_map(|address| reached(*address)).filter(|at| at.port() == 53).collect();
    usable.sort_by_key(SocketAddr::is_ipv6);
    usable.first().copied()
}

fn held(holder: &Holder, process: &Process) -> Refused {
    refused(
        format!("{} (process {}) has {}", process.name, process.pid, holder.address),
        "stop it; or have stubborn listen at an address of its own, such as listen = [\"127.0.0.2:53\"]; or give it \
         stubborn for its upstream and leave this machine as it is",
    )
}

fn listen_alone(machine: &Machine, ours: &Ours) -> Result<SocketAddr, Refused> {
    let own = ours.wanted.as_ref().map_or(ours.listeners(), std::slice::from_ref);
    let Some(listen) = usable(own) else {
        return Err(refused(
            "programs ask port 53 of this machine, and stubborn does not listen there",
            "have `listen = [\"127.0.0.1:53\"]` in [server], or leave it out; `--listen 127.0.0.1:53` writes it",
        ));
    };
    let in_the_way =
        machine.holders.iter().find(|holder| holder.receives(listen.ip()) && !ours.has(holder, machine));
    match in_the_way.and_then(|holder| Some((holder, holder.processes.first()?))) {
        Some((holder, process)) => Err(held(holder, process)),
        None => Ok(listen),
    }
}

fn setting_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.trim().split_once('=').filter(|(found, _)| found.trim() == key).map(|(_, value)| value.trim())
}

fn warnings(plan: &mut Plan, machine: &Machine, ours: &Ours) {
    let resolved = machine.runs(RESOLVED);
    for link in machine.links.iter().filter(|_| resolved) {
        let servers = link.servers.join(", ");
        for domain in link.domains.iter().filter(|domain| *domain != ".") {
            plan.warnings.push(format!(
                "{} is for names below {domain} ({servers}): give them a [[route]] in stubborn, or they go past it or unresolved",
                link.name
            ));
        }
        if link.takes_all() && !(machine.runs(NM) && link.managed) {
            plan.warnings.push(format!(
                "systemd-resolved asks {servers} for every name too, by {}: take `~.` from that interface's domains",
                link.name
            ));
        }
    }
    let over_tls =
        machine.files.iter().filter(|(path, _)| path.starts_with("/etc/systemd")).any(|(_, text)| {
            text.lines()
                .any(|line| setting_of(line, "DNSOverTLS").is_some_and(|value| !matches!(value, "" | "no")))
        });
    if over_tls {
        plan.warnings.push("systemd-resolved asked over TLS; stubborn asks in the clear".to_owned());
    }
    let wrote = |path: &str| {
        plan.switch
            .iter()
            .any(|step| matches!(step, Step::Write { path: other, .. } if other.to_str() == Some(path)))
    };
    if machine.runs("dhcpcd") && !machine.has("/etc/resolvconf.conf") && wrote(RESOLV_CONF) {
        plan.warnings.push(
            "dhcpcd writes /etc/resolv.conf anew: have `nohook resolv.conf` in /etc/dhcpcd.conf".to_owned(),
        );
    }
    if machine.runs("dockerd") {
        plan.warnings.push(
            "Docker gives containers other servers than loopback's: have stubborn listen at the bridge's address too, and \
             name that in \"dns\" of /etc/docker/daemon.json"
                .to_owned(),
        );
    }
    if ours.running.as_ref().is_some_and(|running| running.only_monitors) {
        plan.warnings
            .push("stubborn lets everything through and only reports it (mode = \"monitor\")".to_owned());
    }
}

#[cfg(test)]
mod tests;
