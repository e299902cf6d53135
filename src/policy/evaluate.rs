//! The decision: a total function of values. No clock, no I/O, no global state, no panic.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::Ipv6Net;

use crate::dns::{
    Carrier, Leads, Message, Name, NameRef, Question, Record, RecordType, Section, Target, each_address,
    each_target,
};

use super::blocked::{BlockedRange, BlockedRanges};
use super::exceptions::{Exceptions, Reading, is_active, networks_cover};
use super::names::{Inside, InsideZones, ZoneScope, leads_inside};
use super::presets::built_in_exceptions;
use super::ranges::Treatment;
use super::settings::{Exception, ExceptionMode, GuardSettings, Mode, OnBlock, Origin, Profile, RouteTrust};
use super::verdict::{Action, Category, Finding, Subject, Verdict};

/// The compiled guard: immutable, one for each generation.
#[derive(Debug)]
pub struct Policy {
    pub(super) mode: Mode,
    pub(super) on_block: OnBlock,
    pub(super) block_ttl: u32,
    arguments: Option<Arc<str>>,
    profile: Profile,
    ranges: BlockedRanges,
    exceptions: Exceptions,
    zones: InsideZones,
}

/// What a decision depends on besides the policy and the reply.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// What was asked.
    pub question: &'a Question,
    /// The route the QNAME selected; `None` is the public DNS.
    pub trust: Option<&'a RouteTrust>,
    /// Who asked.
    pub client: IpAddr,
    /// When, in Unix seconds.
    pub now: i64,
}

/// For whom and how long a verdict holds; beyond that the reply is to be judged again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Any client would have got it.
    pub any_client: bool,
    /// Unix seconds up to which it holds.
    pub until: Option<i64>,
}

impl Validity {
    /// What was decided would be otherwise for other clients of the exception, or after its time.
    fn depends_on(&mut self, exception: &Exception, now: i64) {
        self.any_client &= exception.clients.is_empty();
        if let Some(until) = exception.until.filter(|until| *until > now) {
            self.until = Some(self.until.map_or(until, |other| other.min(until)));
        }
    }
}

/// A verdict with the records it concerns.
#[derive(Debug)]
pub(super) struct Evaluation {
    pub(super) verdict: Verdict,
    pub(super) validity: Validity,
    /// For each finding the number of the record it stands in.
    pub(super) records: Vec<usize>,
    /// The answer is given under the name that was asked, without the aliases that led to it.
    pub(super) hides_chain: bool,
}

impl Policy {
    /// Compiles the settings for the host's `own` addresses, the translation prefixes `learned` from the network,
    /// and the `zones` that only their own questions may lead into.
    pub fn new(settings: &GuardSettings, own: &[IpAddr], learned: &[Ipv6Net], zones: InsideZones) -> Self {
        Self {
            mode: settings.mode,
            on_block: settings.on_block,
            block_ttl: u32::try_from(settings.block_ttl.as_secs()).unwrap_or(u32::MAX),
            arguments: settings.arguments.clone(),
            profile: settings.profile,
            ranges: BlockedRanges::compile(settings, own, learned),
            exceptions: Exceptions::new(settings.exceptions.iter().cloned().chain(built_in_exceptions())),
            zones,
        }
    }

    /// How many ranges are blocked.
    pub fn range_count(&self) -> usize {
        self.ranges.len()
    }

    /// How many exceptions there are, the built-in ones included.
    pub fn exception_count(&self) -> usize {
        self.exceptions.len()
    }
}

