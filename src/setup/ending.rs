//! How `setup` can fail: one list of causes with their texts, and what is true of the machine afterwards.

use std::fmt;

use super::JournalError;
use super::plan::Refused;

/// Why `setup` or `restore` did not do what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The user is not root.
    NotRoot,
    /// Another one runs.
    Busy,
    /// The configuration has errors.
    Config,
    /// The plan cannot be made on this machine.
    Refused,
    /// A file cannot be changed.
    Fixed,
    /// The originals cannot be kept or read.
    Journal,
    /// Without the control socket there is no proof.
    NoSocket,
    /// The daemon does not answer on its control socket.
    NoDaemon,
    /// The daemon did not accept its configuration.
    NotReloaded,
    /// Questions to the daemon's address do not reach it.
    Deaf,
    /// The daemon has no answer.
    NoUpstream,
    /// A file could not be written, or a program failed.
    Step,
    /// Somebody else wrote resolv.conf meanwhile.
    Overwritten,
    /// The server of resolv.conf does not answer.
    Unanswered,
    /// The server of resolv.conf answers and does not ask stubborn.
    Past,
    /// A signal came.
    Interrupted,
}

/// A cause with its name in JSON, its text, in which `{}` is the detail, and the way out, if the detail does not say it.
type Row = (Cause, &'static str, &'static str, &'static str);

/// Every cause.
pub const CAUSES: &[Row] = &[
    (
        Cause::NotRoot,
        "not-root",
        "only root may change which server this machine asks, or see what was changed",
        "use sudo",
    ),
    (Cause::Busy, "busy", "another `stubborn setup` or `stubborn restore` is running", "wait for it to end"),
    (Cause::Config, "config", "{}", ""),
    (Cause::Refused, "refused", "{}", ""),
    (Cause::Fixed, "fixed", "{}", ""),
    (Cause::Journal, "journal", "{}", ""),
    (
        Cause::NoSocket,
        "no-socket",
        "the control socket is off, and without it nobody can tell whether stubborn is asked",
        "take `socket = \"off\"` out of [control], and restart stubborn",
    ),
    (Cause::NoDaemon, "no-daemon", "the daemon cannot be asked: {}", ""),
    (
        Cause::NotReloaded,
        "not-reloaded",
        "stubborn did not accept its configuration: {}",
        "`stubborn check` shows the errors",
    ),
    (
        Cause::Deaf,
        "deaf",
        "questions to {}; they do not reach the stubborn that has the control socket",
        "`stubborn status` shows where it listens; allow-clients in [server] has to include loopback",
    ),
    (
        Cause::NoUpstream,
        "no-upstream",
        "stubborn gets no answer for {}",
        "if that name has no answer here, choose another: `--name NAME`; `stubborn status` shows the servers",
    ),
    (Cause::Step, "step", "{}", ""),
    (
        Cause::Overwritten,
        "overwritten",
        "{}",
        "another program writes this file; stop it from that, and try again",
    ),
    (Cause::Unanswered, "unanswered", "programs would get no answer from {}", ""),
    (
        Cause::Past,
        "past",
        "{} answers without asking stubborn",
        "it asks other servers; `stubborn doctor` looks for them",
    ),
    (Cause::Interrupted, "interrupted", "interrupted", ""),
];

impl Cause {
    fn row(self) -> Option<&'static Row> {
        CAUSES.iter().find(|(cause, ..)| *cause == self)
    }

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        self.row().map_or("", |(_, name, ..)| name)
    }
}

/// What is true of the machine after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// No file was changed, and no program was run.
    Unchanged,
    /// What was changed is put back.
    PutBack,
    /// What an earlier setup had changed is put back too.
    EarlierPutBack,
    /// Something could not be put back.
    Partly,
    /// An earlier setup stays.
    StillSetUp,
}

/// Each with its text.
pub const AFTER: &[(After, &str)] = &[
    (After::Unchanged, "nothing was changed"),
    (After::PutBack, "everything is as it was"),
    (After::EarlierPutBack, "what an earlier setup had changed is put back, and nothing else was changed"),
    (
        After::Partly,
        "not everything could be put back: once what is in the way is mended, `stubborn restore` does the rest",
    ),
    (
        After::StillSetUp,
        "this machine is still set up: see `stubborn status`, or put everything back with `stubborn restore`",
    ),
];

/// A cause with what it is about; what it means for the machine is decided by who gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) cause: Cause,
    pub(super) detail: String,
    pub(super) help: String,
}

impl Failed {
    pub(super) fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self { cause, detail: detail.into(), help: String::new() }
    }

    /// Why, without what is true of the machine.
    pub(super) fn why(&self) -> String {
        let text = self.cause.row().map_or("{}", |(_, _, text, _)| *text);
        text.replacen("{}", &self.detail, 1)
    }

    pub(super) fn then(self, after: After) -> SetupError {
        let own_help = self.cause.row().map_or("", |(.., help)| *help).to_owned();
        let why = self.why();
        let help = if self.help.is_empty() { own_help } else { self.help };
        SetupError { cause: self.cause, after, why, help }
    }
}

impl From<Refused> for Failed {
    fn from(Refused { why, help }: Refused) -> Self {
        Self { cause: Cause::Refused, detail: why, help }
    }
}

impl From<JournalError> for Failed {
    fn from(error: JournalError) -> Self {
        Self::new(Cause::Journal, error.to_string())
    }
}

impl From<crate::config::ConfigErrors> for Failed {
    fn from(errors: crate::config::ConfigErrors) -> Self {
        Self::new(Cause::Config, errors.to_string())
    }
}

/// Why the machine was not pointed at stubborn, or not put back, and what is true of it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupError {
    /// Why.
    pub cause: Cause,
    /// What is true now.
    pub after: After,
    why: String,
    help: String,
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = AFTER.iter().find(|(after, _)| *after == self.after).map_or("", |(_, text)| text);
        write!(f, "{}; {after}", self.why)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "\n  {}", self.help) }
    }
}

impl std::error::Error for SetupError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_and_every_state_has_one_text_of_its_own() {
        for (index, (cause, name, text, _)) in CAUSES.iter().enumerate() {
            assert!(
                CAUSES.iter().take(index).all(|(other, taken, ..)| other != cause && taken != name),
                "{name}"
            );
            assert!(!text.is_empty(), "{name}");
        }
        for (after, text) in AFTER {
            let error = Failed::new(Cause::Past, "127.0.0.53").then(*after);
            let said = format!("127.0.0.53 answers without asking stubborn; {text}\n  it asks other servers");
            assert!(error.to_string().starts_with(&said), "{error}");
        }
        let refused = Failed::from(Refused { why: "no".into(), help: "do".into() }).then(After::Unchanged);
        assert_eq!(refused.to_string(), "no; nothing was changed\n  do");
    }
}
