//! Files that a configuration names: hosts files whose names get a domain, and files in the form of resolv.conf.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use super::draft::{Draft, Setting};
use super::{LONGEST, spelling};
use crate::config::Files;

/// Carries over the names without a dot, with the domain. False if the file cannot be read.
pub(super) fn expand(files: &dyn Files, path: &Path, domain: &str, draft: &mut Draft) -> bool {
    let Some(text) = read(files, path) else { return false };
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

/// Carries over the servers of a file like resolv.conf. False if it cannot be read, or has none.
pub(super) fn servers(files: &dyn Files, path: &Path, draft: &mut Draft) -> bool {
    let Some(text) = read(files, path) else { return false };
    let file: Arc<str> = path.display().to_string().into();
    let mut has_any = false;
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        if let (Some("nameserver"), Some(server)) = (words.next(), words.next()) {
            has_any = true;
            draft.list(&Setting::new(&file, index + 1, line.trim()), "upstream", "servers", server);
        }
    }
    has_any
}

/// The text of a file; `None` if it is not text or too long.
pub(super) fn read(files: &dyn Files, path: &Path) -> Option<String> {
    let octets = files.read(path).ok().filter(|octets| octets.len() <= LONGEST)?;
    String::from_utf8(octets).ok()
}

/// Whether this is a name that every hosts file has for the machine itself.
fn is_own(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name.starts_with("ip6-") || name == "broadcasthost"
}
