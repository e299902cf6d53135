//! The commands' side of the socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::protocol::{Command, Message, Reply, Request, VERSION};
use super::{places, socket};

/// The longest reply that is read, in octets.
const LONGEST_REPLY: u64 = 16 << 20;
/// How long the daemon may take for what it has at hand.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it may take to read and build a configuration.
const RELOAD_PATIENCE: Duration = Duration::from_secs(120);

/// Why the daemon did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error(
        "no daemon answers at {}{}; is it running? (`--socket PATH` names another place)",
        .path.display(),
        .others.iter().map(|other| format!(", nor at {}", other.display())).collect::<String>()
    )]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// Where it was looked for besides.
        others: Vec<PathBuf>,
    },
    /// This user may not.
    #[error("no permission to speak to the daemon at {}: use sudo, or join the group `stubborn`", .path.display())]
    NoPermission {
        /// The socket.
        path: PathBuf,
    },
    /// Root asks, and somebody else may have put this socket in the daemon's place.
    #[error(
        "user {user} runs the daemon at {}, and other users than root can write there: root does not trust it, unless `--socket PATH` names it",
        .path.display()
    )]
    NotBelieved {
        /// The socket.
        path: PathBuf,
        /// The number of the user who listens there.
        user: u32,
    },
    /// It hangs.
    #[error("the daemon at {} does not answer: {}", .path.display(), in_words(.source))]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It went away.
    #[error("the daemon at {} closed the connection and does not answer: it is stopping, or has too many clients", .path.display())]
    Closed {
        /// The socket.
        path: PathBuf,
    },
    /// It says what is not known here.
    #[error("the daemon at {} says what this program does not understand ({why}); are they of the same version?", .path.display())]
    Foreign {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// Why a socket gave no reply. The system's words for it are those of a program, not of a person.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            "no reply in time; it hangs, is stopped (SIGSTOP), or is too busy".to_owned()
        }
        _ => error.to_string(),
    }
}

/// A connection on which something was asked.
#[derive(Debug)]
pub struct Conversation {
    /// The socket.
    pub path: PathBuf,
    /// The number of the user who listens there.
    pub user: u32,
    stream: BufReader<UnixStream>,
}

/// Asks the daemon at `path`, or at the other place where it may be. Root trusts only a socket of root, or one in a directory
/// that only root and its user can write to: the daemon's words end up in root's files.
///
/// # Errors
/// There is no daemon, it may not be asked, it is not trusted, or it refuses the request.
pub fn ask(path: &Path, command: &Command) -> Result<Conversation, ClientError> {
    let mut telling = None;
    let places = places(path);
    for path in &places {
        match try_ask(path, command, believed) {
            Ok(conversation) => return Ok(conversation),
            Err(ClientError::NoDaemon { .. }) => {}
            Err(error) => telling = telling.or(Some(error)),
        }
    }
    let others = places.into_iter().skip(1).collect();
    Err(telling.unwrap_or(ClientError::NoDaemon { path: path.to_owned(), others }))
}

/// Asks the daemon at `path`, which a person named.
///
/// # Errors
/// See [`ask`]; any daemon is trusted.
pub fn ask_at(path: &Path, command: &Command) -> Result<Conversation, ClientError> {
    try_ask(path, command, |_, _| Ok(()))
}

/// Refuses the daemon at `path` if this process is root and must not trust it.
fn believed(path: &Path, user: u32) -> Result<(), ClientError> {
    if !rustix::process::geteuid().is_root() || user == 0 || is_given_to(path, user) {
        return Ok(());
    }
    Err(ClientError::NotBelieved { path: path.to_owned(), user })
}

/// Whether nobody but root and `user` can have put something at `path`: root or `user` owns its directory, root owns all
/// directories above it, and they are not writable for everybody. Those of root are not writable for another group than root's.
pub fn is_given_to(path: &Path, user: u32) -> bool {
    let Some(Ok(directory)) = path.parent().map(Path::canonicalize) else { return false };
    directory.ancestors().enumerate().all(|(above, directory)| {
        directory.metadata().is_ok_and(|found| {
            let is_owners = found.uid() == 0 || above == 0 && found.uid() == user;
            let is_groups = found.uid() == 0 && found.gid() != 0 && found.mode() & 0o020 != 0;
            is_owners && !is_groups && found.mode() & 0o002 == 0
        })
    })
}

