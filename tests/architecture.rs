//! The shape of the source: who may use whom, and what may be said where.
//!
//! These are the edges that keep "one exit" and "the decision is pure" true while the program grows. Where a rule
//! stands in the way of a change, the change is usually in the wrong module. The source is read as words, after
//! comments, strings and test code are blanked out; what the compiler keeps already (privacy) is not repeated here.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

/// What one module may use of another.
enum Use {
    /// Whatever that module offers.
    Any,
    /// These items only.
    Only(&'static [&'static str]),
}
use Use::{Any, Only};

/// Every top-level module with the modules it may use.
const EDGES: &[(&str, &[(&str, Use)])] = &[
    ("dns", &[]),
    ("count", &[]),
    ("files", &[]),
    ("machine", &[("files", Any)]),
    ("policy", &[("dns", Any)]),
    ("cache", &[("dns", Any)]),
    ("datagram", &[]),
    ("upstream", &[("dns", Any), ("count", Any), ("datagram", Any), ("files", Any)]),
    ("resolve", &[("dns", Any), ("policy", Any), ("cache", Any), ("upstream", Any)]),
    (
        "listen",
        &[
            ("dns", Only(&["NotAQuery", "Query"])),
            ("resolve", Any),
            ("datagram", Any),
            // What can be sent, to write it; nothing that decides.
            ("policy", Only(&["ClientResponse", "Wire"])),
            // What is served is counted.
            ("telemetry", Only(&["Recorder", "Telemetry", "Transport"])),
            // Each worker holds its sockets to the upstreams, and hands them to the resolver unopened.
            ("upstream", Only(&["Exchanger"])),
        ],
    ),
    (
        // The settings types of the others, the names and servers in them, and the tables whose rows a file may name.
        "config",
        &[
            (
                "dns",
                Only(&["Name", "NameError", "Shown", "has_suffixes_below", "public_suffix", "reversed_net"]),
            ),
            ("files", Any),
            (
                "policy",
                Only(&[
                    "Exception",
                    "ExceptionMode",
                    "GuardSettings",
                    "Mode",
                    "OnBlock",
                    "Origin",
                    "PRESETS",
                    "Preset",
                    "Profile",
                    "RouteTrust",
                    "SPECIAL_RANGES",
                    "Scope",
                    "Shape",
                    "SpecialRange",
                    "TranslatorPlace",
                    "default_networks",
                    "preset",
                    "range_named",
                    "range_names",
                    "special_domain",
                ]),
            ),
            ("cache", Only(&["CacheSettings"])),
            ("control", Only(&["ControlSettings", "LONGEST_SOCKET"])),
            ("upstream", Only(&["Endpoint", "Server", "UpstreamSettings", "may_be_docker"])),
            ("resolve", Only(&["LocalName", "NamesSettings", "NetworkSettings", "Route", "Types"])),
            ("listen", Only(&["ListenSettings", "group"])),
            ("metrics", Only(&["MetricsSettings"])),
            ("telemetry", Only(&["Format", "Level", "LogSettings", "QueryLog"])),
        ],
    ),
    (
        "metrics",
        &[
            ("count", Any),
            ("listen", Only(&["Connections"])),
            ("resolve", Only(&["Resolver", "Snapshot"])),
            ("telemetry", Any),
            ("upstream", Any),
        ],
    ),
    ("control", &[("policy", Only(&["Subject"])), ("telemetry", Any)]),
    ("telemetry", &[("count", Any), ("dns", Any), ("policy", Any), ("resolve", Any)]),
    (
        "daemon",
        &[
            ("files", Any),
            ("dns", Any),
            ("policy", Any),
            ("upstream", Any),
            ("resolve", Any),
            ("listen", Any),
            ("config", Any),
            ("control", Any),
            ("metrics", Any),
            ("telemetry", Any),
        ],
    ),
    // The adversary must not share the resolver's mistakes: it knows which settings it plays against, nothing else.
    ("audit", &[("policy", Only(&["OnBlock", "Profile"]))]),
    // What a file may say is the configuration's to judge; names and exceptions are what it is about.
    ("edit", &[("dns", Only(&["Name"])), ("policy", Any), ("config", Any)]),
    // Texts of others in, text out, which the configuration's reader judges.
    (
        "import",
        &[
            ("dns", Only(&["Name"])),
            (
                "policy",
                Only(&["PRESETS", "Preset", "SPECIAL_RANGES", "Scope", "Treatment", "special_domain"]),
            ),
            ("config", Only(&["Files", "domain_name", "from_text", "is_shared_domain", "printable"])),
        ],
    ),
    // It asks as a client does, with the adversary's own means.
    ("doctor", &[("audit", Any), ("control", Any), ("machine", Any)]),
    (
        "setup",
        &[
            ("files", Any),
            ("machine", Any),
            // Its questions are a client's, and it asks the daemon as an operator does.
            ("audit", Any),
            ("control", Any),
            ("config", Any),
            ("edit", Only(&["now"])),
            ("upstream", Only(&["Server"])),
        ],
    ),
    (
        // `explain` walks the way of a query by itself, so it needs what a query meets.
        "cli",
        &[
            ("files", Any),
            ("dns", Any),
            ("policy", Any),
            ("cache", Any),
            ("upstream", Any),
            ("resolve", Any),
            ("config", Any),
            ("control", Any),
            ("daemon", Any),
            ("audit", Any),
            ("telemetry", Only(&["Level"])),
            ("edit", Any),
            ("import", Any),
            ("doctor", Any),
            ("machine", Any),
            ("setup", Any),
        ],
    ),
];

