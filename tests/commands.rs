//! The operator's commands as the operator runs them: the built program, its output, its exit codes, and a running daemon that
//! takes what they write.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands, and shows a log then"
)]

mod support;

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use stubborn::audit::wire::{self, Record, code};
use stubborn::config;
use support::{TempConfig, TestDaemon, Zone};

const NAS: &str = "nas.example.org";
const INSIDE: &str = "192.168.1.20";

/// A configuration with comments everywhere.
const COMMENTED: &str = "# The house.\n\n[log]\nlevel = \"info\" # as it is\n\n# Plex, for the television.\n[[exception]]\npreset = \"plex\"\n\n# The cache is small here.\n[cache]\nsize = \"1MiB\"\n# the end\n";

fn stubborn(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stubborn")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn with_input(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stubborn"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What it prints, after it ended with `code`.
#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// Runs a command on a configuration file.
#[track_caller]
fn on(path: &Path, arguments: &str, code: i32) -> String {
    let mut words: Vec<&str> = arguments.split_whitespace().collect();
    words.extend(["--config", path.to_str().unwrap()]);
    said(&stubborn(&words), code)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

// ------------------------------------------------------------------------------------------------ allow and disallow

#[test]
fn a_daemon_takes_what_is_allowed_and_what_is_not_any_more() {
    let upstream = Zone::new().addresses(NAS, &[INSIDE]).serve();
    let daemon = TestDaemon::start(upstream.address(), COMMENTED);
    let path = daemon.config().path();
    daemon.ask(NAS, code::A).assert_blocked();

    let from = daemon.lines();
    let socket = daemon.control();
    let socket = socket.to_str().unwrap();
    let words = ["allow", NAS, "--exact", "--to", INSIDE, "--socket", socket];
    let text = said(&stubborn(&words), 0);
    assert!(text.starts_with("nas.example.org may answer with 192.168.1.20/32: written to "), "{text}");
    assert!(text.contains("; in use now (generation "), "{text}");
    assert!(text.contains("\n\n[[exception]]\ndomain = \"nas.example.org\"\nexact = true\nnetworks = [\"192.168.1.20/32\"]\n"), "{text}");
    daemon.wait_for_line(from, &["reloaded", "+1 exception"]);
    daemon.ask(NAS, code::A).assert_addresses(&[INSIDE]);
    let written = fs::read_to_string(&path).unwrap();
    for line in COMMENTED.lines() {
        assert!(written.lines().any(|other| other == line), "{line:?} is gone from\n{written}");
    }

    let from = daemon.lines();
    said(&stubborn(&["disallow", NAS, "--socket", socket]), 0);
    daemon.wait_for_line(from, &["reloaded", "−1 exception"]);
    daemon.ask(NAS, code::A).assert_blocked();
    assert_eq!(fs::read_to_string(&path).unwrap(), COMMENTED);
}

#[test]
fn what_the_log_offers_can_be_pasted() {
    let upstream = Zone::new().addresses(NAS, &[INSIDE, "fd00::20"]).serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    for (qtype, address) in [(code::A, INSIDE), (code::AAAA, "fd00::20")] {
        let from = daemon.lines();
        daemon.ask(NAS, qtype).assert_blocked();
        let (_, line) = daemon.wait_for_line(from, &["blocked", "allow=", address]);
        let command = line.split_once("allow=\"stubborn ").unwrap().1.split('"').next().unwrap().to_owned();
        let from = daemon.lines();
        said(&stubborn(&command.split(' ').collect::<Vec<_>>()), 0);
        daemon.wait_for_line(from, &["reloaded"]);
        daemon.ask(NAS, qtype).assert_addresses(&[address]);
    }
}

#[test]
fn a_name_that_is_a_command_is_not_offered_as_one() {
    let evil = r"$(reboot)\032x.example.org";
    let text = said(&stubborn(&["explain", evil, "--answer", INSIDE, "--config", "/dev/null"]), 0);
    assert!(text.contains("to allow  an [[exception]] written by hand"), "{text}");
    assert!(!text.contains("stubborn allow"), "{text}");
}

/// Text that would control a terminal, end a line, reorder it or hide in it: C0, C1 as octets and as UTF-8, DEL, U+202E, U+200B,
/// and octets that are not UTF-8.
const HOSTILE: &[u8] = b"\x1b]0;x\x07\r\nEVIL\x9b31m\xc2\x9b\x7f\xe2\x80\xae\xe2\x80\x8b\xff\"\\";

#[test]
fn nothing_from_an_upstream_controls_the_terminal() {
    let text = [&[u8::try_from(HOSTILE.len()).unwrap()], HOSTILE].concat();
    let name = [&text[..], b"\x07example\0"].concat();
    let parts = |parts: &[&[u8]]| parts.concat();
    let alpn = wire::tlv(1, &text);
    let opaque = wire::tlv(0xfe01, HOSTILE);
    let cases: [(u16, Vec<u8>); 16] = [
        (2, name.clone()),
        (12, name.clone()),
        (6, parts(&[&name, &name, &[0; 20]])),
        (13, parts(&[&text, &text])),
        (15, parts(&[&[0, 1], &name])),
        (16, parts(&[&text, &text])),
        (17, parts(&[&name, &name])),
        (19, text.clone()),
        (33, parts(&[&[0, 1, 0, 1, 0, 80], &name])),
        (35, parts(&[&[0, 1, 0, 1], &text, &text, &text, &name])),
        (46, parts(&[&[0, 1, 8, 2], &[0; 14], &name, HOSTILE])),
        (47, parts(&[&name, &[0, 1, 0x40]])),
        (65, parts(&[&[0, 1], &name, &alpn, &opaque])),
        (99, text.clone()),
        (256, parts(&[&[0, 1, 0, 1], HOSTILE])),
        (257, parts(&[&[0], &text, HOSTILE])),
    ];
    for (rtype, rdata) in cases {
        let record = Record::new(rtype, rdata);
        let upstream = Zone::new()
            .reply("evil.example", move |asked| {
                let error = wire::opt(1232, 0, 0, 0, &[(wire::EDE, &wire::ede(15, HOSTILE))]);
                asked.reply().answer([record.clone()]).additional([error])
            })
            .serve();
        let (rtype, server) = (format!("TYPE{rtype}"), upstream.address().to_string());
        for more in [&[][..], &["--json"]] {
            let mut words =
                vec!["explain", "evil.example", &rtype, "--upstream", &server, "--config", "/dev/null"];
            words.extend(more);
            let output = stubborn(&words);
            let text = said(&output, 0);
            assert!(text.contains("EVIL") && text.contains("\\027"), "{rtype}: {text}");
            assert!(text.contains("EDE 15: upstream: "), "{text}");
            let seen = output.stdout.iter().all(|octet| matches!(octet, b' '..=b'~' | b'\n'));
            assert!(seen && !text.contains("\nEVIL"), "{rtype}: {text:?}");
        }
    }
}

#[test]
fn allowing_twice_changes_nothing_the_second_time() {
    let config = TempConfig::new(COMMENTED);
    let path = config.path();
    on(&path, "allow nas.example.org --to 192.168.1.0/24", 0);
    let before = (fs::read_to_string(&path).unwrap(), fs::metadata(&path).unwrap().ino());
    for narrower in ["--to 192.168.1.0/24", "--to 192.168.1.20 --exact", "--to 192.168.1.20 --for 1h"] {
        let text = on(&path, &format!("allow nas.example.org {narrower}"), 0);
        assert!(
            text.starts_with(
                "nothing to do: nas.example.org may already, by the exception for nas.example.org ("
            ),
            "{text}"
        );
    }
    assert_eq!((fs::read_to_string(&path).unwrap(), fs::metadata(&path).unwrap().ino()), before);
}

#[test]
fn a_last_line_without_an_end_is_no_hindrance() {
    let config =
        TempConfig::new("[[exception]]\r\ndomain = \"nas.example.org\"\r\nnetworks = [\"192.168.1.20\"]");
    on(&config.path(), "allow nas.example.org --to 192.168.1.21", 0);
    on(&config.path(), "allow tv.example.org", 0);
    on(&config.path(), "disallow nas.example.org", 0);
    assert_eq!(
        fs::read_to_string(config.path()).unwrap(),
        "[[exception]]\r\ndomain = \"tv.example.org\"\r\n"
    );
}

#[test]
fn a_dry_run_writes_nothing() {
    let config = TempConfig::new(COMMENTED);
    let path = config.path();
    let text = on(&path, "allow nas.example.org --dry-run", 0);
    assert!(text.contains("would be written to") && text.contains("[[exception]]"), "{text}");
    assert!(!text.contains("in use"), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), COMMENTED);
    let absent = config.directory().join("not/there.toml");
    let text = on(&absent, "allow nas.example.org --dry-run", 0);
    assert!(text.contains("which is not there yet"), "{text}");
    assert!(!absent.parent().unwrap().exists());
}

/// A new file with the exception alone would be the whole configuration from then on.
#[test]
fn a_file_that_the_daemon_read_and_that_is_gone_is_not_made_anew() {
    let upstream = Zone::new().addresses(NAS, &[INSIDE]).serve();
    let daemon = TestDaemon::start(upstream.address(), COMMENTED);
    let (path, socket) = (daemon.config().path(), daemon.control());
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside).unwrap();
    let (file, socket) = (path.to_str().unwrap(), socket.to_str().unwrap());
    for words in [
        &["allow", NAS, "--socket", socket] as &[&str],
        &["allow", NAS, "--socket", socket, "--dry-run"],
        &["allow", NAS, "--socket", socket, "--config", file],
        &["disallow", NAS, "--socket", socket],
    ] {
        let text = said(&stubborn(words), 2);
        assert!(text.contains("is gone") && text.contains("Put the file back"), "{words:?}: {text}");
        assert!(!path.exists(), "{words:?}");
    }
    fs::rename(&aside, &path).unwrap();
    said(&stubborn(&["allow", NAS, "--socket", socket]), 0);
}

