//! Translation prefixes: another prefix never opens anything except what it was configured for.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::Ipv6Net;
use stubborn::dns::{Name, Question, RecordType, UpstreamResponse, write_addresses_reply};
use stubborn::policy::{Circumstances, GuardSettings, InsideZones, Policy, Profile, enforce};

use super::Choices;
use super::ranges::{self, Net};

/// Where prefixes and addresses begin: public space, the ranges kept for translation, and what else is blocked.
const STARTS: [&str; 16] = [
    "2a00:1450:4009:80b::",
    "2a00:1450::",
    "2001:67c::",
    "2001:67c:7f00:1::",
    "2001:db8::",
    "2002:a00:1::",
    "64:ff9b::",
    "64:ff9b:1::",
    "64:ff9b:1:7f00::",
    "fd00::",
    "fd00:ec2::",
    "fe80::",
    "fec0::",
    "::",
    "::ffff:0:0",
    "ff02::",
];
const LENGTHS: [u8; 6] = [32, 40, 48, 56, 64, 96];

pub fn check(data: &[u8]) {
    let mut choices = Choices(data);
    let strict = choices.one_in(2);
    let known: Vec<Ipv6Net> = (0..choices.byte() % 3).map(|_| prefix(&mut choices)).collect();
    let more = prefix(&mut choices);
    let host: u128 = u32::from_be_bytes(choices.bytes()).into();
    let place = choices.pick(&[0, 24, 32, 48, 64]);
    let around = if choices.one_in(2) { more.network() } else { start(&mut choices) };
    let address = Ipv6Addr::from(u128::from(around) | host << place);

    let before = passes(&known, &[], strict, address);
    let all: Vec<Ipv6Net> = known.iter().copied().chain([more]).collect();
    let opened = |what: &str, may_open: bool| {
        assert!(
            may_open && more.contains(&address),
            "{address} is opened by {more}, {what} beside {known:?}"
        );
        let nets: Vec<Net> = all.iter().map(|net| Net::parse(&net.to_string())).collect();
        for form in ranges::forms(address.into(), &nets).into_iter().skip(1) {
            assert!(
                !ranges::is_blocked(form, strict),
                "{address} reaches {form} behind {more} and {known:?}"
            );
        }
    };
    if !before && passes(&known, &[more], strict, address) {
        opened("learned", is_local_use(more));
    }
    if !before && passes(&all, &[], strict, address) {
        opened("written", is_local_use(more) || is_unique_local(more));
    }
}

/// In 64:ff9b:1::/48, which is kept for translation.
fn is_local_use(prefix: Ipv6Net) -> bool {
    let [first, second, third, ..] = prefix.network().segments();
    prefix.prefix_len() >= 48 && [first, second, third] == [0x64, 0xff9b, 1]
}

fn is_unique_local(prefix: Ipv6Net) -> bool {
    prefix.prefix_len() == 96 && prefix.network().segments()[0] & 0xfe00 == 0xfc00
}

fn start(choices: &mut Choices<'_>) -> Ipv6Addr {
    choices.pick(&STARTS).parse().unwrap()
}

fn prefix(choices: &mut Choices<'_>) -> Ipv6Net {
    let address = start(choices);
    Ipv6Net::new(address, choices.pick(&LENGTHS)).unwrap().trunc()
}

fn passes(written: &[Ipv6Net], learned: &[Ipv6Net], strict: bool, address: Ipv6Addr) -> bool {
    let profile = if strict { Profile::Strict } else { Profile::Standard };
    let settings = GuardSettings { nat64: written.to_vec(), profile, ..GuardSettings::default() };
    let policy = Policy::new(&settings, &[], learned, InsideZones::default());
    let name = Name::from_text("www.example").unwrap();
    let question = Question::new(name.as_ref(), RecordType::AAAA);
    let reply = write_addresses_reply(&question, &[IpAddr::V6(address)]);
    let response = UpstreamResponse::parse(&reply, &question, false).unwrap();
    let client: IpAddr = "127.0.0.1".parse().unwrap();
    let judgement =
        enforce(&policy, &Circumstances { question: &question, trust: None, client, now: 0 }, &response);
    judgement.response.records().any(|record| record.rtype == RecordType::AAAA)
}
