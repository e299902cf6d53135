//! Every case of the catalogue against the running daemon: over UDP and TCP, first and again, in both profiles.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

mod support;

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Instant;

use ipnet::Ipv6Net;
use stubborn::audit::cases::Case;
use stubborn::audit::wire::code;
use stubborn::audit::{
    AttackUpstream, Exchange, FIXTURE, Finding, Group, Setup, Transport, catalogue, play_and_watch,
};
use stubborn::dns::embed_nat64;
use stubborn::policy::{OnBlock, Profile};
use support::daemon::DEADLINE;
use support::{TestDaemon, Zone, second};

/// One prefix of each length RFC 6052 §2.2 allows, and one within another that leads to 127.0.0.1 by that.
const NAT64: [&str; 7] = [
    "2a00:6432::/32",
    "2a00:6440:100::/40",
    "2a00:6448:1::/48",
    "2a00:6456:1:100::/56",
    "2a00:6464:2:3::/64",
    "2a00:6496:ff9b::/96",
    "2a00:6432:7f00:1::/96",
];

/// The catalogue as all tests play it.
fn cases(profile: Profile, on_block: OnBlock) -> Vec<Case> {
    let nat64: Vec<Ipv6Net> = NAT64.iter().map(|prefix| prefix.parse().unwrap()).collect();
    catalogue(&Setup { profile, on_block, nat64, host: own_addresses(), fixture: true, ..Setup::default() })
}

/// Some cases, their upstream, and a daemon that asks it.
struct Stage {
    cases: Vec<Case>,
    upstream: AttackUpstream,
    daemon: TestDaemon,
}

impl Stage {
    fn new(profile: Profile, on_block: OnBlock, wanted: impl Fn(&Case) -> bool) -> Self {
        let mut cases = cases(profile, on_block);
        cases.retain(wanted);
        assert!(!cases.is_empty(), "a test without a case");
        let upstream = AttackUpstream::start(&cases).unwrap();
        let profile = match profile {
            Profile::Standard => "standard",
            Profile::Strict => "strict",
        };
        let on_block = match on_block {
            OnBlock::Nodata => "nodata",
            OnBlock::Nxdomain => "nxdomain",
            OnBlock::Refused => "refused",
        };
        let config = format!(
            "[server]\ntcp-connections-per-client = 128\n\
             [guard]\nprofile = \"{profile}\"\non-block = \"{on_block}\"\nnat64 = {NAT64:?}\n{FIXTURE}"
        );
        let daemon = TestDaemon::start(upstream.address(), &config);
        Self { cases, upstream, daemon }
    }

    /// Everything that goes wrong, over UDP and TCP, first and again; and rows of which no second answer came without
    /// the upstream, so that what is kept was not seen.
    fn findings(&self) -> Vec<String> {
        let doubts = Mutex::new(Vec::new());
        let mut findings = Vec::new();
        let mut lines = Vec::new();
        for transport in [Transport::Udp, Transport::Tcp] {
            let (asked, kept) = (Mutex::new(HashMap::new()), Mutex::new(BTreeSet::new()));
            let watch = |case: &Case, exchange: &Exchange| {
                let found = disagreement(case, exchange);
                doubts.lock().unwrap().extend(found.map(|doubt| format!("{case}, {transport}: {doubt}")));
                let (qname, qtype) = (exchange.query.qname.to_ascii_lowercase(), exchange.query.qtype);
                let count = self.upstream.asked_for(&qname, qtype);
                let before = asked.lock().unwrap().insert((case.slug.clone(), qname, qtype), count);
                if before == Some(count) {
                    kept.lock().unwrap().insert(case.id);
                }
            };
            let target = self.daemon.target();
            findings.extend(play_and_watch(target, &self.cases, &self.upstream, transport, true, watch));
            let kept = kept.into_inner().unwrap();
            let rows: BTreeSet<&str> = self.cases.iter().map(|case| case.id).collect();
            let unseen = rows.difference(&kept);
            lines.extend(unseen.map(|row| format!("{row}, {transport}: no answer is kept")));
        }
        lines.extend(findings.iter().map(Finding::to_string));
        lines.extend(doubts.into_inner().unwrap());
        lines
    }
}

