//! Who lets a name through, and how that is ended.

use crate::config::{Config, nearest};
use crate::dns::Name;
use crate::policy::{Exception, PRESETS, built_in_exceptions};

/// How many other names are told.
const NEAR: usize = 4;

/// Everything by which `domain` may have inside addresses, each with the way to end it.
pub(super) fn let_through(config: &Config, domain: &Name) -> Vec<String> {
    let is_for = |exception: &&Exception| {
        exception.domain == *domain
            || !exception.exact && domain.as_ref().is_within(exception.domain.as_ref())
    };
    let mut hints: Vec<String> = config.guard.exceptions.iter().filter(is_for).map(way_out).collect();
    let routes = config.routes.iter().map(|route| &route.trust);
    let routes =
        routes.filter(|trust| !trust.networks.is_empty() && domain.as_ref().is_within(trust.domain.as_ref()));
    hints.extend(routes.map(|trust| {
        let (own, origin) = (&trust.domain, &trust.origin);
        format!(
            "the [[route]] for {own} ({origin}) lets it through: narrow its networks, or take it out there"
        )
    }));
    hints.extend(built_in_exceptions().iter().filter(is_for).map(|exception| {
        let networks: Vec<String> = exception.networks.iter().map(ToString::to_string).collect();
        format!("it is built in, for {} and nothing else, and cannot be taken out", networks.join(", "))
    }));
    hints.dedup();
    hints
}

fn way_out(exception: &Exception) -> String {
    let Exception { domain, origin, .. } = exception;
    match exception.preset {
        Some(preset) => {
            format!(
                "the preset \"{preset}\" ({origin}) lets it through: take that [[exception]] out there, or name in it the domain that shall stay"
            )
        }
        None => format!(
            "the exception for {domain} ({origin}) lets it through: `stubborn disallow {domain}` ends that"
        ),
    }
}

/// What may have been meant by an exception that is not there.
pub(super) fn not_there(config: &Config, domain: &Name) -> Vec<String> {
    let mut hints = let_through(config, domain);
    let text = domain.to_string();
    let exceptions = &config.guard.exceptions;
    if let Some(preset) = PRESETS.iter().find(|preset| preset.name == text) {
        let used = exceptions.iter().find(|exception| exception.preset == Some(preset.name));
        hints.push(match used {
            Some(exception) => {
                format!(
                    "\"{text}\" is a preset: take the [[exception]] out that names it ({})",
                    exception.origin
                )
            }
            None => format!("\"{text}\" is a preset, which this configuration does not name"),
        });
    }
    let below = exceptions.iter().filter(|exception| {
        exception.preset.is_none() && exception.domain.as_ref().is_within(domain.as_ref())
    });
    hints.extend(
        below
            .take(NEAR)
            .map(|exception| format!("there is one for {} ({})", exception.domain, exception.origin)),
    );
    if hints.is_empty() {
        let names: Vec<String> = exceptions.iter().map(|exception| exception.domain.to_string()).collect();
        let meant = nearest(&text, names.iter().map(String::as_str));
        hints.extend(meant.map(|name| format!("did you mean {name}?")));
    }
    hints
}
