//! The daemon's side of the socket. No client can make it wait, or take more memory than the constants here say: requests and
//! clients are limited, and a client that neither writes nor reads is disconnected.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use super::protocol::{Command, LONGEST_REQUEST, Reply, Request, VERSION};
use super::socket::{ControlSocket, SocketError};
use super::{places, report};
use crate::telemetry::{BlockEvent, Telemetry};

/// Clients at a time.
const CLIENTS: usize = 16;
/// Of these, how many may follow: they stay.
const FOLLOWERS: usize = 8;
/// How long a client may take for its request.
const READ_PATIENCE: Duration = Duration::from_secs(5);
/// How long a client may take to read one reply.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);
/// Blocks fetched at once.
const BLOCKS: usize = 64;
/// How often a client that follows is told of repeats.
const REPEATS: Duration = Duration::from_secs(1);
/// How often it is looked whether the socket is still in its place; one that could not be had is tried again then.
const CHECK: Duration = Duration::from_secs(5);

/// A command for the daemon to carry out, and where to say what came of it.
#[derive(Debug)]
pub struct Call {
    /// What is wanted; never [`Command::Blocked`].
    pub command: Command,
    /// Who wants it.
    pub reply: oneshot::Sender<Reply>,
}

/// What the server needs.
#[derive(Debug, Clone)]
pub struct Control {
    /// Where the socket is to be.
    pub socket: PathBuf,
    /// Which blocks there were.
    pub telemetry: Arc<Telemetry>,
    /// Who carries out the commands; few may wait.
    pub calls: mpsc::Sender<Call>,
}

/// Makes the socket, and serves it as a task of the [`LocalSet`](tokio::task::LocalSet) this is called in. Where it cannot be
/// had, says so and goes on trying; where it is taken away, makes it anew. Returns where it is at first, if it could be had.
pub fn start(control: Control) -> Option<PathBuf> {
    let socket = open(&control);
    let place = socket.as_ref().ok().map(|socket| socket.path.clone());
    tokio::task::spawn_local(serve(control, socket));
    place
}

