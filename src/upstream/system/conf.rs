//! resolv.conf(5), read as the C library reads it: unknown lines are skipped.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::path::Path;

use super::{Found, Skip};
use crate::dns::Name;
use crate::files;
use crate::upstream::interface::{InterfaceError, scoped};

/// The most that is read of a file.
pub(super) const MAX_SIZE: u64 = 64 << 10;

/// The port of every server in a resolv.conf.
const PORT: u16 = 53;

/// The most notes on one file, and the most characters of a word in a note.
const NOTES: usize = 8;
const SHOWN: usize = 60;

#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Each server, and why it cannot be asked if that is plain already.
    pub(super) servers: Vec<(SocketAddr, Option<Skip>)>,
    pub(super) search: Vec<Name>,
    pub(super) search_line: u32,
    /// Notes on lines whose server cannot be asked.
    pub(super) notes: Vec<String>,
}

#[cfg(all(unix, not(any(target_os = "android", target_vendor = "apple"))))]
pub(super) fn read(path: &Path) -> Result<Parsed, Found> {
    use std::io::ErrorKind;

    let octets = files::read(path, MAX_SIZE).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Found::Missing,
        ErrorKind::FileTooLarge => Found::TooLarge,
        ErrorKind::InvalidInput => Found::NotAFile,
        kind => Found::Unreadable(kind),
    })?;
    let parsed = Parsed::of(&String::from_utf8_lossy(&octets));
    match parsed.servers.is_empty() {
        true if parsed.notes.is_empty() => Err(Found::NoServer),
        true => Err(Found::Unusable(parsed.notes)),
        false => Ok(parsed),
    }
}

#[cfg(not(all(unix, not(any(target_os = "android", target_vendor = "apple")))))]
pub(super) fn read(_: &Path) -> Result<Parsed, Found> {
    let (config, _) = hickory_resolver::system_conf::read_system_conf().map_err(|_| Found::NoServer)?;
    let servers = config.name_servers().iter().map(|server| (SocketAddr::new(server.ip, PORT), None));
    let search = config.search().iter().filter_map(|name| Name::from_text(&name.to_ascii()).ok());
    Ok(Parsed { servers: servers.collect(), search: search.collect(), ..Parsed::default() })
}

#[cfg_attr(
    not(all(unix, not(any(target_os = "android", target_vendor = "apple")))),
    expect(dead_code, reason = "there is no file to read")
)]
impl Parsed {
    fn of(text: &str) -> Self {
        let mut parsed = Self::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            // A comment may also follow a setting.
            let mut words = line.split_ascii_whitespace().take_while(|word| !word.starts_with(['#', ';']));
            let Some(keyword) = words.next() else { continue };
            let note = match (keyword, words.next()) {
                ("nameserver", Some(address)) => parsed.server(address),
                ("nameserver", None) => Some("the nameserver has no address".to_owned()),
                // The last of these counts.
                ("search" | "domain", first) => {
                    let names = first.into_iter().chain(words);
                    parsed.search = names.filter_map(|name| Name::from_text(name).ok()).collect();
                    parsed.search_line = u32::try_from(index + 1).unwrap_or(0);
                    None
                }
                (other, Some(address)) if address.parse::<IpAddr>().is_ok() && other != "sortlist" => {
                    Some(format!("{} is not a keyword: write \"nameserver {address}\"", quoted(other)))
                }
                // `options`, `sortlist` and the keywords of other systems: neither useful nor harmful here.
                _ => None,
            };
            if let Some(note) = note.filter(|_| parsed.notes.len() < NOTES) {
                parsed.notes.push(format!("line {}: {note}", index + 1));
            }
        }
        parsed
    }

    /// Takes a server. Returns a note if it cannot be asked.
    fn server(&mut self, text: &str) -> Option<String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            let needs_interface = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
            let skip = needs_interface.then_some(Skip::NoInterface);
            self.servers.push((SocketAddr::new(address, PORT), skip));
            return needs_interface
                .then(|| format!("{address} is link-local: write its interface, such as {address}%eth0"));
        }
        match scoped(text) {
            Ok(address) => {
                self.servers.push((address.into(), None));
                None
            }
            Err(InterfaceError::Unknown(ip)) => {
                self.servers.push((SocketAddrV6::new(ip, PORT, 0, 0).into(), Some(Skip::UnknownInterface)));
                Some(format!("{} is on an interface that does not exist", quoted(text)))
            }
            Err(InterfaceError::NoAddress) => Some(format!("{} is not an address", quoted(text))),
        }
    }
}

/// A word of the file, cut, with control characters escaped.
fn quoted(word: &str) -> String {
    let shown: String = word.chars().take(SHOWN).collect();
    format!("{shown:?}")
}
