//! What a network shows outside, on a real API server. Two neighbours cannot exist here and are played: a load balancer,
//! which writes addresses into the status of Services, and cert-manager, which writes conditions into that of
//! Certificates.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use kube::api::{DeleteParams, DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use support::audit::Mark;
use support::operator::Operator;
use support::plane::Plane;
use support::world::{self, apply, condition, machine, message, network, resource, tenant};
use support::{eventually, operator};

fn services(client: &Client, tenant: &str) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &resource("", "v1", "Service", "services"))
}

fn certificates(client: &Client, tenant: &str) -> Api<DynamicObject> {
    let kind = resource("cert-manager.io", "v1", "Certificate", "certificates");
    Api::namespaced_with(client.clone(), &format!("cf-{tenant}"), &kind)
}

/// A tenant whose VMs stand in a DMZ that is open on 443 and 8443, with this in it.
fn dmz(name: &str, vms: &[&str], more: Value) -> [Value; 3] {
    let vms: Vec<Value> = vms.iter().map(|vm| machine(vm, &["dmz"])).collect();
    let rules = json!([{"name": "web", "world": true, "ports": [{"port": 443}, {"port": 8443}]}]);
    let mut front = network(name, "dmz", json!({"zone": "DMZ", "ingress": rules}));
    world::merge(&mut front["spec"], more);
    [world::namespace(name), tenant(name, json!({"virtualMachines": vms})), front]
}

async fn all_services(client: &Client, tenant: &str) -> Vec<DynamicObject> {
    services(client, tenant).list(&ListParams::default()).await.expect("a list").items
}

/// The only Service of a tenant, as soon as it is there.
async fn the_service(client: &Client, tenant: &str) -> DynamicObject {
    eventually(&format!("the Service of {tenant}"), || async {
        let mut all = all_services(client, tenant).await;
        assert!(all.len() < 2, "{all:#?}");
        all.pop()
    })
    .await
}

/// What a load balancer, or cert-manager, writes.
fn play(plane: &Plane, object: &str, tenant: &str, status: &Value) {
    let patch = json!({"status": status}).to_string();
    let namespace = format!("cf-{tenant}");
    plane.kubectl(&["patch", object, "-n", &namespace, "--subresource=status", "--type=merge", "-p", &patch], None);
}

