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

/// The places a socket may be at, in the order in which they are tried: the one of the settings, and for the default one
/// those that a user without rights over `/run` can write to. These are the session's directory (the XDG base directory
/// specification), where systemd has it even if the variable is lost, and below `/tmp` for a user without a session.
pub fn places(socket: &Path) -> Vec<PathBuf> {
    let mut places = vec![socket.to_owned()];
    if socket == Path::new(DEFAULT_SOCKET) {
        let user = rustix::process::geteuid().as_raw();
        let session = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        places.extend(own_places(session, user).into_iter().map(|directory| directory.join("control.sock")));
    }
    places
}

fn own_places(session: Option<PathBuf>, user: u32) -> Vec<PathBuf> {
    let usual = PathBuf::from(format!("/run/user/{user}"));
    let mut places = Vec::new();
    for directory in session.into_iter().chain([usual]).filter(|directory| is_session_of(directory, user)) {
        let place = directory.join("stubborn");
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let last = temporary(user);
    if is_private(&last, user) || !exists(&last) {
        places.push(last);
    }
    places
}

fn temporary(user: u32) -> PathBuf {
    PathBuf::from(format!("/tmp/stubborn-{user}"))
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Whether the directory is the one below `/tmp` of this process's user, where everybody may put something in its place.
pub(super) fn is_temporary(directory: &Path) -> bool {
    directory == temporary(rustix::process::geteuid().as_raw())
}

/// Whether it is a directory, not a link to one, that belongs to `user` and that nobody else can write to.
pub(super) fn is_private(directory: &Path, user: u32) -> bool {
    directory
        .symlink_metadata()
        .is_ok_and(|found| found.is_dir() && found.uid() == user && found.mode() & 0o022 == 0)
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

    #[test]
    fn a_directory_below_tmp_is_private_only_if_nobody_else_can_have_made_it() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let root = tempfile::tempdir().unwrap();
        let me = root.path().metadata().unwrap().uid();
        let at = |name: &str| root.path().join(name);
        for (name, mode) in [("own", 0o700), ("open", 0o777), ("group", 0o770)] {
            std::fs::create_dir(at(name)).unwrap();
            std::fs::set_permissions(at(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink("own", at("link")).unwrap();
        std::fs::write(at("file"), "").unwrap();
        for (name, user, expected) in [
            ("own", me, true),
            ("own", me + 1, false),
            ("open", me, false),
            ("group", me, false),
            ("link", me, false),
            ("file", me, false),
            ("missing", me, false),
        ] {
            assert_eq!(is_private(&at(name), user), expected, "{name} {user}");
        }
    }

    #[test]
    fn a_user_without_a_session_has_a_place_too() {
        let directory = tempfile::tempdir().unwrap();
        let me = directory.path().metadata().unwrap().uid();
        let session = directory.path().to_owned();
        let last = temporary(me);
        assert!(own_places(None, me).contains(&last));
        let places = own_places(Some(session.clone()), me);
        assert_eq!((places.first(), places.last()), (Some(&session.join("stubborn")), Some(&last)));
        assert!(!own_places(Some(session), 4_000_000_000).contains(&directory.path().join("stubborn")));
    }
}