/// Judges every record of `message`'s answer.
pub(super) fn evaluate(policy: &Policy, circumstances: &Circumstances<'_>, message: &Message) -> Evaluation {
    let aliases = message.records().filter(|record| record.rtype.is_alias());
    let targets: Vec<_> = aliases.filter_map(|record| NameRef::from_wire(record.rdata).ok()).collect();
    let mut evaluator = Evaluator {
        policy,
        circumstances,
        message,
        targets: &targets,
        chain: None,
        evaluation: Evaluation {
            verdict: Verdict::default(),
            validity: Validity { any_client: true, until: None },
            records: Vec::new(),
            hides_chain: false,
        },
    };
    for (index, record) in message.records().enumerate() {
        if record.section == Section::Answer {
            evaluator.record(index, &record);
        }
    }
    let mut evaluation = evaluator.evaluation;
    evaluation.verdict.arguments.clone_from(&policy.arguments);
    evaluation.verdict.category = categorise(&evaluation, message, circumstances.question.rtype);
    evaluation
}

struct Evaluator<'a> {
    policy: &'a Policy,
    circumstances: &'a Circumstances<'a>,
    message: &'a Message,
    /// The names of the alias chain after the QNAME.
    targets: &'a [NameRef<'a>],
    /// The exceptions that hold for each name of the chain. Filled at the first address that needs them: there may be thousands.
    chain: Option<Vec<Vec<Reading<'a>>>>,
    evaluation: Evaluation,
}

impl<'a> Evaluator<'a> {
    fn record(&mut self, index: usize, record: &Record<'_>) {
        each_target(record.rtype, record.rdata, |leads, target| match target {
            Target::Name(target) => self.target(index, record, leads, target),
            Target::Host(host) => self.host(index, record, leads, host),
        });
        // RDATA that breaks its type's format did not get this far.
        let _ = each_address(record.rtype, record.rdata, |carrier, address| {
            self.address(index, carrier, address)
        });
        if self.policy.profile == Profile::Strict {
            self.port(index, record);
        }
    }

    fn host(&mut self, index: usize, record: &Record<'_>, leads: Leads, host: &str) {
        match (host.parse(), Name::from_text(host)) {
            (Ok(address), _) => self.address(index, Carrier::Rdata(record.rtype), address),
            (Err(_), Ok(name)) => self.target(index, record, leads, name.as_ref()),
            (Err(_), Err(_)) => {}
        }
    }

    fn target(&mut self, index: usize, record: &Record<'_>, leads: Leads, target: NameRef<'_>) {
        let Circumstances { question, trust, .. } = self.circumstances;
        let inside = leads_inside(&self.policy.zones, question, leads, target)
            .or_else(|| self.leads_out_of_searched(target));
        let found = match leads {
            Leads::Alias | Leads::Subtree | Leads::Service => match inside {
                // On a server, other public names are honest aliases of its own: their answer is given without the alias.
                Some(inside @ Inside::Zone(_, Origin::HostName)) => {
                    Some((inside, self.hide_or_remove(record.rtype)))
                }
                Some(inside) => Some((inside, Action::Removed)),
                None => match self.reaches_exempt(leads, target) {
                    Some(inside) => Some((inside, self.hide_or_remove(record.rtype))),
                    None => self.competes(record, leads).map(|inside| (inside, Action::Hidden)),
                },
            },
            // The owner of a public reverse zone may not name its addresses with inside names; a route's server may.
            Leads::Pointer => inside
                .filter(|inside| {
                    trust.is_none() || matches!(inside, Inside::Special(name) if name.is_loopback())
                })
                .map(|inside| (inside, Action::Removed)),
            // No web page makes a client connect to these. A host below the domain itself is the owner's business.
            Leads::Other => inside
                .filter(|_| !target.is_within(question.name()))
                .map(|inside| (inside, Action::Monitored(Origin::BuiltIn))),
        };
        if let Some((inside, action)) = found {
            let subject = Subject::Alias { target: target.to_name(), inside };
            self.found(index, Carrier::Rdata(record.rtype), subject, action);
        }
    }

