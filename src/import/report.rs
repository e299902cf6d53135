//! The head of the file, and the comments at its end.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Format, Imported, Left, Loss};
use crate::config::printable;

/// Up to this many similar settings are listed one by one.
const FEW: usize = 3;
/// How many losses are listed at the top.
const FIRST: usize = 8;

/// The whole file.
pub(super) fn whole(
    format: Format,
    texts: &[(Arc<str>, &str)],
    body: &str,
    remarks: &[&str],
    needless: &[Left],
    imported: &Imported,
) -> String {
    let names: Vec<String> = texts.iter().map(|(name, _)| printable(name)).collect();
    let mut file = String::new();
    if let Some(loss) = &imported.loss {
        file.push_str(&format!("# {loss}\n"));
        for Left { file: name, line, text, why, .. } in imported.losses.iter().take(FIRST) {
            file.push_str(&format!(
                "#   {}:{line}: {}: {}\n",
                printable(name),
                printable(text),
                printable(why)
            ));
        }
        if imported.losses.len() > FIRST {
            file.push_str(&format!("#   and {} more\n", imported.losses.len() - FIRST));
        }
        file.push_str("#\n");
    }
    file.push_str(&format!(
        "# Made by `stubborn import {}` of {}.\n\
         # Settings carried over: {}, not needed here: {}, not carried over: {}; the end of the file lists them with the reasons.\n\
         # Read it and test it before you use it: `stubborn check --config FILE` and `stubborn audit --config FILE`.\n",
        format.name(),
        names.join(", "),
        imported.carried,
        imported.needless,
        imported.left.len(),
    ));
    for remark in remarks {
        file.push_str(&format!("#\n# {remark}\n"));
    }
    file.push_str(body);
    comments(&mut file, "Not carried over:", &imported.left);
    comments(&mut file, "Needs nothing here:", needless);
    file
}

/// The losses in one line: the first line of the file, and of what the command prints.
pub(super) fn loss(losses: &[Left], falls_back: bool) -> Option<String> {
    let first = losses.first()?;
    let all = |wanted: fn(&Loss) -> bool| losses.iter().filter_map(|left| left.loss.as_ref()).all(wanted);
    let is_service = all(|loss| *loss == Loss::Service);
    let count = match (losses.len(), is_service) {
        (1, true) => "one setting was".to_owned(),
        (1, false) => "one setting that says who is asked was".to_owned(),
        (count, true) => format!("{count} settings were"),
        (count, false) => format!("{count} settings that say who is asked were"),
    };
    let what = match (all(|loss| *loss == Loss::Server), all(|loss| *loss != Loss::Server)) {
        (true, _) => "a server",
        (false, true) => "privacy",
        (false, false) => "privacy and servers",
    };
    let instead = match is_service {
        _ if falls_back => {
            "instead, the servers of /etc/resolv.conf are asked for all names, in plain DNS: write others into [upstream]"
        }
        true => "clients that ask over an encrypted connection get no answer",
        false => "the queries go to other servers, in plain DNS, or to nobody",
    };
    let (file, text) = (printable(&first.file), printable(&first.text));
    let place = format!("{file}:{}: {text}", first.line);
    Some(format!("LOSS: {count} not carried over ({place}), which costs {what}: {instead}."))
}

/// Writes the settings as comments. Many similar settings of one file, left for the same reason, are written as one.
fn comments(file: &mut String, title: &str, left: &[Left]) {
    if left.is_empty() {
        return;
    }
    file.push_str(&format!("\n# {title}\n#\n"));
    for group in groups(left) {
        let (shown, more) = if group.len() > FEW { group.split_at(1) } else { (group.as_slice(), &[][..]) };
        for Left { file: name, line, text, why, .. } in shown {
            let (name, text, why) = (printable(name), printable(text), printable(why));
            file.push_str(&format!("# {name}:{line}: {text}\n"));
            if !more.is_empty() {
                let lines: Vec<usize> = more.iter().map(|left| left.line).collect();
                file.push_str(&format!("#     and {} more like it: {}\n", more.len(), ranges(&lines)));
            }
            file.push_str(&format!("#     {why}\n"));
        }
    }
}

/// Groups by file, kind of setting and reason, in the order of their first settings.
fn groups(left: &[Left]) -> Vec<Vec<&Left>> {
    let mut places: HashMap<(&str, &str, String), usize> = HashMap::new();
    let mut groups: Vec<Vec<&Left>> = Vec::new();
    for one in left {
        let place = *places.entry((&*one.file, one.kind.as_str(), general(&one.why))).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(place) {
            group.push(one);
        }
    }
    groups
}

/// A reason without the words that belong to one setting: names, addresses and numbers.
fn general(why: &str) -> String {
    let is_own = |word: &&str| {
        let inner = word.trim_end_matches(['.', ':', ',', ';', ')']);
        inner.contains(['"', '.', ':']) || inner.contains(|c: char| c.is_ascii_digit())
    };
    why.split(' ').filter(|word| !is_own(word)).collect::<Vec<_>>().join(" ")
}

/// `3-5, 9`
fn ranges(lines: &[usize]) -> String {
    const MOST: usize = 12;
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for line in lines {
        match ranges.last_mut() {
            Some((_, last)) if *line <= *last + 1 => *last = *line,
            _ => ranges.push((*line, *line)),
        }
    }
    let shown = ranges.iter().take(MOST).map(|(first, last)| match first == last {
        true => format!("line {first}"),
        false => format!("lines {first}-{last}"),
    });
    let text = shown.collect::<Vec<_>>().join(", ");
    if ranges.len() > MOST { format!("{text} and so on") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_alike_without_the_words_of_one_setting() {
        for (one, other, alike) in [
            ("no server for a.example: write it", "no server for b.example: write it", true),
            ("without the TTL 300: all the same", "without the TTL 60: all the same", true),
            ("write name = \"a\" first", "write name = \"b\" first", true),
            ("records are not kept", "records are kept", false),
        ] {
            assert_eq!(general(one) == general(other), alike, "{one} / {other}");
        }
    }

    #[test]
    fn lines_are_shown_as_ranges() {
        for (lines, expected) in
            [(&[3][..], "line 3"), (&[3, 4, 5, 9], "lines 3-5, line 9"), (&[3, 3, 4], "lines 3-4")]
        {
            assert_eq!(ranges(lines), expected);
        }
    }
}
