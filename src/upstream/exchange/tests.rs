use super::*;
use crate::dns::{Name, RecordType};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use tokio::task::{LocalSet, spawn_local, yield_now};

/// A server that knows no data for any name, and says so once `ready` says something, or is gone.
fn server(ready: Receiver<()>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut room = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut room) {
            let _said = ready.recv();
            room[2..4].copy_from_slice(&[0x81, 0x80]);
            let _sent = socket.send_to(&room[..length], from);
        }
    });
    address
}

fn at_once() -> SocketAddr {
    server(channel().1)
}

fn group(address: SocketAddr) -> ServerGroup {
    let server = Arc::new(ServerState::new(Endpoint::Do53(address)));
    ServerGroup::new(vec![server], Duration::from_secs(20), None)
}

async fn ask(exchanger: &Rc<Exchanger>, group: &ServerGroup, number: usize) -> Rcode {
    let name = Name::from_text(&format!("n{number}.example")).unwrap();
    let question = Question::new(name.as_ref(), RecordType::A);
    let ask = Ask { question, dnssec_ok: false, checking_disabled: false };
    exchanger.exchange(group, &ask).await.unwrap().rcode()
}

/// How many of this process's sockets are connected to that address of IPv4, as the kernel sees it.
fn sockets_to(address: SocketAddr) -> usize {
    let remote = format!("0100007F:{:04X}", address.port());
    let table = std::fs::read_to_string("/proc/self/net/udp").unwrap();
    table.lines().filter(|line| line.split_whitespace().nth(2) == Some(&remote)).count()
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

fn exchanger() -> Rc<Exchanger> {
    Rc::new(Exchanger::new(Instant::now()))
}

/// Uses the link to another server, when nothing has been asked of the others for long.
fn turn_away(exchanger: &Exchanger) {
    let other = &group(at_once()).servers[0];
    exchanger.link(other, Instant::now() + LINK_IDLE);
}

#[test]
fn the_sockets_to_a_server_that_is_not_asked_any_more_are_closed() {
    run(async {
        let (exchanger, old) = (exchanger(), at_once());
        for number in 0..40 {
            ask(&exchanger, &group(old), number).await;
        }
        assert!(sockets_to(old) > 1, "{}", sockets_to(old));
        turn_away(&exchanger);
        // The tasks that receive on them end when it is their turn.
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(sockets_to(old), 0);
    });
}

/// A server that answers queries with EDNS with NXDOMAIN while `hostile` is set.
fn hostile_server(hostile: Arc<AtomicBool>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut room = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut room) {
            let denied = hostile.load(Relaxed) && room[11] == 1;
            room[2..4].copy_from_slice(&[0x81, if denied { 0x83 } else { 0x80 }]);
            // Removes the OPT record of 11 octets.
            room[11] = if denied { 0 } else { room[11] };
            let _sent = socket.send_to(&room[..length - if denied { 11 } else { 0 }], from);
        }
    });
    address
}

/// An exchanger whose clock is ahead by this much.
fn later(minutes: u64) -> Rc<Exchanger> {
    Rc::new(Exchanger::new(Instant::now().checked_sub(Duration::from_secs(60 * minutes)).unwrap()))
}

#[test]
fn edns_that_is_off_is_tried_again_after_a_while_in_addition_to_a_question() {
    run(async {
        let hostile = Arc::new(AtomicBool::new(true));
        let group = group(hostile_server(Arc::clone(&hostile)));
        let edns = &group.servers[0].edns;
        ask(&exchanger(), &group, 0).await;
        assert!(edns.is_off());
        hostile.store(false, Relaxed);
        ask(&exchanger(), &group, 1).await;
        assert!(edns.is_off(), "it is not tried with each question");
        ask(&later(2), &group, 2).await;
        while edns.is_off() {
            yield_now().await;
        }
        assert!(edns.is_spoken());
        // If the server denies with EDNS again, EDNS goes off again.
        hostile.store(true, Relaxed);
        for number in 3..6 {
            ask(&later(2), &group, number).await;
        }
        // Three replies in a row were contradicted, and then that to a question of our own.
        while !edns.is_off() {
            yield_now().await;
        }
    });
}

#[test]
fn the_sockets_to_servers_in_use_are_kept() {
    run(async {
        let (exchanger, one, two) = (exchanger(), at_once(), at_once());
        for number in 0..100 {
            ask(&exchanger, &group(one), number).await;
            ask(&exchanger, &group(two), number).await;
        }
        assert!(sockets_to(one) > 1 && sockets_to(two) > 1);
    });
}

#[test]
fn a_question_under_way_outlives_its_link() {
    run(async {
        let (say, ready) = channel();
        let (exchanger, slow) = (exchanger(), server(ready));
        let waiting = spawn_local({
            let exchanger = Rc::clone(&exchanger);
            async move { ask(&exchanger, &group(slow), 0).await }
        });
        while sockets_to(slow) == 0 {
            yield_now().await;
        }
        turn_away(&exchanger);
        assert_eq!(exchanger.links.borrow().len(), 1);
        drop(say);
        assert_eq!(waiting.await.unwrap(), Rcode::NOERROR);
    });
}
