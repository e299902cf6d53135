//! Machines, and what is done about them.

use super::*;
use crate::machine::Writer;
use crate::setup::SAVED_SERVERS;

use crate::machine::{Link, ResolvConf, Transport};
use crate::setup::Running;

/// A machine with these files, marks and programs; a mark is a path that ends without a text.
fn machine(files: &[(&str, &str)], marks: &[&str], programs: &[&str]) -> Machine {
    let text = files.iter().find(|(path, _)| *path == RESOLV_CONF).map_or("", |(_, text)| *text);
    let words = |key: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix(key)).map(|rest| rest.trim().to_owned()).collect()
    };
    Machine {
        resolv_conf: ResolvConf {
            kind: Kind::File,
            servers: words("nameserver ").iter().map(|ip| ip.parse().unwrap()).collect(),
            others: words("search ").iter().map(|rest| format!("search {rest}")).collect(),
            ..ResolvConf::default()
        },
        programs: programs.iter().map(|name| process(7, name, &[])).collect(),
        files: files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect(),
        marks: marks.iter().map(PathBuf::from).collect(),
        free_port: Some(5335),
        ..Machine::default()
    }
}

fn process(pid: u32, name: &str, arguments: &[&str]) -> Process {
    let arguments = arguments.iter().map(ToString::to_string).collect();
    Process { pid, name: name.to_owned(), arguments }
}

fn holder(address: &str, process: Process) -> Holder {
    Holder { address: address.parse().unwrap(), transport: Transport::Udp, processes: vec![process] }
}

/// stubborn as it is with this configuration, running or not.
fn ours(text: &str, running: Option<&[&str]>) -> Ours {
    let path = PathBuf::from("/etc/stubborn/stubborn.toml");
    let loaded = crate::config::from_text(&path, text, &crate::config::Disk, 0).unwrap();
    let listeners = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Ours {
        path,
        text: text.to_owned(),
        config: loaded.config,
        written: loaded.written.into_iter().map(|(key, _)| key).collect(),
        running: running.map(|texts| Running {
            pid: 99,
            listeners: listeners(texts),
            upstreams: vec!["192.168.1.1".into()],
            home_domains: vec!["home".into()],
            only_monitors: false,
        }),
        unheard: None,
        another: None,
        wanted: None,
    }
}

const HERE: Option<&[&str]> = Some(&["127.0.0.1:53", "[::1]:53"]);
const SERVICE: &[&str] = &["/run/systemd/system", "/lib/systemd/system/stubborn.service"];
const ENABLED: &[&str] = &[
    "/run/systemd/system",
    "/lib/systemd/system/stubborn.service",
    "/etc/systemd/system/multi-user.target.wants/stubborn.service",
];
const ROUTER: (&str, &str) = (RESOLV_CONF, "nameserver 192.168.1.1\nsearch lan\n");

/// The steps, each as the file it writes or the command it runs.
fn steps(plan: &Plan) -> Vec<String> {
    let step = |step: &Step| match step {
        Step::Write { path, .. } => path.display().to_string(),
        Step::Run { words, .. } => words.join(" "),
    };
    plan.prepare
        .iter()
        .map(|one| format!("first {}", step(one)))
        .chain(plan.switch.iter().map(step))
        .collect()
}

