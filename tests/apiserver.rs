//! What the operator does on a real API server, with the rights of its own service account.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use cloudfarm::cluster::object::Kind;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use support::plane::Plane;
use support::world::{self, apply, condition, machine, message, network, resource, tenant};
use support::{eventually, operator};

/// The plane and a client of its administrator, with the operator running.
async fn bed() -> (&'static Plane, Client) {
    let plane = Plane::shared();
    operator::shared(plane);
    (plane, plane.admin().await)
}

fn policies(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(
        client.clone(),
        namespace,
        &resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    )
}

fn quotas(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource("", "v1", "ResourceQuota", "resourcequotas"))
}

fn volumes(client: &Client, namespace: &str) -> Api<DynamicObject> {
    Api::namespaced_with(
        client.clone(),
        namespace,
        &resource("cdi.kubevirt.io", "v1beta1", "DataVolume", "datavolumes"),
    )
}

async fn uid(api: &Api<DynamicObject>, name: &str) -> Option<String> {
    api.get_opt(name).await.expect("an answer")?.metadata.uid
}

#[tokio::test]
async fn every_kind_of_object_reads_back_with_the_fingerprint_it_was_applied_with() {
    let (plane, client) = bed().await;
    plane.install("ovn");
    let manifests = [
        world::namespace("readback"),
        tenant(
            "readback",
            json!({
                "contract": {"endDate": "2027-03-31", "capacity": {"memory": "65536Mi", "storage": "1e12"}},
                "residency": {"zones": ["jp-east-1b", "jp-east-1a"]},
                "classification": {"default": "internal", "levels": [{"name": "internal", "order": 1}]},
                "virtualMachines": [
                    {"name": "inline", "os": "Windows", "cpuCores": 2, "memory": "4096Mi", "image": {"registry": {"url": "docker://registry.invalid/image@sha256:0000000000000000000000000000000000000000000000000000000000000000"}},
                     "disks": [{"name": "root", "size": "20Gi"}, {"name": "data", "size": "0.5Ti"}], "networks": [{"name": "front"}], "sshKeySecrets": ["keys"],
                     "hardening": {"profile": "Standard"}},
                    machine("typed", &["front", "back"]),
                    machine("outside", &["front", "bridged"]),
                ],
            }),
        ),
        network(
            "readback",
            "front",
            json!({"zone": "DMZ", "intraNetwork": "Allow", "ingress": [{"name": "all", "world": true, "allPorts": true}],
            "egress": [{"name": "wide", "cidrs": ["10.0.0.0/8", "2001:db8::/32"], "except": ["10.1.0.0/16"], "ports": [{"protocol": "UDP", "port": 1000, "endPort": 2000}]},
                       {"name": "vm", "vms": ["typed"], "ports": [{"port": 5432}]}],
            "dns": {"mode": "Custom", "nameservers": ["203.0.113.53"], "searches": ["readback.example"]}, "ntp": ["2001:db8::123"],
            "expose": [{"vm": "typed", "port": 443, "address": "203.0.113.7"}, {"vm": "typed", "port": 53, "protocol": "UDP"}],
            "tls": {"mode": "Terminate", "hosts": ["*.readback.example"], "issuerRef": {"kind": "ClusterIssuer", "name": "provider"}}}),
        ),
        network("readback", "back", json!({})),
        network(
            "readback",
            "bridged",
            json!({
                "type": "VLAN", "vlan": {"id": 101, "physicalNetwork": "physnet1", "mtu": 9000}, "backend": "LinuxBridge",
                "externalFirewall": {"owner": "netops", "ref": "FW-1"},
            }),
        ),
        network(
            "readback",
            "routed",
            json!({
                "type": "VLAN", "vlan": {"id": 102, "physicalNetwork": "physnet1"}, "intraNetwork": "Allow",
                "subnets": [{"cidr": "203.0.113.0/28", "gateway": "203.0.113.1", "reserved": ["203.0.113.8/29"]}],
                "egress": [{"name": "out", "cidrs": ["198.51.100.0/24"], "ports": [{"protocol": "UDP", "port": 53}]}],
            }),
        ),
        network("readback", "plain", json!({"type": "VLAN", "vlan": {"id": 103, "physicalNetwork": "physnet1"}})),
        network("readback", "inner", json!({"type": "Layer2", "subnets": [{"cidr": "198.51.100.0/24"}]})),
        network("readback", "bare", json!({"type": "Layer2"})),
    ];
    apply(plane, &manifests);
    condition(&world::tenants(&client), "readback", "Ready", "True").await;
    let retention = condition(&world::retentions(&client), "readback", "Ready", "True").await;

    let file = plane.dir.join("readback.yaml");
    let text: Vec<String> = manifests.iter().map(|manifest| format!("---\n{manifest}\n")).collect();
    std::fs::write(&file, text.concat()).expect("a file");
    let rendered = cloudfarm::render::render(&[file], operator::config()).expect("the manifests are valid");
    let mut compared = 0;
    for wanted in rendered.objects.iter().filter(|object| object["kind"] != "Retention") {
        let kind = Kind::ALL.into_iter().find(|kind| format!("{kind:?}") == wanted["kind"]).expect("one of our kinds");
        let namespace = wanted["metadata"]["namespace"].as_str();
        let name = wanted["metadata"]["name"].as_str().expect("a name");
        let owner = match wanted["metadata"]["annotations"]["cloudfarm.dev/owner"].as_str().expect("an owner") {
            "Retention/readback" => uid(&world::retentions(&client), "readback").await,
            "Tenant/readback" => uid(&world::tenants(&client), "readback").await,
            network => uid(&world::networks(&client, "readback"), network.rsplit('/').next().expect("a name")).await,
        };
        // Uids are what only a cluster knows.
        let wanted: Value = serde_json::from_str(
            &wanted.to_string().replace("00000000-0000-0000-0000-000000000000", &owner.expect("the owner exists")),
        )
        .expect("JSON");
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind.api_resource()),
            None => Api::all_with(client.clone(), &kind.api_resource()),
        };
        let live = eventually(&format!("{kind:?} {name}"), || async { api.get_opt(name).await.ok().flatten() }).await;
        let live = serde_json::to_value(live).expect("JSON");
        let (wanted_digest, live_digest) = (
            kind.observe(wanted.clone()).expect("readable").digest,
            kind.observe(live.clone()).expect("readable").digest,
        );
        assert!(wanted_digest == live_digest, "{kind:?} {name}\nwanted {wanted:#}\nlive {live:#}");
        compared += 1;
    }
    assert!(compared >= 29, "only {compared} objects were compared");
    assert_eq!(retention["status"]["purgeNotBefore"], "2027-05-30T15:00:00Z");
}

