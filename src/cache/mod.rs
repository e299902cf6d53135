//! The cache of upstream replies, below the decision.

mod failures;
mod key;
mod settings;
mod store;

pub use failures::Failures;
pub use key::Key;
pub use settings::CacheSettings;
pub use store::{Entry, Found, Store};
