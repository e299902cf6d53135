//! What the upstream says: a world of honest zones, and for each attack a zone of the attacker's, played as a recursive
//! resolver would pass it on.

#![allow(unreachable_pub)]

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use stubborn::audit::cases::{Action, Asked};
use stubborn::audit::oracle::parse::show;
use stubborn::audit::wire::{self, Message, Record, code};

use crate::attacks::{ATTACKS, Attack, HONEST, Said};
use crate::support_more::upstream::{bind, framed};

/// How far aliases are followed.
const CHAIN: usize = 12;

/// The type of a record by its name.
pub fn type_of(name: &str) -> u16 {
    match name {
        "A" => code::A,
        "AAAA" => code::AAAA,
        "ANY" => code::ANY,
        "CNAME" => code::CNAME,
        "DNAME" => code::DNAME,
        "DNSKEY" => code::DNSKEY,
        "DS" => code::DS,
        "HTTPS" => code::HTTPS,
        "MX" => code::MX,
        "NAPTR" => code::NAPTR,
        "NS" => code::NS,
        "NSEC" => code::NSEC,
        "PTR" => code::PTR,
        "RRSIG" => code::RRSIG,
        "SOA" => code::SOA,
        "SRV" => code::SRV,
        "SVCB" => code::SVCB,
        "TXT" => code::TXT,
        "URI" => code::URI,
        other => panic!("{other} is no type of this world"),
    }
}

/// A record in a line: owner, type, RDATA. `@` stands for the apex of an attack's zone.
#[derive(Debug, Clone)]
struct Line {
    owner: String,
    rtype: u16,
    rdata: Vec<String>,
}

impl Line {
    fn read(text: &str) -> Self {
        let mut words = text.split_whitespace().map(str::to_owned);
        let (owner, rtype) = (words.next().unwrap(), type_of(&words.next().unwrap()));
        Self { owner, rtype, rdata: words.collect() }
    }

    fn cname(owner: &str, target: &str) -> Self {
        Self { owner: owner.to_owned(), rtype: code::CNAME, rdata: vec![target.to_owned()] }
    }

    fn target(&self) -> &str {
        &self.rdata[0]
    }

    fn record(&self, apex: &str, ttl: u32) -> Record {
        let name = |text: &str| wire::name(&text.replace('@', apex));
        let number = |at: usize| -> u16 { self.rdata[at].parse().unwrap() };
        let record = match self.rtype {
            code::A | code::AAAA => Record::address(self.rdata[0].parse().unwrap()),
            code::HTTPS | code::SVCB => {
                Record::new(self.rtype, wire::svcb(number(0), &name(&self.rdata[1]), &[]))
            }
            code::SRV => Record::new(self.rtype, wire::srv(number(0), &self.rdata[1].replace('@', apex))),
            code::MX => {
                Record::new(self.rtype, [&number(0).to_be_bytes()[..], &name(&self.rdata[1])].concat())
            }
            code::TXT => Record::new(self.rtype, wire::txt(self.rdata[0].as_bytes())),
            code::SOA => Record::new(self.rtype, wire::soa(&self.rdata[0].replace('@', apex), ttl)),
            _ => Record::new(self.rtype, name(&self.rdata[0])),
        };
        record.owner(name(&self.owner)).ttl(ttl)
    }
}

fn read(lines: &[&str]) -> Vec<Line> {
    lines.iter().map(|line| Line::read(line)).collect()
}

/// `name` relative to `zone`, whose names end in a dot no more than `name` does.
fn below<'a>(name: &'a str, zone: &str) -> Option<&'a str> {
    name.strip_suffix(zone)?.strip_suffix('.')
}

/// What is known of one attack.
struct Zone {
    attack: &'static Attack,
    lines: Vec<Line>,
}

/// The whole world.
pub struct World {
    zones: HashMap<&'static str, Zone>,
    honest: Vec<Line>,
    asked: Mutex<HashMap<String, usize>>,
}

impl World {
    pub fn new() -> Arc<Self> {
        let zone = |attack: &'static Attack| (attack.id, Zone { attack, lines: read(attack.zone) });
        Arc::new(Self {
            zones: ATTACKS.iter().map(zone).collect(),
            honest: read(HONEST),
            asked: Mutex::default(),
        })
    }

    /// How many questions came below the zone of an attack.
    pub fn asked(&self, id: &str) -> usize {
        self.asked.lock().unwrap().get(id).copied().unwrap_or(0)
    }

    fn reply(&self, asked: &Asked<'_>) -> Message {
        let name = show(&asked.qname()).to_ascii_lowercase();
        let name = name.trim_end_matches('.');
        // RUN.ATTACK.evil.example, at the end or in front of an honest domain.
        let labels: Vec<&str> = name.split('.').collect();
        let found = labels.windows(4).find_map(|labels| match labels {
            [_, id, "evil", "example"] => Some((self.zones.get(id)?, labels.join("."))),
            _ => None,
        });
        let Some((zone, apex)) = found else {
            return self.answer(asked, name, &[], "", wire::TTL);
        };
        *self.asked.lock().unwrap().entry(zone.attack.id.to_owned()).or_default() += 1;
        let name = name.replace(&apex, "@");
        match zone.attack.said.iter().find(|said| said.name == name) {
            Some(said) => says(asked, said, &apex, zone.attack.ttl),
            None => self.answer(asked, &name, &zone.lines, &apex, zone.attack.ttl),
        }
    }

