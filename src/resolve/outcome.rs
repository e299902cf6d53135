//! What becomes of a query.

use std::sync::Arc;

use super::Judged;
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

    /// Not for this client.
    pub(super) fn refused(question: &Question, code: EdeCode, why: &str) -> Self {
        Self::local(LocalAnswer::empty(Rcode::REFUSED, question).with_error(Ede::new(code, why)))
    }

    pub(super) fn kept(found: Found<Judged>) -> Self {
        // A reply made here in an upstream's place has a TTL of its own.
        let age = if found.entry.judged.judgement.is_ours { 0 } else { found.age };
        Self { reply: Reply::Kept(found.entry), age, source: Source::Cache }
    }

    /// A judged reply of an upstream.
    pub(crate) fn judged(judgement: Judgement, age: u32, source: Source) -> Self {
        let age = if judgement.is_ours { 0 } else { age };
        Self { reply: Reply::Made(judgement.response, judgement.verdict), age, source }
    }

    /// An answer past its TTL, since no better one could be had.
    pub(super) fn stale(judgement: Judgement) -> Self {
        let response = judgement.response.with_ttl(STALE_TTL).with_error(Ede::new(EdeCode::STALE_ANSWER, ""));
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
