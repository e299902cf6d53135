//! Queries and replies made without much ado, since many are made.

use stubborn::audit::wire::{Query, code, flag, name as encode};

/// Digits in a numbered name.
const DIGITS: usize = 8;

/// A query for the A records of a name, as most clients send it.
pub fn query(name: &str) -> Vec<u8> {
    let (qname, edns) = (encode(name), Some((1232, false)));
    Query { id: 0, qname, qtype: code::A, qclass: code::IN, flags: flag::RD, edns }.encode()
}

/// A query for a name below a domain that can be numbered.
pub fn numbered(domain: &str) -> Vec<u8> {
    query(&format!("{}.{domain}", "0".repeat(DIGITS)))
}

/// Writes the number into the name of a query from [`numbered`], and the same into its id.
pub fn number(query: &mut [u8], number: u64) {
    query[..2].copy_from_slice(&(number as u16).to_be_bytes());
    let mut rest = number;
    for digit in query[13..13 + DIGITS].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

pub fn id(message: &[u8]) -> u16 {
    u16::from_be_bytes([message[0], message[1]])
}

/// The name of the question in wire form.
pub fn name(query: &[u8]) -> Option<&[u8]> {
    let name = query.get(12..)?;
    let mut at = 0;
    loop {
        match usize::from(*name.get(at)?) {
            0 => return name.get(..=at),
            length => at += 1 + length,
        }
    }
}

/// Makes a query, whose question ends at `end`, the reply to it: one A record and no OPT.
pub fn reply(query: &mut [u8], end: usize, address: [u8; 4], ttl: u32) -> &[u8] {
    query[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    let record = &mut query[end..end + 16];
    record[..6].copy_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
    record[6..10].copy_from_slice(&ttl.to_be_bytes());
    record[10..12].copy_from_slice(&[0, 4]);
    record[12..].copy_from_slice(&address);
    &query[..end + 16]
}

/// Whether a reply has this address for its one answer.
pub fn answers(reply: &[u8], address: [u8; 4]) -> bool {
    let records = name(reply).and_then(|name| reply.get(12 + name.len() + 4..));
    let record = records.and_then(|records| records.get(..16));
    record.is_some_and(|record| reply[7] == 1 && record[12..] == address)
}
