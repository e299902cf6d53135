//! Text from outside, made safe for a log line. [`dns`](crate::dns) decides what is visible; this module has the forms of lines.

use crate::dns::{is_visible, write_escaped, write_json_escaped};

/// A value longer than this is cut, and ends with `…`; also what bounds a line, together with the fields of its event.
pub(super) const MAX_VALUE: usize = 2048;

/// Appends `text` with everything escaped that is not plainly visible: control characters, which end a line or command a
/// terminal, and format characters, which reorder it (U+202E) or hide in it (U+200B).
pub(super) fn push_visible(out: &mut String, text: &str) {
    push(out, text, push_char);
}

/// The same as a value that ends where it seems to: in quotes if it has a space, a quote or an equals sign.
pub(super) fn push_value(out: &mut String, text: &str) {
    if !text.is_empty() && !text.contains([' ', '"', '=']) {
        return push_visible(out, text);
    }
    out.push('"');
    push(out, text, |out, c| match c {
        '"' | '\\' => out.extend(['\\', c]),
        c => push_char(out, c),
    });
    out.push('"');
}

/// Appends a JSON string (RFC 8259 §7) in which the same characters are escaped: it is valid with them as they are, but
/// `cat` and `grep` show the file on a terminal.
pub(super) fn push_json(out: &mut String, text: &str) {
    out.push('"');
    push(out, text, |out, c| match c {
        '"' | '\\' => out.extend(['\\', c]),
        '\n' => out.push_str("\\n"),
        c if is_visible(c) => out.push(c),
        // Writing to a String cannot fail.
        c => drop(write_json_escaped(c, out)),
    });
    out.push('"');
}

fn push(out: &mut String, text: &str, one: impl Fn(&mut String, char)) {
    let end = out.len() + MAX_VALUE;
    for c in text.chars() {
        if out.len() >= end {
            out.push('…');
            return;
        }
        one(out, c);
    }
}

fn push_char(out: &mut String, c: char) {
    if is_visible(c) {
        out.push(c);
    } else {
        // Writing to a String cannot fail.
        let _ = write_escaped(c.encode_utf8(&mut [0; 4]).as_bytes(), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn done(push: fn(&mut String, &str), text: &str) -> String {
        let mut out = String::new();
        push(&mut out, text);
        out
    }

    #[test]
    fn each_form_escapes_what_would_break_it() {
        for (text, visible, value, json) in [
            ("www.example", "www.example", "www.example", r#""www.example""#),
            ("", "", r#""""#, r#""""#),
            (r"a\046b", r"a\046b", r"a\046b", r#""a\\046b""#),
            ("a b", "a b", r#""a b""#, r#""a b""#),
            (r#"x" level=info \"#, r#"x" level=info \"#, r#""x\" level=info \\""#, r#""x\" level=info \\""#),
            ("a\nb\r\t\0", r"a\010b\013\009\000", r"a\010b\013\009\000", r#""a\nb\u000d\u0009\u0000""#),
            ("\u{1b}[2J", r"\027[2J", r"\027[2J", r#""\u001b[2J""#),
            ("\u{9b}31m\u{7f}", r"\194\15531m\127", r"\194\15531m\127", r#""\u009b31m\u007f""#),
            ("\u{202e}gpj.exe", r"\226\128\174gpj.exe", r"\226\128\174gpj.exe", r#""\u202egpj.exe""#),
            (
                "a\u{200b}b\u{2028}",
                r"a\226\128\139b\226\128\168",
                r"a\226\128\139b\226\128\168",
                r#""a\u200bb\u2028""#,
            ),
            ("\u{e0041}", r"\243\160\129\129", r"\243\160\129\129", r#""\udb40\udc41""#),
            ("Bücher 東京", "Bücher 東京", r#""Bücher 東京""#, r#""Bücher 東京""#),
        ] {
            assert_eq!(done(push_visible, text), visible);
            assert_eq!(done(push_value, text), value);
            assert_eq!(done(push_json, text), json);
        }
    }

    #[test]
    fn long_values_are_cut() {
        let out = done(push_visible, &"é".repeat(MAX_VALUE));
        assert!(out.len() <= MAX_VALUE + 4 && out.ends_with("é…"));
        assert!(done(push_json, &"\u{10ffff}".repeat(MAX_VALUE)).len() <= MAX_VALUE + 20);
    }

    proptest! {
        #[test]
        fn nothing_invisible_comes_through(text in any::<String>()) {
            for form in [push_visible, push_value, push_json] {
                let out = done(form, &text);
                prop_assert!(out.chars().all(|c| c == ' ' || is_visible(c)));
                prop_assert!(!out.chars().any(char::is_control));
            }
        }

        #[test]
        fn json_gives_the_text_back(text in "\\PC{0,40}|.{0,40}") {
            prop_assert_eq!(serde_json::from_str::<String>(&done(push_json, &text)).unwrap(), text);
        }
    }
}
