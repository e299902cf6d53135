use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::*;
use crate::control::{ClientError, Status};
use crate::machine::{Holder, Kind, Link, Process, ResolvConf, Root, Transport};

/// A machine on which nothing is open: stubborn answers on loopback, and programs ask there.
fn protected() -> Observed {
    Observed {
        daemon: Daemon::Runs(Box::new(status("enforce"))),
        resolv_conf: ResolvConf { servers: addresses(&["127.0.0.1"]), ..ResolvConf::default() },
        hosts_line: "files dns".to_owned(),
        answerers: vec![answerer("127.0.0.1", "stubborn 0.1.0"), answerer("::1", "stubborn 0.1.0")],
        holders: Vec::new(),
        resolved: false,
        resolved_servers: Vec::new(),
        resolved_takes_all: false,
        links: Vec::new(),
        browsers: Vec::new(),
        docker: None,
        clock: (1_800_000_000, None),
        files: Vec::new(),
        user: 0,
        programs: vec![trial("127.0.0.1", true, &[], &["localtest.me"])],
        upstreams: vec![Trial {
            seen: Some(Seen::default()),
            ..trial("9.9.9.9", true, &["localtest.me"], &[])
        }],
        not_tried: None,
    }
}

/// What a daemon says of itself with nothing wrong.
fn status(mode: &str) -> Status {
    serde_json::from_value(serde_json::json!({
        "program": "0.1.0", "pid": 7, "started": "", "uptime_seconds": 1, "healthy": true, "problems": [], "log_level": "info",
        "policy": {"generation": 1, "since": "", "age_seconds": 1, "mode": mode, "ranges": 1, "exceptions": 0, "routes": 0,
            "local_names": 0, "files": [], "failed_reloads": 0, "reload_error": [], "reload_error_at": null},
        "listeners": [], "workers": 1, "tcp_connections": 0, "upstreams": [],
        "cache": {"entries": 0, "octets": 0, "size": 0, "hits": 0, "misses": 0, "evictions": 0},
        "queries": {}, "malformed": 0, "shed": 0, "answers": {}, "rcodes": {}, "guard": {}, "rules": {}, "top_blocked": []
    }))
    .unwrap()
}

fn says(problem: &str) -> Daemon {
    Daemon::Runs(Box::new(Status { problems: vec![problem.to_owned()], ..status("enforce") }))
}

/// A trial whose questions came to the daemon so often.
fn seen(names: usize, trial: Trial) -> Trial {
    Trial { seen: Some(Seen { names, blocked: names.min(1), missed: 6 - names }), ..trial }
}

fn held(ip: &str, name: &str) -> Holder {
    let process = Process { pid: 9, name: name.to_owned(), arguments: Vec::new() };
    Holder { address: at(ip), transport: Transport::Udp, processes: vec![process] }
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn at(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), 53)
}

fn answerer(ip: &str, says: &str) -> Answerer {
    let who = match says {
        "" => Who::Nobody,
        stubborn if stubborn.starts_with("stubborn") => Who::Stubborn(stubborn.to_owned()),
        other => Who::Other(other.to_owned()),
    };
    Answerer { address: at(ip), who }
}

fn trial(ip: &str, answers: bool, came: &[&'static str], kept: &[&'static str]) -> Trial {
    let seen = Some(Seen { names: 6, blocked: kept.len(), missed: 0 });
    Trial { server: at(ip), answers, came: came.to_vec(), kept: kept.to_vec(), silent: Vec::new(), seen }
}

fn link(server: &str, domains: &[&str]) -> Link {
    Link {
        name: "wlan0".to_owned(),
        servers: vec![server.to_owned()],
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        managed: true,
    }
}

fn browser(on: bool, overruled: bool) -> Browser {
    Browser { place: "/home/a/x".to_owned(), mode: Some("m".to_owned()), on, overruled }
}

/// As systemd-resolved is asked by resolv.conf, and asks stubborn.
fn through_resolved(machine: &mut Observed) {
    machine.resolved = true;
    machine.resolv_conf.servers = addresses(&["127.0.0.53"]);
    machine.resolved_servers = addresses(&["127.0.0.1"]);
    machine.resolved_takes_all = true;
}

const UNKNOWN: Level = Level::Unknown;
const BROKEN: Level = Level::Broken;
const OPEN: Level = Level::Open;
const FINE: Level = Level::Fine;

/// What is other than on a protected machine, and what a check then says with which words.
type Row = (fn(&mut Observed), &'static str, Level, &'static str);

