//! The configuration: read, checked, every error at once.

use crate::cache::CacheSettings;
use crate::listen::ListenSettings;
use crate::policy::GuardSettings;
use crate::resolve::{LocalName, NamesSettings, Route};
use crate::telemetry::LogSettings;
use crate::upstream::UpstreamSettings;

/// All settings, checked; its default is what holds without a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// `[server]`
    pub server: ListenSettings,
    /// `[upstream]`
    pub upstream: UpstreamSettings,
    /// `[guard]` and `[[exception]]`
    pub guard: GuardSettings,
    /// `[[route]]`
    pub routes: Vec<Route>,
    /// `[[local]]`
    pub locals: Vec<LocalName>,
    /// `[names]`
    pub names: NamesSettings,
    /// `[cache]`
    pub cache: CacheSettings,
    /// `[log]`
    pub log: LogSettings,
}
