//! `stubborn setup` and `stubborn restore` on machines made for them: each test has network and mount namespaces of its own,
//! with an `/etc`, a `/run` and a `/var/lib` in them, a real daemon, and imitations of the programs that a plan runs.

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

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use machine::{
    DEAF, Machine, PLAIN, RESOLV_CONF, RESTART, ROUTER, SOCKET, commands, daemon, local, make, tree,
};
use stubborn::audit::wire::code;
use support_more::process::PROGRAM;
use support_more::{ScriptedUpstream, Start, ask, find, installed, isolated, run, until};

#[test]
fn a_plain_resolv_conf_names_stubborn_and_gets_its_old_text_back() {
    if !isolated() {
        return;
    }
    let machine = Machine::new();
    make(RESOLV_CONF, PLAIN);
    fs::set_permissions(RESOLV_CONF, fs::Permissions::from_mode(0o604)).unwrap();
    std::os::unix::fs::chown(RESOLV_CONF, Some(7), Some(8)).unwrap();
    let before = tree();
    assert!(machine.does(&["restore"]).contains("nothing to do"));
    let _daemon = daemon();

    let shown = machine.does(&["setup", "--dry-run"]);
    for part in [
        "/etc/resolv.conf is a file",
        "1. ask stubborn at 127.0.0.1:53",
        "write /etc/resolv.conf: programs ask 127.0.0.1",
    ] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    let as_json: serde_json::Value =
        serde_json::from_str(&machine.does(&["setup", "--dry-run", "--json"])).unwrap();
    assert_eq!((&as_json["outcome"], as_json["steps"].as_array().unwrap().len()), (&"planned".into(), 2));
    assert_eq!(tree(), before, "a dry run changes nothing");

    machine.does(&["setup"]);
    let text = fs::read_to_string(RESOLV_CONF).unwrap();
    assert!(text.ends_with("\nnameserver 127.0.0.1\nsearch lan\n"), "{text}");
    assert_eq!(machine.upstreams(), ["192.0.2.1"]);
    ask(local(), "new.example").assert_addresses(&["1.1.1.1"]);

    let after = tree();
    assert!(machine.does(&["setup"]).contains("nothing to do"));
    assert_eq!(tree(), after, "a second time changes nothing");

    assert!(machine.does(&["restore", "--dry-run"]).contains("would put back /etc/resolv.conf"));
    assert_eq!(tree(), after);
    assert!(machine.does(&["restore"]).contains("everything is as it was"));
    assert_eq!(tree(), before);
    assert!(machine.does(&["restore"]).contains("nothing to do"));
}

/// Debian's resolvconf goes on collecting, and the daemon follows it.
#[test]
fn a_link_is_replaced_and_put_back_and_what_it_led_to_is_followed() {
    if !isolated() {
        return;
    }
    let machine = Machine::new();
    make("/run/resolvconf/resolv.conf", PLAIN);
    symlink("/run/resolvconf/resolv.conf", RESOLV_CONF).unwrap();
    let before = tree();
    let daemon = daemon();
    machine.does(&["setup"]);
    assert!(!Path::new(RESOLV_CONF).is_symlink());
    assert_eq!(machine.upstreams(), ["192.0.2.1"]);
    let from = daemon.lines();
    let _next = ScriptedUpstream::at("192.0.2.2:53".parse().unwrap(), |call| call.address("8.8.8.8"));
    make("/run/resolvconf/resolv.conf", "nameserver 192.0.2.2\n");
    daemon.said(from, &["reloaded", "+1 server"]);
    ask(local(), "next.example").assert_addresses(&["8.8.8.8"]);
    machine.does(&["restore"]);
    assert_eq!(tree(), before);
}

