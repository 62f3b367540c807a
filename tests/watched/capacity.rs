//! A contract that fills up (12.1.3).

use cloudfarm::operator::clock::Clock;
use serde_json::{Value, json};

use crate::bed::{Bed, bed, bed_of_its_own, said};
use crate::support::audit::{Call, Mark};
use crate::support::faults::{Break, Faults};
use crate::support::operator::{Operator, config};
use crate::support::world::{self, apply, condition, machine, message, network, tenant};

/// A tenant with so many VMs of one CPU each, and a contract for so many.
fn full(name: &str, vms: usize, vcpus: i64) -> Value {
    let machines: Vec<Value> = (0..vms).map(|number| machine(&format!("vm-{number}"), &["front"])).collect();
    let capacity = json!({"vcpus": vcpus, "memory": "400Gi", "storage": "1Ti", "instances": 64});
    tenant(name, json!({"contract": {"capacity": capacity}, "virtualMachines": machines}))
}

async fn settled(bed: &Bed, name: &str, vms: usize) {
    apply(&bed.plane, &[world::namespace(name), full(name, vms, 10), network(name, "front", json!({}))]);
    condition(&bed.tenants(), name, "Ready", "True").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nine_tenths_are_silent_one_cpu_more_is_told_once_also_after_a_restart_and_another_contract_at_once() {
    let bed = bed().await;
    let operator = bed.operator().await;
    settled(&bed, "full", 9).await;
    let border = condition(&bed.tenants(), "full", "CapacityWithinThreshold", "True").await;
    assert_eq!(border["status"]["capacitySummary"], "90%");
    assert!(bed.events("full", "OverThreshold").is_empty());

    apply(&bed.plane, &[full("full", 10, 10)]);
    let over = condition(&bed.tenants(), "full", "CapacityWithinThreshold", "False").await;
    assert!(message(&over, "CapacityWithinThreshold").contains("vcpus: 10 allocated (100 %)"), "{over:#}");
    condition(&bed.tenants(), "full", "Ready", "True").await;
    let told = bed.events("full", "OverThreshold");
    assert!(told.len() == 1 && told[0].ends_with(".capacity-vcpus-1"), "{told:?}");

    // A restart tells nothing again and writes nothing.
    condition(&world::retentions(&bed.client), "full", "Ready", "True").await;
    let ready = bed.until("full", "all VMs run", |it| it["status"]["vmsSummary"] == "10/10").await;
    operator.stop().await;
    let mark = Mark::now(&bed.plane);
    let operator = bed.operator().await;
    apply(&bed.plane, &[tenant("after-full", json!({}))]);
    condition(&bed.tenants(), "after-full", "Ready", "True").await;
    let calls = mark.calls(&bed.plane).await;
    let of_full = |call: &&Call| {
        call.name == "full" || ["cf-full", "cfd-full"].iter().any(|home| call.namespace == *home || call.name == *home)
    };
    let about: Vec<_> = calls.iter().filter(|call| call.writes()).filter(of_full).collect();
    assert!(about.is_empty(), "{about:#?}");
    // An Event of a name that is there is refused: only the call tells that it was told again.
    let again = mark.events(&bed.plane).await;
    let told_again: Vec<_> = again.iter().filter(|call| call.name.contains("capacity-vcpus")).collect();
    assert!(told_again.is_empty() && told == bed.events("full", "OverThreshold"), "{told_again:#?}");
    let now = bed.until("full", "it is there", |_| true).await;
    assert_eq!(now["status"]["capacity"], ready["status"]["capacity"]);

    // A larger contract re-arms at once, a smaller one is another crossing.
    apply(&bed.plane, &[full("full", 10, 20)]);
    let well = condition(&bed.tenants(), "full", "CapacityWithinThreshold", "True").await;
    assert!(well["status"]["capacityHistory"][0]["rearmedAt"].is_string(), "{well:#}");
    apply(&bed.plane, &[full("full", 10, 11)]);
    condition(&bed.tenants(), "full", "CapacityWithinThreshold", "False").await;
    let told = bed.events("full", "OverThreshold");
    assert!(told.len() == 2 && told[1].ends_with(".capacity-vcpus-2"), "{told:?}");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_the_event_and_the_status_tells_nothing_twice() {
    // Writes are counted, so nobody else's tenants may be there.
    let bed = bed_of_its_own("torn").await;
    let operator = bed.operator().await;
    settled(&bed, "torn", 10).await;
    condition(&bed.tenants(), "torn", "CapacityWithinThreshold", "False").await;
    apply(&bed.plane, &[full("torn", 10, 20)]);
    condition(&bed.tenants(), "torn", "CapacityWithinThreshold", "True").await;
    condition(&world::retentions(&bed.client), "torn", "Ready", "True").await;
    operator.stop().await;

    // Its quota is the first write, its status the second: before that one the process dies.
    apply(&bed.plane, &[full("torn", 10, 10)]);
    let operator =
        Operator::start_with(&bed.plane, Faults::at(2, Break::CrashBefore), config(), Clock::default()).await;
    operator.faults.crashed.notified().await;
    operator.kill().await;
    let told = bed.events("torn", "OverThreshold");
    assert!(told.len() == 2 && told[1].ends_with(".capacity-vcpus-2"), "told before the status: {told:?}");
    let before = bed.until("torn", "it is there", |_| true).await;
    assert_eq!(said(&before, "CapacityWithinThreshold"), "True", "the status was not written");

    let operator = bed.operator().await;
    let after = condition(&bed.tenants(), "torn", "CapacityWithinThreshold", "False").await;
    assert_eq!(after["status"]["capacityHistory"][0]["number"], 2);
    assert_eq!(bed.events("torn", "OverThreshold"), told, "exactly one for each crossing");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn borders_that_would_repeat_without_end_are_refused_in_words() {
    let bed = bed().await;
    let odd = tenant("odd-border", json!({"capacityAlert": {"thresholdPercent": 80, "rearmPercent": 80}}));
    let (ok, said) = bed.plane.try_kubectl(&["apply", "-f", "-"], Some(&odd.to_string()));
    assert!(!ok && said.contains("rearmPercent must be below thresholdPercent"), "{said}");
}
