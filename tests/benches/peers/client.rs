//! A client of our own, for what dnsperf does not tell.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// How soon a question without an answer is sent again to a server that starts.
const AGAIN: Duration = Duration::from_micros(200);

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

/// The moment at which a server that is starting first answers well.
pub(crate) fn first_answer(server: SocketAddr, deadline: Instant) -> Option<Instant> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    socket.connect(server).expect("loopback");
    socket.set_read_timeout(Some(AGAIN)).expect("not nothing");
    let mut reply = [0; 1500];
    let mut id = 0_u16;
    loop {
        let sent = Instant::now();
        if sent > deadline {
            return None;
        }
        id = id.wrapping_add(1);
        // While nobody listens there, this fails, and so does the next reading.
        let _sent = socket.send(&query(id, "first.bench.example"));
        while sent.elapsed() < AGAIN {
            if let Ok(length) = socket.recv(&mut reply)
                && answers(&reply[..length])
            {
                return Some(Instant::now());
            }
        }
    }
}
