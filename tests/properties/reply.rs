//! The guard: from an upstream's octets to a client's, and everything that holds between them.
//!
//! An input is eight octets that choose the client and the policy, then the upstream's message: as octets, or, with the
//! highest bit of the first octet set, as choices of which one is built.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::OnceLock;

use stubborn::dns::{Asker, Carrier, Edns, Name, NameRef, Question, RecordType, UpstreamResponse};
use stubborn::policy::{
    Action, Circumstances, Exception, ExceptionMode, GuardSettings, Inside, InsideZone, InsideZones,
    Judgement, OnBlock, Origin, Policy, Profile, RouteTrust, Shape, Subject, Wire, ZoneScope,
    default_networks, enforce,
};

use super::message::{Labels, Msg, Part, Rec, fold, labels, name_at, wire_name, within};
use super::ranges::{self, Net};
use super::{Choices, build, scan};

/// The octets before the message.
pub const CONTROL: usize = 8;

const NOW: i64 = 1_800_000_000;
const CLIENT: &str = "192.168.1.5";
/// Room for any reply, as over TCP.
const TCP: usize = 65_535;

/// What an input came to.
#[derive(Debug, Default)]
pub struct Summary {
    /// The reply could be used.
    pub parsed: bool,
    /// What was removed with the default policies.
    pub removed: Vec<Carrier>,
}

pub fn check(data: &[u8]) -> Summary {
    let Some((control, rest)) = data.split_first_chunk::<CONTROL>() else { return Summary::default() };
    let wire = match control[0] & 0x80 {
        0 => rest.to_vec(),
        _ => build::message(&mut Choices(rest)).write(control[7] & 1 == 0),
    };
    let case = Case::new(*control, &wire);
    case.check(&wire)
}

/// A question, a client, and the settings to vary.
struct Case {
    control: [u8; CONTROL],
    asked: Labels,
    qtype: u16,
    question: Question,
    asker: Asker,
}

/// What can be compared of an outcome, whatever the order, the letter case and the TTLs.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    rcode: u16,
    category: &'static str,
    findings: BTreeSet<String>,
    answer: BTreeSet<Rec>,
}

impl Case {
    fn new(control: [u8; CONTROL], wire: &[u8]) -> Self {
        // What the message says was asked: few inputs would get any further otherwise.
        let echoed = name_at(wire, 12);
        let qtype = echoed.as_ref().and_then(|(_, end)| super::message::u16_at(wire, *end)).unwrap_or(1);
        let asked = echoed.map_or_else(|| labels("evil.example"), |(name, _)| name);
        let [flags, payload, ..] = control;
        let edns =
            Edns { payload: u16::from(payload) * 16, rcode_high: 0, version: 0, dnssec_ok: flags & 1 != 0 };
        let asker = Asker {
            id: 0x5a5a,
            opcode: 0,
            recursion_desired: flags & 32 == 0,
            authentic_data: flags & 4 != 0,
            checking_disabled: flags & 8 != 0,
            edns: (flags & 2 == 0).then_some(edns),
        };
        let question = question(&asked, qtype);
        Self { control, asked, qtype, question, asker }
    }

    fn check(&self, wire: &[u8]) -> Summary {
        let mut summary = Summary::default();
        let Some(response) = self.parse(wire) else { return summary };
        summary.parsed = true;
        for profile in [Profile::Standard, Profile::Strict] {
            let judgement = self.enforce(default_policy(profile), None, &response);
            let (octets, sent) = self.law(&judgement);
            self.soundness(&octets, &sent, profile == Profile::Strict);
            self.idempotence(default_policy(profile), &judgement);
            summary.removed.extend(removed(&judgement).map(|finding| finding.carrier));
        }
        self.chosen(&response);
        self.metamorphic(wire, &response);
        self.equivalence();
        summary
    }

