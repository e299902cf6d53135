//! How many TCP connections there are, overall and for each client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

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

#[cfg(test)]
mod tests {
    use super::*;

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
