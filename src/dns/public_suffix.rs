//! The Public Suffix List: below which names the public registers its own.

/// The public suffix that a name ends with, its labels taken from the right; its length is that of the text.
///
/// Not generic: the list is code, and each type of iterator would have 600 KB of it made for itself.
pub fn public_suffix(labels: &mut dyn Iterator<Item = &[u8]>) -> psl::Info {
    psl::Psl::find(&psl::List, labels)
}

/// Whether the list has suffixes below a name, its labels taken from the right: `amazonaws.com` is not a public suffix, but
/// `s3.amazonaws.com` is.
///
/// The list is a tree of labels that cannot be enumerated. It asks for the next label only where it has rules below.
pub fn has_suffixes_below(labels: &mut dyn Iterator<Item = &[u8]>) -> bool {
    let mut has_below = false;
    let mut watched = std::iter::from_fn(|| {
        let label = labels.next();
        has_below |= label.is_none();
        label
    });
    public_suffix(&mut watched);
    has_below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_above_public_suffixes_is_told_from_one_without() {
        for (domain, has_below) in [
            ("com", true),
            ("ck", true),
            ("amazonaws.com", true),
            ("us-west-2.amazonaws.com", true),
            ("fastly.net", true),
            ("prod.fastly.net", true),
            ("kawasaki.jp", true),
            ("city.kawasaki.jp", false),
            ("foo.ck", false),
            ("s3.amazonaws.com", false),
            ("bucket.s3.amazonaws.com", false),
            ("us-west-9.amazonaws.com", false),
            ("global.prod.fastly.net", false),
            ("duckdns.org", false),
            ("example.org", false),
            ("corp.example", false),
            ("lan", false),
        ] {
            let mut labels = domain.rsplit('.').map(str::as_bytes);
            assert_eq!(has_suffixes_below(&mut labels), has_below, "{domain}");
        }
    }
}
