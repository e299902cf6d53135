//! A message from choices: mostly what an attacker would send, now and then nonsense.

use super::Choices;
use super::message::{Labels, Msg, Part, Rec, labels};

const NAMES: &[&str] = &[
    "evil.example",
    "www.evil.example",
    "EVIL.Example",
    "192-168-1-20.plex.example",
    "2.0.0.127.bl.example",
    "ipv4only.arpa",
    "dns.msftncsi.com",
    "a.b.c.d.e.f.g.evil.example",
    "corp.example",
    "nas.corp.example",
    "x",
    "",
];
const TARGETS: &[&str] = &[
    "cdn.example.net",
    "c1.example.net",
    "c2.example.net",
    "c3.example.net",
    "localhost",
    "ip6-localhost",
    "a.localhost",
    "nas.local",
    "host.docker.internal",
    "10-0-0-1.plex.example",
    "nas.corp.example",
    "10.0.2.555",
    "x.0x7f",
    "",
];
const TYPES: &[u16] = &[
    1, 28, 65, 64, 5, 39, 1, 28, 65, 33, 16, 12, 15, 2, 6, 11, 38, 42, 45, 46, 47, 50, 105, 106, 256, 257,
    260, 35, 99, 13, 65281, 65308, 284, 513, 48, 18, 26, 24,
];
pub const V4: &[[u8; 4]] = &[
    [1, 1, 1, 1],
    [127, 0, 0, 1],
    [10, 0, 0, 1],
    [192, 168, 1, 20],
    [8, 8, 8, 8],
    [0, 0, 0, 0],
    [169, 254, 169, 254],
    [172, 16, 0, 1],
    [100, 64, 0, 1],
    [192, 0, 0, 170],
    [168, 63, 129, 16],
    [127, 0, 0, 2],
    [224, 0, 0, 1],
    [255, 255, 255, 255],
    [172, 32, 0, 1],
    [192, 88, 99, 1],
];
const V6: &[u128] = &[
    0x2606_4700_4700_0000_0000_0000_0000_1111,
    0,
    1,
    2,
    0xfe80 << 112 | 1,
    0xfd00 << 112 | 1,
    0xfd3e_4f5a_5b81 << 80 | 1,
    0xfec0 << 112 | 1,
    0xff02 << 112 | 1,
    0x0064_ff9b_0001 << 80 | 0x7f00_0001,
    0x0200 << 112 | 1,
    0x2001_0db8 << 96 | 1,
    0x2001_1000 << 96 | 1,
    0x3000 << 112 | 1,
];

pub fn v4(choices: &mut Choices<'_>) -> [u8; 4] {
    if choices.one_in(5) { choices.bytes() } else { choices.pick(V4) }
}

