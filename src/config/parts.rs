//! A long file in parts, each of which is TOML by itself.
//!
//! A line that starts with `[[` heads an array's next table, unless it stands within a string or a list of several lines:
//! then the text before it ends in the middle of a value, which is an error. So parts without an error read one after the
//! other say what the whole file says, but for two things. A table or a key may be written once in a file and would be
//! taken twice here: the parts after the first are read as included files, in which there are only arrays' tables. And an
//! array may not be both a value and tables: the first part ends before the first table, and must not hold such a value.

use std::path::Path;

use super::page::Page;

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

    /// The next part of the file at `path`.
    pub(super) fn next_page(&mut self, path: &Path) -> Option<Page<'a>> {
        if self.rest.is_empty() && !self.first {
            return None;
        }
        let least = if std::mem::take(&mut self.first) { 0 } else { self.size.max(1) };
        let (part, rest) = cut(self.rest, least);
        let page = Page::new(path, part, self.line);
        self.line += memchr::memchr_iter(b'\n', part.as_bytes()).count();
        self.rest = rest;
        Some(page)
    }

    /// There are more.
    pub(super) fn more(&self) -> bool {
        !self.rest.is_empty()
    }
}

/// Cuts before the first line from `least` octets on that starts with `[[`.
fn cut(text: &str, least: usize) -> (&str, &str) {
    if least == 0 && text.starts_with("[[") {
        return ("", text);
    }
    let found = memchr::memmem::find(text.as_bytes().get(least..).unwrap_or_default(), b"\n[[");
    found.and_then(|at| text.split_at_checked(least + at + 1)).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, size: usize) -> Vec<(usize, usize)> {
        let mut parts = Parts::of(text, size);
        let mut found = Vec::new();
        let mut line = 0;
        while parts.next_page(Path::new("a.toml")).is_some() {
            found.push((line, parts.rest.len()));
            line = parts.line;
        }
        found
    }

    #[test]
    fn texts_are_cut_before_the_headings_of_tables() {
        let text = "a = 1\n[[x]]\n[[y]]\nb = 2\n[[z]]\n";
        for (size, expected) in [
            (100, vec![(0, 0)]),
            (1, vec![(0, 24), (1, 18), (2, 6), (4, 0)]),
            (8, vec![(0, 24), (1, 6), (4, 0)]),
        ] {
            assert_eq!(parts(text, size), expected, "{size}");
        }
        assert_eq!(parts("[[x]]\n[[y]]\n", 1), [(0, 12), (0, 6), (1, 0)]);
        assert_eq!(parts("", 1), []);
    }
}
