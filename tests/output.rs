//! Standard output that cannot be written, or that nobody reads: every command says so, or ends quietly.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may end where it stands")]

use std::fs::{self, File};
use std::process::{Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_stubborn");

/// Commands that print something wherever they run.
const COMMANDS: &[&str] = &[
    "--help",
    "--version",
    "explain --help",
    "help check",
    "config template",
    "config show --config /dev/null",
    "config show --config /dev/null --json",
    "man",
    "man allow",
    "completions bash",
    "import dnsmasq tests/import/dnsmasq.conf",
    "import dnsmasq tests/import/dnsmasq.conf --json",
    "explain a.example --answer 10.0.0.1 --config /dev/null",
    "explain a.example --answer 10.0.0.1 --config /dev/null --json",
    "audit --config /dev/null",
    "check --config /dev/null",
    "check --config /dev/null --json",
    "doctor --offline --config /dev/null",
    "doctor --offline --config /dev/null --json",
    "allow a.example --dry-run --config /nonexistent.toml",
    "allow a.example --dry-run --config /nonexistent.toml --json",
    "disallow a.example --config /dev/null --json",
    "status --socket /nonexistent --json",
    "blocked --socket /nonexistent --json",
    "reload --socket /nonexistent --json",
    "cache flush --socket /nonexistent --json",
    "explain --json",
];

fn shell(script: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null()).output().unwrap()
}

/// The exit code, and what it said on standard error.
fn ended(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_write_that_fails_is_an_error_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("out").to_str().unwrap().to_owned();
    for command in COMMANDS {
        for (script, reason) in [
            (format!("{PROGRAM} {command} >/dev/full"), "cannot be written: No space left on device"),
            (format!("{PROGRAM} {command} >&-"), "standard output is closed"),
            (format!("ulimit -f 0; {PROGRAM} {command} >{file}"), "cannot be written: File too large"),
        ] {
            let (code, said) = ended(&shell(&script));
            assert!(code == Some(2) && said.contains(reason), "{script}: {code:?}, {said}");
            assert!(!said.contains("panicked"), "{said}");
        }
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "");
}

#[test]
fn an_error_is_not_lost_with_the_output() {
    let (code, said) = ended(&shell(&format!("{PROGRAM} status --socket /nonexistent --json >/dev/full")));
    assert!(code == Some(2) && said.contains("no daemon answers at /nonexistent"), "{said}");
}

#[test]
fn a_reader_that_has_gone_away_changes_no_exit_code_and_is_not_told() {
    for command in COMMANDS {
        let mut words = Command::new(PROGRAM);
        words.args(command.split(' ')).stdin(Stdio::null());
        // A busy machine makes a command wait long enough to say so.
        let but_for_waits = |(code, said): (Option<i32>, String)| {
            let lines = said.lines().filter(|line| !line.starts_with("waiting for "));
            (code, lines.map(str::to_owned).collect::<Vec<_>>())
        };
        let usual = but_for_waits(ended(&words.output().unwrap()));
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let closed = but_for_waits(ended(&words.stdout(writer).output().unwrap()));
        assert_eq!(closed, usual, "{command}");
    }
}

#[test]
fn nothing_is_written_to_a_closed_output_by_mistake() {
    // The next file that is opened would have its number.
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("stubborn.toml");
    fs::write(&config, "# The house.\n").unwrap();
    let config = config.to_str().unwrap();
    shell(&format!("{PROGRAM} check --config {config} >&-"));
    assert_eq!(fs::read_to_string(config).unwrap(), "# The house.\n");
    drop(File::open(config).unwrap());
}

#[test]
fn an_error_for_a_program_is_one_object_and_nothing_else() {
    for (command, error) in [
        ("status --socket /nonexistent --json", "no daemon answers at /nonexistent"),
        ("blocked --follow --socket /nonexistent --json", "no daemon answers at /nonexistent"),
        ("reload --json --socket /nonexistent", "no daemon answers at /nonexistent"),
        ("log-level info --json --socket /nonexistent", "no daemon answers at /nonexistent"),
        ("cache flush --json --socket /nonexistent", "no daemon answers at /nonexistent"),
        ("explain a..b --json", "invalid value 'a..b' for '<NAME>': an empty label"),
        ("explain --json", "the following required arguments were not provided"),
        ("check --config --json", "a value is required for '--config <FILE>'"),
        ("chekc --json", "unrecognized subcommand 'chekc'"),
        ("import dnsmasq /nonexistent --json", "/nonexistent: there is no such file"),
        ("import bind /dev/null --json", "invalid value 'bind'"),
        ("explain a.example --config /nonexistent --json", "/nonexistent: there is no such file"),
        ("audit --config /nonexistent --json", "/nonexistent: there is no such file"),
        ("config show --config /nonexistent --json", "/nonexistent: there is no such file"),
        ("check --config /nonexistent --json", "/nonexistent: there is no such file"),
        ("disallow a.example --config /dev/null --json", ""),
    ] {
        let output = Command::new(PROGRAM).args(command.split(' ')).stdin(Stdio::null()).output().unwrap();
        let (code, said) = ended(&output);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|why| panic!("{command}: {why}: {output:?}"));
        let text = report.get("error").and_then(serde_json::Value::as_str);
        assert!(text.is_some_and(|text| text.starts_with(error)), "{command}: {report}");
        assert!(code != Some(0) && said.is_empty(), "{command}: {code:?} {said}");
    }
}
