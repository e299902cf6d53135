//! The directory of the control socket, made and handed over by root: a daemon that becomes another user has to be able to
//! make its socket in it, whoever ran before it.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, fchown, lchown};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::control::{DEFAULT_SOCKET, is_answered};

/// The mode of a directory made for the control socket.
const MODE: u32 = 0o755;
/// The right of the group and of others to write.
const OTHERS_WRITE: u32 = 0o022;
/// Others may write, but not replace what is not theirs.
const STICKY: u32 = 0o1000;

/// Makes the directory if it is not there, and gives it to `user`. A directory that is there is given away only if it is the
/// socket's own, and not while another daemon answers in it. Does nothing if this process is not root.
pub(super) fn prepare(socket: &Path, user: u32, group: u32) {
    let Some(directory) = socket.parent().filter(|_| rustix::process::geteuid().is_root()) else { return };
    if let Err(error) = try_prepare(directory, socket, user, group) {
        tracing::debug!(%error, "the control socket's directory cannot be given to its user");
    }
}

fn try_prepare(directory: &Path, socket: &Path, user: u32, group: u32) -> io::Result<()> {
    match DirBuilder::new().mode(MODE).create(directory) {
        Ok(()) => return lchown(directory, Some(user), Some(group)),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => {}
    }
    // Not by its name from now on: what has the name may change.
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let opened = File::from(openat(CWD, directory, flags, Mode::empty())?);
    let found = opened.metadata()?;
    let is_right = found.uid() == user && found.mode() & OTHERS_WRITE == 0;
    if is_right || !is_for_socket(directory, socket, found.uid()) || is_answered(socket) {
        return Ok(());
    }
    // Its mode first: until then others can still put something into it.
    opened.set_permissions(Permissions::from_mode(found.mode() & !OTHERS_WRITE & 0o7777))?;
    // Nobody but root can tell that the socket of a dead daemon is dead.
    if socket.symlink_metadata().is_ok_and(|left| left.file_type().is_socket()) {
        fs::remove_file(socket)?;
    }
    fchown(&opened, Some(user), Some(group))
}

/// Whether the directory may be given away: root alone decides what stands in its place, and it is the default one, or root's
/// and holds nothing but the socket.
fn is_for_socket(directory: &Path, socket: &Path, owner: u32) -> bool {
    let is_default = Path::new(DEFAULT_SOCKET).parent() == Some(directory);
    let is_only = || {
        let names = [socket.to_owned(), Path::new(&format!("{}.new", socket.display())).to_owned()];
        fs::read_dir(directory)
            .is_ok_and(|mut found| found.all(|entry| entry.is_ok_and(|entry| names.contains(&entry.path()))))
    };
    let is_roots = |above: &Path| {
        above.metadata().is_ok_and(|found| {
            found.uid() == 0 && (found.mode() & OTHERS_WRITE == 0 || found.mode() & STICKY != 0)
        })
    };
    let above = directory.parent().and_then(|above| above.canonicalize().ok());
    above.is_some_and(|above| above.ancestors().all(is_roots)) && (is_default || owner == 0 && is_only())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{chown, symlink};

    const NOBODY: u32 = 65_534;

    #[test]
    fn only_a_directory_that_is_the_socket_s_own_is_given_away() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: only root can give a directory away");
            return;
        }
        // Not below /tmp, where everybody may write.
        let root = tempfile::tempdir_in("/run").unwrap();
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        let at = |name: &str| root.path().join(name);
        for (name, mode, owner) in [
            ("empty", 0o755, 0),
            ("left", 0o755, 0),
            ("open", 0o777, 0),
            ("used", 0o755, 0),
            ("other", 0o755, 71),
            ("anybody", 0o777, 0),
            ("anybody/below", 0o755, 0),
        ] {
            fs::create_dir(at(name)).unwrap();
            fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
            chown(at(name), Some(owner), Some(owner)).unwrap();
        }
        fs::write(at("left/control.sock"), "").unwrap();
        fs::write(at("used/something"), "").unwrap();
        symlink("empty", at("link")).unwrap();
        for (name, owner, mode) in [
            ("made", NOBODY, 0o755),
            ("link", 0, 0o755),
            ("empty", NOBODY, 0o755),
            ("left", NOBODY, 0o755),
            ("open", NOBODY, 0o755),
            ("used", 0, 0o755),
            ("other", 71, 0o755),
            ("anybody/below", 0, 0o755),
        ] {
            prepare(&at(name).join("control.sock"), NOBODY, NOBODY);
            let found = at(name).metadata().unwrap();
            assert_eq!((found.uid(), found.mode() & 0o7777), (owner, mode), "{name}");
        }
        prepare(&at("control.sock"), NOBODY, NOBODY);
        assert_eq!(root.path().metadata().unwrap().uid(), 0, "it holds more than the socket");
    }
}
