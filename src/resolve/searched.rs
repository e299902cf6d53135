//! Names that a search list makes of public ones, which no wildcard may answer.

use crate::dns::{self, NameRef};
use crate::policy::Origin;

/// A name that a search list makes: a public name with a search domain behind it. When `evil.com` has no answer, the resolver
/// of the page's host tries `evil.com.home.example.org`, and a wildcard must not turn that into an inside address.
///
/// A search list appends the search domain and nothing else, but only the client knows which that is: it has it from DHCP,
/// from its container's runtime or from a file of its own. So a wildcard's domain and each domain below it is taken for one. A
/// name passes where nobody could register what stands before: a single label, a public suffix itself, or an ending that is
/// none. Where honest names look alike, as `grafana.dev` does, the operator says so with a narrower wildcard or the name itself.
pub(super) struct Searched<'a> {
    /// The search domain, as far as can be told.
    search: NameRef<'a>,
    /// The name from the public suffix on; every name below it looks alike.
    suffix: NameRef<'a>,
}

/// Whether `name`, which has `count` labels before the wildcard's `zone`, may come from a search list.
pub(super) fn searched<'a>(name: NameRef<'a>, count: usize, zone: NameRef<'_>) -> Option<Searched<'a>> {
    // `test` is nobody's search domain (RFC 6761 §6.2), and names like `app.dev.test` are in honest use.
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

/// How many labels of a public name are its public suffix; `None` where its ending is none.
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
    /// Which line decides, and what to write where the name is meant.
    pub(super) fn explain(&self, name: NameRef<'_>, zone: NameRef<'_>, origin: &Origin) -> String {
        let Self { search, suffix } = self;
        let text = name.to_string();
        let public = text.strip_suffix(&format!(".{search}")).unwrap_or(&text);
        format!(
            "not answered by \"*.{zone}\" ({origin}), since a search list makes such names of public ones, here of {public}; \
             to answer it: [[local]] name = \"{name}\", or \"*.{suffix}\""
        )
    }
}
