//! The wire: names, queries, upstream replies, rebuilt replies.

mod name;

pub use name::{Name, NameError, NameRef};
