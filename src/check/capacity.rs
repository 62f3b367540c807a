//! Pure: the quotas of the customer's namespace.

use std::collections::BTreeSet;

use super::rights::{Countable, Topic};
use super::scene::{Scene, Unseen};
use super::{Outcome, Verdict};

/// The contract is about these. Not limits: KubeVirt's launcher sets some of its own.
const AMOUNTS: [&str; 3] = ["requests.cpu", "requests.memory", "requests.storage"];

/// What the benchmark counts, with every way in which a quota may name it, and what a tenant creates to get one.
const NUMBERS: [(&[&str], Countable); 7] = [
    (&["persistentvolumeclaims", "count/persistentvolumeclaims"], Countable::Claims),
    (&["services.nodeports"], Countable::Services),
    (&["services.loadbalancers"], Countable::Services),
    (&["services", "count/services"], Countable::Services),
    (&["pods", "count/pods"], Countable::Pods),
    (&["secrets", "count/secrets"], Countable::Secrets),
    (&["configmaps", "count/configmaps"], Countable::ConfigMaps),
];

/// These stand always: what the platform makes for a VM counts, too.
const ALWAYS: [&str; 2] = ["persistentvolumeclaims", "services.nodeports"];

pub(super) fn amounts(scene: &Scene) -> Verdict {
    let hard = match hard(scene) {
        Ok(hard) => hard,
        Err(Unseen(why)) => return Verdict::unknown(why),
    };
    let missing: Vec<&str> = AMOUNTS.into_iter().filter(|amount| !hard.contains(*amount)).collect();
    if missing.is_empty() {
        Verdict::pass(format!("ResourceQuotas limit {}", AMOUNTS.join(", ")))
    } else {
        Verdict::fail(format!("no ResourceQuota in {} limits {}", scene.customer(), missing.join(", ")))
    }
}

pub(super) fn numbers(scene: &Scene) -> Verdict {
    let hard = match hard(scene) {
        Ok(hard) => hard,
        Err(Unseen(why)) => return Verdict::unknown(why),
    };
    let (mut counted, mut never_made) = (Vec::new(), Vec::new());
    for (names, countable) in NUMBERS {
        if names.iter().any(|name| hard.contains(*name)) {
            counted.push(names[0]);
            continue;
        }
        let makers = scene.rights(Topic::Counted(countable)).nobody("creating them");
        match makers.outcome {
            _ if ALWAYS.contains(&names[0]) => return uncounted(scene, names[0], "VMs have them"),
            Outcome::Pass => never_made.push(names[0]),
            Outcome::Unknown => return Verdict::unknown(format!("no quota counts {}: {}", names[0], makers.reason)),
            _ => return uncounted(scene, names[0], &makers.reason),
        }
    }
    let rest = if never_made.is_empty() {
        String::new()
    } else {
        format!("; nobody of the tenant may create {}", never_made.join(", "))
    };
    Verdict::pass(format!("ResourceQuotas count {}{rest}", counted.join(", ")))
}

fn uncounted(scene: &Scene, what: &str, who: &str) -> Verdict {
    Verdict::fail(format!("no ResourceQuota in {} counts {what}, and {who}", scene.customer()))
}

/// Everything that some quota limits.
fn hard(scene: &Scene) -> Result<BTreeSet<&str>, Unseen> {
    let quotas = scene.quotas.as_ref().map_err(Clone::clone)?;
    let limits = quotas.iter().filter_map(|quota| quota.spec.as_ref()?.hard.as_ref());
    Ok(limits.flat_map(|hard| hard.keys().map(String::as_str)).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::rights::{Access, Rights};
    use crate::check::scene::tests::empty;

    /// A namespace whose quota limits these, and whose people may create nothing.
    fn scene(limited: &[&str]) -> Scene {
        let mut scene = empty();
        let hard: serde_json::Map<_, _> = limited.iter().map(|&name| (name.to_owned(), json!("1"))).collect();
        scene.quotas = Ok(vec![serde_json::from_value(json!({"spec": {"hard": hard}})).unwrap()]);
        for topic in Topic::ALL {
            scene.rights.insert(topic, Rights { asked: 1, ..Rights::default() });
        }
        scene
    }

    #[test]
    fn every_amount_has_to_be_limited() {
        assert_eq!(amounts(&scene(&AMOUNTS)).outcome, Outcome::Pass);
        for left_out in AMOUNTS {
            let rest: Vec<&str> = AMOUNTS.into_iter().filter(|amount| *amount != left_out).collect();
            let verdict = amounts(&scene(&rest));
            assert!(verdict.outcome == Outcome::Fail && verdict.reason.ends_with(left_out), "{verdict:?}");
        }
        assert_eq!(amounts(&empty()).outcome, Outcome::Unknown);
    }

    #[test]
    fn what_somebody_can_create_without_being_counted_fails() {
        let mut scene = scene(&ALWAYS);
        assert_eq!(numbers(&scene).outcome, Outcome::Pass);
        let granted = vec![("sato".to_owned(), Access::on("create", "", "secrets"))];
        scene.rights.insert(Topic::Counted(Countable::Secrets), Rights { granted, asked: 1, unseen: None });
        let verdict = numbers(&scene);
        assert!(
            verdict.outcome == Outcome::Fail && verdict.reason.contains("counts secrets, and sato may create secrets")
        );
        scene.rights.insert(Topic::Counted(Countable::Secrets), Rights::unseen("forbidden"));
        assert_eq!(numbers(&scene).outcome, Outcome::Unknown);
    }

    #[test]
    fn claims_and_node_ports_are_counted_whoever_makes_them() {
        for only in ALWAYS {
            assert_eq!(numbers(&scene(&[only])).outcome, Outcome::Fail);
        }
    }
}
