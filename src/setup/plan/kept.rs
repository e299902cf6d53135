//! The servers that stubborn asks after the next start of the machine, when nothing is in `/run` and `/etc/resolv.conf` names
//! stubborn itself.

use std::net::IpAddr;

use super::super::{Machine, Ours, Plan, SAVED_SERVERS, Step};
use super::programs::{has_own_dhclient, names_servers};
use super::{RESOLVED, Refused, STUB, UPLINK, refused};
use crate::machine::{Kind, RESOLV_CONF};

const SAVED_HEADER: &str = "# stubborn setup wrote this: whom this machine asked before.\n";

/// Writes down a server that stubborn can ask then. Not needed where the configuration `has_servers` from now on.
///
/// # Errors
/// No server is known.
pub(super) fn keep_servers(
    plan: &mut Plan,
    machine: &Machine,
    ours: &Ours,
    has_servers: bool,
) -> Result<(), Refused> {
    let is_circle = |ip: IpAddr| ip == plan.server || ip == plan.listen.ip() || ip == STUB;
    let files = match machine.runs(RESOLVED) {
        true => &[UPLINK, RESOLV_CONF][..],
        false => &[RESOLV_CONF][..],
    };
    let texts = files.iter().map(|file| machine.text(file).to_owned());
    let mut texts = texts.chain([machine.saved.clone(), in_use(ours)]);
    let text = match texts.find(|text| !names_servers(text, is_circle).is_empty()) {
        Some(text) => text,
        // The hook writes there.
        None if has_own_dhclient(machine) => machine.text(RESOLV_CONF).to_owned(),
        None if has_servers => return Ok(()),
        None => return Err(unknown(machine, ours, is_circle)),
    };
    if text == machine.text(SAVED_SERVERS) {
        return Ok(());
    }
    let header = if text.starts_with(SAVED_HEADER) { "" } else { SAVED_HEADER };
    plan.switch.push(Step::write(
        SAVED_SERVERS,
        format!("{header}{text}"),
        "stubborn asks these, where no newer ones are known",
    ));
    Ok(())
}

/// The servers that the daemon asks now, and the search domains it has from the network, as a resolv.conf names them: servers at
/// port 53.
fn in_use(ours: &Ours) -> String {
    let servers = ours.running.iter().flat_map(|running| &running.upstreams);
    let is_address =
        |server: &&String| server.split('%').next().is_some_and(|ip| ip.parse::<IpAddr>().is_ok());
    let mut text: String =
        servers.filter(is_address).map(|server| format!("nameserver {server}\n")).collect();
    let domains: Vec<&str> =
        ours.running.iter().flat_map(|running| &running.home_domains).map(String::as_str).collect();
    if !domains.is_empty() {
        text.push_str(&format!("search {}\n", domains.join(" ")));
    }
    text
}

fn unknown(machine: &Machine, ours: &Ours, is_circle: impl Fn(IpAddr) -> bool) -> Refused {
    let found = match &machine.resolv_conf.kind {
        Kind::Missing => format!("there is no {RESOLV_CONF}"),
        Kind::Link(target) if machine.resolv_conf.servers.is_empty() => {
            format!("{RESOLV_CONF} is a link to {}, which names no server", target.display())
        }
        Kind::File | Kind::Link(_) => format!("{RESOLV_CONF} names no other server"),
    };
    let servers = ours.running.iter().flat_map(|running| &running.upstreams);
    let servers = servers.filter(|server| !server.parse().is_ok_and(&is_circle));
    let servers: Vec<String> = servers.map(|server| format!("\"{server}\"")).collect();
    let servers = if servers.is_empty() { "\"9.9.9.9\"".to_owned() } else { servers.join(", ") };
    refused(
        format!("stubborn would have no server to ask after the next start of the machine: {found}"),
        format!(
            "connect the network and try again, or name stubborn's servers in [upstream]: servers = [{servers}]"
        ),
    )
}
