//! Tables and their values, typed: every way in which a value can be of the wrong kind is answered here.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Wrong, quoted};
use super::keys::{self, TableKeys};
use super::page::Page;
use super::suggest::{listed, nearest};
use crate::policy::Origin;

/// A table whose keys are known to be in its list.
pub(super) struct Table<'a> {
    pub(super) page: &'a Page<'a>,
    keys: &'static TableKeys,
    /// Its heading, or all of it where it is written in one line.
    span: Range<usize>,
    entries: &'a DeTable<'a>,
}

/// The value of a key.
pub(super) struct Value<'a> {
    page: &'a Page<'a>,
    keys: &'static TableKeys,
    key: &'static str,
    pub(super) span: Range<usize>,
    value: &'a DeValue<'a>,
}

impl<'a> Table<'a> {
    /// Takes the table, and reports each key that is not in the list.
    pub(super) fn open(
        page: &'a Page<'a>,
        keys: &'static TableKeys,
        span: Range<usize>,
        entries: &'a DeTable<'a>,
    ) -> Self {
        let table = Self { page, keys, span, entries };
        for key in entries.keys().filter(|key| !keys.keys.contains(&key.get_ref().as_ref())) {
            page.error(&key.span(), path(keys, ""), unknown_key(keys, key.get_ref()));
        }
        // What may stand any number of times carries its own place.
        let repeated = |key: &str| keys.repeated || keys::INCLUDED.keys.contains(&key);
        for key in entries.keys().filter(|key| !repeated(key.get_ref())) {
            page.note(path(keys, key.get_ref()), &key.span());
        }
        table
    }

    /// The value of a key, where it is there.
    pub(super) fn get(&self, key: &'static str) -> Option<Value<'a>> {
        debug_assert!(self.keys.keys.contains(&key), "{key} is not in the list of {}", self.keys.table);
        let value = self.entries.get(key)?;
        Some(Value { page: self.page, keys: self.keys, key, span: value.span(), value: value.get_ref() })
    }

    /// A text that `parse` understands.
    pub(super) fn text<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        self.get(key)?.text(parse)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        self.get(key)?.flag()
    }

    /// A list of texts that `parse` understands, each with its place; never an empty one.
    pub(super) fn list<T>(
        &self,
        key: &'static str,
        if_empty: &str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Vec<(T, Range<usize>)>> {
        let value = self.get(key)?;
        let items = value.items()?;
        if items.is_empty() {
            value.wrong(Wrong::new("this list is empty").help(if_empty));
            return None;
        }
        Some(items.into_iter().filter_map(|item| Some((item.text(&parse)?, item.span))).collect())
    }

    /// The same, but it may be empty.
    pub(super) fn list_or_none<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Vec<(T, Range<usize>)>> {
        let items = self.get(key)?.items()?;
        Some(items.into_iter().filter_map(|item| Some((item.text(&parse)?, item.span))).collect())
    }

    /// Warns of each text of a list about which there is a doubt.
    pub(super) fn doubt(&self, key: &'static str, doubt: impl Fn(&str) -> Option<Wrong>) {
        let texts = self
            .get(key)
            .into_iter()
            .filter(Value::is_list)
            .flat_map(|value| value.items().unwrap_or_default());
        for item in texts {
            if let Some(wrong) = item.as_text().and_then(&doubt) {
                item.warn(wrong);
            }
        }
    }

    /// The table below `key`.
    pub(super) fn table(&self, keys: &'static TableKeys) -> Option<Self> {
        let value = self.get(keys.table)?;
        match value.value {
            DeValue::Table(entries) => Some(Self::open(self.page, keys, value.span, entries)),
            DeValue::Array(_) => {
                let help = format!("write [{}], once", keys.table);
                value.wrong(Wrong::new("this must be a table, not a list").help(help));
                None
            }
            other => {
                let help = format!("write [{}] and its keys below it", keys.table);
                value.wrong(Wrong::new(format!("this must be a table, not {}", kind(other))).help(help));
                None
            }
        }
    }

    /// The tables below `key`, each written `[[key]]`.
    pub(super) fn tables(&self, keys: &'static TableKeys) -> Vec<Self> {
        let Some(value) = self.get(keys.table) else {
            return Vec::new();
        };
        let help = format!("write [[{}]] with two brackets, once for each", keys.table);
        let DeValue::Array(items) = value.value else {
            value.wrong(
                Wrong::new(format!("this must be a list of tables, not {}", kind(value.value))).help(help),
            );
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(entries) => tables.push(Self::open(self.page, keys, item.span(), entries)),
                other => {
                    let wrong = Wrong::new(format!("this must be a table, not {}", kind(other)));
                    self.page.error(&item.span(), path(self.keys, keys.table), wrong.help(help.clone()));
                }
            }
        }
        tables
    }

