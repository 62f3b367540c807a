//! Who entered customers' areas, and on which grant, by the API server's audit log (5.1.1-4, 12.4.1, 16.1.7).
//!
//! A process of its own, beside the API server, since it has to read what nobody of ours should be able to write. It reads
//! audit events from a log file ([`tail`]) or is posted them ([`listen`]), keeps those that are a door into a VM or into
//! its data ([`event`], [`action`]), waits until each is told apart from a refusal ([`desk`]), and judges whose it is
//! ([`judge`]): the customer's own, a session on an AccessGrant, or unapproved. The keeper writes that down ([`keeper`]).
//!
//! Nothing is remembered over a restart, and nothing has to be: what is written is a union by the audit id and the instant
//! ([`record`]), so that reading a log again changes nothing.

pub mod action;
pub mod desk;
pub mod event;
pub mod judge;
pub mod keeper;
pub mod listen;
pub mod metrics;
pub mod record;
pub mod tail;

/// Namespace of the process, which may need to read a file of its node: Pod Security of the operator's would forbid that.
pub const NAMESPACE: &str = "cloudfarm-sessions";

/// Name of the service account, of its roles, and field manager of `status.sessions`.
pub const NAME: &str = "cloudfarm-sessions";
