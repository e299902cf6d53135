//! A reply as this program builds it: the records after the question, in wire form, ready to be copied.

use super::edns::{BARE_OPT, Ede, opt_length, write_opt};
use super::kind::{Class, Rcode, RecordType};
use super::name::{Name, NameRef};
use super::pointers::Pointers;
use super::presentation::present;
use super::query::{Asker, Question};
use super::wire::{HEADER, Malformed, NameBuf, Reader};

const FLAG_QR: u16 = 0x8000;
const FLAG_TC: u16 = 0x0200;
const FLAG_RD: u16 = 0x0100;
const FLAG_RA: u16 = 0x0080;
const FLAG_AD: u16 = 0x0020;
const FLAG_CD: u16 = 0x0010;

/// The most octets of a message (RFC 1035 §4.2.2), less room for an OPT record. [`Message::write`] leaves extended errors
/// out where they do not fit.
const MAX_MESSAGE: usize = 65_535 - BARE_OPT;

/// The section a record stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Answer
    Answer,
    /// Authority
    Authority,
}

/// The records of a reply. Made by [`MessageBuilder`] only, so that its octets are well-formed by construction:
/// owners are compressed against the question and the alias chain, names in RDATA are not compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// RCODE
    pub rcode: Rcode,
    /// AD as the upstream set it.
    pub authentic_data: bool,
    answers: u16,
    authorities: u16,
    /// The length of the question that the body's pointers reckon with; `None` without records.
    question_length: Option<u16>,
    body: Box<[u8]>,
}

/// A record of a [`Message`].
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Answer or authority.
    pub section: Section,
    /// The owner's octets as they stand in the body.
    owner: &'a [u8],
    /// TYPE
    pub rtype: RecordType,
    /// TTL in seconds
    pub ttl: u32,
    /// RDATA, uncompressed
    pub rdata: &'a [u8],
    ttl_at: usize,
}

impl Message {
    /// A reply that says only an RCODE, under any question or none.
    pub fn without_records(rcode: Rcode) -> Self {
        Self {
            rcode,
            authentic_data: false,
            answers: 0,
            authorities: 0,
            question_length: None,
            body: Box::default(),
        }
    }

