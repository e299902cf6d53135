//! A line of smartdns.conf after its first word.

/// A line: its words without options, and the options with their values.
pub(super) struct Line<'a> {
    pub(super) words: Vec<&'a str>,
    pub(super) options: Vec<(&'a str, Option<&'a str>)>,
}

impl<'a> Line<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let mut line = Self { words: Vec::new(), options: Vec::new() };
        let mut words = text.split_whitespace().peekable();
        while let Some(word) = words.next() {
            let is_option = |word: &str| word.len() > 1 && word.starts_with('-');
            if word.starts_with('#') {
                break;
            } else if is_option(word) {
                let value = words.next_if(|next| !is_option(next));
                line.options.push((word.trim_start_matches('-'), value.map(unquoted)));
            } else {
                line.words.push(unquoted(word));
            }
        }
        line
    }

    pub(super) fn first(&self) -> &'a str {
        self.words.first().copied().unwrap_or_default()
    }

    pub(super) fn is_yes(&self) -> bool {
        matches!(self.first(), "yes" | "on" | "true" | "1")
    }
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}
