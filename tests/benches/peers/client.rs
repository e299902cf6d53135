//! Clients of our own, for what dnsperf does not do or does not tell.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::dnsperf::{Names, Outcome};
use crate::process::stolen;
use crate::servers::{OTHER_CORE, SERVER_CORE};
use crate::system;

/// How soon a question without an answer is sent again to a server that starts.
const AGAIN: Duration = Duration::from_micros(200);
/// What is not answered after this is lost.
const LOST: Duration = Duration::from_secs(2);
/// TCP connections at a time.
const CONNECTIONS: usize = 8;

/// A query for A with recursion desired.
pub(crate) fn query(id: u16, name: &str) -> Vec<u8> {
    let mut octets = id.to_be_bytes().to_vec();
    octets.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        octets.push(u8::try_from(label.len()).expect("a label is short"));
        octets.extend(label.as_bytes());
    }
    octets.extend([0, 0, 1, 0, 1]);
    octets
}

/// Whether these octets answer without an error.
fn answers(octets: &[u8]) -> bool {
    octets.len() >= 12 && octets[2] & 0x80 != 0 && octets[3] & 0x0F == 0
}

fn connected(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    socket.connect(server).expect("loopback");
    socket
}

/// The moment at which a server that is starting first answers well.
pub(crate) fn first_answer(server: SocketAddr, deadline: Instant) -> Option<Instant> {
    first_reply(server, "first.bench.example", deadline, answers)
}

/// The moment at which the reply to a name is first as `wanted`; asks again and again.
pub(crate) fn first_reply(
    server: SocketAddr,
    name: &str,
    deadline: Instant,
    wanted: impl Fn(&[u8]) -> bool,
) -> Option<Instant> {
    let socket = connected(server);
    socket.set_nonblocking(true).expect("a socket can be");
    let mut reply = [0; 1500];
    let mut id = 0_u16;
    loop {
        let sent = Instant::now();
        if sent > deadline {
            return None;
        }
        id = id.wrapping_add(1);
        // While nobody listens there, this fails, and so does the next reading.
        let _sent = socket.send(&query(id, name));
        while sent.elapsed() < AGAIN {
            if let Ok(length) = socket.recv(&mut reply)
                && wanted(&reply[..length])
            {
                return Some(Instant::now());
            }
        }
    }
}

/// How long answers took.
pub(crate) struct Latencies {
    /// The shortest first.
    answered: Vec<Duration>,
    pub(crate) lost: usize,
    /// The share of the answers that does not count, since others took time of the cores just then; of all, if they never
    /// left them alone.
    pub(crate) disturbed: f64,
}

impl Latencies {
    /// What this share of the answers did not exceed, in milliseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.answered.len() as f64).ceil() as usize;
        self.answered.get(rank.max(1) - 1).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// How often it is asked whether others took time of the cores.
const WINDOW: Duration = Duration::from_millis(100);
/// How many times as long as it is meant to take a sample may take, until enough of it was undisturbed.
pub(crate) const LONGEST: u32 = 3;
/// A sample of which less than one in so many windows was undisturbed is taken as it is.
const FEW: usize = 4;

/// Stretches of time in which others did or did not take time of the cores.
#[derive(Default)]
struct Windows(Vec<bool>);

impl Windows {
    /// Whether what was asked in this one counts: what happened just before or after it can have held up answers, too.
    fn counts(&self, window: usize) -> bool {
        let calm = |window: usize| self.0.get(window).is_none_or(|calm| *calm);
        calm(window) && calm(window + 1) && window.checked_sub(1).is_none_or(calm)
    }