/// `v4` in an IPv6 address, in the way of this number; the last six are behind the prefixes of [`NAT64`].
pub fn embed(v4: [u8; 4], way: u8) -> [u8; 16] {
    let [a, b, c, d] = v4;
    let low = |head: [u8; 12]| {
        let mut octets = [0; 16];
        octets[..12].copy_from_slice(&head);
        octets[12..].copy_from_slice(&v4);
        octets
    };
    match way % EMBEDDINGS {
        0 => low([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        1 => low([0; 12]),
        2 => low([0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0]),
        3 => low([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]),
        4 => [0x20, 2, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        5 => [0x20, 1, 0, 0, 8, 8, 8, 8, 0, 0, 0, 0, !a, !b, !c, !d],
        6 => low([0x26, 6, 0x47, 0, 0, 0, 0, 1, 0, 0, 0x5e, 0xfe]),
        7 => low([0x26, 6, 0x47, 0, 0, 0, 0, 1, 2, 0, 0x5e, 0xfe]),
        8 => [0x24, 0, 1, 0x32, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0],
        9 => [0x24, 0, 1, 0x40, 0x40, a, b, c, 0, d, 0, 0, 0, 0, 0, 0],
        10 => [0x24, 0, 1, 0x48, 0, 0x48, a, b, 0, c, d, 0, 0, 0, 0, 0],
        11 => [0x24, 0, 1, 0x56, 0, 0, 0x56, a, 0, b, c, d, 0, 0, 0, 0],
        12 => [0x24, 0, 1, 0x64, 0, 0, 0, 0x64, 0, a, b, c, d, 0, 0, 0],
        _ => low([0x24, 0, 1, 0x96, 0, 0, 0, 0, 0, 0, 0, 0]),
    }
}

pub const EMBEDDINGS: u8 = 14;
/// The translation prefixes of [`embed`], of every length there is.
pub const NAT64: [&str; 6] = [
    "2400:132::/32",
    "2400:140:4000::/40",
    "2400:148:48::/48",
    "2400:156:0:5600::/56",
    "2400:164:0:64::/64",
    "2400:196::/96",
];

fn v6(choices: &mut Choices<'_>) -> [u8; 16] {
    match choices.byte() % 8 {
        0 => choices.bytes(),
        1..4 => {
            let way = choices.byte();
            embed(v4(choices), way)
        }
        _ => choices.pick(V6).to_be_bytes(),
    }
}

pub fn message(choices: &mut Choices<'_>) -> Msg {
    let asked = labels(choices.pick(NAMES));
    let qtype = if choices.one_in(16) { u16::from_be_bytes(choices.bytes()) } else { choices.pick(TYPES) };
    let flags = match choices.byte() {
        low @ 240.. => u16::from_be_bytes([0x80 | choices.byte(), low]),
        200.. => 0x85a0,
        170.. => 0x8183,
        _ => 0x8180,
    };
    let mut maker = Maker { choices, asked: asked.clone(), qtype, tail: asked.clone() };
    let mut sections = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..24 {
        if maker.choices.is_empty() {
            break;
        }
        let section = match maker.choices.byte() % 16 {
            15 => 2,
            13 | 14 => 1,
            _ => 0,
        };
        let record = maker.record(section);
        sections[section].push(record);
    }
    if maker.choices.one_in(4) {
        sections[2].push(maker.opt());
    }
    Msg { id: 1, flags, question: Some((asked, qtype, 1)), sections, trailing: 0 }
}

struct Maker<'c, 'd> {
    choices: &'c mut Choices<'d>,
    asked: Labels,
    qtype: u16,
    /// Where the chain has come to.
    tail: Labels,
}

impl Maker<'_, '_> {
    fn record(&mut self, section: usize) -> Rec {
        let shape = self.choices.byte();
        let rtype = match (section, shape % 8) {
            (0, 0..4) => self.qtype,
            (0, 4 | 5) => 5,
            (1, 0..4) => self.choices.pick(&[6, 47, 50, 46]),
            _ => self.choices.pick(TYPES),
        };
        let owner = match self.choices.byte() % 8 {
            0..5 => self.tail.clone(),
            5 => self.asked.clone(),
            6 => self.tail.get(1..).map(<[_]>::to_vec).unwrap_or_default(),
            _ => self.name(),
        };
        let class = if self.choices.one_in(24) { u16::from(self.choices.byte()) } else { 1 };
        let ttl = if self.choices.one_in(8) { u32::from_be_bytes(self.choices.bytes()) } else { 300 };
        let mut rdata = self.rdata(rtype);
        if rtype == 5
            && section == 0
            && let Some(Part::Name(target, _)) = rdata.first()
        {
            self.tail = target.clone();
        }
        match self.choices.byte() {
            0..4 => rdata.push(Part::Octets(vec![0])),
            4..8 => {
                if let Some(Part::Octets(octets)) = rdata.last_mut() {
                    octets.pop();
                }
            }
            _ => {}
        }
        Rec { owner, rtype, class, ttl, rdata }
    }

    fn name(&mut self) -> Labels {
        match self.choices.byte() % 16 {
            0 => self.asked.clone(),
            1 => vec![self.choices.bytes::<3>().to_vec(), b"example".to_vec()],
            2 => vec![vec![b'l'; 63]; 3],
            3 => [vec![b"w".to_vec()], self.asked.clone()].concat(),
            4 => labels(self.choices.pick(NAMES)),
            _ => labels(self.choices.pick(TARGETS)),
        }
    }

    fn rdata(&mut self, rtype: u16) -> Vec<Part> {
        let octets = |octets: &[u8]| Part::Octets(octets.to_vec());
        match rtype {
            1 => vec![octets(&v4(self.choices))],
            28 => vec![octets(&v6(self.choices))],
            2 | 5 | 12 | 39 => vec![Part::Name(self.name(), true)],
            6 => vec![Part::Name(self.name(), true), Part::Name(self.name(), true), octets(&[0; 20])],
            15 | 18 => vec![octets(&[0, 10]), Part::Name(self.name(), true)],
            26 => vec![octets(&[0, 10]), Part::Name(self.name(), true), Part::Name(self.name(), true)],
            24 => vec![octets(&[0; 18]), Part::Name(self.name(), true), octets(b"sig")],
            33 => vec![octets(&[0, 1, 0, 1, 0x2c, 0xaa]), Part::Name(self.name(), true)],
            35 => vec![octets(b"\0\x01\0\x01\x01u\x03abc\0"), Part::Name(self.name(), true)],
            64 | 65 => self.service(),
            11 => vec![octets(&[&v4(self.choices)[..], &[6, 0x80]].concat())],
            38 => vec![octets(&[&[0][..], &v6(self.choices)].concat())],
            42 => vec![
                octets(&[&[0, 1, 24, 4][..], &v4(self.choices)].concat()),
                octets(&[&[0, 2, 64, 16][..], &v6(self.choices)].concat()),
            ],
            45 => vec![octets(&[&[10, 1, 2][..], &v4(self.choices), b"key"].concat())],
            260 => vec![octets(&[&[10, 0x82][..], &v6(self.choices)].concat())],
            105 => vec![octets(&[&[0, 10][..], &v4(self.choices)].concat())],
            106 => vec![octets(&[&[0, 10][..], &v6(self.choices)[..8]].concat())],
            46 => {
                let [high, low] = self.choices.pick(&[self.qtype, 5, 39, 6, 47]).to_be_bytes();
                vec![octets(&[high, low]), octets(&[0; 16]), octets(b"\x07example\0sig")]
            }
            47 => vec![octets(b"\x01z\x07example\0\0\x01\x40")],
            256 => {
                let host = self.choices.pick(&[
                    "http://127.0.0.1:11434/",
                    "http://localhost/",
                    "https://cdn.example.net",
                    "http://[::1]/",
                    "http://u@10.0.0.1?",
                    "mailto:a@b",
                ]);
                let extra: &[u8] = if self.choices.one_in(8) { b"\xff" } else { b"x" };
                vec![octets(&[0, 1, 0, 1]), octets(host.as_bytes()), octets(extra)]
            }
            16 => vec![octets(b"\x0910.0.0.1!")],
            _ if rtype & 0xff == 1 => vec![octets(&v4(self.choices))],
            _ if rtype & 0xff == 28 => vec![octets(&v6(self.choices))],
            _ => vec![octets(&self.choices.bytes::<5>())],
        }
    }

    fn service(&mut self) -> Vec<Part> {
        let priority = u8::from(!self.choices.one_in(6));
        let target = if self.choices.one_in(2) { Labels::new() } else { self.name() };
        let mut parts = vec![Part::Octets(vec![0, priority]), Part::Name(target, false)];
        let mut param = |key: u16, value: &[u8]| {
            let length = value.len() as u16;
            parts.push(Part::Octets([&key.to_be_bytes()[..], &length.to_be_bytes(), value].concat()));
        };
        let which = self.choices.byte();
        if which & 1 != 0 {
            param(0, &[0, self.choices.pick(&[1, 4, 6, 3])]);
        }
        if which & 2 != 0 {
            param(1, b"\x02h2");
        }
        if which & 4 != 0 {
            param(3, &[self.choices.pick(&[1, 0x2c, 0xff]), 0xbb]);
        }
        if which & 8 != 0 {
            let count = 1 + self.choices.byte() % 4;
            let hints: Vec<u8> = (0..count).flat_map(|_| v4(self.choices)).collect();
            param(4, &hints);
        }
        if which & 16 != 0 {
            param(5, b"ech");
        }
        if which & 32 != 0 {
            let count = 1 + self.choices.byte() % 3;
            let hints: Vec<u8> = (0..count).flat_map(|_| v6(self.choices)).collect();
            param(6, &hints);
        }
        if which & 192 == 192 {
            param(u16::from(self.choices.byte()), &[0; 4]);
        }
        parts
    }

    fn opt(&mut self) -> Rec {
        let extra = match self.choices.byte() % 4 {
            0 => Vec::new(),
            1 => b"\0\x0f\0\x08\0\x0fh\x1b[31m".to_vec(),
            2 => b"\0\x08\0\x07\0\x01\x18\0\x0a\0\0".to_vec(),
            _ => self.choices.bytes::<5>().to_vec(),
        };
        let ttl = if self.choices.one_in(8) { u32::from_be_bytes(self.choices.bytes()) } else { 0x8000 };
        Rec { owner: Labels::new(), rtype: 41, class: 1232, ttl, rdata: vec![Part::Octets(extra)] }
    }
}
