//! `kubectl cloudfarm show`: one tenant on one screen. What is not as declared comes first. Never the application ID (9.2.3).

mod machines;
mod text;

use clap::Args;
use futures::future::try_join5;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::reads::{Listed, Seen};
use super::{Common, Desk, Failure, Output, grant, print, print_json, refused, there_are, wrong};
use crate::api::access_grant::AccessGrant;
use crate::api::home;
use crate::api::retention::Retention;
use crate::api::tenant::Tenant;
use crate::api::tenant_network::TenantNetwork;
use crate::foreign::virtual_machine::VirtualMachine;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kubectl cloudfarm show acme
  kubectl cloudfarm show acme -o json | jq .virtualMachines
A customer's people may read no Tenants: they see what their own rights show in the namespace cf-<tenant>, and are told what not.
Exit codes: 0 done; 1 no such Tenant; 2 wrong usage; 3 kubeconfig or cluster not usable; 4 you may see nothing of it.")]
pub struct Show {
    /// Name of the Tenant
    tenant: String,
    #[command(flatten)]
    common: Common,
}

/// What somebody may see of one tenant.
pub struct Scene {
    name: String,
    tenant: Seen<Tenant>,
    retention: Seen<Retention>,
    machines: Seen<Listed<VirtualMachine>>,
    networks: Seen<Listed<TenantNetwork>>,
    grants: Seen<Listed<AccessGrant>>,
}

impl Show {
    pub async fn run(&self) -> Result<(), Failure> {
        let desk = Desk::at(&self.common).await?;
        let scene = Scene::look(&desk, &self.tenant).await?;
        if matches!(scene.tenant, Seen::Missing) {
            let all = desk.reads.all::<Tenant>(None).await?;
            let names = all.items().iter().map(ResourceExt::name_any).collect();
            return Err(wrong(&format!("Tenant {}: does not exist; {}", self.tenant, there_are(&self.tenant, names))));
        }
        if !scene.may_see_anything() {
            let said = scene.tenant.refusal().unwrap_or_default();
            let namespace = home::customer_namespace(&self.tenant);
            return Err(refused(&format!("{said}; and you may see nothing in the namespace {namespace} either")));
        }
        shown(&scene, &desk, self.common.output)
    }
}

/// Prints it.
pub fn shown(scene: &Scene, desk: &Desk, output: Output) -> Result<(), Failure> {
    match output {
        Output::Table => print(&text::text(scene, desk.now, desk.paint)),
        Output::Json => print_json(&scene.json(desk.now)),
    }
}

impl Scene {
    /// Everything at once, with the rights of whoever is signed in.
    pub async fn look(desk: &Desk, name: &str) -> Result<Self, Failure> {
        let (reads, namespace) = (&desk.reads, home::customer_namespace(name));
        let within = Some(namespace.as_str());
        // A Retention is called as its tenant is, unless the Tenant says otherwise.
        let (tenant, retention, machines, networks, grants) = try_join5(
            reads.one::<Tenant>(None, name),
            reads.one::<Retention>(None, name),
            reads.all(within),
            reads.all(within),
            reads.all(within),
        )
        .await?;
        let tenant = read(tenant);
        let other = tenant.here().and_then(|tenant| tenant.spec.retention_name.clone()).filter(|other| other != name);
        let retention = match other {
            Some(other) => reads.one(None, &other).await?,
            None => retention,
        };
        Ok(Self { name: name.to_owned(), tenant, retention: read(retention), machines, networks, grants })
    }

    /// Is there anything that this person may see?
    pub fn may_see_anything(&self) -> bool {
        [self.tenant.refusal(), self.machines.refusal(), self.networks.refusal(), self.grants.refusal()]
            .iter()
            .any(Option::is_none)
    }

