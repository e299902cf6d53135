//! A row of the catalogue, and the words in which rows are written.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Action, Asked, Group, ZONE, ip};
use crate::audit::oracle::{parse::lenient, stubs};
use crate::audit::wire::{self, Message, code};
use crate::policy::OnBlock;

/// A record that must be in the answer section.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// TYPE
    pub rtype: u16,
    /// RDATA, uncompressed.
    pub rdata: Vec<u8>,
}

impl Kept {
    /// An A or AAAA record.
    pub fn address(text: &str) -> Self {
        wire::Record::address(ip(text)).into()
    }
}

impl From<wire::Record> for Kept {
    fn from(record: wire::Record) -> Self {
        Self { rtype: record.rtype, rdata: record.rdata }
    }
}

/// What the reply to a question must be. The readers of the oracle and the shape of the reply are checked besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// NOERROR with exactly these records in the answer section, in any order.
    Answer(Vec<Kept>),
    /// The same, and it was touched: no AD, no signature over it.
    Touched(Vec<Kept>),
    /// What `on-block` says; for NODATA with an SOA of our own, a short TTL and EDE 15.
    Blocked,
    /// NOERROR without an answer, and nothing that a client would keep for long.
    Nodata,
    /// This RCODE without an answer but for an alias chain, and with the SOA of the zone.
    Negative(u16),
    /// This RCODE, and no answer.
    Rcode(u16),
    /// RFC 8482: one HINFO record.
    Minimal,
    /// Any reply at all, as long as no reader finds anything.
    Safe,
    /// One of these.
    AnyOf(Vec<Expect>),
    /// This, and an extended error with this INFO-CODE.
    Explained(Box<Expect>, u16),
    /// Expects this, and that the text of each extended error says that it is from an upstream.
    Attributed(Box<Expect>),
}

/// A question as a client puts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The name: presentation form, `{slug}` and `{nonce}` to be filled in.
    pub name: String,
    /// QTYPE
    pub qtype: u16,
    /// QCLASS
    pub qclass: u16,
    /// RD and whatever else the client sets.
    pub flags: u16,
    /// Payload size and DO, where the client speaks EDNS.
    pub edns: Option<(u16, bool)>,
}

/// A question and what must come back.
#[derive(Debug, Clone)]
pub struct Step {
    /// The question.
    pub ask: Ask,
    /// The reply.
    pub expect: Expect,
}

/// How an upstream answers: the datagrams or stream messages it sends for one query.
pub type Script = Arc<dyn Fn(&Asked<'_>) -> Vec<Action> + Send + Sync>;

/// One row of the catalogue.
#[derive(Clone)]
pub struct Case {
    /// The row it plays, as A01 or M14.
    pub id: &'static str,
    /// The part of the catalogue.
    pub group: Group,
    /// What the attack, or the honest answer, is.
    pub title: &'static str,
    /// Which variant of the row.
    pub variant: String,
    /// The label that makes its names its own.
    pub slug: String,
    /// The questions, in order.
    pub steps: Vec<Step>,
    /// What the upstream answers, by name.
    pub scripts: Vec<(String, Script)>,
    /// The addresses nobody may read.
    pub forbidden: Vec<IpAddr>,
    /// The names nobody may be led to.
    pub forbidden_names: Vec<String>,
    /// The only addresses that may be read.
    pub allowed: Vec<IpAddr>,
    /// Whether the attack stands in the upstream's octets, so that a client without a guard falls for it.
    pub in_the_open: bool,
    /// The question must not reach the upstream.
    pub stays_here: bool,
    /// What a block reply looks like here.
    pub on_block: OnBlock,
    /// The longest TTL, in seconds, that a block reply may have.
    pub block_ttl: u32,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.title)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, " ({})", self.variant) }
    }
}

fn template() -> String {
    format!("{{slug}}.{{nonce}}.{ZONE}")
}

impl Case {
    /// A case that asks for A with EDNS, whose upstream knows nothing and whose reply only has to be safe.
    pub(super) fn new(group: Group, id: &'static str, title: &'static str) -> Self {
        let ask = Ask {
            name: template(),
            qtype: code::A,
            qclass: code::IN,
            flags: wire::flag::RD,
            edns: Some((1232, false)),
        };
        Self {
            id,
            group,
            title,
            variant: String::new(),
            slug: String::new(),
            steps: vec![Step { ask, expect: Expect::Safe }],
            scripts: Vec::new(),
            forbidden: Vec::new(),
            forbidden_names: Vec::new(),
            allowed: Vec::new(),
            in_the_open: true,
            stays_here: false,
            on_block: OnBlock::Nodata,
            block_ttl: 60,
        }
    }

    pub(super) fn variant(mut self, variant: impl Into<String>) -> Self {
        self.variant = variant.into();
        self
    }

    fn edit(mut self, change: impl FnOnce(&mut Step)) -> Self {
        if let Some(step) = self.steps.last_mut() {
            change(step);
        }
        self
    }

    /// The type the client asks for.
    pub(super) fn ask(self, qtype: u16) -> Self {
        self.edit(|step| step.ask.qtype = qtype)
    }

    /// The name the client asks for, in place of the case's own.
    pub(super) fn named(self, name: &str) -> Self {
        self.edit(|step| step.ask.name = name.to_owned())
    }

