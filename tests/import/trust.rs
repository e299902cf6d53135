//! What an import lets through, asked of the program: `import`, `check`, `explain`.

use std::fs;
use std::process::{Command, Output};

use super::*;

/// A file, a name, an address, and whether the imported configuration lets the name answer with the address.
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
fn an_import_never_adds_trust() {
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

/// The lines of a file that the imported configuration mentions.
fn mentioned(toml: &str) -> std::collections::BTreeSet<usize> {
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().unwrap_or(0)
    };
    let mut lines: std::collections::BTreeSet<usize> =
        toml.match_indices("a:").map(|(at, found)| number(&toml[at + found.len()..])).collect();
    for (at, found) in toml.match_indices("line ") {
        lines.insert(number(&toml[at + found.len()..]));
    }
    for (at, found) in toml.match_indices("lines ") {
        let first = &toml[at + found.len()..];
        let last = first.split_once('-').map_or(0, |(_, last)| number(last));
        lines.extend(number(first)..=last);
    }
    lines
}

/// Lines that an import must account for, in any combination.
const LINES: [(Format, &str, &[&str]); 4] = [
    (
        Format::Dnsmasq,
        "",
        &[
            "server=/com/1.2.3.4",
            "server=/corp.example/10.0.0.53",
            "server=/.Corp.Example./10.0.0.54@eth0",
            "server=/a.corp.example/",
            "server=/a.corp.example/#",
            "server=/lan/fd00::53",
            "server=//10.0.0.1",
            "server=9.9.9.9",
            "server=192.168.1.1",
            "server=dns.example",
            "local=/lan/",
            "local=/corp.example/",
            "local=/kept.example/",
            "address=/corp.example/10.0.0.1",
            "address=/x.kept.example/10.0.0.2",
            "address=/ads.example/#",
            "rebind-domain-ok=/corp.example/",
            "rebind-domain-ok=/lan/",
            "rebind-domain-ok=/com/",
            "rebind-domain-ok=//",
            "rebind-domain-ok=nas.example",
            "rebind-localhost-ok",
            "stop-dns-rebind",
            "domain-needed",
            "no-resolv",
            "cname=www.lan,corp.example",
            "cname=www.lan,gone.lan,60",
            "ptr-record=1.0.0.10.in-addr.arpa,corp.example",
            "rev-server=10.0.0.1/8,10.0.0.53",
            "host-record=nas.lan,10.0.0.3,60",
            "domain=home.lab",
            "domain=home.lab,10.0.0.0/8,local",
            "expand-hosts",
            "port=5353",
            "listen-address=127.0.0.1",
            "interface=lo",
            "no-hosts",
            "addn-hosts=/etc/more",
        ],
    ),
    (
        Format::SmartDns,
        "",
        &[
            "bind [::]:53",
            "server 9.9.9.9",
            "server 10.0.0.53 -group corp -exclude-default-group",
            "server-tls 1.1.1.1",
            "nameserver /corp.example/corp",
            "nameserver /www.corp.example/-",
            "nameserver /x.example/none",
            "address /nas.lan/10.0.0.1",
            "address /ads.example/#",
            "address /ok.example/-",
            "cname /www.lan/nas.lan",
            "domain-rules /y.example/ -nameserver corp -no-cache",
            "blacklist-ip 10.0.0.0/8",
            "frobnicate yes",
        ],
    ),
    (
        Format::Unbound,
        "server:",
        &[
            "interface: 0.0.0.0",
            "interface: ::1@5353",
            "port: 5354",
            "access-control: 192.168.1.1/24 allow",
            "access-control: 192.168.1.7 refuse",
            "access-control: 10.0.0.0/8 deny",
            "access-control: nonsense allow",
            "private-address: 10.0.0.0/8",
            "private-address: 203.0.114.0/24",
            "private-domain: \"corp.example\"",
            "private-domain: LOCAL.",
            "private-domain: org",
            "local-zone: \"corp.example.\" static",
            "local-zone: \"lan\" transparent",
            "local-zone: x.example redirect",
            "local-zone: y.example always_nxdomain",
            "local-zone: z.example always_null",
            "local-zone: z.example frobnicate",
            "local-data: \"nas.corp.example 300 IN A 10.0.0.1\"",
            "local-data: 'x.example A 10.0.0.2'",
            "local-data: 'a.y.example A 10.0.0.2'",
            "local-data: 'w.example CNAME x.example'",
            "local-data: 'w.example MX 10 x.example'",
            "local-data-ptr: \"10.0.0.1 nas.corp.example\"",
            "hide-identity: no",
            "log-queries: yes",
            "serve-expired: no",
            "prefetch: yes",
            "do-ip6: no",
            "frobnicate: 1",
        ],
    ),
    (
        Format::Uci,
        "config dnsmasq",
        &[
            "\tlist server '/corp.example/10.0.0.53'",
            "\tlist server '9.9.9.9'",
            "\tlist server '/lan/'",
            "\tlist rebind_domain 'corp.example'",
            "\toption rebind_protection '0'",
            "\toption rebind_localhost '1'",
            "\toption domain 'lan'",
            "\toption expandhosts '1'",
            "\toption domainneeded '0'",
            "\toption noresolv '1'",
            "\toption nohosts '1'",
            "\toption port '5353'",
            "\tlist address '/nas.lan/10.0.0.1'",
            "\tlist cname 'www.lan,nas.lan'",
            "\toption logqueries '1'",
            "\toption frobnicate '1'",
        ],
    ),
];

