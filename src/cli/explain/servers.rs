//! After a failure: what each server says by itself, and what to try.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tokio::task::spawn_local;

use crate::dns::{Ede, Question, Rcode, UpstreamResponse};
use crate::upstream::{Ask, ExchangeError, Exchanger, ServerGroup, ServerState};

/// The most servers that are asked.
const MOST: usize = 16;

/// What one server said.
#[derive(Debug, Serialize)]
pub(super) struct Said {
    server: String,
    /// Its response code, or why there is none.
    answer: String,
    errors: Vec<String>,
    #[serde(skip)]
    fault: Fault,
}

/// Where the fault lies, as far as one answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// There is none.
    Fine,
    /// Nothing comes back.
    Silent,
    /// It answers if it need not check signatures.
    Signatures,
    /// It failed.
    Failed,
    /// It serves others only.
    Refused,
    /// What comes back is of no use.
    Unusable,
}

impl Said {
    pub(super) fn to_text(&self) -> String {
        let errors: String = self.errors.iter().map(|error| format!("; {error}")).collect();
        format!("{}: {}{errors}", self.server, self.answer)
    }
}

/// Asks all servers of a group at once.
pub(super) async fn ask_each(group: &ServerGroup, question: Question) -> Vec<Said> {
    let asked: Vec<_> = group
        .servers
        .iter()
        .take(MOST)
        .map(|server| {
            let alone = ServerGroup::new(vec![Arc::clone(server)], group.timeout, None);
            (server, spawn_local(ask_one(alone, question)))
        })
        .collect();
    let mut said = Vec::new();
    for (server, asked) in asked {
        if let Ok((outcome, unchecked)) = asked.await {
            said.push(of(server, &outcome, unchecked));
        }
    }
    said
}

type Answer = Result<UpstreamResponse, ExchangeError>;

/// The answer, and whether there is a better one without the check of signatures.
async fn ask_one(server: ServerGroup, question: Question) -> (Answer, bool) {
    let exchanger = Rc::new(Exchanger::new(Instant::now()));
    let ask = Ask { question, dnssec_ok: false, checking_disabled: false };
    let answer = exchanger.exchange(&server, &ask).await;
    let failed = answer.as_ref().is_ok_and(|response| response.rcode() == Rcode::SERVFAIL);
    if !failed {
        return (answer, false);
    }
    let unchecked = exchanger.exchange(&server, &Ask { checking_disabled: true, ..ask }).await;
    let better = unchecked.is_ok_and(|response| is_answer(response.rcode()));
    (answer, better)
}

/// Not a failure.
pub(super) fn is_answer(rcode: Rcode) -> bool {
    matches!(rcode, Rcode::NOERROR | Rcode::NXDOMAIN)
}

fn of(server: &ServerState, outcome: &Answer, unchecked: bool) -> Said {
    let (answer, fault) = match outcome {
        Ok(response) => {
            let rcode = response.rcode();
            let fault = match rcode {
                Rcode::SERVFAIL if unchecked => Fault::Signatures,
                Rcode::REFUSED => Fault::Refused,
                rcode if is_answer(rcode) && response.is_lame() => Fault::Unusable,
                rcode if is_answer(rcode) => Fault::Fine,
                _ => Fault::Failed,
            };
            let note = match fault {
                Fault::Signatures => ", but it answers if it is told not to check signatures (DNSSEC)",
                Fault::Unusable => ", and only the name of another server",
                _ => "",
            };
            (format!("{rcode}{note}"), fault)
        }
        Err(error) => {
            let silent = error.is_about_server() || matches!(error, ExchangeError::NoTcp(_));
            (error.to_string(), if silent { Fault::Silent } else { Fault::Unusable })
        }
    };
    let errors = outcome.as_ref().map(|response| response.errors().iter().map(explained).collect());
    Said { server: server.endpoint.to_string(), answer, errors: errors.unwrap_or_default(), fault }
}

/// An extended error with what its number means.
pub(super) fn explained(error: &Ede) -> String {
    let text = error.to_string();
    let number = format!("EDE {}", error.code.0);
    match (MEANINGS.get(usize::from(error.code.0)), text.strip_prefix(&number)) {
        (Some(meaning), Some(rest)) => format!("{number} ({meaning}){rest}"),
        _ => text,
    }
}

