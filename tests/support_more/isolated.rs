//! Network and mount namespaces of a test's own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use super::{find, installed};

/// Set in the run within the namespaces.
const INSIDE: &str = "STUBBORN_TEST_IN_NAMESPACES";

/// Whether this is the run in namespaces of its own; if not, makes it.
#[track_caller]
pub fn isolated() -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let test = std::thread::current().name().unwrap().to_owned();
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("SKIPPED {test}: only root may make network and mount namespaces");
        return false;
    }
    if !installed(&["ip"]) {
        return false;
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", &test, "--nocapture"]).env(INSIDE, "1");
    let output = command.output().expect("unshare, of the package util-linux");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "in namespaces: {}\n{said}", output.status);
    false
}

/// Runs ip(8) within this namespace.
#[track_caller]
pub fn ip(arguments: &str) {
    let status = Command::new(find("ip").unwrap()).args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

/// Runs a program that has to succeed.
#[track_caller]
pub fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}