/// A route with inside addresses is in an exception if there was a filter; else all its servers are inside.
fn trusts_what_was_trusted(text: &str, config: &Config) {
    let is_within = |name: &Name, domain: &str| {
        name.as_ref().is_within(Name::from_text(domain.trim_matches('/')).unwrap().as_ref())
    };
    let is_guarded = text.contains("stop-dns-rebind");
    let oks: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("rebind-domain-ok="))
        .filter(|ok| ok.len() > 2 && *ok != "/com/")
        .collect();
    for route in
        config.routes.iter().filter(|route| !route.servers.is_empty() && !route.trust.networks.is_empty())
    {
        let name = &route.trust.domain;
        let is_trusted = oks.iter().any(|ok| is_within(name, ok));
        let is_public = |server: &&str| text.contains(&format!("server=/{name}/{server}"));
        assert!(name.to_string() != "com", "{text}");
        assert!(
            is_trusted || (!is_guarded && !["1.2.3.4", "9.9.9.9"].iter().any(is_public)),
            "{name}\n{text}"
        );
    }
    for exception in config.guard.exceptions.iter().filter(|exception| exception.preset.is_none()) {
        assert!(oks.iter().any(|ok| is_within(&exception.domain, ok)), "{}\n{text}", exception.domain);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_is_lost_and_no_trust_is_added(format in 0..LINES.len(), choices in vec(any::<usize>(), 1..14)) {
        let (format, first, lines) = LINES[format];
        let mut lines: Vec<&str> = choices.iter().map(|choice| lines[choice % lines.len()]).collect();
        lines.insert(0, first);
        let text = lines.join("\n");
        let Ok(imported) = made(format, &text) else { return Ok(()) };
        let found = mentioned(&imported.toml);
        for (index, line) in lines.iter().enumerate().skip(1) {
            prop_assert!(found.contains(&(index + 1)), "{line} of\n{text}\n{}", imported.toml);
        }
        let loaded = config::from_text(Path::new("a"), &imported.toml, &Disk, 0);
        let config = loaded.unwrap_or_else(|errors| panic!("{}\n{errors}", imported.toml)).config;
        if format == Format::Dnsmasq {
            trusts_what_was_trusted(&text, &config);
        }
    }
}
