//! What UDP and TCP have in common: octets in, a reply or a lookup out.

use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use super::limits::{Place, WaitingRoom};
use crate::dns::{NotAQuery, Query};
use crate::policy::{ClientResponse, Wire};
use crate::resolve::{Lookup, Outcome, Resolver, Step, Turn};
use crate::telemetry::{Recorder, Telemetry, Transport};
use crate::upstream::Exchanger;

/// The longest message over TCP.
pub(super) const TCP_LIMIT: usize = 65_535;

/// What serves the clients of one worker.
pub(super) struct Handler {
    resolver: Arc<Resolver>,
    exchanger: Rc<Exchanger>,
    recorder: Recorder,
    waiting: Rc<WaitingRoom>,
}

/// A message as it came.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) message: &'a [u8],
    pub(super) client: SocketAddr,
    /// The most octets a reply may have where that is not the client's to say.
    pub(super) limit: Option<usize>,
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
    place: Place,
}

/// The outcome of a query that has waited.
pub(super) struct Finished<'a> {
    handler: &'a Handler,
    lookup: &'a Lookup,
    outcome: Outcome,
    limit: Option<usize>,
}

impl Finished<'_> {
    /// Writes the reply, which is SERVFAIL after a panic.
    pub(super) fn write(&self, wire: &mut Wire) {
        let Self { handler, lookup, outcome, limit } = self;
        let (query, client) = (lookup.query(), lookup.client());
        let write = || handler.reply(query, client, outcome, *limit, wire);
        if catch_unwind(AssertUnwindSafe(write)).is_err() {
            tracing::error!(%client, "a reply could not be given: this is a bug in stubborn; a report needs this line, those before it and the output of `stubborn --version`");
            write_failure(query, *limit, wire);
        }
    }
}

impl Handler {
    pub(super) fn new(resolver: Arc<Resolver>, telemetry: &Arc<Telemetry>) -> Rc<Self> {
        let exchanger = Rc::new(Exchanger::new(resolver.epoch()));
        Rc::new(Self { resolver, exchanger, recorder: telemetry.worker(), waiting: Rc::default() })
    }

    /// What the messages of one read have in common.
    pub(super) fn turn(&self) -> Turn {
        self.resolver.turn()
    }

    /// How many queries wait for an upstream.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.taken()
    }

    /// Handles a message.
    ///
    /// A panic on one message is a bug, and is reported as one; it costs that message only.
    pub(super) fn handle(self: &Rc<Self>, turn: &Turn, incoming: Incoming<'_>, wire: &mut Wire) -> Handled {
        catch_unwind(AssertUnwindSafe(|| self.answer(turn, incoming, wire))).unwrap_or_else(|_| {
            let (client, octets) = (incoming.client.ip(), incoming.message.len());
            tracing::error!(%client, octets, "a message could not be handled: this is a bug in stubborn; a report needs this line, those before it and the output of `stubborn --version`");
            Handled::Ignored
        })
    }

    fn answer(self: &Rc<Self>, turn: &Turn, incoming: Incoming<'_>, wire: &mut Wire) -> Handled {
        let client = incoming.client.ip().to_canonical();
        let query = match Query::parse(incoming.message) {
            Ok(query) => query,
            Err(refusal) => return self.refuse(turn, &refusal, client, wire),
        };
        self.recorder.received(if incoming.limit.is_some() { Transport::Tcp } else { Transport::Udp });
        match self.resolver.begin(turn, &query, client) {
            Step::Done(outcome) => self.reply(&query, client, &outcome, incoming.limit, wire),
            Step::Refresh(outcome, lookup) => {
                self.reply(&query, client, &outcome, incoming.limit, wire);
                self.refresh(&lookup);
            }
            Step::Ask(lookup) => match self.waiting.enter(client) {
                Some(place) => return Handled::Later(Waiting { lookup, place }),
                None => return self.shed(&query, incoming.limit, wire),
            },
        }
        Handled::Replied
    }

    /// Asks an upstream, and calls `send` when the reply can be written.
    pub(super) fn resolve(
        self: &Rc<Self>,
        waiting: Waiting,
        limit: Option<usize>,
        send: impl FnOnce(&Finished<'_>) + 'static,
    ) {
        let Waiting { lookup, place } = waiting;
        // Its asking outlasts the client's wait, and has a place of its own.
        if lookup.has_stale() {
            self.refresh(&lookup);
        }
        let handler = Rc::clone(self);
        self.resolver.finish_then(&self.exchanger, lookup, move |lookup, outcome| {
            send(&Finished { handler: &handler, lookup, outcome, limit });
            drop(place);
        });
    }

    /// Asks anew for whoever comes next.
    fn refresh(&self, lookup: &Lookup) {
        if let Some(place) = self.waiting.enter(lookup.client()) {
            self.resolver.refresh(&self.exchanger, lookup, move || drop(place));
        }
    }

    /// Over UDP the client asks again. On a stream it would wait for ever.
    fn shed(&self, query: &Query, limit: Option<usize>, wire: &mut Wire) -> Handled {
        self.recorder.shed();
        if limit.is_none() {
            return Handled::Ignored;
        }
        write_failure(query, limit, wire);
        Handled::Replied
    }

    fn reply(&self, query: &Query, client: IpAddr, outcome: &Outcome, limit: Option<usize>, wire: &mut Wire) {
        let limit = limit.unwrap_or_else(|| query.asker.udp_limit());
        outcome.response().write(&query.asker, &query.question, outcome.age, limit, wire);
        self.recorder.answered(client, query, outcome);
    }

    /// A client that may not ask learns no more from a broken query than from a sound one.
    fn refuse(&self, turn: &Turn, refusal: &NotAQuery, client: IpAddr, wire: &mut Wire) -> Handled {
        self.recorder.refused();
        if turn.snapshot.allows(client) && ClientResponse::write_refusal(refusal, wire) {
            Handled::Replied
        } else {
            Handled::Ignored
        }
    }
}

fn write_failure(query: &Query, limit: Option<usize>, wire: &mut Wire) {
    let limit = limit.unwrap_or_else(|| query.asker.udp_limit());
    let outcome = Outcome::overloaded(&query.question);
    outcome.response().write(&query.asker, &query.question, 0, limit, wire);
}
