//! What takes a network or a file system of its own: the host's own addresses, wildcard listeners, strangers, and where
//! the system's servers and the default file are looked for.
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
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use stubborn::audit::wire::{Record, code};
use support::Reply;
use support_more::namespace::{etc, network, wan};
use support_more::process::write;
use support_more::{
    DEADLINE, Process, ScriptedUpstream, Start, ask, ip, isolated, query, run, set_host_name, tcp, udp, until,
};
use tempfile::TempDir;

// ---------------------------------------------------------------------------------------------------- own addresses

/// A public address of this very host leads inside as surely as 127.0.0.1 does (W01, W02).
#[test]
fn the_host_s_own_addresses_are_blocked_and_followed() {
    if !isolated() {
        return;
    }
    network();
    let addresses: Arc<Mutex<Vec<&str>>> = Arc::default();
    let upstream = ScriptedUpstream::start({
        let addresses = Arc::clone(&addresses);
        move |call| {
            let addresses = addresses.lock().unwrap();
            let records = addresses.iter().map(|text| Record::address(text.parse().unwrap()));
            call.answer(records.filter(|record| record.rtype == call.qtype()))
        }
    });
    let root = TempDir::new().unwrap();
    let path = write(root.path(), "# nothing\n");
    let daemon = Start::new().config(&path).listen("127.0.0.1:0").upstream(upstream.address()).start();
    // Each under a name of its own, asked once: later on it comes out of the cache.
    let ask_for = |name: &str, address: &'static str| -> Reply {
        *addresses.lock().unwrap() = vec![address];
        let qtype = if address.contains(':') { code::AAAA } else { code::A };
        udp(daemon.address(), &query(&format!("{name}.example"), qtype))
    };
    let blocked = |name: &str, address: &'static str| {
        let reply = ask_for(name, address);
        reply.assert_blocked();
        reply.errors()[0].1.clone()
    };
    assert!(blocked("own4", "1.2.3.4").contains("1.2.3.4"));
    assert!(blocked("own6", "2001:4860:1::4").contains("2001:4860:1::4"));
    assert!(blocked("mapped", "::ffff:1.2.3.4").contains("1.2.3.4"));
    ask_for("next4", "1.2.3.5").assert_addresses(&["1.2.3.5"]);
    ask_for("new4", "5.6.7.8").assert_addresses(&["5.6.7.8"]);
    ask_for("new6", "2001:4860:2::8").assert_addresses(&["2001:4860:2::8"]);
    let asked = upstream.calls().len();

    // An address that comes, with what is cached already.
    for (change, name, address, difference) in [
        ("addr add 5.6.7.8/24 dev wan", "new4", "5.6.7.8", "+1 own address"),
        ("addr add 2001:4860:2::8/64 dev wan nodad", "new6", "2001:4860:2::8", "+1 own address"),
    ] {
        let from = daemon.lines();
        ip(change);
        let line = daemon.said(from, &["reloaded", difference]);
        assert!(line.contains("cause=\"an address of this host\""), "{line}");
        ask_for(name, address).assert_blocked();
    }
    // And ones that go.
    for (change, name, address) in [
        ("addr del 1.2.3.4/24 dev wan", "own4", "1.2.3.4"),
        ("addr del 2001:4860:1::4/64 dev wan", "own6", "2001:4860:1::4"),
    ] {
        let from = daemon.lines();
        ip(change);
        daemon.said(from, &["reloaded", "−1 own address"]);
        ask_for(name, address).assert_addresses(&[address]);
    }
    assert_eq!(upstream.calls().len(), asked, "all of it out of the cache");
    // A whole interface.
    let from = daemon.lines();
    ip("link del wan");
    daemon.said(from, &["reloaded", "own address"]);
    ask_for("new4", "5.6.7.8").assert_addresses(&["5.6.7.8"]);

    // Unless the user does not want it.
    wan();
    ip("addr add 1.2.3.4/24 dev wan");
    until("it is blocked again", || ask_for("own4", "1.2.3.4").is_empty().then_some(()));
    ask_for("own4", "1.2.3.4").assert_blocked();

    // A file with mistakes is no reason to lose sight of them.
    let from = daemon.lines();
    write(root.path(), "[guard]\nown-adresses = false\n");
    daemon.said(from, &["not reloaded"]);
    let from = daemon.lines();
    ip("addr add 5.6.7.8/24 dev wan");
    daemon.said(from, &["followed all the same"]);
    ask_for("new4", "5.6.7.8").assert_blocked();

    let from = daemon.lines();
    write(root.path(), "[guard]\nown-addresses = false\n");
    daemon.said(from, &["reloaded", "guard settings changed"]);
    ask_for("own4", "1.2.3.4").assert_addresses(&["1.2.3.4"]);
}

