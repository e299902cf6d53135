//! A client with a window of questions under way, over UDP or on one stream, that does without none of the answers.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use crate::clients::socket;
use crate::packet;
use crate::support::daemon::DEADLINE;

/// Questions under way.
const WINDOW: u16 = 32;

pub enum Pipeline {
    Datagrams(UdpSocket),
    Stream(TcpStream),
}

impl Pipeline {
    pub fn datagrams(server: SocketAddr) -> Self {
        Self::Datagrams(socket("127.0.0.1", server, DEADLINE))
    }

    pub fn stream(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self::Stream(stream)
    }

    /// Asks the same a whole window of times; the replies, each of which has come.
    #[track_caller]
    pub fn exchange(&mut self, query: &[u8]) -> Vec<Vec<u8>> {
        let mut queries = (0..WINDOW).map(|id| [&id.to_be_bytes()[..], &query[2..]].concat());
        let replies: Vec<Vec<u8>> = match self {
            Self::Datagrams(socket) => {
                queries.for_each(|query| assert_eq!(socket.send(&query).unwrap(), query.len()));
                (0..WINDOW).map(|_| receive(socket)).collect()
            }
            Self::Stream(stream) => {
                let framed = |query: Vec<u8>| [(query.len() as u16).to_be_bytes().to_vec(), query].concat();
                let octets: Vec<u8> = queries.by_ref().flat_map(framed).collect();
                stream.write_all(&octets).unwrap();
                (0..WINDOW).map(|_| read(stream)).collect()
            }
        };
        let ids: HashSet<u16> = replies.iter().map(|reply| packet::id(reply)).collect();
        assert_eq!(ids, (0..WINDOW).collect(), "a question was answered twice, and another not at all");
        replies
    }
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut room = [0; 1500];
    let length = socket.recv(&mut room).expect("a query over UDP was lost");
    room[..length].to_vec()
}

fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).expect("a query on a stream was lost");
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).unwrap();
    reply
}
