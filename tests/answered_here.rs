//! Local names and their types, domains that are answered here only, names above those that exist, and the trust in a route's
//! answers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

mod support;

use std::process::{Command, Output};

use stubborn::audit::wire::{self, Record, code, name};
use support::{Reply, TempConfig, TestDaemon, Zone, address, forwarded, over_both};

const A: u16 = code::A;
const AAAA: u16 = code::AAAA;
const NOERROR: u16 = code::NOERROR;
const NXDOMAIN: u16 = code::NXDOMAIN;

/// An upstream that has one record of every tested type for every name.
fn full(names: &[&str]) -> Zone {
    names.iter().fold(Zone::new(), |zone, full| {
        zone.reply(full, |asked| {
            let rdata = match asked.qtype() {
                code::MX => [&[0, 10][..], &name("mx.provider.example")].concat(),
                code::TXT => wire::txt(b"from outside"),
                code::HTTPS | code::SVCB => wire::svcb(1, &[0], &[(4, vec![1, 1, 1, 1])]),
                code::CNAME => name("www.provider.example"),
                AAAA => vec![0x26, 0x06, 0x47, 0, 0x47, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0x11],
                _ => vec![1, 1, 1, 1],
            };
            asked.reply().answer([Record::new(asked.qtype(), rdata)])
        })
    })
}

#[track_caller]
fn assert_nodata(reply: &Reply) {
    assert_eq!((reply.rcode(), reply.is_empty()), (NOERROR, true), "{reply:?}");
    assert!(reply.soa_ttl().is_some(), "{reply:?}");
}

fn stubborn(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stubborn")).args(arguments).output().unwrap()
}

/// The output of a command on a configuration, and its exit code.
fn on(config: &TempConfig, arguments: &[&str]) -> (String, Option<i32>) {
    let path = config.path();
    let output = stubborn(&[arguments, &["--config", path.to_str().unwrap()]].concat());
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code())
}

// ------------------------------------------------------------------------------------- local names and their types

const LOCALS: &str = "[[local]]\nname = \"mail.example.org\"\naddresses = [\"192.168.1.5\"]\n\
                      [[local]]\nname = \"*.dev.example.org\"\naddresses = [\"127.0.0.1\", \"::1\"]\n\
                      [[local]]\nname = \"whole.example.org\"\naddresses = [\"192.168.1.6\"]\ntypes = \"all\"\n\
                      [[local]]\nname = \"*.whole.example.org\"\naddresses = [\"192.168.1.6\"]\ntypes = \"all\"\n\
                      [[local]]\nname = \"nas.lan\"\naddresses = [\"192.168.1.7\"]\n\
                      [[local]]\nname = \"*.box\"\naddresses = [\"192.168.1.8\"]\n\
                      [[local]]\nname = \"nas\"\naddresses = [\"192.168.1.9\"]\n\
                      [[local]]\nname = \"x.1\"\naddresses = [\"192.168.1.9\"]\n";

#[test]
fn a_local_name_below_a_public_domain_answers_its_addresses_and_other_types_come_from_outside() {
    let names = [
        "mail.example.org",
        "_acme-challenge.a.dev.example.org",
        "printer.example.org",
        "whole.example.org",
        "x.whole.example.org",
        "nas.lan",
        "nas",
        "x.1",
    ];
    over_both(|ask| {
        let upstream = full(&names).serve();
        let config = TempConfig::new("");
        let hosts = config.directory().join("hosts");
        std::fs::write(&hosts, "192.168.1.10 printer.example.org\n").unwrap();
        let daemon =
            TestDaemon::start(upstream.address(), &format!("{LOCALS}[names]\nhosts-files = [{hosts:?}]\n"));
        for (held, addresses) in [
            ("mail.example.org", &["192.168.1.5"][..]),
            ("_acme-challenge.a.dev.example.org", &["127.0.0.1"]),
            ("printer.example.org", &["192.168.1.10"]),
        ] {
            ask(&daemon, held, A).assert_addresses(addresses);
            for qtype in [code::HTTPS, code::SVCB] {
                assert_nodata(&ask(&daemon, held, qtype));
            }
            assert_eq!(ask(&daemon, held, code::ANY).types(), [code::HINFO], "{held}");
            assert_eq!(upstream.asked(held), 0, "{held}");
            for qtype in [code::TXT, code::MX] {
                assert_eq!(ask(&daemon, held, qtype).types(), [qtype], "{held}");
            }
            // A cache would take the alias for the addresses too. Names with an underscore are not hosts.
            let aliases: &[u16] = if held.starts_with('_') { &[code::CNAME] } else { &[] };
            assert_eq!(ask(&daemon, held, code::CNAME).types(), aliases, "{held}");
            assert_eq!(upstream.asked(held), 3, "{held}");
        }
        assert_nodata(&ask(&daemon, "mail.example.org", AAAA));
        for whole in ["whole.example.org", "x.whole.example.org", "nas.lan", "nas", "x.1"] {
            for qtype in [AAAA, code::TXT, code::MX, code::CNAME, code::HTTPS, code::DS] {
                assert_nodata(&ask(&daemon, whole, qtype));
            }
            assert_eq!(upstream.asked(whole), 0, "{whole}");
        }
    });
}