    /// Reports that `key` is not there.
    pub(super) fn missing(&self, key: &'static str, help: &str) {
        let wrong = Wrong::new(format!("{} needs {}", self.keys.heading(), quoted(key))).help(help);
        self.page.missing(&self.span, path(self.keys, key), wrong);
    }

    /// Where it was written.
    pub(super) fn origin(&self) -> Origin {
        self.page.origin(&self.span)
    }
}

/// The key with its table.
fn path(keys: &TableKeys, key: &str) -> String {
    match (keys.table, key) {
        (table, "") => table.into(),
        ("", key) => key.into(),
        (table, key) => format!("{table}.{key}"),
    }
}

impl<'a> Value<'a> {
    /// Reports what is wrong with it.
    pub(super) fn wrong(&self, wrong: Wrong) {
        self.page.error(&self.span, path(self.keys, self.key), wrong);
    }

    /// Reports what is allowed but hardly meant.
    pub(super) fn warn(&self, wrong: Wrong) {
        self.page.warning(&self.span, path(self.keys, self.key), wrong);
    }

    /// The value, where `parse` takes it; else what it says is wrong is reported.
    pub(super) fn read<T>(&self, parse: impl FnOnce(&'a DeValue<'a>) -> Result<T, Wrong>) -> Option<T> {
        parse(self.value).map_err(|wrong| self.wrong(wrong)).ok()
    }

    /// A text that `parse` understands.
    pub(super) fn text<T>(&self, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        self.read(|value| {
            if let DeValue::String(text) = value {
                return parse(text);
            }
            let wrong = Wrong::new(format!("this must be text in quotes, not {}", kind(value)));
            // What would be wrong with it in quotes is what the reader wants to know next.
            let help = scalar(value).and_then(|text| match parse(&text) {
                Ok(_) => Some(format!("write \"{text}\"")),
                Err(wrong) => wrong.help,
            });
            Err(Wrong { help, ..wrong })
        })
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Option<bool> {
        self.read(|value| match value {
            DeValue::Boolean(flag) => Ok(*flag),
            other => Err(Wrong::new(format!("this must be true or false, not {}", kind(other)))
                .help("write true or false, without quotes")),
        })
    }

    /// A whole number within a range.
    pub(super) fn number(&self, range: RangeInclusive<usize>) -> Option<usize> {
        let help = || format!("write a number from {} to {}, without quotes", range.start(), range.end());
        self.read(|value| match value {
            DeValue::Integer(number) => usize::from_str_radix(number.as_str(), number.radix())
                .ok()
                .filter(|number| range.contains(number))
                .ok_or_else(|| Wrong::new(format!("{number} is out of range")).help(help())),
            other => {
                Err(Wrong::new(format!("this must be a whole number, not {}", kind(other))).help(help()))
            }
        })
    }

    /// The values of a list.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        self.read(|value| match value {
            DeValue::Array(items) => Ok(items.iter().map(|item| self.item(item)).collect()),
            DeValue::String(text) => Err(Wrong::new("this must be a list, not text")
                .help(format!("put it in brackets: [{}]", quoted(text)))),
            other => Err(Wrong::new(format!("this must be a list, not {}", kind(other)))
                .help("write values in quotes between brackets: [\"…\", \"…\"]")),
        })
    }

    /// The text, where it is one.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// It is a list.
    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    /// Whether the value is an empty list.
    pub(super) fn is_empty_list(&self) -> bool {
        self.value.as_array().is_some_and(|items| items.is_empty())
    }

    fn item(&self, item: &'a Spanned<DeValue<'a>>) -> Self {
        Self { span: item.span(), value: item.get_ref(), ..*self }
    }
}

/// Puts a value that was read into its place.
pub(super) fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

/// What a value is, for people.
fn kind(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {}", quoted(text)),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(flag) => format!("{flag}"),
        DeValue::Datetime(time) => format!("the time {time}"),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.as_str().into()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::String(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn unknown_key(table: &TableKeys, key: &str) -> Wrong {
    let wrong = Wrong::new(format!("unknown key {}", quoted(key)));
    if std::ptr::eq(table, &keys::INCLUDED) && keys::TOP.keys.contains(&key) {
        return Wrong::new(format!("{} may not stand in an included file", quoted(key))).help(
            "included files hold [[exception]], [[route]] and [[local]] only; put it in the main file",
        );
    }
    if let Some(meant) = nearest(key, table.keys.iter().copied()) {
        return wrong.help(format!("did you mean {}?", quoted(meant)));
    }
    let elsewhere = keys::TABLES.iter().find(|other| other.keys.contains(&key) && !other.table.is_empty());
    if let Some(other) = elsewhere {
        return wrong.help(format!("it belongs below {}", other.heading()));
    }
    wrong.help(format!("{} knows {}", table.heading(), listed("and", table.keys.iter().copied())))
}
