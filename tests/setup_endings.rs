//! Every way in which `stubborn setup` can fail, and what the machine is like afterwards; and a reboot in every state that it
//! leaves: the daemon starts anew, with what files say and an empty `/run`.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

#[path = "setup/machine.rs"]
mod machine;
mod support;
mod support_more;

use std::any::Any;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use machine::{DEAF, Machine, NO_UPSTREAM, PLAIN, REFUSES, RESOLV_CONF, RESTART, SOCKET, daemon, make, tree};
use stubborn::setup::{AFTER, CAUSES};
use support_more::process::PROGRAM;
use support_more::{ScriptedUpstream, Start, ask, installed, ip, isolated, run};

/// What has to stay while setup runs.
type Held = Vec<Box<dyn Any>>;

/// The cause, what makes it happen, and what is true then: of [`AFTER`].
type Row = (&'static str, fn(&mut Machine) -> Held, &'static str);

const CONFIG: &str = "/etc/stubborn/stubborn.toml";
const UNCHANGED: &str = "nothing was changed";
const AS_IT_WAS: &str = "everything is as it was";
const PARTLY: &str = "not everything could be put back";

/// A mount that goes with this.
struct Mounted(&'static str);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg(self.0).status();
    }
}

fn plain(_: &mut Machine) -> Held {
    make(RESOLV_CONF, PLAIN);
    vec![Box::new(daemon())]
}

fn configured(text: &str) -> Held {
    make(RESOLV_CONF, PLAIN);
    make(CONFIG, text);
    vec![Box::new(daemon())]
}

fn resolved(machine: &mut Machine) -> Held {
    machine.resolved();
    vec![Box::new(daemon())]
}

const ROWS: &[Row] = &[
    ("not-root", plain, UNCHANGED),
    (
        "busy",
        |machine| {
            let mut held = plain(machine);
            let directory = fs::File::open("/var/lib").unwrap();
            rustix::fs::flock(&directory, rustix::fs::FlockOperation::LockExclusive).unwrap();
            held.push(Box::new(directory));
            held
        },
        UNCHANGED,
    ),
    (
        "config",
        |machine| {
            let held = plain(machine);
            make(CONFIG, "[guard\n");
            held
        },
        UNCHANGED,
    ),
    (
        "refused",
        |machine| {
            make("/etc/NIXOS", "");
            plain(machine)
        },
        UNCHANGED,
    ),
    (
        "fixed",
        |machine| {
            let mut held = plain(machine);
            run("mount", &["--bind", "/etc", "/etc"]);
            run("mount", &["-o", "remount,ro,bind", "/etc"]);
            held.push(Box::new(Mounted("/etc")));
            held
        },
        UNCHANGED,
    ),
    (
        "journal",
        |machine| {
            fs::create_dir_all("/var/lib/stubborn/setup").unwrap();
            fs::write("/var/lib/stubborn/setup/journal.json", "{").unwrap();
            plain(machine)
        },
        UNCHANGED,
    ),
    ("no-socket", |_| configured("[control]\nsocket = \"off\"\n"), UNCHANGED),
    (
        "no-daemon",
        |_| {
            make(RESOLV_CONF, PLAIN);
            let real = "/run/stubborn/real.sock";
            let daemon = Start::new().socket(Path::new(real)).start();
            older_daemon(real);
            vec![Box::new(daemon)]
        },
        UNCHANGED,
    ),
    (
        "not-reloaded",
        |machine| {
            let held = resolved(machine);
            machine.imitation("systemctl", &format!("{RESTART}\necho '[guard' > {CONFIG}"));
            held
        },
        AS_IT_WAS,
    ),
    ("deaf", |_| configured("[server]\nallow-clients = [\"10.0.0.0/8\"]\n"), UNCHANGED),
    (
        "no-upstream",
        |_| configured("[upstream]\nservers = [\"192.0.2.2\"]\ntimeout = \"500ms\"\n"),
        UNCHANGED,
    ),
    (
        "step",
        |machine| {
            let held = resolved(machine);
            machine.imitation("systemctl", "exit 1");
            held
        },
        PARTLY,
    ),
    (
        "overwritten",
        |machine| {
            let held = resolved(machine);
            let overwrite = format!("rm -f {RESOLV_CONF}; echo nameserver 192.0.2.1 > {RESOLV_CONF}");
            machine.imitation("systemctl", &format!("{RESTART}\n{overwrite}"));
            held
        },
        AS_IT_WAS,
    ),
    (
        "unanswered",
        |machine| {
            let held = resolved(machine);
            machine.imitation("systemctl", &format!("{RESTART}\ntouch {REFUSES}"));
            held
        },
        AS_IT_WAS,
    ),
    (
        "past",
        |machine| {
            let held = resolved(machine);
            machine.imitation("systemctl", &format!("{RESTART}\ntouch {DEAF}"));
            held
        },
        AS_IT_WAS,
    ),
    (
        "interrupted",
        |machine| {
            let held = resolved(machine);
            machine.imitation("systemctl", &format!("{RESTART}\nkill -INT $PPID"));
            held
        },
        AS_IT_WAS,
    ),
];

