//! The properties over random structured messages, names, queries and configurations.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "properties/mod.rs"]
mod properties;

use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

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