#[test]
fn a_configuration_is_made_where_there_is_none() {
    let config = TempConfig::new("");
    let path = config.directory().join("etc/stubborn.toml");
    let text = on(&path, "allow nas.example.org", 0);
    assert!(text.contains("which was not there"), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "[[exception]]\ndomain = \"nas.example.org\"\n");
}

#[test]
fn what_check_would_refuse_is_refused() {
    let config = TempConfig::new(COMMENTED);
    let path = config.path();
    for (arguments, parts) in [
        (
            "allow com",
            &["error: DOMAIN: \"com\" is a whole top-level domain; name the domain of one owner"][..],
        ),
        ("allow duckdns.org", &["gives names to everybody"]),
        ("allow *.example.org", &["\"*.example.org\" is not a domain", "write \"example.org\""]),
        ("allow nas.example.org --to foo", &["error: --to: \"foo\" is not a network"]),
        ("allow nas.example.org --client nobody", &["error: --client: \"nobody\""]),
        ("allow --preset nosuch", &["error: --preset: \"nosuch\""]),
        ("allow nas.example.org --to 192.168.1.20/24", &["has host bits set", "192.168.1.0/24"]),
        ("allow nas.example.org --until 2020-01-01T00:00:00Z", &["2020-01-01T00:00:00Z is in the past"]),
        ("disallow nas.example.com", &["there is no exception for nas.example.com"]),
        ("disallow plex.direct", &["the preset \"plex\" (", "take that [[exception]] out"]),
        ("disallow ipv4only.arpa", &["it is built in"]),
    ] {
        let text = on(&path, arguments, 1);
        parts.iter().for_each(|part| assert!(text.contains(part), "{arguments}: no {part:?} in\n{text}"));
    }
    for arguments in [
        "allow",
        "allow a.example --for soon",
        "allow a.example --until soon",
        "allow a.example --for 1h --until 2037-01-01T00:00:00Z",
        "disallow a..example",
        "allow --last nas.example.org",
        "allow nas.example.org --yes",
    ] {
        on(&path, arguments, 2);
    }
    let text = on(&path, "allow --last nas.example.org", 2);
    assert!(text.contains("\n       stubborn allow [OPTIONS] --last [--yes]\n"), "{text}");
    // Not there, so nothing in it can be pointed at.
    let text = on(&config.directory().join("absent.toml"), "allow nas.example.org --to foo", 1);
    assert!(text.contains("error: --to: ") && !text.contains("absent.toml:1"), "{text}");
    assert_eq!(fs::read_to_string(&path).unwrap(), COMMENTED);
    config.write("[guard]\nmode = \"mnitor\"\n");
    assert!(on(&path, "allow nas.example.org", 1).contains("has errors already"));
}

