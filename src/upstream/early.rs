//! The way most questions go: sent over UDP and answered soon, with neither a task nor a timer of their own. The reply is
//! used where it is read.
//!
//! Whatever else comes — no reply in good time, one that is truncated, refused or doubtful — is gone on with by a task
//! ([`Exchanger::exchange`]), which takes over at just that point.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use super::dialogue::{accept, patience, write_query};
use super::error::ExchangeError;
use super::exchange::{Ask, Exchanger, Head, Start, is_usable};
use super::server::ServerGroup;
use super::udp::Flight;
use crate::dns::{Question, UpstreamResponse};

/// How often is looked for questions that have waited long enough.
const SWEEP: Duration = Duration::from_millis(20);

/// What is done with the outcome.
pub(super) type Then = Box<dyn FnOnce(Result<UpstreamResponse, ExchangeError>)>;

/// A question that was just sent.
pub(super) struct Early {
    /// The worker's, while it lives.
    exchanger: Weak<Exchanger>,
    group: Arc<ServerGroup>,
    server: usize,
    ask: Ask,
    asked: Question,
    edns: bool,
    sent: Instant,
    /// The same on the exchanger's clock.
    asked_at: u64,
    then: Then,
}

impl Exchanger {
    /// Asks as [`exchange`](Self::exchange) does, and calls `then` with the outcome: soon, later, or never where the worker
    /// ends before.
    ///
    /// Has to be called within the worker's tasks.
    pub fn ask(
        self: &Rc<Self>,
        group: &Arc<ServerGroup>,
        ask: Ask,
        then: impl FnOnce(Result<UpstreamResponse, ExchangeError>) + 'static,
    ) {
        self.probe_avoided(group);
        let Some((index, server)) = group.first() else {
            return then(Err(ExchangeError::NoServer));
        };
        let asked = server.write_case(&ask.question);
        let edns = self.wants_edns(server);
        let (sent, asked_at) = self.times();
        let early = Box::new(Early {
            exchanger: Rc::downgrade(self),
            group: Arc::clone(group),
            server: index,
            ask,
            asked,
            edns,
            sent,
            asked_at,
            then: Box::new(then),
        });
        let link = self.link(server, sent);
        let write = |early: &Early, message: &mut Vec<u8>| {
            write_query(&early.ask, &early.asked, early.edns, message);
        };
        match link.udp.send_early(server.endpoint.address(), early, write) {
            Ok(is_first) => {
                if is_first {
                    // When this task has put all its questions, they leave together.
                    tokio::task::spawn_local(async move { link.udp.flush() });
                }
                self.sweep();
            }
            Err((early, error)) => early.go_on(self, Start::Reply(Err(error))),
        }
    }

    /// Sees to it that questions without a reply are taken out in time, by one task for all, while there are any.
    fn sweep(self: &Rc<Self>) {
        if self.sweeping.replace(true) {
            return;
        }
        let exchanger = Rc::downgrade(self);
        tokio::task::spawn_local(async move {
            let mut ticks = interval(SWEEP);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(exchanger) = exchanger.upgrade() else { return };
                // Should this panic, the next question begins anew.
                exchanger.sweeping.set(false);
                if exchanger.take_due() == 0 {
                    return;
                }
                exchanger.sweeping.set(true);
            }
        });
    }

    fn take_due(self: &Rc<Self>) -> usize {
        let now = Instant::now();
        let is_due = |early: &Early| now.duration_since(early.sent) >= patience(early.group.timeout);
        let links: Vec<_> = self.links.borrow().values().cloned().collect();
        let go_on = |early: Box<Early>, flight: Flight| early.go_on(self, Start::Flight(flight));
        links.iter().map(|link| link.udp.take_due(is_due, go_on)).sum()
    }
}

impl Early {
    /// The question as it was sent, letter case and all.
    pub(super) fn asked(&self) -> &Question {
        &self.asked
    }

    /// When it was sent.
    pub(super) fn sent(&self) -> Instant {
        self.sent
    }

    /// A reply came, or the news that none will.
    pub(super) fn answered(self: Box<Self>, reply: Result<&mut [u8], ExchangeError>) {
        let caught = catch_unwind(AssertUnwindSafe(|| self.answered_by(reply)));
        if caught.is_err() {
            tracing::error!(
                "a reply could not be handled: this is a bug in stubborn; a report needs this line, those before it and the output of `stubborn --version`"
            );
        }
    }

    fn answered_by(self: Box<Self>, reply: Result<&mut [u8], ExchangeError>) {
        let Some(exchanger) = self.exchanger.upgrade() else { return };
        let wire = match reply {
            Ok(wire) => wire,
            Err(error) => return self.go_on(&exchanger, Start::Reply(Err(error))),
        };
        let Some(server) = self.group.servers.get(self.server) else { return };
        let (now, millis) = exchanger.times();
        let is_believed = |response: &_| !self.edns || server.believes(response, millis);
        match accept(server, &self.ask, &self.asked, wire) {
            Ok(response) if is_usable(&response) && is_believed(&response) => {
                let took = now.duration_since(self.sent);
                server.note_round_trip(took);
                exchanger.doubt_loop(server, self.group.loops.get(self.server));
                exchanger.note_answer(server, millis);
                let outcome = Ok(response);
                exchanger.link(server, now).counts.note(&outcome, took);
                (self.then)(outcome);
            }
            _ => {
                let wire = wire.to_vec();
                self.go_on(&exchanger, Start::Reply(Ok(wire)));
            }
        }
    }

    /// Goes on as a task.
    fn go_on(self: Box<Self>, exchanger: &Rc<Exchanger>, start: Start) {
        let exchanger = Rc::clone(exchanger);
        tokio::task::spawn_local(async move {
            let Self { group, server, ask, asked, edns, sent, asked_at, then, .. } = *self;
            let head = Head { server, asked, edns, sent, asked_at, start };
            then(exchanger.exchange_from(&group, &ask, Some(head)).await);
        });
    }
}
