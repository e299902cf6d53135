//! From what the machine is to what is to be done about it; pure.
//!
//! Whoever writes `/etc/resolv.conf` is told to keep off, but goes on collecting the servers of the network where the daemon
//! finds them (see [`SYSTEM_FILES`](crate::upstream::SYSTEM_FILES)); then programs are pointed at stubborn:
//!
//! | who | is told | and the network's servers stay in |
//! |---|---|---|
//! | systemd-resolved | to ask stubborn for every name, and cache nothing | its own resolv.conf |
//! | NetworkManager | to tell nobody | its no-stub-resolv.conf |
//! | Debian's resolvconf | nothing: it leaves a file alone that is no link to its own | /run/resolvconf/resolv.conf |
//! | openresolv | to write to | /run/resolvconf/resolv.conf |
//! | dhclient | by a hook to write to | resolv.conf.stubborn-saved |
//!
//! Where dnsmasq or Pi-hole has port 53, it stays there, and stubborn is its upstream.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::beside::{Changed, pihole_toml, setting, setup_vars, with_list, without_servers};
use super::survey::reached;
use super::{Machine, Ours, Plan, SAVED_SERVERS, Step};
use crate::machine::{Holder, Kind, Process, RESOLV_CONF, Writer};
use crate::upstream::Server;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Where systemd-resolved listens for programs.
const STUB: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53));
const RESOLVED: &str = "systemd-resolve";
const NM: &str = "NetworkManager";
const UPLINK: &str = "/run/systemd/resolve/resolv.conf";
const HEADER: &str = "# stubborn setup wrote this; `stubborn restore` puts back what was here.\n";

/// Why the machine cannot be pointed at stubborn as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}; nothing was changed\n  {help}")]
pub struct Refused {
    /// What is in the way.
    pub why: String,
    /// What to do about it.
    pub help: String,
}

fn refused(why: impl Into<String>, help: impl Into<String>) -> Refused {
    Refused { why: why.into(), help: help.into() }
}

/// Another program at port 53 that stubborn can stand behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Front<'a> {
    PiHole,
    Dnsmasq(&'a Process),
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
    let front = front(machine, ours)?;
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
        warnings: Vec::new(),
    };
    let mut asked_before = Vec::new();
    if let Some(front) = front {
        asked_before = behind(&mut plan, machine, front)?;
    } else {
        let global = resolved_servers(machine);
        if ours.config.upstream.servers == [Server::System] {
            asked_before = global;
        }
    }
    prepare(&mut plan, machine, ours, front, asked_before)?;
    programs(&mut plan, machine, ours, front)?;
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

/// Who else has port 53 where stubborn would have it, if stubborn can stand behind it.
fn front<'a>(machine: &'a Machine, ours: &Ours) -> Result<Option<Front<'a>>, Refused> {
    let own = ours.wanted.as_ref().map_or(ours.listeners(), std::slice::from_ref);
    let at = usable(own).map_or(LOCAL, |own| own.ip());
    let mut others = machine.holders.iter().filter(|holder| !ours.has(holder, machine));
    let Some(holder) = others.find(|holder| holder.receives(at)) else { return Ok(None) };
    let Some(process) = holder.processes.first() else {
        return Err(refused(
            format!("another program has {}", holder.address),
            "only root is told which: use sudo",
        ));
    };
    match process.name.as_str() {
        "pihole-FTL" => Ok(Some(Front::PiHole)),
        "dnsmasq" if process.arguments.iter().any(|argument| argument.contains(NM)) => Err(refused(
            format!(
                "NetworkManager runs a dnsmasq of its own at {} (process {})",
                holder.address, process.pid
            ),
            "take `dns=dnsmasq` out of /etc/NetworkManager, run `nmcli general reload`, and try again",
        )),
        "dnsmasq" => Ok(Some(Front::Dnsmasq(process))),
        _ => Err(held(holder, process)),
    }
}

fn held(holder: &Holder, process: &Process) -> Refused {
    refused(
        format!("{} (process {}) has {}", process.name, process.pid, holder.address),
        "stop it; or have stubborn listen at an address of its own, such as listen = [\"127.0.0.2:53\"]; or give it \
         stubborn for its upstream and leave this machine as it is",
    )
}

