//! Reading a reply, and copying out of it what answers the question.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::{MAX_ALIASES, ResponseError, UpstreamResponse};
use crate::dns::addresses::each_address;
use crate::dns::edns::{Ede, Edns, read_options};
use crate::dns::kind::{Class, Rcode, RecordType};
use crate::dns::message::{MessageBuilder, Section};
use crate::dns::name::NameRef;
use crate::dns::query::Question;
use crate::dns::rdata::{type_covered, write_uncompressed};
use crate::dns::wire::{Malformed, NameBuf, Reader, name_at_is};

/// Records that only aliases and signatures are: more than any honest answer has, few enough to be compared with each other.
const MAX_ALIAS_RECORDS: usize = 64;
const MAX_SIGNATURES: usize = 128;
/// The most records of a proof of nonexistence, with their signatures: more than the three NSEC3 of RFC 5155 §7.2 need.
const MAX_PROOFS: usize = 64;

/// A record as it stands in the upstream's message.
#[derive(Clone, Copy)]
struct Raw {
    owner: usize,
    rtype: RecordType,
    class: Class,
    ttl: u32,
    rdata: (usize, usize),
}

pub(super) struct Parsed<'a> {
    wire: &'a [u8],
    rcode: Rcode,
    authentic_data: bool,
    records: Vec<Raw>,
    answers: usize,
    errors: Vec<Ede>,
    has_opt: bool,
}

impl<'a> Parsed<'a> {
    pub(super) fn read(wire: &'a [u8], question: &Question) -> Result<Self, ResponseError> {
        let mut reader = Reader::new(wire, 2);
        let flags = reader.u16()?;
        let questions = reader.u16()?;
        let counts = [reader.u16()?, reader.u16()?, reader.u16()?];
        let is_reply = flags & 0x8000 != 0 && flags >> 11 & 0x0f == 0;
        if !is_reply || questions != 1 {
            return Err(ResponseError::NotOurs);
        }
        let echoed = Question::read(&mut reader)?;
        let same = echoed.rtype == question.rtype && echoed.class == question.class;
        if !same || !echoed.name().same(question.name()) {
            return Err(ResponseError::NotOurs);
        }
        if flags & 0x0200 != 0 {
            return Err(ResponseError::Truncated);
        }
        let mut parsed = Self {
            wire,
            rcode: Rcode(flags & 0x0f),
            authentic_data: flags & 0x0020 != 0,
            records: Vec::with_capacity(usize::from(counts[0].min(64)) + usize::from(counts[1].min(64))),
            answers: usize::from(counts[0]),
            errors: Vec::new(),
            has_opt: false,
        };
        parsed.read_records(&mut reader, counts)?;
        Ok(parsed)
    }

    /// Reads every record of every section. Octets after the last one are not looked at: they were not counted, and
    /// they go nowhere.
    fn read_records(&mut self, reader: &mut Reader<'_>, counts: [u16; 3]) -> Result<(), ResponseError> {
        let kept = usize::from(counts[0]) + usize::from(counts[1]);
        let all = kept + usize::from(counts[2]);
        for index in 0..all {
            let owner = reader.skip_name()?;
            let owner_length = reader.position() - owner;
            let rtype = RecordType(reader.u16()?);
            let class = Class(reader.u16()?);
            let ttl = reader.u32()?;
            let length = usize::from(reader.u16()?);
            let start = reader.position();
            let rdata = reader.take(length)?;
            if rtype == RecordType::OPT {
                // RFC 6891 §6.1.1: one, of the root, in the additional section.
                if self.has_opt || index < kept || owner_length != 1 {
                    return Err(ResponseError::Malformed);
                }
                self.has_opt = true;
                let edns = Edns::from_fields(class.0, ttl);
                self.rcode = Rcode(u16::from(edns.rcode_high) << 4 | self.rcode.0);
                self.errors = read_options(rdata)?;
            } else if index < kept {
                self.records.push(Raw {
                    owner,
                    rtype,
                    class,
                    ttl: sane_ttl(ttl),
                    rdata: (start, start + length),
                });
            }
        }
        Ok(())
    }

