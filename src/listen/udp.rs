//! UDP: datagrams in batches, answered where they are read; what needs an upstream waits as a task of the same thread, and
//! its reply goes out with whatever else is ready by then.

use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;

use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Notify;

use super::batch::{BATCH, Batch, Outbox, Peer};
use super::contain::restarted;
use super::handler::{Handled, Handler};
use crate::policy::Wire;

/// A socket with the replies that are ready to go.
struct Port {
    socket: UdpSocket,
    late: RefCell<Outbox>,
    ready: Notify,
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
    let (mut batch, mut outbox, mut wire) = (Batch::new(), Outbox::new(), Wire::default());
    loop {
        port.socket.readable().await?;
        let received = port.socket.try_io(Interest::READABLE, || batch.receive(port.socket.as_fd()));
        // Nothing there after all, or an error of an earlier reply whose client is gone; the socket is sound.
        let Ok(received) = received else { continue };
        let now = handler.now();
        for index in 0..received {
            let Some((datagram, peer)) = batch.datagram(index) else { continue };
            match handler.handle(datagram, peer.address, now, None, &mut wire) {
                Handled::Replied => outbox.push(wire.as_bytes(), peer),
                Handled::Ignored => {}
                Handled::Later(waiting) => {
                    let (port, handler) = (Rc::clone(port), Rc::clone(handler));
                    tokio::task::spawn_local(async move {
                        let mut wire = Wire::default();
                        handler.finish(waiting, None, &mut wire).await;
                        port.send_soon(&wire, peer);
                    });
                }
            }
        }
        if !outbox.is_empty() {
            outbox.flush(port.socket.as_fd());
        }
        if received == BATCH {
            // There is more; the replies of upstreams get their turn first.
            tokio::task::yield_now().await;
        }
    }
}

impl Port {
    /// Queues a reply; it leaves with all others that become ready in this turn of the thread.
    fn send_soon(&self, wire: &Wire, peer: Peer) {
        let mut late = self.late.borrow_mut();
        if late.is_full() {
            late.flush(self.socket.as_fd());
        }
        late.push(wire.as_bytes(), peer);
        self.ready.notify_one();
    }
}

async fn send_late(port: &Port) {
    loop {
        port.ready.notified().await;
        port.late.borrow_mut().flush(port.socket.as_fd());
    }
}
