//! `cloudfarm`: isolated VM environments whose promises are made true in the cluster, or reported as not true.
//!
//! A guided tour, in the direction in which data flows:
//!
//! 1. [`api`] is what people write: `Tenant`, `TenantNetwork`, `Retention`, `AccessGrant`, `Notice`.
//! 2. [`foreign`] is what our neighbours define, trimmed to the fields we set or read.
//! 3. [`tenant`], [`network`], [`retention`] and [`access`] hold the five steps of each kind:
//!    `watch -> observe -> desired -> apply -> status`. `desired` and `status` are pure.
//! 4. [`cluster`] is the only module that writes to the API server.
//! 5. [`operator`] is everything around it: start-up, watches, queues, lease, metrics, clock.
//! 6. [`render`] runs the pure steps without a cluster; [`install`] is what a cluster needs besides the CRDs.
//! 7. [`check`] judges one live tenant by the Multi-Tenancy Benchmark.
//! 8. [`probe`] sends packets, to see whether the network plugin obeys the policies.
//! 9. [`evidence`] is the proof: signed certificates in a chain, and each clause of the whitepaper judged and printed.
//! 10. [`images`] is the gate before a VM's first start: scans of images, their results, and exceptions.
//! 11. [`letters`] is what mails say, in both languages; [`statuspage`] is the public part of it as a page and a feed.
//! 12. [`notice`] tells people by [`mail`], and keeps a record of it.
//! 13. [`sessions`] tells from the API server's audit log who entered customers' areas, and on which grant.
#![forbid(unsafe_code)]

pub mod api;
pub mod foreign;

pub mod access;
pub mod check;
pub mod evidence;
pub mod images;
pub mod letters;
pub mod mail;
pub mod network;
pub mod notice;
pub mod probe;
pub mod purge;
pub mod retention;
pub mod sessions;
pub mod statuspage;
pub mod tenant;

pub mod cluster;
pub mod operator;

pub mod cli;
pub mod install;
pub mod render;
