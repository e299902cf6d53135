//! dnsmasq.conf: `name` or `name=value` a line, as on its command line.

mod lines;

use std::path::Path;
use std::sync::Arc;

use super::draft::{Draft, Later, Setting, What};
use super::named;
use super::spelling::{self, with_port};
use super::tables::{ALWAYS, DNSMASQ, DOTLESS, decide};
use crate::config::Files;
use lines::LATER;

/// What is only known when all lines were read.
#[derive(Default)]
pub(super) struct Reader {
    port: Option<(Setting, String)>,
    listen: Vec<(Setting, String)>,
    /// The first line that says or implies that all addresses are listened on.
    pub(super) everywhere: Option<Setting>,
    pub(super) is_guarded: bool,
    /// The format's own name for `rebind-domain-ok`, if it has one.
    pub(super) exception: Option<&'static str>,
    /// Nobody but the servers that are named is asked.
    pub(super) is_alone: bool,
    no_resolv: Option<Setting>,
    resolv_files: Vec<(Setting, String)>,
    /// Another file is read in place of resolv.conf.
    is_replaced: bool,
    is_domain_needed: bool,
    /// Names without a dot may have inside addresses.
    dotless: Option<Setting>,
    domain: Option<(Setting, String)>,
    expands: Option<Setting>,
    /// There is no /etc/hosts.
    no_hosts: Option<Setting>,
    hosts: Vec<(Setting, String)>,
}

const UNGUARDED: &str = "There was no protection against rebinding (stop-dns-rebind); here it is on. To see first what it would remove, set\n\
     # mode = \"monitor\" in [guard].";
const EVERYWHERE: &str = "dnsmasq listens on all addresses unless it is told which; this file, as the default is, on the loopback addresses.\n\
     # For the whole network write listen = [\"0.0.0.0:53\", \"[::]:53\"] in [server].";

const OTHERS: &str = "dnsmasq also asked the servers of resolv.conf (there was no no-resolv); to ask them after the others, add \"system\" to\n\
     # `servers` in [upstream].";

const UNASKED: &str = "dnsmasq asked the servers of resolv.conf for every name. So does stubborn, except for names in lan, local, home.arpa and the like\n\
     # and names without a dot. If these servers know some of them, write a [[route]] for the domain.";

const NOBODY: &str = "no server is named for all names, so nobody was asked for them";

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
    ("rebind-domain-ok", |reader, draft, from, value| lines::rebind_domain(reader, draft, from, value)),
    ("rebind-localhost-ok", |_, draft, from, _| lines::localhost_ok(draft, from)),
    ("server", |_, draft, from, value| lines::server(draft, from, value)),
    ("local", |_, draft, from, value| lines::server(draft, from, value)),
    ("rev-server", |_, draft, from, value| lines::rev_server(draft, from, value)),
    ("address", |_, draft, from, value| lines::address(draft, from, value)),
    ("host-record", |_, draft, from, value| lines::host_record(draft, from, value)),
    ("cname", |_, draft, from, value| lines::cname(draft, from, value)),
    ("ptr-record", |_, draft, from, value| {
        let (reverse, name) = value.split_once(',').unwrap_or((value, ""));
        let (address, name) = (spelling::reversed(reverse.trim()), spelling::name(name));
        draft.later(from, Later::Pointer { name, address });
    }),
    ("domain", |reader, draft, from, value| lines::domain(reader, draft, from, value)),
    ("expand-hosts", |reader, draft, from, _| {
        note(&mut reader.expands, draft, from);
    }),
    ("addn-hosts", |reader, draft, from, value| {
        draft.part();
        reader.hosts.push((from.clone(), value.to_owned()));
    }),
    ("no-hosts", |reader, draft, from, _| {
        note(&mut reader.no_hosts, draft, from);
    }),
    ("domain-needed", |reader, draft, from, _| {
        reader.is_domain_needed = true;
        draft.needless(from, DOTLESS);
    }),
    ("log-queries", |_, draft, from, _| draft.text(from, "log", "queries", "with-names")),
    ("resolv-file", |reader, draft, from, value| {
        draft.part();
        reader.resolv_files.push((from.clone(), value.to_owned()));
    }),
    ("no-resolv", |reader, draft, from, _| {
        reader.is_alone = true;
        note(&mut reader.no_resolv, draft, from);
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
            reader.line(draft, &Setting::new(file, index + 1, line), line);
        }
    }
    reader.finish(files, draft);
}

