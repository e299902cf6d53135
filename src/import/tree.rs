//! Nested values, each with its line: the common form of YAML and TOML.

use std::sync::Arc;

use super::draft::Setting;

/// How deep a tree may be.
pub(super) const DEEPEST: usize = 32;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Text, a number or a boolean, as it is written; `None` for an empty value.
    Plain(Option<String>),
    /// A list.
    List(Vec<Node>),
    /// Keys and values, in order.
    Map(Vec<(String, Node)>),
}

/// A value with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// The line, from 1; for a value in a map, the line of its key.
    pub(super) line: usize,
    pub(super) value: Value,
}

impl Node {
    /// The value of a key, in a map.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(own, _)| own == key).map(|(_, node)| node)
    }

    /// The keys and values of a map.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Plain(_) | Value::List(_) => &[],
        }
    }

    /// The items of a list.
    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Plain(_) | Value::Map(_) => &[],
        }
    }

    /// The text of a plain value.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Plain(text) => text.as_deref(),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Whether it holds nothing: no text, `false`, 0, an empty list.
    pub(super) fn is_nothing(&self) -> bool {
        match &self.value {
            Value::Plain(text) => matches!(text.as_deref(), None | Some("" | "false" | "0" | "0s")),
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
        }
    }
}

impl Node {
    /// The values without keys of their own, each with its path: the keys that lead to it, joined by dots.
    pub(super) fn leaves(&self) -> Vec<(String, &Self)> {
        let mut leaves = Vec::new();
        for (key, node) in self.entries() {
            match &node.value {
                Value::Map(entries) if !entries.is_empty() => {
                    let below = node.leaves().into_iter();
                    leaves.extend(below.map(|(path, leaf)| (format!("{key}.{path}"), leaf)));
                }
                _ => leaves.push((key.clone(), node)),
            }
        }
        leaves
    }

    /// The texts of a list, or of one value, each with its line.
    pub(super) fn texts(&self) -> Vec<(usize, &str)> {
        match &self.value {
            Value::Plain(text) => text.iter().map(|text| (self.line, text.as_str())).collect(),
            Value::List(items) => items.iter().filter_map(|item| Some((item.line, item.text()?))).collect(),
            Value::Map(_) => Vec::new(),
        }
    }

    /// Whether it is a switch that is on.
    pub(super) fn is_on(&self) -> bool {
        self.text().is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }
}

/// A key with its value, as a comment shows it. Only plain values are shown: others may hold a password.
pub(super) fn setting(file: &Arc<str>, key: &str, node: &Node) -> Setting {
    let text = match (node.text(), node.items().len(), node.entries().len()) {
        (Some(text), ..) => format!("{key}: {text}"),
        (None, 0, 0) => format!("{key}:"),
        (None, items, entries) => format!("{key}: ({} entries)", items + entries),
    };
    Setting::new(file, node.line, &text)
}
