//! What the steps of a query's way take, each by itself: `cargo bench --bench parts`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement may end where it stands"
)]

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use divan::{Bencher, black_box};
use stubborn::audit::cases::Script;
use stubborn::audit::upstream::AttackUpstream;
use stubborn::audit::wire::{self, Message, Record, code, flag};
use stubborn::cache::CacheSettings;
use stubborn::daemon::{Environment, Source};
use stubborn::dns::{Query, UpstreamResponse};
use stubborn::policy::{Circumstances, GuardSettings, InsideZones, Policy, Wire, enforce};
use stubborn::resolve::{Resolver, Snapshot, Step};
use stubborn::upstream::{Endpoint, Exchanger, Server, Servers};

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const NAME: &str = "www.shop.example";

fn main() {
    divan::main();
}

/// What a reply says.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// An alias and two public addresses.
    Addresses,
    /// Eight services with hints for eight addresses each.
    Services,
    /// An alias and two addresses, one of them private.
    Rebinding,
}
use Kind::{Addresses, Rebinding, Services};

impl Kind {
    fn rtype(self) -> u16 {
        match self {
            Addresses | Rebinding => code::A,
            Services => code::HTTPS,
        }
    }

    fn records(self) -> Vec<Record> {
        let address = |text: &str| Record::address(text.parse().unwrap()).ttl(300);
        let alias = || Record::cname("cdn.example.net").ttl(300);
        let aliased = |text| [alias(), address("8.8.8.8").owned_by("cdn.example.net"), text];
        match self {
            Addresses => aliased(address("1.1.1.1").owned_by("cdn.example.net")).into(),
            Rebinding => aliased(address("192.168.1.1").owned_by("cdn.example.net")).into(),
            Services => {
                (1..=8).map(|priority| Record::new(code::HTTPS, service(priority)).ttl(300)).collect()
            }
        }
    }

    fn query(self) -> Vec<u8> {
        let question = wire::question(&wire::name(NAME), self.rtype(), code::IN);
        let query = Message { id: 0x4242, flags: flag::RD, qdcount: 1, question, ..Message::default() };
        query.additional([wire::opt(1232, 0, 0, 0, &[])]).encode()
    }

    fn reply(self) -> Vec<u8> {
        let question = wire::question(&wire::name(NAME), self.rtype(), code::IN);
        let flags = flag::QR | flag::RD | flag::RA;
        let reply = Message { id: 0x4242, flags, qdcount: 1, question, ..Message::default() };
        reply.answer(self.records()).additional([wire::opt(1232, 0, 0, 0, &[])]).encode()
    }

    fn response(self) -> UpstreamResponse {
        let query = Query::parse(&self.query()).unwrap();
        UpstreamResponse::parse(&self.reply(), &query.question, false).unwrap()
    }
}

fn service(priority: u16) -> Vec<u8> {
    let v4: Vec<u8> = (0..4).flat_map(|last| [1, 1, 1, last]).collect();
    let v6: Vec<u8> = (0..4).flat_map(|last| (0x2606_4700_u128 << 96 | last).to_be_bytes()).collect();
    let parameters = [(1, b"\x02h2\x02h3".to_vec()), (4, v4), (6, v6)];
    wire::svcb(priority, &wire::name("cdn.example.net"), &parameters)
}

/// A query is read.
#[divan::bench]
fn parse_query(bencher: Bencher<'_, '_>) {
    let wire = Addresses.query();
    bencher.bench(|| Query::parse(black_box(&wire)).unwrap());
}

/// An upstream's reply is read strictly and built anew.
#[divan::bench(args = [Addresses, Services])]
fn rebuild_reply(bencher: Bencher<'_, '_>, kind: Kind) {
    let (query, wire) = (Query::parse(&kind.query()).unwrap(), kind.reply());
    bencher.bench(|| UpstreamResponse::parse(black_box(&wire), &query.question, false).unwrap());
}

/// The guard as a whole: it judges a reply and makes the client's of it.
#[divan::bench(args = [Addresses, Services, Rebinding])]
fn guard(bencher: Bencher<'_, '_>, kind: Kind) {
    let policy = Policy::new(&GuardSettings::default(), &[], &[], InsideZones::default());
    let query = Query::parse(&kind.query()).unwrap();
    let circumstances = Circumstances { question: &query.question, trust: None, client: CLIENT, now: 0 };
    let response = kind.response();
    bencher.bench(|| enforce(&policy, &circumstances, black_box(&response)));
}

/// A query for what is kept, from its octets to those of the answer.
#[divan::bench(args = [Addresses, Services, Rebinding])]
fn hit(bencher: Bencher<'_, '_>, kind: Kind) {
    let resolver = filled(kind);
    let octets = kind.query();
    let turn = resolver.turn();
    let mut wire = Wire::default();
    bencher.bench_local(|| {
        let query = Query::parse(black_box(&octets)).unwrap();
        let Step::Done(outcome) = resolver.begin(&turn, &query, CLIENT) else { panic!("it is not kept") };
        let limit = query.asker.udp_limit();
        outcome.response().write(&query.asker, &query.question, outcome.age, limit, &mut wire);
    });
}

/// With the answer in its cache.
fn filled(kind: Kind) -> Arc<Resolver> {
    let script: Script = Arc::new(move |asked| asked.send(&asked.reply().answer(kind.records())));
    let upstream = AttackUpstream::with_scripts([(NAME.to_owned(), script)]).unwrap();
    let source = Source {
        config: Some("/dev/null".into()),
        listen: Vec::new(),
        upstream: vec![Server::At(Endpoint::Do53(upstream.address()))],
        ..Source::default()
    };
    let built = source.build(&Environment::default()).unwrap();
    let snapshot = Snapshot::new(1, &built.ingredients, &Servers::default());
    let resolver = Arc::new(Resolver::new(snapshot, &CacheSettings::default()));
    let query = Query::parse(&kind.query()).unwrap();
    let Step::Ask(lookup) = resolver.begin(&resolver.turn(), &query, CLIENT) else { panic!("it is known") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let exchanger = Rc::new(Exchanger::new(resolver.epoch()));
        resolver.finish(&exchanger, &lookup).await;
    });
    resolver
}
