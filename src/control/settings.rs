//! Where the daemon can be spoken to.

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
    let own =
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|directory| directory.is_absolute());
    let own =
        own.filter(|_| socket == Path::new(DEFAULT_SOCKET)).map(|own| own.join("stubborn/control.sock"));
    std::iter::once(socket.to_owned()).chain(own).collect()
}
