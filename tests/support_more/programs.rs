//! Programs of others, which a test may need.

use std::path::{Path, PathBuf};

/// The Debian package of each program.
const PACKAGES: &[(&str, &str)] = &[
    ("delv", "bind9-dnsutils"),
    ("dig", "bind9-dnsutils"),
    ("dnsmasq", "dnsmasq-base"),
    ("ip", "iproute2"),
    ("kdig", "knot-dnsutils"),
    ("kresd", "knot-resolver"),
    ("named", "bind9"),
    ("nsd", "nsd"),
    ("pdns_recursor", "pdns-recursor"),
    ("unbound", "unbound"),
];

/// Where it is. Servers stand in sbin, which is not in everybody's PATH.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let places = path.split(':').chain(["/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin"]);
    places.map(|place| Path::new(place).join(name)).find(|path| path.is_file())
}

/// Whether all of them are there; says which are not.
#[track_caller]
pub fn installed(names: &[&str]) -> bool {
    let missing: Vec<&str> = names.iter().copied().filter(|name| find(name).is_none()).collect();
    for name in &missing {
        let (_, package) = PACKAGES.iter().find(|(program, _)| program == name).unwrap();
        let test = std::thread::current();
        let test = test.name().unwrap_or("a test");
        eprintln!("SKIPPED {test}: {name} is not installed: apt-get install {package}");
    }
    missing.is_empty()
}
