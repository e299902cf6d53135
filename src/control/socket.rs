//! The socket's file: made where nobody else's is, taken over from a daemon that died, left alone while one lives, and
//! removed at the end.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Gid, OFlags, chownat, openat};
use rustix::process::umask;
use socket2::{Domain, SockAddr, Socket, Type};

use super::settings;

/// Whose members may speak to the daemon besides root.
const GROUP: &str = "stubborn";
/// Read and write for owner and group: connecting takes the leave to write (unix(7)).
const MODE: u32 = 0o660;
/// The mode of a directory made for the socket.
const DIRECTORY_MODE: u32 = 0o755;
/// The same for one that is this user's only.
const PRIVATE_MODE: u32 = 0o700;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 16;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The directory is not there, and cannot be made.
    #[error("the directory {} is not there and cannot be made: {source}", .path.display())]
    NoDirectory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another daemon answers there.
    #[error("another daemon answers at {}", .path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is not a socket has the name.
    #[error("{} is in the way: it is not a socket", .path.display())]
    NotASocket {
        /// What is there.
        path: PathBuf,
    },
    /// This user may not make it there.
    #[error(
        "{} cannot be made: user {} may not write in its directory ({source}); give the directory to that user, or name another \
         place with `socket` in [control] or `--socket PATH`",
        .path.display(),
        rustix::process::geteuid().as_raw()
    )]
    NotAllowed {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory is in a place where everybody may write, and is not this user's own.
    #[error("the directory {} belongs to somebody else", .path.display())]
    NotPrivate {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be made.
    #[error("{} cannot be made: {source}", .path.display())]
    Other {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SocketError {
    /// Another place may do where this one is not for this user to write to.
    pub(super) fn is_about_permission(&self) -> bool {
        match self {
            Self::NoDirectory { .. } | Self::NotAllowed { .. } | Self::NotPrivate { .. } => true,
            Self::InUse { .. } | Self::NotASocket { .. } | Self::Other { .. } => false,
        }
    }
}

/// The socket, which others can connect to. Its file goes when it is dropped, unless another daemon has put its own there.
#[derive(Debug)]
pub(super) struct ControlSocket {
    pub(super) listener: tokio::net::UnixListener,
    pub(super) path: PathBuf,
    file: (u64, u64),
}

impl ControlSocket {
    /// Makes the socket at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, SocketError> {
        let other = |source: io::Error| match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                SocketError::NotAllowed { path: path.to_owned(), source }
            }
            _ => SocketError::Other { path: path.to_owned(), source },
        };
        make_directory(path)?;
        if let Some(directory) = path.parent() {
            // Before it is asked who answers there: it does not matter where this user cannot put anything.
            rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|error| other(error.into()))?;
        }
        match fs::symlink_metadata(path) {
            Ok(file) if !file.file_type().is_socket() => {
                return Err(SocketError::NotASocket { path: path.to_owned() });
            }
            Ok(_) => match answers(path) {
                Answers::Yes => return Err(SocketError::InUse { path: path.to_owned() }),
                // Of another user's daemon: this one may have a place of its own.
                Answers::NotToUs(error) => return Err(other(error)),
                // Of a daemon that was killed.
                Answers::No => {}
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(other(error)),
        }
        let (listener, file) = listen(path).map_err(other)?;
        let listener = tokio::net::UnixListener::from_std(listener).map_err(other)?;
        Ok(Self { listener, path: path.to_owned(), file: identity(&file) })
    }

    /// The file is still there, and still the one that was made.
    pub(super) fn is_in_place(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|file| identity(&file) == self.file)
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if self.is_in_place() {
            // Without the rights to, it stays, and the next daemon takes it over.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn make_directory(socket: &Path) -> Result<(), SocketError> {
    let Some(directory) = socket.parent() else { return Ok(()) };
    let is_temporary = settings::is_temporary(directory);
    if !directory.is_dir() {
        let mode = if is_temporary { PRIVATE_MODE } else { DIRECTORY_MODE };
        let made = DirBuilder::new().mode(mode).create(directory);
        made.map_err(|source| SocketError::NoDirectory { path: directory.to_owned(), source })?;
    }
    if is_temporary && !settings::is_private(directory, rustix::process::geteuid().as_raw()) {
        return Err(SocketError::NotPrivate { path: directory.to_owned() });
    }
    Ok(())
}

/// Made under another name and renamed: there is no moment without a socket, nor one in which it has wider permissions. Until
/// it listens nobody can connect to it.
fn listen(path: &Path) -> io::Result<(UnixListener, Metadata)> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(&beside)?;
    // No change of its mode afterwards: who else may write in the directory could have put a link in its place.
    let before = umask(rustix::fs::Mode::from_bits_truncate(!MODE & 0o777));
    let bound = socket.bind(&address);
    umask(before);
    bound?;
    // For the same reason, its group is that of the file that was made, not of whatever has the name.
    let file = File::from(openat(CWD, &beside, OFlags::PATH | OFlags::NOFOLLOW, rustix::fs::Mode::empty())?);
    let made = file.metadata()?;
    if !made.file_type().is_socket() || made.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    if let Some(group) = group_id(GROUP).map(Gid::from_raw)
        && let Err(error) = chownat(&file, "", None, Some(group), AtFlags::EMPTY_PATH)
    {
        tracing::debug!(%error, group = GROUP, "the control socket cannot be given to its group");
    }
    socket.set_nonblocking(true)?;
    socket.listen(BACKLOG)?;
    fs::rename(&beside, path)?;
    Ok((socket.into(), made))
}

/// The number of a group of this machine.
fn group_id(name: &str) -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    let mut rows = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    rows.find(|row| row.first() == Some(&name))?.get(2)?.parse().ok()
}

/// Somebody listens there. One who is too busy to accept listens too.
pub fn is_answered(path: &Path) -> bool {
    !matches!(answers(path), Answers::No)
}

/// Whether somebody listens at a socket.
enum Answers {
    /// Also one who is too busy to accept.
    Yes,
    No,
    /// This user may not connect.
    NotToUs(io::Error),
}

fn answers(path: &Path) -> Answers {
    match connect(path) {
        Ok(_) => Answers::Yes,
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Answers::No,
            io::ErrorKind::PermissionDenied => Answers::NotToUs(error),
            _ => Answers::Yes,
        },
    }
}

/// Connects without waiting for room in the backlog.
pub(super) fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    socket.set_nonblocking(false)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_their_whole_name() {
        assert_eq!((group_id("root"), group_id("roo"), group_id("no-such-group")), (Some(0), None, None));
    }
}