    /// What may not be seen, by kind.
    fn unseen(&self) -> Vec<&'static str> {
        let kinds = [
            ("Tenant (contract, people, conditions, disks, backups)", self.tenant.refusal()),
            ("Retention", self.retention.refusal()),
            ("VirtualMachines", self.machines.refusal()),
            ("TenantNetworks", self.networks.refusal()),
            ("AccessGrants", self.grants.refusal()),
        ];
        kinds.into_iter().filter(|(_, refusal)| refusal.is_some()).map(|(kind, _)| kind).collect()
    }

    /// For programs: without the application ID, mail addresses and what is nobody's to read here.
    fn json(&self, now: Timestamp) -> Value {
        let tenant = self.tenant.here().map(|tenant| {
            let (spec, status) = (&tenant.spec, tenant.status.clone().unwrap_or_default());
            let contract = &spec.contract;
            let people = spec.administrators.iter().map(|person| {
                json!({"username": person.username, "role": person.role, "disabled": person.disabled})
            });
            json!({
                "displayName": spec.display_name, "phase": status.phase, "suspended": spec.suspended,
                "contract": {
                    "startDate": contract.start_date, "endDate": contract.end_date, "servicePlan": contract.service_plan,
                    "termsVersion": contract.terms_version, "capacity": contract.capacity,
                    "terminationReason": contract.termination_reason,
                },
                "administrators": people.collect::<Vec<_>>(), "capacity": status.capacity, "backups": status.backups,
                "contractEndsAt": status.contract_ends_at, "purgeNotBefore": status.purge_not_before,
                "conditions": status.conditions,
            })
        });
        let retention = self.retention.here().map(|retention| {
            let status = retention.status.clone().unwrap_or_default();
            json!({
                "name": retention.name_any(), "phase": status.phase, "next": status.next, "deadline": status.deadline,
                "purgeNotBefore": status.purge_not_before, "conditions": status.conditions,
                "held": retention.spec.legal_hold.as_ref().is_some_and(|hold| hold.active),
            })
        });
        let networks = self.networks.items().iter().map(|network| {
            let status = network.status.clone().unwrap_or_default();
            json!({
                "name": network.name_any(), "type": network.spec.type_, "zone": network.spec.zone, "rules": status.rules,
                "conditions": status.conditions,
            })
        });
        let grants = self.grants.items().iter().map(|each| grant::json(each, now));
        json!({
            "name": self.name, "namespaces": self.namespaces(), "tenant": tenant, "retention": retention,
            "virtualMachines": machines::rows(self), "networks": networks.collect::<Vec<_>>(),
            "grants": grants.collect::<Vec<_>>(), "notSeen": self.unseen(),
        })
    }

    fn namespaces(&self) -> Vec<String> {
        let said = self.tenant.here().and_then(|tenant| tenant.status.as_ref()).map(|status| status.namespaces.clone());
        said.filter(|names| !names.is_empty()).unwrap_or_else(|| vec![home::customer_namespace(&self.name)])
    }
}

fn read<T, K>(seen: Seen<(T, K)>) -> Seen<K> {
    match seen {
        Seen::Here((_, read)) => Seen::Here(read),
        Seen::Missing => Seen::Missing,
        Seen::Refused(said) => Seen::Refused(said),
    }
}

#[cfg(test)]
pub mod tests {
    use super::super::conditions::tests::condition;
    use super::super::grant::tests::{grant, now};
    use super::super::table::Paint;
    use super::*;

    /// A tenant of so many VMs, of which one does not run.
    pub fn tenant(name: &str, vms: usize) -> Tenant {
        let machine = |number: usize| {
            json!({
                "name": format!("vm-{number}"), "instancetype": "u1.medium", "image": {"dataSource": "ubuntu"},
                "disks": [{"name": "root", "size": "40Gi"}, {"name": "data", "size": "1Ti", "storageClassName": "cf-jp-slow"}],
                "networks": [{"name": "front"}, {"name": "back"}],
            })
        };
        let backup = json!({"vm": "vm-1", "since": "2026-11-01T00:00:00Z", "plan": "0 2 * * *", "failures": 0,
            "lastSuccess": "2026-11-29T17:00:00Z", "lastDue": "2026-11-29T17:00:00Z"});
        let failed = json!({"vm": "vm-2", "since": "2026-11-01T00:00:00Z", "plan": "0 2 * * *", "failures": 3});
        let mut tenant: Tenant = serde_json::from_value(json!({
            "metadata": {"name": name, "creationTimestamp": "2026-11-18T12:07:00Z"},
            "spec": {
                "displayName": "エーシーエムイー株式会社",
                "contract": {"applicationId": "TEST-000001", "startDate": "2026-04-01", "servicePlan": "standard-backup",
                    "termsVersion": "2024-04",
                    "capacity": {"vcpus": 16, "memory": "64Gi", "storage": "4Ti", "instances": 64, "snapshots": 8}},
                "administrators": [
                    {"username": "tanaka", "email": "tanaka@customer.example", "role": "PrivilegedAdministrator"},
                    {"username": "ito", "email": "ito@customer.example", "role": "User", "disabled": true}],
                "residency": {"storageClassNames": ["cf-jp-encrypted"]},
                "virtualMachines": (0..vms).map(machine).collect::<Vec<_>>(),
            },
            "status": {
                "phase": "Active", "namespaces": [format!("cf-{name}"), format!("cfd-{name}")],
                "vms": {"desired": vms, "ready": vms.saturating_sub(1), "withheld": 0, "nonCompliant": 0},
                "capacity": [{"resource": "memory", "contracted": "64Gi", "allocated": "48Gi", "percent": 75},
                    {"resource": "storage", "contracted": "4Ti", "allocated": "3932Gi", "percent": 96}],
                "backups": if vms > 2 { vec![backup, failed] } else { Vec::new() },
                "conditions": [],
            },
        }))
        .unwrap();
        let status = tenant.status.as_mut().unwrap();
        status.conditions = vec![
            condition("Ready", "False", "NotAllReady", "VMs are not all as declared"),
            condition("Stalled", "False", "AsDeclared", ""),
            condition("WallsReady", "True", "AsDeclared", ""),
            condition(
                "VirtualMachinesReady",
                "False",
                "Unschedulable",
                &"vm-0: no node has room for 8Gi of memory\u{1b}[2J ".repeat(9),
            ),
            condition("ResidencyVerified", "Unknown", "NotSynced", "nodes are not listed yet"),
        ];
        tenant
    }

