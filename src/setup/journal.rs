//! What was there before: written to the disk before anything is changed, and put back from there.
//!
//! The journal holds the originals of all files of a plan at once, beside what they are to become. So it does not matter how
//! far a plan got: of each file it can be told whether it is the original, ours, or somebody else's.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::command::run;
use super::{SAVED_SERVERS, Step};
use crate::machine::RESOLV_CONF;

/// The file among the originals that tells whose they are.
const INDEX: &str = "journal.json";
/// The version of its form.
const VERSION: u32 = 1;
/// The mode of a file that was not there.
const NEW_FILE: u32 = 0o644;

/// What a plan changes, with what was there before.
#[derive(Debug, Serialize, Deserialize)]
pub struct Journal {
    version: u32,
    /// The plan was carried out, and proved.
    done: bool,
    files: Vec<Saved>,
    /// Directories that were not there.
    directories: Vec<PathBuf>,
    /// What is run once the files are as they were.
    undo: Vec<Vec<String>>,
    /// The directory it is in.
    #[serde(skip)]
    place: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    path: PathBuf,
    before: Before,
    /// What the plan writes.
    after: String,
}

#[derive(Debug, Serialize, Deserialize)]
enum Before {
    Absent,
    Link(PathBuf),
    File { copy: String, mode: u32, uid: u32, gid: u32 },
}

/// Whose a file is now.
#[derive(Debug, PartialEq, Eq)]
enum Now {
    Original,
    Ours,
    Foreign,
}

/// What was put back.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// The files that are again as they were.
    pub back: Vec<PathBuf>,
    /// The files that somebody else has changed, and where the original of each is kept, if there was one.
    pub left: Vec<(PathBuf, Option<PathBuf>)>,
    /// What went wrong besides, a line each.
    pub trouble: Vec<String>,
}

/// Why originals cannot be kept, or put back.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file cannot be read or written.
    #[error("{}: {source}{}", path.display(), hint(source))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The journal is not to be understood.
    #[error("{} cannot be understood ({why}); the originals are the files beside it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ResourceBusy => {
            ": it is a mount of its own, as in a container; change it from outside"
        }
        io::ErrorKind::PermissionDenied => ": is it immutable? `lsattr` tells, `chattr -i` ends it",
        _ => "",
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::File { path: path.clone(), source }
}

/// Held while files are changed, so that nobody else does at the same time: of a directory that is there anyway.
pub(super) fn lock(place: &Path) -> Result<Option<File>, JournalError> {
    let above = place.ancestors().nth(2).unwrap_or(place);
    let directory = File::open(above).map_err(failed(above))?;
    Ok(flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok().then_some(directory))
}

