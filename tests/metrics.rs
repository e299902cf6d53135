//! The metrics as Prometheus reads them; who may read them, and by which name; and what clients may do to the listener.
//!
//! `docs/metrics.md` is made from what a daemon says: run with `UPDATE_GOLDEN=1` after a change and read the difference.

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

#[path = "metrics/exposition.rs"]
mod exposition;
#[path = "metrics/http.rs"]
mod http;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

use exposition::Family;
use http::{connect, get, response, say};
use serde_json::Value;
use stubborn::audit::AttackUpstream;
use stubborn::audit::wire::code;
use support::{TestDaemon, Zone};
use support_more::until;

fn zone() -> AttackUpstream {
    Zone::new()
        .addresses("rebind.example", &["192.168.1.20"])
        .addresses("fine.example", &["198.51.101.1"])
        .addresses("ads.example", &["0.0.0.0"])
        .serve()
}

/// A daemon with metrics, and where they are.
fn start(upstream: &AttackUpstream, config: &str) -> (TestDaemon, SocketAddr) {
    let config = if config.is_empty() { "[metrics]\nlisten = \"127.0.0.1:0\"\n" } else { config };
    let daemon = TestDaemon::start(upstream.address(), config);
    let address = address(&daemon);
    (daemon, address)
}

fn address(daemon: &TestDaemon) -> SocketAddr {
    let (_, line) = daemon.wait_for_line(0, &["metrics can be read address="]);
    line.rsplit_once("address=").unwrap().1.trim_matches('"').parse().unwrap()
}

fn read(address: SocketAddr) -> BTreeMap<String, Family> {
    let response = get(address, &address.to_string(), "/metrics").unwrap();
    assert_eq!(response.status, 200, "{response:?}");
    exposition::read(&response.body)
}

/// The value of the sample with exactly these labels.
#[track_caller]
fn value(families: &BTreeMap<String, Family>, name: &str, labels: &[(&str, &str)]) -> f64 {
    let wanted: BTreeMap<String, String> =
        labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
    let mut samples = families.values().flat_map(|family| &family.samples);
    let sample = samples.find(|sample| sample.name == name && sample.labels == wanted);
    sample.unwrap_or_else(|| panic!("there is no {name}{labels:?}")).value
}