#[test]
fn each_way_past_is_found_and_nothing_else() {
    #[rustfmt::skip]
    let rows: &[Row] = &[
        (|_| (), "daemon", FINE, "stubborn 0.1.0 runs with mode enforce"),
        (|m| m.daemon = Daemon::Absent("no daemon answers".into()), "daemon", UNKNOWN, "no daemon answers"),
        (|m| m.daemon = Daemon::Silent("no permission".into()), "daemon", UNKNOWN, "no permission"),
        (|m| m.daemon = says("no upstream answers"), "daemon", BROKEN, "no upstream answers"),
        (|m| m.daemon = says("the upstream 10.0.0.1 leads back to this daemon"), "daemon", BROKEN, "10.0.0.1 leads back"),
        (|m| m.daemon = Daemon::Runs(Box::new(status("monitor"))), "daemon", OPEN, "mode monitor"),
        (|_| (), "resolv.conf", FINE, "127.0.0.1, which is stubborn"),
        (|m| m.resolv_conf.servers = addresses(&["192.168.1.1"]), "resolv.conf", OPEN, "names 192.168.1.1 first"),
        (|m| m.resolv_conf.servers = addresses(&["127.0.0.1", "192.168.1.1"]), "resolv.conf", OPEN, "names 192.168.1.1 besides"),
        (|m| m.resolv_conf.servers = addresses(&["127.0.0.1", "127.0.0.1", "127.0.0.1", "9.9.9.9"]), "resolv.conf", UNKNOWN,
            "9.9.9.9 after three others"),
        (|m| { m.resolv_conf.servers = addresses(&["127.0.0.2"]); m.programs = vec![Trial { seen: None, ..trial("127.0.0.2", true, &[], &["a"]) }]; },
            "resolv.conf", UNKNOWN, "another program"),
        (|m| { m.resolv_conf.servers = addresses(&["127.0.0.2"]); m.programs = vec![trial("127.0.0.2", true, &[], &["a"])];
            m.holders = vec![held("127.0.0.2", "dnsmasq")]; }, "resolv.conf", FINE, "127.0.0.2, where dnsmasq answers and asks stubborn"),
        (|m| { m.resolv_conf.servers = addresses(&["192.168.1.1"]); m.programs = vec![trial("192.168.1.1", true, &[], &["a"])]; },
            "resolv.conf", FINE, "asks stubborn"),
        // A forwarder passes the question for the version on.
        (|m| { m.holders = vec![held("127.0.0.1", "dnsmasq")]; }, "resolv.conf", FINE, "where dnsmasq answers and asks stubborn"),
        (|m| m.answerers = vec![answerer("127.0.0.1", "")], "resolv.conf", BROKEN, "nobody answers"),
        (|m| m.answerers = vec![answerer("127.0.0.1", "")], "port 53", BROKEN, "nobody answers at 127.0.0.1"),
        (|m| { m.resolv_conf.servers.clear(); m.resolv_conf.kind = Kind::File; }, "resolv.conf", UNKNOWN, "names no server"),
        (|m| m.resolv_conf = ResolvConf::default(), "resolv.conf", UNKNOWN, "does not exist"),
        (|m| m.resolv_conf = ResolvConf { kind: Kind::Link("../run/x".into()), ..ResolvConf::default() }, "resolv.conf", UNKNOWN,
            "a link to ../run/x, which cannot be read"),
        (|m| { m.resolv_conf.servers = addresses(&["192.168.1.2"]); m.answerers.push(answerer("192.168.1.2", "stubborn 0.1.0")); },
            "resolv.conf", FINE, "192.168.1.2, which is stubborn"),
        (|m| m.resolv_conf.servers = addresses(&["127.0.0.1", "2001:db8::1"]), "IPv6", OPEN, "2001:db8::1 is asked"),
        (|m| m.answerers = vec![answerer("127.0.0.1", "dnsmasq-2.90")], "port 53", FINE, "dnsmasq-2.90 answers at 127.0.0.1, and asks stubborn"),
        (|m| { m.answerers = vec![answerer("127.0.0.1", "dnsmasq-2.90")]; m.programs.iter_mut().for_each(|trial| trial.seen = None); },
            "port 53", UNKNOWN, "dnsmasq-2.90 answers at 127.0.0.1"),
        (|m| m.answerers.push(answerer("127.0.0.2", "x")), "port 53", FINE, "nothing was found to ask there"),
        (|m| m.answerers = vec![answerer("::1", "")], "port 53", FINE, "nobody answers at ::1"),
        (through_resolved, "systemd-resolved", FINE, "asks 127.0.0.1"),
        (|m| { through_resolved(m); m.resolved_servers = addresses(&["192.168.1.1"]); }, "systemd-resolved", OPEN,
            "asks 192.168.1.1"),
        (|m| { through_resolved(m); m.resolved_servers.clear(); }, "systemd-resolved", OPEN, "no server that is stubborn"),
        (|m| { m.resolved = true; m.resolved_servers = addresses(&["192.168.1.1"]); }, "systemd-resolved", FINE,
            "programs do not ask systemd-resolved"),
        // nss-resolve asks it whatever resolv.conf says.
        (|m| { through_resolved(m); m.resolv_conf.servers = addresses(&["127.0.0.1"]);
            m.hosts_line = "files resolve [!UNAVAIL=return] dns".to_owned(); m.resolved_servers = addresses(&["192.168.1.1"]); },
            "systemd-resolved", OPEN, "asks 192.168.1.1"),
        (|m| { through_resolved(m); m.links = vec![link("192.168.1.1", &[])]; }, "other interfaces", FINE, "they are not asked"),
        (|m| { through_resolved(m); m.links = vec![link("192.168.1.1", &["."])]; }, "other interfaces", OPEN,
            "wlan0 has 192.168.1.1 for its own"),
        (|m| { through_resolved(m); m.resolved_takes_all = false; m.links = vec![link("192.168.1.1", &[])]; }, "other interfaces",
            OPEN, "wlan0 has 192.168.1.1"),
        (|m| { through_resolved(m); m.links = vec![link("10.0.0.53:53%tun0#dns", &["corp.example"])]; }, "other interfaces",
            UNKNOWN, "10.0.0.53 for its own, for corp.example"),
        (|m| { through_resolved(m); m.resolved_servers.extend(addresses(&["fe80::1"])); }, "IPv6", OPEN, "fe80::1 is asked"),
        (|m| m.browsers = vec![browser(true, false)], "browsers", OPEN, "/home/a/x"),
        (|m| m.browsers = vec![browser(true, true)], "browsers", FINE, "a policy has it off"),
        (|m| m.browsers = vec![browser(false, false)], "browsers", FINE, "/home/a/x"),
        (|m| m.docker = Some(Vec::new()), "containers", OPEN, "nothing but loopback"),
        (|m| m.docker = Some(addresses(&["8.8.8.8"])), "containers", UNKNOWN, "daemon.json"),
        (|m| m.docker = Some(addresses(&["127.0.0.1"])), "containers", FINE, "127.0.0.1, which is stubborn"),
        (|m| m.programs = vec![trial("127.0.0.1", true, &["localtest.me"], &[])], "in practice", OPEN, "localtest.me"),
        (|m| m.programs = vec![trial("127.0.0.1", false, &[], &[])], "in practice", UNKNOWN, "no usable answer"),
        (|m| m.programs = vec![seen(0, trial("127.0.0.1", true, &[], &["a", "b"]))], "in practice", OPEN, "but stubborn was not asked"),
        (|m| m.programs = vec![seen(3, trial("127.0.0.1", true, &[], &["a", "b"]))], "in practice", OPEN, "not asked for some of them"),
        (|m| m.programs = vec![trial("127.0.0.1", false, &[], &["localtest.me"])], "in practice", UNKNOWN, "the address of a public name"),
        (|m| m.programs.iter_mut().for_each(|trial| trial.silent.push("localtest.me")), "in practice", UNKNOWN, "no usable answer to localtest.me"),
        (|m| m.programs.iter_mut().for_each(|trial| trial.seen = None), "in practice", UNKNOWN, "of 1 names"),
        (|m| m.programs.clear(), "in practice", UNKNOWN, "not tried"),
        (|m| { m.programs.clear(); m.not_tried = Some("because".into()); }, "upstream", FINE, ""),
        (|m| m.upstreams = vec![seen(3, trial("9.9.9.9", true, &[], &["localtest.me"]))], "upstream", BROKEN, "9.9.9.9:53 asks stubborn"),
        (|m| m.upstreams = vec![seen(0, trial("9.9.9.9", true, &[], &["localtest.me", "10.0.0.1.nip.io"]))], "upstream", FINE,
            "9.9.9.9:53 filters too, and keeps back localtest.me, 10.0.0.1.nip.io"),
        (|_| (), "upstream", FINE, "passes on whatever leads inside"),
        (|m| m.clock.1 = Some(("/etc/stubborn/stubborn.toml".into(), m.clock.0 + 3600)), "clock", OPEN, "3600 s before"),
        (|m| m.clock.1 = Some(("/etc/stubborn/stubborn.toml".into(), m.clock.0 - 3600)), "clock", FINE, "nothing shows"),
        (|m| m.files = vec![facts("/etc/stubborn/stubborn.toml", 0, 0o100_666)], "permissions", OPEN, "mode 666"),
        (|m| m.files = vec![facts("/etc/stubborn", 1000, 0o40_755)], "permissions", OPEN, "belongs to user 1000"),
        (|m| m.files = vec![facts("/tmp", 0, 0o41_777), facts("/etc/resolv.conf", 101, 0o100_644)], "permissions", FINE, "belongs to root or this user"),
    ];
    for (change, check, level, words) in rows {
        let mut machine = protected();
        change(&mut machine);
        let findings = examine(&machine);
        let found = findings.iter().any(|f| f.check == *check && f.level == *level && f.what.contains(words));
        assert!(found, "no {level:?} of {check} with {words:?}: {findings:#?}");
        let open = findings.iter().filter(|finding| finding.level == OPEN).count();
        assert_eq!(open, usize::from(*level == OPEN), "{check} {words:?}: {findings:#?}");
        assert_eq!(is_protected(&findings), findings.iter().all(|finding| finding.level == FINE));
        for finding in findings.iter().filter(|finding| finding.level != FINE) {
            assert!(!finding.means.is_empty() && !finding.fix.is_empty(), "{finding:?}");
        }
    }
}

