//! The addresses of this host's own interfaces, and when they change: an answer that points at one of them points
//! inside, whatever its range is (a laptop's public IPv6 address is as good a target as 127.0.0.1).

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How often to look where the system does not tell.
const POLL: Duration = Duration::from_secs(30);

/// How long to wait after a change for those that come with it: an interface brings several addresses, a container host
/// makes and removes interfaces in bursts.
const SETTLE: Duration = Duration::from_millis(100);

/// Why the own addresses are not known.
#[derive(Debug, thiserror::Error)]
pub enum AddressesError {
    /// The system does not list them. Under systemd, `RestrictAddressFamilies=` must include `AF_NETLINK`.
    #[error("cannot list the addresses of this host's interfaces: {0}")]
    List(#[from] io::Error),
}

/// The addresses of all interfaces of this host (of this network namespace), kept up to date.
///
/// IPv6 addresses come without their scope; loopback and link-local addresses are among them.
#[derive(Debug)]
pub struct OwnAddresses {
    current: BTreeSet<IpAddr>,
    source: Source,
    poll: Duration,
    /// When to look next. Kept here so that a dropped [`OwnAddresses::changed`] does not begin its wait anew.
    due: Option<Instant>,
    complained: bool,
}

#[derive(Debug)]
enum Source {
    #[cfg(target_os = "linux")]
    Messages(tokio::io::unix::AsyncFd<socket2::Socket>),
    Poll,
}

impl OwnAddresses {
    /// Reads the addresses; needs a tokio runtime with I/O and time. Where changes are not told, they are polled for
    /// every 30 s, and that is logged.
    ///
    /// # Errors
    ///
    /// The addresses cannot be listed at all.
    pub fn start() -> Result<Self, AddressesError> {
        Self::with(Source::open(), POLL)
    }

    fn with(source: Source, poll: Duration) -> Result<Self, AddressesError> {
        // The source was there before: what changes after this reading is told.
        let current = list()?;
        Ok(Self { current, source, poll, due: None, complained: false })
    }

    /// The addresses as last read.
    pub fn current(&self) -> &BTreeSet<IpAddr> {
        &self.current
    }

    /// Waits until the addresses are others than [`OwnAddresses::current`], and returns the new ones.
    ///
    /// A burst of changes is one; an address that came and went within it is none. Dropping the future loses nothing.
    /// When the list cannot be read, the last one stays, and that is logged once.
    pub async fn changed(&mut self) -> &BTreeSet<IpAddr> {
        loop {
            self.woken().await;
            match list() {
                Ok(addresses) if addresses == self.current => {}
                Ok(addresses) => {
                    self.current = addresses;
                    return &self.current;
                }
                Err(error) if !self.complained => {
                    self.complained = true;
                    tracing::warn!(%error, "this host's addresses stay as they were last read");
                }
                Err(_) => {}
            }
        }
    }

