//! Probes: questions of our own that show whether a server answers. No client waits for them.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::dialogue::{Dialogue, Edns, Heard, write_query};
use super::error::ExchangeError;
use super::exchange::{Ask, Exchanger, Terms, is_failure};
use super::loops::{LoopState, ask_for_loop, is_inside};
use super::server::{ServerGroup, ServerState};
use crate::dns::{NameRef, Question, RecordType, UpstreamResponse};

/// How long a probe may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How long a server that fails now and then is not asked again whether it leads back, in milliseconds.
const FAILED_PAUSE: u64 = 10_000;

/// What a probe found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Answer,
    Silence,
    /// The probe could not be sent.
    Nothing,
}

impl Exchanger {
    pub(super) fn note_answer(&self, server: &ServerState, millis: u64) {
        if server.answered(millis) {
            tracing::info!(name: "server-back", server = %server.endpoint, "server answers again");
        }
    }

    /// Notes that a query of `asked_at` failed, and with it the server.
    pub(super) fn note_failure(
        self: &Rc<Self>,
        server: &Arc<ServerState>,
        error: &ExchangeError,
        millis: u64,
        asked_at: u64,
    ) {
        if server.failed(millis, asked_at) {
            tracing::warn!(name: "server-avoided", server = %server.endpoint, %error, "server avoided until it answers a probe");
            self.probe(server);
        }
    }

    /// Probes avoided servers, whose turn it is.
    pub(super) fn probe_avoided(self: &Rc<Self>, group: &ServerGroup) {
        for server in group.servers.iter().filter(|server| !server.is_up()) {
            self.probe(server);
        }
    }

    fn probe(self: &Rc<Self>, server: &Arc<ServerState>) {
        let (_, asked_at) = self.times();
        if !server.take_probe(asked_at) {
            return;
        }
        let (exchanger, server) = (Rc::clone(self), Arc::clone(server));
        tokio::task::spawn_local(async move {
            let found = exchanger.find_out(&server, known_address()).await;
            let (_, millis) = exchanger.times();
            match found {
                Found::Answer => exchanger.note_answer(&server, millis),
                Found::Silence => {
                    server.failed(millis, asked_at);
                }
                Found::Nothing => server.was_not_probed(millis),
            }
        });
    }

    /// Probes a server that did not answer a question in time, and avoids it if it does not answer the probe either.
    pub(super) fn suspect(self: &Rc<Self>, server: &Arc<ServerState>, asked: &Ask, asked_at: u64) {
        if !server.suspect(asked_at) {
            return;
        }
        tracing::debug!(server = %server.endpoint, "no answer in time: server avoided unless it answers a probe");
        // If the question was not for an address, the probe is: any server can look up the name's address.
        let address = match asked.question.rtype {
            RecordType::A => known_address(),
            _ => Question::new(asked.question.name(), RecordType::A),
        };
        let (exchanger, server) = (Rc::clone(self), Arc::clone(server));
        tokio::task::spawn_local(async move {
            let found = exchanger.find_out(&server, address).await;
            let (_, millis) = exchanger.times();
            match found {
                Found::Answer => exchanger.note_answer(&server, millis),
                Found::Silence => {
                    exchanger.note_failure(&server, &ExchangeError::Timeout, millis, asked_at);
                }
                Found::Nothing => {}
            }
            server.suspicion_is_over();
        });
    }

    /// Asks for the root's name servers, and for `address`, because some routers answer only for addresses. One answer is
    /// enough.
    async fn find_out(self: &Rc<Self>, server: &Arc<ServerState>, address: Question) -> Found {
        let root = Question::new(NameRef::ROOT, RecordType::NS);
        let (mut one, mut other) =
            (pin!(self.find_out_by(server, root)), pin!(self.find_out_by(server, address)));
        let (first, second) = tokio::select! {
            found = one.as_mut() => (found, other),
            found = other.as_mut() => (found, one),
        };
        match first {
            Found::Answer => Found::Answer,
            Found::Silence | Found::Nothing => second.await,
        }
    }

    async fn find_out_by(self: &Rc<Self>, server: &Arc<ServerState>, question: Question) -> Found {
        let ask = Ask { question, dnssec_ok: false, checking_disabled: false };
        let (now, _) = self.times();
        let link = self.link(server, now);
        match self.converse(&link, server, &ask, Terms::of_probe(TIMEOUT), None).await {
            Err(error) if error.is_about_server() => Found::Silence,
            Err(ExchangeError::Overload) => Found::Nothing,
            _ => Found::Answer,
        }
    }

