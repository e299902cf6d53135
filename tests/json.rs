//! `docs/json.md` says what `--json` prints: each example on the page is run, and the fields of the example and of the real output
//! are compared with the table of the section. Run with `UPDATE_GOLDEN=1` to write examples anew that have other fields.
//!
//! (That every command with `--json` has a section is tested beside the commands.)

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

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use stubborn::audit::wire::code;
use support::{TestDaemon, Zone};
use support_more::process::PROGRAM;
use support_more::{ScriptedUpstream, Start, ip, isolated, run};
use tempfile::TempDir;

/// Fields by path, such as `policy.mode` or `errors[].line`, with their type and when they are there.
type Table = BTreeMap<String, (String, String)>;

struct Section {
    title: String,
    table: Table,
    /// A command line, and what it prints.
    examples: Vec<(String, String)>,
}

fn page_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md")
}

fn sections() -> Vec<Section> {
    let page = fs::read_to_string(page_path()).unwrap();
    page.split("\n## ").skip(1).map(section).collect()
}

fn section(text: &str) -> Section {
    let title = text.lines().next().unwrap().trim_matches('`').to_owned();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let there = cells[2].split([';', ',']).next().unwrap().to_owned();
        (cells[0].trim_matches('`').to_owned(), (cells[1].to_owned(), there))
    };
    let examples = text.split("```console\n$ ").skip(1).map(|rest| {
        let (command, rest) = rest.split_once("\n```\n\n```json\n").expect("output follows a command");
        (command.to_owned(), rest.split_once("\n```").unwrap().0.to_owned())
    });
    Section { title, table: rows.map(row).collect(), examples: examples.collect() }
}

/// One object, or one a line.
fn objects(text: &str) -> Result<Vec<Value>, String> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    values.collect::<Result<Vec<_>, _>>().map_err(|error| format!("not JSON: {error}"))
}

/// What is wrong with a value by the table, and which fields it has.
#[derive(Default)]
struct Look {
    wrong: Vec<String>,
    seen: Vec<String>,
}

impl Look {
    fn object(&mut self, table: &Table, prefix: &str, value: &Value) {
        let Some(fields) = value.as_object() else {
            self.wrong.push(format!("{prefix:?} is no object: {value}"));
            return;
        };
        for (key, value) in fields {
            let path = format!("{prefix}{key}");
            let star = format!("{prefix}*");
            let known = [path, star].into_iter().find(|path| table.contains_key(path));
            match known {
                Some(path) => self.field(table, &path, value),
                None => self.wrong.push(format!("{prefix}{key} is not in the table")),
            }
        }
        let here = table.iter().filter(|(path, (_, there))| {
            let own = path.strip_prefix(prefix).filter(|own| !own.contains(['.', '[']) && *own != "*");
            own.is_some_and(|own| !fields.contains_key(own)) && there == "always"
        });
        let missing: Vec<String> = here.map(|(path, _)| format!("{path} is missing")).collect();
        self.wrong.extend(missing);
    }

    fn field(&mut self, table: &Table, path: &str, value: &Value) {
        self.seen.push(path.to_owned());
        let kinds = &table[path].0;
        if !kinds.split(" or ").any(|kind| fits(kind, value)) {
            self.wrong.push(format!("{path} is not {kinds}: {value}"));
        }
        let (below, items) = (format!("{path}."), format!("{path}[]."));
        match value {
            Value::Object(_) if table.keys().any(|key| key.starts_with(&below)) => {
                self.object(table, &below, value);
            }
            Value::Array(list) if table.keys().any(|key| key.starts_with(&items)) => {
                list.iter().for_each(|value| self.object(table, &items, value));
            }
            _ => {}
        }
    }
}

