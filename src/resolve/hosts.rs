//! hosts(5): an address and its names on each line. Their names are answered here, so that the file beats the upstream as
//! it does in every program that reads it itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::IpAddr;

use foldhash::quality::RandomState;

use crate::dns::{Name, Shown};

/// The largest file taken; the block lists of this form have some 10 MiB.
pub const LARGEST_HOSTS_FILE: usize = 32 << 20;
/// The most names of one file; each costs about 100 octets of memory.
const MAX_NAMES: usize = 500_000;
/// The longest line taken; one line has one address.
const MAX_LINE: usize = 4096;
/// The most addresses of one name.
const MAX_ADDRESSES: usize = 64;
/// How many of the lines that cannot be used are reported: the first ones.
const MAX_FAULTS: usize = 3;
/// How many characters of a word that cannot be used are shown.
const MAX_WORD: usize = 40;

/// Why a whole file is not taken. It is never taken in part: what falls off the end would go to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostsError {
    /// It is larger than 32 MiB.
    #[error("a hosts file larger than {} MiB", LARGEST_HOSTS_FILE >> 20)]
    TooLarge,
    /// It has more than 500,000 names.
    #[error("a hosts file with more than {MAX_NAMES} names")]
    TooManyNames,
}

/// The names of a hosts file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hosts {
    /// Each name once, in the order of the file, with its addresses in the order of the file, each once.
    pub names: Vec<(Name, Vec<IpAddr>)>,
    /// How many lines and names could not be used: no address or a scoped one, no valid name, too long, an address too
    /// many. `localhost` and its like are not among them.
    pub skipped: usize,
    /// The first of these.
    pub faults: Vec<HostsFault>,
}

/// A line, or a word of it, that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostsFault {
    /// The line, counted from 1.
    pub line: usize,
    /// Why, in a short printable text.
    pub why: String,
}

impl fmt::Display for HostsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// Where each name stands in [`Hosts::names`].
type Index = HashMap<Name, usize, RandomState>;

impl Hosts {
    /// Reads what a hosts file holds; in any encoding, since only the names must be text.
    ///
    /// A name is taken literally: `*.example` is not a wildcard but a name that cannot be used. `localhost`, what is below it
    /// and `localhost.localdomain` are passed over: they are loopback whatever a file says (RFC 6761 §6.3).
    ///
    /// # Errors
    ///
    /// Too large, in octets or names.
    pub fn parse(octets: &[u8]) -> Result<Self, HostsError> {
        if octets.len() > LARGEST_HOSTS_FILE {
            return Err(HostsError::TooLarge);
        }
        let mut hosts = Self::default();
        let mut index = Index::default();
        let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
        for (number, line) in (1..).zip(octets.split(|&octet| octet == b'\n')) {
            // Cut before the check: a comment may be as long, and as little text, as it likes.
            let line = line.split(|&octet| octet == b'#').next().unwrap_or_default().trim_ascii();
            if !line.is_empty() {
                hosts.line(number, line, &mut index)?;
            }
        }
        Ok(hosts)
    }

    fn line(&mut self, number: usize, line: &[u8], index: &mut Index) -> Result<(), HostsError> {
        if line.len() > MAX_LINE {
            self.skip(number, || format!("it is longer than {MAX_LINE} octets"));
            return Ok(());
        }
        let Ok(line) = str::from_utf8(line) else {
            self.skip(number, || "it is not UTF-8".to_owned());
            return Ok(());
        };
        let mut words = line.split_ascii_whitespace().peekable();
        let first = words.next().unwrap_or_default();
        let Ok(address) = first.parse() else {
            // Block lists often begin with lines of a system's own file, such as "fe80::1%lo0 localhost".
            let is_needless = |word| host_name(word).is_some_and(|name| is_localhost(&name));
            if words.peek().is_none() || !words.all(is_needless) {
                self.skip(number, || format!("{} is not an address", quoted(first)));
            }
            return Ok(());
        };
        if words.peek().is_none() {
            self.skip(number, || "the address has no name".to_owned());
        }
        for word in words {
            match host_name(word) {
                Some(name) if is_localhost(&name) => {}
                Some(name) => self.add(number, name, address, index)?,
                None => self.skip(number, || format!("{} is not a host name", quoted(word))),
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        number: usize,
        name: Name,
        address: IpAddr,
        index: &mut Index,
    ) -> Result<(), HostsError> {
        let place = match index.entry(name) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(_) if self.names.len() >= MAX_NAMES => return Err(HostsError::TooManyNames),
            Entry::Vacant(new) => {
                self.names.push((new.key().clone(), Vec::with_capacity(1)));
                *new.insert(self.names.len() - 1)
            }
        };
        let Some((name, addresses)) = self.names.get_mut(place) else { return Ok(()) };
        if addresses.contains(&address) {
            return Ok(());
        }
        if addresses.len() < MAX_ADDRESSES {
            addresses.push(address);
        } else {
            let name = name.clone();
            self.skip(number, || format!("{name} has more than {MAX_ADDRESSES} addresses"));
        }
        Ok(())
    }

    fn skip(&mut self, line: usize, why: impl FnOnce() -> String) {
        self.skipped += 1;
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(HostsFault { line, why: why() });
        }
    }
}