/// The first of these at which programs can ask: glibc knows port 53 only.
fn usable(listeners: &[SocketAddr]) -> Option<SocketAddr> {
    let mut usable: Vec<SocketAddr> =
        listeners.iter().filter_map(|address| reached(*address)).filter(|at| at.port() == 53).collect();
    usable.sort_by_key(SocketAddr::is_ipv6);
    usable.first().copied()
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

fn listen_behind(machine: &Machine, ours: &Ours) -> Result<SocketAddr, Refused> {
    let is_aside = |address: &SocketAddr| address.port() != 53 && address.ip().is_loopback();
    if let Some(wanted) = ours.wanted {
        return Some(wanted).filter(is_aside).ok_or_else(|| {
            refused(
                format!("{wanted} is no address beside the one at port 53"),
                "try --listen 127.0.0.1:5335",
            )
        });
    }
    if let Some(listen) = ours.listeners().iter().find(|address| is_aside(address)) {
        return Ok(*listen);
    }
    match machine.free_port {
        _ if ours.wrote("server.listen") => Err(refused(
            "port 53 is taken, and the configuration has stubborn listen nowhere else",
            "have `listen = [\"127.0.0.1:5335\"]` in [server]; `--listen 127.0.0.1:5335` writes it",
        )),
        Some(port) => Ok(SocketAddr::new(LOCAL, port)),
        None => Err(refused("ports 5335 to 5339 are taken", "name another, such as --listen 127.0.0.1:5400")),
    }
}

/// The servers that systemd-resolved was told for every name: they would go unasked.
fn resolved_servers(machine: &Machine) -> Vec<String> {
    if !machine.runs(RESOLVED) {
        return Vec::new();
    }
    let files =
        machine.files.iter().filter(|(path, _)| path.starts_with("/etc/systemd")).map(|(_, text)| text);
    let mut servers: Vec<String> = Vec::new();
    for server in files.flat_map(|text| text.lines()).filter_map(|line| setting_of(line, "DNS")) {
        match server {
            "" => servers.clear(),
            list => servers.extend(list.split_whitespace().filter_map(|server| {
                let address = server.split(['#', '%']).next()?;
                crate::config::upstream_server(address).ok().map(|_| address.to_owned())
            })),
        }
    }
    servers
}

fn setting_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.trim().split_once('=').filter(|(found, _)| found.trim() == key).map(|(_, value)| value.trim())
}

