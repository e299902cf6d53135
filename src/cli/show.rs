//! How things are shown to people: colour on a terminal, columns, and nothing that commands the terminal.

use std::io::IsTerminal;
use std::time::Duration;

use crate::dns::{Shown, is_visible, write_json_escaped};

/// Colours and weights. There are none if the output is not a terminal that can show them, or if `NO_COLOR` is set and not empty
/// (no-color.org).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

/// What a text is to look like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ink {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

impl Paint {
    /// For standard output.
    pub(crate) fn stdout() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let on = std::io::stdout().is_terminal() && shows_colours(&variable("NO_COLOR"), &variable("TERM"));
        Self { on }
    }

    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { on: false }
    }

    pub(crate) fn ink(self, ink: Ink, text: &str) -> String {
        if !self.on || text.is_empty() {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Red => "31",
            Ink::Green => "32",
            Ink::Yellow => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// A terminal that is dumb, or says nothing of itself, shows the codes as text.
fn shows_colours(no_color: &str, term: &str) -> bool {
    no_color.is_empty() && !term.is_empty() && term != "dumb"
}

/// The text on one line, with every invisible character escaped: somebody on the network may have chosen it.
pub(crate) fn visible(text: &str) -> String {
    Shown::text(text).to_string()
}

/// The same of text that has lines.
pub(crate) fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// Equal JSON with every invisible character escaped. It is valid without that, but people read it on a terminal. Outside of
/// strings it has only visible ASCII and line breaks.
pub(crate) fn visible_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || is_visible(c) {
            shown.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write_json_escaped(c, &mut shown);
        }
    }
    shown
}

/// `12,345`
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1 name`, `2 names`
pub(crate) fn count(count: u64, what: &str) -> String {
    format!("{} {what}{}", number(count), if count == 1 { "" } else { "s" })
}

/// `1.5 MiB`
pub(crate) fn octets(octets: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.iter().find(|(_, size)| octets >= *size) {
        Some((unit, size)) if octets.is_multiple_of(*size) => format!("{} {unit}", octets / size),
        Some((unit, size)) => format!("{:.1} {unit}", octets as f64 / *size as f64),
        None => format!("{octets} B"),
    }
}

/// `3 d 4 h`, `12 min 5 s`: the two largest units.
pub(crate) fn duration(duration: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let mut left = duration.as_secs();
    let mut parts = Vec::new();
    for (unit, size) in UNITS {
        if left >= size && parts.len() < 2 {
            parts.push(format!("{} {unit}", left / size));
            left %= size;
        } else if !parts.is_empty() {
            // 3 d and 5 s is 3 d.
            break;
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

/// `0.4 ms`, `12 ms`, `1.2 s`
pub(crate) fn milliseconds(time: f64) -> String {
    match time {
        time if time < 10.0 => format!("{time:.1} ms"),
        time if time < 1_000.0 => format!("{time:.0} ms"),
        time => format!("{:.1} s", time / 1_000.0),
    }
}

/// Rows with their columns under each other, two spaces between; a column is left- or right-aligned. `paint` colours a cell
/// that has its width already.
pub(crate) fn columns<const N: usize>(
    rows: &[[String; N]],
    right: [bool; N],
    paint: impl Fn(usize, usize, String) -> String,
) -> Vec<String> {
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0)
    });
    let show = |(number, row): (usize, &[String; N])| {
        let mut line = String::new();
        let last = row.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
        for (column, ((cell, wide), right)) in row.iter().zip(widths).zip(right).enumerate().take(last) {
            if column > 0 {
                line.push_str("  ");
            }
            let gap = " ".repeat(wide.saturating_sub(width(cell)));
            let cell = match (right, column + 1 == last) {
                (true, _) => gap + cell,
                (false, true) => cell.clone(),
                (false, false) => cell.clone() + &gap,
            };
            line.push_str(&paint(number, column, cell));
        }
        line
    };
    rows.iter().enumerate().map(show).collect()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        for (given, shown) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(given), shown);
        }
        for (given, shown) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1 << 10, "1 KiB"),
            (1_536, "1.5 KiB"),
            (16 << 20, "16 MiB"),
            (5 << 30, "5 GiB"),
        ] {
            assert_eq!(octets(given), shown);
        }
        for (seconds, shown) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3_601, "1 h"),
            (11_530, "3 h 12 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), shown);
        }
        for (given, shown) in [(0.04, "0.0 ms"), (9.94, "9.9 ms"), (12.4, "12 ms"), (1_250.0, "1.2 s")] {
            assert_eq!(milliseconds(given), shown);
        }
        assert_eq!((count(1, "name"), count(2_000, "name")), ("1 name".to_owned(), "2,000 names".to_owned()));
    }

    #[test]
    fn colours_are_for_terminals_that_show_them_unless_they_are_unwanted() {
        for (no_color, term, shown) in [
            ("", "xterm-256color", true),
            ("", "dumb", false),
            ("", "", false),
            ("1", "xterm", false),
            ("0", "xterm", false),
        ] {
            assert_eq!(shows_colours(no_color, term), shown, "{no_color:?}, {term:?}");
        }
    }

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [["a", "1", "x"], ["bbb", "22", ""], ["", "3", "y"]].map(|row| row.map(str::to_owned));
        let lines = columns(&rows, [false, true, false], |_, _, cell| cell);
        assert_eq!(lines, ["a     1  x", "bbb  22", "      3  y"]);
    }

    #[test]
    fn nothing_shown_commands_a_terminal() {
        assert_eq!(visible("a\u{1b}[2Jb\n\u{202e}\\046"), r"a\027[2Jb\010\226\128\174\046");
        assert_eq!(visible_lines("a\u{7}\r\nb\n"), "a\\007\\013\nb\n");
        assert_eq!(
            visible_json("{\n\"\u{7f}\u{9b}\u{202e}\u{e0041}é\""),
            r#"{
"\u007f\u009b\u202e\udb40\udc41é""#
        );
        assert_eq!(Paint::none().ink(Ink::Red, "x"), "x");
        assert_eq!(Paint { on: true }.ink(Ink::Red, "x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
