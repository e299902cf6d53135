//! The network's own names: search domains of resolv.conf that are not public, asked of the network's servers.
//!
//! Each test runs itself again in new namespaces (`unshare`), which only root may do.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

mod support;
mod support_more;

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use stubborn::audit::cases::Action;
use stubborn::audit::wire::{self, Record, code};
use support_more::namespace::{etc, network};
use support_more::process::{PROGRAM, write};
use support_more::upstream::Call;
use support_more::{ScriptedUpstream, Start, ask, ip, isolated, query, run, udp};

/// The network's server.
const ROUTER: &str = "127.0.1.1";
/// And another, which is on the Internet.
const PUBLIC: &str = "9.9.9.9";

fn at(address: &str) -> SocketAddr {
    format!("{address}:53").parse().unwrap()
}

/// What a router says, honest and not.
fn router(call: &Call) -> Vec<Action> {
    let asked = call.name().to_ascii_lowercase();
    let answer = |address: &str| match call.qtype() {
        code::A => call.address(address),
        _ => call.answer([]),
    };
    match asked.trim_end_matches('.') {
        "nas.home" | "nas.lan" | "nas.fritz" | "x.corp.internal" | "host.docker.internal" => {
            answer("192.168.1.20")
        }
        "wild.deep.home" | "evil.com.home" | "www.evil.co.uk.home" | "me.github.io.home" => {
            answer("192.168.1.21")
        }
        "loopback.home" => answer("127.0.0.1"),
        "link-local.home" => answer("169.254.1.1"),
        "metadata.home" => answer("169.254.169.254"),
        "metadata.google.internal" => answer("192.168.1.20"),
        "shared.home" => answer("100.64.0.1"),
        "me.home" => answer("10.1.1.1"),
        "alias.home" => call.answer([
            Record::cname("nas.home"),
            Record::address("192.168.1.20".parse().unwrap()).owned_by("nas.home"),
        ]),
        "evil.example.com" => call.answer([
            Record::cname("nas.home"),
            Record::address("192.168.1.20".parse().unwrap()).owned_by("nas.home"),
        ]),
        "rebind.example.com" => answer("192.168.1.20"),
        "good.example.com" => answer("1.1.1.1"),
        "20.1.168.192.in-addr.arpa" => call.answer([Record::new(code::PTR, wire::name("nas.home"))]),
        _ if asked.contains("in-addr.arpa") => {
            call.answer([Record::new(code::PTR, wire::name("evil.example"))])
        }
        _ => call.send(&call.asked().nxdomain()),
    }
}

#[test]
fn names_of_the_network_s_search_domains_are_asked_of_its_servers() {
    if !isolated() {
        return;
    }
    let etc = etc(Some(&format!("search home corp.example.com test\nnameserver {ROUTER}\n")));
    network();
    ip("addr add 10.1.1.1/24 dev wan");
    let upstream = ScriptedUpstream::at(at(ROUTER), router);
    let socket = etc.path().join("control.sock");
    let daemon = Start::new().listen("127.0.0.1:53").socket(&socket).start();
    daemon.said(0, &["home_domains=home", "upstream=127.0.1.1"]);
    let server = daemon.address();
    ask(server, "nas.home").assert_addresses(&["192.168.1.20"]);
    ask(server, "NAS.Home").assert_addresses(&["192.168.1.20"]);
    ask(server, "alias.home").assert_addresses(&["192.168.1.20"]);
    assert_eq!(ask(server, "none.home").rcode(), code::NXDOMAIN);
    ask(server, "wild.deep.home").assert_addresses(&["192.168.1.21"]);
    // A page's name that is gone, as a stub resolver then completes it (N08).
    for name in ["evil.com.home", "www.evil.co.uk.home", "me.github.io.home"] {
        ask(server, name).assert_blocked();
    }
    for name in ["loopback", "link-local", "metadata", "shared", "me"] {
        ask(server, &format!("{name}.home")).assert_blocked();
    }
    // A public name gets nothing out of it, by whatever way.
    ask(server, "evil.example.com").assert_blocked();
    ask(server, "rebind.example.com").assert_blocked();
    ask(server, "good.example.com").assert_addresses(&["1.1.1.1"]);
    // Other names that are not public are asked of nobody.
    for name in ["nas.lan", "x.test", "nas", "x.corp.internal"] {
        assert_eq!(ask(server, name).rcode(), code::NXDOMAIN, "{name}");
        assert_eq!(upstream.asked(name), 0, "{name}");
    }
    // The names of its addresses are the network's too, and nothing else that is asked for there.
    assert_eq!(udp(server, &query("20.1.168.192.in-addr.arpa", code::PTR)).types(), [code::PTR]);
    for (name, qtype) in [
        ("lb._dns-sd._udp.0.1.168.192.in-addr.arpa", code::PTR),
        ("1.168.192.in-addr.arpa", code::PTR),
        ("21.1.168.192.in-addr.arpa", code::TXT),
        ("1.0.254.169.in-addr.arpa", code::PTR),
    ] {
        assert_eq!(udp(server, &query(name, qtype)).rcode(), code::NXDOMAIN, "{name}");
        assert_eq!(upstream.asked(name), 0, "{name}");
    }

    // It is said wherever somebody looks.
    let said = told(&["status", "--socket", socket.to_str().unwrap()]);
    assert!(
        said.contains("names in home are asked of the network (search domain of /etc/resolv.conf:1)"),
        "{said}"
    );
    let said = told(&["explain", "nas.home"]);
    assert!(said.contains("home (search domain of /etc/resolv.conf:1)"), "{said}");
    assert!(said.contains("192.168.1.20") && said.contains("allowed"), "{said}");
    let said = told(&["explain", "nas.home", "--answer", "127.0.0.1"]);
    assert!(
        said.contains("home (search domain of /etc/resolv.conf:1)") && said.contains("removed"),
        "{said}"
    );
}

