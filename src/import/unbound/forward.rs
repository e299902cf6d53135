//! Forward and stub zones: domains with servers of their own.

use crate::import::draft::{Draft, Later, Setting};
use crate::import::spelling::with_port;

/// A forward or stub zone.
pub(super) struct Forward {
    pub(super) from: Setting,
    pub(super) is_stub: bool,
    pub(super) name: Option<String>,
    pub(super) servers: Vec<(Setting, String)>,
    /// Servers by name.
    pub(super) hosts: Vec<(Setting, String)>,
    pub(super) is_tls: bool,
}

impl Forward {
    pub(super) fn is_root(&self) -> bool {
        self.name.as_deref() == Some(".")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.hosts.is_empty()
    }

    pub(super) fn write(&self, is_tls: bool, draft: &mut Draft) {
        let Some(name) = &self.name else {
            return draft.leave(&self.from, "the zone has no name");
        };
        if self.is_empty() && !self.is_root() {
            // Without servers, Unbound resolves its names like all others.
            return draft.later(&self.from, Later::ToDefault { domain: name.clone() });
        }
        let is_tls = is_tls || self.is_tls;
        let servers = self.servers.iter().map(|(from, server)| (from, endpoint(server, is_tls)));
        // The configuration's reader refuses a name, in its own words.
        let hosts = self.hosts.iter().map(|(from, host)| (from, by_name(host, is_tls)));
        for (from, server) in self.servers.iter().filter(|(_, server)| !is_tls && is_only_named(server)) {
            draft.leave(
                from,
                format!(
                    "the name of {server} is for TLS, which was off: it is asked in plain DNS, as before"
                ),
            );
        }
        for (from, server) in servers.chain(hosts) {
            match (self.is_root(), self.is_stub) {
                (true, true) => draft.leave(from, "stubborn asks resolvers, not the root servers"),
                (true, false) => draft.list(from, "upstream", "servers", server),
                (false, _) => draft.route(from, name, server),
            }
        }
    }
}

/// `10.0.0.1@5353`
pub(super) fn split_port(text: &str) -> (&str, Option<&str>) {
    text.split_once('@').map_or((text, None), |(address, port)| (address, Some(port)))
}

/// The port of DNS over TLS (RFC 7858).
const TLS: &str = "853";

/// Whether a server has the name of a certificate, but not the port for TLS.
fn is_only_named(server: &str) -> bool {
    server.split_once('#').is_some_and(|(address, _)| split_port(address).1 != Some(TLS))
}

/// `9.9.9.9@853#dns.quad9.net`. The port alone says that it is meant for TLS: nobody answers plain DNS there.
fn endpoint(text: &str, is_tls: bool) -> String {
    let (address, name) = text.split_once('#').map_or((text, None), |(address, name)| (address, Some(name)));
    let (address, port) = split_port(address);
    let server = match port {
        None | Some(TLS) => address.to_owned(),
        Some(_) => with_port(address, port),
    };
    match is_tls || port == Some(TLS) {
        true => format!("tls://{server}{}", name.map(|name| format!("#{name}")).unwrap_or_default()),
        false => with_port(address, port),
    }
}

/// `dns.quad9.net@853`
fn by_name(text: &str, is_tls: bool) -> String {
    match is_tls || split_port(text).1 == Some(TLS) {
        true => format!("tls://{text}"),
        false => text.to_owned(),
    }
}
