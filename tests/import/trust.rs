//! What an import lets through, asked of the program: `import`, `check`, `explain`.

use std::fs;
use std::process::{Command, Output};

/// A file, a name, an address, and whether the configuration made of the file lets the name answer with it.
struct Row {
    format: &'static str,
    text: &'static str,
    name: &'static str,
    address: &'static str,
    passes: bool,
}

const fn row(
    format: &'static str,
    text: &'static str,
    name: &'static str,
    address: &'static str,
    passes: bool,
) -> Row {
    Row { format, text, name, address, passes }
}

const GUARDED_COM: &str = "stop-dns-rebind\nno-resolv\nserver=/com/1.2.3.4\n";
const GUARDED_CORP: &str = "stop-dns-rebind\nserver=/corp.example/10.0.0.53\n";
const UNBOUND_ORG: &str = "server:\n private-address: 192.168.0.0/16\n private-address: 10.0.0.0/8\nforward-zone:\n name: \"org\"\n forward-addr: 1.2.3.4\n";

const ROWS: &[Row] = &[
    // Where there was a filter, only what it let through passes.
    row("dnsmasq", GUARDED_COM, "www.evil.com", "192.168.1.1", false),
    row("dnsmasq", GUARDED_COM, "www.evil.com", "fd00::1", false),
    row("dnsmasq", GUARDED_CORP, "x.corp.example", "10.0.0.1", false),
    row(
        "dnsmasq",
        "stop-dns-rebind\nserver=/corp.example/10.0.0.53\nrebind-domain-ok=/corp.example/\n",
        "x.corp.example",
        "10.0.0.1",
        true,
    ),
    row(
        "dnsmasq",
        "rebind-domain-ok=/example.org/\nserver=/corp.example.org/10.0.0.53\nstop-dns-rebind\n",
        "x.corp.example.org",
        "10.0.0.1",
        true,
    ),
    // The exception is for a part of the route.
    row(
        "dnsmasq",
        "stop-dns-rebind\nserver=/corp.example/10.0.0.53\nrebind-domain-ok=/a.corp.example/\n",
        "x.a.corp.example",
        "10.0.0.1",
        true,
    ),
    row(
        "dnsmasq",
        "stop-dns-rebind\nserver=/corp.example/10.0.0.53\nrebind-domain-ok=/a.corp.example/\n",
        "x.b.corp.example",
        "10.0.0.1",
        false,
    ),
    // An exception for everybody's names is none.
    row(
        "dnsmasq",
        "stop-dns-rebind\nserver=/com/1.2.3.4\nrebind-domain-ok=/com/\n",
        "www.evil.com",
        "192.168.1.1",
        false,
    ),
    row(
        "dnsmasq",
        "stop-dns-rebind\nserver=/duckdns.org/1.2.3.4\nrebind-domain-ok=/duckdns.org/\n",
        "evil.duckdns.org",
        "192.168.1.1",
        false,
    ),
    // Loopback and metadata addresses never pass by a route.
    row(
        "dnsmasq",
        "stop-dns-rebind\nserver=/corp.example/10.0.0.53\nrebind-domain-ok=/corp.example/\n",
        "x.corp.example",
        "127.0.0.1",
        false,
    ),
    row(
        "dnsmasq",
        "stop-dns-rebind\nrebind-localhost-ok\nserver=/corp.example/10.0.0.53\n",
        "x.corp.example",
        "127.0.0.1",
        false,
    ),
    row(
        "dnsmasq",
        "stop-dns-rebind\nserver=/corp.example/10.0.0.53\nrebind-domain-ok=/#/\n",
        "x.corp.example",
        "10.0.0.1",
        false,
    ),
    // Without a filter: an inside server, and a domain of one owner.
    row("dnsmasq", "server=/corp.example/10.0.0.53\n", "x.corp.example", "10.0.0.1", true),
    row(
        "dnsmasq",
        "server=/corp.example/10.0.0.53\nserver=/corp.example/9.9.9.9\n",
        "x.corp.example",
        "10.0.0.1",
        false,
    ),
    row("dnsmasq", "server=/corp.example/1.2.3.4\n", "x.corp.example", "10.0.0.1", false),
    row("dnsmasq", "server=/com/10.0.0.53\n", "www.evil.com", "192.168.1.1", false),
    row("dnsmasq", "server=/co.uk/10.0.0.53\n", "www.evil.co.uk", "192.168.1.1", false),
    row("dnsmasq", "server=/lan/192.168.1.1\n", "nas.lan", "192.168.1.2", true),
    // The same for the others.
    row("unbound", UNBOUND_ORG, "www.evil.org", "192.168.1.1", false),
    row("unbound", UNBOUND_ORG, "www.evil.org", "fd00::1", false),
    row(
        "unbound",
        "server:\n private-address: 10.0.0.0/8\n private-domain: \"corp.example\"\nforward-zone:\n name: corp.example.\n forward-addr: 10.0.0.53\n",
        "x.corp.example",
        "10.0.0.1",
        true,
    ),
    row(
        "unbound",
        "server:\n private-address: 10.0.0.0/8\n private-domain: \"org\"\nforward-zone:\n name: org\n forward-addr: 1.2.3.4\n",
        "www.evil.org",
        "10.0.0.1",
        false,
    ),
    row(
        "unbound",
        "server:\n private-domain: \"org\"\n private-address: 10.0.0.0/8\nstub-zone:\n name: org\n stub-addr: 1.2.3.4\n",
        "www.evil.org",
        "10.0.0.1",
        false,
    ),
    row(
        "unbound",
        "server:\n private-address: 10.0.0.0/8\n private-domain: \"local\"\nforward-zone:\n name: \".\"\n forward-addr: 192.168.1.1\n",
        "nas.local",
        "192.168.1.2",
        true,
    ),
    row(
        "unbound",
        "forward-zone:\n name: corp.example\n forward-addr: 10.0.0.53\n",
        "x.corp.example",
        "10.0.0.1",
        true,
    ),
    row("unbound", "forward-zone:\n name: net\n forward-addr: 10.0.0.53\n", "evil.net", "10.0.0.1", false),
    // What lets everybody's names pass is the lack of a filter, not trust in one of them.
    row(
        "unbound",
        "server:\n private-address: 10.0.0.0/8\n private-domain: \"org\"\nforward-zone:\n name: evil.org\n forward-addr: 1.2.3.4\n",
        "www.evil.org",
        "10.0.0.1",
        false,
    ),
    row(
        "unbound",
        "server:\n private-address: 10.0.0.0/8\n private-domain: \".\"\nforward-zone:\n name: evil.org\n forward-addr: 1.2.3.4\n",
        "www.evil.org",
        "10.0.0.1",
        false,
    ),
    row(
        "unbound",
        "server:\n private-address: 10.0.0.0/8\n private-domain: \"org\"\nforward-zone:\n name: corp.org\n forward-addr: 10.0.0.53\n",
        "www.corp.org",
        "10.0.0.1",
        true,
    ),
    // OpenWrt filters unless it is told not to.
    row(
        "uci",
        "config dnsmasq\n\tlist server '/corp.example/10.0.0.53'\n",
        "x.corp.example",
        "10.0.0.1",
        false,
    ),
    row(
        "uci",
        "config dnsmasq\n\toption rebind_protection '0'\n\tlist server '/corp.example/10.0.0.53'\n",
        "x.corp.example",
        "10.0.0.1",
        true,
    ),
    row(
        "uci",
        "config dnsmasq\n\tlist rebind_domain 'corp.example'\n\tlist server '/corp.example/10.0.0.53'\n",
        "x.corp.example",
        "10.0.0.1",
        true,
    ),
    row(
        "adguardhome",
        "dns:\n  upstream_dns:\n    - 9.9.9.9\n    - '[/corp.example/]10.0.0.53'\n",
        "x.corp.example",
        "10.0.0.1",
        true,
    ),
    row(
        "adguardhome",
        "dns:\n  upstream_dns:\n    - 9.9.9.9\n    - '[/corp.example/]1.2.3.4'\n",
        "x.corp.example",
        "10.0.0.1",
        false,
    ),
    row(
        "adguardhome",
        "dns:\n  upstream_dns:\n    - 9.9.9.9\n    - '[/com/]10.0.0.53'\n",
        "evil.com",
        "10.0.0.1",
        false,
    ),
    row(
        "adguardhome",
        "dns:\n  upstream_dns:\n    - 9.9.9.9\n    - '[/corp.example/]10.0.0.53 tls://10.0.0.54'\n",
        "x.corp.example",
        "10.0.0.1",
        false,
    ),
];

#[test]
fn trust_that_nobody_wrote_is_not_made_up() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (directory.path().join("from"), directory.path().join("stubborn.toml"));
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    for Row { format, text, name, address, passes } in ROWS {
        fs::write(from, text).unwrap();
        let _ = fs::remove_file(to);
        fine(&["import", format, from, "--output", to, "--accept-losses"], text);
        fine(&["check", "--config", to], text);
        let explained = fine(&["explain", name, "--answer", address, "--config", to], text);
        let is_blocked = explained.contains("verdict  blocked");
        let toml = fs::read_to_string(to).unwrap();
        assert_eq!(!is_blocked, *passes, "{text}\n{name} {address}\n{toml}\n{explained}");
    }
}

fn fine(arguments: &[&str], text: &str) -> String {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_stubborn")).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&stdout).into_owned();
    let complained = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(0), "{arguments:?}\n{text}\n{said}\n{complained}");
    said
}
