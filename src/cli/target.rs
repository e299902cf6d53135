//! Which file a command changes: the one named, else the one that the running daemon reads, else the default one. And
//! whether the daemon takes the change.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::complain;
use super::operate::{DAEMON, ask_at, socket};
use super::output::waiting_for;
use super::show::visible;
use crate::config::{self, DEFAULT_PATH, Disk};
use crate::control::{self, ClientError, Command, Conversation, Reply, Status, is_given_to};
use crate::files::place_id;

/// The file, and who reads it.
pub(super) struct Target {
    /// The file.
    pub(super) file: PathBuf,
    /// The daemon that reads it.
    pub(super) reader: Option<Reader>,
    /// The socket of the daemon that answered, whatever it reads; else why none did.
    pub(super) socket: Result<PathBuf, ClientError>,
    /// What the operator should know about that.
    pub(super) note: Option<String>,
}

/// The daemon that reads the file.
pub(super) struct Reader {
    socket: PathBuf,
    /// The addresses of its host.
    pub(super) own: Vec<IpAddr>,
}

/// What became of a change.
pub(super) enum Taken {
    /// The daemon uses it as this generation.
    Yes(u64),
    /// It does not, for this reason.
    No(String),
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// Why there is no file to change.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoTarget {
    /// The file is not here.
    #[error(
        "the daemon at {} reads {}, and that is another file here: it runs in another container or mount namespace. \
         Run this command there, or name the file as it is called here with `--config FILE`",
        .socket.display(), .file.display()
    )]
    Elsewhere { socket: PathBuf, file: PathBuf },
    /// The daemon still uses what it read from a file that is gone. A new file would end all of that.
    #[error(
        "{}, which the daemon at {} reads, is gone. The daemon still uses what it read last; a new file with this change \
         alone would replace all of it. Put the file back, or start over with an empty one, then try again",
        .file.display(), .socket.display()
    )]
    Gone { socket: PathBuf, file: PathBuf },
    /// Another user says where to write.
    #[error(
        "user {user} runs the daemon at {} and says that it reads {}, where other users can write: if that is so, \
         name it with `--config {}`, or run this command as that user",
        .socket.display(), .file.display(), .file.display()
    )]
    NotTrusted { socket: PathBuf, file: PathBuf, user: u32 },
    /// There is none.
    #[error(
        "the daemon at {} does not say which file it reads: it got its configuration through a pipe, or it is an older \
         version. Name the file with `--config FILE`",
        .0.display()
    )]
    NoFile(PathBuf),
}

/// Finds the file. Asks the daemon at `socket`; else where the file named, or the default file, says that its socket is.
pub(super) fn find(named: Option<&Path>, socket: Option<&Path>) -> Result<Target, NoTarget> {
    match (running(named, socket), named) {
        (Ok((daemon, status)), None) => of_daemon(&daemon.path, daemon.user, &status),
        (Ok((daemon, status)), Some(named)) => {
            let reads = is_read(named, &status);
            let other = status.config_file.as_deref().or(status.config_file_awaited.as_deref());
            let note = (!reads).then(|| {
                let other = other.map_or("what came through a pipe".to_owned(), str::to_owned);
                let (named, socket) = (named.display(), daemon.path.display());
                format!("the daemon at {socket} does not read {named}, but {other}")
            });
            if reads && status.config_file.is_some() && is_gone(named) {
                return Err(NoTarget::Gone { socket: daemon.path, file: named.to_owned() });
            }
            let reader = reads.then(|| Reader::new(&daemon.path, &status));
            Ok(Target { file: named.to_owned(), reader, socket: Ok(daemon.path), note })
        }
        (Err(error), named) => {
            let note = match (named, &error) {
                (None, ClientError::NoDaemon { path, others }) => {
                    let places: Vec<String> =
                        [path].into_iter().chain(others).map(|place| place.display().to_string()).collect();
                    format!(
                        "no running daemon was found (none answers at {}): this is about the default file {DEFAULT_PATH}, \
                         which no running daemon reads; `--socket PATH` or `--config FILE` names another",
                        places.join(" or ")
                    )
                }
                (None, error) => format!(
                    "this is about the default file {DEFAULT_PATH}, and it is not known if a running daemon reads it: {error}"
                ),
                (Some(named), error) => {
                    format!("it is not known if a running daemon reads {}: {error}", named.display())
                }
            };
            let file = named.unwrap_or(Path::new(DEFAULT_PATH)).to_owned();
            Ok(Target { file, reader: None, socket: Err(error), note: Some(note) })
        }
    }
}