fn facts(path: &str, owner: u32, mode: u32) -> Facts {
    Facts { path: PathBuf::from(path), owner, mode }
}

/// A directory that is taken for `/`, with these files.
fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::new(directory.path());
    for (path, text) in files {
        std::fs::create_dir_all(root.at(path).parent().unwrap()).unwrap();
        std::fs::write(root.at(path), text).unwrap();
    }
    (directory, root)
}

const PASSWD: (&str, &str) = (
    "/etc/passwd",
    "root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/usr/sbin:/bin/false\na:x:1000:1000::/home/a:/bin/sh\n",
);

#[test]
fn browsers_are_found_in_every_home_with_what_they_say() {
    const TRR: &str = "user_pref(\"a\", 1);\nuser_pref(\"network.trr.mode\", 2);\n";
    const STATE: &str = r#"{"dns_over_https": {"mode": "automatic", "templates": ""}}"#;
    // Files, and for each browser: on, overruled, its words.
    type Row = (&'static [(&'static str, &'static str)], &'static [(bool, bool, &'static str)]);
    #[rustfmt::skip]
    let rows: &[Row] = &[
        (&[], &[]),
        (&[("/home/a/.mozilla/firefox/x.default/prefs.js", TRR)], &[(true, false, "mode 2")]),
        (&[("/root/.mozilla/firefox/x/prefs.js", "user_pref(\"network.trr.mode\", 5);")], &[(false, false, "mode 5")]),
        (&[("/home/a/.mozilla/firefox/x/prefs.js", "")], &[(false, false, "")]),
        (&[("/home/a/.mozilla/firefox/x/prefs.js", TRR), ("/home/a/.mozilla/firefox/x/user.js", "user_pref(\"network.trr.mode\", 5);")],
            &[(false, false, "mode 5")]),
        (&[("/home/a/snap/firefox/common/.mozilla/firefox/x/prefs.js", TRR),
            ("/home/a/.var/app/org.mozilla.firefox/.mozilla/firefox/y/prefs.js", TRR)],
            &[(true, false, "mode 2"), (true, false, "mode 2")]),
        (&[("/etc/firefox/policies/policies.json", r#"{"policies": {"DNSOverHTTPS": {"Enabled": true}}}"#)],
            &[(true, false, "a policy has it on")]),
        (&[("/etc/firefox/policies/policies.json", r#"{"policies": {"DNSOverHTTPS": {"Enabled": false, "Locked": true}}}"#),
            ("/home/a/.mozilla/firefox/x/prefs.js", TRR)], &[(false, false, "off"), (true, true, "mode 2")]),
        (&[("/etc/firefox/policies/policies.json", r#"{"policies": {"DNSOverHTTPS": {"Enabled": false}}}"#),
            ("/home/a/.mozilla/firefox/x/prefs.js", TRR)], &[(true, false, "mode 2")]),
        (&[("/home/a/.config/chromium/Local State", STATE)], &[(true, false, "automatic")]),
        (&[("/home/a/.config/google-chrome/Local State", r#"{"dns_over_https": {"mode": "secure"}}"#)], &[(true, false, "secure")]),
        (&[("/home/a/.config/microsoft-edge/Local State", r#"{"dns_over_https": {"mode": "off"}}"#)], &[(false, false, "off")]),
        (&[("/home/a/.config/BraveSoftware/Brave-Browser/Local State", "{}")], &[(false, false, "")]),
        (&[("/etc/opt/chrome/policies/managed/a.json", r#"{"DnsOverHttpsMode": "secure"}"#)], &[(true, false, "secure")]),
        (&[("/etc/chromium/policies/managed/a.json", r#"{"DnsOverHttpsMode": "off"}"#), ("/home/a/.config/chromium/Local State", STATE),
            ("/home/a/.config/google-chrome/Local State", STATE)],
            &[(false, false, "off"), (true, true, "automatic"), (true, false, "automatic")]),
        (&[("/etc/chromium/policies/managed/a.json", "{ nonsense"), ("/home/a/.config/chromium/Local State", "[]")], &[(false, false, "")]),
    ];
    for (files, expected) in rows {
        let (_directory, root) = root(&[*files, &[PASSWD]].concat());
        let found = browsers(&root);
        assert_eq!(found.len(), expected.len(), "{files:?}: {found:?}");
        for (browser, (on, overruled, words)) in found.iter().zip(*expected) {
            let mode = browser.mode.clone().unwrap_or_default();
            assert_eq!((browser.on, browser.overruled), (*on, *overruled), "{files:?}: {found:?}");
            assert!(mode.contains(words) && mode.is_empty() == words.is_empty(), "{files:?}: {found:?}");
        }
    }
}

#[test]
fn a_machine_is_read_below_its_root() {
    let (directory, root) = root(&[
        ("/etc/resolv.conf", "nameserver 127.0.0.53\n"),
        ("/etc/nsswitch.conf", "passwd: files\nhosts:  files resolve dns\n"),
        ("/run/systemd/resolve/resolv.conf", "# x\nnameserver 192.0.2.1\nnameserver fe80::1%wlan0\n"),
        ("/run/systemd/resolve/netif/3", "SERVERS=192.0.2.53\nDOMAINS=~corp.example\n"),
        ("/etc/systemd/resolved.conf.d/a.conf", "[Resolve]\nDNS=127.0.0.1\nDomains=~.\n"),
        ("/proc/7/comm", "systemd-resolve\n"),
        ("/proc/8/comm", "dockerd\n"),
        ("/etc/docker/daemon.json", "{\"dns\": [\"172.17.0.1\"]}"),
        ("/etc/stubborn/stubborn.toml", ""),
    ]);
    let config = PathBuf::from("/etc/stubborn/stubborn.toml");
    let ask =
        |_: &crate::control::Command| Err(ClientError::NoDaemon { path: PathBuf::new(), others: Vec::new() });
    let found = observe(Wanted {
        root,
        config: config.clone(),
        ask: &ask,
        tell: &|_| (),
        upstreams: Vec::new(),
        offline: true,
    });
    assert!(matches!(found.daemon, Daemon::Absent(_)), "{:?}", found.daemon);
    assert!(found.resolved && found.resolved_takes_all);
    assert_eq!(found.hosts_line, "files resolve dns");
    assert_eq!(found.resolved_servers, addresses(&["192.0.2.1", "fe80::1"]));
    assert_eq!((found.links.len(), found.docker.clone()), (1, Some(addresses(&["172.17.0.1"]))));
    assert_eq!(found.clock.1.as_ref().map(|(path, _)| path), Some(&config));
    let files: Vec<&Path> = found.files.iter().map(|file| file.path.as_path()).collect();
    assert_eq!(files, ["/etc/stubborn/stubborn.toml", "/etc/stubborn", "/etc/resolv.conf"].map(Path::new));
    assert!(found.answerers.iter().all(|one| one.address.ip().is_loopback()), "{:?}", found.answerers);
    assert!(found.programs.is_empty() && found.upstreams.is_empty());
    assert!(found.not_tried.is_some_and(|why| why.contains("--offline")));
    drop(directory);
}
