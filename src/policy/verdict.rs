//! What was decided, and why, in words that the log, the EDE text and `explain` share.

use std::fmt;
use std::net::IpAddr;

use crate::dns::{Carrier, Name, NameRef};

use super::blocked::BlockedRange;
use super::names::Inside;
use super::settings::Origin;

/// The decision on one reply.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Everything in the reply that leads inside, removed or not.
    pub findings: Vec<Finding>,
    /// What it amounts to.
    pub category: Category,
}

/// What a reply amounts to; also the label of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Category {
    /// Nothing leads inside, or what does was silently allowed.
    #[default]
    Clean,
    /// Something leads inside and was removed.
    Blocked,
    /// Nothing but 0.0.0.0 or ::, the block answer of an upstream: NODATA, no alarm.
    Sinkhole,
    /// Something leads inside, and was let through to be reported.
    Monitored,
}

impl Category {
    /// The word for it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Blocked => "blocked",
            Self::Sinkhole => "sinkhole",
            Self::Monitored => "monitored",
        }
    }
}

/// One thing in a reply that leads inside.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Where it stands.
    pub carrier: Carrier,
    /// What it is.
    pub subject: Subject,
    /// What was done about it.
    pub action: Action,
}

/// What leads inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An address.
    Address {
        /// As it stands in the record.
        address: IpAddr,
        /// What a packet to it may reach: the address itself or one embedded in it.
        reaches: IpAddr,
        /// The range that decided.
        range: BlockedRange,
    },
    /// An alias.
    Alias {
        /// The name it leads to.
        target: Name,
        /// Why that is inside.
        inside: Inside,
    },
    /// A port outside those that serve what the record is for; strict profile only.
    Port(u16),
}

/// What was done about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Removed.
    Removed,
    /// Let through by an exception or a route, written here.
    Allowed(Origin),
    /// Let through, but reported: `mode = "monitor"`, of the guard or of an exception written here.
    Monitored(Origin),
}

impl Verdict {
    /// The findings that were removed or are to be reported.
    pub fn reported(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| !matches!(finding.action, Action::Allowed(_)))
    }

    /// The finding to name first.
    pub fn leading(&self) -> Option<&Finding> {
        self.reported().next()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { address, reaches, range } if address == reaches => {
                write!(f, "{address} is in {range}")
            }
            Self::Address { address, reaches, range } => write!(f, "{address} reaches {reaches}, in {range}"),
            Self::Port(port) => write!(f, "port {port} is not one that serves HTTPS or DNS"),
            Self::Alias { target, inside } => match inside {
                Inside::Special(special) => {
                    write!(f, "alias {target} is under {}, not public ({})", special.name, special.reference)
                }
                Inside::SingleLabel => write!(f, "alias {target} is a single label, not public"),
                Inside::Numeric => write!(f, "alias {target} ends in a number, not public"),
                Inside::Exempt { domain, origin } => {
                    write!(f, "alias {target} leads to the exempt {domain} ({origin})")
                }
                Inside::NotAHostName => write!(f, "alias {target} is not a host name"),
                Inside::Zone { zone, origin } => write!(f, "alias {target} leads into {zone} ({origin})"),
            },
        }
    }
}

impl Subject {
    /// The name of the range, or of the rule on aliases; one of a fixed set.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Address { range, .. } => range.name,
            Self::Alias { inside: Inside::Special(_), .. } => "alias-special-use",
            Self::Alias { inside: Inside::SingleLabel, .. } => "alias-single-label",
            Self::Alias { inside: Inside::Numeric, .. } => "alias-numeric",
            Self::Alias { inside: Inside::NotAHostName, .. } => "alias-not-a-host",
            Self::Alias { inside: Inside::Exempt { .. }, .. } => "alias-to-exempt",
            Self::Alias { inside: Inside::Zone { .. }, .. } => "alias-into-zone",
            Self::Port(_) => "service-port",
        }
    }

    /// The address or name, and the range or zone it is in, as fields of a log line.
    pub fn parts(&self) -> (String, String) {
        match self {
            Self::Address { address, range, .. } => (address.to_string(), range.net.to_string()),
            Self::Alias { target, inside: Inside::Zone { zone, .. } } => {
                (target.to_string(), zone.to_string())
            }
            Self::Alias { target, inside: Inside::Special(special) } => {
                (target.to_string(), special.name.to_string())
            }
            Self::Alias { target, .. } => (target.to_string(), String::new()),
            Self::Port(port) => (port.to_string(), String::new()),
        }
    }

    /// Who set the rule.
    pub fn origin(&self) -> &Origin {
        match self {
            Self::Address { range, .. } => &range.origin,
            Self::Alias { inside: Inside::Zone { origin, .. } | Inside::Exempt { origin, .. }, .. } => origin,
            Self::Alias { .. } | Self::Port(_) => &Origin::BuiltIn,
        }
    }

    /// What to write into the configuration so that `question` may answer with this.
    pub fn allow_line(&self, question: NameRef<'_>) -> String {
        let question = toml_name(question);
        match self {
            Self::Address { reaches, address, .. } => {
                let host = |address: &IpAddr| format!("\"{}\"", ipnet::IpNet::from(*address));
                let mut networks = host(reaches);
                // Where the outer address is blocked too, both have to be named; one more network does no harm.
                if address != reaches {
                    networks = format!("{networks}, {}", host(address));
                }
                format!("[[exception]] domain = \"{question}\" exact = true networks = [{networks}]")
            }
            Self::Port(_) => "[guard] profile = \"standard\"".to_owned(),
            Self::Alias { .. } => {
                format!("[[local]] name = \"{question}\" addresses = [\"the address it shall have\"]")
            }
        }
    }
}

/// A name as it stands in a TOML basic string.
fn toml_name(name: NameRef<'_>) -> String {
    name.to_name().to_string().replace('\\', "\\\\")
}