// --------------------------------------------------------------------------------------------------- the host's name

/// A resolver on the host may answer the host's name with its addresses, whatever the public DNS says.
#[test]
fn an_alias_to_the_host_s_name_is_hidden_and_the_name_is_followed() {
    if !isolated() {
        return;
    }
    ip("link set lo up");
    set_host_name("laptop.example.edu");
    // The alias of `to-x.N.example` is x.example.edu, and only some have an address.
    let upstream = ScriptedUpstream::start(|call| {
        let name = call.name().to_ascii_lowercase();
        let target = format!("{}.example.edu", name.split('.').next().unwrap().trim_start_matches("to-"));
        let alias = Record::cname(&target);
        let address = Record::address("9.9.9.11".parse().unwrap()).owned_by(&target);
        call.answer([alias].into_iter().chain((!name.contains("lost")).then_some(address)))
    });
    let root = TempDir::new().unwrap();
    let path = write(root.path(), "# nothing\n");
    let daemon = Start::new().config(&path).listen("127.0.0.1:0").upstream(upstream.address()).start();
    let hidden = |name: &str| {
        let reply = ask(daemon.address(), name);
        reply.assert_addresses(&["9.9.9.11"]);
        reply.aliases().is_empty()
    };
    assert!(hidden("to-laptop.example") && !hidden("to-tower.example"));
    let lost = ask(daemon.address(), "to-laptop.lost.example");
    lost.assert_blocked();
    assert!(lost.errors()[0].1.contains("laptop.example.edu (this host's name)"), "{lost:?}");

    // The audit knows the name too.
    let binary = env!("CARGO_BIN_EXE_stubborn");
    let audit = Command::new(binary).args(["audit", "--config"]).arg(&path).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));

    // It gets another name: that goes for what is cached too.
    let asked = upstream.calls().len();
    let from = daemon.lines();
    set_host_name("tower.example.edu");
    let line = daemon.said(from, &["reloaded", "host name changed"]);
    assert!(line.contains("cause=\"the name of this host\""), "{line}");
    assert!(!hidden("to-laptop.example") && hidden("to-tower.example"));
    assert_eq!(upstream.calls().len(), asked, "all of it out of the cache");

    // A file with mistakes does not matter.
    let from = daemon.lines();
    write(root.path(), "[guard]\nmood = 1\n");
    daemon.said(from, &["not reloaded"]);
    let from = daemon.lines();
    set_host_name("laptop.example.edu");
    daemon.said(from, &["followed all the same"]);
    assert!(hidden("to-laptop.example") && !hidden("to-tower.example"));
}

// ------------------------------------------------------------------------------------------------- wildcard listeners

/// A client that asked one address believes no other.
#[test]
fn a_reply_from_a_wildcard_comes_from_the_address_that_was_asked() {
    if !isolated() {
        return;
    }
    network();
    ip("addr add 10.1.1.1/24 dev wan");
    ip("addr add 10.1.1.2/24 dev wan");
    ip("addr add fd00:1::1/64 dev wan nodad");
    ip("addr add fd00:1::2/64 dev wan nodad");
    ip("addr add fe80::5/64 dev wan nodad");
    let upstream = ScriptedUpstream::start(|call| match call.qtype() {
        code::A => call.address("1.1.1.1"),
        _ => call.rcode(code::NXDOMAIN),
    });
    let root = TempDir::new().unwrap();
    for workers in [1, 2] {
        let path = write(root.path(), &format!("[server]\nworkers = {workers}\nallow-clients = [\"any\"]\n"));
        let port = support_more::upstream::free_address().port();
        let start = Start::new().config(&path).upstream(upstream.address());
        let daemon = start.listen(format!("0.0.0.0:{port}")).listen(format!("[::]:{port}")).start();
        let scope = interface("wan");
        for (count, (address, from)) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.8.9.10", "127.0.0.1"),
            ("1.2.3.4", "1.2.3.4"),
            ("10.1.1.1", "10.1.1.2"),
            ("10.1.1.2", "10.1.1.1"),
            ("10.1.1.2", "127.0.0.1"),
            ("::1", "::1"),
            ("fd00:1::1", "fd00:1::2"),
            ("fd00:1::2", "fd00:1::1"),
            ("2001:4860:1::4", "fd00:1::1"),
            ("fe80::5", "fe80::5"),
        ]
        .into_iter()
        .enumerate()
        {
            let at = |text: &str, port: u16| -> SocketAddr {
                let mut address = SocketAddr::new(text.parse().unwrap(), port);
                if let SocketAddr::V6(v6) = &mut address
                    && v6.ip().is_unicast_link_local()
                {
                    v6.set_scope_id(scope);
                }
                address
            };
            let server = at(address, port);
            let client = UdpSocket::bind(at(from, 0)).unwrap();
            client.set_read_timeout(Some(DEADLINE)).unwrap();
            // From upstream, and out of the cache: by way of the late and of the immediate outbox.
            for _ in 0..2 {
                let asked = query(&format!("n{count}.w{workers}.example"), code::A);
                client.send_to(&asked.encode(), server).unwrap();
                let mut buffer = [0; 1500];
                let (length, source) = client.recv_from(&mut buffer).unwrap();
                assert_eq!(source, server, "asked from {from} with {workers} workers");
                Reply::new(buffer[..length].to_vec()).assert_addresses(&["1.1.1.1"]);
            }
            let stream = TcpStream::connect(server).unwrap();
            assert_eq!(stream.peer_addr().unwrap().ip(), address.parse::<IpAddr>().unwrap());
            tcp(server, &query("n0.example", code::A)).assert_addresses(&["1.1.1.1"]);
        }
        drop(daemon);
    }
}

