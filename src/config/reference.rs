//! What every key means, read out of the shipped file: the one place where that is written.

use super::keys::{TABLES, TableKeys};

/// The shipped file: every key at its default, with what it is for.
pub const TEMPLATE: &str = include_str!("../../etc/stubborn.toml");

/// A table and its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReference {
    /// How it is written, such as `[guard]`; empty for the top of the file.
    pub heading: String,
    /// What it is for.
    pub about: Vec<Paragraph>,
    /// Its keys, in the order of the file.
    pub keys: Vec<KeyReference>,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReference {
    /// Its name.
    pub name: String,
    /// What it takes, such as `list of addresses`; empty where its text says so.
    pub kind: String,
    /// What it means.
    pub about: Vec<Paragraph>,
    /// How it is written, such as `level = "info"`.
    pub line: String,
    /// That line is the default, and no example.
    pub is_default: bool,
}

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paragraph {
    /// To be filled.
    Text(String),
    /// A line to be left as it is.
    Line(String),
}

/// A line of the shipped file.
enum Piece<'a> {
    Heading(&'a str),
    Key(&'a str),
    Comment(&'a str),
    Break,
}

/// The reference: first what stands at the top of the file, then each table.
pub fn reference() -> Vec<TableReference> {
    let mut tables = vec![TableReference { heading: String::new(), about: Vec::new(), keys: Vec::new() }];
    // Whether the next text begins a paragraph.
    let mut fresh = true;
    for line in TEMPLATE.lines() {
        match piece(line) {
            Piece::Break => fresh = true,
            Piece::Heading(heading) => open(&mut tables, heading),
            Piece::Key(key) => set_line(&mut tables, key, !line.starts_with('#')),
            Piece::Comment(text) => {
                let text = begin(&mut tables, text, &mut fresh);
                push(&mut tables, text, fresh);
                fresh = false;
            }
        }
    }
    tables
}

fn piece(line: &str) -> Piece<'_> {
    let comment = line.strip_prefix("# ");
    if let Some(text) = comment {
        return Piece::Comment(text);
    }
    let code = line.trim_start_matches('#');
    if code.is_empty() {
        Piece::Break
    } else if code.starts_with('[') {
        Piece::Heading(code)
    } else {
        Piece::Key(code)
    }
}

fn open(tables: &mut Vec<TableReference>, heading: &str) {
    if tables.last().is_none_or(|table| table.heading != heading) {
        tables.push(TableReference { heading: heading.into(), about: Vec::new(), keys: Vec::new() });
    }
}

/// Opens the table or key that a comment begins with; returns the text behind it.
fn begin<'a>(tables: &mut Vec<TableReference>, text: &'a str, fresh: &mut bool) -> &'a str {
    let Some((head, rest)) = text.split_once(": ") else { return text };
    if head.starts_with("[[") {
        open(tables, head);
        *fresh = true;
        return rest;
    }
    let (name, kind) = match head.split_once(" (") {
        Some((name, kind)) => (name, kind.trim_end_matches(')')),
        None => (head, ""),
    };
    let Some(table) = tables.last_mut() else { return text };
    if !keys_of(&table.heading).keys.contains(&name) {
        return text;
    }
    table.keys.push(KeyReference {
        name: name.into(),
        kind: kind.into(),
        about: Vec::new(),
        line: String::new(),
        is_default: false,
    });
    *fresh = true;
    rest
}

fn keys_of(heading: &str) -> &'static TableKeys {
    let name = heading.trim_matches(['[', ']']);
    TABLES.iter().copied().find(|table| table.table == name).unwrap_or(&super::keys::TOP)
}

fn push(tables: &mut [TableReference], text: &str, fresh: bool) {
    let Some(table) = tables.last_mut() else { return };
    let about = match table.keys.last_mut() {
        Some(key) => &mut key.about,
        None => &mut table.about,
    };
    match about.last_mut() {
        _ if text.starts_with("  ") => about.push(Paragraph::Line(text.into())),
        Some(Paragraph::Text(before)) if !fresh => {
            before.push(' ');
            before.push_str(text);
        }
        _ => about.push(Paragraph::Text(text.into())),
    }
}

/// Notes how a key is written, the first time it is.
fn set_line(tables: &mut [TableReference], line: &str, is_default: bool) {
    let name = line.split(['=', ' ']).next().unwrap_or_default();
    let key = tables.last_mut().and_then(|table| table.keys.iter_mut().find(|key| key.name == name));
    if let Some(key) = key.filter(|key| key.line.is_empty()) {
        key.line = line.into();
        key.is_default = is_default;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_text_and_its_line() {
        let tables = reference();
        for table in TABLES {
            let heading = if table.table.is_empty() { String::new() } else { table.heading() };
            let found = tables.iter().find(|found| found.heading == heading);
            let found = found.unwrap_or_else(|| panic!("{heading} is not explained"));
            for name in table.keys.iter().filter(|name| !table.table.is_empty() || **name == "include") {
                let key = found.keys.iter().find(|key| key.name == *name);
                let key = key.unwrap_or_else(|| panic!("{heading} {name} is not explained"));
                assert!(key.line.starts_with(&format!("{name} = ")), "{key:?}");
                assert!(
                    !key.about.is_empty() && key.is_default != table.repeated || *name == "include",
                    "{key:?}"
                );
            }
        }
        assert_eq!(tables.len(), TABLES.len());
        let exception = tables.iter().find(|table| table.heading == "[[exception]]").unwrap();
        assert!(
            matches!(&exception.about[0], Paragraph::Text(text) if text.starts_with("a domain whose names"))
        );
        let preset = exception.keys.iter().find(|key| key.name == "preset").unwrap();
        assert!(
            preset.about.iter().any(|line| matches!(line, Paragraph::Line(line) if line.contains("nip-io")))
        );
    }
}