    /// A client without EDNS.
    pub(super) fn without_edns(self) -> Self {
        self.edit(|step| step.ask.edns = None)
    }

    /// A client with DO.
    pub(super) fn dnssec(self) -> Self {
        self.edit(|step| step.ask.edns = Some((1232, true)))
    }

    /// A client that sets these flag bits.
    pub(super) fn flags(self, bits: u16) -> Self {
        self.edit(|step| step.ask.flags |= bits)
    }

    /// A further question for the same name.
    pub(super) fn then(mut self, qtype: u16, expect: Expect) -> Self {
        if let Some(first) = self.steps.first() {
            let ask = Ask { qtype, ..first.ask.clone() };
            self.steps.push(Step { ask, expect });
        }
        self
    }

    /// What the upstream answers for the name of the first question.
    pub(super) fn script(self, script: impl Fn(&Asked<'_>) -> Vec<Action> + Send + Sync + 'static) -> Self {
        let name = self.steps.first().map(|step| step.ask.name.clone()).unwrap_or_default();
        self.script_for(&name, script)
    }

    pub(super) fn script_for(
        mut self,
        name: &str,
        script: impl Fn(&Asked<'_>) -> Vec<Action> + Send + Sync + 'static,
    ) -> Self {
        self.scripts.push((name.to_owned(), Arc::new(script)));
        self
    }

    /// The same with one message, over TCP where it does not fit a datagram.
    pub(super) fn reply(self, message: impl Fn(&Asked<'_>) -> Message + Send + Sync + 'static) -> Self {
        self.script(move |asked| asked.send(&message(asked)))
    }

    /// An honest reply with these records in the answer section.
    pub(super) fn answers(self, records: impl IntoIterator<Item = wire::Record>) -> Self {
        let records: Vec<_> = records.into_iter().collect();
        self.reply(move |asked| asked.reply().answer(records.clone()))
    }

    /// Addresses nobody may read.
    pub(super) fn forbid<'a>(mut self, addresses: impl IntoIterator<Item = &'a str>) -> Self {
        self.forbidden.extend(addresses.into_iter().map(ip));
        self
    }

    /// Names nobody may be led to.
    pub(super) fn forbid_names<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.forbidden_names.extend(names.into_iter().map(str::to_owned));
        self
    }

    /// Addresses that may be read without having to come through.
    pub(super) fn allow<'a>(mut self, addresses: impl IntoIterator<Item = &'a str>) -> Self {
        self.allowed.extend(addresses.into_iter().map(ip));
        self
    }

    pub(super) fn expect(self, expect: Expect) -> Self {
        self.edit(|step| step.expect = expect)
    }

    pub(super) fn blocked(self) -> Self {
        self.expect(Expect::Blocked)
    }

    /// These records must come through, unchanged.
    pub(super) fn keeps(self, kept: impl IntoIterator<Item = wire::Record>) -> Self {
        self.expect(Expect::Answer(kept.into_iter().map(Kept::from).collect()))
    }

    /// These records must come through, others were taken out.
    pub(super) fn leaves(self, kept: impl IntoIterator<Item = wire::Record>) -> Self {
        self.expect(Expect::Touched(kept.into_iter().map(Kept::from).collect()))
    }

    /// These addresses must come through, unchanged.
    pub(super) fn keeps_addresses<'a>(self, addresses: impl IntoIterator<Item = &'a str>) -> Self {
        self.keeps(addresses.into_iter().map(|text| wire::Record::address(ip(text))))
    }

    /// These addresses must come through, others were taken out.
    pub(super) fn leaves_addresses<'a>(self, addresses: impl IntoIterator<Item = &'a str>) -> Self {
        self.leaves(addresses.into_iter().map(|text| wire::Record::address(ip(text))))
    }

    /// The attack is not in the upstream's octets.
    pub(super) fn hidden(mut self) -> Self {
        self.in_the_open = false;
        self
    }

    /// The question must not reach the upstream.
    pub(super) fn stays_here(mut self) -> Self {
        self.stays_here = true;
        self.hidden()
    }
}

impl Expect {
    /// The addresses that may be read in such a reply.
    pub fn addresses(&self) -> Vec<IpAddr> {
        match self {
            Self::Answer(kept) | Self::Touched(kept) => kept.iter().flat_map(addresses_of).collect(),
            Self::AnyOf(expects) => expects.iter().flat_map(Self::addresses).collect(),
            Self::Explained(expect, _) | Self::Attributed(expect) => expect.addresses(),
            Self::Blocked
            | Self::Nodata
            | Self::Negative(_)
            | Self::Rcode(_)
            | Self::Minimal
            | Self::Safe => Vec::new(),
        }
    }
}

fn addresses_of(kept: &Kept) -> Vec<IpAddr> {
    // The hints are read by the oracle's own reader from a message with this one record.
    let record = wire::Record::new(kept.rtype, kept.rdata.clone()).owner([0]);
    let message = Message::default().answer([record]).encode();
    let (parsed, _) = lenient(&message);
    match (kept.rtype, parsed.records.first()) {
        (code::SVCB | code::HTTPS, Some(rr)) => stubs::hints(&parsed, rr),
        (rtype, _) => {
            let low = if rtype & 0xff == code::AAAA { code::AAAA } else { code::A };
            stubs::exact(low, &kept.rdata).into_iter().collect()
        }
    }
}
