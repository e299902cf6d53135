//! The socket's file: made where nobody else's is, taken over from a daemon that died, left alone while one lives, and
//! removed at the end.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// Whose members may speak to the daemon besides root.
const GROUP: &str = "stubborn";
/// Read and write for owner and group: connecting takes the leave to write (unix(7)).
const MODE: u32 = 0o660;
/// The mode of a directory made for the socket.
const DIRECTORY_MODE: u32 = 0o755;
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
    /// Something that is no socket has the name.
    #[error("{} is there and is no socket", .path.display())]
    NotASocket {
        /// What is there.
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
            Self::NoDirectory { .. } => true,
            Self::Other { source, .. } => {
                matches!(source.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
            }
            Self::InUse { .. } | Self::NotASocket { .. } => false,
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
        let other = |source| SocketError::Other { path: path.to_owned(), source };
        make_directory(path)?;
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
    let Some(directory) = socket.parent().filter(|directory| !directory.is_dir()) else { return Ok(()) };
    let made = DirBuilder::new().mode(DIRECTORY_MODE).create(directory);
    made.map_err(|source| SocketError::NoDirectory { path: directory.to_owned(), source })
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
    socket.bind(&SockAddr::unix(&beside)?)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(MODE))?;
    if let Some(group) = group_id(GROUP)
        && let Err(error) = chown(&beside, None, Some(group))
    {
        tracing::debug!(%error, group = GROUP, "the control socket cannot be given to its group");
    }
    socket.set_nonblocking(true)?;
    socket.listen(BACKLOG)?;
    let file = fs::symlink_metadata(&beside)?;
    fs::rename(&beside, path)?;
    Ok((socket.into(), file))
}

/// The number of a group of this machine.
fn group_id(name: &str) -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    let mut rows = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    rows.find(|row| row.first() == Some(&name))?.get(2)?.parse().ok()
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