/// Warns a command that reads the default file if the running daemon reads another: what it says is not about that daemon then.
pub(super) fn warn_of_another(named: Option<&Path>) {
    if named.is_some() {
        return;
    }
    let Ok((daemon, status)) = running(None, None) else { return };
    if is_read(Path::new(DEFAULT_PATH), &status) {
        return;
    }
    let socket = daemon.path.display();
    let warning = match status.config_file.as_ref().or(status.config_file_awaited.as_ref()) {
        Some(other) => format!(
            "the daemon at {socket} reads {other}, but this is about {DEFAULT_PATH}; for that daemon add `--config {other}`"
        ),
        None => format!(
            "the daemon at {socket} got its configuration through a pipe, but this is about {DEFAULT_PATH}"
        ),
    };
    complain(&format!("warning: {}", visible(&warning)));
}

/// The running daemon and what it says of itself.
fn running(named: Option<&Path>, given: Option<&Path>) -> Result<(Conversation, Box<Status>), ClientError> {
    if let Some(given) = given {
        return status(control::ask_at(given, &Command::Status)?);
    }
    let by_file = named.and_then(socket_of).filter(|own| *own != socket());
    let mut first = None;
    for place in by_file.into_iter().chain([socket()]) {
        match control::ask(&place, &Command::Status).and_then(status) {
            Err(error) => first = first.or(Some(error)),
            found => return found,
        }
    }
    Err(first.unwrap_or(ClientError::NoDaemon { path: socket(), others: Vec::new() }))
}

/// The control socket that a file says; not of a pipe, which could be read only once.
fn socket_of(file: &Path) -> Option<PathBuf> {
    config::load_from(Some(file), &Disk).ok()?.config.control.socket
}

fn status(mut daemon: Conversation) -> Result<(Conversation, Box<Status>), ClientError> {
    match daemon.reply()? {
        Reply::Status(status) => Ok((daemon, status)),
        _ => Err(ClientError::Foreign {
            path: daemon.path,
            why: "another reply than was asked for".to_owned(),
        }),
    }
}

/// The file that the daemon of `user` at `socket` reads.
fn of_daemon(socket: &Path, user: u32, status: &Status) -> Result<Target, NoTarget> {
    let file = status.config_file.as_ref().or(status.config_file_awaited.as_ref());
    let file = PathBuf::from(file.ok_or_else(|| NoTarget::NoFile(socket.to_owned()))?);
    if status.config_file_id.is_some() && place_id(&file).is_some_and(|id| status.config_file_id != Some(id))
    {
        return Err(NoTarget::Elsewhere { socket: socket.to_owned(), file });
    }
    let me = rustix::process::geteuid().as_raw();
    let is_trusted = user == 0 || user == me || file == Path::new(DEFAULT_PATH);
    let file = if is_trusted {
        file
    } else {
        given(&file, me).ok_or_else(|| NoTarget::NotTrusted { socket: socket.to_owned(), file, user })?
    };
    if status.config_file.is_some() && is_gone(&file) {
        return Err(NoTarget::Gone { socket: socket.to_owned(), file });
    }
    Ok(Target { file, reader: Some(Reader::new(socket, status)), socket: Ok(socket.to_owned()), note: None })
}

/// The file behind all links, if only root and `user` can put something in its place. Where others can write, a link to it might
/// lead to any other file by the time it is written.
fn given(file: &Path, user: u32) -> Option<PathBuf> {
    file.canonicalize().ok().filter(|real| is_given_to(real, user))
}

