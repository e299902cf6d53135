//! What is told of a block.

use super::protocol::Block;
use crate::policy::Subject;
use crate::telemetry::BlockEvent;

pub(super) fn block(event: &BlockEvent) -> Block {
    let name = event.question.name().to_name();
    let subject = event.finding().map(|finding| &finding.subject);
    let (address, range) = subject.map(Subject::parts).unwrap_or_default();
    let text = |show: &dyn Fn(&Subject) -> String| subject.map(show).unwrap_or_default();
    Block {
        time: event.first.to_string(),
        last: event.last.to_string(),
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
        allow: text(&|subject| subject.allow_line(name.as_ref())),
        allow_networks: subject.map(networks).unwrap_or_default(),
    }
}

/// Where the outer address is blocked too, both have to be named; one more network does no harm.
fn networks(subject: &Subject) -> Vec<String> {
    match subject {
        Subject::Address { address, reaches, .. } => {
            let mut networks = vec![ipnet::IpNet::from(*reaches), ipnet::IpNet::from(*address)];
            networks.dedup();
            networks.iter().map(ToString::to_string).collect()
        }
        Subject::Alias { .. } | Subject::Port(_) => Vec::new(),
    }
}
