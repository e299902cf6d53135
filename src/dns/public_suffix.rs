//! The Public Suffix List: below which names the public registers its own.

/// The public suffix that a name ends with, its labels taken from the right; its length is that of the text.
///
/// Not generic: the list is code, and each type of iterator would have 600 KB of it made for itself.
pub fn public_suffix(labels: &mut dyn Iterator<Item = &[u8]>) -> psl::Info {
    psl::Psl::find(&psl::List, labels)
}
