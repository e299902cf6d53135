//! Why no answer came from a server.

use std::io;

use super::settings::Endpoint;
use crate::dns::{EdeCode, Rcode, ResponseError};

/// Why an exchange failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExchangeError {
    /// No usable reply in time.
    #[error("no answer in time")]
    Timeout,
    /// The upstream forwards its questions to us.
    #[error("the upstream {0} leads back to this daemon")]
    Loop(Endpoint),
    /// Nobody listens there (ICMP port unreachable, connection refused), or no way leads there.
    #[error("not reachable: {0}")]
    Unreachable(io::ErrorKind),
    /// It answers over UDP, where that was not enough, and not over TCP.
    #[error("no answer over TCP: {0}")]
    NoTcp(io::ErrorKind),
    /// A reply came and cannot be used.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// The question came back in other letter case: perhaps forged.
    #[error("the reply repeats the question in other letter case")]
    CaseMismatch,
    /// A reply without the question came back with this RCODE.
    #[error("the server answers {0} and no more")]
    Rcode(Rcode),
    /// There is no server to ask.
    #[error("there is no server to ask")]
    NoServer,
    /// Too much is asked at once, of this program or of the machine.
    #[error("too many questions at once")]
    Overload,
}

impl ExchangeError {
    /// Says something about the server, not about the question.
    pub fn is_about_server(&self) -> bool {
        matches!(self, Self::Timeout | Self::Loop(_) | Self::Unreachable(_))
    }

    /// The words for all of them in metrics, by [`ExchangeError::index`].
    pub const LABELS: [&'static str; 8] = [
        "timeout",
        "unreachable",
        "no-tcp",
        "bad-reply",
        "case-mismatch",
        "bare-error",
        "no-server",
        "overload",
    ];

    /// Its place in [`ExchangeError::LABELS`].
    pub fn index(&self) -> usize {
        match self {
            Self::Timeout | Self::Loop(_) => 0,
            Self::Unreachable(_) => 1,
            Self::NoTcp(_) => 2,
            Self::Response(_) => 3,
            Self::CaseMismatch => 4,
            Self::Rcode(_) => 5,
            Self::NoServer => 6,
            Self::Overload => 7,
        }
    }

    /// What a client is told besides SERVFAIL.
    pub fn ede(&self) -> EdeCode {
        match self {
            Self::Timeout | Self::Loop(_) | Self::Unreachable(_) | Self::NoTcp(_) | Self::NoServer => {
                EdeCode::NO_REACHABLE_AUTHORITY
            }
            Self::Response(_) | Self::CaseMismatch | Self::Rcode(_) => EdeCode::INVALID_DATA,
            Self::Overload => EdeCode::NOT_READY,
        }
    }
}

impl From<io::Error> for ExchangeError {
    fn from(error: io::Error) -> Self {
        // What this machine has run out of says nothing about the server.
        match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Self::Overload,
            _ => Self::Unreachable(error.kind()),
        }
    }
}
