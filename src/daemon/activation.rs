//! Sockets that a service manager has bound and passed on (sd_listen_fds(3)).

use std::ffi::OsString;
use std::io;
use std::os::fd::RawFd;

use super::system::take_descriptors;
use crate::listen::{Passed, PassedError};

/// The first descriptor that is passed; those before are input, output and errors.
const FIRST: RawFd = 3;
/// More than anybody listens on: what is beyond is a mistake.
const MOST: RawFd = 256;

/// Why passed sockets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// They were announced and are not there.
    #[error("LISTEN_FDS={announced} announces sockets that cannot be taken over: {source}")]
    NotThere {
        /// What the environment says.
        announced: String,
        /// What the system said.
        source: io::Error,
    },
    /// They are of no use.
    #[error(transparent)]
    Passed(#[from] PassedError),
}

/// The sockets that were passed to this process; none where the environment names none, or another process. To be called
/// once, before any file is opened.
///
/// # Errors
/// They are not there, or are not sockets to serve clients with.
pub(super) fn passed_sockets() -> Result<Passed, ActivationError> {
    let var = |name| std::env::var_os(name);
    let Some(announced) = announced(var("LISTEN_FDS"), var("LISTEN_PID"), std::process::id()) else {
        return Ok(Passed::default());
    };
    let not_there = |source| ActivationError::NotThere { announced: announced.clone(), source };
    let count = announced.parse().ok().filter(|count| (0..=MOST).contains(count));
    let count: RawFd = count.ok_or_else(|| not_there(io::ErrorKind::InvalidInput.into()))?;
    let descriptors = take_descriptors(FIRST..FIRST + count).map_err(not_there)?;
    let names = var("LISTEN_FDNAMES").and_then(|names| names.into_string().ok()).unwrap_or_default();
    let names = names.split(':').map(|name| Some(name.to_owned()).filter(|name| !name.is_empty()));
    Ok(Passed::new(descriptors.into_iter().zip(names.chain(std::iter::repeat(None))).collect())?)
}

/// How many are announced to the process `own`, as it was written.
fn announced(count: Option<OsString>, pid: Option<OsString>, own: u32) -> Option<String> {
    if pid?.to_str()?.parse() != Ok(own) {
        return None;
    }
    Some(count?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_taken_by_the_process_they_are_for() {
        for (count, pid, expected) in [
            (None, None, None),
            (Some("2"), None, None),
            (None, Some("7"), None),
            (Some("2"), Some("8"), None),
            (Some("2"), Some("self"), None),
            (Some("2"), Some("7"), Some("2")),
        ] {
            let found = announced(count.map(OsString::from), pid.map(OsString::from), 7);
            assert_eq!(found.as_deref(), expected, "{count:?} {pid:?}");
        }
    }
}