#[test]
fn links_modes_and_included_files_stay_what_they_are() {
    let config = TempConfig::new("include = [\"conf.d/*.toml\"]\n");
    let directory = config.directory();
    fs::create_dir(directory.join("conf.d")).unwrap();
    fs::create_dir(directory.join("real")).unwrap();
    let real = directory.join("real/nas.toml");
    fs::write(&real, "# why\n\n[[exception]]\ndomain = \"nas.example.org\"\nnetworks = [\"192.168.1.20\"]\n")
        .unwrap();
    fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
    let owner = if fs::metadata("/proc/self").unwrap().uid() == 0 {
        12_345
    } else {
        fs::metadata(&real).unwrap().uid()
    };
    std::os::unix::fs::chown(&real, Some(owner), None).unwrap();
    symlink("../real/nas.toml", directory.join("conf.d/nas.toml")).unwrap();

    let text = on(&config.path(), "allow nas.example.org --to 192.168.1.21", 0);
    assert!(
        text.contains("conf.d/nas.toml, line 5")
            && text.contains("\n+networks = [\"192.168.1.20\", \"192.168.1.21/32\"]"),
        "{text}"
    );
    on(&config.path(), "disallow nas.example.org", 0);
    assert_eq!(fs::read_to_string(&real).unwrap(), "# why\n");
    let after = fs::metadata(&real).unwrap();
    assert_eq!((after.mode() & 0o777, after.uid()), (0o640, owner));
    assert!(fs::symlink_metadata(directory.join("conf.d/nas.toml")).unwrap().is_symlink());
    assert_eq!(fs::read_dir(directory.join("real")).unwrap().count(), 1, "something was left beside it");
}

