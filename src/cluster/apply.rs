//! `Desired` -> `Applied`: what is not as wanted is written, stage by stage; what is no longer wanted is pruned.
//!
//! Guarantees:
//! - a stage starts only when every wall of the stages before it is observed as wanted (I3);
//! - an object that is as wanted costs no call (I4);
//! - something of that name that is not ours is never touched (I1);
//! - what was decided by the object itself is written over exactly that (I11);
//! - one object that cannot be written does not stop its siblings (I14).

use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};

use super::applied::{Applied, Cause, Fault};
use super::object::{Claim, Desired, DesiredObject, Facts, Kind, LeaseWrite, Observation, Owner, OwnerKind, Reference};
use super::observed::same_content;
use super::write::WriteError;
use super::{Cluster, prune};

/// How long a pass waits for the quota controller before it leaves the workloads to the next pass.
const QUOTA_PATIENCE: Duration = Duration::from_secs(3);

/// What is said of an object that somebody wrote between our look and our write.
const CHANGED: &str = "was changed meanwhile and is looked at again";

/// Writes of one declaration in parallel within a stage.
const PARALLEL: usize = 8;

impl Cluster {
    /// One pass over everything a declaration wants.
    pub async fn apply(&self, desired: &Desired) -> Applied {
        let mut applied = Applied::default();
        for stage in &desired.stages {
            let walls_missing = applied.faults.iter().any(|fault| is_wall(fault.reference.kind));
            if walls_missing {
                break;
            }
            let counted = stage.objects.iter().any(|object| is_counted(object.reference.kind));
            if counted && !self.quotas_count(&desired.owner, &mut applied).await {
                break;
            }
            self.apply_all(&desired.owner, &stage.objects, &mut applied).await;
        }
        self.make_missing(&desired.once, &mut applied).await;
        self.claim_all(&desired.claims, &mut applied).await;
        self.lease_all(&desired.leases, &mut applied).await;
        prune::prune(self, desired, &mut applied).await;
        applied
    }

    /// One object of a declaration by itself, beside its pass: nothing else is made and nothing is pruned.
    pub async fn bring_alone(&self, owner: &Owner, object: &DesiredObject) -> Applied {
        let mut applied = Applied::default();
        self.apply_all(owner, std::slice::from_ref(object), &mut applied).await;
        applied
    }

    async fn apply_all(&self, owner: &Owner, objects: &[DesiredObject], applied: &mut Applied) {
        let (waiting, objects): (Vec<_>, Vec<_>) = objects.iter().partition(|object| waits(object, applied));
        applied.faults.extend(waiting.into_iter().map(|object| Fault {
            reference: object.reference.clone(),
            cause: Cause::Waiting,
            message: "waits for what it needs before it".into(),
        }));
        let writes: Vec<_> = objects.into_iter().map(|object| self.bring(owner, object).boxed()).collect();
        let outcomes: Vec<Outcome> = stream::iter(writes).buffer_unordered(PARALLEL).collect().await;
        for outcome in outcomes {
            match outcome {
                Outcome::There(observation) => {
                    applied.observed.insert(observation.reference.clone(), observation);
                }
                Outcome::Written(observation) => {
                    applied.written += 1;
                    applied.observed.insert(observation.reference.clone(), observation);
                }
                Outcome::Fault(fault) => applied.faults.push(fault),
            }
        }
    }

    /// A quota is a wall only once the cluster's quota controller counts by it, which takes it a moment. A network's is
    /// the Tenant's.
    async fn quotas_count(&self, owner: &Owner, applied: &mut Applied) -> bool {
        let idle = |seen: &Observation| matches!(seen.facts, Facts::ResourceQuota { counting: false, .. });
        let of_tenant = self.observed.of_tenant(&owner.tenant).into_values();
        let quotas: Vec<Observation> = of_tenant.filter(|seen| seen.reference.kind == Kind::ResourceQuota).collect();
        if quotas.is_empty() && owner.kind == OwnerKind::TenantNetwork {
            let namespace = owner.namespace.clone();
            let quota = Reference { kind: Kind::ResourceQuota, namespace, name: "cloudfarm".into() };
            applied.faults.push(Fault { reference: quota, cause: Cause::Waiting, message: "is not there yet".into() });
            return false;
        }
        for quota in quotas.into_iter().filter(idle).map(|quota| quota.reference) {
            if !self.observed.wait_for(&quota, QUOTA_PATIENCE, |observation| !idle(observation)).await {
                let message = "the cluster's quota controller does not count by it yet (at most 5 minutes after KubeVirt or CDI was installed); workloads wait for it";
                applied.faults.push(Fault { reference: quota, cause: Cause::Waiting, message: message.into() });
                return false;
            }
        }
        true
    }

