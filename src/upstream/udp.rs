//! Asking over UDP: a rotating pool of connected sockets on random ports, no socket made for a query.
//!
//! Against forged replies stand: the kernel's random port of a socket chosen at random, a random id, the letter case of the
//! question (0x20), and the connection itself, by which the kernel drops whatever comes from another address. A forged
//! datagram has to come from the server's address and hit the port of the very socket the question went out on: the ports
//! are drawn from the same range as a fresh one for each query would be, and a socket is given up after 512 questions, so
//! that a port found out is soon worth nothing. Questions read in one go leave from one socket: each has its id and letter
//! case, and which of them share a port helps nobody to guess it.

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::Rng;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::early::Early;
use super::error::ExchangeError;
use super::reply::recognise;
use crate::datagram::{BATCH, Inbox, Outbox};
use crate::dns::{Question, UDP_PAYLOAD};

/// Sockets to one server.
const SOCKETS: usize = 16;
/// Questions after which a socket takes no further batch: it serves 512 at most.
const USES: u32 = 512 - BATCH as u32;
/// Sockets to one server that are given up and kept for replies. With more, the questions on the oldest have been silent longest.
const RETIRED: usize = 64;
/// Room for a reply; more than we announce, for servers that do not listen.
const ROOM: usize = 4096;
const _: () = assert!(ROOM > UDP_PAYLOAD as usize);
/// TC in the first octet of the flags.
const TRUNCATED: u8 = 0x02;

/// What came for a question.
pub(super) type Reply = Result<Vec<u8>, ExchangeError>;

/// The sockets to one server, of one worker.
#[derive(Default)]
pub(super) struct UdpPool {
    sockets: RefCell<Vec<Rc<Lease>>>,
    /// Given up, and kept for the replies that are still to come.
    retired: RefCell<Vec<Rc<Lease>>>,
    /// Queries that leave together at the end of this turn of the thread, from one socket.
    outgoing: RefCell<Option<Outgoing>>,
    /// Room for replies.
    inbox: Rc<RefCell<Option<Inbox>>>,
}

struct Outgoing {
    outbox: Outbox<Vec<u8>>,
    /// The socket; `None` while there is nothing to send.
    lease: Option<Rc<Lease>>,
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
    server: SocketAddr,
    uses: Cell<u32>,
    dead: Cell<bool>,
    pending: RefCell<HashMap<u16, Pending, foldhash::fast::RandomState>>,
}

/// Who waits for a reply.
enum Pending {
    /// A question that was just sent.
    Early(Box<Early>),
    /// A task.
    Task { asked: Box<Question>, reply: oneshot::Sender<Reply> },
}

/// A question on its way that a task waits for. Dropped, it is forgotten.
pub(super) struct Flight {
    lease: Rc<Lease>,
    id: u16,
    sent: Instant,
    reply: oneshot::Receiver<Reply>,
}

impl UdpPool {
    /// Sends the query `message`, in which `asked` is asked; its id is put in.
    pub(super) fn send(
        &self,
        server: SocketAddr,
        message: &mut [u8],
        asked: &Question,
    ) -> Result<Flight, ExchangeError> {
        let lease = self.lease(server)?;
        let id = lease.socket.take_id(message)?;
        lease.socket.uses.set(lease.socket.uses.get() + 1);
        let (sender, reply) = oneshot::channel();
        let pending = Pending::Task { asked: Box::new(*asked), reply: sender };
        lease.socket.pending.borrow_mut().insert(id, pending);
        let flight = Flight { lease, id, sent: Instant::now(), reply };
        flight.lease.socket.send(message)?;
        Ok(flight)
    }

    /// The same without a task: the reply is given to `early` where it is read. It leaves with [`flush`](Self::flush);
    /// says if it is the first that waits for that. Where it cannot be sent `early` comes back with the reason.
    pub(super) fn send_early(
        &self,
        server: SocketAddr,
        early: Box<Early>,
        write: impl FnOnce(&Early, &mut Vec<u8>),
    ) -> Result<bool, (Box<Early>, ExchangeError)> {
        let mut outgoing = self.outgoing.borrow_mut();
        let Outgoing { outbox, lease } = outgoing.get_or_insert_with(Outgoing::new);
        let is_first = lease.is_none();
        let chosen = match lease {
            Some(lease) => Rc::clone(lease),
            None => match self.lease(server) {
                Ok(chosen) => Rc::clone(lease.insert(chosen)),
                Err(error) => return Err((early, error)),
            },
        };
        let message = outbox.room();
        write(&early, message);
        let id = match chosen.socket.take_id(message) {
            Ok(id) => id,
            Err(error) => {
                if is_first {
                    *lease = None;
                }
                return Err((early, error));
            }
        };
        outbox.keep(None);
        chosen.socket.uses.set(chosen.socket.uses.get() + 1);
        chosen.socket.pending.borrow_mut().insert(id, Pending::Early(early));
        if outbox.is_full() {
            drop(outgoing);
            self.flush();
        }
        Ok(is_first)
    }

