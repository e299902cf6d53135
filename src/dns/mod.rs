//! The wire, and the only module besides `upstream` and `listen` that names the DNS library.
//!
//! ```text
//! datagram ─ Query::parse ─▶ Query ─ write_upstream_query ─▶ upstream
//! upstream ─ UpstreamResponse::parse (strict, rebuilt) ─▶ policy ─▶ Message::write ─▶ datagram
//! ```
//!
//! Names, messages and records are octets that were checked once, where they came in. The checks on the data path are
//! our own code, since a reply has to be both read and rebuilt without a tree of allocations; `hickory-proto` knows the
//! registry (record types and their mnemonics), and tests hold the reader against it and against a second library.

mod addresses;
mod ancestors;
mod edns;
mod embedded;
mod kind;
mod local;
mod message;
mod name;
mod nat64;
mod pointers;
mod presentation;
mod public_suffix;
mod query;
mod rdata;
mod response;
mod reversed;
mod shown;
mod spelled;
mod svcb;
mod targets;
mod uri;
mod wire;

pub use addresses::{Carrier, each_address};
pub use ancestors::Ancestors;
pub use edns::{Ede, EdeCode, Edns, PLAIN_PAYLOAD, UDP_PAYLOAD};
pub use embedded::Embedding;
pub use kind::{Class, Rcode, RecordType};
pub use local::{LOCAL_TTL, LocalAnswer};
pub use message::{Message, MessageBuilder, Record, Section};
pub use name::{FoldedName, Name, NameError, NameRef};
pub use nat64::{NAT64_LENGTHS, embed_nat64, learned_prefixes};
pub use public_suffix::{has_suffixes_below, public_suffix};
pub use query::{Asker, NotAQuery, Query, Question};
pub use response::{
    MAX_ALIASES, ResponseError, UpstreamResponse, remove_edns, write_addresses_reply, write_upstream_query,
};
pub use reversed::reversed_net;
pub use shown::{Shown, is_visible, write_escaped, write_json_escaped};
pub use spelled::{Spelling, each_spelled_address, is_dnsbl_shaped};
pub use svcb::Svcb;
pub use targets::{Leads, Target, each_target};
pub use wire::Malformed;