async fn serve(control: Control, mut socket: Result<ControlSocket, SocketError>) {
    let mut tick = interval_at(Instant::now() + CHECK, CHECK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let room =
        Room { clients: Arc::new(Semaphore::new(CLIENTS)), followers: Arc::new(Semaphore::new(FOLLOWERS)) };
    let mut said = String::new();
    loop {
        match socket {
            Ok(socket) => {
                tell_place(&control.socket, &socket.path);
                said.clear();
                accept(&control, &socket, &room, &mut tick).await;
                tracing::warn!(path = %socket.path.display(), "the control socket was taken away");
            }
            // Once for each reason.
            Err(error) if said != error.to_string() => {
                said = error.to_string();
                tracing::warn!(%error, "no control socket: `stubborn status` and its like do not work");
                tick.tick().await;
            }
            Err(_) => drop(tick.tick().await),
        }
        socket = open(&control);
    }
}

/// Says where the socket is, if it is not where the configuration has it.
fn tell_place(wanted: &Path, path: &Path) {
    if path == wanted {
        tracing::debug!(path = %path.display(), "the control socket is there");
    } else {
        tracing::info!(
            "the control socket is {}, since this user may not make {}: commands of the same user find it",
            path.display(),
            wanted.display()
        );
    }
}

fn open(control: &Control) -> Result<ControlSocket, SocketError> {
    let mut first = None;
    for place in places(&control.socket) {
        match ControlSocket::open(&place) {
            Err(error) if error.is_about_permission() => first = first.or(Some(error)),
            opened => return opened,
        }
    }
    Err(first.unwrap_or(SocketError::NotASocket { path: control.socket.clone() }))
}

/// Accepts clients until the socket is no longer in its place.
async fn accept(control: &Control, socket: &ControlSocket, room: &Room, tick: &mut Interval) {
    let mut silent = Silent::default();
    loop {
        tokio::select! {
            accepted = socket.listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let place = match Arc::clone(&room.clients).try_acquire_owned() {
                        Err(_) if silent.disconnect_one() => Arc::clone(&room.clients).acquire_owned().await.ok(),
                        place => place.ok(),
                    };
                    // If all places are taken by clients that have asked, a new one is disconnected: it can try again.
                    let Some(place) = place else { continue };
                    let client = Client { stream, control: control.clone(), room: room.clone() };
                    let disconnected = silent.add();
                    tokio::task::spawn_local(async move {
                        // A client that is gone or hangs needs no answer.
                        let _ = client.serve(disconnected).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a control connection could not be accepted");
                    tick.tick().await;
                }
            },
            _ = tick.tick() => if !socket.is_in_place() { return },
        }
    }
}

/// The clients that have not asked anything yet, the longest silent first. Each waits for the word to go.
#[derive(Debug, Default)]
struct Silent(VecDeque<oneshot::Sender<()>>);

impl Silent {
    fn add(&mut self) -> oneshot::Receiver<()> {
        // Those that have asked, or are gone, no longer wait for it.
        self.0.retain(|client| !client.is_closed());
        let (sender, disconnected) = oneshot::channel();
        self.0.push_back(sender);
        disconnected
    }

    /// Makes room for a new client. Returns whether there was a silent one.
    fn disconnect_one(&mut self) -> bool {
        std::iter::from_fn(|| self.0.pop_front()).any(|client| client.send(()).is_ok())
    }
}

/// Room for clients, and for those who stay.
#[derive(Debug, Clone)]
struct Room {
    clients: Arc<Semaphore>,
    followers: Arc<Semaphore>,
}

struct Client {
    stream: UnixStream,
    control: Control,
    room: Room,
}

impl Client {
    async fn serve(mut self, disconnected: oneshot::Receiver<()>) -> io::Result<()> {
        let request = tokio::select! {
            biased;
            request = patient(READ_PATIENCE, read_line(&mut self.stream)) => request?,
            _ = disconnected => return Ok(()),
        };
        let request = match read_request(&request) {
            Ok(request) => request,
            Err(message) => return self.write(&Reply::Refused { message }).await,
        };
        match request.command {
            Command::Blocked { since_seconds, follow, all, repeats } => {
                let wanted = Wanted { since: since(since_seconds), follow, all, repeats };
                self.blocked(&wanted).await
            }
            command => {
                let (sender, reply) = oneshot::channel();
                let sent = self.control.calls.send(Call { command, reply: sender }).await;
                let reply = if sent.is_ok() { reply.await.ok() } else { None };
                let stopping = || Reply::Refused { message: "the daemon is stopping".to_owned() };
                self.write(&reply.unwrap_or_else(stopping)).await
            }
        }
    }

    /// Sends the blocks so far, and then, if the client follows, those to come. What waits to be sent stays where it is: a client
    /// that reads slowly misses some.
    async fn blocked(&mut self, wanted: &Wanted) -> io::Result<()> {
        let place = wanted.follow.then(|| Arc::clone(&self.room.followers).try_acquire_owned());
        if matches!(place, Some(Err(_))) {
            let message = format!("{FOLLOWERS} clients follow already");
            return self.write(&Reply::Refused { message }).await;
        }
        let telemetry = Arc::clone(&self.control.telemetry);
        let mut newest = telemetry.follow_blocks();
        let mut mark = telemetry.block_mark();
        let mut tick = interval_at(Instant::now() + REPEATS, REPEATS);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = 0;
        loop {
            let until = *newest.borrow_and_update();
            while last < until {
                let blocks = telemetry.blocks_after(last, wanted.all, BLOCKS);
                last = blocks.last().map_or(until, |newest| newest.number);
                self.send(blocks.iter().filter(|block| wanted.since.is_none_or(|since| block.last >= since)))
                    .await?;
            }
            if !wanted.follow {
                return self.write(&Reply::End).await;
            }
            tokio::select! {
                changed = newest.changed() => if changed.is_err() { return Ok(()) },
                _ = tick.tick(), if wanted.repeats => {
                    let (blocks, next) = telemetry.blocks_repeated(mark, last, wanted.all, BLOCKS);
                    mark = next;
                    self.send(blocks.iter()).await?;
                }
                () = gone(&mut self.stream) => return Ok(()),
            }
        }
    }

    async fn send(&mut self, blocks: impl Iterator<Item = &BlockEvent>) -> io::Result<()> {
        for block in blocks {
            self.write(&Reply::Block(Box::new(report::block(block)))).await?;
        }
        Ok(())
    }

    async fn write(&mut self, reply: &Reply) -> io::Result<()> {
        patient(WRITE_PATIENCE, self.stream.write_all(&reply.to_line())).await
    }
}

/// Which blocks a client wants.
struct Wanted {
    since: Option<Timestamp>,
    follow: bool,
    all: bool,
    repeats: bool,
}

fn since(seconds: Option<u64>) -> Option<Timestamp> {
    let ago = SignedDuration::from_secs(i64::try_from(seconds?).ok()?);
    Timestamp::now().checked_sub(ago).ok()
}

/// Waits until the client has closed its side.
async fn gone(stream: &mut UnixStream) {
    let mut ignored = [0; 256];
    while stream.read(&mut ignored).await.is_ok_and(|length| length > 0) {}
}

async fn patient<T>(patience: Duration, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(patience, what).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

/// Reads up to the end of a line, or of what the client has to say. More than a request may have is not read.
async fn read_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    while line.len() <= LONGEST_REQUEST && !line.contains(&b'\n') {
        let mut room = [0; 512];
        let length = stream.read(&mut room).await?;
        if length == 0 {
            break;
        }
        line.extend_from_slice(room.get(..length).unwrap_or_default());
    }
    Ok(line)
}

fn read_request(octets: &[u8]) -> Result<Request, String> {
    #[derive(serde::Deserialize)]
    struct Version {
        version: u32,
    }
    let line = octets.split(|octet| *octet == b'\n').next().unwrap_or_default();
    if line.len() >= LONGEST_REQUEST {
        return Err(format!("a request has at most {LONGEST_REQUEST} octets"));
    }
    match serde_json::from_slice::<Version>(line) {
        Ok(Version { version: VERSION }) => {}
        Ok(Version { version }) => {
            return Err(format!("this daemon speaks version {VERSION}, and not {version}"));
        }
        Err(error) => return Err(format!("this is not a request: {error}")),
    }
    serde_json::from_slice(line).map_err(|error| format!("this is not a request: {error}"))
}
