//! UDP: datagrams in batches, answered where they are read; what needs an upstream waits as a task of the same thread, and
//! its reply goes out with whatever else is ready by then.

use std::cell::RefCell;
use std::io;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::rc::Rc;

use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::batch::{BATCH, Batch, Outbox, Peer};
use super::handler::{Handled, Handler};
use crate::policy::Wire;

/// A socket with the replies that are ready to go.
struct Port {
    socket: AsyncFd<UdpSocket>,
    late: RefCell<Outbox>,
    ready: Notify,
}

/// Serves a socket until it is dropped.
pub(super) async fn serve(socket: UdpSocket, handler: Rc<Handler>) -> io::Result<()> {
    let port = Rc::new(Port { socket: AsyncFd::new(socket)?, late: RefCell::new(Outbox::new()), ready: Notify::new() });
    let _flusher = AbortOnDropHandle::new(tokio::task::spawn_local(send_late(Rc::clone(&port))));
    receive(&port, &handler).await
}

async fn receive(port: &Rc<Port>, handler: &Rc<Handler>) -> io::Result<()> {
    let (mut batch, mut outbox, mut wire) = (Batch::new(), Outbox::new(), Wire::default());
    loop {
        let mut ready = port.socket.readable().await?;
        let Ok(received) = ready.try_io(|socket| batch.receive(socket.get_ref().as_fd())) else { continue };
        // An error of an earlier reply (a client that is gone) is reported here; the socket is sound.
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
                        handler.finish(*waiting, None, &mut wire).await;
                        port.send_soon(&wire, peer);
                    });
                }
            }
        }
        if !outbox.is_empty() {
            outbox.flush(port.socket.get_ref().as_fd());
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
            late.flush(self.socket.get_ref().as_fd());
        }
        late.push(wire.as_bytes(), peer);
        self.ready.notify_one();
    }
}

async fn send_late(port: Rc<Port>) {
    loop {
        port.ready.notified().await;
        port.late.borrow_mut().flush(port.socket.get_ref().as_fd());
    }
}