    /// What is made once and then belongs to people: whatever is there already is right.
    async fn make_missing(&self, objects: &[DesiredObject], applied: &mut Applied) {
        for object in objects {
            let reference = object.reference.clone();
            match self.writer.create(&reference, &object.body).await {
                Ok(observation) => {
                    applied.written += 1;
                    applied.observed.insert(reference, observation);
                }
                // Somebody was faster; our watch tells in a moment.
                Err(WriteError::Unexpected(_)) => {}
                Err(error) => applied.faults.push(failed(&reference, &error)),
            }
        }
    }

    /// The pure step asks for a claim only while the object does not show it yet.
    async fn claim_all(&self, claims: &[Claim], applied: &mut Applied) {
        for Claim { on, fields } in claims {
            match self.writer.claim(on, fields).await {
                Ok(observation) => {
                    applied.written += 1;
                    self.observed.claimed(observation);
                }
                // It went meanwhile; there is nothing left to claim.
                Err(WriteError::NotFound(_)) => {}
                Err(error) => applied.faults.push(failed(&on.reference, &error)),
            }
        }
    }

    /// Who comes first has the id; whoever lost learns by the watch of Leases whose it is.
    async fn lease_all(&self, leases: &[LeaseWrite], applied: &mut Applied) {
        for LeaseWrite { lease, over } in leases {
            let written = match over {
                None => self.writer.create(&lease.reference, &lease.body).await,
                Some(seen) => self.writer.take_over(seen, &lease.body).await,
            };
            match written {
                Ok(observation) => {
                    applied.written += 1;
                    self.observed.answered(observation, lease.digest);
                }
                Err(WriteError::Unexpected(_) | WriteError::NotFound(_)) => {}
                Err(error) => applied.faults.push(failed(&lease.reference, &error)),
            }
        }
    }

    async fn bring(&self, owner: &Owner, object: &DesiredObject) -> Outcome {
        let reference = &object.reference;
        if !self.installed(reference.kind) {
            return obstacle(
                reference,
                Cause::Waiting,
                "its kind is not installed in this cluster, or was not listed yet",
            );
        }
        match self.observed.get(reference) {
            None => self.create(owner, object).await,
            Some(seen) => self.keep_or_update(owner, object, seen).await,
        }
    }

    async fn create(&self, owner: &Owner, object: &DesiredObject) -> Outcome {
        match self.writer.create(&object.reference, &object.body).await {
            Ok(observation) => self.written(object, observation),
            // Something is there that our watch does not show: our own write whose answer was lost, an object whose
            // labels were stripped, or somebody else's.
            Err(WriteError::Unexpected(_)) => match self.writer.read(&object.reference).await {
                Ok(seen) => self.keep_or_update(owner, object, seen).await,
                Err(error) => Outcome::Fault(failed(&object.reference, &error)),
            },
            Err(error) => Outcome::Fault(failed(&object.reference, &error)),
        }
    }

    async fn keep_or_update(&self, owner: &Owner, object: &DesiredObject, seen: Observation) -> Outcome {
        let reference = &object.reference;
        if let Some(stranger) = foreign(owner, &seen) {
            return obstacle(reference, Cause::Foreign, stranger);
        }
        if seen.digest == object.digest || self.observed.settled(reference, object.digest) {
            self.observed.see(seen.clone());
            return Outcome::There(seen);
        }
        let written = match &object.decided_by {
            None => self.writer.update(reference, &seen.uid, &object.body).await,
            Some(known) if same_content(known, &seen) => self.writer.take_over(&seen, &object.body).await,
            // The watch that told of it makes the next pass.
            Some(_) => return obstacle(reference, Cause::Waiting, CHANGED),
        };
        match written {
            Ok(observation) => self.written(object, observation),
            Err(error) => Outcome::Fault(failed(reference, &error)),
        }
    }

    fn written(&self, object: &DesiredObject, observation: Observation) -> Outcome {
        if observation.digest != object.digest {
            tracing::warn!(object = %object.reference, "admission or defaulting changed what was applied");
        }
        self.observed.answered(observation.clone(), object.digest);
        Outcome::Written(observation)
    }
}

enum Outcome {
    There(Observation),
    Written(Observation),
    Fault(Fault),
}