fn try_ask(
    path: &Path,
    command: &Command,
    believed: impl Fn(&Path, u32) -> Result<(), ClientError>,
) -> Result<Conversation, ClientError> {
    let path = path.to_owned();
    let connected = socket::connect(&path).and_then(|stream| {
        let listens = rustix::net::sockopt::socket_peercred(&stream)?;
        Ok((stream, listens.uid.as_raw()))
    });
    if let Ok((_, user)) = &connected {
        believed(&path, *user)?;
    }
    let asked = connected.and_then(|(mut stream, user)| {
        let patience = match command {
            Command::Reload => Some(RELOAD_PATIENCE),
            // It may be long until something is blocked.
            Command::Blocked { follow: true, .. } => None,
            _ => Some(PATIENCE),
        };
        stream.set_read_timeout(patience)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let request = Request { version: VERSION, command: command.clone() };
        let mut line = serde_json::to_vec(&request)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        Ok((BufReader::new(stream), user))
    });
    match asked {
        Ok((stream, user)) => Ok(Conversation { path, user, stream }),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NoDaemon { path, others: Vec::new() }
            }
            io::ErrorKind::PermissionDenied => ClientError::NoPermission { path },
            _ => ClientError::Broken { path, source: error },
        }),
    }
}

impl Conversation {
    /// The socket at which the daemon answers.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until there is something to read, or until nobody reads `output` any more: then it returns `false`.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&self, output: &impl AsFd) -> io::Result<bool> {
        if !self.stream.buffer().is_empty() {
            return Ok(true);
        }
        let stream = self.stream.get_ref();
        // Errors and a reader's end are always told.
        let mut polled = [PollFd::new(stream, PollFlags::IN), PollFd::new(output, PollFlags::empty())];
        loop {
            match poll(&mut polled, None) {
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => break,
            }
        }
        let [_, output] = polled;
        Ok(!output.revents().intersects(PollFlags::ERR | PollFlags::HUP))
    }

    /// The next reply.
    ///
    /// # Errors
    /// None comes, or one that is not understood.
    pub fn reply(&mut self) -> Result<Reply, ClientError> {
        let mut line = Vec::new();
        let read = self.stream.by_ref().take(LONGEST_REPLY).read_until(b'\n', &mut line);
        match read {
            Ok(0) => return Err(ClientError::Closed { path: self.path.clone() }),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(ClientError::Closed { path: self.path.clone() });
            }
            Err(source) => return Err(ClientError::Broken { path: self.path.clone(), source }),
        }
        let foreign = |why| ClientError::Foreign { path: self.path.clone(), why };
        let message: Message = serde_json::from_slice(&line).map_err(|error| foreign(error.to_string()))?;
        match message.version {
            VERSION => Ok(message.reply),
            version => Err(foreign(format!("version {version}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    #[test]
    fn root_trusts_only_a_socket_in_a_directory_of_root_or_the_daemon_s_user() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: only root can give a directory away");
            return;
        }
        // Not below /tmp, to which everybody may write.
        let root = tempfile::tempdir_in("/run").unwrap();
        let make = |name: &str, user: u32, mode: u32| {
            let path = root.path().join(name);
            std::fs::create_dir(&path).unwrap();
            chown(&path, Some(user), Some(user)).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        for (name, user, mode) in [
            ("given", 71, 0o755),
            ("root", 0, 0o775),
            ("anybody", 0, 0o1777),
            ("anybody/below", 71, 0o755),
            ("other", 72, 0o755),
            ("given/below", 71, 0o755),
        ] {
            make(name, user, mode);
        }
        make("group", 0, 0o775);
        make("group/below", 71, 0o755);
        chown(root.path().join("group"), Some(0), Some(50)).unwrap();
        symlink("given", root.path().join("link")).unwrap();
        symlink("anybody/below", root.path().join("root/link")).unwrap();
        for (directory, expected) in [
            ("given", true),
            ("root", true),
            ("link", true),
            ("group", false),
            ("group/below", false),
            ("anybody", false),
            ("anybody/below", false),
            ("root/link", false),
            ("other", false),
            ("given/below", false),
            ("missing", false),
        ] {
            let socket = root.path().join(directory).join("control.sock");
            assert_eq!(is_given_to(&socket, 71), expected, "{directory}");
        }
    }
}