    fn counting(&self) -> usize {
        (0..self.0.len()).filter(|window| self.counts(*window)).count()
    }
}

/// Asks the names in turn, `rate` of them a second at even intervals, and waits for the answers, until answers of so long a
/// time were not disturbed by others, or for [`LONGEST`] times as long.
pub(crate) fn sample(server: SocketAddr, names: &[String], rate: u32, duration: Duration) -> Latencies {
    let in_window = (f64::from(rate) * WINDOW.as_secs_f64()) as usize;
    let enough = (duration.as_secs_f64() / WINDOW.as_secs_f64()) as usize;
    let most = in_window * enough * LONGEST as usize;
    assert!(most <= usize::from(u16::MAX), "each has an id of its own");
    let socket = connected(server);
    // When each was sent, in nanoseconds; nothing was sent at 0.
    let sent: Vec<AtomicU64> = (0..most).map(|_| AtomicU64::new(0)).collect();
    let count = AtomicUsize::new(usize::MAX);
    let epoch = Instant::now();
    let since = || u64::try_from(epoch.elapsed().as_nanos()).expect("this does not take centuries");
    let (windows, answered) = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            be_quick();
            let mut windows = Windows::default();
            while windows.0.len() < enough * LONGEST as usize && windows.counting() < enough {
                let stolen_before = stolen(&[SERVER_CORE, OTHER_CORE]);
                for number in (windows.0.len() * in_window..).take(in_window) {
                    let due = Duration::from_secs(1) * u32::try_from(number).expect("few") / rate;
                    thread::sleep(due.saturating_sub(epoch.elapsed()));
                    let query = query(u16::try_from(number).expect("few"), &names[number % names.len()]);
                    sent[number].store(since().max(1), Ordering::Release);
                    let _sent = socket.send(&query);
                }
                windows.0.push(stolen(&[SERVER_CORE, OTHER_CORE]) == stolen_before);
            }
            count.store(windows.0.len() * in_window, Ordering::Release);
            windows
        });
        let receiver = scope.spawn(|| {
            be_quick();
            let mut answered = Vec::with_capacity(most);
            let mut reply = [0; 1500];
            socket.set_read_timeout(Some(LOST)).expect("not nothing");
            loop {
                let received = socket.recv(&mut reply);
                let now = since();
                let count = count.load(Ordering::Acquire);
                if let Ok(length) = received {
                    let number = usize::from(u16::from_be_bytes([reply[0], reply[1]]));
                    let asked = sent.get(number).map_or(0, |sent| sent.swap(0, Ordering::Acquire));
                    if answers(&reply[..length]) && asked > 0 {
                        answered.push((number / in_window, Duration::from_nanos(now - asked)));
                    }
                }
                if answered.len() >= count || (received.is_err() && count < usize::MAX) {
                    return answered;
                }
            }
        });
        (sender.join().expect("it does not panic"), receiver.join().expect("it does not panic"))
    });
    let lost = windows.0.len() * in_window - answered.len();
    let calm = windows.counting() * FEW >= enough;
    let counting = |window: usize| !calm || windows.counts(window);
    let mut latencies: Vec<Duration> =
        answered.iter().filter(|(window, _)| counting(*window)).map(|(_, latency)| *latency).collect();
    latencies.sort_unstable();
    let disturbed = if calm { 1.0 - latencies.len() as f64 / answered.len() as f64 } else { 1.0 };
    Latencies { answered: latencies, lost, disturbed }
}

/// So that what is measured is the server, not how long this thread waits for dnsperf to leave the core.
fn be_quick() {
    static SAID: Once = Once::new();
    if let Err(error) = system::hurry() {
        SAID.call_once(|| {
            crate::say!("latencies hold the wait for a core too, since only root may go first: {error}")
        });
    }
}

/// Asks over TCP, with a connection for each query.
pub(crate) fn tcp_once(server: SocketAddr, names: &Names, duration: Duration) -> Outcome {
    let names = names.list();
    let start = Instant::now();
    let one_client = |first: usize| {
        let (mut fine, mut lost) = (0_u64, 0_u64);
        let mut number = first;
        while start.elapsed() < duration {
            match ask_once(server, &names[number % names.len()]) {
                Ok(true) => fine += 1,
                Ok(false) | Err(_) => lost += 1,
            }
            number += CONNECTIONS;
        }
        (fine, lost)
    };
    let counts: Vec<(u64, u64)> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS).map(|first| scope.spawn(move || one_client(first))).collect();
        clients.into_iter().map(|client| client.join().expect("it does not panic")).collect()
    });
    let seconds = start.elapsed().as_secs_f64();
    let (fine, lost) = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let per_second = fine as f64 / seconds;
    Outcome { completed: fine, lost, fine, per_second, latency: 1000.0 * CONNECTIONS as f64 / per_second }
}

fn ask_once(server: SocketAddr, name: &str) -> io::Result<bool> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(LOST))?;
    let query = query(1, name);
    let mut message = u16::try_from(query.len()).expect("it is short").to_be_bytes().to_vec();
    message.extend(query);
    stream.write_all(&message)?;
    let mut reply = [0; 1500];
    let mut length = 0;
    while length < 2 || length < 2 + usize::from(u16::from_be_bytes([reply[0], reply[1]])) {
        match stream.read(&mut reply[length..])? {
            0 => return Ok(false),
            more => length += more,
        }
    }
    Ok(answers(&reply[2..length]))
}
