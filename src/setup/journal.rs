//! What was there before: written to the disk before anything is changed, and put back from there.
//!
//! The journal holds the originals of all files of a plan at once, beside what they are to become. So it does not matter how
//! far a plan got: of each file it can be told whether it is the original, ours, or somebody else's.

mod saved;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::Step;
use super::command::run;
use super::patience::Patience;
use crate::machine::Instead;
pub(super) use saved::real;
use saved::{Now, Saved, replace, sync_directory};

/// The file among the originals that tells whose they are.
const INDEX: &str = "journal.json";
/// The version of its form.
const VERSION: u32 = 1;

/// What a plan changes, with what was there before.
#[derive(Debug, Serialize, Deserialize)]
pub struct Journal {
    version: u32,
    /// The plan was carried out, and proved.
    done: bool,
    files: Vec<Saved>,
    /// What earlier plans found, of files that somebody else had changed before the next plan: the oldest first.
    #[serde(default)]
    older: Vec<Saved>,
    /// Directories that were not there.
    directories: Vec<PathBuf>,
    /// What is run once the files are as they were; it stays until it succeeds.
    undo: Vec<Vec<String>>,
    /// The directory it is in.
    #[serde(skip)]
    place: PathBuf,
}

/// What was put back.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// The files that are again as they were.
    pub back: Vec<PathBuf>,
    /// The files that somebody else has changed, and where the original of each is kept, if there was one.
    pub left: Vec<(PathBuf, Option<PathBuf>)>,
    /// The files that are as the last plan found them, and as somebody else had made them after an earlier one; and where
    /// what that one found is kept.
    pub older: Vec<(PathBuf, Option<PathBuf>)>,
    /// The programs that were run so that they take what was put back.
    pub run: Vec<String>,
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

    /// Keeps the originals of all that `steps` change. When it returns they are on the disk. What is kept there already
    /// stays kept.
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
        let mut journal = Self::open(place)?.unwrap_or_else(|| Self {
            version: VERSION,
            done: false,
            files: Vec::new(),
            older: Vec::new(),
            directories: Vec::new(),
            undo: Vec::new(),
            place: place.to_owned(),
        });
        journal.done = false;
        journal.older.append(&mut journal.files);
        let mut undo = Vec::new();
        for step in steps {
            match step {
                Step::Write { path, text, .. } => journal.save(path, text)?,
                Step::Run { undo: words, .. } if words.is_empty() => {}
                Step::Run { undo: words, .. } => undo.push(words.clone()),
            }
        }
        undo.reverse();
        journal.undo.splice(..0, undo);
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
        // So has a file that nobody else has changed since its original was kept.
        let known = self.older.iter().rposition(|saved| saved.path == path);
        let known = known.filter(|at| self.older.get(*at).is_some_and(|saved| saved.is_known(&self.place)));
        let mut saved = match known {
            Some(at) => self.older.remove(at),
            None => Saved::keep(&path, &self.place, &self.free_name(&path))?,
        };
        text.clone_into(&mut saved.after);
        let missing = path.ancestors().skip(1).take_while(|above| !above.exists());
        let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        self.directories.extend(missing.into_iter().rev());
        self.files.push(saved);
        Ok(())
    }

    /// A name for the copy of a file: it tells whose copy it is, and is that of no copy which is still needed.
    fn free_name(&self, path: &Path) -> String {
        let name: String = path.file_name().unwrap_or_default().to_string_lossy().chars().take(60).collect();
        let is_taken =
            |copy: &str| self.older.iter().chain(&self.files).any(|saved| saved.copy() == Some(copy));
        let mut names = (1_u32..).map(|number| format!("{number}-{name}"));
        names.find(|copy| !is_taken(copy)).unwrap_or(name)
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

    /// Whether the plan was put back, and only what earlier ones found is kept.
    pub fn is_put_back(&self) -> bool {
        self.files.is_empty()
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
    pub(super) fn apply(&self, step: &Step, patience: &mut Patience<'_>) -> Result<(), String> {
        match step {
            Step::Run { words, .. } => run(words, patience),
            Step::Write { path, text, .. } => {
                let path = real(path);
                let above = path.parent().unwrap_or(&path);
                let mut directories = DirBuilder::new();
                let made = directories.recursive(true).mode(0o755).create(above).map_err(failed(above));
                let saved = self.files.iter().find(|saved| saved.path == path);
                let (mode, owner) = Saved::permissions(saved);
                made.and_then(|()| replace(&path, text.as_bytes(), mode, owner))
                    .map_err(|error| error.to_string())
            }
        }
    }

    /// Puts everything back: files from the last to the first, then what programs have to be told. What somebody else has
    /// changed since stays as it is, unless `force` is set. Then the journal goes, but for what was left and the programs that
    /// failed; with `force` these are not tried again.
    ///
    /// Where somebody else had changed a file before the plan, that is what is put back; `force` goes on to what was there
    /// before the first plan.
    ///
    /// # Errors
    /// The journal cannot be changed; whatever could be put back was.
    pub(super) fn undo(mut self, force: bool, patience: &mut Patience<'_>) -> Result<Undone, JournalError> {
        let mut undone = Undone::default();
        let mut kept = Vec::new();
        for file in std::mem::take(&mut self.files).into_iter().rev() {
            match self.undo_file(&file, force, &mut undone) {
                Some(Now::Foreign) => {
                    undone.left.push((file.path.clone(), self.copy_of(&file)));
                    kept.push(file);
                }
                Some(Now::Original | Now::Ours) => kept.push(file),
                None => {}
            }
        }
        let mut kept_older: Vec<Saved> = Vec::new();
        for file in std::mem::take(&mut self.older).into_iter().rev() {
            // What is older is reached by what is newer only.
            let is_held = kept.iter().chain(&kept_older).any(|newer| newer.path == file.path);
            if is_held || self.undo_file(&file, force, &mut undone).is_some() {
                undone.older.push((file.path.clone(), self.copy_of(&file)));
                kept_older.push(file);
            }
        }
        // Those with something in them stay.
        for directory in self.directories.iter().rev() {
            let _ = fs::remove_dir(directory);
        }
        self.directories.retain(|directory| directory.exists());
        let mut failed = Vec::new();
        for words in std::mem::take(&mut self.undo) {
            undone.run.push(words.join(" "));
            if let Err(why) = run(&words, patience) {
                undone.trouble.push(why);
                failed.push(words);
            }
        }
        kept.reverse();
        kept_older.reverse();
        (self.files, self.older) = (kept, kept_older);
        self.undo = if force { Vec::new() } else { failed };
        if self.files.is_empty() && self.older.is_empty() && self.undo.is_empty() {
            self.forget()?;
        } else {
            self.done = true;
            self.write()?;
            self.drop_copies();
        }
        Ok(undone)
    }

    /// Puts back one file; else says whose it is, so that it is kept.
    fn undo_file(&self, file: &Saved, force: bool, undone: &mut Undone) -> Option<Now> {
        let now = file.now(&self.place);
        let put_back = match now {
            Now::Original => Ok(()),
            Now::Foreign if !force => return Some(Now::Foreign),
            Now::Ours | Now::Foreign => file.put_back(&self.place),
        };
        match put_back {
            Ok(()) if undone.back.contains(&file.path) => None,
            Ok(()) => {
                undone.back.push(file.path.clone());
                None
            }
            Err(error) => {
                undone.trouble.push(error.to_string());
                Some(Now::Ours)
            }
        }
    }

    fn copy_of(&self, file: &Saved) -> Option<PathBuf> {
        file.copy().map(|copy| self.place.join(copy))
    }

    /// Copies of files that are put back.
    fn drop_copies(&self) {
        let needed = |name: &std::ffi::OsStr| {
            name == INDEX
                || self
                    .files
                    .iter()
                    .chain(&self.older)
                    .any(|saved| saved.copy().is_some_and(|copy| name == copy))
        };
        for entry in fs::read_dir(&self.place).into_iter().flatten().flatten() {
            if !needed(&entry.file_name()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// What [`Self::undo`] would put in the place of each file that it puts back.
    pub(super) fn originals(&self) -> Vec<(PathBuf, Instead)> {
        let is_under = |older: &&Saved| self.files.iter().any(|newer| newer.path == older.path);
        let newest = self.files.iter().chain(self.older.iter().filter(|older| !is_under(older)));
        let known = newest.filter(|file| file.is_known(&self.place));
        known.map(|file| (file.path.clone(), file.original(&self.place))).collect()
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

    /// What undoing it would come to, but for trouble.
    pub fn forecast(&self, force: bool) -> Undone {
        let run = self.undo.iter().map(|words| words.join(" ")).collect();
        let mut undone = Undone { run, ..Undone::default() };
        for file in self.files.iter().rev() {
            match force || file.is_known(&self.place) {
                true => undone.back.push(file.path.clone()),
                false => undone.left.push((file.path.clone(), self.copy_of(file))),
            }
        }
        for file in self.older.iter().rev() {
            let is_under = self.files.iter().any(|newer| newer.path == file.path);
            match force || (!is_under && file.is_known(&self.place)) {
                true if undone.back.contains(&file.path) => {}
                true => undone.back.push(file.path.clone()),
                false => undone.older.push((file.path.clone(), self.copy_of(file))),
            }
        }
        undone
    }
}
