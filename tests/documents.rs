//! What is written about the program says what the program does.
//!
//! `docs/ranges.md` and `docs/presets.md` are made from the tables: run with `UPDATE_GOLDEN=1` after a change and read
//! the difference. (That the shipped configuration names and explains every key is in `tests/config.rs`.)

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use ipnet::IpNet;
use stubborn::config::{self, Disk};
use stubborn::policy::{
    PRESETS, SPECIAL_DOMAINS, SPECIAL_RANGES, Scope, Shape, SpecialUse, Treatment, built_in_exceptions,
};
use stubborn::telemetry::MESSAGE_IDS;

/// 2026-11-21T00:00:00Z
const NOW: i64 = 1_795_219_200;

/// The pages with examples in them.
const PAGES: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "docs/ranges.md",
    "docs/presets.md",
    "docs/metrics.md",
    "docs/control.md",
    "docs/json.md",
    "packaging/README.md",
];

fn path(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn text(below: &str) -> String {
    std::fs::read_to_string(path(below)).unwrap_or_else(|error| panic!("{below}: {error}"))
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// The blocks of code in that language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, block)) = rest.split_once(&opening) {
        let (code, after) = block.split_once("\n```").expect("the block ends");
        found.push(code.to_owned());
        rest = after;
    }
    found
}

/// What the program prints.
fn stubborn(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_stubborn")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_test_command_of_the_readme_is_the_one_that_ci_runs() {
    let first = &blocks(&text("README.md"), "sh")[0];
    let commands: Vec<&str> = first.lines().map(command).collect();
    let [run, test] = commands[..] else { panic!("two commands are wanted first:\n{first}") };
    assert_eq!(run, "cargo run --release -- run --listen 127.0.0.1:5335");
    assert!(text(".ci/run").lines().any(|line| line == test), ".ci/run has no line {test:?}");
}

/// The command of a line, without the words after it that explain.
fn command(line: &str) -> &str {
    line.split("  #").next().unwrap().trim_end()
}

#[test]
fn every_configuration_shown_is_valid() {
    let mut count = 0;
    for page in PAGES {
        for block in blocks(&text(page), "toml") {
            let loaded = config::from_text(Path::new(page), &block, &Disk, NOW);
            let loaded = loaded.unwrap_or_else(|errors| panic!("{page}:\n{block}\n\n{errors}"));
            assert_eq!(loaded.warnings, [], "{page}:\n{block}");
            count += 1;
        }
    }
    assert!(count >= 5, "only {count} were found");
}

#[test]
fn every_argument_shown_exists() {
    let mut count = 0;
    for block in blocks(&text("README.md"), "sh") {
        for line in block.lines().map(command) {
            let Some(line) = line.strip_prefix("stubborn ").or(line.strip_prefix("cargo run --release -- "))
            else {
                continue;
            };
            let words: Vec<&str> = line.split_whitespace().collect();
            let help = stubborn(&[words[0], "--help"]);
            for option in words.iter().filter(|word| word.starts_with('-')) {
                assert!(help.contains(option), "{line}: no {option} in\n{help}");
            }
            count += 1;
        }
    }
    assert!(count >= 4, "only {count} were found");
}

#[test]
fn every_explanation_shown_is_what_the_program_says() {
    let mut readme = text("README.md");
    let nothing = tempfile::NamedTempFile::new().unwrap();
    let shown = blocks(&readme, "console");
    assert!(
        shown.iter().any(|block| block.starts_with("$ stubborn explain ")),
        "the README explains nothing"
    );
    for block in shown {
        let (asked, answer) = block.split_once('\n').unwrap_or((&block, ""));
        let Some(arguments) = asked.strip_prefix("$ stubborn explain ") else { continue };
        let mut words = vec!["explain"];
        words.extend(arguments.split_whitespace());
        // Whatever configuration this machine has is none of the page's.
        words.extend(["--config", nothing.path().to_str().unwrap()]);
        // On the page, it is the default one, which a command finds without an argument.
        let said = stubborn(&words).replace(&format!(" --config {}", nothing.path().display()), "");
        if updating() {
            readme = readme.replace(&block, format!("{asked}\n{said}").trim_end());
        } else {
            assert_eq!(answer.trim_end(), said.trim_end(), "{asked}; to write it anew: UPDATE_GOLDEN=1");
        }
    }
    if updating() {
        std::fs::write(path("README.md"), readme).unwrap();
    }
}