#[test]
fn a_file_that_is_made_elsewhere_is_not_written_but_told_of() {
    let config = TempConfig::new("");
    let at = |name: &str| config.directory().join(name);
    fs::create_dir(at("..2026_11_21")).unwrap();
    fs::write(at("..2026_11_21/a.toml"), COMMENTED).unwrap();
    symlink("..2026_11_21", at("..data")).unwrap();
    symlink("..data/a.toml", at("a.toml")).unwrap();
    let lines = "\n[[exception]]\ndomain = \"nas.example.org\"\nexact = true\n";
    let text = on(&at("a.toml"), "allow nas.example.org --exact", 2);
    assert!(text.contains("mounted from a ConfigMap") && text.contains(lines), "{text}");
    assert_eq!(fs::read_to_string(at("a.toml")).unwrap(), COMMENTED);
    let text = on(Path::new("/nix/store/x/stubborn.toml"), "allow nas.example.org --exact", 2);
    assert!(text.contains("Nix store") && text.contains(lines), "{text}");
    let report = json(&on(&at("a.toml"), "allow nas.example.org --json", 2));
    assert_eq!(report["by_hand"][0]["added"][0], "[[exception]]");
    on(Path::new("/dev/null"), "allow nas.example.org", 2);
}

#[test]
fn programs_read_what_was_done() {
    let config = TempConfig::new(COMMENTED);
    let path = config.path();
    let report = json(&on(&path, "allow nas.example.org --exact --json", 0));
    assert_eq!(
        (&report["changed"], &report["files"][0]["created"]),
        (&Value::Bool(true), &Value::Bool(false))
    );
    let added = &report["files"][0]["changes"][0]["added"];
    assert_eq!(added.as_array().unwrap().len(), 3, "{report}");
    assert_eq!(json(&on(&path, "allow nas.example.org --exact --json", 0))["changed"], false);
    let report = json(&on(&path, "allow com --json", 1));
    assert_eq!(
        (&report["changed"], &report["errors"][0]["key"]),
        (&Value::Bool(false), &"exception.domain".into())
    );
    let report = json(&on(&path, "disallow nsa.example.org --json", 1));
    assert_eq!(report["hints"][0], "did you mean nas.example.org?");
}

