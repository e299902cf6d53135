//! What UDP and TCP have in common: octets in, a reply or a lookup out.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use crate::dns::{NotAQuery, Query};
use crate::policy::{ClientResponse, Wire};
use crate::resolve::{Lookup, Now, Outcome, Resolver, Step};
use crate::telemetry::{Recorder, Telemetry, Transport};
use crate::upstream::Exchanger;

/// Queries of one worker that wait for an upstream. Beyond it new ones get no answer: their clients ask again.
const MAX_WAITING: usize = 4096;

/// The longest message over TCP.
pub(super) const TCP_LIMIT: usize = 65_535;

/// What serves the clients of one worker.
pub(super) struct Handler {
    resolver: Arc<Resolver>,
    exchanger: Rc<Exchanger>,
    recorder: Recorder,
    waiting: Cell<usize>,
}

/// What becomes of a message.
pub(super) enum Handled {
    /// The reply is in the buffer.
    Replied,
    /// There is none.
    Ignored,
    /// An upstream has to be asked.
    Later(Waiting),
}

/// A query that waits for an upstream.
pub(super) struct Waiting {
    lookup: Box<Lookup>,
    _place: Place,
}

/// A place among [`MAX_WAITING`]; given back when dropped.
struct Place(Rc<Handler>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get().saturating_sub(1));
    }
}

impl Handler {
    pub(super) fn new(resolver: Arc<Resolver>, telemetry: &Arc<Telemetry>) -> Rc<Self> {
        let exchanger = Rc::new(Exchanger::new(resolver.epoch()));
        Rc::new(Self { resolver, exchanger, recorder: telemetry.worker(), waiting: Cell::new(0) })
    }

    pub(super) fn now(&self) -> Now {
        self.resolver.now()
    }

    /// How many queries wait for an upstream.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// Handles a message of `client`; `limit` is the most octets a reply may have where that is not the client's to say.
    ///
    /// A panic on one message is a bug, and is reported as one; it costs that message only.
    pub(super) fn handle(
        self: &Rc<Self>,
        message: &[u8],
        client: SocketAddr,
        now: Now,
        limit: Option<usize>,
        wire: &mut Wire,
    ) -> Handled {
        catch_unwind(AssertUnwindSafe(|| self.handle_unguarded(message, client, now, limit, wire))).unwrap_or_else(|_| {
            tracing::error!(client = %client.ip(), octets = message.len(), "a message could not be handled: this is a bug, please report it");
            Handled::Ignored
        })
    }

    fn handle_unguarded(
        self: &Rc<Self>,
        message: &[u8],
        client: SocketAddr,
        now: Now,
        limit: Option<usize>,
        wire: &mut Wire,
    ) -> Handled {
        let client = client.ip().to_canonical();
        let query = match Query::parse(message) {
            Ok(query) => query,
            Err(refusal) => return self.refuse(&refusal, client, wire),
        };
        self.recorder.received(if limit.is_some() { Transport::Tcp } else { Transport::Udp });
        match self.resolver.begin(&query, client, now) {
            Step::Done(outcome) => self.reply(&query, client, &outcome, limit, wire),
            Step::Refresh(outcome, lookup) => {
                self.reply(&query, client, &outcome, limit, wire);
                if let Some(waiting) = self.wait(lookup) {
                    let handler = Rc::clone(self);
                    tokio::task::spawn_local(async move {
                        handler.resolver.finish(&handler.exchanger, *waiting.lookup).await;
                    });
                }
            }
            Step::Ask(lookup) => {
                return match self.wait(lookup) {
                    Some(waiting) => Handled::Later(waiting),
                    None => {
                        self.recorder.shed();
                        self.shed(&query, limit, wire)
                    }
                };
            }
        }
        Handled::Replied
    }

    /// Asks an upstream and writes the reply.
    pub(super) async fn finish(&self, waiting: Waiting, limit: Option<usize>, wire: &mut Wire) {
        let Waiting { lookup, _place } = waiting;
        let (query, client) = (*lookup.query(), lookup.client());
        let outcome = self.resolver.finish(&self.exchanger, *lookup).await;
        self.reply(&query, client, &outcome, limit, wire);
    }

    /// Over UDP the client asks again. On a stream it would wait for ever.
    fn shed(&self, query: &Query, limit: Option<usize>, wire: &mut Wire) -> Handled {
        let Some(limit) = limit else { return Handled::Ignored };
        let outcome = Outcome::overloaded(&query.question);
        outcome.response.write(&query.asker, &query.question, 0, limit, wire);
        Handled::Replied
    }

    fn wait(self: &Rc<Self>, lookup: Box<Lookup>) -> Option<Waiting> {
        if self.waiting.get() >= MAX_WAITING {
            return None;
        }
        self.waiting.set(self.waiting.get() + 1);
        Some(Waiting { lookup, _place: Place(Rc::clone(self)) })
    }

    fn reply(&self, query: &Query, client: IpAddr, outcome: &Outcome, limit: Option<usize>, wire: &mut Wire) {
        let limit = limit.unwrap_or_else(|| query.asker.udp_limit());
        outcome.response.write(&query.asker, &query.question, outcome.age, limit, wire);
        self.recorder.answered(client, query, outcome);
    }

    /// A client that may not ask learns no more from a broken query than from a sound one.
    fn refuse(&self, refusal: &NotAQuery, client: IpAddr, wire: &mut Wire) -> Handled {
        self.recorder.refused();
        if self.resolver.snapshot().allows(client) && ClientResponse::write_refusal(refusal, wire) {
            Handled::Replied
        } else {
            Handled::Ignored
        }
    }
}