    fn parse(&self, wire: &[u8]) -> Option<UpstreamResponse> {
        let parsed = UpstreamResponse::parse(wire, &self.question, self.asker.dnssec_ok()).ok()?;
        let seen = Msg::read(wire);
        assert_eq!(wire[2] & 0xfa, 0x80, "QR=1, OPCODE 0, TC=0");
        if let Some(seen) = seen {
            let (name, rtype, _) = seen.question.expect("a reply without a question is not ours");
            assert_eq!((fold(&name), rtype), (fold(&self.asked), self.qtype));
        }
        Some(parsed)
    }

    fn enforce(&self, policy: &Policy, trust: Option<&RouteTrust>, response: &UpstreamResponse) -> Judgement {
        judge(policy, trust, &self.question, response)
    }

    fn write(&self, judgement: &Judgement, limit: usize) -> (Vec<u8>, Msg) {
        let mut wire = Wire::default();
        judgement.response.write(&self.asker, &self.question, 0, limit, &mut wire);
        let octets = wire.as_ref().to_vec();
        let sent = Msg::read(&octets).expect("our own reply can be read");
        assert_eq!(sent.trailing, 0, "octets after the last record");
        assert!(octets.len() <= limit, "{} octets, limit {limit}", octets.len());
        (octets, sent)
    }

    /// The output law; returns the whole reply.
    fn law(&self, judgement: &Judgement) -> (Vec<u8>, Msg) {
        let (short, sent) = self.write(judgement, self.asker.udp_limit());
        if sent.flags & 0x0200 != 0 {
            assert!(sent.sections[0].is_empty() && sent.sections[1].is_empty(), "TC with records");
            self.header(&sent, judgement);
        }
        let (octets, sent) = self.write(judgement, TCP);
        assert_eq!(sent.flags & 0x0200, 0, "nothing is too long for TCP");
        if octets.len() <= self.asker.udp_limit() {
            assert_eq!(octets, short);
        }
        self.header(&sent, judgement);
        let [answer, authority, _] = &sent.sections;
        let touched = removed(judgement).next().is_some() || hidden(judgement);
        let dnssec = self.asker.dnssec_ok();
        let mut chain = vec![fold(&self.asked)];
        for record in answer {
            let owner = fold(&record.owner);
            match record.rtype {
                rtype if rtype == self.qtype && !matches!(rtype, 39 | 46) => {
                    assert_eq!(chain.last(), Some(&owner), "owner of the answer")
                }
                5 => {
                    assert_eq!(chain.last(), Some(&owner), "out of the chain");
                    let Some(Part::Name(target, _)) = record.rdata.get(1) else { panic!("no target") };
                    chain.push(fold(target));
                }
                39 => {
                    assert!(dnssec, "a DNAME for a client without DO");
                    assert!(within(chain.last().unwrap(), &owner), "DNAME beside the chain");
                }
                46 => assert!(
                    (dnssec || self.qtype == 46) && chain.iter().any(|name| within(name, &owner)),
                    "RRSIG"
                ),
                other => panic!("TYPE{other} in the answer"),
            }
        }
        for record in authority {
            match record.rtype {
                6 => assert!(within(chain.last().unwrap(), &record.owner) || touched),
                46 | 47 | 50 => assert!(dnssec && !touched, "TYPE{} in the authority", record.rtype),
                other => panic!("TYPE{other} in the authority"),
            }
        }
        assert!(authority.iter().filter(|record| record.rtype == 6).count() <= 1);
        if touched {
            let covered = |record: &Rec| record.octets().get(..2) == Some(&self.qtype.to_be_bytes()[..]);
            let signed =
                answer.iter().any(|record| record.rtype == 46 && self.qtype != 46 && covered(record));
            assert!(!signed, "a signature over what was touched");
        }
        if judgement.response.rcode().0 != 0 {
            let only_chain = answer.iter().all(|record| matches!(record.rtype, 5 | 39 | 46));
            assert!(only_chain, "records with an RCODE");
        }
        (octets, sent)
    }

