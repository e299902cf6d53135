//! Clients of our own, for what dnsperf does not do.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::dnsperf::{Names, Outcome};

/// How soon a question without an answer is sent again to a server that starts.
const AGAIN: Duration = Duration::from_micros(200);
/// What is not answered after this is lost.
pub(crate) const LOST: Duration = Duration::from_secs(2);
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
pub(crate) fn answers(octets: &[u8]) -> bool {
    octets.len() >= 12 && octets[2] & 0x80 != 0 && octets[3] & 0x0F == 0
}

pub(crate) fn connected(server: SocketAddr) -> UdpSocket {
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
