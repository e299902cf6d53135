//! The one way from an upstream's reply to a client's, and the only type that can be sent.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::dns::{
    Asker, Ede, EdeCode, LocalAnswer, Message, MessageBuilder, NotAQuery, Question, Rcode, Record,
    RecordType, Section, Svcb, UpstreamResponse,
};

use super::evaluate::{Circumstances, Evaluation, Policy, Validity, evaluate};
use super::settings::OnBlock;
use super::verdict::{Action, Category, Finding, Subject, Verdict};

/// A reply that may be sent: made by [`enforce`], or here from a query alone. There is no other way to one.
#[derive(Debug, Clone)]
pub struct ClientResponse {
    message: Arc<Message>,
    errors: Option<Arc<[Ede]>>,
}

/// The octets of a [`ClientResponse`] for one client; all that a listener can send.
#[derive(Debug, Default)]
pub struct Wire(Vec<u8>);

impl AsRef<[u8]> for Wire {
    /// The whole message.
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl ClientResponse {
    /// Writes the reply to `asker`, at most `limit` octets of it, with TTLs lowered by `age` seconds.
    pub fn write(&self, asker: &Asker, question: &Question, age: u32, limit: usize, wire: &mut Wire) {
        self.message.write(asker, Some(question), age, self.errors(), limit, &mut wire.0);
    }

    /// Writes the error reply to what is not a query; `false` if it gets none.
    pub fn write_refusal(refusal: &NotAQuery, wire: &mut Wire) -> bool {
        let NotAQuery::Refuse { asker, question, rcode } = refusal else { return false };
        let message = Message::without_records(*rcode);
        message.write(asker, question.as_ref(), 0, &[], asker.udp_limit(), &mut wire.0);
        true
    }

    /// With one more extended error.
    #[must_use]
    pub fn with_error(&self, error: Ede) -> Self {
        let errors = self.errors().iter().cloned().chain([error]).collect();
        Self { message: Arc::clone(&self.message), errors: Some(errors) }
    }

    /// With what becomes of each TTL, in seconds.
    #[must_use]
    pub fn with_ttls(&self, become_of: impl Fn(u32) -> u32) -> Self {
        Self { message: Arc::new(self.message.with_ttls(become_of)), errors: self.errors.clone() }
    }

    /// RCODE
    pub fn rcode(&self) -> Rcode {
        self.message.rcode
    }

    /// The extended errors.
    pub fn errors(&self) -> &[Ede] {
        self.errors.as_deref().unwrap_or_default()
    }

    /// The records, for people to read.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        self.message.records()
    }

    /// How many octets it takes in memory.
    pub fn weight(&self) -> usize {
        self.message.weight()
    }
}

impl From<LocalAnswer> for ClientResponse {
    fn from(answer: LocalAnswer) -> Self {
        let (message, error) = answer.into_parts();
        Self { message: Arc::new(message), errors: error.map(|error| Arc::from([error])) }
    }
}

/// A reply that has been judged.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// What the client gets.
    pub response: ClientResponse,
    /// What was found; `None` is nothing at all.
    pub verdict: Option<Arc<Verdict>>,
    /// For whom and how long it holds.
    pub validity: Validity,
    /// Nothing of the upstream's reply is left: the response is one of ours, with a TTL of its own.
    pub is_ours: bool,
}

impl Judgement {
    /// Everything that was found, removed or not.
    pub fn findings(&self) -> &[Finding] {
        self.verdict.as_ref().map_or(&[], |verdict| &verdict.findings)
    }

    /// What it amounts to.
    pub fn category(&self) -> Category {
        self.verdict.as_ref().map_or(Category::Clean, |verdict| verdict.category)
    }

    /// How many octets it takes beside the upstream's reply.
    pub fn extra_weight(&self) -> usize {
        match &self.verdict {
            None => 0,
            Some(verdict) => {
                self.response.weight() + size_of::<Verdict>() + verdict.findings.len() * size_of::<Finding>()
            }
        }
    }
}

