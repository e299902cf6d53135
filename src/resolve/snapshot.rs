//! One generation of everything a reload can change: built whole, swapped whole, immutable.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};

use super::home::{home_routes, is_for_pointer, kept_from, reverse_zones};
use super::local::LocalNames;
use super::searched::searched;
use super::settings::{HostName, LocalName, NamesSettings, Route};
use super::special::{SpecialNames, answered_here_only};
use crate::dns::{LocalAnswer, Name, NameRef, Question, Rcode};
use crate::policy::{
    GuardSettings, InsideZone, InsideZones, Mode, Origin, Policy, RouteTrust, Verdict, ZoneScope,
    special_domain,
};
use crate::upstream::{Endpoint, ServerGroup, Servers, read_mark};

/// How long the answer to a question of this daemon's own may be kept, in seconds: nobody asks it again.
const OWN_QUESTION_TTL: u32 = 1;

/// What a [`Snapshot`] is built from.
#[derive(Debug, Clone)]
pub struct Ingredients {
    /// `[guard]` and `[[exception]]`
    pub guard: GuardSettings,
    /// `[[route]]`
    pub routes: Vec<Route>,
    /// The network's own search domains, as routes to its servers. None is in the domain of one of `routes`.
    pub home: Vec<Route>,
    /// A server of the network, to be proposed for names that are not public.
    pub home_server: Option<Endpoint>,
    /// `[[local]]`
    pub locals: Vec<LocalName>,
    /// `[names]`
    pub names: NamesSettings,
    /// `allow-clients`
    pub allow_clients: Vec<IpNet>,
    /// The servers for all names without a route, found.
    pub servers: Vec<Endpoint>,
    /// `timeout`
    pub timeout: Duration,
    /// Names of the hosts files.
    pub hosts: Arc<[HostName]>,
    /// The host's own addresses.
    pub own: Vec<IpAddr>,
    /// The host's own name, if it has one with a dot.
    pub host_name: Option<Name>,
    /// Translation prefixes learned from the network.
    pub nat64: Vec<Ipv6Net>,
}

impl Ingredients {
    /// The host's own name, if aliases to it are hidden.
    pub fn hidden_host(&self) -> Option<Name> {
        let zone = inside_zones(self).pop()?;
        (zone.origin == Origin::HostName).then_some(zone.domain)
    }
}

/// One generation.
#[derive(Debug)]
pub struct Snapshot {
    /// Its number, from 1.
    pub generation: u64,
    /// The guard.
    pub policy: Policy,
    /// Whether it removes what leads inside, or only reports it.
    pub enforced: bool,
    pub(super) special: SpecialNames,
    pub(super) local: LocalNames,
    allow_clients: Vec<IpNet>,
    routes: Vec<ChosenRoute>,
    by_domain: HashMap<Name, usize, foldhash::quality::RandomState>,
}

/// A route with its servers. The first of a snapshot is that of all names without one.
#[derive(Debug)]
pub struct ChosenRoute {
    /// A number made of its content.
    pub id: u64,
    /// Whom to ask.
    pub group: Arc<ServerGroup>,
    /// What its names may answer; `None` is the public DNS.
    pub trust: Option<RouteTrust>,
    /// It is for names of the network, and was not written by anybody.
    pub is_home: bool,
    /// The route in its place for names that a search list makes from public names: these have no inside addresses.
    searched: Option<usize>,
}

impl ChosenRoute {
    /// Its trust, if it is a `[[route]]` without servers: its names are answered here only.
    pub fn here_only(&self) -> Option<&RouteTrust> {
        self.trust.as_ref().filter(|_| self.group.servers.is_empty())
    }

    /// Whether a search list makes `name` from a public name. Where the network answers every name in its domain, a page's name
    /// that is taken away would be followed by an inside address.
    fn is_searched(&self, name: NameRef<'_>) -> bool {
        self.trust.as_ref().is_some_and(|trust| {
            let zone = trust.domain.as_ref();
            let before = name.label_count().saturating_sub(zone.label_count());
            name.is_within(zone) && searched(name, before, zone).is_some()
        })
    }

    /// Whether its servers are asked this. The network's reverse zones take the same route as its names.
    fn takes(&self, question: &Question) -> bool {
        let is_own = |trust: &RouteTrust| question.name().is_within(trust.domain.as_ref());
        !self.is_home || self.trust.as_ref().is_some_and(is_own) || is_for_pointer(question)
    }
}

