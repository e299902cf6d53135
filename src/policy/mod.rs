//! The decision.

mod presets;
mod settings;

pub use presets::{PRESETS, Preset, Scope, built_in_exceptions, preset};
pub use settings::{
    Client, Exception, ExceptionMode, GuardSettings, Mode, OnBlock, Origin, Profile, RouteTrust, Shape,
    default_networks,
};
