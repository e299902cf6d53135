//! The hosts files, read anew only where they changed: most reloads are of something else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::watch::Content;
use crate::resolve::{HostName, Hosts};

/// What was last read of the hosts files.
#[derive(Debug, Default)]
pub(super) struct HostsFiles {
    known: HashMap<PathBuf, Known>,
}

#[derive(Debug, Clone)]
struct Known {
    content: Content,
    names: Arc<[HostName]>,
}

/// The names of all hosts files.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) names: Arc<[HostName]>,
    /// A line for each file that is there and cannot be read.
    pub(super) unread: Vec<String>,
}

impl HostsFiles {
    /// Reads the files at `paths`; `note` is told of each what was read, and says what content that is.
    pub(super) fn read(&mut self, paths: &[PathBuf], note: impl Fn(&Path, &[u8]) -> Content) -> Found {
        let before = std::mem::take(&mut self.known);
        let (mut all, mut unread) = (Vec::new(), Vec::new());
        for path in paths {
            let octets = match std::fs::read(path) {
                Ok(octets) => octets,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    unread.push(format!("{}: {error}; its names cannot be read", path.display()));
                    continue;
                }
            };
            let content = note(path, &octets);
            let known = before.get(path).filter(|known| known.content == content).cloned();
            let names = match known.map_or_else(|| names(&octets), |known| Ok(known.names)) {
                Ok(names) => names,
                Err(why) => {
                    unread.push(format!("{}: {why}; its names cannot be read", path.display()));
                    continue;
                }
            };
            self.known.insert(path.clone(), Known { content, names: Arc::clone(&names) });
            all.push(names);
        }
        let names = match all.as_slice() {
            [one] => Arc::clone(one),
            many => many.iter().flat_map(|names| names.iter().cloned()).collect(),
        };
        Found { names, unread }
    }
}

/// The names of a hosts file. One that blocks a name with 0.0.0.0 gets that name an empty answer, never that address.
fn names(octets: &[u8]) -> Result<Arc<[HostName]>, String> {
    let hosts = Hosts::parse(octets).map_err(|error| error.to_string())?;
    let usable =
        |addresses: Vec<IpAddr>| addresses.into_iter().filter(|address| !address.is_unspecified()).collect();
    Ok(hosts.names.into_iter().map(|(name, addresses)| (name, usable(addresses))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_anew_where_it_changed_and_the_names_of_all_are_one_list() {
        let directory = tempfile::tempdir().unwrap();
        let paths = ["a", "b", "missing"].map(|name| directory.path().join(name));
        let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
        write(&paths[0], "192.168.1.1 one\n0.0.0.0 two\n");
        let mut files = HostsFiles::default();
        let mut read = |paths: &[PathBuf]| {
            let found = files.read(paths, |_, octets| Content::of_file(octets));
            assert_eq!(found.unread, Vec::<String>::new());
            found.names
        };
        let shown = |names: &[HostName]| {
            let names = names.iter().map(|(name, addresses)| format!("{name}={addresses:?}"));
            names.collect::<Vec<_>>().join(" ")
        };
        let first = read(&paths);
        assert_eq!(shown(&first), "one=[192.168.1.1] two=[]");
        assert!(Arc::ptr_eq(&first, &read(&paths)), "read again without a change");
        write(&paths[1], "192.168.1.3 three\n");
        assert_eq!(shown(&read(&paths)), "one=[192.168.1.1] two=[] three=[192.168.1.3]");
        write(&paths[0], "192.168.1.9 one\n");
        assert_eq!(shown(&read(&paths)), "one=[192.168.1.9] three=[192.168.1.3]");
        assert_eq!(shown(&read(&paths[1..2])), "three=[192.168.1.3]");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_and_the_others_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let (unreadable, good) = (directory.path().to_owned(), directory.path().join("good"));
        std::fs::write(&good, "192.168.1.1 one\n").unwrap();
        let found = HostsFiles::default().read(&[unreadable, good], |_, octets| Content::of_file(octets));
        assert_eq!((found.names.len(), found.unread.len()), (1, 1));
    }
}