#[tokio::test]
async fn what_somebody_deletes_edits_or_strips_of_its_labels_is_repaired() {
    let (plane, client) = bed().await;
    apply(plane, &[tenant("drift", json!({}))]);
    condition(&world::tenants(&client), "drift", "Ready", "True").await;
    let policies = policies(&client, "cf-drift");
    let before = uid(&policies, "cloudfarm-platform").await;

    policies.delete("cloudfarm-default-deny", &DeleteParams::default()).await.expect("deleted");
    let looser = json!({"spec": {"hard": {"services.nodeports": "5"}}});
    quotas(&client, "cf-drift")
        .patch("cloudfarm", &PatchParams::default(), &Patch::Merge(&looser))
        .await
        .expect("patched");
    let stripped = json!({"metadata": {"labels": null}, "spec": {"podSelector": {"matchLabels": {"nobody": "x"}}}});
    policies.patch("cloudfarm-platform", &PatchParams::default(), &Patch::Merge(&stripped)).await.expect("patched");

    eventually("the default-deny to come back", || async { uid(&policies, "cloudfarm-default-deny").await }).await;
    eventually("the quota to be as contracted", || async {
        let quota = quotas(&client, "cf-drift").get("cloudfarm").await.ok()?;
        (quota.data["spec"]["hard"]["services.nodeports"] == "0").then_some(())
    })
    .await;
    eventually("the stripped policy to be ours again", || async {
        let policy = policies.get("cloudfarm-platform").await.ok()?;
        let ours = policy.metadata.labels.as_ref()?.get("app.kubernetes.io/managed-by")? == "cloudfarm";
        (ours && policy.data["spec"]["podSelector"] == json!({})).then_some(())
    })
    .await;
    assert_eq!(uid(&policies, "cloudfarm-platform").await, before, "it was repaired in place");
}