/// What does not fit through an interface whole comes in fragments; nothing is fragmented before.
#[test]
fn a_reply_longer_than_an_interface_takes_arrives_all_the_same() {
    if !isolated() {
        return;
    }
    network();
    let addresses: Vec<String> = (1..60).map(|number| format!("1.1.1.{number}")).collect();
    let upstream = ScriptedUpstream::start({
        let addresses = addresses.clone();
        move |call| {
            let records = addresses.iter().map(|address| Record::address(address.parse().unwrap()));
            call.send(&call.asked().reply().answer(records))
        }
    });
    let daemon = Start::new().listen("127.0.0.1:0").upstream(upstream.address()).start();
    let expected: Vec<&str> = addresses.iter().map(String::as_str).collect();
    udp(daemon.address(), &query("whole.example", code::A)).assert_addresses(&expected);
    ip("link set lo mtu 600");
    for _ in 0..2 {
        udp(daemon.address(), &query("whole.example", code::A)).assert_addresses(&expected);
        udp(daemon.address(), &query("fragments.example", code::A)).assert_addresses(&expected);
    }
}

fn interface(name: &str) -> u32 {
    fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).map_or_else(
        // Without a /sys of this namespace.
        |_| {
            let output = Command::new("ip").args(["-o", "link", "show", name]).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            said.split(':').next().unwrap().trim().parse().unwrap()
        },
        |text| text.trim().parse().unwrap(),
    )
}

// ---------------------------------------------------------------------------------------------------------- strangers

#[test]
fn clients_that_may_not_ask_are_refused_whatever_they_ask() {
    if !isolated() {
        return;
    }
    network();
    ip("addr add 10.1.1.1/24 dev wan");
    ip("addr add fd00:1::1/64 dev wan nodad");
    let upstream = ScriptedUpstream::of(&[("a.example", "1.1.1.1")]);
    let root = TempDir::new().unwrap();
    let path = write(root.path(), "# loopback and private\n");
    let port = support_more::upstream::free_address().port();
    let start = Start::new().config(&path).upstream(upstream.address());
    let daemon = start.listen(format!("0.0.0.0:{port}")).listen(format!("[::]:{port}")).start();
    // The source of a packet to an own address is that address.
    let reach = |address: &str| SocketAddr::new(address.parse().unwrap(), port);
    let both = |address: &str, name: &str| {
        [udp(reach(address), &query(name, code::A)), tcp(reach(address), &query(name, code::A))]
    };
    for stranger in ["1.2.3.4", "2001:4860:1::4"] {
        for name in ["a.example", "localhost", "b.example"] {
            for reply in both(stranger, name) {
                assert_eq!(
                    (reply.rcode(), reply.is_empty()),
                    (code::REFUSED, true),
                    "{stranger} {name} {reply:?}"
                );
                assert_eq!(reply.errors()[0].0, 18, "{reply:?}");
            }
        }
    }
    assert!(upstream.calls().is_empty());
    for friend in ["127.0.0.1", "::1", "10.1.1.1", "fd00:1::1"] {
        for reply in both(friend, "a.example") {
            reply.assert_addresses(&["1.1.1.1"]);
        }
    }
    // What is in the cache by now is no stranger's either.
    for reply in both("1.2.3.4", "a.example") {
        assert_eq!((reply.rcode(), reply.is_empty()), (code::REFUSED, true), "{reply:?}");
    }
    // A reload lets them in, and shuts others out.
    let from = daemon.lines();
    write(root.path(), "[server]\nallow-clients = [\"1.2.3.0/24\"]\n");
    daemon.said(from, &["reloaded", "client network"]);
    for reply in both("1.2.3.4", "a.example") {
        reply.assert_addresses(&["1.1.1.1"]);
    }
    for reply in both("127.0.0.1", "a.example") {
        assert_eq!(reply.rcode(), code::REFUSED, "{reply:?}");
    }
}

