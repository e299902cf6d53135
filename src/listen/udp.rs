//! UDP: datagrams in batches, answered where they are read; what needs an upstream waits without holding anything up, and its
//! reply goes out with whatever else is ready by then.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use super::contain::restarted;
use super::handler::{Finished, Handled, Handler, Incoming};
use crate::datagram::{BATCH, Inbox, Outbox, Peer};
use crate::policy::Wire;

/// The longest query that is read; queries are far shorter.
const ROOM: usize = 1500;

/// Questions that are put to upstreams at once where more wait to be put or read than these. A turn of the thread, with the
/// replies to as many, is what a client waits whose answer is known.
const STARTS_BEHIND: usize = 8;

/// So many questions in a row are answered together, and the next are left to gather for a moment, as network cards do before
/// they interrupt (ethtool(8), rx-usecs): read one by one they cost this thread more than their answers do, and the wakes
/// of it keep whoever asks from asking. Below some 150,000 a second so many come in a row only where they are asked at once.
const CROWD: usize = 8;

/// That moment. Whatever else this thread does waits for it, so there is none where a question has yet to be put to an
/// upstream, or many wait for one.
const PAUSE: Duration = Duration::from_micros(30);

/// A socket with the replies that are ready to go.
struct Port {
    socket: UdpSocket,
    late: RefCell<Outbox<Wire>>,
    ready: Notify,
}

/// Has this thread's pauses end when they should, and not up to 50 µs later (prctl(2), PR_SET_TIMERSLACK). Where that is not
/// to be had, they are longer.
pub(super) fn pause_exactly() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}

/// Serves a socket until it is dropped.
pub(super) async fn serve(socket: std::net::UdpSocket, handler: Rc<Handler>) -> io::Result<()> {
    let port = Rc::new(Port {
        socket: UdpSocket::from_std(socket)?,
        late: RefCell::new(Outbox::new()),
        ready: Notify::new(),
    });
    // It outlives this future: replies of queries under way still go out while the worker drains.
    let late = Rc::clone(&port);
    tokio::task::spawn_local(async move { restarted("the sending of replies", || send_late(&late)).await });
    restarted("a UDP socket", || receive(&port, &handler)).await
}

async fn receive(port: &Rc<Port>, handler: &Rc<Handler>) -> io::Result<()> {
    let (mut inbox, mut outbox) = (Inbox::new(ROOM), Outbox::new());
    // Bounded by the handler's waiting room.
    let mut backlog = VecDeque::new();
    // Datagrams read since replies were last sent.
    let mut gathered = 0;
    loop {
        if backlog.is_empty() && outbox.is_empty() {
            port.socket.readable().await?;
        }
        let received = port.socket.try_io(Interest::READABLE, || inbox.receive(port.socket.as_fd()));
        // Nothing there after all, or an error of an earlier reply whose client is gone; the socket is sound.
        let received = received.unwrap_or(0);
        let turn = handler.turn();
        for index in 0..received {
            let Some((message, peer)) = inbox.datagram(index) else { continue };
            if outbox.is_full() {
                let _ = outbox.flush(port.socket.as_fd());
            }
            let incoming = Incoming { message, client: peer.address, limit: None };
            match handler.handle(&turn, incoming, outbox.room()) {
                Handled::Replied => outbox.keep(Some(peer)),
                Handled::Ignored => {}
                Handled::Later(waiting) => backlog.push_back((waiting, peer)),
            }
        }
        // Whoever asked meanwhile gets the reply with the others: together they cost less.
        gathered += received;
        let company = received > 0 && gathered < CROWD && backlog.is_empty();
        if !company {
            if !outbox.is_empty() {
                let _ = outbox.flush(port.socket.as_fd());
            }
            if (CROWD..BATCH).contains(&gathered) && backlog.is_empty() && handler.waiting() < CROWD {
                std::thread::sleep(PAUSE);
            }
            gathered = 0;
        }
        // What is known is read and answered before anything new is asked: it must not wait behind a flood of new names.
        let behind = received == BATCH || backlog.len() > BATCH;
        let starts = if behind { STARTS_BEHIND } else { BATCH };
        for (waiting, peer) in backlog.drain(..starts.min(backlog.len())) {
            let port = Rc::clone(port);
            handler.resolve(waiting, None, move |finished| port.send_soon(peer, finished));
        }
        if (received > 0 && !company) || !backlog.is_empty() {
            // There may be more, and where many ask there always is: whatever else this thread does gets its turn first.
            tokio::task::yield_now().await;
        }
    }
}

impl Port {
    /// Queues a reply; it leaves with all others that become ready in this turn of the thread.
    fn send_soon(&self, peer: Peer, finished: &Finished<'_>) {
        let mut late = self.late.borrow_mut();
        if late.is_full() {
            let _ = late.flush(self.socket.as_fd());
        }
        finished.write(late.room());
        late.keep(Some(peer));
        self.ready.notify_one();
    }
}

async fn send_late(port: &Port) {
    loop {
        port.ready.notified().await;
        let _ = port.late.borrow_mut().flush(port.socket.as_fd());
    }
}
