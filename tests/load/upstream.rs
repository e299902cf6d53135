//! An upstream that can keep up: one thread, one socket, replies made of the query's own octets.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};

use crate::packet;

/// What becomes of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is answered with this address and TTL.
    Answered([u8; 4], u32),
    /// It is never answered.
    Ignored,
    /// It is answered with this address once [`Upstream::release`] was called.
    Held([u8; 4]),
}

#[derive(Default)]
struct Shared {
    answered: AtomicU64,
    ignored: AtomicU64,
    held: AtomicU64,
    released: AtomicBool,
    stopped: AtomicBool,
}

/// The upstream; ends when dropped.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Upstream {
    /// `fate` decides by the name in wire form and lower case.
    pub fn start(fate: impl FnMut(&[u8]) -> Fate + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || serve(&socket, &shared, fate)
        });
        Self { address, shared, thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Questions answered so far.
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Relaxed)
    }

    /// Questions that will never be answered, so far.
    pub fn ignored(&self) -> u64 {
        self.shared.ignored.load(Relaxed)
    }

    /// Questions that wait for [`Upstream::release`].
    pub fn held(&self) -> u64 {
        self.shared.held.load(Relaxed)
    }

    /// Answers what is held, and holds nothing any more.
    pub fn release(&self) {
        self.shared.released.store(true, Relaxed);
        self.wake();
    }

    fn wake(&self) {
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&[], self.address).unwrap();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Relaxed);
        self.wake();
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(socket: &UdpSocket, shared: &Shared, mut fate: impl FnMut(&[u8]) -> Fate) {
    let mut room = [0; 1500];
    let mut held: Vec<(Vec<u8>, SocketAddr)> = Vec::new();
    while !shared.stopped.load(Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut room) else { continue };
        if shared.released.load(Relaxed) {
            for (reply, from) in held.drain(..) {
                // A datagram that cannot be sent is a datagram lost.
                let _sent = socket.send_to(&reply, from);
            }
        }
        let Some(name) = packet::name(&room[..length]) else { continue };
        let (address, ttl, hold) = match fate(&name.to_ascii_lowercase()) {
            Fate::Answered(address, ttl) => (address, ttl, false),
            Fate::Held(address) => (address, 60, !shared.released.load(Relaxed)),
            Fate::Ignored => {
                shared.ignored.fetch_add(1, Relaxed);
                continue;
            }
        };
        let end = 12 + name.len() + 4;
        let reply = packet::reply(&mut room, end, address, ttl);
        if hold {
            held.push((reply.to_vec(), from));
            shared.held.fetch_add(1, Relaxed);
        } else {
            let _sent = socket.send_to(reply, from);
            shared.answered.fetch_add(1, Relaxed);
        }
    }
}
