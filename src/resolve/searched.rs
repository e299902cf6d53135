//! Names that a search list makes from public names. No wildcard may answer them.

use crate::dns::{self, NameRef};
use crate::policy::Origin;

/// A name that a search list makes: a public name followed by a search domain. If `evil.com` has no answer, the browser's stub
/// resolver tries `evil.com.home.example.org`, and a wildcard must not turn that into an inside address.
///
/// Only the client knows its search domain, from DHCP, its container runtime or a local file. So the wildcard's domain and each
/// domain below it count as search domains. A name passes if nobody could have registered the labels before the search domain:
/// a single label, a public suffix itself, or an ending that is not a public suffix. If a wanted name looks the same, as
/// `grafana.dev` does, the operator adds a narrower wildcard or the name itself.
pub(super) struct Searched<'a> {
    /// The likely search domain.
    search: NameRef<'a>,
    /// The public suffix with the search domain; every name below it looks the same.
    suffix: NameRef<'a>,
}

/// Whether `name`, which has `count` labels before the wildcard's `zone`, may come from a search list.
pub(super) fn searched<'a>(name: NameRef<'a>, count: usize, zone: NameRef<'_>) -> Option<Searched<'a>> {
    // `test` is nobody's search domain (RFC 6761 §6.2), and names like `app.dev.test` are common.
    if count < 2 || zone.as_wire() == b"\x04test\0" {
        return None;
    }
    let labels: Vec<&[u8]> = name.labels().take(count).collect();
    (2..=count).rev().find_map(|public| {
        let own = public - suffix_labels(labels.get(..public)?)?;
        let nth = |count| name.ancestors().nth(count);
        if own > 0 { Some(Searched { search: nth(public)?, suffix: nth(own)? }) } else { None }
    })
}

/// Whether a client with `search` in its search list makes names below `zone`, a wildcard's domain, from public names. With
/// `example.org`, public names that end in `dev` become names below `dev.example.org`. The operator wrote that wildcard, so
/// its names are answered nevertheless.
pub fn is_made_by_search(zone: NameRef<'_>, search: NameRef<'_>) -> bool {
    let before = zone.label_count().saturating_sub(search.label_count());
    let labels: Vec<&[u8]> = std::iter::once(b"x".as_slice()).chain(zone.labels().take(before)).collect();
    zone.is_within(search) && before > 0 && suffix_labels(&labels) == Some(before)
}

/// How many labels the public suffix of a name has; `None` if the name does not end in a public suffix.
fn suffix_labels(labels: &[&[u8]]) -> Option<usize> {
    let info = dns::public_suffix(&mut labels.iter().rev().copied());
    info.typ?;
    // The suffix is as long as the text of its labels, with the dots between them.
    let mut text = 0;
    let is_suffix = |label: &&&[u8]| {
        text += label.len() + 1;
        text <= info.len + 1
    };
    Some(labels.iter().rev().take_while(is_suffix).count())
}

impl Searched<'_> {
    /// Which line decides, and what to write if the name is wanted.
    pub(super) fn explain(&self, name: NameRef<'_>, zone: NameRef<'_>, origin: &Origin) -> String {
        let Self { search, suffix } = self;
        let text = name.to_string();
        let public = text.strip_suffix(&format!(".{search}")).unwrap_or(&text);
        format!(
            "not answered by \"*.{zone}\" ({origin}): a search list can make this name from the public name {public}; \
             to answer it: [[local]] name = \"{name}\", or \"*.{suffix}\""
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Name;

    #[test]
    fn a_wildcard_below_a_search_domain_answers_for_the_public_suffix_it_begins_with() {
        for (zone, search, made) in [
            ("dev.example.org", "example.org", true),
            ("com.example.org", "example.org", true),
            ("co.uk.example.org", "example.org", true),
            ("github.io.example.org", "example.org", true),
            ("dev.example.org", "dev.example.org", false),
            ("dev.example.org", "example.com", false),
            ("dev.example.org", "ple.org", false),
            ("staging.example.org", "example.org", false),
            ("dev.staging.example.org", "example.org", false),
            ("x.dev.example.org", "example.org", false),
        ] {
            let [zone, search] = [zone, search].map(|text| Name::from_text(text).unwrap());
            assert_eq!(is_made_by_search(zone.as_ref(), search.as_ref()), made, "{zone} {search}");
        }
    }
}
