//! Configurations: whatever the text, no panic, and every error points into it.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use stubborn::config::{self, ConfigError, Files};

use super::Choices;

const SHIPPED: &str = include_str!("../../etc/stubborn.toml");

/// Every file there could be has the same text.
struct Same<'a>(&'a str);

impl Files for Same<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match path.to_string_lossy().len() % 5 {
            0 => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(self.0.as_bytes().to_vec()),
        }
    }

    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Ok(vec!["10-a.toml".into(), "b.toml".into(), "c.conf".into()])
    }
}

pub fn check(data: &[u8]) {
    match data.split_first() {
        Some((0, rest)) => read(&mutated(&mut Choices(rest))),
        Some((_, rest)) => read(&String::from_utf8_lossy(rest)),
        None => read(""),
    }
}

fn read(text: &str) {
    // What an included file may hold is short, so that one long file is not read three times.
    let included = text.get(..text.len().min(200)).unwrap_or("a = 1");
    let path = Path::new("stubborn.toml");
    let problems = match config::from_text(path, text, &Same(included), 1_795_219_200) {
        Ok(loaded) => loaded.warnings,
        Err(errors) => {
            assert!(!errors.errors.is_empty(), "an error without an error");
            assert!(!errors.to_string().is_empty());
            errors.errors.into_iter().chain(errors.warnings).collect()
        }
    };
    for problem in &problems {
        points_into(problem, if &*problem.path == path { text } else { included });
    }
}

fn points_into(problem: &ConfigError, text: &str) {
    let line = problem.one_line();
    assert!(!line.contains('\n') && !line.chars().any(char::is_control), "{line:?}");
    let shown = problem.to_string();
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    let Some(place) = &problem.place else { return };
    let lines: Vec<&str> = text.split('\n').collect();
    let at = lines.get(place.line as usize - 1).unwrap_or_else(|| panic!("no line {}: {line}", place.line));
    assert_eq!(at.trim_end_matches('\r'), place.text.trim_end_matches('\r'), "{line}");
    let (column, width) = (place.column as usize, place.width as usize);
    assert!(column >= 1 && width >= 1, "{line}");
    let length = at.chars().count();
    assert!(column <= length + 1 && column + width <= length + 2, "{line} beyond {length} characters");
}

/// The shipped file with its examples taken in, and parts of it exchanged.
fn mutated(choices: &mut Choices<'_>) -> String {
    const VALUES: &[&str] = &[
        "\"\"",
        "0",
        "-1",
        "true",
        "[]",
        "{}",
        "\"10.0.0.0/8\"",
        "[\"10.0.0.1/8\"]",
        "\"::1\"",
        "[\"any\", \"any\"]",
        "\"1h30m\"",
        "\"99999999999999999999d\"",
        "\"16EiB\"",
        "9223372036854775807",
        "1979-05-27T07:32:00Z",
        "0001-01-01",
        "\"\\u0000\\u202e\"",
        "\"*.example\"",
        "\"\u{fc}ber.example\"",
        "\"a..b\"",
        "[[1]]",
        "nan",
        "'''\nx\n'''",
        "\"127.0.0.1:99999\"",
        "\"tls://9.9.9.9#a\"",
        "[\"conf.d/*.toml\", \"/x/?.toml\"]",
        "\"plex\"",
        "\"dnsbl\"",
        "\"tailscale\"",
        "\"loopback\"",
        "[\"private-use\", \"nosuch\"]",
        "64",
    ];
    let mut lines: Vec<String> = SHIPPED
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(example) if example.starts_with(|c: char| c == '[' || c.is_ascii_alphabetic()) => example,
            _ => line,
        })
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    for _ in 0..16 {
        if choices.is_empty() || lines.is_empty() {
            break;
        }
        let at = usize::from(u16::from_be_bytes(choices.bytes())) % lines.len();
        let other = usize::from(choices.byte()) % lines.len();
        match choices.byte() % 8 {
            0 | 1 => {
                if let Some((key, _)) = lines[at].clone().split_once('=') {
                    lines[at] = format!("{key}= {}", choices.pick(VALUES));
                }
            }
            2 => lines.swap(at, other),
            3 => {
                lines.remove(at);
            }
            4 => lines.insert(at, lines[other].clone()),
            5 => {
                let text: String = choices.bytes::<6>().iter().map(|byte| char::from(*byte)).collect();
                let cut = lines[at].char_indices().map(|(index, _)| index).nth(other % 20).unwrap_or(0);
                lines[at].insert_str(cut, &text);
            }
            6 => {
                lines[at].pop();
            }
            _ => lines[at] = lines[at].replace('-', choices.pick(&["_", "", "--", "."])),
        }
    }
    lines.join(if choices.one_in(4) { "\r\n" } else { "\n" })
}
