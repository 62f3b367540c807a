//! What a VM is told of its networks, and when it is attached to them, without a cluster.

use super::*;

fn dns(snapshot: &mut TenantSnapshot, network: &str, dns: Value) {
    snapshot.dns.insert(network.to_owned(), serde_json::from_value(dns).expect("a name resolution"));
}

#[test]
fn a_vm_is_told_its_networks_own_resolvers_before_the_platforms_and_no_more_than_fit() {
    let mut world = snapshot(&spec());
    let own = json!({"mode": "Custom", "nameservers": ["203.0.113.1", "203.0.113.2"], "searches": ["back.example"]});
    dns(&mut world, "back", own);
    dns(&mut world, "front", json!({"searches": ["front.example", "back.example"]}));
    let told = |world: &TenantSnapshot, vm: &str| {
        body(&desired(world), &format!("VirtualMachine cf-plum/{vm}"))["spec"]["template"]["spec"]["dnsConfig"].clone()
    };
    let platform = json!({"nameservers": ["192.0.2.53"], "searches": ["front.example", "back.example"]});
    assert_eq!(told(&world, "web"), platform);
    assert_eq!(
        told(&world, "app"),
        json!({
            "nameservers": ["203.0.113.1", "203.0.113.2", "192.0.2.53"],
            "searches": ["back.example", "front.example"],
        })
    );

    // Three of its own and one of the platform's: one too many. One that lies where no tenant may reach has no door.
    let many = json!({"mode": "Custom", "nameservers": ["203.0.113.1", "10.96.0.10", "203.0.113.2", "203.0.113.3"]});
    dns(&mut world, "back", many);
    assert_eq!(told(&world, "app")["nameservers"], json!(["203.0.113.1", "203.0.113.2", "203.0.113.3"]));
    let plan = desired(&world);
    let said = status(&world, &plan, &Applied::default());
    let words = "spec.virtualMachines[app].networks (together 4 nameservers; a guest is told the first 3)";
    assert!(format!("{said:?}").contains(words), "{said:#?}");
}

#[test]
fn a_vm_whose_networks_all_have_no_resolution_is_told_nobody_and_cannot_ask_the_platform() {
    let mut world = snapshot(&spec());
    dns(&mut world, "back", json!({"mode": "None"}));
    let plan = desired(&world);
    let template = |vm: &str| body(&plan, &format!("VirtualMachine cf-plum/{vm}"))["spec"]["template"].clone();
    let mark = |vm: &str| template(vm)["metadata"]["labels"]["cloudfarm.dev/no-resolvers"].clone();
    assert_eq!((mark("db"), mark("app"), mark("web")), (json!("true"), Value::Null, Value::Null));
    assert_eq!(template("db")["spec"]["dnsConfig"], json!({"nameservers": ["127.0.0.1"]}));
    assert_eq!(template("app")["spec"]["dnsConfig"], json!({"nameservers": ["192.0.2.53"]}));

    let selects = |policy: &str| {
        let policy = body(&plan, &format!("NetworkPolicy cf-plum/{policy}"));
        let to = policy["spec"]["egress"].as_array().expect("doors").iter();
        let ports: Vec<Value> = to.map(|door| door["ports"][0]["port"].clone()).collect();
        (policy["spec"]["podSelector"]["matchExpressions"][0]["operator"].clone(), ports)
    };
    assert_eq!(selects("cloudfarm-platform"), (json!("DoesNotExist"), vec![json!(53), json!(123)]));
    assert_eq!(selects("cloudfarm-ntp"), (json!("Exists"), vec![json!(123)]));
}

#[test]
fn what_a_network_leaves_goes_after_its_last_vm_and_its_filter_last() {
    let attached = Attached { to: BTreeSet::from(["outside".to_owned()]), outdated: false };
    let outdated = Attached { to: BTreeSet::new(), outdated: true };
    let vm = |networks: Attached| seen(Kind::VirtualMachine, "web", "Tenant/plum", running(networks));
    let filter = seen(Kind::MultiNetworkPolicy, "network-outside", "TenantNetwork/outside", Facts::None);
    let definition = seen(Kind::NetworkAttachmentDefinition, "outside", "TenantNetwork/outside", Facts::None);
    let put_away = |living: bool, objects: &[&Observation]| -> Vec<Kind> {
        let mut world = snapshot(&spec());
        world.observed = objects.iter().map(|seen| (seen.reference.clone(), (*seen).clone())).collect();
        world.lasting.living.extend(living.then(|| "uid-of-the-owner".to_owned()));
        desired(&world).desired.abandoned.iter().map(|left| left.reference.kind).collect()
    };
    assert_eq!(put_away(false, &[&vm(attached), &filter, &definition]), [], "a VM is attached");
    assert_eq!(put_away(false, &[&vm(outdated), &filter, &definition]), [], "a VM may be attached");
    assert_eq!(put_away(true, &[&filter, &definition]), [], "the network is declared");
    assert_eq!(put_away(false, &[&filter, &definition]), [Kind::NetworkAttachmentDefinition]);
    assert_eq!(put_away(false, &[&filter]), [Kind::MultiNetworkPolicy]);
}

#[test]
fn a_vm_is_withheld_until_its_network_can_attach_it_and_then_has_that_interface_alone() {
    let mut world = snapshot(&spec());
    let waits = Obstacle { reason: Reason::Progressing, message: "its filter is not there".into() };
    world.networks.insert("back".into(), NetworkFact::OfItsOwn(Err(waits)));
    let plan = desired(&world);
    let withheld = plan.contract.expect("a contract").withheld;
    let told: Vec<_> = withheld.iter().map(|withheld| (withheld.vm.as_str(), withheld.message.as_str())).collect();
    let message = "TenantNetwork \"back\" cannot attach it: its filter is not there";
    assert_eq!(told, [("app", message), ("db", message)]);

    let there = Attachment { definition: "cf-plum.back".into() };
    world.networks.insert("back".into(), NetworkFact::OfItsOwn(Ok(there)));
    let plan = desired(&world);
    let interfaces = |vm: &str| {
        let of = |object: &&DesiredObject| object.reference.kind == Kind::VirtualMachine && object.reference.name == vm;
        let body = plan.desired.objects().find(of).expect("a VM").body.clone();
        let interfaces = body["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"].clone();
        let names = interfaces.as_array().expect("a list").iter().map(|one| one["name"].to_string());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(interfaces("db"), "\"net-back\"", "nobody asked for a way into the cluster");
    assert_eq!(interfaces("app"), "\"pod\" \"net-back\"");
}
