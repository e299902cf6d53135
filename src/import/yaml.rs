//! YAML as a tree: no tags, no aliases, no types.

use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScanError, Span};

use super::ImportError;
use super::tree::{DEEPEST, Node, Value};

/// How many nodes it may have.
const MOST: usize = 1_000_000;

/// A node whose children are still being read.
struct Open {
    line: usize,
    items: Vec<Node>,
    /// Of a map: the entries, and the key that waits for its value.
    entries: Vec<(String, Node)>,
    key: Option<(String, usize)>,
    is_map: bool,
}

/// Reads the first document of a text.
pub(super) fn parse(file: &Arc<str>, text: &str) -> Result<Option<Node>, ImportError> {
    let mut open: Vec<Open> = Vec::new();
    let mut count = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| of_scan(file, &error))?;
        let node = match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let is_map = matches!(event, Event::MappingStart(..));
                let line = span.start.line();
                open.push(Open { line, items: Vec::new(), entries: Vec::new(), key: None, is_map });
                if open.len() > DEEPEST {
                    return Err(at(file, &span, "nested too deep"));
                }
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { line, items, entries, is_map, .. }) = open.pop() else { continue };
                Node { line, value: if is_map { Value::Map(entries) } else { Value::List(items) } }
            }
            Event::Scalar(text, style, ..) => {
                let is_none =
                    style == saphyr_parser::ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                let text = (!is_none).then(|| text.into_owned());
                Node { line: span.start.line(), value: Value::Plain(text) }
            }
            Event::Alias(_) => return Err(at(file, &span, "an alias (*name), which no such file has")),
            Event::DocumentEnd => return Ok(None),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => continue,
        };
        count += 1;
        if count > MOST {
            return Err(at(file, &span, "more than a million values"));
        }
        match open.last_mut() {
            None => return Ok(Some(node)),
            Some(parent) => parent.take(node).map_err(|why| at(file, &span, why))?,
        }
    }
    Ok(None)
}

impl Open {
    fn take(&mut self, node: Node) -> Result<(), &'static str> {
        match (self.is_map, self.key.take()) {
            (false, _) => self.items.push(node),
            (true, Some((key, line))) => self.entries.push((key, Node { line, ..node })),
            (true, None) => match node.value {
                Value::Plain(text) => self.key = Some((text.unwrap_or_default(), node.line)),
                Value::List(_) | Value::Map(_) => return Err("a key that is not text"),
            },
        }
        Ok(())
    }
}

fn at(file: &Arc<str>, span: &Span, why: &str) -> ImportError {
    let (line, column) = (span.start.line(), span.start.col() + 1);
    ImportError::Syntax { file: Arc::clone(file), line, column, why: why.to_owned() }
}

fn of_scan(file: &Arc<str>, error: &ScanError) -> ImportError {
    let (line, column) = (error.marker().line(), error.marker().col() + 1);
    ImportError::Syntax { file: Arc::clone(file), line, column, why: format!("not YAML: {}", error.info()) }
}
