//! The cache.

mod settings;

pub use settings::CacheSettings;
