//! Reads the values of `servers`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::error::{Wrong, quoted};
use super::foreign;
use super::suggest::nearest;
use super::values::socket_address;
use crate::upstream::{Endpoint, Server};

/// A server of `[upstream]`: `system` or an address.
pub(super) fn server(text: &str) -> Result<Server, Wrong> {
    if text == "system" { Ok(Server::System) } else { endpoint(text).map(Server::At) }
}

/// What is hardly meant about a server, if it is one.
pub(super) fn doubt(text: &str) -> Option<Wrong> {
    endpoint(text).ok().and_then(|server| foreign::doubt(text, server.address()))
}

/// A server of a route: an address, never `system`.
pub(super) fn route_server(text: &str) -> Result<Endpoint, Wrong> {
    if text == "system" {
        return Err(Wrong::new("a route cannot ask \"system\"").help(
            "those are the default servers; write the address of the domain's own, such as \"10.0.0.53\"",
        ));
    }
    endpoint(text)
}

fn endpoint(text: &str) -> Result<Endpoint, Wrong> {
    if let Some(wrong) = foreign::server(text) {
        return Err(wrong);
    }
    if nearest(text, ["system"]).is_some() {
        return Err(Wrong::new(format!("{} is not a server", quoted(text))).help("did you mean \"system\"?"));
    }
    if text.contains('%') && text.parse::<SocketAddr>().is_err() {
        return on_interface(text);
    }
    let address = socket_address(text, "9.9.9.9")?;
    let ip = address.ip();
    if let SocketAddr::V6(v6) = address
        && v6.ip().is_unicast_link_local()
        && v6.scope_id() == 0
    {
        return Err(Wrong::new(format!("{} does not name its interface", quoted(text)))
            .help(format!("a link-local address is valid on one interface only: write \"{ip}%eth0\"")));
    }
    let multicast_or_none = ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    if multicast_or_none {
        return Err(Wrong::new(format!("{} is not the address of a server", quoted(text)))
            .help("write the address of one machine, such as \"9.9.9.9\""));
    }
    if address.port() == 0 {
        return Err(Wrong::new(format!("{} has port 0", quoted(text))).help("leave the port out for 53"));
    }
    Ok(Endpoint::Do53(address))
}

/// A link-local server: `fe80::1%eth0`, `[fe80::1%eth0]:5353`.
fn on_interface(text: &str) -> Result<Endpoint, Wrong> {
    let wrong = || {
        Wrong::new(format!("{} is not an address", quoted(text))).help(
            "write a link-local address with its interface: \"fe80::1%eth0\" or \"[fe80::1%eth0]:5353\"",
        )
    };
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or_else(wrong)?,
        None => (text, ""),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(wrong)?,
        None if port.is_empty() => 53,
        None => return Err(wrong()),
    };
    Endpoint::on_interface(address, port).map_err(|error| match error.is_unknown_interface() {
        true => Wrong::new(format!("{} is on an interface that does not exist", quoted(text)))
            .help("`ip link` lists the interfaces; this one must exist when the configuration is read"),
        false => wrong(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_system_or_an_address_and_a_link_local_address_names_its_interface() {
        assert_eq!(server("system"), Ok(Server::System));
        for (text, expected) in [
            ("fe80::1%lo", Some("[fe80::1%1]:53")),
            ("fe80::1%2", Some("[fe80::1%2]:53")),
            ("[fe80::1%lo]", Some("[fe80::1%1]:53")),
            ("[fe80::1%lo]:5353", Some("[fe80::1%1]:5353")),
            ("[fe80::1%2]:53", Some("[fe80::1%2]:53")),
            ("fe80::1", None),
            ("[fe80::1]:53", None),
            ("fe80::1%no-such", None),
            ("fe80::1%", None),
            ("[fe80::1%lo", None),
            ("[fe80::1%lo]:0", None),
            ("[fe80::1%lo]5353", None),
            ("192.0.2.1%lo", None),
        ] {
            let read = route_server(text).ok().map(|endpoint| endpoint.address().to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
        assert_eq!(server("9.9.9.9").map(Some), server("9.9.9.9:53").map(Some));
    }
}
