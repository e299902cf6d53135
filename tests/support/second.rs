//! A second opinion: what another DNS library reads in a reply.

use std::net::IpAddr;

use domain::base::Message;
use domain::base::iana::Rtype;
use domain::base::record::ParsedRecord;
use domain::rdata::svcb::value::AllValues;
use domain::rdata::{AllRecordData, svcb::SvcParams};

/// Every address of A and AAAA records and of hints, in all sections; an error where the library cannot read it.
pub fn addresses(reply: &[u8]) -> Result<Vec<IpAddr>, String> {
    let message = Message::from_octets(reply).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for item in message.iter() {
        let (record, _) = item.map_err(|error| error.to_string())?;
        found.extend(of_record(&record)?);
    }
    Ok(found)
}

fn of_record(record: &ParsedRecord<'_, &[u8]>) -> Result<Vec<IpAddr>, String> {
    if !matches!(record.rtype(), Rtype::A | Rtype::AAAA | Rtype::SVCB | Rtype::HTTPS) {
        return Ok(Vec::new());
    }
    let record = record
        .to_any_record::<AllRecordData<_, _>>()
        .map_err(|error| format!("TYPE{}: {error}", record.rtype().to_int()))?;
    Ok(match record.data() {
        AllRecordData::A(a) => vec![IpAddr::V4(a.addr())],
        AllRecordData::Aaaa(aaaa) => vec![IpAddr::V6(aaaa.addr())],
        AllRecordData::Svcb(svcb) => hints(svcb.params())?,
        AllRecordData::Https(https) => hints(https.params())?,
        _ => Vec::new(),
    })
}

fn hints(params: &SvcParams<&[u8]>) -> Result<Vec<IpAddr>, String> {
    let mut found = Vec::new();
    for value in params.iter_all() {
        match value.map_err(|error| error.to_string())? {
            AllValues::Ipv4Hint(hint) => found.extend(hint.iter().map(IpAddr::V4)),
            AllValues::Ipv6Hint(hint) => found.extend(hint.iter().map(IpAddr::V6)),
            _ => {}
        }
    }
    Ok(found)
}