#[test]
fn systemd_resolved_asks_stubborn_for_every_name() {
    if !isolated() {
        return;
    }
    let mut machine = Machine::new();
    machine.resolved();
    let before = tree();
    // Started before the setup, it asked the stub.
    let daemon = daemon();
    daemon.said(0, &["upstream=127.0.0.53"]);
    machine.does(&["setup"]);
    assert_eq!(commands(), ["systemctl restart systemd-resolved"]);
    assert_eq!(machine.upstreams(), ["192.0.2.1"]);
    ask("127.0.0.53:53".parse().unwrap(), "new.example").assert_addresses(&["1.1.1.1"]);
    assert!(machine.does(&["setup"]).contains("nothing to do"));
    machine.does(&["restore"]);
    assert_eq!(commands().len(), 2, "it is told of both");
    assert_eq!(tree(), before);
}

#[test]
fn without_an_answer_through_stubborn_everything_is_put_back() {
    if !isolated() {
        return;
    }
    let mut machine = Machine::new();
    machine.resolved();
    fs::write(DEAF, "").unwrap();
    let before = tree();
    let _daemon = daemon();
    let (code, said) = machine.says(&["setup"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("error: 127.0.0.53 answers without asking stubborn; everything is as it was\n"),
        "{said}"
    );
    assert_eq!(tree(), before);
    assert_eq!(commands().len(), 2, "{:?}", commands());

    fs::remove_file(DEAF).unwrap();
    // Ctrl-C, and a terminal that goes away, as it is about to be done.
    for signal in ["INT", "HUP"] {
        machine.imitation("systemctl", &format!("{RESTART}\nkill -{signal} $PPID"));
        let (code, said) = machine.says(&["setup"]);
        assert!(code == Some(2) && said.contains("error: interrupted; everything is as it was"), "{said}");
        assert_eq!(tree(), before);
    }
    machine.imitation("systemctl", "echo 'Failed to restart' >&2; exit 1");
    let (code, said) = machine.says(&["setup", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &report["undone"]), (Some(2), &false.into()), "{said}");
    let error = report["error"].as_str().unwrap();
    assert!(
        error.contains("Failed to restart") && error.contains("`stubborn restore` does the rest"),
        "{said}"
    );
    // systemd-resolved has to be restarted again, since it may have read what was put back meanwhile.
    for (script, code, part) in [
        ("echo 'Failed to restart' >&2; exit 1", Some(1), "once what is in the way is mended"),
        (RESTART, Some(0), "everything is as it was"),
        (RESTART, Some(0), "nothing to do"),
    ] {
        machine.imitation("systemctl", script);
        let (found, said) = machine.says(&["restore"]);
        assert!(found == code && said.contains(part), "{found:?} {said}");
    }
    assert_eq!(tree(), before);
}

#[test]
fn nothing_points_at_a_stubborn_that_does_not_answer() {
    if !isolated() {
        return;
    }
    let machine = Machine::new();
    make(RESOLV_CONF, PLAIN);
    let before = tree();
    let (code, said) = machine.says(&["setup"]);
    assert!(code == Some(2) && said.contains("stubborn does not run"), "{said}");

    make("/etc/stubborn/stubborn.toml", "[upstream]\nservers = [\"192.0.2.2\"]\n");
    let with_file = tree();
    let _silent = ScriptedUpstream::at("192.0.2.2:53".parse().unwrap(), |call| call.rcode(code::REFUSED));
    let daemon = daemon();
    let (code, said) = machine.says(&["setup"]);
    assert!(
        code == Some(2)
            && said.contains("stubborn gets no answer for example.com from 192.0.2.2: REFUSED")
            && said.contains("; nothing was changed\n"),
        "{said}"
    );
    assert!(!said.contains("write /etc/resolv.conf"), "{said}");
    assert_eq!(tree(), with_file);
    drop(daemon);

    fs::remove_file("/etc/stubborn/stubborn.toml").unwrap();
    assert_eq!(tree(), before);
    let _other = ScriptedUpstream::at(local(), |call| call.address("1.1.1.1"));
    let (code, said) = machine.says(&["setup"]);
    assert!(code == Some(2) && said.contains("has 127.0.0.1:53") && said.contains("127.0.0.2:53"), "{said}");
    make("/etc/stubborn/stubborn.toml", "[guard\n");
    assert_eq!(machine.says(&["setup"]).0, Some(1));
}

#[test]
fn killed_at_any_step_it_is_undone_or_begun_anew() {
    if !isolated() {
        return;
    }
    let mut machine = Machine::new();
    machine.resolved();
    machine.program("NetworkManager");
    // A VPN for every name.
    make("/run/systemd/resolve/netif/1", "SERVERS=192.0.2.1\nDOMAINS=~.\n");
    make("/run/NetworkManager/devices/1", "[device]\nconnection-uuid=1-1\n");
    make("/etc/resolvconf.conf", "# mine\n");
    let before = tree();
    let _daemon = daemon();
    for (program, then) in [("systemctl", "restore"), ("nmcli", "setup"), ("resolvconf", "restore")] {
        machine.imitation(program, "kill -9 $PPID");
        let output = machine.stubborn(&["setup"]).output().unwrap();
        assert_eq!(output.status.code(), None, "{program}: it was killed");
        assert_ne!(tree(), before, "{program}");
        ask("127.0.0.53:53".parse().unwrap(), &format!("{program}.example")).assert_addresses(&["1.1.1.1"]);
        machine.imitation(program, if program == "systemctl" { RESTART } else { "" });
        let said = machine.does(&[then]);
        if then == "setup" {
            assert!(said.contains("an interrupted setup is undone first"), "{said}");
            machine.does(&["restore"]);
        }
        assert_eq!(tree(), before, "{program}");
    }
    machine.does(&["setup"]);
    let own: Vec<String> = commands().split_off(commands().len() - 4);
    assert_eq!(
        own,
        [
            "systemctl restart systemd-resolved",
            "nmcli general reload",
            "resolvectl revert lo",
            "resolvconf -u"
        ]
    );
    // While it is put back.
    machine.imitation("nmcli", "kill -9 $PPID");
    assert_eq!(machine.stubborn(&["restore"]).output().unwrap().status.code(), None);
    machine.imitation("nmcli", "");
    machine.does(&["restore"]);
    assert_eq!(tree(), before);
}

#[test]
fn what_somebody_else_has_changed_since_is_left_and_said() {
    if !isolated() {
        return;
    }
    let machine = Machine::new();
    make(RESOLV_CONF, PLAIN);
    let before = tree();
    let _daemon = daemon();
    let theirs = "nameserver 192.0.2.1\n# DHCP was here\n";
    let changed = || {
        machine.does(&["setup"]);
        make(RESOLV_CONF, theirs);
    };
    changed();
    let (code, said) = machine.says(&["restore"]);
    assert!(
        code == Some(1) && said.contains("/etc/resolv.conf was changed by somebody else since"),
        "{said}"
    );
    assert!(said.contains("/var/lib/stubborn/setup/"), "{said}");
    assert_eq!(fs::read_to_string(RESOLV_CONF).unwrap(), theirs);
    machine.does(&["restore", "--force"]);
    assert_eq!(tree(), before);

    changed();
    let said = machine.does(&["setup"]);
    assert!(said.contains("it is undone and done again"), "{said}");
    assert!(fs::read_to_string(RESOLV_CONF).unwrap().contains("nameserver 127.0.0.1\n"));
    for (arguments, said) in [
        (&["restore", "--dry-run"][..], "would keep what /etc/resolv.conf was before an earlier setup"),
        (&["restore"], "before the last `stubborn setup`"),
        (
            &["restore"],
            "somebody else after an earlier setup; what was there before is in /var/lib/stubborn/setup/",
        ),
    ] {
        let found = machine.does(arguments);
        assert!(found.contains(said), "{arguments:?}: {found}");
    }
    assert_eq!(fs::read_to_string(RESOLV_CONF).unwrap(), theirs);
    machine.does(&["restore", "--force"]);
    assert_eq!(tree(), before);
}

#[test]
fn only_root_may_and_one_at_a_time() {
    if !isolated() {
        return;
    }
    let machine = Machine::new();
    make(RESOLV_CONF, PLAIN);
    let _daemon = daemon();
    // Where anybody may start it.
    let program = machine.directory.path().join("stubborn");
    fs::copy(PROGRAM, &program).unwrap();
    fs::set_permissions(machine.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let by_anybody = |arguments: &[&str]| {
        let output = Command::new(&program).args(arguments).uid(65_534).gid(65_534).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code(), said.into_owned())
    };
    let (code, said) = by_anybody(&["setup"]);
    assert!(code == Some(2) && said.contains("sudo"), "{said}");
    let (code, said) = by_anybody(&["setup", "--dry-run"]);
    assert!(code == Some(0) && said.contains("write /etc/resolv.conf"), "{said}");
    machine.does(&["setup"]);
    for arguments in [&["setup", "--dry-run"][..], &["restore", "--dry-run"], &["restore"]] {
        let (code, said) = by_anybody(arguments);
        assert!(code == Some(2) && said.contains("sudo"), "{arguments:?}: {said}");
    }
    machine.does(&["restore"]);
    assert!(by_anybody(&["restore"]).1.contains("nothing to do"));

    let directory = fs::File::open("/var/lib").unwrap();
    rustix::fs::flock(&directory, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let (code, said) = machine.says(&["setup"]);
    assert!(code == Some(2) && said.contains("`stubborn restore` is running; nothing was changed"), "{said}");
}

#[test]
fn a_resolv_conf_that_cannot_be_replaced_stays_and_so_does_all_else() {
    if !isolated() {
        return;
    }
    let machine = Machine::new();
    make(RESOLV_CONF, PLAIN);
    let _daemon = daemon();
    run("mount", &["--bind", RESOLV_CONF, RESOLV_CONF]);
    let before = tree();
    let (code, said) = machine.says(&["setup"]);
    assert!(code == Some(2) && said.contains("a mount of its own"), "{said}");
    run("umount", &[RESOLV_CONF]);
    run("mount", &["--bind", "/etc", "/etc"]);
    run("mount", &["-o", "remount,ro,bind", "/etc"]);
    let (code, said) = machine.says(&["setup"]);
    assert!(code == Some(2) && said.contains("is on a read-only file system"), "{said}");
    assert!(said.contains("; nothing was changed"), "{said}");
    assert_eq!(tree(), before);
}

/// The real dnsmasq, with a service manager that is one in these two respects.
#[test]
fn dnsmasq_keeps_port_53_and_asks_stubborn() {
    if !installed(&["dnsmasq"]) || !isolated() {
        return;
    }
    let machine = Machine::new();
    make(RESOLV_CONF, "nameserver 127.0.0.1\n");
    make("/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    make("/etc/group", "root:x:0:\n");
    make("/etc/dnsmasq.conf", "user=root\nlisten-address=127.0.0.1\nbind-interfaces\nserver=192.0.2.1\n");
    make("/etc/dnsmasq.d/lan.conf", "server=/corp.example/192.0.2.2\n");
    make("/run/systemd/system/mark", "");
    make("/etc/systemd/system/stubborn.service", "");
    let dnsmasq = format!("{} -x /run/dnsmasq.pid -7 /etc/dnsmasq.d", find("dnsmasq").unwrap().display());
    let stubborn = format!("{PROGRAM} run --pid-file /run/stubborn.pid >/run/stubborn.log 2>&1 &");
    machine.imitation(
        "systemctl",
        &format!(
            "case \"$*\" in\n\
             'restart dnsmasq') kill $(cat /run/dnsmasq.pid); until {dnsmasq} 2>/dev/null; do :; done ;;\n\
             'enable --now stubborn') {stubborn} ;;\n\
             'disable --now stubborn') kill $(cat /run/stubborn.pid) ;;\n\
             esac"
        ),
    );
    let started = Command::new("sh").args(["-c", &dnsmasq]).status().unwrap();
    assert!(started.success());
    let before = tree();
    let answers = |name: &str| ask(local(), name).assert_addresses(&["1.1.1.1"]);
    answers("before.example");

    let said = machine.does(&["setup"]);
    assert!(
        said.contains("stubborn's servers are from now on those in /etc/stubborn/stubborn.toml: 192.0.2.1"),
        "{said}"
    );
    answers("after.example");
    let log = fs::read_to_string("/run/stubborn.log").unwrap();
    assert!(log.contains("127.0.0.1:5335"), "{log}");
    let status = machine.does(&["status"]);
    assert!(status.contains("127.0.0.1:5335") && status.contains("192.0.2.1"), "{status}");
    assert!(machine.does(&["setup"]).contains("nothing to do"));

    machine.does(&["restore"]);
    answers("again.example");
    assert_eq!(tree(), before);
    until("stubborn has ended", || std::os::unix::net::UnixStream::connect(SOCKET).err());
}

/// dnsmasq in the part of Pi-hole, which is made of it, and a program that writes its settings as Pi-hole's own does.
#[test]
fn pi_hole_is_told_to_ask_stubborn_and_told_back() {
    if !installed(&["dnsmasq"]) || !isolated() {
        return;
    }
    let machine = Machine::new();
    make(RESOLV_CONF, "nameserver 127.0.0.1\n");
    make("/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    make("/etc/group", "root:x:0:\n");
    let toml = "[dns]\nupstreams = [\"192.0.2.1\"]\n";
    make("/etc/pihole/pihole.toml", toml);
    let settings = "no-resolv\nuser=root\nlisten-address=127.0.0.1\nbind-interfaces\n";
    make("/run/pihole.conf", &format!("{settings}server=192.0.2.1\n"));
    let directory = machine.directory.path().join("opt");
    fs::create_dir(&directory).unwrap();
    let program = directory.join("pihole-FTL");
    fs::copy(find("dnsmasq").unwrap(), &program).unwrap();
    let start = format!("{} -x /run/dnsmasq.pid -C /run/pihole.conf", program.display());
    machine.imitation(
        "service",
        &format!("kill $(cat /run/dnsmasq.pid); until {start} 2>/dev/null; do :; done"),
    );
    machine.imitation(
        "pihole-FTL",
        "printf '[dns]\\nupstreams = %s\\n' \"$3\" > /etc/pihole/pihole.toml\n\
         sed -i '/^server=/d' /run/pihole.conf\n\
         echo \"$3\" | tr -d '[]\"' | sed 's/^/server=/' >> /run/pihole.conf",
    );
    assert!(Command::new("sh").args(["-c", &start]).status().unwrap().success());
    let before = tree();
    make("/etc/stubborn/stubborn.toml", "[server]\nlisten = [\"127.0.0.1:5335\"]\n");
    let _daemon = Start::new().upstream(ROUTER).socket(Path::new(SOCKET)).start();
    let said = machine.does(&["setup"]);
    assert!(said.contains("127.0.0.1 answers, and asks stubborn"), "{said}");
    assert_eq!(
        commands(),
        ["pihole-FTL --config dns.upstreams [\"127.0.0.1#5335\"]", "service pihole-FTL restart"]
    );
    ask(local(), "after.example").assert_addresses(&["1.1.1.1"]);
    machine.does(&["restore"]);
    assert_eq!(fs::read_to_string("/etc/pihole/pihole.toml").unwrap(), toml);
    ask(local(), "again.example").assert_addresses(&["1.1.1.1"]);
    fs::remove_file("/etc/stubborn/stubborn.toml").unwrap();
    assert_eq!(tree(), before);
}
