//! `cloudfarm restore`, and `kubectl cloudfarm restore`: a VM comes back from one of its backups by plan. With the rights of
//! whoever is signed in; the operator brings nothing back by itself.

use std::time::Duration;

use clap::Args;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, ResourceQuota};
use k8s_openapi::jiff::tz::{Offset, TimeZone};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use super::connection::Connection;
use super::{Failure, exit, print, printable};
use crate::api::quantity::Quantity;
use crate::api::{home, labels};
use crate::cluster::object::{Facts, Managed as _};
use crate::cluster::people::Person;
use crate::cluster::write::WriteError;
use crate::foreign::virtual_machine::VirtualMachine;
use crate::foreign::virtual_machine_restore::{VirtualMachineRestore, restore};
use crate::foreign::virtual_machine_snapshot::{Outcome, VirtualMachineSnapshot};
use crate::operator::clock::Clock;

#[derive(Debug, Args)]
#[command(after_help = "\
This is a kubectl plugin, too: the same program installed as kubectl-cloudfarm on the PATH is `kubectl cloudfarm restore`.
The VM gets new disks with what the backup holds, and keeps its addresses. Its disks as they are now stay beside them, so \
the contract needs room for both; what is in the VM's memory, and the state of its TPM, is lost. It is off afterwards.
Everything is done with your own rights: ClusterRole cloudfarm-tenant-admin has what is needed.
Exit codes: 0 done; 1 no such VM or backup; 2 wrong usage; 3 kubeconfig or cluster not usable, or --wait is over; \
4 refused, or KubeVirt could not bring it back.")]
pub struct Restore {
    /// Name of the Tenant
    tenant: String,
    /// Name of the VM
    vm: String,
    /// Name of the backup: a VirtualMachineSnapshot, as in status.backups of the Tenant
    #[arg(long, value_name = "NAME")]
    backup: String,
    /// Stop the VM if it runs
    #[arg(long)]
    stop: bool,
    /// Take a backup, too, for which the guest's file systems were not at rest
    #[arg(long)]
    not_at_rest: bool,
    /// Wait until the disks are there
    #[arg(long)]
    wait: bool,
    /// How many seconds to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 900, requires = "wait")]
    timeout: u64,
    #[command(flatten)]
    connection: Connection,
}

impl Restore {
    pub async fn run(self) -> Result<(), Failure> {
        let client = self.connection.client().await?;
        let namespace = home::customer_namespace(&self.tenant);
        let vm = self.vm(&client, &namespace).await?;
        let backup = self.backup(&client, &namespace).await?;
        self.judge(&vm, &backup).map_err(|why| self.failed(exit::REFUSED, &format!("nothing was changed: {why}")))?;

        let (claims, quotas) = self.room(&client, &namespace, &vm).await?;
        is_room_for(&claims, &quotas)
            .map_err(|why| self.failed(exit::REFUSED, &format!("nothing was changed: {why}")))?;

        // In Japan, as in the backup's name before it.
        let now = Clock::default().now().to_zoned(TimeZone::fixed(Offset::constant(9)));
        let suffix = now.strftime("%Y%m%dt%H%M%S").to_string();
        let asked = restore(&namespace, &self.vm, &self.backup, &suffix);
        let name = asked.name_any();
        Person::new(client.clone()).restore(&asked).await.map_err(|error| match error {
            WriteError::Refused(said) | WriteError::Unexpected(said) => {
                self.failed(exit::REFUSED, &format!("nothing was changed: {said}"))
            }
            WriteError::NotFound(said) | WriteError::Unanswered(said) => self.failed(exit::CLUSTER, &said),
        })?;
        let look = format!("kubectl get virtualmachinerestore {name} -n {namespace}");
        if !self.wait {
            return print(&format!("{}: asked for by VirtualMachineRestore {name}; look with: {look}\n", self.title()));
        }
        let restores: Api<VirtualMachineRestore> = Api::namespaced(client, &namespace);
        let ended = await_condition(restores.clone(), &name, |found: Option<&VirtualMachineRestore>| {
            found.is_none_or(|found| found.ended().is_some())
        });
        let Ok(ended) = tokio::time::timeout(Duration::from_secs(self.timeout), ended).await else {
            let said = restores.get_opt(&name).await.ok().flatten().map(|found| found.says());
            let said = said.unwrap_or_else(|| "it cannot be read".to_owned());
            let message = format!("not done within {} s; KubeVirt says: {said}; look with: {look}", self.timeout);
            return Err(self.failed(exit::CLUSTER, &message));
        };
        let ended = ended.map_err(|error| self.failed(exit::CLUSTER, &error.to_string()))?;
        match ended.and_then(|found| found.ended()) {
            Some(Ok(())) => print(&format!(
                "{}: back, by VirtualMachineRestore {name}; it is off, start it with: virtctl start {} -n {namespace}\n",
                self.title(),
                self.vm
            )),
            Some(Err(said)) => Err(self.failed(exit::REFUSED, &format!("KubeVirt says: {said}"))),
            None => Err(self.failed(exit::REFUSED, &format!("somebody deleted VirtualMachineRestore {name}"))),
        }
    }

