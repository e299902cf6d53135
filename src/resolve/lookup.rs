//! A query with what its generation says of it.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Current, Judged, Now, Snapshot, Turn};
use crate::cache::{Entry, Key};
use crate::dns::Query;
use crate::policy::Circumstances;
use crate::upstream::Ask;

/// A query that has to go to an upstream.
#[derive(Debug)]
pub struct Lookup {
    pub(super) query: Query,
    pub(super) client: IpAddr,
    pub(super) snapshot: Current,
    pub(super) route: usize,
    pub(super) key: Key,
    pub(super) stale: Option<Arc<Entry<Judged>>>,
    /// The name is local, and only this type is asked outside.
    pub(super) is_local: bool,
}

impl Lookup {
    pub(super) fn new(turn: &Turn, query: &Query, client: IpAddr, is_local: bool) -> Self {
        let snapshot = Arc::clone(&turn.snapshot);
        let route = snapshot.select_route(query.question.name().fold().as_ref());
        let key = key_of(query, &snapshot, route);
        Self { query: *query, client, snapshot, route, key, stale: None, is_local }
    }

    /// The same on nobody's behalf, so that there is no stale answer to be content with.
    pub(super) fn for_others(&self) -> Self {
        Self { snapshot: Arc::clone(&self.snapshot), stale: None, ..*self }
    }

    /// None of its servers answered when it was last asked.
    pub(super) fn all_servers_failed(&self) -> bool {
        let route = self.snapshot.route(self.route);
        route.is_some_and(|route| route.group.servers.iter().all(|server| !server.is_up()))
    }

    pub(super) fn ask(&self) -> Ask {
        let asker = &self.query.asker;
        Ask {
            question: self.query.question,
            dnssec_ok: asker.dnssec_ok(),
            checking_disabled: asker.checking_disabled,
        }
    }

    pub(super) fn circumstances(&self, now: Now) -> Circumstances<'_> {
        let trust = self.snapshot.route(self.route).and_then(|route| route.trust.as_ref());
        Circumstances { question: &self.query.question, trust, client: self.client, now: now.unix }
    }

    /// There is an answer past its TTL to fall back on.
    pub fn has_stale(&self) -> bool {
        self.stale.is_some()
    }

    /// The query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Who asked it.
    pub fn client(&self) -> IpAddr {
        self.client
    }
}

/// The key of a query that takes this route of its generation.
pub(super) fn key_of(query: &Query, snapshot: &Snapshot, route: usize) -> Key {
    let id = snapshot.route(route).map_or(0, |route| route.id);
    Key::new(&query.question, query.asker.dnssec_ok(), query.asker.checking_disabled, id)
}
