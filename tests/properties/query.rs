//! Queries: read whole or refused, and every reply to one obeys the law.

use stubborn::dns::{LocalAnswer, NotAQuery, Query, Rcode, write_upstream_query};
use stubborn::policy::{ClientResponse, Wire};

use super::message::{Msg, fold, name_at, u16_at, wire_name};

pub fn check(data: &[u8]) {
    let mut wire = Wire::default();
    match Query::parse(data) {
        Ok(query) => {
            let (name, end) = name_at(data, 12).expect("a query has a question");
            let (rtype, class) = (u16_at(data, end).unwrap(), u16_at(data, end + 2).unwrap());
            assert_eq!(wire_name(&name), query.question.name().as_wire(), "the letter case is kept");
            assert_eq!((rtype, class), (query.question.rtype.0, query.question.class.0));
            // It steps over RDATA that the plain reader may refuse.
            assert!(Msg::read(data).is_none_or(|seen| seen.trailing == 0), "octets after a query");
            let limit = query.asker.udp_limit();
            assert!((512..=1232).contains(&limit));
            let answers = [
                LocalAnswer::negative(Rcode::NOERROR, &query.question, query.question.name(), 10),
                LocalAnswer::addresses(
                    &query.question,
                    &["1.1.1.1".parse().unwrap(), "::1".parse().unwrap()],
                ),
                LocalAnswer::text(&query.question, &"x".repeat(300)),
                LocalAnswer::any(&query.question),
                LocalAnswer::empty(Rcode::REFUSED, &query.question),
            ];
            for answer in answers {
                ClientResponse::from(answer).write(&query.asker, &query.question, 3, limit, &mut wire);
                answers_to(data, wire.as_ref(), limit, query.asker.edns.is_some());
                let sent = Msg::read(wire.as_ref()).unwrap();
                assert_eq!(sent.question, Some((name.clone(), rtype, class)));
            }
            let mut asked = Vec::new();
            write_upstream_query(&query.question, 7, true, query.asker.checking_disabled, &mut asked);
            let again = Query::parse(&asked).map(|query| fold_name(query.question.name().as_wire()));
            match again {
                Ok(again) => assert_eq!(again, fold_name(&wire_name(&name))),
                Err(refused) => panic!("our own query is refused: {refused:?}"),
            }
        }
        Err(refusal) => {
            let answered = ClientResponse::write_refusal(&refusal, &mut wire);
            assert_eq!(answered, !matches!(refusal, NotAQuery::Ignore));
            let is_reply = data.get(2).is_none_or(|flags| flags & 0x80 != 0);
            assert!(!(answered && is_reply), "a reply is answered");
            if let NotAQuery::Refuse { asker, .. } = refusal {
                answers_to(data, wire.as_ref(), asker.udp_limit(), asker.edns.is_some());
            }
        }
    }
}

fn fold_name(wire: &[u8]) -> Vec<u8> {
    wire.to_ascii_lowercase()
}

/// Well-formed, with the query's id, opcode, RD and CD, and within the limit.
fn answers_to(query: &[u8], reply: &[u8], limit: usize, edns: bool) {
    assert!(reply.len() <= limit, "{} octets, limit {limit}", reply.len());
    let sent = Msg::read(reply).expect("a reply that can be read");
    assert_eq!(sent.trailing, 0);
    assert_eq!(Some(sent.id), u16_at(query, 0));
    let asked = u16_at(query, 2).unwrap();
    assert_eq!(sent.flags & 0x7910, asked & 0x7910, "opcode, RD, CD");
    assert_eq!(sent.flags & 0x8460, 0x8000, "QR without AA, Z, AD");
    assert_eq!(sent.sections[2].len(), usize::from(edns));
    assert!(sent.sections[2].iter().all(|record| record.rtype == 41 && record.owner.is_empty()));
    if let Some((name, ..)) = &sent.question {
        let original = Msg::read(query).and_then(|query| query.question);
        if let Some((asked, ..)) = original {
            assert_eq!(fold(name), fold(&asked));
        }
    }
    assert!(super::scan::second_opinion(reply).is_ok());
}