#[tokio::test]
async fn a_foreign_object_of_our_name_is_never_touched_and_says_so_until_it_is_gone() {
    let (plane, client) = bed().await;
    let foreign = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "cloudfarm-default-deny", "namespace": "cf-foreign"},
        "spec": {"podSelector": {"matchLabels": {"app": "theirs"}}, "policyTypes": ["Ingress"]},
    });
    apply(plane, &[world::namespace("foreign"), foreign]);
    apply(
        plane,
        &[
            tenant("foreign", json!({"virtualMachines": [machine("one", &["front"])]})),
            network("foreign", "front", json!({})),
        ],
    );
    let stuck = condition(&world::tenants(&client), "foreign", "Stalled", "True").await;
    assert!(message(&stuck, "Ready").contains("NetworkPolicy cf-foreign/cloudfarm-default-deny"), "{stuck:#}");
    assert_eq!(stuck["status"]["phase"], "Failed");
    let theirs = policies(&client, "cf-foreign").get("cloudfarm-default-deny").await.expect("still there");
    assert_eq!(theirs.data["spec"]["podSelector"]["matchLabels"]["app"], "theirs");
    let vms = world::machines(&client, "foreign").get_opt("one").await.expect("an answer");
    assert!(vms.is_none(), "no VM without its wall");

    policies(&client, "cf-foreign").delete("cloudfarm-default-deny", &DeleteParams::default()).await.expect("deleted");
    condition(&world::tenants(&client), "foreign", "Ready", "True").await;
}

#[tokio::test]
async fn a_namespace_without_our_label_is_not_adopted_and_nothing_is_made_in_it() {
    let (plane, client) = bed().await;
    plane.kubectl(&["create", "namespace", "cf-squatted"], None);
    plane.kubectl(&["create", "namespace", "cf-claimed"], None);
    plane.kubectl(&["label", "namespace", "cf-claimed", "cloudfarm.dev/tenant=somebody-else"], None);
    apply(plane, &[tenant("squatted", json!({})), tenant("claimed", json!({}))]);
    for name in ["squatted", "claimed"] {
        let stuck = condition(&world::tenants(&client), name, "NamespacesReady", "False").await;
        let conditions = stuck["status"]["conditions"].as_array().expect("conditions");
        assert!(
            conditions
                .iter()
                .any(|condition| condition["type"] == "Ready" && condition["reason"] == "NamespaceNotOurs"),
            "{stuck:#}"
        );
        let made = policies(&client, &format!("cf-{name}")).list(&ListParams::default()).await.expect("a list");
        assert!(made.items.is_empty(), "{name}: something was made in a foreign namespace");
    }
    plane.kubectl(&["label", "namespace", "cf-squatted", "cloudfarm.dev/tenant=squatted"], None);
    condition(&world::tenants(&client), "squatted", "Ready", "True").await;
}

#[tokio::test]
async fn deleting_a_tenant_deletes_nothing_and_declaring_it_again_re_attaches_everything() {
    let (plane, client) = bed().await;
    let bundle = [
        world::namespace("orphan"),
        tenant("orphan", json!({"virtualMachines": [machine("one", &["front"])]})),
        network("orphan", "front", json!({})),
    ];
    apply(plane, &bundle);
    condition(&world::tenants(&client), "orphan", "Ready", "True").await;
    let uids = || async {
        [
            uid(&policies(&client, "cf-orphan"), "cloudfarm-default-deny").await,
            uid(&policies(&client, "cf-orphan"), "network-front").await,
            uid(&quotas(&client, "cf-orphan"), "cloudfarm").await,
            uid(&volumes(&client, "cf-orphan"), "one-root").await,
            uid(&world::machines(&client, "orphan"), "one").await,
            uid(&Api::all_with(client.clone(), &resource("", "v1", "Namespace", "namespaces")), "cf-orphan").await,
        ]
    };
    let before = uids().await;

    let refusal = eventually("the admission policy to refuse", || async {
        let (ok, said) = plane.try_kubectl(&["delete", "tenant", "orphan", "--dry-run=server"], None);
        (!ok).then_some(said)
    })
    .await;
    assert!(
        refusal.contains("cloudfarm.dev/allow-orphan=true") && refusal.contains("spec.contract.endDate"),
        "{refusal}"
    );
    plane.kubectl(&["annotate", "tenant", "orphan", "cloudfarm.dev/allow-orphan=true"], None);
    plane.kubectl(&["delete", "tenant", "orphan", "--cascade=foreground", "--timeout=60s"], None);

    let orphaned = condition(&world::retentions(&client), "orphan", "Stalled", "True").await;
    assert_eq!(orphaned["status"]["phase"], "Orphaned");
    assert!(message(&orphaned, "Ready").contains("declare the Tenant again, or write spec.endDate"));
    assert_eq!(uids().await, before, "everything stands as it stood");

    apply(plane, &bundle);
    condition(&world::tenants(&client), "orphan", "Ready", "True").await;
    let attached = condition(&world::retentions(&client), "orphan", "Ready", "True").await;
    assert_eq!(attached["status"]["phase"], "Idle");
    assert_eq!(uids().await, before, "the same objects belong to the new declaration");
}

