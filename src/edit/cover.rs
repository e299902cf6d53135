//! Who lets what answer already: exceptions and routes compared by what they open.

use ipnet::IpNet;

use crate::config::Config;
use crate::policy::{Exception, ExceptionMode, Origin, RouteTrust, SPECIAL_RANGES, Shape};

/// `wide` opens everything that `narrow` does, in every respect, at every time from `now` on.
pub(super) fn covers(wide: &Exception, narrow: &Exception, now: i64) -> bool {
    covers_apart_from_networks(wide, narrow, now)
        && narrow.networks.iter().all(|network| any_network_covers(&wide.networks, network))
}

fn covers_apart_from_networks(wide: &Exception, narrow: &Exception, now: i64) -> bool {
    let names = match wide.exact {
        true => narrow.exact && narrow.domain == wide.domain,
        false => narrow.domain.as_ref().is_within(wide.domain.as_ref()),
    };
    let time = match (wide.until, narrow.until) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => now < wide && narrow <= wide,
        (Some(_), None) => false,
    };
    let silent = wide.mode == ExceptionMode::Allow || narrow.mode == ExceptionMode::Monitor;
    // The same condition on the name means the same only for the same domain.
    let shape = wide.shape == Shape::Any || wide.shape == narrow.shape && wide.domain == narrow.domain;
    names && time && silent && shape && clients_cover(&wide.clients, &narrow.clients)
}

/// No clients are all clients.
fn clients_cover(wide: &[IpNet], narrow: &[IpNet]) -> bool {
    wide.is_empty()
        || !narrow.is_empty() && narrow.iter().all(|narrow| wide.iter().any(|wide| wide.contains(narrow)))
}

/// One of `wide` opens all of `narrow`: as in the decision, a range that is never implied has to be named.
pub(super) fn any_network_covers(wide: &[IpNet], narrow: &IpNet) -> bool {
    let ranges = SPECIAL_RANGES.iter().filter(|range| range.never_implied);
    let ranges =
        ranges.filter_map(|range| range.net.parse::<IpNet>().ok()).filter(|range| range.contains(narrow));
    let to_be_named: Vec<IpNet> = ranges.collect();
    wide.iter().any(|wide| wide.contains(narrow) && to_be_named.iter().all(|range| range.contains(wide)))
}

/// Who lets the names of `wanted` answer with its networks already: each one needed is named once.
pub(super) fn covered_by(
    config: &Config,
    home: &[RouteTrust],
    wanted: &Exception,
    now: i64,
) -> Option<Vec<String>> {
    let written = config.routes.iter().map(|route| &route.trust);
    let route = written
        .chain(home)
        .filter(|trust| wanted.domain.as_ref().is_within(trust.domain.as_ref()))
        .max_by_key(|trust| trust.domain.as_ref().label_count());
    let mut by = Vec::new();
    for network in &wanted.networks {
        let exception = config.guard.exceptions.iter().find(|exception| {
            covers_apart_from_networks(exception, wanted, now)
                && any_network_covers(&exception.networks, network)
        });
        let route = route.filter(|trust| any_network_covers(&trust.networks, network));
        let name = match (exception, route) {
            (Some(exception), _) => exception_named(exception),
            (None, Some(RouteTrust { domain, origin: origin @ Origin::Search(..), .. })) => {
                format!("{domain}, a {origin}")
            }
            (None, Some(trust)) => format!("the [[route]] for {} ({})", trust.domain, trust.origin),
            (None, None) => return None,
        };
        if !by.contains(&name) {
            by.push(name);
        }
    }
    Some(by)
}

/// An exception in words: by its preset, or by its domain, and where it is written.
pub(super) fn exception_named(exception: &Exception) -> String {
    match (exception.preset, &exception.origin) {
        (_, Origin::BuiltIn) => "the program itself".to_owned(),
        (Some(preset), origin) => format!("the preset \"{preset}\" ({origin})"),
        (None, origin) => format!("the exception for {} ({origin})", exception.domain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::request::read_one;

    const NOW: i64 = 1_795_219_200;

    #[test]
    fn wider_is_wider_in_every_respect() {
        let default = "domain = \"example.org\"";
        for (wide, narrow, expected) in [
            (default, default, true),
            (default, "domain = \"nas.example.org\"", true),
            (default, "domain = \"nas.example.org\"\nexact = true", true),
            ("domain = \"example.org\"\nexact = true", default, false),
            ("domain = \"example.org\"\nexact = true", "domain = \"example.org\"\nexact = true", true),
            ("domain = \"nas.example.org\"", default, false),
            (default, "domain = \"example.org\"\nnetworks = [\"192.168.1.0/24\"]", true),
            (default, "domain = \"example.org\"\nnetworks = [\"100.64.0.1\"]", false),
            (
                "domain = \"example.org\"\nnetworks = [\"0.0.0.0/0\"]",
                "domain = \"example.org\"\nnetworks = [\"127.0.0.1\"]",
                false,
            ),
            (
                "domain = \"example.org\"\nnetworks = [\"127.0.0.0/8\"]",
                "domain = \"example.org\"\nnetworks = [\"127.0.0.1\"]",
                true,
            ),
            (default, "domain = \"example.org\"\nclients = [\"10.0.0.1\"]", true),
            ("domain = \"example.org\"\nclients = [\"10.0.0.1\"]", default, false),
            (
                "domain = \"example.org\"\nclients = [\"10.0.0.0/8\"]",
                "domain = \"example.org\"\nclients = [\"10.0.0.1\"]",
                true,
            ),
            (default, "domain = \"example.org\"\nuntil = 2030-01-01T00:00:00Z", true),
            ("domain = \"example.org\"\nuntil = 2030-01-01T00:00:00Z", default, false),
            (
                "domain = \"example.org\"\nuntil = 2020-01-01T00:00:00Z",
                "domain = \"example.org\"\nuntil = 2019-01-01T00:00:00Z",
                false,
            ),
            ("domain = \"example.org\"\naddress-in-name = true", default, false),
            ("domain = \"example.org\"\nmode = \"monitor\"", default, false),
            ("preset = \"plex\"", "preset = \"plex\"", true),
            ("preset = \"plex\"", "preset = \"plex\"\nnetworks = [\"10.0.0.0/8\"]", true),
            ("preset = \"plex\"\nnetworks = [\"10.0.0.0/8\"]", "preset = \"plex\"", false),
            ("preset = \"plex\"", "domain = \"a.plex.direct\"", false),
        ] {
            let read = |keys: &str| read_one(keys, NOW).pop().unwrap();
            assert_eq!(covers(&read(wide), &read(narrow), NOW), expected, "{wide} / {narrow}");
        }
    }
}
