//! Reading everything anew while the daemon runs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::build::{BuildError, Built, Environment};
use super::difference::{difference, restart_keys};
use super::run::Daemon;
use super::watch::Watched;
use crate::resolve::Snapshot;

/// How often everything is read where each reading names files that the one before did not.
const BUILD_ATTEMPTS: usize = 4;

/// What became of a reload.
#[derive(Debug)]
pub(super) struct Reloaded {
    /// What changed; none if nothing did.
    pub(super) changes: Option<String>,
    pub(super) warnings: Vec<String>,
    /// Keys that take a restart.
    pub(super) restart: Vec<&'static str>,
}

impl Daemon {
    /// Reads everything anew, as [`Daemon::read_anew`] does, and has the service manager know.
    pub(super) fn reload(&mut self, cause: &str, say_unchanged: bool) -> Result<Reloaded, BuildError> {
        self.notifier.reloading();
        let outcome = self.read_anew(cause, say_unchanged);
        // The daemon answers in either case; what became of the reload is in the log.
        self.notifier.ready();
        self.tell_status();
        outcome
    }

    /// Reads everything anew, builds all of it, and only then puts it in use. An error changes nothing. What comes of it is
    /// logged.
    pub(super) fn read_anew(&mut self, cause: &str, say_unchanged: bool) -> Result<Reloaded, BuildError> {
        let mut built = match self.build_watched() {
            Ok(built) => built,
            Err(error) => {
                let error = self.confinement.explain(error);
                let lines = error.lines();
                log_reload_error(cause, &lines, self.service.resolver.snapshot().generation);
                self.service.telemetry.reload_refused(lines);
                self.follow_environment();
                return Err(error);
            }
        };
        self.service.telemetry.reloaded();
        self.source.hold_default();
        built.warnings.extend(self.confinement.warnings(built.watch.iter().map(|watched| &watched.path)));
        if built.hosts_unread {
            // Names of a hosts file must not go to the upstream because the file cannot be read just now.
            built.ingredients.hosts.clone_from(&self.ingredients.hosts);
        }
        for warning in &built.warnings {
            tracing::warn!("{warning}");
        }
        let restart = restart_keys(&self.config, &built.config);
        if !restart.is_empty() {
            tracing::warn!(keys = restart.join(", "), "these keys take effect with a restart only");
        }
        if built.config.log.level != self.file_level {
            self.file_level = built.config.log.level;
            self.level.set_level(self.file_level);
        }
        self.service.telemetry.log_queries(built.config.log.queries);
        self.files = built.files;
        if let Some(system) = built.system {
            self.environment.system = system.endpoints;
        }
        let changes = difference(&self.ingredients, &built.ingredients);
        if changes.is_none() && !say_unchanged {
            return Ok(Reloaded { changes, warnings: built.warnings, restart });
        }
        // Even where nothing changed that is counted, the origins in explanations may have moved: build anew.
        let generation = self.service.resolver.snapshot().generation + 1;
        let before = std::mem::replace(&mut self.ingredients, built.ingredients);
        self.replace(generation);
        // Taking long lists apart takes its time: first answer by the new ones.
        drop(before);
        match &changes {
            Some(changes) => tracing::info!(name: "reloaded", generation, cause, "reloaded: {changes}"),
            None => tracing::info!(name: "reloaded", generation, cause, "reloaded: nothing changed"),
        }
        Ok(Reloaded { changes, warnings: built.warnings, restart })
    }

    fn replace(&self, generation: u64) {
        self.service.resolver.replace(Snapshot::new(generation, &self.ingredients, &self.servers));
        self.service.telemetry.policy_replaced();
    }

    /// Builds with everything under watch from before it was read, so that nothing changes unseen in between. What a
    /// refused configuration names is watched besides: the mistake may be in a file it is the first to include.
    fn build_watched(&mut self) -> Result<Built, BuildError> {
        let mut attempts = 0;
        loop {
            let built = self.source.build_again(&self.environment, &mut self.memory);
            attempts += 1;
            let watch: Vec<Watched> = match &built {
                Ok(built) => built.watch.clone(),
                Err(error) => {
                    error.watch().into_iter().chain(self.watched.iter().cloned()).map(Watched::from).collect()
                }
            };
            let watched: BTreeSet<PathBuf> = watch.iter().map(|watched| watched.path.clone()).collect();
            let known = watched.is_subset(&self.watched);
            if built.is_ok() || !known {
                self.watcher.set_paths(watch);
                self.watched = watched;
            }
            // Files that come and go faster than they are read are seen as changes later.
            if known || attempts == BUILD_ATTEMPTS {
                return built;
            }
        }
    }

    /// Puts the host's present addresses and prefixes under the settings in use: a file with errors is no reason to leave
    /// the host's own addresses open.
    fn follow_environment(&mut self) {
        let Environment { own, nat64, .. } = &self.environment;
        if self.ingredients.own == *own && self.ingredients.nat64 == *nat64 {
            return;
        }
        self.ingredients.own.clone_from(own);
        self.ingredients.nat64.clone_from(nat64);
        let generation = self.service.resolver.snapshot().generation + 1;
        self.replace(generation);
        tracing::info!(generation, "the host's addresses are followed all the same");
    }
}

fn log_reload_error(cause: &str, lines: &[String], generation: u64) {
    for line in lines {
        tracing::error!(name: "reload-refused", cause, "{line}");
    }
    tracing::error!(name: "reload-refused", cause, generation, "not reloaded: the policy in use stays as it is");
}
