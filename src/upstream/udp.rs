//! Asking over UDP: a rotating pool of connected sockets on random ports, no socket made for a query.
//!
//! Against forged replies stand: the kernel's random port of a socket chosen at random, a random id, the letter case of the
//! question (0x20), and the connection itself, by which the kernel drops whatever comes from another address and
//! answers port scans as if nobody listened. A forged datagram has to hit the port of the very socket the question went
//! out on: the ports are drawn from the same range as a fresh one for each query would be, and a socket is given up after
//! [`USES`] questions, so that a port found out is soon worth nothing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::Rng;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::error::ExchangeError;
use crate::dns::{Rcode, UDP_PAYLOAD};

/// Sockets to one server.
const SOCKETS: usize = 16;
/// Questions a socket is used for.
const USES: u32 = 512;
/// Room for a reply; more than we announce, for servers that do not listen.
const ROOM: usize = 4096;

/// What came for a question.
type Reply = Result<Vec<u8>, ExchangeError>;

/// The sockets to one server, of one worker.
#[derive(Default)]
pub(super) struct UdpPool {
    sockets: RefCell<Vec<Rc<Lease>>>,
}

/// A socket and the task that receives on it; the task ends when neither the pool nor a flight holds the lease.
struct Lease {
    socket: Rc<Socket>,
    receiver: AbortHandle,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.receiver.abort();
    }
}

struct Socket {
    udp: UdpSocket,
    uses: Cell<u32>,
    dead: Cell<bool>,
    pending: RefCell<HashMap<u16, Pending, foldhash::fast::RandomState>>,
}

struct Pending {
    /// The question as it was sent, letter case and all.
    question: Box<[u8]>,
    reply: oneshot::Sender<Reply>,
}

/// A question on its way. Dropped, it is forgotten.
pub(super) struct Flight {
    lease: Rc<Lease>,
    id: u16,
    sent: Instant,
    reply: oneshot::Receiver<Reply>,
}

impl UdpPool {
    /// Sends a query. `message` has its id put in; its question has `question` octets.
    pub(super) fn send(
        &self,
        server: SocketAddr,
        message: &mut [u8],
        question: usize,
    ) -> Result<Flight, ExchangeError> {
        let lease = self.lease(server)?;
        let id = lease.socket.free_id().ok_or(ExchangeError::Overload)?;
        if let Some(field) = message.get_mut(..2) {
            field.copy_from_slice(&id.to_be_bytes());
        }
        let (sender, reply) = oneshot::channel();
        let asked = message.get(12..12 + question).unwrap_or_default().into();
        lease.socket.pending.borrow_mut().insert(id, Pending { question: asked, reply: sender });
        let flight = Flight { lease, id, sent: Instant::now(), reply };
        // Past tokio, which knows a new socket to be writable only after it has asked the kernel once.
        match SockRef::from(&flight.lease.socket.udp).send(message) {
            // A full send buffer loses the datagram like any router may: it is sent again.
            Ok(_) => Ok(flight),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(flight),
            Err(error) => {
                flight.lease.socket.dead.set(true);
                Err(error.into())
            }
        }
    }

    fn lease(&self, server: SocketAddr) -> Result<Rc<Lease>, ExchangeError> {
        let mut leases = self.sockets.borrow_mut();
        leases.retain(|lease| !lease.socket.dead.get() && lease.socket.uses.get() < USES);
        let chosen = rand::rng().random_range(0..SOCKETS);
        if let Some(lease) = leases.get(chosen) {
            lease.socket.uses.set(lease.socket.uses.get() + 1);
            return Ok(Rc::clone(lease));
        }
        let socket = Rc::new(Socket::connect(server)?);
        let receiver = tokio::task::spawn_local(receive(Rc::clone(&socket))).abort_handle();
        let lease = Rc::new(Lease { socket, receiver });
        leases.push(Rc::clone(&lease));
        Ok(lease)
    }
}

impl Socket {
    fn connect(server: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = match server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = std::net::UdpSocket::bind(any)?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            udp: UdpSocket::from_std(socket)?,
            uses: Cell::new(1),
            dead: Cell::new(false),
            pending: RefCell::default(),
        })
    }

    fn free_id(&self) -> Option<u16> {
        let pending = self.pending.borrow();
        (0..64).map(|_| rand::rng().random()).find(|id| !pending.contains_key(id))
    }

    /// Waits for a datagram or an ICMP error: an error alone makes a socket not readable (epoll(7)), and tokio wants to
    /// be asked for each by itself.
    async fn heard(&self) -> io::Result<()> {
        tokio::select! {
            biased;
            readable = self.udp.readable() => readable,
            failed = self.udp.ready(Interest::ERROR) => failed.map(drop),
        }
    }

    fn receive(&self, room: &mut [u8]) -> io::Result<usize> {
        match self.udp.try_recv(room) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.udp.try_io(Interest::ERROR, || (&*SockRef::from(&self.udp)).read(room))
            }
            received => received,
        }
    }

    /// Gives a datagram to whom it answers; all others are dropped, whatever they say.
    fn deliver(&self, datagram: &[u8]) {
        let Some(id) = datagram.first_chunk().map(|id| u16::from_be_bytes(*id)) else { return };
        let mut pending = self.pending.borrow_mut();
        let Some(question) = pending.get(&id).map(|entry| &entry.question) else { return };
        let echoed = datagram.get(12..12 + question.len()).unwrap_or_default();
        // QR set, OPCODE QUERY: a reply to a query.
        let Some([_, _, flags, rcode, _, questions]) = datagram.first_chunk() else { return };
        if flags & 0xf8 != 0x80 {
            return;
        }
        let reply = if *questions == 0 && rcode & 0x0f != 0 && datagram.len() == 12 {
            // Servers without EDNS, and some in distress, send a header only.
            Err(ExchangeError::Rcode(Rcode(u16::from(rcode & 0x0f))))
        } else if *questions != 1 {
            return;
        } else if echoed == &**question {
            Ok(datagram.to_vec())
        } else if echoed.eq_ignore_ascii_case(question) {
            Err(ExchangeError::CaseMismatch)
        } else {
            return;
        };
        if let Some(entry) = pending.remove(&id) {
            let _ = entry.reply.send(reply);
        }
    }

    fn fail_all(&self, error: &ExchangeError) {
        for (_, entry) in self.pending.borrow_mut().drain() {
            let _ = entry.reply.send(Err(error.clone()));
        }
    }
}

impl Flight {
    /// Waits for the reply.
    pub(super) async fn reply(&mut self) -> Reply {
        (&mut self.reply).await.unwrap_or(Err(ExchangeError::Timeout))
    }

    /// How long ago it was sent: with its own port and id, a reply is to this sending and no other.
    pub(super) fn age(&self) -> Duration {
        self.sent.elapsed()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.lease.socket.pending.borrow_mut().remove(&self.id);
    }
}

/// Receives on a socket until its lease ends.
async fn receive(socket: Rc<Socket>) {
    const _: () = assert!(ROOM > UDP_PAYLOAD as usize);
    let mut room = vec![0; ROOM];
    while socket.heard().await.is_ok() {
        loop {
            match socket.receive(&mut room) {
                Ok(length) => socket.deliver(room.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An ICMP error: whatever is on its way from this socket will not be answered.
                Err(error) => socket.fail_all(&error.into()),
            }
        }
    }
    socket.dead.set(true);
}