/// What a network says with aliases: a front that keeps them would answer their names with the addresses of their targets.
fn network_of_aliases(call: &Call) -> Vec<Action> {
    let to = |target: &str| Record::cname(target);
    let address = |owner: &str| Record::address("192.168.1.20".parse().unwrap()).owned_by(owner);
    match call.name().to_ascii_lowercase().trim_end_matches('.') {
        "nas.home" => call.address("192.168.1.20"),
        "alias.home" => call.answer([to("nas.home"), address("nas.home")]),
        "evil.com.home" => call.answer([to("nas.home")]),
        "other.com.home" => call.answer([to("x.internal")]),
        "all.com.home" => call.answer([to("nas.home"), address("nas.home")]),
        "none.com.home" => call.send(&call.asked().nxdomain().answer([to("nas.home")])),
        "www.tree.com.home" => call
            .answer([Record::new(code::DNAME, wire::name("home")).owned_by("tree.com.home"), to("www.home")]),
        "service.com.home" => {
            call.answer([Record::new(code::HTTPS, wire::svcb(1, &wire::name("nas.home"), &[]))])
        }
        "srv.com.home" => call.answer([Record::new(code::SRV, wire::srv(80, "nas.home"))]),
        "public.com.home" => {
            let there = Record::address("1.1.1.1".parse().unwrap()).owned_by("www.example.com");
            call.answer([to("www.example.com"), there])
        }
        "to-docker.home" => call.answer([to("host.docker.internal"), address("host.docker.internal")]),
        "to-podman.home" => call.answer([to("x.home"), to("host.containers.internal").owned_by("x.home")]),
        "to-localhost.home" => call.answer([to("localhost")]),
        _ => call.send(&call.asked().nxdomain()),
    }
}

#[test]
fn an_alias_gives_a_name_of_the_network_nothing_that_its_addresses_may_not_be() {
    if !isolated() {
        return;
    }
    let _etc = etc(Some(&format!("search home internal\nnameserver {ROUTER}\n")));
    network();
    let _upstream = ScriptedUpstream::at(at(ROUTER), network_of_aliases);
    let daemon = Start::new().listen("127.0.0.1:53").start();
    let server = daemon.address();
    ask(server, "alias.home").assert_addresses(&["192.168.1.20"]);
    ask(server, "public.com.home").assert_addresses(&["1.1.1.1"]);
    for (name, qtype) in [
        // Search lists make these from public names.
        ("evil.com.home", code::A),
        ("evil.com.home", code::AAAA),
        ("evil.com.home", code::HTTPS),
        ("EVIL.com.Home", code::TXT),
        ("evil.com.home", code::CNAME),
        ("other.com.home", code::A),
        ("all.com.home", code::A),
        ("none.com.home", code::A),
        ("www.tree.com.home", code::A),
        ("service.com.home", code::HTTPS),
        ("srv.com.home", code::SRV),
        // Programs take these for this machine.
        ("to-docker.home", code::A),
        ("to-podman.home", code::A),
        ("to-localhost.home", code::A),
    ] {
        let reply = udp(server, &query(name, qtype));
        assert_eq!(reply.types(), [0; 0], "{name} {qtype}");
        reply.assert_blocked();
    }
}

