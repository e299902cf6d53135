//! A file on the disk: where it really is, whether it is anybody's to change here, and one step from the old text to the new.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::FileChange;

/// The mode of a file that was not there.
const NEW_FILE: u32 = 0o644;
/// The mode of a directory that was not there.
const NEW_DIRECTORY: u32 = 0o755;

/// Why a file is not to be changed here.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// NixOS makes it from a module.
    #[error("{} is in the Nix store, where nothing is changed: it is made from the system's configuration", .0.display())]
    NixStore(PathBuf),
    /// Kubernetes makes it from a ConfigMap or Secret.
    #[error("{} is mounted from a ConfigMap or Secret, where nothing is changed: edit that", .0.display())]
    ConfigMap(PathBuf),
    /// It is no file, but a pipe or a device.
    #[error("{} is not a regular file, and so cannot be changed", .0.display())]
    NotAFile(PathBuf),
    /// A link to nothing.
    #[error("{} is a link to a file that is not there", .0.display())]
    Dangling(PathBuf),
    /// It is not what the plan was made for.
    #[error("{} was changed by somebody else just now: try again", .0.display())]
    Changed(PathBuf),
    /// The file system is read-only.
    #[error("{} is on a file system that is mounted read-only", .0.display())]
    ReadOnly(PathBuf),
    /// It is mounted by itself, as containers do with a file, so that none can take its place.
    #[error("{} is a mount of its own, so no other file can take its place", .0.display())]
    Mounted(PathBuf),
    /// This user may not.
    #[error("{}: this user may not change it, or may not give the new file the same owner; try it with sudo", .0.display())]
    Denied(PathBuf),
    /// Something has the name of a file that is to be new.
    #[error("{} is already there: remove it, or name another file", .0.display())]
    Exists(PathBuf),
    /// Anything else.
    #[error("{}: {source}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Held while a configuration is changed, so that no other command changes it from the same old text.
pub(super) struct Lock {
    _directory: File,
}

/// Waits until no other command changes files in that file's directory; `None` where it cannot be locked, which the
/// writing will have a word for.
pub(super) fn lock(path: &Path) -> Option<Lock> {
    let real = real_path(path).ok()?;
    let directory = File::open(real.parent()?).ok()?;
    flock(&directory, FlockOperation::LockExclusive).ok()?;
    Some(Lock { _directory: directory })
}

/// Refuses a file that only looks as if it could be changed: the next build, or the next sync, would undo it.
pub(super) fn refuse_store(path: &Path) -> Result<(), PlaceError> {
    let real = real_path(path)?;
    if real.starts_with("/nix/store") {
        return Err(PlaceError::NixStore(real));
    }
    // A ConfigMap's files are links into a directory like `..2026_11_21_10_00_00.123456`, so that all change at once.
    let is_volume = |part: Component<'_>| match part {
        Component::Normal(name) => name.as_encoded_bytes().starts_with(b".."),
        _ => false,
    };
    if real.components().any(is_volume) {
        return Err(PlaceError::ConfigMap(path.to_owned()));
    }
    match std::fs::metadata(&real) {
        Ok(file) if !file.is_file() => Err(PlaceError::NotAFile(real)),
        _ => Ok(()),
    }
}

