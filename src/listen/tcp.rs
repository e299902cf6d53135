//! TCP (RFC 7766): many queries on a connection, answered in the order their answers come. What is known is answered where it
//! is read, all of one read with one write.
//!
//! Our own, since `hickory-server` serves the queries of a connection one after another, so that one slow upstream holds up
//! all behind it, cannot send a reply that is already rendered, and has no limits on connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::contain::restarted;
use super::handler::{Handled, Handler, Incoming, TCP_LIMIT};
use super::limits::{Connections, Slot};
use crate::policy::Wire;

/// Queries of one connection that wait for an upstream; with more the connection is not read further.
const MAX_WAITING: usize = 64;
/// Queries of one connection that are answered before others get their turn.
const MAX_IN_TURN: usize = 64;
/// Answers that are gathered before they are written, in octets.
const MAX_OUTBOUND: usize = 256 * 1024;
/// Octets read at once,
const READ: usize = 16 * 1024;
/// and of a connection that has not brought as many: most bring one query.
const FIRST_READ: usize = 512;
/// The pause after an error of `accept`, such as running out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until it is dropped.
pub(super) async fn serve(
    listener: TcpListener,
    handler: Rc<Handler>,
    connections: Arc<Connections>,
    idle: Duration,
) {
    // Its connections are born with it.
    let _ = SockRef::from(&listener).set_tcp_nodelay(true);
    restarted("a TCP socket", || accept(&listener, &handler, &connections, idle)).await;
}

async fn accept(
    listener: &TcpListener,
    handler: &Rc<Handler>,
    connections: &Arc<Connections>,
    idle: Duration,
) {
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                // A client without a place is closed at once: it learns that sooner than from a timeout.
                let Some(slot) = place(connections, client.ip()).await else { continue };
                let handler = Rc::clone(handler);
                tokio::task::spawn_local(async move {
                    let _ = Connection::new(stream, client, handler, idle).run().await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a TCP connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Takes a place. Before none is given, connections that have just ended get to give back theirs.
async fn place(connections: &Arc<Connections>, client: IpAddr) -> Option<Slot> {
    for _ in 0..3 {
        if let Some(slot) = connections.enter(client) {
            return Some(slot);
        }
        tokio::task::yield_now().await;
    }
    None
}

struct Connection {
    stream: TcpStream,
    client: SocketAddr,
    handler: Rc<Handler>,
    idle: Duration,
    inbound: Vec<u8>,
    outbound: Vec<u8>,
    /// Room for one answer, kept between reads.
    wire: Wire,
    waiting: usize,
    /// Queries taken since others last got their turn.
    in_turn: usize,
    answers: Answers,
}

impl Connection {
    fn new(stream: TcpStream, client: SocketAddr, handler: Rc<Handler>, idle: Duration) -> Self {
        let (inbound, outbound, wire) = (Vec::with_capacity(FIRST_READ), Vec::new(), Wire::default());
        let answers = Answers::default();
        Self { stream, client, handler, idle, inbound, outbound, wire, waiting: 0, in_turn: 0, answers }
    }

    async fn run(mut self) -> io::Result<()> {
        let mut open = true;
        let mut deadline = Instant::now() + self.idle;
        while open || self.waiting > 0 {
            tokio::select! {
                read = self.stream.read_buf(&mut self.inbound), if open && self.waiting < MAX_WAITING => {
                    open = read? > 0;
                    let more = self.inbound.len() == self.inbound.capacity();
                    // Only whole messages count: a client that sends an octet now and then is idle.
                    if self.take_messages()? > 0 {
                        deadline = Instant::now() + self.idle;
                    }
                    if more {
                        self.inbound.reserve(READ);
                    }
                }
                Some(wire) = self.answers.recv() => {
                    self.answer(&wire);
                    deadline = Instant::now() + self.idle;
                }
                () = sleep_until(deadline), if self.waiting == 0 => return Ok(()),
            }
            self.collect_answers();
            while !self.outbound.is_empty() || self.in_turn >= MAX_IN_TURN {
                // A client that does not read its answers is idle too.
                timeout(self.idle, self.stream.write_all(&self.outbound)).await??;
                self.outbound.clear();
                if self.in_turn >= MAX_IN_TURN {
                    self.in_turn = 0;
                    tokio::task::yield_now().await;
                }
                self.take_messages()?;
            }
        }
        Ok(())
    }

    /// Handles the whole messages among what was read; returns how many there were.
    fn take_messages(&mut self) -> io::Result<usize> {
        let (mut at, mut count) = (0, 0);
        let turn = self.handler.turn();
        // What is left of the stream is answered when the client has taken these answers.
        while self.in_turn < MAX_IN_TURN && self.outbound.len() < MAX_OUTBOUND && self.waiting < MAX_WAITING {
            let Some((message, next)) = next_message(&self.inbound, at) else { break };
            (at, count) = (next, count + 1);
            self.in_turn += 1;
            let incoming = Incoming { message, client: self.client, limit: Some(TCP_LIMIT) };
            match self.handler.handle(&turn, incoming, &mut self.wire) {
                Handled::Replied => append(&mut self.outbound, &self.wire),
                Handled::Ignored => return Err(io::ErrorKind::InvalidData.into()),
                Handled::Later(waiting) => {
                    self.waiting += 1;
                    let done = self.answers.sender();
                    self.handler.resolve(waiting, Some(TCP_LIMIT), move |finished| {
                        let mut wire = Wire::default();
                        finished.write(&mut wire);
                        let _ = done.send(wire);
                    });
                }
            }
        }
        self.inbound.drain(..at);
        Ok(count)
    }

    fn answer(&mut self, wire: &Wire) {
        self.waiting = self.waiting.saturating_sub(1);
        append(&mut self.outbound, wire);
    }

    fn collect_answers(&mut self) {
        while let Some(wire) = self.answers.next() {
            self.answer(&wire);
        }
    }
}

/// The answers of upstreams to one connection, at most [`MAX_WAITING`]. Most connections have none.
#[derive(Default)]
struct Answers(Option<(mpsc::UnboundedSender<Wire>, mpsc::UnboundedReceiver<Wire>)>);

impl Answers {
    fn sender(&mut self) -> mpsc::UnboundedSender<Wire> {
        self.0.get_or_insert_with(mpsc::unbounded_channel).0.clone()
    }

    /// Waits for the next one; for ever, where none was asked for.
    async fn recv(&mut self) -> Option<Wire> {
        match &mut self.0 {
            Some((_, answers)) => answers.recv().await,
            None => std::future::pending().await,
        }
    }

    /// The next one that is there.
    fn next(&mut self) -> Option<Wire> {
        self.0.as_mut()?.1.try_recv().ok()
    }
}

/// The message at `at` of the stream and where the next one begins (RFC 1035 §4.2.2).
fn next_message(stream: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = stream.get(at..)?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes(*length));
    Some((rest.get(..length)?, at + 2 + length))
}

fn append(outbound: &mut Vec<u8>, wire: &Wire) {
    let bytes = wire.as_ref();
    if let Ok(length) = u16::try_from(bytes.len()) {
        outbound.extend_from_slice(&length.to_be_bytes());
        outbound.extend_from_slice(bytes);
    }
}
