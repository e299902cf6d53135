//! Configurations of other programs: whatever the text, no panic; what is made of it is a configuration without an error, and
//! each line that was left points into the text.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use stubborn::config::{self, Files};
use stubborn::import::{Format, Source, import};

/// Real files, of which parts are exchanged.
const SAMPLES: [(&str, Format); 8] = [
    (include_str!("../import/dnsmasq.conf"), Format::Dnsmasq),
    (include_str!("../import/unbound.conf"), Format::Unbound),
    (include_str!("../import/dhcp"), Format::Uci),
    (include_str!("../import/AdGuardHome.yaml"), Format::AdGuardHome),
    (include_str!("../import/pihole.in.toml"), Format::PiHole),
    (include_str!("../import/blocky.yml"), Format::Blocky),
    (include_str!("../import/dnscrypt-proxy.in.toml"), Format::DnscryptProxy),
    (include_str!("../import/smartdns.conf"), Format::SmartDns),
];

/// No files.
pub struct Nothing;

impl Files for Nothing {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// The first octet chooses the format; with its high bit set, what follows are changes to a real file.
pub fn check(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let (sample, format) = SAMPLES[usize::from(first & 0x7f) % SAMPLES.len()];
    let octets = match first & 0x80 {
        0 => rest.to_vec(),
        _ => mutated(sample, &mut super::Choices(rest)).into_bytes(),
    };
    let source = Source { name: "a file".into(), octets: octets.clone() };
    match import(format, &[source], &Nothing) {
        Err(error) => assert!(error.to_string().starts_with("a file:"), "{error}"),
        Ok(imported) => {
            let read = config::from_text(Path::new("stubborn.toml"), &imported.toml, &Nothing, 1_795_219_200);
            if let Err(errors) = read {
                panic!("{errors}\n{}", imported.toml);
            }
            let lines = String::from_utf8(octets).unwrap().lines().count();
            for left in imported.left {
                assert!(left.line >= 1 && left.line <= lines.max(1), "{left:?} of {lines} lines");
                assert!(!left.why.is_empty());
            }
        }
    }
}

fn mutated(sample: &str, choices: &mut super::Choices<'_>) -> String {
    const PARTS: &[&str] = &[
        "/",
        "//",
        "#",
        "*",
        "*.",
        ".",
        "\"",
        "'",
        "=",
        ",",
        ":",
        "- ",
        "[",
        "]",
        "{",
        "&a ",
        "*a",
        "!!str ",
        "\t",
        "\u{0}",
        "\u{1b}",
        "\u{202e}",
        "\\",
        "\\n",
        "0.0.0.0",
        "::",
        "127.0.0.1",
        "@53",
        "#53",
        "lan",
        "com",
        "localhost",
        "99999999999",
        "-1",
        "10.0.0.0/8",
        "fe80::1%2",
        "bücher.example",
        "a..b",
        "\r\n",
        "|",
        ">",
        "? ",
        "yes",
        "null",
    ];
    let mut lines: Vec<String> = sample.lines().map(str::to_owned).collect();
    for _ in 0..24 {
        if choices.is_empty() || lines.is_empty() {
            break;
        }
        let at = usize::from(choices.byte()) % lines.len();
        let other = usize::from(choices.byte()) % lines.len();
        let cut =
            |line: &str, at: usize| line.char_indices().map(|(index, _)| index).nth(at).unwrap_or(line.len());
        match choices.byte() % 6 {
            0 | 1 => {
                let at_character = cut(&lines[at], other);
                lines[at].insert_str(at_character, choices.pick(PARTS));
            }
            2 => lines.swap(at, other),
            3 => {
                lines.remove(at);
            }
            4 => lines.insert(at, lines[other].clone()),
            _ => {
                let end = cut(&lines[at], other % 40);
                lines[at].truncate(end);
            }
        }
    }
    lines.join("\n")
}
