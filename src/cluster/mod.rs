//! The only module that writes to the API server.

pub mod applied;
mod managed;
pub mod object;