/// Files that may hold unsafe code.
const UNSAFE: &[&str] = &["src/datagram.rs", "src/daemon/netlink.rs", "src/daemon/system.rs"];

/// Modules that may name the DNS library. Only [`dns`](stubborn::dns) knows its messages; the others may use what it
/// has beside them, such as the reading of resolv.conf.
const NAMES_THE_LIBRARY: &[&str] = &["dns", "upstream", "listen"];

/// Where a sleep or a print may stand, and why. (A deadline in a select, `sleep_until`, holds nobody up.)
const EXCEPTED: &[(&str, &str, &str)] = &[
    ("src/listen/mod.rs", "sleep", "looks every 5 ms whether the last queries are answered, when stopping"),
    ("src/listen/udp.rs", "sleep", "30 µs, in which questions gather that come faster than they are read"),
    ("src/listen/tcp.rs", "sleep", "a pause after accept failed for want of descriptors, else it spins"),
    ("src/setup/proof.rs", "sleep", "a pause before a server that is just starting is asked again"),
    (
        "src/telemetry/logging/queue.rs",
        "sleep",
        "the writer's own thread, before a terminal that is not ready",
    ),
];

/// Words that a total function of values has no use for.
const IMPURE: &[&str] = &[
    "async",
    "await",
    "tokio",
    "tracing",
    "rand",
    "Instant",
    "SystemTime",
    "fs",
    "io",
    "env",
    "process",
    "thread",
    "thread_local",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "Mutex",
    "RwLock",
    "Cell",
    "RefCell",
    "AtomicBool",
    "AtomicU32",
    "AtomicU64",
    "AtomicUsize",
];

/// The most lines the policy may have, without tests and without the tables in `ranges.rs`, `presets.rs` and
/// `special_domains.rs`.
const POLICY_LINES: usize = 1_500;