/// stubborn itself: what its configuration has to say, and that it runs, now and after the next start of the machine.
fn prepare(
    plan: &mut Plan,
    machine: &Machine,
    ours: &Ours,
    front: Option<Front<'_>>,
    servers: Vec<String>,
) -> Result<(), Refused> {
    let unfit = |why| {
        refused(format!("{}: {why}", ours.path.display()), "mend it; `stubborn check` points at errors")
    };
    let mut text = ours.text.clone();
    let moves = !ours.listeners().iter().any(|address| reached(*address) == Some(plan.listen));
    if moves {
        text = with_list(&text, "server", "listen", &[plan.listen.to_string()]).map_err(unfit)?;
    }
    let follows = ours.config.upstream.servers.contains(&Server::System);
    if follows && !servers.is_empty() {
        text = with_list(&text, "upstream", "servers", &servers).map_err(unfit)?;
        plan.warnings.push(format!(
            "stubborn's servers are from now on those in {}: {}; they do not change with the network",
            ours.path.display(),
            servers.join(", ")
        ));
    } else if follows && front.is_some() {
        return Err(refused(
            "it cannot be told whom this machine's resolver asked, and stubborn would ask that resolver, in a circle",
            "name stubborn's servers in [upstream]: servers = [\"9.9.9.9\"]",
        ));
    }
    let in_circle = |address: SocketAddr| {
        let asks_us = if front.is_some() { LOCAL } else { STUB };
        address == SocketAddr::new(asks_us, 53) && (front.is_some() || machine.runs(RESOLVED))
    };
    if let Some(Server::At(server)) = ours
        .config
        .upstream
        .servers
        .iter()
        .find(|server| matches!(server, Server::At(at) if in_circle(at.address())))
    {
        return Err(refused(
            format!("stubborn asks {server}, which would then ask stubborn, in a circle"),
            "name another in [upstream] servers, or leave it out",
        ));
    }
    if text != ours.text {
        let what = if moves { "stubborn listens there" } else { "stubborn asks whom this machine asked" };
        plan.prepare.push(Step::Write { path: ours.path.clone(), text, why: what.to_owned() });
    }
    let has_unit = machine.has("/run/systemd/system")
        && ["/lib/systemd/system", "/usr/lib/systemd/system", "/etc/systemd/system"]
            .iter()
            .any(|directory| machine.has(&format!("{directory}/stubborn.service")));
    let enabled = machine.has("/etc/systemd/system/multi-user.target.wants/stubborn.service")
        || machine.has("/etc/systemd/system/sockets.target.wants/stubborn.socket");
    let systemctl = |verb: &str, undo: &[&str], why: &str| {
        let mut words = vec!["systemctl"];
        words.extend(verb.split(' '));
        words.push("stubborn");
        Step::run(&words, undo, why)
    };
    match (&ours.running, has_unit) {
        (None, false) => {
            return Err(refused(
                "stubborn does not run",
                format!("start it, such as by `stubborn run --listen {}`, and try again", plan.listen),
            ));
        }
        (None, true) if enabled => {
            plan.prepare.push(systemctl("restart", &["systemctl", "stop", "stubborn"], "stubborn runs"));
        }
        (None, true) => {
            let undo = ["systemctl", "disable", "--now", "stubborn"];
            plan.prepare.push(systemctl("enable --now", &undo, "stubborn runs, and starts with the machine"));
        }
        (Some(_), false) if moves => {
            return Err(refused(
                format!("stubborn does not listen at {}, and there is no service to restart", plan.listen),
                "have it listen there, and try again",
            ));
        }
        (Some(_), true) => {
            if !enabled {
                let undo = ["systemctl", "disable", "stubborn"];
                plan.prepare.push(systemctl("enable", &undo, "stubborn starts with the machine"));
            }
            if moves {
                let undo = ["systemctl", "try-restart", "stubborn"];
                plan.prepare.push(systemctl("restart", &undo, "stubborn listens there"));
            }
        }
        (Some(_), false) => plan.warnings.push(
            "there is no service: see to it that stubborn starts with the machine, or nothing is resolved then".to_owned(),
        ),
    }
    Ok(())
}

