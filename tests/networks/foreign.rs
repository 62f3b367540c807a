//! Strangers in the way: of each kind that the operator makes, something that somebody else made under that name. It is
//! looked at once, left as it is, and named.

use cloudfarm::cluster::object::Kind;
use kube::Api;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::bed::{bed, behind_a_firewall, vlan};
use crate::support::eventually;
use crate::support::world::{apply, machine, namespace, network, networks, tenant, tenants};

/// Made once and never looked at again, made when its time comes or by somebody else, or looked for elsewhere:
/// [`Kind::Namespace`] is adopted or refused by its label.
const OTHERWISE: [Kind; 12] = [
    Kind::Namespace,
    Kind::CronJob,
    Kind::ConfigMap,
    Kind::Retention,
    Kind::Lease,
    Kind::DataVolume,
    Kind::PersistentVolumeClaim,
    Kind::VirtualMachineSnapshot,
    // Wanted where Velero is alone.
    Kind::Schedule,
    // Wanted by an AccessGrant alone (`tests/grants/`).
    Kind::Role,
    // Kept where the config asks for them (`tests/report/`).
    Kind::Report,
    Kind::ClusterReport,
];

/// A tenant that wants something of every kind; its VM is on the network of type Pod alone.
fn bundle(name: &str, id: u16) -> Vec<Value> {
    let vm = json!({"virtualMachines": [machine("one", &["front"])]});
    let front = json!({
        "zone": "DMZ", "ingress": [{"name": "https", "world": true, "ports": [{"port": 443}]}],
        "expose": [{"vm": "one", "port": 443}],
        "tls": {"mode": "Terminate", "hosts": ["www.customer.example"], "issuerRef": {"kind": "ClusterIssuer", "name": "provider"}},
    });
    vec![
        namespace(name),
        tenant(name, vm),
        network(name, "front", front),
        network(name, "inner", json!({"type": "Layer2", "subnets": [{"cidr": "198.51.100.0/24"}]})),
        vlan(name, "routed", id, json!({"subnets": [{"cidr": "203.0.113.0/28"}]})),
        vlan(name, "bridged", id + 1, behind_a_firewall()),
    ]
}

/// The same thing in the eyes of Kubernetes, and nothing of ours.
fn of_somebody_else(wanted: &Value) -> Value {
    let mut stranger = wanted.clone();
    let metadata = &wanted["metadata"];
    stranger["metadata"] = json!({"name": metadata["name"], "namespace": metadata["namespace"]});
    stranger
}

fn wanted(name: &str, id: u16) -> Vec<Value> {
    let text: Vec<String> = bundle(name, id).iter().map(|manifest| format!("---\n{manifest}\n")).collect();
    let file = std::env::temp_dir().join(format!("cloudfarm-{name}-{}.yaml", std::process::id()));
    std::fs::write(&file, text.concat()).expect("a file");
    let rendered = cloudfarm::render::render(std::slice::from_ref(&file), crate::support::operator::config());
    std::fs::remove_file(&file).ok();
    rendered.expect("valid manifests").objects
}

async fn one_in_the_way(kind: Kind, number: u16) {
    let (plane, client) = bed().await;
    let (name, id) = (format!("way{number}"), 700 + 2 * number);
    let of_kind = |object: &&Value| object["kind"] == format!("{kind:?}").as_str();
    let found = wanted(&name, id).into_iter().find(|object| of_kind(&object));
    let stranger = of_somebody_else(&found.unwrap_or_else(|| panic!("{kind:?}: nothing of this kind is wanted")));
    // Before the namespace is a tenant's; later nobody but the operator makes such a thing there.
    let home = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("cf-{name}")}});
    apply(plane, &[home]);
    apply(plane, std::slice::from_ref(&stranger));
    let resource = kind.api_resource();
    let api = match stranger["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let own_name = stranger["metadata"]["name"].as_str().expect("a name");
    let before = api.get(own_name).await.expect("the stranger");
    apply(plane, &bundle(&name, id));

    let told = eventually(&format!("somebody to say that {kind:?} {own_name} is in the way"), || async {
        let mut declared = networks(&client, &name).list(&kube::api::ListParams::default()).await.ok()?.items;
        declared.push(tenants(&client).get(&name).await.ok()?);
        declared.into_iter().find_map(|declared| {
            let conditions = declared.data["status"]["conditions"].as_array()?.clone();
            let stalled = conditions.iter().find(|one| one["type"] == "Stalled" && one["status"] == "True")?;
            stalled["message"].as_str().filter(|message| message.contains(own_name)).map(str::to_owned)
        })
    })
    .await;
    assert!(told.contains(&format!("{kind:?}")) && told.contains("not made by cloudfarm"), "{told}");
    let after = api.get(own_name).await.expect("the stranger");
    assert_eq!((after.metadata.uid, after.data["spec"].clone()), (before.metadata.uid, before.data["spec"].clone()));
}

#[tokio::test]
async fn whatever_stands_in_the_way_of_any_kind_of_object_is_left_as_it_is_and_named() {
    let kinds = Kind::ALL.into_iter().filter(|kind| !OTHERWISE.contains(kind));
    let numbered = kinds.zip(1u16..);
    futures::future::join_all(numbered.map(|(kind, number)| one_in_the_way(kind, number))).await;
}
