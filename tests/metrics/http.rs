//! Requests as octets, and what comes back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support_more::DEADLINE;

/// A response as it came.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    /// The value of a header field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Sends these octets and reads until the connection ends; nothing came back if there is no response.
pub(crate) fn say(address: SocketAddr, octets: &[u8]) -> Option<Response> {
    let mut stream = connect(address);
    // It may be refused before all of it was read.
    let _ = stream.write_all(octets);
    response(&mut stream)
}

/// What comes back on this connection.
pub(crate) fn response(stream: &mut TcpStream) -> Option<Response> {
    let mut octets = Vec::new();
    // A reset after the response takes nothing of it away.
    let _ = stream.read_to_end(&mut octets);
    if octets.is_empty() {
        return None;
    }
    let text = String::from_utf8(octets).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no end of the head: {text}"));
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap().parse().unwrap();
    Some(Response { status, head: head.to_owned(), body: body.to_owned() })
}

/// Asks for a path as most programs do, by this name.
pub(crate) fn get(address: SocketAddr, host: &str, path: &str) -> Option<Response> {
    say(
        address,
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n").as_bytes(),
    )
}
