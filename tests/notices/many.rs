//! A vulnerability, told to everybody at once. `CLOUDFARM_TENANTS=10000` for the large one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{bed_apart, is, person};
use crate::mailpit::Mailpit;
use crate::support::{eventually, world};

/// What the process has had in memory at most, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024
}

/// So many mails after the first ones: each tenth has its own time to come.
async fn arrived(mailpit: &Mailpit, first: usize, more: usize) {
    for tenth in 1..=10 {
        let count = first + more * tenth / 10;
        eventually(&format!("{count} mails"), || async { (mailpit.count() >= count).then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tenants_with_two_administrators_are_told_once_each_within_bounded_memory() {
    let tenants: usize = std::env::var("CLOUDFARM_TENANTS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    let bed = bed_apart("many").await;
    let mailpit = Mailpit::start("many", true).await;
    let people = |tenant: usize| {
        json!([
            person(&format!("sato-{tenant}"), json!({"locale": "ja"})),
            person(&format!("abe-{tenant}"), json!({"role": "Administrator"})),
        ])
    };
    let manifests: Vec<Value> = (0..tenants)
        .map(|tenant| {
            let mut manifest = world::tenant(&format!("many-{tenant}"), json!({"administrators": people(tenant)}));
            manifest["metadata"]["labels"] = json!({"story": "many"});
            manifest
        })
        .collect();
    for some in manifests.chunks(200) {
        world::apply(bed.plane, some);
    }
    // They stand, and their openings are told, before the clock runs.
    let operator = bed.operator(&mailpit.config()).await;
    arrived(&mailpit, 0, tenants).await;
    for tenant in 0..tenants {
        world::condition(&world::tenants(&bed.client), &format!("many-{tenant}"), "WallsReady", "True").await;
    }
    operator.rest(Duration::from_secs(2)).await;
    let (before, began) = (peak(), Instant::now());
    bed.tell("everywhere", json!({"tenants": {"selector": {"story": "many"}}, "severity": "Critical"}));
    arrived(&mailpit, tenants, tenants * 2).await;
    let told = bed.until("everywhere", "all are told", |it| is(it, "NoticesDelivered", "True")).await;
    let (took, after) = (began.elapsed(), peak());
    println!(
        "{} mails to {tenants} tenants in {took:.1?}; memory {before} MiB before, {after} MiB at most",
        tenants * 2
    );
    assert_eq!(told["status"]["counts"], json!({"recipients": tenants * 2, "sent": tenants * 2, "failed": 0}));

    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    let mut people: BTreeMap<String, usize> = BTreeMap::new();
    for (to, message_id, _) in mailpit.heads() {
        *copies.entry(message_id).or_default() += 1;
        *people.entry(to).or_default() += 1;
    }
    assert!(copies.values().all(|count| *count == 1), "no mail came twice");
    assert!((0..tenants).all(|tenant| people[&format!("abe-{tenant}@customer.example")] == 1));
    assert!((0..tenants).all(|tenant| people[&format!("sato-{tenant}@customer.example")] == 2), "opening and notice");
    assert!(
        after - before < 64 + u64::try_from(tenants / 100).unwrap_or(0),
        "a line for each tenant and no list of mails"
    );
    operator.stop().await;
}
