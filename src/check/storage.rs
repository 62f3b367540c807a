//! Pure: what becomes of a tenant's volumes, and where they come from.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::ResourceExt;

use super::rights::Topic;
use super::scene::{Scene, Seen, Unseen};
use super::{Outcome, Verdict};

pub(super) fn reclaimed(scene: &Scene) -> Verdict {
    judged(keeping(scene), "is removed with its claim")
}

pub(super) fn not_reused(scene: &Scene) -> Verdict {
    let makers = scene.rights(Topic::Claims).nobody("claims and disks");
    match judged(foreign(scene), "was made for the claim it is bound to") {
        volumes if volumes.outcome == Outcome::Pass && makers.outcome == Outcome::Pass => {
            Verdict::pass(format!("{}; {}", volumes.reason, makers.reason))
        }
        volumes if volumes.outcome == Outcome::Fail => volumes,
        _ if makers.outcome == Outcome::Fail => {
            Verdict::fail(format!("a claim can name any volume that is free, and {}", makers.reason))
        }
        volumes if volumes.outcome == Outcome::Unknown => volumes,
        _ => makers,
    }
}

fn judged(found: Seen<Vec<String>>, otherwise: &str) -> Verdict {
    match found {
        Err(Unseen(why)) => Verdict::unknown(why),
        Ok(found) if found.is_empty() => Verdict::pass(format!("every volume of the tenant {otherwise}")),
        Ok(found) => Verdict::fail(found.join("; ")),
    }
}

/// Classes, and volumes that stand, which keep the data when the claim goes; and classes that do not exist.
fn keeping(scene: &Scene) -> Seen<Vec<String>> {
    let classes = scene.classes.as_ref().map_err(Clone::clone)?;
    let mut found = Vec::new();
    for name in class_names(scene)? {
        match classes.iter().find(|class| class.name_any() == name) {
            None => found.push(format!("StorageClass {name} does not exist")),
            Some(class) => match class.reclaim_policy.as_deref() {
                None | Some("Delete") => {}
                Some(policy) => found.push(format!("StorageClass {name}: reclaimPolicy is {policy}; Delete is right")),
            },
        }
    }
    for volume in volumes(scene)? {
        let policy = volume.spec.as_ref().and_then(|spec| spec.persistent_volume_reclaim_policy.as_deref());
        if policy != Some("Delete") {
            let name = volume.name_any();
            found.push(format!(
                "PersistentVolume {name}: reclaim policy is {}; Delete is right",
                policy.unwrap_or("unset")
            ));
        }
    }
    Ok(found)
}

/// The classes that the Tenant may use and the ones its claims use; without either, the cluster's default.
fn class_names(scene: &Scene) -> Seen<BTreeSet<String>> {
    let declared = scene.declared.as_ref().map_err(Clone::clone)?;
    let claims = scene.claims.as_ref().map_err(Clone::clone)?;
    let mut names: BTreeSet<String> = declared.spec.residency.storage_class_names.iter().cloned().collect();
    names.extend(claims.iter().filter_map(|claim| claim.spec.as_ref()?.storage_class_name.clone()));
    if names.is_empty() {
        let marked = "storageclass.kubernetes.io/is-default-class";
        let classes = scene.classes.as_ref().map_err(Clone::clone)?;
        let defaults =
            classes.iter().filter(|class| class.annotations().get(marked).is_some_and(|value| value == "true"));
        names.extend(defaults.map(ResourceExt::name_any));
    }
    names.remove("");
    Ok(names)
}