/// An exception is for what the network's own servers may not answer by themselves.
#[test]
fn an_exception_opens_more_for_a_name_of_the_network() {
    if !isolated() {
        return;
    }
    let etc = etc(Some(&format!("search home\nnameserver {ROUTER}\n")));
    network();
    ip("addr add 10.1.1.1/24 dev wan");
    let _upstream = ScriptedUpstream::at(at(ROUTER), router);
    let path = write(&etc.path().join("stubborn"), "# nothing\n");
    let daemon = Start::new().config(&path).listen("127.0.0.1:53").start();
    let output = allow(&["nas.home", "--to", "192.168.1.20"]);
    assert_eq!(
        (output.0, fs::read_to_string(&path).unwrap().as_str()),
        (Some(0), "# nothing\n"),
        "{}",
        output.1
    );
    for (name, address) in [("me.home", "10.1.1.1"), ("loopback.home", "127.0.0.1")] {
        let reply = ask(daemon.address(), name);
        reply.assert_blocked();
        let command = format!("stubborn allow {name} --exact --to {address}");
        assert!(reply.errors()[0].1.contains(&command), "{:?}", reply.errors());
        let from = daemon.lines();
        let output = allow(&[name, "--exact", "--to", address]);
        assert_eq!(output.0, Some(0), "{}", output.1);
        daemon.said(from, &["reloaded", "+1 exception"]);
        ask(daemon.address(), name).assert_addresses(&[address]);
    }
}

/// Home, a café, and back.
#[test]
fn home_names_come_and_go_with_the_network() {
    if !isolated() {
        return;
    }
    let etc = etc(Some(&format!("nameserver {ROUTER}\nsearch home\n")));
    network();
    let upstream = ScriptedUpstream::at(at(ROUTER), router);
    let daemon = Start::new().listen("127.0.0.1:53").start();
    let server = daemon.address();
    let resolv_conf = |text: &str| fs::write(etc.path().join("resolv.conf"), text).unwrap();
    ask(server, "nas.home").assert_addresses(&["192.168.1.20"]);
    let from = daemon.lines();
    resolv_conf(&format!("nameserver {ROUTER}\nsearch lan fritz\n"));
    daemon.said(from, &["reloaded", "+2 home domains", "−1 home domain"]);
    assert_eq!(ask(server, "nas.home").rcode(), code::NXDOMAIN);
    ask(server, "nas.lan").assert_addresses(&["192.168.1.20"]);
    ask(server, "nas.fritz").assert_addresses(&["192.168.1.20"]);
    let from = daemon.lines();
    resolv_conf(&format!("nameserver {ROUTER}\nsearch home\n"));
    daemon.said(from, &["reloaded", "+1 home domain", "−2 home domains"]);
    ask(server, "nas.home").assert_addresses(&["192.168.1.20"]);
    assert_eq!(upstream.asked("nas.home"), 2, "nothing of the other network is kept");
    // While the machine names no server, those so far stay in use, and so do the domains that came with them.
    let from = daemon.lines();
    fs::remove_file(etc.path().join("resolv.conf")).unwrap();
    daemon.said(from, &["the servers so far stay in use"]);
    daemon.said(from, &["reloaded", "resolv.conf"]);
    ask(server, "wild.deep.home").assert_addresses(&["192.168.1.21"]);
    resolv_conf(&format!("nameserver {ROUTER}\nsearch home\n"));
    // It resolves where it always did, but is not public any more than before.
    ask(server, "nas.fritz").assert_blocked();
    // An address of this machine's own, from now on.
    let from = daemon.lines();
    ip("addr add 192.168.1.20/24 dev wan");
    daemon.said(from, &["reloaded", "+1 own address"]);
    ask(server, "nas.home").assert_blocked();
    let from = daemon.lines();
    ip("addr del 192.168.1.20/24 dev wan");
    daemon.said(from, &["reloaded", "−1 own address"]);

    // A network whose servers are all on the Internet is not told who asks for which name.
    let from = daemon.lines();
    ip(&format!("addr add {PUBLIC}/32 dev lo"));
    let public = ScriptedUpstream::at(at(PUBLIC), router);
    resolv_conf(&format!("nameserver {PUBLIC}\nsearch home\n"));
    daemon.said(from, &["reloaded", "−1 home domain"]);
    assert_eq!(ask(server, "nas.home").rcode(), code::NXDOMAIN);
    ask(server, "good.example.com").assert_addresses(&["1.1.1.1"]);
    let from = daemon.lines();
    resolv_conf(&format!("nameserver {PUBLIC}\nnameserver {ROUTER}\nsearch lan\n"));
    daemon.said(from, &["reloaded", "+1 home domain"]);
    ask(server, "nas.lan").assert_addresses(&["192.168.1.20"]);
    assert_eq!((public.asked("nas.home"), public.asked("nas.lan")), (0, 0));
}