    /// Why the target may point inside although a search list can make the question from a public name. A cache that keeps the alias
    /// would give the target's addresses to a page of that public name.
    fn leads_out_of_searched(&self, target: NameRef<'_>) -> Option<Inside> {
        let trust = self.circumstances.trust.filter(|trust| trust.networks.is_empty())?;
        let is_searched = matches!(trust.origin, Origin::Search(_));
        let zone = self.policy.zones.find(target).filter(|_| is_searched)?;
        let is_own = target.is_within(self.circumstances.question.name());
        (!is_own).then(|| Inside::Zone(zone.domain.clone(), zone.origin.clone()))
    }

    /// Why the target may point inside although the question may not. A client or a cache that keeps the alias would get
    /// the target's other addresses through it.
    fn reaches_exempt(&mut self, leads: Leads, target: NameRef<'_>) -> Option<Inside> {
        let (policy, question) = (self.policy, self.circumstances.question.name().fold());
        let Circumstances { client, now, .. } = *self.circumstances;
        let folded = target.fold();
        for exception in policy.exceptions.of_name(folded.as_ref()) {
            self.evaluation.validity.depends_on(exception, now);
            let own = policy.exceptions.of_name(question.as_ref()).any(|own| own == exception);
            if !own && is_active(exception, client, now) {
                return Some(Inside::Exempt(exception.domain.clone(), exception.origin.clone()));
            }
        }
        if leads != Leads::Subtree {
            return None;
        }
        let zone = policy.zones.find_below(folded.as_ref()).map(|zone| (&zone.domain, &zone.origin));
        let below = zone.or_else(|| policy.exceptions.find_below(folded.as_ref()));
        below.map(|(below, origin)| Inside::Above(below.clone(), origin.clone()))
    }

    /// An alias from outside takes the place of a name that is answered here, in a client or a cache that keeps the alias: the
    /// question is that name, or its alias stands for a whole subtree with that name in it. (RFC 8552 names are not hosts.)
    fn competes(&self, record: &Record<'_>, leads: Leads) -> Option<Inside> {
        let (zones, question) = (&self.policy.zones, self.circumstances.question);
        let own = zones.find(question.name());
        let is_host = question.name().labels().next().is_some_and(|label| !label.starts_with(b"_"));
        let local = own.filter(|own| own.scope != ZoneScope::Subtree && leads != Leads::Service && is_host);
        let covered = || {
            let owner = self.message.owner(record, question).filter(|_| leads == Leads::Subtree)?;
            let zone = zones.find_below(owner.as_ref());
            zone.filter(|zone| own.is_none_or(|own| own.party != zone.party))
        };
        let zone = local.or_else(covered).filter(|zone| zone.origin != Origin::HostName)?;
        Some(Inside::Above(zone.domain.clone(), zone.origin.clone()))
    }

    /// If the reply says what is at the end of the chain, the client learns it without the alias, and so cannot keep the alias.
    fn hide_or_remove(&self, rtype: RecordType) -> Action {
        let asked = self.circumstances.question.rtype;
        let tells = |record: Record<'_>| record.rtype == asked || record.rtype == RecordType::SOA;
        if rtype != asked && self.message.records().any(tells) { Action::Hidden } else { Action::Removed }
    }

    /// With the strict profile a service may not be moved to a port where something else listens: browsers take the port
    /// of an HTTPS record for the origin's own.
    fn port(&mut self, index: usize, record: &Record<'_>) {
        const SERVED: [u16; 5] = [53, 80, 443, 853, 8443];
        if !record.rtype.is_service_binding() {
            return;
        }
        let port = crate::dns::Svcb::parse(record.rdata).ok().and_then(|svcb| svcb.port());
        if let Some(port) = port.filter(|port| !SERVED.contains(port)) {
            self.found(index, Carrier::Rdata(record.rtype), Subject::Port(port), Action::Removed);
        }
    }

    fn address(&mut self, index: usize, carrier: Carrier, address: IpAddr) {
        let policy = self.policy;
        policy.ranges.each_form(address, |form| {
            let Some(range) = policy.ranges.find(form) else { return };
            if range.treatment != Treatment::Block {
                return;
            }
            let action = self.leave(form, range);
            let subject = Subject::Address { address, reaches: form, range: range.clone() };
            self.found(index, carrier, subject, action);
        });
    }

