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

/// The directory that is taken for `/`.
#[derive(Debug, Clone)]
pub struct Root(PathBuf);

impl Default for Root {
    fn default() -> Self {
        Self(PathBuf::from("/"))
    }
}

impl Root {
    /// Another directory in place of `/`.
    pub fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// Where an absolute path is.
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// What a regular file holds, with what is no text replaced; at most 1 MiB of it.
    pub fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        let mut octets = Vec::new();
        files::open(&self.at(path)).ok()?.take(LONGEST).read_to_end(&mut octets).ok()?;
        Some(String::from_utf8_lossy(&octets).into_owned())
    }

    /// The names in a directory, sorted.
    pub fn names(&self, directory: impl AsRef<Path>) -> Vec<String> {
        let entries = std::fs::read_dir(self.at(directory)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }
}
