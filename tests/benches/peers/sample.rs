//! How long single questions take, asked at even intervals: what dnsperf does not tell.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{LOST, answers, connected, query};
use crate::process::stolen;
use crate::servers::CORES;
use crate::system;

/// How often it is asked whether others took time of the cores.
const WINDOW: Duration = Duration::from_millis(100);
/// How many times as long as it is meant to take a sample may take, until enough of it was undisturbed.
pub(crate) const LONGEST: u32 = 3;
/// A sample of which less than one in so many of its windows was undisturbed is taken as it is.
const FEW: usize = 4;

/// How long answers took.
pub(crate) struct Latencies {
    /// The shortest first.
    answered: Vec<Duration>,
    pub(crate) lost: usize,
    /// The share of the answers that does not count, since others took time of a core just then. `None` where all count,
    /// since others hardly ever left the cores alone.
    pub(crate) left_out: Option<f64>,
}

impl Latencies {
    /// What this share of the answers did not exceed, in milliseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.answered.len() as f64).ceil() as usize;
        self.answered.get(rank.max(1) - 1).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// Asks the names in turn, `rate` of them a second at even intervals, until so long a time was undisturbed, or for
/// [`LONGEST`] times as long.
pub(crate) fn sample(server: SocketAddr, names: &[String], rate: u32, duration: Duration) -> Latencies {
    let enough = windows(duration);
    let asked = Asked::new(connected(server), rate, enough * LONGEST as usize);
    let (calm, answered) = thread::scope(|scope| {
        let sender = scope.spawn(|| asked.send(names, enough));
        let receiver = scope.spawn(|| asked.receive());
        (sender.join().expect("it does not panic"), receiver.join().expect("it does not panic"))
    });
    let lost = asked.count.load(Ordering::Acquire) - answered.len();
    let all = answered.len() as f64;
    let left_alone = calm.counting() * FEW >= enough;
    let counts = |number| !left_alone || calm.counts(number / asked.in_window);
    let mut answered: Vec<Duration> =
        answered.into_iter().filter(|(number, _)| counts(*number)).map(|(_, latency)| latency).collect();
    answered.sort_unstable();
    let left_out = left_alone.then_some(1.0 - answered.len() as f64 / all);
    Latencies { answered, lost, left_out }
}

fn windows(duration: Duration) -> usize {
    (duration.as_secs_f64() / WINDOW.as_secs_f64()) as usize
}

/// For each window whether others left the cores alone in it.
#[derive(Default)]
struct Calm(Vec<bool>);

impl Calm {
    /// Whether what was asked in this window counts: what happened right before or after it can have held up answers, too.
    fn counts(&self, window: usize) -> bool {
        let around = window.saturating_sub(1)..(window + 2).min(self.0.len());
        self.0[around].iter().all(|calm| *calm)
    }

    fn counting(&self) -> usize {
        (0..self.0.len()).filter(|window| self.counts(*window)).count()
    }
}

/// What is under way.
struct Asked {
    socket: UdpSocket,
    epoch: Instant,
    rate: u32,
    in_window: usize,
    /// When each was sent, in nanoseconds of the epoch; 0 before, and once it is answered.
    sent: Vec<AtomicU64>,
    /// How many there are, once all are sent.
    count: AtomicUsize,
}

impl Asked {
    fn new(socket: UdpSocket, rate: u32, most_windows: usize) -> Self {
        let in_window = (f64::from(rate) * WINDOW.as_secs_f64()) as usize;
        let most = in_window * most_windows;
        assert!(most <= usize::from(u16::MAX), "each has an id of its own");
        let sent = (0..most).map(|_| AtomicU64::new(0)).collect();
        Self { socket, epoch: Instant::now(), rate, in_window, sent, count: AtomicUsize::new(usize::MAX) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).expect("this does not take centuries")
    }

    fn send(&self, names: &[String], enough: usize) -> Calm {
        be_quick();
        let mut calm = Calm::default();
        for window in self.sent.chunks(self.in_window) {
            let first = calm.0.len() * self.in_window;
            let stolen_before = stolen(CORES);
            for (number, sent) in (first..).zip(window) {
                let due = Duration::from_secs(1) * u32::try_from(number).expect("few") / self.rate;
                thread::sleep(due.saturating_sub(self.epoch.elapsed()));
                let query = query(u16::try_from(number).expect("few"), &names[number % names.len()]);
                sent.store(self.now().max(1), Ordering::Release);
                let _sent = self.socket.send(&query);
            }
            calm.0.push(stolen(CORES) == stolen_before);
            if calm.counting() >= enough {
                break;
            }
        }
        self.count.store(calm.0.len() * self.in_window, Ordering::Release);
        calm
    }

    /// The number of each question that was answered, with how long it took.
    fn receive(&self) -> Vec<(usize, Duration)> {
        be_quick();
        let mut answered = Vec::with_capacity(self.sent.len());
        let mut reply = [0; 1500];
        self.socket.set_read_timeout(Some(LOST)).expect("not nothing");
        loop {
            let received = self.socket.recv(&mut reply);
            let now = self.now();
            if let Ok(length) = received {
                let number = usize::from(u16::from_be_bytes([reply[0], reply[1]]));
                let sent = self.sent.get(number).map_or(0, |sent| sent.swap(0, Ordering::Acquire));
                if answers(&reply[..length]) && sent > 0 {
                    answered.push((number, Duration::from_nanos(now - sent)));
                }
            }
            let count = self.count.load(Ordering::Acquire);
            if answered.len() >= count || (received.is_err() && count < usize::MAX) {
                return answered;
            }
        }
    }
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
