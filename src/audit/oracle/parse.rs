//! Reads messages for the oracle: strictly, to judge our replies, and leniently, as far as a message goes.

use crate::audit::wire::code;

/// A section of a message, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// The records the reader came for.
    Answer,
    /// SOA of a negative reply, NS of a referral.
    Authority,
    /// Glue and OPT.
    Additional,
}

/// A record as it stands in a message.
#[derive(Debug, Clone)]
pub struct Rr<'a> {
    /// Where it stands.
    pub section: Section,
    /// Its owner, expanded, in the letter case of the message.
    pub owner: Vec<u8>,
    /// TYPE
    pub rtype: u16,
    /// CLASS
    pub class: u16,
    /// TTL
    pub ttl: u32,
    /// RDATA
    pub rdata: &'a [u8],
    /// Where RDATA begins in the message, for names in it that are compressed.
    pub at: usize,
}

/// A message taken apart.
#[derive(Debug, Clone)]
pub struct Parsed<'a> {
    /// The whole message.
    pub wire: &'a [u8],
    /// ID
    pub id: u16,
    /// The flags word.
    pub flags: u16,
    /// QNAME, QTYPE and QCLASS of each question.
    pub questions: Vec<(Vec<u8>, u16, u16)>,
    /// All records, in order.
    pub records: Vec<Rr<'a>>,
    /// Where reading ended.
    pub end: usize,
}

/// The big-endian 16 bits at `at`.
pub fn u16_at(wire: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*wire.get(at)?, *wire.get(at + 1)?]))
}

/// The big-endian 32 bits at `at`.
pub fn u32_at(wire: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(u16_at(wire, at)?) << 16 | u32::from(u16_at(wire, at + 2)?))
}

/// The name at `at`, expanded, and where the octets after it begin.
///
/// A pointer must lead to before the run of labels it stands in, so each jump goes strictly back (RFC 1035 §4.1.4
/// points to prior names only).
pub fn expand(wire: &[u8], at: usize) -> Result<(Vec<u8>, usize), &'static str> {
    let mut name = Vec::new();
    let mut cursor = at;
    let mut run = at;
    let mut next = None;
    loop {
        let length = usize::from(*wire.get(cursor).ok_or("a name past the end")?);
        match length {
            0 => {
                name.push(0);
                return if name.len() <= 255 {
                    Ok((name, next.unwrap_or(cursor + 1)))
                } else {
                    Err("a name over 255 octets")
                };
            }
            1..=63 => {
                let end = cursor + 1 + length;
                name.extend_from_slice(wire.get(cursor..end).ok_or("a label past the end")?);
                if name.len() > 255 {
                    return Err("a name over 255 octets");
                }
                cursor = end;
            }
            0xc0..=0xff => {
                let target = usize::from(u16_at(wire, cursor).ok_or("a pointer past the end")? & 0x3fff);
                if target >= run {
                    return Err("a pointer that does not lead back");
                }
                if target < 12 {
                    return Err("a pointer into the header");
                }
                next = next.or(Some(cursor + 2));
                cursor = target;
                run = target;
            }
            _ => return Err("a label of a reserved kind"),
        }
    }
}

