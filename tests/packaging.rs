//! What is shipped in `packaging` is what its own tools take.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The most a unit may expose, in tenths: `systemd-analyze security` calls 1.5 "OK", and 9.6 is a unit that says nothing.
const MOST_EXPOSED: &str = "15";

fn units() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd")
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
