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
use std::process::Command;

use serde_json::Value;
use support_more::namespace::etc;
use support_more::process::PROGRAM;
use support_more::{Call, ScriptedUpstream, Start, ip, isolated, until};

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
    if name == "localtest.me." {
        return Some("127.0.0.1".to_owned());
    }
    name.strip_suffix(".nip.io.").map(str::to_owned)
}

#[test]
fn a_machine_is_open_until_everything_that_leads_past_is_closed() {
    if !isolated() {
        return;
    }
    let etc = etc(Some("nameserver 127.0.1.1\nnameserver 127.0.1.2\n"));
    ip("addr add 10.7.7.7/32 dev lo");
    let answer = |call: &Call| match nip_io(call) {
        Some(address) if call.qtype() == 1 => call.address(&address),
        _ => call.send(&call.asked().nxdomain()),
    };
    let _open = ScriptedUpstream::at("127.0.1.1:53".parse().unwrap(), answer);
    // It keeps loopback back, as some resolvers do.
    let _filter = ScriptedUpstream::at("127.0.1.2:53".parse().unwrap(), move |call| match nip_io(call) {
        Some(address) if address.starts_with("127.") => call.send(&call.asked().nodata()),
        _ => answer(call),
    });
    let _elsewhere = ScriptedUpstream::at("10.7.7.7:53".parse().unwrap(), answer);
    fs::write(etc.path().join("passwd"), "root:x:0:0::/etc/home:/bin/sh\n").unwrap();
    let profile = etc.path().join("home/.mozilla/firefox/a.default");
    fs::create_dir_all(&profile).unwrap();
    fs::write(profile.join("prefs.js"), "user_pref(\"network.trr.mode\", 3);\n").unwrap();
    fs::write(etc.path().join("stubborn/stubborn.toml"), "# nothing\n").unwrap();
    let resolv_conf = |text: &str| fs::write(etc.path().join("resolv.conf"), text).unwrap();
    let json = |code: i32| -> Value { serde_json::from_str(&doctor(code, &["--json"])).unwrap() };

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
    let socket = std::path::Path::new("/run/stubborn/control.sock");
    let daemon = start.upstream("127.0.1.1").upstream("127.0.1.2").socket(socket).start();
    until("its socket is there", || socket.exists().then_some(()));
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
    assert_eq!(practice[0], "fine: of 5 names that lead inside none does at 127.0.0.1");
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

    // And without asking anybody else.
    let report: Value = serde_json::from_str(&doctor(0, &["--offline", "--json"])).unwrap();
    assert_eq!(findings(&report, "upstream"), ["unknown: not tried"]);
    drop(daemon);

    // An exception shows in practice, and a file that anybody may write shows too.
    let config = etc.path().join("stubborn/stubborn.toml");
    fs::write(&config, "[[exception]]\npreset = \"nip-io\"\n").unwrap();
    fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let start = Start::new().listen("127.0.0.1:53").upstream("127.0.1.1").socket(socket);
    let _daemon = start.start();
    until("its socket is there", || socket.exists().then_some(()));
    let report = json(1);
    assert!(findings(&report, "permissions")[0].starts_with("open: everybody may write"), "{report:#}");
    let practice = findings(&report, "in practice");
    assert_eq!(practice, ["open: at 127.0.0.1 these lead inside: 10.0.0.1.nip.io, 192.168.0.1.nip.io"]);
}