/// What the second library finds in the replies that may not be there, or that it cannot read them.
fn disagreement(case: &Case, exchange: &Exchange) -> Option<String> {
    let mut allowed: Vec<IpAddr> = case.steps.iter().flat_map(|step| step.expect.addresses()).collect();
    allowed.extend(&case.allowed);
    exchange.replies.iter().find_map(|reply| match second::addresses(reply) {
        Ok(found) => found
            .into_iter()
            .find(|address| !allowed.contains(address))
            .map(|address| format!("the second library reads {address}")),
        Err(error) => Some(format!("the second library cannot read the reply: {error}")),
    })
}

/// The addresses of this host's interfaces, as the daemon must find them.
fn own_addresses() -> Vec<IpAddr> {
    let mut found = Vec::new();
    for (from, towards) in [("0.0.0.0:0", "1.1.1.1:53"), ("[::]:0", "[2606:4700:4700::1111]:53")] {
        // Connecting a datagram socket sends nothing; it only chooses the address packets would leave from.
        let socket = std::net::UdpSocket::bind(from).ok();
        let connected = socket.filter(|socket| socket.connect(towards).is_ok());
        found.extend(connected.and_then(|socket| socket.local_addr().ok()).map(|address| address.ip()));
    }
    found
}

#[track_caller]
fn holds(profile: Profile, on_block: OnBlock, wanted: impl Fn(&Case) -> bool) {
    let findings = Stage::new(profile, on_block, wanted).findings();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// One test for each row: its name, its ids.
macro_rules! rows {
    ($($name:ident: $($id:literal)+;)+) => {
        $(
            #[test]
            fn $name() {
                holds(Profile::Standard, OnBlock::Nodata, |case| [$($id),+].contains(&case.id));
            }
        )+

        #[test]
        fn every_row_of_the_catalogue_has_a_test() {
            let tested = [$($($id),+),+];
            for case in cases(Profile::Standard, OnBlock::Nodata) {
                assert!(tested.contains(&case.id), "{case}");
            }
        }
    };
}

rows! {
    loopback_is_blocked_and_its_neighbours_are_not: "A01";
    the_unspecified_network_is_blocked: "A02";
    private_networks_are_blocked_and_their_neighbours_are_not: "A03";
    link_local_and_metadata_addresses_are_blocked: "A04";
    shared_address_space_is_blocked: "A05";
    the_azure_wire_server_is_blocked: "A06";
    protocol_assignments_are_blocked: "A07";
    documentation_benchmark_multicast_and_reserved_space_is_blocked: "A08";
    ipv6_loopback_and_unspecified_are_blocked: "A09";
    mapped_addresses_are_judged_by_what_they_carry: "A10";
    compatible_addresses_are_blocked: "A11";
    translated_addresses_are_judged_by_what_they_carry: "A12";
    nat64_addresses_are_judged_by_what_they_carry: "A13";
    local_nat64_prefixes_are_judged_at_every_length: "A14";
    sixto4_addresses_are_judged_by_what_they_carry: "A15";
    teredo_addresses_are_judged_by_both_they_carry: "A16";
    isatap_addresses_are_judged_by_what_they_carry: "A17";
    ipv6_link_local_is_blocked: "A18";
    unique_local_is_blocked: "A19";
    site_local_is_blocked: "A20";
    other_special_ipv6_is_blocked: "A21";
    unallocated_ipv6_is_blocked: "A22";
    addresses_of_the_wrong_length_are_not_relayed: "A23";
    every_address_of_a_set_is_judged: "A24";
    the_host_s_own_addresses_are_blocked: "W01" "W02";
    space_that_nobody_listed_is_public: "W03";
    the_other_family_is_not_relayed: "M01";
    addresses_in_answers_to_other_types_are_not_relayed: "M02";
    any_is_answered_here: "M03";
    addresses_of_other_owners_are_not_relayed: "M04";
    chains_are_followed_in_any_order: "M05";
    chains_without_an_end_are_not_relayed: "M06";
    other_classes_are_not_relayed: "M07";
    types_whose_low_octet_is_an_address_s_are_not_relayed: "M08";
    labels_that_hide_records_are_harmless: "M09";
    nxdomain_carries_no_addresses: "M10";
    errors_carry_no_addresses: "M11";
    truncated_replies_carry_no_records: "M12";
    other_sections_are_not_relayed: "M13" "N21";
    hints_are_judged: "M14";
    target_names_are_aliases: "M15";
    ports_are_left_alone: "M16";
    rare_address_types_carry_nothing_inside: "M17";
    srv_targets_are_aliases: "M18";
    authoritative_answers_are_judged: "M19";
    signed_answers_are_judged_and_signatures_go_with_their_sets: "M20";
    replies_to_something_else_are_waited_out: "M21";
    counts_that_lie_open_nothing: "M23";
    names_that_lead_astray_open_nothing: "M24";
    options_of_the_upstream_stay_there: "M25";
    more_messages_than_asked_for_stay_there: "M26";
    a_second_datagram_changes_nothing: "M27";
    large_sets_are_judged_before_they_are_cut: "M28";
    translated_addresses_are_judged_like_plain_ones: "M29";
    aliases_to_localhost_are_blocked: "N01" "N02";
    exceptions_are_not_reached_through_aliases: "N04" "X04";
    dnames_are_aliases: "N05";
    aliases_to_inside_names_are_blocked: "N06" "N07";
    numeric_names_stay_here: "N09";
    names_are_matched_by_label: "N10" "N11" "N12" "N13" "N15";
    inside_top_level_domains_stay_here: "N16" "N17";
    reverse_names_of_inside_addresses_stay_here: "N19" "N20";
    bypasses_of_the_resolver_are_denied: "P01" "P02" "P03";
    questions_about_the_server_are_answered_in_their_class: "P04";
    public_names_with_a_search_domain_behind_them_are_not_local: "N08";
    local_names_say_where_they_are_and_leave_the_rest_to_others: "L01" "L02";
    names_exist_where_nobody_is_asked_as_far_as_something_does: "L03";
    exceptions_reach_as_far_as_they_say: "X01";
    spelled_addresses_must_be_the_answer: "X03";
    exceptions_end_when_they_say: "X05";
    exempt_names_that_leave_their_zone_lose_it: "X06";
    flips_are_judged_each_time: "T01";
    block_replies_do_not_live_long: "T07";
    each_family_is_judged_alone: "T08";
    block_replies_suit_every_client: "R02" "R03";
    sinkholes_are_no_attack: "R04";
    built_in_names_keep_working: "R08";
    plain_addresses_come_through: "K01";
    other_types_come_through_octet_by_octet: "K02";
    service_records_come_through_octet_by_octet: "K03";
    negative_answers_come_through: "K04";
    extended_errors_come_through: "K05";
    signatures_come_through: "K06";
    clients_of_every_kind_are_served: "K07";
    unusual_names_are_served: "K08";
}

#[test]
fn the_strict_profile_blocks_more_and_keeps_the_rest() {
    let ranges = |case: &Case| {
        matches!(case.group, Group::Addresses | Group::OwnAddresses | Group::Hints | Group::Kept)
    };
    holds(Profile::Strict, OnBlock::Nodata, ranges);
}

#[test]
fn the_strict_profile_holds_against_every_other_case() {
    let rest = |case: &Case| {
        !matches!(case.group, Group::Addresses | Group::OwnAddresses | Group::Hints | Group::Kept)
    };
    holds(Profile::Strict, OnBlock::Nodata, rest);
}

#[test]
fn block_replies_are_what_on_block_says() {
    for on_block in [OnBlock::Nxdomain, OnBlock::Refused] {
        let wanted = |case: &Case| matches!(case.id, "A01" | "A24" | "N01" | "R02" | "R04" | "M20");
        holds(Profile::Standard, on_block, wanted);
    }
}

/// A14: the daemon learns the network's NAT64 prefix (RFC 7050) and judges what is behind it. What a hostile network
/// teaches opens nothing but the range kept for it, and that for public addresses.
#[test]
fn a_learned_prefix_is_seen_through_and_opens_nothing() {
    let taught = [
        "2a00:6496:ff9b::/96",
        // Places where no translator can be.
        "fe80::/96",
        "fec0::/96",
        "ff02::/96",
        "::ffff:0:0:0/96",
        "100::/96",
        "2001:db8::/96",
        "4000::/96",
        // Behind which most of the hosts of fd12:3456:xxxx::/48 look public.
        "fd12:3456::/32",
        "fd00:64::/96",
        "64:ff9b:1::/48",
        "64:ff9b:1:abcd::/96",
    ];
    let taught: Vec<String> = taught
        .iter()
        .map(|prefix| prefix.parse().unwrap())
        .flat_map(|prefix: Ipv6Net| {
            [170, 171].map(|last| embed_nat64(prefix, [192, 0, 0, last].into()).to_string())
        })
        // One of the two alone is no evidence.
        .chain(["2a00:1450:4009:80b::192.0.0.170".to_owned(), "2a00:1450:4009:80c::192.0.0.171".to_owned()])
        .collect();
    let taught: Vec<&str> = taught.iter().map(String::as_str).collect();
    let rows = [
        ("a.example", "fe80::808:808"),
        ("b.example", "fec0::808:808"),
        ("c.example", "ff02::808:808"),
        ("d.example", "100::808:808"),
        ("e.example", "2001:db8::808:808"),
        ("f.example", "4000::808:808"),
        ("g.example", "fd12:3456:789a:1::"),
        ("h.example", "fd12:3456:808:808::"),
        ("i.example", "::8.8.8.8"),
        ("j.example", "fd00:64::8.8.8.8"),
        ("m.example", "64:ff9b:1:abcd::10.0.0.1"),
    ];
    let mut zone = Zone::new()
        .addresses("ipv4only.arpa", &taught)
        .addresses("learned.example", &["2a00:6496:ff9b::127.0.0.1"])
        .addresses("public.example", &["2a00:6496:ff9b::8.8.8.8"])
        .addresses("www.example", &["2a00:1450:4009:80b::2004"]);
    // The range kept for translation (RFC 8215) is blocked as a whole where the network announces nothing in it.
    let local_use = [("k.example", "64:ff9b:1:808:8:800::"), ("l.example", "64:ff9b:1:abcd::808:808")];
    for (name, address) in rows.into_iter().chain(local_use) {
        zone = zone.addresses(name, &[address]);
    }
    let upstream = zone.serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let deadline = Instant::now() + DEADLINE;
    while !daemon.ask("learned.example", code::AAAA).is_empty() {
        assert!(Instant::now() < deadline, "the prefix is not learned");
    }
    daemon.ask("public.example", code::AAAA).assert_addresses(&["2a00:6496:ff9b::808:808"]);
    for (name, address) in local_use {
        daemon.ask(name, code::AAAA).assert_addresses(&[address]);
    }
    daemon.ask("www.example", code::AAAA).assert_addresses(&["2a00:1450:4009:80b::2004"]);
    let open: Vec<_> = rows.iter().filter(|(name, _)| !daemon.ask(name, code::AAAA).is_empty()).collect();
    assert!(open.is_empty(), "opened by what the network taught: {open:?}");
}

/// A14: a server that knows of no translator says nothing of the one that another server announces.
#[test]
fn a_server_does_not_remove_the_prefixes_of_another() {
    let first = Zone::new().addresses("learned.example", &["2a00:6496:ff9b::127.0.0.1"]).serve();
    let taught = ["2a00:6496:ff9b::192.0.0.170", "2a00:6496:ff9b::192.0.0.171"];
    let second = Zone::new().addresses("ipv4only.arpa", &taught).serve();
    let daemon = TestDaemon::start_with(&[first.address(), second.address()], "");
    let deadline = Instant::now() + DEADLINE;
    while !daemon.ask("learned.example", code::AAAA).is_empty() {
        assert!(Instant::now() < deadline, "the prefix is not learned");
    }
}

/// A14: what is written opens the ranges kept for translation, for public addresses.
#[test]
fn a_configured_prefix_in_a_blocked_range_opens_the_public_addresses_behind_it() {
    let upstream = Zone::new()
        .addresses("a.example", &["64:ff9b:1::8.8.8.8"])
        .addresses("b.example", &["64:ff9b:1::10.0.0.1"])
        .addresses("c.example", &["64:ff9b:1:1::8.8.8.8"])
        .addresses("d.example", &["fd00:64::8.8.8.8"])
        .addresses("e.example", &["fd00:64::127.0.0.1"])
        .addresses("f.example", &["fd00:64::1:0:8.8.8.8"])
        .serve();
    let daemon =
        TestDaemon::start(upstream.address(), "[guard]\nnat64 = [\"64:ff9b:1::/96\", \"fd00:64::/96\"]\n");
    daemon.ask("a.example", code::AAAA).assert_addresses(&["64:ff9b:1::808:808"]);
    daemon.ask("d.example", code::AAAA).assert_addresses(&["fd00:64::808:808"]);
    for name in ["b.example", "c.example", "e.example", "f.example"] {
        assert!(daemon.ask(name, code::AAAA).is_empty(), "{name}");
    }
}
