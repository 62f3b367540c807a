//! Mail: a letter becomes a message of RFC 5322, and finds its way to the SMTP server.
//!
//! Nothing of it decides who is told or when (that is [`crate::notice`]). What the server answers is kept as a number: its
//! words may hold an address (I9).

mod message;
mod post;

pub use message::{Sealed, message_id, seal};
pub use post::{Outcome, Post, Shut};