impl Snapshot {
    /// Builds generation `generation`; servers keep their health in `servers`.
    pub fn new(generation: u64, ingredients: &Ingredients, servers: &Servers) -> Self {
        let group = |endpoints: &[Endpoint], domain: Option<&Name>| {
            let servers = endpoints.iter().map(|endpoint| servers.get(*endpoint)).collect();
            Arc::new(ServerGroup::new(servers, ingredients.timeout, domain))
        };
        let mut routes = vec![ChosenRoute {
            id: content_id(&ingredients.servers, None),
            group: group(&ingredients.servers, None),
            trust: None,
            is_home: false,
            searched: None,
        }];
        let home = home_routes(ingredients);
        let all: Vec<&Route> = ingredients.routes.iter().chain(&home).collect();
        let first_home = 1 + ingredients.routes.len();
        let mut by_domain = HashMap::default();
        for (route, number) in all.iter().zip(1..) {
            by_domain.insert(route.trust.domain.clone(), number);
            routes.push(ChosenRoute {
                id: content_id(&route.servers, Some(&route.trust)),
                group: group(&route.servers, Some(&route.trust.domain)),
                trust: Some(route.trust.clone()),
                is_home: number >= first_home,
                searched: (number >= first_home).then_some(number + home.len()),
            });
        }
        for route in &home {
            let trust = RouteTrust { networks: Vec::new(), ..route.trust.clone() };
            routes.push(ChosenRoute {
                id: content_id(&route.servers, Some(&trust)),
                group: group(&route.servers, Some(&route.trust.domain)),
                trust: Some(trust),
                is_home: true,
                searched: None,
            });
        }
        if !home.is_empty() {
            for zone in reverse_zones(&ingredients.routes) {
                by_domain.entry(zone).or_insert(first_home);
            }
            let is_written = |name: &Name| {
                ingredients.routes.iter().any(|route| name.as_ref().is_within(route.trust.domain.as_ref()))
            };
            for kept in home.iter().flat_map(|route| kept_from(&route.trust.domain)) {
                if !is_written(&kept) {
                    by_domain.entry(kept).or_insert(0);
                }
            }
        }
        let zones = InsideZones::new(inside_zones(ingredients));
        Self {
            generation,
            enforced: ingredients.guard.mode == Mode::Enforce,
            policy: Policy::new(&ingredients.guard, &ingredients.own, &ingredients.nat64, zones),
            special: SpecialNames::new(
                &ingredients.names,
                ingredients.home_server.map(|server| server.to_string().into()),
            ),
            local: LocalNames::new(&ingredients.locals, &ingredients.hosts, &all),
            allow_clients: ingredients.allow_clients.clone(),
            routes,
            by_domain,
        }
    }

    /// Whether `client` may ask.
    pub fn allows(&self, client: IpAddr) -> bool {
        self.allow_clients.iter().any(|net| net.contains(&client))
    }

    /// The number of the route with the longest domain that `name`, lower-cased, is in; 0 without one. Here trust is
    /// decided.
    pub fn select_route(&self, name: NameRef<'_>) -> usize {
        if self.by_domain.is_empty() {
            return 0;
        }
        let number = name
            .ancestors()
            .find_map(|ancestor| self.by_domain.get(ancestor.as_wire()).copied())
            .unwrap_or(0);
        let chosen = self.routes.get(number);
        chosen.and_then(|chosen| chosen.searched.filter(|_| chosen.is_searched(name))).unwrap_or(number)
    }

    /// The routes that somebody wrote, and that of the public DNS first. The network's own names have servers of that one.
    pub fn written_routes(&self) -> impl Iterator<Item = &ChosenRoute> {
        self.routes.iter().filter(|route| !route.is_home)
    }

    /// The route of this number.
    pub fn route(&self, number: usize) -> Option<&ChosenRoute> {
        self.routes.get(number)
    }

    /// All routes, that of the public DNS first.
    pub fn routes(&self) -> &[ChosenRoute] {
        &self.routes
    }

    /// The answer for names that no server is asked for: those answered here only, and special names without a route.
    pub(super) fn not_asked(
        &self,
        question: &Question,
        name: NameRef<'_>,
        route: usize,
    ) -> Option<LocalAnswer> {
        let has_below = || self.local.has_below(name);
        let chosen = self.route(route)?;
        match chosen.here_only() {
            Some(trust) => Some(answered_here_only(question, trust, has_below)),
            None if route == 0 || !chosen.takes(question) => self.special.answer(question, has_below),
            None => None,
        }
    }

    /// What is to be reported of a question that [`not_asked`](Self::not_asked) denied.
    pub(super) fn refusal(&self, question: &Question, route: usize) -> Option<Arc<Verdict>> {
        if route == 0 { self.special.refusal(question) } else { None }
    }

    /// The answer to a question by which this daemon looks for a loop, once it came back: a server that was asked it leads
    /// back here. Another daemon's is forwarded like any other, so that it finds its way back.
    pub(super) fn own_question(&self, question: &Question) -> Option<LocalAnswer> {
        let name = question.name();
        let mark = read_mark(name)?;
        let is_ours = self.routes.iter().any(|route| route.group.note_mark(mark));
        is_ours.then(|| LocalAnswer::negative(Rcode::NXDOMAIN, question, name, OWN_QUESTION_TTL))
    }

    /// How many names are answered out of the configuration and the hosts files.
    pub fn local_count(&self) -> usize {
        self.local.count()
    }
}

fn content_id(servers: &[Endpoint], trust: Option<&RouteTrust>) -> u64 {
    let mut hasher = DefaultHasher::new();
    servers.hash(&mut hasher);
    if let Some(trust) = trust {
        trust.domain.hash(&mut hasher);
        trust.networks.hash(&mut hasher);
    }
    hasher.finish()
}