/// RFC 8020 §2: a stub resolver that keeps an NXDOMAIN would deny the name's addresses too.
#[test]
fn a_local_name_that_the_upstream_does_not_know_exists_without_other_types() {
    over_both(|ask| {
        let upstream = Zone::new()
            .reply("dangling.dev.example.org", |asked| {
                asked.nxdomain().answer([Record::cname("gone.provider.example")])
            })
            .serve();
        let daemon = TestDaemon::start(upstream.address(), LOCALS);
        for local in ["mail.example.org", "a.dev.example.org", "dangling.dev.example.org"] {
            assert_nodata(&ask(&daemon, local, code::TXT));
            assert!(upstream.asked(local) > 0, "{local}");
        }
        assert_eq!(ask(&daemon, "other.example.org", code::TXT).rcode(), NXDOMAIN);
    });
}

#[test]
fn outside_answers_for_a_local_name_pass_the_guard() {
    over_both(|ask| {
        let text = || Record::new(code::TXT, wire::txt(b"token"));
        let upstream = Zone::new()
            .answers(
                "_acme-challenge.dev.example.org",
                [Record::cname("acme.provider.example"), text().owned_by("acme.provider.example")],
            )
            .answers(
                "a.dev.example.org",
                [Record::cname("acme.provider.example"), text().owned_by("acme.provider.example")],
            )
            .answers("b.dev.example.org", [Record::cname("localhost"), text().owned_by("localhost")])
            .answers("c.dev.example.org", [Record::cname("nas.lan"), text().owned_by("nas.lan")])
            .answers("d.dev.example.org", [Record::new(code::SRV, wire::srv(80, "mail.example.org"))])
            .serve();
        let daemon = TestDaemon::start(upstream.address(), LOCALS);
        let delegated = ask(&daemon, "_acme-challenge.dev.example.org", code::TXT);
        assert_eq!(delegated.types(), [code::CNAME, code::TXT]);
        assert_eq!(ask(&daemon, "a.dev.example.org", code::TXT).types(), [code::TXT]);
        ask(&daemon, "b.dev.example.org", code::TXT).assert_blocked();
        ask(&daemon, "c.dev.example.org", code::TXT).assert_blocked();
        ask(&daemon, "d.dev.example.org", code::SRV).assert_blocked();
        ask(&daemon, "a.dev.example.org", A).assert_addresses(&["127.0.0.1"]);
    });
}

#[test]
fn other_types_of_a_local_name_in_a_route_come_from_the_route() {
    let public = full(&["nas.corp.example"]).serve();
    let inner = full(&["nas.corp.example"]).serve();
    let config = format!(
        "[[route]]\ndomain = \"corp.example\"\nservers = [\"{}\"]\n\
         [[local]]\nname = \"nas.corp.example\"\naddresses = [\"10.0.0.5\"]\n",
        inner.address()
    );
    let daemon = TestDaemon::start(public.address(), &config);
    daemon.ask("nas.corp.example", A).assert_addresses(&["10.0.0.5"]);
    assert_eq!(daemon.ask("nas.corp.example", code::TXT).types(), [code::TXT]);
    assert_eq!((forwarded(&public).len(), inner.asked("nas.corp.example")), (0, 1));
}

