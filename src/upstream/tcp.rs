//! Asking over TCP, if a reply over UDP is truncated or in doubt. Each server has one connection, kept for a while, with many
//! questions in flight (RFC 7766 §6.2.1).
//!
//! A connection that is out of step is closed at once: it delivered a message that nobody asked for, or one that is too short
//! or not the reply to its question. A silent connection takes no new questions. A question that loses its reply so is asked
//! once more on another connection.

mod frames;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use rand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;

use super::error::ExchangeError;
use crate::dns::ResponseError;
use frames::Frames;

/// How long a connection without questions is kept (RFC 7766 §6.2.3: "on the order of a few seconds").
const IDLE: Duration = Duration::from_secs(5);
/// How many ids of finished questions a connection remembers. A reply to one of them is late or sent twice; the stream is not
/// broken.
const REMEMBERED: usize = 64;

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
    /// The ids of the latest finished questions.
    over: RefCell<VecDeque<u16>>,
    /// It takes no new question.
    retired: Cell<bool>,
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
            // The next question must not wait for a connection that was silent.
            self.connection.retired.set(true);
            self.connection.remember(self.id);
        }
    }
}

impl TcpLink {
    /// Sends a query, waits for its reply, and gives it to `read`.
    ///
    /// Some servers close after one reply: a question that is lost by that is asked again on its own connection. After
    /// `patience` without a reply, the question is asked on a new connection as well.
    pub(super) async fn ask<T>(
        &self,
        server: SocketAddr,
        message: &[u8],
        patience: Duration,
        read: impl Fn(Vec<u8>) -> Result<T, ExchangeError>,
    ) -> Result<T, ExchangeError> {
        let connection = self.connection(server).await?;
        let mut first = pin!(connection.ask(message, &read));
        match timeout(patience, first.as_mut()).await {
            Ok(Err(error)) if is_broken(&error) => {
                let alone = || async { Connection::open(server).await?.ask(message, &read).await };
                return match (error, alone().await) {
                    // The first connection failed for another question: this is the first reply to this one.
                    (ExchangeError::Unreachable(_), Err(ExchangeError::Response(why)))
                        if is_out_of_step(why) =>
                    {
                        alone().await
                    }
                    (_, outcome) => outcome,
                };
            }
            Ok(outcome) => return outcome,
            Err(_) => connection.retired.set(true),
        }
        let mut second = pin!(async { self.connection(server).await?.ask(message, &read).await });
        tokio::select! {
            outcome = first.as_mut() => if outcome.is_ok() { outcome } else { second.await },
            outcome = second.as_mut() => if outcome.is_ok() { outcome } else { first.await },
        }
    }

    async fn connection(&self, server: SocketAddr) -> Result<Rc<Connection>, ExchangeError> {
        let mut current = self.current.lock().await;
        if let Some(connection) = current.as_ref().filter(|connection| !connection.retired.get()) {
            return Ok(Rc::clone(connection));
        }
        let connection = Connection::open(server).await?;
        *current = Some(Rc::clone(&connection));
        Ok(connection)
    }
}

/// Whether the connection failed, or delivered something else than the reply.
fn is_broken(error: &ExchangeError) -> bool {
    match error {
        ExchangeError::Unreachable(_) => true,
        ExchangeError::Response(why) => is_out_of_step(*why),
        _ => false,
    }
}

fn is_out_of_step(why: ResponseError) -> bool {
    matches!(why, ResponseError::Malformed | ResponseError::NotOurs)
}

