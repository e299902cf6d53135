//! `customDNS.zone`: records in the form of a zone file.

use crate::import::spelling;

/// A record; only addresses and aliases have a value that is looked at.
pub(super) struct Zoned {
    /// The line, as it is shown.
    pub(super) text: String,
    pub(super) name: String,
    pub(super) rtype: String,
    pub(super) value: String,
}

/// The records of a zone file, each on a line of its own (RFC 1035 section 5).
pub(super) fn records(text: &str) -> Vec<Zoned> {
    let (mut origin, mut owner) = (String::new(), String::new());
    let mut records = Vec::new();
    for line in text.lines() {
        let line = line.split(';').next().unwrap_or_default().trim_end();
        let mut words = line.split_whitespace().peekable();
        match words.peek() {
            None => continue,
            Some(word) if word.eq_ignore_ascii_case("$ORIGIN") => {
                origin = words.nth(1).map(spelling::name).unwrap_or_default();
                continue;
            }
            Some(word) if word.eq_ignore_ascii_case("$TTL") => continue,
            // A line that begins with a blank has the name of the one before.
            Some(_) if line.starts_with([' ', '\t']) => {}
            Some(word) => {
                owner = absolute(word, &origin);
                words.next();
            }
        }
        let is_number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
        let is_class = |word: &&str| matches!(word.to_ascii_uppercase().as_str(), "IN" | "CH" | "HS");
        // The TTL and the class come in either order.
        while words.next_if(|word| is_number(word) || is_class(word)).is_some() {}
        let rtype = words.next().unwrap_or_default().to_ascii_uppercase();
        let value = words.collect::<Vec<_>>().join(" ");
        let value = if rtype == "CNAME" { absolute(&value, &origin) } else { value };
        records.push(Zoned { text: line.trim().to_owned(), name: owner.clone(), rtype, value });
    }
    records
}

/// A name with the origin behind it, unless it ends with a dot.
fn absolute(name: &str, origin: &str) -> String {
    match name {
        "@" => origin.to_owned(),
        name if name.ends_with('.') || origin.is_empty() => spelling::name(name),
        name => spelling::name(&format!("{name}.{origin}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_zone_are_completed() {
        let text = "$ORIGIN example.com.\n$TTL 1h\n; x\n@ A 10.0.0.1\nwww 3600 IN A 10.0.0.2 ; y\n\tAAAA fd00::2\nb.example. CNAME www\n@ IN 60 MX 10 mail\n";
        let found: Vec<_> = records(text)
            .into_iter()
            .map(|record| format!("{} {} {}", record.name, record.rtype, record.value))
            .collect();
        assert_eq!(
            found,
            [
                "example.com A 10.0.0.1",
                "www.example.com A 10.0.0.2",
                "www.example.com AAAA fd00::2",
                "b.example CNAME www.example.com",
                "example.com MX 10 mail",
            ]
        );
    }
}