/// Judges an upstream's reply and makes the client's of it. The only way from the one to the other.
pub fn enforce(policy: &Policy, circumstances: &Circumstances<'_>, response: &UpstreamResponse) -> Judgement {
    let evaluation = evaluate(policy, circumstances, response.message());
    let (question, verdict) = (circumstances.question, &evaluation.verdict);
    let mut is_ours = false;
    let is_removed = verdict.has_removed();
    let client_response = if is_removed || evaluation.hides_chain {
        let message = remaining(question, response.message(), &evaluation).unwrap_or_else(|| {
            is_ours = is_removed;
            match is_removed {
                true => block_reply(policy, question, verdict.category),
                // The reply says that there is nothing behind aliases which are not shown.
                false => negative(response.rcode(), question, least_ttl(response.message())),
            }
        });
        let removal = || -> Arc<[Ede]> { Arc::new([explain_removal(question, verdict)]) };
        let errors = if is_removed { Some(removal()) } else { response.shared_errors() };
        ClientResponse { message: Arc::new(message), errors }
    } else {
        ClientResponse { message: response.shared_message(), errors: response.shared_errors() }
    };
    let Evaluation { verdict, validity, .. } = evaluation;
    let verdict = (!verdict.findings.is_empty()).then(|| Arc::new(verdict));
    Judgement { response: client_response, verdict, validity, is_ours }
}

/// The reply without what was found; `None` if nothing of the asked type is left.
fn remaining(question: &Question, message: &Message, evaluation: &Evaluation) -> Option<Message> {
    let mut builder = MessageBuilder::new(question, message.rcode);
    let mut kept = 0;
    // A client may not keep an answer longer than the aliases that led to it.
    let hidden = evaluation.hides_chain.then(|| least_ttl(message));
    for (index, record) in message.records().enumerate() {
        // The proofs in the authority section were about the answer as it was.
        if record.section == Section::Authority {
            break;
        }
        match surviving_rdata(index, &record, evaluation) {
            // What an alias leads to goes with it.
            None if record.rtype.is_alias() => return None,
            None => {}
            // The signature over an RRset that has changed is worth nothing.
            Some(_) if record.rtype == RecordType::RRSIG && covers(&record, question.rtype) => {}
            Some(rdata) => {
                match hidden {
                    None => builder.copy(&record, &rdata).ok()?,
                    Some(ttl) if record.rtype == question.rtype && !record.rtype.is_about_owner() => {
                        builder.copy_to_question(question, &record, ttl, &rdata).ok()?;
                    }
                    Some(_) => continue,
                }
                kept += usize::from(record.rtype == question.rtype);
            }
        }
    }
    (kept > 0).then(|| builder.build())
}

/// The record's RDATA without the addresses that were found; `None` if the record has to go.
fn surviving_rdata(index: usize, record: &Record<'_>, evaluation: &Evaluation) -> Option<Vec<u8>> {
    let Evaluation { verdict, records, .. } = evaluation;
    let mut hints: HashSet<IpAddr, RandomState> = HashSet::default();
    // Findings stand in the order of their records.
    let start = records.partition_point(|at| *at < index);
    let end = records.partition_point(|at| *at <= index);
    let findings = verdict.findings.get(start..end).unwrap_or_default();
    for finding in findings.iter().filter(|finding| finding.action == Action::Removed) {
        match &finding.subject {
            Subject::Address { address, .. } if record.rtype.is_service_binding() => {
                hints.insert(*address);
            }
            _ => return None,
        }
    }
    if hints.is_empty() {
        return Some(record.rdata.to_vec());
    }
    Svcb::parse(record.rdata).ok()?.without_hints(|address| !hints.contains(&address))
}

fn covers(signature: &Record<'_>, rtype: RecordType) -> bool {
    signature.rdata.first_chunk().is_some_and(|octets| RecordType(u16::from_be_bytes(*octets)) == rtype)
}

/// What the client gets when nothing is left. Never an address, never a failure that sends it to another server.
fn block_reply(policy: &Policy, question: &Question, category: Category) -> Message {
    match policy.on_block {
        OnBlock::Nodata => negative(Rcode::NOERROR, question, policy.block_ttl),
        _ if category == Category::Sinkhole => negative(Rcode::NOERROR, question, policy.block_ttl),
        OnBlock::Nxdomain => negative(Rcode::NXDOMAIN, question, policy.block_ttl),
        OnBlock::Refused => LocalAnswer::empty(Rcode::REFUSED, question).into_parts().0,
    }
}

fn negative(rcode: Rcode, question: &Question, ttl: u32) -> Message {
    LocalAnswer::negative(rcode, question, question.name(), ttl).into_parts().0
}

fn least_ttl(message: &Message) -> u32 {
    message.records().map(|record| record.ttl).min().unwrap_or_default()
}

fn explain_removal(question: &Question, verdict: &Verdict) -> Ede {
    let text = match verdict.findings.iter().find(|finding| finding.action == Action::Removed) {
        Some(finding) if verdict.category == Category::Sinkhole => {
            format!("blocked upstream: {}", finding.subject)
        }
        Some(finding) => {
            format!("{}; to allow: {}", finding.subject, verdict.allow_line(finding, question.name()))
        }
        None => String::new(),
    };
    Ede::new(EdeCode::BLOCKED, text)
}