/// Notes where a switch is set, for the time when all lines were read.
fn note(slot: &mut Option<Setting>, draft: &mut Draft, from: &Setting) {
    draft.part();
    if let Some(before) = slot.replace(from.clone()) {
        draft.needless(&before, "a later line says the same");
    }
}

impl Reader {
    /// One line of a file.
    pub(super) fn line(&mut self, draft: &mut Draft, from: &Setting, line: &str) {
        let line = without_comment(line).trim();
        if line.is_empty() {
            return;
        }
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        self.setting(draft, from, name.trim().trim_start_matches("--"), unquoted(value.trim()));
    }

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
        self.hosts_files(draft);
        self.expand(files, draft);
        self.resolv_files(files, draft);
        let has_server = draft.servers().next().is_some();
        if !self.is_alone && !self.is_replaced && has_server {
            draft.remarks.push(OTHERS);
        }
        if !self.is_alone && !has_server {
            draft.remarks.push(UNASKED);
        }
        match &self.no_resolv {
            Some(from) if has_server => draft.needless(from, "only the named servers are asked"),
            Some(from) => {
                draft.lose(from, NOBODY);
                draft.orphan(from);
            }
            None => {}
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
        let port_from = self.port.as_ref().map(|(from, _)| from.clone());
        if let (Some(from), true) = (&port_from, self.everywhere.is_some() && self.listen.is_empty()) {
            draft.needless(from, "it is part of the addresses in `listen`");
        }
        let from = self.everywhere.or(port_from);
        match (self.listen.is_empty(), from) {
            (true, Some(from)) => {
                for any in ["0.0.0.0", "::"] {
                    draft.list(&from, "server", "listen", with_port(any, port));
                }
            }
            (false, _) => {
                if let Some((from, _)) = &self.port {
                    draft.needless(from, "it is part of the addresses in `listen`");
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
            return draft.needless(from, "neither program asks outside for names without a dot");
        }
        draft.leave(
            from,
            "names without a dot are not asked outside: write a [[route]] for each that a server inside knows, such as domain = \"nas\"",
        );
    }

    fn hosts_files(&self, draft: &mut Draft) {
        match &self.no_hosts {
            Some(from) if self.hosts.is_empty() => draft.key(from, "names", "hosts-files", "[]"),
            Some(from) => draft.needless(from, "only the named hosts files are read"),
            None => {}
        }
        for (from, path) in &self.hosts {
            if self.no_hosts.is_none() {
                // What is written replaces the default, which dnsmasq reads as well.
                let own = What::InList { table: "names", key: "hosts-files", value: "/etc/hosts".to_owned() };
                draft.imply(from, own);
            }
            draft.list(from, "names", "hosts-files", path.clone());
        }
    }

    /// Files in the form of resolv.conf. One that the network writes changes with it; the servers of any other are like named ones.
    fn resolv_files(&mut self, files: &dyn Files, draft: &mut Draft) {
        for (from, path) in &self.resolv_files {
            let is_of_network = ["/tmp/", "/run/", "/var/run/"].iter().any(|start| path.starts_with(start));
            if self.is_alone {
                draft.needless(from, "with no-resolv, it was not read");
            } else if path == "/etc/resolv.conf" {
                draft.needless(
                    from,
                    "\"system\" in [upstream], the default, means the servers of /etc/resolv.conf",
                );
            } else if is_of_network {
                draft.leave(from, "the network writes it: \"system\" in [upstream], the default, means the servers of /etc/resolv.conf");
            } else if named::servers(files, Path::new(path), draft) {
                draft.needless(from, "its servers are carried over to [upstream]");
                // It was read in place of /etc/resolv.conf.
                self.is_replaced = true;
            } else {
                draft.lose(from, "it cannot be read here: write its servers into [upstream]");
                draft.orphan(from);
            }
        }
    }

    /// `expand-hosts` adds the domain to the names without a dot of hosts files.
    fn expand(&mut self, files: &dyn Files, draft: &mut Draft) {
        let Some(from) = self.expands.take() else {
            if let Some((from, _)) = &self.domain {
                let why = "the domain is for names from DHCP, which stays with the program that serves it";
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
        let own = (self.no_hosts.is_none()).then(|| "/etc/hosts".to_owned());
        let paths = own.into_iter().chain(self.hosts.iter().map(|(_, path)| path.clone()));
        let mut unread = Vec::new();
        for path in paths {
            if !named::expand(files, Path::new(&path), domain, draft) {
                unread.push(path);
            }
        }
        if unread.is_empty() {
            for from in [&from, domain_from] {
                let why = "the names of the hosts files became [[local]] names with the domain; names from DHCP stay with DHCP";
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
