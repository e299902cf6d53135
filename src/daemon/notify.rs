//! What the service manager is told (sd_notify(3)): a datagram to the socket it names in `NOTIFY_SOCKET`. Where there is no
//! such socket nothing is said, and a message that cannot be sent is not a reason to stop answering.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// A service manager has started this.
pub(super) fn is_service() -> bool {
    named().is_some()
}

/// The socket that the environment names.
fn named() -> Option<OsString> {
    std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())
}

/// The way to the service manager, or to nobody.
#[derive(Debug, Default)]
pub(super) struct Notifier {
    socket: Option<UnixDatagram>,
}

impl Notifier {
    /// The one that the environment names.
    pub(super) fn from_environment() -> Self {
        let Some(name) = named() else { return Self::default() };
        match connect(&name) {
            Ok(socket) => Self { socket: Some(socket) },
            Err(error) => {
                let socket = name.display().to_string();
                tracing::warn!(%error, socket, "the service manager cannot be told how the service is");
                Self::default()
            }
        }
    }

    /// There is somebody to tell.
    pub(super) fn is_on(&self) -> bool {
        self.socket.is_some()
    }

    /// Clients are answered, by the policy that is asked for.
    pub(super) fn ready(&self) {
        self.send("READY=1");
    }

    /// The configuration is being read; [`Notifier::ready`] ends it.
    pub(super) fn reloading(&self) {
        // In microseconds of the clock that is the manager's too: it tells this reload from an earlier one.
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={now}"));
    }

    /// No more queries are read.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// Every worker is alive.
    pub(super) fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// How the service is, on a line.
    pub(super) fn status(&self, line: &str) {
        self.send(&format!("STATUS={}", line.replace('\n', " ")));
    }

    fn send(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(message.as_bytes()) {
            tracing::debug!(%error, message, "the service manager could not be told");
        }
    }
}

/// A name that begins with `@` is in the abstract namespace (unix(7)).
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not hold up who serves clients.
    socket.set_nonblocking(true)?;
    match name.as_bytes().strip_prefix(b"@") {
        None => socket.connect(name)?,
        Some(name) => socket.connect_addr(&abstract_address(name)?)?,
    }
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// How long the manager waits for a sign of life, if it waits for one of this process (sd_watchdog_enabled(3)).
pub(super) fn watchdog_timeout() -> Option<Duration> {
    let var = |name| std::env::var_os(name);
    timeout(var("WATCHDOG_USEC"), var("WATCHDOG_PID"), std::process::id())
}

fn timeout(microseconds: Option<OsString>, pid: Option<OsString>, own: u32) -> Option<Duration> {
    let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
    if pid.is_some_and(|pid| number(pid) != Some(own.into())) {
        return None;
    }
    number(microseconds?).filter(|time| *time > 0).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_for_the_process_it_names() {
        for (time, pid, expected) in [
            (None, None, None),
            (Some("2000000"), None, Some(2)),
            (Some("2000000"), Some("7"), Some(2)),
            (Some("2000000"), Some("8"), None),
            (Some("2000000"), Some(""), None),
            (Some("0"), None, None),
            (Some("-1"), None, None),
            (Some("soon"), Some("7"), None),
        ] {
            let found = timeout(time.map(OsString::from), pid.map(OsString::from), 7);
            assert_eq!(found, expected.map(Duration::from_secs), "{time:?} {pid:?}");
        }
    }

    #[test]
    fn a_manager_is_told_by_a_path_or_an_abstract_name() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("notify");
        let at_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("stubborn-test-{}", std::process::id());
        let at_name = UnixDatagram::bind_addr(&abstract_address(name.as_bytes()).unwrap()).unwrap();
        for (name, manager) in [(path.into_os_string(), at_path), (format!("@{name}").into(), at_name)] {
            let notifier = Notifier { socket: Some(connect(&name).unwrap()) };
            notifier.ready();
            notifier.status("two\nlines");
            let mut room = [0; 64];
            for expected in ["READY=1", "STATUS=two lines"] {
                let length = manager.recv(&mut room).unwrap();
                assert_eq!(std::str::from_utf8(&room[..length]), Ok(expected));
            }
        }
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nobody_up() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("notify");
        let _manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier { socket: Some(connect(path.as_os_str()).unwrap()) };
        (0..10_000).for_each(|_| notifier.alive());
        Notifier::default().alive();
    }
}
