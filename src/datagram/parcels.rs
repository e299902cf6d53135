//! Which messages of a batch go to the kernel as one: those to the same peer, in an order in which it can tell them apart.

use super::{BATCH, Peer};

/// The most octets of a parcel: what fits into one datagram before it is cut into segments, with room for headers.
const MAX_OCTETS: usize = 60_000;
const NONE: u8 = u8::MAX;
const BUCKETS: usize = 64;

/// Messages to one peer. All but the last have `size` octets, the last has no more: that is how they are told apart again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parcel {
    /// Where its messages stand in [`Parcels::order`].
    pub(super) start: usize,
    pub(super) count: usize,
    pub(super) size: usize,
    octets: usize,
    /// The message it began with.
    first: usize,
    is_open: bool,
}

/// A batch, packed.
#[derive(Debug)]
pub(super) struct Parcels {
    pub(super) list: Vec<Parcel>,
    /// The numbers of the messages, parcel by parcel.
    pub(super) order: [u8; BATCH],
}

impl Parcels {
    pub(super) fn new() -> Self {
        Self { list: Vec::with_capacity(BATCH), order: [0; BATCH] }
    }

    /// Packs messages, `lengths` octets long, to `peers`; each by itself where they may not go `together`.
    pub(super) fn pack(&mut self, peers: &[Option<Peer>], lengths: impl Fn(usize) -> usize, together: bool) {
        self.list.clear();
        // The parcel last begun for a peer of each bucket, and the parcel of each message.
        let (mut latest, mut parcel_of) = ([NONE; BUCKETS], [0; BATCH]);
        for ((index, peer), chosen) in peers.iter().enumerate().zip(&mut parcel_of) {
            let length = lengths(index);
            let bucket = peer.map_or(0, |peer| usize::from(peer.address.port()) % BUCKETS);
            let last = latest.get(bucket).copied().unwrap_or(NONE);
            let fitting = self
                .list
                .get_mut(usize::from(last))
                .filter(|parcel| together && peers.get(parcel.first) == Some(peer) && parcel.takes(length));
            *chosen = match fitting {
                Some(parcel) => {
                    parcel.add(length);
                    last
                }
                None => {
                    let number = u8::try_from(self.list.len()).unwrap_or(NONE);
                    self.list.push(Parcel {
                        start: 0,
                        count: 1,
                        size: length,
                        octets: length,
                        first: index,
                        is_open: true,
                    });
                    if let Some(latest) = latest.get_mut(bucket) {
                        *latest = number;
                    }
                    number
                }
            };
        }
        self.put_in_order(parcel_of.iter().take(peers.len()), lengths);
    }

    fn put_in_order<'a>(
        &mut self,
        parcel_of: impl Iterator<Item = &'a u8>,
        lengths: impl Fn(usize) -> usize,
    ) {
        let mut next = 0;
        for parcel in &mut self.list {
            parcel.start = next;
            next += std::mem::take(&mut parcel.count);
        }
        for (message, parcel) in (0..).zip(parcel_of) {
            let Some(parcel) = self.list.get_mut(usize::from(*parcel)) else { continue };
            if let Some(place) = self.order.get_mut(parcel.start + parcel.count) {
                *place = message;
                parcel.count += 1;
            }
        }
        for parcel in self.list.iter().filter(|parcel| parcel.count == 2) {
            if let Some([first, second]) = self.order.get_mut(parcel.start..parcel.start + 2)
                && lengths(usize::from(*first)) < lengths(usize::from(*second))
            {
                std::mem::swap(first, second);
            }
        }
    }
}

impl Parcel {
    fn takes(&self, length: usize) -> bool {
        // Of two messages the longer one goes first.
        self.is_open && self.octets + length <= MAX_OCTETS && (length <= self.size || self.count == 1)
    }

    fn add(&mut self, length: usize) {
        self.is_open = length == self.size;
        self.size = self.size.max(length);
        self.octets += length;
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn pack(messages: &[(u16, usize)], together: bool) -> Vec<(u16, Vec<usize>)> {
        let peer = |port| Some(Peer { address: SocketAddr::from(([127, 0, 0, 1], port)), local: None });
        let peers: Vec<_> = messages.iter().map(|(port, _)| peer(*port)).collect();
        let mut parcels = Parcels::new();
        parcels.pack(&peers, |index| messages[index].1, together);
        let contents = |parcel: &Parcel| {
            let order = &parcels.order[parcel.start..parcel.start + parcel.count];
            let numbers: Vec<usize> = order.iter().map(|number| usize::from(*number)).collect();
            let lengths: Vec<usize> = numbers.iter().map(|number| messages[*number].1).collect();
            let (last, others) = lengths.split_last().unwrap();
            assert!(
                others.iter().all(|length| *length == parcel.size) && *last <= parcel.size,
                "{lengths:?}"
            );
            assert!(numbers.iter().all(|number| messages[*number].0 == messages[numbers[0]].0));
            (messages[numbers[0]].0, lengths)
        };
        parcels.list.iter().map(contents).collect()
    }

    #[test]
    fn messages_to_one_peer_are_packed_so_that_they_can_be_told_apart() {
        assert_eq!(pack(&[(1, 50), (2, 50), (1, 50), (2, 60)], true), [(1, vec![50, 50]), (2, vec![60, 50])]);
        assert_eq!(pack(&[(1, 40), (1, 60), (1, 60)], true), [(1, vec![60, 40]), (1, vec![60])]);
        assert_eq!(pack(&[(1, 60), (1, 60), (1, 40), (1, 60)], true), [(1, vec![60, 60, 40]), (1, vec![60])]);
        assert_eq!(pack(&[(1, 60), (1, 60), (1, 70)], true), [(1, vec![60, 60]), (1, vec![70])]);
        assert_eq!(pack(&[(1, 50), (65, 50), (1, 50)], true), [(1, vec![50]), (65, vec![50]), (1, vec![50])]);
        assert_eq!(pack(&[(1, 50), (1, 50)], false), [(1, vec![50]), (1, vec![50])]);
        assert_eq!(pack(&[], true), []);
    }

    #[test]
    fn a_parcel_is_no_larger_than_a_datagram() {
        let packed = pack(&[(1, 1232); BATCH], true);
        assert_eq!(packed.len(), 2);
        assert!(packed.iter().all(|(_, lengths)| lengths.iter().sum::<usize>() <= MAX_OCTETS));
    }
}