    /// The records in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut reader = Reader::new(&self.body, 0);
        let mut index = 0;
        let answers = self.answers;
        std::iter::from_fn(move || {
            let section = if index < answers { Section::Answer } else { Section::Authority };
            index += 1;
            read_record(&mut reader, &self.body, section).ok()
        })
    }

    /// The owner of one of its records; `question` is the one that the message answers.
    pub fn owner(&self, record: &Record<'_>, question: &Question) -> Option<Name> {
        let pointer = match record.owner {
            [high, low] if high & 0xc0 == 0xc0 => usize::from(high & 0x3f) << 8 | usize::from(*low),
            whole => return NameRef::from_wire(whole).ok().map(NameRef::to_name),
        };
        // A pointer leads into the question's name, or to a name that is whole in the body.
        let name = question.name().as_wire();
        let at = pointer.checked_sub(HEADER)?;
        let found = match at.checked_sub(question.wire_length()) {
            None => NameBuf::whole(name, at),
            Some(at) => NameBuf::whole(&self.body, at),
        };
        found.ok().map(|name| name.as_name().to_name())
    }

    /// The same with what becomes of each TTL, in seconds.
    #[must_use]
    pub fn with_ttls(&self, become_of: impl Fn(u32) -> u32) -> Self {
        let mut message = self.clone();
        self.write_ttls(&mut message.body, become_of);
        message
    }

    /// How many octets it takes in memory.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.body.len()
    }

    /// The number of records in the answer section.
    pub fn answer_count(&self) -> u16 {
        self.answers
    }

    /// Writes the reply to `asker` as a whole message of at most `limit` octets.
    ///
    /// TTLs are lowered by `age` seconds. What does not fit is not cut: the reply is then empty with TC set, so that
    /// no stub can use a part (RFC 2181 §9 allows it, and the client asks again over TCP).
    pub fn write(
        &self,
        asker: &Asker,
        question: Option<&Question>,
        age: u32,
        errors: &[Ede],
        limit: usize,
        out: &mut Vec<u8>,
    ) {
        let question_length = question.map_or(0, Question::wire_length);
        let opt = asker.edns.map(|edns| (edns.dnssec_ok, opt_length(errors)));
        let opt_room = opt.map_or(0, |(_, length)| length);
        let fits_question =
            self.question_length.is_none_or(|expected| usize::from(expected) == question_length);
        debug_assert!(fits_question, "a reply is written under a question of another length");
        let whole = HEADER + question_length + self.body.len();
        // An extended error is worth less than the answer: without room for both, its text goes.
        let errors = if whole + opt_room > limit { &[] } else { errors };
        let fits = fits_question && whole + opt.map_or(0, |_| opt_length(errors)) <= limit;
        let flags = self.flags(asker, !fits);
        let (answers, authorities) = if fits { (self.answers, self.authorities) } else { (0, 0) };

        let counts = [u16::from(question.is_some()), answers, authorities, u16::from(opt.is_some())];
        out.clear();
        write_header(asker.id, flags, counts, out);
        if let Some(question) = question {
            question.write(out);
        }
        if fits {
            let start = out.len();
            out.extend_from_slice(&self.body);
            if age > 0 {
                self.write_ttls(out.get_mut(start..).unwrap_or_default(), |ttl| ttl.saturating_sub(age));
            }
        }
        if let Some((dnssec_ok, _)) = opt {
            let [high, _] = (self.rcode.0 << 4).to_be_bytes();
            write_opt(out, high, dnssec_ok, errors);
        }
    }

    fn flags(&self, asker: &Asker, truncated: bool) -> u16 {
        let wants_ad = asker.authentic_data || asker.dnssec_ok();
        let bit = |set: bool, flag: u16| if set { flag } else { 0 };
        // Of an extended RCODE a client without EDNS would see the low bits: another code.
        let rcode = if asker.edns.is_none() && self.rcode.0 > 0x0f { Rcode::SERVFAIL } else { self.rcode };
        FLAG_QR
            | u16::from(asker.opcode) << 11
            | bit(truncated, FLAG_TC)
            | bit(asker.recursion_desired, FLAG_RD)
            | FLAG_RA
            | bit(self.authentic_data && wants_ad && !truncated, FLAG_AD)
            | bit(asker.checking_disabled, FLAG_CD)
            | rcode.0 & 0x0f
    }

    /// Writes what becomes of each TTL into a copy of the body.
    fn write_ttls(&self, body: &mut [u8], become_of: impl Fn(u32) -> u32) {
        for record in self.records() {
            if let Some(field) = body.get_mut(record.ttl_at..record.ttl_at + 4) {
                field.copy_from_slice(&become_of(record.ttl).to_be_bytes());
            }
        }
    }
}

impl Record<'_> {
    /// Its type, its RDATA in presentation format, and its TTL. Always printable ASCII, whatever the RDATA holds.
    pub fn to_text(&self) -> String {
        let Self { rtype, ttl, rdata, .. } = self;
        format!("{rtype} {} (TTL {ttl} s)", present(*rtype, rdata))
    }
}

/// Appends a message's header (RFC 1035 §4.1.1).
pub(super) fn write_header(id: u16, flags: u16, counts: [u16; 4], out: &mut Vec<u8>) {
    let [questions, answers, authorities, additionals] = counts;
    let mut header = [0; HEADER];
    let fields = [id, flags, questions, answers, authorities, additionals];
    for (octets, field) in header.chunks_exact_mut(2).zip(fields) {
        octets.copy_from_slice(&field.to_be_bytes());
    }
    out.extend_from_slice(&header);
}

fn read_record<'a>(
    reader: &mut Reader<'a>,
    body: &'a [u8],
    section: Section,
) -> Result<Record<'a>, Malformed> {
    let start = reader.position();
    let mut length = reader.u8()?;
    while length != 0 && length < 0xc0 {
        reader.take(usize::from(length))?;
        length = reader.u8()?;
    }
    if length >= 0xc0 {
        reader.u8()?;
    }
    let owner = body.get(start..reader.position()).ok_or(Malformed)?;
    let rtype = RecordType(reader.u16()?);
    reader.u16()?;
    let ttl_at = reader.position();
    let ttl = reader.u32()?;
    let rdata_length = usize::from(reader.u16()?);
    Ok(Record { section, owner, rtype, ttl, rdata: reader.take(rdata_length)?, ttl_at })
}

