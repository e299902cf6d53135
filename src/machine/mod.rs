//! What this machine is, as far as DNS goes: read, never changed.
//!
//! ```text
//! resolv_conf   /etc/resolv.conf: a file or a link, whom it names, who writes it
//! processes     the programs that run beside this one
//! port          who has a port
//! links         the servers that systemd-resolved has for single interfaces
//! ```
//!
//! Everything is read below a [`Root`], which is `/` but in tests. What cannot be read is as if it were not there.

mod links;
mod port;
mod processes;
mod resolv_conf;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::files;

pub use links::{Link, links};
pub use port::{Holder, Transport, holders};
pub use processes::{Process, processes};
pub use resolv_conf::{Kind, RESOLV_CONF, ResolvConf, Writer, resolv_conf};

/// The most that is read of a file, in octets.
const LONGEST: u64 = 1 << 20;

/// The directory that is taken for `/`, and files that are taken to be others.
#[derive(Debug, Clone)]
pub struct Root {
    directory: PathBuf,
    instead: Vec<(PathBuf, Instead)>,
}

/// What a file is taken to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// Not there.
    Absent,
    /// A link with this target.
    Link(PathBuf),
    /// The file at that place.
    File(PathBuf),
}

impl Default for Root {
    fn default() -> Self {
        Self::new(Path::new("/"))
    }
}

impl Root {
    /// Another directory in place of `/`.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), instead: Vec::new() }
    }

    /// The same with these files in place of those that are there.
    pub fn with(self, instead: Vec<(PathBuf, Instead)>) -> Self {
        Self { instead, ..self }
    }

    /// What a file is taken to be, if not what it is.
    pub fn instead(&self, path: &Path) -> Option<&Instead> {
        self.instead.iter().find(|(replaced, _)| replaced == path).map(|(_, instead)| instead)
    }

    /// The target of a link.
    pub(crate) fn link(&self, path: &Path) -> Option<PathBuf> {
        match self.instead(path) {
            Some(Instead::Link(target)) => Some(target.clone()),
            Some(Instead::Absent | Instead::File(_)) => None,
            None => std::fs::read_link(self.at(path)).ok(),
        }
    }

    /// Where an absolute path is.
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        match self.instead(path) {
            // Nothing can be below a file.
            Some(Instead::Absent) => PathBuf::from("/proc/version/absent"),
            Some(Instead::File(other)) => other.clone(),
            Some(Instead::Link(target)) => self.at(path.parent().unwrap_or(path).join(target)),
            None => self.directory.join(path.strip_prefix("/").unwrap_or(path)),
        }
    }

    /// What a regular file holds, with what is not text replaced; at most 1 MiB of it.
    pub fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let mut octets = Vec::new();
        files::open(&self.at(path)).ok()?.take(LONGEST).read_to_end(&mut octets).ok()?;
        Some(String::from_utf8_lossy(&octets).into_owned())
    }

    /// The names in a directory, sorted.
    pub fn names(&self, directory: impl AsRef<Path>) -> Vec<String> {
        let directory = directory.as_ref();
        let entries = std::fs::read_dir(self.at(directory)).into_iter().flatten().flatten();
        let is_there = |name: &String| self.instead(&directory.join(name)) != Some(&Instead::Absent);
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_there).collect();
        names.sort();
        names
    }
}
