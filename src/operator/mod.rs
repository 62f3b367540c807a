//! Start-up, leader election, readiness, metrics, clock.

pub mod config;
