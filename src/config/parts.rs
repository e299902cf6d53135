//! A long file in parts, each of which is TOML by itself.
//!
//! A line that starts with `[[` heads an array's next table, unless it stands within a string or a list of several lines:
//! then the text before it ends in the middle of a value, which is an error. So parts without an error read one after the
//! other say what the whole file says, but for two things. A table or a key may be written once in a file and would be
//! taken twice here: the parts after the first are read as included files, in which there are only arrays' tables. And an
//! array may not be both a value and tables: the first part ends before the first table, and must not hold such a value.

use std::hash::{DefaultHasher, Hasher};

/// A table has about as many octets, with its heading; a longer one differs from others in these.
const TABLE: usize = 64;

/// One part.
#[derive(Default)]
pub(super) struct Part<'a> {
    pub(super) text: &'a str,
    /// How many lines of the file stand before it.
    pub(super) lines_before: usize,
    /// It is not the last.
    pub(super) more: bool,
}

/// The parts of a text that are left.
pub(super) struct Parts<'a> {
    rest: &'a str,
    /// How many lines stand before the rest.
    line: usize,
    size: usize,
    /// The first of several is to come.
    first: bool,
}

impl<'a> Parts<'a> {
    /// The parts of `text`, each of about `size` octets.
    pub(super) fn of(text: &'a str, size: usize) -> Self {
        Self { rest: text, line: 0, size, first: text.len() > size }
    }

    /// The next part.
    pub(super) fn next_part(&mut self) -> Option<Part<'a>> {
        if self.rest.is_empty() && !self.first {
            return None;
        }
        let (text, rest) =
            if std::mem::take(&mut self.first) { cut_first(self.rest) } else { cut(self.rest, self.size) };
        let part = Part { text, lines_before: self.line, more: !rest.is_empty() };
        self.line += memchr::memchr_iter(b'\n', text.as_bytes()).count();
        self.rest = rest;
        Some(part)
    }
}

impl Part<'_> {
    /// It is a part of a file from an array's table on.
    pub(super) fn starts_with_table(&self) -> bool {
        self.text.starts_with("[[")
    }
}

/// Cuts before the first line that starts with `[[`.
fn cut_first(text: &str) -> (&str, &str) {
    if text.starts_with("[[") {
        return ("", text);
    }
    let found = memchr::memmem::find(text.as_bytes(), b"\n[[");
    found.and_then(|at| text.split_at_checked(at + 1)).unwrap_or((text, ""))
}

/// Cuts before a line that starts with `[[`, about `size` octets on: at what stands there and not by how far it is, so that
/// the parts behind a change are the parts that they were before it.
fn cut(text: &str, size: usize) -> (&str, &str) {
    let (least, most) = (size / 2, size.saturating_mul(2));
    let behind = text.as_bytes().get(least..).unwrap_or_default();
    let mut tables = memchr::memmem::find_iter(behind, b"\n[[").map(|at| least + at + 1);
    let seam = tables.find(|&at| at >= most || is_seam(text.as_bytes().get(at..).unwrap_or_default(), size));
    seam.and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""))
}

/// True of one table in as many as `size / 2` octets hold.
fn is_seam(table: &[u8], size: usize) -> bool {
    let start = table.get(..table.len().min(TABLE)).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    hasher.write(start);
    let one_in = u64::try_from(size / TABLE / 2).unwrap_or(u64::MAX).max(1);
    hasher.finish().is_multiple_of(one_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, size: usize) -> Vec<(usize, usize)> {
        let mut parts = Parts::of(text, size);
        let mut found = Vec::new();
        while let Some(part) = parts.next_part() {
            found.push((part.lines_before, parts.rest.len()));
        }
        found
    }

    #[test]
    fn texts_are_cut_before_the_headings_of_tables() {
        let text = "a = 1\n[[x]]\n[[y]]\nb = 2\n[[z]]\n";
        for (size, expected) in [
            (100, vec![(0, 0)]),
            (1, vec![(0, 24), (1, 18), (2, 6), (4, 0)]),
            (16, vec![(0, 24), (1, 6), (4, 0)]),
        ] {
            assert_eq!(parts(text, size), expected, "{size}");
        }
        assert_eq!(parts("[[x]]\n[[y]]\n", 1), [(0, 12), (0, 6), (1, 0)]);
        assert_eq!(parts("", 1), []);
    }
}
