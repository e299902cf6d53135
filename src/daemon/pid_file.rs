//! The file that names this process to who manages it by hand or by scripts.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Who manages the daemon need not be its user.
const MODE: u32 = 0o644;

/// The file, which goes when this is dropped, unless somebody else's has taken its place.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
    file: File,
}

impl PidFile {
    /// Writes it, over whatever has the name: a daemon that was killed leaves its own behind.
    pub(super) fn write(path: &Path) -> io::Result<Self> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Never through a link that somebody else may have put there.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&beside)?;
        writeln!(file, "{}", std::process::id())?;
        fs::rename(&beside, path)?;
        Ok(Self { path: path.to_owned(), file })
    }

    fn is_in_place(&self) -> bool {
        let identity = |file: Metadata| (file.dev(), file.ino());
        let (there, ours) = (fs::symlink_metadata(&self.path), self.file.metadata());
        there.ok().map(identity).is_some_and(|there| ours.ok().map(identity) == Some(there))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if self.is_in_place() && fs::remove_file(&self.path).is_err() {
            // A daemon that has given up root's rights may not remove it from root's directory: it names nobody then.
            let _ = self.file.set_len(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_this_process_and_goes_with_it() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("pid");
        fs::write(&path, "1\n").unwrap();
        fs::write(directory.path().join("pid.new"), "half").unwrap();
        let file = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        drop(file);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_file_of_a_daemon_that_came_after_stays() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("pid");
        let (first, second) = (PidFile::write(&path).unwrap(), PidFile::write(&path).unwrap());
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }
}
