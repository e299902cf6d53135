//! The file that names this process to who manages it by hand or by scripts.
//!
//! It is locked while the daemon runs, so that no second daemon takes it. What is left of a daemon that died is taken over.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

/// Who manages the daemon need not be its user.
const MODE: u32 = 0o644;
/// No pid file is longer: what is has another purpose.
const LONGEST: u64 = 64;
/// How often the file may vanish or change hands while it is taken.
const ATTEMPTS: usize = 8;

/// Why there is no pid file.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    /// Another daemon has it.
    #[error(
        "{} is the pid file of a running stubborn{}: stop that one first, or name another file with `--pid-file`",
        .path.display(),
        .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    Held {
        /// The file.
        path: PathBuf,
        /// The daemon, if the file names it.
        pid: Option<u32>,
    },
    /// Something else has the name.
    #[error("{} is {what} and not a pid file: name another file with `--pid-file`", .path.display())]
    NotAPidFile {
        /// What is there.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It cannot be written.
    #[error("cannot write the pid file {}: {source}", .path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The file, which goes when this is dropped, unless somebody else's has taken its place.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
    file: File,
}

impl PidFile {
    /// Takes the file, or makes it.
    ///
    /// # Errors
    /// Another daemon has it, something else has its name, or it cannot be written.
    pub(super) fn take(path: &Path) -> Result<Self, PidFileError> {
        let system = |source| PidFileError::System { path: path.to_owned(), source };
        for _ in 0..ATTEMPTS {
            let file = match open(path) {
                Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                    return Err(not_a_pid_file(path, "a symbolic link"));
                }
                opened => opened.map_err(system)?,
            };
            let there = file.metadata().map_err(system)?;
            if !there.is_file() || there.nlink() > 1 {
                return Err(not_a_pid_file(
                    path,
                    if there.is_file() { "a hard link" } else { "a pipe, a device or a socket" },
                ));
            }
            let is_locked = flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK);
            let pid = named(&file);
            if is_locked || pid.flatten().is_some_and(is_another_daemon) {
                return Err(PidFileError::Held { path: path.to_owned(), pid: pid.flatten() });
            }
            if !is_in_place(path, &file) {
                // The daemon that had it was just stopping.
                continue;
            }
            if pid.is_none() {
                return Err(not_a_pid_file(path, "a file with other content"));
            }
            if there.uid() != rustix::process::geteuid().as_raw() {
                // Its owner could write any number into it.
                fs::remove_file(path).map_err(system)?;
                continue;
            }
            let taken = Self { path: path.to_owned(), file };
            taken.write().map_err(system)?;
            return Ok(taken);
        }
        Err(system(io::ErrorKind::ResourceBusy.into()))
    }

    /// In this order, so that nobody reads an empty file.
    fn write(&self) -> io::Result<()> {
        let text = format!("{}\n", std::process::id());
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.set_len(text.len() as u64)
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if is_in_place(&self.path, &self.file) && fs::remove_file(&self.path).is_err() {
            // A daemon that has given up root's rights may not remove it from root's directory: it names nobody then.
            let _ = self.file.set_len(0);
        }
    }
}

fn is_in_place(path: &Path, file: &File) -> bool {
    let identity = |file: Metadata| (file.dev(), file.ino());
    let (there, ours) = (fs::symlink_metadata(path), file.metadata());
    there.ok().map(identity).is_some_and(|there| ours.ok().map(identity) == Some(there))
}

fn not_a_pid_file(path: &Path, what: &'static str) -> PidFileError {
    PidFileError::NotAPidFile { path: path.to_owned(), what }
}

/// Opens it without following a link that somebody else may have put there, and without waiting for a pipe.
fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(MODE)
        .custom_flags(flags)
        .open(path)
}

/// The process that the file names: `Some(None)` if it is empty, `None` if it says something else.
fn named(file: &File) -> Option<Option<u32>> {
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    match text.trim() {
        "" => Some(None),
        pid => pid.parse().ok().map(Some),
    }
}

/// Whether a stubborn runs under this number that does not lock the file: somebody else wrote it, or the file system knows no
/// locks.
fn is_another_daemon(pid: u32) -> bool {
    let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let mut words = line.split(|octet| *octet == 0);
    let program = words.next().and_then(|word| word.rsplit(|octet| *octet == b'/').next());
    pid != std::process::id() && program == Some(b"stubborn") && words.next() == Some(b"run")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn own() -> String {
        format!("{}\n", std::process::id())
    }

    #[test]
    fn the_file_names_this_process_and_goes_with_it() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("pid");
        // Nothing, what a daemon left that was killed, what one left that may not remove it, and what a script wrote.
        for before in [None, Some("1\n"), Some(""), Some("  1234567  ")] {
            if let Some(before) = before {
                fs::write(&path, before).unwrap();
            }
            let taken = PidFile::take(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), own(), "{before:?}");
            drop(taken);
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_running_daemons_file_is_not_taken() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("pid");
        let first = PidFile::take(&path).unwrap();
        let error = PidFile::take(&path).unwrap_err();
        let named = format!("running stubborn (process {})", std::process::id());
        assert!(error.to_string().contains(&named), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), own());
        drop(first);
        assert!(!path.exists());
    }

    #[test]
    fn the_file_that_somebody_put_in_its_place_stays() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("pid");
        let first = PidFile::take(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = PidFile::take(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_pid_file_is_left_as_it_is() {
        let directory = tempfile::TempDir::new().unwrap();
        let at = |name: &str| directory.path().join(name);
        let text = "nameserver 9.9.9.9\n";
        fs::write(at("text"), text).unwrap();
        fs::write(at("number"), "1\n").unwrap();
        symlink("number", at("link")).unwrap();
        symlink("missing", at("dangling")).unwrap();
        fs::hard_link(at("number"), at("second")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        for (name, why) in [
            ("text", "other content"),
            ("link", "a symbolic link"),
            ("dangling", "a symbolic link"),
            ("second", "a hard link"),
            ("pipe", "a pipe, a device or a socket"),
            ("below/missing", "No such file"),
            ("", "Is a directory"),
        ] {
            let error = PidFile::take(&at(name)).unwrap_err().to_string();
            assert!(error.contains(why), "{name}: {error}");
        }
        assert_eq!(fs::read_to_string(at("text")).unwrap(), text);
        assert_eq!(fs::read_to_string(at("number")).unwrap(), "1\n");
        assert!(!at("missing").exists());
    }
}
