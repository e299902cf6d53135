//! `stubborn doctor` on whole machines: an /etc, a port 53 and upstreams of their own, in namespaces.

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
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use stubborn::audit::cases::Action;
use support_more::namespace::etc;
use support_more::process::PROGRAM;
use support_more::{Call, Process, ScriptedUpstream, Start, ask, ip, isolated, until};

/// Runs it.
#[track_caller]
fn doctor(code: i32, more: &[&str]) -> String {
    let output = Command::new(PROGRAM).arg("doctor").args(more).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// The findings of a check, with `level: what`.
fn findings(report: &Value, check: &str) -> Vec<String> {
    let all = report["findings"].as_array().unwrap().iter();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    all.filter(|finding| finding["check"] == check)
        .map(|finding| format!("{}: {}", text(finding, "level"), text(finding, "what")))
        .collect()
}

/// nip.io, as its servers answer; and another name.
fn nip_io(call: &Call) -> Option<String> {
    let name = call.name().to_ascii_lowercase();
    if name == "localtest.me." || name.ends_with(".localtest.me.") {
        return Some("127.0.0.1".to_owned());
    }
    let labels: Vec<&str> = name.strip_suffix(".nip.io.")?.split('.').collect();
    Some(labels[labels.len().checked_sub(4)?..].join("."))
}

/// Answers as the public DNS does.
fn public(call: &Call) -> Vec<Action> {
    match nip_io(call) {
        Some(address) if call.qtype() == 1 => call.address(&address),
        _ => call.send(&call.asked().nxdomain()),
    }
}

fn json(code: i32) -> Value {
    serde_json::from_str(&doctor(code, &["--json"])).unwrap()
}

/// The blocks that the daemon shows.
fn blocked() -> String {
    let output = Command::new(PROGRAM).args(["blocked", "--all", "--json"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

const SOCKET: &str = "/run/stubborn/control.sock";

fn started(start: Start) -> Process {
    let daemon = start.socket(Path::new(SOCKET)).start();
    until("its socket is there", || Path::new(SOCKET).exists().then_some(()));
    daemon
}

#[test]
fn a_machine_is_open_until_everything_that_leads_past_is_closed() {
    if !isolated() {
        return;
    }
    let etc = etc(Some("nameserver 127.0.1.1\nnameserver 127.0.1.2\n"));
    ip("addr add 10.7.7.7/32 dev lo");
    let _open = ScriptedUpstream::at("127.0.1.1:53".parse().unwrap(), public);
    // It keeps loopback back, as some resolvers do.
    let _filter = ScriptedUpstream::at("127.0.1.2:53".parse().unwrap(), move |call| match nip_io(call) {
        Some(address) if address.starts_with("127.") => call.send(&call.asked().nodata()),
        _ => public(call),
    });
    let _elsewhere = ScriptedUpstream::at("10.7.7.7:53".parse().unwrap(), public);
    fs::write(etc.path().join("passwd"), "root:x:0:0::/etc/home:/bin/sh\n").unwrap();
    let profile = etc.path().join("home/.mozilla/firefox/a.default");
    fs::create_dir_all(&profile).unwrap();
    fs::write(profile.join("prefs.js"), "user_pref(\"network.trr.mode\", 3);\n").unwrap();
    fs::write(etc.path().join("stubborn/stubborn.toml"), "# nothing\n").unwrap();
    let resolv_conf = |text: &str| fs::write(etc.path().join("resolv.conf"), text).unwrap();

    // Before anything is done.
    let report = json(1);
    assert_eq!(report["protected"], false);
    assert_eq!(findings(&report, "daemon")[0].split(':').next(), Some("unknown"));
    let practice = findings(&report, "in practice");
    assert!(
        practice[0].starts_with("open: at 127.0.1.1 these lead inside: localtest.me, 10.0.0.1.nip.io"),
        "{practice:?}"
    );

    // stubborn runs, and is asked first.
    let start = Start::new().listen("127.0.0.1:53").listen("[::1]:53");
    let daemon = started(start.upstream("127.0.1.1").upstream("127.0.1.2"));
    resolv_conf("nameserver 127.0.0.1\nnameserver 10.7.7.7\n");
    let report = json(1);
    assert!(findings(&report, "daemon")[0].starts_with("fine: stubborn"), "{report:#}");
    let found = findings(&report, "resolv.conf");
    assert_eq!(
        found,
        [
            "fine: /etc/resolv.conf names 127.0.0.1, which is stubborn",
            "open: /etc/resolv.conf names 10.7.7.7 besides"
        ]
    );
    let practice = findings(&report, "in practice");
    assert_eq!(
        practice[0],
        "fine: of 5 names that lead inside none does at 127.0.0.1: stubborn stopped them"
    );
    assert!(practice[1].starts_with("open: at 10.7.7.7 these lead inside"), "{practice:?}");
    let upstream = findings(&report, "upstream");
    assert!(upstream[0].starts_with("fine: 127.0.1.1:53 passes on whatever leads inside"), "{upstream:?}");
    assert_eq!(upstream[1], "fine: 127.0.1.2:53 filters too, and keeps back localtest.me");
    let browsers = findings(&report, "browsers");
    assert!(
        browsers[0].starts_with("open: /etc/home/.mozilla") && browsers[0].contains("trr.mode 3"),
        "{browsers:?}"
    );

    // Everything is closed.
    resolv_conf("nameserver 127.0.0.1\n");
    fs::write(profile.join("user.js"), "user_pref(\"network.trr.mode\", 5);\n").unwrap();
    let said = doctor(0, &[]);
    assert!(said.contains("\n0 open") && !said.contains('\x1b'), "{said}");
    assert_eq!(json(0)["protected"], true);

    // What a page asks for shows, and what doctor asked for does not.
    ask("127.0.0.1:53".parse().unwrap(), "169.254.169.254.nip.io");
    ask("127.0.0.1:53".parse().unwrap(), "stubborn-probe-0123456789abcdef.10.0.0.1.nip.io");
    let shown = blocked();
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert!(
        shown.contains("\"169.254.169.254.nip.io\"") && !daemon.log().contains("localtest.me"),
        "{shown}"
    );
    let status = Command::new(PROGRAM).args(["status", "--json"]).output().unwrap();
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["guard"]["blocked"], 2, "{status:#}");

    // Without asking anybody else, whether it works is not known.
    let report: Value = serde_json::from_str(&doctor(1, &["--offline", "--json"])).unwrap();
    assert_eq!(report["protected"], false);
    assert!(findings(&report, "upstream")[0].starts_with("unknown: not tried: with --offline"), "{report:#}");
    drop(daemon);

    // An exception shows in practice, and a file that anybody may write shows too.
    let config = etc.path().join("stubborn/stubborn.toml");
    fs::write(&config, "[[exception]]\npreset = \"nip-io\"\n").unwrap();
    fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let _daemon = started(Start::new().listen("127.0.0.1:53").upstream("127.0.1.1"));
    let report = json(1);
    assert!(findings(&report, "permissions")[0].starts_with("open: everybody may write"), "{report:#}");
    let practice = findings(&report, "in practice");
    assert_eq!(practice, ["open: at 127.0.0.1 these lead inside: 10.0.0.1.nip.io, 192.168.0.1.nip.io"]);
}

#[test]
fn a_machine_on_which_nothing_answers_is_not_protected() {
    if !isolated() {
        return;
    }
    let etc = etc(Some("nameserver 127.0.0.1\n"));
    let report = json(1);
    assert_eq!(report["protected"], false);
    assert!(findings(&report, "daemon")[0].starts_with("unknown: no daemon answers"), "{report:#}");
    for check in ["port 53", "in practice"] {
        assert_eq!(findings(&report, check)[0], "broken: nobody answers at 127.0.0.1", "{report:#}");
    }
    assert_eq!(
        findings(&report, "resolv.conf"),
        ["broken: /etc/resolv.conf names 127.0.0.1, where nobody answers"]
    );

    fs::remove_file(etc.path().join("resolv.conf")).unwrap();
    assert_eq!(findings(&json(1), "resolv.conf"), ["unknown: /etc/resolv.conf does not exist"]);
    std::os::unix::fs::symlink("../run/nowhere", etc.path().join("resolv.conf")).unwrap();
    let found = findings(&json(1), "resolv.conf");
    assert_eq!(found, ["unknown: /etc/resolv.conf is a link to ../run/nowhere, which cannot be read"]);

    // The daemon runs, and has an upstream that is dead.
    fs::remove_file(etc.path().join("resolv.conf")).unwrap();
    fs::write(etc.path().join("resolv.conf"), "nameserver ::1\n").unwrap();
    let _daemon = started(Start::new().listen("[::1]:53").upstream("127.0.1.1"));
    let report = json(1);
    assert!(findings(&report, "in practice")[0].contains("::1 gives no usable answer"), "{report:#}");
    assert_eq!(findings(&report, "resolv.conf"), ["fine: /etc/resolv.conf names ::1, which is stubborn"]);
}

/// A forwarder at the address of programs, which passes everything on to the daemon, or past it.
fn forwarder(past: &Arc<AtomicBool>, some: &Arc<AtomicBool>) -> ScriptedUpstream {
    let (past, some) = (Arc::clone(past), Arc::clone(some));
    ScriptedUpstream::at("127.0.0.1:53".parse().unwrap(), move |call| {
        let patience = std::time::Duration::from_secs(5);
        let is_one = some.load(Ordering::SeqCst) && call.name().contains(".1.1.1.1.");
        let to = if past.load(Ordering::SeqCst) || is_one { "127.0.1.1:53" } else { "127.0.0.1:5353" };
        let reply = stubborn::audit::run::ask_udp(to.parse().unwrap(), &call.wire, patience);
        vec![Action::Raw(reply.unwrap_or_default())]
    })
}

#[test]
fn a_resolver_in_front_is_protected_if_it_was_seen_to_ask_stubborn() {
    if !isolated() {
        return;
    }
    let _etc = etc(Some("nameserver 127.0.0.1\n"));
    let _open = ScriptedUpstream::at("127.0.1.1:53".parse().unwrap(), public);
    let daemon = started(Start::new().listen("127.0.0.1:5353").upstream("127.0.1.1"));
    let (past, some) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
    let _front = forwarder(&past, &some);
    let said = doctor(0, &[]);
    assert!(
        said.contains("answers and asks stubborn") && said.contains("are not judged by stubborn"),
        "{said}"
    );
    assert!(said.contains("\nProtected: "), "{said}");
    assert_eq!(blocked(), "", "through the forwarder too");

    // It asks another server as well: for all but one name.
    some.store(true, Ordering::SeqCst);
    let report = json(1);
    let found = findings(&report, "resolv.conf");
    assert!(
        found[0].starts_with("open: ") && found[0].ends_with("asks stubborn for some names only"),
        "{report:#}"
    );

    // It asks the other server only.
    past.store(true, Ordering::SeqCst);
    let report = json(1);
    let found = findings(&report, "resolv.conf");
    assert!(
        found[0].starts_with("open: ") && found[0].ends_with("was not seen to ask stubborn"),
        "{found:?}"
    );
    drop(daemon);
}

#[test]
fn a_loop_is_named_with_the_server() {
    if !isolated() {
        return;
    }
    let _etc = etc(Some("nameserver 127.0.0.1\n"));
    let _front = forwarder(&Arc::default(), &Arc::default());
    let daemon = started(Start::new().listen("127.0.0.1:5353"));
    daemon.said(0, &["127.0.0.1", "leads back to this daemon"]);
    let report = json(1);
    let found = findings(&report, "daemon");
    assert!(found[0].starts_with("broken: the upstream 127.0.0.1 leads back to this daemon"), "{report:#}");
    assert_eq!(report["protected"], false);
}

#[test]
fn names_are_asked_for_only_where_the_daemon_can_be_told() {
    if !isolated() {
        return;
    }
    let _etc = etc(Some("nameserver 127.0.0.1\n"));
    let open = ScriptedUpstream::at("127.0.1.1:53".parse().unwrap(), public);
    let _daemon = Start::new().listen("127.0.0.1:53").upstream("127.0.1.1").start();
    let report = json(1);
    assert!(findings(&report, "in practice")[0].contains("since the daemon cannot be told"), "{report:#}");
    assert!(open.calls().iter().all(|call| !call.name().contains("nip.io")));
}

#[test]
fn a_daemon_that_hangs_is_said_to_in_words() {
    if !isolated() {
        return;
    }
    let _etc = etc(Some("nameserver 127.0.0.1\n"));
    let daemon = started(Start::new().listen("127.0.0.1:53").upstream("127.0.1.1"));
    daemon.signal("STOP");
    let begun = std::time::Instant::now();
    // All at once, since each waits.
    let running = [
        ("status", 2),
        ("blocked", 2),
        ("blocked --follow", 2),
        ("reload", 2),
        ("cache flush", 2),
        ("allow --last", 2),
        ("allow nas.example.org", 0),
        ("disallow gone.example.org", 1),
    ]
    .map(|(words, code)| {
        let mut command = Command::new(PROGRAM);
        command.args(words.split(' ')).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        (words, code, command.spawn().unwrap())
    });
    for (words, code, child) in running {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words}: {said}");
        assert_eq!(said.lines().next(), Some("waiting for the daemon to answer …"), "{words}: {said}");
        assert!(said.contains("no reply in time; it hangs") && !said.contains("os error"), "{words}: {said}");
    }
    assert!(begun.elapsed().as_secs() < 6, "{:?}", begun.elapsed());
    let output = Command::new(PROGRAM).args(["doctor", "--json"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && told.contains("asking the daemon"), "{output:?}");
    daemon.signal("CONT");
}