    fn answer(&self) -> impl Iterator<Item = &Raw> {
        self.records.iter().take(self.answers).filter(|record| record.class == Class::IN)
    }

    fn authority(&self) -> impl Iterator<Item = &Raw> {
        self.records.iter().skip(self.answers).filter(|record| record.class == Class::IN)
    }

    fn refuse_crowds(&self) -> Result<(), ResponseError> {
        let answers = |wanted: RecordType| self.answer().filter(|record| record.rtype == wanted).count();
        let aliases = self.answer().filter(|record| record.rtype.is_alias()).count();
        let proofs = [RecordType::NSEC, RecordType::NSEC3, RecordType::RRSIG];
        let proofs = self.authority().filter(|record| proofs.contains(&record.rtype)).count();
        let fits = aliases <= MAX_ALIAS_RECORDS
            && answers(RecordType::RRSIG) <= MAX_SIGNATURES
            && proofs <= MAX_PROOFS;
        if fits { Ok(()) } else { Err(ResponseError::TooMany) }
    }

    pub(super) fn rebuild(
        self,
        question: &Question,
        dnssec_ok: bool,
    ) -> Result<UpstreamResponse, ResponseError> {
        self.refuse_crowds()?;
        let mut builder = MessageBuilder::new(question, for_client(self.rcode));
        builder.authentic_data(self.authentic_data);
        let mut ttl = None;
        let mut answered = false;
        if matches!(self.rcode, Rcode::NOERROR | Rcode::NXDOMAIN) {
            let mut end = NameBuf::of(question.name());
            self.copy_chain(question, dnssec_ok, &mut builder, &mut end, &mut ttl)?;
            if self.rcode == Rcode::NOERROR {
                answered = self.copy_rrset(&end, question.rtype, dnssec_ok, &mut builder, &mut ttl)?;
            }
            let negative_ttl = self.copy_authority(&end, answered, dnssec_ok, &mut builder)?;
            if !answered {
                ttl = negative_ttl.map(|negative| ttl.map_or(negative, |chain: u32| chain.min(negative)));
            }
        }
        let message = builder.build();
        let has_soa = self.authority().any(|record| record.rtype == RecordType::SOA);
        Ok(UpstreamResponse {
            rcode: self.rcode,
            lame: self.rcode == Rcode::NOERROR && message.answer_count() == 0 && !has_soa,
            message: Arc::new(message),
            errors: (!self.errors.is_empty()).then(|| self.errors.into()),
            ttl,
            negative: !answered,
            edns: self.has_opt,
        })
    }

    /// Copies the aliases from the QNAME on, in their order; `end` becomes the name at their end.
    fn copy_chain(
        &self,
        question: &Question,
        dnssec_ok: bool,
        builder: &mut MessageBuilder,
        end: &mut NameBuf,
        ttl: &mut Option<u32>,
    ) -> Result<(), ResponseError> {
        if question.rtype == RecordType::CNAME {
            return Ok(());
        }
        for _ in 0..=MAX_ALIASES {
            let Some(alias) = self.alias_at(RecordType::CNAME, end.as_name())? else {
                return Ok(());
            };
            self.copy_dname(end.as_name(), alias, dnssec_ok, builder, ttl)?;
            self.copy(alias, end.as_name(), builder, ttl)?;
            if dnssec_ok {
                self.copy_signatures(end.as_name(), &[RecordType::CNAME], builder)?;
            }
            let mut next = NameBuf::new();
            Reader::new(self.wire, alias.rdata.0).name(&mut next)?;
            *end = next;
        }
        Err(ResponseError::AliasLoop)
    }

    /// The one CNAME or DNAME at `owner`.
    fn alias_at(&self, rtype: RecordType, owner: NameRef<'_>) -> Result<Option<&Raw>, ResponseError> {
        let mut found: Option<&Raw> = None;
        for record in self.answer().filter(|record| record.rtype == rtype) {
            if !name_at_is(self.wire, record.owner, owner) {
                continue;
            }
            let mut target = NameBuf::new();
            let mut reader = Reader::new(self.wire, record.rdata.0);
            reader.name(&mut target)?;
            if reader.position() != record.rdata.1 {
                return Err(ResponseError::Malformed);
            }
            match found {
                Some(first) if !name_at_is(self.wire, first.rdata.0, target.as_name()) => {
                    return Err(ResponseError::TwoAliases);
                }
                Some(_) => {}
                None => found = Some(record),
            }
        }
        Ok(found)
    }