fn fits(kind: &str, value: &Value) -> bool {
    let all = |list: &Value, kind: &str| {
        list.as_array().is_some_and(|list| list.iter().all(|item| fits(kind, item)))
    };
    match kind {
        "any" => true,
        "null" => value.is_null(),
        "text" => value.is_string(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "list" => value.is_array(),
        "object" | "map" => value.is_object(),
        "map of number" => value.as_object().is_some_and(|map| map.values().all(Value::is_number)),
        other => all(value, other.strip_prefix("list of ").expect("a type of the page")),
    }
}

/// The fields of an output, once each.
fn fields(sections: &[Section], table: &Table, text: &str) -> Result<Vec<String>, String> {
    let objects = objects(text)?;
    let errors = &sections.iter().find(|section| section.title == "Errors").unwrap().table;
    let mut look = Look::default();
    for object in &objects {
        match object.get("error") {
            Some(_) => look.object(errors, "", object),
            None => look.object(table, "", object),
        }
    }
    if objects.is_empty() {
        look.wrong.push("nothing was printed".to_owned());
    }
    look.seen.sort();
    look.seen.dedup();
    if look.wrong.is_empty() { Ok(look.seen) } else { Err(look.wrong.join("\n")) }
}

/// A directory with the files that the examples name.
fn directory() -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, text) in [
        (
            "stubborn.toml",
            "[[exception]]\ndomain = \"nas.example.org\"\nnetworks = [\"192.168.1.20\"]\n\n[cache]\nsize = \"1MiB\"\n",
        ),
        ("broken.toml", "[guard]\nmode = \"enforced\"\n"),
        (
            "dnsmasq.conf",
            "server=9.9.9.9\nserver=/corp.example/10.0.0.53#5353\nresolv-file=/etc/other.conf\n",
        ),
    ] {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

/// What it prints on standard output; it must have said why if it failed.
fn output(directory: &Path, command: &str, more: &[&str]) -> String {
    let words = command.strip_prefix("stubborn ").unwrap().split_whitespace();
    let mut command = Command::new(PROGRAM);
    command.args(words).args(more).current_dir(directory).stdin(Stdio::null());
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

/// Compares the examples of the sections with what `run` prints for them.
fn compare(chosen: impl Fn(&str) -> bool, run: impl Fn(&str) -> String) {
    let sections = sections();
    let mut page = fs::read_to_string(page_path()).unwrap();
    let updating = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for section in sections.iter().filter(|section| chosen(&section.title)) {
        for (command, shown) in &section.examples {
            let printed = run(command);
            let real = fields(&sections, &section.table, &printed);
            let example = fields(&sections, &section.table, shown);
            if real == example && real.is_ok() {
                continue;
            }
            if updating {
                let pretty: Vec<String> =
                    objects(&printed).unwrap().iter().map(|object| format!("{object:#}")).collect();
                page = page.replace(
                    &format!("```json\n{shown}\n```"),
                    &format!("```json\n{}\n```", pretty.join("\n")),
                );
            }
            wrong.push(format!("{command}\n  printed: {real:?}\n  on the page: {example:?}\n  {printed}"));
        }
    }
    if updating {
        fs::write(page_path(), page).unwrap();
    }
    assert!(updating || wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn each_example_of_the_page_has_the_fields_of_the_real_output() {
    let directory = directory();
    let upstream = Zone::new()
        .addresses("rebind.example", &["192.168.1.20"])
        .addresses("nas.example.com", &["198.51.100.1"])
        .serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    daemon.ask("rebind.example", code::A);
    daemon.ask("nas.example.com", code::A);
    let socket = daemon.control();
    let asks_the_daemon = ["status", "blocked", "cache", "log-level", "reload"];
    compare(
        |title| !["stubborn setup", "stubborn restore"].contains(&title),
        |command| {
            let asks = asks_the_daemon.iter().any(|word| command.starts_with(&format!("stubborn {word}")));
            let more = ["--socket", socket.to_str().unwrap()];
            let more = if asks && !command.contains("--socket") { &more[..] } else { &[] };
            output(directory.path(), command, more)
        },
    );
}

#[test]
fn the_examples_of_setup_and_restore_have_the_fields_of_the_real_output() {
    if !isolated() {
        return;
    }
    ip("link set lo up");
    ip("addr add 192.0.2.1/32 dev lo");
    let directory = TempDir::new().unwrap();
    run("mount", &["--make-rprivate", "/"]);
    for (name, target) in [("etc", "/etc"), ("lib", "/var/lib"), ("run", "/run")] {
        fs::create_dir_all(directory.path().join(name).join("stubborn")).unwrap();
        run("mount", &["--bind", directory.path().join(name).to_str().unwrap(), target]);
    }
    fs::write("/etc/resolv.conf", "nameserver 192.0.2.1\n").unwrap();
    let _router = ScriptedUpstream::at("192.0.2.1:53".parse().unwrap(), |call| call.address("1.1.1.1"));
    let _daemon = Start::new().socket(Path::new("/run/stubborn/control.sock")).start();
    compare(
        |title| ["stubborn setup", "stubborn restore"].contains(&title),
        |command| output(directory.path(), command, &[]),
    );
}

#[test]
fn a_table_finds_what_is_missing_unknown_or_of_another_type() {
    let section = section(
        "x\n\n| field | type | there |\n|---|---|---|\n| `a` | text | always; so |\n| `b[].c` | number or null | always |\n\
         | `b` | list of object | if |\n| `d` | map of number | if |\n",
    );
    for (text, expected) in [
        (r#"{"a":"x"}"#, ""),
        (r#"{"a":"x","b":[{"c":null},{"c":1}],"d":{"y":1}}"#, ""),
        (r#"{"b":[]}"#, "a is missing"),
        (r#"{"a":1}"#, "a is not text: 1"),
        (r#"{"a":"x","e":1}"#, "e is not in the table"),
        (r#"{"a":"x","b":[{}]}"#, "b[].c is missing"),
        (r#"{"a":"x","d":{"y":"z"}}"#, "d is not map of number"),
    ] {
        let mut look = Look::default();
        look.object(&section.table, "", &serde_json::from_str(text).unwrap());
        assert!(
            look.wrong.join("\n").starts_with(expected) && look.wrong.is_empty() == expected.is_empty(),
            "{text}: {:?}",
            look.wrong
        );
    }
}
