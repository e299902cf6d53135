//! Programs ask stubborn, and whoever would have them ask others is told.

use std::net::IpAddr;

use super::super::{Machine, Plan, Step};
use super::{HEADER, NM, RESOLVED, STUB};
use crate::machine::{Link, RESOLV_CONF, Writer};

/// The servers of a resolv.conf but for those it shall not be.
pub(super) fn names_servers(text: &str, none_of: impl Fn(IpAddr) -> bool) -> Vec<String> {
    let servers = text.lines().filter_map(|line| line.strip_prefix("nameserver")).map(str::trim);
    let is_fit = |server: &&str| {
        let ip = server.split('%').next().and_then(|ip| ip.parse::<IpAddr>().ok());
        ip.is_some_and(|ip| !ip.is_unspecified() && !none_of(ip))
    };
    servers.filter(is_fit).map(str::to_owned).collect()
}

/// The programs of this machine ask `plan.server`.
pub(super) fn programs(plan: &mut Plan, machine: &Machine) {
    let server = plan.server;
    let own_dhclient = has_own_dhclient(machine);
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
    let asks_stub = machine.runs(RESOLVED) && machine.resolv_conf.writer == Writer::ResolvedStub;
    network_manager(plan, machine, asks_stub);
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
    if own_dhclient {
        plan.switch.push(Step::write(
            "/etc/dhcp/dhclient-enter-hooks.d/stubborn",
            format!("{HEADER}{DHCLIENT_HOOK}"),
            "dhclient leaves resolv.conf alone; stubborn reads what it finds",
        ));
    }
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
}

/// A dhclient that writes resolv.conf itself, and can be given a hook.
pub(super) fn has_own_dhclient(machine: &Machine) -> bool {
    machine.has("/etc/dhcp/dhclient-enter-hooks.d")
        && machine.programs.iter().any(|process| {
            let is_nm_s = process.arguments.iter().any(|argument| argument.contains("nm-dhcp"));
            process.name == "dhclient" && !is_nm_s
        })
}

/// NetworkManager goes on telling systemd-resolved the servers of interfaces, which asks them for their own domains only and
/// lists them where stubborn finds them; but an interface for every name would be asked for every name beside stubborn.
fn network_manager(plan: &mut Plan, machine: &Machine, asks_stub: bool) {
    let managed = machine.links.iter().filter(|link| link.managed);
    let takes_all = machine.runs(RESOLVED) && managed.clone().any(Link::takes_all);
    if !machine.runs(NM) || (asks_stub && !takes_all) {
        return;
    }
    let silent = if takes_all { "systemd-resolved=false\n" } else { "" };
    plan.switch.push(Step::write(
        "/etc/NetworkManager/conf.d/zz-stubborn.conf",
        format!("{HEADER}[main]\ndns=none\n{silent}"),
        "NetworkManager leaves resolv.conf alone; stubborn reads what it finds",
    ));
    let reload = ["nmcli", "general", "reload"];
    plan.switch.push(Step::run(&reload, &reload, "it takes that"));
    // What it has told stays there, and soon is not true any more.
    for link in managed.filter(|_| takes_all) {
        plan.switch.push(Step::run(
            &["resolvectl", "revert", &link.name],
            &[],
            format!("systemd-resolved forgets the servers of {}", link.name),
        ));
    }
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