#[tokio::test]
async fn a_tenant_that_vanishes_with_an_end_date_goes_on_towards_its_purge() {
    let (plane, client) = bed().await;
    apply(plane, &[tenant("leaver", json!({"contract": {"endDate": "2026-06-30"}}))]);
    condition(&world::tenants(&client), "leaver", "Ready", "True").await;
    let before = condition(&world::retentions(&client), "leaver", "Scheduled", "True").await;
    plane.kubectl(&["delete", "tenant", "leaver", "--cascade=foreground", "--timeout=60s"], None);
    eventually("the Tenant to be gone", || async {
        uid(&world::tenants(&client), "leaver").await.is_none().then_some(())
    })
    .await;
    // Something has to make the operator look again: an annotation does, and changes nothing.
    plane.kubectl(&["annotate", "retention", "leaver", "test/look=again"], None);
    let after = condition(&world::retentions(&client), "leaver", "Scheduled", "True").await;
    for field in ["purgeNotBefore", "deadline", "contractEndsAt", "pinned"] {
        assert_eq!(after["status"][field], before["status"][field], "{field}");
    }
    let jobs = Api::<DynamicObject>::namespaced_with(
        client.clone(),
        "cloudfarm-system",
        &resource("batch", "v1", "CronJob", "cronjobs"),
    );
    let job = jobs.get("cf-purge-leaver").await.expect("the purge is still scheduled");
    assert_eq!(job.data["spec"]["timeZone"], "Asia/Tokyo");
    assert_eq!(job.data["spec"]["concurrencyPolicy"], "Forbid");
}

