//! What a test lays out in namespaces of its own: a network, an /etc.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{ip, run};

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