    fn header(&self, sent: &Msg, judgement: &Judgement) {
        let bit = |set: bool, flag: u16| if set { flag } else { 0 };
        assert_eq!(sent.id, self.asker.id);
        assert_eq!(sent.question, Some((self.asked.clone(), self.qtype, 1)), "the question as asked");
        let expected =
            0x8080 | bit(self.asker.recursion_desired, 0x0100) | bit(self.asker.checking_disabled, 0x0010);
        assert_eq!(sent.flags & 0xfdd0, expected, "QR, OPCODE, AA, RD, RA, Z, CD");
        let wants_ad = self.asker.authentic_data || self.asker.dnssec_ok();
        if sent.flags & 0x0020 != 0 {
            assert!(wants_ad && removed(judgement).next().is_none() && !hidden(judgement), "AD");
        }
        let rcode = judgement.response.rcode().0;
        match (self.asker.edns, &sent.sections[2][..]) {
            (Some(edns), [opt]) => {
                assert_eq!((opt.rtype, opt.owner.len()), (41, 0));
                let [high, version, flags, _] = opt.ttl.to_be_bytes();
                assert_eq!((version, flags), (0, if edns.dnssec_ok { 0x80 } else { 0 }));
                assert_eq!(u16::from(high) << 4 | sent.flags & 15, rcode);
            }
            // An RCODE that needs EDNS must not turn into another one for a client without.
            (None, []) => assert_eq!(sent.flags & 15, if rcode > 15 { 2 } else { rcode }),
            (edns, additional) => panic!("{edns:?}, additional {additional:?}"),
        }
        assert!(sent.sections.iter().flatten().all(|record| record.rtype == 41 || record.class == 1));
    }

    /// Nobody finds an inside address in it.
    fn soundness(&self, octets: &[u8], sent: &Msg, strict: bool) {
        let second = scan::second_opinion(octets).unwrap_or_else(|error| panic!("second library: {error}"));
        let mut found: Vec<IpAddr> = sent.sections.iter().flatten().flat_map(scan::of_record).collect();
        found.extend(second);
        // A stub that trips over such octets did not ask for a name with them.
        if self.asked.iter().flatten().all(|octet| (1..0x80).contains(octet)) && !self.asker.dnssec_ok() {
            found.extend(scan::careless(octets));
        }
        for address in found {
            for form in ranges::blocked_forms(address, strict, &[]) {
                assert!(
                    self.is_built_in(form) || self.is_built_in(address),
                    "{address} reaches {form}: {sent:?}"
                );
            }
        }
        for record in &sent.sections[0] {
            let rdata = record.octets();
            match scan::leads(record.rtype, &rdata) {
                Some(scan::Leads::To(target)) => {
                    assert!(!scan::is_inside(&target), "alias to {target:?}");
                    assert!(record.rtype != 39 || !target.is_empty(), "DNAME to the root");
                    let plain = target.iter().flatten().all(|octet| (1..0x80).contains(octet));
                    assert!(plain || !matches!(self.qtype, 1 | 28), "alias to {target:?}");
                }
                Some(scan::Leads::Host(host)) if scan::is_host_name(&host) => {
                    assert!(!scan::is_inside(&labels(&host)), "URI of {host:?}");
                }
                _ => {}
            }
            if strict && matches!(record.rtype, 64 | 65) {
                let (_, params) = scan::service(&rdata).expect("service parameters");
                let port = params.iter().find(|(key, _)| *key == 3).map(|(_, value)| value.clone());
                let served = [53u16, 80, 443, 853, 8443].map(|port| port.to_be_bytes().to_vec());
                assert!(port.is_none_or(|port| served.contains(&port)), "a service is moved");
            }
        }
    }