#[test]
fn commands_at_the_same_time_lose_nothing_and_readers_see_whole_files() {
    let config = TempConfig::new(COMMENTED);
    let path = config.path();
    let spawn = |number: usize| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stubborn"));
        command.args(["allow", &format!("n{number}.example.org"), "--config"]).arg(&path);
        command.stdout(Stdio::null()).spawn().unwrap()
    };
    let mut running: Vec<_> = (0..16).map(spawn).collect();
    while running.iter_mut().any(|child| child.try_wait().unwrap().is_none()) {
        config::load(Some(&path)).unwrap_or_else(|errors| panic!("{errors}"));
    }
    assert!(running.iter_mut().all(|child| child.wait().unwrap().success()));
    let loaded = config::load(Some(&path)).unwrap();
    assert_eq!(loaded.config.guard.exceptions.len(), 17);
    assert_eq!(fs::read_dir(config.directory()).unwrap().count(), 1, "something was left beside it");
}

// ------------------------------------------------------------------------------------------------------ config, man

#[test]
fn the_template_is_the_shipped_file() {
    let shipped =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("etc/stubborn.toml")).unwrap();
    assert_eq!(said(&stubborn(&["config", "template"]), 0), shipped);
}

#[test]
fn what_is_in_effect_is_a_configuration_itself() {
    let config = TempConfig::new(COMMENTED);
    let text = on(&config.path(), "config show --listen 127.0.0.1:5335", 0);
    let line =
        |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{text}"));
    assert!(line("listen").ends_with("# command line"), "{text}");
    assert!(line("mode = \"enforce\"").ends_with("# default"), "{text}");
    assert!(line("size").ends_with("stubborn.toml:12"), "{text}");
    let shown = TempConfig::new(&text);
    on(&shown.path(), "check", 0);
    let report = json(&on(&config.path(), "config show --json", 0));
    assert_eq!(report["cache"]["size"]["origin"]["line"], 12);
    assert_eq!(report["server"]["listen"]["origin"]["kind"], "default");
    assert_eq!(report["exception"][0]["preset"], "plex");
    config.write("[guard]\nmode = 1\n");
    assert!(on(&config.path(), "config show", 1).contains("guard.mode"));
}

#[test]
fn every_shell_has_completions_and_every_command_a_page() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = said(&stubborn(&["completions", shell]), 0);
        assert!(script.contains("disallow") && script.contains("dry-run"), "{shell}");
    }
    said(&stubborn(&["completions", "tcsh"]), 2);
    let directory = tempfile::tempdir().unwrap();
    said(&stubborn(&["man", "--directory", directory.path().to_str().unwrap()]), 0);
    let names: Vec<PathBuf> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(names.len() >= 13, "{names:?}");
    for page in ["stubborn.8", "stubborn-allow.8", "stubborn.toml.5"] {
        assert!(directory.path().join(page).exists(), "{page}");
    }
    assert!(said(&stubborn(&["man", "config", "show"]), 0).contains("stubborn\\-config\\-show"));
    assert!(said(&stubborn(&["man", "stubborn.toml"]), 0).contains(".SH [[exception]]"));
    assert!(said(&stubborn(&["man", "nosuch"]), 1).contains("stubborn-allow"));
}

// ------------------------------------------------------------------------------------------------------ import, pipes