// ------------------------------------------------------------------------------------------------------ the files of /etc

#[test]
fn with_nobody_to_ask_it_says_where_it_looked() {
    if !isolated() {
        return;
    }
    for (resolv_conf, said) in [
        (None, "/etc/resolv.conf: does not exist"),
        (Some("# nothing\nsearch example\n"), "/etc/resolv.conf: names no server"),
        (Some("nameserver 127.0.0.1\n"), "/etc/resolv.conf: 127.0.0.1 is this daemon itself"),
        (Some("nameserver 0.0.0.0\n"), "is this daemon itself"),
    ] {
        let _etc = etc(resolv_conf);
        let ended = Start::new().listen("127.0.0.1:53").fail();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        for part in [said, "no upstream server", "/run/systemd/resolve/resolv.conf", "--upstream ADDRESS"] {
            assert!(ended.said.contains(part), "no {part:?}: {ended:?}");
        }
        run("umount", &["/run"]);
        run("umount", &["/etc"]);
    }
}

/// Whose the port is, is known: what resolv.conf names there is not this daemon.
#[test]
fn a_server_at_the_own_address_is_no_loop_while_another_program_has_the_port() {
    if !isolated() {
        return;
    }
    let _etc = etc(Some("nameserver 127.0.0.1\n"));
    let _other = ScriptedUpstream::at("127.0.0.1:53".parse().unwrap(), |call| call.address("1.1.1.1"));
    let ended = Start::new().listen("127.0.0.1:53").fail();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.said.contains("127.0.0.1:53 is in use by") && !ended.said.contains("loop"), "{ended:?}");
    let daemon = Start::new().listen("127.0.0.1:5353").start();
    ask(daemon.address(), "a.example").assert_addresses(&["1.1.1.1"]);
}

/// Docker's own server is another program, whose address belongs to a daemon that listens everywhere. Here there is no
/// Docker, so the questions come back; that is noticed.
#[test]
fn in_a_container_docker_s_server_is_asked_by_a_daemon_that_listens_everywhere() {
    if !isolated() {
        return;
    }
    let etc = etc(Some("nameserver 127.0.0.11\n"));
    let words = ["env", "container=docker", env!("CARGO_BIN_EXE_stubborn")];
    let daemon = Start::new().program(words).listen("0.0.0.0:53").start();
    daemon.said(0, &["upstream=127.0.0.11", "upstream_from=/etc/resolv.conf"]);
    let reply = ask("127.0.0.1:53".parse().unwrap(), "a.example");
    assert_eq!(reply.rcode(), code::SERVFAIL, "{reply:?}");
    daemon.said(0, &["127.0.0.11", "leads back to this daemon"]);
    drop(daemon);

    // A server that is written down is one like any other; and one that is listened on by name is ours.
    let path = write(&etc.path().join("stubborn"), "[upstream]\nservers = [\"127.0.0.11\"]\n");
    drop(Start::new().program(words).config(&path).listen("0.0.0.0:53").start());
    let ended = Start::new().program(words).config(&path).listen("127.0.0.11:53").fail();
    assert!(ended.code == Some(2) && ended.said.contains("127.0.0.11 is this daemon itself"), "{ended:?}");
}

/// A laptop that goes from one network to the next.
#[test]
fn the_system_s_servers_are_followed() {
    if !isolated() {
        return;
    }
    let etc = etc(Some("nameserver 127.0.1.1\n"));
    let at = |address: &str| -> SocketAddr { format!("{address}:53").parse().unwrap() };
    let first = ScriptedUpstream::at(at("127.0.1.1"), |call| call.address("1.1.1.1"));
    let second = ScriptedUpstream::at(at("127.0.1.2"), |call| call.address("8.8.8.8"));
    let daemon = Start::new().listen("127.0.0.1:53").start();
    ask(daemon.address(), "a.example").assert_addresses(&["1.1.1.1"]);
    daemon.said(0, &["upstream=127.0.1.1", "upstream_from=/etc/resolv.conf"]);

    let from = daemon.lines();
    let resolv_conf = |text: &str| fs::write(etc.path().join("resolv.conf"), text).unwrap();
    resolv_conf("nameserver 127.0.1.2\n");
    daemon.said(from, &["reloaded", "+1 server", "−1 server"]);
    ask(daemon.address(), "a.example").assert_addresses(&["8.8.8.8"]);

    // Somebody writes our own address there: there is nobody else to ask, so those who were asked stay.
    let from = daemon.lines();
    resolv_conf("nameserver 127.0.0.1\n");
    daemon.said(from, &["stay in use (127.0.1.2", "no upstream server", "127.0.0.1 is this daemon itself"]);
    ask(daemon.address(), "b.example").assert_addresses(&["8.8.8.8"]);
    let from = daemon.lines();
    resolv_conf("nameserver 127.0.0.1\nnameserver 127.0.1.1\n");
    daemon.said(from, &["reloaded", "+1 server", "−1 server"]);
    ask(daemon.address(), "c.example").assert_addresses(&["1.1.1.1"]);
    assert!(first.asked("c.example") == 1 && second.asked("b.example") == 1);
}