    /// Two names may be answered so, whatever the configuration.
    fn is_built_in(&self, form: IpAddr) -> bool {
        let name = fold(&self.asked);
        let text = form.to_string();
        (name == labels("ipv4only.arpa") && matches!(text.as_str(), "192.0.0.170" | "192.0.0.171"))
            || (name == labels("dns.msftncsi.com") && text == "fd3e:4f5a:5b81::1")
    }

    /// Our own reply, taken for an upstream's, comes out the same.
    fn idempotence(&self, policy: &Policy, judgement: &Judgement) {
        let (octets, first) = self.write(judgement, TCP);
        let Ok(response) = UpstreamResponse::parse(&octets, &self.question, self.asker.dnssec_ok()) else {
            panic!("our own reply is refused")
        };
        let again = self.enforce(policy, None, &response);
        assert_eq!(removed(&again).count(), 0, "a finding in our own reply: {:?}", again.verdict);
        let (_, second) = self.write(&again, TCP);
        assert_eq!(first.flags, second.flags);
        assert_eq!(distinct(&first), distinct(&second), "the second time it is another reply");
    }

    /// With exceptions, a route and ranges of the input's choice.
    fn chosen(&self, response: &UpstreamResponse) {
        let base = self.settings();
        let trust = self.trust();
        let policy = compile(&base);
        let judgement = self.enforce(&policy, trust.as_ref(), response);
        let (_, sent) = self.law(&judgement);
        self.idempotence_of_kept(&policy, trust.as_ref(), &judgement);
        self.only_exempted(&base, trust.as_ref(), &sent);

        let kept = kept_addresses(&sent);
        let gone = removed_addresses(&judgement);

        let mut more_ranges = base.clone();
        more_ranges.block.push((self.added_range(), Origin::CommandLine));
        let narrower = self.enforce(&compile(&more_ranges), trust.as_ref(), response);
        let range = more_ranges.block.last();
        assert!(kept_addresses(&self.law(&narrower).1).is_subset(&kept), "blocking {range:?} let more pass");
        assert!(gone.is_subset(&removed_addresses(&narrower)), "blocking {range:?} lost a finding");

        let mut more_exceptions = base;
        more_exceptions.exceptions.push(self.exception(self.control[6]));
        let wider = self.enforce(&compile(&more_exceptions), trust.as_ref(), response);
        let added = more_exceptions.exceptions.last();
        // What an exempt name may answer is not for the aliases of others to have.
        let exempt = |subject: &Subject| matches!(subject, Subject::Alias { inside: Inside::Exempt(..), .. });
        if !removed(&wider).any(|finding| exempt(&finding.subject)) {
            assert!(kept.is_subset(&kept_addresses(&self.law(&wider).1)), "{added:?} removed more");
        }
        assert!(removed_addresses(&wider).is_subset(&gone), "{added:?} found more");
    }

    fn idempotence_of_kept(&self, policy: &Policy, trust: Option<&RouteTrust>, judgement: &Judgement) {
        let (octets, first) = self.write(judgement, TCP);
        let response = UpstreamResponse::parse(&octets, &self.question, self.asker.dnssec_ok())
            .unwrap_or_else(|error| panic!("our own reply: {error}"));
        let (_, second) = self.write(&self.enforce(policy, trust, &response), TCP);
        assert_eq!(distinct(&first), distinct(&second));
    }