/// Waits until a condition of the network says this.
async fn says(client: &Client, tenant: &str, type_: &str, words: &str) -> Value {
    let networks = world::networks(client, tenant);
    eventually(&format!("{type_} of {tenant} to say {words:?}"), || async {
        let found = serde_json::to_value(networks.get("dmz").await.ok()?).ok()?;
        message(&found, type_).contains(words).then_some(found)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exposed_vm_is_reached_where_a_played_load_balancer_says_and_nowhere_once_the_vm_is_gone() {
    let plane = Plane::shared();
    operator::shared(plane);
    let client = plane.admin().await;
    let expose = json!({"expose": [{"vm": "web", "port": 443}, {"vm": "web", "port": 8443}]});
    apply(plane, &dmz("shown", &["web", "app"], expose));
    says(&client, "shown", "Exposed", "has no address yet").await;
    says(&client, "shown", "Ready", "Exposed: ").await;

    let service = the_service(&client, "shown").await;
    let name = service.name_any();
    let ports = service.data["spec"]["ports"].as_array().expect("ports");
    assert!(ports.len() == 2 && ports.iter().all(|port| port["nodePort"].is_null()), "no node port: {ports:#?}");
    eventually("the quota to count the Service and no node port", || async {
        let quota = plane.kubectl(&["get", "resourcequota", "cloudfarm", "-n", "cf-shown", "-o", "json"], None);
        let used = serde_json::from_str::<Value>(&quota).ok()?["status"]["used"].clone();
        (used["services.loadbalancers"] == "1" && used["services.nodeports"] == "0").then_some(())
    })
    .await;

    let address = json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.7", "ipMode": "VIP"}]}});
    play(plane, &format!("service/{name}"), "shown", &address);
    let ready = condition(&world::networks(&client, "shown"), "dmz", "Ready", "True").await;
    assert_eq!(message(&ready, "Exposed"), "web at 203.0.113.7");
    assert_eq!(ready["status"]["addresses"], json!([{"vm": "web", "address": "203.0.113.7"}]));

    // CVE-2020-8554: whoever may write Services could catch what is meant for others.
    let theirs = r#"{"spec": {"externalIPs": ["198.51.100.9"]}}"#;
    plane.kubectl(&["patch", "service", &name, "-n", "cf-shown", "--type=merge", "-p", theirs], None);
    eventually("the external address to be taken out", || async {
        services(&client, "shown").get(&name).await.ok()?.data["spec"]["externalIPs"].is_null().then_some(())
    })
    .await;

    let without = json!([machine("app", &["dmz"])]);
    apply(plane, &[tenant("shown", json!({"virtualMachines": without}))]);
    eventually("the Service to go", || async { all_services(&client, "shown").await.is_empty().then_some(()) }).await;
    says(&client, "shown", "Exposed", "expose web: the Tenant declares no VM \"web\"").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vms_without_name_resolution_get_a_door_to_the_clocks_alone_until_they_want_resolvers_again() {
    let plane = Plane::shared();
    operator::shared(plane);
    let client = plane.admin().await;
    let policies = Api::<DynamicObject>::namespaced_with(
        client.clone(),
        "cf-silent",
        &resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    );
    apply(plane, &dmz("silent", &["web"], json!({"dns": {"mode": "None"}})));
    eventually("the door to the clocks", || async { policies.get_opt("cloudfarm-ntp").await.ok()? }).await;
    apply(plane, &dmz("silent", &["web"], json!({"dns": {"mode": "Platform"}})));
    eventually("that door to go", || async { policies.get_opt("cloudfarm-ntp").await.ok()?.is_none().then_some(()) })
        .await;
    condition(&world::networks(&client, "silent"), "dmz", "Ready", "True").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_somebody_else_made_under_our_name_is_not_touched_and_one_of_a_network_goes_with_it() {
    let plane = Plane::shared();
    operator::shared(plane);
    let client = plane.admin().await;
    let expose = || json!({"expose": [{"vm": "web", "port": 443}]});
    apply(plane, &dmz("first", &["web"], expose()));
    let ours = the_service(&client, "first").await;

    // The name says network and VM, so another tenant's is the same.
    let theirs = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": ours.name_any(), "namespace": "cf-second"},
        "spec": {"clusterIP": "None", "selector": {"app": "theirs"}},
    });
    apply(plane, &[world::namespace("second"), theirs]);
    let before = the_service(&client, "second").await;
    apply(plane, &dmz("second", &["web"], expose()));
    let stuck = condition(&world::networks(&client, "second"), "dmz", "Stalled", "True").await;
    for type_ in ["Stalled", "Exposed", "Ready"] {
        let said = message(&stuck, type_);
        assert!(said.contains(&format!("Service cf-second/{} exists and was not made", ours.name_any())), "{stuck:#}");
    }
    assert_eq!(the_service(&client, "second").await, before);

    plane.kubectl(&["delete", "tenantnetwork", "dmz", "-n", "cf-first", "--timeout=60s"], None);
    eventually("the Service to go with its network", || async {
        all_services(&client, "first").await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_asked_for_when_cert_manager_comes_and_a_played_one_issues_it_and_looking_again_costs_nothing()
{
    let plane = Plane::start("certificates", Some("kubevirt cdi"));
    let client = plane.admin().await;
    let running = Operator::start(&plane).await;
    let hosts = ["www.late.example", "late.example"];
    let more = json!({
        "expose": [{"vm": "web", "port": 443, "address": "203.0.113.7"}],
        "tls": {"mode": "Terminate", "hosts": hosts, "issuerRef": {"kind": "ClusterIssuer", "name": "provider"}},
    });
    apply(&plane, &dmz("late", &["web"], more));
    let missing = condition(&world::networks(&client, "late"), "dmz", "TLSReady", "False").await;
    assert!(message(&missing, "TLSReady").contains("certificates.cert-manager.io): install it"), "{missing:#}");
    let service = the_service(&client, "late").await;
    assert_eq!(service.data["spec"]["loadBalancerIP"], "203.0.113.7");

    plane.install("certmanager");
    says(&client, "late", "TLSReady", "cert-manager has not said anything yet").await;
    let asked = certificates(&client, "late").get("cloudfarm-tls-dmz").await.expect("a certificate");
    assert_eq!(asked.data["spec"]["dnsNames"], json!(["late.example", "www.late.example"]));
    let condition_of = |status: &str, text: &str| json!({"conditions": [{"type": "Ready", "status": status, "reason": "Played", "message": text}]});
    play(
        &plane,
        "certificate/cloudfarm-tls-dmz",
        "late",
        &condition_of("False", "ClusterIssuer provider is not there"),
    );
    says(&client, "late", "TLSReady", "cert-manager says: ClusterIssuer provider is not there").await;
    play(&plane, "certificate/cloudfarm-tls-dmz", "late", &condition_of("True", "it is there"));
    condition(&world::networks(&client, "late"), "dmz", "TLSReady", "True").await;
    let address = json!({"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}});
    play(&plane, &format!("service/{}", service.name_any()), "late", &address);
    condition(&world::networks(&client, "late"), "dmz", "Ready", "True").await;

    // Looking again, and a restart: not one call about this tenant.
    let quiet = async |mark: Mark, later: &str| {
        apply(&plane, &[tenant(later, json!({}))]);
        condition(&world::tenants(&client), later, "Ready", "True").await;
        let calls = mark.calls(&plane).await.into_iter();
        let about: Vec<_> = calls.filter(|call| call.name == "late" || call.namespace.ends_with("-late")).collect();
        assert!(about.is_empty(), "{about:#?}");
    };
    let mark = Mark::now(&plane);
    plane.kubectl(&["annotate", "tenantnetwork", "dmz", "-n", "cf-late", "test/look=again"], None);
    quiet(mark, "after-a-look").await;
    running.stop().await;
    let mark = Mark::now(&plane);
    let running = Operator::start(&plane).await;
    quiet(mark, "after-a-restart").await;

    let mark = Mark::now(&plane);
    plane.kubectl(&["delete", "crd", "certificates.cert-manager.io", "--timeout=60s"], None);
    says(&client, "late", "TLSReady", "cert-manager is not installed").await;
    let deletes: Vec<_> = mark.calls(&plane).await.into_iter().filter(|call| call.verb == "delete").collect();
    assert!(deletes.is_empty(), "{deletes:#?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_host_issuer_or_address_is_refused_by_the_api_server_with_what_would_be_right() {
    let plane = Plane::shared();
    let tls = |hosts: Value, issuer: Value| json!({"tls": {"mode": "Terminate", "hosts": hosts, "issuerRef": issuer}});
    let issuer = json!({"kind": "Issuer", "name": "own"});
    let cases = [
        (tls(json!(["acme"]), issuer.clone()), "must be host names such as www.acme.example or *.acme.example"),
        (tls(json!(["a.*.example"]), issuer), "must be host names such as"),
        (tls(json!(["a.example"]), json!({"kind": "Venafi", "name": "x"})), "must be Issuer or ClusterIssuer"),
        (
            json!({"tls": {"mode": "Terminate", "hosts": ["a.example"]}}),
            "tls.issuerRef is needed for tls.mode Terminate",
        ),
        (
            json!({"expose": [{"vm": "web", "port": 443, "address": "nowhere"}]}),
            "must be an IP address such as 203.0.113.7",
        ),
        (json!({"dns": {"searches": ["Acme_Example"]}}), "must be domain names such as acme.example"),
    ];
    for (spec, right) in cases {
        let mut manifest = network("nobody", "dmz", spec);
        manifest["metadata"]["namespace"] = json!("default");
        let (ok, said) = plane.try_kubectl(&["create", "--dry-run=server", "-f", "-"], Some(&manifest.to_string()));
        assert!(!ok && said.contains(right), "{manifest}: {said}");
    }
    let client = plane.admin().await;
    let wild =
        json!({"mode": "Terminate", "hosts": ["*.acme.example"], "issuerRef": {"kind": "Issuer", "name": "own"}});
    let mut manifest = network("nobody", "right", json!({"tls": wild}));
    manifest["metadata"]["namespace"] = json!("default");
    plane.kubectl(&["create", "-f", "-"], Some(&manifest.to_string()));
    let kind = resource("cloudfarm.dev", "v1alpha1", "TenantNetwork", "tenantnetworks");
    let made = Api::<DynamicObject>::namespaced_with(client, "default", &kind);
    made.delete("right", &DeleteParams::default()).await.expect("it was made");
}
