//! Hosts files whose names get a domain: the one thing that an import reads besides what it is given.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use super::draft::{Draft, Setting};
use super::{LONGEST, spelling};
use crate::config::Files;

/// Carries the names without a dot over with the domain; false where the file cannot be read.
pub(super) fn expand(files: &dyn Files, path: &Path, domain: &str, draft: &mut Draft) -> bool {
    let octets = files.read(path).ok().filter(|octets| octets.len() <= LONGEST);
    let Some(text) = octets.and_then(|octets| String::from_utf8(octets).ok()) else { return false };
    let file: Arc<str> = path.display().to_string().into();
    for (index, line) in text.lines().enumerate() {
        let words = line.split('#').next().unwrap_or_default();
        let mut words = words.split_whitespace();
        let Some(address) = words.next().filter(|address| address.parse::<IpAddr>().is_ok()) else {
            continue;
        };
        let from = Setting::new(&file, index + 1, line.trim());
        for name in words.filter(|name| !name.contains('.') && !is_own(name)) {
            draft.local(&from, &format!("{}.{domain}", spelling::name(name)), address);
        }
    }
    true
}

/// Names that every hosts file has for the machine itself.
fn is_own(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name.starts_with("ip6-") || name == "broadcasthost"
}
