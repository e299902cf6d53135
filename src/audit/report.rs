//! What an audit found, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::cases::{Case, Group};
use super::run::Finding;

/// A line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The part of the catalogue.
    pub group: Group,
    /// What the group is about.
    pub name: String,
    /// Cases without a finding.
    pub passed: usize,
    /// Cases played.
    pub played: usize,
}

/// An audit's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One line for each group that was played.
    pub groups: Vec<Line>,
    /// Cases without a finding.
    pub passed: usize,
    /// Cases played.
    pub played: usize,
    /// Cases not played: the configuration says itself where their names are answered.
    pub left_out: usize,
    /// Everything that went wrong.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The report on these cases; `findings` of all transports together.
    pub fn new(cases: &[Case], findings: Vec<Finding>) -> Self {
        let failed = |case: &Case| findings.iter().any(|finding| finding.slug == case.slug);
        let groups: Vec<Line> = Group::ALL
            .into_iter()
            .filter_map(|group| {
                let played = cases.iter().filter(|case| case.group == group).count();
                let passed = cases.iter().filter(|case| case.group == group && !failed(case)).count();
                (played > 0).then(|| Line { group, name: group.to_string(), passed, played })
            })
            .collect();
        Self {
            passed: groups.iter().map(|line| line.passed).sum(),
            played: groups.iter().map(|line| line.played).sum(),
            groups,
            left_out: 0,
            findings,
        }
    }

    /// Whether nothing got through and nothing honest was lost.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.groups {
            writeln!(f, "{:34} {:>5} / {}", line.name, line.passed, line.played)?;
        }
        writeln!(f, "{:34} {:>5} / {}", "all", self.passed, self.played)?;
        if self.left_out > 0 {
            writeln!(f, "{:34} {:>5}", "left out: names of your own", self.left_out)?;
        }
        if self.findings.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        // A case fails in up to four rounds, mostly in the same way: one line for each way.
        let mut ways: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
        let mut order = Vec::new();
        for finding in &self.findings {
            let key = (finding.slug.as_str(), finding.problem.to_string());
            let round = format!("{}{}", finding.transport, if finding.again { " again" } else { "" });
            let rounds = ways.entry(key.clone()).or_insert_with(|| {
                order.push((key, finding));
                Vec::new()
            });
            if !rounds.contains(&round) {
                rounds.push(round);
            }
        }
        let mut last = "";
        for (key, finding) in order {
            if finding.slug != last {
                let variant =
                    if finding.variant.is_empty() { String::new() } else { format!(": {}", finding.variant) };
                writeln!(f, "{:4} {}{variant}", finding.id, finding.title)?;
                last = &finding.slug;
            }
            let rounds = ways.get(&key).map(|rounds| rounds.join(", ")).unwrap_or_default();
            writeln!(f, "     {} [{rounds}]", finding.problem)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::cases::{Setup, catalogue};
    use crate::audit::oracle::{Leak, Leaked};
    use crate::audit::run::{Problem, Transport};

    #[test]
    fn a_case_that_fails_in_two_rounds_is_one_case_and_one_line() {
        let cases = catalogue(&Setup::default());
        let case = cases.iter().find(|case| case.group == Group::Addresses).unwrap();
        let leak = Leak { reader: "musl", what: Leaked::Address("127.0.0.1".parse().unwrap()) };
        let finding = |transport, again| Finding {
            id: case.id,
            group: case.group,
            title: case.title,
            variant: case.variant.clone(),
            slug: case.slug.clone(),
            transport,
            again,
            qtype: 1,
            problem: Problem::Leak(leak.clone()),
        };
        let findings = vec![finding(Transport::Udp, false), finding(Transport::Tcp, true)];
        let report = Report::new(&cases, findings);
        assert_eq!((report.played, report.passed), (cases.len(), cases.len() - 1));
        assert!(!report.is_clean());
        let text = report.to_string();
        assert!(text.ends_with("musl reads 127.0.0.1 [UDP, TCP again]\n"), "{text}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["findings"][0]["problem"]["leak"]["what"]["address"], "127.0.0.1");
        assert_eq!(json["groups"][0]["group"], "addresses");
    }
}
