//! What a client could find in a message: an honest reader, another library, and a careless stub.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::{Labels, Rec, fold, labels, name_at, u16_at};

const A: u16 = 1;
const AAAA: u16 = 28;

fn v4(octets: &[u8]) -> Option<IpAddr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into())
}

fn v6(octets: &[u8]) -> Option<IpAddr> {
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into())
}

fn padded(prefix: &[u8], left: bool) -> Option<IpAddr> {
    let mut octets = [0; 16];
    let at = if left { 0 } else { 16usize.checked_sub(prefix.len())? };
    octets.get_mut(at..at + prefix.len())?.copy_from_slice(prefix);
    v6(&octets)
}

/// Every address in RDATA of that type.
pub fn addresses(rtype: u16, rdata: &[u8]) -> Vec<IpAddr> {
    let one = |address: Option<IpAddr>| address.into_iter().collect();
    let gateway = |kind: Option<u8>, at: usize| match kind {
        Some(1) => rdata.get(at..at + 4).and_then(v4),
        Some(2) => rdata.get(at..at + 16).and_then(v6),
        _ => None,
    };
    match rtype {
        11 => one(rdata.get(..4).and_then(v4)),
        38 => {
            let prefix = usize::from(rdata.first().copied().unwrap_or(255));
            let suffix = 16usize.checked_sub(prefix / 8).filter(|_| prefix <= 128);
            one(suffix.and_then(|length| padded(rdata.get(1..1 + length)?, false)))
        }
        42 => prefixes(rdata),
        45 => one(gateway(rdata.get(1).copied(), 3)),
        64 | 65 => hints(rdata),
        105 => one(rdata.get(2..6).and_then(v4)),
        106 => one(rdata.get(2..10).and_then(|locator| padded(locator, true))),
        260 => one(gateway(rdata.get(1).map(|kind| kind & 0x7f), 2)),
        // Some stubs look at the low octet of the type only.
        _ => match (rtype & 0xff, rdata.len()) {
            (A, 4) => one(v4(rdata)),
            (AAAA, 16) => one(v6(rdata)),
            _ => Vec::new(),
        },
    }
}

fn prefixes(rdata: &[u8]) -> Vec<IpAddr> {
    let (mut found, mut rest) = (Vec::new(), rdata);
    while let [family_high, family_low, _, length, tail @ ..] = rest {
        let length = usize::from(length & 0x7f);
        let Some(part) = tail.get(..length) else { break };
        match (family_high, family_low) {
            (0, 1) => found.extend(v4(&[part, &[0; 4]].concat()[..4])),
            (0, 2) => found.extend(padded(part, true)),
            _ => {}
        }
        rest = &tail[length..];
    }
    found
}

/// Service parameters: key and value.
type Params = Vec<(u16, Vec<u8>)>;

/// The parameters of SVCB RDATA, and its TargetName.
pub fn service(rdata: &[u8]) -> Option<(Labels, Params)> {
    // Room in front, as the reader wants a message.
    let message = [&[0; 12], rdata].concat();
    let (target, mut at) = name_at(&message, 14)?;
    let mut params = Vec::new();
    while at < message.len() {
        let length = usize::from(u16_at(&message, at + 2)?);
        params.push((u16_at(&message, at)?, message.get(at + 4..at + 4 + length)?.to_vec()));
        at += 4 + length;
    }
    Some((target, params))
}

fn hints(rdata: &[u8]) -> Vec<IpAddr> {
    let params = service(rdata).map(|(_, params)| params).unwrap_or_default();
    params
        .iter()
        .flat_map(|(key, value)| match key {
            4 => value.chunks(4).filter_map(v4).collect::<Vec<_>>(),
            6 => value.chunks(16).filter_map(v6).collect(),
            _ => Vec::new(),
        })
        .collect()
}

/// Where a record sends a client on to: a name, or the host of a URI.
pub enum Leads {
    To(Labels),
    Host(String),
}

pub fn leads(rtype: u16, rdata: &[u8]) -> Option<Leads> {
    let message = [&[0; 12], rdata].concat();
    match rtype {
        5 | 12 | 39 => name_at(&message, 12).map(|(name, _)| Leads::To(name)),
        33 => name_at(&message, 18).map(|(name, _)| Leads::To(name)),
        64 | 65 => service(rdata).map(|(target, _)| Leads::To(target)),
        256 => {
            let uri = rdata.get(4..)?;
            let authority = match uri.windows(3).position(|three| three == b"://") {
                Some(at) => at + 3,
                // Browsers take any number of slashes of either kind, or none.
                None if uri.get(..5)?.eq_ignore_ascii_case(b"http:") => 5,
                None => return None,
            };
            let rest = &uri[authority..];
            let rest = &rest[rest.iter().position(|octet| !b"/\\".contains(octet)).unwrap_or(rest.len())..];
            let end = rest.iter().position(|octet| b"/?#".contains(octet)).unwrap_or(rest.len());
            let host = rest[..end].rsplit(|octet| *octet == b'@').next()?;
            let host = match host.strip_prefix(b"[") {
                Some(literal) if !literal.contains(&b']') => return None,
                Some(literal) => literal.split(|octet| *octet == b']').next()?,
                None => host.split(|octet| *octet == b':').next()?,
            };
            Some(Leads::Host(String::from_utf8(host.to_vec()).ok()?))
        }
        _ => None,
    }
}

