//! Notices by mail, on a real API server and a real SMTP server (mailpit): who is told, once, in a mail that can be read; and
//! what becomes of it when the server is slow, refuses, drops, or loses its answer.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

#[path = "notices/bed.rs"]
mod bed;
#[path = "notices/mailpit.rs"]
mod mailpit;
#[path = "notices/many.rs"]
mod many;
#[path = "notices/own.rs"]
mod own;
#[path = "notices/post.rs"]
mod post;
#[path = "notices/proxy.rs"]
mod proxy;
#[path = "notices/told.rs"]
mod told;
#[path = "notices/wrong.rs"]
mod wrong;
