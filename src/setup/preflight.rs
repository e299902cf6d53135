//! Whether every file of a plan can be changed, found out before any is.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{IFlags, StatVfsMountFlags, ioctl_getflags, statvfs};

use super::Step;
use super::journal::real;
use super::plan::Refused;

/// Looks at the file and its directory of each step that writes, and at `place`.
pub(super) fn writable<'a>(place: &Path, steps: impl Iterator<Item = &'a Step>) -> Result<(), Refused> {
    let written = steps.filter_map(|step| match step {
        Step::Write { path, .. } => Some(real(path)),
        Step::Run { .. } => None,
    });
    for path in written {
        is_file(&path)?;
        can_be_changed(&path)?;
    }
    can_be_changed(place)
}

/// What is there can be replaced by a file. A link is replaced, whatever it leads to.
fn is_file(path: &Path) -> Result<(), Refused> {
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() && !found.is_symlink() => Err(Refused {
            why: format!("{} is not a file", path.display()),
            help: format!("`ls -ld {}` shows what it is; move it away", path.display()),
        }),
        _ => Ok(()),
    }
}

fn can_be_changed(path: &Path) -> Result<(), Refused> {
    let directory = existing(path.parent().unwrap_or(path));
    for place in [path, &directory] {
        if is_immutable(place) {
            return Err(Refused {
                why: format!("{} is immutable, or only appended to", place.display()),
                help: format!("`lsattr -d {0}` shows that, and `chattr -i -a {0}` ends it", place.display()),
            });
        }
    }
    let is_read_only = |directory: &Path| {
        statvfs(directory).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
    };
    if is_read_only(&directory) {
        return Err(Refused {
            why: format!(
                "{} cannot be written: {} is on a read-only file system",
                path.display(),
                directory.display()
            ),
            help: "mount it writable, or change the system where it is made".to_owned(),
        });
    }
    Ok(())
}

/// The first directory above that is there.
fn existing(directory: &Path) -> PathBuf {
    let there = directory.ancestors().find(|above| above.exists());
    there.unwrap_or(directory).to_owned()
}

/// A link has no such flags. What cannot be opened tells nothing.
fn is_immutable(path: &Path) -> bool {
    let is_plain = path.symlink_metadata().is_ok_and(|found| found.is_file() || found.is_dir());
    let flags = is_plain.then(|| File::open(path).ok()).flatten().and_then(|file| ioctl_getflags(file).ok());
    flags.is_some_and(|flags| flags.intersects(IFlags::IMMUTABLE | IFlags::APPEND))
}
