//! Where the daemon can be spoken to.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the socket is unless the configuration says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/stubborn/control.sock";
/// The longest path of a socket, in octets: `sun_path` has room for 108 with the zero at the end (unix(7)), and while it is
/// made it has a name that is four longer.
pub const LONGEST_SOCKET: usize = 103;

/// The `[control]` table, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlSettings {
    /// `socket`; none with "off".
    pub socket: Option<PathBuf>,
}

impl Default for ControlSettings {
    fn default() -> Self {
        Self { socket: Some(PathBuf::from(DEFAULT_SOCKET)) }
    }
}

/// The places a socket is at, in the order in which they are tried: the one of the settings, and for the default one a place
/// that a user without rights over `/run` can write to, where the session has one (the XDG base directory specification).
pub fn places(socket: &Path) -> Vec<PathBuf> {
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let user = rustix::process::geteuid().as_raw();
    let own = own.filter(|own| socket == Path::new(DEFAULT_SOCKET) && is_session_of(own, user));
    std::iter::once(socket.to_owned()).chain(own.map(|own| own.join("stubborn/control.sock"))).collect()
}

/// Whether the directory belongs to `user`: with `sudo -E`, root gets another user's, who decides what is in it.
fn is_session_of(directory: &Path, user: u32) -> bool {
    directory.is_absolute() && directory.metadata().is_ok_and(|found| found.is_dir() && found.uid() == user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_directory_must_belong_to_the_user() {
        let directory = tempfile::tempdir().unwrap();
        let me = directory.path().metadata().unwrap().uid();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (path, user, expected) in [
            (directory.path(), me, true),
            (directory.path(), me + 1, false),
            (&file, me, false),
            (&directory.path().join("missing"), me, false),
            (Path::new("."), me, false),
        ] {
            assert_eq!(is_session_of(path, user), expected, "{}", path.display());
        }
    }
}
