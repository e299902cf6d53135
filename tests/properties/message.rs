//! A DNS message as a tree, read and written without any care for speed.

pub type Labels = Vec<Vec<u8>>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Octets(Vec<u8>),
    /// A name; `true` if a sender may compress it.
    Name(Labels, bool),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rec {
    pub owner: Labels,
    pub rtype: u16,
    pub class: u16,
    pub ttl: u32,
    pub rdata: Vec<Part>,
}

#[derive(Debug, Clone)]
pub struct Msg {
    pub id: u16,
    pub flags: u16,
    pub question: Option<(Labels, u16, u16)>,
    /// Answer, authority, additional.
    pub sections: [Vec<Rec>; 3],
    /// Octets after the last record.
    pub trailing: usize,
}

pub fn labels(text: &str) -> Labels {
    text.split('.').filter(|label| !label.is_empty()).map(|label| label.as_bytes().to_vec()).collect()
}

pub fn wire_name(name: &Labels) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name {
        out.push(label.len() as u8);
        out.extend_from_slice(label);
    }
    out.push(0);
    out
}

pub fn fold(name: &Labels) -> Labels {
    name.iter().map(|label| label.to_ascii_lowercase()).collect()
}

/// `name` is `domain` or below it, label by label from the right.
pub fn within(name: &Labels, domain: &Labels) -> bool {
    let (mut name, mut domain) = (fold(name), fold(domain));
    while let Some(last) = domain.pop() {
        if name.pop() != Some(last) {
            return false;
        }
    }
    true
}

pub fn u16_at(wire: &[u8], at: usize) -> Option<u16> {
    Some(u16::from(*wire.get(at)?) << 8 | u16::from(*wire.get(at + 1)?))
}

fn u32_at(wire: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(u16_at(wire, at)?) << 16 | u32::from(u16_at(wire, at + 2)?))
}

/// The name at `at`, and where it ends there. Every pointer has to lead to before the labels it ends.
pub fn name_at(wire: &[u8], at: usize) -> Option<(Labels, usize)> {
    let (mut name, mut here, mut end, mut before, mut size) = (Labels::new(), at, None, at, 1);
    loop {
        let length = usize::from(*wire.get(here)?);
        if length >= 0xc0 {
            let target = usize::from(u16_at(wire, here)?) & 0x3fff;
            end = end.or(Some(here + 2));
            if target >= before || target < 12 {
                return None;
            }
            (here, before) = (target, target);
        } else if length > 63 {
            return None;
        } else if length == 0 {
            return Some((name, end.unwrap_or(here + 1)));
        } else {
            name.push(wire.get(here + 1..here + 1 + length)?.to_vec());
            size += length + 1;
            if size > 255 {
                return None;
            }
            here += 1 + length;
        }
    }
}

/// Where names stand in the RDATA of a type: `(octets before it, may be compressed)` for each.
fn names_in(rtype: u16) -> &'static [(usize, bool)] {
    match rtype {
        2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 30 | 39 => &[(0, true)],
        6 | 14 | 17 => &[(0, true), (0, true)],
        15 | 18 | 21 | 36 => &[(2, true)],
        24 => &[(18, true)],
        26 => &[(2, true), (0, true)],
        33 => &[(6, true)],
        64 | 65 => &[(2, false)],
        _ => &[],
    }
}

fn read_rdata(wire: &[u8], rtype: u16, start: usize, end: usize) -> Option<Vec<Part>> {
    let wire = wire.get(..end)?;
    let (mut parts, mut at) = (Vec::new(), start);
    for &(skip, compressible) in names_in(rtype) {
        let Some(octets) = wire.get(at..at + skip) else { break };
        let Some((name, after)) = name_at(wire, at + skip) else {
            // What a pointer out of place means depends on where it stands.
            if compressible {
                return None;
            }
            break;
        };
        if !compressible && after - at - skip != wire_name(&name).len() {
            break;
        }
        parts.push(Part::Octets(octets.to_vec()));
        parts.push(Part::Name(name, compressible));
        at = after;
    }
    // The one type with texts before a name.
    if rtype == 35 && at + 4 <= end {
        let mut here = at + 4;
        for _ in 0..3 {
            here += 1 + usize::from(*wire.get(here)?);
        }
        let (name, after) = name_at(wire, here)?;
        parts.push(Part::Octets(wire.get(at..here)?.to_vec()));
        parts.push(Part::Name(name, true));
        at = after;
    }
    parts.push(Part::Octets(wire.get(at..end)?.to_vec()));
    Some(parts)
}

