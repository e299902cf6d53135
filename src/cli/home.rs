//! The network's own names, as a command that changes the configuration has to know them.

use std::path::Path;

use crate::daemon::{Environment, Source, own_addresses};
use crate::edit::Network;
use crate::resolve::home_routes;
use crate::upstream::in_container;

/// What the network of this machine says now, with the configuration at `config`.
pub(super) fn network(config: Option<&Path>) -> Network {
    let source = Source { config: config.map(Path::to_owned), ..Source::default() };
    let (own, in_container) = (own_addresses(), in_container());
    let built = source.build(&Environment { own, in_container, ..Environment::default() });
    // What is wrong with the file is for the change to say.
    built.map_or_else(
        |_| Network::default(),
        |built| Network {
            home: home_routes(&built.ingredients).into_iter().map(|route| route.trust).collect(),
            server: built.ingredients.home_server.map(|server| server.to_string().into()),
        },
    )
}
