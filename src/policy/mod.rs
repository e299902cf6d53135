//! The decision, and nothing else: which replies lead inside, who may have them all the same, and what a client gets
//! instead. Pure: values in, values out; no clock, no socket, no task, no state.
//!
//! * [`SPECIAL_RANGES`] and [`SPECIAL_DOMAINS`] are the data: a row is all it takes to block one more.
//! * [`Policy`] is the compiled form of the data and the settings, immutable, one for each generation.
//! * [`enforce()`] is the only way from an [`UpstreamResponse`](crate::dns::UpstreamResponse) to a [`ClientResponse`].

mod address;
mod blocked;
mod enforce;
mod evaluate;
mod exceptions;
mod names;
mod presets;
mod ranges;
mod settings;
mod special_domains;
mod verdict;

pub use blocked::BlockedRange;
pub use enforce::{ClientResponse, Judgement, Wire, enforce};
pub use evaluate::{Circumstances, Policy, Validity};
pub use names::{Inside, InsideZone, InsideZones, ZoneScope};
pub use presets::{Offer, PRESETS, Preset, Scope, built_in_exceptions, default_networks, preset};
pub use ranges::{
    SPECIAL_RANGES, SpecialRange, TranslatorPlace, Treatment, range_named, range_names, range_to_name,
};
pub use settings::{
    Exception, ExceptionMode, GuardSettings, Mode, OnBlock, Origin, Profile, RouteTrust, Shape,
};
pub use special_domains::{
    NotPublic, SPECIAL_DOMAINS, SpecialDomain, SpecialDomainName, SpecialUse, is_idle, may_be_home, route_to,
    special_domain,
};
pub use verdict::{Action, Category, Finding, Subject, Verdict};