impl Rec {
    /// RDATA without compression.
    pub fn octets(&self) -> Vec<u8> {
        self.rdata
            .iter()
            .flat_map(|part| match part {
                Part::Octets(octets) => octets.clone(),
                Part::Name(name, _) => wire_name(name),
            })
            .collect()
    }

    pub fn map_names(&mut self, mut map: impl FnMut(&mut Labels)) {
        map(&mut self.owner);
        for part in &mut self.rdata {
            if let Part::Name(name, _) = part {
                map(name);
            }
        }
    }
}

impl Msg {
    pub fn read(wire: &[u8]) -> Option<Self> {
        let mut at = 12;
        let question = match u16_at(wire, 4)? {
            0 => None,
            1 => {
                let (name, after) = name_at(wire, at)?;
                at = after + 4;
                Some((name, u16_at(wire, after)?, u16_at(wire, after + 2)?))
            }
            _ => return None,
        };
        let mut sections = [Vec::new(), Vec::new(), Vec::new()];
        for (index, section) in sections.iter_mut().enumerate() {
            for _ in 0..u16_at(wire, 6 + 2 * index)? {
                let (owner, after) = name_at(wire, at)?;
                let rtype = u16_at(wire, after)?;
                let class = u16_at(wire, after + 2)?;
                let ttl = u32_at(wire, after + 4)?;
                let start = after + 10;
                at = start + usize::from(u16_at(wire, after + 8)?);
                section.push(Rec { owner, rtype, class, ttl, rdata: read_rdata(wire, rtype, start, at)? });
            }
        }
        let trailing = wire.len().checked_sub(at)?;
        Some(Self { id: u16_at(wire, 0)?, flags: u16_at(wire, 2)?, question, sections, trailing })
    }

    pub fn write(&self, compress: bool) -> Vec<u8> {
        let mut writer = Writer { out: Vec::new(), known: compress.then(Vec::new) };
        let counts = self.sections.iter().map(|section| section.len() as u16);
        for field in [self.id, self.flags, u16::from(self.question.is_some())].into_iter().chain(counts) {
            writer.out.extend_from_slice(&field.to_be_bytes());
        }
        if let Some((name, rtype, class)) = &self.question {
            writer.name(name, true);
            writer.out.extend_from_slice(&rtype.to_be_bytes());
            writer.out.extend_from_slice(&class.to_be_bytes());
        }
        for record in self.sections.iter().flatten() {
            writer.name(&record.owner, true);
            writer.out.extend_from_slice(&record.rtype.to_be_bytes());
            writer.out.extend_from_slice(&record.class.to_be_bytes());
            writer.out.extend_from_slice(&record.ttl.to_be_bytes());
            let length_at = writer.out.len();
            writer.out.extend_from_slice(&[0, 0]);
            for part in &record.rdata {
                match part {
                    Part::Octets(octets) => writer.out.extend_from_slice(octets),
                    Part::Name(name, compressible) => writer.name(name, *compressible),
                }
            }
            let length = (writer.out.len() - length_at - 2) as u16;
            writer.out[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
        }
        writer.out
    }

    pub fn map_names(&mut self, mut map: impl FnMut(&mut Labels)) {
        if let Some((name, _, _)) = &mut self.question {
            map(name);
        }
        for record in self.sections.iter_mut().flatten() {
            record.map_names(&mut map);
        }
    }
}

struct Writer {
    out: Vec<u8>,
    /// With compression: the names that stand somewhere.
    known: Option<Vec<(Labels, usize)>>,
}

impl Writer {
    fn name(&mut self, name: &Labels, compressible: bool) {
        let mut rest = name.clone();
        while !rest.is_empty() {
            if let Some(known) = &mut self.known {
                if let Some((_, at)) = known.iter().find(|(other, _)| compressible && *other == rest) {
                    self.out.extend_from_slice(&(0xc000 | *at as u16).to_be_bytes());
                    return;
                }
                if self.out.len() < 0x4000 {
                    known.push((rest.clone(), self.out.len()));
                }
            }
            let label = rest.remove(0);
            self.out.push(label.len() as u8);
            self.out.extend_from_slice(&label);
        }
        self.out.push(0);
    }
}