    async fn vm(&self, client: &Client, namespace: &str) -> Result<VirtualMachine, Failure> {
        let found = Api::namespaced(client.clone(), namespace).get_opt(&self.vm).await;
        found
            .map_err(|error| self.unread("VirtualMachine", &error))?
            .ok_or_else(|| self.failed(exit::INPUT, &format!("there is no VM {} in namespace {namespace}", self.vm)))
    }

    async fn backup(&self, client: &Client, namespace: &str) -> Result<VirtualMachineSnapshot, Failure> {
        let backups: Api<VirtualMachineSnapshot> = Api::namespaced(client.clone(), namespace);
        let found =
            backups.get_opt(&self.backup).await.map_err(|error| self.unread("VirtualMachineSnapshot", &error))?;
        if let Some(found) = found {
            return Ok(found);
        }
        let plan = kube::api::ListParams::default().labels(labels::BACKUP);
        let all = backups.list(&plan).await.map_err(|error| self.unread("VirtualMachineSnapshot", &error))?;
        let mut names: Vec<String> =
            all.iter().filter(|each| each.spec.source.name == self.vm).map(ResourceExt::name_any).collect();
        names.sort_by(|one, other| other.cmp(one));
        names.truncate(5);
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Err(self.failed(exit::INPUT, &format!("there is no backup {}; the latest of this VM: {there}", self.backup)))
    }

    /// The VM's claims, and the quotas that those count against which a restore makes in their place.
    async fn room(
        &self,
        client: &Client,
        namespace: &str,
        vm: &VirtualMachine,
    ) -> Result<(Vec<PersistentVolumeClaim>, Vec<ResourceQuota>), Failure> {
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
        let mut found = Vec::new();
        for name in claims_of(vm) {
            let claim = claims.get_opt(&name).await;
            found.extend(claim.map_err(|error| self.unread("PersistentVolumeClaim", &error))?);
        }
        let quotas: Api<ResourceQuota> = Api::namespaced(client.clone(), namespace);
        let quotas = quotas.list(&kube::api::ListParams::default()).await;
        Ok((found, quotas.map_err(|error| self.unread("ResourceQuota", &error))?.items))
    }

    /// Why not, in words of what would be right.
    fn judge(&self, vm: &VirtualMachine, snapshot: &VirtualMachineSnapshot) -> Result<(), String> {
        let name = &self.backup;
        let of = snapshot.labels().get(labels::TENANT).map(String::as_str).unwrap_or_default();
        if of != self.tenant {
            return Err(format!(
                "{name} is no backup of tenant {}: its label {} is {of:?}",
                self.tenant,
                labels::TENANT
            ));
        }
        let Facts::Backup(backup) = snapshot.facts() else {
            return Err(format!("{name} is a snapshot and no backup by plan: label {} is missing", labels::BACKUP));
        };
        if backup.of != self.vm {
            return Err(format!("{name} is a backup of VM {}", backup.of));
        }
        match backup.outcome {
            Outcome::Ready => {}
            Outcome::Pending => return Err(format!("{name} is not ready yet")),
            Outcome::Partial(said) | Outcome::Failed(said) => return Err(format!("{name} failed: {said}")),
        }
        if !backup.quiesced && !self.not_at_rest {
            return Err(format!(
                "the guest's file systems were not at rest for {name}, as after a power cut; choose another, or take it with --not-at-rest"
            ));
        }
        let source = snapshot.status.as_ref().and_then(|status| status.source_uid.clone());
        if source.is_some() && source != vm.uid() {
            return Err(format!(
                "{name} is of an earlier VM of the name {}, as KubeVirt has it, which refuses it until it has looked at the one that is there; try again",
                self.vm
            ));
        }
        let status = vm.status.clone().unwrap_or_default();
        if let Some(other) = status.restore_in_progress {
            return Err(format!("VirtualMachineRestore {other} is under way"));
        }
        if status.created && !self.stop {
            return Err("the VM runs: stop it, or let it be stopped with --stop".to_owned());
        }
        Ok(())
    }

