//! The routes that `stubborn setup` proposes: for search domains of the network that are public. Their names are guarded like all
//! public ones until somebody says that this network is their own.

use std::io::{self, IsTerminal, Write};

use super::args::Setup;
use super::change::text;
use super::{complain, progress, target};
use crate::config;
use crate::daemon::{Built, Environment, Source, own_addresses};
use crate::dns::Name;
use crate::edit::{self, route_table};
use crate::policy::{may_be_home, special_domain};
use crate::upstream::in_container;

/// Proposes a route for each such domain, and writes it if the operator agrees.
pub(super) fn propose(arguments: &Setup) {
    let source = Source { config: arguments.config.clone(), ..Source::default() };
    let environment =
        Environment { own: own_addresses(), in_container: in_container(), ..Environment::default() };
    // What is wrong was said before.
    let Ok(built) = source.build(&environment) else { return };
    let servers: Vec<String> = built.home_servers.iter().map(ToString::to_string).collect();
    for domain in domains(&built) {
        progress(&format!(
            "{domain} is a search domain of this network, and public: only with a route may its names have inside addresses. If \
             this is the network of whoever owns {domain}:\n\n{}",
            route_table(&domain, &servers)
        ));
        if is_wanted(arguments) {
            write(arguments, &domain, &servers);
        }
    }
}

/// Writes the route into the file that the daemon reads.
fn write(arguments: &Setup, domain: &Name, servers: &[String]) {
    let target = match target::find(arguments.config.as_deref(), None) {
        Ok(target) => target,
        Err(error) => return complain(&error.to_string()),
    };
    match edit::edit(&target.file, false, |editor| editor.route(domain, servers)) {
        Ok(plan) => {
            let taken = target.reader.as_ref().map(|reader| reader.take(&target.file));
            progress(&text(&plan, false, taken.as_ref()));
        }
        Err(error) => complain(&error.to_string()),
    }
}

/// The network's search domains that are public and of one owner, and that the configuration says nothing of.
fn domains(built: &Built) -> Vec<Name> {
    let mut found: Vec<Name> = Vec::new();
    let search =
        built.system.iter().filter(|_| !built.home_servers.is_empty()).flat_map(|system| &system.search);
    for domain in search {
        let name = domain.as_ref();
        let is_public = !may_be_home(name)
            && special_domain(name).is_none()
            && !name.ends_in_number()
            && name.last_label() != Some(b"arpa".as_slice())
            && name.as_word().is_some()
            && !config::is_shared_domain(domain);
        let mut routes = built.ingredients.routes.iter().map(|route| route.trust.domain.as_ref());
        let mut exceptions =
            built.ingredients.guard.exceptions.iter().map(|exception| exception.domain.as_ref());
        let is_known = routes.any(|own| name.is_within(own)) || exceptions.any(|own| name.is_within(own));
        if is_public && !is_known && !found.contains(domain) {
            found.push(domain.clone());
        }
    }
    found
}

fn is_wanted(arguments: &Setup) -> bool {
    if arguments.dry_run || arguments.yes {
        return !arguments.dry_run;
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        progress("not written: `stubborn setup --yes` writes it");
        return false;
    }
    let mut out = io::stderr().lock();
    let asked = write!(out, "Write this route? [y/N] ").and_then(|()| out.flush());
    let mut answer = String::new();
    asked.is_ok() && io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
