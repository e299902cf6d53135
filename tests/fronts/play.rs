//! Plays the attacks: each in runs with zones of their own, first the questions that fill caches, then those that use what is
//! in them.

#![allow(unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::thread;

use stubborn::audit::oracle::parse::{Section, show, within};
use stubborn::audit::oracle::scan::carried;
use stubborn::audit::wire::{self, Query, code, flag};

use crate::attacks::{ATTACKS, Attack, CONFIG, HOST, INSIDE, KEPT, POISON, ROUTES, VICTIM};
use crate::programs::{self, Front};
use crate::support::{Reply, TestDaemon};
use crate::support_more::{tcp, udp};
use crate::world::{Upstream, World, type_of};

/// How many runs are under way at a time.
const AT_ONCE: usize = 8;

/// Plays everything through a program, if it is there.
#[track_caller]
pub fn through(name: &str, start: impl FnOnce(&Path, SocketAddr) -> Front) {
    let Some(program) = programs::find(name) else { return };
    assert_nothing_leads_inside(name, |stubborn| {
        let front = start(&program, stubborn);
        (front.address(), front)
    });
}

/// The same through whatever `start` puts in front of the stubborn whose address it gets; it says whom to ask, and stays as
/// long as what it returns.
#[track_caller]
pub fn assert_nothing_leads_inside<T>(name: &str, start: impl FnOnce(SocketAddr) -> (SocketAddr, T)) {
    let world = World::new();
    // The route's servers are inside, and know what the public does not.
    let (public, inside) = (Upstream::start(&world), Upstream::start(&world));
    let routes = ROUTES.iter().map(|domain| {
        format!(
            "[[route]]\ndomain = \"{domain}\"\nservers = [\"{}\"]\nnetworks = [\"10.0.0.0/8\"]\n",
            inside.address()
        )
    });
    let daemon = TestDaemon::start(public.address(), &(CONFIG.to_owned() + &routes.collect::<String>()));
    let (front, _stays) = start(daemon.udp());
    assert_kept(name, front);
    let found = play(front);
    assert_kept(name, front);
    for attack in ATTACKS {
        assert!(world.asked(attack.id) > 0, "{name}: {} did not reach the upstream", attack.id);
    }
    assert!(found.is_empty(), "{}", report(name, &found));
}

fn ask(front: SocketAddr, name: &str, rtype: &str, dnssec: bool) -> Reply {
    let query = Query {
        id: rand::random(),
        qname: wire::name(name),
        qtype: type_of(rtype),
        qclass: code::IN,
        flags: flag::RD,
        edns: Some((1232, dnssec)),
    };
    let reply = udp(front, &query);
    if reply.is_truncated() { tcp(front, &query) } else { reply }
}

/// What is honest comes through.
#[track_caller]
fn assert_kept(front: &str, address: SocketAddr) {
    for (name, rtype, addresses) in KEPT {
        for dnssec in [false, true] {
            let reply = ask(address, name, rtype, dnssec);
            let what = format!("{front}: {name} {rtype} with DO {dnssec}: {reply:?}");
            assert_eq!(reply.rcode(), code::NOERROR, "{what}");
            assert_eq!(reply.addresses(), *addresses, "{what}");
            assert!(reply.types().contains(&type_of(rtype)), "{what}");
        }
    }
}

