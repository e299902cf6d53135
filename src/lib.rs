//! stubborn: a forwarding DNS resolver that refuses to be rebound.

pub mod cache;
pub mod config;
pub mod daemon;
pub mod dns;
pub mod listen;
pub mod policy;
pub mod resolve;
pub mod telemetry;
pub mod upstream;