    /// What is inside all the same has leave from the exceptions or the route, by the letter.
    fn only_exempted(&self, settings: &GuardSettings, trust: Option<&RouteTrust>, sent: &Msg) {
        let chain: Vec<Labels> = sent.sections[0]
            .iter()
            .filter(|record| record.rtype == 5)
            .filter_map(|record| name_at(&[&[0; 12], &record.octets()[..]].concat(), 12))
            .map(|(name, _)| name)
            .chain([self.asked.clone()])
            .collect();
        let nets = |nets: &[ipnet::IpNet]| -> Vec<Net> {
            nets.iter().map(|net| Net { address: net.addr(), length: u32::from(net.prefix_len()) }).collect()
        };
        let client: IpAddr = CLIENT.parse().unwrap();
        let leave = |name: &Labels, form: IpAddr| {
            settings.exceptions.iter().any(|exception| {
                let domain = name_at(&[&[0; 12], exception.domain.as_wire()].concat(), 12).unwrap().0;
                let named = if exception.exact { fold(name) == domain } else { within(name, &domain) };
                let clients = nets(&exception.clients);
                named
                    && ranges::is_covered(form, &nets(&exception.networks))
                    && (clients.is_empty() || clients.iter().any(|net| net.holds(client)))
                    && exception.until.is_none_or(|until| NOW < until)
            })
        };
        let nat64 = build::NAT64.map(Net::parse);
        for address in sent.sections[0].iter().flat_map(scan::of_record) {
            for form in ranges::blocked_forms(address, settings.profile == Profile::Strict, &nat64) {
                let routed = trust.is_some_and(|trust| ranges::is_covered(form, &nets(&trust.networks)));
                let exempt = chain.iter().all(|name| leave(name, form) || self.is_built_in(form));
                assert!(routed || exempt, "{address} reaches {form} by no exception");
            }
        }
    }

    fn settings(&self) -> GuardSettings {
        let [_, _, first, second, _, _, _, last] = self.control;
        let mut settings = default_settings(if last & 2 == 0 { Profile::Standard } else { Profile::Strict });
        settings.nat64 = build::NAT64.iter().map(|net| net.parse().unwrap()).collect();
        settings.on_block = match last >> 2 & 3 {
            0 => OnBlock::Nxdomain,
            1 => OnBlock::Refused,
            _ => OnBlock::Nodata,
        };
        for selector in [first, second].into_iter().filter(|selector| *selector != 0) {
            settings.exceptions.push(self.exception(selector));
        }
        settings
    }

    fn exception(&self, selector: u8) -> Exception {
        const NETWORKS: [&[&str]; 8] = [
            &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
            &["0.0.0.0/0", "::/0"],
            &["127.0.0.0/8", "::1/128"],
            &["169.254.0.0/16", "fe80::/10"],
            &["169.254.169.254/32", "fd00:ec2::254/128"],
            &["10.0.0.1/32"],
            &["192.168.0.0/16", "192.0.0.0/16", "168.0.0.0/8"],
            &["127.0.0.2/31", "0.0.0.0/32", "::/128"],
        ];
        let parent = |name: &Labels, n: usize| name.get(n..).map(<[_]>::to_vec).unwrap_or_default();
        let domain = match selector >> 3 & 7 {
            0..3 => self.asked.clone(),
            3 | 4 => parent(&self.asked, 1),
            // Where a chain may end: that exception must not be borrowed.
            5 => labels("cdn.example.net"),
            6 => labels("example"),
            _ => Labels::new(),
        };
        Exception {
            domain: name(&domain),
            exact: selector & 0x40 != 0,
            networks: NETWORKS[usize::from(selector & 7)].iter().map(|net| net.parse().unwrap()).collect(),
            shape: match self.control[4] & 7 {
                0 => Shape::AddressInName,
                1 => Shape::Dnsbl,
                _ => Shape::Any,
            },
            clients: match selector >> 6 & 3 {
                2 => vec!["192.168.1.0/24".parse().unwrap()],
                3 => vec!["10.0.0.0/8".parse().unwrap()],
                _ => Vec::new(),
            },
            until: match self.control[4] >> 3 & 3 {
                0 => Some(NOW),
                1 => Some(NOW + 1),
                _ => None,
            },
            mode: if self.control[4] & 0x20 == 0 { ExceptionMode::Allow } else { ExceptionMode::Monitor },
            reason: None,
            preset: None,
            origin: Origin::CommandLine,
        }
    }

