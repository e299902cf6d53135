use super::*;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

/// Asks a server that was bound to `bind` at `ask`; says where the answer came from.
fn exchange(bind: &str, ask: &str) -> SocketAddr {
    let server = UdpSocket::bind(bind).unwrap();
    report_local_address(server.as_fd(), server.local_addr().unwrap().is_ipv6()).unwrap();
    let to = SocketAddr::new(ask.parse().unwrap(), server.local_addr().unwrap().port());
    let client = UdpSocket::bind((if to.is_ipv6() { "::" } else { "0.0.0.0" }, 0)).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(250))).unwrap();
    let (mut inbox, mut outbox) = (Inbox::new(512), Outbox::<Vec<u8>>::new());
    let mut room = [0; 16];
    // Even the loopback loses datagrams when it is busy.
    let answered = (0..40).find_map(|_| {
        for text in ["one", "two", "three"] {
            client.send_to(text.as_bytes(), to).unwrap();
        }
        for index in 0..inbox.receive(server.as_fd()).unwrap_or(0) {
            let (data, peer) = inbox.datagram(index).unwrap();
            *outbox.room() = data.to_vec();
            outbox.keep(Some(peer));
        }
        outbox.flush(server.as_fd()).unwrap();
        client.recv_from(&mut room).ok()
    });
    let (length, from) = answered.unwrap();
    assert!([&b"one"[..], b"two", b"three"].contains(&&room[..length]));
    assert_eq!(from.port(), to.port());
    from
}

#[test]
fn a_reply_leaves_from_the_address_that_was_asked() {
    // On a wildcard socket the kernel would otherwise choose 127.0.0.1.
    for (bind, ask) in [
        ("0.0.0.0:0", "127.0.0.1"),
        ("0.0.0.0:0", "127.8.9.10"),
        ("[::]:0", "::1"),
        ("127.0.0.1:0", "127.0.0.1"),
    ] {
        assert_eq!(exchange(bind, ask).ip(), ask.parse::<IpAddr>().unwrap(), "{bind} {ask}");
    }
}

/// The kernel refuses a reply to port 0, and with it all that would have gone together.
#[test]
fn a_datagram_from_port_0_is_none() {
    let (server, client) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let mut inbox = Inbox::new(512);
    client.send_to(b"one", server.local_addr().unwrap()).unwrap();
    server.peek(&mut [0; 8]).unwrap();
    assert_eq!(inbox.receive(server.as_fd()).unwrap(), 1);
    assert_eq!(inbox.datagram(0).map(|(_, peer)| peer.address), Some(client.local_addr().unwrap()));
    write_name(&mut inbox.rest.names[0], SocketAddr::from(([127, 0, 0, 1], 0)));
    assert!(inbox.datagram(0).is_none());
}

#[test]
fn messages_to_one_peer_arrive_one_by_one() {
    for (bind, text) in [("127.0.0.1:0", "v4"), ("[::1]:0", "v6")] {
        let server = UdpSocket::bind(bind).unwrap();
        let clients = [(); 2].map(|()| UdpSocket::bind(bind).unwrap());
        let mut outbox = Outbox::<Vec<u8>>::new();
        for (number, length) in (0..).zip([40, 60, 60, 60, 60, 20, 60, 30]) {
            let client = &clients[number % 2];
            client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            *outbox.room() = vec![u8::try_from(number).unwrap(); length];
            outbox.keep(Some(Peer { address: client.local_addr().unwrap(), local: None }));
        }
        outbox.flush(server.as_fd()).unwrap();
        assert!(outbox.is_empty() && outbox.together == Together::Yes, "{text}");
        for (client, expected) in clients.iter().zip([vec![0, 2, 4, 6], vec![1, 3, 5, 7]]) {
            let mut room = [0; 100];
            let mut seen: Vec<u8> = (0..4)
                .map(|_| {
                    let length = client.recv(&mut room).unwrap();
                    assert!(room[..length].iter().all(|octet| *octet == room[0]));
                    room[0]
                })
                .collect();
            seen.sort_unstable();
            assert_eq!(seen, expected, "{text}");
        }
    }
}