    async fn woken(&mut self) {
        match &self.source {
            #[cfg(target_os = "linux")]
            Source::Messages(socket) => {
                if let Ok(mut ready) = socket.readable().await {
                    sleep_until(*self.due.get_or_insert_with(|| Instant::now() + SETTLE)).await;
                    // Emptied only after the wait: until then the socket stays readable for the next call.
                    let _ = ready.try_io(|socket| drain(socket.get_ref()));
                    self.due = None;
                    return;
                }
                self.source = Source::Poll;
            }
            Source::Poll => {}
        }
        sleep_until(*self.due.get_or_insert_with(|| Instant::now() + self.poll)).await;
        self.due = None;
    }
}

impl Source {
    #[cfg(target_os = "linux")]
    fn open() -> Self {
        match super::netlink::address_messages() {
            Ok(socket) => Self::Messages(socket),
            Err(error) => {
                tracing::warn!(%error, "the system does not tell when addresses change, they are polled for");
                Self::Poll
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn open() -> Self {
        Self::Poll
    }
}

/// Reads until nothing is left. The messages say nothing the list does not say better, so neither their content (nor who
/// sent them) nor ENOBUFS, which says that some were lost, matters.
#[cfg(target_os = "linux")]
fn drain(mut socket: &socket2::Socket) -> io::Result<()> {
    use std::io::Read;
    // A datagram is cut to the buffer, the rest of it is dropped. The bound is for a flood that never ends: what is left
    // wakes us again.
    for _ in 0..4096 {
        match socket.read(&mut [0; 16]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

#[cfg(unix)]
fn list() -> Result<BTreeSet<IpAddr>, AddressesError> {
    Ok(super::netlink::interface_addresses()?)
}

#[cfg(not(unix))]
fn list() -> Result<BTreeSet<IpAddr>, AddressesError> {
    Err(io::Error::from(io::ErrorKind::Unsupported).into())
}

/// The host's addresses at this moment, or none where they cannot be had.
pub fn own_addresses() -> Vec<IpAddr> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let _entered = runtime.enter();
    OwnAddresses::start().map(|own| own.current().iter().copied().collect()).unwrap_or_default()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::process::Command;

    #[tokio::test]
    async fn loopback_is_among_them() {
        let own = OwnAddresses::start().unwrap();
        assert!(matches!(own.source, Source::Messages(_)));
        assert!(own.current().contains(&"127.0.0.1".parse().unwrap()), "{own:?}");
    }

    /// Set where addresses may be added and removed.
    const NAMESPACE: &str = "STUBBORN_TEST_NAMESPACE";

    /// Runs [`inside_a_namespace`] where no other network is, so that addresses may be added and removed.
    #[test]
    fn changes_are_reported() {
        let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        let namespace = |program: &std::path::Path| {
            let mut command = Command::new("unshare");
            command.arg(if root { "--net" } else { "--map-root-user" }).arg("--net").arg(program);
            command
        };
        if !root && !namespace("true".as_ref()).status().is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: not root, and no network namespace to be had without being so");
            return;
        }
        if Command::new("ip").arg("-V").output().is_err() {
            eprintln!("SKIPPED: ip is not installed: apt-get install iproute2");
            return;
        }
        let this_test = module_path!().split_once("::").unwrap().1.to_owned() + "::inside_a_namespace";
        let output = namespace(&std::env::current_exe().unwrap())
            .args(["--exact", &this_test, "--ignored", "--nocapture"])
            .env(NAMESPACE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}\n{output:?}");
    }

    #[tokio::test]
    #[ignore = "run by changes_are_reported, in a network namespace of its own"]
    async fn inside_a_namespace() {
        // Anywhere else it would take the machine's own addresses away.
        if std::env::var_os(NAMESPACE).is_none() {
            return;
        }
        let open: [fn() -> Source; 2] = [Source::open, || Source::Poll];
        for source in open {
            ip("link set lo up");
            let mut own = OwnAddresses::with(source(), Duration::from_millis(20)).unwrap();
            for (change, address, there) in [
                ("addr add 192.0.2.7/32 dev lo", "192.0.2.7", true),
                ("addr add 2001:db8::7/128 dev lo nodad", "2001:db8::7", true),
                ("addr del 192.0.2.7/32 dev lo", "192.0.2.7", false),
                ("addr del 2001:db8::7/128 dev lo", "2001:db8::7", false),
            ] {
                ip(change);
                assert_eq!(
                    changed(&mut own).await.contains(&address.parse().unwrap()),
                    there,
                    "{change}: {own:?}"
                );
            }
            // The future is dropped many times before its wait is over.
            ip("addr add 192.0.2.8/32 dev lo");
            let deadline = Instant::now() + Duration::from_secs(20);
            loop {
                assert!(Instant::now() < deadline);
                tokio::select! { biased; _ = own.changed() => break, () = tokio::task::yield_now() => {} }
            }
            assert!(own.current().contains(&"192.0.2.8".parse().unwrap()));
            // A burst larger than the socket's buffer (ENOBUFS) ends with what holds.
            let burst: String = (0..2000)
                .map(|n| format!("addr add 198.51.{}.{}/32 dev lo\n", n / 250, n % 250 + 1))
                .chain(["addr flush dev lo\n".to_owned(), "addr add 203.0.113.1/32 dev lo\n".to_owned()])
                .collect();
            let script = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(script.path(), burst).unwrap();
            ip(&format!("-force -batch {}", script.path().display()));
            let last = BTreeSet::from(["203.0.113.1".parse().unwrap()]);
            while *own.current() != last {
                changed(&mut own).await;
            }
            ip("addr flush dev lo");
            assert!(changed(&mut own).await.is_empty());
        }
    }

    async fn changed(own: &mut OwnAddresses) -> &BTreeSet<IpAddr> {
        tokio::time::timeout(Duration::from_secs(20), own.changed()).await.expect("no report within 20 s")
    }

    fn ip(arguments: &str) {
        let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
        assert!(status.success(), "ip {arguments}");
    }
}
