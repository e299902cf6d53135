//! Whom to ask.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::interface::{InterfaceError, scoped};

/// A server to forward to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// Classic DNS: UDP, and TCP where UDP does not do.
    Do53(SocketAddr),
}

impl Endpoint {
    /// A link-local address with its interface, `fe80::1%eth0` or `fe80::1%2`, and a port.
    ///
    /// # Errors
    /// The text is not such an address, or this machine has no such interface.
    pub fn on_interface(text: &str, port: u16) -> Result<Self, InterfaceError> {
        let mut address = scoped(text)?;
        address.set_port(port);
        Ok(Self::Do53(address.into()))
    }

    /// Where its packets go.
    pub fn address(self) -> SocketAddr {
        match self {
            Self::Do53(address) => address,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Do53(address) if address.port() == 53 && !is_scoped(*address) => address.ip().fmt(f),
            Self::Do53(address) => address.fmt(f),
        }
    }
}

/// Whether it means something on one interface only, whose number has to be written with it.
fn is_scoped(address: SocketAddr) -> bool {
    matches!(address, SocketAddr::V6(address) if address.scope_id() != 0)
}

/// One entry of `[upstream] servers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The servers of the system's resolv.conf, never ourselves.
    System,
    /// This one.
    At(Endpoint),
}

/// The `[upstream]` table, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// `servers`, in order of preference.
    pub servers: Vec<Server>,
    /// `timeout`: how long one server may take before the next is asked.
    pub timeout: Duration,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self { servers: vec![Server::System], timeout: Duration::from_secs(2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_written_so_that_it_is_read_as_the_same() {
        for (given, written) in [
            ("192.0.2.1:53", "192.0.2.1"),
            ("192.0.2.1:5300", "192.0.2.1:5300"),
            ("[2001:db8::1]:53", "2001:db8::1"),
            ("[2001:db8::1]:5300", "[2001:db8::1]:5300"),
            ("[fe80::1%2]:53", "[fe80::1%2]:53"),
        ] {
            assert_eq!(Endpoint::Do53(given.parse().unwrap()).to_string(), written);
        }
    }
}