#[tokio::test]
async fn a_date_written_for_one_orphan_decides_nothing_when_its_tenant_came_back_and_vanishes_again() {
    let (plane, client) = bed().await;
    let retentions = world::retentions(&client);
    let declare = || async {
        apply(plane, &[tenant("twice", json!({}))]);
        condition(&world::tenants(&client), "twice", "Ready", "True").await;
        condition(&retentions, "twice", "Ready", "True").await;
    };
    let vanish = || async {
        plane.kubectl(&["annotate", "tenant", "twice", "cloudfarm.dev/allow-orphan=true"], None);
        plane.kubectl(&["delete", "tenant", "twice", "--timeout=60s"], None);
        condition(&retentions, "twice", "Stalled", "True").await
    };
    let decide = |patch: &str| plane.kubectl(&["patch", "retention", "twice", "--type=merge", "-p", patch], None);

    declare().await;
    vanish().await;
    decide(r#"{"spec": {"endDate": "2026-06-30", "requestedBy": "admin"}}"#);
    condition(&retentions, "twice", "Scheduled", "True").await;

    declare().await;
    condition(&retentions, "twice", "Scheduled", "False").await;
    let orphan = vanish().await;
    assert_eq!(orphan["status"]["phase"], "Orphaned");
    assert!(message(&orphan, "Stalled").contains("remove spec.endDate and write it again"));

    decide(r#"{"spec": {"endDate": null}}"#);
    eventually("the removal to be seen", || async {
        let seen = retentions.get("twice").await.ok()?;
        seen.data["status"]["disregardedEndDate"].is_null().then_some(())
    })
    .await;
    decide(r#"{"spec": {"endDate": "2026-06-30", "requestedBy": "admin"}}"#);
    condition(&retentions, "twice", "Scheduled", "True").await;
}

#[tokio::test]
async fn the_purge_moves_to_the_retention_that_the_tenant_names() {
    let (plane, client) = bed().await;
    let jobs = Api::<DynamicObject>::namespaced_with(
        client.clone(),
        "cloudfarm-system",
        &resource("batch", "v1", "CronJob", "cronjobs"),
    );
    let of = |owner: &'static str| {
        let jobs = jobs.clone();
        move || {
            let jobs = jobs.clone();
            async move {
                let job = jobs.get("cf-purge-twin").await.ok()?;
                (job.metadata.annotations?.get("cloudfarm.dev/owner")? == owner).then_some(())
            }
        }
    };
    apply(plane, &[tenant("twin", json!({"contract": {"endDate": "2026-12-31"}}))]);
    eventually("the purge to be the default Retention's", of("Retention/twin")).await;
    apply(plane, &[world::retention("longer", "twin", json!({"graceDays": 90}))]);
    condition(&world::retentions(&client), "longer", "Stalled", "True").await;

    apply(plane, &[tenant("twin", json!({"contract": {"endDate": "2026-12-31"}, "retentionName": "longer"}))]);
    eventually("the purge to be the named Retention's", of("Retention/longer")).await;
    condition(&world::retentions(&client), "longer", "Stalled", "False").await;
    let old = condition(&world::retentions(&client), "twin", "Stalled", "True").await;
    assert!(message(&old, "Stalled").contains("Retention longer stands for this tenant already"));
}

#[tokio::test]
async fn withdrawing_the_end_date_takes_the_purge_cron_job_away() {
    let (plane, client) = bed().await;
    let jobs = Api::<DynamicObject>::namespaced_with(
        client.clone(),
        "cloudfarm-system",
        &resource("batch", "v1", "CronJob", "cronjobs"),
    );
    apply(plane, &[tenant("stayer", json!({"contract": {"endDate": "2026-12-31"}}))]);
    eventually("the purge to be scheduled", || async { uid(&jobs, "cf-purge-stayer").await }).await;
    apply(plane, &[tenant("stayer", json!({}))]);
    eventually("the purge to be gone", || async { uid(&jobs, "cf-purge-stayer").await.is_none().then_some(()) }).await;
    let retention = condition(&world::retentions(&client), "stayer", "Scheduled", "False").await;
    assert_eq!(retention["status"]["phase"], "Idle");
    assert!(retention["status"]["purgeNotBefore"].is_null());
}

#[tokio::test]
async fn a_disabled_administrator_loses_every_right_at_once_and_others_keep_theirs() {
    let (plane, client) = bed().await;
    let people = |disabled: bool| {
        json!({"administrators": [
            {"username": "sato", "email": "sato@customer.example", "role": "PrivilegedAdministrator"},
            {"username": "ito", "email": "ito@customer.example", "role": "User", "disabled": disabled},
            {"username": "abe", "email": "abe@customer.example", "role": "User"},
        ]})
    };
    let may = |user: &str, verb: &str, what: &str, namespace: &str| {
        plane.try_kubectl(&["auth", "can-i", verb, what, "-n", namespace, "--as", user], None).0
    };
    apply(
        plane,
        &[
            tenant("people", people(false)),
            tenant(
                "neighbour",
                json!({"administrators": [{"username": "ueda", "email": "ueda@customer.example", "role": "PrivilegedAdministrator"}]}),
            ),
        ],
    );
    condition(&world::tenants(&client), "people", "Ready", "True").await;
    condition(&world::tenants(&client), "neighbour", "Ready", "True").await;
    eventually("ito to be let in", || async { may("ito", "get", "virtualmachines", "cf-people").then_some(()) }).await;
    assert!(may("sato", "patch", "tenantnetworks", "cf-people"));
    assert!(!may("ito", "patch", "tenantnetworks", "cf-people"), "a user does not edit rules");
    for (user, what) in
        [("sato", "virtualmachines"), ("ito", "virtualmachines"), ("sato", "secrets"), ("sato", "tenantnetworks")]
    {
        assert!(!may(user, "get", what, "cf-neighbour"), "{user} reaches another tenant's {what}");
    }
    for (verb, what) in [
        ("create", "virtualmachines"),
        ("delete", "datavolumes"),
        ("create", "pods/exec"),
        ("delete", "networkpolicies"),
        ("create", "rolebindings"),
    ] {
        assert!(!may("sato", verb, what, "cf-people"), "a customer's administrator may {verb} {what}");
    }
    apply(plane, &[tenant("people", people(true))]);
    eventually("ito to be shut out", || async { (!may("ito", "get", "virtualmachines", "cf-people")).then_some(()) })
        .await;
    assert!(may("abe", "get", "virtualmachines", "cf-people"));
}

#[tokio::test]
async fn a_vm_that_cannot_be_made_is_named_with_the_reason_and_the_others_go_on() {
    let (plane, client) = bed().await;
    let mut huge = machine("huge", &["front"]);
    huge["instancetype"] = json!("u1.8xlarge");
    let mut unknown = machine("unknown", &["front"]);
    unknown["instancetype"] = json!("u1.imaginary");
    let machines =
        json!({"virtualMachines": [huge, machine("good", &["front"]), machine("lost", &["nowhere"]), unknown]});
    apply(plane, &[world::namespace("partial"), tenant("partial", machines), network("partial", "front", json!({}))]);
    eventually("the good VM to run", || async {
        let object = world::tenants(&client).get("partial").await.ok()?;
        (object.data["status"]["vmsSummary"] == "1/4").then_some(())
    })
    .await;
    let object = condition(&world::tenants(&client), "partial", "VirtualMachinesReady", "False").await;
    let said = message(&object, "VirtualMachinesReady");
    for part in [
        "huge: does not fit the contract (vcpus: needs 32",
        "lost: TenantNetwork \"nowhere\" does not exist",
        "unknown: instance type \"u1.imaginary\" does not exist",
    ] {
        assert!(said.contains(part), "{part:?} is missing in {said:?}");
    }
    assert_eq!(object["status"]["vms"]["withheld"], 3);
    assert!(world::machines(&client, "partial").get_opt("huge").await.expect("an answer").is_none());
    assert!(
        volumes(&client, "cf-partial").get_opt("huge-root").await.expect("an answer").is_none(),
        "no disk for a VM that is not made"
    );

    apply(plane, &[network("partial", "nowhere", json!({}))]);
    eventually("the waiting VM to follow its network", || async {
        uid(&world::machines(&client, "partial"), "lost").await
    })
    .await;
}

#[tokio::test]
async fn shrinking_a_contract_turns_no_vm_off_and_says_that_it_does_not_fit() {
    let (plane, client) = bed().await;
    let machines = json!({"virtualMachines": [machine("one", &["front"]), machine("two", &["front"])]});
    apply(
        plane,
        &[world::namespace("shrunk"), tenant("shrunk", machines.clone()), network("shrunk", "front", json!({}))],
    );
    condition(&world::tenants(&client), "shrunk", "Ready", "True").await;
    let before = uid(&world::machines(&client, "shrunk"), "two").await;
    let mut less = machines;
    world::merge(&mut less, json!({"contract": {"capacity": {"instances": 1}}}));
    apply(plane, &[tenant("shrunk", less.clone())]);
    let object = condition(&world::tenants(&client), "shrunk", "VirtualMachinesReady", "False").await;
    assert!(message(&object, "VirtualMachinesReady").contains("instances: needs 1"), "{object:#}");
    assert_eq!(object["status"]["vmsSummary"], "2/2");
    assert_eq!(uid(&world::machines(&client, "shrunk"), "two").await, before);

    // What does not fit is not left running when nothing of the tenant's runs, and comes back with the rest.
    let strategy = |vm: &'static str, wish: &'static str| {
        let machines = world::machines(&client, "shrunk");
        async move {
            eventually(&format!("{vm} to be {wish}"), || async {
                (machines.get(vm).await.ok()?.data["spec"]["runStrategy"] == wish).then_some(())
            })
            .await;
        }
    };
    world::merge(&mut less, json!({"suspended": true}));
    apply(plane, &[tenant("shrunk", less.clone())]);
    strategy("one", "Halted").await;
    strategy("two", "Halted").await;
    world::merge(&mut less, json!({"suspended": false, "contract": {"capacity": {"instances": 2}}}));
    apply(plane, &[tenant("shrunk", less)]);
    strategy("one", "Always").await;
    strategy("two", "Always").await;
}

#[tokio::test]
async fn removing_a_vm_deletes_the_vm_and_keeps_its_disk_for_the_day_it_comes_back() {
    let (plane, client) = bed().await;
    let both = json!({"virtualMachines": [machine("one", &["front"]), machine("two", &["front"])]});
    apply(
        plane,
        &[world::namespace("removal"), tenant("removal", both.clone()), network("removal", "front", json!({}))],
    );
    condition(&world::tenants(&client), "removal", "Ready", "True").await;
    let (disk, stayed) = (
        uid(&volumes(&client, "cf-removal"), "two-root").await,
        uid(&world::machines(&client, "removal"), "one").await,
    );
    apply(plane, &[tenant("removal", json!({"virtualMachines": [machine("one", &["front"])]}))]);
    eventually("the VM to be gone", || async {
        uid(&world::machines(&client, "removal"), "two").await.is_none().then_some(())
    })
    .await;
    assert_eq!(uid(&volumes(&client, "cf-removal"), "two-root").await, disk);
    apply(plane, &[tenant("removal", both)]);
    eventually("the VM to come back", || async { uid(&world::machines(&client, "removal"), "two").await }).await;
    assert_eq!(uid(&volumes(&client, "cf-removal"), "two-root").await, disk, "with the disk it had");
    assert_eq!(uid(&world::machines(&client, "removal"), "one").await, stayed);
}

#[tokio::test]
async fn deleting_a_network_takes_its_policy_along_and_leaves_the_default_deny() {
    let (plane, client) = bed().await;
    apply(
        plane,
        &[
            world::namespace("closing"),
            tenant("closing", json!({"virtualMachines": [machine("one", &["front"])]})),
            network("closing", "front", json!({})),
        ],
    );
    condition(&world::tenants(&client), "closing", "Ready", "True").await;
    world::networks(&client, "closing").delete("front", &DeleteParams::default()).await.expect("deleted");
    eventually("the policy to be gone", || async {
        uid(&policies(&client, "cf-closing"), "network-front").await.is_none().then_some(())
    })
    .await;
    let object = condition(&world::tenants(&client), "closing", "VirtualMachinesReady", "False").await;
    assert!(message(&object, "VirtualMachinesReady").contains("TenantNetwork \"front\" does not exist"));
    assert!(uid(&world::machines(&client, "closing"), "one").await.is_some(), "the VM runs on behind the wall");
    assert!(uid(&policies(&client, "cf-closing"), "cloudfarm-default-deny").await.is_some());
}

#[tokio::test]
async fn a_status_written_by_somebody_else_is_put_right() {
    let (plane, client) = bed().await;
    apply(plane, &[tenant("liar", json!({}))]);
    condition(&world::tenants(&client), "liar", "Ready", "True").await;
    let lie = json!({"status": {"phase": "Purged", "conditions": []}});
    world::tenants(&client).patch_status("liar", &PatchParams::default(), &Patch::Merge(&lie)).await.expect("patched");
    eventually("the truth to come back", || async {
        let object = world::tenants(&client).get("liar").await.ok()?;
        (object.data["status"]["phase"] == "Active").then_some(())
    })
    .await;
}

#[tokio::test]
async fn no_vm_is_made_before_its_walls_and_its_quota_stand() {
    let (plane, client) = bed().await;
    let mark = support::audit::Mark::now(plane);
    apply(
        plane,
        &[
            world::namespace("order"),
            tenant("order", json!({"virtualMachines": [machine("one", &["front"])]})),
            network("order", "front", json!({})),
        ],
    );
    condition(&world::tenants(&client), "order", "Ready", "True").await;
    let calls = mark.calls(plane).await;
    let position = |resource: &str, name: &str| {
        calls.iter().position(|call| {
            call.namespace == "cf-order" && call.resource == resource && call.name == name && call.code < 300
        })
    };
    let vm = position("virtualmachines", "one").expect("the VM was made");
    for (resource, name) in [
        ("networkpolicies", "cloudfarm-default-deny"),
        ("resourcequotas", "cloudfarm"),
        ("limitranges", "cloudfarm"),
        ("namespaces", "cf-order"),
    ] {
        let wall = position(resource, name).unwrap_or_else(|| panic!("{resource} {name} was made"));
        assert!(wall < vm, "{resource} {name} came after the VM");
    }
}

#[tokio::test]
async fn hostile_and_huge_declarations_hurt_nobody_else() {
    let (plane, client) = bed().await;
    let machines: Vec<Value> = (0..64).map(|number| machine(&format!("vm-{number}"), &["front"])).collect();
    let rules: Vec<Value> = (0..100_u32)
        .map(|number| json!({"name": format!("rule-{number}"), "cidrs": [format!("198.51.{number}.0/24")], "ports": [{"port": 1000 + number}]}))
        .collect();
    let capacity = json!({"capacity": {"vcpus": 64, "memory": "1e12", "storage": "640Gi", "instances": 64}});
    apply(
        plane,
        &[
            world::namespace("hostile"),
            tenant(
                "hostile",
                json!({"displayName": "ＡＣМЕ 株式会社 \u{202e}", "contract": capacity, "virtualMachines": machines}),
            ),
            network(
                "hostile",
                "front",
                json!({"ingress": rules, "egress": [{"name": "inward", "cidrs": ["10.96.0.0/24", "169.254.169.254/32"], "allPorts": true}]}),
            ),
        ],
    );
    apply(plane, &[tenant("bystander", json!({}))]);
    condition(&world::tenants(&client), "bystander", "Ready", "True").await;
    let front = condition(&world::networks(&client, "hostile"), "front", "RulesAccepted", "False").await;
    let said = message(&front, "RulesAccepted");
    assert!(
        said.contains("10.96.0.0/24 lies inside 10.96.0.0/16") && said.contains("169.254.169.254/32 lies inside"),
        "{said}"
    );
    let policy = policies(&client, "cf-hostile").get("network-front").await.expect("a policy");
    assert_eq!(policy.data["spec"]["ingress"].as_array().map(Vec::len), Some(100));
    assert!(policy.data["spec"]["egress"].is_null(), "a refused rule opens nothing");
    condition(&world::tenants(&client), "hostile", "Ready", "True").await;
}

#[tokio::test]
async fn a_megabyte_of_manifest_is_refused_and_nothing_is_lost() {
    let (plane, client) = bed().await;
    apply(plane, &[tenant("big", json!({}))]);
    condition(&world::tenants(&client), "big", "Ready", "True").await;
    let mut manifest = tenant("big", json!({}));
    manifest["metadata"]["annotations"] = json!({"test/weight": "x".repeat(1024 * 1024)});
    let (ok, said) = plane.try_kubectl(&["apply", "--server-side", "-f", "-"], Some(&manifest.to_string()));
    assert!(!ok && said.contains("Too long"), "{said}");
    condition(&world::tenants(&client), "big", "Ready", "True").await;
}

#[tokio::test]
async fn the_purge_command_refuses_and_says_why() {
    let (plane, client) = bed().await;
    apply(plane, &[tenant("unpurged", json!({"contract": {"endDate": "2098-11-20"}}))]);
    condition(&world::retentions(&client), "unpurged", "Scheduled", "True").await;
    let uid = uid(&world::retentions(&client), "unpurged").await.expect("a uid");
    let kubeconfig = plane.kubeconfig_of("cloudfarm-purge", "purge");
    let purge = |uid: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_cloudfarm"))
            .args(["purge", "--retention", "unpurged", "--uid", uid, "--identity", uid])
            .env("KUBECONFIG", &kubeconfig)
            .output()
            .expect("the command runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = purge("11111111-1111-1111-1111-111111111111");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("nothing was deleted") && said.contains("a namesake is not purged"), "{said}");
    // The operator of this test holds no lease, so nobody else tells the time.
    let (code, said) = purge(&uid);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("the operator's lease does not tell it"), "{said}");
}