#[test]
fn an_import_is_written_once_and_checks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stubborn.toml");
    let path = path.to_str().unwrap();
    for (format, file) in [
        ("dnsmasq", "dnsmasq.conf"),
        ("unbound", "unbound.conf"),
        ("uci", "dhcp"),
        ("adguardhome", "AdGuardHome.yaml"),
        ("pihole", "pihole.in.toml"),
        ("blocky", "blocky.yml"),
        ("dnscrypt-proxy", "dnscrypt-proxy.in.toml"),
        ("smartdns", "smartdns.conf"),
    ] {
        let file = format!("{}/tests/import/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = said(&stubborn(&["import", format, &file, "--output", path, "--accept-losses"]), 0);
        assert!(text.contains("settings carried over: "), "{text}");
        said(&stubborn(&["check", "--config", path]), 0);
        said(&stubborn(&["import", format, &file, "--output", path]), 2);
        fs::remove_file(path).unwrap();
    }
    let output = with_input(&["import", "dnsmasq", "-"], "rebind-domain-ok=/a.example/\n");
    assert!(said(&output, 0).contains("domain = \"a.example\""));
    let output = with_input(&["import", "dnsmasq", "-", "--json"], "frob\nserver=9.9.9.9\n");
    let report = json(&said(&output, 0));
    assert_eq!((&report["left"][0]["line"], &report["carried"]), (&1.into(), &1.into()));
    let output = with_input(&["import", "unbound", "-"], "port=53\n");
    let text = said(&output, 2);
    assert!(text.starts_with("error: standard input:1: not a setting of unbound"), "{text}");
    assert!(text.contains("stubborn import dnsmasq"), "{text}");
    said(&stubborn(&["import", "uci", "/nowhere/dhcp"]), 2);
    said(&stubborn(&["import", "bind", "/dev/null"]), 2);
}

#[test]
fn an_import_that_loses_a_server_says_so_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stubborn.toml");
    let path = path.to_str().unwrap();
    let text = "dns:\n  upstream_dns:\n    - https://dns.quad9.net/dns-query\n";
    let output = with_input(&["import", "adguardhome", "-", "--output", path], text);
    let first = String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned();
    said(&output, 1);
    assert!(
        first.starts_with("LOSS: one setting that says who is asked was not carried over (standard input:3:"),
        "{first}"
    );
    assert!(first.contains("/etc/resolv.conf"), "{first}");
    assert!(fs::read_to_string(path).unwrap().starts_with(&format!("# {first}")));
    said(&stubborn(&["check", "--config", path]), 0);
    said(&with_input(&["import", "adguardhome", "-", "--accept-losses"], text), 0);
    let output = with_input(&["import", "adguardhome", "-", "--json"], text);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("LOSS: "));
    assert_eq!(json(&String::from_utf8_lossy(&output.stdout))["losses"][0]["line"], 3);
}

#[test]
fn a_configuration_from_a_pipe_is_read_once() {
    let upstream = Zone::new().addresses(NAS, &[INSIDE]).serve();
    let daemon = TestDaemon::start_piped(upstream.address(), "[[exception]]\ndomain = \"nas.example.org\"\n");
    daemon.ask(NAS, code::A).assert_addresses(&[INSIDE]);
    let from = daemon.lines();
    daemon.signal("HUP");
    daemon.wait_for_line(from, &["reloaded: nothing changed"]);
    daemon.ask(NAS, code::A).assert_addresses(&[INSIDE]);
    let twice = ["explain", NAS, "--answer", INSIDE, "--answer", "fd00::1", "--config", "/dev/stdin"];
    let output = with_input(&twice, "[[exception]]\ndomain = \"nas.example.org\"\n");
    assert!(!said(&output, 0).contains("removed"));
    let output = with_input(&["allow", NAS, "--config", "/dev/stdin"], "");
    assert!(said(&output, 2).contains("it is not a regular file"));
    let output = with_input(&["check", "--config", "/dev/stdin"], "[guard]\nmode = \"mnitor\"\n");
    assert!(said(&output, 1).contains("did you mean \"monitor\"?"));
}

#[test]
fn a_pipe_that_nobody_writes_into_blocks_no_command() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let hosts = TempConfig::new(&format!("[names]\nhosts-files = [{pipe:?}, \"/dev/zero\"]\n"));
    let text = on(&hosts.path(), "check", 0);
    assert!(text.contains("it is a pipe; name a regular file; its names cannot be read"), "{text}");
    assert!(text.contains("/dev/zero: it is a device; name a regular file"), "{text}");
    for command in ["check", "config show", "audit", "explain nas.example.org --answer 1.1.1.1"] {
        let text = on(&pipe, command, 1);
        assert!(text.contains("the file cannot be read: nobody writes into this pipe"), "{command}: {text}");
    }
    let text = on(&pipe, "allow nas.example.org", 2);
    assert!(text.contains("it is not a regular file"), "{text}");
    let text = on(directory.path(), "check", 1);
    assert!(text.contains("it is a directory; name a regular file"), "{text}");
}