    /// Sends what waits to be sent.
    pub(super) fn flush(&self) {
        let mut outgoing = self.outgoing.borrow_mut();
        let Some(Outgoing { outbox, lease }) = &mut *outgoing else { return };
        let Some(lease) = lease.take() else { return };
        let sent = outbox.flush(lease.socket.udp.as_fd());
        drop(outgoing);
        match sent {
            Err(error) if !is_loss(&error) => {
                lease.socket.dead.set(true);
                lease.socket.fail_all(&error.into());
            }
            _ => {}
        }
    }

    /// Takes out the questions that have waited long enough for `is_due`, to go on as tasks, each with its flight. Returns
    /// how many are left.
    pub(super) fn take_due(
        &self,
        is_due: impl Fn(&Early) -> bool,
        mut go_on: impl FnMut(Box<Early>, Flight),
    ) -> usize {
        self.retired.borrow_mut().retain(|lease| !lease.socket.pending.borrow().is_empty());
        let leases: Vec<_> = self.sockets.borrow().iter().chain(&*self.retired.borrow()).cloned().collect();
        leases.iter().map(|lease| lease.take_due(&is_due, &mut go_on)).sum()
    }

    fn lease(&self, server: SocketAddr) -> Result<Rc<Lease>, ExchangeError> {
        let mut leases = self.sockets.borrow_mut();
        let spent: Vec<_> = leases.extract_if(.., |lease| lease.is_spent()).collect();
        let chosen = rand::rng().random_range(0..SOCKETS);
        if let Some(lease) = leases.get(chosen) {
            self.retire(spent);
            return Ok(Rc::clone(lease));
        }
        let socket = match Socket::connect(server) {
            Ok(socket) => Rc::new(socket),
            // Out of file descriptors, say: what is open has to do for longer.
            Err(error) => {
                leases.extend(spent.into_iter().filter(|lease| !lease.socket.dead.get()));
                let other = chosen.checked_rem(leases.len()).and_then(|number| leases.get(number));
                return other.cloned().ok_or_else(|| error.into());
            }
        };
        self.retire(spent);
        let receiving = receive(Rc::clone(&socket), Rc::clone(&self.inbox));
        let receiver = tokio::task::spawn_local(receiving).abort_handle();
        let lease = Rc::new(Lease { socket, receiver });
        leases.push(Rc::clone(&lease));
        Ok(lease)
    }
}

impl UdpPool {
    /// Keeps sockets that are given up for the replies that are still to come.
    fn retire(&self, spent: Vec<Rc<Lease>>) {
        if spent.is_empty() {
            return;
        }
        let mut retired = self.retired.borrow_mut();
        retired.extend(spent);
        retired.retain(|lease| !lease.socket.pending.borrow().is_empty());
        let too_many = retired.len().saturating_sub(RETIRED);
        for oldest in retired.drain(..too_many) {
            oldest.socket.fail_all(&ExchangeError::Overload);
        }
    }
}

/// A full buffer of the socket or the device loses datagrams, as any router may. They are sent again; the socket stays usable.
fn is_loss(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM))
}