/// A page of a café that stays open until this machine is at home must not find a device there by what the café said.
#[test]
fn a_network_that_looks_the_same_is_another_one_once_the_machine_was_away() {
    if !isolated() {
        return;
    }
    let etc = etc(Some(&format!("nameserver {ROUTER}\nsearch home\n")));
    network();
    ip("addr add 192.168.1.50/24 dev wan");
    let upstream = ScriptedUpstream::at(at(ROUTER), router);
    let path = write(&etc.path().join("stubborn"), "# nothing\n");
    let daemon = Start::new().config(&path).listen("127.0.0.1:53").start();
    let server = daemon.address();
    let look_up = || {
        ask(server, "nas.home").assert_addresses(&["192.168.1.20"]);
        udp(server, &query("20.1.168.192.in-addr.arpa", code::PTR));
    };
    let leave_and_come = || {
        for (change, said) in [("del", "−1 own address"), ("add", "+1 own address")] {
            let from = daemon.lines();
            ip(&format!("addr {change} 192.168.1.50/24 dev wan"));
            daemon.said(from, &["reloaded", said]);
        }
    };
    look_up();
    leave_and_come();
    look_up();
    assert_eq!(upstream.asked("nas.home"), 2);
    assert_eq!(upstream.asked("20.1.168.192.in-addr.arpa"), 2);

    // With errors in the file, too, the addresses are followed.
    let from = daemon.lines();
    write(&etc.path().join("stubborn"), "no = \"such key\"\n");
    daemon.said(from, &["not reloaded"]);
    for change in ["del", "add"] {
        let from = daemon.lines();
        ip(&format!("addr {change} 192.168.1.50/24 dev wan"));
        daemon.said(from, &["the host's addresses and name are followed all the same"]);
    }
    look_up();
    assert_eq!(upstream.asked("nas.home"), 3);
}

/// `setup` writes 127.0.0.1 into resolv.conf and keeps what was there.
#[test]
fn after_setup_the_search_domains_are_those_of_the_saved_file() {
    if !isolated() {
        return;
    }
    let etc = etc(Some("nameserver 127.0.0.1\nsearch now.lan\n"));
    let saved = format!("nameserver {ROUTER}\nsearch home\n");
    fs::write(etc.path().join("resolv.conf.stubborn-saved"), saved).unwrap();
    let _upstream = ScriptedUpstream::at(at(ROUTER), router);
    let daemon = Start::new().listen("127.0.0.1:53").start();
    ask(daemon.address(), "nas.home").assert_addresses(&["192.168.1.20"]);
    daemon.said(0, &["home_domains=home", "upstream_from=/etc/resolv.conf.stubborn-saved"]);
}

