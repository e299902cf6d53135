//! What is told of a block.

use std::net::IpAddr;

use super::protocol::Block;
use crate::policy::Subject;
use crate::telemetry::BlockEvent;

pub(super) fn block(event: &BlockEvent) -> Block {
    let name = event.question.name().to_name();
    let subject = event.finding().map(|finding| &finding.subject);
    let (address, range) = subject.map(Subject::parts).unwrap_or_default();
    let text = |show: &dyn Fn(&Subject) -> String| subject.map(show).unwrap_or_default();
    Block {
        // All as long as each other, so that they sort as text.
        time: format!("{:.6}", event.first),
        last: format!("{:.6}", event.last),
        times: event.times,
        category: event.category().label().to_owned(),
        client: event.client.to_string(),
        name: name.to_string(),
        r#type: event.question.rtype.to_string(),
        address,
        range,
        rule: text(&|subject| subject.rule().to_owned()),
        origin: text(&|subject| subject.origin().to_string()),
        carrier: event.finding().map(|finding| finding.carrier.to_string()).unwrap_or_default(),
        more: event.more,
        text: text(&ToString::to_string),
        allow: event.allow_line(),
        addresses: addresses(event),
    }
}

/// An address and the one it is hidden in, since both would have to be allowed.
fn addresses(event: &BlockEvent) -> Vec<String> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for finding in event.findings() {
        if let Subject::Address { address, reaches, .. } = &finding.subject {
            addresses.extend([reaches, address]);
        }
    }
    let mut seen = Vec::new();
    addresses.retain(|address| {
        !seen.contains(address) && {
            seen.push(*address);
            true
        }
    });
    addresses.iter().map(ToString::to_string).collect()
}