#[test]
fn every_module_uses_only_what_the_table_allows() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for file in SOURCES.iter() {
        let Some(module) = file.module() else { continue };
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == module) else {
            panic!("{}: the module {module} has no row in the table", file.path);
        };
        for (used, item) in file.uses() {
            seen.insert((module.clone(), used.clone()));
            let fine = match allowed.iter().find(|(name, _)| *name == used) {
                Some((_, Any)) => true,
                Some((_, Only(items))) => items.contains(&item.as_str()),
                None => false,
            };
            if !fine {
                wrong.push(format!("{}: {module} may not use {used}::{item}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (module, allowed) in EDGES {
        for (used, _) in *allowed {
            let edge = ((*module).to_owned(), (*used).to_owned());
            assert!(seen.contains(&edge), "{module} no longer uses {used}: take it out of the table");
        }
    }
}

#[test]
fn no_module_is_reached_from_one_it_uses() {
    let table: BTreeMap<&str, Vec<&str>> =
        EDGES.iter().map(|(name, used)| (*name, used.iter().map(|(name, _)| *name).collect())).collect();
    for start in table.keys() {
        let mut reached: Vec<&str> = table[start].clone();
        let mut next = 0;
        while let Some(module) = reached.get(next).copied() {
            let further = table[module].iter().copied().filter(|name| !reached.contains(name));
            let further: Vec<&str> = further.collect();
            reached.extend(further);
            next += 1;
        }
        assert!(!reached.contains(start), "{start} uses itself by way of {reached:?}");
    }
}

#[test]
fn the_dns_library_is_named_where_the_table_allows() {
    for file in SOURCES.iter() {
        let module = file.module().unwrap_or_default();
        let named = file.words().any(|word| word.starts_with("hickory_"));
        assert!(
            !named || NAMES_THE_LIBRARY.contains(&module.as_str()),
            "{} names the DNS library",
            file.path
        );
        // The message types are one module's alone.
        let messages = file.words().any(|word| matches!(word, "hickory_proto" | "hickory_net"));
        assert!(!messages || module == "dns", "{} names the DNS library's messages", file.path);
    }
}

#[test]
fn unsafe_code_is_in_the_files_of_the_table() {
    for file in SOURCES.iter() {
        let unsafe_code = file.words().any(|word| matches!(word, "unsafe" | "unsafe_code"));
        assert_eq!(unsafe_code, UNSAFE.contains(&file.path.as_str()), "{}", file.path);
    }
}

#[test]
fn a_client_s_reply_is_made_in_one_file() {
    for file in SOURCES.iter() {
        let words: Vec<&str> = file.tokens();
        let made = words.windows(4).any(|four| {
            let is_type =
                matches!(four[1], "struct" | "impl" | "for" | ">") || matches!(four[..2], [">", "&"]);
            four[2..] == ["ClientResponse", "{"] && !is_type
        });
        assert!(!made || file.path == "src/policy/enforce.rs", "{} makes a ClientResponse", file.path);
    }
}

#[test]
fn an_upstream_s_message_is_opened_by_the_guard_only() {
    // In src/config/page.rs it is the message of an error in the file's syntax.
    let opens = ["src/policy/enforce.rs", "src/config/page.rs"];
    for file in SOURCES.iter().filter(|file| file.module().is_some_and(|module| module != "dns")) {
        let tokens = file.tokens();
        let opened = |method: &str| tokens.windows(3).any(|three| *three == [".", method, "("]);
        assert!(
            !opened("shared_message") || file.path == opens[0],
            "{} opens an upstream's reply",
            file.path
        );
        assert!(!opened("message") || opens.contains(&file.path.as_str()), "{} opens a reply", file.path);
    }
}

#[test]
fn listeners_cannot_name_what_came_from_an_upstream() {
    for file in SOURCES.iter().filter(|file| file.module().as_deref() == Some("listen")) {
        for word in ["UpstreamResponse", "LocalAnswer", "Message", "MessageBuilder"] {
            assert!(!file.words().any(|found| found == word), "{} names {word}", file.path);
        }
    }
}

#[test]
fn the_decision_is_pure() {
    for file in SOURCES.iter().filter(|file| file.module().as_deref() == Some("policy")) {
        for word in file.words() {
            assert!(!IMPURE.contains(&word), "{} says {word}", file.path);
        }
        let tokens = file.tokens();
        assert!(!tokens.windows(2).any(|two| *two == ["static", "mut"]), "{} has a static mut", file.path);
    }
    for file in SOURCES.iter().filter(|file| file.module().as_deref() == Some("dns")) {
        for word in ["async", "await", "tokio", "tracing", "UdpSocket", "TcpStream"] {
            assert!(!file.words().any(|found| found == word), "{} says {word}", file.path);
        }
    }
}

#[test]
fn nothing_sleeps_or_prints_without_a_reason() {
    let mut found = BTreeSet::new();
    for file in SOURCES.iter() {
        for word in file.words() {
            if matches!(word, "sleep" | "print" | "println" | "eprint" | "eprintln" | "dbg") {
                found.insert((file.path.clone(), word.to_owned()));
            }
        }
    }
    let allowed: BTreeSet<(String, String)> =
        EXCEPTED.iter().map(|(path, word, _)| ((*path).to_owned(), (*word).to_owned())).collect();
    assert_eq!(found, allowed);
}

#[test]
fn the_program_is_thin_and_the_policy_small() {
    let lines = |path: &str| SOURCES.iter().find(|file| file.path == path).unwrap().lines();
    assert!(lines("src/main.rs") < 60);
    let tables = ["src/policy/ranges.rs", "src/policy/presets.rs", "src/policy/special_domains.rs"];
    let policy = SOURCES.iter().filter(|file| file.module().as_deref() == Some("policy"));
    let size: usize = policy.filter(|file| !tables.contains(&file.path.as_str())).map(Source::lines).sum();
    assert!(size <= POLICY_LINES, "the policy has grown to {size} lines");
}

/// A file of the program, without its tests.
struct Source {
    /// Beginning with `src/`.
    path: String,
    /// Comments, strings and test code blanked out.
    code: String,
    /// Lines without test code.
    lines: usize,
}

impl Source {
    fn new(path: String, text: &str) -> Self {
        let mut code = blank(text);
        let mut cut = 0;
        while let Some(start) = code.find("#[cfg(test)]") {
            let end = end_of_item(&code, start);
            cut += code[start..end].matches('\n').count() + 1;
            code.replace_range(start..end, "");
        }
        Self { path, code, lines: text.lines().count() - cut }
    }

    /// The top-level module it belongs to; none for `lib.rs` and `main.rs`.
    fn module(&self) -> Option<String> {
        let below = self.path.strip_prefix("src/").unwrap();
        let first = below.split('/').next().unwrap().trim_end_matches(".rs");
        (!matches!(first, "lib" | "main")).then(|| first.to_owned())
    }

    fn lines(&self) -> usize {
        self.lines
    }

    /// Identifiers and keywords.
    fn words(&self) -> impl Iterator<Item = &str> {
        self.code.split(|c: char| !is_word(c)).filter(|word| !word.is_empty())
    }

    /// Words, and each other character by itself; `::` as one.
    fn tokens(&self) -> Vec<&str> {
        let mut tokens = Vec::new();
        let mut rest = self.code.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                c if is_word(c) => rest.find(|c: char| !is_word(c)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                other => other.len_utf8(),
            };
            tokens.push(&rest[..length]);
            rest = rest[length..].trim_start();
        }
        tokens
    }

    /// The items of other top-level modules it uses, as (module, item).
    fn uses(&self) -> Vec<(String, String)> {
        let own = self.module().unwrap();
        let tokens = self.tokens();
        let mut paths = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            let root = match *token {
                "crate" => Some(at + 1),
                // As many as lead to the root: `super::super::policy` in `src/listen/udp.rs`.
                "super" if at == 0 || tokens[at - 1] != "::" => {
                    let count = tokens[at..].chunks(2).take_while(|pair| *pair == ["super", "::"]).count();
                    (count >= self.depth()).then_some(at + 2 * count - 1)
                }
                _ => None,
            };
            if let Some(root) = root.filter(|root| tokens.get(*root) == Some(&"::")) {
                walk(&tokens, root + 1, &mut Vec::new(), &mut paths);
            }
        }
        let mut uses = Vec::new();
        for path in paths {
            let module = path[0].clone();
            assert!(
                module != "*" && module != "self",
                "{}: {module} of the root hides what is used",
                self.path
            );
            if module == own {
                continue;
            }
            match path.get(1).map(String::as_str) {
                // The module by its name: what is taken from it stands after that name.
                None | Some("self") => {
                    let items = tokens.windows(3).enumerate().filter(|(at, three)| {
                        three[..2] == [module.as_str(), "::"] && (*at == 0 || tokens[at - 1] != "::")
                    });
                    uses.extend(items.map(|(_, three)| (module.clone(), three[2].to_owned())));
                }
                Some(item) => uses.push((module, item.to_owned())),
            }
        }
        uses
    }

    /// How many `super` lead to the root.
    fn depth(&self) -> usize {
        let segments = self.path.trim_start_matches("src/").split('/');
        segments.filter(|segment| *segment != "mod.rs").count()
    }
}

