//! Namespaces of a test's own: for networks, mounts and the host's name.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use super::{find, installed};

/// Set in the run within the namespaces: to the namespace of the machine's own name.
const INSIDE: &str = "STUBBORN_TEST_IN_NAMESPACES";

/// Whether this is the run in namespaces of its own; if not, makes it.
#[track_caller]
pub fn isolated() -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let test = std::thread::current().name().unwrap().to_owned();
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("SKIPPED {test}: only root may make namespaces");
        return false;
    }
    if !installed(&["ip"]) {
        return false;
    }
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--uts", "--"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", &test, "--nocapture"]).env(INSIDE, name_space());
    let output = command.output().expect("unshare, of the package util-linux");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "in namespaces: {}\n{said}", output.status);
    false
}

fn name_space() -> PathBuf {
    fs::read_link("/proc/self/ns/uts").unwrap()
}

/// Sets the host's name within this namespace, and never that of the machine.
#[track_caller]
pub fn set_host_name(name: &str) {
    let outside = std::env::var_os(INSIDE).expect("a namespace of its own");
    assert_ne!(name_space(), PathBuf::from(outside), "this is the machine's own name");
    run("hostname", &[name]);
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
