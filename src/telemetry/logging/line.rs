//! An event as one line.

use std::error::Error;
use std::fmt::{Debug, Write};

use jiff::Timestamp;
use tracing::Level;
use tracing::field::{Field, Visit};

use super::escape::{push_json, push_value, push_visible};
use super::journal::{Entry, MESSAGE_IDS};
use crate::telemetry::Format;

/// The target's first part of our own events, which need not be named.
const OURS: &str = env!("CARGO_CRATE_NAME");

/// The fields of a span or an event, in order, each name once.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    message: String,
    rest: Vec<(&'static str, Value)>,
}

#[derive(Debug, Clone)]
enum Value {
    Text(String),
    /// A number or truth value: the same in every form.
    Plain(String),
}

impl Fields {
    fn put(&mut self, name: &'static str, value: Value) {
        match self.rest.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.rest.push((name, value)),
        }
    }

    /// Adds what `inner`, of a span or event further in, says; it wins.
    pub(super) fn extend(&mut self, inner: Self) {
        self.message = inner.message;
        inner.rest.into_iter().for_each(|(name, value)| self.put(name, value));
    }

    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        match name {
            "message" => value.clone_into(&mut self.message),
            name => self.put(name, Value::Text(value.to_owned())),
        }
    }

    fn plain(&mut self, field: &Field, value: impl ToString) {
        self.put(field.name(), Value::Plain(value.to_string()));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field.name(), &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let chain = std::iter::successors(Some(value), |error: &&(dyn Error + 'static)| (*error).source());
        self.text(field.name(), &chain.map(ToString::to_string).collect::<Vec<_>>().join(": "));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.plain(field, value);
        } else {
            // JSON has no number for it.
            self.text(field.name(), &value.to_string());
        }
    }
}

/// How lines look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) format: Format,
    pub(super) colour: bool,
    /// For the journal itself, in place of a line.
    pub(super) native: bool,
}

/// What kind of event it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind<'a> {
    pub(super) level: Level,
    pub(super) target: &'a str,
    /// Its name, where it has one that is its own.
    pub(super) name: Option<&'a str>,
}

impl Style {
    /// The line, with its end; nothing in between can end it.
    pub(super) fn line(self, time: Timestamp, kind: Kind<'_>, fields: &Fields) -> Vec<u8> {
        let mut out = String::with_capacity(160);
        let Kind { level, target, .. } = kind;
        let foreign = Some(target).filter(|target| target.split("::").next() != Some(OURS));
        if self.native {
            return entry(kind, foreign, fields);
        }
        match self.format {
            Format::Json => json(&mut out, time, kind, fields),
            Format::Text => {
                let _ = write!(out, "{time:.3} ");
                let (on, off) = if self.colour { (colour(level), "\x1b[0m") } else { ("", "") };
                let _ = write!(out, "{on}{level:5}{off} ");
                text(&mut out, foreign, fields);
            }
            Format::Journald => {
                let _ = write!(out, "<{}>", priority(level));
                text(&mut out, foreign, fields);
            }
        }
        out.push('\n');
        out.into_bytes()
    }
}

/// `journalctl` shows the message only, so that has all of it in words.
fn entry(kind: Kind<'_>, foreign: Option<&str>, fields: &Fields) -> Vec<u8> {
    let mut message = String::with_capacity(160);
    text(&mut message, foreign, fields);
    let mut entry = Entry::new();
    entry.put("MESSAGE", &message);
    entry.put("PRIORITY", &priority(kind.level).to_string());
    entry.put("SYSLOG_IDENTIFIER", OURS);
    entry.put("CODE_MODULE", kind.target);
    if let Some((name, id)) = MESSAGE_IDS.iter().find(|(name, _)| kind.name == Some(name)) {
        entry.put("MESSAGE_ID", id);
        entry.put_own("event", name);
    }
    for (name, value) in &fields.rest {
        match value {
            Value::Text(text) | Value::Plain(text) => entry.put_own(name, text),
        }
    }
    entry.finish()
}

fn text(out: &mut String, target: Option<&str>, fields: &Fields) {
    if let Some(target) = target {
        push_visible(out, target);
        out.push_str(": ");
    }
    push_visible(out, &fields.message);
    for (name, value) in &fields.rest {
        let _ = write!(out, " {name}=");
        match value {
            Value::Text(text) => push_value(out, text),
            Value::Plain(plain) => out.push_str(plain),
        }
    }
}

fn json(out: &mut String, time: Timestamp, kind: Kind<'_>, fields: &Fields) {
    let Kind { level, target, name } = kind;
    let _ =
        write!(out, r#"{{"time":"{time:.6}","level":"{}","target":"#, level.as_str().to_ascii_lowercase());
    push_json(out, target);
    if let Some(name) = name {
        out.push_str(r#","event":"#);
        push_json(out, name);
    }
    out.push_str(r#","message":"#);
    push_json(out, &fields.message);
    for (name, value) in &fields.rest {
        out.push(',');
        // RFC 8259 §4: "The names within an object SHOULD be unique."
        let taken = matches!(*name, "time" | "level" | "target" | "event" | "message");
        push_json(out, &format!("{name}{}", if taken { "_" } else { "" }));
        out.push(':');
        match value {
            Value::Text(text) => push_json(out, text),
            Value::Plain(plain) => out.push_str(plain),
        }
    }
    out.push('}');
}

/// sd-daemon(3): SD_ERR, SD_WARNING, SD_INFO, SD_DEBUG.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}