/// Reads a path or a tree of paths from `at` on; returns where it ends.
fn walk(tokens: &[&str], mut at: usize, before: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
    if tokens.get(at) == Some(&"{") {
        at += 1;
        while tokens[at] != "}" {
            at = walk(tokens, at, &mut before.clone(), paths);
            if tokens[at] == "," {
                at += 1;
            }
        }
        return at + 1;
    }
    before.push(tokens[at].to_owned());
    at += 1;
    if tokens.get(at) == Some(&"::") && tokens.get(at + 1).is_some_and(|next| *next != "<") {
        return walk(tokens, at + 1, before, paths);
    }
    paths.push(before.clone());
    if tokens.get(at) == Some(&"as") { at + 2 } else { at }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where the item after the attribute at `start` ends: at its closing brace, or the semicolon before any.
fn end_of_item(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return start + at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return start + at + 1,
            _ => {}
        }
    }
    code.len()
}

/// The code with comments, strings and characters made blank, line by line as before.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            'r' | 'b' if !out.ends_with(is_word) => raw_string(rest),
            '"' => quoted(rest, '"'),
            '\'' => character(rest),
            _ => 0,
        };
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    out
}

/// The length of the raw string at the start, or 0.
fn raw_string(text: &str) -> usize {
    let after = text.strip_prefix('b').unwrap_or(text);
    let Some(after) = after.strip_prefix('r') else { return 0 };
    let hashes = after.len() - after.trim_start_matches('#').len();
    if !after[hashes..].starts_with('"') {
        return 0;
    }
    let start = text.len() - after.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

/// The length of what stands in quotes at the start.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the character at the start; 0 if it is a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => quoted(text, '\''),
        (Some(c), Some('\'')) => c.len_utf8() + 2,
        _ => 0,
    }
}

