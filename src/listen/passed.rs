//! Sockets that somebody else has bound and passed on (sd_listen_fds(3)): they stay open while the daemon restarts, so that
//! what clients send meanwhile waits in them.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use socket2::{Domain, Socket, Type};

/// Why a descriptor is not a socket to serve clients with.
#[derive(Debug, thiserror::Error)]
pub enum PassedError {
    /// It is something else.
    #[error(
        "the file descriptor {number}{} that was passed is neither a UDP socket nor a listening TCP socket of an address; \
         pass ListenDatagram= and ListenStream= with an address and a port",
        .name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default()
    )]
    Neither {
        /// As a number, from 3 on.
        number: usize,
        /// What the manager calls it.
        name: Option<String>,
    },
    /// Nobody would answer there.
    #[error(
        "a socket of {address} was passed, which is not among `listen`; add it there, or set no `listen` so that all passed \
         sockets are served"
    )]
    NotListed {
        /// The socket's address.
        address: SocketAddr,
    },
}

/// The sockets that were passed, by what they are.
#[derive(Debug, Default)]
pub struct Passed {
    udp: Vec<(SocketAddr, UdpSocket)>,
    tcp: Vec<(SocketAddr, TcpListener)>,
}

impl Passed {
    /// Sorts descriptors, each with the name it was given.
    ///
    /// # Errors
    /// The first that is neither a UDP socket nor a listening TCP socket.
    pub fn new(descriptors: Vec<(OwnedFd, Option<String>)>) -> Result<Self, PassedError> {
        let mut passed = Self::default();
        for (index, (descriptor, name)) in descriptors.into_iter().enumerate() {
            let kept = passed.keep(descriptor);
            kept.ok().flatten().ok_or(PassedError::Neither { number: index + 3, name })?;
        }
        Ok(passed)
    }

    fn keep(&mut self, descriptor: OwnedFd) -> io::Result<Option<()>> {
        let socket = Socket::from(descriptor);
        let Some(address) = socket.local_addr()?.as_socket().filter(|address| address.port() != 0) else {
            return Ok(None);
        };
        // The listening one has nobody at its other end, and neither has a UDP socket.
        let is_inet = matches!(socket.domain()?, Domain::IPV4 | Domain::IPV6);
        if !is_inet || socket.peer_addr().is_ok() {
            return Ok(None);
        }
        socket.set_nonblocking(true)?;
        match socket.r#type()? {
            Type::DGRAM => self.udp.push((address, socket.into())),
            Type::STREAM if socket.is_listener()? => self.tcp.push((address, socket.into())),
            _ => return Ok(None),
        }
        Ok(Some(()))
    }

    /// The addresses, each once, in the order in which they were passed.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let mut addresses = Vec::new();
        for address in
            self.udp.iter().map(|(address, _)| address).chain(self.tcp.iter().map(|(address, _)| address))
        {
            if !addresses.contains(address) {
                addresses.push(*address);
            }
        }
        addresses
    }

    /// Whether each is wanted.
    ///
    /// # Errors
    /// The first whose address is not in `listen`.
    pub fn check(&self, listen: &[SocketAddr]) -> Result<(), PassedError> {
        match self.addresses().into_iter().find(|address| !listen.contains(address)) {
            None => Ok(()),
            Some(address) => Err(PassedError::NotListed { address }),
        }
    }

    pub(super) fn has(&self, address: SocketAddr) -> bool {
        self.addresses().contains(&address)
    }

    pub(super) fn take(&mut self, address: SocketAddr) -> (Vec<UdpSocket>, Vec<TcpListener>) {
        let is_there = |at: &SocketAddr| *at == address;
        let udp = self.udp.extract_if(.., |(at, _)| is_there(at)).map(|(_, socket)| socket).collect();
        let tcp = self.tcp.extract_if(.., |(at, _)| is_there(at)).map(|(_, socket)| socket).collect();
        (udp, tcp)
    }
}

/// Deals sockets out so that each worker has one and each socket a worker: with fewer sockets than workers some serve the
/// same one.
pub(super) fn deal<S>(
    sockets: Vec<S>,
    workers: usize,
    clone: impl Fn(&S) -> io::Result<S>,
) -> io::Result<Vec<Vec<S>>> {
    let mut hands: Vec<Vec<S>> = (0..workers).map(|_| Vec::new()).collect();
    let more = sockets.iter().cycle().skip(sockets.len()).take(workers.saturating_sub(sockets.len()));
    let more = more.map(&clone).collect::<io::Result<Vec<S>>>()?;
    for (index, socket) in sockets.into_iter().chain(more).enumerate() {
        if let Some(hand) = hands.get_mut(index % workers.max(1)) {
            hand.push(socket);
        }
    }
    Ok(hands)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(descriptors: Vec<OwnedFd>) -> Result<Passed, PassedError> {
        Passed::new(descriptors.into_iter().map(|descriptor| (descriptor, Some("dns".to_owned()))).collect())
    }

    #[test]
    fn passed_sockets_are_sorted_by_kind_and_address() {
        // A port that is free for one may be taken for the other.
        let mut sockets = (0..64).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        let both = |udp: UdpSocket| Some((TcpListener::bind(udp.local_addr().ok()?).ok()?, udp));
        let (tcp, udp) = sockets.find_map(both).unwrap();
        let address = udp.local_addr().unwrap();
        let mut passed = passed(vec![tcp.into(), udp.into()]).unwrap();
        assert_eq!(passed.addresses(), [address]);
        assert!(passed.check(&[address]).is_ok());
        assert!(passed.check(&[]).unwrap_err().to_string().contains(&address.to_string()));
        let (udp, tcp) = passed.take(address);
        assert_eq!((udp.len(), tcp.len(), passed.has(address)), (1, 1, false));
    }

    #[test]
    fn what_is_no_socket_for_clients_is_named() {
        let file = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let stream = || OwnedFd::from(std::os::unix::net::UnixDatagram::unbound().unwrap());
        let connected = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            OwnedFd::from(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap())
        };
        for descriptor in [file(), stream(), connected()] {
            let error = passed(vec![descriptor]).unwrap_err().to_string();
            assert!(error.starts_with("the file descriptor 3 (dns) that was passed is neither"), "{error}");
        }
    }

    #[test]
    fn each_worker_has_a_socket_and_each_socket_a_worker() {
        for (sockets, workers, expected) in [
            (vec![1], 3, vec![vec![1], vec![1], vec![1]]),
            (vec![1, 2], 3, vec![vec![1], vec![2], vec![1]]),
            (vec![1, 2, 3], 2, vec![vec![1, 3], vec![2]]),
        ] {
            assert_eq!(deal(sockets, workers, |socket| Ok(*socket)).unwrap(), expected);
        }
    }
}
