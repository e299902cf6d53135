//! Files that are not of the format they are read as: which format it is instead, and what else people take for a
//! configuration.

use std::net::IpAddr;

use super::{Format, hint};

type IsIt = fn(&str) -> bool;

/// Files that no import reads, in the order in which they are looked for.
const OTHERS: &[(IsIt, &str)] = &[
    (is_binary, "it is not a text file"),
    (is_page, "it is a web page"),
    (
        is_own,
        "it looks like a configuration of stubborn, which needs no import: try `stubborn check --config FILE`",
    ),
    (is_hosts, "it looks like a hosts file: write its path into `hosts-files` in [names]"),
    (is_resolv, "it looks like a resolv.conf: write its servers into `servers` in [upstream]"),
];

/// What the file is, as far as that can be seen.
pub(super) fn guess(meant: Option<Format>, file: &str, text: &str) -> Option<String> {
    let other = || OTHERS.iter().find(|(is_it, _)| is_it(text)).map(|(_, what)| (*what).to_owned());
    meant.map(|meant| hint(meant, file)).or_else(other)
}

fn is_binary(text: &str) -> bool {
    text.contains('\0')
}

fn is_page(text: &str) -> bool {
    let start: String = text.trim_start().chars().take(9).collect::<String>().to_ascii_lowercase();
    start == "<!doctype" || start.starts_with("<html")
}

fn is_own(text: &str) -> bool {
    let has = |heading: &str| text.lines().any(|line| line.trim() == heading);
    ["[guard]", "[upstream]", "[[exception]]", "[[route]]", "[[local]]"].iter().any(|heading| has(heading))
}

fn is_hosts(text: &str) -> bool {
    mostly(text, |words| matches!(words, [address, _, ..] if address.parse::<IpAddr>().is_ok()))
}

fn is_resolv(text: &str) -> bool {
    let is_known = |word: &str| matches!(word, "nameserver" | "search" | "domain" | "options" | "sortlist");
    mostly(text, |words| matches!(words, [word, _, ..] if is_known(word)))
}

/// Whether most of the lines that are not comments are so.
fn mostly(text: &str, is_so: impl Fn(&[&str]) -> bool) -> bool {
    let lines = text.lines().map(|line| line.split(['#', ';']).next().unwrap_or_default());
    let (mut so, mut others) = (0, 0);
    for line in lines.filter(|line| !line.trim().is_empty()) {
        match is_so(&line.split_whitespace().collect::<Vec<_>>()) {
            true => so += 1,
            false => others += 1,
        }
    }
    so > others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_no_program_are_known_by_their_look() {
        for (text, expected) in [
            ("a\0b", "not a text file"),
            ("\n<!DOCTYPE html>\n<html>", "web page"),
            ("<HTML><body>", "web page"),
            ("[upstream]\nservers = []\n", "configuration of stubborn"),
            ("# x\n127.0.0.1 localhost\n::1 a b # c\n", "hosts file"),
            ("search lan\nnameserver 9.9.9.9\n; x\n", "resolv.conf"),
        ] {
            let guess = guess(None, "a", text).unwrap_or_default();
            assert!(guess.contains(expected), "{text:?}: {guess}");
        }
        assert_eq!(guess(None, "a", "hello world\n"), None);
        assert_eq!(guess(None, "a", ""), None);
    }
}