impl Journal {
    /// The journal in that directory, if there is one.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn open(place: &Path) -> Result<Option<Self>, JournalError> {
        let index = place.join(INDEX);
        let octets = match fs::read(&index) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&index)(error)),
        };
        let unreadable = |why: String| JournalError::Unreadable { path: index.clone(), why };
        let mut journal: Self =
            serde_json::from_slice(&octets).map_err(|error| unreadable(error.to_string()))?;
        if journal.version != VERSION {
            return Err(unreadable(format!("it has version {}", journal.version)));
        }
        place.clone_into(&mut journal.place);
        Ok(Some(journal))
    }

    /// Keeps the originals of all that `steps` change. When it returns they are on the disk.
    ///
    /// # Errors
    /// They cannot be read or kept; nothing has been changed.
    pub fn record<'a>(place: &Path, steps: impl Iterator<Item = &'a Step>) -> Result<Self, JournalError> {
        let above = place.parent().unwrap_or(place);
        DirBuilder::new().recursive(true).mode(0o755).create(above).map_err(failed(above))?;
        DirBuilder::new().recursive(true).mode(0o700).create(place).map_err(failed(place))?;
        for made in place.ancestors().take(2) {
            sync_directory(made).map_err(failed(made))?;
        }
        let mut journal = Self {
            version: VERSION,
            done: false,
            files: Vec::new(),
            directories: Vec::new(),
            undo: Vec::new(),
            place: place.to_owned(),
        };
        for step in steps {
            match step {
                Step::Write { path, text, .. } => journal.save(path, text)?,
                Step::Run { undo, .. } if undo.is_empty() => {}
                Step::Run { undo, .. } => journal.undo.push(undo.clone()),
            }
        }
        journal.undo.reverse();
        journal.write()?;
        Ok(journal)
    }

    fn save(&mut self, path: &Path, text: &str) -> Result<(), JournalError> {
        let path = real(path);
        // A second change of a file has the same original.
        if let Some(saved) = self.files.iter_mut().find(|saved| saved.path == path) {
            text.clone_into(&mut saved.after);
            return Ok(());
        }
        let before = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Before::Absent,
            Err(error) => return Err(failed(&path)(error)),
            Ok(found) if found.is_symlink() => Before::Link(fs::read_link(&path).map_err(failed(&path))?),
            Ok(found) => {
                let copy = self.files.len().to_string();
                let octets = fs::read(&path).map_err(failed(&path))?;
                replace(&self.place.join(&copy), &octets, 0o600, None)?;
                Before::File { copy, mode: found.mode() & 0o7777, uid: found.uid(), gid: found.gid() }
            }
        };
        let missing = path.ancestors().skip(1).take_while(|above| !above.exists());
        let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        self.directories.extend(missing.into_iter().rev());
        self.files.push(Saved { path, before, after: text.to_owned() });
        Ok(())
    }

    fn write(&self) -> Result<(), JournalError> {
        let index = self.place.join(INDEX);
        let octets = serde_json::to_vec(self).map_err(|error| failed(&index)(error.into()))?;
        replace(&index, &octets, 0o600, None)
    }

    /// Whether the plan was carried out to its end.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Notes that the plan was carried out to its end.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(&mut self) -> Result<(), JournalError> {
        self.done = true;
        self.write()
    }

    /// The files that are no longer as the plan made them.
    pub fn changed(&self) -> Vec<&Path> {
        self.files.iter().filter(|file| file.now(&self.place) != Now::Ours).map(|file| &*file.path).collect()
    }

    /// Carries out one step of the plan.
    ///
    /// # Errors
    /// What did not work, in one line.
    pub fn apply(&self, step: &Step) -> Result<(), String> {
        match step {
            Step::Run { words, .. } => run(words),
            Step::Write { path, text, .. } => {
                let path = real(path);
                let above = path.parent().unwrap_or(&path);
                let mut directories = DirBuilder::new();
                let made = directories.recursive(true).mode(0o755).create(above).map_err(failed(above));
                let before = self.files.iter().find(|saved| saved.path == path).map(|saved| &saved.before);
                let (mode, owner) = match before {
                    Some(Before::File { mode, uid, gid, .. }) => (*mode, Some((*uid, *gid))),
                    _ => (NEW_FILE, None),
                };
                made.and_then(|()| replace(&path, text.as_bytes(), mode, owner))
                    .map_err(|error| error.to_string())
            }
        }
    }

    /// Puts everything back: files from the last to the first, then what programs have to be told. What somebody else has
    /// changed since stays as it is, unless `force` is set. Then the journal goes, but for what was left.
    ///
    /// # Errors
    /// The journal cannot be changed; whatever could be put back was.
    pub fn undo(mut self, force: bool) -> Result<Undone, JournalError> {
        let mut undone = Undone::default();
        let mut kept = Vec::new();
        for file in std::mem::take(&mut self.files).into_iter().rev() {
            match file.now(&self.place) {
                Now::Original => undone.back.push(file.path),
                Now::Foreign if !force => {
                    let copy = match &file.before {
                        Before::File { copy, .. } => Some(self.place.join(copy)),
                        Before::Absent | Before::Link(_) => None,
                    };
                    undone.left.push((file.path.clone(), copy));
                    kept.push(file);
                }
                Now::Ours | Now::Foreign => match file.put_back(&self.place) {
                    Ok(()) => undone.back.push(file.path),
                    Err(error) => {
                        undone.trouble.push(error.to_string());
                        kept.push(file);
                    }
                },
            }
        }
        // Those with something in them stay.
        for directory in self.directories.iter().rev() {
            let _ = fs::remove_dir(directory);
        }
        undone.trouble.extend(self.undo.iter().filter_map(|words| run(words).err()));
        kept.reverse();
        self.files = kept;
        if self.files.is_empty() {
            self.forget()?;
        } else {
            self.undo.clear();
            self.done = true;
            self.write()?;
        }
        Ok(undone)
    }

    fn forget(&self) -> Result<(), JournalError> {
        let index = self.place.join(INDEX);
        fs::remove_file(&index).map_err(failed(&index))?;
        fs::remove_dir_all(&self.place).map_err(failed(&self.place))?;
        if let Some(above) = self.place.parent() {
            // It may hold other things.
            let _ = fs::remove_dir(above);
        }
        Ok(())
    }

    /// What putting back would put back, and what not.
    pub fn files(&self) -> impl Iterator<Item = (&Path, bool)> {
        self.files.iter().rev().map(|file| (&*file.path, file.now(&self.place) != Now::Foreign))
    }
}

impl Saved {
    fn now(&self, place: &Path) -> Now {
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

    fn put_back(&self, place: &Path) -> Result<(), JournalError> {
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
fn real(path: &Path) -> PathBuf {
    if path == Path::new(RESOLV_CONF) {
        return path.to_owned();
    }
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Writes a file beside and renames it: who reads finds the one or the other, and so does the next start.
fn replace(path: &Path, octets: &[u8], mode: u32, owner: Option<(u32, u32)>) -> Result<(), JournalError> {
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

fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |above| File::open(above)?.sync_all())
}

/// A name that programs which read all of a directory pass over.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.stubborn-new"))
}

#[cfg(test)]
mod tests;
