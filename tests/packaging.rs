//! What is shipped in `packaging` is what its own tools take, and fits the rest of the project.
//!
//! That packages can be made of it, installed and removed is what `packaging/test` sees to.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use stubborn::config::{self, Disk};
use tempfile::TempDir;
use toml::{Table, Value};

/// The most a unit may expose, in tenths: `systemd-analyze security` calls 1.5 "OK", and 9.6 is a unit that says nothing.
const MOST_EXPOSED: &str = "15";

/// What is made beside the program is there in a release only.
const BUILT: &str = "target/";

fn path(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn text(below: &str) -> String {
    std::fs::read_to_string(path(below)).unwrap_or_else(|error| panic!("{below}: {error}"))
}

fn units() -> PathBuf {
    path("packaging/systemd")
}

/// What systemd-analyze says; none where it is not installed.
#[track_caller]
fn systemd_analyze(arguments: &[&str], units: &[PathBuf]) -> Option<Output> {
    let mut command = Command::new("systemd-analyze");
    match command.args(arguments).args(units).output() {
        Ok(output) => Some(output),
        Err(error) => {
            let test = std::thread::current();
            eprintln!("SKIPPED {}: no systemd-analyze ({error})", test.name().unwrap());
            None
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The units with the built program in the place of the installed one, beside each other.
fn installed(directory: &TempDir) -> Vec<PathBuf> {
    ["stubborn.service", "stubborn.socket"]
        .map(|name| {
            let text = std::fs::read_to_string(units().join(name)).unwrap();
            let text = text.replace("/usr/bin/stubborn", env!("CARGO_BIN_EXE_stubborn"));
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        })
        .to_vec()
}

#[test]
fn the_unit_exposes_little() {
    let threshold = format!("--threshold={MOST_EXPOSED}");
    let arguments = ["security", "--offline=true", "--no-pager", &threshold];
    let Some(output) = systemd_analyze(&arguments, &[units().join("stubborn.service")]) else { return };
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_units_have_no_word_that_systemd_does_not_know() {
    let directory = TempDir::new().unwrap();
    let Some(output) = systemd_analyze(&["verify", "--man=no"], &installed(&directory)) else { return };
    let said = said(&output);
    // Units of the machine itself are read along, and are none of ours.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("stubborn")).collect();
    assert!(ours.is_empty(), "{said}");
}

#[test]
fn every_package_has_the_version_of_the_program() {
    let version = env!("CARGO_PKG_VERSION");
    for (file, line) in [
        ("packaging/debian/changelog", format!("stubborn ({version}-")),
        ("packaging/openwrt/Makefile", format!("PKG_VERSION:={version}\n")),
        ("packaging/homebrew/stubborn.rb", format!("/stubborn-{version}.tar.gz\"")),
        ("packaging/container/Containerfile", format!("-t stubborn:{version} ")),
        ("packaging/container/compose.yaml", format!("image: stubborn:{version}\n")),
        ("packaging/kubernetes/stubborn.yaml", format!("image: stubborn:{version}\n")),
        ("packaging/README.md", format!("./stubborn_{version}-1_amd64.deb")),
    ] {
        assert!(text(file).contains(&line), "{file} has no {line:?}");
    }
    assert!(text("packaging/debian/changelog").starts_with("stubborn ("), "the last version stands first");
}

/// The `[package.metadata]` of that packager.
fn metadata(packager: &str) -> Table {
    let manifest: Table = text("Cargo.toml").parse().unwrap();
    manifest["package"]["metadata"][packager].as_table().unwrap().clone()
}

/// The files that match: a name, or one with a `*` in its last part.
fn matching(pattern: &str) -> usize {
    let Some((before, after)) = pattern.split_once('*') else { return usize::from(path(pattern).is_file()) };
    let (directory, beginning) = before.rsplit_once('/').unwrap_or((".", before));
    let names = std::fs::read_dir(path(directory)).unwrap().map(|entry| entry.unwrap().file_name());
    names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with(beginning) && name.ends_with(after))
        .count()
}

#[test]
fn every_file_that_a_package_takes_is_there() {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let deb = metadata("deb");
    let rpm = metadata("generate-rpm");
    let mut named: Vec<String> = ["postinst", "prerm", "postrm"]
        .iter()
        .map(|script| format!("{}/{script}", word(&deb["maintainer-scripts"])))
        .collect();
    named.push(word(&deb["changelog"]));
    named.push(word(&deb["license-file"][0]));
    named.extend(deb["assets"].as_array().unwrap().iter().map(|asset| word(&asset[0])));
    named.extend(rpm.iter().filter(|(key, _)| key.ends_with("_script")).map(|(_, script)| word(script)));
    named.extend(rpm["assets"].as_array().unwrap().iter().map(|asset| word(&asset["source"])));
    let image = text("packaging/container/Containerfile");
    let copied = image.lines().filter_map(|line| line.strip_prefix("COPY "));
    let sources =
        copied.map(|line| line.split_whitespace().find(|word| !word.starts_with("--")).unwrap().to_owned());
    // A directory that an image takes is one file of it.
    named.extend(sources.map(|source| if path(&source).is_dir() { format!("{source}/*") } else { source }));
    named.retain(|pattern| !pattern.starts_with(BUILT));
    assert!(named.len() >= 25, "only {} were found", named.len());
    for pattern in named {
        assert!(matching(&pattern) > 0, "there is no {pattern}");
    }
}

#[test]
fn both_packages_have_the_same_in_the_same_places() {
    // Where the two families of distributions differ, and what one only has.
    let differing = ["copyright", "lintian", "licenses", "sysusers.d", "/zsh/", "grafana"];
    let places = |packager: &str| {
        let mut places: Vec<String> = metadata(packager)["assets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|asset| match asset {
                Value::Array(words) => words[1].as_str().unwrap().to_owned(),
                asset => asset["dest"].as_str().unwrap().trim_start_matches('/').to_owned(),
            })
            .filter(|place| !differing.iter().any(|part| place.contains(part)))
            // Debian's copyright is a file of its own directory, beside README.md.
            .collect();
        places.sort();
        places.dedup();
        places
    };
    assert_eq!(places("deb"), places("generate-rpm"));
}

#[test]
fn every_configuration_in_a_package_is_valid() {
    let kubernetes = text("packaging/kubernetes/stubborn.yaml");
    let (_, map) = kubernetes.split_once("  stubborn.toml: |\n").unwrap();
    let map: String = map
        .lines()
        .take_while(|line| *line != "---")
        .map(|line| format!("{}\n", line.trim_start()))
        .collect();
    for (file, text) in [
        ("packaging/container/stubborn.toml", text("packaging/container/stubborn.toml")),
        ("packaging/container/compose/stubborn.toml", text("packaging/container/compose/stubborn.toml")),
        ("packaging/kubernetes/stubborn.yaml", map),
    ] {
        // 2026-11-21T00:00:00Z
        let loaded = config::from_text(Path::new(file), &text, &Disk, 1_795_219_200);
        assert_eq!(loaded.unwrap_or_else(|errors| panic!("{file}: {errors}")).warnings, [], "{file}");
    }
}
