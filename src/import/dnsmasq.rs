//! dnsmasq.conf: `name` or `name=value` a line, as on its command line.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::draft::{Draft, Setting, What, reverse_zones, with_port};
use super::tables::{BLOCKING, DNSBL, DNSMASQ, decide};
use crate::dns::Name;
use crate::policy::special_domain;

/// What is only known when all lines were read.
#[derive(Default)]
pub(super) struct Reader {
    port: Option<(Setting, String)>,
    listen: Vec<(Setting, String)>,
    /// The first line that says or implies that all addresses are listened on.
    pub(super) everywhere: Option<Setting>,
    is_guarded: bool,
    /// Nobody but the servers that are named is asked.
    is_alone: bool,
}

const UNGUARDED: &str = "There was no protection against rebinding (stop-dns-rebind); here it is on. To see first what it would remove, set\n\
     # mode = \"monitor\" in [guard].";
const EVERYWHERE: &str = "dnsmasq listens on all addresses unless it is told which; this file, as the default is, on the loopback addresses.\n\
     # For the whole network write listen = [\"0.0.0.0:53\", \"[::]:53\"] in [server].";

const OTHERS: &str = "dnsmasq also asked the servers of resolv.conf (there was no no-resolv); to ask them after the others, add \"system\" to\n\
     # `servers` in [upstream].";

type Take = fn(&mut Reader, &mut Draft, &Setting, &str);

/// The settings whose value matters.
const TAKEN: &[(&str, Take)] = &[
    ("port", |reader, _, from, value| reader.port = Some((from.clone(), value.to_owned()))),
    ("listen-address", |reader, _, from, value| {
        reader.listen.extend(value.split(',').map(|address| (from.clone(), address.trim().to_owned())));
    }),
    ("interface", Reader::interface),
    ("rebind-domain-ok", |_, draft, from, value| rebind_domain(draft, from, value)),
    ("rebind-localhost-ok", |_, draft, from, _| localhost_ok(draft, from)),
    ("server", |_, draft, from, value| server(draft, from, value)),
    ("local", |_, draft, from, value| server(draft, from, value)),
    ("rev-server", |_, draft, from, value| rev_server(draft, from, value)),
    ("address", |_, draft, from, value| address(draft, from, value)),
    ("host-record", |_, draft, from, value| host_record(draft, from, value)),
    ("addn-hosts", |_, draft, from, value| hosts_file(draft, from, value)),
    ("no-hosts", |_, draft, from, _| draft.key(from, "names", "hosts-files", "[]")),
    ("no-resolv", |reader, draft, from, _| {
        reader.is_alone = true;
        draft.needless(from, "servers that are named are the only ones");
    }),
    ("max-tcp-connections", |_, draft, from, value| draft.number(from, "server", "tcp-connections", value)),
    ("no-negcache", |_, draft, from, _| draft.text(from, "cache", "negative-max-ttl", "0")),
    ("max-cache-ttl", |_, draft, from, value| draft.seconds(from, "cache", "max-ttl", value)),
    ("cache-size", |_, draft, from, value| match value {
        "0" => draft.text(from, "cache", "size", "0"),
        _ => draft.leave(from, "the cache is measured in octets: `size` in [cache] is 16MiB by default"),
    }),
];

pub(super) fn read(texts: &[(Arc<str>, &str)], draft: &mut Draft) {
    let mut reader = Reader::default();
    for (file, text) in texts {
        for (index, line) in text.lines().enumerate() {
            let line = without_comment(line).trim();
            if line.is_empty() {
                continue;
            }
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let from = Setting::new(file, index + 1, line);
            reader.setting(draft, &from, name.trim().trim_start_matches("--"), unquoted(value.trim()));
        }
    }
    reader.finish(draft);
}

impl Reader {
    /// One setting; also those of OpenWrt, which are dnsmasq's by other names.
    pub(super) fn setting(&mut self, draft: &mut Draft, from: &Setting, name: &str, value: &str) {
        self.is_guarded |= name == "stop-dns-rebind";
        if let Some((_, take)) = TAKEN.iter().find(|(known, _)| *known == name) {
            take(self, draft, from, value);
        } else if !decide(DNSMASQ, name, from, draft) {
            draft.unknown(from);
        }
    }

    fn interface(&mut self, draft: &mut Draft, from: &Setting, value: &str) {
        if value == "lo" {
            return draft.needless(from, "the loopback addresses are listened on by default");
        }
        self.everywhere.get_or_insert_with(|| from.clone());
        decide(DNSMASQ, "interface", from, draft);
    }

    /// dnsmasq listens on all addresses unless it is told which; here that has to be written.
    pub(super) fn finish(self, draft: &mut Draft) {
        if !self.is_guarded {
            draft.remarks.push(UNGUARDED);
        }
        if !self.is_alone && draft.has_servers() {
            draft.remarks.push(OTHERS);
        }
        let port = self.port.as_ref().map(|(_, port)| port.as_str());
        if let (Some((from, _)), Some("0")) = (&self.port, port) {
            return draft.leave(
                from,
                "DNS was switched off there; stubborn listens on the loopback addresses by default",
            );
        }
        for (from, address) in &self.listen {
            draft.list(from, "server", "listen", with_port(address, port));
        }
        let from = self.everywhere.or_else(|| self.port.as_ref().map(|(from, _)| from.clone()));
        match (self.listen.is_empty(), from) {
            (true, Some(from)) => {
                for any in ["0.0.0.0", "::"] {
                    draft.list(&from, "server", "listen", with_port(any, port));
                }
            }
            (false, _) => {
                if let Some((from, _)) = &self.port {
                    draft.needless(from, "it stands with the addresses of `listen`");
                }
            }
            (true, None) => draft.remarks.push(EVERYWHERE),
        }
    }
}

