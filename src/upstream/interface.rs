//! Link-local addresses, which are valid on one interface only (RFC 4007 §11): `fe80::1%eth0`.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};

const PORT: u16 = 53;

/// Why a text is not an address with an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceError {
    /// The text is not an address with an interface.
    NoAddress,
    /// This machine has no interface of this name; the address without it.
    Unknown(Ipv6Addr),
}

impl InterfaceError {
    /// Whether this machine has no interface of this name.
    pub fn is_unknown_interface(self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

/// Reads `fe80::1%eth0` or `fe80::1%2`; the port is 53. An address that is not link-local is valid on all interfaces.
///
/// # Errors
/// The text is not an address with an interface, or there is no such interface.
pub(super) fn scoped(text: &str) -> Result<SocketAddrV6, InterfaceError> {
    let (address, interface) = text.split_once('%').ok_or(InterfaceError::NoAddress)?;
    let address: Ipv6Addr = address.parse().map_err(|_| InterfaceError::NoAddress)?;
    if interface.is_empty() {
        return Err(InterfaceError::NoAddress);
    }
    if !address.is_unicast_link_local() {
        return Ok(SocketAddrV6::new(address, PORT, 0, 0));
    }
    let number = number_of(address, interface).ok_or(InterfaceError::Unknown(address))?;
    Ok(SocketAddrV6::new(address, PORT, 0, number))
}

/// Asks getaddrinfo(3), which needs no `unsafe`. For a numeric address it does not send queries.
fn number_of(address: Ipv6Addr, interface: &str) -> Option<u32> {
    if let Ok(number) = interface.parse() {
        return Some(number).filter(|number| *number != 0);
    }
    // IF_NAMESIZE is 16, with the terminating zero.
    let is_name = interface.len() < 16 && !interface.contains(['/', ':', '[', ']']);
    let text = is_name.then(|| format!("{address}%{interface}"))?;
    (text.as_str(), PORT).to_socket_addrs().ok()?.find_map(|found| match found {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(v6.scope_id()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_name_its_interface() {
        let fe80 = "fe80::1".parse().unwrap();
        for (text, expected) in [
            ("fe80::1%2", Ok("[fe80::1%2]:53")),
            ("fe80::1%lo", Ok("[fe80::1%1]:53")),
            ("fd00::1%lo", Ok("[fd00::1]:53")),
            ("fe80::1%no-such.0", Err(InterfaceError::Unknown(fe80))),
            ("fe80::1%0", Err(InterfaceError::Unknown(fe80))),
            ("fe80::1%", Err(InterfaceError::NoAddress)),
            ("fe80::1", Err(InterfaceError::NoAddress)),
            ("192.0.2.1%lo", Err(InterfaceError::NoAddress)),
            ("x%lo", Err(InterfaceError::NoAddress)),
        ] {
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(scoped(text), expected, "{text}");
        }
    }
}
