//! How much is kept, and for how long.

use std::time::Duration;

/// The `[cache]` table, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// `size` in bytes; 0 keeps nothing.
    pub size: u64,
    /// `max-ttl`: longer TTLs are cut to this.
    pub max_ttl: Duration,
    /// `negative-max-ttl`: the same for negative answers (RFC 2308 §5).
    pub negative_max_ttl: Duration,
    /// `serve-stale`: how long past its TTL an answer may be given when no server answers (RFC 8767); 0 is never.
    pub serve_stale: Duration,
    /// `prefetch`: ask again shortly before a name that is asked often runs out.
    pub prefetch: bool,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            size: 16 << 20,
            max_ttl: Duration::from_secs(86_400),
            negative_max_ttl: Duration::from_secs(3_600),
            serve_stale: Duration::from_secs(3_600),
            prefetch: true,
        }
    }
}
