//! The configuration file changed by a command: comments and order stay, and what `check` would refuse is never written.
//!
//! ```text
//! request    what is asked for, as a table of the file
//! editor     what has to be changed for it, in which file  -> Plan | EditError
//! cover      who lets what answer already
//! document   one file's [[exception]] tables, as they are written
//! hints      who lets a name through, and how that is ended
//! change     the lines that differ
//! place      the file itself: links, stores nobody can write to, one step from old to new
//! not_public names that no server is asked for, and what gives them an answer
//! last       the exception that the last block asks for
//! ```
//!
//! A plan is a value: it is made without writing, shown by `--dry-run`, and put in place by [`edit`].

mod change;
mod cover;
mod document;
mod editor;
mod hints;
mod last;
mod not_public;
mod place;
mod request;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::{ConfigErrors, Disk};

pub use change::{Hunk, Line};
pub use editor::{Editor, route_table};
pub use last::{LastBlock, NoProposal, Proposal, propose};
pub use not_public::{ChangesNothing, Network};
pub use place::{PlaceError, write_new};
pub use request::{Request, after, moment};

/// What is to be changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The files; none where there is nothing to do.
    pub files: Vec<FileChange>,
    /// What comes of it, or why there is nothing to do, in one line.
    pub what: String,
    /// What the operator should know besides, a line each.
    pub notes: Vec<String>,
}

/// One file with its new text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The file as the configuration names it.
    pub path: PathBuf,
    /// What it holds now; `None` where it is not there.
    pub old: Option<String>,
    /// What it shall hold.
    pub new: String,
    /// The difference.
    pub hunks: Vec<Hunk>,
}

/// Why the configuration was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It has errors already.
    #[error("the configuration has errors already; nothing was changed\n\n{0}")]
    Broken(ConfigErrors),
    /// It would have errors then.
    #[error("refused, nothing was changed: `stubborn check` would say then\n\n{0}")]
    Refused(ConfigErrors),
    /// The request is not one that the configuration's reader takes.
    #[error("{}", lines_of(.0))]
    Arguments(Vec<ArgumentError>),
    /// The moment it should hold until is over.
    #[error("refused, nothing was changed: {0} is in the past; write a later moment")]
    Over(String),
    /// There is no such exception.
    #[error("{0}")]
    NotThere(NotThere),
    /// No server is asked for the names it is for.
    #[error("{0}")]
    ChangesNothing(ChangesNothing),
    /// The file cannot be changed here, but by hand elsewhere.
    #[error("{place}\n{}", by_hand(.plan))]
    Place {
        /// Why.
        place: PlaceError,
        /// What would have been written.
        plan: Plan,
    },
    /// A file was read, and then it could not be.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what can be changed line by line.
    #[error("{} cannot be changed by a command: {why}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
}

/// What is wrong with one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentError {
    /// The argument, such as `--to`.
    pub argument: &'static str,
    /// The key of the file that it stands for.
    pub key: String,
    /// What is wrong, the value quoted.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

fn lines_of(errors: &[ArgumentError]) -> String {
    let line = |error: &ArgumentError| {
        let help = error.help.iter().map(|help| format!("; {help}"));
        help.fold(format!("{}: {}", error.argument, error.message), |line, help| line + &help)
    };
    errors.iter().map(line).collect::<Vec<_>>().join("\nerror: ")
}

/// An exception that was to be taken away, and is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotThere {
    /// Its domain.
    pub domain: String,
    /// What is near, or how what lets it through is taken away; a line each.
    pub hints: Vec<String>,
}

impl fmt::Display for NotThere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no exception for {}", self.domain)?;
        self.hints.iter().try_for_each(|hint| write!(f, "\n  {hint}"))
    }
}

/// The lines of a plan, for somebody who has to write them.
fn by_hand(plan: &Plan) -> String {
    let mut text = String::from("Write this by hand, here or where this file is generated from:\n");
    for hunk in plan.files.iter().flat_map(|file| &file.hunks) {
        text.push_str(&format!("\n{hunk}"));
    }
    text
}

/// Plans a change of the configuration whose file is `main`, and makes it unless it is a dry run. Another command that changes
/// it is waited for.
///
/// # Errors
/// See [`EditError`]; nothing is changed then, unless a second file could not be written after the first.
pub fn edit(
    main: &Path,
    dry_run: bool,
    plan: impl Fn(&Editor<'_>) -> Result<Plan, EditError>,
) -> Result<Plan, EditError> {
    if std::fs::metadata(main).is_ok_and(|main| !main.is_file()) {
        return Err(EditError::Unfit { path: main.to_owned(), why: "it is not a regular file".to_owned() });
    }
    let _lock = if dry_run { None } else { place::lock(main) };
    let plan = plan(&Editor::new(main, &Disk, now()))?;
    let refused = |place| EditError::Place { place, plan: plan.clone() };
    for file in &plan.files {
        place::refuse_store(&file.path).map_err(refused)?;
    }
    if !dry_run {
        for file in &plan.files {
            place::replace(file).map_err(refused)?;
        }
    }
    Ok(plan)
}

/// Unix seconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}