/// A control socket that knows all but the newest command.
fn older_daemon(real: &'static str) {
    let listener = UnixListener::bind(SOCKET).unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut line = String::new();
            let _read = BufReader::new(&client).read_line(&mut line);
            let mut reply = "{\"version\":1,\"reply\":\"refused\",\"message\":\"unknown\"}\n".to_owned();
            if !line.contains("witness") {
                let mut daemon = UnixStream::connect(real).unwrap();
                daemon.write_all(line.as_bytes()).unwrap();
                reply.clear();
                daemon.read_to_string(&mut reply).unwrap();
            }
            let _gone = (&client).write_all(reply.as_bytes());
        }
    });
}

/// What others than setup changed does not count.
fn own_tree() -> Vec<(PathBuf, u32, u32, Vec<u8>)> {
    let mut tree = tree();
    tree.retain(|(path, ..)| ![Path::new(CONFIG), Path::new(RESOLV_CONF)].contains(&&**path));
    tree
}

/// The machine as it was made, but for its router.
fn clear() {
    for directory in ["/etc", "/run", "/var/lib"] {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let is_directory = path.symlink_metadata().unwrap().is_dir();
            if is_directory { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
    }
    fs::create_dir_all("/etc/stubborn").unwrap();
    fs::create_dir("/run/stubborn").unwrap();
}

#[test]
fn every_cause_of_a_failure_is_met_and_says_what_is_true_then() {
    if !isolated() {
        return;
    }
    let mut machine = Machine::new();
    // Where anybody may start it.
    let program = machine.directory.path().join("stubborn");
    fs::copy(PROGRAM, &program).unwrap();
    fs::set_permissions(machine.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let met: BTreeSet<&str> = ROWS.iter().map(|(cause, ..)| *cause).collect();
    let listed: BTreeSet<&str> = CAUSES.iter().map(|(_, name, ..)| *name).collect();
    assert_eq!(met, listed, "each cause has a row");
    for (cause, arrange, after) in ROWS {
        assert!(AFTER.iter().any(|(_, text)| text.starts_with(after)), "{after} is one of the texts");
        let held = arrange(&mut machine);
        let (before, own_before) = (tree(), own_tree());
        let mut command = machine.stubborn(&["setup", "--json"]);
        if *cause == "not-root" {
            command = Command::new(&program);
            command.args(["setup", "--json"]).uid(65_534).gid(65_534);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let report: serde_json::Value = serde_json::from_str(&said).unwrap();
        let error = report["error"].as_str().unwrap();
        assert_eq!(report["cause"], *cause, "{said}");
        assert!(error.contains(after), "{cause}: {error}");
        assert_eq!(output.status.code(), Some(if *cause == "config" { 1 } else { 2 }), "{cause}");
        match *after {
            UNCHANGED => assert_eq!(tree(), before, "{cause}"),
            AS_IT_WAS => assert_eq!(own_tree(), own_before, "{cause}"),
            _ => {
                machine.imitation("systemctl", RESTART);
                machine.does(&["restore"]);
                assert_eq!(tree(), before, "{cause}");
            }
        }
        if !["journal", "not-root", "busy"].contains(cause) {
            assert!(machine.does(&["restore"]).contains("nothing to do"), "{cause}");
        }
        drop(held);
        machine.imitation("systemctl", "");
        machine.ended();
        clear();
    }
}

#[test]
fn a_refusal_over_an_earlier_setup_changes_nothing_and_keeps_what_it_kept() {
    if !isolated() {
        return;
    }
    let machine = Machine::new();
    make(RESOLV_CONF, PLAIN);
    let daemon = daemon();
    machine.does(&["setup"]);
    make(RESOLV_CONF, "nameserver 127.0.0.1\n# edited\n");
    let before = tree();
    make(NO_UPSTREAM, "");
    for (arrange, cause) in [(None, "no-upstream"), (Some("/etc/NIXOS"), "refused")] {
        if let Some(path) = arrange {
            make(path, "");
        }
        let (_, said) = machine.says(&["setup", "--json"]);
        let report: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&report["cause"], &report["changed"]), (&cause.into(), &false.into()), "{said}");
        if let Some(path) = arrange {
            fs::remove_file(path).unwrap();
        }
        assert_eq!(tree(), before, "{cause}");
    }
    drop(daemon);
    let (_, said) = machine.says(&["setup"]);
    assert!(said.contains("stubborn does not run; nothing was changed"), "{said}");
    assert_eq!(tree(), before);
    let (code, said) = machine.says(&["restore"]);
    let kept = said.split("what was there before is in ").nth(1).unwrap().lines().next().unwrap();
    assert_eq!((code, fs::read_to_string(kept).unwrap().as_str()), (Some(1), PLAIN));
}

#[test]
fn a_failure_over_an_earlier_setup_says_that_this_is_put_back_and_keeps_what_others_changed() {
    if !isolated() {
        return;
    }
    let mut machine = Machine::new();
    let _held = resolved(&mut machine);
    fs::remove_file(RESOLV_CONF).unwrap();
    make(RESOLV_CONF, PLAIN);
    let before = tree();
    machine.does(&["setup"]);
    let theirs = "nameserver 192.0.2.1\n# edited\n";
    make(RESOLV_CONF, theirs);
    // Only what setup would have is refused.
    let fails = "[ ! -e /etc/systemd/resolved.conf.d/zz-stubborn.conf ] || exit 1";
    machine.imitation("systemctl", &format!("{fails}\n{RESTART}"));
    for after in ["what an earlier setup had changed is put back", AS_IT_WAS] {
        let (code, said) = machine.says(&["setup"]);
        assert!(code == Some(2) && said.contains(after), "{said}");
        let kept = said.split("what was there before is in ").nth(1).unwrap().lines().next().unwrap();
        assert_eq!(fs::read_to_string(kept).unwrap(), PLAIN, "{said}");
        assert_eq!(fs::read_to_string(RESOLV_CONF).unwrap(), theirs);
        assert!(!Path::new("/etc/systemd/resolved.conf.d").exists());
    }
    machine.does(&["restore", "--force"]);
    assert_eq!(tree(), before);
}

#[test]
fn a_dry_run_sees_that_there_is_a_directory_in_the_place_of_a_file() {
    if !isolated() {
        return;
    }
    let mut machine = Machine::new();
    let _held = plain(&mut machine);
    fs::remove_file(RESOLV_CONF).unwrap();
    fs::create_dir(RESOLV_CONF).unwrap();
    for arguments in [&["setup", "--dry-run"][..], &["setup"]] {
        let (code, said) = machine.says(arguments);
        let why = format!("error: {RESOLV_CONF} is not a file; nothing was changed\n");
        assert!(code == Some(2) && said.contains(&why), "{said}");
    }
}

#[test]
fn a_dry_run_sees_a_file_that_cannot_be_changed() {
    if !installed(&["chattr"]) || !isolated() {
        return;
    }
    let mut machine = Machine::new();
    let _held = plain(&mut machine);
    for (path, flag) in [(RESOLV_CONF, "i"), (RESOLV_CONF, "a"), ("/etc", "i"), ("/var/lib", "i")] {
        if !Command::new("chattr").args([&format!("+{flag}"), path]).status().unwrap().success() {
            eprintln!("SKIPPED: the file system has no such flags");
            return;
        }
        for arguments in [&["setup", "--dry-run"][..], &["setup"]] {
            let (code, said) = machine.says(arguments);
            let why = format!("error: {path} is immutable, or only appended to; nothing was changed\n");
            assert!(code == Some(2) && said.contains(&why), "{path} +{flag}: {said}");
        }
        run("chattr", &[&format!("-{flag}"), path]);
    }
}

#[test]
fn a_dry_run_needs_no_daemon_and_says_how_to_start_one() {
    if !isolated() {
        return;
    }
    let machine = Machine::new();
    make(RESOLV_CONF, PLAIN);
    let said = machine.does(&["setup", "--dry-run"]);
    for part in
        ["write /etc/resolv.conf: programs ask 127.0.0.1", "stubborn does not run", "sudo stubborn run"]
    {
        assert!(said.contains(part), "{said}");
    }
    let _elsewhere = Start::new().socket(Path::new("/run/elsewhere.sock")).start();
    let (code, said) = machine.says(&["setup"]);
    assert!(code == Some(2) && said.contains("stubborn runs (process "), "{said}");
    assert!(said.contains("does not answer on the control socket /run/stubborn/control.sock"), "{said}");
}

#[test]
fn neither_the_cache_nor_the_ttl_nor_a_missing_soa_decides_whether_questions_arrive() {
    if !isolated() {
        return;
    }
    let mut machine = Machine::new();
    make(CONFIG, "[cache]\nsize = \"0\"\n[upstream]\nservers = [\"192.0.2.2\"]\n");
    let _upstream = ScriptedUpstream::at("192.0.2.2:53".parse().unwrap(), |call| call.rcode(3));
    for arrange in [plain, resolved] {
        let held = arrange(&mut machine);
        machine.does(&["setup"]);
        assert!(machine.does(&["setup"]).contains("nothing to do"));
        machine.does(&["restore"]);
        drop(held);
        machine.ended();
        fs::remove_file(RESOLV_CONF).unwrap();
    }
}

#[test]
fn ctrl_c_ends_a_wait_at_once_and_long_waits_are_announced() {
    if !isolated() {
        return;
    }
    let mut machine = Machine::new();
    let held = resolved(&mut machine);
    let before = tree();
    // It would take longer than the test may.
    machine.imitation("systemctl", "[ -e /run/again ] || { touch /run/again; exec sleep 1000; }");
    let mut child = machine.stubborn(&["setup"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let begun = Instant::now();
    let waits = "waiting for `systemctl restart systemd-resolved` …";
    assert!(lines.any(|line| line.unwrap() == waits));
    assert!(begun.elapsed() < Duration::from_secs(10));
    let interrupted = Instant::now();
    run("kill", &["-INT", &child.id().to_string()]);
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(rest.contains(&"error: interrupted; everything is as it was".to_owned()), "{rest:?}");
    assert!(interrupted.elapsed() < Duration::from_secs(5));
    assert_eq!(tree(), before);
    drop(held);
}

/// The daemon and the programs beside it start anew, and nothing is in `/run`.
fn reboot(held: &mut Held, resolved: bool) {
    held.pop();
    for entry in fs::read_dir("/run").unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    fs::create_dir("/run/stubborn").unwrap();
    if resolved {
        make("/run/systemd/resolve/stub-resolv.conf", machine::STUB);
        make("/run/systemd/resolve/resolv.conf", "");
        run("sh", &["-c", RESTART]);
        // The network is not there yet.
        make("/run/systemd/resolve/resolv.conf", "nameserver 127.0.0.1\n");
    }
    held.push(Box::new(daemon()));
}

#[track_caller]
fn resolves(what: &str) {
    let text = fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    let server = text
        .lines()
        .find_map(|line| line.strip_prefix("nameserver "))
        .unwrap_or_else(|| panic!("{what}: {text}"));
    let server = format!("{server}:53").parse().unwrap();
    ask(server, &format!("{}.example", what.replace([' ', ','], "-"))).assert_addresses(&["1.1.1.1"]);
}

/// What the machine is, what makes it so, and whether systemd-resolved runs.
type State = (&'static str, fn(&mut Machine) -> Held, bool);

const STATES: &[State] = &[
    ("plain", plain, false),
    (
        "resolvconf",
        |_| {
            make("/run/resolvconf/resolv.conf", PLAIN);
            symlink("/run/resolvconf/resolv.conf", RESOLV_CONF).unwrap();
            vec![Box::new(daemon())]
        },
        false,
    ),
    (
        "dangling",
        |_| {
            symlink("../run/nowhere/resolv.conf", RESOLV_CONF).unwrap();
            vec![Box::new(Start::new().upstream("192.0.2.1").socket(Path::new(SOCKET)).start())]
        },
        false,
    ),
    (
        "missing",
        |_| vec![Box::new(Start::new().upstream("192.0.2.1").socket(Path::new(SOCKET)).start())],
        false,
    ),
    (
        "gone meanwhile",
        |machine| {
            let held = plain(machine);
            fs::remove_file(RESOLV_CONF).unwrap();
            held
        },
        false,
    ),
    (
        "names stubborn already",
        |machine| {
            let held = plain(machine);
            make(RESOLV_CONF, "nameserver 127.0.0.1\n");
            held
        },
        false,
    ),
    ("own servers", |_| configured("[upstream]\nservers = [\"192.0.2.1\"]\n"), false),
    (
        "own address",
        |_| {
            make(RESOLV_CONF, PLAIN);
            vec![Box::new(Start::new().listen("127.0.0.2:53").socket(Path::new(SOCKET)).start())]
        },
        false,
    ),
    ("systemd-resolved", resolved, true),
    (
        "systemd-resolved that programs do not ask",
        |machine| {
            let held = resolved(machine);
            fs::remove_file(RESOLV_CONF).unwrap();
            make(RESOLV_CONF, PLAIN);
            held
        },
        true,
    ),
    (
        "NetworkManager",
        |machine| {
            machine.program("NetworkManager");
            plain(machine)
        },
        false,
    ),
    (
        "openresolv",
        |machine| {
            make("/etc/resolvconf.conf", "resolv_conf=/etc/resolv.conf\n");
            plain(machine)
        },
        false,
    ),
    (
        "dhclient",
        |machine| {
            fs::create_dir_all("/etc/dhcp/dhclient-enter-hooks.d").unwrap();
            machine.program("dhclient");
            plain(machine)
        },
        false,
    ),
];

#[test]
fn a_reboot_after_setup_finds_a_server_on_every_machine() {
    if !isolated() {
        return;
    }
    let mut machine = Machine::new();
    for (what, arrange, has_resolved) in STATES {
        let mut held = arrange(&mut machine);
        machine.does(&["setup"]);
        resolves(what);
        reboot(&mut held, *has_resolved);
        resolves(&format!("{what} after a reboot"));
        assert!(machine.does(&["setup"]).contains("nothing to do"), "{what}");
        machine.does(&["restore"]);
        drop(held);
        machine.imitation("systemctl", "");
        machine.ended();
        clear();
    }
}

#[test]
fn a_reboot_after_setup_was_killed_finds_a_server() {
    if !isolated() {
        return;
    }
    let mut machine = Machine::new();
    for program in ["systemctl", "nmcli", "resolvconf"] {
        machine.program("NetworkManager");
        make("/etc/resolvconf.conf", "# mine\n");
        let mut held = resolved(&mut machine);
        fs::remove_file(RESOLV_CONF).unwrap();
        make(RESOLV_CONF, PLAIN);
        let before = tree();
        machine.imitation(program, "kill -9 $PPID");
        assert_eq!(machine.stubborn(&["setup"]).output().unwrap().status.code(), None, "{program}");
        machine.imitation(program, if program == "systemctl" { RESTART } else { "" });
        reboot(&mut held, true);
        resolves(program);
        machine.does(&["restore"]);
        assert_eq!(tree(), before, "{program}");
        drop(held);
        machine.imitation("systemctl", "");
        machine.ended();
        clear();
    }
}

#[test]
fn setup_without_a_server_for_the_next_start_is_refused() {
    if !isolated() {
        return;
    }
    let mut machine = Machine::new();
    let held = resolved(&mut machine);
    make("/run/systemd/resolve/resolv.conf", "");
    let (code, said) = machine.says(&["setup"]);
    assert!(code == Some(2) && said.contains("servers = [\"9.9.9.9\"]"), "{said}");
    drop(held);
    machine.ended();
    fs::remove_file(RESOLV_CONF).unwrap();
    symlink("../run/nowhere/resolv.conf", RESOLV_CONF).unwrap();
    ip("addr add 192.0.2.3/32 dev lo");
    let _other = ScriptedUpstream::at("192.0.2.3:5353".parse().unwrap(), |call| call.address("1.1.1.1"));
    let _daemon = Start::new().upstream("192.0.2.3:5353").socket(Path::new(SOCKET)).start();
    let before = tree();
    let (code, said) = machine.says(&["setup"]);
    assert!(code == Some(2) && said.contains("servers = [\"192.0.2.3:5353\"]"), "{said}");
    assert_eq!(tree(), before);
}