    /// Copies the DNAME from which `cname`, at `owner`, was synthesised (RFC 6672 §3.1), for a client with DO, which can validate
    /// the CNAME by the DNAME's signature. Other clients do not get it, because a DNAME is about many names that were not asked.
    ///
    /// There is nothing below a DNAME, so no other DNAME applies to the same name (§2.3).
    fn copy_dname(
        &self,
        owner: NameRef<'_>,
        cname: &Raw,
        dnssec_ok: bool,
        builder: &mut MessageBuilder,
        ttl: &mut Option<u32>,
    ) -> Result<(), ResponseError> {
        let mut found: Option<NameBuf> = None;
        // Each DNAME's owner is read once, and not compared with every ancestor.
        for record in self.answer().filter(|record| record.rtype == RecordType::DNAME) {
            let mut above = NameBuf::new();
            Reader::new(self.wire, record.owner).name(&mut above)?;
            if !owner.is_within(above.as_name()) || owner.same(above.as_name()) {
                continue;
            }
            match &found {
                Some(first) if !first.as_name().same(above.as_name()) => {
                    return Err(ResponseError::TwoAliases);
                }
                Some(_) => {}
                None => found = Some(above),
            }
        }
        let Some(above) = found else { return Ok(()) };
        let above = above.as_name();
        let dname = self.alias_at(RecordType::DNAME, above)?;
        let Some(dname) = dname.filter(|_| dnssec_ok) else { return Ok(()) };
        if !self.is_synthesised(owner, above, dname, cname)? {
            return Err(ResponseError::NotSynthesised);
        }
        self.copy(dname, above, builder, ttl)?;
        self.copy_signatures(above, &[RecordType::DNAME], builder)
    }

    /// `cname`, at `owner`, is what `dname`, at `above`, makes of that name: the labels below `above`, then the target (RFC 6672
    /// §2.2, §3.4).
    fn is_synthesised(
        &self,
        owner: NameRef<'_>,
        above: NameRef<'_>,
        dname: &Raw,
        cname: &Raw,
    ) -> Result<bool, ResponseError> {
        let (mut target, mut subtree) = (NameBuf::new(), NameBuf::new());
        Reader::new(self.wire, cname.rdata.0).name(&mut target)?;
        Reader::new(self.wire, dname.rdata.0).name(&mut subtree)?;
        let below = owner.as_wire().len() - above.as_wire().len();
        let (owner, target) =
            (owner.as_wire().split_at_checked(below), target.as_name().as_wire().split_at_checked(below));
        Ok(matches!((owner, target), (Some((labels, _)), Some((kept, rest)))
            if kept.eq_ignore_ascii_case(labels) && rest.eq_ignore_ascii_case(subtree.as_name().as_wire())))
    }

    /// Copies the RRset of the asked type; records that break their type's format stay behind. Says if there was any.
    fn copy_rrset(
        &self,
        end: &NameBuf,
        rtype: RecordType,
        dnssec_ok: bool,
        builder: &mut MessageBuilder,
        ttl: &mut Option<u32>,
    ) -> Result<bool, ResponseError> {
        // As with a CNAME, only clients with DO get a DNAME.
        if rtype == RecordType::DNAME && !dnssec_ok {
            return Ok(false);
        }
        let owner = end.as_name();
        let at_end = |record: &&Raw| record.rtype == rtype && name_at_is(self.wire, record.owner, owner);
        let mut seen: HashSet<&[u8], RandomState> = HashSet::default();
        for record in self.answer().filter(at_end) {
            let rdata = self.rdata(record)?;
            if each_address(rtype, rdata, |_, _| {}).is_ok() && seen.insert(rdata) {
                self.copy(record, owner, builder, ttl)?;
            }
        }
        if dnssec_ok && !seen.is_empty() && rtype != RecordType::RRSIG {
            self.copy_signatures(owner, &[rtype], builder)?;
        }
        Ok(!seen.is_empty())
    }