    /// Asks those of a group's servers that `which` picks whether they lead back here.
    ///
    /// Must be called within the worker's tasks.
    pub fn look_for_loops(
        self: &Rc<Self>,
        group: &ServerGroup,
        which: impl Fn(&ServerState, &LoopState) -> bool,
    ) {
        for (server, loops) in group.with_loops().filter(|(server, loops)| which(server, loops)) {
            self.look_for_loop(server, loops);
        }
    }

    /// Looks again where a server that led back here has answered. That alone does not show that it leads elsewhere now: it
    /// may have known the answer by itself.
    pub(super) fn doubt_loop(self: &Rc<Self>, server: &Arc<ServerState>, loops: Option<&Arc<LoopState>>) {
        if let Some(loops) = loops.filter(|loops| loops.is_found()) {
            self.look_for_loop(server, loops);
        }
    }

    /// Looks where a server failed at once that may ask this machine: a resolver that sees its own question come back may fail
    /// so, and not by silence.
    pub(super) fn suspect_loop(self: &Rc<Self>, server: &Arc<ServerState>, loops: Option<&Arc<LoopState>>) {
        let (_, now) = self.times();
        if is_inside(server.endpoint.address().ip())
            && let Some(loops) = loops.filter(|loops| loops.was_not_asked_for(FAILED_PAUSE, now))
        {
            self.look_for_loop(server, loops);
        }
    }

    fn look_for_loop(self: &Rc<Self>, server: &Arc<ServerState>, loops: &Arc<LoopState>) {
        let (now, millis) = self.times();
        let Some((mark, question)) = loops.question(millis) else { return };
        let link = self.link(server, now);
        let (server, loops) = (Arc::clone(server), Arc::clone(loops));
        tokio::task::spawn_local(async move {
            // Plainly, and once: what comes of it says nothing else about the server.
            let ask = ask_for_loop(question);
            let mut message = Vec::new();
            write_query(&ask, &question, false, &mut message);
            let Ok(mut flight) = link.udp.send(server.endpoint.address(), &mut message, &question) else {
                return;
            };
            let Ok(Ok(wire)) = timeout(TIMEOUT, flight.reply()).await else { return };
            let response = UpstreamResponse::parse(&wire, &question, false);
            if !is_failure(&response.map_err(ExchangeError::from)) && !loops.has_seen(mark) {
                loops.leads_elsewhere(&server);
            }
        });
    }

    /// Whether `server` is asked with EDNS. If EDNS is off and a trial is due, the trial begins.
    pub(super) fn wants_edns(self: &Rc<Self>, server: &Arc<ServerState>) -> bool {
        if !server.edns.is_off() {
            return true;
        }
        let (_, now) = self.times();
        if server.edns.take_retry(now) {
            self.try_edns(server);
        }
        false
    }

    /// Asks for the root's name servers with EDNS as a trial, in addition to the query that the client waits for. Whoever is
    /// authoritative for the client's name has no say in it.
    pub(super) fn try_edns(self: &Rc<Self>, server: &Arc<ServerState>) {
        let (exchanger, server) = (Rc::clone(self), Arc::clone(server));
        let question = Question::new(NameRef::ROOT, RecordType::NS);
        let ask = Ask { question, dnssec_ok: false, checking_disabled: false };
        tokio::task::spawn_local(async move {
            let (begun, asked_at) = exchanger.times();
            let link = exchanger.link(&server, begun);
            let asked = server.write_case(&ask.question);
            let dialogue = Dialogue {
                link: &link,
                server: &server,
                loops: None,
                ask: &ask,
                asked,
                begun,
                timeout: TIMEOUT,
                asked_at,
            };
            let Heard { outcome, .. } = dialogue.once(Edns::ALWAYS).await;
            let (_, now) = exchanger.times();
            match outcome {
                Err(ExchangeError::Overload) => server.edns.was_not_tried(now),
                Ok(response) => server.edns_was_tried(server.believes(&response, now), now),
                Err(_) => server.edns_was_tried(false, now),
            }
        });
    }
}

/// The address of one of the root's name servers, which any resolver finds.
fn known_address() -> Question {
    let name = NameRef::from_wire(b"\x01a\x0croot-servers\x03net\x00").unwrap_or(NameRef::ROOT);
    Question::new(name, RecordType::A)
}
