//! The configuration as a user meets it: the shipped file, what is accepted, and what each mistake is told.
//!
//! `tests/config/invalid/*.toml` are mistakes, the `*.stderr` beside them what is said about them; to write those
//! anew after a change of wording, run with `UPDATE_GOLDEN=1` and read the difference.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use stubborn::config::{self, Config, ConfigErrors, Disk, Files, Loaded, TABLES};
use stubborn::dns::Name;
use stubborn::policy::{self, ExceptionMode, Mode, OnBlock, PRESETS, Profile, Shape};
use stubborn::resolve::Types;
use stubborn::telemetry::{Format, Level, QueryLog};
use stubborn::upstream::Server;

/// 2026-11-21T00:00:00Z
const NOW: i64 = 1_795_219_200;

const SHIPPED: &str = include_str!("../etc/stubborn.toml");

/// No files beside the main one.
struct Nothing;

impl Files for Nothing {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn read(text: &str) -> Result<Loaded, ConfigErrors> {
    config::from_text(Path::new("stubborn.toml"), text, &Nothing, NOW)
}

fn accepted(text: &str) -> Config {
    let loaded = read(text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(loaded.warnings, [], "warnings");
    loaded.config
}

fn files(directory: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new("tests/config").join(directory)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths
}

/// The shipped file with its examples taken in: lines whose `#` is not followed by a blank.
fn with_examples(text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(example) if example.starts_with(|c: char| c == '[' || c.is_ascii_alphabetic()) => example,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_file_is_the_default() {
    assert_eq!(accepted(SHIPPED), Config::default());
    assert_eq!(accepted(""), Config::default());
}

#[test]
fn the_examples_of_the_shipped_file_are_valid() {
    let config = accepted(&with_examples(SHIPPED));
    assert_eq!(config.guard.exceptions.len(), 4);
    assert_eq!(config.routes.len(), 3);
    assert_eq!(config.locals.len(), 1);
}

#[test]
fn the_shipped_file_names_every_key_and_preset() {
    let text = with_examples(SHIPPED);
    let mut section = String::new();
    let mut written = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
            written.push((String::new(), section.clone()));
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            written.push((section.clone(), key.to_owned()));
        }
    }
    for table in TABLES {
        for key in table.keys {
            let wanted = (table.table.to_owned(), (*key).to_owned());
            assert!(written.contains(&wanted), "{} is not in the shipped file", wanted.1);
            let explained =
                SHIPPED.contains(&format!("# {key} (")) || SHIPPED.contains(&format!("# {key}: "));
            assert!(explained || table.table.is_empty(), "{key} is not explained");
        }
    }
    for preset in PRESETS {
        assert!(SHIPPED.contains(preset.name), "{} is not in the shipped file", preset.name);
    }
    assert!(SHIPPED.lines().all(|line| line.chars().count() <= 120), "lines are too long");
}

#[test]
fn every_mistake_is_told_as_it_was() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = String::new();
    let paths = files("invalid");
    assert!(paths.len() >= 35);
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let said = match config::from_text(&path, &text, &Disk, NOW) {
            Err(errors) => format!("{errors}\n"),
            Ok(_) => panic!("{} is accepted", path.display()),
        };
        let golden = path.with_extension("stderr");
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if update {
            std::fs::write(&golden, &said).unwrap();
        } else if said != expected {
            writeln!(wrong, "{}:\n{said}expected:\n{expected}", path.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_golden_file_has_its_mistake() {
    for entry in std::fs::read_dir("tests/config/invalid").unwrap() {
        let path = entry.unwrap().path();
        assert!(path.is_dir() || path.with_extension("toml").exists(), "{}", path.display());
    }
}

#[test]
fn valid_files_are_accepted() {
    for path in files("valid") {
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = config::from_text(&path, &text, &Disk, NOW).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(loaded.warnings, [], "{}", path.display());
    }
}

#[test]
fn routes_and_wildcards_that_cover_strangers_names_get_a_warning() {
    let route = |domain: &str, servers: &str, rest: &str| {
        format!("[[route]]\ndomain = \"{domain}\"\nservers = [{servers}]\n{rest}\n")
    };
    let local = |name: &str| format!("[[local]]\nname = \"{name}\"\naddresses = [\"10.0.0.1\"]\n");
    let (inside, outside) = ("\"192.168.1.1\"", "\"9.9.9.9\"");
    let networks = "networks = [\"192.168.0.0/16\"]";
    for (text, warned) in [
        (route("corp.example", inside, ""), None),
        (route("corp.example", outside, ""), Some("9.9.9.9 is not an inside address")),
        (route("corp.example", "\"10.0.0.1\", \"9.9.9.9\"", ""), Some("may not have inside addresses")),
        (route("corp.example", outside, networks), None),
        (route("corp.example", outside, "networks = []"), None),
        (route("corp.example", "", ""), None),
        (route("com", inside, ""), Some("\"com\" is a public suffix")),
        (route("com", inside, "networks = []"), Some("\"com\" is a public suffix")),
        (route("com", "", ""), Some("asks no server for any of them")),
        (route("duckdns.org", inside, networks), Some("they may answer with 192.168.0.0/16")),
        (route("nip.io", outside, networks), Some("they may answer with 192.168.0.0/16")),
        (route("me.duckdns.org", inside, ""), None),
        (route("home.arpa", inside, ""), None),
        (route("lan", inside, ""), None),
        ("[[route]]\npreset = \"tailscale\"\n".to_owned(), None),
        ("[[route]]\npreset = \"tailscale\"\nservers = []\n".to_owned(), None),
        (
            "[[route]]\npreset = \"tailscale\"\ndomain = \"com\"\n".to_owned(),
            Some("\"com\" is a public suffix"),
        ),
        (local("*.com"), Some("answers them all with 10.0.0.1")),
        (local("*.duckdns.org"), Some("answers them all with 10.0.0.1")),
        (local("*.nip.io"), Some("answers them all with 10.0.0.1")),
        (local("duckdns.org"), None),
        (local("*.me.duckdns.org"), None),
        (local("*.test"), None),
        (local("*.home.arpa"), None),
    ] {
        let warnings = read(&text).unwrap_or_else(|errors| panic!("{text}\n{errors}")).warnings;
        let lines: Vec<String> = warnings.iter().map(|warning| warning.one_line()).collect();
        match warned {
            None => assert_eq!(lines, [""; 0], "{text}"),
            Some(part) => {
                assert_eq!(lines.len(), 1, "{text}: {lines:?}");
                assert!(lines[0].starts_with("stubborn.toml:2:") || text.contains("preset"), "{lines:?}");
                assert!(lines[0].contains(part), "{text}: {lines:?}");
            }
        }
    }
}

#[test]
fn what_is_allowed_and_hardly_meant_gets_a_warning_at_its_place() {
    let server = |listen: &str, clients: &str| {
        format!("[server]\nlisten = [\"{listen}\"]\nallow-clients = [{clients}]\n")
    };
    let exception =
        |networks: &str| format!("[[exception]]\ndomain = \"nas.example.org\"\nnetworks = [{networks}]\n");
    let any = "\"any\"";
    for (text, line, warned) in [
        (server("127.0.0.1", any), 0, None),
        (server("0.0.0.0", "\"loopback\", \"private\""), 0, None),
        (server("0.0.0.0", "\"private\", \"203.0.113.0/24\""), 0, None),
        (server("0.0.0.0", any), 3, Some("0.0.0.0/0 may ask, and 0.0.0.0:53 can be reached")),
        (server("::", any), 3, Some("[::]:53 can be reached")),
        (server("203.0.113.7:5353", any), 3, Some("203.0.113.7:5353 can be reached")),
        (server("192.168.1.2", "\"::/0\""), 3, Some("::/0 may ask")),
        (server("0.0.0.0", "\"0.0.0.0/1\", \"128.0.0.0/1\""), 3, Some("0.0.0.0/0 may ask")),
        (server("::1:53", "\"loopback\""), 2, Some("write \"[::1]:53\" if it is the port")),
        ("[metrics]\nlisten = \"0.0.0.0:9353\"\nallow-clients = [\"any\"]\n".into(), 3, Some("may read")),
        ("[guard]\nunblock = [\"127.0.0.0/8\"]\n".into(), 2, Some("127.0.0.0/8 (loopback)")),
        ("[guard]\nblock = [\"0.0.0.0/1\", \"128.0.0.0/1\"]\n".into(), 2, Some("large part of the Internet")),
        (exception("\"0.0.0.0/0\""), 3, Some("0.0.0.0/0 is far more than one network")),
        (exception("\"10.0.0.0/8\", \"169.0.0.0/8\""), 3, Some("169.254.0.0/16 (link-local)")),
        (
            "[[route]]\ndomain = \"corp.example\"\nservers = [\"10.0.0.1\"]\nnetworks = [\"::/0\"]\n".into(),
            4,
            Some("::/0 is far more"),
        ),
        ("[upstream]\nservers = [\"9.9.9.9:853\"]\n".into(), 2, Some("port 853 is for DNS over TLS")),
        (
            "[upstream]\nservers = [\"2620:fe::fe:53\"]\n".into(),
            2,
            Some("\"[2620:fe::fe]:53\" if it is the port"),
        ),
        (
            "[[route]]\ndomain = \"corp.example\"\nservers = [\"10.0.0.1:443\"]\n".into(),
            3,
            Some("port 443 is for DNS over HTTPS"),
        ),
    ] {
        let warnings = read(&text).unwrap_or_else(|errors| panic!("{text}\n{errors}")).warnings;
        let lines: Vec<String> = warnings.iter().map(|warning| warning.one_line()).collect();
        match warned {
            None => assert_eq!(lines, [""; 0], "{text}"),
            Some(part) => assert!(
                lines.len() == 1
                    && lines[0].starts_with(&format!("stubborn.toml:{line}:"))
                    && lines[0].contains(part),
                "{text}: {lines:?}"
            ),
        }
    }
}

#[test]
fn every_key_reaches_its_setting() {
    let text = std::fs::read_to_string("tests/config/valid/everything.toml").unwrap();
    let config = accepted(&text);
    let default = Config::default();
    let seconds = std::time::Duration::from_secs;

    let server = &config.server;
    assert_eq!(server.listen, ["0.0.0.0:53", "[::1]:53", "[fd00::1]:5353"].map(|a| a.parse().unwrap()));
    assert_eq!(server.allow_clients.len(), 2 + 1 + 1);
    assert_eq!((server.workers, server.tcp_connections), (Some(2), 64));
    assert_eq!((server.tcp_connections_per_client, server.tcp_idle_timeout), (8, seconds(30)));

    let shown: Vec<String> = config.upstream.servers.iter().map(|server| format!("{server:?}")).collect();
    assert_eq!(config.upstream.servers.len(), 4, "{shown:?}");
    assert_eq!(config.upstream.servers[0], Server::System);
    assert_eq!(config.upstream.timeout.as_millis(), 1500);

    let guard = &config.guard;
    assert_eq!((guard.mode, guard.profile), (Mode::Monitor, Profile::Strict));
    assert_eq!((guard.on_block, guard.block_ttl), (OnBlock::Nxdomain, seconds(60)));
    assert_eq!((guard.block.len(), guard.own_addresses, guard.nat64.len()), (2, false, 1));
    assert!(guard.block[1].1.to_string().ends_with("stubborn.toml:25"), "{}", guard.block[1].1);
    assert!(guard.unblock.len() >= 3);

    let exception = &guard.exceptions[0];
    assert_eq!(exception.domain, Name::from_text("nas.example.org").unwrap());
    assert_eq!((exception.exact, exception.shape), (true, Shape::AddressInName));
    assert_eq!(exception.networks, ["192.168.0.0/16", "10.1.2.3/32"].map(|net| net.parse().unwrap()));
    assert_eq!(exception.clients, ["192.168.1.0/24"].map(|net| net.parse().unwrap()));
    assert_eq!((exception.until, exception.mode), (Some(1_801_350_000), ExceptionMode::Monitor));
    assert_eq!(exception.reason.as_deref(), Some("testing"));
    assert_eq!(exception.origin.to_string(), "stubborn.toml:30");

    let nip = &guard.exceptions[1];
    assert_eq!((nip.preset, nip.shape), (Some("nip-io"), Shape::AddressInName));
    assert_eq!((nip.networks.len(), nip.clients.len()), (1, 1));

    assert_eq!(config.routes.len(), 4);
    assert_eq!(config.routes[0].trust.networks, policy::default_networks());
    assert_eq!(config.routes[1].trust.domain, Name::from_text("ts.net").unwrap());
    assert_eq!(config.routes[1].trust.networks.len(), 2);
    assert_eq!(config.routes[2].trust.networks, []);
    assert_eq!((config.routes[3].servers.len(), config.routes[3].trust.networks.len()), (0, 0));
    let locals: Vec<_> = config.locals.iter().map(|local| (local.name.to_string(), local.wildcard)).collect();
    assert_eq!(locals, [("test".to_owned(), true), ("test".to_owned(), false), ("nas".to_owned(), false)]);

    let types: Vec<Types> = config.locals.iter().map(|local| local.types).collect();
    assert_eq!(types, [Types::Addresses, Types::All, Types::Addresses]);

    let names = &config.names;
    assert_eq!(names.hosts_files.len(), 2);
    assert!(!names.firefox_canary && !names.private_relay && !names.designated_resolver);

    let cache = &config.cache;
    assert_eq!((cache.size, cache.max_ttl, cache.negative_max_ttl), (1 << 30, seconds(7200), seconds(60)));
    assert_eq!((cache.serve_stale, cache.prefetch), (seconds(0), false));
    assert_eq!((config.log.level, config.log.format), (Level::Debug, Format::Journald));
    assert_eq!(config.log.queries, QueryLog::WithoutNames);

    assert_eq!(config.control.socket, Some(PathBuf::from("/run/user/1000/stubborn.sock")));
    assert_eq!(accepted("[control]\nsocket = \"off\"").control.socket, None);

    let metrics = &config.metrics;
    assert_eq!(metrics.listen, Some("0.0.0.0:9353".parse().unwrap()));
    assert_eq!(
        (metrics.allow_clients.len(), metrics.hosts.join(" ").as_str()),
        (3, "metrics.example 10.0.0.1")
    );

    // Nothing was left at its default, so a key that is read but dropped would show.
    assert_ne!(config.server, default.server);
    assert_ne!(config.names, default.names);
}

#[test]
fn presets_give_what_their_rows_say() {
    for preset in PRESETS {
        let own = format!("\ndomain = \"me.{}\"", preset.domains[0]);
        let domain = if preset.scope == policy::Scope::OwnName { own.as_str() } else { "" };
        let config = accepted(&format!("[[exception]]\npreset = \"{}\"{domain}", preset.name));
        let expected = if domain.is_empty() { preset.domains.len() } else { 1 };
        assert_eq!(config.guard.exceptions.len(), expected, "{}", preset.name);
        for exception in config.guard.exceptions {
            assert_eq!(exception.networks, preset.networks());
            assert_eq!((exception.shape, exception.exact), (preset.shape, preset.exact));
            assert_eq!(exception.preset, Some(preset.name));
            assert_eq!(exception.origin.to_string(), "stubborn.toml:1");
        }
    }
}

#[test]
fn an_exception_that_is_over_is_a_warning() {
    let text = "[[exception]]\ndomain = \"nas.example.org\"\nuntil = 2020-01-01T00:00:00Z\n";
    let loaded = read(text).unwrap();
    assert_eq!(loaded.config.guard.exceptions.len(), 1);
    assert_eq!(
        loaded.warnings[0].one_line(),
        "stubborn.toml:3:9: exception.until: this moment is over, so the exception no longer holds (remove it, or set a later moment)"
    );
    assert!(loaded.warnings[0].to_string().starts_with("warning: exception.until: "));
}

#[test]
fn included_files_add_to_the_main_file() {
    let directory = tempfile::tempdir().unwrap();
    let main = directory.path().join("stubborn.toml");
    let more = directory.path().join("conf.d");
    std::fs::create_dir(&more).unwrap();
    std::fs::write(&main, "include = [\"conf.d/*.toml\", \"conf.d/a*\"]\n[guard]\nmode = \"monitor\"\n")
        .unwrap();
    std::fs::write(more.join("b.toml"), "[[exception]]\npreset = \"plex\"\n").unwrap();
    std::fs::write(more.join("a.toml"), "\n[[exception]]\ndomain = \"nas.example.org\"\n").unwrap();
    std::fs::write(more.join("a.txt"), "[[local]]\nname = \"pc\"\naddresses = [\"10.0.0.1\"]\n").unwrap();
    std::fs::write(more.join("c.toml.bak"), "not read").unwrap();

    let loaded = config::load(Some(&main)).unwrap();
    let files = ["a.toml", "b.toml", "a.txt"].map(|file| more.join(file));
    assert_eq!(loaded.files, [vec![main.clone()], files.to_vec()].concat());
    assert_eq!(loaded.directories, std::slice::from_ref(&more));
    let exceptions = &loaded.config.guard.exceptions;
    assert_eq!(exceptions.len(), 2);
    assert_eq!(exceptions[0].origin.to_string(), format!("{}:2", more.join("a.toml").display()));
    assert_eq!(loaded.config.locals.len(), 1);

    std::fs::write(more.join("b.toml"), "[guard]\nmode = \"monitor\"\n[[local]]\nname = \"nas\"\n").unwrap();
    let errors = config::load(Some(&main)).unwrap_err();
    let lines: Vec<String> = errors.errors.iter().map(|error| error.one_line()).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("b.toml:1:2: \"guard\" may not stand in an included file"), "{lines:?}");
    assert!(lines[1].contains("b.toml:3:1: local.addresses: "), "{lines:?}");
    assert_eq!(errors.files, loaded.files);
    assert_eq!(errors.directories, loaded.directories);
}

#[test]
fn every_error_is_told_at_once_and_in_order() {
    let text = "[log]\nlevel = 3\n[guard]\nmode = \"x\"\nblock = [\"1\", \"2\", \"10.0.0.0/8\"]\n[server]\nx = = 1\n[[local]]\n";
    let errors = read(text).unwrap_err().errors;
    let lines: Vec<u32> = errors.iter().filter_map(|error| Some(error.place.as_ref()?.line)).collect();
    assert_eq!(lines, [2, 4, 5, 5, 7]);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        if let Err(errors) = read(&text) {
            prop_assert!(!errors.to_string().is_empty());
        }
    }

    #[test]
    fn no_run_of_lines_makes_the_reader_panic(
        lines in proptest::collection::vec(
            prop_oneof![
                proptest::sample::select(SHIPPED.lines().collect::<Vec<_>>()).prop_map(str::to_owned),
                proptest::sample::select(with_examples(SHIPPED).lines().map(str::to_owned).collect::<Vec<_>>()),
                "[a-z\\[\\]\"'=.,{}0-9 -]{0,24}",
                "(domain|until|networks|preset|listen|size|include) = .{0,16}",
            ],
            0..24,
        )
    ) {
        if let Err(errors) = read(&lines.join("\n")) {
            for error in &errors.errors {
                let shown = error.to_string();
                prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{}", shown);
                prop_assert_eq!(error.one_line().lines().count(), 1);
            }
        }
    }

    #[test]
    fn no_value_makes_the_reader_panic(key in 0_usize..64, value in "\\PC{0,24}") {
        let keys: Vec<(String, &str)> = TABLES.iter()
            .flat_map(|table| table.keys.iter().map(|key| (table.heading(), *key)))
            .filter(|(heading, _)| heading.starts_with('['))
            .collect();
        let (heading, key) = &keys[key % keys.len()];
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        for value in [format!("\"{quoted}\""), format!("[\"{quoted}\"]"), value] {
            let _ = read(&format!("{heading}\n{key} = {value}\n"));
        }
    }

    #[test]
    fn a_domain_reads_back_as_it_is_shown(domain in "[a-zA-Z0-9_-]{1,20}\\.([a-z0-9ü-]{1,20}\\.){1,3}(com|org|example|internal)\\.?") {
        if let Ok(loaded) = read(&format!("[[exception]]\ndomain = \"{domain}\"")) {
            let shown = loaded.config.guard.exceptions[0].domain.to_string();
            let again = accepted(&format!("[[exception]]\ndomain = \"{shown}\""));
            prop_assert_eq!(&again.guard.exceptions[0].domain, &loaded.config.guard.exceptions[0].domain);
        }
    }
}