/// Without `--config` too, a file that vanishes is no wish for the defaults.
#[test]
fn the_default_file_is_followed_from_nothing_to_something_and_not_back() {
    if !isolated() {
        return;
    }
    let etc = etc(None);
    let upstream = ScriptedUpstream::of(&[("nas.example", "192.168.1.20")]);
    let daemon: Process = Start::new().listen("127.0.0.1:0").upstream(upstream.address()).start();
    let ask = || ask(daemon.address(), "nas.example");
    let directory = etc.path().join("stubborn");
    ask().assert_blocked();
    let from = daemon.lines();
    let path = write(&directory, "[[exception]]\ndomain = \"nas.example\"\n");
    // The cause is the start if the file is there before the first look after it.
    daemon.said(from, &["reloaded", "+1 exception"]);
    ask().assert_addresses(&["192.168.1.20"]);
    let from = daemon.lines();
    fs::remove_file(&path).unwrap();
    daemon.said(from, &["/etc/stubborn/stubborn.toml", "there is no such file"]);
    daemon.said(from, &["not reloaded: the policy in use stays as it is"]);
    ask().assert_addresses(&["192.168.1.20"]);
    let from = daemon.lines();
    write(&directory, "# nothing\n");
    daemon.said(from, &["reloaded", "−1 exception"]);
    ask().assert_blocked();
}

/// Port 53 in a namespace of its own, where nobody else has it.
#[test]
fn without_any_argument_it_listens_on_port_53_of_both_loopback_addresses() {
    if !isolated() {
        return;
    }
    let _etc = etc(Some("nameserver 127.0.1.1\n"));
    let _upstream = ScriptedUpstream::at("127.0.1.1:53".parse().unwrap(), |call| call.address("1.1.1.1"));
    let mut daemon = Start::new().start();
    let expected: Vec<SocketAddr> = ["127.0.0.1:53", "[::1]:53"].map(|text| text.parse().unwrap()).to_vec();
    assert_eq!(daemon.addresses(), expected);
    for address in expected {
        ask(address, "a.example").assert_addresses(&["1.1.1.1"]);
    }
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0));
    // Nothing is left behind.
    until("the port is free again", || UdpSocket::bind("127.0.0.1:53").ok());
}

