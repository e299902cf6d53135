//! One file as it is written: its `[[exception]]` tables, read, added, changed and taken out, with all around them kept.

use ipnet::IpNet;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

use super::request::{Request, datetime, list, read_one};
use crate::dns::Name;
use crate::policy::Exception;

const KEY: &str = "exception";

/// A file's text, to be changed.
pub(super) struct Document {
    toml: DocumentMut,
    marked: bool,
    crlf: bool,
    starts_blank: bool,
}

/// An `[[exception]]` as it stands in the file.
#[derive(Debug)]
pub(super) struct Entry {
    /// Which one it is.
    pub(super) index: usize,
    /// It names a domain of its own, or several.
    pub(super) has_domain: bool,
    /// What it amounts to: one exception, or those of its preset.
    pub(super) exceptions: Vec<Exception>,
}

/// What is left of an entry without one of its domains.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// It goes as a whole.
    Whole,
    /// One of several domains goes.
    OneOfMany,
}

impl Document {
    /// Reads a file's text.
    ///
    /// # Errors
    /// What is wrong with it as TOML.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
        let toml = bare.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
        let breaks = text.matches('\n').count();
        let crlf = breaks > 0 && text.matches("\r\n").count() * 2 > breaks;
        let starts_blank = bare.starts_with(['\r', '\n']);
        Ok(Self { toml, marked: bare.len() != text.len(), crlf, starts_blank })
    }

    /// The text, with the line ends and the mark it came with.
    pub(super) fn text(&self) -> String {
        let whole = self.toml.to_string();
        // The first table may be gone, and the line that set the second apart is the first now.
        let text = if self.starts_blank { whole.as_str() } else { whole.trim_start_matches('\n') };
        let text = if self.crlf { text.replace('\n', "\r\n") } else { text.to_owned() };
        if self.marked { format!("\u{feff}{text}") } else { text }
    }

    /// The exceptions, in order.
    pub(super) fn entries(&self, now: i64) -> Vec<Entry> {
        let tables: Vec<&dyn TableLike> = match self.toml.get(KEY) {
            Some(Item::ArrayOfTables(tables)) => tables.iter().map(|table| table as &dyn TableLike).collect(),
            Some(Item::Value(Value::Array(items))) => {
                items.iter().filter_map(|item| Some(item.as_inline_table()? as &dyn TableLike)).collect()
            }
            _ => Vec::new(),
        };
        let entry = |(index, table): (usize, &dyn TableLike)| Entry {
            index,
            has_domain: table.contains_key("domain"),
            exceptions: read_one(&keys(table), now),
        };
        tables.into_iter().enumerate().map(entry).collect()
    }

    /// Adds an exception after the last one, or at the end.
    pub(super) fn add(&mut self, request: &Request) {
        let is_last = self.exceptions_come_last();
        let mut trailing = String::new();
        if is_last {
            // What stands at the end of the file stands before what now comes after it.
            trailing = self.toml.trailing().as_str().unwrap_or_default().to_owned();
            self.toml.set_trailing("");
        }
        let is_empty = self.toml.is_empty() && trailing.is_empty();
        let item = self.toml.entry(KEY).or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        match item {
            Item::ArrayOfTables(tables) => {
                let mut table = request.table();
                table.decor_mut().set_prefix(format!("{trailing}{}", if is_empty { "" } else { "\n" }));
                tables.push(table);
            }
            Item::Value(Value::Array(items)) => {
                push(items, Value::InlineTable(request.table().into_inline_table()));
                self.toml.set_trailing(trailing);
            }
            // The file was read as a configuration, so there is nothing else it could be.
            Item::None | Item::Table(_) | Item::Value(_) => {}
        }
    }

    fn exceptions_come_last(&self) -> bool {
        let last = |table: &Table| table.position().unwrap_or(isize::MAX);
        let own = match self.toml.get(KEY) {
            Some(Item::ArrayOfTables(tables)) => tables.iter().map(last).max().unwrap_or(isize::MIN),
            Some(_) => return false,
            None => return true,
        };
        let others = self.toml.iter().filter(|(key, _)| *key != KEY).flat_map(|(_, item)| match item {
            Item::Table(table) => vec![last(table)],
            Item::ArrayOfTables(tables) => tables.iter().map(last).collect(),
            Item::None | Item::Value(_) => Vec::new(),
        });
        others.max().is_none_or(|others| others < own)
    }

    /// Makes an exception say what `request` says, and no more than that.
    pub(super) fn set(&mut self, index: usize, request: &Request) {
        let Some(table) = self.table_mut(index) else { return };
        for key in ["address-in-name", "mode"] {
            table.remove(key);
        }
        set_or_remove(table, "exact", request.exact.then(|| value(true)));
        for (key, texts) in [("networks", &request.networks), ("clients", &request.clients)] {
            set_or_remove(table, key, (!texts.is_empty()).then(|| value(list(texts))));
        }
        set_or_remove(table, "until", request.until.as_deref().map(|until| value(datetime(until))));
        if let Some(reason) = &request.reason {
            set_or_remove(table, "reason", Some(value(reason.as_str())));
        }
    }

    /// Changes nothing of an exception but why it is there.
    pub(super) fn set_reason(&mut self, index: usize, reason: &str) {
        if let Some(table) = self.table_mut(index) {
            set_or_remove(table, "reason", Some(value(reason)));
        }
    }

    /// Adds networks to those of an exception, which are `present` where it does not list them.
    pub(super) fn add_networks(&mut self, index: usize, present: &[IpNet], more: &[IpNet]) {
        let Some(table) = self.table_mut(index) else { return };
        match table.get_mut("networks").and_then(Item::as_array_mut) {
            Some(networks) => more.iter().for_each(|network| push(networks, network.to_string().into())),
            None => {
                let all: Vec<String> = present.iter().chain(more).map(ToString::to_string).collect();
                table.insert("networks", value(list(&all)));
            }
        }
    }

    /// Takes an exception out, or one of its domains where it has several. A comment right above it goes with it; one
    /// above an empty line stays.
    pub(super) fn remove(&mut self, index: usize, domain: &Name) -> Removal {
        if let Some(domains) =
            self.table_mut(index).and_then(|table| table.get_mut("domain")).and_then(Item::as_array_mut)
            && domains.len() > 1
        {
            let is_it =
                |item: &Value| item.as_str().is_some_and(|text| Name::from_text(text).as_ref() == Ok(domain));
            domains.retain(|item| !is_it(item));
            if !domains.is_empty() {
                return Removal::OneOfMany;
            }
        }
        match self.toml.get_mut(KEY) {
            Some(Item::ArrayOfTables(tables)) if index < tables.len() => {
                let removed = tables.remove(index);
                let is_empty = tables.is_empty();
                let prefix = removed.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
                self.keep_before(index, removed.position(), kept_of(prefix));
                if is_empty {
                    self.toml.remove(KEY);
                }
            }
            Some(Item::Value(Value::Array(items))) if index < items.len() => {
                items.remove(index);
                if items.is_empty() {
                    self.toml.remove(KEY);
                }
            }
            _ => {}
        }
        Removal::Whole
    }

    /// Puts what stood before a table that is gone before what now follows.
    fn keep_before(&mut self, index: usize, position: Option<isize>, kept: &str) {
        if kept.is_empty() {
            return;
        }
        let position = position.unwrap_or(isize::MAX);
        let mut next: Option<&mut Table> = None;
        for (key, item) in self.toml.iter_mut() {
            let gone = if key == KEY { index } else { 0 };
            let tables: Vec<&mut Table> = match item {
                Item::Table(table) => vec![table],
                Item::ArrayOfTables(tables) => tables.iter_mut().skip(gone).collect(),
                Item::None | Item::Value(_) => Vec::new(),
            };
            for table in tables {
                let at = table.position().unwrap_or(isize::MAX);
                let nearest = next.as_ref().is_none_or(|next| at < next.position().unwrap_or(isize::MAX));
                if at > position && nearest {
                    next = Some(table);
                }
            }
        }
        match next {
            Some(table) => {
                let own = table.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
                let both = above(kept, own);
                table.decor_mut().set_prefix(both);
            }
            None => {
                let own = self.toml.trailing().as_str().unwrap_or_default();
                // At the end of a file nothing has to be set apart.
                let kept = if own.is_empty() { kept.strip_suffix('\n').unwrap_or(kept) } else { kept };
                let both = above(kept, own);
                self.toml.set_trailing(both);
            }
        }
    }

    fn table_mut(&mut self, index: usize) -> Option<&mut dyn TableLike> {
        match self.toml.get_mut(KEY)? {
            Item::ArrayOfTables(tables) => Some(tables.get_mut(index)? as &mut dyn TableLike),
            Item::Value(Value::Array(items)) => {
                let tables = items.iter_mut().filter_map(Value::as_inline_table_mut);
                tables.map(|table: &mut InlineTable| table as &mut dyn TableLike).nth(index)
            }
            Item::None | Item::Table(_) | Item::Value(_) => None,
        }
    }
}

