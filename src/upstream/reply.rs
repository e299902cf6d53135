//! Which datagrams are to be believed.

use super::error::ExchangeError;
use crate::dns::{Question, Rcode};

/// Whether a datagram is the reply to what was `asked`, letter case and all; `None` if it is not to be believed.
pub(super) fn recognise(datagram: &[u8], asked: &Question) -> Option<Result<(), ExchangeError>> {
    let [_, _, flags, rcode, _, questions] = datagram.first_chunk()?;
    // QR set, OPCODE QUERY: a reply to a query.
    if flags & 0xf8 != 0x80 {
        return None;
    }
    if *questions == 0 {
        // Servers without EDNS, and some overloaded ones, send a header without the question. Only its RCODE is used.
        return Some(Err(ExchangeError::Rcode(Rcode(u16::from(rcode & 0x0f)))));
    }
    let echoed = datagram.get(12..)?;
    if *questions != 1 || !asked.is_echoed(echoed) {
        return None;
    }
    let name = asked.name().as_wire();
    Some(if echoed.starts_with(name) { Ok(()) } else { Err(ExchangeError::CaseMismatch) })
}