/// Why this object may not be touched by this owner; `None` if it is the owner's own or may be adopted.
///
/// A Tenant that was deleted and declared again has a new uid: the objects of its namesake re-attach, since names of
/// declarations are unique and the old uid can belong to no living one. A namespace is adopted when the provider
/// labelled it for this tenant beforehand.
fn foreign(owner: &Owner, seen: &Observation) -> Option<String> {
    let owner_word = format!("{:?}/{}", owner.kind, owner.name);
    if seen.tenant != owner.tenant && (seen.ours || seen.reference.kind == Kind::Namespace) {
        return Some(if seen.tenant.is_empty() {
            format!("{} exists without the label {}={}", seen.reference, crate::api::labels::TENANT, owner.tenant)
        } else {
            format!("{} belongs to tenant {:?}", seen.reference, seen.tenant)
        });
    }
    if seen.owner == owner_word && (seen.ours || seen.owner_uid == owner.uid) {
        return None;
    }
    if seen.reference.kind == Kind::Namespace && seen.owner.is_empty() {
        return None;
    }
    Some(format!("{} exists and was not made by cloudfarm for {owner_word}; delete or rename it", seen.reference))
}

/// What it needs could not be brought to its state.
fn waits(object: &DesiredObject, applied: &Applied) -> bool {
    object.after.as_ref().is_some_and(|needed| applied.faults.iter().any(|fault| fault.reference == *needed))
}

/// Kinds of which a tenant's quota says how many there may be: until it counts, the API server refuses them.
fn is_counted(kind: Kind) -> bool {
    matches!(kind, Kind::DataVolume | Kind::VirtualMachine | Kind::Service)
}

/// Kinds without which no workload may start.
fn is_wall(kind: Kind) -> bool {
    match kind {
        Kind::Namespace
        | Kind::ResourceQuota
        | Kind::LimitRange
        | Kind::NetworkPolicy
        | Kind::ClusterNetworkPolicy
        | Kind::MultiNetworkPolicy => true,
        Kind::Role
        | Kind::RoleBinding
        | Kind::NetworkAttachmentDefinition
        | Kind::UserDefinedNetwork
        | Kind::ClusterUserDefinedNetwork
        | Kind::Service
        | Kind::Certificate
        | Kind::DataVolume
        | Kind::PersistentVolumeClaim
        | Kind::VirtualMachine
        | Kind::VirtualMachineSnapshot
        | Kind::Schedule
        | Kind::CronJob
        | Kind::ConfigMap
        | Kind::Retention
        | Kind::Lease
        | Kind::Report
        | Kind::ClusterReport
        | Kind::Secret => false,
    }
}

fn obstacle(reference: &Reference, cause: Cause, message: impl Into<String>) -> Outcome {
    Outcome::Fault(Fault { reference: reference.clone(), cause, message: message.into() })
}

