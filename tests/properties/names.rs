//! Names: text and wire round trips, ancestry and exceptions against the plainest model.

use std::net::IpAddr;

use stubborn::dns::{Name, NameRef, Question, RecordType, UpstreamResponse, write_addresses_reply};
use stubborn::policy::{
    Circumstances, Exception, ExceptionMode, GuardSettings, InsideZones, Origin, Policy, Shape, enforce,
};

use super::Choices;
use super::message::{Labels, fold, labels, name_at, wire_name, within};

pub fn check(data: &[u8]) {
    let mut choices = Choices(data);
    let cut = usize::from(choices.byte()).min(choices.0.len());
    let exact = choices.one_in(2);
    let rest = choices.0;
    let (left, right) = rest.split_at(cut.min(rest.len()));

    for part in [left, right, rest] {
        text_round_trip(&String::from_utf8_lossy(part));
        wire_round_trip(part);
    }
    let (left, right) = (some_name(left), some_name(right));
    let (inner, outer) = (name_of(&left), name_of(&right));
    let joined: Labels = left.iter().chain(&right).cloned().collect();
    for (name, domain) in [(&left, &right), (&right, &left), (&joined, &right), (&joined, &left)] {
        if wire_name(name).len() <= 255 {
            let wires = (wire_name(name), wire_name(domain));
            let (a, b) = (NameRef::from_wire(&wires.0).unwrap(), NameRef::from_wire(&wires.1).unwrap());
            assert_eq!(a.is_within(b), within(name, domain), "{a} within {b}");
            assert_eq!(a.same(b), fold(name) == fold(domain), "{a} same as {b}");
        }
    }
    exceptions(&inner, &outer, exact);
    if wire_name(&joined).len() <= 255 {
        exceptions(&name_of(&joined), &outer, exact);
    }
}

fn text_round_trip(text: &str) {
    if let Ok(name) = Name::from_text(text) {
        assert!(name.as_wire().len() <= 255);
        assert_eq!(NameRef::from_wire(name.as_wire()).map(NameRef::to_name), Ok(name.clone()));
        let shown = name.to_string();
        assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown:?} is safe in a log");
        assert_eq!(Name::from_text(&shown), Ok(name), "{shown}");
    }
}

fn wire_round_trip(wire: &[u8]) {
    let Ok(name) = NameRef::from_wire(wire) else { return };
    let message = [&[0; 12], wire].concat();
    let (read, end) = name_at(&message, 12).expect("a name by both readers");
    assert_eq!(end, message.len());
    assert_eq!(name.labels().map(<[u8]>::to_vec).collect::<Vec<_>>(), read);
    assert_eq!(name.label_count(), read.len());
    assert_eq!(name.last_label().map(<[u8]>::to_vec), read.last().cloned());
    let plain = read.iter().flatten().all(|octet| (1..0x80).contains(octet));
    assert_eq!(name.is_plain(), plain);
    assert_eq!(Name::from_text(&name.to_string()), Ok(name.to_name()), "{name}");
}

/// Labels cut at dots; what is too long is left out.
fn some_name(octets: &[u8]) -> Labels {
    let mut name = Labels::new();
    let mut size = 1;
    for label in octets.split(|octet| *octet == b'.').filter(|label| (1..=63).contains(&label.len())) {
        size += label.len() + 1;
        if size > 255 {
            break;
        }
        name.push(label.to_vec());
    }
    name
}

fn name_of(name: &Labels) -> Name {
    NameRef::from_wire(&wire_name(name)).unwrap().to_name()
}

/// What stands in a name: harmless words, addresses inside, and what a service reads as another address or delegates.
const HARMLESS: &[&str] = &["www", "app-1", "x1", "fd00--1", "127-0-0-1", "7f000001", "0123456789abcdef"];
const OTHERS: &[&str] = &[
    "1-2-3-4",
    "x-1-2-3-4-y",
    "01020304",
    "x.1-2.3-4.x",
    "1.2.3.4",
    "2606-4700--1111",
    "26064700470000000000000000001111",
    "0-0-0-0-0-ffff-102-304",
    "64-ff9b--a00-1",
    "2002-102-304--1",
    "_acme-challenge",
    "0102_acme-challenge",
    r"1\.2\.3\.4",
    "1-2-3-4xspelled.example",
];

/// A name below a domain whose names spell their addresses: with anything else to read in it, and only then, it is blocked.
pub fn spelled(data: &[u8]) {
    let mut choices = Choices(data);
    let (mut parts, mut is_clear) = (Vec::new(), true);
    while !choices.is_empty() && parts.len() < 5 {
        let is_other = choices.one_in(4);
        is_clear &= !is_other;
        parts.push(choices.pick(if is_other { OTHERS } else { HARMLESS }));
    }
    let at = usize::from(choices.byte()) % (parts.len() + 1);
    parts.insert(at, "10-1-2-3");
    let asked = Name::from_text(&format!("{}.spelled.example", parts.join("."))).unwrap();
    let domain = name_of(&labels("spelled.example"));
    let exception = Exception { shape: Shape::AddressInName, ..exception(&domain, false) };
    assert_eq!(answers(&asked, vec![exception]), is_clear, "{asked}");
}

/// An exception for `domain` lets `asked` answer with an inside address if and only if the names say so.
fn exceptions(asked: &Name, domain: &Name, exact: bool) {
    let other = name_of(&labels("other.example"));
    let exceptions = vec![exception(&other, false), exception(domain, exact)];
    let passes = answers(asked, exceptions);
    let read = |name: &Name| name_at(&[&[0; 12], name.as_wire()].concat(), 12).unwrap().0;
    let (asked, domain, other) = (read(asked), read(domain), read(&other));
    let expected = within(&asked, &other) || if exact { asked == domain } else { within(&asked, &domain) };
    assert_eq!(passes, expected, "{asked:?} of {domain:?}");
}

fn exception(domain: &Name, exact: bool) -> Exception {
    Exception {
        domain: domain.clone(),
        exact,
        networks: vec!["10.0.0.0/8".parse().unwrap()],
        shape: Shape::Any,
        clients: Vec::new(),
        until: None,
        mode: ExceptionMode::Allow,
        reason: None,
        preset: None,
        origin: Origin::CommandLine,
    }
}

/// With these exceptions `asked` may answer with 10.1.2.3.
fn answers(asked: &Name, exceptions: Vec<Exception>) -> bool {
    let settings = GuardSettings { exceptions, ..GuardSettings::default() };
    let policy = Policy::new(&settings, &[], &[], InsideZones::default());
    let question = Question::new(asked.as_ref(), RecordType::A);
    let address: IpAddr = "10.1.2.3".parse().unwrap();
    let reply = write_addresses_reply(&question, &[address]);
    let response = UpstreamResponse::parse(&reply, &question, false).unwrap();
    let client: IpAddr = "127.0.0.1".parse().unwrap();
    let judgement =
        enforce(&policy, &Circumstances { question: &question, trust: None, client, now: 0 }, &response);
    judgement.response.records().any(|record| record.rtype == RecordType::A)
}