#[test]
fn every_file_a_page_points_to_is_there() {
    for page in PAGES {
        let whole = text(page);
        let directory = path(page).parent().unwrap().to_owned();
        for link in whole.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            if !target.is_empty() && !target.contains("://") {
                assert!(directory.join(target).exists(), "{page} points to {link}");
            }
        }
    }
}

#[test]
fn the_page_of_ranges_is_what_the_table_says() {
    golden("docs/ranges.md", &ranges());
}

#[test]
fn the_page_of_presets_is_what_the_table_says() {
    golden("docs/presets.md", &presets());
}

#[test]
fn every_message_with_an_id_is_explained_to_the_journal() {
    let catalog = text("packaging/systemd/stubborn.catalog");
    let ids: Vec<&str> = catalog.lines().filter_map(|line| line.strip_prefix("-- ")).collect();
    assert_eq!(ids, MESSAGE_IDS.iter().map(|(_, id)| *id).collect::<Vec<_>>());
    for entry in catalog.split("\n-- ").skip(1) {
        let lines: Vec<&str> = entry.lines().collect();
        assert!(
            lines[1].starts_with("Subject: ") && lines[2] == "Defined-By: stubborn" && lines[3].is_empty(),
            "{entry}"
        );
        assert!(!lines[4].is_empty(), "{entry}");
    }
}

fn golden(page: &str, made: &str) {
    if updating() {
        std::fs::write(path(page), made).unwrap();
    }
    assert!(text(page) == made, "{page} is not what the tables say: run with UPDATE_GOLDEN=1");
}

fn ranges() -> String {
    let mut page = String::from(
        "# What a public name may not point at\n\
         \n\
         *Made from the tables of the program by `UPDATE_GOLDEN=1 cargo test --test documents`.*\n\
         \n\
         The longest prefix decides. `block` removes the address; `embedded` judges the IPv4 address inside it instead;\n\
         `pass` is reachable on the Internet. An exception or a route opens a range marked *named only* by naming a\n\
         network within it, never by its default `networks`. `unblock` takes the names in the second column, or networks.\n\
         \n\
         | network | name | standard | strict | | defined in |\n\
         |---|---|---|---|---|---|\n",
    );
    for range in SPECIAL_RANGES {
        let care = if range.never_implied { "named only" } else { "" };
        let (standard, strict) = (treatment(range.standard), treatment(range.strict));
        let (net, name, reference) = (range.net, range.name, range.reference);
        writeln!(page, "| `{net}` | {name} | {standard} | {strict} | {care} | {reference} |").unwrap();
    }
    page.push_str(
        "\nBeside the table stand the networks of `block`, the addresses of this machine's own interfaces\n\
         (`own-addresses`), and whatever IPv4 address is embedded behind the prefixes of `nat64`, behind one that the\n\
         network announces (RFC 7050), or in an ISATAP interface identifier. An address is decoded by every prefix that holds it.\n\
         \n\
         A prefix in `nat64` is 64:ff9b::/96, in 64:ff9b:1::/48, in public space, or a unique-local /96. Prefixes of the second\n\
         and the last kind are in blocked ranges: only public addresses behind them may pass. A prefix that the network\n\
         announces opens only parts of 64:ff9b:1::/48, and only for public addresses. It counts if both well-known addresses\n\
         are behind it. Each server may announce four prefixes; they count for a day, or until that server says otherwise.\n\
         \n\
         ## Names that mean something inside\n\
         \n\
         They are answered here and never asked outside, unless a `[[route]]` or a `[[local]]` name says otherwise; and no\n\
         public name may be an alias of one. Single labels and names that end in a number are treated alike. A name with\n\
         octets that no host name has (zero, or not ASCII) gets no addresses: write Unicode names in their `xn--` form.\n\
         \n\
         Resolvers such as systemd-resolved answer this machine's own name (`hostname`) with this machine's addresses,\n\
         also as the target of an alias. If it has a dot, an alias to it is not shown: the client gets the answer under\n\
         the name that it asked for. An HTTPS, SVCB or SRV record of another domain may not lead to it.\n\
         \n\
         | domain, and all below | answer | defined in |\n\
         |---|---|---|\n",
    );
    for special in SPECIAL_DOMAINS {
        let answer = match special.answer {
            SpecialUse::Loopback => "127.0.0.1 and ::1",
            SpecialUse::NotPublic | SpecialUse::Home => "NXDOMAIN",
        };
        writeln!(page, "| `{}` | {answer} | {} |", special.domain, special.reference).unwrap();
    }
    page
}

