//! The machine pointed at stubborn, and put back: `stubborn setup` and `stubborn restore`.
//!
//! ```text
//! survey    what this machine is, and what stubborn is here    -> Machine, Ours
//! plan      what to do about it; pure                          -> Plan | Refused
//! beside    the files of dnsmasq and Pi-hole, and our own; pure
//! switch    the order of things: prove, save, switch, prove, or undo it all
//! preflight whether every file of a plan can be changed
//! proof     whether questions reach stubborn, and whether it has answers
//! patience  waiting, with a word to who watches, and Ctrl-C
//! ending    how it can fail, and what is true of the machine then: one list
//! journal   what was there before, saved before the first change
//! command   other programs, with a time limit
//! ```
//!
//! At every moment the machine has a resolver: each file is replaced in one step, whoever writes `/etc/resolv.conf` is told
//! to keep off before it is replaced, and nothing points at stubborn before it has answered. All originals are on the disk
//! before the first change, so that whatever interrupts it, the next `setup` or `restore` finds them.

mod beside;
mod command;
mod ending;
mod journal;
mod patience;
mod plan;
mod preflight;
mod proof;
mod survey;
mod switch;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

pub use ending::{AFTER, After, CAUSES, Cause, SetupError};
pub use journal::{Journal, JournalError, Undone};
pub use plan::{Refused, plan};
pub use survey::{Machine, Ours, Running, survey};
pub use switch::{Options, Outcome, Restored, restore, setup};

/// Where the originals are kept.
pub const JOURNAL: &str = "/var/lib/stubborn/setup";

/// The servers programs had before, for a daemon whose `servers` are the system's (see [`crate::upstream::SYSTEM_FILES`]).
pub const SAVED_SERVERS: &str = "/etc/resolv.conf.stubborn-saved";

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Replace a file, or make it.
    Write {
        /// The file; if it is a link, `/etc/resolv.conf` itself is replaced, of others what they lead to.
        path: PathBuf,
        /// What it then holds.
        text: String,
        /// What comes of it.
        why: String,
    },
    /// Run another program.
    Run {
        /// It and its arguments.
        words: Vec<String>,
        /// What is run to undo it, once files are as they were; nothing if empty.
        undo: Vec<String>,
        /// What comes of it.
        why: String,
    },
}

impl Step {
    pub(crate) fn write(path: &str, text: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Write { path: path.into(), text: text.into(), why: why.into() }
    }

    pub(crate) fn run(words: &[&str], undo: &[&str], why: impl Into<String>) -> Self {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        Self::Run { words: owned(words), undo: owned(undo), why: why.into() }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { path, why, .. } => write!(f, "write {}: {why}", path.display()),
            Self::Run { words, why, .. } => write!(f, "run {}: {why}", words.join(" ")),
        }
    }
}

/// What is to be done, as a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Who has a say in this machine's DNS, in one line.
    pub machine: String,
    /// Where stubborn answers.
    pub listen: SocketAddr,
    /// What makes it answer there. Programs notice nothing of it.
    pub prepare: Vec<Step>,
    /// What points programs at it.
    pub switch: Vec<Step>,
    /// The server that programs then ask.
    pub server: IpAddr,
    /// That server is another program, which asks stubborn.
    pub is_behind: bool,
    /// What a person has to do first, if anything: why, and how.
    pub first: Option<Refused>,
    /// What the operator should know besides, a line each.
    pub warnings: Vec<String>,
}

impl Plan {
    /// All steps in their order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.prepare.iter().chain(&self.switch)
    }
}
