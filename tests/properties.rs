//! The properties over random structured messages, names, queries and configurations.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "properties/mod.rs"]
mod properties;

use std::time::Instant;

use proptest::collection::vec;
use proptest::prelude::*;
use stubborn::dns::{Name, Question, RecordType, UpstreamResponse};
use stubborn::policy::{
    Circumstances, Exception, ExceptionMode, GuardSettings, InsideZones, Origin, Policy, Shape, enforce,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_an_upstream_sends_a_client_gets_only_what_may_be(
        control in any::<[u8; properties::reply::CONTROL]>(),
        choices in vec(any::<u8>(), 4..160),
    ) {
        let mut data = control.to_vec();
        data[0] |= 0x80;
        data.extend(choices);
        properties::reply::check(&data);
    }

    #[test]
    fn names_are_what_the_plainest_model_says(
        cut in any::<u8>(),
        name in prop_oneof![
            vec(any::<u8>(), 0..80),
            "[a-c\\\\.0-2]{0,40}".prop_map(String::into_bytes),
            "\\PC{0,20}".prop_map(String::into_bytes),
        ],
    ) {
        properties::names::check(&[&[cut % 40, cut], name.as_slice()].concat());
    }

    #[test]
    fn a_translation_prefix_more_opens_nothing(choices in vec(any::<u8>(), 16..24)) {
        properties::nat64::check(&choices);
    }

    #[test]
    fn a_name_spells_an_address_only_if_nobody_can_read_another(choices in vec(any::<u8>(), 1..12)) {
        properties::names::spelled(&choices);
    }

    #[test]
    fn queries_are_read_whole_or_refused(
        id in any::<u16>(),
        flags in any::<u16>(),
        counts in any::<[bool; 2]>(),
        qtype in any::<u8>(),
        rest in vec(any::<u8>(), 0..40),
    ) {
        let mut wire = id.to_be_bytes().to_vec();
        wire.extend((flags & 0x07ff).to_be_bytes());
        wire.extend([0, 1, 0, 0, 0, u8::from(counts[0]), 0, u8::from(counts[1])]);
        wire.extend_from_slice(b"\x03wWw\x07example\0");
        wire.extend([0, qtype, 0, 1]);
        properties::query::check(&wire);
        if counts[1] {
            wire.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\x80\0\0");
            wire.push(rest.len() as u8);
        }
        wire.extend(rest);
        properties::query::check(&wire);
    }

    #[test]
    fn configurations_are_read_or_pointed_at(choices in vec(any::<u8>(), 0..60)) {
        let mut choices = choices;
        choices.insert(0, 0);
        properties::config::check(&choices);
    }
}

/// As large a reply as there can be, every address of it inside: with an exception each is looked at for every alias.
#[test]
fn the_largest_replies_are_judged_in_bounded_time() {
    use properties::message::{Msg, Part, Rec, labels};

    let record = |rtype, rdata: Vec<u8>| Rec {
        owner: labels("evil.example"),
        rtype,
        class: 1,
        ttl: 60,
        rdata: vec![Part::Octets(rdata)],
    };
    let inside = |n: u16| [&[10, 0][..], &n.to_be_bytes()].concat();
    let hints: Vec<u8> = (0..15_000).flat_map(inside).collect();
    let length = u16::try_from(hints.len()).unwrap().to_be_bytes();
    let service = [&[0, 1, 0, 0, 4][..], &length, &hints].concat();
    for (rtype, answer) in
        [(1, (0..3_900).map(|n| record(1, inside(n))).collect()), (65, vec![record(65, service)])]
    {
        let message = Msg {
            id: 0,
            flags: 0x8180,
            question: Some((labels("evil.example"), rtype, 1)),
            sections: [answer, Vec::new(), Vec::new()],
            trailing: 0,
        };
        let wire = message.write(true);
        assert!((58_000..65_536).contains(&wire.len()), "{} octets", wire.len());
        let name = Name::from_text("evil.example").unwrap();
        let question = Question::new(name.as_ref(), RecordType(rtype));
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        let exception = Exception {
            domain: name.clone(),
            exact: false,
            networks,
            shape: Shape::Any,
            clients: Vec::new(),
            until: None,
            mode: ExceptionMode::Allow,
            reason: None,
            preset: None,
            origin: Origin::CommandLine,
        };
        for exceptions in [Vec::new(), vec![exception]] {
            let settings = GuardSettings { exceptions, ..GuardSettings::default() };
            let policy = Policy::new(&settings, &[], &[], InsideZones::default());
            let client = "127.0.0.1".parse().unwrap();
            let circumstances = Circumstances { question: &question, trust: None, client, now: 0 };
            let start = Instant::now();
            let response = UpstreamResponse::parse(&wire, &question, false).unwrap();
            let judgement = enforce(&policy, &circumstances, &response);
            // Some 30 ms without optimisation; with time that grows by the square it was ten seconds.
            assert!(start.elapsed().as_secs() < 3, "TYPE{rtype}: {:?}", start.elapsed());
            assert!(judgement.findings().len() >= 3_900);
        }
    }
}
