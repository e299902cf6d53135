use super::*;
use crate::dns::{Name, RecordType, write_upstream_query};
use tokio::task::LocalSet;

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

fn question() -> Question {
    Question::new(Name::from_text("a.example").unwrap().as_ref(), RecordType::A)
}

fn send(pool: &UdpPool, server: SocketAddr) -> Result<Flight, ExchangeError> {
    let mut message = Vec::new();
    write_upstream_query(&question(), 0, false, false, &mut message);
    pool.send(server, &mut message, &question())
}

/// One silent question is enough to keep a socket that is given up.
#[test]
fn questions_without_a_reply_keep_a_bounded_number_of_sockets() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap();
    run(async {
        let pool = UdpPool::default();
        let mut silent_ones = Vec::new();
        for number in 0..u32::try_from(2 * (SOCKETS + RETIRED)).unwrap() * USES {
            let flight = send(&pool, server).unwrap();
            if number.is_multiple_of(USES / 4) {
                silent_ones.push(flight);
            }
        }
        assert!(pool.sockets.borrow().len() <= SOCKETS);
        assert_eq!(pool.retired.borrow().len(), RETIRED);
        // Whose socket had to go learns that at once, and the latest still wait.
        let failed = |flight: &mut Flight| flight.reply.try_recv().is_ok();
        let failed: Vec<bool> = silent_ones.iter_mut().map(failed).collect();
        assert!(failed[0] && !failed[failed.len() - 1]);
    });
}

#[test]
fn a_question_that_is_over_takes_no_other_with_it_that_has_its_id() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = silent.local_addr().unwrap();
    run(async {
        let pool = UdpPool::default();
        let over = send(&pool, server).unwrap();
        let socket = Rc::clone(&over.lease.socket);
        socket.fail_all(&ExchangeError::Timeout);
        let (sender, reply) = oneshot::channel();
        let other = Pending::Task { asked: Box::new(question()), reply: sender };
        socket.pending.borrow_mut().insert(over.id, other);
        drop(over);
        assert_eq!(socket.pending.borrow().len(), 1);
        drop(reply);
    });
}

#[test]
fn a_datagram_that_a_full_buffer_refuses_counts_as_lost_and_the_socket_is_kept() {
    for (code, is_lost) in [
        (libc::EAGAIN, true),
        (libc::ENOBUFS, true),
        (libc::ENOMEM, true),
        (libc::ECONNREFUSED, false),
        (libc::ENETUNREACH, false),
        (libc::EPERM, false),
    ] {
        assert_eq!(is_loss(&io::Error::from_raw_os_error(code)), is_lost, "{code}");
    }
}
