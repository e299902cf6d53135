//! Asking over TCP: where a reply over UDP is truncated, or its letter case in doubt. One connection to a server, kept
//! for a while, with many questions under way at once (RFC 7766 §6.2.1).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use rand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;

use super::error::ExchangeError;

/// How long a connection without questions is kept (RFC 7766 §6.2.3: "on the order of a few seconds").
const IDLE: Duration = Duration::from_secs(5);

type Reply = Result<Vec<u8>, ExchangeError>;

/// The connection to one server, of one worker.
#[derive(Default)]
pub(super) struct TcpLink {
    /// Held while connecting, so that one connection serves all who wait for it.
    current: Mutex<Option<Rc<Connection>>>,
}

struct Connection {
    writer: Mutex<OwnedWriteHalf>,
    pending: RefCell<HashMap<u16, oneshot::Sender<Reply>>>,
    closed: Cell<bool>,
}

/// Forgets the question when the asker does.
struct Waiting {
    connection: Rc<Connection>,
    id: u16,
    reply: oneshot::Receiver<Reply>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Once there was a reply, its id may be another question's.
        self.reply.close();
        let mut pending = self.connection.pending.borrow_mut();
        if pending.get(&self.id).is_some_and(oneshot::Sender::is_closed) {
            pending.remove(&self.id);
        }
    }
}

impl TcpLink {
    /// Sends a query and waits for its reply.
    ///
    /// Some servers close after one reply: whose question is lost by that asks again on a connection of its own.
    pub(super) async fn ask(&self, server: SocketAddr, message: &[u8]) -> Reply {
        let shared = self.connection(server).await?;
        match shared.ask(message).await {
            Err(ExchangeError::Unreachable(_)) => Connection::open(server).await?.ask(message).await,
            reply => reply,
        }
    }

    async fn connection(&self, server: SocketAddr) -> Result<Rc<Connection>, ExchangeError> {
        let mut current = self.current.lock().await;
        if let Some(connection) = current.as_ref().filter(|connection| !connection.closed.get()) {
            return Ok(Rc::clone(connection));
        }
        let connection = Connection::open(server).await?;
        *current = Some(Rc::clone(&connection));
        Ok(connection)
    }
}

impl Connection {
    async fn open(server: SocketAddr) -> Result<Rc<Self>, ExchangeError> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        let connection = Rc::new(Self {
            writer: Mutex::new(writer),
            pending: RefCell::default(),
            closed: Cell::new(false),
        });
        tokio::task::spawn_local(receive(Rc::clone(&connection), reader));
        Ok(connection)
    }

    async fn ask(self: &Rc<Self>, message: &[u8]) -> Reply {
        let (id, reply) = self.register()?;
        let mut waiting = Waiting { connection: Rc::clone(self), id, reply };
        let length = u16::try_from(message.len()).map_err(|_| ExchangeError::Overload)?;
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend_from_slice(&id.to_be_bytes());
        framed.extend_from_slice(message.get(2..).unwrap_or_default());
        let mut writer = self.writer.lock().await;
        // Dropped in the middle of a frame, the rest of it would be missing from the stream.
        let unfinished = Unfinished(self);
        let written = writer.write_all(&framed).await;
        std::mem::forget(unfinished);
        drop(writer);
        if let Err(error) = written {
            self.close(&error.into());
        }
        (&mut waiting.reply).await.unwrap_or(Err(ExchangeError::Unreachable(ErrorKind::ConnectionReset)))
    }

    fn register(&self) -> Result<(u16, oneshot::Receiver<Reply>), ExchangeError> {
        let mut pending = self.pending.borrow_mut();
        let id = (0..64).map(|_| rand::rng().random()).find(|id| !pending.contains_key(id));
        let id = id.ok_or(ExchangeError::Overload)?;
        let (sender, receiver) = oneshot::channel();
        pending.insert(id, sender);
        Ok((id, receiver))
    }

    fn close(&self, error: &ExchangeError) {
        self.closed.set(true);
        for (_, sender) in self.pending.borrow_mut().drain() {
            let _ = sender.send(Err(error.clone()));
        }
    }
}

/// Marks the connection as of no more use when dropped.
struct Unfinished<'a>(&'a Connection);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.closed.set(true);
    }
}

async fn receive(connection: Rc<Connection>, mut reader: OwnedReadHalf) {
    // However this ends, nobody else is to ask here.
    let _of_no_more_use = Unfinished(&connection);
    let mut stream = Vec::new();
    loop {
        while let Some(message) = take_message(&mut stream) {
            let id = message.first_chunk().map(|id| u16::from_be_bytes(*id));
            // A message nobody waits for is dropped.
            if let Some(sender) = id.and_then(|id| connection.pending.borrow_mut().remove(&id)) {
                let _ = sender.send(Ok(message));
            }
        }
        match timeout(IDLE, reader.read_buf(&mut stream)).await {
            Ok(Ok(length)) if length > 0 => {}
            Ok(Ok(_)) => return connection.close(&ExchangeError::Unreachable(ErrorKind::UnexpectedEof)),
            Ok(Err(error)) => return connection.close(&error.into()),
            Err(_) if connection.pending.borrow().is_empty() => {
                return connection.close(&ExchangeError::Unreachable(ErrorKind::ConnectionReset));
            }
            // Somebody waits, and has a deadline of his own.
            Err(_) => {}
        }
    }
}

/// The first whole message of the stream, taken off it (RFC 1035 §4.2.2).
fn take_message(stream: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes(*stream.first_chunk()?));
    let message = stream.get(2..2 + length)?.to_vec();
    stream.drain(..2 + length);
    Some(message)
}
