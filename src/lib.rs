//! `cloudfarm`: isolated VM environments whose promises are made true in the cluster, or reported as not true.
#![forbid(unsafe_code)]

pub mod api;
pub mod cluster;
pub mod operator;
