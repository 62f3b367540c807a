//! How long an edit of a rule takes until packets know. Printed, never judged.

use std::time::{Duration, Instant};

use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::bed::Bed;
use super::cells::Cell;
use super::matrix::{agree, all, settled};
use super::support::{eventually, world};

const EDITS: usize = 30;

#[test]
fn every_edit_of_a_rule_reaches_the_kernel() {
    super::in_turn(async |bed: &Bed| {
        let api = world::networks(&bed.admin, "acme");
        let is_edited = |cell: &Cell| {
            cell.from.name == "customer"
                && cell.to.name == "cf-acme/db-1"
                && cell.port == 8090
                && cell.protocol == "UDP"
        };
        let cells: Vec<Cell> = all(bed).into_iter().filter(is_edited).collect();
        assert_eq!(cells.len(), 2, "one of each family");
        let before = api.get("data").await.expect("a network").data["spec"]["ingress"].clone();
        let mut after = before.clone();
        let rule = json!({"name": "edited", "cidrs": ["198.51.100.0/24", "2001:db8:2::/64"], "ports": [{"protocol": "UDP", "port": 8090}]});
        after.as_array_mut().expect("rules").push(rule);
        let mut took: Vec<Duration> = Vec::new();
        for edit in 0..EDITS {
            let open = edit % 2 == 0;
            let rules = json!({"spec": {"ingress": if open { &after } else { &before }}});
            let began = Instant::now();
            api.patch("data", &PatchParams::default(), &Patch::Merge(&rules)).await.expect("an edit");
            eventually(&format!("edit {edit} to be in force"), || async { agree(&cells, open).then_some(()) }).await;
            took.push(began.elapsed());
        }
        took.sort();
        let at = |percent: usize| took[(took.len() * percent).div_ceil(100) - 1];
        println!("rule edit -> packets, both families, {EDITS} edits: p50 {:.0?}, p99 {:.0?}", at(50), at(99));
        settled(bed).await;
    });
}
