//! The commands' side of the socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::protocol::{Command, Message, Reply, Request, VERSION};
use super::{places, socket};

/// The longest reply that is read, in octets.
const LONGEST_REPLY: u64 = 16 << 20;
/// How long the daemon may take for what it has at hand.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to read and build a configuration.
const RELOAD_PATIENCE: Duration = Duration::from_secs(120);

/// Why the daemon did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error("no daemon answers at {}; is it running? (`--socket PATH` names another place)", .path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
    },
    /// This user may not.
    #[error("no permission to speak to the daemon at {}: use sudo, or be of the group `stubborn`", .path.display())]
    NoPermission {
        /// The socket.
        path: PathBuf,
    },
    /// It hangs, or went away.
    #[error("the daemon at {} does not answer: {source}", .path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
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

/// A connection on which something was asked.
#[derive(Debug)]
pub struct Conversation {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

/// Asks the daemon at `path`, or where it is found in its place.
///
/// # Errors
/// There is none, it may not be asked, or it does not take the request.
pub fn ask(path: &Path, command: &Command) -> Result<Conversation, ClientError> {
    let mut first = None;
    for path in places(path) {
        match try_ask(&path, command) {
            Ok(conversation) => return Ok(conversation),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or(ClientError::NoDaemon { path: path.to_owned() }))
}

fn try_ask(path: &Path, command: &Command) -> Result<Conversation, ClientError> {
    let path = path.to_owned();
    let asked = socket::connect(&path).and_then(|mut stream| {
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
        Ok(BufReader::new(stream))
    });
    match asked {
        Ok(stream) => Ok(Conversation { path, stream }),
        Err(error) => Err(match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NoDaemon { path },
            io::ErrorKind::PermissionDenied => ClientError::NoPermission { path },
            _ => ClientError::Broken { path, source: error },
        }),
    }
}

impl Conversation {
    /// The next reply.
    ///
    /// # Errors
    /// None comes, or one that is not understood.
    pub fn reply(&mut self) -> Result<Reply, ClientError> {
        let mut line = Vec::new();
        let read = self.stream.by_ref().take(LONGEST_REPLY).read_until(b'\n', &mut line);
        let broken = |source| ClientError::Broken { path: self.path.clone(), source };
        if read.map_err(broken)? == 0 {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
        let foreign = |why| ClientError::Foreign { path: self.path.clone(), why };
        let message: Message = serde_json::from_slice(&line).map_err(|error| foreign(error.to_string()))?;
        match message.version {
            VERSION => Ok(message.reply),
            version => Err(foreign(format!("version {version}"))),
        }
    }
}