/// A command without arguments as a user pastes it: the default socket, whatever file the daemon was started with.
#[test]
fn a_pasted_command_changes_the_file_of_the_daemon_and_not_the_default_one() {
    if !isolated() {
        return;
    }
    let etc = etc(None);
    let default = etc.path().join("stubborn/stubborn.toml");
    let stubborn = |words: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stubborn"));
        let output = command.args(words.split(' ').skip(1)).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), said)
    };
    let (code, said) = stubborn("stubborn allow other.example --dry-run");
    assert_eq!(code, 0, "{said}");
    for part in
        ["no running daemon was found", "which no running daemon reads", "/etc/stubborn/stubborn.toml"]
    {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    let upstream = ScriptedUpstream::of(&[("nas.example.org", "192.168.1.20")]);
    let directory = TempDir::new().unwrap();
    let my = write(directory.path(), "# mine\n");
    let socket = Path::new("/run/stubborn/control.sock");
    let start = |start: Start| start.listen("127.0.0.1:0").upstream(upstream.address());
    let first = start(Start::new().config(&my).socket(socket)).start();
    let command = |daemon: &Process| {
        let reply = ask(daemon.address(), "nas.example.org");
        let (_, text) = reply.errors()[0].clone();
        text.split_once("to allow: ").unwrap().1.to_owned()
    };
    assert_eq!(command(&first), "stubborn allow nas.example.org --exact --to 192.168.1.20");
    let (code, said) = stubborn(&command(&first));
    assert!(code == 0 && said.contains("; in use now (generation "), "{said}");
    ask(first.address(), "nas.example.org").assert_addresses(&["192.168.1.20"]);
    assert!(fs::read_to_string(&my).unwrap().contains("nas.example.org") && !default.exists());
    let (code, said) = stubborn("stubborn allow --last");
    assert!(code == 0 && said.contains("nothing to do: nas.example.org may already"), "{said}");

    // Commands that only read the default file say that it is another.
    for line in ["stubborn check", "stubborn explain nas.example.org --answer 192.168.1.20"] {
        let (code, said) = stubborn(line);
        let warning = format!("for that daemon add `--config {}`", my.display());
        assert!(code == 0 && said.contains(&warning), "{line}: {said}");
        let (_, said) = stubborn(&format!("{line} --config {}", my.display()));
        assert!(!said.contains("for that daemon"), "{line}: {said}");
    }

    // The same file is another one for a command in another mount namespace.
    let before = fs::read_to_string(&my).unwrap();
    let shadow = directory.path().to_str().unwrap();
    let script = format!(
        "mount --make-rprivate / && mount -t tmpfs tmpfs {shadow} && exec {} allow b.example.org",
        env!("CARGO_BIN_EXE_stubborn")
    );
    let output = Command::new("unshare").args(["--mount", "sh", "-c", &script]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("is another file here"), "{said}");
    assert_eq!(fs::read_to_string(&my).unwrap(), before);

    // Beside it, one that cannot have the socket, so that only its file leads to it.
    let beside = TempDir::new().unwrap();
    let own = write(beside.path(), "# another\n");
    let second = start(Start::new().config(&own).socket(socket)).start();
    let pasted = command(&second);
    assert!(pasted.ends_with(&format!(" --config {}", own.display())), "{pasted}");
    let (code, said) = stubborn(&pasted);
    let warning = format!("does not read {}, but {}", own.display(), my.display());
    assert!(code == 0 && said.contains(&warning), "{said}");
    assert!(fs::read_to_string(&own).unwrap().contains("nas.example.org"));
    drop((first, second));

    // Without any file, the default one is read as soon as it is there.
    let daemon = start(Start::new().socket(socket)).start();
    let (code, said) = stubborn(&command(&daemon));
    assert!(code == 0 && said.contains("which was not there; in use now"), "{said}");
    ask(daemon.address(), "nas.example.org").assert_addresses(&["192.168.1.20"]);
    assert!(default.exists());
}

/// A user's own daemon beside the machine's: each has its own socket, and its own file.
#[test]
fn a_user_changes_the_file_of_the_daemon_of_their_own_and_root_does_not_write_where_it_says() {
    use std::os::unix::fs::chown;
    if !isolated() || !support_more::installed(&["setpriv"]) {
        return;
    }
    let _etc = etc(None);
    const USER: u32 = 65_534;
    let upstream = ScriptedUpstream::of(&[("nas.example.org", "192.168.1.20")]);
    let start = |start: Start| start.listen("127.0.0.1:0").upstream(upstream.address()).start();
    let _machines = start(Start::new().socket(Path::new("/run/stubborn/control.sock")));
    let theirs = TempDir::new().unwrap();
    let my = write(theirs.path(), "# mine\n");
    let session = Path::new("/run/session");
    fs::create_dir(session).unwrap();
    [theirs.path(), &my, session].into_iter().for_each(|path| chown(path, Some(USER), Some(USER)).unwrap());
    let as_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env"];
    let program = env!("CARGO_BIN_EXE_stubborn");
    let words = as_user.into_iter().chain(["XDG_RUNTIME_DIR=/run/session", program]);
    let said = |words: &[&str], command: &str| {
        let (first, rest) = words.split_first().unwrap();
        let output = Command::new(first).args(rest).args(command.split(' ').skip(1)).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), said)
    };
    let words: Vec<&str> = words.collect();
    let daemon = start(
        Start::new().program(words.clone()).socket(Path::new("/run/stubborn/control.sock")).config(&my),
    );
    let reply = ask(daemon.address(), "nas.example.org");
    let command = reply.errors()[0].1.split_once("to allow: ").unwrap().1.to_owned();
    assert_eq!(command, "stubborn allow nas.example.org --exact --to 192.168.1.20");
    let (code, text) = said(&words, &command);
    assert!(code == 0 && text.contains("; in use now (generation "), "{text}");
    ask(daemon.address(), "nas.example.org").assert_addresses(&["192.168.1.20"]);

    let before = fs::read_to_string(&my).unwrap();
    let socket = "/run/session/stubborn/control.sock";
    let (code, text) = said(&[program], &format!("stubborn allow root.example.org --socket {socket}"));
    assert!(code == 2 && text.contains(&format!("name it with `--config {}`", my.display())), "{text}");
    assert_eq!(fs::read_to_string(&my).unwrap(), before);
    assert!(!Path::new("/etc/stubborn/stubborn.toml").exists());
}

