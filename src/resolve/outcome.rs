//! What becomes of a query.

use std::sync::Arc;

use super::{Judged, Now};
use crate::cache::{Entry, Found};
use crate::dns::{Ede, EdeCode, LocalAnswer, Question, Rcode};
use crate::policy::{ClientResponse, Judgement, Verdict};
use crate::upstream::ExchangeError;

/// The TTL of a stale answer in seconds (RFC 8767 §4 recommends 30).
const STALE_TTL: u32 = 30;

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Made here: local and special names, refusals.
    Local,
    /// The cache.
    Cache,
    /// The cache, past its TTL.
    Stale,
    /// An upstream.
    Upstream,
    /// Nobody: it failed.
    Failure,
}

/// The answer to a query.
#[derive(Debug)]
pub struct Outcome {
    reply: Reply,
    /// Seconds by which its TTLs are to be lowered.
    pub age: u32,
    /// Where it came from.
    pub source: Source,
}

#[derive(Debug)]
enum Reply {
    /// Made for this query.
    Made(ClientResponse, Option<Arc<Verdict>>),
    /// As it is kept, judged by the query's generation.
    Kept(Arc<Entry<Judged>>),
}

impl Outcome {
    /// What to send.
    pub fn response(&self) -> &ClientResponse {
        match &self.reply {
            Reply::Made(response, _) => response,
            Reply::Kept(entry) => &entry.judged.judgement.response,
        }
    }

    /// What the guard said of it, if it was asked.
    pub fn verdict(&self) -> Option<&Arc<Verdict>> {
        match &self.reply {
            Reply::Made(_, verdict) => verdict.as_ref(),
            Reply::Kept(entry) => entry.judged.judgement.verdict.as_ref(),
        }
    }

    pub(super) fn local(answer: LocalAnswer) -> Self {
        Self { reply: Reply::Made(answer.into(), None), age: 0, source: Source::Local }
    }

    /// Made here for a name that no server is asked for, with what is to be reported where it does not exist.
    pub(super) fn denied(answer: LocalAnswer, verdict: Option<Arc<Verdict>>) -> Self {
        let response = ClientResponse::from(answer);
        let verdict = verdict.filter(|_| response.rcode() == Rcode::NXDOMAIN);
        Self { reply: Reply::Made(response, verdict), age: 0, source: Source::Local }
    }

    /// Not for this client.
    pub(super) fn refused(question: &Question, code: EdeCode, why: &str) -> Self {
        Self::local(LocalAnswer::empty(Rcode::REFUSED, question).with_error(Ede::new(code, why)))
    }

    pub(super) fn kept(found: Found<Judged>, now: &Now) -> Self {
        let judgement = &found.entry.judged.judgement;
        // A reply made here in an upstream's place has a TTL of its own.
        let age = if judgement.is_ours { 0 } else { found.age };
        let outlives =
            |left: u32| judgement.response.records().any(|record| record.ttl > left.saturating_add(age));
        if seconds_left(judgement, *now).is_some_and(outlives) {
            return Self::judged(judgement.clone(), found.age, Source::Cache, *now);
        }
        Self { reply: Reply::Kept(found.entry), age, source: Source::Cache }
    }

    /// A judged reply of an upstream; clients may keep it no longer than the judgement holds.
    pub(crate) fn judged(judgement: Judgement, age: u32, source: Source, now: Now) -> Self {
        let age = if judgement.is_ours { 0 } else { age };
        let response = match seconds_left(&judgement, now) {
            Some(left) => judgement.response.with_ttls(|ttl| ttl.min(left.saturating_add(age))),
            None => judgement.response,
        };
        Self { reply: Reply::Made(response, judgement.verdict), age, source }
    }

    /// An answer past its TTL, since no better one could be had.
    pub(super) fn stale(judgement: Judgement, now: Now) -> Self {
        let ttl = seconds_left(&judgement, now).map_or(STALE_TTL, |left| left.min(STALE_TTL));
        let response = judgement.response.with_ttls(|_| ttl).with_error(Ede::new(EdeCode::STALE_ANSWER, ""));
        Self { reply: Reply::Made(response, judgement.verdict), age: 0, source: Source::Stale }
    }

    /// A failure for want of room.
    pub(crate) fn overloaded(question: &Question) -> Self {
        Self::failed(question, &ExchangeError::Overload)
    }

    pub(super) fn failed(question: &Question, error: &ExchangeError) -> Self {
        let answer = LocalAnswer::empty(Rcode::SERVFAIL, question)
            .with_error(Ede::new(error.ede(), error.to_string()));
        Self { reply: Reply::Made(answer.into(), None), age: 0, source: Source::Failure }
    }
}

/// How long a judgement holds that holds for some time only.
fn seconds_left(judgement: &Judgement, now: Now) -> Option<u32> {
    let left = judgement.validity.until?.saturating_sub(now.unix);
    Some(u32::try_from(left.max(0)).unwrap_or(u32::MAX))
}
