//! `stubborn explain`: the steps of a decision, by the code that decides.

mod servers;

use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Map;
use tokio::task::LocalSet;

use super::args::Explain;
use super::output::{complain_of, waiting_for};
use super::show::visible;
use super::{FINE, TROUBLE, complain, say, say_pretty_json};
use crate::cache::CacheSettings;
use crate::config::DEFAULT_PATH;
use crate::daemon::{BuildError, Environment, Source, argument, host_name, own_addresses};
use crate::dns::{Asker, Query, Question, RecordType, UpstreamResponse, write_addresses_reply};
use crate::files::is_stream;
use crate::policy::{Action, Category, Circumstances, ClientResponse, Finding, Subject, Verdict, enforce};
use crate::resolve::{ChosenRoute, Lookup, Now, Outcome, Resolver, Snapshot, Source as From, Step};
use crate::upstream::{Endpoint, Exchanger, Server, ServerGroup, Servers, in_container};
use servers::{Said, ask_each, hints, is_answer};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Explanation {
    name: String,
    r#type: String,
    client: String,
    /// `local`, or the domain of a route, or `default`.
    route: String,
    route_origin: String,
    /// The route has no servers: its names are answered here only.
    here_only: bool,
    servers: Vec<String>,
    answered_by: &'static str,
    verdict: &'static str,
    findings: Vec<Found>,
    reply: Reply,
    /// What each server says by itself, if there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

#[derive(Debug, Serialize)]
struct Failure {
    servers: Vec<Said>,
    hints: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Found {
    carrier: String,
    what: String,
    address: String,
    range: String,
    rule: &'static str,
    rule_origin: String,
    action: &'static str,
    /// The exception or route that lets it through.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_by: Option<String>,
    /// What would let it through.
    #[serde(skip_serializing_if = "Option::is_none")]
    allow: Option<String>,
}

#[derive(Debug, Serialize)]
struct Reply {
    rcode: String,
    records: Vec<String>,
    errors: Vec<String>,
}

/// Explains; the exit code says whether that was possible, not what was found.
pub(super) fn explain(arguments: &Explain) -> u8 {
    match try_explain(arguments) {
        Ok(explanation) if arguments.json => say_pretty_json(&explanation),
        Ok(explanation) => say(&explanation.to_text()),
        Err(BuildError::Config(errors)) => {
            complain_of(&errors, Map::new());
            return super::NO;
        }
        Err(error) => {
            complain(&error.to_string());
            return TROUBLE;
        }
    }
    FINE
}

/// Addresses of both families without a type are what two questions would bring: both are explained as one.
fn try_explain(arguments: &Explain) -> Result<Explanation, BuildError> {
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = arguments.answer.iter().partition(|address| address.is_ipv4());
    let mut source = Source {
        config: arguments.config.clone(),
        upstream: arguments.upstream.clone(),
        ..Source::default()
    };
    let is_default = |file: &Path| file == Path::new(DEFAULT_PATH);
    let file = source.file().filter(|file| !is_default(file) && !is_stream(file));
    source.arguments = file.and_then(|file| argument("--config", &file));
    source.hold_stream();
    if arguments.rtype.is_some() || v4.is_empty() || v6.is_empty() {
        return explain_one(arguments, source);
    }
    let mut both = explain_one(&Explain { answer: v4, ..arguments.clone() }, source.clone())?;
    let second = explain_one(&Explain { answer: v6, ..arguments.clone() }, source)?;
    both.r#type = format!("{} and {}", both.r#type, second.r#type);
    if second.verdict != Category::Clean.label() {
        both.verdict = second.verdict;
    }
    both.findings.extend(second.findings);
    both.reply.records.extend(second.reply.records);
    both.reply.errors.extend(second.reply.errors);
    Ok(both)
}

fn explain_one(arguments: &Explain, mut source: Source) -> Result<Explanation, BuildError> {
    let own: Vec<IpAddr> = own_addresses();
    let environment =
        Environment { own, host_name: host_name(), in_container: in_container(), ..Environment::default() };
    let built = match source.build(&environment) {
        // Nothing is asked: no server has to be found either.
        Err(BuildError::NoUpstream { .. } | BuildError::Loop { .. }) if !arguments.answer.is_empty() => {
            source.upstream = vec![Server::At(Endpoint::Do53(([192, 0, 2, 1], 53).into()))];
            source.build(&environment)?
        }
        built => built?,
    };
    let snapshot = Snapshot::new(1, &built.ingredients, &Servers::default());
    let query = query(arguments);
    let resolver = Arc::new(Resolver::new(snapshot, &CacheSettings { size: 0, ..CacheSettings::default() }));
    let snapshot = resolver.snapshot();
    // Whoever asks here is not kept out: the question is what the answer would be.
    let client =
        if snapshot.allows(arguments.client) { arguments.client } else { IpAddr::from([127, 0, 0, 1]) };
    let turn = resolver.turn();
    let route = snapshot.route(snapshot.select_route(arguments.name.as_ref()));
    match resolver.begin(&turn, &query, client) {
        Step::Done(outcome) | Step::Refresh(outcome, _) => {
            let here_only = route.filter(|route| route.here_only().is_some());
            Ok(Explanation::new(arguments, &query, here_only, &outcome))
        }
        Step::Ask(lookup) => {
            if arguments.answer.is_empty() {
                let (outcome, failure) = ask(&resolver, &lookup, route);
                return Ok(Explanation { failure, ..Explanation::new(arguments, &query, route, &outcome) });
            }
            let outcome = {
                let trust = route.and_then(|route| route.trust.as_ref());
                let circumstances = Circumstances {
                    question: &query.question,
                    trust,
                    client: arguments.client,
                    now: turn.now.unix,
                };
                pretend(&snapshot, &circumstances, &arguments.answer)
            };
            Ok(Explanation::new(arguments, &query, route, &outcome))
        }
    }
}

fn query(arguments: &Explain) -> Query {
    let all_v6 = !arguments.answer.is_empty() && arguments.answer.iter().all(IpAddr::is_ipv6);
    let rtype = arguments.rtype.unwrap_or(if all_v6 { RecordType::AAAA } else { RecordType::A });
    Query { asker: Asker::with_edns(), question: Question::new(arguments.name.as_ref(), rtype) }
}

fn ask(resolver: &Arc<Resolver>, lookup: &Lookup, route: Option<&ChosenRoute>) -> (Outcome, Option<Failure>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let question = lookup.query().question;
    let _waiting = waiting_for(&route.map_or_else(String::new, |route| listed(&route.group)));
    let exchange = async {
        let exchanger = Rc::new(Exchanger::new(resolver.epoch()));
        let outcome = resolver.finish(&exchanger, lookup).await;
        let failed = outcome.source == From::Failure || !is_answer(outcome.response().rcode());
        let failure = match route.filter(|_| failed) {
            Some(route) => Some(failure(route, question).await),
            None => None,
        };
        (outcome, failure)
    };
    match runtime {
        Ok(runtime) => {
            let done = LocalSet::new().block_on(&runtime, exchange);
            runtime.shutdown_timeout(Duration::from_millis(100));
            done
        }
        Err(_) => (Outcome::overloaded(&question), None),
    }
}

async fn failure(route: &ChosenRoute, question: Question) -> Failure {
    let servers = ask_each(&route.group, question).await;
    let where_set = match &route.trust {
        Some(trust) => format!("the [[route]] for {} ({})", trust.domain, trust.origin),
        None => "[upstream]".to_owned(),
    };
    Failure { hints: hints(&servers, &question, &where_set), servers }
}

fn listed(group: &ServerGroup) -> String {
    let servers: Vec<String> = group.servers.iter().map(|server| server.endpoint.to_string()).collect();
    servers.join(", ")
}

/// What would come of it if an upstream answered with `addresses`.
fn pretend(snapshot: &Snapshot, circumstances: &Circumstances<'_>, addresses: &[IpAddr]) -> Outcome {
    let wire = write_addresses_reply(circumstances.question, addresses);
    match UpstreamResponse::parse(&wire, circumstances.question, false) {
        Ok(response) => {
            let judgement = enforce(&snapshot.policy, circumstances, &response);
            Outcome::judged(judgement, 0, From::Upstream, Now { millis: 0, unix: circumstances.now })
        }
        Err(_) => Outcome::overloaded(circumstances.question),
    }
}

impl Explanation {
    fn new(arguments: &Explain, query: &Query, route: Option<&ChosenRoute>, outcome: &Outcome) -> Self {
        let trust = route.and_then(|route| route.trust.as_ref());
        // Of a name that is not looked up there is no answer to judge.
        let judged = outcome.verdict().filter(|_| outcome.source != From::Local);
        let by = match (outcome.source, arguments.answer.is_empty()) {
            (From::Local, _) => "stubborn itself: the name is never asked for outside",
            (From::Failure, _) => "nobody",
            (_, false) => "--answer",
            _ => "the upstream",
        };
        Self {
            name: query.question.name().to_string(),
            r#type: query.question.rtype.to_string(),
            client: arguments.client.to_string(),
            route: match (trust, route) {
                (Some(trust), _) => trust.domain.to_string(),
                (None, Some(_)) => "default".to_owned(),
                (None, None) => "local".to_owned(),
            },
            route_origin: trust.map(|trust| trust.origin.to_string()).unwrap_or_default(),
            here_only: route.is_some_and(|route| route.here_only().is_some()),
            servers: match route {
                Some(route) if arguments.answer.is_empty() => {
                    route.group.servers.iter().map(|server| server.endpoint.to_string()).collect()
                }
                _ => Vec::new(),
            },
            answered_by: by,
            verdict: match (judged, outcome.source) {
                (Some(verdict), _) => verdict.category.label(),
                (None, From::Local) => "answered here",
                (None, From::Failure) => "failed",
                (None, _) if !is_answer(outcome.response().rcode()) => "failed",
                (None, _) => Category::Clean.label(),
            },
            findings: judged.map(|verdict| findings(query, verdict)).unwrap_or_default(),
            reply: Reply::of(outcome.response()),
            failure: None,
        }
    }

    fn to_text(&self) -> String {
        let mut lines =
            vec![format!("{} {}, asked by {}", self.name, self.r#type, self.client), String::new()];
        // A line break in a text must not break the line.
        let mut step = |title: &str, text: String| lines.push(format!("  {title:<9}{}", visible(&text)));
        match self.route.as_str() {
            "local" => step("route", "none: not forwarded".to_owned()),
            "default" => step("route", "the default upstream".to_owned()),
            domain if self.here_only => {
                step("route", format!("{domain} ({}): answered here only", self.route_origin));
            }
            domain => step("route", format!("{domain} ({})", self.route_origin)),
        }
        if !self.servers.is_empty() {
            step("servers", self.servers.join(", "));
        }
        step("answer", format!("from {}", self.answered_by));
        for found in &self.findings {
            step("guard", format!("{}: {}", found.carrier, found.what));
            step("", format!("rule {} ({}): {}", found.rule, found.rule_origin, found.action));
            if let Some(origin) = &found.allowed_by {
                step("", format!("by {origin}"));
            }
        }
        step("verdict", self.verdict.to_owned());
        step("reply", self.reply.rcode.clone());
        for record in &self.reply.records {
            step("", record.clone());
        }
        for error in &self.reply.errors {
            step("", error.clone());
        }
        if let Some(Failure { servers, hints }) = &self.failure {
            servers.iter().for_each(|said| step("asked", said.to_text()));
            hints.iter().for_each(|hint| step("to try", hint.clone()));
        }
        let mut allows: Vec<&String> =
            self.findings.iter().filter_map(|found| found.allow.as_ref()).collect();
        allows.dedup();
        for allow in allows {
            step("to allow", format!(" {allow}"));
        }
        lines.join("\n")
    }
}

fn findings(query: &Query, verdict: &Verdict) -> Vec<Found> {
    verdict.findings.iter().map(|finding| Found::of(query, verdict, finding)).collect()
}

impl Found {
    fn of(query: &Query, verdict: &Verdict, finding: &Finding) -> Self {
        let Finding { carrier, subject, action } = finding;
        let (address, net) = subject.parts();
        let allowed_by = match action {
            Action::Removed | Action::Hidden => None,
            Action::Allowed(origin) => Some(origin.to_string()),
            Action::Monitored(origin) => Some(format!("{origin} (mode monitor)")),
        };
        Self {
            carrier: carrier.to_string(),
            what: subject.to_string(),
            address,
            range: match subject {
                Subject::Address { range, .. } => range.name.to_owned(),
                _ => net,
            },
            rule: subject.rule(),
            rule_origin: subject.origin().to_string(),
            action: match action {
                Action::Removed => "removed",
                Action::Hidden => "hidden: the client gets the answer under the name that it asked for",
                Action::Allowed(_) => "allowed",
                Action::Monitored(_) => "reported, let through",
            },
            allow: (*action == Action::Removed).then(|| verdict.allow_line(finding, query.question.name())),
            allowed_by,
        }
    }
}

impl Reply {
    fn of(response: &ClientResponse) -> Self {
        let answers = response.records().map(|record| record.to_text()).collect();
        Self {
            rcode: response.rcode().to_string(),
            records: answers,
            errors: response.errors().iter().map(ToString::to_string).collect(),
        }
    }
}
