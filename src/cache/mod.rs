//! The cache of upstream replies, below the decision.

mod key;
mod settings;
mod store;

pub use key::Key;
pub use settings::CacheSettings;
pub use store::{Entry, Found, Store};
