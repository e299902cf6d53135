//! The lines in which a file's new text differs from the old one.

use std::fmt;

/// A line with what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// It is new.
    Added(String),
    /// It goes.
    Removed(String),
    /// It stays; shown between others that do not.
    Kept(String),
}

/// Lines that stand together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// The first line, from 1, in the new text.
    pub line: usize,
    /// The lines.
    pub lines: Vec<Line>,
}

impl Hunk {
    /// The difference of two texts as one hunk; none where they are the same.
    pub(super) fn between(old: &str, new: &str) -> Option<Self> {
        // A byte order mark is not part of the first line.
        let lines = |text| str::trim_start_matches(text, '\u{feff}').lines();
        let (old, new): (Vec<&str>, Vec<&str>) = (lines(old).collect(), lines(new).collect());
        let same = |(a, b): &(&&str, &&str)| a == b;
        let head = old.iter().zip(&new).take_while(same).count();
        let (old, new) = (old.get(head..)?, new.get(head..)?);
        let tail = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
        let old = old.get(..old.len() - tail)?;
        let new = new.get(..new.len() - tail)?;
        if old.is_empty() && new.is_empty() {
            return None;
        }
        Some(Self { line: head + 1, lines: woven(old, new) }.without_blank_ends())
    }

    /// Only lines that are new: they can be shown, and pasted, as they are.
    pub fn only_adds(&self) -> bool {
        self.lines.iter().all(|line| matches!(line, Line::Added(_)))
    }

    /// An empty line that comes or goes at an end says nothing.
    fn without_blank_ends(mut self) -> Self {
        let blank = |line: &Line| matches!(line, Line::Added(text) | Line::Removed(text) | Line::Kept(text) if text.trim().is_empty());
        while self.lines.len() > 1 && self.lines.last().is_some_and(blank) {
            self.lines.pop();
        }
        while self.lines.len() > 1 && self.lines.first().is_some_and(blank) {
            if !matches!(self.lines.remove(0), Line::Removed(_)) {
                self.line += 1;
            }
        }
        self
    }
}

/// Both runs of lines as one, with what they have in common kept; they are a table's, so they are short.
fn woven(old: &[&str], new: &[&str]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut new = new;
    for &line in old {
        match new.iter().position(|other| *other == line) {
            Some(at) => {
                let (before, after) = new.split_at_checked(at).unwrap_or((new, &[]));
                lines.extend(before.iter().map(|line| Line::Added((*line).to_owned())));
                lines.push(Line::Kept(line.to_owned()));
                new = after.get(1..).unwrap_or(&[]);
            }
            None => lines.push(Line::Removed(line.to_owned())),
        }
    }
    lines.extend(new.iter().map(|line| Line::Added((*line).to_owned())));
    lines
}

impl fmt::Display for Hunk {
    /// New lines as they are; else each line with `+`, `-` or a blank before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marked = !self.only_adds();
        for line in &self.lines {
            let (mark, text) = match line {
                Line::Added(text) => ("+", text),
                Line::Removed(text) => ("-", text),
                Line::Kept(text) => (" ", text),
            };
            let text = crate::config::printable(text);
            if marked { writeln!(f, "{mark}{text}")? } else { writeln!(f, "{text}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_what_changed_and_nothing_more() {
        for (old, new, line, shown) in [
            ("a\n", "a\n\nb\nc\n", 3, "b\nc\n"),
            ("a\n\nb\nc\n\nd\n", "a\n\nd\n", 3, "-b\n-c\n"),
            (
                "a\nx = 1\ny = 2\nz = 3\nb\n",
                "a\nx = 9\ny = 2\nz = 8\nb\n",
                2,
                "-x = 1\n+x = 9\n y = 2\n-z = 3\n+z = 8\n",
            ),
            ("", "a\n", 1, "a\n"),
            ("a\n", "", 1, "-a\n"),
        ] {
            let hunk = Hunk::between(old, new).unwrap();
            let mut lines: Vec<String> = hunk.to_string().lines().map(str::to_owned).collect();
            let mut expected: Vec<String> = shown.lines().map(str::to_owned).collect();
            lines.sort();
            expected.sort();
            assert_eq!(lines, expected, "{old:?} {new:?}");
            assert_eq!(hunk.line, line, "{old:?} {new:?}");
        }
        assert_eq!(Hunk::between("a\nb\n", "a\nb\n"), None);
    }

    #[test]
    fn nothing_in_a_line_reaches_the_terminal_unescaped() {
        let hunk = Hunk::between("", "# \u{1b}[2J\u{202e}\n").unwrap();
        assert!(!hunk.to_string().contains(['\u{1b}', '\u{202e}']));
    }
}