/// Switches IPv6 on or off for an interface of this namespace, or for "all".
fn disable_ipv6(interface: &str, off: bool) {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
    fs::write(path, if off { "1" } else { "0" }).unwrap();
}

#[test]
fn a_default_address_that_the_machine_does_not_have_is_left_out_and_a_chosen_one_is_an_error() {
    if !isolated() {
        return;
    }
    let etc = etc(Some("nameserver 127.0.1.1\n"));
    let file = etc.path().join("stubborn/stubborn.toml");
    let here: SocketAddr = "127.0.0.1:53".parse().unwrap();
    // Nobody chose what the shipped file says.
    for (interface, text) in
        [("all", None), ("lo", None), ("all", Some(include_str!("../etc/stubborn.toml")))]
    {
        disable_ipv6(interface, true);
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let mut daemon = Start::new().start();
        assert_eq!(daemon.addresses(), [here], "{interface}");
        let said = daemon.said(0, &["WARN", "[::1]:53 is not an address of this machine: IPv6 is off"]);
        assert!(said.contains(r#"`listen = ["127.0.0.1:53"]` in [server]"#), "{said}");
        daemon.signal("TERM");
        assert!(daemon.wait().success());
        disable_ipv6(interface, false);
    }

    disable_ipv6("all", true);
    fs::write(&file, "# two\n[server]\nlisten = [\"127.0.0.1\", \"::1\", \"127.0.0.2\"]\n").unwrap();
    let way_out = "`ip address` lists them";
    for (start, place) in [
        (Start::new(), "/etc/stubborn/stubborn.toml:3: server.listen: [::1]:53 is not an address of this"),
        (
            Start::new().listen("[::1]:5300"),
            "--listen: [::1]:5300 is not an address of this machine: IPv6 is",
        ),
        (
            Start::new().listen(here).listen("[::1]:53"),
            "--listen: [::1]:53 is not an address of this machine",
        ),
    ] {
        let ended = start.fail();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.said.contains(place) && ended.said.contains(way_out), "{ended:?}");
    }

    fs::remove_file(&file).unwrap();
    ip("link set lo down");
    ip("addr flush dev lo");
    let ended = Start::new().upstream("192.0.2.1").fail();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.said.contains("127.0.0.1:53, [::1]:53: this machine has none of these addresses"),
        "{ended:?}"
    );
}

#[test]
fn an_address_that_comes_after_the_start_is_told() {
    if !isolated() {
        return;
    }
    let _etc = etc(Some("nameserver 127.0.1.1\n"));
    disable_ipv6("lo", true);
    let directory = TempDir::new().unwrap();
    let socket = directory.path().join("control.sock");
    let daemon = Start::new().socket(&socket).start();
    let status = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stubborn"));
        let output = command.arg("status").arg("--socket").arg(&socket).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let text = status();
    assert!(
        text.contains("all is well") && text.contains("not listening: [::1]:53 is not an address"),
        "{text}"
    );
    let from = daemon.lines();
    disable_ipv6("lo", false);
    daemon.said(from, &["WARN", "[::1]:53 came after the start: restart stubborn to listen there"]);
    let text = status();
    assert!(text.contains("not listening: [::1]:53 came after the start"), "{text}");
}