#[test]
fn a_reload_to_types_all_hides_cached_outside_answers_of_the_name() {
    let upstream = full(&["mail.example.org"]).serve();
    let daemon = TestDaemon::start(upstream.address(), LOCALS);
    assert_eq!(daemon.ask("mail.example.org", code::TXT).types(), [code::TXT]);
    let from = daemon.lines();
    daemon.config().write(&LOCALS.replacen("[\"192.168.1.5\"]\n", "[\"192.168.1.5\"]\ntypes = \"all\"\n", 1));
    daemon.signal("HUP");
    daemon.wait_for_line(from, &["reloaded", "+1 local name"]);
    assert_nodata(&daemon.ask("mail.example.org", code::TXT));
    assert_eq!(upstream.asked("mail.example.org"), 1);
}

// ------------------------------------------------------------------------------------------- answered here only

const HERE_ONLY: &str = "[[route]]\ndomain = \"home.example\"\nservers = []\n\
                         [[local]]\nname = \"nas.home.example\"\naddresses = [\"192.168.1.5\"]\n\
                         [[local]]\nname = \"a.b.home.example\"\naddresses = [\"192.168.1.6\"]\n\
                         [[local]]\nname = \"*.dev.home.example\"\naddresses = [\"127.0.0.1\"]\n\
                         [[route]]\ndomain = \"168.192.in-addr.arpa\"\nservers = []\n\
                         [[route]]\ndomain = \"127.in-addr.arpa\"\nservers = []\n";

#[test]
fn a_domain_without_servers_is_answered_here_only() {
    let names = ["home.example", "x.home.example", "nas.home.example", "x.vpn.home.example"];
    let inner = Zone::new().addresses("x.vpn.home.example", &["10.1.1.1"]).serve();
    let upstream = full(&names).serve();
    let config =
        format!("{HERE_ONLY}[[route]]\ndomain = \"vpn.home.example\"\nservers = [\"{}\"]\n", inner.address());
    let daemon = TestDaemon::start(upstream.address(), &config);
    daemon.ask("nas.home.example", A).assert_addresses(&["192.168.1.5"]);
    daemon.ask("x.dev.home.example", A).assert_addresses(&["127.0.0.1"]);
    daemon.ask("x.vpn.home.example", A).assert_addresses(&["10.1.1.1"]);
    for there in ["home.example", "HOME.example", "b.home.example", "dev.home.example", "nas.home.example"] {
        for qtype in [AAAA, code::TXT, code::MX, code::NS, code::SOA, code::DS] {
            assert_nodata(&daemon.ask(there, qtype));
        }
    }
    for (absent, qtype) in [
        ("x.home.example", A),
        ("x.home.example", code::TXT),
        ("x.y.home.example", code::HTTPS),
        ("x.nas.home.example", A),
        ("9.1.168.192.in-addr.arpa", code::PTR),
    ] {
        let reply = daemon.ask(absent, qtype);
        assert_eq!((reply.rcode(), reply.is_empty()), (NXDOMAIN, true), "{absent}: {reply:?}");
        let message = reply.message();
        let zone = if absent.ends_with("arpa") { "168.192.in-addr.arpa" } else { "home.example" };
        let soa = message.records.iter().find(|rr| rr.rtype == code::SOA).unwrap();
        assert_eq!(soa.owner, name(zone), "{reply:?}");
        let errors = reply.errors();
        assert_eq!(errors.len(), 1, "{reply:?}");
        assert!(errors[0].1.contains("answered here only"), "{reply:?}");
        assert!(errors[0].1.contains("stubborn.toml:"), "{reply:?}");
    }
    let pointer = daemon.ask("5.1.168.192.in-addr.arpa", code::PTR);
    assert_eq!(pointer.types(), [code::PTR], "{pointer:?}");
    assert_nodata(&daemon.ask("1.168.192.in-addr.arpa", code::PTR));
    assert_eq!(daemon.ask("1.0.0.127.in-addr.arpa", code::PTR).types(), [code::PTR]);
    assert_eq!(forwarded(&upstream), [""; 0]);
    assert_eq!(forwarded(&inner), ["x.vpn.home.example."]);
}

#[test]
fn no_public_name_is_an_alias_into_a_domain_answered_here_only() {
    over_both(|ask| {
        let upstream = Zone::new()
            .answers("evil-a.example", [Record::cname("nas.home.example")])
            .answers("evil-b.example", [Record::cname("x.home.example")])
            .answers(
                "evil-c.example",
                [Record::cname("home.example"), address("1.1.1.1").owned_by("home.example")],
            )
            .serve();
        let daemon = TestDaemon::start(upstream.address(), HERE_ONLY);
        for evil in ["evil-a.example", "evil-b.example", "evil-c.example"] {
            ask(&daemon, evil, A).assert_blocked();
        }
    });
}

