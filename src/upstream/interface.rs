//! Link-local addresses, which mean something on one interface only (RFC 4007 §11): `fe80::1%eth0`.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};

const PORT: u16 = 53;

/// Why a text is no address on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterfaceError {
    /// It is none.
    NoAddress,
    /// There is no interface of this name here.
    Unknown(Ipv6Addr),
}

impl InterfaceError {
    /// There is no such interface.
    pub fn is_unknown_interface(self) -> bool {
        matches!(self, Self::Unknown(_))
    }
}

/// The address written `fe80::1%eth0` or `fe80::1%2`, with port 53. Any other address is the same on all interfaces.
///
/// # Errors
/// It is no address with an interface, or there is no such interface.
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

/// getaddrinfo(3) knows the number of an interface without `unsafe`; given a numeric address it asks no server.
fn number_of(address: Ipv6Addr, interface: &str) -> Option<u32> {
    if let Ok(number) = interface.parse() {
        return Some(number).filter(|number| *number != 0);
    }
    // IF_NAMESIZE, with the end.
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
