//! How many TCP connections there are, and how many queries wait: overall and for each client.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::quality::RandomState;

/// Queries of one worker that may wait for an upstream.
const MAX_WAITING: usize = 4096;

/// Counts connections of all workers.
#[derive(Debug)]
pub struct Connections {
    open: Mutex<HashMap<IpAddr, usize>>,
    most: usize,
    most_per_client: usize,
}

/// A place among the open connections; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    connections: Arc<Connections>,
    client: IpAddr,
}

impl Connections {
    /// Room for `most` connections, `most_per_client` of one client address.
    pub fn new(most: usize, most_per_client: usize) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), most, most_per_client })
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Takes a place; `None` if there is none left.
    pub(super) fn enter(self: &Arc<Self>, client: IpAddr) -> Option<Slot> {
        let client = client.to_canonical();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = open.values().sum();
        let own = open.get(&client).copied().unwrap_or(0);
        if total >= self.most || own >= self.most_per_client {
            return None;
        }
        open.insert(client, own + 1);
        Some(Slot { connections: Arc::clone(self), client })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.client);
            }
        }
    }
}

/// The queries of one worker that wait for an upstream.
///
/// A client may have as many waiting as there are places left: one that floods gets half of them, and leaves the other half
/// to all others; who asks for little always finds a place (the dynamic threshold of shared packet buffers).
#[derive(Debug, Default)]
pub(super) struct WaitingRoom {
    clients: RefCell<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    waiting: HashMap<IpAddr, usize, RandomState>,
    taken: usize,
}

/// A place in the waiting room; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Rc<WaitingRoom>,
    client: IpAddr,
}

impl WaitingRoom {
    /// Takes a place for a query of `client`; `None` where it has had its share.
    pub(super) fn enter(self: &Rc<Self>, client: IpAddr) -> Option<Place> {
        let mut clients = self.clients.borrow_mut();
        let left = MAX_WAITING - clients.taken;
        let own = clients.waiting.get(&client).copied().unwrap_or(0);
        if own >= left {
            return None;
        }
        clients.waiting.insert(client, own + 1);
        clients.taken += 1;
        Some(Place { room: Rc::clone(self), client })
    }

    /// How many places are taken.
    pub(super) fn taken(&self) -> usize {
        self.clients.borrow().taken
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let clients = &mut *self.room.clients.borrow_mut();
        clients.taken -= 1;
        if let Some(own) = clients.waiting.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                clients.waiting.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_floods_leaves_room_for_those_who_do_not() {
        let room = Rc::new(WaitingRoom::default());
        let [flooder, second, polite] =
            ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|address| address.parse::<IpAddr>().unwrap());
        let enter_all = |client| std::iter::from_fn(|| room.enter(client)).collect::<Vec<_>>();
        let first = enter_all(flooder);
        assert_eq!(first.len(), MAX_WAITING / 2);
        let others = enter_all(second);
        assert_eq!(others.len(), MAX_WAITING / 4);
        let place = room.enter(polite).unwrap();
        assert_eq!(room.taken(), first.len() + others.len() + 1);
        drop((first, others, place));
        assert_eq!(room.taken(), 0);
        assert!(room.clients.borrow().waiting.is_empty());
    }

    #[test]
    fn connections_are_counted_overall_and_for_each_client() {
        let connections = Connections::new(3, 2);
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|address| address.parse::<IpAddr>().unwrap());
        let first = connections.enter(a).unwrap();
        let _second = connections.enter("::ffff:10.0.0.1".parse().unwrap()).unwrap();
        assert!(connections.enter(a).is_none(), "two of one client");
        let _third = connections.enter(b).unwrap();
        assert!(connections.enter(b).is_none(), "three in all");
        drop(first);
        assert!(connections.enter(b).is_some());
    }
}
