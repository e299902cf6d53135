//! The properties that the targets run; `cargo test` of the project runs the same over random messages and the seeds.

#[path = "../../properties/mod.rs"]
mod properties;

pub use properties::{config, import, message, names, query, reply};
