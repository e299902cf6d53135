//! The listener: one request a connection, with bounds on all that a client can make it wait for or keep.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use super::Sources;
use super::families::render;
use super::request::{HEAD_TOO_LARGE, METHOD_NOT_ALLOWED, Status, TIMEOUT, Verdict, judge};
use super::settings::MetricsSettings;

/// Connections at a time.
const CONNECTIONS: usize = 16;
/// The longest head of a request, in octets.
const LONGEST_HEAD: usize = 8 << 10;
/// How long a client may take for its request, and how long for reading the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it is waited for a client to end its side, and how much it may say until then: closed with octets unread, a
/// connection may lose the answer on its way.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS: usize = 64 << 10;
/// When a listener that could not be had is tried again, and the pause after a failure to accept.
const AGAIN: Duration = Duration::from_secs(5);

/// Listens, and serves as a task of the [`LocalSet`](tokio::task::LocalSet) this is called in. An address that cannot be had
/// is said and tried again: the daemon serves without metrics, too.
pub fn start(settings: MetricsSettings, address: SocketAddr, sources: Sources) {
    let listener = listen(address);
    let shared = Arc::new(Shared { settings, sources });
    tokio::task::spawn_local(serve(address, shared, listener));
}

struct Shared {
    settings: MetricsSettings,
    sources: Sources,
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn serve(address: SocketAddr, shared: Arc<Shared>, mut listener: io::Result<TcpListener>) {
    let mut tick = interval_at(Instant::now() + AGAIN, AGAIN);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = false;
    loop {
        match listener {
            Ok(listener) => {
                let address = listener.local_addr().unwrap_or(address);
                tracing::info!(%address, "metrics can be read");
                return accept(&listener, &shared, &mut tick).await;
            }
            Err(error) if !said => {
                said = true;
                tracing::warn!(%address, %error, "no metrics: the address cannot be had; it is tried again");
            }
            Err(_) => {}
        }
        tick.tick().await;
        listener = listen(address);
    }
}

async fn accept(listener: &TcpListener, shared: &Arc<Shared>, tick: &mut Interval) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                if !shared.settings.allows(client.ip()) {
                    tracing::debug!(client = %client.ip(), "may not read the metrics");
                    continue;
                }
                // Who comes when all places are taken is left at once.
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                let shared = Arc::clone(shared);
                tokio::task::spawn_local(async move {
                    // A client that is gone or hangs needs no answer.
                    let _ = answer(stream, &shared).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection for metrics could not be accepted");
                tick.reset();
                tick.tick().await;
            }
        }
    }
}

async fn answer(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let local = stream.local_addr()?.ip();
    let verdict = match timeout(PATIENCE, read_head(&mut stream)).await {
        Ok(head) => verdict(&head?, &shared.settings, local),
        Err(_) => Verdict::Refused(TIMEOUT, "the request took too long"),
    };
    let reply = match verdict {
        Verdict::Metrics { head_only } => reply((200, "OK"), &render(&shared.sources), head_only),
        Verdict::Refused(status, why) => reply(status, &format!("{why}\n"), false),
    };
    let written = async {
        stream.write_all(reply.as_bytes()).await?;
        stream.shutdown().await
    };
    timeout(PATIENCE, written).await??;
    let _ = timeout(LINGER, drain(&mut stream)).await;
    Ok(())
}

fn verdict(head: &Head, settings: &MetricsSettings, local: IpAddr) -> Verdict {
    match head {
        Head::Whole(head) => judge(head, settings, local),
        Head::TooLong => Verdict::Refused(HEAD_TOO_LARGE, "the request is too long"),
    }
}

enum Head {
    Whole(Vec<u8>),
    TooLong,
}

/// Reads up to the empty line that ends a head.
async fn read_head(stream: &mut TcpStream) -> io::Result<Head> {
    const END: &[u8] = b"\r\n\r\n";
    let mut head = Vec::new();
    loop {
        let mut room = [0; 1024];
        let length = stream.read(&mut room).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let from = head.len().saturating_sub(END.len());
        head.extend_from_slice(room.get(..length).unwrap_or_default());
        let end = head.get(from..).and_then(|new| new.windows(END.len()).position(|four| four == END));
        if let Some(end) = end {
            head.truncate(from + end);
            return Ok(Head::Whole(head));
        }
        if head.len() > LONGEST_HEAD {
            return Ok(Head::TooLong);
        }
    }
}

async fn drain(stream: &mut TcpStream) {
    let mut left = LINGER_OCTETS;
    let mut room = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut room).await
        && length < left
    {
        left -= length;
    }
}

/// No header lets another origin read this, frame it, or take it for something else than it is.
fn reply(status: Status, body: &str, head_only: bool) -> String {
    let (code, phrase) = status;
    let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    let kind =
        if code == 200 { "text/plain; version=0.0.4; charset=utf-8" } else { "text/plain; charset=utf-8" };
    let allow = if status == METHOD_NOT_ALLOWED { "Allow: GET, HEAD\r\n" } else { "" };
    let length = body.len();
    let body = if head_only { "" } else { body };
    format!(
        "HTTP/1.1 {code} {phrase}\r\n\
         Date: {date}\r\n\
         Content-Type: {kind}\r\n\
         Content-Length: {length}\r\n\
         Connection: close\r\n\
         Cache-Control: no-store\r\n\
         Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n\
         Cross-Origin-Resource-Policy: same-origin\r\n\
         X-Content-Type-Options: nosniff\r\n\
         {allow}\r\n\
         {body}"
    )
}