    /// Which exception or route, if any, lets the question answer with `address`.
    ///
    /// A route's server answers for the whole alias chain, wherever it leads. Split horizons consist of such aliases: a
    /// company's name, the cloud's private name, an address of the company's network. The operator who wrote the route trusts
    /// its servers, within the route's networks.
    fn leave(&mut self, address: IpAddr, range: &BlockedRange) -> Action {
        if let Some(trust) = self.circumstances.trust
            && networks_cover(&trust.networks, address, range)
        {
            // A cache that kept the chain would give the address to whoever asks for others' names in it.
            let is_others = |target: &NameRef<'_>| self.policy.zones.find(*target).is_none();
            self.evaluation.hides_chain |=
                self.policy.mode == Mode::Enforce && self.targets.iter().any(is_others);
            return Action::Allowed(trust.origin.clone());
        }
        // Behind a public server, the owner of an alias's target controls the answer. So each name of the chain needs an
        // exception.
        let chain = self.chain.take().unwrap_or_else(|| self.exceptions_of_chain());
        let mut leaves =
            chain.iter().map(|exceptions| exceptions.iter().find(|reading| reading.covers(address, range)));
        let first = leaves.next().flatten().filter(|_| leaves.all(|leave| leave.is_some()));
        let action = match first.map(|reading| reading.exception) {
            Some(first) if first.mode == ExceptionMode::Allow => Action::Allowed(first.origin.clone()),
            Some(first) => Action::Monitored(first.origin.clone()),
            None => Action::Removed,
        };
        self.chain = Some(chain);
        action
    }

    fn exceptions_of_chain(&mut self) -> Vec<Vec<Reading<'a>>> {
        let Circumstances { question, client, now, .. } = *self.circumstances;
        let names = std::iter::once(question.name()).chain(self.targets.iter().copied());
        let of_name = |name: NameRef<'a>| {
            let folded = name.fold();
            let all = self.policy.exceptions.of_name(folded.as_ref());
            let all = all.inspect(|exception| self.evaluation.validity.depends_on(exception, now));
            let active = all.filter(|exception| is_active(exception, client, now));
            active.filter_map(|exception| Reading::new(exception, name, &self.policy.ranges)).collect()
        };
        names.map(of_name).collect()
    }

    fn found(&mut self, index: usize, carrier: Carrier, subject: Subject, action: Action) {
        let action = match (action, self.policy.mode) {
            (Action::Removed | Action::Hidden, Mode::Monitor) => Action::Monitored(Origin::BuiltIn),
            (action, _) => action,
        };
        self.evaluation.hides_chain |= action == Action::Hidden;
        self.evaluation.verdict.findings.push(Finding { carrier, subject, action });
        self.evaluation.records.push(index);
    }
}

fn categorise(evaluation: &Evaluation, message: &Message, asked: RecordType) -> Category {
    let findings = &evaluation.verdict.findings;
    let removed = || findings.iter().filter(|finding| finding.action == Action::Removed);
    if removed().next().is_some() {
        let answers = message
            .records()
            .filter(|record| record.section == Section::Answer && record.rtype == asked)
            .count();
        let unspecified = removed().filter(|finding| is_unspecified(finding)).count();
        let all = removed().count() == unspecified && unspecified == answers;
        return if all { Category::Sinkhole } else { Category::Blocked };
    }
    let monitored = findings.iter().any(|finding| matches!(finding.action, Action::Monitored(_)));
    if monitored { Category::Monitored } else { Category::Clean }
}

/// 0.0.0.0 or :: in an A or AAAA record.
fn is_unspecified(finding: &Finding) -> bool {
    let is_record = matches!(finding.carrier, Carrier::Rdata(RecordType::A | RecordType::AAAA));
    is_record && matches!(&finding.subject, Subject::Address { address, .. } if address.is_unspecified())
}
