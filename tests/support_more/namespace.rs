//! Namespaces for a test of its own: it runs itself again in new ones (`unshare`), which only root may do.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

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
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("ip, of the package iproute2");
    assert!(status.success(), "ip {arguments}");
}

#[track_caller]
pub fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

/// An interface, and one at the other end of its cable.
pub fn wan() {
    ip("link add wan type veth peer name modem");
    // No addresses that come by themselves, when they like.
    for end in ["wan", "modem"] {
        ip(&format!("link set {end} addrgenmode none"));
        ip(&format!("link set {end} up"));
    }
}

/// Loopback, and an interface with addresses that look like anybody's.
pub fn network() {
    ip("link set lo up");
    wan();
    ip("addr add 1.2.3.4/24 dev wan");
    ip("addr add 2001:4860:1::4/64 dev wan nodad");
}

/// An /etc of our own; what is written to it is seen by a daemon that reads /etc.
pub fn etc(resolv_conf: Option<&str>) -> TempDir {
    ip("link set lo up");
    let etc = TempDir::new().unwrap();
    if let Some(text) = resolv_conf {
        fs::write(etc.path().join("resolv.conf"), text).unwrap();
    }
    fs::create_dir(etc.path().join("stubborn")).unwrap();
    run("mount", &["--make-rprivate", "/"]);
    run("mount", &["--bind", etc.path().to_str().unwrap(), "/etc"]);
    // Nothing that this machine's own programs keep there.
    if Path::new("/run").is_dir() {
        run("mount", &["-t", "tmpfs", "tmpfs", "/run"]);
    }
    etc
}
