//! `stubborn config`: the shipped file, and what is in effect.

use serde_json::{Map, Value, json};

use super::args::{ConfigCommand, Show};
use super::output::complain_of;
use super::{FINE, NO, say, say_as_is, say_json};
use crate::config::{Loaded, Shown, TEMPLATE, printable, show};
use crate::daemon::Source;
use crate::dns::is_visible;
use crate::policy::Origin;

/// Where the origin of a value stands, in columns, unless the value is longer.
const COLUMN: usize = 44;

pub(super) fn config(command: ConfigCommand) -> u8 {
    match command {
        ConfigCommand::Template => {
            say_as_is(TEMPLATE.trim_end());
            FINE
        }
        ConfigCommand::Show(arguments) => show_effective(arguments),
    }
}

fn show_effective(arguments: Show) -> u8 {
    let json = arguments.json;
    match Source::from(arguments.source).load() {
        Ok(loaded) if json => say_json(&as_json(&loaded)),
        Ok(loaded) => say(&as_text(&loaded)),
        Err(errors) => {
            let details = Map::from_iter([("ok".to_owned(), false.into())]);
            complain_of(&errors, details);
            return NO;
        }
    }
    FINE
}

/// The files that were there to be read.
fn files(loaded: &Loaded) -> Vec<String> {
    let there = loaded.files.iter().filter(|path| path.exists());
    there.map(|path| printable(&path.to_string_lossy())).collect()
}

/// A file that says the same, each value with its origin.
fn as_text(loaded: &Loaded) -> String {
    let files = files(loaded);
    let read = if files.is_empty() { "no file was there to read".to_owned() } else { files.join(", ") };
    let mut lines = vec![format!("# in effect: {read}")];
    for Shown { table, origin, keys } in show(loaded) {
        lines.push(String::new());
        lines.push(match &origin {
            Some(origin) => with_origin(&format!("[[{table}]]"), origin),
            None => format!("[{table}]"),
        });
        for key in keys {
            let line = format!("{} = {}", key.key, visible_toml(&key.value.to_string()));
            lines.push(if origin.is_some() { line } else { with_origin(&line, &key.origin) });
        }
    }
    lines.join("\n")
}

/// A TOML value with every invisible character escaped as in TOML strings. Outside of strings it has only visible ASCII and
/// line breaks.
fn visible_toml(value: &str) -> String {
    let escaped = |c: char| match c == '\n' || is_visible(c) {
        true => c.to_string(),
        false => format!("\\U{:08X}", u32::from(c)),
    };
    value.chars().map(escaped).collect()
}

fn with_origin(line: &str, origin: &Origin) -> String {
    let origin = match origin {
        Origin::BuiltIn => "default".to_owned(),
        other => printable(&other.to_string()),
    };
    format!("{line:COLUMN$} # {origin}")
}

fn as_json(loaded: &Loaded) -> Value {
    let mut report = Map::new();
    report.insert("ok".into(), true.into());
    report.insert("files".into(), json!(files(loaded)));
    for Shown { table, origin, keys } in show(loaded) {
        match origin {
            None => {
                let keys = keys.iter().map(|key| {
                    (
                        key.key.to_owned(),
                        json!({ "value": plain(&key.value), "origin": json_origin(&key.origin) }),
                    )
                });
                report.insert(table.to_owned(), Value::Object(keys.collect()));
            }
            Some(origin) => {
                let mut entry: Map<String, Value> =
                    keys.iter().map(|key| (key.key.to_owned(), plain(&key.value))).collect();
                entry.insert("origin".into(), json_origin(&origin));
                let list = report.entry(table).or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(Value::Object(entry));
                }
            }
        }
    }
    Value::Object(report)
}

fn json_origin(origin: &Origin) -> Value {
    match origin {
        Origin::BuiltIn => json!({ "kind": "default" }),
        Origin::File { path, line } => {
            json!({ "kind": "file", "file": path.display().to_string(), "line": line })
        }
        Origin::HostsFile => json!({ "kind": "hosts-file" }),
        Origin::HostName => json!({ "kind": "host-name" }),
        Origin::Search(place) => json!({ "kind": "search-domain", "place": &**place }),
        Origin::CommandLine => json!({ "kind": "command-line" }),
    }
}

/// A value of TOML in JSON; a moment is text there.
fn plain(value: &toml::Value) -> Value {
    match value {
        toml::Value::Datetime(moment) => moment.to_string().into(),
        other => serde_json::to_value(other).unwrap_or_default(),
    }
}