/// A name that is not one of the public DNS.
pub fn is_inside(name: &Labels) -> bool {
    const SUFFIXES: &[&str] = &[
        "localhost",
        "localdomain",
        "localdomain6",
        "local",
        "internal",
        "home.arpa",
        "lan",
        "intranet",
        "private",
        "home",
        "corp",
        "mail",
        "test",
        "invalid",
        "onion",
        "alt",
    ];
    let name = fold(name);
    let Some(last) = name.last() else { return false };
    let is_number = last.iter().all(u8::is_ascii_digit)
        || last.strip_prefix(b"0x").is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    name.len() == 1 || is_number || SUFFIXES.iter().any(|suffix| name.ends_with(&labels(suffix)))
}

/// Text that a host may have for a name, and that is no address.
pub fn is_host_name(text: &str) -> bool {
    let labels: Vec<&str> = text.strip_suffix('.').unwrap_or(text).split('.').collect();
    let fits = |label: &&str| (1..=63).contains(&label.len());
    text.len() < 250
        && labels.iter().all(fits)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && text.parse::<IpAddr>().is_err()
}

/// The addresses another library finds, in all sections.
pub fn second_opinion(wire: &[u8]) -> Result<Vec<IpAddr>, String> {
    use domain::base::iana::Rtype;
    use domain::rdata::AllRecordData;
    use domain::rdata::svcb::value::AllValues;

    let message = domain::base::Message::from_octets(wire).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for item in message.iter() {
        let (record, _) = item.map_err(|error| error.to_string())?;
        let typed = matches!(
            record.rtype(),
            Rtype::A | Rtype::AAAA | Rtype::SVCB | Rtype::HTTPS | Rtype::CNAME | Rtype::SOA | Rtype::SRV
        );
        if !typed {
            continue;
        }
        let record = record
            .to_any_record::<AllRecordData<_, _>>()
            .map_err(|error| format!("TYPE{}: {error}", record.rtype().to_int()))?;
        let params = match record.data() {
            AllRecordData::A(a) => {
                found.push(IpAddr::V4(a.addr()));
                continue;
            }
            AllRecordData::Aaaa(aaaa) => {
                found.push(IpAddr::V6(aaaa.addr()));
                continue;
            }
            AllRecordData::Svcb(svcb) => svcb.params(),
            AllRecordData::Https(https) => https.params(),
            _ => continue,
        };
        for value in params.iter_all() {
            match value {
                Ok(AllValues::Ipv4Hint(hint)) => found.extend(hint.iter().map(IpAddr::V4)),
                Ok(AllValues::Ipv6Hint(hint)) => found.extend(hint.iter().map(IpAddr::V6)),
                // It knows rules for the values of keys without addresses, which come after the hints.
                _ => {}
            }
        }
    }
    Ok(found)
}

/// The addresses a stub finds that steps over names octet by octet, up to a zero or a high octet, and looks at neither
/// owner nor class and only at the low octet of the type, as one C library does.
pub fn careless(wire: &[u8]) -> Vec<IpAddr> {
    fn walk(wire: &[u8], found: &mut Vec<IpAddr>) -> Option<()> {
        let skip = |mut at: usize| {
            while (1..0x80).contains(wire.get(at)?) {
                at += 1;
            }
            Some(at + 1 + usize::from(*wire.get(at)? != 0))
        };
        let mut at = 12;
        for _ in 0..u16_at(wire, 4)? {
            at = skip(at)? + 4;
        }
        for _ in 0..u16_at(wire, 6)? {
            at = skip(at)?;
            let length = usize::from(u16_at(wire, at + 8)?);
            let rdata = wire.get(at + 10..at + 10 + length)?;
            match (wire.get(at + 1)?, length) {
                (1, 4) => found.extend(v4(rdata)),
                (28, 16) => found.extend(v6(rdata)),
                _ => {}
            }
            at += 10 + length;
        }
        Some(())
    }
    let mut found = Vec::new();
    walk(wire, &mut found);
    found
}

/// Every address of a record as the honest reader sees it, those spelled in a URI included.
pub fn of_record(record: &Rec) -> Vec<IpAddr> {
    let rdata = record.octets();
    let mut all = addresses(record.rtype, &rdata);
    if let Some(Leads::Host(host)) = leads(record.rtype, &rdata) {
        all.extend(host.parse::<IpAddr>().ok());
    }
    all
}
