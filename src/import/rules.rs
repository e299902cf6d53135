//! AdGuard Home's rules that answer names rather than block them: hosts(5) lines, `$dnsrewrite`, rewrites.

use std::net::IpAddr;

use super::draft::{Draft, Later, Setting};
use super::spelling;
use super::tables::{BLOCKING, RECORDS};

/// The setting that lets a domain have the addresses that a rule blocks.
pub(super) const EXCEPTION: &str = "rule with @@";

/// How rules spell the inside addresses that no answer may have.
const INSIDE: [&str; 6] = ["192\\.168", "192.168.", "10\\.", "172\\.", "127\\.", "||10."];

/// One of `user_rules`.
pub(super) fn rule(draft: &mut Draft, from: &Setting, rule: &str, is_off: bool) {
    let rule = rule.trim();
    if rule.is_empty() || rule.starts_with(['!', '#']) {
        return draft.needless(from, "a comment");
    }
    if let Some(domain) = rule.strip_prefix("@@||") {
        let (domain, options) = domain.split_once('$').unwrap_or((domain, ""));
        let domain = domain.trim_end_matches(['^', '|']);
        if is_off || !matches!(options, "" | "important") || domain.contains(['*', '/']) {
            return draft.leave(from, BLOCKING);
        }
        return draft.later(from, Later::Trusted { domain: spelling::name(domain) });
    }
    if let Some(rewrite) = Rewrite::of(rule) {
        return rewrite.write(draft, from, is_off);
    }
    if (rule.starts_with('/') || rule.starts_with("||")) && INSIDE.iter().any(|inside| rule.contains(inside))
    {
        if !is_off {
            draft.filter = Some(EXCEPTION);
        }
        return draft.needless(from, "always so: inside addresses are removed");
    }
    match hosts_line(rule) {
        None => draft.leave(from, BLOCKING),
        Some(_) if is_off => draft.leave(from, RULES_OFF),
        Some((address, names)) => names.iter().for_each(|name| draft.local(from, name, address)),
    }
}

const RULES_OFF: &str = "rules were switched off";

/// A name that is answered with an address, or as an alias.
pub(super) fn rewrite(draft: &mut Draft, from: &Setting, name: &str, answer: &str) {
    let answer = answer.trim();
    if answer.parse::<IpAddr>().is_ok() {
        return draft.local(from, name, answer);
    }
    let is_name = answer.contains(|c: char| c.is_ascii_alphabetic()) && !matches!(answer, "A" | "AAAA");
    if answer == name || !is_name {
        return draft.leave(from, RECORDS);
    }
    let name = match name.strip_prefix("*.") {
        Some(below) => format!("*.{}", spelling::name(below)),
        None => spelling::name(name),
    };
    draft.later(from, Later::Alias { name, target: spelling::name(answer) });
}

/// `192.168.1.20 nas.example.org tv.example.org`
fn hosts_line(rule: &str) -> Option<(&str, Vec<&str>)> {
    let rule = rule.split('#').next()?;
    let mut words = rule.split_whitespace();
    let address = words.next().filter(|address| address.parse::<IpAddr>().is_ok())?;
    let names: Vec<&str> = words.collect();
    (!names.is_empty()).then_some((address, names))
}

/// `||nas.example.org^$dnsrewrite=192.168.1.20`, and its longer form `NOERROR;A;192.168.1.20`.
#[derive(Debug, PartialEq, Eq)]
struct Rewrite<'a> {
    pattern: &'a str,
    answer: &'a str,
    /// It holds for some clients or types only.
    is_conditional: bool,
}

