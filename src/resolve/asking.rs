//! A query that waits for an upstream gets an answer, whatever becomes of the asking.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::inflight::Duty;
use super::{Answer, Lookup, Outcome, Resolver, Source};
use crate::dns::UpstreamResponse;
use crate::upstream::ExchangeError;

/// A query under way with what is to be done with its outcome. Dropped without one, as by a panic, it failed.
pub(super) struct Asking<T: FnOnce(&Lookup, Outcome)> {
    pub(super) resolver: Arc<Resolver>,
    pub(super) lookup: Box<Lookup>,
    then: Option<T>,
}

impl<T: FnOnce(&Lookup, Outcome)> Asking<T> {
    pub(super) fn new(resolver: Arc<Resolver>, lookup: Box<Lookup>, then: T) -> Self {
        Self { resolver, lookup, then: Some(then) }
    }

    /// The upstream answered, for others too.
    pub(super) fn answered(self, response: Result<UpstreamResponse, ExchangeError>, duty: Duty<Answer>) {
        let now = self.resolver.now();
        let answer = self.resolver.keep(&self.lookup, response, now);
        duty.fulfil(&answer);
        let outcome = self.resolver.conclude(&self.lookup, answer, Source::Upstream, now);
        self.finish(outcome);
    }

    /// This came of it.
    pub(super) fn finish(mut self, outcome: Outcome) {
        if let Some(then) = self.then.take() {
            then(&self.lookup, outcome);
        }
    }
}

impl<T: FnOnce(&Lookup, Outcome)> Drop for Asking<T> {
    fn drop(&mut self) {
        if let Some(then) = self.then.take() {
            let failed = || then(&self.lookup, Outcome::overloaded(&self.lookup.query.question));
            // This may be a panic's way out already.
            let _ = catch_unwind(AssertUnwindSafe(failed));
        }
    }
}
