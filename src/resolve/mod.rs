//! The way of a query.

mod settings;

pub use settings::{LocalName, NamesSettings, Route};
