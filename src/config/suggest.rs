//! "Did you mean": the nearest of the words that would have been right.

/// The option nearest to `word`, if any is near enough to have been meant.
pub(crate) fn nearest<'a>(word: &str, options: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.chars().count() > 64 {
        return None;
    }
    let typed = normal(word);
    let allowed = typed.len().div_ceil(3).min(3);
    options
        .into_iter()
        .map(|option| {
            let option_letters = normal(option);
            let begun = typed.len() >= 4 && option_letters.starts_with(&typed);
            let distance = if begun { 1 } else { distance(&typed, &option_letters) };
            (distance, option)
        })
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, option)| option)
}

/// Letter case and `_` for `-` are the commonest slips, and cost nothing.
fn normal(word: &str) -> Vec<char> {
    word.to_lowercase().replace('_', "-").chars().collect()
}

/// Edits from `a` to `b`: a letter put in, left out, exchanged, or swapped with its neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut left_of_a = None;
    for (row, &from) in a.iter().enumerate() {
        let mut line = vec![row + 1];
        let mut left_of_b = None;
        for (column, &to) in b.iter().enumerate() {
            let at = |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let exchanged = at(&above, column) + usize::from(from != to);
            let mut best = exchanged.min(at(&above, column + 1) + 1).min(at(&line, column) + 1);
            if left_of_b == Some(from) && left_of_a == Some(to) {
                best = best.min(column.checked_sub(1).map_or(best, |column| at(&before, column) + 1));
            }
            line.push(best);
            left_of_b = Some(to);
        }
        before = std::mem::replace(&mut above, line);
        left_of_a = Some(from);
    }
    above.last().copied().unwrap_or(a.len())
}

/// `"a", "b" or "c"`
pub(super) fn listed<'a>(last_word: &str, options: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = options.into_iter().map(|option| format!("\"{option}\"")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {last_word} {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "abc", 3),
            ("mode", "mode", 0),
            ("mdoe", "mode", 1),
            ("enforc", "enforce", 1),
            ("kitten", "sitting", 3),
            ("ab", "ba", 1),
        ] {
            assert_eq!(distance(&normal(a), &normal(b)), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_near_words_are_suggested() {
        let options = ["listen", "allow-clients", "workers", "private-use"];
        for (word, expected) in [
            ("lisen", Some("listen")),
            ("Allow_Clients", Some("allow-clients")),
            ("worker", Some("workers")),
            ("private", Some("private-use")),
            ("a", None),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, options), expected, "{word}");
        }
    }

    #[test]
    fn lists_read_as_text() {
        assert_eq!(listed("or", ["a"]), "\"a\"");
        assert_eq!(listed("and", ["a", "b", "c"]), "\"a\", \"b\" and \"c\"");
        assert_eq!(listed("or", []), "");
    }
}