/// What a rule answers with.
#[derive(Debug, PartialEq, Eq)]
enum Answer<'a> {
    /// An address or a name.
    Value(&'a str),
    Pointer(&'a str),
    /// A record of another type.
    Other,
    /// No record: the name is blocked.
    Nothing,
}

impl<'a> Rewrite<'a> {
    fn of(rule: &'a str) -> Option<Self> {
        // In a regular expression, a dollar sign is not a separator.
        let (pattern, options) = rule.split_once('$').filter(|_| !rule.starts_with('/'))?;
        let options: Vec<&str> = options.split(',').map(str::trim).collect();
        let answer = options.iter().find_map(|option| option.strip_prefix("dnsrewrite="))?;
        let is_condition = |option: &&str| !option.starts_with("dnsrewrite=") && *option != "important";
        let is_conditional = options.iter().any(is_condition);
        Some(Self { pattern, answer, is_conditional })
    }

    /// The local names that the pattern stands for; none if there can be no such.
    fn names(&self) -> Vec<String> {
        let bare = self.pattern.trim_end_matches(['^', '|']);
        let (start, name) = match (bare.strip_prefix("||*."), bare.strip_prefix("||"), bare.strip_prefix('|'))
        {
            (Some(below), ..) => (&["*."][..], below),
            (None, Some(tree), _) => (&["", "*."][..], tree),
            (None, None, Some(itself)) => (&[""][..], itself),
            (None, None, None) => return Vec::new(),
        };
        if name.is_empty() || name.contains(['*', '/', '^', '|']) {
            return Vec::new();
        }
        start.iter().map(|start| format!("{start}{name}")).collect()
    }

    fn answer(&self) -> Answer<'a> {
        let is_code = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_uppercase());
        match self.answer.split(';').map(str::trim).collect::<Vec<_>>().as_slice() {
            [value] | ["NOERROR", "A" | "AAAA" | "CNAME", value] if !value.is_empty() && !is_code(value) => {
                Answer::Value(value)
            }
            ["NOERROR", "PTR", value] if !value.is_empty() => Answer::Pointer(value),
            ["NOERROR", rtype, ..] if !rtype.is_empty() => Answer::Other,
            _ => Answer::Nothing,
        }
    }

    fn write(&self, draft: &mut Draft, from: &Setting, is_off: bool) {
        let names = self.names();
        match self.answer() {
            Answer::Nothing => draft.leave(from, BLOCKING),
            Answer::Other => draft.leave(from, RECORDS),
            _ if is_off => draft.leave(from, RULES_OFF),
            _ if self.is_conditional => draft.leave(from, CONDITION),
            _ if names.is_empty() => draft.leave(from, PATTERN),
            Answer::Pointer(target) => {
                let address = spelling::reversed(self.pattern.trim_matches(['^', '|']));
                draft.later(from, Later::Pointer { name: spelling::name(target), address });
            }
            Answer::Value(value) => names.iter().for_each(|name| rewrite(draft, from, name, value)),
        }
    }
}

const CONDITION: &str = "a [[local]] name has the same addresses for all clients: write it without the rule's conditions, if that is right";
const PATTERN: &str = "a pattern cannot be a [[local]] name: write each name, or \"*.\" and a domain";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_answer_are_told_from_those_that_block() {
        let rewrite = |rule| Rewrite::of(rule).map(|rewrite| (rewrite.names().join(" "), rewrite.answer()));
        let value = |names: &str, value| Some((names.to_owned(), Answer::Value(value)));
        for (rule, expected) in [
            ("||ads.example^", None),
            ("/^a$dnsrewrite=10.0.0.1/", None),
            ("||a.example^$dnsrewrite=10.0.0.1", value("a.example *.a.example", "10.0.0.1")),
            ("||a.example^$important,dnsrewrite=::1", value("a.example *.a.example", "::1")),
            ("||*.a.example^$dnsrewrite=10.0.0.1", value("*.a.example", "10.0.0.1")),
            ("|a.example^$dnsrewrite=NOERROR;A;10.0.0.1", value("a.example", "10.0.0.1")),
            ("|a.example^$dnsrewrite=b.example", value("a.example", "b.example")),
            ("||a.*^$dnsrewrite=10.0.0.1", value("", "10.0.0.1")),
            ("a.example$dnsrewrite=10.0.0.1", value("", "10.0.0.1")),
            ("|a.example^$dnsrewrite=NXDOMAIN;;", Some(("a.example".into(), Answer::Nothing))),
            ("|a.example^$dnsrewrite=REFUSED", Some(("a.example".into(), Answer::Nothing))),
            ("|a.example^$dnsrewrite=NOERROR;;", Some(("a.example".into(), Answer::Nothing))),
            ("|a.example^$dnsrewrite=", Some(("a.example".into(), Answer::Nothing))),
            ("|a.example^$dnsrewrite=NOERROR;TXT;x", Some(("a.example".into(), Answer::Other))),
            ("|a.example^$dnsrewrite=NOERROR;PTR;x.", Some(("a.example".into(), Answer::Pointer("x.")))),
        ] {
            assert_eq!(rewrite(rule), expected, "{rule}");
        }
        for (rule, expected) in [
            ("192.168.1.20 nas.example.org", Some(("192.168.1.20", vec!["nas.example.org"]))),
            ("fd00::1\ta b # c", Some(("fd00::1", vec!["a", "b"]))),
            ("192.168.1.20", None),
        ] {
            assert_eq!(hosts_line(rule), expected, "{rule}");
        }
    }
}