/// The line up to a `#` that begins a word.
fn without_comment(line: &str) -> &str {
    let starts_word =
        |at: usize| line.get(..at).is_none_or(|before| before.is_empty() || before.ends_with([' ', '\t']));
    let comment = line.match_indices('#').map(|(at, _)| at).find(|at| starts_word(*at));
    comment.and_then(|at| line.get(..at)).unwrap_or(line)
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// The domains of `/a/b/rest`, and the rest; no domains where there is no slash in front.
fn domains(value: &str) -> (Vec<&str>, &str) {
    let Some(inner) = value.strip_prefix('/') else { return (Vec::new(), value) };
    let (domains, rest) = inner.rsplit_once('/').unwrap_or((inner, ""));
    (domains.split('/').collect(), rest)
}

fn rebind_domain(draft: &mut Draft, from: &Setting, value: &str) {
    let (domains, rest) = domains(value);
    for domain in domains.into_iter().chain(Some(rest).filter(|rest| !rest.is_empty())) {
        match domain {
            "" => draft.needless(from, "single names are not asked outside"),
            domain => draft.exception(from, domain),
        }
    }
}

fn localhost_ok(draft: &mut Draft, from: &Setting) {
    // It is there for block lists; the whole of it would let every page reach this machine.
    draft.carry(from, What::Preset { name: DNSBL });
}

/// `server=` and `local=`: a server for all names, or for some; without one the names stay here.
fn server(draft: &mut Draft, from: &Setting, value: &str) {
    let (domains, server) = domains(value);
    if domains.is_empty() {
        return match server {
            "" => draft.leave(from, "it names no server"),
            server => draft.list(from, "upstream", "servers", endpoint(server)),
        };
    }
    for domain in domains {
        match (domain, server) {
            ("", _) => draft.needless(from, "single names are not asked outside"),
            (domain, "") => stays_here(draft, from, domain),
            (_, "#") => {
                draft.leave(from, "a domain within another's [[route]] cannot go to the default servers")
            }
            ("#", server) => draft.list(from, "upstream", "servers", endpoint(server)),
            (domain, server) => draft.route(from, domain, endpoint(server)),
        }
    }
}

fn stays_here(draft: &mut Draft, from: &Setting, domain: &str) {
    match Name::from_text(domain).ok().filter(|name| special_domain(name.as_ref()).is_some()) {
        Some(_) => draft.needless(from, "always so: names in it are not asked outside"),
        None => draft.leave(
            from,
            "a public domain cannot be kept from being asked; write its names as [[local]] names",
        ),
    }
}

/// `1.2.3.4#5353@eth0` as an address with its port.
fn endpoint(text: &str) -> String {
    let address = text.split('@').next().unwrap_or(text);
    match address.split_once('#') {
        Some((address, port)) => with_port(address, Some(port)),
        None => with_port(address, None),
    }
}

fn rev_server(draft: &mut Draft, from: &Setting, value: &str) {
    let Some((network, server)) = value.split_once(',') else {
        return draft.leave(from, "it names no server");
    };
    let network = network.parse::<IpNet>().or_else(|_| network.parse::<IpAddr>().map(IpNet::from));
    let Some(zones) = network.ok().and_then(reverse_zones) else {
        return draft.leave(from, "its network is none");
    };
    for zone in zones {
        draft.route(from, &zone, endpoint(server.trim()));
    }
}

/// `address=/a/b/1.2.3.4`: the names and all below.
fn address(draft: &mut Draft, from: &Setting, value: &str) {
    let (domains, address) = domains(value);
    if address.is_empty() || address == "#" {
        return draft.leave(from, BLOCKING);
    }
    for domain in domains {
        match domain {
            "" | "#" => draft.leave(from, "not every name can have the same address"),
            domain => {
                draft.local(from, domain, address);
                draft.local(from, &format!("*.{domain}"), address);
            }
        }
    }
}

/// `host-record=a,b,1.2.3.4,fd00::1,3600`: names, then addresses, then a TTL.
fn host_record(draft: &mut Draft, from: &Setting, value: &str) {
    let parts: Vec<&str> = value.split(',').map(str::trim).collect();
    let is_address = |part: &&str| part.parse::<IpAddr>().is_ok();
    let names: Vec<&str> = parts.iter().copied().take_while(|part| !is_address(part)).collect();
    let addresses: Vec<&str> = parts.iter().copied().filter(is_address).collect();
    if names.is_empty() || addresses.is_empty() {
        return draft.leave(from, "it has no name or no address");
    }
    for name in &names {
        for address in &addresses {
            draft.local(from, name, address);
        }
    }
}

fn hosts_file(draft: &mut Draft, from: &Setting, value: &str) {
    // What is written replaces the default, which dnsmasq reads as well.
    let own = What::InList { table: "names", key: "hosts-files", value: "/etc/hosts".to_owned() };
    draft.imply(from, own);
    draft.list(from, "names", "hosts-files", value);
}
