//! One file of a plan: how it was, what the plan makes of it, and whose it is now.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{JournalError, failed};
use crate::machine::{Instead, RESOLV_CONF};
use crate::setup::SAVED_SERVERS;

/// The mode of a file that was not there.
const NEW_FILE: u32 = 0o644;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) path: PathBuf,
    before: Before,
    /// What the plan writes.
    pub(super) after: String,
}

#[derive(Debug, Serialize, Deserialize)]
enum Before {
    Absent,
    Link(PathBuf),
    File { copy: String, mode: u32, uid: u32, gid: u32 },
}

/// Whose a file is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Now {
    Original,
    Ours,
    Foreign,
}

impl Saved {
    /// Keeps what is at `path`; of a file, in a copy of that name.
    pub(super) fn keep(path: &Path, place: &Path, copy: &str) -> Result<Self, JournalError> {
        let before = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Before::Absent,
            Err(error) => return Err(failed(path)(error)),
            Ok(found) if found.is_symlink() => Before::Link(fs::read_link(path).map_err(failed(path))?),
            Ok(found) => {
                let octets = fs::read(path).map_err(failed(path))?;
                replace(&place.join(copy), &octets, 0o600, None)?;
                let mode = found.mode() & 0o7777;
                Before::File { copy: copy.to_owned(), mode, uid: found.uid(), gid: found.gid() }
            }
        };
        Ok(Self { path: path.to_owned(), before, after: String::new() })
    }

    /// The name of its copy.
    pub(super) fn copy(&self) -> Option<&str> {
        match &self.before {
            Before::File { copy, .. } => Some(copy),
            Before::Absent | Before::Link(_) => None,
        }
    }

    /// What there was.
    pub(super) fn original(&self, place: &Path) -> Instead {
        match &self.before {
            Before::Absent => Instead::Absent,
            Before::Link(target) => Instead::Link(target.clone()),
            Before::File { copy, .. } => Instead::File(place.join(copy)),
        }
    }

    /// The mode and the owner of what takes its place.
    pub(super) fn permissions(saved: Option<&Self>) -> (u32, Option<(u32, u32)>) {
        match saved.map(|saved| &saved.before) {
            Some(Before::File { mode, uid, gid, .. }) => (*mode, Some((*uid, *gid))),
            _ => (NEW_FILE, None),
        }
    }

    /// Whether nobody else has changed it.
    pub(super) fn is_known(&self, place: &Path) -> bool {
        self.now(place) != Now::Foreign
    }

    pub(super) fn now(&self, place: &Path) -> Now {
        let Ok(found) = self.path.symlink_metadata() else {
            // Nobody needs it as little as that: what was there is put back.
            return if matches!(self.before, Before::Absent) { Now::Original } else { Now::Ours };
        };
        if found.is_symlink() {
            let is_original = matches!(&self.before, Before::Link(target) if fs::read_link(&self.path).is_ok_and(|now| now == *target));
            return if is_original { Now::Original } else { Now::Foreign };
        }
        let Ok(octets) = fs::read(&self.path) else { return Now::Foreign };
        // A hook of ours writes there.
        if self.path == Path::new(SAVED_SERVERS) {
            return Now::Ours;
        }
        match &self.before {
            Before::File { copy, .. } if fs::read(place.join(copy)).is_ok_and(|copy| copy == octets) => {
                Now::Original
            }
            _ if octets == self.after.as_bytes() => Now::Ours,
            _ => Now::Foreign,
        }
    }

    pub(super) fn put_back(&self, place: &Path) -> Result<(), JournalError> {
        match &self.before {
            Before::Absent => match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&self.path)(error)),
                _ => Ok(()),
            },
            Before::Link(target) => {
                let beside = beside(&self.path);
                let _ = fs::remove_file(&beside);
                symlink(target, &beside)
                    .and_then(|()| fs::rename(&beside, &self.path))
                    .and_then(|()| sync_directory(&self.path))
                    .map_err(failed(&self.path))
            }
            Before::File { copy, mode, uid, gid } => {
                let copy = place.join(copy);
                let octets = fs::read(&copy).map_err(failed(&copy))?;
                replace(&self.path, &octets, *mode, Some((*uid, *gid)))
            }
        }
    }
}

/// The file behind a link, which is changed in the link's place; but a link at `/etc/resolv.conf` is itself what is changed.
pub(in crate::setup) fn real(path: &Path) -> PathBuf {
    if path == Path::new(RESOLV_CONF) {
        return path.to_owned();
    }
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Writes a file beside and renames it: who reads finds the one or the other, and so does the next start.
pub(super) fn replace(
    path: &Path,
    octets: &[u8],
    mode: u32,
    owner: Option<(u32, u32)>,
) -> Result<(), JournalError> {
    let beside = beside(path);
    // Left by one that was killed.
    let _ = fs::remove_file(&beside);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        if let Some((uid, gid)) = owner {
            fchown(&file, Some(uid), Some(gid))?;
        }
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        sync_directory(path)
    })();
    written.map_err(|error| {
        let _ = fs::remove_file(&beside);
        failed(path)(error)
    })
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |above| File::open(above)?.sync_all())
}

/// A name that programs which read all of a directory pass over.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.stubborn-new"))
}