/// Nothing has that name, not even a link.
fn is_gone(file: &Path) -> bool {
    file.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// The daemon reads `file` as its main file or as an included one.
fn is_read(file: &Path, status: &Status) -> bool {
    let main = status.config_file.as_deref().or(status.config_file_awaited.as_deref());
    let Some(main) = main.map(Path::new) else { return false };
    if let (Some(id), Some(theirs)) = (place_id(file), &status.config_file_id)
        && file.exists()
        && id == *theirs
    {
        return true;
    }
    let is_here = status.config_file_id.is_none() || place_id(main) == status.config_file_id;
    let files = status.policy.files.iter().map(Path::new).chain([main]);
    is_here && files.map(real).any(|other| other == real(file))
}

/// The path without links; as it is if nothing is there.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

impl Reader {
    fn new(socket: &Path, status: &Status) -> Self {
        let own = status.own_addresses.iter().filter_map(|address| address.parse().ok()).collect();
        Self { socket: socket.to_owned(), own }
    }

    /// Has the daemon read its files now, and says what came of it.
    pub(super) fn take(&self, changed: &Path) -> Taken {
        let _waiting = waiting_for(DAEMON);
        let ask = |command| ask_at(Some(&self.socket), &command).and_then(|mut daemon| daemon.reply());
        let generation = match ask(Command::Reload) {
            Ok(Reply::Reloaded { generation, .. }) => generation,
            Ok(Reply::NotReloaded { errors, .. }) => {
                let errors: Vec<&str> = errors.iter().map(|error| error.text.as_str()).collect();
                return Taken::No(errors.join("\n"));
            }
            Ok(_) => return Taken::Unknown("the daemon gave another reply than was asked for".to_owned()),
            Err(error) => return Taken::Unknown(error.to_string()),
        };
        // In a container that has the file as a mount of its own, the daemon still sees the old one.
        let is_old = |status: &Status| {
            let main = status.config_file.as_deref().map(Path::new);
            main.is_some_and(|main| real(main) == real(changed))
                && status.config_file_id.is_some()
                && place_id(changed) != status.config_file_id
        };
        match ask(Command::Status) {
            Ok(Reply::Status(status)) if is_old(&status) => {
                Taken::No(format!("error: the daemon still sees the old {}: restart it", changed.display()))
            }
            _ => Taken::Yes(generation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status::tests::status;

    #[test]
    fn a_daemon_of_another_user_does_not_say_where_to_write_unless_only_root_can_write_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("my.toml");
        std::fs::write(&file, "").unwrap();
        // Below /tmp, to which everybody may write.
        let (mine, missing) = (file.to_str().unwrap(), directory.path().join("missing.toml"));
        let me = rustix::process::geteuid().as_raw();
        let other = me + 71;
        for (user, path, expected) in [
            (0, mine, true),
            (me, mine, true),
            (other, mine, false),
            (me, missing.to_str().unwrap(), true),
            (other, missing.to_str().unwrap(), false),
            (other, "/etc/no-such-file.toml", false),
            (other, "/etc/passwd", true),
            (other, DEFAULT_PATH, true),
        ] {
            let (here, awaited) =
                if Path::new(path).exists() { (Some(path), None) } else { (None, Some(path)) };
            let says = Status {
                config_file: here.map(str::to_owned),
                config_file_awaited: awaited.map(str::to_owned),
                ..status()
            };
            let found = of_daemon(Path::new("/c.sock"), user, &says);
            let is_refused = matches!(found, Err(NoTarget::NotTrusted { .. }));
            assert_eq!((found.is_ok(), is_refused), (expected, !expected), "{user} {path}");
        }
    }

    #[test]
    fn the_file_that_a_daemon_of_another_user_reads_by_a_link_is_changed_at_its_own_place() {
        let directory = tempfile::tempdir().unwrap();
        let (link, other) = (directory.path().join("link.toml"), directory.path().join("other.toml"));
        let below = directory.path().join("below");
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        std::os::unix::fs::symlink(&link, &other).unwrap();
        std::os::unix::fs::symlink("/etc", &below).unwrap();
        let me = rustix::process::geteuid().as_raw();
        for (user, path, expected) in [
            (me + 71, link.clone(), Path::new("/etc/passwd")),
            (me + 71, other, Path::new("/etc/passwd")),
            (me + 71, below.join("passwd"), Path::new("/etc/passwd")),
            (me, link.clone(), link.as_path()),
            (0, link.clone(), link.as_path()),
        ] {
            let says = Status { config_file: path.to_str().map(str::to_owned), ..status() };
            let found = of_daemon(Path::new("/c.sock"), user, &says).map(|target| target.file);
            assert_eq!(found.ok().as_deref(), Some(expected), "{user} {}", path.display());
        }
    }

    #[test]
    fn a_file_that_is_another_one_for_the_daemon_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("my.toml");
        let text = file.to_str().unwrap().to_owned();
        let says = |config_file_id| Status { config_file: Some(text.clone()), config_file_id, ..status() };
        let found = |status: &Status| of_daemon(Path::new("/c.sock"), 0, status);
        let none = Status { config_file: None, ..status() };
        let awaited = Status { config_file_awaited: Some(text.clone()), ..none.clone() };
        let without = place_id(&file);
        assert!(matches!(found(&says(without.clone())), Err(NoTarget::Gone { .. })), "it was there once");
        let before = Status { config_file_id: without.clone(), ..awaited.clone() };
        assert!(found(&before).is_ok(), "for both, nothing is there");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(found(&says(without)), Err(NoTarget::Elsewhere { .. })));
        assert!(found(&says(place_id(&file))).is_ok());
        assert!(found(&says(None)).is_ok(), "the daemon may not look");
        assert!(matches!(found(&none), Err(NoTarget::NoFile(_))));
        assert_eq!(found(&awaited).map(|target| target.file).ok(), Some(file));
    }

    #[test]
    fn a_daemon_reads_its_main_file_and_those_it_includes() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for name in ["main.toml", "included.toml", "other.toml"] {
            std::fs::write(at(name), "").unwrap();
        }
        std::os::unix::fs::symlink("main.toml", at("link.toml")).unwrap();
        let text = |name: &str| at(name).to_str().unwrap().to_owned();
        let mut says = Status {
            config_file: Some(text("main.toml")),
            config_file_id: place_id(&at("main.toml")),
            ..status()
        };
        says.policy.files = vec![text("main.toml"), text("included.toml")];
        for (name, expected) in [
            ("main.toml", true),
            ("link.toml", true),
            ("included.toml", true),
            ("other.toml", false),
            ("missing.toml", false),
        ] {
            assert_eq!(is_read(&at(name), &says), expected, "{name}");
        }
    }
}
