//! Mistakes in the file's form, in words for somebody who does not know TOML, and at the place where they were made: the TOML
//! reader complains only where it cannot go on, which may be many lines later.

use std::ops::Range;

use super::error::{Wrong, printable, quoted};

/// Something that was opened and not closed.
#[derive(Debug)]
pub(super) struct Unclosed {
    /// Where it was opened.
    pub(super) span: Range<usize>,
    pub(super) wrong: Wrong,
    pub(super) lost: Lost,
}

/// What can no longer be judged because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// Nothing but its line.
    Line,
    /// To which table the keys behind it belong.
    Tables,
    /// Everything behind it, which is read as a part of it.
    Rest,
}

/// What a text that is not TOML opens and does not close.
pub(super) fn unclosed(text: &str) -> Vec<Unclosed> {
    let mut scan = Scan::default();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if scan.line(line.trim_end_matches(['\n', '\r']), start) {
            return scan.found;
        }
        start += line.len();
    }
    scan.at_end();
    scan.found
}

#[derive(Debug, Default)]
struct Scan {
    found: Vec<Unclosed>,
    /// The brackets and braces that are open, and where.
    open: Vec<(u8, usize)>,
    /// The three quotes that end the text of several lines, and where it began.
    long: Option<(&'static str, usize)>,
}

impl Scan {
    /// Reads a line that starts at `start`; whether the rest of the file belongs to something unclosed.
    fn line(&mut self, line: &str, start: usize) -> bool {
        let (is_heading, content) = (is_heading(line), line.trim_start());
        if self.long.is_none() {
            if !self.open.is_empty() && (is_heading || is_key(content)) {
                self.unclosed_bracket();
                return true;
            }
            if self.open.is_empty() && content.starts_with('[') {
                self.heading(line, start);
                return false;
            }
        }
        let mut at = 0;
        while let Some(next) = line.get(at..).and_then(|rest| self.step(rest, start + at)) {
            at += next;
        }
        false
    }

    /// Reads what comes next on the line; how long it is, none at the end of the line.
    fn step(&mut self, rest: &str, at: usize) -> Option<usize> {
        if let Some((quotes, _)) = self.long {
            let end = rest.find(quotes)?;
            self.long = None;
            return Some(end + quotes.len());
        }
        let first = rest.chars().next()?;
        match first {
            '#' => return None,
            '[' | '{' => self.open.push((rest.as_bytes().first().copied()?, at)),
            ']' | '}' => drop(self.open.pop()),
            '"' | '\'' => return self.quoted(rest, first, at),
            _ => {}
        }
        Some(first.len_utf8())
    }

    fn quoted(&mut self, rest: &str, quote: char, at: usize) -> Option<usize> {
        let three = if quote == '"' { "\"\"\"" } else { "'''" };
        if rest.starts_with(three) {
            self.long = Some((three, at));
            return Some(three.len());
        }
        let mut escaped = false;
        for (index, c) in rest.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' if quote == '"' => escaped = true,
                c if c == quote => return Some(index + 1),
                _ => {}
            }
        }
        let wrong = Wrong::new("this text has no quote at its end");
        self.found.push(Unclosed {
            span: at..at + rest.len(),
            wrong: wrong.help(format!("write {quote} behind it, on the same line")),
            lost: Lost::Line,
        });
        // A list that the quote hides the end of is another matter.
        self.open.clear();
        None
    }

    fn heading(&mut self, line: &str, start: usize) {
        let code = line.split('#').next().unwrap_or_default().trim();
        let (brackets, close) = if code.starts_with("[[") { ("[[", "]]") } else { ("[", "]") };
        if code.ends_with(close) {
            return;
        }
        let name = code.trim_matches(['[', ']', ' ']);
        let wrong = Wrong::new("this heading is not closed")
            .help(format!("write {brackets}{}{close}", printable(name)));
        let from = start + line.len() - line.trim_start().len();
        self.found.push(Unclosed { span: from..from + code.len(), wrong, lost: Lost::Tables });
    }

    fn unclosed_bracket(&mut self) {
        let Some((bracket, at)) = self.open.pop() else { return };
        let (open, close) = if bracket == b'[' { ('[', ']') } else { ('{', '}') };
        let wrong = Wrong::new(format!("this {open} is not closed"));
        let wrong = wrong.help(format!("write {close} behind the last value"));
        self.found.push(Unclosed { span: at..at + 1, wrong, lost: Lost::Rest });
    }

    fn at_end(&mut self) {
        if let Some((quotes, at)) = self.long {
            let wrong = Wrong::new(format!("the text that begins with {quotes} has no end"));
            let help = "write one quote before and behind a text of one line";
            self.found.push(Unclosed {
                span: at..at + quotes.len(),
                wrong: wrong.help(help),
                lost: Lost::Rest,
            });
        } else {
            self.unclosed_bracket();
        }
    }
}

/// Whether the line is `[name]` or `[[name]]`, and not a list's item.
fn is_heading(line: &str) -> bool {
    let code = line.split('#').next().unwrap_or_default().trim();
    let name = code.trim_start_matches('[').trim_end_matches(']').trim();
    code.starts_with('[')
        && code.ends_with(']')
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && is_bare(name)
}

