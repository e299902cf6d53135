//! The way of a query.

mod hosts;
mod settings;

pub use hosts::{Hosts, HostsError};
pub use settings::{LocalName, NamesSettings, Route};
