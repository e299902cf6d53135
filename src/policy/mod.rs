//! The decision.

mod presets;
mod settings;

pub use settings::{
    Client, Exception, ExceptionMode, GuardSettings, Mode, OnBlock, Origin, Profile, RouteTrust, Shape,
    default_networks,
};