    /// What a recursive resolver makes of the zones.
    fn answer(&self, asked: &Asked<'_>, name: &str, lines: &[Line], apex: &str, ttl: u32) -> Message {
        let mut name = name.to_owned();
        let mut chain = Vec::new();
        let all = || lines.iter().chain(&self.honest);
        let qtype = asked.qtype();
        for _ in 0..CHAIN {
            let here: Vec<&Line> = all().filter(|line| line.owner == name).collect();
            let alias = here.iter().find(|line| line.rtype == code::CNAME && qtype != code::CNAME);
            if let Some(alias) = alias {
                chain.push((*alias).clone());
                name = alias.target().to_owned();
                continue;
            }
            let mut dnames = all().filter(|line| line.rtype == code::DNAME);
            if let Some((dname, left)) = dnames.find_map(|line| Some((line, below(&name, &line.owner)?))) {
                let target = match dname.target() {
                    "." => left.to_owned(),
                    target => format!("{left}.{target}"),
                };
                chain.push(dname.clone());
                chain.push(Line::cname(&name, &target));
                if qtype == code::CNAME {
                    break;
                }
                name = target;
                continue;
            }
            chain.extend(here.into_iter().filter(|line| line.rtype == qtype).cloned());
            break;
        }
        let answered = chain.iter().any(|line| line.rtype == qtype);
        let exists = all().any(|line| line.owner == name || below(&line.owner, &name).is_some());
        let reply = asked.reply().answer(chain.iter().map(|line| line.record(apex, ttl)));
        if answered {
            return reply;
        }
        let zone = match name.ends_with('@') {
            true => "@",
            false if name.is_empty() => ".",
            false => name.rmatch_indices('.').nth(1).map_or(&*name, |(at, _)| &name[at + 1..]),
        };
        let soa = Line::read(&format!("{zone} SOA ns.honest.example")).record(apex, ttl);
        reply.rcode(if exists { code::NOERROR } else { code::NXDOMAIN }).authority([soa])
    }
}

/// What the attacker's server says in so many words.
fn says(asked: &Asked<'_>, said: &Said, apex: &str, ttl: u32) -> Message {
    let records =
        |lines: &[&str]| read(lines).into_iter().map(|line| line.record(apex, ttl)).collect::<Vec<_>>();
    let reply = asked.reply().rcode(said.rcode);
    reply.answer(records(said.answer)).authority(records(said.authority)).additional(records(said.additional))
}

/// The world behind a port of its own, over UDP and TCP, until it is dropped.
pub struct Upstream {
    address: SocketAddr,
    streams: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Upstream {
    pub fn start(world: &Arc<World>) -> Self {
        let (udp, tcp) = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = udp.local_addr().unwrap();
        udp.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let streams = Arc::new(Mutex::new(Some(Vec::new())));
        let (one, two) = (Arc::clone(world), Arc::clone(world));
        let (first, second) = (Arc::clone(&streams), Arc::clone(&streams));
        thread::spawn(move || serve_datagrams(&udp, &one, &first));
        thread::spawn(move || serve_streams(&tcp, &two, &second));
        Self { address, streams }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        for stream in self.streams.lock().unwrap().take().unwrap_or_default() {
            let _closed = stream.shutdown(Shutdown::Both);
        }
        // Wakes the accepting thread.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_millis(200)));
    }
}

fn octets(world: &World, query: &[u8], stream: bool) -> Option<Vec<u8>> {
    let asked = Asked { wire: query, stream, before: 0 };
    match asked.send(&world.reply(&asked)).pop() {
        Some(Action::Send(octets)) => Some(octets),
        _ => None,
    }
}

type Streams = Mutex<Option<Vec<TcpStream>>>;

fn serve_datagrams(socket: &UdpSocket, world: &World, streams: &Streams) {
    let mut buffer = vec![0; 65_535];
    while streams.lock().unwrap().is_some() {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        if let Some(octets) = octets(world, &buffer[..length], false) {
            // A datagram that cannot be sent is a datagram lost.
            let _sent = socket.send_to(&octets, from);
        }
    }
}

fn serve_streams(listener: &TcpListener, world: &Arc<World>, streams: &Streams) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        match &mut *streams.lock().unwrap() {
            None => return,
            Some(streams) => streams.push(stream.try_clone().unwrap()),
        }
        let world = Arc::clone(world);
        // It ends when either side closes the stream.
        thread::spawn(move || serve_stream(stream, &world));
    }
}

fn serve_stream(mut stream: TcpStream, world: &World) -> io::Result<()> {
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut query)?;
        if let Some(octets) = octets(world, &query, true) {
            stream.write_all(&framed(&octets))?;
        }
    }
}