    fn title(&self) -> String {
        format!("VM {} of tenant {} from {}", self.vm, self.tenant, self.backup)
    }

    fn failed(&self, code: u8, said: &str) -> Failure {
        Failure::new(code, printable(&format!("{}: {said}", self.title())))
    }

    fn unread(&self, kind: &str, error: &kube::Error) -> Failure {
        match error {
            kube::Error::Api(status) if [401, 403].contains(&status.code) => self.failed(
                exit::REFUSED,
                &format!("{kind}: {}; ClusterRole cloudfarm-tenant-admin has it", status.message),
            ),
            error => self.failed(exit::CLUSTER, &format!("{kind}: {error}")),
        }
    }
}

/// Names of the claims that a VM has its disks by.
fn claims_of(vm: &VirtualMachine) -> Vec<String> {
    let volumes = vm.spec.template.spec.volumes.as_array().into_iter().flatten();
    let named = |volume: &Value| {
        let name = volume.pointer("/persistentVolumeClaim/claimName").or(volume.pointer("/dataVolume/name"))?;
        name.as_str().map(str::to_owned)
    };
    volumes.filter_map(named).collect()
}

/// KubeVirt stops the VM before it makes the new claims, and keeps it off until there is room for all of them.
fn is_room_for(claims: &[PersistentVolumeClaim], quotas: &[ResourceQuota]) -> Result<(), String> {
    let size = |claim: &PersistentVolumeClaim| -> Option<i128> {
        let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
        Some(requests.get("storage")?.0.parse::<Quantity>().ok()?.nanos())
    };
    let class = |claim: &PersistentVolumeClaim| claim.spec.as_ref().and_then(|spec| spec.storage_class_name.clone());
    let bytes = |resource: &str| -> Option<i128> {
        let of = resource.strip_suffix("requests.storage")?.strip_suffix(".storageclass.storage.k8s.io/");
        let whole = resource == "requests.storage";
        let counted = claims.iter().filter(|claim| whole || of.is_some() && class(claim).as_deref() == of);
        (whole || of.is_some()).then(|| counted.filter_map(size).sum())
    };
    for status in quotas.iter().filter_map(|quota| quota.status.as_ref()) {
        let (Some(hard), Some(used)) = (&status.hard, &status.used) else { continue };
        for (resource, hard) in hard {
            let number = i64::try_from(claims.len()).unwrap_or(i64::MAX);
            let counted = (resource == "persistentvolumeclaims").then(|| Quantity::whole(number).nanos());
            let Some(needed) = bytes(resource).or(counted) else { continue };
            let used = used.get(resource).and_then(|used| used.0.parse::<Quantity>().ok()).map_or(0, Quantity::nanos);
            let Some(hard) = hard.0.parse::<Quantity>().ok() else { continue };
            if used + needed > hard.nanos() {
                let room = hard.with_nanos((hard.nanos() - used).max(0));
                return Err(format!(
                    "the new disks need {} of {resource} beside the old ones, and {room} is left: let removed disks go (target RemovedDisks in spec.rolling of the Retention), or enlarge spec.contract.capacity",
                    hard.with_nanos(needed)
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        restore: Restore,
    }

    fn asked(more: &[&str]) -> Restore {
        let words = ["restore", "acme", "web", "--backup", "web-20261130t0200"];
        Line::try_parse_from([&words[..], more].concat()).unwrap().restore
    }

    fn judged(restore: &Restore, vm: &Value, snapshot: &Value) -> Result<(), String> {
        let mut stored = json!({
            "metadata": {"name": "web-20261130t0200", "annotations": {labels::DUE: "2026-11-29T17:00:00Z"},
                "labels": {labels::BACKUP: "plan", labels::TENANT: "acme"}},
            "spec": {"source": {"name": "web"}},
            "status": {"phase": "Succeeded", "readyToUse": true, "sourceUID": "a"},
        });
        merge(&mut stored, snapshot);
        let vm = json!({"metadata": {"name": "web", "uid": "a"}, "spec": {}, "status": vm});
        restore.judge(&serde_json::from_value(vm).unwrap(), &serde_json::from_value(stored).unwrap())
    }

    fn merge(target: &mut Value, patch: &Value) {
        let (Some(fields), Some(patch)) = (target.as_object_mut(), patch.as_object()) else {
            *target = patch.clone();
            return;
        };
        fields.retain(|key, _| !patch.get(key).is_some_and(Value::is_null));
        for (key, value) in patch.iter().filter(|(_, value)| !value.is_null()) {
            merge(fields.entry(key).or_insert(Value::Null), value);
        }
    }

    #[test]
    fn a_vm_that_is_off_comes_back_from_a_good_backup_of_its_own() {
        assert_eq!(judged(&asked(&[]), &json!({}), &json!({})), Ok(()));
        assert_eq!(judged(&asked(&["--stop"]), &json!({"created": true}), &json!({})), Ok(()));
        let hasty =
            json!({"status": {"sourceIndications": [{"indication": "Online"}, {"indication": "NoGuestAgent"}]}});
        assert_eq!(judged(&asked(&["--not-at-rest"]), &json!({}), &hasty), Ok(()));
    }

    #[test]
    fn a_restore_without_room_is_refused_before_the_vm_is_stopped() {
        let vm = json!({"metadata": {"name": "web"}, "spec": {"template": {"spec": {"volumes": [
            {"name": "root", "dataVolume": {"name": "web-root"}}, {"name": "cloudinit", "cloudInitNoCloud": {}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "restore-data"}},
        ]}}}});
        assert_eq!(claims_of(&serde_json::from_value(vm).unwrap()), ["web-root", "restore-data"]);
        let claim = |size: &str| -> PersistentVolumeClaim {
            let spec = json!({"storageClassName": "jp", "resources": {"requests": {"storage": size}}});
            serde_json::from_value(json!({"metadata": {}, "spec": spec})).unwrap()
        };
        let room = |hard: Value, used: Value| {
            let quota = json!({"metadata": {}, "status": {"hard": hard, "used": used}});
            is_room_for(&[claim("10Gi"), claim("1Gi")], &[serde_json::from_value(quota).unwrap()])
        };
        let per_class = "jp.storageclass.storage.k8s.io/requests.storage";
        for (resource, hard, enough, less, says) in [
            (
                "requests.storage",
                "100Gi",
                "89Gi",
                "90Gi",
                "need 11Gi of requests.storage beside the old ones, and 10Gi is left",
            ),
            (per_class, "100Gi", "89Gi", "90Gi", "need 11Gi of jp."),
            ("persistentvolumeclaims", "10", "8", "9", "need 2 of persistentvolumeclaims"),
        ] {
            assert_eq!(room(json!({resource: hard}), json!({resource: enough})), Ok(()), "{resource}");
            let said = room(json!({resource: hard}), json!({resource: less})).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
        let others = json!({"other.storageclass.storage.k8s.io/requests.storage": "1Gi", "requests.memory": "1Gi"});
        assert_eq!(room(others, json!({"requests.memory": "1Gi"})), Ok(()));
    }

    #[test]
    fn everything_else_is_refused_with_what_would_be_right() {
        let none = json!({});
        let cases = [
            (&none, json!({"metadata": {"labels": {labels::TENANT: "globex"}}}), "no backup of tenant acme"),
            (&none, json!({"metadata": {"annotations": {labels::DUE: null}}}), "no backup by plan"),
            (&none, json!({"spec": {"source": {"name": "db"}}}), "a backup of VM db"),
            (&none, json!({"status": {"readyToUse": false, "phase": "InProgress"}}), "not ready yet"),
            (&none, json!({"status": {"phase": "Failed", "error": {"message": "no room"}}}), "failed: no room"),
            (
                &none,
                json!({"status": {"sourceIndications": [{"indication": "PartialSnapshot"}]}}),
                "a disk is not in it",
            ),
            (&none, json!({"status": {"sourceIndications": [{"indication": "Online"}]}}), "--not-at-rest"),
            (&none, json!({"status": {"sourceUID": "b"}}), "an earlier VM of the name web"),
            (&json!({"created": true}), none.clone(), "--stop"),
            (&json!({"restoreInProgress": "other"}), none.clone(), "other is under way"),
        ];
        for (vm, snapshot, words) in &cases {
            let said = judged(&asked(&[]), vm, snapshot).unwrap_err();
            assert!(said.contains(words), "{words}: {said}");
        }
    }
}