#[test]
fn log_explain_and_status_say_that_a_domain_is_answered_here_only() {
    let config = TempConfig::new(HERE_ONLY);
    let (text, code) = on(&config, &["explain", "x.home.example", "TXT"]);
    assert_eq!(code, Some(0), "{text}");
    for part in
        ["home.example (", "stubborn.toml:1): answered here only", "never asked for outside", "NXDOMAIN"]
    {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    let (text, _) = on(&config, &["explain", "b.home.example"]);
    assert!(text.contains("NOERROR") && text.contains("answered here only"), "{text}");
    let (text, code) = on(&config, &["config", "show"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("servers = []") && !text.contains("networks = []"), "{text}");

    let upstream = Zone::new().serve();
    let daemon = TestDaemon::start(upstream.address(), HERE_ONLY);
    let socket = daemon.control();
    let output = stubborn(&["status", "--socket", socket.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("3 routes (3 answered here only)"), "{text}");
    assert!(text.contains("all is well"), "{text}");
}

// ------------------------------------------------------------------------------ names above those that exist

/// RFC 8020: "NXDOMAIN: there really is nothing underneath".
#[test]
fn a_name_above_one_that_exists_here_exists() {
    let upstream = Zone::new().serve();
    let config = TempConfig::new("");
    let hosts = config.directory().join("hosts");
    std::fs::write(&hosts, "192.168.1.9 x.y.lan\n").unwrap();
    let text = format!(
        "[[local]]\nname = \"a.both.test\"\naddresses = [\"192.168.1.5\"]\n\
         [[local]]\nname = \"*.dev.internal\"\naddresses = [\"127.0.0.1\"]\n\
         [[local]]\nname = \"a.b.example.org\"\naddresses = [\"192.168.1.6\"]\n\
         [[route]]\ndomain = \"corp.home.arpa\"\nservers = [\"127.0.0.1:9\"]\n\
         [names]\nhosts-files = [{hosts:?}]\n"
    );
    let daemon = TestDaemon::start(upstream.address(), &text);
    for there in ["both.test", "test", "dev.internal", "internal", "y.lan", "Lan", "home.arpa"] {
        for qtype in [A, AAAA, code::TXT] {
            assert_nodata(&daemon.ask(there, qtype));
        }
    }
    assert_nodata(&daemon.ask("168.192.in-addr.arpa", code::NS));
    for absent in ["b.both.test", "oth.test", "x.internal", "x.home.arpa", "local", "16.172.in-addr.arpa"] {
        assert_eq!(daemon.ask(absent, A).rcode(), NXDOMAIN, "{absent}");
    }
    assert_eq!(forwarded(&upstream), [""; 0]);
    assert_eq!(daemon.ask("b.example.org", A).rcode(), NXDOMAIN);
    assert_eq!(forwarded(&upstream), ["b.example.org."]);

    let config = TempConfig::new("[[local]]\nname = \"a.both.test\"\naddresses = [\"192.168.1.5\"]\n");
    let (text, _) = on(&config, &["explain", "both.test"]);
    assert!(text.contains("NOERROR") && !text.contains("NXDOMAIN"), "{text}");
}

// ----------------------------------------------------------------------------------------- a route's trust

#[test]
fn a_route_with_empty_networks_has_no_inside_answers() {
    let inside = ["192.168.1.1", "10.1.2.3", "127.0.0.1", "169.254.169.254", "100.64.0.1"];
    for (domain, networks, kept) in [
        ("corp.example", "", &["192.168.1.1", "10.1.2.3"][..]),
        ("corp.example", "networks = []", &[]),
        ("corp.example", "networks = [\"10.0.0.0/8\"]", &["10.1.2.3"]),
        ("com", "", &[]),
        ("co.uk", "", &[]),
        ("duckdns.org", "", &[]),
        ("nip.io", "", &[]),
        ("com", "networks = [\"10.0.0.0/8\"]", &["10.1.2.3"]),
    ] {
        let name = |number: usize| format!("n{number}.evil.{domain}");
        let zone = inside.iter().enumerate();
        let zone =
            zone.fold(Zone::new(), |zone, (number, address)| zone.addresses(&name(number), &[address]));
        let inner = zone.serve();
        let public = Zone::new().serve();
        let config =
            format!("[[route]]\ndomain = \"{domain}\"\nservers = [\"{}\"]\n{networks}\n", inner.address());
        let daemon = TestDaemon::start(public.address(), &config);
        for (number, address) in inside.iter().enumerate() {
            let reply = daemon.ask(&name(number), A);
            match kept.contains(address) {
                true => reply.assert_addresses(&[address]),
                false => reply.assert_blocked(),
            }
        }
        assert_eq!(forwarded(&public), [""; 0]);
    }
}

#[test]
fn check_warns_of_a_route_whose_server_is_outside_and_config_show_has_its_networks() {
    let config = TempConfig::new("\n[[route]]\ndomain = \"corp.example\"\nservers = [\"9.9.9.9\"]\n");
    let (text, code) = on(&config, &["check"]);
    assert_eq!(code, Some(0), "{text}");
    for part in ["stubborn.toml:3:", "9.9.9.9 is not an inside address", "networks = ["] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let (text, _) = on(&config, &["config", "show"]);
    assert!(text.contains("networks = []"), "{text}");
    let (text, _) = on(&config, &["explain", "nas.corp.example", "--answer", "10.0.0.1"]);
    assert!(text.contains("removed"), "{text}");
}

/// The audit's attackers act as the routes' servers: below each route, only the addresses that it is trusted with pass.
#[test]
fn an_audit_tests_every_route() {
    let corp =
        "[[route]]\ndomain = \"corp.example.org\"\nservers = [\"10.0.0.53\"]\nnetworks = [\"10.0.0.0/8\"]\n";
    let lab = "[[route]]\ndomain = \"lab.example.org\"\nservers = [\"9.9.9.9\"]\n";
    let home = "[[route]]\ndomain = \"home.example.org\"\nservers = []\n";
    let com = "[[route]]\ndomain = \"com\"\nservers = [\"192.168.1.1\"]\n";
    let tailscale = "[[route]]\npreset = \"tailscale\"\n";
    let (text, code) = on(&TempConfig::new(&[corp, lab, home, com, tailscale, LOCALS].concat()), &["audit"]);
    assert_eq!(code, Some(0), "{text}");
    let line = text.lines().find(|line| line.starts_with("routes of the configuration")).unwrap();
    let counts: Vec<&str> = line.split_whitespace().rev().take(3).collect();
    assert!(counts[0] == counts[2] && counts[0].parse::<usize>().unwrap() >= 50, "{line}");

    let networks = "networks = [\"192.168.0.0/16\"]\n";
    let (text, code) = on(&TempConfig::new(&[com, networks, corp].concat()), &["audit"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("a stranger's name in a route"), "{text}");
    assert!(text.contains("192.168.77.77 for a name of com, ") && text.contains("stubborn.toml:1"), "{text}");
}

// --------------------------------------------------------------------------------------------- search lists

#[test]
fn the_refusal_of_a_name_that_a_search_list_may_have_made_says_which_line_decides() {
    let text = "[[local]]\nname = \"*.example.org\"\naddresses = [\"192.168.1.5\"]\n";
    let upstream = Zone::new().serve();
    let daemon = TestDaemon::start(upstream.address(), &format!("{text}[log]\nlevel = \"debug\"\n"));
    let from = daemon.lines();
    let reply = daemon.ask("grafana.dev.example.org", A);
    assert_eq!(reply.rcode(), NXDOMAIN, "{reply:?}");
    let parts = [
        "search list",
        "from the public name grafana.dev;",
        "stubborn.toml:1",
        "[[local]] name = \"grafana.dev.example.org\"",
    ];
    let told = reply.errors();
    for part in parts.iter().chain(&["\"*.dev.example.org\""]) {
        assert!(told[0].1.contains(part), "no {part:?} in {told:?}");
    }
    daemon.wait_for_line(from, &["grafana.dev.example.org", "search list"]);
    let (text, _) = on(&TempConfig::new(text), &["explain", "grafana.dev.example.org"]);
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn the_log_says_why_a_name_with_octets_that_no_host_name_has_gets_no_addresses() {
    let upstream = Zone::new().serve();
    let daemon = TestDaemon::start(upstream.address(), "[log]\nlevel = \"debug\"\n");
    let from = daemon.lines();
    let reply = daemon.ask("b\u{fc}cher.example.org", A);
    assert_nodata(&reply);
    assert!(reply.errors()[0].1.contains("non-ASCII"), "{reply:?}");
    daemon.wait_for_line(from, &["answered", "not a host name"]);
    assert_eq!(forwarded(&upstream), [""; 0]);
}
