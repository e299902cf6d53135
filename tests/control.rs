//! What operators ask of the running daemon, and what clients of its control socket may do to it: nothing.

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

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use stubborn::audit::wire::code;
use support::{TestDaemon, Zone};
use support_more::process::PROGRAM;
use support_more::{DEADLINE, Start, ask, until};
use tempfile::TempDir;

/// How a command ended.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs `stubborn` with these words and this socket.
fn stubborn(socket: &Path, words: &[&str]) -> Said {
    let mut command = Command::new(PROGRAM);
    command.args(words).arg("--socket").arg(socket).stdin(Stdio::null());
    let output = command.output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A zone in which `rebind.example` leads inside and `fine.example` does not.
fn zone() -> Zone {
    Zone::new().addresses("rebind.example", &["192.168.1.20"]).addresses("fine.example", &["198.51.101.1"])
}

#[test]
fn the_status_says_what_is_served_asked_kept_and_blocked() {
    let upstream = zone().addresses("ads.example", &["0.0.0.0"]).serve();
    let daemon = TestDaemon::start(upstream.address(), "[cache]\nsize = \"1MiB\"\n");
    for name in
        ["fine.example", "fine.example", "rebind.example", "rebind.example", "ads.example", "localhost"]
    {
        daemon.ask(name, code::A);
    }
    daemon.ask_raw_tcp(&support_more::query("fine.example", code::A).encode());
    daemon.ask_raw(&[0, 7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]);

    let said = stubborn(&daemon.control(), &["status", "--json"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let status = said.json();
    assert_eq!(status["program"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["pid"], daemon.pid());
    assert_eq!((&status["healthy"], &status["problems"]), (&Value::Bool(true), &Value::Array(Vec::new())));
    assert_eq!(status["listeners"], serde_json::json!([daemon.udp().to_string()]));
    assert_eq!(status["policy"]["generation"], 1);
    assert_eq!(status["policy"]["files"], serde_json::json!([daemon.config().path()]));
    assert_eq!(status["config_file"], serde_json::json!(daemon.config().path()));
    assert_eq!(status["config_file_awaited"], Value::Null);
    assert_eq!(status["queries"], serde_json::json!({ "udp": 6, "tcp": 1 }));
    assert_eq!(status["malformed"], 1);
    assert_eq!(
        status["answers"],
        serde_json::json!({ "local": 1, "cache": 3, "stale": 0, "upstream": 3, "failure": 0 })
    );
    assert_eq!(status["rcodes"]["noerror"], 7);
    assert_eq!(status["guard"], serde_json::json!({ "blocked": 2, "sinkhole": 1, "monitored": 0 }));
    assert_eq!(status["rules"]["private-use"]["blocked"], 2);
    assert_eq!(status["rules"]["unspecified"]["sinkhole"], 1);
    let cache = &status["cache"];
    assert_eq!((&cache["entries"], &cache["hits"], &cache["misses"]), (&3.into(), &3.into(), &3.into()));
    assert_eq!(cache["size"], 1 << 20);
    let server = &status["upstreams"][0];
    assert_eq!((&server["server"], &server["up"]), (&upstream.address().to_string().into(), &true.into()));
    assert!(server["round_trip_ms"].as_f64().unwrap() > 0.0, "{server}");
    assert_eq!(server["errors"], 0);
    assert_eq!(
        status["top_blocked"],
        serde_json::json!([{ "name": "rebind.example", "count": 2, "error": 0 }])
    );

    let said = stubborn(&daemon.control(), &["status"]);
    assert_eq!(said.code, 0);
    for part in
        ["all is well", "3 answers", "3 of 6 questions hit (50.0 %)", "private-use", "rebind.example", "up"]
    {
        assert!(said.out.contains(part), "no {part:?} in\n{}", said.out);
    }
    assert!(!said.out.contains('\u{1b}'), "no colour where it is no terminal");
}

#[test]
fn the_status_says_what_is_wrong_by_its_exit_code_too() {
    let upstream = zone().serve();
    let config = "[upstream]\ntimeout = \"300ms\"\n";
    let daemon = TestDaemon::start(upstream.address(), config);
    assert_eq!(stubborn(&daemon.control(), &["status"]).code, 0);

    daemon.config().write("[guard]\nmode = \"off\"\n");
    let said = until("the mistake is noticed", || {
        Some(stubborn(&daemon.control(), &["status"])).filter(|said| said.code == 1)
    });
    assert!(said.out.contains("the configuration was not reloaded: "), "{}", said.out);
    assert!(said.out.contains("stubborn.toml:2:8: guard.mode: \"off\" is not a mode"), "{}", said.out);
    daemon.config().write(config);
    until("the mistake is gone", || {
        Some(stubborn(&daemon.control(), &["status"])).filter(|said| said.code == 0)
    });

    // What the daemon goes on without is a problem until the restart, or until it is changed back.
    for (text, key) in [
        ("[server]\nlisten = [\"127.0.0.1:5353\"]\nworkers = 3\n", "server.workers"),
        ("[cache]\nsize = \"1MiB\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n", "cache, metrics"),
    ] {
        daemon.config().write(text);
        let said = stubborn(&daemon.control(), &["reload"]);
        assert_eq!(said.code, 0, "{said:?}");
        for _ in 0..2 {
            let said = stubborn(&daemon.control(), &["status"]);
            let problem =
                format!("! the configuration file has changes that need a restart ({key}): restart stubborn");
            assert!(said.code == 1 && said.out.contains(&problem), "{said:?}");
            daemon.config().write(&format!("{text}# nothing else\n"));
            stubborn(&daemon.control(), &["reload"]);
        }
        daemon.config().write(config);
        stubborn(&daemon.control(), &["reload"]);
        assert_eq!(stubborn(&daemon.control(), &["status"]).code, 0);
    }

    // Nobody listens on the port of a socket that is gone.
    let gone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let daemon = TestDaemon::start(gone, "");
    assert_eq!(daemon.ask("fine.example", code::A).rcode(), code::SERVFAIL);
    let said = stubborn(&daemon.control(), &["status"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("! no upstream answers") && said.out.contains("down"), "{}", said.out);

    let said = stubborn(Path::new("/nonexistent/control.sock"), &["status"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(
        said.err.contains("no daemon answers at /nonexistent/control.sock; is it running?"),
        "{}",
        said.err
    );
}

#[test]
fn what_was_blocked_is_shown_with_what_would_allow_it() {
    // A name that would command the terminal, if it were shown as it is.
    let upstream =
        zone().addresses("ads.example", &["0.0.0.0"]).addresses("a\\027[2J.example", &["127.0.0.1"]).serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    assert_eq!(stubborn(&daemon.control(), &["blocked"]).out, "nothing was blocked\n");
    for name in ["rebind.example", "rebind.example", "fine.example", "ads.example"] {
        daemon.ask(name, code::A);
    }
    let evil = [b"\x06a\x1b[2Jb\x07example\0".as_slice(), &[0, 1, 0, 1]].concat();
    daemon.ask_raw(&[&[0, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], evil.as_slice()].concat());

    let said = stubborn(&daemon.control(), &["blocked", "--json", "--since", "1h"]);
    let blocks: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((said.code, blocks.len()), (0, 1), "{said:?}");
    let block = &blocks[0];
    let socket = daemon.control();
    let command =
        format!("stubborn allow rebind.example --exact --to 192.168.1.20 --socket {}", socket.display());
    for (key, value) in [
        ("category", "blocked"),
        ("client", "127.0.0.1"),
        ("name", "rebind.example"),
        ("type", "A"),
        ("address", "192.168.1.20"),
        ("range", "192.168.0.0/16"),
        ("rule", "private-use"),
        ("origin", "built-in"),
        ("carrier", "A"),
        ("allow", &command),
    ] {
        assert_eq!(block[key], value, "{key}");
    }
    assert_eq!((&block["times"], &block["addresses"]), (&2.into(), &serde_json::json!(["192.168.1.20"])));

    let said = stubborn(&daemon.control(), &["blocked"]);
    assert!(said.out.contains("rebind.example") && said.out.contains("×2"), "{}", said.out);
    assert!(said.out.contains(&format!("  to allow: {command}\n")), "{}", said.out);
    assert!(!said.out.contains("ads.example"), "{}", said.out);
    let said = stubborn(&daemon.control(), &["blocked", "--all"]);
    assert!(said.out.contains("sinkhole") && said.out.contains("ads.example"), "{}", said.out);
    assert!(!said.out.contains('\u{1b}'), "{}", said.out);
    assert_eq!(stubborn(&daemon.control(), &["blocked", "--since", "0"]).out, "nothing was blocked\n");
    assert_eq!(stubborn(&daemon.control(), &["blocked", "--since", "soon"]).code, 2);
}

#[test]
fn the_exception_that_the_last_block_asks_for_is_proposed_and_written_where_that_is_said() {
    let upstream = zone().addresses("two.example", &["10.0.0.1", "10.0.0.2", "198.51.101.9"]).serve();
    let daemon = TestDaemon::start(upstream.address(), "# The house.\n");
    let config = daemon.config().path();
    let allow = |more: &[&str]| {
        let words = [&["allow", "--last", "--config", config.to_str().unwrap()], more].concat();
        stubborn(&daemon.control(), &words)
    };
    let said = allow(&[]);
    assert_eq!((said.code, said.err.as_str()), (1, "error: nothing was blocked since the daemon started\n"));
    daemon.ask("two.example", code::A);
    daemon.ask("rebind.example", code::A);
    daemon.ask("two.example", code::A);
    let said = allow(&[]);
    let command = format!(
        "stubborn allow two.example --exact --to 10.0.0.1/32 --to 10.0.0.2/32 --config {} --socket {}\n",
        config.display(),
        daemon.control().display()
    );
    assert_eq!((said.code, &said.out), (1, &command), "nobody can be asked: {said:?}");
    assert!(said.err.contains("nothing was written") && said.err.contains("--yes"), "{}", said.err);
    let report = allow(&["--json"]);
    assert_eq!((report.code, &report.json()["command"]), (1, &command.trim_end().into()));
    assert!(said.err.contains("10.0.0.1 is in private-use"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "# The house.\n", "only proposed");
    let said = allow(&["--yes", "--reason", "the printer"]);
    assert_eq!(said.code, 0, "{said:?}");
    until("it is in use", || (daemon.ask("two.example", code::A).addresses().len() == 3).then_some(()));
    daemon.ask("rebind.example", code::A).assert_blocked();
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.starts_with("# The house.\n") && text.contains("reason = \"the printer\""), "{text}");
    for wrong in [&["--last", "--exact"][..], &["--last", "a.example"], &["a.example", "--yes"], &[]] {
        let mut command = Command::new(PROGRAM);
        let output = command.arg("allow").args(wrong).arg("--config").arg(&config).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn the_command_of_a_hint_changes_the_file_that_the_daemon_reads() {
    let upstream = zone().serve();
    let daemon = TestDaemon::start(upstream.address(), "# The house.\n");
    let reply = daemon.ask("rebind.example", code::A);
    let blocked = stubborn(&daemon.control(), &["blocked", "--json"]).json();
    let command = blocked["allow"].as_str().unwrap();
    assert!(reply.errors()[0].1.ends_with(&format!("to allow: {command}")), "{:?}", reply.errors());
    let said = paste(command);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let config = daemon.config().path();
    let first = format!(": written to {}, line 3; in use now (generation ", config.display());
    assert!(said.out.contains(&first), "{}", said.out);
    assert!(said.out.ends_with("may keep the blocked answer for up to 10 s.\n"), "{}", said.out);
    daemon.ask("rebind.example", code::A).assert_addresses(&["192.168.1.20"]);
    let said = stubborn(&daemon.control(), &["allow", "--last"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("nothing to do: rebind.example may already"), "{}", said.out);

    let said = stubborn(&daemon.control(), &["disallow", "rebind.example", "--json"]);
    let report = said.json();
    assert_eq!((said.code, &report["in_use"]), (0, &Value::Bool(true)), "{said:?}");
    assert_eq!(report["config_file"], serde_json::json!(config));
    daemon.ask("rebind.example", code::A).assert_blocked();
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "# The house.\n");

    let other = daemon.config().directory().join("other.toml");
    let said = stubborn(&daemon.control(), &["allow", "rebind.example", "--config", other.to_str().unwrap()]);
    assert_eq!(said.code, 0, "{said:?}");
    let warning = format!("does not read {}, but {}", other.display(), config.display());
    assert!(said.err.contains(&warning) && !said.out.contains("in use"), "{said:?}");
    assert!(other.exists());
}

/// Runs a command as a shell does.
fn paste(command: &str) -> Said {
    let words: Vec<&str> = command.split(' ').collect();
    let output = Command::new(PROGRAM).args(&words[1..]).stdin(Stdio::null()).output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn the_last_block_opens_nothing_that_a_person_has_to_name() {
    let upstream = zone()
        .addresses("loop.example", &["127.0.0.1"])
        .addresses("meta.example", &["169.254.169.254"])
        .addresses("link.example", &["fe80::1"])
        .addresses("mixed.example", &["10.0.0.1", "127.0.0.1"])
        .addresses("hidden.example", &["64:ff9b::7f00:1"])
        .serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    for (name, qtype, networks) in [
        ("loop.example", code::A, "--to 127.0.0.1/32"),
        ("meta.example", code::A, "--to 169.254.169.254/32"),
        ("link.example", code::AAAA, "--to fe80::1/128"),
        ("mixed.example", code::A, "--to 10.0.0.1/32 --to 127.0.0.1/32"),
        ("hidden.example", code::AAAA, "--to 127.0.0.1/32 --to 64:ff9b::7f00:1/128"),
    ] {
        daemon.ask(name, qtype).assert_blocked();
        let command =
            format!("stubborn allow {name} --exact {networks} --socket {}\n", daemon.control().display());
        for more in [&[][..], &["--yes"], &["--dry-run"]] {
            let said = stubborn(&daemon.control(), &[&["allow", "--last"], more].concat());
            assert_eq!((said.code, &said.out), (1, &command), "{said:?}");
            assert!(said.err.contains("--last does not open "), "{}", said.err);
        }
        assert_eq!(std::fs::read_to_string(daemon.config().path()).unwrap(), "");
    }
    let said = stubborn(&daemon.control(), &["allow", "--last"]);
    assert_eq!(paste(said.out.trim_end()).code, 0, "{said:?}");
    assert_eq!(daemon.ask("hidden.example", code::AAAA).addresses().len(), 1);
}

#[test]
fn every_request_of_the_page_is_taken() {
    let upstream = zone().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/control.md")).unwrap();
    let (_, block) = page.split_once("```json\n").unwrap();
    let requests: Vec<&str> = block.split_once("\n```").unwrap().0.lines().collect();
    assert_eq!(requests.len(), 9);
    for request in requests {
        let mut client = UnixStream::connect(daemon.control()).unwrap();
        client.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        let reply: Value = serde_json::from_str(reply.lines().next().unwrap()).unwrap();
        let name = reply["reply"].as_str().unwrap();
        assert!(name != "refused" && page.contains(&format!("`{name}`")), "{request}: {reply}");
    }
}

#[test]
fn a_watched_name_is_answered_here_and_counted_and_no_other_name_may_be_watched() {
    let upstream = zone().serve();
    let daemon = TestDaemon::start(upstream.address(), "[cache]\nsize = \"0\"\n");
    let request = |name: &str| -> Value {
        let mut client = UnixStream::connect(daemon.control()).unwrap();
        let line = format!("{{\"version\":1,\"command\":\"witness\",\"name\":\"{name}\"}}\n");
        client.write_all(line.as_bytes()).unwrap();
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        serde_json::from_str(&reply).unwrap()
    };
    let name = "stubborn-0123456789abcdef.public.example";
    assert_eq!(request(name)["times"], 0);
    for _ in 0..2 {
        assert!(daemon.ask(name, code::A).addresses().is_empty());
    }
    assert_eq!(request(name)["times"], 2);
    assert!(support::forwarded(&upstream).is_empty());
    for other in ["public.example", "www.stubborn-0123456789abcdef.public.example", "stubborn-1.example"] {
        assert_eq!(request(other)["reply"], "refused", "{other}");
    }
}

/// A command that goes on, ended when dropped.
struct Following(Child);

impl Drop for Following {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Following {
    fn start(daemon: &TestDaemon, words: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["blocked", "--follow", "--socket"]).arg(daemon.control()).args(words);
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// The lines about blocks.
    fn blocks(&mut self) -> impl Iterator<Item = String> + use<> {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        lines.filter(|line| !line.contains("to allow: "))
    }

    /// Its next line on standard error.
    fn says(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        line
    }
}

#[test]
fn following_shows_each_new_block_and_each_repeat() {
    let upstream = zone().addresses("second.example", &["10.0.0.1"]).serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    daemon.ask("rebind.example", code::A);
    let mut following = Following::start(&daemon, &[]);
    assert!(following.says().starts_with("showing what is blocked from now on"));
    daemon.ask("second.example", code::A);
    let mut blocks = following.blocks();
    let next = blocks.next().unwrap();
    assert!(next.contains("second.example") && !next.contains('×'), "no earlier block is shown: {next}");
    daemon.ask("second.example", code::A);
    let next = blocks.next().unwrap();
    assert!(next.contains("second.example") && next.ends_with(" ×2"), "{next}");
    // One that was blocked before, and is blocked again.
    daemon.ask("rebind.example", code::A);
    let next = blocks.next().unwrap();
    assert!(next.contains("rebind.example") && next.ends_with(" ×2"), "{next}");
}

#[test]
fn following_since_a_moment_shows_the_blocks_from_then_on() {
    let upstream = zone().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    daemon.ask("rebind.example", code::A);
    let mut following = Following::start(&daemon, &["--since", "1h", "--json"]);
    let mut blocks = following.blocks().map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let first = blocks.next().unwrap();
    assert_eq!((&first["name"], &first["times"]), (&"rebind.example".into(), &1.into()));
    daemon.ask("rebind.example", code::A);
    let again = blocks.next().unwrap();
    assert_eq!((&again["time"], &again["times"]), (&first["time"], &2.into()));
    assert!(again["last"].as_str() > first["last"].as_str(), "{again}");
}

#[test]
fn following_ends_with_the_reader_and_says_so_when_the_daemon_stops() {
    let upstream = zone().serve();
    let mut daemon = TestDaemon::start(upstream.address(), "");
    // Nothing is blocked meanwhile, so that it writes nothing.
    let mut following = Following::start(&daemon, &[]);
    following.says();
    drop(following.0.stdout.take());
    assert_eq!(following.0.wait().unwrap().code(), Some(0));

    daemon.ask("rebind.example", code::A);
    let mut following = Following::start(&daemon, &["--since", "1h", "--json"]);
    let mut blocks = following.blocks();
    blocks.next().unwrap();
    daemon.signal("TERM");
    daemon.wait();
    assert_eq!(blocks.next().unwrap(), r#"{"error":"the daemon stopped, so no more blocks are shown"}"#);
    assert_eq!(following.0.wait().unwrap().code(), Some(2));
    assert_eq!(following.says(), "", "nothing about the end of a file");
}

#[test]
fn a_flushed_name_is_asked_for_anew() {
    let upstream = zone().addresses("www.fine.example", &["198.51.101.2"]).serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let names = ["fine.example", "www.fine.example", "rebind.example"];
    let ask_all = || {
        names.iter().for_each(|name| drop(daemon.ask(name, code::A)));
        names.map(|name| upstream.asked(name))
    };
    ask_all();
    assert_eq!(ask_all(), [1, 1, 1]);
    let said = stubborn(&daemon.control(), &["cache", "flush", "Fine.Example."]);
    assert_eq!((said.code, said.out.as_str()), (0, "2 answers of fine.example and below forgotten\n"));
    assert_eq!(ask_all(), [2, 2, 1]);
    let said = stubborn(&daemon.control(), &["cache", "flush", "--json"]);
    assert_eq!(said.json()["entries"], 3);
    assert_eq!(ask_all(), [3, 3, 2]);
    assert_eq!(stubborn(&daemon.control(), &["cache", "flush", "a..b"]).code, 2);
}

#[test]
fn a_log_level_holds_until_the_file_s_changes() {
    let upstream = zone().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    daemon.ask("fine.example", code::A);
    let said = stubborn(&daemon.control(), &["log-level", "debug"]);
    assert_eq!((said.code, said.out.as_str()), (0, "the log level is debug now\n"));
    assert_eq!(stubborn(&daemon.control(), &["reload"]).code, 0);
    daemon.ask("fine.example", code::A);
    let (line, _) = daemon.wait_for_line(0, &["DEBUG", "answered", "fine.example"]);
    daemon.config().write("[log]\nlevel = \"warn\"\n");
    until("the file's level holds", || {
        (stubborn(&daemon.control(), &["status", "--json"]).json()["log_level"] == "warn").then_some(())
    });
    daemon.ask("fine.example", code::A);
    daemon.ask("rebind.example", code::A);
    let (blocked, _) = daemon.wait_for_line(line, &["WARN", "blocked", "rebind.example"]);
    let log = daemon.log();
    let later: Vec<&str> = log.lines().skip(line + 1).take(blocked - line).collect();
    assert!(!later.iter().any(|line| line.contains("answered")), "{later:#?}");
    let said = stubborn(&daemon.control(), &["log-level", "loud"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("\"loud\" is not a log level"), "{}", said.err);
}

#[test]
fn a_reload_is_waited_for_and_its_errors_are_those_of_check() {
    let upstream = zone().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let said = stubborn(&daemon.control(), &["reload"]);
    let expected =
        format!("reloaded: nothing changed (generation 2, from {})\n", daemon.config().path().display());
    assert_eq!((said.code, said.out), (0, expected));
    assert!(daemon.ask("rebind.example", code::A).is_empty());

    // Written in place, and read by the reload before the watch has seen it, or by the watch: it is in use after.
    let exception = "[[exception]]\ndomain = \"rebind.example\"\n[server]\nworkers = 3\n";
    daemon.config().write(exception);
    let said = stubborn(&daemon.control(), &["reload", "--json"]);
    let report = said.json();
    assert_eq!((said.code, &report["ok"]), (0, &Value::Bool(true)), "{said:?}");
    assert_eq!(report["restart"], serde_json::json!(["server.workers"]));
    daemon.ask("rebind.example", code::A).assert_addresses(&["192.168.1.20"]);

    daemon.config().write("[guard]\nmode = \"off\"\nprofile = 7\n");
    let said = stubborn(&daemon.control(), &["reload"]);
    let config = daemon.config().path();
    let checked = Command::new(PROGRAM).args(["check", "--config"]).arg(config).output().unwrap();
    let checked = String::from_utf8(checked.stderr).unwrap();
    let (errors, _) = checked.rsplit_once("error: the configuration has 2 errors").unwrap();
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.starts_with(errors), "{}\n{checked}", said.err);
    assert!(
        said.err.contains("error: not reloaded: the configuration has 2 errors, and generation "),
        "{}",
        said.err
    );
    assert_eq!(
        stubborn(&daemon.control(), &["reload", "--json"]).json()["errors"].as_array().unwrap().len(),
        2
    );
    daemon.ask("rebind.example", code::A).assert_addresses(&["192.168.1.20"]);
}

#[test]
fn queries_are_logged_where_that_is_asked_for_and_names_where_they_are() {
    let upstream = zone().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    daemon.ask("first.example", code::A);
    for (mode, name) in [("without-names", "second.example"), ("with-names", "third.example")] {
        daemon.config().write(&format!("[log]\nformat = \"text\"\nqueries = \"{mode}\"\n"));
        assert_eq!(stubborn(&daemon.control(), &["reload"]).code, 0);
        daemon.ask(name, code::A);
    }
    daemon.ask("rebind.example", code::A);
    let (_, line) = daemon.wait_for_line(0, &["query", "rebind.example", "verdict=blocked"]);
    assert!(
        line.contains("client=127.0.0.1 name=rebind.example type=A rcode=NOERROR source=upstream"),
        "{line}"
    );
    let log = daemon.log();
    let queries: Vec<&str> = log.lines().filter(|line| line.contains("INFO  query ")).collect();
    assert_eq!(queries.len(), 3, "{log}");
    assert!(
        queries[0].contains("client=127.0.0.1 type=A rcode=NXDOMAIN source=upstream verdict=clean"),
        "{log}"
    );
    assert!(queries[1].contains("name=third.example"), "{log}");
    assert!(!log.contains("first.example") && !log.contains("second.example"), "{log}");
}

/// Memory in use, in octets.
fn resident(pid: u32) -> usize {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn clients_that_never_read_or_never_write_hold_up_nobody() {
    let upstream = Zone::new().serve();
    let config = "[[local]]\nname = \"here.example\"\naddresses = [\"192.0.2.1\"]\n";
    let daemon = TestDaemon::start(upstream.address(), config);
    let connect = || UnixStream::connect(daemon.control()).unwrap();
    let mut clients = Vec::new();
    let before = resident(daemon.pid());
    for _ in 0..200 {
        let mut client = connect();
        // Some say nothing, some half of something, some ask and never read.
        let said: &[u8] = match clients.len() % 3 {
            0 => b"",
            1 => b"{\"version\":1,",
            _ => b"{\"version\":1,\"command\":\"blocked\",\"follow\":true}\n",
        };
        let _ = client.write_all(said);
        clients.push(client);
    }
    // An endless line is cut off.
    let mut endless = connect();
    endless.set_write_timeout(Some(DEADLINE)).unwrap();
    let mut written = 0;
    while let Ok(length) = endless.write(&[b'x'; 65_536]) {
        written += length;
        assert!(written < 8 << 20, "it reads on");
    }
    let asked = Instant::now();
    for _ in 0..200 {
        daemon.ask("here.example", code::A).assert_addresses(&["192.0.2.1"]);
    }
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    // The silent ones lose their places by themselves, although they stay.
    until("there is a place again", || {
        Some(stubborn(&daemon.control(), &["status"])).filter(|said| said.code == 0)
    });
    let grown = resident(daemon.pid()).saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} octets more");
    drop(clients);
}

#[test]
fn whoever_follows_and_never_reads_is_left_behind() {
    let names: Vec<String> = (0..1_500).map(|number| format!("n{number}.example")).collect();
    let upstream = names.iter().fold(zone(), |zone, name| zone.addresses(name, &["192.168.1.20"])).serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    daemon.ask("rebind.example", code::A);
    let mut client = UnixStream::connect(daemon.control()).unwrap();
    client.write_all(b"{\"version\":1,\"command\":\"blocked\",\"follow\":true}\n").unwrap();
    let before = resident(daemon.pid());
    for name in &names {
        daemon.ask(name, code::A).assert_blocked();
    }
    // Some 200 KiB fit between the two of them; then the daemon waits a while, and no longer.
    until("it is left", || client.write(b"\n").is_err().then_some(()));
    let mut told = String::new();
    client.read_to_string(&mut told).unwrap();
    let told = told.lines().filter(|line| line.ends_with('}')).count();
    assert!((1..names.len()).contains(&told), "{told}");
    let status = stubborn(&daemon.control(), &["status", "--json"]).json();
    assert_eq!(status["guard"]["blocked"], 1_501);
    let blocks = stubborn(&daemon.control(), &["blocked", "--json"]).out.lines().count();
    assert_eq!(blocks, 1_024, "the newest are kept");
    let grown = resident(daemon.pid()).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} octets more");
}

#[test]
fn a_thousand_reloads_hold_up_no_query() {
    let upstream = zone().serve();
    let daemon = TestDaemon::start(upstream.address(), "[[exception]]\npreset = \"plex\"\n");
    daemon.ask("fine.example", code::A);
    let socket = daemon.control();
    let reloading = std::thread::spawn(move || {
        for _ in 0..1_000 {
            let mut client = UnixStream::connect(&socket).unwrap();
            client.write_all(b"{\"version\":1,\"command\":\"reload\"}\n").unwrap();
            let mut reply = String::new();
            client.read_to_string(&mut reply).unwrap();
            assert!(reply.contains("\"reply\":\"reloaded\""), "{reply}");
        }
    });
    let mut slowest = Duration::ZERO;
    while !reloading.is_finished() {
        let asked = Instant::now();
        daemon.ask("fine.example", code::A).assert_addresses(&["198.51.101.1"]);
        daemon.ask("rebind.example", code::A).assert_blocked();
        slowest = slowest.max(asked.elapsed());
    }
    reloading.join().unwrap();
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    let status = stubborn(&daemon.control(), &["status", "--json"]).json();
    assert_eq!((&status["policy"]["generation"], &status["healthy"]), (&1_001.into(), &true.into()));
    assert_eq!(upstream.asked("fine.example"), 1, "what is kept is kept");
}

#[test]
fn a_killed_daemon_s_socket_is_taken_over_and_a_living_one_s_is_not() {
    let upstream = zone().serve();
    let directory = TempDir::new().unwrap();
    let socket = directory.path().join("run/control.sock");
    let start = || Start::new().listen("127.0.0.1:0").upstream(upstream.address()).socket(&socket);
    let mut first = start().start();
    let pid = |socket: &Path| stubborn(socket, &["status", "--json"]).json()["pid"].clone();
    assert_eq!(pid(&socket), first.pid());

    let mut second = start().start();
    second.said(0, &["WARN", "no control socket", "another daemon answers at", "control.sock"]);
    assert!(ask(second.address(), "rebind.example").is_empty(), "it serves without");
    assert_eq!(pid(&socket), first.pid());
    second.signal("TERM");
    assert!(second.wait().success());
    assert_eq!(pid(&socket), first.pid(), "it took away nothing");

    first.signal("KILL");
    first.wait();
    assert!(socket.exists());
    assert_eq!(stubborn(&socket, &["status"]).code, 2);
    let mut third = start().start();
    assert_eq!(pid(&socket), third.pid());
    third.signal("TERM");
    assert!(third.wait().success());
    assert!(!socket.exists(), "it goes with the daemon");
}

#[test]
fn without_a_place_for_its_socket_the_daemon_serves_and_says_so() {
    let upstream = zone().serve();
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    for (socket, why) in [
        (Path::new("/nonexistent/below/control.sock"), "the directory /nonexistent/below is not there"),
        (&file.join("control.sock"), "cannot be made"),
        (&file, "is in the way: it is not a socket"),
        (Path::new("/proc/control.sock"), "cannot be made"),
    ] {
        let start = Start::new().listen("127.0.0.1:0").upstream(upstream.address()).socket(socket);
        let daemon = start.start();
        daemon.said(0, &["WARN", "no control socket", why]);
        assert!(ask(daemon.address(), "rebind.example").is_empty());
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "in the way");
}

#[test]
fn a_socket_that_is_taken_away_comes_back() {
    let upstream = zone().serve();
    let directory = TempDir::new().unwrap();
    let socket = directory.path().join("run/control.sock");
    let daemon = Start::new().listen("127.0.0.1:0").upstream(upstream.address()).socket(&socket).start();
    std::fs::remove_dir_all(directory.path().join("run")).unwrap();
    assert_eq!(stubborn(&socket, &["status"]).code, 2);
    daemon.said(0, &["the control socket was taken away"]);
    until("it is back", || socket.exists().then_some(()));
    assert_eq!(stubborn(&socket, &["status"]).code, 0);
}

#[test]
fn without_file_descriptors_the_daemon_answers_and_comes_back_by_itself() {
    let upstream = zone().serve();
    let directory = TempDir::new().unwrap();
    let socket = directory.path().join("control.sock");
    let config = directory.path().join("stubborn.toml");
    std::fs::write(&config, "[server]\ntcp-connections = 1000\ntcp-connections-per-client = 1000\n").unwrap();
    let limited = ["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh", PROGRAM];
    let start = Start::new().program(limited).listen("127.0.0.1:0").upstream(upstream.address());
    let daemon = start.config(&config).socket(&socket).start();
    assert!(ask(daemon.address(), "rebind.example").is_empty());
    // More connections than there are descriptors left.
    let mut held: Vec<TcpStream> = Vec::new();
    until("it has run out", || {
        held.push(TcpStream::connect(daemon.address()).unwrap());
        daemon.log().contains("could not be accepted").then_some(())
    });
    for _ in 0..50 {
        assert!(ask(daemon.address(), "rebind.example").is_empty(), "what is kept is answered");
    }
    // A client that comes now waits, and is served once there is a descriptor.
    let mut client = UnixStream::connect(&socket).unwrap();
    client.write_all(b"{\"version\":1,\"command\":\"status\"}\n").unwrap();
    drop(held);
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("{\"version\":1,\"reply\":\"status\""), "{reply}");
    until("all is well again", || (stubborn(&socket, &["status"]).code == 0).then_some(()));
}

#[test]
fn whoever_is_not_of_the_group_cannot_connect() {
    use std::os::unix::fs::PermissionsExt;
    let upstream = zone().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let mode = std::fs::metadata(daemon.control()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    // As nobody, in a place that nobody can reach.
    if std::env::var_os("USER").is_none_or(|user| user != "root") && !Path::new("/root/.").exists() {
        eprintln!("SKIPPED in part: only root can be somebody else");
        return;
    }
    std::fs::set_permissions(daemon.config().directory(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = daemon.config().directory().join("stubborn");
    std::fs::copy(PROGRAM, &program).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
    let Ok(output) = command.args(["status", "--socket"]).arg(daemon.control()).output() else {
        eprintln!("SKIPPED in part: there is no setpriv");
        return;
    };
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no permission to speak to the daemon"), "{said}");
}

#[test]
fn root_asks_no_daemon_in_another_users_directory() {
    use std::os::unix::fs::chown;
    use std::os::unix::net::UnixListener;
    let session = TempDir::new().unwrap();
    let path = session.path().join("stubborn/control.sock");
    std::fs::create_dir(session.path().join("stubborn")).unwrap();
    if chown(session.path(), Some(65_534), Some(65_534)).is_err() {
        eprintln!("SKIPPED: only root can give a directory away");
        return;
    }
    let listener = UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(words).env("XDG_RUNTIME_DIR", session.path()).stdin(Stdio::null()).output().unwrap()
    };
    for words in
        [&["status"][..], &["blocked"], &["allow", "--last", "--yes", "--dry-run"], &["doctor", "--offline"]]
    {
        run(words);
        let asked = listener.accept().map(drop).map_err(|error| error.kind());
        assert_eq!(asked, Err(std::io::ErrorKind::WouldBlock), "{words:?}");
    }
    // Named, it is asked.
    let asked = std::thread::spawn({
        let listener = listener.try_clone().unwrap();
        move || {
            listener.set_nonblocking(false).unwrap();
            listener.accept().map(drop).map_err(|error| error.kind())
        }
    });
    run(&["status", "--socket", path.to_str().unwrap()]);
    assert_eq!(asked.join().unwrap(), Ok(()));
}

/// A long file stands for one on a file system that hangs for a while.
#[test]
fn reading_blocks_neither_status_nor_sigterm() {
    let upstream = zone().serve();
    let files = TempDir::new().unwrap();
    let hosts = files.path().join("hosts");
    std::fs::write(&hosts, "").unwrap();
    let mut daemon = TestDaemon::start(upstream.address(), &format!("[names]\nhosts-files = [{hosts:?}]\n"));
    let socket = daemon.control();
    let ask = |command: &str| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        writeln!(stream, "{{\"version\":1,\"command\":\"{command}\"}}").unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        BufReader::new(stream)
    };
    let reply = |mut stream: BufReader<UnixStream>| {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        line
    };
    let change = |net: u8| {
        let names: String = (0..300_000).map(|n| format!("192.168.{net}.9 n{n}.example.net\n")).collect();
        let beside = files.path().join("beside");
        std::fs::write(&beside, names).unwrap();
        std::fs::rename(beside, &hosts).unwrap();
    };
    change(1);
    let reload = ask("reload");
    let status = reply(ask("status"));
    assert!(status.contains("\"reply\":\"status\"") && status.contains("\"generation\":1,"), "{status}");
    reload.get_ref().set_nonblocking(true).unwrap();
    let early = reload.get_ref().read(&mut [0; 1]).map_err(|error| error.kind());
    assert_eq!(early, Err(std::io::ErrorKind::WouldBlock), "the reload was over before the status came");
    reload.get_ref().set_nonblocking(false).unwrap();
    assert!(reply(reload).contains("\"reply\":\"reloaded\""));
    change(2);
    let reload = ask("reload");
    reply(ask("status"));
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    assert_eq!(reply(reload), "");
}
