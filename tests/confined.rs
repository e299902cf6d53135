//! A daemon that serves has given up what it does not need: files elsewhere, programs, capabilities.

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
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use support_more::process::{PROGRAM, write};
use support_more::{Process, ScriptedUpstream, Start, ask, until};
use tempfile::TempDir;

/// Whether this kernel can do it; says so where it cannot.
fn is_confined(daemon: &Process) -> bool {
    let line = daemon.said(0, &["onfined: "]);
    let confined = line.contains("confined: no other files can be read");
    if !confined {
        eprintln!("SKIPPED in part: this kernel has no Landlock: {line}");
    }
    confined
}

/// The value of a row of `/proc/PID/task/*/status`, the same for all threads.
#[track_caller]
fn of_all_threads(daemon: &Process, row: &str) -> String {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap();
    let mut values: Vec<String> = tasks
        .map(|task| {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix(row)).unwrap();
            line.trim_start_matches(':').trim().to_owned()
        })
        .collect();
    assert!(values.len() > 3, "the log, the watch, a worker, and the first one: {values:?}");
    values.dedup();
    assert_eq!(values.len(), 1, "{row}: {values:?}");
    values.remove(0)
}

#[test]
fn a_file_in_a_directory_that_was_none_of_the_configuration_s_is_refused_until_a_restart() {
    let (root, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let foreign = elsewhere.path().join("more.toml");
    fs::write(&foreign, "[[local]]\nname = \"more.test\"\naddresses = [\"192.0.2.2\"]\n").unwrap();
    let hosts = elsewhere.path().join("hosts");
    fs::write(&hosts, "192.0.2.3 hosts.test\n").unwrap();
    let upstream = ScriptedUpstream::start(|call| call.address("1.1.1.1"));
    let path = write(root.path(), "# nothing\n");
    let socket = root.path().join("run/control.sock");
    let start = || {
        let start = Start::new().config(&path).listen("127.0.0.1:0").upstream(upstream.address());
        start.socket(&socket).start()
    };
    let daemon = start();
    if !is_confined(&daemon) {
        return;
    }
    let reload = || {
        let output = Command::new(PROGRAM).args(["reload", "--socket"]).arg(&socket).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // What is beside the configuration can be read, however it comes to be there.
    let from = daemon.lines();
    fs::create_dir(root.path().join("..data")).unwrap();
    fs::write(
        root.path().join("..data/a.toml"),
        "[[local]]\nname = \"a.test\"\naddresses = [\"192.0.2.1\"]\n",
    )
    .unwrap();
    symlink("..data/a.toml", root.path().join("a.toml")).unwrap();
    write(root.path(), "include = [\"a.toml\"]\n");
    daemon.said(from, &["reloaded", "+1 local name"]);
    ask(daemon.address(), "a.test").assert_addresses(&["192.0.2.1"]);

    // What is elsewhere cannot, though any other process of this user can read it.
    for (include, why) in [
        (foreign.clone(), "more.toml: this user may not read the file"),
        (elsewhere.path().join("*.toml"), "cannot be read: Permission denied"),
    ] {
        let from = daemon.lines();
        write(root.path(), &format!("include = [\"a.toml\", {include:?}]\n"));
        daemon.said(from, &["ERROR", why]);
        let place = elsewhere.path().to_str().unwrap();
        daemon.said(from, &["ERROR", place, "has confined itself", "restart it"]);
        daemon.said(from, &["not reloaded: the policy in use stays as it is"]);
        let (code, said) = reload();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("has confined itself") && said.contains("restart it"), "{said}");
        ask(daemon.address(), "a.test").assert_addresses(&["192.0.2.1"]);
    }
    let from = daemon.lines();
    let with_hosts = format!("include = [\"a.toml\"]\n[names]\nhosts-files = [{hosts:?}]\n");
    write(root.path(), &with_hosts);
    daemon.said(from, &["WARN", "hosts: Permission denied"]);
    daemon.said(from, &["WARN", hosts.to_str().unwrap(), "has confined itself", "restart it"]);
    assert!(ask(daemon.address(), "hosts.test").is_empty());

    drop(daemon);
    write(root.path(), &format!("include = [\"a.toml\", {foreign:?}]\n[names]\nhosts-files = [{hosts:?}]\n"));
    let daemon = start();
    for (name, address) in [("a.test", "192.0.2.1"), ("more.test", "192.0.2.2"), ("hosts.test", "192.0.2.3")]
    {
        ask(daemon.address(), name).assert_addresses(&[address]);
    }
    // And it follows them there.
    let from = daemon.lines();
    fs::remove_file(&hosts).unwrap();
    daemon.said(from, &["reloaded", "−1 hosts file name"]);
    // Its socket it can make again.
    fs::remove_dir_all(root.path().join("run")).unwrap();
    until("it is back", || socket.exists().then_some(()));
    assert_eq!(reload().0, Some(0));
}

#[test]
fn no_thread_can_gain_rights_and_whoever_is_not_root_has_no_capability_left() {
    let upstream = ScriptedUpstream::start(|call| call.address("1.1.1.1"));
    let start = || Start::new().listen("127.0.0.1:0").upstream(upstream.address());
    let daemon = start().start();
    daemon.said(0, &["onfined: "]);
    assert_eq!(of_all_threads(&daemon, "NoNewPrivs"), "1");
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        assert_eq!(of_all_threads(&daemon, "CapPrm").trim_start_matches('0'), "");
        eprintln!("SKIPPED in part: only root can start it as somebody with a capability");
        return;
    }
    // As the unit starts it: another user, with the right to low ports.
    let place = TempDir::new().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = place.path().join("stubborn");
    fs::copy(PROGRAM, &program).unwrap();
    let words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        .into_iter()
        .chain(["--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"])
        .chain([program.to_str().unwrap()]);
    let daemon = start().program(words).start();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(of_all_threads(&daemon, set).trim_start_matches('0'), "", "{set}");
    }
    ask(daemon.address(), "a.example").assert_addresses(&["1.1.1.1"]);
    assert!(Path::new("/proc").join(daemon.pid().to_string()).exists());
}