fn is_key(content: &str) -> bool {
    content.split_once('=').is_some_and(|(key, _)| !key.trim().is_empty() && is_bare(key.trim()))
}

fn is_bare(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'))
}

/// The key or heading of a line that was written before, with the line where it was, counted from 0.
pub(super) fn written_before(before: &str, line: &str) -> Option<(usize, String)> {
    let code = |line: &str| line.split('#').next().unwrap_or_default().replace(['"', ' ', '\t'], "");
    let heading = |line: &str| Some(code(line)).filter(|code| is_heading(code));
    let lines = || before.lines().enumerate();
    if let Some(wanted) = heading(line) {
        let (at, _) = lines().find(|(_, other)| heading(other).as_ref() == Some(&wanted))?;
        return Some((at, wanted));
    }
    let key = |line: &str| Some(code(line.split_once('=')?.0)).filter(|key| is_bare(key));
    let wanted = key(line)?;
    let table = lines().filter(|(_, other)| heading(other).is_some()).last().map_or(0, |(at, _)| at);
    let (at, _) = lines().skip(table).find(|(_, other)| key(other).as_ref() == Some(&wanted))?;
    Some((at, wanted))
}

/// The TOML reader's complaint about a line, in our words where ours are plainer.
pub(super) fn explain(message: &str, line: &str) -> Wrong {
    const TYPOGRAPHIC: [char; 6] = ['“', '”', '„', '‘', '’', '«'];
    let content = line.trim();
    let value = content.split_once('=').map(|(_, value)| value.split('#').next().unwrap_or_default().trim());
    let told = |message: &str, help: String| Wrong::new(message).help(help);
    if content.starts_with("//") || content.starts_with(';') {
        return told("this is neither a key nor a comment", "a comment starts with #".into());
    }
    if content.contains(TYPOGRAPHIC) {
        return told("these are typographic quotes", "write straight ones: \"".into());
    }
    match (message, value) {
        ("duplicate key", _) => told("this key or table was written before", "keep one of the two".into()),
        (message, _) if message.starts_with("key with no value") => match content.split_once(':') {
            Some((key, value)) if is_bare(key.trim()) => told(
                "a key and its value have = between them, not :",
                format!("write {} = {}", printable(key.trim()), printable(value.trim())),
            ),
            _ => told("this key has no value", "write = and the value behind the key".into()),
        },
        (_, Some(value)) if ["true", "false"].iter().any(|word| value.eq_ignore_ascii_case(word)) => told(
            "a switch is true or false, in small letters",
            format!("write {}", value.to_ascii_lowercase()),
        ),
        (message, Some("")) if message.starts_with("string values must be quoted") => {
            told("the value is missing", "write it behind the =".into())
        }
        (message, Some(value)) if is_unquoted(message) && !value.contains(['"', '\'', '[', '{', '\\']) => {
            told("text is written in quotes", format!("write {}", quoted(value)))
        }
        (message, _) if is_unquoted(message) => {
            told("text is written in quotes", "put each value in quotes".into())
        }
        (message, _) if message.starts_with("missing comma") => {
            told("there is no comma between two values", "write a comma behind each value".into())
        }
        (message, _) if message.contains("escape") => told(
            "a \\ in quotes stands for a special character",
            "write \\\\ for one \\, or use single quotes".into(),
        ),
        (other, _) => Wrong::new(other),
    }
}

fn is_unquoted(message: &str) -> bool {
    ["string values must be quoted", "invalid boolean", "invalid float", "invalid integer", "invalid number"]
        .iter()
        .any(|beginning| message.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_closed_is_found_where_it_was_opened() {
        for (text, expected) in [
            ("[server]\nlisten = [\n  \"a\", # [\n  'b]'\n]\n[guard]\nmode = \"x\"\n", &[][..]),
            ("a = [[\"b\"], [\"c\"]]\nb = { c = 1 }\n", &[]),
            ("listen = [\"a\"\n\n[guard]\nmode = \"x\"\n", &[(9, "this [ is not closed")]),
            ("listen = [\"a\",\nworkers = 2\n", &[(9, "this [ is not closed")]),
            ("listen = [\"a\"\n", &[(9, "this [ is not closed")]),
            ("a = { b = 1\n[guard]\n", &[(4, "this { is not closed")]),
            ("a = \"x\nb = 'y\n", &[(4, "no quote at its end"), (11, "no quote at its end")]),
            ("a = [\"x]\nb = 1\n", &[(5, "no quote at its end")]),
            ("a = \"x\\\"\nb = 1\n", &[(4, "no quote at its end")]),
            ("a = \"\"\"x\n[guard]\n", &[(4, "has no end")]),
            ("a = \"\"\"x\n[guard]\n\"\"\"\n", &[]),
            ("[guard\nmode = \"x\"\n", &[(0, "this heading is not closed")]),
            ("  [[exception] # x\n", &[(2, "write [[exception]]")]),
        ] {
            let found = unclosed(text);
            assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
            for (found, (at, part)) in found.iter().zip(expected) {
                assert!(
                    found.span.start == *at && found.wrong.to_string().contains(part),
                    "{text}: {found:?}"
                );
            }
        }
    }
}