    fn vm(number: usize, status: &str) -> VirtualMachine {
        let volumes = json!([{"name": "root", "dataVolume": {"name": format!("vm-{number}-root")}}]);
        serde_json::from_value(json!({
            "metadata": {"name": format!("vm-{number}"), "namespace": "cf-acme"},
            "spec": {"instancetype": {"kind": "VirtualMachineClusterInstancetype", "name": "u1.medium"},
                "template": {"spec": {"volumes": volumes, "networks": [{"name": "front"}]}}},
            "status": {"printableStatus": status},
        }))
        .unwrap()
    }

    fn here<T>(items: Vec<T>) -> Seen<Listed<T>> {
        Seen::Here(Listed { items, unreadable: Vec::new() })
    }

    fn scene(vms: usize) -> Scene {
        let network = json!({"metadata": {"name": "front", "namespace": "cf-acme"},
            "spec": {"type": "VLAN", "zone": "DMZ", "subnets": [{"cidr": "192.0.2.0/24"}]},
            "status": {"rules": 4, "conditions": [condition("Ready", "True", "AsDeclared", ""),
                condition("RulesEnforced", "Unknown", "NotMeasured", "")]}});
        let retention = json!({"metadata": {"name": "acme"}, "spec": {"tenantRef": {"name": "acme"}},
            "status": {"phase": "Idle", "next": "nothing is erased while the contract runs"}});
        let machines = (0..vms).map(|number| vm(number, if number == 0 { "ErrorUnschedulable" } else { "Running" }));
        let over = grant("old-1129-1000", json!({}), json!({"state": "Expired"}));
        Scene {
            name: "acme".to_owned(),
            tenant: Seen::Here(tenant("acme", vms)),
            retention: Seen::Here(serde_json::from_value(retention).unwrap()),
            machines: here(machines.collect()),
            networks: here(vec![serde_json::from_value(network).unwrap()]),
            grants: here(vec![grant("web-1-1130-2304", json!({}), json!({"state": "Requested"})), over]),
        }
    }

    #[test]
    fn a_tenant_is_one_screen_that_begins_with_what_is_wrong() {
        super::super::tests::golden("show", &text::text(&scene(3), now(), Paint::default()));
        let full = text::text(&scene(64), now(), Paint::default());
        super::super::tests::golden("show-64", &full);
        assert!(full.lines().count() < 64 + 60, "{full}");
    }

    #[test]
    fn a_customer_sees_what_is_in_the_namespace_and_is_told_what_not() {
        let mut own = scene(2);
        own.tenant = Seen::Refused("tenants.cloudfarm.dev is forbidden".to_owned());
        own.retention = Seen::Refused("retentions.cloudfarm.dev is forbidden".to_owned());
        super::super::tests::golden("show-customer", &text::text(&own, now(), Paint::default()));
        assert!(own.may_see_anything());
        let none = || Seen::Refused("no".to_owned());
        let (machines, networks, grants) =
            (Seen::Refused("no".to_owned()), Seen::Refused("no".to_owned()), Seen::Refused("no".to_owned()));
        let stranger =
            Scene { name: "acme".to_owned(), tenant: none(), retention: Seen::Missing, machines, networks, grants };
        assert!(!stranger.may_see_anything());
    }

    #[test]
    fn neither_text_nor_json_has_the_application_id_or_a_mail_address() {
        let scene = scene(3);
        for told in [scene.json(now()).to_string(), text::text(&scene, now(), Paint::default())] {
            assert!(!told.contains("TEST-000001") && !told.contains("@customer") && told.contains("tanaka"), "{told}");
        }
    }
}