/// A run of an attack.
struct Run {
    attack: &'static Attack,
    /// The label of its zone.
    label: String,
    /// What is asked first, and whether with DO.
    poison: Option<(&'static str, bool)>,
}

/// What leads inside, how and after what, by the attack's label.
type Found = BTreeMap<&'static str, BTreeSet<String>>;

fn runs() -> Vec<Run> {
    let mut runs = Vec::new();
    for attack in ATTACKS {
        let types = POISON.iter().chain(attack.types);
        let first = types.flat_map(|rtype| [Some((*rtype, false)), Some((*rtype, true))]);
        for (number, poison) in first.chain([None]).enumerate() {
            runs.push(Run { attack, label: format!("r{number}"), poison });
        }
    }
    runs
}

fn play(front: SocketAddr) -> Found {
    let (runs, next, found) = (runs(), AtomicUsize::new(0), Mutex::new(Found::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let leaks = run.play(front);
                    if !leaks.is_empty() {
                        found.lock().unwrap().entry(run.attack.id).or_default().extend(leaks);
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

impl Run {
    fn play(&self, front: SocketAddr) -> Vec<String> {
        let apex = format!("{}.{}.evil.example", self.label, self.attack.id);
        let mut found = Vec::new();
        let mut ask = |name: &str, rtype: &str, dnssec: bool| {
            let name = name.replace('@', &apex);
            let reply = ask(front, &name, rtype, dnssec);
            for leak in leaks(&name, &reply) {
                let mut line = format!("{name} {rtype}{}: {leak}", with(dnssec)).replace(&apex, "@");
                if let Some((first, dnssec)) = self.poison {
                    write!(line, " (after {first}{})", with(dnssec)).unwrap();
                }
                found.push(line);
            }
        };
        if let Some((rtype, dnssec)) = self.poison {
            for name in self.attack.poison {
                ask(name, rtype, dnssec);
            }
        }
        for name in self.attack.victims {
            for rtype in VICTIM.iter().chain(self.attack.types) {
                ask(name, rtype, false);
                ask(name, rtype, true);
            }
        }
        found
    }
}

fn with(dnssec: bool) -> &'static str {
    if dnssec { " +do" } else { "" }
}

/// What in a reply to a question for a public name leads inside: an address wherever it stands, and an alias or a service that
/// whoever follows it arrives there with.
fn leaks(name: &str, reply: &Reply) -> Vec<String> {
    // What may lead inside by itself.
    if inside().any(|domain| within(&wire::name(name), &wire::name(domain))) {
        return Vec::new();
    }
    let message = reply.message();
    let mut found = Vec::new();
    for record in &message.records {
        let owner = show(&record.owner);
        for address in carried(&message, record).into_iter().filter(|address| is_inside(*address)) {
            found.push(format!("{owner} {address} in {:?}", record.section));
        }
        let leads = matches!(record.rtype, code::CNAME | code::DNAME | code::SRV | code::SVCB | code::HTTPS);
        let target = message.target(record).filter(|_| leads && record.section == Section::Answer);
        if let Some(target) = target.filter(|target| leads_inside(record.rtype, target)) {
            found.push(format!("{owner} TYPE{} {}", record.rtype, show(&target)));
        }
    }
    found
}

/// The domains inside, with the name of the host if it is that of the attacks.
fn inside() -> impl Iterator<Item = &'static str> {
    static IS_HOST: LazyLock<bool> =
        LazyLock::new(|| fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim() == HOST);
    INSIDE.iter().copied().chain(IS_HOST.then_some(HOST))
}

const OWN: [&str; 2] = ["1.2.3.4", "2001:4860:1::4"];

fn is_inside(address: IpAddr) -> bool {
    match address {
        // The addresses that a host has in `namespace::network`.
        _ if OWN.contains(&address.to_string().as_str()) => true,
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
    }
}

/// The target is of a domain inside; that of a DNAME, or above one.
fn leads_inside(rtype: u16, target: &[u8]) -> bool {
    inside()
        .map(wire::name)
        .any(|domain| within(target, &domain) || rtype == code::DNAME && within(&domain, target))
}

/// Each attack that leads inside, with how many ways it does and the first of them; one by which an address comes, if any.
fn report(front: &str, found: &Found) -> String {
    let mut text = format!("through {front}, {} of {} attacks lead inside:", found.len(), ATTACKS.len());
    for (attack, leaks) in found {
        let addresses = leaks.iter().filter(|leak| leak.contains(" in ")).count();
        let example = leaks.iter().find(|leak| leak.contains(" in ")).or(leaks.first()).unwrap();
        write!(text, "\n  {attack}: {addresses} addresses, {} aliases, {example}", leaks.len() - addresses)
            .unwrap();
    }
    text
}
