//! What keeps the daemon up to date with the machine it runs on.

mod addresses;
#[cfg(unix)]
mod netlink;
mod watch;

pub use addresses::{AddressesError, OwnAddresses};
pub use watch::{Content, Digest, WatchError, WatchOptions, Watched, Watcher};
