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
    if (rule.starts_with('/') || rule.starts_with("||")) && INSIDE.iter().any(|inside| rule.contains(inside))
    {
        if !is_off {
            draft.filter = Some(EXCEPTION);
        }
        return draft.needless(from, "always so: inside addresses are removed");
    }
    let names: Option<(&str, Vec<&str>)> = hosts_line(rule);
    if names.is_none() && rewritten(rule).is_none() {
        return draft.leave(from, BLOCKING);
    }
    if is_off {
        return draft.leave(from, "rules were switched off");
    }
    if let Some((address, names)) = names {
        names.iter().for_each(|name| draft.local(from, name, address));
    } else if let Some((name, is_tree, answer)) = rewritten(rule) {
        rewrite(draft, from, name, answer);
        if is_tree {
            rewrite(draft, from, &format!("*.{name}"), answer);
        }
    }
}

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

/// `||nas.example.org^$dnsrewrite=192.168.1.20` and its longer form `NOERROR;A;192.168.1.20`: the name, whether those below it are
/// included, and the answer.
fn rewritten(rule: &str) -> Option<(&str, bool, &str)> {
    let (pattern, answer) = rule.split_once("$dnsrewrite=")?;
    let (name, is_tree) = match pattern.strip_prefix("||") {
        Some(name) => (name, true),
        None => (pattern.strip_prefix('|')?, false),
    };
    let name = name.trim_end_matches(['^', '|']);
    let answer = match answer.split(';').collect::<Vec<_>>().as_slice() {
        [answer] => *answer,
        ["NOERROR", "A" | "AAAA" | "CNAME", answer] => answer,
        _ => return None,
    };
    let is_plain =
        !name.is_empty() && !name.contains(['*', '/', '^', '$', ',']) && !answer.contains([',', '$']);
    is_plain.then_some((name, is_tree, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_answer_are_told_from_those_that_block() {
        for (rule, hosts, rewrite) in [
            ("192.168.1.20 nas.example.org", true, None),
            ("192.168.1.20", false, None),
            ("||ads.example^", false, None),
            ("||a.example^$dnsrewrite=10.0.0.1", false, Some(("a.example", true, "10.0.0.1"))),
            ("|a.example^$dnsrewrite=NOERROR;A;10.0.0.1", false, Some(("a.example", false, "10.0.0.1"))),
            ("||a.example^$dnsrewrite=NXDOMAIN;;", false, None),
            ("||a.*^$dnsrewrite=10.0.0.1", false, None),
        ] {
            assert_eq!((hosts_line(rule).is_some(), rewritten(rule)), (hosts, rewrite), "{rule}");
        }
    }
}