/// The file behind all links. One that is not there yet is in the directory that is.
fn real_path(path: &Path) -> Result<PathBuf, PlaceError> {
    match path.canonicalize() {
        Ok(real) => Ok(real),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if path.symlink_metadata().is_ok() {
                return Err(PlaceError::Dangling(path.to_owned()));
            }
            let directory = parent(path).canonicalize().unwrap_or_else(|_| parent(path).to_owned());
            Ok(path.file_name().map_or_else(|| path.to_owned(), |name| directory.join(name)))
        }
        Err(error) => Err(failed(path)(error)),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Puts the new text in the old one's place in one step: whoever reads finds the one or the other, and so does the next
/// start after a power cut. Mode and owner stay.
pub(super) fn replace(change: &FileChange) -> Result<(), PlaceError> {
    let path = real_path(&change.path)?;
    let failed = failed(&path);
    let mut old = match &change.old {
        None => {
            if path.exists() {
                return Err(PlaceError::Changed(path.clone()));
            }
            let mut directories = DirBuilder::new();
            directories.recursive(true).mode(NEW_DIRECTORY).create(parent(&path)).map_err(&failed)?;
            None
        }
        // Opened to be written, though it is not: who may not write it may not put another in its place either.
        Some(_) => Some(OpenOptions::new().read(true).write(true).open(&path).map_err(&failed)?),
    };
    let beside = beside(&path);
    let written = write_beside(&beside, old.as_ref(), change.new.as_bytes()).and_then(|()| {
        if let (Some(file), Some(expected)) = (&mut old, &change.old) {
            let mut found = Vec::new();
            file.read_to_end(&mut found)?;
            if found != expected.as_bytes() {
                return Ok(false);
            }
        }
        std::fs::rename(&beside, &path)?;
        Ok(true)
    });
    if !matches!(written, Ok(true)) {
        // It may not even be there.
        let _ = std::fs::remove_file(&beside);
    }
    match written {
        Ok(true) => File::open(parent(&path)).and_then(|directory| directory.sync_all()).map_err(failed),
        Ok(false) => Err(PlaceError::Changed(path.clone())),
        Err(error) => Err(failed(error)),
    }
}

/// Writes a file that is not there yet.
///
/// # Errors
/// Where it is there, or cannot be written.
pub fn write_new(path: &Path, text: &str) -> Result<(), PlaceError> {
    let failed = failed(path);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(NEW_FILE).open(path).map_err(&failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// A name in the same directory, which `include` patterns pass over.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

fn write_beside(path: &Path, old: Option<&File>, octets: &[u8]) -> io::Result<()> {
    // Left by a process of the same number that was killed.
    let _ = std::fs::remove_file(path);
    let mode = if old.is_some() { 0o600 } else { NEW_FILE };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    if let Some(old) = old {
        let (wanted, own) = (old.metadata()?, file.metadata()?);
        if (wanted.uid(), wanted.gid()) != (own.uid(), own.gid()) {
            fchown(&file, Some(wanted.uid()), Some(wanted.gid()))?;
        }
        file.set_permissions(Permissions::from_mode(wanted.mode() & 0o7777))?;
    }
    file.write_all(octets)?;
    file.sync_all()
}

fn failed(path: &Path) -> impl Fn(io::Error) -> PlaceError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::PermissionDenied => PlaceError::Denied(path.clone()),
        io::ErrorKind::ReadOnlyFilesystem => PlaceError::ReadOnly(path.clone()),
        io::ErrorKind::AlreadyExists => PlaceError::Exists(path.clone()),
        io::ErrorKind::ResourceBusy => PlaceError::Mounted(path.clone()),
        _ => PlaceError::System { path: path.clone(), source },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn change(path: &Path, old: Option<&str>, new: &str) -> FileChange {
        FileChange { path: path.to_owned(), old: old.map(str::to_owned), new: new.into(), hunks: Vec::new() }
    }

    #[test]
    fn a_file_is_replaced_behind_its_link_with_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real.toml"), directory.path().join("link.toml"));
        std::fs::write(&real, "old").unwrap();
        std::fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
        symlink("real.toml", &link).unwrap();
        let before = std::fs::metadata(&real).unwrap();
        replace(&change(&link, Some("old"), "new")).unwrap();
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "new");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        let after = std::fs::metadata(&real).unwrap();
        assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2, "something was left beside it");
    }

    #[test]
    fn what_somebody_else_changed_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.toml");
        std::fs::write(&path, "theirs").unwrap();
        assert!(matches!(replace(&change(&path, Some("old"), "new")), Err(PlaceError::Changed(_))));
        assert!(matches!(replace(&change(&path, None, "new")), Err(PlaceError::Changed(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_not_there_is_made_with_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("etc/stubborn/a.toml");
        refuse_store(&path).unwrap();
        replace(&change(&path, None, "new")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert!(matches!(write_new(&path, "other"), Err(PlaceError::Exists(_))));
    }

    #[test]
    fn what_is_made_elsewhere_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        // As the kubelet lays it out.
        std::fs::create_dir(at("..2026_11_21_10_00_00.1")).unwrap();
        std::fs::write(at("..2026_11_21_10_00_00.1/a.toml"), "old").unwrap();
        symlink("..2026_11_21_10_00_00.1", at("..data")).unwrap();
        symlink("..data/a.toml", at("a.toml")).unwrap();
        assert!(matches!(refuse_store(&at("a.toml")), Err(PlaceError::ConfigMap(_))));
        symlink("nowhere.toml", at("b.toml")).unwrap();
        assert!(matches!(refuse_store(&at("b.toml")), Err(PlaceError::Dangling(_))));
        assert!(matches!(refuse_store(Path::new("/dev/null")), Err(PlaceError::NotAFile(_))));
        assert!(matches!(refuse_store(Path::new("/nix/store/x/a.toml")), Err(PlaceError::NixStore(_))));
    }
}