/// Asks a bit of everything.
fn ask_around(daemon: &TestDaemon) {
    for name in ["fine.example", "fine.example", "rebind.example", "ads.example", "localhost"] {
        daemon.ask(name, code::A);
    }
    daemon.ask_raw_tcp(&support_more::query("fine.example", code::A).encode());
    daemon.ask_raw(&[0, 7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn what_is_counted_is_what_happened() {
    let upstream = zone();
    let (daemon, address) = start(&upstream, "");
    ask_around(&daemon);
    let metrics = read(address);
    let server = upstream.address().to_string();
    for (name, labels, expected) in [
        ("stubborn_build_info", &[("version", env!("CARGO_PKG_VERSION"))][..], 1.0),
        ("stubborn_queries_total", &[("transport", "udp")], 5.0),
        ("stubborn_queries_total", &[("transport", "tcp")], 1.0),
        ("stubborn_malformed_messages_total", &[], 1.0),
        ("stubborn_dropped_queries_total", &[], 0.0),
        ("stubborn_answers_total", &[("source", "cache")], 2.0),
        ("stubborn_answers_total", &[("source", "upstream")], 3.0),
        ("stubborn_answers_total", &[("source", "local")], 1.0),
        ("stubborn_answers_total", &[("source", "failure")], 0.0),
        ("stubborn_responses_total", &[("rcode", "noerror")], 6.0),
        ("stubborn_guarded_answers_total", &[("verdict", "blocked")], 1.0),
        ("stubborn_guarded_answers_total", &[("verdict", "sinkhole")], 1.0),
        ("stubborn_guarded_answers_total", &[("verdict", "monitored")], 0.0),
        ("stubborn_guard_rule_hits_total", &[("rule", "private-use"), ("verdict", "blocked")], 1.0),
        ("stubborn_cache_entries", &[], 3.0),
        ("stubborn_cache_hits_total", &[], 2.0),
        ("stubborn_cache_misses_total", &[], 3.0),
        ("stubborn_upstream_up", &[("server", &server)], 1.0),
        ("stubborn_upstream_errors_total", &[("server", &server), ("error", "timeout")], 0.0),
        ("stubborn_policy_generation", &[], 1.0),
        ("stubborn_policy_enforced", &[], 1.0),
        ("stubborn_config_last_reload_successful", &[], 1.0),
    ] {
        assert_eq!(value(&metrics, name, labels), expected, "{name}{labels:?}");
    }
    let asked = value(&metrics, "stubborn_upstream_queries_total", &[("server", &server)]);
    let took = value(&metrics, "stubborn_upstream_response_seconds_count", &[("server", &server)]);
    assert!(asked >= 3.0 && asked == took, "{asked} {took}");
    assert!(value(&metrics, "process_resident_memory_bytes", &[]) > 1e6);

    daemon.config().write("[guard]\nmode = \"off\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n");
    let refused = || value(&read(address), "stubborn_config_reloads_total", &[("outcome", "refused")]) > 0.0;
    until("the refused configuration is counted", || refused().then_some(()));
    assert_eq!(value(&read(address), "stubborn_config_last_reload_successful", &[]), 0.0);
}

#[test]
fn metrics_are_as_prometheus_wants_them() {
    let upstream = zone();
    let (daemon, address) = start(&upstream, "");
    ask_around(&daemon);
    let text = get(address, "localhost", "/metrics").unwrap().body;
    for (name, family) in exposition::read(&text) {
        let labels: BTreeSet<&String> =
            family.samples.iter().flat_map(|sample| sample.labels.keys()).collect();
        assert!(name.starts_with("stubborn_") || name.starts_with("process_"), "{name}");
        assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name} is a {}", family.kind);
        assert!(
            !name.contains("_ms") && !name.contains("milli") && !name.contains("_kb"),
            "{name}: base units"
        );
        assert!(family.help.ends_with('.'), "{name}: {}", family.help);
        assert!(!family.samples.is_empty(), "{name} has no samples");
        if family.kind == "histogram" {
            assert!(name.ends_with("_seconds") && labels.contains(&"le".to_owned()), "{name}");
            check_histogram(&name, &family);
        }
    }
    promtool(&["check", "metrics"], &text);
}

/// Each series of buckets grows, and ends with the count.
fn check_histogram(name: &str, family: &Family) {
    let servers: BTreeSet<&String> = family.samples.iter().map(|sample| &sample.labels["server"]).collect();
    for server in servers {
        let of = |suffix: &str| {
            let samples = family.samples.iter();
            let fits = move |sample: &&exposition::Sample| {
                sample.name == format!("{name}{suffix}") && sample.labels["server"] == *server
            };
            samples.filter(fits).collect::<Vec<_>>()
        };
        let buckets = of("_bucket");
        let bounds: Vec<f64> = buckets.iter().map(|sample| sample.labels["le"].parse().unwrap()).collect();
        assert!(bounds.is_sorted() && bounds.last() == Some(&f64::INFINITY), "{bounds:?}");
        assert!(buckets.is_sorted_by_key(|sample| sample.value));
        assert_eq!(buckets.last().unwrap().value, of("_count")[0].value);
        assert!(of("_sum")[0].value >= 0.0);
    }
}

/// Runs Prometheus's own tool on a text, where it is installed.
fn promtool(words: &[&str], text: &str) {
    let mut command = Command::new("promtool");
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("SKIPPED in part: there is no promtool");
        return;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("error"), "{said}\n{text}");
}

#[test]
fn no_other_name_and_no_other_site_gets_an_answer() {
    let upstream = zone();
    let config = "[metrics]\nlisten = \"127.0.0.1:0\"\nhosts = [\"metrics.example\"]\n";
    let (_daemon, address) = start(&upstream, config);
    for (host, status) in [
        (address.to_string().as_str(), 200),
        ("localhost", 200),
        ("metrics.example:9353", 200),
        ("rebind.example", 421),
        (&format!("rebind.example:{}", address.port()), 421),
        ("192.168.1.20", 421),
    ] {
        let response = get(address, host, "/metrics").unwrap();
        assert_eq!(response.status, status, "{host}: {response:?}");
        assert_eq!(response.body.contains("stubborn_"), status == 200, "{response:?}");
        for (name, value) in [
            ("X-Content-Type-Options", Some("nosniff")),
            ("Cross-Origin-Resource-Policy", Some("same-origin")),
            ("Cache-Control", Some("no-store")),
            ("Connection", Some("close")),
            ("Content-Length", Some(response.body.len().to_string().as_str())),
            ("Access-Control-Allow-Origin", None),
            ("Access-Control-Allow-Private-Network", None),
            ("Server", None),
        ] {
            assert_eq!(response.field(name), value, "{name}");
        }
        assert!(response.field("Date").is_some_and(|date| date.ends_with(" GMT")), "{response:?}");
    }
    for (request, status) in [
        (
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nOrigin: https://evil.example\r\n\r\n",
            403,
        ),
        (
            "OPTIONS /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Private-Network: true\r\n\r\n",
            405,
        ),
        ("GET http://localhost/metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400),
        ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        ("GET /metrics HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        ("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody", 405),
    ] {
        let response = say(address, request.as_bytes()).unwrap();
        assert_eq!(response.status, status, "{request:?}: {response:?}");
        assert!(!response.body.contains("stubborn_"));
        assert_eq!(response.field("Allow"), (status == 405).then_some("GET, HEAD"));
        assert!(!response.head.to_lowercase().contains("access-control"), "{response:?}");
    }
    let whole = get(address, "localhost", "/metrics").unwrap();
    assert_eq!(whole.field("Content-Type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let head = say(address, b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.field("Content-Length").is_some_and(|length| length.parse::<usize>().unwrap() > 1_000));
}

/// An address of this machine other than a loopback one: what it would send from. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback() && !address.is_unspecified())
}

#[test]
fn only_listed_clients_get_in_from_elsewhere() {
    let Some(own) = own_address() else {
        eprintln!("SKIPPED: there is no address but loopback ones");
        return;
    };
    let upstream = zone();
    let (daemon, address) = start(&upstream, "[metrics]\nlisten = \"0.0.0.0:0\"\n");
    let from_elsewhere = SocketAddr::new(own, address.port());
    let by_loopback = SocketAddr::from(([127, 0, 0, 1], address.port()));
    daemon.wait_for_line(0, &["WARN", "metrics.listen", "only loopback clients may read"]);
    assert!(get(from_elsewhere, &from_elsewhere.to_string(), "/metrics").is_none());
    assert_eq!(get(by_loopback, "localhost", "/metrics").unwrap().status, 200);

    let config = format!("[metrics]\nlisten = \"0.0.0.0:0\"\nallow-clients = [\"loopback\", \"{own}\"]\n");
    let (_daemon, address) = start(&upstream, &config);
    let from_elsewhere = SocketAddr::new(own, address.port());
    // By the address itself, as node-local scrapers do; and by no name.
    assert_eq!(get(from_elsewhere, &from_elsewhere.to_string(), "/metrics").unwrap().status, 200);
    assert_eq!(get(from_elsewhere, "rebind.example", "/metrics").unwrap().status, 421);
}

#[test]
fn clients_that_mean_it_no_good_cost_little_and_hold_up_nobody() {
    let upstream = zone();
    let (daemon, address) = start(&upstream, "");
    let long = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(say(address, long.as_bytes()).unwrap().status, 431);
    assert_eq!(say(address, &[b'\n'; 20_000]).unwrap().status, 431);
    assert_eq!(say(address, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n").unwrap().status, 400);
    let two =
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(say(address, two.as_bytes()).unwrap().body.matches("stubborn_build_info{").count(), 1);

    // All places taken by clients that say little and nothing more, and some beyond.
    let mut slow: Vec<_> = (0..40).map(|_| connect(address)).collect();
    for stream in &mut slow {
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: loc");
    }
    for _ in 0..50 {
        daemon.ask("fine.example", code::A).assert_addresses(&["198.51.101.1"]);
    }
    let ended: Vec<Option<u16>> =
        slow.iter_mut().map(|stream| response(stream).map(|response| response.status)).collect();
    assert!(ended.iter().all(|status| matches!(status, None | Some(408))), "{ended:?}");
    assert!(ended.contains(&Some(408)) && ended.contains(&None), "{ended:?}");
    drop(slow);
    until("there is a place again", || {
        get(address, "localhost", "/metrics").filter(|response| response.status == 200)
    });
}

#[test]
fn a_port_that_is_taken_is_no_reason_not_to_serve() {
    let upstream = zone();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let config = format!("[metrics]\nlisten = \"{taken}\"\n");
    let daemon = TestDaemon::start(upstream.address(), &config);
    daemon.wait_for_line(0, &["WARN", "no metrics", &taken.to_string()]);
    daemon.ask("fine.example", code::A).assert_addresses(&["198.51.101.1"]);
    drop(holder);
    assert_eq!(address(&daemon), taken);
    assert_eq!(get(taken, "localhost", "/metrics").unwrap().status, 200);
}

/// The ports a process accepts TCP connections on.
fn accepting(pid: u32) -> BTreeSet<u16> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let sockets: BTreeSet<String> = links
        .filter_map(|link| Some(std::fs::read_link(link.ok()?.path()).ok()?.display().to_string()))
        .collect();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    // State 0A is LISTEN (proc(5)).
    let own = rows.filter(|row| row[3] == "0A" && sockets.contains(&format!("socket:[{}]", row[9])));
    own.map(|row| u16::from_str_radix(row[1].rsplit_once(':').unwrap().1, 16).unwrap()).collect()
}

#[test]
fn nothing_listens_that_was_not_asked_for() {
    let upstream = zone();
    let daemon = TestDaemon::start(upstream.address(), "");
    assert_eq!(accepting(daemon.pid()), BTreeSet::from([daemon.tcp().port()]));
    let (daemon, address) = start(&upstream, "");
    assert_eq!(accepting(daemon.pid()), BTreeSet::from([daemon.tcp().port(), address.port()]));
}

fn page(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Every text of a JSON document under this key.
fn all<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| all(item, key, found)),
        Value::Object(fields) => {
            found.extend(fields.get(key).and_then(Value::as_str));
            fields.values().for_each(|value| all(value, key, found));
        }
        _ => {}
    }
}

#[test]
fn every_metric_of_the_dashboard_is_there() {
    let upstream = zone();
    let (daemon, address) = start(&upstream, "");
    ask_around(&daemon);
    let families = read(address);
    let samples = families.values().flat_map(|family| &family.samples);
    let there: BTreeSet<&str> = samples.map(|sample| sample.name.as_str()).collect();
    let dashboard: Value = serde_json::from_str(&page("packaging/grafana/stubborn.json")).unwrap();
    let (mut expressions, mut definitions) = (Vec::new(), Vec::new());
    all(&dashboard, "expr", &mut expressions);
    all(&dashboard, "definition", &mut definitions);
    assert!(expressions.len() > 20 && definitions.len() == 2);
    let mut shown = BTreeSet::new();
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    for (number, expression) in expressions.iter().enumerate() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = expression.split(|c| !is_word(c));
        let named = words.filter(|word| word.starts_with("stubborn_") || word.starts_with("process_"));
        for name in named {
            assert!(there.contains(name), "there is no {name}: {expression}");
            shown
                .insert(name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count"));
        }
        let plain = expression.replace("$__rate_interval", "5m").replace("$__interval", "1m");
        let plain = plain.replace("$job", ".+").replace("$instance", ".+");
        writeln!(rules, "  - record: r{number}\n    expr: {}", serde_json::to_string(&plain).unwrap())
            .unwrap();
    }
    for definition in definitions {
        assert!(definition.contains("stubborn_build_info"), "{definition}");
    }
    for name in families.keys().filter(|name| name.starts_with("stubborn_")) {
        let is_info = matches!(name.as_str(), "stubborn_build_info" | "stubborn_policy_timestamp_seconds");
        assert!(is_info || shown.contains(name.as_str()), "{name} is on no panel");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &rules).unwrap();
    promtool(&["check", "rules", file.path().to_str().unwrap()], "");
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
    }
}

#[test]
fn the_page_of_metrics_is_what_the_daemon_says() {
    let upstream = zone();
    let (daemon, address) = start(&upstream, "");
    ask_around(&daemon);
    let mut made = String::from(
        "# Metrics\n\
         \n\
         *Made from what the program says by `UPDATE_GOLDEN=1 cargo test --test metrics`.*\n\
         \n\
         Read by Prometheus at `/metrics` of the address in `[metrics] listen`:\n\
         \n\
         ```toml\n\
         [metrics]\n\
         listen = \"127.0.0.1:9353\"\n\
         ```\n\
         \n\
         A request has to name `localhost`, the address itself, or one of `hosts`; others get 421, so that no page reads\n\
         them by pointing its own name here. No label holds anything that a client or a server chose. The dashboard for\n\
         Grafana is [packaging/grafana/stubborn.json](../packaging/grafana/stubborn.json).\n\
         \n\
         | metric | type | labels | |\n\
         |---|---|---|---|\n",
    );
    for (name, family) in read(address) {
        let labels: BTreeSet<String> = family
            .samples
            .iter()
            .flat_map(|sample| sample.labels.keys())
            .map(|label| format!("`{label}`"))
            .collect();
        let labels: Vec<String> = labels.into_iter().collect();
        writeln!(made, "| `{name}` | {} | {} | {} |", family.kind, labels.join(" "), family.help).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == made, "docs/metrics.md is not what the daemon says: run with UPDATE_GOLDEN=1\n{made}");
}
