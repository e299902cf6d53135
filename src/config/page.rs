//! One file, or a part of it, being read: its text, where things stand in it, and what is wrong with it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::DeTable;

use super::error::{self, ConfigError, Place, Severity, Wrong};
use super::syntax::{self, Lost};
use crate::policy::Origin;

/// A text, and the problems found in it so far.
pub(super) struct Page<'a> {
    path: Arc<Path>,
    text: &'a str,
    /// How many lines of the file stand before the text.
    lines_before: usize,
    /// Where each line starts, in octets.
    starts: Vec<usize>,
    /// Lines that are not TOML: what was made of them is not complained about again.
    broken: RefCell<BTreeSet<u32>>,
    /// From this line on the text may belong to something that is not closed.
    lost_from: Cell<u32>,
    problems: RefCell<Vec<ConfigError>>,
    /// The keys that were written, with their places.
    written: RefCell<Vec<(String, Origin)>>,
}

impl<'a> Page<'a> {
    pub(super) fn new(path: &Path, text: &'a str, lines_before: usize) -> Self {
        let newlines = memchr::memchr_iter(b'\n', text.as_bytes());
        let starts = std::iter::once(0).chain(newlines.map(|at| at + 1)).collect();
        Self {
            path: path.into(),
            text,
            lines_before,
            starts,
            broken: RefCell::default(),
            lost_from: Cell::new(u32::MAX),
            problems: RefCell::default(),
            written: RefCell::default(),
        }
    }

    /// The text's tables, as far as it is TOML; what is not is reported.
    pub(super) fn parse(&self) -> Spanned<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            return table;
        }
        let mut unread_from = u32::MAX;
        for unclosed in syntax::unclosed(self.text) {
            let line = self.line(&unclosed.span);
            match unclosed.lost {
                Lost::Line => {}
                Lost::Tables => self.lost_from.set(line.min(self.lost_from.get())),
                Lost::Rest => {
                    self.lost_from.set(line.min(self.lost_from.get()));
                    unread_from = line;
                }
            }
            self.broken.borrow_mut().insert(line);
            self.push(Severity::Error, &unclosed.span, String::new(), unclosed.wrong);
        }
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            // Of several complaints about one line the first is the cause.
            let line = self.line(&span);
            if line < unread_from && self.broken.borrow_mut().insert(line) {
                let wrong = self.repeated(error.message(), &span);
                let wrong =
                    wrong.unwrap_or_else(|| syntax::explain(error.message(), &self.place(&span).text));
                self.push(Severity::Error, &span, String::new(), wrong);
            }
        }
        table
    }

    /// What is written twice, with the line where it was first.
    fn repeated(&self, message: &str, span: &Range<usize>) -> Option<Wrong> {
        let start = *self.starts.get(self.line_of_text(span).checked_sub(1)?)?;
        let line = &self.place(span).text;
        let (at, what) =
            syntax::written_before(self.text.get(..start)?, line).filter(|_| message == "duplicate key")?;
        let help = if what.starts_with('[') {
            format!("move the keys below this {what} to the first one, and remove this heading")
        } else {
            "remove one of the two lines".to_owned()
        };
        let first = self.lines_before + at + 1;
        Some(Wrong::new(format!("{what} was written before, in line {first}")).help(help))
    }

    /// The line of a span, from 1.
    pub(super) fn line(&self, span: &Range<usize>) -> u32 {
        u32::try_from(self.lines_before + self.line_of_text(span)).unwrap_or(u32::MAX)
    }

    fn line_of_text(&self, span: &Range<usize>) -> usize {
        self.starts.partition_point(|&start| start <= span.start.min(self.text.len()))
    }

    /// The place of a span, as ranges, exceptions and routes carry it.
    pub(super) fn origin(&self, span: &Range<usize>) -> Origin {
        Origin::File { path: Arc::clone(&self.path), line: self.line(span) }
    }

    /// Reports an error.
    pub(super) fn error(&self, span: &Range<usize>, key: impl Into<String>, wrong: Wrong) {
        let line = self.line(span);
        if line < self.lost_from.get() && !self.broken.borrow().contains(&line) {
            self.push(Severity::Error, span, key.into(), wrong);
        }
    }

    /// Reports that something is not there; silent where broken lines may hold it.
    pub(super) fn missing(&self, span: &Range<usize>, key: impl Into<String>, wrong: Wrong) {
        if self.broken.borrow().is_empty() {
            self.push(Severity::Error, span, key.into(), wrong);
        }
    }

    /// Reports what is allowed but hardly meant.
    pub(super) fn warning(&self, span: &Range<usize>, key: impl Into<String>, wrong: Wrong) {
        self.push(Severity::Warning, span, key.into(), wrong);
    }

    /// Notes that a key was written.
    pub(super) fn note(&self, key: String, span: &Range<usize>) {
        self.written.borrow_mut().push((key, self.origin(span)));
    }

    /// The keys that were noted.
    pub(super) fn take_written(&self) -> Vec<(String, Origin)> {
        self.written.take()
    }

    /// What was found, in the order of the file.
    pub(super) fn into_problems(self) -> Vec<ConfigError> {
        let mut problems = self.problems.into_inner();
        error::sort(&mut problems);
        problems
    }

    fn push(&self, severity: Severity, span: &Range<usize>, key: String, wrong: Wrong) {
        self.problems.borrow_mut().push(ConfigError {
            severity,
            path: Arc::clone(&self.path),
            place: Some(self.place(span)),
            key,
            message: wrong.message,
            help: wrong.help,
        });
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let (line, index) = (self.line(span), self.line_of_text(span));
        let start = self.starts.get(index.saturating_sub(1)).copied().unwrap_or(0);
        let next = self.starts.get(index).copied().unwrap_or(self.text.len());
        let text = self.text.get(start..next).unwrap_or("").trim_end_matches(['\r', '\n']);
        let count = |range: Range<usize>| {
            let chars = self.text.get(range).map_or(0, |part| part.chars().count());
            u32::try_from(chars).unwrap_or(u32::MAX)
        };
        let from = span.start.clamp(start, start + text.len());
        let to = span.end.clamp(from, start + text.len());
        Place { line, column: count(start..from) + 1, width: count(from..to).max(1), text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters_and_end_with_the_line() {
        let page = Page::new(Path::new("a.toml"), "ü = 1\r\nabc = \"\"\"x\ny\"\"\"\n", 0);
        let place = page.place(&(3..4));
        assert_eq!((place.line, place.column, place.width, place.text.as_str()), (1, 3, 1, "ü = 1"));
        let place = page.place(&(14..22));
        assert_eq!((place.line, place.column, place.width), (2, 7, 4));
        let place = page.place(&(900..901));
        assert_eq!((place.line, place.column, place.width, place.text.as_str()), (4, 1, 1, ""));
    }

    #[test]
    fn every_broken_line_is_reported_once() {
        let page = Page::new(Path::new("a.toml"), "a = [1,,2]\nb = \nc = 1\nc = 2\nd = \"x\n", 0);
        let table = page.parse();
        assert!(table.get_ref().contains_key("c"));
        page.error(&(12..13), "b", Wrong::new("again"));
        page.missing(&(0..1), "z", Wrong::new("missing"));
        let lines: Vec<_> = page.into_problems().iter().map(|p| p.place.as_ref().map(|p| p.line)).collect();
        assert_eq!(lines, [Some(1), Some(2), Some(4), Some(5)]);
    }
}
