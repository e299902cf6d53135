//! stubborn itself: what its configuration has to say, and that it runs.

use std::net::SocketAddr;

use super::super::beside::with_list;
use super::super::survey::reached;
use super::super::{Machine, Ours, Plan, Step};
use super::front::Front;
use super::{LOCAL, OWN_NAME, RESOLVED, Refused, STUB, refused, setting_of};
use crate::machine::Process;
use crate::upstream::Server;

/// The servers that systemd-resolved was told for every name: they would go unasked.
pub(super) fn resolved_servers(machine: &Machine) -> Vec<String> {
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

/// stubborn itself: what its configuration has to say, and that it runs, now and after the next start of the machine.
pub(super) fn prepare(
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
    // A daemon that was started with `--listen` is started without it by the next start of the machine.
    let is_written = ours.config.server.listen.iter().any(|address| reached(*address) == Some(plan.listen));
    if moves || !is_written {
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
        let what = match (moves, is_written) {
            (true, _) => "stubborn listens there",
            (false, false) => "stubborn listens there after a restart too",
            (false, true) => "stubborn asks whom this machine asked",
        };
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
            plan.first = Some(not_running(plan.listen, machine, ours));
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
            "there is no service: make sure that stubborn starts with the machine, or no name resolves after a restart".to_owned(),
        ),
    }
    Ok(())
}

/// Nobody answers on the control socket, and there is no service to start.
fn not_running(listen: SocketAddr, machine: &Machine, ours: &Ours) -> Refused {
    let is_daemon = |process: &&Process| {
        process.name == OWN_NAME && process.arguments.iter().skip(1).any(|argument| argument == "run")
    };
    let socket = ours.config.control.socket.as_ref().map_or("off".into(), |socket| socket.to_string_lossy());
    let Some(process) = machine.programs.iter().find(is_daemon) else {
        return refused(
            "stubborn does not run",
            format!(
                "start it: `sudo stubborn run --listen {listen}` in another terminal, or install its service (`systemctl enable --now stubborn`)"
            ),
        );
    };
    let why = match &ours.unheard {
        Some(why) => format!("but cannot be asked: {why}"),
        None => format!("but does not answer on the control socket {socket}"),
    };
    refused(
        format!("stubborn runs (process {}), {why}", process.pid),
        "a daemon of another user, or one without the directory of its socket, has it elsewhere or not at all: run it as root or as a service; or give it `--socket PATH`, and write `socket = \"PATH\"` into [control]",
    )
}
