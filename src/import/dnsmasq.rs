//! dnsmasq.conf: `name` or `name=value` a line, as on its command line.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;

use super::draft::{Draft, Later, Setting, What};
use super::hosts;
use super::spelling::{self, Names, reverse_zones, with_port};
use super::tables::{ALWAYS, BLOCKING, DNSBL, DNSMASQ, decide};
use crate::config::Files;

/// What is only known when all lines were read.
#[derive(Default)]
pub(super) struct Reader {
    port: Option<(Setting, String)>,
    listen: Vec<(Setting, String)>,
    /// The first line that says or implies that all addresses are listened on.
    pub(super) everywhere: Option<Setting>,
    pub(super) is_guarded: bool,
    /// What `rebind-domain-ok` is called there, if that is another name.
    pub(super) exception: Option<&'static str>,
    /// Nobody but the servers that are named is asked.
    is_alone: bool,
    is_domain_needed: bool,
    /// Names without a dot may have inside addresses.
    dotless: Option<Setting>,
    domain: Option<(Setting, String)>,
    expands: Option<Setting>,
    /// There is no /etc/hosts.
    has_no_hosts: bool,
    hosts: Vec<(Setting, String)>,
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
    ("port", |reader, draft, from, value| {
        draft.part();
        if let Some((before, _)) = reader.port.replace((from.clone(), value.to_owned())) {
            draft.needless(&before, LATER);
        }
    }),
    ("listen-address", |reader, draft, from, value| {
        draft.part();
        reader.listen.extend(value.split(',').map(|address| (from.clone(), address.trim().to_owned())));
    }),
    ("interface", Reader::interface),
    ("stop-dns-rebind", |reader, draft, from, _| {
        reader.is_guarded = true;
        draft.needless(from, ALWAYS);
    }),
    ("rebind-domain-ok", |reader, draft, from, value| rebind_domain(reader, draft, from, value)),
    ("rebind-localhost-ok", |_, draft, from, _| localhost_ok(draft, from)),
    ("server", |_, draft, from, value| server(draft, from, value)),
    ("local", |_, draft, from, value| server(draft, from, value)),
    ("rev-server", |_, draft, from, value| rev_server(draft, from, value)),
    ("address", |_, draft, from, value| address(draft, from, value)),
    ("host-record", |_, draft, from, value| host_record(draft, from, value)),
    ("cname", |_, draft, from, value| cname(draft, from, value)),
    ("ptr-record", |_, draft, from, value| {
        let (reverse, name) = value.split_once(',').unwrap_or((value, ""));
        let (address, name) = (spelling::reversed(reverse.trim()), spelling::name(name));
        draft.later(from, Later::Pointer { name, address });
    }),
    ("domain", |reader, draft, from, value| domain(reader, draft, from, value)),
    ("expand-hosts", |reader, draft, from, _| {
        draft.part();
        reader.expands = Some(from.clone());
    }),
    ("addn-hosts", |reader, draft, from, value| {
        reader.hosts.push((from.clone(), value.to_owned()));
        hosts_file(draft, from, value);
    }),
    ("no-hosts", |reader, draft, from, _| {
        reader.has_no_hosts = true;
        draft.key(from, "names", "hosts-files", "[]");
    }),
    ("domain-needed", |reader, draft, from, _| {
        reader.is_domain_needed = true;
        draft.needless(from, "always so: names without a dot are not asked outside");
    }),
    ("log-queries", |_, draft, from, _| draft.text(from, "log", "queries", "with-names")),
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

pub(super) fn read(texts: &[(Arc<str>, &str)], files: &dyn Files, draft: &mut Draft) {
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
    reader.finish(files, draft);
}

impl Reader {
    /// One setting; also those of OpenWrt, which are dnsmasq's by other names.
    pub(super) fn setting(&mut self, draft: &mut Draft, from: &Setting, name: &str, value: &str) {
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
    pub(super) fn finish(mut self, files: &dyn Files, draft: &mut Draft) {
        if self.is_guarded {
            draft.filter = Some(self.exception.unwrap_or("rebind-domain-ok"));
        } else {
            draft.remarks.push(UNGUARDED);
        }
        self.dotless(draft);
        self.expand(files, draft);
        if !self.is_alone && draft.servers().next().is_some() {
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

/// Dotless names and hosts files.
impl Reader {
    fn dotless(&self, draft: &mut Draft) {
        let Some(from) = &self.dotless else { return };
        if self.is_domain_needed {
            return draft.needless(from, "names without a dot are not asked outside, there as here");
        }
        draft.leave(
            from,
            "names without a dot are not asked outside: write a [[route]] for each that a server inside knows, such as domain = \"nas\"",
        );
    }

    /// `expand-hosts` adds the domain to the names without a dot of hosts files.
    fn expand(&mut self, files: &dyn Files, draft: &mut Draft) {
        let Some(from) = self.expands.take() else {
            if let Some((from, _)) = &self.domain {
                let why =
                    "the domain is for names that DHCP gives: that stays with the program that serves it";
                draft.left.push(from.left(why));
            }
            return;
        };
        let Some((domain_from, domain)) = &self.domain else {
            let why =
                "no line says which domain is added: write the full names of hosts files as [[local]] names";
            draft.left.push(from.left(why));
            return;
        };
        let own = (!self.has_no_hosts).then(|| "/etc/hosts".to_owned());
        let paths = own.into_iter().chain(self.hosts.iter().map(|(_, path)| path.clone()));
        let mut unread = Vec::new();
        for path in paths {
            if !hosts::expand(files, Path::new(&path), domain, draft) {
                unread.push(path);
            }
        }
        if unread.is_empty() {
            for from in [&from, domain_from] {
                let why = "the names of the hosts files are [[local]] names with the domain; those of DHCP stay with DHCP";
                draft.needless.push(from.left(why));
            }
            return;
        }
        draft.left.push(from.left(format!(
            "{} cannot be read here: its names without a dot also had .{domain} there; write them as [[local]] names",
            unread.join(", ")
        )));
        let why = "the domain is for names of hosts files and of DHCP: names are not completed here";
        draft.left.push(domain_from.left(why));
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

/// What the domains of `/a/b/rest` stand for, and the rest; none where there is no slash in front.
fn domains(value: &str) -> (Vec<Names>, &str) {
    let Some(inner) = value.strip_prefix('/') else { return (Vec::new(), value) };
    let (domains, rest) = inner.rsplit_once('/').unwrap_or((inner, ""));
    if domains.is_empty() {
        return (vec![Names::Dotless], rest.trim());
    }
    // An empty domain between others stands for nothing.
    let named = domains.split('/').filter(|domain| !domain.trim().is_empty());
    (named.map(Names::of).collect(), rest.trim())
}

const LATER: &str = "a later line says otherwise";
const EVERY_NAME: &str = "it is for every name there is: to let every name have inside addresses, set mode = \"monitor\" in [guard]";
const BELOW_ONLY: &str =
    "carried over for the domain itself too: a domain always stands for itself and everything below";

fn rebind_domain(reader: &mut Reader, draft: &mut Draft, from: &Setting, value: &str) {
    let mut named: Vec<Names> =
        value.split('/').filter(|domain| !domain.trim().is_empty()).map(Names::of).collect();
    if named.is_empty() {
        named.push(Names::Dotless);
    }
    for names in named {
        match names {
            Names::Dotless => {
                draft.part();
                reader.dotless = Some(from.clone());
            }
            Names::All => draft.leave(from, EVERY_NAME),
            Names::Of(domain) => draft.exception(from, &domain),
            Names::Below(domain) => {
                draft.exception(from, &domain);
                draft.leave(from, BELOW_ONLY);
            }
        }
    }
}

fn localhost_ok(draft: &mut Draft, from: &Setting) {
    // It is there for block lists; the whole of it would let every page reach this machine.
    draft.carry(from, What::Preset { name: DNSBL });
    draft.leave(
        from,
        "only for block lists of mail servers: every other name that answers with 127.0.0.0/8 needs an [[exception]] of its own",
    );
}

/// `server=` and `local=`: a server for all names, or for some; without one nobody is asked.
fn server(draft: &mut Draft, from: &Setting, value: &str) {
    let (domains, server) = domains(value);
    if domains.is_empty() && server.is_empty() {
        return draft.leave(from, "it names no server");
    }
    let domains = if domains.is_empty() { vec![Names::All] } else { domains };
    let (address, source) = endpoint(server);
    for names in domains {
        match (names, server) {
            (Names::All, "" | "#") => {
                draft.leave(from, "not to ask anybody for any name is not what stubborn can be told")
            }
            (Names::All, _) => draft.list(from, "upstream", "servers", address.clone()),
            (Names::Dotless, "" | "#") => draft.needless(from, "names without a dot are not asked outside"),
            (Names::Dotless, _) => draft.lose(
                from,
                format!(
                    "names without a dot are asked of nobody: write a [[route]] for each that it knows, such as domain = \"nas\" and \
                     servers = [\"{address}\"]"
                ),
            ),
            (Names::Of(domain) | Names::Below(domain), "") => draft.keep(from, &domain),
            (Names::Of(domain) | Names::Below(domain), "#") => {
                draft.later(from, Later::ToDefault { domain });
            }
            (Names::Below(domain), _) => {
                draft.route(from, &domain, address.clone());
                draft.leave(from, BELOW_ONLY);
            }
            (Names::Of(domain), _) => draft.route(from, &domain, address.clone()),
        }
    }
    source_is_lost(draft, from, source);
}

/// `1.2.3.4#5353@eth0` as an address with its port, and from where it is asked.
fn endpoint(text: &str) -> (String, Option<&str>) {
    let (address, source) =
        text.split_once('@').map_or((text, None), |(server, source)| (server, Some(source)));
    let (address, port) =
        address.split_once('#').map_or((address, None), |(address, port)| (address, Some(port)));
    (with_port(address.trim(), port.map(str::trim)), source)
}

fn source_is_lost(draft: &mut Draft, from: &Setting, source: Option<&str>) {
    if let Some(source) = source {
        draft.leave(
            from,
            format!(
                "the server is carried over, but not that it is asked from {source}: the machine's routing table chooses the address and \
                 the interface, so see that it sends the server's address there"
            ),
        );
    }
}

fn rev_server(draft: &mut Draft, from: &Setting, value: &str) {
    let (network, server) = value.split_once(',').unwrap_or((value, ""));
    let network = network.trim();
    let network = network.parse::<IpNet>().or_else(|_| network.parse::<IpAddr>().map(IpNet::from));
    let Some(zones) = network.ok().and_then(reverse_zones) else {
        return draft.leave(from, "its network is none");
    };
    let (address, source) = endpoint(server.trim());
    for zone in zones {
        match address.as_str() {
            "" => draft.keep(from, &zone),
            _ => draft.route(from, &zone, address.clone()),
        }
    }
    source_is_lost(draft, from, source);
}

/// `address=/a/b/1.2.3.4`: the names and all below; without an address there are none.
fn address(draft: &mut Draft, from: &Setting, value: &str) {
    let (domains, address) = domains(value);
    if address == "#" {
        return draft.leave(from, BLOCKING);
    }
    if domains.is_empty() {
        return draft.leave(from, "not every name can have the same address");
    }
    for names in domains {
        match (names, address) {
            (Names::All, "") => draft.leave(from, "not every name can be denied"),
            (Names::Dotless, "") => draft.needless(from, "names without a dot are not asked outside"),
            (Names::Dotless | Names::All, _) => draft.leave(from, "not every name can have the same address"),
            (Names::Of(domain) | Names::Below(domain), "") => draft.keep(from, &domain),
            (Names::Of(domain), address) => {
                draft.local(from, &domain, address);
                draft.local(from, &format!("*.{domain}"), address);
            }
            (Names::Below(domain), address) => draft.local(from, &format!("*.{domain}"), address),
        }
    }
}

/// `host-record=a,b,1.2.3.4,fd00::1,3600`: names, then addresses, then a TTL.
fn host_record(draft: &mut Draft, from: &Setting, value: &str) {
    let parts: Vec<&str> = value.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let is_address = |part: &&str| part.parse::<IpAddr>().is_ok();
    let is_number = |part: &str| part.parse::<u32>().is_ok();
    let names: Vec<&str> =
        parts.iter().copied().take_while(|part| !is_address(part) && !is_number(part)).collect();
    let addresses: Vec<&str> = parts.iter().copied().filter(is_address).collect();
    if names.is_empty() || addresses.is_empty() {
        return draft.leave(from, "it has no name or no address");
    }
    for name in &names {
        for address in &addresses {
            draft.local(from, name, address);
        }
    }
    for rest in parts.iter().skip(names.len()).filter(|part| !is_address(part)) {
        draft.leave(from, ttl_is_lost(rest));
    }
}

fn ttl_is_lost(text: &str) -> String {
    match text.parse::<u32>() {
        Ok(_) => format!("all but the TTL {text} is carried over: local names have one TTL for all"),
        Err(_) => format!("all but {text:?} is carried over, which is neither an address nor a TTL"),
    }
}

/// `cname=a,b,target,60`: names that are others of `target`.
fn cname(draft: &mut Draft, from: &Setting, value: &str) {
    let mut parts: Vec<&str> = value.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let ttl = parts.pop_if(|part| part.parse::<u32>().is_ok());
    let Some(target) = parts.pop().filter(|_| !parts.is_empty()) else {
        return draft.leave(from, "it has no alias or no target");
    };
    for name in parts {
        let name = match name.strip_prefix("*.") {
            Some(below) => format!("*.{}", spelling::name(below)),
            None => spelling::name(name),
        };
        draft.later(from, Later::Alias { name, target: spelling::name(target) });
    }
    if let Some(ttl) = ttl {
        draft.leave(from, ttl_is_lost(ttl));
    }
}

/// `domain=lan,192.168.1.0/24,local`
fn domain(reader: &mut Reader, draft: &mut Draft, from: &Setting, value: &str) {
    let mut parts = value.split(',').map(str::trim);
    let domain = parts.next().unwrap_or_default();
    draft.part();
    let rest: Vec<&str> = parts.collect();
    if rest.last() == Some(&"local") {
        draft.keep(from, domain);
    }
    if domain == "#" || domain.is_empty() {
        return draft.leave(from, "the domain is that of resolv.conf: names are not completed here");
    }
    if rest.is_empty() {
        if let Some((before, _)) = reader.domain.replace((from.clone(), spelling::name(domain))) {
            draft.needless(&before, LATER);
        }
    } else {
        draft.leave(
            from,
            "a domain for some addresses only: names are not completed here; write the full names as [[local]] names",
        );
    }
}

fn hosts_file(draft: &mut Draft, from: &Setting, value: &str) {
    // What is written replaces the default, which dnsmasq reads as well.
    let own = What::InList { table: "names", key: "hosts-files", value: "/etc/hosts".to_owned() };
    draft.imply(from, own);
    draft.list(from, "names", "hosts-files", value);
}
