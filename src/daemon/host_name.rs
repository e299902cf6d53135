//! The name of this host. Some local resolvers, such as systemd-resolved, answer it with the host's own addresses.

use crate::dns::Name;

/// The host's name at this moment, if it has a dot: a single label is never asked for outside.
pub fn host_name() -> Option<Name> {
    let system = rustix::system::uname();
    let name = Name::from_text(system.nodename().to_str().ok()?).ok()?;
    name.as_ref().has_dot().then_some(name)
}