fn treatment(treatment: Treatment) -> &'static str {
    match treatment {
        Treatment::Block => "block",
        Treatment::Allow => "pass",
        Treatment::Decode => "embedded",
    }
}

fn presets() -> String {
    let mut page = String::from(
        "# Presets\n\
         \n\
         *Made from the tables of the program by `UPDATE_GOLDEN=1 cargo test --test documents`.*\n\
         \n\
         A preset is an exception that is known by name. It does nothing until a configuration asks for it:\n\
         \n\
         ```toml\n\
         [[exception]]\n\
         preset = \"plex\"\n\
         ```\n\
         \n\
         `stubborn allow --preset plex` writes these lines. If a name of a preset was blocked, the log, the reply and `explain`\n\
         offer the preset. If such a name has an answer that the preset does not expect, they offer nothing: the answer is\n\
         probably forged.\n\
         \n\
         Names that spell an address are read as their service reads them. A name does not pass if it also spells an address\n\
         outside, or has a label that no host name has, such as `_acme-challenge`: others may answer below it. The sources of\n\
         `nip.io`, `sslip.io` and `traefik.me` are public and were read for this. How Plex, Synology and Homey read their names is\n\
         known only from their clients.\n\
         \n\
         | preset | for | names | may answer | only |\n\
         |---|---|---|---|---|\n",
    );
    for preset in PRESETS {
        let condition = match (preset.shape, preset.scope) {
            (Shape::AddressInName, _) => "the address that the name spells",
            (Shape::Dnsbl, _) => "names in the form of RFC 5782, and never 127.0.0.1",
            (Shape::Any, Scope::OwnName) => "with a `domain` of one's own",
            (Shape::Any, Scope::Whole | Scope::List) => "",
        };
        let (name, note) = (preset.name, linked(preset.note, preset.source));
        let (domains, networks) = (codes(preset.domains), codes(preset.networks));
        writeln!(page, "| `{name}` | {note} | {domains} | {networks} | {condition} |").unwrap();
    }
    page.push_str(
        "\nIts `clients`, `networks`, `until`, `mode` and `reason` can be set as for any exception. A `domain` narrows it to a\n\
         name of one's own below its names; for `dnsbl` it lists the zones in their place:\n\
         \n\
         ```toml\n\
         [[exception]]\n\
         preset = \"dnsbl\"\n\
         domain = [\"zen.spamhaus.org\", \"bl.spamcop.net\"]\n\
         ```\n\
         \n\
         There is one for a `[[route]]` too: `tailscale` sends `ts.net` to 100.100.100.100.\n\
         \n\
         ```toml\n\
         [[route]]\n\
         preset = \"tailscale\"\n\
         ```\n\
         \n\
         ## Always on\n\
         \n\
         Operating systems ask these names to learn where they are; they hold without being written anywhere.\n\
         \n\
         | exception | name | may answer |\n\
         |---|---|---|\n",
    );
    for exception in built_in_exceptions() {
        let networks: Vec<String> = exception.networks.iter().map(IpNet::to_string).collect();
        let (name, domain) = (exception.preset.unwrap(), exception.domain);
        writeln!(page, "| {name} | `{domain}` | {} |", codes(&networks)).unwrap();
    }
    page
}

fn linked(note: &str, source: &str) -> String {
    if source.starts_with("https://") { format!("[{note}]({source})") } else { format!("{note} ({source})") }
}

fn codes<T: AsRef<str>>(items: &[T]) -> String {
    items.iter().map(|item| format!("`{}`", item.as_ref())).collect::<Vec<_>>().join(" ")
}

/// "`x` is not a mode" reads at once; "`x` is no mode" makes people stumble.
#[test]
fn no_message_says_that_something_is_no_thing() {
    let mut found = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let odd =
                    text.lines().filter(|line| says_is_no(line)).map(|line| (path.clone(), line.to_owned()));
                found.extend(odd);
            }
        }
    }
    assert!(found.is_empty(), "write \"is not a …\": {found:#?}");
}

/// Of a value, or of what was read: "there is no …" is plain, and comments are not messages.
fn says_is_no(line: &str) -> bool {
    let subjects = ["}", "\\\"", "`", "\"this", "\"it"];
    let text = line.trim_start();
    !text.starts_with("//") && subjects.iter().any(|subject| text.contains(&format!("{subject} is no ")))
}
