//! Tenants from Git, by Flux's own kustomize-controller on a real API server. Only who fetches Git is a stand-in of
//! ours, as the names of these tests say: source-controller cannot be built from the module registry.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

#[path = "gitops/fetcher.rs"]
mod fetcher;
#[path = "gitops/flux.rs"]
mod flux;
#[path = "gitops/git.rs"]
mod git;

#[path = "gitops/argo.rs"]
mod argo;
#[path = "gitops/health.rs"]
mod health;
#[path = "gitops/stories.rs"]
mod with_a_fetcher_of_ours_a_tenant;
#[path = "gitops/example.rs"]
mod with_a_fetcher_of_ours_the_example;