/// The part of what stands before a table that is not about it: up to the last empty line.
fn kept_of(prefix: &str) -> &str {
    let mut end = 0;
    let mut at = 0;
    for line in prefix.split_inclusive('\n') {
        at += line.len();
        if line.trim().is_empty() {
            end = at;
        }
    }
    let kept = prefix.get(..end).unwrap_or_default();
    // Empty lines alone were there to set the table apart.
    if kept.trim().is_empty() { "" } else { kept }
}

/// One above the other, with the empty line at the end of the first only where the second does not begin with one.
fn above(first: &str, second: &str) -> String {
    let first = if second.starts_with('\n') { first.strip_suffix('\n').unwrap_or(first) } else { first };
    format!("{first}{second}")
}

/// Each key with its value, a line each.
fn keys(table: &dyn TableLike) -> String {
    let line =
        |(key, item): (&str, &Item)| Some(format!("{key} = {}\n", item.as_value()?.to_string().trim()));
    table.iter().filter_map(line).collect()
}

/// Sets a value in the place of the old one, with the comment behind it kept.
fn set_or_remove(table: &mut dyn TableLike, key: &str, item: Option<Item>) {
    let Some(mut item) = item else {
        table.remove(key);
        return;
    };
    match table.get_mut(key) {
        Some(old) => {
            if let (Some(old), Some(new)) = (old.as_value(), item.as_value_mut()) {
                *new.decor_mut() = old.decor().clone();
            }
            *old = item;
        }
        None => {
            table.insert(key, item);
        }
    }
}

/// Adds to a list in the way it is written: each on a line of its own, or all on one.
fn push(items: &mut Array, item: Value) {
    let last = items.iter().last().and_then(|last| last.decor().prefix()).and_then(|prefix| prefix.as_str());
    match last.filter(|prefix| prefix.contains('\n')) {
        Some(prefix) => {
            // A comment between two items is about the second.
            let indent = prefix.rsplit('\n').next().unwrap_or_default();
            let item = item.decorated(format!("\n{indent}"), "");
            items.push_formatted(item);
        }
        None => items.push(item),
    }
}

#[cfg(test)]
mod tests;