/// Volumes of the tenant that were not made for the claim that has them, and volumes left over from an earlier claim.
fn foreign(scene: &Scene) -> Seen<Vec<String>> {
    let claims = scene.claims.as_ref().map_err(Clone::clone)?;
    let told = |volume: &PersistentVolume| {
        let name = volume.name_any();
        let Some(claim) = claim_of(volume, claims) else {
            return Some(format!("PersistentVolume {name} is left over from a claim that does not exist any more"));
        };
        let made = volume.annotations().contains_key("pv.kubernetes.io/provisioned-by");
        (!made).then(|| {
            format!("PersistentVolume {name} was there before claim {}, which is bound to it", claim.name_any())
        })
    };
    Ok(volumes(scene)?.into_iter().filter_map(told).collect())
}

/// Those that name a claim in the customer's namespace.
fn volumes(scene: &Scene) -> Seen<Vec<&PersistentVolume>> {
    let customer = scene.customer();
    let volumes = scene.volumes.as_ref().map_err(Clone::clone)?;
    let theirs = |volume: &&PersistentVolume| {
        let claim = volume.spec.as_ref().and_then(|spec| spec.claim_ref.as_ref());
        claim.is_some_and(|claim| claim.namespace.as_ref() == Some(&customer))
    };
    Ok(volumes.iter().filter(theirs).collect())
}

fn claim_of<'a>(volume: &PersistentVolume, claims: &'a [PersistentVolumeClaim]) -> Option<&'a PersistentVolumeClaim> {
    let named = volume.spec.as_ref()?.claim_ref.as_ref()?;
    claims.iter().find(|claim| claim.uid() == named.uid && claim.uid().is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::check::rights::Rights;
    use crate::check::scene::tests::empty;

    fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    /// One claim with the volume that was made for it, of the class that the Tenant names.
    fn scene() -> Scene {
        let mut scene = empty();
        scene.classes =
            Ok(vec![of(json!({"metadata": {"name": "fast"}, "provisioner": "p", "reclaimPolicy": "Delete"}))]);
        scene.claims =
            Ok(vec![of(json!({"metadata": {"name": "c", "uid": "1"}, "spec": {"storageClassName": "fast"}}))]);
        scene.volumes = Ok(vec![volume("Delete", "1", true)]);
        scene.declared = Ok(crate::check::scene::tests::tenant(&["fast"]));
        scene.rights.insert(Topic::Claims, Rights { asked: 1, ..Rights::default() });
        scene
    }

    fn volume(policy: &str, uid: &str, made: bool) -> PersistentVolume {
        let annotations = if made { json!({"pv.kubernetes.io/provisioned-by": "p"}) } else { json!({}) };
        of(json!({
            "metadata": {"name": "v", "annotations": annotations},
            "spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": {"namespace": "cf-acme", "name": "c", "uid": uid}},
        }))
    }

    #[test]
    fn volumes_that_go_with_their_claim_and_were_made_for_it_pass() {
        assert_eq!((reclaimed(&scene()).outcome, not_reused(&scene()).outcome), (Outcome::Pass, Outcome::Pass));
        assert_eq!((reclaimed(&empty()).outcome, not_reused(&empty()).outcome), (Outcome::Unknown, Outcome::Unknown));
    }

    #[test]
    fn a_class_or_a_volume_that_keeps_what_is_released_fails_and_so_does_a_class_that_is_not_there() {
        let mut retains = scene();
        retains.classes =
            Ok(vec![of(json!({"metadata": {"name": "fast"}, "provisioner": "p", "reclaimPolicy": "Retain"}))]);
        let mut gone = scene();
        gone.classes = Ok(Vec::new());
        let mut kept = scene();
        kept.volumes = Ok(vec![volume("Retain", "1", true)]);
        for scene in [retains, gone, kept] {
            assert_eq!(reclaimed(&scene).outcome, Outcome::Fail);
        }
    }

    #[test]
    fn a_volume_of_an_earlier_claim_or_of_somebody_elses_making_fails() {
        for used_again in [volume("Delete", "2", true), volume("Delete", "1", false)] {
            let mut scene = scene();
            scene.volumes = Ok(vec![used_again]);
            assert_eq!(not_reused(&scene).outcome, Outcome::Fail);
        }
    }
}
