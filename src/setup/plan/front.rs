//! Another program that has port 53 and stays there: stubborn is its upstream.

use std::net::SocketAddr;

use serde_json::json;

use super::super::beside::{Changed, endpoint, pihole_upstreams, setting, setup_vars, without_servers};
use super::super::{Machine, Ours, Plan, Step};
use super::programs::names_servers;
use super::{HEADER, LOCAL, NM, Refused, held, refused, usable};
use crate::machine::{Process, RESOLV_CONF};

/// Another program at port 53 that stubborn can stand behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front<'a> {
    PiHole,
    Dnsmasq(&'a Process),
}

/// Who else has port 53 where stubborn would have it, if stubborn can stand behind it.
pub(super) fn front<'a>(machine: &'a Machine, ours: &Ours) -> Result<Option<Front<'a>>, Refused> {
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

pub(super) fn listen_behind(machine: &Machine, ours: &Ours) -> Result<SocketAddr, Refused> {
    let is_aside = |address: &SocketAddr| address.port() != 53 && address.ip().is_loopback();
    if let Some(wanted) = ours.wanted {
        return Some(wanted).filter(is_aside).ok_or_else(|| {
            refused(
                format!("{wanted} cannot be used behind the server at port 53: it must be a loopback address with another port"),
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

/// dnsmasq and Pi-hole ask stubborn and nobody else. Returns whom they asked before.
pub(super) fn behind(plan: &mut Plan, machine: &Machine, front: Front<'_>) -> Result<Vec<String>, Refused> {
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
            let before = pihole_upstreams(machine.text(path)).map_err(unfit)?;
            servers.extend(before.iter().filter_map(|server| endpoint(server)));
            // It writes the file anew whenever it likes, so it has to be told.
            let config = |list: &[String]| {
                ["pihole-FTL".into(), "--config".into(), "dns.upstreams".into(), json!(list).to_string()]
            };
            let restart = restart(machine, "pihole-FTL");
            let told = config(std::slice::from_ref(&target)).to_vec();
            plan.switch.push(Step::Run { words: told, undo: restart.clone(), why: why.into() });
            // What is undone first is what was done last.
            plan.switch.push(Step::Run { words: restart, undo: config(&before).to_vec(), why: TAKES.into() });
            return Ok(servers);
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
                servers.retain(|server| !server.contains('%'));
            }
        }
    }
    let service = if matches!(front, Front::PiHole) { "pihole-FTL" } else { "dnsmasq" };
    let restart = restart(machine, service);
    plan.switch.push(Step::Run { undo: restart.clone(), words: restart, why: TAKES.into() });
    Ok(servers)
}

const TAKES: &str = "it takes that, and forgets answers from before";

fn restart(machine: &Machine, service: &str) -> Vec<String> {
    let words = match machine.has("/run/systemd/system") {
        true => ["systemctl", "restart", service],
        false => ["service", service, "restart"],
    };
    words.map(str::to_owned).to_vec()
}