/// A word in quotes, escaped and cut.
fn quoted(word: &str) -> String {
    let (end, more) = word.char_indices().nth(MAX_WORD).map_or((word.len(), ""), |(end, _)| (end, "…"));
    format!("\"{}{more}\"", Shown::text(word.get(..end).unwrap_or(word)))
}

/// A name as hosts(5) has it: no escapes, no wildcard, and not the root.
fn host_name(word: &str) -> Option<Name> {
    let forbidden = |c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.');
    if word.contains(forbidden) {
        return None;
    }
    Name::from_text(word).ok().filter(|name| name.as_ref().label_count() > 0)
}

fn is_localhost(name: &Name) -> bool {
    let name = name.as_ref();
    let last = |label: &[u8]| name.last_label().is_some_and(|last| last.eq_ignore_ascii_case(label));
    let distributions_own = || {
        let first = name.labels().next().unwrap_or_default();
        let is = |label: &[u8]| first.eq_ignore_ascii_case(label);
        match name.label_count() {
            1 => is(b"localhost4") || is(b"localhost6"),
            2 => {
                (is(b"localhost") && last(b"localdomain"))
                    || (is(b"localhost4") && last(b"localdomain4"))
                    || (is(b"localhost6") && last(b"localdomain6"))
            }
            _ => false,
        }
    };
    last(b"localhost") || distributions_own()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> String {
        let hosts = Hosts::parse(text.as_bytes()).unwrap();
        let names = hosts.names.iter().map(|(name, addresses)| format!("{name}={addresses:?}"));
        format!("{} skipped {}", names.collect::<Vec<_>>().join(" "), hosts.skipped).trim_start().to_owned()
    }

    #[test]
    fn lines_give_names_and_what_is_unusable_is_counted() {
        for (what, text, expected) in [
            ("nothing", "", "skipped 0"),
            ("comments and blank lines", "# a\n\n  \t\n#192.0.2.1 b\n", "skipped 0"),
            (
                "several names",
                "192.0.2.1 nas nas.lan\tNAS.home # x\n",
                "nas=[192.0.2.1] nas.lan=[192.0.2.1] nas.home=[192.0.2.1] skipped 0",
            ),
            ("comment right behind", "192.0.2.1 nas#box\r\n", "nas=[192.0.2.1] skipped 0"),
            (
                "both families on two lines",
                "192.0.2.1 nas\n2001:db8::1 NAS.\n",
                "nas=[192.0.2.1, 2001:db8::1] skipped 0",
            ),
            ("the same twice", "192.0.2.1 nas nas\n192.0.2.1 nas\n", "nas=[192.0.2.1] skipped 0"),
            ("no last newline, indented", "  192.0.2.1  nas", "nas=[192.0.2.1] skipped 0"),
            ("byte order mark", "\u{feff}192.0.2.1 nas", "nas=[192.0.2.1] skipped 0"),
            ("scoped", "fe80::1%lo0 nas\n192.0.2.1 b", "b=[192.0.2.1] skipped 1"),
            ("no address", "nas 192.0.2.1\n", "skipped 1"),
            ("an address only", "192.0.2.1\n", "skipped 1"),
            ("not four numbers", "127.1 a\n0177.0.0.1 b\n2130706433 c\n192.0.2.1/24 d\n", "skipped 4"),
            ("some names unusable", "192.0.2.1 *.x a\\.b a..b . good a,b", "good=[192.0.2.1] skipped 5"),
            ("blocked names stay as they are", "0.0.0.0 ads.example\n", "ads.example=[0.0.0.0] skipped 0"),
            ("internationalised", "192.0.2.1 bücher.example", "xn--bcher-kva.example=[192.0.2.1] skipped 0"),
            ("a full stop that IDNA makes one of", "192.0.2.1 a。b", "a.b=[192.0.2.1] skipped 0"),
            (
                "localhost and its like",
                "127.0.0.1 localhost LocalHost.localdomain localhost4 localhost4.localdomain4 x.localhost\n::1 localhost6",
                "skipped 0",
            ),
            ("localhost may not be moved", "192.0.2.66 localhost a.localhost.\n", "skipped 0"),
            (
                "not localhost",
                "192.0.2.1 localhost.example notlocalhost",
                "localhost.example=[192.0.2.1] notlocalhost=[192.0.2.1] skipped 0",
            ),
            (
                "Debian's own",
                "::1 ip6-localhost ip6-loopback\n127.0.1.1 box",
                "ip6-localhost=[::1] ip6-loopback=[::1] box=[127.0.1.1] skipped 0",
            ),
        ] {
            assert_eq!(read(text), expected, "{what}");
        }
    }

    #[test]
    fn limits_hold() {
        let long_line = format!("192.0.2.1 {} \n192.0.2.1 b", "a ".repeat(MAX_LINE));
        assert_eq!(read(&long_line), "b=[192.0.2.1] skipped 1");
        let long_comment = format!("192.0.2.1 b # {}", "x".repeat(3 * MAX_LINE));
        assert_eq!(read(&long_comment), "b=[192.0.2.1] skipped 0");
        let many: String = (0..100).map(|n| format!("192.0.2.{n} a\n")).collect();
        let hosts = Hosts::parse(many.as_bytes()).unwrap();
        assert_eq!((hosts.names[0].1.len(), hosts.skipped), (MAX_ADDRESSES, 100 - MAX_ADDRESSES));
        assert_eq!(Hosts::parse(&vec![b'#'; LARGEST_HOSTS_FILE + 1]), Err(HostsError::TooLarge));
        let names: String = (0..=MAX_NAMES).map(|n| format!("::1 n{n}\n")).collect();
        assert_eq!(Hosts::parse(names.as_bytes()), Err(HostsError::TooManyNames));
        let not_text = Hosts::parse(b"192.0.2.1 caf\xe9\n192.0.2.1 b # caf\xe9").unwrap();
        assert_eq!((not_text.names.len(), not_text.skipped), (1, 1));
    }

    #[test]
    fn the_first_lines_that_cannot_be_used_are_reported() {
        let told = |octets: &[u8]| {
            let faults = Hosts::parse(octets).unwrap().faults;
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let long = format!("192.0.2.1 {}", "a ".repeat(MAX_LINE));
        let many: String = (0..=64).map(|n| format!("192.0.2.{n} a\n")).collect();
        for (octets, expected) in [
            (b"192.0.2.1 a\n\n# x\nnas 192.0.2.1\n".as_slice(), r#"line 4: "nas" is not an address"#),
            (b"\x1b[2J\xe2\x80\xae b", r#"line 1: "\027[2J\226\128\174" is not an address"#),
            (
                b"192.0.2.1\n192.0.2.1 *.x",
                r#"line 1: the address has no name; line 2: "*.x" is not a host name"#,
            ),
            (
                b"a\nb\nc\nd",
                r#"line 1: "a" is not an address; line 2: "b" is not an address; line 3: "c" is not an address"#,
            ),
            (b"192.0.2.1 caf\xe9", "line 1: it is not UTF-8"),
            (long.as_bytes(), "line 1: it is longer than 4096 octets"),
            (many.as_bytes(), "line 65: a has more than 64 addresses"),
            (b"fe80::1%lo0 localhost\nfe80::1%lo0 nas", r#"line 2: "fe80::1%lo0" is not an address"#),
            (&[b'x'; 99], &*format!("line 1: \"{}…\" is not an address", "x".repeat(MAX_WORD))),
        ] {
            assert_eq!(told(octets), expected);
        }
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets: Vec<u8>) {
            let _ = Hosts::parse(&octets);
        }

        #[test]
        fn whatever_is_taken_is_a_name_once_with_addresses_once(
            lines in proptest::collection::vec(r"([0-9]{1,3}\.){3}[0-9]{1,3}( [a-c.*%\\é]{1,4}){0,3} ?#?", 0..20)
        ) {
            let hosts = Hosts::parse(lines.join("\n").as_bytes()).unwrap();
            for (index, (name, addresses)) in hosts.names.iter().enumerate() {
                prop_assert!(!hosts.names[..index].iter().any(|(earlier, _)| earlier == name));
                prop_assert!(!addresses.is_empty());
                prop_assert!((1..addresses.len()).all(|at| !addresses[..at].contains(&addresses[at])));
                prop_assert!(!is_localhost(name));
            }
        }
    }
}