fn failed(reference: &Reference, error: &WriteError) -> Fault {
    let (cause, message) = match error {
        WriteError::Refused(said) => (Cause::Refused, said.clone()),
        // Every write says what it expects to find, so this is nobody's mistake.
        WriteError::Unexpected(_) => (Cause::Changed, CHANGED.to_owned()),
        WriteError::NotFound(said) | WriteError::Unanswered(said) => (Cause::Unanswered, said.clone()),
    };
    Fault { reference: reference.clone(), cause, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::object::{Digest, Facts, OwnerKind, Stage};

    fn owner() -> Owner {
        Owner {
            kind: OwnerKind::Tenant,
            namespace: None,
            name: "plum".into(),
            uid: "u-new".into(),
            tenant: "plum".into(),
        }
    }

    fn seen(kind: Kind, tenant: &str, owner: &str, ours: bool) -> Observation {
        Observation {
            reference: Reference { kind, namespace: None, name: "x".into() },
            uid: "1".into(),
            resource_version: "1".into(),
            owner: owner.into(),
            owner_uid: "u-old".into(),
            tenant: tenant.into(),
            ours,
            digest: Digest::of(&serde_json::Value::Null),
            facts: Facts::None,
            deleting: false,
        }
    }

    fn ours(version: &str) -> Observation {
        let seen = seen(Kind::RoleBinding, "plum", "Tenant/plum", true);
        Observation { resource_version: version.into(), ..seen }
    }

    #[test]
    fn only_what_was_made_for_this_declaration_or_handed_to_it_may_be_touched() {
        let cases = [
            (
                "made for this tenant's earlier incarnation",
                seen(Kind::NetworkPolicy, "plum", "Tenant/plum", true),
                true,
            ),
            ("a namespace labelled by the provider", seen(Kind::Namespace, "plum", "", false), true),
            ("a namespace without a label", seen(Kind::Namespace, "", "", false), false),
            ("a namespace of another tenant", seen(Kind::Namespace, "pear", "Tenant/pear", true), false),
            ("a policy somebody wrote", seen(Kind::NetworkPolicy, "plum", "", false), false),
            ("a policy of a network", seen(Kind::NetworkPolicy, "plum", "TenantNetwork/dmz", true), false),
        ];
        for (case, seen, allowed) in cases {
            assert_eq!(foreign(&owner(), &seen).is_none(), allowed, "{case}");
        }
    }

    #[tokio::test]
    async fn what_needs_something_that_could_not_be_made_is_not_written_and_its_siblings_are() {
        let reference =
            |kind: Kind, name: &str| Reference { kind, namespace: Some("cf-plum".into()), name: name.into() };
        let object = |kind: Kind, name: &str| DesiredObject {
            reference: reference(kind, name),
            body: serde_json::json!({"metadata": {"name": name}}),
            digest: Digest::of(&serde_json::Value::Null),
            after: None,
            decided_by: None,
        };
        let (cluster, asked) = crate::cluster::asked::cluster();
        // Its kind is not installed here.
        let needed = object(Kind::Certificate, "needed");
        let needs = object(Kind::RoleBinding, "needs").after(needed.reference.clone());
        let stages =
            vec![Stage { objects: vec![needed] }, Stage { objects: vec![needs, object(Kind::RoleBinding, "free")] }];
        let applied = cluster.apply(&Desired::only(owner(), stages)).await;
        let asked = asked.lock().unwrap();
        assert!(asked.iter().all(|line| line.contains("/rolebindings/free")), "{asked:?}");
        let waits = applied.faults.iter().find(|fault| fault.reference == reference(Kind::RoleBinding, "needs"));
        assert_eq!(waits.map(|fault| fault.cause), Some(Cause::Waiting));
    }

    #[tokio::test]
    async fn what_was_decided_by_the_object_itself_is_not_written_over_what_somebody_made_of_it_since() {
        let halted = Observation { facts: Facts::RoleBinding { subjects: 1 }, ..ours("7") };
        let object = DesiredObject {
            reference: halted.reference.clone(),
            body: serde_json::json!({"metadata": {"name": "x"}}),
            digest: Digest::of(&serde_json::json!("wanted")),
            after: None,
            decided_by: None,
        };
        let object = object.decided_by(Some(&halted));
        let (cluster, asked) = crate::cluster::asked::cluster();
        let by_somebody = Observation { facts: Facts::RoleBinding { subjects: 2 }, ..ours("8") };
        let outcome = cluster.keep_or_update(&owner(), &object, by_somebody).await;
        assert!(matches!(outcome, Outcome::Fault(fault) if fault.cause == Cause::Waiting));
        assert!(asked.lock().unwrap().is_empty());
        // The same again, a version later: written exactly over that version.
        let later = Observation { resource_version: "9".into(), ..halted };
        cluster.keep_or_update(&owner(), &object, later).await;
        let asked = asked.lock().unwrap();
        assert!(asked[0].ends_with(r#"{"metadata":{"name":"x","resourceVersion":"9","uid":"1"}}"#), "{asked:?}");
    }

    #[test]
    fn a_conflict_is_no_error_of_the_api_servers_and_is_tried_again() {
        let fault = failed(&ours("7").reference, &WriteError::Unexpected("the object has been modified".into()));
        assert_eq!((fault.cause, fault.message.as_str()), (Cause::Changed, CHANGED));
        let verdict = fault.verdict(crate::api::condition::ConditionType::Ready);
        assert_eq!(verdict.reason, crate::api::condition::Reason::Progressing);
        let fault = failed(&ours("7").reference, &WriteError::Unanswered("503".into()));
        assert_eq!((fault.cause, fault.message.as_str()), (Cause::Unanswered, "503"));
    }

    #[tokio::test]
    async fn a_vlan_id_is_taken_only_where_nobody_has_it_or_exactly_as_it_was_seen() {
        let lease = |name: &str| DesiredObject {
            reference: Reference { kind: Kind::Lease, namespace: Some("cloudfarm-system".into()), name: name.into() },
            body: serde_json::json!({"metadata": {"name": name}}),
            digest: Digest::of(&serde_json::Value::Null),
            after: None,
            decided_by: None,
        };
        let mut free = seen(Kind::Lease, "plum", "TenantNetwork/dmz", true);
        free.reference = lease("vlan-7").reference;
        free.resource_version = "41".into();
        let (cluster, asked) = crate::cluster::asked::cluster();
        let leases = [
            LeaseWrite { lease: lease("vlan-120"), over: None },
            LeaseWrite { lease: lease("vlan-7"), over: Some(free) },
        ];
        cluster.lease_all(&leases, &mut Applied::default()).await;
        let asked = asked.lock().unwrap();
        // A resource version that no object has: refused if anybody took the id meanwhile.
        assert!(asked[0].ends_with(r#"{"metadata":{"name":"vlan-120","resourceVersion":"1"}}"#), "{asked:?}");
        assert!(asked[1].ends_with(r#"{"metadata":{"name":"vlan-7","resourceVersion":"41","uid":"1"}}"#), "{asked:?}");
    }
}