/// Puts a [`Message`] together.
pub struct MessageBuilder {
    message: Message,
    body: Vec<u8>,
    question_length: usize,
    pointers: Pointers,
    class: Class,
}

impl MessageBuilder {
    /// A reply to `question` without records so far.
    pub fn new(question: &Question, rcode: Rcode) -> Self {
        Self {
            message: Message {
                rcode,
                authentic_data: false,
                answers: 0,
                authorities: 0,
                question_length: u16::try_from(question.wire_length()).ok(),
                body: Box::default(),
            },
            body: Vec::new(),
            question_length: question.wire_length(),
            pointers: Pointers::new(question.name()),
            class: question.class,
        }
    }

    /// AD as the upstream set it.
    pub fn authentic_data(&mut self, set: bool) {
        self.message.authentic_data = set;
    }

    /// Appends a record whose RDATA `write_rdata` writes.
    pub(super) fn record(
        &mut self,
        section: Section,
        owner: NameRef<'_>,
        rtype: RecordType,
        ttl: u32,
        write_rdata: impl FnOnce(&mut Vec<u8>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let start = self.body.len();
        self.write_owner(owner);
        let result = self.finish_record(section, rtype, ttl, write_rdata);
        if result.is_err() {
            self.body.truncate(start);
        }
        result
    }

    /// Appends a record of another message that answers the same question, as it is.
    ///
    /// Its owner may point into records before it: those must have been taken over unchanged.
    pub fn copy(&mut self, record: &Record<'_>, rdata: &[u8]) -> Result<(), Malformed> {
        let start = self.body.len();
        self.body.extend_from_slice(record.owner);
        let result = self.finish_record(record.section, record.rtype, record.ttl, |out| {
            out.extend_from_slice(rdata);
            Ok(())
        });
        if result.is_err() {
            self.body.truncate(start);
        }
        result
    }

    /// Appends a record of another message that answers the same question, with the QNAME as its owner.
    pub fn copy_to_question(
        &mut self,
        question: &Question,
        record: &Record<'_>,
        ttl: u32,
        rdata: &[u8],
    ) -> Result<(), Malformed> {
        self.record(Section::Answer, question.name(), record.rtype, ttl, |out| {
            out.extend_from_slice(rdata);
            Ok(())
        })
    }

    /// The reply.
    pub fn build(mut self) -> Message {
        self.message.body = self.body.into();
        self.message
    }

    fn finish_record(
        &mut self,
        section: Section,
        rtype: RecordType,
        ttl: u32,
        write_rdata: impl FnOnce(&mut Vec<u8>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.body.extend_from_slice(&rtype.0.to_be_bytes());
        self.body.extend_from_slice(&self.class.0.to_be_bytes());
        self.body.extend_from_slice(&ttl.to_be_bytes());
        let length_at = self.body.len();
        self.body.extend_from_slice(&[0, 0]);
        write_rdata(&mut self.body)?;
        let length = u16::try_from(self.body.len() - length_at - 2).map_err(|_| Malformed)?;
        self.body.get_mut(length_at..length_at + 2).ok_or(Malformed)?.copy_from_slice(&length.to_be_bytes());
        if HEADER + self.question_length + self.body.len() > MAX_MESSAGE {
            return Err(Malformed);
        }
        if rtype == RecordType::CNAME && section == Section::Answer {
            let rdata = self.body.get(length_at + 2..).unwrap_or_default();
            if let Ok(target) = NameRef::from_wire(rdata) {
                self.pointers.add(HEADER + self.question_length + length_at + 2, target);
            }
        }
        let count = match section {
            Section::Answer => &mut self.message.answers,
            Section::Authority => &mut self.message.authorities,
        };
        *count = count.checked_add(1).ok_or(Malformed)?;
        Ok(())
    }

    /// Writes an owner as a pointer wherever the name already stands in the message: a stub that skips names octet
    /// by octet then has nothing in them to stumble over.
    fn write_owner(&mut self, owner: NameRef<'_>) {
        let pointer =
            self.pointers.find(owner).and_then(|at| u16::try_from(at).ok()).filter(|&at| at < 0x4000);
        match pointer {
            Some(at) => self.body.extend_from_slice(&(0xc000 | at).to_be_bytes()),
            None => self.body.extend_from_slice(owner.as_wire()),
        }
    }
}