/// All files of the program but those that are tests.
static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    let mut files = Vec::new();
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path.file_name().is_some_and(|name| name != "tests.rs")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let below = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
                files.push(Source::new(below.to_str().unwrap().to_owned(), &text));
            }
        }
    }
    assert!(files.len() > 80, "only {} files were found", files.len());
    files
});

#[test]
fn the_reader_of_sources_sees_what_is_code_and_nothing_else() {
    let file = |path: &str, text: &str| Source::new(path.to_owned(), text);
    let uses = |path: &str, text: &str| {
        let found = file(path, text).uses();
        found.iter().map(|(module, item)| format!("{module}::{item}")).collect::<Vec<_>>()
    };
    assert_eq!(uses("src/a/b.rs", "use crate::c::{d, e::{f, g as h}};"), ["c::d", "c::e", "c::e"]);
    assert_eq!(uses("src/a/b.rs", "use crate::{c::d, e::f};"), ["c::d", "e::f"]);
    assert_eq!(uses("src/a/b.rs", "fn x() { crate::c::d::<u8>(); }"), ["c::d"]);
    assert_eq!(uses("src/a/b.rs", "use crate::c; fn x() { c::d(); e::c::f() }"), ["c::d"]);
    assert_eq!(uses("src/a/b.rs", "use crate::c::{self, e}; fn x() -> c::D {}"), ["c::D", "c::e"]);
    assert_eq!(uses("src/a/b.rs", "use super::super::c::d; use super::e::f;"), ["c::d"]);
    assert_eq!(uses("src/a/mod.rs", "use super::c::d; use self::e::f;"), ["c::d"]);
    assert_eq!(uses("src/a.rs", "use super::c::d;"), ["c::d"]);
    assert_eq!(
        uses("src/a/b.rs", "// crate::c::d\nconst X: &str = \"crate::c::d\"; /* crate::c */"),
        [""; 0]
    );
    assert_eq!(uses("src/a/b.rs", "const X: &str = r#\"a\"crate::c::d\"#; const Y: char = '\"';"), [""; 0]);
    assert_eq!(uses("src/a/b.rs", "fn x<'a>(_: &'a str) { crate::c::d() }"), ["c::d"]);
    assert_eq!(uses("src/a/b.rs", "#[cfg(test)]\nmod tests { use crate::c::d; } use crate::e::f;"), ["e::f"]);
    assert_eq!(file("src/a/b.rs", "fn x() {}\n\n#[cfg(test)]\nmod tests {\n}\n").lines(), 2);
}