/// The zones that no public name may be an alias into. Routes with the same servers are one party.
fn inside_zones(ingredients: &Ingredients) -> Vec<InsideZone> {
    let mut parties: Vec<((&[Endpoint], bool), usize)> = Vec::new();
    let mut own = 0;
    let (mut zones, mut trusted) = (Vec::new(), Vec::new());
    let home = home_routes(ingredients);
    for route in ingredients.routes.iter().chain(&home) {
        let key = (route.servers.as_slice(), route.is_trusted());
        // In a domain that is answered here only, no server gives aliases that could lead to another domain.
        let known =
            if route.servers.is_empty() { None } else { parties.iter().find(|(other, _)| *other == key) };
        let party = known.map_or(own, |(_, party)| *party);
        if party == own {
            own += 1;
            parties.extend((!route.servers.is_empty()).then_some((key, party)));
        }
        let (domain, origin) = (route.trust.domain.clone(), route.trust.origin.clone());
        let zone = InsideZone { domain, scope: ZoneScope::Subtree, party, origin };
        trusted.extend((key.1 || route.servers.is_empty()).then(|| zone.clone()));
        zones.push(zone);
    }
    // A local name below a trusted route is of the route's party: the route's own names may be aliases of it.
    let routes = InsideZones::new(trusted);
    let party_of = |name: &Name, own: usize| routes.find(name.as_ref()).map_or(own, |route| route.party);
    for local in &ingredients.locals {
        let scope = if local.wildcard { ZoneScope::Below } else { ZoneScope::Exact };
        let (domain, origin) = (local.name.clone(), local.origin.clone());
        zones.push(InsideZone { party: party_of(&domain, own), domain, scope, origin });
        own += 1;
    }
    for (name, _) in ingredients.hosts.iter().filter(|(_, addresses)| !addresses.is_empty()) {
        let (domain, scope) = (name.clone(), ZoneScope::Exact);
        zones.push(InsideZone { party: party_of(name, own), domain, scope, origin: Origin::HostsFile });
        own += 1;
    }
    zones.extend(host_zone(ingredients, &zones, own));
    zones
}

/// The zone of the host's own name. Some local resolvers answer that name with the host's addresses, whatever the public DNS
/// says, also as the target of an alias. A name that is inside anyway needs no zone: more is done about its aliases.
fn host_zone(ingredients: &Ingredients, zones: &[InsideZone], party: usize) -> Option<InsideZone> {
    let domain = ingredients.host_name.clone()?;
    let name = domain.as_ref();
    let is_public = name.has_dot() && !name.ends_in_number() && special_domain(name).is_none();
    let is_inside = || zones.iter().any(|zone| zone.contains(name));
    let zone =
        InsideZone { domain: domain.clone(), scope: ZoneScope::Exact, party, origin: Origin::HostName };
    (is_public && !is_inside()).then_some(zone)
}

/// A snapshot in use, shared.
pub type Current = Arc<Snapshot>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::Types;

    /// What the local zones and routes make of a name is more than what its being the host's does.
    #[test]
    fn the_host_s_name_has_a_zone_of_its_own_only_where_it_is_not_inside_anyway() {
        let name = |text: &str| Name::from_text(text).unwrap();
        let local = |text: &str, wildcard| LocalName {
            name: name(text),
            wildcard,
            addresses: Arc::new([[192, 168, 1, 2].into()]),
            types: Types::default(),
            origin: Origin::CommandLine,
        };
        let trust =
            RouteTrust { domain: name("corp.example"), networks: Vec::new(), origin: Origin::CommandLine };
        for (host_name, zone) in [
            ("laptop.example.edu", true),
            ("laptop.example", true),
            ("dev.example.net", true),
            ("laptop", false),
            ("laptop.lan", false),
            ("localhost.localdomain", false),
            ("laptop.home.arpa", false),
            ("laptop.1", false),
            ("laptop.corp.example", false),
            ("nas.example.net", false),
            ("x.dev.example.net", false),
            ("hosts.example.net", false),
        ] {
            let ingredients = Ingredients {
                guard: GuardSettings::default(),
                home: Vec::new(),
                home_server: None,
                routes: vec![Route { servers: Vec::new(), trust: trust.clone(), of_strangers: false }],
                locals: vec![local("nas.example.net", false), local("dev.example.net", true)],
                names: NamesSettings::default(),
                allow_clients: Vec::new(),
                servers: Vec::new(),
                timeout: Duration::ZERO,
                hosts: Arc::new([(name("hosts.example.net"), Arc::new([[192, 168, 1, 3].into()]))]),
                own: Vec::new(),
                host_name: Some(name(host_name)),
                nat64: Vec::new(),
            };
            let zones = inside_zones(&ingredients);
            let of_host = zones.iter().filter(|zone| zone.origin == Origin::HostName);
            assert_eq!(of_host.count(), usize::from(zone), "{host_name}");
        }
    }
}