#[test]
fn an_audit_leaves_the_configurations_own_names_out() {
    let config = TempConfig::new("[[local]]\nname = \"*.test\"\naddresses = [\"127.0.0.1\"]\n");
    let text = on(&config.path(), "audit", 0);
    let left_out = text.lines().find(|line| line.starts_with("left out: names of your own"));
    assert!(left_out.is_some_and(|line| line.ends_with(" 1")), "{text}");
}

// ----------------------------------------------------------------------------------------------------------- explain

#[test]
fn a_failure_is_explained_server_by_server() {
    let failing = |code: u16, text: &'static str| {
        Zone::new().reply("broken.example", move |asked| {
            let mut message = asked.reply();
            message.flags = message.flags & !0xf | 2;
            message.additional([wire::opt(1232, 0, 0, 0, &[(wire::EDE, &wire::ede(code, text.as_bytes()))])])
        })
    };
    let (bogus, lost) = (failing(6, "").serve(), failing(22, "at ns.example").serve());
    let servers = [bogus.address().to_string(), lost.address().to_string()];
    let mut words = vec!["explain", "broken.example", "--config", "/dev/null"];
    servers.iter().for_each(|server| words.extend(["--upstream", server]));
    let text = said(&stubborn(&words), 0);
    for part in [
        "verdict  failed",
        &format!("asked    {}: SERVFAIL; EDE 6 (DNSSEC bogus)", servers[0]),
        &format!(
            "asked    {}: SERVFAIL; EDE 22 (no reachable authority): upstream: at ns.example",
            servers[1]
        ),
        "to try   ",
        "`stubborn explain broken.example A --upstream SERVER`",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let report = json(&said(&stubborn(&[&words[..], &["--json"]].concat()), 0));
    assert_eq!(report["failure"]["servers"][1]["server"], servers[1]);
}

#[test]
fn a_silent_server_is_waited_for_with_a_word_and_named() {
    let silent = Zone::new().script("silent.example", |_| Vec::new()).serve();
    let server = silent.address().to_string();
    let words = ["explain", "https://silent.example:8443/x", "--config", "/dev/null", "--upstream", &server];
    let output = stubborn(&words);
    let noted = String::from_utf8_lossy(&output.stderr);
    assert!(noted.starts_with(&format!("waiting for {server} …")), "{noted}");
    let text = said(&output, 0);
    for part in
        ["silent.example A, asked by", "no answer in time", &format!("nothing comes back from {server}")]
    {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn a_name_is_escaped_in_the_same_way_wherever_it_is_shown() {
    let (name, shown) = (r"a\.b\032c$\:/.example.org", r"a\046b\032c\036\058\047.example.org");
    let upstream = Zone::new().addresses(name, &[INSIDE]).serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    daemon.ask(name, code::A).assert_blocked();
    let socket = daemon.control();
    let socket = socket.to_str().unwrap();
    let (_, line) = daemon.wait_for_line(0, &["blocked"]);
    assert!(line.contains(shown), "{line}");
    let server = upstream.address().to_string();
    for words in [
        &["explain", name, "--answer", INSIDE, "--config", "/dev/null"][..],
        &["explain", name, "--upstream", &server, "--config", "/dev/null"],
        &["blocked", "--socket", socket],
        &["status", "--socket", socket],
        &["cache", "flush", name, "--socket", socket],
    ] {
        let text = said(&stubborn(words), 0);
        assert!(text.contains(shown), "{words:?}: {text}");
        if words[0] != "cache" {
            let as_json = said(&stubborn(&[words, &["--json"]].concat()), 0);
            assert!(as_json.contains(&shown.replace('\\', r"\\")), "{words:?}: {as_json}");
        }
    }
}
