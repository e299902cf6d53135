//! Exceptions, presets, routes and local names: they let through what they are for, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Instant;

use stubborn::audit::AttackUpstream;
use stubborn::audit::oracle::parse::Section;
use stubborn::audit::run::Transport;
use stubborn::audit::wire::{self, Query, Record, code, flag, name};
use support::daemon::DEADLINE;
use support::{Reply, TempConfig, TestDaemon, Zone, address, forwarded, over_both};

const A: u16 = code::A;
const AAAA: u16 = code::AAAA;

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Blocked,
}

use Fate::{Blocked, Kept};

/// Asks each name, answered with its address, and checks what becomes of the answer.
#[track_caller]
fn table(config: &str, rows: &[(&str, &str, Fate)]) {
    let zone = || rows.iter().fold(Zone::new(), |zone, (name, address, _)| zone.addresses(name, &[address]));
    over_both(|ask| {
        let upstream = zone().serve();
        let daemon = TestDaemon::start(upstream.address(), config);
        let mut wrong = Vec::new();
        for (name, address, fate) in rows {
            let reply = ask(&daemon, name, if address.contains(':') { AAAA } else { A });
            let kept = reply.rcode() == code::NOERROR && reply.addresses() == [*address];
            let blocked = reply.rcode() == code::NOERROR
                && reply.is_empty()
                && reply.errors().iter().any(|(code, _)| *code == 15);
            if (*fate == Kept && !kept) || (*fate == Blocked && !blocked) {
                wrong.push(format!("{name} = {address}: should be {fate:?}\n{reply:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// Asks from a loopback address of its own.
fn ask_from(source: &str, target: SocketAddr, qname: &str) -> Reply {
    let socket = UdpSocket::bind((source, 0)).unwrap();
    socket.connect(target).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let query = Query {
        id: rand::random(),
        qname: name(qname),
        qtype: A,
        qclass: code::IN,
        flags: flag::RD,
        edns: Some((1232, false)),
    };
    socket.send(&query.encode()).unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    Reply::new(buffer[..length].to_vec())
}

// ---------------------------------------------------------------------------------------------------- presets

#[test]
fn plex_names_may_answer_with_the_home_address_they_spell() {
    const HASH: &str = "0123456789abcdef0123456789abcdef.plex.direct";
    let named = |label: &str| format!("{label}.{HASH}");
    let rows = [
        (named("192-168-1-20"), "192.168.1.20", Kept),
        (named("10-0-0-1"), "10.0.0.1", Kept),
        (named("fd00--1"), "fd00::1", Kept),
        (named("192-168-1-21"), "192.168.1.20", Blocked),
        (named("127-0-0-1"), "127.0.0.1", Blocked),
        (named("169-254-169-254"), "169.254.169.254", Blocked),
        (named("100-64-0-1"), "100.64.0.1", Blocked),
        (named("www"), "192.168.1.20", Blocked),
        ("plex.direct".into(), "192.168.1.20", Blocked),
        ("192-168-1-30.evilplex.direct".into(), "192.168.1.30", Blocked),
        ("192-168-1-31.plex.direct.evil.example".into(), "192.168.1.31", Blocked),
        (r"192-168-1-32.evil\.plex.direct".into(), "192.168.1.32", Blocked),
        (r"192-168-1-33.plex\.direct".into(), "192.168.1.33", Blocked),
    ];
    let rows: Vec<(&str, &str, Fate)> =
        rows.iter().map(|(name, address, fate)| (name.as_str(), *address, *fate)).collect();
    table("[[exception]]\npreset = \"plex\"\n", &rows);
}

#[test]
fn without_a_preset_plex_names_are_like_any_other() {
    table("", &[("192-168-1-20.0123456789abcdef0123456789abcdef.plex.direct", "192.168.1.20", Blocked)]);
}

#[test]
fn nip_io_names_may_answer_with_the_address_they_spell() {
    table(
        "[[exception]]\npreset = \"nip-io\"\n",
        &[
            ("10.0.0.1.nip.io", "10.0.0.1", Kept),
            ("app.10.0.0.2.nip.io", "10.0.0.2", Kept),
            ("10-0-0-3.nip.io", "10.0.0.3", Kept),
            ("app-10-0-0-4.nip.io", "10.0.0.4", Kept),
            ("0a000005.nip.io", "10.0.0.5", Kept),
            ("app-c0a80106.nip.io", "192.168.1.6", Kept),
            ("127.0.0.1.nip.io", "127.0.0.1", Kept),
            ("10.0.0.7.nip.io", "10.0.0.8", Blocked),
            ("10.0.0.9.nip.io", "127.0.0.1", Blocked),
            ("app.nip.io", "10.0.0.10", Blocked),
            ("169.254.169.254.nip.io", "169.254.169.254", Blocked),
            ("0.0.0.1.nip.io", "0.0.0.1", Blocked),
            ("10.0.0.11.evilnip.io", "10.0.0.11", Blocked),
        ],
    );
}

/// Everything below `_acme-challenge` is answered by whoever has the address that is spelled, with what they like.
#[test]
fn sslip_io_s_delegated_names_are_not_exempt() {
    table(
        "[[exception]]\npreset = \"sslip-io\"\n",
        &[
            ("10-0-0-1.sslip.io", "10.0.0.1", Kept),
            ("fd00--1.sslip.io", "fd00::1", Kept),
            ("_acme-challenge.10-0-0-2.sslip.io", "10.0.0.2", Blocked),
            ("x._acme-challenge.10-0-0-3.sslip.io", "10.0.0.3", Blocked),
            ("x._ACME-Challenge.10-0-0-4.sslip.io", "10.0.0.4", Blocked),
            ("0102_acme-challenge.0304.c0a80101.sslip.io", "192.168.1.1", Blocked),
            ("x_acme-challenge.10-0-0-5.sslip.io", "10.0.0.5", Blocked),
            ("a_b.10-0-0-6.sslip.io", "10.0.0.6", Blocked),
            ("--1.sslip.io", "::1", Blocked),
        ],
    );
}

/// The service answers A and AAAA each with the address of that family in the name. A name with a public address of an
/// attacker's and an inside one is a rebinding name: its page comes over IPv6, and IPv4 is where it leads next.
#[test]
fn a_name_that_spells_an_address_outside_too_is_not_exempt() {
    table(
        "[[exception]]\npreset = \"sslip-io\"\n[[exception]]\npreset = \"nip-io\"\n",
        &[
            ("10-0-0-1.2606-4700--1111.sslip.io", "10.0.0.1", Blocked),
            ("2606-4700--1111.10-0-0-2.sslip.io", "10.0.0.2", Blocked),
            ("10-0-0-3.2606-4700-0-0-0-0-0-1111.nip.io", "10.0.0.3", Blocked),
            ("fd00--4.1-1-1-1.sslip.io", "fd00::4", Blocked),
            ("127.0.0.1.2606-4700--1111.nip.io", "127.0.0.1", Blocked),
            ("10-0-0-5.1-1-1-1.sslip.io", "10.0.0.5", Blocked),
            ("0a000006.1-1-1-1.nip.io", "10.0.0.6", Blocked),
            ("10-0-0-7-1-1-1-1.nip.io", "10.0.0.7", Blocked),
            ("26064700470000000000000000001111.127-0-0-1.nip.io", "127.0.0.1", Blocked),
            ("fd000000000000000000000000000008.nip.io", "fd00::8", Kept),
            ("0-0-0-0-0-ffff-102-304.10-0-0-9.sslip.io", "10.0.0.9", Blocked),
            ("10-0-0-10.1.2-3-4.nip.io", "10.0.0.10", Blocked),
            ("node-1.192-168-1-10.nip.io", "192.168.1.10", Kept),
            ("1-2-3-4xnip.io.10-0-0-11.nip.io", "10.0.0.11", Blocked),
        ],
    );
}

#[test]
fn development_names_may_answer_with_loopback_and_nothing_else() {
    table(
        "[[exception]]\npreset = \"ddev\"\n[[exception]]\npreset = \"localtest-me\"\n",
        &[
            ("shop.ddev.site", "127.0.0.1", Kept),
            ("blog.ddev.site", "127.0.0.2", Blocked),
            ("mail.ddev.site", "192.168.1.1", Blocked),
            ("app.localtest.me", "127.0.0.1", Kept),
            ("six.localtest.me", "::1", Kept),
            ("lan.localtest.me", "10.0.0.1", Blocked),
            ("app.lvh.me", "127.0.0.1", Blocked),
        ],
    );
}

/// X07
#[test]
fn block_lists_may_answer_with_codes_to_names_of_their_shape() {
    const V6: &str = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2";
    let v6 = format!("{V6}.zen.spamhaus.org");
    table(
        "[[exception]]\npreset = \"dnsbl\"\n",
        &[
            ("2.0.0.127.zen.spamhaus.org", "127.0.0.2", Kept),
            ("9.9.9.9.zen.spamhaus.org", "127.255.255.254", Kept),
            (&v6, "127.0.0.4", Kept),
            ("spam.example.com.dbl.spamhaus.org", "127.0.1.2", Kept),
            ("3.0.0.127.zen.spamhaus.org", "127.0.0.1", Blocked),
            ("4.0.0.127.zen.spamhaus.org", "10.0.0.1", Blocked),
            ("5.0.0.127.zen.spamhaus.org", "192.168.1.1", Blocked),
            ("www.zen.spamhaus.org", "127.0.0.2", Blocked),
            ("zen.spamhaus.org", "127.0.0.2", Blocked),
            ("2.0.0.127.list.example", "127.0.0.2", Blocked),
            ("6.0.0.127.evilzen.spamhaus.org", "127.0.0.2", Blocked),
        ],
    );
}

#[test]
fn block_lists_of_one_s_own_replace_the_shipped_ones() {
    table(
        "[[exception]]\npreset = \"dnsbl\"\ndomain = [\"list.example.net\"]\n",
        &[
            ("2.0.0.127.list.example.net", "127.0.0.2", Kept),
            ("3.0.0.127.zen.spamhaus.org", "127.0.0.2", Blocked),
        ],
    );
}

#[test]
fn a_preset_can_be_narrowed() {
    table(
        "[[exception]]\npreset = \"plex\"\nnetworks = [\"192.168.1.0/24\"]\n",
        &[
            ("192-168-1-20.abc.plex.direct", "192.168.1.20", Kept),
            ("192-168-2-20.abc.plex.direct", "192.168.2.20", Blocked),
        ],
    );
}

// ---------------------------------------------------------------------------------- exceptions of one's own

#[test]
fn an_address_may_be_spelled_in_four_ways() {
    table(
        "[[exception]]\ndomain = \"dev.example.net\"\naddress-in-name = true\n",
        &[
            ("192-168-1-1.dev.example.net", "192.168.1.1", Kept),
            ("192.168.1.2.dev.example.net", "192.168.1.2", Kept),
            ("c0a80103.dev.example.net", "192.168.1.3", Kept),
            ("fd00--4.dev.example.net", "fd00::4", Kept),
            ("fd00-0-0-0-0-0-0-5.dev.example.net", "fd00::5", Kept),
            ("x.192-168-1-6.dev.example.net", "192.168.1.6", Kept),
            ("192-168-1-7.x.dev.example.net", "192.168.1.7", Kept),
            ("192-168-1-8.dev.example.net", "192.168.1.9", Blocked),
            ("192-168-1.dev.example.net", "192.168.1.0", Blocked),
            ("192-168-1-256.dev.example.net", "192.168.1.0", Blocked),
            ("1921-68-1-10.dev.example.net", "192.168.1.10", Blocked),
            ("dev.example.net", "192.168.1.11", Blocked),
        ],
    );
}

#[test]
fn loopback_and_metadata_are_never_implied() {
    table(
        "[[exception]]\ndomain = \"wide.example.net\"\n\
         networks = [\"192.0.0.0/8\", \"168.0.0.0/8\", \"100.64.0.0/10\", \"169.254.0.0/16\", \"fc00::/7\"]\n\
         [[exception]]\ndomain = \"all.example.net\"\nnetworks = [\"0.0.0.0/0\", \"::/0\"]\n\
         [[exception]]\ndomain = \"named.example.net\"\nnetworks = [\"127.0.0.0/8\", \"169.254.169.254/32\"]\n",
        &[
            ("a.wide.example.net", "192.168.1.1", Kept),
            ("b.wide.example.net", "100.64.0.1", Kept),
            ("c.wide.example.net", "169.254.1.1", Kept),
            ("d.wide.example.net", "fd00::1", Kept),
            ("e.wide.example.net", "127.0.0.1", Blocked),
            ("f.wide.example.net", "169.254.169.254", Blocked),
            ("g.wide.example.net", "168.63.129.16", Blocked),
            ("h.wide.example.net", "100.100.100.200", Blocked),
            ("i.wide.example.net", "192.0.0.192", Blocked),
            ("j.wide.example.net", "fd00:ec2::254", Blocked),
            ("k.wide.example.net", "fd20:ce::254", Blocked),
            ("a.all.example.net", "172.16.0.1", Kept),
            ("b.all.example.net", "127.0.0.1", Blocked),
            ("c.all.example.net", "::1", Blocked),
            ("d.all.example.net", "fe80::1", Blocked),
            ("e.all.example.net", "169.254.169.254", Blocked),
            ("f.all.example.net", "0.0.0.1", Blocked),
            ("g.all.example.net", "fd00:ec2::254", Blocked),
            ("a.named.example.net", "127.0.0.1", Kept),
            ("b.named.example.net", "169.254.169.254", Kept),
            ("c.named.example.net", "192.168.1.1", Blocked),
        ],
    );
}

#[test]
fn an_exception_for_one_client_is_none_for_another() {
    let upstream = Zone::new().addresses("nas.example.net", &["192.168.1.5"]).serve();
    let daemon = TestDaemon::start(
        upstream.address(),
        "[[exception]]\ndomain = \"nas.example.net\"\nclients = [\"127.0.0.2/32\"]\n",
    );
    for _ in 0..3 {
        ask_from("127.0.0.2", daemon.udp(), "nas.example.net").assert_addresses(&["192.168.1.5"]);
        ask_from("127.0.0.1", daemon.udp(), "nas.example.net").assert_blocked();
        ask_from("127.0.0.3", daemon.udp(), "NAS.example.net").assert_blocked();
    }
}

/// T05: two clients ask at once, and one upstream answer serves both.
#[test]
fn queries_that_share_an_answer_do_not_share_an_exception() {
    let names: Vec<String> = (0..40).map(|number| format!("h{number}.nas.example.net")).collect();
    let zone = names.iter().fold(Zone::new(), |zone, name| zone.addresses(name, &["192.168.1.5"]));
    let upstream = zone.serve();
    let daemon = TestDaemon::start(
        upstream.address(),
        "[[exception]]\ndomain = \"nas.example.net\"\nclients = [\"127.0.0.2/32\"]\n",
    );
    std::thread::scope(|scope| {
        for source in ["127.0.0.2", "127.0.0.1"] {
            let (names, target) = (&names, daemon.udp());
            scope.spawn(move || {
                for name in names {
                    let reply = ask_from(source, target, name);
                    if source == "127.0.0.2" {
                        reply.assert_addresses(&["192.168.1.5"]);
                    } else {
                        reply.assert_blocked();
                    }
                }
            });
        }
    });
}

/// The exception holds, and then it does not, for an answer that is in the cache all the time.
#[test]
fn an_exception_ends_on_time_for_cached_answers_too() {
    let upstream = Zone::new().addresses("nas.example.net", &["192.168.1.5"]).serve();
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    let until = jiff::Timestamp::from_second(ends.as_second()).unwrap();
    let config = format!("[[exception]]\ndomain = \"nas.example.net\"\nuntil = {until}\n");
    let daemon = TestDaemon::start(upstream.address(), &config);
    daemon.ask("nas.example.net", A).assert_addresses(&["192.168.1.5"]);
    let deadline = Instant::now() + DEADLINE;
    while !daemon.ask("nas.example.net", A).is_empty() {
        assert!(Instant::now() < deadline, "the exception outlives its end");
    }
    assert!(jiff::Timestamp::now() >= until, "the exception ended early");
    daemon.ask("nas.example.net", A).assert_blocked();
    assert_eq!(upstream.asked("nas.example.net"), 1);
}

/// What clients keep must not outlive the exception either.
#[test]
fn an_answer_that_an_exception_lets_through_lives_no_longer_than_the_exception() {
    let record = Record::address("192.168.1.5".parse().unwrap()).ttl(86_400);
    let upstream = Zone::new().answers("nas.example.net", [record]).serve();
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(100);
    let until = jiff::Timestamp::from_second(ends.as_second()).unwrap();
    let config = format!("[[exception]]\ndomain = \"nas.example.net\"\nuntil = {until}\n");
    let daemon = TestDaemon::start(upstream.address(), &config);
    // From the upstream, and twice from the cache.
    for round in 0..3 {
        let before = jiff::Timestamp::now();
        let reply = daemon.ask("nas.example.net", A);
        reply.assert_addresses(&["192.168.1.5"]);
        let ttl = reply.message().records[0].ttl;
        assert!(ttl > 0 && i64::from(ttl) <= until.as_second() - before.as_second(), "{round}: {ttl}");
    }
    assert_eq!(upstream.asked("nas.example.net"), 1);
}

/// T02: what is in the cache is judged by the rules that hold now.
#[test]
fn a_changed_file_changes_the_verdict_on_cached_answers() {
    let exempt = "[[exception]]\ndomain = \"nas.example.net\"\n";
    let upstream = Zone::new().addresses("nas.example.net", &["192.168.1.5"]).serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let until_answer = |kept: bool| {
        let deadline = Instant::now() + DEADLINE;
        while daemon.ask("nas.example.net", A).is_empty() == kept {
            assert!(Instant::now() < deadline, "the change is not taken");
        }
    };
    daemon.ask("nas.example.net", A).assert_blocked();
    daemon.config().write(exempt);
    until_answer(true);
    daemon.ask("nas.example.net", A).assert_addresses(&["192.168.1.5"]);
    daemon.config().write("this is no configuration");
    daemon.signal("HUP");
    daemon.wait_for_line(0, &["stubborn.toml", "1"]);
    daemon.ask("nas.example.net", A).assert_addresses(&["192.168.1.5"]);
    daemon.config().write("");
    daemon.signal("HUP");
    until_answer(false);
    daemon.ask("nas.example.net", A).assert_blocked();
    assert_eq!(upstream.asked("nas.example.net"), 1);
}

/// What is not read again because it did not change must not outlive what did: the exception stands amid thousands.
#[test]
fn an_exception_taken_out_of_a_long_file_no_longer_holds_and_the_others_do() {
    let upstream = Zone::new()
        .addresses("nas.example.net", &["192.168.1.5"])
        .addresses("d1.example.net", &["192.168.1.6"])
        .addresses("d2999.example.net", &["192.168.1.7"])
        .serve();
    let file = |middle: &str| {
        let one = |n: usize| match n {
            1_500 => middle.to_owned(),
            _ => format!("[[exception]]\ndomain = \"d{n}.example.net\"\n"),
        };
        (0..3_000).map(one).collect::<String>()
    };
    let daemon = TestDaemon::start(upstream.address(), &file(""));
    let ask = |transport| daemon.ask_as("nas.example.net", A, None, flag::RD, transport);
    for (middle, holds) in [
        ("[[exception]]\ndomain = \"nas.example.net\"\n", true),
        ("", false),
        ("[[exception]]\ndomain = \"nas.example.net\"\nnetworks = [\"192.168.1.5/32\"]\n", true),
        ("[[exception]]\ndomain = \"nas.example.net\"\nnetworks = [\"192.168.1.6/32\"]\n", false),
        ("[[exception]]\ndomain = \"nas.example.net\"\n", true),
        ("# [[exception]]\n# domain = \"nas.example.net\"\n", false),
    ] {
        let beside = daemon.config().directory().join("beside");
        std::fs::write(&beside, file(middle)).unwrap();
        std::fs::rename(&beside, daemon.config().path()).unwrap();
        let deadline = Instant::now() + DEADLINE;
        while ask(Transport::Udp).is_empty() == holds {
            assert!(Instant::now() < deadline, "the change is not taken: {middle}");
        }
        assert_eq!(ask(Transport::Tcp).is_empty(), !holds, "{middle}");
        daemon.ask("d1.example.net", A).assert_addresses(&["192.168.1.6"]);
        daemon.ask("d2999.example.net", A).assert_addresses(&["192.168.1.7"]);
    }
    assert_eq!(upstream.asked("nas.example.net"), 1);
}

#[test]
fn monitoring_lets_everything_pass_and_reports_it() {
    let upstream = Zone::new()
        .addresses("evil.example", &["192.168.1.1"])
        .answers("alias.example", [Record::cname("localhost")])
        .serve();
    let daemon = TestDaemon::start(upstream.address(), "[guard]\nmode = \"monitor\"\n");
    daemon.ask("evil.example", A).assert_addresses(&["192.168.1.1"]);
    daemon.wait_for_line(0, &["evil.example", "192.168.1.1"]);
    assert_eq!(daemon.ask("alias.example", A).aliases(), ["localhost."]);
    daemon.wait_for_line(0, &["alias.example", "localhost"]);
}

#[test]
fn an_exception_that_monitors_reports_what_it_lets_pass() {
    let upstream = Zone::new().addresses("nas.example.net", &["192.168.1.5"]).serve();
    let config = "[[exception]]\ndomain = \"nas.example.net\"\nmode = \"monitor\"\n";
    let daemon = TestDaemon::start(upstream.address(), config);
    daemon.ask("nas.example.net", A).assert_addresses(&["192.168.1.5"]);
    daemon.wait_for_line(0, &["nas.example.net", "192.168.1.5"]);
}

#[test]
fn a_block_reply_says_what_was_blocked_and_the_log_says_it_too() {
    let upstream = Zone::new().addresses("evil.example", &["192.168.1.1"]).serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let reply = daemon.ask("evil.example", A);
    reply.assert_blocked();
    let (_, text) = reply.errors().into_iter().find(|(code, _)| *code == 15).unwrap();
    assert!(text.contains("192.168.1.1") && text.contains("192.168.0.0/16"), "{text}");
    daemon.wait_for_line(0, &["evil.example", "192.168.1.1"]);
}

/// N04: the exempt name is reached through an alias, with the very address it spells.
#[test]
fn an_alias_to_an_exempt_name_is_not_exempt() {
    over_both(|ask| {
        let launder = |target: &'static str, secret: &'static str| {
            [Record::cname(target), address(secret).owned_by(target)]
        };
        let upstream = Zone::new()
            .answers("evil-a.example", launder("192-168-1-20.abc.plex.direct", "192.168.1.20"))
            .answers("evil-b.example", launder("127.0.0.1.nip.io", "127.0.0.1"))
            .answers("evil-c.example", launder("nas.example.net", "192.168.1.5"))
            .addresses("nas.example.net", &["192.168.1.5"])
            .serve();
        let daemon = TestDaemon::start(
            upstream.address(),
            "[[exception]]\npreset = \"plex\"\n[[exception]]\npreset = \"nip-io\"\n\
             [[exception]]\ndomain = \"nas.example.net\"\n",
        );
        for name in ["evil-a.example", "evil-b.example", "evil-c.example"] {
            ask(&daemon, name, A).assert_blocked();
        }
    });
}

/// N04, M15: some clients look the target up themselves (systemd-resolved a CNAME's, browsers a TargetName's), and
/// that question is exempt.
#[test]
fn nothing_leads_from_a_public_name_to_an_exempt_one() {
    over_both(|ask| {
        let target = "nas.example.net";
        let upstream = Zone::new()
            .answers("evil-a.example", [Record::cname(target)])
            .answers("evil-b.example", [Record::new(code::HTTPS, wire::svcb(0, &name(target), &[]))])
            .answers(
                "evil-c.example",
                [Record::new(code::HTTPS, wire::svcb(1, &name(target), &[(1, b"\x02h2".to_vec())]))],
            )
            .answers("evil-d.example", [Record::new(code::SRV, wire::srv(80, target))])
            .answers("evil-e.example", [Record::cname("192-168-1-20.abc.plex.direct")])
            .answers("www.example.net", [Record::cname("other.example.net")])
            .serve();
        let daemon = TestDaemon::start(
            upstream.address(),
            "[[exception]]\ndomain = \"nas.example.net\"\n[[exception]]\npreset = \"plex\"\n",
        );
        for (asked, qtype) in [
            ("evil-a.example", A),
            ("evil-a.example", AAAA),
            ("evil-b.example", code::HTTPS),
            ("evil-c.example", code::HTTPS),
            ("evil-d.example", code::SRV),
            ("evil-e.example", A),
        ] {
            ask(&daemon, asked, qtype).assert_blocked();
        }
        assert_eq!(ask(&daemon, "www.example.net", A).aliases(), ["other.example.net."]);
    });
}

/// N14, X02: what would exempt too much is no configuration.
#[test]
fn exceptions_that_exempt_too_much_are_refused() {
    let domains = [
        "",
        ".",
        "com",
        "*",
        "*.",
        "*.example.org",
        "co.uk",
        " example.org",
        "exa mple.org",
        "duckdns.org",
        "/x/",
        "a..example.org",
    ];
    for domain in domains {
        let config = TempConfig::new(&format!("[[exception]]\ndomain = \"{domain}\"\n"));
        let output = check(&config);
        assert_eq!(output.status.code(), Some(1), "{domain:?}: {output:?}");
        let text = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("stubborn.toml:2"), "{domain:?}: {text}");
    }
    // N15: a name written in Unicode is the A-label it stands for.
    for domain in ["bücher.example.org", "xn--bcher-kva.example.org", "nas.example.org."] {
        let config = TempConfig::new(&format!("[[exception]]\ndomain = \"{domain}\"\n"));
        assert_eq!(check(&config).status.code(), Some(0), "{domain}");
    }
}

fn check(config: &TempConfig) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_stubborn"))
        .arg("check")
        .arg("--config")
        .arg(config.path())
        .output()
        .unwrap()
}

/// N15: the exception was written in Unicode, the question comes in A-labels, and a look-alike is another name.
#[test]
fn names_in_unicode_are_compared_as_a_labels() {
    table(
        "[[exception]]\ndomain = \"bücher.example.org\"\n",
        &[
            ("nas.xn--bcher-kva.example.org", "192.168.1.1", Kept),
            ("nas.xn--bcher-kvb.example.org", "192.168.1.2", Blocked),
            ("nas.bucher.example.org", "192.168.1.3", Blocked),
        ],
    );
}

// -------------------------------------------------------------------------------------------------- routes

struct Split {
    public: AttackUpstream,
    inner: AttackUpstream,
    daemon: TestDaemon,
}

fn split(public: Zone, inner: Zone, domains: &[&str]) -> Split {
    let (public, inner) = (public.serve(), inner.serve());
    let mut config = String::new();
    for domain in domains {
        config.push_str(&format!(
            "[[route]]\ndomain = \"{domain}\"\nservers = [\"{}\"]\nnetworks = [\"10.0.0.0/8\"]\n",
            inner.address()
        ));
    }
    let daemon = TestDaemon::start(public.address(), &config);
    Split { public, inner, daemon }
}

#[test]
fn a_route_s_names_go_to_its_servers_and_nowhere_else() {
    let inner = Zone::new()
        .addresses("nas.corp.example", &["10.1.2.3"])
        .addresses("corp.example", &["10.1.2.4"])
        .addresses("far.corp.example", &["192.168.1.1"])
        .addresses("loop.corp.example", &["127.0.0.1"])
        .addresses("meta.corp.example", &["169.254.169.254"])
        .addresses("www.corp.example", &["1.1.1.1"]);
    let names = ["nas", "far", "loop", "meta", "www"].map(|label| format!("{label}.corp.example"));
    let stage = split(Zone::new(), inner, &["corp.example"]);
    for _ in 0..2 {
        stage.daemon.ask("NAS.Corp.Example", A).assert_addresses(&["10.1.2.3"]);
        stage.daemon.ask("corp.example", A).assert_addresses(&["10.1.2.4"]);
        stage.daemon.ask("www.corp.example", A).assert_addresses(&["1.1.1.1"]);
        for label in ["far", "loop", "meta"] {
            stage.daemon.ask(&format!("{label}.corp.example"), A).assert_blocked();
        }
    }
    assert_eq!(stage.daemon.ask("gone.corp.example", A).rcode(), code::NXDOMAIN);
    for name in names {
        assert_eq!(stage.public.asked(&name), 0, "{name}");
    }
    assert_eq!(forwarded(&stage.public), [""; 0]);
}

/// N03: neither by an alias nor by a name that only looks as if it were below.
#[test]
fn no_public_name_is_answered_out_of_a_route() {
    over_both(|ask| {
        let target = "nas.corp.example";
        let into = |record: Record| [record, address("10.1.2.3").owned_by(target)];
        let public = Zone::new()
            .answers("evil-a.example", into(Record::cname(target)))
            .answers("evil-b.example", [Record::cname(target)])
            .answers("evil-c.example", [Record::new(code::HTTPS, wire::svcb(0, &name(target), &[]))])
            .answers("evil-d.example", [Record::new(code::SRV, wire::srv(80, target))])
            .answers("evil-e.example", [Record::new(code::DNAME, name("corp.example"))])
            .reply("nas.evil-e.example", |asked| {
                asked.reply().answer([
                    Record::new(code::DNAME, name("corp.example")).owned_by("evil-e.example"),
                    Record::cname("nas.corp.example"),
                ])
            })
            .addresses("evilcorp.example", &["10.1.2.3"])
            .addresses("corp.example.evil.example", &["10.1.2.3"])
            .addresses(r"evil\.corp.example", &["10.1.2.3"])
            .addresses(r"a.b\.corp.example", &["10.1.2.3"]);
        let inner = Zone::new().addresses(target, &["10.1.2.3"]);
        let stage = split(public, inner, &["corp.example"]);
        for (name, qtype) in [
            ("evil-a.example", A),
            ("evil-b.example", A),
            ("evil-c.example", code::HTTPS),
            ("evil-d.example", code::SRV),
            ("nas.evil-e.example", A),
            ("evilcorp.example", A),
            ("corp.example.evil.example", A),
            (r"evil\.corp.example", A),
            (r"a.b\.corp.example", A),
        ] {
            ask(&stage.daemon, name, qtype).assert_blocked();
        }
        assert_eq!(forwarded(&stage.inner), [""; 0], "a public name went to the route's server");
    });
}

/// N03: strangers have names in the one route, and its server is that of the other.
#[test]
fn a_route_of_strangers_has_no_aliases_into_a_trusted_one() {
    let target = "intranet.corp.example";
    let inner = Zone::new()
        .addresses(target, &["10.1.2.3"])
        .answers("a.duckdns.org", [Record::cname(target), address("9.9.9.9").owned_by(target)])
        .answers("b.duckdns.org", [Record::cname(target)])
        .answers("c.duckdns.org", [Record::new(code::HTTPS, wire::svcb(0, &name(target), &[]))])
        .answers("d.duckdns.org", [Record::cname("me.duckdns.org")])
        .answers("www.corp.example", [Record::cname(target), address("10.1.2.3").owned_by(target)])
        .serve();
    let at = inner.address();
    let config = format!(
        "[[route]]\ndomain = \"duckdns.org\"\nservers = [\"{at}\"]\n\
         [[route]]\ndomain = \"corp.example\"\nservers = [\"{at}\"]\n\
         [[local]]\nname = \"me.duckdns.org\"\naddresses = [\"192.168.1.5\"]\n"
    );
    let public = Zone::new().serve();
    let daemon = TestDaemon::start(public.address(), &config);
    for (name, qtype) in
        [("a.duckdns.org", A), ("b.duckdns.org", A), ("c.duckdns.org", code::HTTPS), ("d.duckdns.org", A)]
    {
        daemon.ask(name, qtype).assert_blocked();
    }
    daemon.ask("www.corp.example", A).assert_addresses(&["10.1.2.3"]);
}

/// A cache in front keeps each record of an answer by its own name: a public name at the end of a route's chain would have the
/// route's address for everybody there.
#[test]
fn a_public_name_behind_a_route_s_alias_is_not_shown_with_an_inside_address() {
    over_both(|ask| {
        let end = "host.cdn.example";
        let inner = Zone::new()
            .answers("inside.corp.example", [Record::cname(end), address("10.1.2.3").owned_by(end)])
            .answers(
                "mixed.corp.example",
                [Record::cname(end), address("10.1.2.3").owned_by(end), address("192.168.1.1").owned_by(end)],
            )
            .answers("public.corp.example", [Record::cname(end), address("1.1.1.1").owned_by(end)])
            .answers(
                "own.corp.example",
                [Record::cname("nas.corp.example"), address("10.1.2.3").owned_by("nas.corp.example")],
            );
        let stage = split(Zone::new(), inner, &["corp.example"]);
        for (name, addresses, aliases) in [
            ("inside.corp.example", "10.1.2.3", &[][..]),
            ("mixed.corp.example", "10.1.2.3", &[]),
            ("public.corp.example", "1.1.1.1", &["host.cdn.example."]),
            ("own.corp.example", "10.1.2.3", &["nas.corp.example."]),
        ] {
            let reply = ask(&stage.daemon, name, A);
            reply.assert_addresses(&[addresses]);
            assert_eq!(reply.aliases(), aliases, "{name} {reply:?}");
        }
    });
}

/// N05: a cache that keeps the DNAME finds by itself what lies below its target, so no client may see one above a name that
/// means something here.
#[test]
fn no_client_sees_a_dname_above_local_routed_or_exempt_names() {
    let targets = [
        ("direct", false),
        ("plex.direct", true),
        ("box.example", true),
        ("zone.box.example", true),
        ("wild.example", true),
        ("nas.example", true),
        ("public.example", false),
    ];
    let asked = |target: &str| format!("www.{}.evil.example", target.replace('.', "-"));
    let zone = targets.iter().fold(Zone::new(), |zone, (target, _)| {
        let (target, end) = ((*target).to_owned(), format!("www.{target}"));
        let owner = asked(&target).split_once('.').unwrap().1.to_owned();
        zone.reply(&asked(&target), move |asked| {
            let dname = Record::new(code::DNAME, name(&target)).owned_by(&owner);
            asked.reply().answer([dname, Record::cname(&end), address("9.9.9.9").owned_by(&end)])
        })
    });
    // The owner of this one is above a local name, whose place the DNAME would take.
    let zone = zone.reply("www.over.example", |asked| {
        let dname = Record::new(code::DNAME, name("public.example")).owned_by("over.example");
        let end = "www.public.example";
        asked.reply().answer([dname, Record::cname(end), address("9.9.9.9").owned_by(end)])
    });
    let inner = Zone::new().serve();
    let config = format!(
        "[[exception]]\npreset = \"plex\"\n\
         [[local]]\nname = \"nas.over.example\"\naddresses = [\"192.168.1.5\"]\n\
         [[exception]]\ndomain = \"x.nas.example\"\n\
         [[local]]\nname = \"a.zone.box.example\"\naddresses = [\"127.0.0.1\"]\n\
         [[local]]\nname = \"*.wild.example\"\naddresses = [\"127.0.0.1\"]\n\
         [[route]]\ndomain = \"corp.box.example\"\nservers = [\"{}\"]\nnetworks = [\"10.0.0.0/8\"]\n",
        inner.address()
    );
    let upstream = zone.serve();
    let daemon = TestDaemon::start(upstream.address(), &config);
    let types = |reply: &Reply| -> Vec<u16> {
        let message = reply.message();
        message.section(Section::Answer).map(|record| record.rtype).collect()
    };
    for (target, hides) in targets {
        for dnssec in [false, true, false, true] {
            let edns = Some((1232, dnssec));
            let reply = daemon.ask_as(&asked(target), A, edns, flag::RD, Transport::Udp);
            let expected: &[u16] = match (target, dnssec, hides) {
                // A single label is never public.
                ("direct", true, _) => &[],
                ("wild.example", ..) => &[],
                ("plex.direct", false, _) | (_, true, true) => &[A],
                (_, false, _) => &[code::CNAME, A],
                (_, true, false) => &[code::DNAME, code::CNAME, A],
            };
            assert_eq!(types(&reply), expected, "{target}, DO {dnssec}: {reply:?}");
        }
    }
    let over = daemon.ask_as("www.over.example", A, Some((1232, true)), flag::RD, Transport::Udp);
    assert_eq!(types(&over), [A], "{over:?}");
    assert_eq!(forwarded(&inner), [""; 0]);
}

#[test]
fn a_route_whose_servers_are_silent_fails_and_leaks_no_name() {
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap();
    let public = Zone::new().addresses("nas.corp.example", &["1.1.1.1"]).serve();
    let config = format!(
        "[upstream]\ntimeout = \"200ms\"\n[[route]]\ndomain = \"corp.example\"\nservers = [\"{}\"]\n",
        closed.local_addr().unwrap()
    );
    let daemon = TestDaemon::start(public.address(), &config);
    assert_eq!(daemon.ask("nas.corp.example", A).rcode(), code::SERVFAIL);
    assert_eq!(forwarded(&public), [""; 0]);
}

#[test]
fn the_longest_route_wins() {
    let near = Zone::new().addresses("nas.dev.corp.example", &["10.2.2.2"]).serve();
    let far = Zone::new().addresses("nas.corp.example", &["10.1.1.1"]).serve();
    let public = Zone::new().serve();
    for order in [[0, 1], [1, 0]] {
        let tables = [("corp.example", far.address()), ("dev.corp.example", near.address())];
        let config: String = order
            .iter()
            .map(|place| tables[*place])
            .map(|(domain, server)| format!("[[route]]\ndomain = \"{domain}\"\nservers = [\"{server}\"]\n"))
            .collect();
        let daemon = TestDaemon::start(public.address(), &config);
        daemon.ask("nas.corp.example", A).assert_addresses(&["10.1.1.1"]);
        daemon.ask("nas.dev.corp.example", A).assert_addresses(&["10.2.2.2"]);
    }
    assert_eq!(forwarded(&public), [""; 0]);
}

/// N16: an inside name has an answer as soon as there is a route for it.
#[test]
fn a_route_opens_an_inside_domain_and_a_reverse_zone() {
    let inner = Zone::new()
        .addresses("nas.home.arpa", &["10.1.2.3"])
        .answers("3.2.1.10.in-addr.arpa", [Record::new(code::PTR, name("nas.home.arpa"))]);
    let stage = split(Zone::new(), inner, &["home.arpa", "10.in-addr.arpa"]);
    stage.daemon.ask("nas.home.arpa", A).assert_addresses(&["10.1.2.3"]);
    assert_eq!(stage.daemon.ask("3.2.1.10.in-addr.arpa", code::PTR).types(), [code::PTR]);
    assert_eq!(forwarded(&stage.public), [""; 0]);
}

// --------------------------------------------------------------------------------------------- local names

const LOCALS: &str = "[[local]]\nname = \"nas.example.net\"\naddresses = [\"192.168.1.5\", \"fd00::5\"]\n\
                      [[local]]\nname = \"*.dev.example.net\"\naddresses = [\"127.0.0.1\", \"::1\"]\n";

#[test]
fn local_names_are_answered_here() {
    let upstream = Zone::new().serve();
    let daemon = TestDaemon::start(upstream.address(), LOCALS);
    daemon.ask("nas.example.net", A).assert_addresses(&["192.168.1.5"]);
    daemon.ask("NAS.Example.NET", AAAA).assert_addresses(&["fd00::5"]);
    let other = daemon.ask("nas.example.net", code::HTTPS);
    assert_eq!((other.rcode(), other.is_empty()), (code::NOERROR, true));
    for name in ["a.dev.example.net", "a.b.dev.example.net"] {
        daemon.ask(name, A).assert_addresses(&["127.0.0.1"]);
        daemon.ask(name, AAAA).assert_addresses(&["::1"]);
    }
    assert_eq!(forwarded(&upstream), [""; 0]);
    // The domain of a wildcard, names beside it and below an exact name are like any other.
    for name in ["dev.example.net", "a.nas.example.net", "evildev.example.net", r"a\.dev.example.net"] {
        assert_eq!(daemon.ask(name, A).rcode(), code::NXDOMAIN, "{name}");
        assert_eq!(upstream.asked(name), 1, "{name}");
    }
}

#[test]
fn an_alias_to_a_local_name_is_a_hit() {
    over_both(|ask| {
        let upstream = Zone::new()
            .answers("evil-a.example", [Record::cname("nas.example.net")])
            .answers("evil-b.example", [Record::cname("x.dev.example.net")])
            .answers(
                "evil-c.example",
                [Record::cname("nas.example.net"), address("1.1.1.1").owned_by("nas.example.net")],
            )
            .serve();
        let daemon = TestDaemon::start(upstream.address(), LOCALS);
        for name in ["evil-a.example", "evil-b.example", "evil-c.example"] {
            ask(&daemon, name, A).assert_blocked();
        }
    });
}

/// N08: the resolver of the page's host tries `evil.com` with the search domain behind it.
#[test]
fn a_public_name_with_a_search_domain_behind_it_is_not_local() {
    over_both(|ask| {
        let upstream = Zone::new().serve();
        let daemon = TestDaemon::start(upstream.address(), LOCALS);
        let reply = ask(&daemon, "www.evil.com.dev.example.net", A);
        assert!(reply.is_empty(), "{reply:?}");
    });
}

#[test]
fn names_of_a_hosts_file_are_answered_here() {
    let config = TempConfig::new("");
    let hosts = config.directory().join("hosts");
    std::fs::write(
        &hosts,
        "# a comment\n192.168.1.9 printer.example.net printer\nfd00::9\tprinter.example.net\n",
    )
    .unwrap();
    let upstream = Zone::new().serve();
    let daemon = TestDaemon::start(upstream.address(), &format!("[names]\nhosts-files = [{hosts:?}]\n"));
    daemon.ask("printer.example.net", A).assert_addresses(&["192.168.1.9"]);
    daemon.ask("Printer.Example.Net", AAAA).assert_addresses(&["fd00::9"]);
    daemon.ask("printer", A).assert_addresses(&["192.168.1.9"]);
    assert_eq!(forwarded(&upstream), [""; 0]);
}

#[test]
fn an_alias_to_a_name_of_a_hosts_file_is_a_hit() {
    over_both(|ask| {
        let config = TempConfig::new("");
        let hosts = config.directory().join("hosts");
        std::fs::write(&hosts, "192.168.1.9 printer.example.net\n").unwrap();
        let target = "printer.example.net";
        let upstream = Zone::new()
            .answers("evil-a.example", [Record::cname(target)])
            .answers("evil-b.example", [Record::new(code::HTTPS, wire::svcb(0, &name(target), &[]))])
            .serve();
        let daemon = TestDaemon::start(upstream.address(), &format!("[names]\nhosts-files = [{hosts:?}]\n"));
        ask(&daemon, "evil-a.example", A).assert_blocked();
        ask(&daemon, "evil-b.example", code::HTTPS).assert_blocked();
    });
}