fn text<'a>(plan: &'a Plan, wanted: &str) -> &'a str {
    let found = plan.steps().find_map(|step| match step {
        Step::Write { path, text, .. } if path.to_str() == Some(wanted) => Some(text.as_str()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{wanted} is not written: {:?}", steps(plan)))
}

fn stub(mut machine: Machine) -> Machine {
    machine.resolv_conf.writer = Writer::ResolvedStub;
    machine.resolv_conf.kind = Kind::Link("../run/systemd/resolve/stub-resolv.conf".into());
    machine.resolv_conf.servers = vec![STUB];
    machine
}

const SAVED: &str = SAVED_SERVERS;
const RESOLVED_CONF: &str = "/etc/systemd/resolved.conf.d/zz-stubborn.conf";
const RESTART: &str = "systemctl restart systemd-resolved";
const NM_CONF: &str = "/etc/NetworkManager/conf.d/zz-stubborn.conf";
const CONFIG: &str = "first /etc/stubborn/stubborn.toml";
const NM_RELOAD: &str = "nmcli general reload";

#[test]
fn where_resolv_conf_names_nobody_what_the_daemon_uses_is_kept() {
    let plan = plan(&machine(&[], &[], &[]), &ours("", HERE)).unwrap();
    assert!(text(&plan, SAVED).ends_with("nameserver 192.168.1.1\nsearch home\n"), "{}", text(&plan, SAVED));
}

#[test]
fn each_machine_has_its_steps() {
    let uplink = (UPLINK, "nameserver 192.168.1.1\n");
    let wifi = Link {
        name: "wlan0".into(),
        servers: vec!["192.168.1.1".into()],
        domains: vec![".".into()],
        managed: true,
    };
    let mut quiet_nm = stub(machine(&[uplink], ENABLED, &[RESOLVED, NM]));
    quiet_nm.links = vec![Link { domains: Vec::new(), ..wifi.clone() }];
    let mut with_nm = stub(machine(&[uplink], ENABLED, &[RESOLVED, NM]));
    with_nm.links = vec![wifi];
    let dnsmasq = |arguments: &[&str], files: &[(&str, &str)]| {
        let mut machine = machine(files, ENABLED, &[]);
        machine.holders = vec![holder("0.0.0.0:53", process(5, "dnsmasq", arguments))];
        machine
    };
    let pihole = |files: &[(&str, &str)]| {
        let mut machine = machine(files, ENABLED, &[]);
        machine.holders = vec![holder("[::]:53", process(5, "pihole-FTL", &[]))];
        machine
    };
    let debian =
        &["/usr/sbin/dnsmasq", "-r", "/run/dnsmasq/resolv.conf", "-7", "/etc/dnsmasq.d,.dpkg-dist"][..];
    let rows: Vec<(&str, Machine, Ours, &[&str], &str)> = vec![
        (
            "a plain file",
            machine(&[ROUTER], ENABLED, &[]),
            ours("", HERE),
            &[SAVED, RESOLV_CONF],
            "127.0.0.1",
        ),
        (
            "IPv6 only",
            machine(&[ROUTER], ENABLED, &[]),
            ours("[server]\nlisten = [\"[::1]:53\"]\n", Some(&["[::1]:53"])),
            &[SAVED, RESOLV_CONF],
            "::1",
        ),
        (
            "a wildcard",
            machine(&[ROUTER], ENABLED, &[]),
            ours("", Some(&["0.0.0.0:53"])),
            &[SAVED, RESOLV_CONF],
            "127.0.0.1",
        ),
        (
            "with servers of its own",
            machine(&[ROUTER], ENABLED, &[]),
            ours("[upstream]\nservers = [\"9.9.9.9\"]\n", HERE),
            &[RESOLV_CONF],
            "127.0.0.1",
        ),
        (
            "it asks us already",
            machine(&[(RESOLV_CONF, "nameserver 127.0.0.1\n")], ENABLED, &[]),
            ours("", HERE),
            &[SAVED],
            "127.0.0.1",
        ),
        (
            "not running",
            machine(&[ROUTER], SERVICE, &[]),
            ours("", None),
            &["first systemctl enable --now stubborn", SAVED, RESOLV_CONF],
            "127.0.0.1",
        ),
        (
            "not enabled",
            machine(&[ROUTER], SERVICE, &[]),
            ours("", HERE),
            &["first systemctl enable stubborn", SAVED, RESOLV_CONF],
            "127.0.0.1",
        ),
        (
            "enabled, and stopped",
            machine(&[ROUTER], ENABLED, &[]),
            ours("", None),
            &["first systemctl restart stubborn", SAVED, RESOLV_CONF],
            "127.0.0.1",
        ),
        (
            "no service at all",
            machine(&[ROUTER], &[], &[]),
            ours("", HERE),
            &[SAVED, RESOLV_CONF],
            "127.0.0.1",
        ),
        (
            "systemd-resolved",
            stub(machine(&[uplink], ENABLED, &[RESOLVED])),
            ours("", HERE),
            &[SAVED, RESOLVED_CONF, RESTART],
            "127.0.0.53",
        ),
        (
            "systemd-resolved, and programs that do not ask it",
            machine(&[uplink, ROUTER], ENABLED, &[RESOLVED]),
            ours("", HERE),
            &[SAVED, RESOLVED_CONF, RESTART, RESOLV_CONF],
            "127.0.0.1",
        ),
        (
            "a link to a stub of nobody",
            stub(machine(&[ROUTER], ENABLED, &[])),
            ours("", HERE),
            &[SAVED, RESOLV_CONF],
            "127.0.0.1",
        ),
        (
            "systemd-resolved with servers of its own",
            stub(machine(
                &[uplink, ("/etc/systemd/resolved.conf", "[Resolve]\nDNS=9.9.9.9#dns.quad9.net 1.1.1.1\n")],
                ENABLED,
                &[RESOLVED],
            )),
            ours("", HERE),
            &[CONFIG, SAVED, RESOLVED_CONF, RESTART],
            "127.0.0.53",
        ),
        (
            "NetworkManager",
            machine(&[ROUTER], ENABLED, &[NM]),
            ours("", HERE),
            &[SAVED, NM_CONF, NM_RELOAD, RESOLV_CONF],
            "127.0.0.1",
        ),
        (
            "NetworkManager, which tells systemd-resolved whom it found",
            quiet_nm,
            ours("", HERE),
            &[SAVED, RESOLVED_CONF, RESTART],
            "127.0.0.53",
        ),
        (
            "NetworkManager, which tells systemd-resolved, and writes resolv.conf",
            machine(&[uplink, ROUTER], ENABLED, &[RESOLVED, NM]),
            ours("", HERE),
            &[SAVED, RESOLVED_CONF, RESTART, NM_CONF, NM_RELOAD, RESOLV_CONF],
            "127.0.0.1",
        ),
        (
            "NetworkManager with an interface for every name",
            with_nm,
            ours("", HERE),
            &[SAVED, RESOLVED_CONF, RESTART, NM_CONF, NM_RELOAD, "resolvectl revert wlan0"],
            "127.0.0.53",
        ),
        (
            "openresolv",
            machine(&[ROUTER, ("/etc/resolvconf.conf", "resolv_conf=/etc/resolv.conf")], ENABLED, &[]),
            ours("", HERE),
            &[SAVED, "/etc/resolvconf.conf", "resolvconf -u", RESOLV_CONF],
            "127.0.0.1",
        ),
        (
            "dhclient",
            machine(&[ROUTER], &[ENABLED, &["/etc/dhcp/dhclient-enter-hooks.d"]].concat(), &["dhclient"]),
            ours("", HERE),
            &[SAVED, "/etc/dhcp/dhclient-enter-hooks.d/stubborn", RESOLV_CONF],
            "127.0.0.1",
        ),
        (
            "dnsmasq",
            dnsmasq(
                debian,
                &[("/etc/dnsmasq.conf", "server=8.8.8.8\n"), (RESOLV_CONF, "nameserver 127.0.0.1\n")],
            ),
            ours("", None),
            &[
                CONFIG,
                "first systemctl restart stubborn",
                "/etc/dnsmasq.conf",
                "/etc/dnsmasq.d/stubborn.conf",
                "systemctl restart dnsmasq",
            ],
            "127.0.0.1",
        ),
        (
            "dnsmasq that followed the network",
            dnsmasq(debian, &[("/run/dnsmasq/resolv.conf", "nameserver 192.168.1.1\n"), ROUTER]),
            ours("", None),
            &[
                CONFIG,
                "first systemctl restart stubborn",
                "/etc/dnsmasq.d/stubborn.conf",
                "systemctl restart dnsmasq",
                RESOLV_CONF,
            ],
            "127.0.0.1",
        ),
        (
            "Pi-hole 6",
            pihole(&[
                ("/etc/pihole/pihole.toml", "[dns]\nupstreams = [\"8.8.8.8\"]\n"),
                (RESOLV_CONF, "nameserver 127.0.0.1\n"),
            ]),
            ours("", None),
            &[
                CONFIG,
                "first systemctl restart stubborn",
                "pihole-FTL --config dns.upstreams [\"127.0.0.1#5335\"]",
                "systemctl restart pihole-FTL",
            ],
            "127.0.0.1",
        ),
        (
            "Pi-hole 5",
            pihole(&[
                ("/etc/pihole/setupVars.conf", "PIHOLE_DNS_1=8.8.8.8\n"),
                ("/etc/dnsmasq.d/01-pihole.conf", "server=8.8.8.8\n"),
                (RESOLV_CONF, "nameserver 127.0.0.1\n"),
            ]),
            ours("[server]\nlisten = [\"127.0.0.1:5335\"]\n", Some(&["127.0.0.1:5335"])),
            &[
                CONFIG,
                "/etc/pihole/setupVars.conf",
                "/etc/dnsmasq.d/01-pihole.conf",
                "systemctl restart pihole-FTL",
            ],
            "127.0.0.1",
        ),
        (
            "Pi-hole on another address of loopback",
            {
                let mut machine = machine(&[ROUTER], ENABLED, &[]);
                machine.holders = vec![holder("127.0.0.1:53", process(5, "pihole-FTL", &[]))];
                machine
            },
            ours("[server]\nlisten = [\"127.0.0.2:53\"]\n", Some(&["127.0.0.2:53"])),
            &[SAVED, RESOLV_CONF],
            "127.0.0.2",
        ),
        (
            "libvirt's dnsmasq on a bridge",
            {
                let mut machine = machine(&[ROUTER], ENABLED, &[]);
                machine.holders = vec![
                    holder("192.168.122.1:53", process(5, "dnsmasq", &[])),
                    holder("127.0.0.1:53", process(99, "main", &[])),
                ];
                machine
            },
            ours("", HERE),
            &[SAVED, RESOLV_CONF],
            "127.0.0.1",
        ),
    ];
    for (what, machine, ours, expected, server) in rows {
        let plan = plan(&machine, &ours).unwrap_or_else(|refused| panic!("{what}: {refused}"));
        assert_eq!(steps(&plan), expected, "{what}");
        assert_eq!(plan.server.to_string(), server, "{what}");
        for step in &plan.prepare {
            if let Step::Write { path, text, .. } = step {
                let loaded = crate::config::from_text(path, text, &crate::config::Disk, 0).unwrap();
                assert!(!loaded.config.upstream.servers.contains(&Server::System), "{what}: {text}");
            }
        }
    }
}

#[test]
fn what_cannot_be_is_refused_with_a_way_out() {
    let held_by = |name: &str, arguments: &[&str], files: &[(&str, &str)]| {
        let mut machine = machine(files, ENABLED, &[]);
        machine.holders = vec![holder("127.0.0.1:53", process(5, name, arguments))];
        machine
    };
    let mut unknown = machine(&[ROUTER], ENABLED, &[]);
    unknown.holders = vec![Holder { processes: Vec::new(), ..holder("127.0.0.1:53", process(5, "x", &[])) }];
    let plain = || machine(&[ROUTER], ENABLED, &[]);
    let mut blocklist = held_by("dnsmasq", &["dnsmasq", "-7", "/etc/dnsmasq.d"], &[]);
    blocklist.unfit = vec![PathBuf::from(RESOLV_CONF), PathBuf::from("/etc/dnsmasq.d/blocklist.conf")];
    let mut mounted = plain();
    mounted.is_mounted = true;
    let wanting =
        |text: &str, listen: &str| Ours { wanted: Some(listen.parse().unwrap()), ..ours(text, HERE) };
    for (machine, ours, why, help) in [
        (machine(&[], &["/etc/NIXOS"], &[]), ours("", HERE), "NixOS", "networking.nameservers"),
        (blocklist, ours("", None), "/etc/dnsmasq.d/blocklist.conf is not text", "elsewhere"),
        (mounted, ours("", HERE), "a mount of its own", "--dns"),
        (
            held_by("unbound", &[], &[]),
            ours("", None),
            "unbound (process 5) has 127.0.0.1:53",
            "127.0.0.2:53",
        ),
        (unknown, ours("", None), "another program has 127.0.0.1:53", "sudo"),
        (
            held_by("dnsmasq", &["dnsmasq", "--conf-dir=/etc/NetworkManager/dnsmasq.d"], &[]),
            ours("", None),
            "NetworkManager runs a dnsmasq",
            "dns=dnsmasq",
        ),
        (
            held_by("dnsmasq", &["dnsmasq", "-C", "/opt/x.conf"], &[]),
            ours("", None),
            "its servers where",
            "no-resolv, server=127.0.0.1#5335",
        ),
        (
            held_by(
                "dnsmasq",
                &["dnsmasq", "-7", "/etc/dnsmasq.d"],
                &[("/etc/dnsmasq.conf", "servers-file=/x\n")],
            ),
            ours("", None),
            "its servers where",
            "no-resolv",
        ),
        (
            held_by(
                "dnsmasq",
                &["dnsmasq", "-7", "/etc/dnsmasq.d"],
                &[(RESOLV_CONF, "nameserver 127.0.0.1\n")],
            ),
            ours("", None),
            "whom this machine's resolver asked",
            "servers = ",
        ),
        (held_by("pihole-FTL", &[], &[]), ours("", None), "as in a container", "127.0.0.1#5335"),
        (
            held_by("pihole-FTL", &[], &[("/etc/pihole/pihole.toml", "[dns")]),
            ours("", None),
            "it is not TOML",
            "by hand",
        ),
        (
            held_by("pihole-FTL", &[], &[("/etc/pihole/pihole.toml", "")]),
            ours("[server]\nlisten = [\"127.0.0.1:53\"]\n", None),
            "listen nowhere else",
            "--listen 127.0.0.1:5335",
        ),
        (
            held_by("pihole-FTL", &[], &[("/etc/pihole/pihole.toml", "")]),
            ours("[server]\nlisten = [\"127.0.0.1:5335\"]\n[upstream]\nservers = [\"127.0.0.1\"]\n", None),
            "in a circle",
            "servers",
        ),
        (
            stub(machine(&[], ENABLED, &[RESOLVED])),
            ours("[upstream]\nservers = [\"127.0.0.53\"]\n", HERE),
            "in a circle",
            "servers",
        ),
        (plain(), ours("", Some(&["127.0.0.1:5335"])), "does not listen there", "--listen 127.0.0.1:53"),
        (plain(), wanting("", "127.0.0.1:5335"), "does not listen there", "--listen 127.0.0.1:53"),
        (
            machine(&[ROUTER], &[], &[]),
            ours("", None),
            "stubborn does not run",
            "stubborn run --listen 127.0.0.1:53",
        ),
        (
            plain(),
            Ours { another: Some("/opt/x.toml".into()), ..ours("", HERE) },
            "the running daemon reads /opt/x.toml, and not /etc/stubborn/stubborn.toml",
            "--config /opt/x.toml",
        ),
        (machine(&[ROUTER], &[], &[]), wanting("", "127.0.0.2:53"), "no service to restart", "listen there"),
    ] {
        match plan(&machine, &ours) {
            Err(refused) => {
                assert!(refused.why.contains(why) && refused.help.contains(help), "{why}: {refused:?}")
            }
            Ok(plan) => match &plan.first {
                Some(first) => {
                    assert!(first.why.contains(why) && first.help.contains(help), "{why}: {first:?}")
                }
                None => panic!("{why}: {:?}", steps(&plan)),
            },
        }
    }
}

#[test]
fn the_texts_say_what_is_meant() {
    let plan_of = |machine: &Machine, ours: &Ours| plan(machine, ours).unwrap();
    let plain = plan_of(&machine(&[ROUTER], ENABLED, &[]), &ours("", HERE));
    assert_eq!(text(&plain, RESOLV_CONF), format!("{HEADER}nameserver 127.0.0.1\nsearch lan\n"));
    assert!(text(&plain, SAVED).ends_with("\nnameserver 192.168.1.1\nsearch lan\n"));
    assert!(!plain.is_behind);

    let behind = plan_of(
        &stub(machine(&[(UPLINK, "nameserver fe80::1%eth0\nnameserver 9.9.9.9\n")], ENABLED, &[RESOLVED])),
        &ours("", HERE),
    );
    assert!(
        text(&behind, RESOLVED_CONF)
            .ends_with("[Resolve]\nDNS=\nDNS=127.0.0.1\nDomains=~.\nCache=no\nDNSOverTLS=no\n")
    );
    assert!(text(&behind, SAVED).ends_with("nameserver fe80::1%eth0\nnameserver 9.9.9.9\n"));
    assert!(behind.is_behind);

    let mut dnsmasq = machine(
        &[
            ("/etc/dnsmasq.conf", "server=8.8.8.8\nserver=/corp/10.0.0.1\nconf-dir=/etc/dnsmasq.d/,*.conf\n"),
            ROUTER,
        ],
        ENABLED,
        &[],
    );
    dnsmasq.holders = vec![holder("0.0.0.0:53", process(5, "dnsmasq", &["dnsmasq"]))];
    let dnsmasq = plan_of(&dnsmasq, &ours("# mine\n", None));
    assert_eq!(
        text(&dnsmasq, "/etc/dnsmasq.conf"),
        "# stubborn setup: server=8.8.8.8\nserver=/corp/10.0.0.1\nconf-dir=/etc/dnsmasq.d/,*.conf\n"
    );
    assert_eq!(
        text(&dnsmasq, "/etc/dnsmasq.d/stubborn.conf"),
        format!("{HEADER}no-resolv\nserver=127.0.0.1#5335\n")
    );
    let config = text(&dnsmasq, "/etc/stubborn/stubborn.toml");
    assert!(
        config.contains("listen = [\"127.0.0.1:5335\"]") && config.contains("servers = [\"8.8.8.8\"]"),
        "{config}"
    );
    let resolv_conf = text(&dnsmasq, RESOLV_CONF);
    assert!(resolv_conf.contains("nameserver 127.0.0.1\n"));

    let mut pihole =
        machine(&[("/etc/pihole/pihole.toml", "[dns]\nupstreams = [\"8.8.8.8#53\"]\n")], ENABLED, &[]);
    pihole.holders = vec![holder("0.0.0.0:53", process(5, "pihole-FTL", &[]))];
    let pihole = plan_of(&pihole, &ours("", None));
    assert!(text(&pihole, "/etc/stubborn/stubborn.toml").contains("servers = [\"8.8.8.8\"]"));
    let undone: Vec<String> = pihole
        .switch
        .iter()
        .rev()
        .filter_map(|step| match step {
            Step::Run { undo, .. } => Some(undo.join(" ")),
            Step::Write { .. } => None,
        })
        .collect();
    assert_eq!(
        undone,
        ["pihole-FTL --config dns.upstreams [\"8.8.8.8#53\"]", "systemctl restart pihole-FTL"]
    );

    let wanted = Ours { wanted: Some("127.0.0.2:53".parse().unwrap()), ..ours("", HERE) };
    let moved = plan_of(&machine(&[ROUTER], ENABLED, &[]), &wanted);
    assert!(text(&moved, "/etc/stubborn/stubborn.toml").contains("listen = [\"127.0.0.2:53\"]"));
    assert_eq!(steps(&moved)[1], "first systemctl restart stubborn");
    assert_eq!(moved.server.to_string(), "127.0.0.2");
}

#[test]
fn the_daemon_looks_where_the_servers_are_saved() {
    assert!(crate::upstream::SYSTEM_FILES.iter().any(|(path, _)| *path == SAVED_SERVERS));
}

#[test]
fn what_goes_past_stubborn_is_said() {
    let mut vpn = stub(machine(
        &[
            (UPLINK, "nameserver 192.168.1.1\n"),
            ("/etc/systemd/resolved.conf", "[Resolve]\nDNSOverTLS=opportunistic\n"),
        ],
        ENABLED,
        &[RESOLVED],
    ));
    let link = |name: &str, domain: &str| Link {
        name: name.into(),
        servers: vec!["10.0.0.1".into()],
        domains: vec![domain.into()],
        managed: false,
    };
    vpn.links = vec![link("tun0", "corp.example"), link("wg0", ".")];
    let mut monitoring = ours("", HERE);
    if let Some(running) = &mut monitoring.running {
        running.only_monitors = true;
    }
    let warnings = plan(&vpn, &monitoring).unwrap().warnings.join("\n");
    for part in [
        "tun0 is for names below corp.example (10.0.0.1)",
        "10.0.0.1 for every name too, by wg0",
        "in the clear",
        "monitor",
    ] {
        assert!(warnings.contains(part), "no {part:?} in {warnings}");
    }
    let dhcpcd = plan(&machine(&[ROUTER], ENABLED, &["dhcpcd", "dockerd"]), &ours("", HERE)).unwrap();
    assert!(dhcpcd.warnings[0].contains("nohook resolv.conf"));
    assert!(dhcpcd.warnings[1].contains("/etc/docker/daemon.json"));
    let by_hand = plan(&machine(&[ROUTER], &[], &[]), &ours("", HERE)).unwrap();
    assert!(by_hand.warnings[0].contains("starts with the machine"));
}