/// By INFO-CODE (RFC 8914 §4, and the registry that it makes).
const MEANINGS: [&str; 31] = [
    "other error",
    "unsupported DNSKEY algorithm",
    "unsupported DS digest type",
    "stale answer",
    "forged answer",
    "DNSSEC indeterminate",
    "DNSSEC bogus",
    "signature expired",
    "signature not yet valid",
    "DNSKEY missing",
    "RRSIGs missing",
    "no zone key bit set",
    "NSEC missing",
    "cached error",
    "not ready",
    "blocked",
    "censored",
    "filtered",
    "prohibited",
    "stale NXDOMAIN answer",
    "not authoritative",
    "not supported",
    "no reachable authority",
    "network error",
    "invalid data",
    "signature expired before valid",
    "too early",
    "unsupported NSEC3 iterations value",
    "unable to conform to policy",
    "synthesized",
    "invalid query type",
];

/// What to try, a line each. `where_set` is the table of the servers.
pub(super) fn hints(said: &[Said], question: &Question, where_set: &str) -> Vec<String> {
    let of = |fault: Fault| -> Option<String> {
        let servers: Vec<&str> =
            said.iter().filter(|said| said.fault == fault).map(|said| said.server.as_str()).collect();
        (!servers.is_empty()).then(|| servers.join(", "))
    };
    let other = match question.name().as_word() {
        Some(name) => format!("`stubborn explain {name} {} --upstream SERVER`", question.rtype),
        None => "the option `--upstream SERVER`".to_owned(),
    };
    let mut hints = Vec::new();
    if said.is_empty() {
        hints.push(format!("there is no server to ask: set `servers` in {where_set}"));
    }
    if let Some(servers) = of(Fault::Silent) {
        hints.push(format!(
            "nothing comes back from {servers}: see if it runs and can be reached from here, or set other `servers` in {where_set}"
        ));
    }
    if let Some(servers) = of(Fault::Signatures) {
        hints.push(format!(
            "the signatures of this domain (DNSSEC) are not valid for {servers}: only the owner of the domain can mend them"
        ));
    }
    if let Some(servers) = of(Fault::Refused) {
        hints.push(format!(
            "{servers} does not serve this machine: set other `servers` in {where_set}, or have it allow this machine"
        ));
    }
    if let Some(servers) = of(Fault::Unusable) {
        hints.push(format!("the reply of {servers} cannot be used: set other `servers` in {where_set}"));
    }
    if let Some(servers) = of(Fault::Failed) {
        hints.push(format!(
            "{servers} cannot find the answer: ask another server with {other}; if that one fails too, the fault is with the domain"
        ));
    }
    if let Some(servers) = of(Fault::Fine) {
        hints.push(format!("{servers} answers now: ask again"));
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{EdeCode, Name, RecordType};

    #[test]
    fn each_fault_has_a_way_out() {
        let question = Question::new(Name::from_text("a.example").unwrap().as_ref(), RecordType::A);
        let said =
            |fault| Said { server: "192.0.2.1".to_owned(), answer: String::new(), errors: Vec::new(), fault };
        for (fault, expected) in [
            (Fault::Silent, "nothing comes back from 192.0.2.1"),
            (Fault::Signatures, "only the owner of the domain"),
            (Fault::Refused, "does not serve this machine: set other `servers` in [upstream]"),
            (Fault::Unusable, "the reply of 192.0.2.1 cannot be used"),
            (Fault::Failed, "with `stubborn explain a.example A --upstream SERVER`"),
            (Fault::Fine, "192.0.2.1 answers now"),
        ] {
            let hints = hints(&[said(fault)], &question, "[upstream]");
            assert!(hints.len() == 1 && hints[0].contains(expected), "{hints:?}");
        }
        assert!(hints(&[], &question, "[upstream]")[0].contains("no server"));
    }

    #[test]
    fn an_extended_error_is_said_in_words() {
        for (code, text, shown) in [
            (6, "", "EDE 6 (DNSSEC bogus)"),
            (22, "upstream: at a.example", "EDE 22 (no reachable authority): upstream: at a.example"),
            (49_152, "x", "EDE 49152: x"),
        ] {
            assert_eq!(explained(&Ede::new(EdeCode(code), text)), shown);
        }
    }
}
