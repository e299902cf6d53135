//! TOML as a tree.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ImportError;
use super::tree::{DEEPEST, Node, Value};

/// Reads a file.
pub(super) fn parse(file: &Arc<str>, text: &str) -> Result<Node, ImportError> {
    let lines = Lines::of(text);
    let wrong = |at: usize, why: &str| {
        let (line, column) = lines.place(at);
        ImportError::Syntax { file: Arc::clone(file), line, column, why: why.to_owned() }
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        // The error shows the place in the text; its last line says what is wrong.
        let shown = error.to_string();
        let why = shown.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        return Err(wrong(error.span().map_or(0, |span| span.start), &format!("not TOML: {why}")));
    }
    let value = map(table.get_ref(), &lines, 0).ok_or_else(|| wrong(0, "nested too deep"))?;
    Ok(Node { line: 1, value })
}

/// The entries in the order of the file; `None` if they are nested too deep.
fn map(table: &DeTable<'_>, lines: &Lines, depth: usize) -> Option<Value> {
    let mut entries: Vec<(usize, String, Node)> = Vec::new();
    for (key, value) in table.iter() {
        let start = key.span().start;
        let node = node(value, lines, depth + 1)?;
        entries.push((start, key.get_ref().to_string(), Node { line: lines.place(start).0, ..node }));
    }
    entries.sort_by_key(|(start, ..)| *start);
    Some(Value::Map(entries.into_iter().map(|(_, key, node)| (key, node)).collect()))
}

fn node(value: &Spanned<DeValue<'_>>, lines: &Lines, depth: usize) -> Option<Node> {
    if depth > DEEPEST {
        return None;
    }
    let plain = |text: String| Value::Plain(Some(text));
    let tree = match value.get_ref() {
        DeValue::String(text) => plain(text.to_string()),
        DeValue::Integer(number) => plain(number.as_str().replace('_', "")),
        DeValue::Float(number) => plain(number.as_str().to_owned()),
        DeValue::Boolean(flag) => plain(flag.to_string()),
        DeValue::Datetime(moment) => plain(moment.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| node(item, lines, depth + 1)).collect::<Option<_>>()?)
        }
        DeValue::Table(table) => map(table, lines, depth)?,
    };
    Some(Node { line: lines.place(value.span().start).0, value: tree })
}

/// Where lines start.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// Line and column, from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.0.partition_point(|start| *start <= at).max(1);
        let start = self.0.get(line - 1).copied().unwrap_or(0);
        (line, at.saturating_sub(start) + 1)
    }
}