/// dnsmasq and Pi-hole ask stubborn and nobody else. Returns whom they asked before.
fn behind(plan: &mut Plan, machine: &Machine, front: Front<'_>) -> Result<Vec<String>, Refused> {
    let target = format!("{}#{}", plan.listen.ip(), plan.listen.port());
    let why = "it asks stubborn, and nobody else";
    let mut servers = Vec::new();
    let mut rewrite = |plan: &mut Plan, path: &str, changed: Changed| {
        servers.extend(changed.servers);
        plan.switch.push(Step::write(path, changed.text, why));
    };
    match front {
        Front::PiHole if machine.has("/etc/pihole/pihole.toml") => {
            let path = "/etc/pihole/pihole.toml";
            let unfit = |why| refused(format!("{path}: {why}"), "set its upstream to stubborn by hand");
            rewrite(plan, path, pihole_toml(machine.text(path), &target).map_err(unfit)?);
        }
        Front::PiHole if machine.has("/etc/pihole/setupVars.conf") => {
            let (vars, lines) = ("/etc/pihole/setupVars.conf", "/etc/dnsmasq.d/01-pihole.conf");
            rewrite(plan, vars, setup_vars(machine.text(vars), &target));
            let mut changed = without_servers(machine.text(lines));
            changed.servers.clear();
            changed.text.push_str(&format!("server={target}\n"));
            rewrite(plan, lines, changed);
        }
        Front::PiHole => {
            return Err(refused(
                "Pi-hole has port 53 and no files here, as in a container",
                format!("set {target} as its only upstream in its own settings"),
            ));
        }
        Front::Dnsmasq(process) => {
            let main = "/etc/dnsmasq.conf";
            let of_directory = |path: &str| {
                path.starts_with("/etc/dnsmasq.d/") && !path.ends_with('~') && !path.contains(".dpkg-")
            };
            let reads_directory =
                process.arguments.iter().any(|argument| argument.contains("/etc/dnsmasq.d"))
                    || machine.text(main).lines().any(|line| {
                        setting(line, "conf-dir").is_some_and(|value| value.starts_with("/etc/dnsmasq.d"))
                    });
            let own_file = ["-C", "--conf-file"]
                .iter()
                .any(|option| process.arguments.iter().any(|argument| argument.starts_with(option)));
            let files = machine.files.iter().filter_map(|(path, text)| Some((path.to_str()?, text)));
            let files: Vec<(&str, &String)> =
                files.filter(|(path, _)| *path == main || of_directory(path)).collect();
            let elsewhere = files
                .iter()
                .any(|(_, text)| text.lines().any(|line| setting(line, "servers-file").is_some()));
            if !reads_directory || own_file || elsewhere {
                return Err(refused(
                    format!(
                        "dnsmasq (process {}) has its servers where they are not changed from here",
                        process.pid
                    ),
                    format!(
                        "give it these lines, and no other `server` for all names: no-resolv, server={target}"
                    ),
                ));
            }
            for (path, text) in files {
                let changed = without_servers(text);
                if changed.text != **text {
                    rewrite(plan, path, changed);
                }
            }
            plan.switch.push(Step::write(
                "/etc/dnsmasq.d/stubborn.conf",
                format!("{HEADER}no-resolv\nserver={target}\n"),
                why,
            ));
            if servers.is_empty() {
                let given =
                    process.arguments.iter().any(|argument| argument.contains("/run/dnsmasq/resolv.conf"));
                let text = machine.text(if given { "/run/dnsmasq/resolv.conf" } else { RESOLV_CONF });
                // A server of this machine may be dnsmasq itself, and stubborn asks no interface of another.
                servers = names_servers(text, |ip| ip.is_loopback());
                servers.retain(|server| !server.contains(\'%\'));
            }
        }
    }
    let service = if matches!(front, Front::PiHole) { "pihole-FTL" } else { "dnsmasq" };
    let restart = if machine.has("/run/systemd/system") {
        ["systemctl", "restart", service]
    } else {
        ["service", service, "restart"]
    };
    plan.switch.push(Step::run(&restart, &restart, "it takes that, and forgets answers from before"));
    servers.retain(|server| *server != plan.listen.to_string());
    Ok(servers)
}

/// The servers of a resolv.conf but for those it shall not be.
fn names_servers(text: &str, none_of: impl Fn(IpAddr) -> bool) -> Vec<String> {
    let servers = text.lines().filter_map(|line| line.strip_prefix("nameserver")).map(str::trim);
    let is_fit = |server: &&str| {
        let ip = server.split('%').next().and_then(|ip| ip.parse::<IpAddr>().ok());
        ip.is_some_and(|ip| !ip.is_unspecified() && !none_of(ip))
    };
    servers.filter(is_fit).map(str::to_owned).collect()
}

/// The programs of this machine ask `plan.server`.
fn programs(
    plan: &mut Plan,
    machine: &Machine,
    ours: &Ours,
    front: Option<Front<'_>>,
) -> Result<(), Refused> {
    let server = plan.server;
    let saved = if machine.runs(RESOLVED) && machine.has(UPLINK) {
        machine.text(UPLINK)
    } else {
        machine.text(RESOLV_CONF)
    };
    let needs_saved = front.is_none() && ours.config.upstream.servers.contains(&Server::System);
    if needs_saved && !names_servers(saved, |ip| ip == server || ip == STUB).is_empty() {
        let text = format!("# stubborn setup wrote this: whom this machine asked before.\n{saved}");
        plan.switch.push(Step::write(
            SAVED_SERVERS,
            text,
            "stubborn asks these, where no newer ones are known",
        ));
    }
    if machine.runs(RESOLVED) {
        // `DNS=` first: a list is only added to by the next one. It caches nothing, so that what stubborn's configuration
        // says holds at once; and there is no TLS on the way to this machine's own loopback.
        let text = format!("{HEADER}[Resolve]\nDNS=\nDNS={server}\nDomains=~.\nCache=no\nDNSOverTLS=no\n");
        plan.switch.push(Step::write(
            "/etc/systemd/resolved.conf.d/zz-stubborn.conf",
            text,
            format!("systemd-resolved asks {server} for every name"),
        ));
        let restart = ["systemctl", "restart", "systemd-resolved"];
        plan.switch.push(Step::run(&restart, &restart, "it takes that"));
    }
    if machine.runs(NM) {
        plan.switch.push(Step::write(
            "/etc/NetworkManager/conf.d/zz-stubborn.conf",
            format!("{HEADER}[main]\ndns=none\nsystemd-resolved=false\n"),
            "NetworkManager writes no resolv.conf and tells systemd-resolved nothing; stubborn reads what it finds",
        ));
        let reload = ["nmcli", "general", "reload"];
        plan.switch.push(Step::run(&reload, &reload, "it takes that"));
        // What it has told systemd-resolved stays there, and is asked for every name beside stubborn.
        for link in machine.links.iter().filter(|link| link.told && link.takes_all()) {
            plan.switch.push(Step::run(
                &["resolvectl", "revert", &link.name],
                &[],
                format!("systemd-resolved forgets the servers of {}", link.name),
            ));
        }
    }
    if machine.has("/etc/resolvconf.conf") {
        let mut text = machine.text("/etc/resolvconf.conf").to_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str("# stubborn setup: /etc/resolv.conf names stubborn, which reads this.\nresolv_conf=/run/resolvconf/resolv.conf\n");
        plan.switch.push(Step::write(
            "/etc/resolvconf.conf",
            text,
            "openresolv leaves resolv.conf alone; stubborn reads what it writes",
        ));
        plan.switch.push(Step::run(&["resolvconf", "-u"], &["resolvconf", "-u"], "it takes that"));
    }
    let own_dhclient = machine.programs.iter().any(|process| {
        process.name == "dhclient" && !process.arguments.iter().any(|argument| argument.contains("nm-dhcp"))
    });
    if own_dhclient && machine.has("/etc/dhcp/dhclient-enter-hooks.d") {
        plan.switch.push(Step::write(
            "/etc/dhcp/dhclient-enter-hooks.d/stubborn",
            format!("{HEADER}{DHCLIENT_HOOK}"),
            "dhclient leaves resolv.conf alone; stubborn reads what it finds",
        ));
    }
    let asks_stub = machine.runs(RESOLVED) && machine.resolv_conf.writer == Writer::ResolvedStub;
    if asks_stub {
        plan.server = STUB;
        plan.is_behind = true;
    } else if machine.resolv_conf.servers != [server] {
        let mut text = format!("{HEADER}nameserver {server}\n");
        for line in &machine.resolv_conf.others {
            text.push_str(&format!("{line}\n"));
        }
        plan.switch.push(Step::write(RESOLV_CONF, text, format!("programs ask {server}")));
    }
    Ok(())
}

/// dhclient-script(8) calls this function to write `/etc/resolv.conf`; hooks may have their own.
const DHCLIENT_HOOK: &str = "\
make_resolv_conf() {
    [ -n \"$new_domain_name_servers$new_dhcp6_name_servers\" ] || return 0
    for server in $new_domain_name_servers $new_dhcp6_name_servers; do
        echo \"nameserver $server\"
    done > /etc/resolv.conf.stubborn-saved.new
    mv /etc/resolv.conf.stubborn-saved.new /etc/resolv.conf.stubborn-saved
}
";

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
        if link.takes_all() && !(machine.runs(NM) && link.told) {
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
    if ours.running.as_ref().is_some_and(|running| running.only_monitors) {
        plan.warnings
            .push("stubborn lets everything through and only reports it (mode = \"monitor\")".to_owned());
    }
}

#[cfg(test)]
mod tests;