    /// Copies the SOA of a negative reply, and with DO what proves it. Returns the time a negative reply may be kept:
    /// "the minimum of the SOA.MINIMUM field and the TTL of the SOA itself" (RFC 2308 §5).
    fn copy_authority(
        &self,
        end: &NameBuf,
        answered: bool,
        dnssec_ok: bool,
        builder: &mut MessageBuilder,
    ) -> Result<Option<u32>, ResponseError> {
        const PROOF: [RecordType; 3] = [RecordType::NSEC, RecordType::NSEC3, RecordType::SOA];
        let mut negative_ttl = None;
        for record in self.authority() {
            let mut owner = NameBuf::new();
            Reader::new(self.wire, record.owner).name(&mut owner)?;
            let wanted = match record.rtype {
                RecordType::SOA => {
                    !answered && negative_ttl.is_none() && end.as_name().is_within(owner.as_name())
                }
                RecordType::NSEC | RecordType::NSEC3 => dnssec_ok,
                RecordType::RRSIG if dnssec_ok => type_covered(self.rdata(record)?).is_some_and(|covered| {
                    PROOF.contains(&covered) && !(answered && covered == RecordType::SOA)
                }),
                _ => false,
            };
            if !wanted {
                continue;
            }
            let mut record = *record;
            if record.rtype == RecordType::SOA {
                let minimum = self.rdata(&record)?.last_chunk().map(|octets| u32::from_be_bytes(*octets));
                record.ttl = record.ttl.min(sane_ttl(minimum.ok_or(Malformed)?));
                negative_ttl = Some(record.ttl);
            }
            self.copy_to(Section::Authority, &record, owner.as_name(), builder)?;
        }
        Ok(negative_ttl)
    }

    /// Copies the signatures at `owner` over RRsets of the `covered` types.
    fn copy_signatures(
        &self,
        owner: NameRef<'_>,
        covered: &[RecordType],
        builder: &mut MessageBuilder,
    ) -> Result<(), ResponseError> {
        for record in self.answer().filter(|record| record.rtype == RecordType::RRSIG) {
            let covers = type_covered(self.rdata(record)?).is_some_and(|rtype| covered.contains(&rtype));
            if covers && name_at_is(self.wire, record.owner, owner) {
                self.copy_to(Section::Answer, record, owner, builder)?;
            }
        }
        Ok(())
    }

    fn copy(
        &self,
        record: &Raw,
        owner: NameRef<'_>,
        builder: &mut MessageBuilder,
        ttl: &mut Option<u32>,
    ) -> Result<(), ResponseError> {
        *ttl = Some(ttl.map_or(record.ttl, |least| least.min(record.ttl)));
        self.copy_to(Section::Answer, record, owner, builder)
    }

    fn copy_to(
        &self,
        section: Section,
        record: &Raw,
        owner: NameRef<'_>,
        builder: &mut MessageBuilder,
    ) -> Result<(), ResponseError> {
        let (start, end) = record.rdata;
        let write = |out: &mut Vec<u8>| write_uncompressed(record.rtype, self.wire, start, end, out);
        Ok(builder.record(section, owner, record.rtype, record.ttl, write)?)
    }

    fn rdata(&self, record: &Raw) -> Result<&'a [u8], Malformed> {
        let (start, end) = record.rdata;
        self.wire.get(start..end).ok_or(Malformed)
    }
}

/// What an RCODE of an upstream means to a client: that the upstream did not understand *our* query is a failure of ours.
fn for_client(rcode: Rcode) -> Rcode {
    match rcode {
        Rcode::NOERROR | Rcode::NXDOMAIN | Rcode::REFUSED => rcode,
        _ => Rcode::SERVFAIL,
    }
}

/// "Implementations should treat TTL values received with the most significant bit set as if the entire value
/// received was zero" (RFC 2181 §8).
fn sane_ttl(ttl: u32) -> u32 {
    if ttl > i32::MAX as u32 { 0 } else { ttl }
}