#[test]
fn a_check_names_its_files_and_a_start_counts_what_is_written() {
    if !isolated() {
        return;
    }
    let etc = etc(Some("nameserver 127.0.1.1\n"));
    let check = || {
        let output = Command::new(env!("CARGO_BIN_EXE_stubborn")).arg("check").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let file = "/etc/stubborn/stubborn.toml";
    assert_eq!(check(), format!("there is no {file}: stubborn uses its defaults, which are fine\n"));
    fs::write(etc.path().join("stubborn/more.toml"), "[[exception]]\npreset = \"localtest-me\"\n").unwrap();
    let main = etc.path().join("stubborn/stubborn.toml");
    let text = "include = [\"more.toml\"]\n[[exception]]\npreset = \"plex\"\n";
    // Two domains, and one exception.
    let zones = "[[exception]]\npreset = \"dnsbl\"\ndomain = [\"zen.spamhaus.org\", \"bl.spamcop.net\"]\n";
    fs::write(&main, format!("{text}{zones}")).unwrap();
    let included = "/etc/stubborn/more.toml";
    assert_eq!(check(), format!("the configuration is fine: {file}, which includes {included}\n"));
    // Also if the machine names no server, and so only a warning is left.
    fs::write(etc.path().join("resolv.conf"), "").unwrap();
    assert!(check().starts_with(&format!("the configuration is fine: {file}")));

    let daemon = Start::new().listen("127.0.0.1:0").upstream("192.0.2.1").start();
    daemon.said(0, &["answers", "exceptions=3 "]);
    fs::write(&main, text).unwrap();
    daemon.said(0, &["reloaded", "−1 exception"]);
}

/// As a user who is not root and has no session.
const NOBODY: [&str; 7] =
    ["env", "--unset=XDG_RUNTIME_DIR", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];

/// What `status` says to root without `--socket`.
fn status_of() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stubborn")).arg("status").output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn whoever_ran_before_a_daemon_has_its_control_socket() {
    if !isolated() {
        return;
    }
    run("mount", &["--make-rprivate", "/"]);
    run("mount", &["-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/tmp"]);
    let _etc = etc(Some("nameserver 127.0.1.1\n"));
    fs::set_permissions("/run", fs::Permissions::from_mode(0o755)).unwrap();
    let socket = Path::new("/run/stubborn/control.sock");
    let owner = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
    let root = || Start::new().socket(socket).listen("127.0.0.1:0").upstream("192.0.2.1");
    let user = || root().argument("--user").argument("65534:65534");
    // Nothing is there; what the one before left; what one left that was killed.
    for (start, expected, kill) in [
        (root(), 0, false),
        (user(), 65_534, false),
        (root(), 0, true),
        (user(), 65_534, true),
        (user(), 65_534, false),
        (root(), 0, false),
    ] {
        let mut daemon = start.start();
        until("its control socket", || (socket.exists() && owner(socket) == expected).then_some(()));
        assert_eq!(owner(socket.parent().unwrap()), expected);
        let status = status_of();
        assert!(status.contains(&format!("process {},", daemon.pid())), "{status}");
        if !kill {
            daemon.signal("TERM");
            assert!(daemon.wait().success());
        }
    }

    // Somebody who is not root, with root's directory in the way, and root's daemon running.
    let program = Path::new("/tmp/stubborn");
    fs::copy(env!("CARGO_BIN_EXE_stubborn"), program).unwrap();
    let words = NOBODY.iter().copied().chain(["/tmp/stubborn"]);
    let mut first = root().start();
    let own = root().program(words).start();
    own.said(0, &["the control socket is /tmp/stubborn-65534/control.sock"]);
    let as_nobody = |words: &[&str]| {
        let mut command = Command::new(NOBODY[0]);
        let output = command.args(&NOBODY[1..]).arg(program).args(words).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let status = as_nobody(&["status"]);
    assert!(status.contains(&format!("process {},", own.pid())), "{status}");
    assert!(status_of().contains(&format!("process {},", first.pid())));
    let directory = Path::new("/tmp/stubborn-65534");
    assert_eq!((owner(directory), fs::metadata(directory).unwrap().mode() & 0o777), (65_534, 0o700));
    first.signal("TERM");
    assert!(first.wait().success());
    drop(own);
    let nobody = as_nobody(&["status"]);
    assert!(nobody.contains(", nor at /tmp/stubborn-65534/control.sock; is it running?"), "{nobody}");

    // One that somebody else has made is not used.
    fs::remove_dir_all(directory).unwrap();
    fs::create_dir(directory).unwrap();
    let own = root().program(NOBODY.iter().copied().chain(["/tmp/stubborn"])).start();
    own.said(0, &["WARN", "no control socket"]);
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0);
}

/// The lines to write are told where they cannot be written.
#[test]
fn a_file_that_cannot_be_replaced_is_left_as_it_is() {
    if !isolated() {
        return;
    }
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    fs::create_dir(at("read-only")).unwrap();
    for file in ["read-only/a.toml", "real.toml", "a.toml"] {
        fs::write(at(file), "# as it was\n").unwrap();
    }
    let read_only = text(&at("read-only"));
    run("mount", &["--bind", &read_only, &read_only]);
    run("mount", &["-o", "remount,ro,bind", &read_only]);
    // As a container has one file of the host's.
    run("mount", &["--bind", &text(&at("real.toml")), &text(&at("a.toml"))]);
    for (file, why) in [("read-only/a.toml", "mounted read-only"), ("a.toml", "a mount of its own")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stubborn"));
        let output =
            command.args(["allow", "nas.example.org", "--config", &text(&at(file))]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(why) && said.contains("\n[[exception]]\ndomain = \"nas.example.org\"\n"),
            "{said}"
        );
        assert_eq!(fs::read_to_string(at(file)).unwrap(), "# as it was\n");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3, "something was left beside it");
    run("umount", &[&text(&at("a.toml"))]);
    run("umount", &[&read_only]);
}