impl Outgoing {
    fn new() -> Self {
        Self { outbox: Outbox::new(), lease: None }
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
        // Another than was asked for, where that is unspecified.
        let server = socket.peer_addr()?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            udp: UdpSocket::from_std(socket)?,
            server,
            uses: Cell::new(0),
            dead: Cell::new(false),
            pending: RefCell::default(),
        })
    }

    /// Puts an id that is not in use into `message`.
    fn take_id(&self, message: &mut [u8]) -> Result<u16, ExchangeError> {
        let pending = self.pending.borrow();
        let mut ids = (0..64).map(|_| rand::rng().random());
        let id: u16 = ids.find(|id| !pending.contains_key(id)).ok_or(ExchangeError::Overload)?;
        if let Some(field) = message.first_chunk_mut() {
            *field = id.to_be_bytes();
        }
        Ok(id)
    }

    fn send(&self, message: &[u8]) -> Result<(), ExchangeError> {
        // Past tokio, which knows a new socket to be writable only after it has asked the kernel once.
        match SockRef::from(&self.udp).send(message) {
            Ok(_) => Ok(()),
            Err(error) if is_loss(&error) => Ok(()),
            Err(error) => {
                self.dead.set(true);
                Err(error.into())
            }
        }
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

    /// Receives what there is, without waiting; says how much.
    fn receive(&self, inbox: &mut Inbox) -> io::Result<usize> {
        let mut received = 0;
        let readable = self.udp.try_io(Interest::READABLE, || {
            received = inbox.receive(self.udp.as_fd())?;
            // Less than would fit is all there was: tokio need not ask again to learn that.
            if received < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match readable {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && received == 0 => {
                self.udp.try_io(Interest::ERROR, || inbox.receive(self.udp.as_fd()))
            }
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(received),
        }
    }

    /// Gives a datagram to whom it answers; all others are dropped, whatever they say.
    fn deliver(&self, datagram: &mut [u8]) {
        let Some(id) = datagram.first_chunk().map(|id| u16::from_be_bytes(*id)) else { return };
        let mut pending = self.pending.borrow_mut();
        let Some(verdict) = pending.get(&id).and_then(|entry| recognise(datagram, entry.asked())) else {
            return;
        };
        let Some(entry) = pending.remove(&id) else { return };
        drop(pending);
        match entry {
            Pending::Early(early) => early.answered(verdict.map(|()| datagram)),
            Pending::Task { reply, .. } => {
                let _ = reply.send(verdict.map(|()| datagram.to_vec()));
            }
        }
    }

    fn fail_all(&self, error: &ExchangeError) {
        let failed: Vec<_> = self.pending.borrow_mut().drain().collect();
        for (_, entry) in failed {
            match entry {
                Pending::Early(early) => early.answered(Err(error.clone())),
                Pending::Task { reply, .. } => {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }
}

impl Pending {
    fn asked(&self) -> &Question {
        match self {
            Self::Early(early) => early.asked(),
            Self::Task { asked, .. } => asked,
        }
    }
}

impl Lease {
    fn is_spent(&self) -> bool {
        self.socket.dead.get() || self.socket.uses.get() >= USES
    }

    fn take_due(
        self: &Rc<Self>,
        is_due: impl Fn(&Early) -> bool,
        mut go_on: impl FnMut(Box<Early>, Flight),
    ) -> usize {
        let mut pending = self.socket.pending.borrow_mut();
        let due = |entry: &Pending| matches!(entry, Pending::Early(early) if is_due(early));
        let ids: Vec<u16> = pending.iter().filter(|(_, entry)| due(entry)).map(|(id, _)| *id).collect();
        for id in ids {
            let Some(Pending::Early(early)) = pending.remove(&id) else { continue };
            let (sender, reply) = oneshot::channel();
            pending.insert(id, Pending::Task { asked: Box::new(*early.asked()), reply: sender });
            let flight = Flight { lease: Rc::clone(self), id, sent: early.sent(), reply };
            go_on(early, flight);
        }
        pending.values().filter(|entry| matches!(entry, Pending::Early(_))).count()
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
        // Once there was a reply, its id may be another question's.
        self.reply.close();
        let mut pending = self.lease.socket.pending.borrow_mut();
        if matches!(pending.get(&self.id), Some(Pending::Task { reply, .. }) if reply.is_closed()) {
            pending.remove(&self.id);
        }
    }
}

/// Receives on a socket until its lease ends. One batch is read and used without a pause, so that all sockets share the
/// room for it.
async fn receive(socket: Rc<Socket>, inbox: Rc<RefCell<Option<Inbox>>>) {
    while socket.heard().await.is_ok() {
        while read_batch(&socket, &inbox) {
            // Clients get their turn between batches.
            tokio::task::yield_now().await;
        }
    }
    socket.dead.set(true);
}

/// Says whether there is more.
fn read_batch(socket: &Socket, inbox: &RefCell<Option<Inbox>>) -> bool {
    let mut inbox = inbox.borrow_mut();
    let inbox = inbox.get_or_insert_with(|| Inbox::new(ROOM));
    match socket.receive(inbox) {
        Ok(received) => {
            for index in 0..received {
                if let Some((datagram, peer)) = inbox.datagram(index) {
                    // Before the socket was connected, anybody could send to it.
                    let from = (peer.address.ip(), peer.address.port());
                    if from == (socket.server.ip(), socket.server.port()) {
                        socket.deliver(datagram);
                    }
                } else if let Some(part) = inbox.cut_off(index) {
                    // More than we announced, and more than there is room for: to be asked for over TCP.
                    part.get_mut(2).into_iter().for_each(|flags| *flags |= TRUNCATED);
                    socket.deliver(part);
                }
            }
            received == BATCH
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
        // An ICMP error: whatever is on its way from this socket will not be answered.
        Err(error) => {
            socket.fail_all(&error.into());
            true
        }
    }
}