    fn trust(&self) -> Option<RouteTrust> {
        let networks = match self.control[4] >> 6 {
            1 => default_networks(),
            2 => vec!["169.254.0.0/16".parse().unwrap(), "0.0.0.0/0".parse().unwrap()],
            _ => return None,
        };
        Some(RouteTrust { domain: name(&self.asked), networks, origin: Origin::CommandLine })
    }

    fn added_range(&self) -> ipnet::IpNet {
        let [.., a, b, _] = self.control;
        let v4 = build::V4[usize::from(a) % build::V4.len()];
        let address: IpAddr = match a & 0x40 {
            0 => v4.into(),
            _ => build::embed(v4, b).into(),
        };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = longest - (b % 34).min(longest);
        ipnet::IpNet::new(address, length).unwrap().trunc()
    }

    /// Compression, order and letter case change nothing.
    fn metamorphic(&self, wire: &[u8], response: &UpstreamResponse) {
        let Some(message) = Msg::read(wire) else { return };
        if message.sections.iter().flatten().count() > 64 {
            return;
        }
        let settings = self.settings();
        let policy = compile(&settings);
        let trust = self.trust();
        let expected = self.outcome(&policy, trust.as_ref(), &self.question, response);
        let same = |what: &str, message: &Msg, question: &Question| {
            let wire = message.write(false);
            let response = UpstreamResponse::parse(&wire, question, self.asker.dnssec_ok())
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(self.outcome(&policy, trust.as_ref(), question, &response), expected, "{what}");
        };
        same("uncompressed", &message, &self.question);

        let mut permuted = message.clone();
        permuted.sections[0].reverse();
        same("reversed", &permuted, &self.question);
        if !permuted.sections[0].is_empty() {
            let by = usize::from(self.control[6]) % permuted.sections[0].len();
            permuted.sections[0].rotate_left(by);
            same("permuted", &permuted, &self.question);
        }

        let mut swapped = message.clone();
        swapped.map_names(|name| {
            for octet in name.iter_mut().flatten().filter(|octet| octet.is_ascii_alphabetic()) {
                *octet ^= 0x20;
            }
        });
        let asked = swapped.question.as_ref().map(|(name, ..)| name.clone()).unwrap_or_default();
        same("letter case", &swapped, &question(&asked, self.qtype));
    }

    fn outcome(
        &self,
        policy: &Policy,
        trust: Option<&RouteTrust>,
        question: &Question,
        response: &UpstreamResponse,
    ) -> Outcome {
        let judgement = judge(policy, trust, question, response);
        let mut wire = Wire::default();
        judgement.response.write(&self.asker, question, 0, TCP, &mut wire);
        let mut sent = Msg::read(wire.as_ref()).expect("our own reply can be read");
        sent.map_names(|name| *name = fold(name));
        for record in sent.sections.iter_mut().flatten() {
            record.ttl = 0;
        }
        let findings = judgement
            .findings()
            .iter()
            .map(|finding| format!("{} {} {:?}", finding.carrier, finding.subject, finding.action))
            .collect();
        let [answer, ..] = sent.sections;
        Outcome {
            rcode: judgement.response.rcode().0,
            category: judgement.category().label(),
            findings,
            answer: answer.into_iter().collect(),
        }
    }

