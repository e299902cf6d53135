//! What is left to the daemon of this machine's files: to read below the directories that its configuration is in, and to
//! make its socket. It runs no program, and writes nowhere else.
//!
//! Done by Landlock (landlock(7)), as far as the kernel knows it, and in the first thread while there is no other: those
//! that it starts are held to the same. Sockets are not restricted: upstreams change with a reload.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::build::BuildError;
use super::system::{give_up_rights, landlock_version, restrict_files};
use super::watch::places_of;
use crate::config::{ConfigError, Severity};

/// What there is to restrict, by the version that brought it (linux/landlock.h).
const RIGHTS: [(u32, u64); 4] = [(1, (1 << 13) - 1), (2, 1 << 13), (3, 1 << 14), (5, 1 << 15)];
/// To read files, and to list directories.
const READ: u64 = 1 << 2 | 1 << 3;
/// To make a socket in a directory, which may have to be made too, and to take it away.
const SOCKETS: u64 = 1 << 5 | 1 << 7 | 1 << 9;
/// To write and make files, and to put one in another's place.
const FILES: u64 = 1 << 1 | 1 << 5 | 1 << 8 | 1 << 14;

/// How far up a directory is taken along: one that is removed and made again is another one.
const UP: usize = 2;

/// The paths that are to stay in reach.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// To be read, as they come and go.
    pub(super) read: Vec<PathBuf>,
    /// Sockets to be made.
    pub(super) sockets: Vec<PathBuf>,
    /// Files to be written and removed.
    pub(super) files: Vec<PathBuf>,
}

/// What the daemon is held to.
#[derive(Debug)]
pub(super) struct Confinement {
    /// The directories below which it may read; none where it is not held to any.
    reach: Vec<PathBuf>,
    why_not: Option<io::Error>,
}

impl Confinement {
    /// Holds this thread, and those it starts from now on, to what it needs, for good. Gives up every capability besides,
    /// where it is not root's, who has them to be root.
    pub(super) fn begin(needs: &Needs) -> Self {
        // Through the link, or else all of /proc would be among them.
        let mut own = BTreeSet::new();
        own.extend(Path::new("/proc/self").canonicalize());
        let reach = places(&needs.read, UP);
        let rules = [
            (&reach, READ),
            (&own, READ),
            (&places(&needs.sockets, UP), SOCKETS),
            (&places(&needs.files, 0), FILES),
        ];
        // A service manager that filters system calls may not let it: it has given them up itself then.
        let _ = give_up_rights();
        let why_not = restrict(&rules).err();
        let reach = if why_not.is_none() { reach.into_iter().collect() } else { Vec::new() };
        Self { reach, why_not }
    }

    /// Says how it is.
    pub(super) fn tell(&self) {
        match &self.why_not {
            None => {
                let directories: Vec<_> = self.reach.iter().map(|path| path.display().to_string()).collect();
                tracing::info!(below = directories.join(", "), "confined: no other files can be read");
            }
            Some(error) => tracing::info!(%error, "not confined: files are not restricted by Landlock"),
        }
    }

    /// Those of `paths` that are there and out of reach.
    fn beyond<'a>(&self, paths: impl Iterator<Item = &'a PathBuf>) -> Vec<PathBuf> {
        let is_beyond = |path: &&PathBuf| {
            let real = path.canonicalize();
            !self.reach.is_empty()
                && real.is_ok_and(|real| !self.reach.iter().any(|dir| real.starts_with(dir)))
        };
        paths.filter(is_beyond).cloned().collect()
    }

    /// A word for each of `paths` that is there and out of reach.
    pub(super) fn warnings<'a>(&self, paths: impl Iterator<Item = &'a PathBuf>) -> Vec<String> {
        let named = |path: &PathBuf| format!("{}: {OUT_OF_REACH} ({RESTART})", path.display());
        self.beyond(paths).iter().map(named).collect()
    }

    /// Adds to the errors what is only so until a restart.
    pub(super) fn explain(&self, error: BuildError) -> BuildError {
        let BuildError::Config(mut errors) = error else { return error };
        let mut beyond = self.beyond(errors.files.iter());
        if beyond.is_empty() {
            beyond = self.beyond(errors.directories.iter());
        }
        for path in beyond {
            errors.errors.push(ConfigError {
                severity: Severity::Error,
                path: path.into(),
                place: None,
                key: String::new(),
                message: OUT_OF_REACH.to_owned(),
                help: Some(RESTART.to_owned()),
            });
        }
        BuildError::Config(errors)
    }
}

const OUT_OF_REACH: &str = "the daemon has confined itself to the directories of its first configuration, and this is in another one";
const RESTART: &str = "restart it";

/// The directories in which something may happen to the paths, each with some of those above: never the root, and of those
/// just below it only the ones that everything in them is for.
fn places(paths: &[PathBuf], up: usize) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for path in paths {
        for place in places_of(path) {
            let parents = place.ancestors().take(up + 1).filter(|dir| dir.components().count() > 2);
            let highest = parents.last().unwrap_or(&place);
            // What programs have in /run goes with them and comes again.
            let run = Path::new("/run");
            found.insert(if up > 0 && place.starts_with(run) { run } else { highest }.to_owned());
        }
    }
    found.remove(Path::new("/"));
    let all = found.clone();
    found.retain(|dir| !all.iter().any(|above| above != dir && dir.starts_with(above)));
    found
}

fn restrict(rules: &[(&BTreeSet<PathBuf>, u64)]) -> io::Result<()> {
    let version = landlock_version()?;
    let known = RIGHTS.iter().filter(|(since, _)| *since <= version).fold(0, |all, (_, rights)| all | rights);
    let mut opened = Vec::new();
    for (directories, rights) in rules {
        // One that has gone since needs no rule.
        let files = directories.iter().filter_map(|directory| File::open(directory).ok());
        opened.extend(files.map(|file| (file, rights & known)));
    }
    restrict_files(known, &opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_taken_with_those_above_it_but_not_with_the_whole_machine() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b/c")).unwrap();
        let text = root.to_str().unwrap();
        for (path, up, expected) in [
            ("a/b/c/file", UP, "a"),
            ("a/b/c/file", 0, "a/b/c"),
            ("a/b/file", UP, ""),
            ("a/missing/below/file", UP, ""),
        ] {
            let wanted = PathBuf::from(format!("{text}/{expected}").trim_end_matches('/'));
            assert_eq!(places(&[root.join(path)], up), BTreeSet::from([wanted]), "{path} {up}");
        }
        assert_eq!(places(&["/no-such-directory/file".into()], UP), BTreeSet::new());
        assert_eq!(places(&["/etc/file".into()], UP), BTreeSet::from(["/etc".into()]));
    }
}