#[test]
fn what_the_file_says_of_a_domain_goes_before_what_the_network_says() {
    if !isolated() {
        return;
    }
    let etc = etc(Some(&format!("nameserver {ROUTER}\nsearch home corp.internal internal\n")));
    let network = ScriptedUpstream::at(at(ROUTER), router);
    let other = ScriptedUpstream::start(|call| call.address("10.0.0.9"));
    let file = format!(
        "[[route]]\ndomain = \"internal\"\nservers = [\"{}\"]\n\
         [[local]]\nname = \"nas.home\"\naddresses = [\"192.168.1.99\"]\n",
        other.address()
    );
    let path = write(&etc.path().join("stubborn"), &file);
    let daemon = Start::new().config(&path).listen("127.0.0.1:53").start();
    let server = daemon.address();
    ask(server, "x.corp.internal").assert_addresses(&["10.0.0.9"]);
    ask(server, "y.internal").assert_addresses(&["10.0.0.9"]);
    ask(server, "nas.home").assert_addresses(&["192.168.1.99"]);
    assert!(network.asked("x.corp.internal") == 0 && network.asked("nas.home") == 0);

    let from = daemon.lines();
    write(&etc.path().join("stubborn"), "[[route]]\ndomain = \"home\"\nservers = []\n");
    daemon.said(from, &["reloaded"]);
    assert_eq!(ask(server, "nas.home").rcode(), code::NXDOMAIN);
    // The machine that a container runs on and the cloud's metadata server are nobody's to name.
    ask(server, "x.corp.internal").assert_addresses(&["192.168.1.20"]);
    for name in ["host.docker.internal", "metadata.google.internal", "Metadata.Google.Internal"] {
        assert_eq!(ask(server, name).rcode(), code::NXDOMAIN, "{name}");
        assert_eq!(network.asked(name), 0, "{name}");
    }

    // Unless the operator says so.
    let from = daemon.lines();
    let route = format!("[[route]]\ndomain = \"google.internal\"\nservers = [\"{}\"]\n", other.address());
    write(&etc.path().join("stubborn"), &route);
    daemon.said(from, &["reloaded"]);
    ask(server, "metadata.google.internal").assert_addresses(&["10.0.0.9"]);
    assert_eq!(ask(server, "host.docker.internal").rcode(), code::NXDOMAIN);

    for file in ["[network]\nhome-names = false\n", "[guard]\nblock = [\"192.168.1.0/24\"]\n"] {
        let from = daemon.lines();
        write(&etc.path().join("stubborn"), file);
        daemon.said(from, &["reloaded"]);
        assert!(ask(server, "nas.home").is_empty(), "{file}");
    }
    // Only "system" is the network's.
    let from = daemon.lines();
    write(&etc.path().join("stubborn"), &format!("[upstream]\nservers = [\"{ROUTER}\"]\n"));
    daemon.said(from, &["reloaded"]);
    assert_eq!(ask(server, "nas.home").rcode(), code::NXDOMAIN);
}