    /// An IPv4 address and every IPv6 address that leads to it have one fate.
    fn equivalence(&self) {
        let [.., a, b, _] = self.control;
        let v4 = if b & 0x80 == 0 { build::V4[usize::from(a) % build::V4.len()] } else { [a, b, 0, 1] };
        let mut settings = default_settings(Profile::Standard);
        settings.nat64 = build::NAT64.iter().map(|net| net.parse().unwrap()).collect();
        let policy = compile_cached(&settings);
        let fate = |rtype: u16, rdata: &[u8]| {
            let question = question(&self.asked, rtype);
            let record = Rec {
                owner: self.asked.clone(),
                rtype,
                class: 1,
                ttl: 60,
                rdata: vec![Part::Octets(rdata.to_vec())],
            };
            let message = Msg {
                id: 0,
                flags: 0x8180,
                question: Some((self.asked.clone(), rtype, 1)),
                sections: [vec![record], Vec::new(), Vec::new()],
                trailing: 0,
            };
            let response = UpstreamResponse::parse(&message.write(false), &question, false).unwrap();
            removed(&judge(policy, None, &question, &response)).next().is_some()
        };
        let plain = fate(1, &v4);
        assert_eq!(plain, ranges::is_blocked(v4.into(), false) && !self.is_built_in(v4.into()), "{v4:?}");
        for way in 0..build::EMBEDDINGS {
            // IPv4-compatible addresses are blocked whatever is in them.
            let expected = plain || way == 1;
            assert_eq!(fate(28, &build::embed(v4, way)), expected, "{v4:?} embedded in way {way}");
        }
    }
}

fn question(name: &Labels, rtype: u16) -> Question {
    let wire = wire_name(name);
    Question::new(NameRef::from_wire(&wire).expect("a name"), RecordType(rtype))
}

fn name(name: &Labels) -> Name {
    NameRef::from_wire(&wire_name(name)).expect("a name").to_name()
}

fn judge(
    policy: &Policy,
    trust: Option<&RouteTrust>,
    question: &Question,
    response: &UpstreamResponse,
) -> Judgement {
    let client = CLIENT.parse().unwrap();
    enforce(policy, &Circumstances { question, trust, client, now: NOW }, response)
}

fn removed(judgement: &Judgement) -> impl Iterator<Item = &stubborn::policy::Finding> {
    judgement.findings().iter().filter(|finding| finding.action == Action::Removed)
}

/// The aliases are not shown.
fn hidden(judgement: &Judgement) -> bool {
    judgement.findings().iter().any(|finding| finding.action == Action::Hidden)
}

fn removed_addresses(judgement: &Judgement) -> BTreeSet<IpAddr> {
    removed(judgement)
        .filter_map(|finding| match finding.subject {
            Subject::Address { address, .. } => Some(address),
            _ => None,
        })
        .collect()
}

/// Answer and authority without repetitions: compressed and not, one record is only seen to be another's repetition once
/// it has been written again.
fn distinct(sent: &Msg) -> [Vec<Rec>; 2] {
    [&sent.sections[0], &sent.sections[1]].map(|section| {
        let same = |a: &Rec, b: &Rec| (&a.owner, a.rtype, &a.rdata) == (&b.owner, b.rtype, &b.rdata);
        let mut all: Vec<Rec> = Vec::new();
        for record in section {
            if !all.iter().any(|other| same(other, record)) {
                all.push(record.clone());
            }
        }
        all
    })
}

fn kept_addresses(sent: &Msg) -> BTreeSet<IpAddr> {
    sent.sections[0].iter().flat_map(scan::of_record).collect()
}

fn default_settings(profile: Profile) -> GuardSettings {
    GuardSettings { profile, ..GuardSettings::default() }
}

fn compile(settings: &GuardSettings) -> Policy {
    Policy::new(settings, &[], &[], InsideZones::default())
}

fn compile_cached(settings: &GuardSettings) -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(|| compile(settings))
}

fn default_policy(profile: Profile) -> &'static Policy {
    static POLICIES: OnceLock<[Policy; 2]> = OnceLock::new();
    let [standard, strict] = POLICIES.get_or_init(|| {
        [Profile::Standard, Profile::Strict].map(|profile| {
            let zone = InsideZone {
                domain: name(&labels("corp.example")),
                scope: ZoneScope::Subtree,
                party: 1,
                origin: Origin::CommandLine,
            };
            Policy::new(&default_settings(profile), &[], &[], InsideZones::new(vec![zone]))
        })
    });
    match profile {
        Profile::Standard => standard,
        Profile::Strict => strict,
    }
}