impl Connection {
    async fn open(server: SocketAddr) -> Result<Rc<Self>, ExchangeError> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        let connection = Rc::new(Self {
            writer: Mutex::new(writer),
            pending: RefCell::default(),
            over: RefCell::default(),
            retired: Cell::new(false),
        });
        tokio::task::spawn_local(receive(Rc::clone(&connection), reader));
        Ok(connection)
    }

    async fn ask<T>(
        self: &Rc<Self>,
        message: &[u8],
        read: impl Fn(Vec<u8>) -> Result<T, ExchangeError>,
    ) -> Result<T, ExchangeError> {
        let outcome = read(self.reply_to(message).await?);
        if outcome.as_ref().is_err_and(is_broken) {
            // If a length is wrong by some octets, the message that it cuts is the first sign.
            self.close(&ExchangeError::Unreachable(ErrorKind::InvalidData));
        }
        outcome
    }

    async fn reply_to(self: &Rc<Self>, message: &[u8]) -> Reply {
        let (id, reply) = self.register()?;
        let mut waiting = Waiting { connection: Rc::clone(self), id, reply };
        let length = u16::try_from(message.len()).map_err(|_| ExchangeError::Overload)?;
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend_from_slice(&id.to_be_bytes());
        framed.extend_from_slice(message.get(2..).unwrap_or_default());
        let write = async {
            let mut writer = self.writer.lock().await;
            // If this is dropped in the middle of a frame, the stream lacks the rest of the frame.
            let unfinished = Unfinished(self);
            let written = writer.write_all(&framed).await;
            std::mem::forget(unfinished);
            written
        };
        let reply = tokio::select! {
            // If the connection is closed meanwhile, this ends at once.
            reply = &mut waiting.reply => reply,
            written = write => {
                if let Err(error) = written {
                    self.close(&error.into());
                }
                (&mut waiting.reply).await
            }
        };
        reply.unwrap_or(Err(ExchangeError::Unreachable(ErrorKind::ConnectionReset)))
    }

    fn register(&self) -> Result<(u16, oneshot::Receiver<Reply>), ExchangeError> {
        if self.retired.get() {
            return Err(ExchangeError::Unreachable(ErrorKind::ConnectionReset));
        }
        let (mut pending, over) = (self.pending.borrow_mut(), self.over.borrow());
        let is_free = |id: &u16| !pending.contains_key(id) && !over.contains(id);
        let id = (0..64).map(|_| rand::rng().random()).find(is_free);
        let id = id.ok_or(ExchangeError::Overload)?;
        let (sender, receiver) = oneshot::channel();
        pending.insert(id, sender);
        Ok((id, receiver))
    }

    /// Gives a message to the question that it answers. Returns whether the stream is still in step.
    fn deliver(&self, message: &[u8]) -> bool {
        let Some(id) = message.first_chunk().map(|id| u16::from_be_bytes(*id)) else { return false };
        let Some(sender) = self.pending.borrow_mut().remove(&id) else {
            return self.over.borrow().contains(&id);
        };
        self.remember(id);
        let _ = sender.send(Ok(message.to_vec()));
        true
    }

    fn remember(&self, id: u16) {
        let mut over = self.over.borrow_mut();
        if over.len() >= REMEMBERED {
            over.pop_front();
        }
        over.push_back(id);
    }

    fn close(&self, error: &ExchangeError) {
        self.retired.set(true);
        for (_, sender) in self.pending.borrow_mut().drain() {
            let _ = sender.send(Err(error.clone()));
        }
    }

    /// Whether no question waits, and none will.
    fn is_finished(&self) -> bool {
        self.retired.get() && self.pending.borrow().is_empty()
    }
}

/// Marks the connection as of no more use when dropped.
struct Unfinished<'a>(&'a Connection);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.retired.set(true);
    }
}

async fn receive(connection: Rc<Connection>, mut reader: OwnedReadHalf) {
    // However this ends, nobody else is to ask here.
    let _of_no_more_use = Unfinished(&connection);
    let mut frames = Frames::default();
    loop {
        let in_step = frames.take_each(|message| connection.deliver(message));
        if !in_step {
            return connection.close(&ExchangeError::Unreachable(ErrorKind::InvalidData));
        }
        if connection.is_finished() {
            return;
        }
        match timeout(IDLE, reader.read_buf(frames.room())).await {
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
