//! Text that others chose, made safe to show to a person.
//!
//! Only this module decides which characters may reach a terminal, a log line or an error message unchanged. All others are written
//! octet by octet as `\DDD`, in decimal (RFC 1035 §5.1), as in names.

use std::fmt::{self, Write};

/// Text or octets from outside. When displayed, they cannot control a terminal, end a line, reorder it or hide in it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    octets: &'a [u8],
    /// Visible ASCII characters that are escaped as well.
    also: &'static [char],
}

impl<'a> Shown<'a> {
    /// A message made here. Parts of it may be escaped already, so backslashes stay as they are.
    pub fn text(text: &'a str) -> Self {
        Self { octets: text.as_bytes(), also: &[] }
    }

    /// Text that somebody else wrote: its backslashes are escaped.
    pub fn foreign(octets: &'a [u8]) -> Self {
        Self { octets, also: &['\\'] }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.octets.utf8_chunks() {
            for c in chunk.valid().chars() {
                if is_visible(c) && !self.also.contains(&c) {
                    f.write_char(c)?;
                } else {
                    write_escaped(c.encode_utf8(&mut [0; 4]).as_bytes(), f)?;
                }
            }
            write_escaped(chunk.invalid(), f)?;
        }
        Ok(())
    }
}

/// A `<character-string>` of RDATA in quotes (RFC 1035 §5.1). Its octets have no character set: only ASCII is shown unchanged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted<'a>(pub(super) &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        write_ascii(self.0, br#""\"#, f)?;
        f.write_char('"')
    }
}

/// Octets of RDATA as one word without quotes: blanks, commas and brackets are escaped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a>(pub(super) &'a [u8]);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ascii(self.0, br#" "\,;()"#, f)
    }
}

fn write_ascii(octets: &[u8], also: &[u8], out: &mut impl Write) -> fmt::Result {
    for octet in octets {
        match octet {
            b' '..=b'~' if !also.contains(octet) => out.write_char(char::from(*octet))?,
            _ => write_escaped(&[*octet], out)?,
        }
    }
    Ok(())
}

/// Writes each octet as `\DDD`.
pub fn write_escaped(octets: &[u8], out: &mut impl Write) -> fmt::Result {
    for octet in octets {
        let digits = [octet / 100, octet / 10 % 10, octet % 10].map(|digit| b'0' + digit);
        // Written in one piece, so that a writer with little room does not cut the escape.
        let escape = [b'\\', digits[0], digits[1], digits[2]];
        out.write_str(std::str::from_utf8(&escape).unwrap_or_default())?;
    }
    Ok(())
}

/// Writes the character as an escape in a JSON string (RFC 8259 §7).
pub fn write_json_escaped(c: char, out: &mut impl Write) -> fmt::Result {
    c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))
}

/// Whether the character is visible and in its place. Not so are control, format, private and unassigned characters, marks that
/// join the character before, blanks other than the space, and letters of scripts that are written from right to left, which
/// would reorder the digits and punctuation next to them.
pub fn is_visible(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\0'..='\u{9f}' => false,
        c => c.escape_debug().len() == 1 && !is_blank(c) && !is_right_to_left(c),
    }
}

/// Letters and symbols by category that are invisible nevertheless (Unicode: Default_Ignorable_Code_Point, and U+2800).
fn is_blank(c: char) -> bool {
    matches!(c, '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{1d159}')
}

/// The blocks that Unicode reserves for scripts written from right to left (DerivedBidiClass).
fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_seen_is_written_in_decimal() {
        for (octets, shown) in [
            (b"www.example".as_slice(), "www.example"),
            (b"a b\"c'", "a b\"c'"),
            (b"\x1b[2J\r\n\t\0", r"\027[2J\013\010\009\000"),
            (b"\x7f", r"\127"),
            ("\u{9b}31m\u{85}".as_bytes(), r"\194\15531m\194\133"),
            ("\u{202e}gpj\u{2066}".as_bytes(), r"\226\128\174gpj\226\129\166"),
            ("a\u{200b}b\u{feff}\u{ad}".as_bytes(), r"a\226\128\139b\239\187\191\194\173"),
            ("\u{a0}\u{3000}\u{2028}".as_bytes(), r"\194\160\227\128\128\226\128\168"),
            ("\u{3164}\u{2800}".as_bytes(), r"\227\133\164\226\160\128"),
            ("\u{e0041}\u{fe0f}".as_bytes(), r"\243\160\129\129\239\184\143"),
            ("e\u{301}".as_bytes(), r"e\204\129"),
            ("\u{5d0}\u{627}".as_bytes(), r"\215\144\216\167"),
            (b"\xff\xc3(\xed\xa0\x80", r"\255\195(\237\160\128"),
            ("Bücher 東京".as_bytes(), "Bücher 東京"),
        ] {
            assert_eq!(Shown::foreign(octets).to_string(), shown);
            if let Ok(text) = std::str::from_utf8(octets) {
                assert_eq!(Shown::text(text).to_string(), shown);
            }
        }
    }

    #[test]
    fn a_backslash_that_somebody_else_wrote_is_escaped() {
        assert_eq!(Shown::text(r"a\046b").to_string(), r"a\046b");
        assert_eq!(Shown::foreign(br"a\046b").to_string(), r"a\092046b");
        assert_eq!(Quoted(b"a\\\"\xc3\xa9 \n").to_string(), r#""a\092\034\195\169 \010""#);
        assert_eq!(Word(b"h2,(x) y").to_string(), r"h2\044\040x\041\032y");
    }

    proptest! {
        #[test]
        fn nothing_invisible_comes_through(octets in proptest::collection::vec(any::<u8>(), 0..80), text in any::<String>()) {
            for shown in [
                Shown::foreign(&octets).to_string(),
                Shown::foreign(text.as_bytes()).to_string(),
                Shown::text(&text).to_string(),
                Quoted(&octets).to_string(),
                Word(&octets).to_string(),
            ] {
                prop_assert!(shown.chars().all(is_visible), "{shown:?}");
                // Safe text stays unchanged, however often it is shown.
                prop_assert_eq!(Shown::text(&shown).to_string(), shown);
            }
        }
    }
}
