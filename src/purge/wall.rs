//! The tenant's wall in the Admin tier, as a purge finds it: an object of the whole cluster, so that no namespace takes
//! it along.

use kube::api::DynamicObject;
use kube::{Api, Client, ResourceExt};

use super::inventory::Place;
use super::plan::{Inventory, Item, KindName, Step, Way};
use crate::api::{home, labels};
use crate::cluster::write::{WriteError, classify};

/// Adds the wall, which goes after the namespaces that it stands around. One of them that is kept for its records keeps
/// the wall, too.
pub async fn find(
    client: &Client,
    place: &Place<'_>,
    kind: &KindName,
    found: &mut Inventory,
) -> Result<(), WriteError> {
    if !found.kept.is_empty() {
        return Ok(());
    }
    let api = Api::<DynamicObject>::all_with(client.clone(), &kind.api_resource());
    let wall = api.get_opt(&home::wall(place.tenant)).await.map_err(classify)?;
    found.items.extend(wall.filter(|wall| is_theirs(wall, place)).map(|wall| Item {
        step: Step::Namespaces,
        kind: kind.clone(),
        namespace: None,
        name: wall.name_any(),
        uid: wall.uid().unwrap_or_default(),
        way: Way::Delete,
        after: innermost(place),
        bytes: None,
    }));
    Ok(())
}

/// A namesake that came after this tenant has a wall of the same name. Where the namespaces that are pinned still stand,
/// nobody else can have come.
fn is_theirs(wall: &DynamicObject, place: &Place) -> bool {
    let label = |key: &str| wall.labels().get(key).map(String::as_str);
    let ours = label(labels::MANAGED_BY) == Some(labels::FIELD_MANAGER) && label(labels::TENANT) == Some(place.tenant);
    let owner = wall.annotations().get(labels::OWNER_UID).map(String::as_str);
    ours && (!place.namespaces.is_empty() || owner.is_some_and(|uid| uid == place.tenant_uid))
}

/// Uid of the namespace in which VMs are, or of what is left.
fn innermost(place: &Place) -> Option<String> {
    let customer = place.namespaces.get(&home::customer_namespace(place.tenant));
    customer.or_else(|| place.namespaces.values().next()).cloned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::api::retention::LogRetention;
    use crate::purge::inventory::unlisted_by_purge;

    fn wall(manager: &str, tenant: &str, owner: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "metadata": {
                "name": "cf-plum",
                "labels": {"app.kubernetes.io/managed-by": manager, "cloudfarm.dev/tenant": tenant},
                "annotations": {"cloudfarm.dev/owner-uid": owner},
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_wall_is_the_tenants_by_the_pinned_uid_or_while_its_namespaces_stand_and_never_a_strangers() {
        let standing = BTreeMap::from([("cf-plum".to_owned(), "n-uid".to_owned())]);
        let gone = BTreeMap::new();
        let cases = [
            ("its own, in the middle of the purge", wall("cloudfarm", "plum", "t-uid"), &standing, true),
            ("its own, after the namespaces", wall("cloudfarm", "plum", "t-uid"), &gone, true),
            ("declared anew and not written since", wall("cloudfarm", "plum", "t-before"), &standing, true),
            ("a namesake's, after this one was erased", wall("cloudfarm", "plum", "t-after"), &gone, false),
            ("written by a person", wall("", "plum", "t-uid"), &standing, false),
            ("labelled for somebody else", wall("cloudfarm", "pear", "t-uid"), &standing, false),
        ];
        for (case, wall, namespaces, theirs) in cases {
            let place = Place {
                tenant: "plum",
                tenant_uid: "t-uid",
                namespaces,
                log_retention: LogRetention::standard(),
                now: Timestamp::UNIX_EPOCH,
                unlisted: unlisted_by_purge,
            };
            assert_eq!(is_theirs(&wall, &place), theirs, "{case}");
        }
    }
}
