//! unbound.conf as attributes with their values.

use std::sync::Arc;

use crate::import::draft::Setting;

/// An attribute with its values; a clause has none.
pub(super) struct Attribute {
    pub(super) from: Setting,
    pub(super) name: String,
    pub(super) values: Vec<String>,
}

/// The attributes of a file: a name that ends with a colon, and the words up to the next name, on the same line or, if values
/// are missing, on the next.
pub(super) fn attributes(file: &Arc<str>, text: &str) -> Vec<Attribute> {
    let mut attributes: Vec<Attribute> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let from = Setting::new(file, index + 1, line.trim());
        for (word, is_quoted) in words(line) {
            let name = word.strip_suffix(':').filter(|name| {
                let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
                !is_quoted && !name.is_empty() && name.chars().all(is_name)
            });
            let open = attributes
                .last_mut()
                .filter(|last| last.from.place.line == index + 1 || last.values.len() < wanted(&last.name));
            match (name, open) {
                (None, Some(attribute)) => attribute.values.push(word),
                (name, _) => {
                    let name = name.map_or_else(|| word.clone(), str::to_owned);
                    attributes.push(Attribute { from: from.clone(), name, values: Vec::new() });
                }
            }
        }
    }
    attributes
}

/// The least number of values of an attribute.
pub(super) fn wanted(name: &str) -> usize {
    match name {
        "access-control" | "local-zone" => 2,
        _ => 1,
    }
}

/// The words of a line, and whether each was in quotes.
fn words(line: &str) -> Vec<(String, bool)> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(start) = rest.chars().next() {
        match start {
            '#' => break,
            '"' | '\'' => {
                let inner = rest.get(1..).unwrap_or_default();
                let (word, after) = inner.split_once(start).unwrap_or((inner, ""));
                words.push((word.to_owned(), true));
                rest = after.trim_start();
            }
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len());
                // `name:"value"` without a blank between.
                let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
                words.push((word.to_owned(), false));
                rest = after.trim_start();
            }
        }
    }
    words
}