fn record<'a>(wire: &'a [u8], at: usize, section: Section) -> Result<(Rr<'a>, usize), &'static str> {
    const SHORT: &str = "a record past the end";
    let (owner, fixed) = expand(wire, at)?;
    let rtype = u16_at(wire, fixed).ok_or(SHORT)?;
    let class = u16_at(wire, fixed + 2).ok_or(SHORT)?;
    let ttl = u32_at(wire, fixed + 4).ok_or(SHORT)?;
    let begin = fixed + 10;
    let end = begin + usize::from(u16_at(wire, fixed + 8).ok_or(SHORT)?);
    let rdata = wire.get(begin..end).ok_or("RDATA past the end")?;
    Ok((Rr { section, owner, rtype, class, ttl, rdata, at: begin }, end))
}

/// Reads as far as the message can be read; the second value says why reading ended before its time.
pub fn lenient(wire: &[u8]) -> (Parsed<'_>, Option<&'static str>) {
    let word = |at| u16_at(wire, at).unwrap_or(0);
    let mut parsed =
        Parsed { wire, id: word(0), flags: word(2), questions: Vec::new(), records: Vec::new(), end: 12 };
    if wire.len() < 12 {
        return (parsed, Some("shorter than a header"));
    }
    for _ in 0..word(4) {
        match expand(wire, parsed.end) {
            Ok((name, next)) => {
                let (Some(qtype), Some(qclass)) = (u16_at(wire, next), u16_at(wire, next + 2)) else {
                    return (parsed, Some("a question past the end"));
                };
                parsed.questions.push((name, qtype, qclass));
                parsed.end = next + 4;
            }
            Err(why) => return (parsed, Some(why)),
        }
    }
    for (at, section) in [(6, Section::Answer), (8, Section::Authority), (10, Section::Additional)] {
        for _ in 0..word(at) {
            match record(wire, parsed.end, section) {
                Ok((rr, next)) => {
                    parsed.records.push(rr);
                    parsed.end = next;
                }
                Err(why) => return (parsed, Some(why)),
            }
        }
    }
    (parsed, None)
}

/// Reads a message that must be right to its last octet.
pub fn strict(wire: &[u8]) -> Result<Parsed<'_>, &'static str> {
    match lenient(wire) {
        (_, Some(why)) => Err(why),
        (parsed, None) if parsed.end != wire.len() => Err("octets after the last record"),
        (parsed, None) => Ok(parsed),
    }
}

impl Parsed<'_> {
    /// The records of one section.
    pub fn section(&self, section: Section) -> impl Iterator<Item = &Rr<'_>> {
        self.records.iter().filter(move |rr| rr.section == section)
    }

    /// RDATA with its names expanded and in lower case where the type lets them be compressed (RFC 3597 §4); as it
    /// stands otherwise.
    pub fn rdata(&self, rr: &Rr<'_>) -> Vec<u8> {
        let skip = match rr.rtype {
            code::CNAME | code::NS | code::PTR | code::DNAME | code::SOA => 0,
            code::MX => 2,
            _ => return rr.rdata.to_vec(),
        };
        let mut expanded = rr.rdata.get(..skip).unwrap_or(rr.rdata).to_vec();
        let mut at = rr.at + skip;
        let names = if rr.rtype == code::SOA { 2 } else { 1 };
        for _ in 0..names {
            match expand(self.wire, at) {
                Ok((name, next)) => {
                    expanded.extend(name.to_ascii_lowercase());
                    at = next;
                }
                Err(_) => return rr.rdata.to_vec(),
            }
        }
        let rest = self.wire.get(at..rr.at + rr.rdata.len()).unwrap_or(&[]);
        expanded.extend_from_slice(rest);
        expanded
    }

    /// The name an alias-like record leads to.
    pub fn target(&self, rr: &Rr<'_>) -> Option<Vec<u8>> {
        let skip = match rr.rtype {
            code::CNAME | code::DNAME | code::NS | code::PTR => 0,
            code::MX | code::SVCB | code::HTTPS => 2,
            code::SRV => 6,
            _ => return None,
        };
        expand(self.wire, rr.at + skip).ok().map(|(name, _)| name)
    }

    /// The RCODE with the upper bits an OPT record adds.
    pub fn rcode(&self) -> u16 {
        let low = self.flags & 0xf;
        let high = self.records.iter().find(|rr| rr.rtype == code::OPT).map_or(0, |opt| opt.ttl >> 24);
        (high as u16) << 4 | low
    }

    /// The options of the OPT record.
    pub fn options(&self) -> Vec<(u16, &[u8])> {
        self.records.iter().find(|rr| rr.rtype == code::OPT).map_or_else(Vec::new, |opt| pairs(opt.rdata).0)
    }

    /// INFO-CODE and EXTRA-TEXT of each Extended DNS Error.
    pub fn errors(&self) -> Vec<(u16, Vec<u8>)> {
        let options = self.options();
        let errors = options.iter().filter(|(option, _)| *option == crate::audit::wire::EDE);
        errors
            .map(|(_, value)| (u16_at(value, 0).unwrap_or(0), value.get(2..).unwrap_or(&[]).to_vec()))
            .collect()
    }
}

/// Key, length, value triples, and whether they fill the octets exactly.
pub fn pairs(mut octets: &[u8]) -> (Vec<(u16, &[u8])>, bool) {
    let mut found = Vec::new();
    while !octets.is_empty() {
        let (Some(key), Some(length)) = (u16_at(octets, 0), u16_at(octets, 2)) else {
            return (found, false);
        };
        let end = 4 + usize::from(length);
        let Some(value) = octets.get(4..end) else {
            return (found, false);
        };
        found.push((key, value));
        octets = octets.get(end..).unwrap_or(&[]);
    }
    (found, true)
}

/// A name for people, with escapes.
pub fn show(name: &[u8]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while let Some(&length) = name.get(at).filter(|length| **length > 0) {
        let end = at + 1 + usize::from(length);
        for octet in name.get(at + 1..end).unwrap_or(&[]) {
            match octet {
                b'.' | b'\\' => text.extend(['\\', char::from(*octet)]),
                0x21..=0x7e => text.push(char::from(*octet)),
                other => text.push_str(&format!("\\{other:03}")),
            }
        }
        text.push('.');
        at = end;
    }
    if text.is_empty() { ".".into() } else { text }
}

/// The parent of a name in wire form.
pub fn parent(name: &[u8]) -> Option<&[u8]> {
    let length = usize::from(*name.first()?);
    if length == 0 { None } else { name.get(1 + length..) }
}

/// Whether `name` is `zone` or lies below it; by label, ASCII case folded.
pub fn within(name: &[u8], zone: &[u8]) -> bool {
    let mut rest = Some(name);
    while let Some(suffix) = rest {
        if suffix.eq_ignore_ascii_case(zone) {
            return true;
        }
        rest = parent(suffix);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::wire::{Message, Record, name, question};

    #[test]
    fn pointers_must_lead_back() {
        let mut wire = vec![0; 12];
        wire.extend([1, b'a', 0xc0, 12]);
        assert!(expand(&wire, 12).is_err(), "into its own run");
        wire.extend([1, b'b', 0xc0, 20, 0]);
        assert!(expand(&wire, 16).is_err(), "forward");
        assert!(expand(&[0xc0, 0], 0).is_err(), "itself");
    }

    #[test]
    fn trailing_octets_are_seen() {
        let message = Message { qdcount: 1, question: question(&name("a"), 1, 1), ..Message::default() };
        assert!(strict(&message.encode()).is_ok());
        assert!(strict(&message.clone().trailing([0]).encode()).is_err());
        assert!(strict(&message.answer([Record::cname("b")]).ancount(2).encode()).is_err());
    }

    #[test]
    fn a_zone_is_matched_by_label() {
        assert!(within(&name("a.Example"), &name("example")));
        assert!(!within(&name("aexample"), &name("example")));
        assert!(!within(&name(r"a\.example"), &name("example")));
    }
}
