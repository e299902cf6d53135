//! The hosts files, read anew only where they changed: most reloads are of something else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::watch::Content;
use crate::dns::Shown;
use crate::files;
use crate::resolve::{HostName, Hosts, LARGEST_HOSTS_FILE};

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
    /// A line for each file that was read anew and has parts that cannot be used.
    pub(super) skipped: Vec<String>,
}

impl HostsFiles {
    /// Reads the files at `paths`; `note` is told of each what was read, and says what content that is.
    pub(super) fn read(&mut self, paths: &[PathBuf], note: impl Fn(&Path, &[u8]) -> Content) -> Found {
        let before = std::mem::take(&mut self.known);
        let (mut all, mut unread, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        for path in paths {
            let shown = path.to_string_lossy();
            let shown = Shown::text(&shown);
            let octets = match files::read(path, LARGEST_HOSTS_FILE as u64) {
                Ok(octets) => octets,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    unread.push(format!("{shown}: {error}; its names cannot be read"));
                    continue;
                }
            };
            let content = note(path, &octets);
            if let Some(known) = before.get(path).filter(|known| known.content == content) {
                all.push(Arc::clone(&known.names));
                self.known.insert(path.clone(), known.clone());
                continue;
            }
            match Hosts::parse(&octets) {
                Ok(hosts) => {
                    skipped.extend(told(&hosts).map(|told| format!("{shown}: {told}")));
                    let names = usable(hosts);
                    self.known.insert(path.clone(), Known { content, names: Arc::clone(&names) });
                    all.push(names);
                }
                Err(why) => unread.push(format!("{shown}: {why}; its names cannot be read")),
            }
        }
        let names = match all.as_slice() {
            [one] => Arc::clone(one),
            many => many.iter().flat_map(|names| names.iter().cloned()).collect(),
        };
        Found { names, unread, skipped }
    }
}

/// The names of a hosts file. One that blocks a name with 0.0.0.0 gets that name an empty answer, never that address.
fn usable(hosts: Hosts) -> Arc<[HostName]> {
    let usable =
        |addresses: Vec<IpAddr>| addresses.into_iter().filter(|address| !address.is_unspecified()).collect();
    hosts.names.into_iter().map(|(name, addresses)| (name, usable(addresses))).collect()
}

/// The parts of a hosts file that cannot be used, in one line.
fn told(hosts: &Hosts) -> Option<String> {
    let faults: Vec<String> = hosts.faults.iter().map(ToString::to_string).collect();
    let more = match hosts.skipped.saturating_sub(faults.len()) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let what = match hosts.skipped {
        0 => return None,
        1 => "1 line or name".to_owned(),
        many => format!("{many} lines and names"),
    };
    Some(format!("{what} cannot be used: {}{more}", faults.join("; ")))
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
            assert_eq!((found.unread, found.skipped), (Vec::new(), Vec::new()));
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
        let [pipe, large, good] = ["pipe", "large", "good"].map(|name| directory.path().join(name));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // 1 TiB, of which nothing is on the disk.
        std::fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
        std::fs::write(&good, "192.168.1.1 one\n").unwrap();
        let paths = [directory.path().to_owned(), pipe, "/dev/zero".into(), large, good];
        let found = HostsFiles::default().read(&paths, |_, octets| Content::of_file(octets));
        let why = ["directory", "pipe", "device"].map(|what| format!("it is a {what}; name a regular file"));
        let why = why.into_iter().chain(["it is larger than 32 MiB".to_owned()]);
        let told = paths
            .iter()
            .zip(why)
            .map(|(path, why)| format!("{}: {why}; its names cannot be read", path.display()));
        assert_eq!(found.unread, told.collect::<Vec<_>>());
        assert_eq!(found.names.len(), 1);
    }

    #[test]
    fn what_of_a_file_cannot_be_used_is_told_once_in_one_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hosts\n");
        let mut files = HostsFiles::default();
        let mut told = |text: &str| {
            std::fs::write(&path, text).unwrap();
            files.read(std::slice::from_ref(&path), |_, octets| Content::of_file(octets)).skipped
        };
        let shown = directory.path().join(r"hosts\010").display().to_string();
        let text = "192.168.1.1 one\nnas\n\u{1b}[2J a\n192.168.1.2\n192.168.1.3 *.x\n192.168.1.3 a,b\n";
        assert_eq!(
            told(text),
            [format!(
                r#"{shown}: 5 lines and names cannot be used: line 2: "nas" is not an address; line 3: "\027[2J" is not an address; line 4: the address has no name; and 2 more"#
            )]
        );
        assert_eq!(told(text), Vec::<String>::new(), "the same again");
        assert_eq!(
            told("x\n"),
            [format!(r#"{shown}: 1 line or name cannot be used: line 1: "x" is not an address"#)]
        );
        assert_eq!(told("192.168.1.1 one\n"), Vec::<String>::new());
    }
}