/// A name that is refused is told like a block, with what gives it an answer; and that does.
#[test]
fn a_name_that_is_not_looked_up_is_told_with_what_gives_it_an_answer() {
    if !isolated() {
        return;
    }
    let etc = etc(Some(&format!("nameserver {ROUTER}\n")));
    let _upstream = ScriptedUpstream::at(at(ROUTER), router);
    let socket = etc.path().join("control.sock");
    let daemon = Start::new().listen("127.0.0.1:53").socket(&socket).start();
    let server = daemon.address();
    let route = format!("a [[route]] with domain = \"home\" and servers = [\"{ROUTER}\"]");
    let way_out = format!("{route}, or a [[local]] with name = \"nas.home\" and its address");
    for _ in 0..3 {
        let reply = ask(server, "nas.home");
        assert_eq!((reply.rcode(), reply.soa_ttl()), (code::NXDOMAIN, Some(10)));
        assert!(reply.errors()[0].1.contains(&way_out), "{:?}", reply.errors());
    }
    // What programs ask for by themselves.
    for name in
        ["wpad.lan", "isatap.home", "printer.local", "abcdefghij", "_x._tcp.home", "x.test", "1.2.3.4"]
    {
        assert_eq!(ask(server, name).rcode(), code::NXDOMAIN, "{name}");
    }
    udp(server, &query("nas.lan", code::HTTPS));
    udp(server, &query("lb._dns-sd._udp.0.1.168.192.in-addr.arpa", code::PTR));

    let line = daemon.said(0, &["not looked up: home is not public", "category=not-public", "name=nas.home"]);
    assert!(line.contains(&way_out.replace('"', "\\\"")), "{line}");
    let told_once = daemon.since(0).iter().filter(|line| line.contains("not-public")).count();
    assert_eq!(told_once, 1, "{}", daemon.log());
    let at = ["--socket", socket.to_str().unwrap()];
    let said = told(&[&["blocked"], &at[..]].concat());
    assert!(said.contains("not-public") && said.contains(&format!("to answer it: {way_out}")), "{said}");
    let said = told(&[&["blocked", "--json"], &at[..]].concat());
    assert_eq!(said.lines().count(), 1, "{said}");
    let block: serde_json::Value = serde_json::from_str(&said).unwrap();
    for (key, value) in [
        ("category", "not-public"),
        ("name", "nas.home"),
        ("type", "A"),
        ("range", "home"),
        ("rule", "not-public"),
        ("allow", way_out.as_str()),
    ] {
        assert_eq!(block[key], value, "{said}");
    }
    assert_eq!(block["times"], 3, "{said}");
    let status: serde_json::Value =
        serde_json::from_str(&told(&[&["status", "--json"], &at[..]].concat())).unwrap();
    assert_eq!(status["not_public"], 3);
    let said = told(&["explain", "nas.home"]);
    assert!(said.contains("NXDOMAIN") && said.contains(&way_out), "{said}");

    // An exception changes nothing: `allow` says what does, and `check` warns of one.
    let output = allow(&["nas.home", "--to", "192.168.1.20"]);
    assert_eq!(output.0, Some(1), "{}", output.1);
    for table in [
        "[[local]]\nname = \"nas.home\"\naddresses = [\"192.168.1.20\"]\n".to_owned(),
        format!("[[route]]\ndomain = \"home\"\nservers = [\"{ROUTER}\"]\n"),
    ] {
        assert!(output.1.contains(&table), "no {table}: {}", output.1);
    }
    assert!(!etc.path().join("stubborn/stubborn.toml").exists());
    let from = daemon.lines();
    let exception = "[[exception]]\ndomain = \"nas.home\"\n";
    write(&etc.path().join("stubborn"), exception);
    daemon.said(from, &["stubborn.toml:1: this exception changes nothing: nas.home is not public"]);
    let said = told(&["check"]);
    assert!(said.contains("stubborn.toml:1: this exception changes nothing: nas.home"), "{said}");

    let from = daemon.lines();
    write(&etc.path().join("stubborn"), &format!("[[route]]\ndomain = \"home\"\nservers = [\"{ROUTER}\"]\n"));
    daemon.said(from, &["reloaded", "+1 route"]);
    ask(server, "nas.home").assert_addresses(&["192.168.1.20"]);
}

/// Names of a public search domain are guarded until the operator says that this network is their own.
#[test]
fn setup_proposes_a_route_for_a_public_search_domain_and_writes_it_on_assent() {
    if !isolated() {
        return;
    }
    let etc = etc(Some(&format!("nameserver {ROUTER}\nsearch corp.example.com home github.io\n")));
    let lib = tempfile::TempDir::new().unwrap();
    run("mount", &["--bind", lib.path().to_str().unwrap(), "/var/lib"]);
    let _upstream = ScriptedUpstream::at(at(ROUTER), |call| match call.name().to_ascii_lowercase() {
        name if name.contains("corp.example.com") => call.address("192.168.1.20"),
        _ => call.address("1.1.1.1"),
    });
    fs::create_dir("/run/stubborn").unwrap();
    let file = etc.path().join("stubborn/stubborn.toml");
    let daemon = Start::new().listen("127.0.0.1:53").socket("/run/stubborn/control.sock".as_ref()).start();
    ask(daemon.address(), "nas.corp.example.com").assert_blocked();
    let table = format!("[[route]]\ndomain = \"corp.example.com\"\nservers = [\"{ROUTER}\"]\n");
    for arguments in [&["setup", "--dry-run"][..], &["setup", "--dry-run", "--yes"], &["setup"]] {
        let said = told(arguments);
        assert!(said.contains(&table) && !said.contains("github.io"), "{arguments:?}: {said}");
        assert!(!fs::read_to_string(&file).unwrap_or_default().contains("[[route]]"), "{arguments:?}");
    }
    let from = daemon.lines();
    let said = told(&["setup", "--yes"]);
    assert!(fs::read_to_string(&file).unwrap().ends_with(&table), "{said}");
    daemon.said(from, &["reloaded", "+1 route"]);
    ask(daemon.address(), "nas.corp.example.com").assert_addresses(&["192.168.1.20"]);
    let said = told(&["setup", "--yes"]);
    assert!(!said.contains("[[route]]"), "it is there already: {said}");
}

fn allow(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(PROGRAM).arg("allow").args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn told(arguments: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
