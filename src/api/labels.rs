//! Every label, annotation and field-manager name the operator writes or reads: the only place these strings exist.

/// API group of our kinds.
pub const GROUP: &str = "cloudfarm.dev";

/// Field manager of every server-side apply.
pub const FIELD_MANAGER: &str = "cloudfarm";

/// Label: the tenant an object belongs to. Customers' isolation selects on it, so only the operator and the
/// provider may write it.
pub const TENANT: &str = "cloudfarm.dev/tenant";

/// Label: `customer` or `derived` (clause 8.1.1: the two are clearly separated).
pub const DATA_CLASS: &str = "cloudfarm.dev/data-class";

/// Value of [`DATA_CLASS`] for what the customer puts in.
pub const DATA_CLASS_CUSTOMER: &str = "customer";

/// Value of [`DATA_CLASS`] for what our service makes of it: reports, access and delivery logs.
pub const DATA_CLASS_DERIVED: &str = "derived";

/// Label: the customer's own classification level of a VM or disk (clause 8.2.2).
pub const CLASSIFICATION: &str = "cloudfarm.dev/classification";

/// Label with value [`FIELD_MANAGER`] on every object we made; our watches select on it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Label on a VM's pod template: the VM's name, so that rules can select one VM. Annotation on a disk: the VM that it was made
/// for.
pub const VM: &str = "cloudfarm.dev/vm";

/// Label on what has no topology of its own (storage classes, snapshot classes, backup locations): the country its data is
/// in, as the provider says.
pub const COUNTRY: &str = "cloudfarm.dev/country";

/// Label on a VirtualMachineSnapshot that the operator made by plan.
pub const BACKUP: &str = "cloudfarm.dev/backup";

/// Annotation on a backup: the time of the schedule that it was made for (RFC 3339).
pub const DUE: &str = "cloudfarm.dev/due";

/// Label prefix on a VM's pod template: `network.cloudfarm.dev/<network>: "true"` for each network it is attached to.
pub const NETWORK_PREFIX: &str = "network.cloudfarm.dev/";

/// Label on a VM's pod template: none of its networks has name resolution, so the platform's resolvers are closed to it.
pub const NO_RESOLVERS: &str = "cloudfarm.dev/no-resolvers";

/// Annotation: `<Kind>/<name>` of the declaration that wants this object.
pub const OWNER: &str = "cloudfarm.dev/owner";

/// Annotation: uid of that declaration. Prune asks for it; a name alone proves nothing.
pub const OWNER_UID: &str = "cloudfarm.dev/owner-uid";

/// Annotation on a Tenant: the admission policy lets a running contract be deleted only with value `"true"`.
pub const ALLOW_ORPHAN: &str = "cloudfarm.dev/allow-orphan";

/// Annotation on a tenant's namespaces: the second place of a legal hold (I6). Any value, also an empty one, holds.
pub const LEGAL_HOLD: &str = "cloudfarm.dev/legal-hold";

/// Annotation on a tenant's namespaces: uid of the Retention whose purge may delete in them. Written by the operator,
/// which cannot delete; asked for by admission and by the purge, which cannot write it.
pub const PURGE_APPROVED: &str = "cloudfarm.dev/purge-approved";

/// Annotation on a VM: the run strategy that its declaration asks for. A VM that is off in spite of it was stopped by hand.
pub const RUN_STRATEGY: &str = "cloudfarm.dev/run-strategy";

/// Annotation on a tenant's quota: CPUs of the contract, which its limit is above.
pub const CONTRACTED_VCPUS: &str = "cloudfarm.dev/contracted-vcpus";

/// Annotation on a tenant's quota: memory of the contract, which its limit is above.
pub const CONTRACTED_MEMORY: &str = "cloudfarm.dev/contracted-memory";

/// Annotation on a tenant's quota: storage of the contract, which its limit is above.
pub const CONTRACTED_STORAGE: &str = "cloudfarm.dev/contracted-storage";

/// Label, and key of a taint, of a node that is one customer's own: the name of its pool. Kubelets cannot write it.
pub const NODE_POOL: &str = "node-restriction.kubernetes.io/cloudfarm-pool";

/// Label: may be deleted while the contract runs; admission asks for it. Written by a rolling purge before it deletes.
pub const DISPOSABLE: &str = "cloudfarm.dev/disposable";

/// Annotation on a disk that no VM declares any more: since when (RFC 3339).
pub const REMOVED_AT: &str = "cloudfarm.dev/removed-at";

/// Annotation on a disk in whose place a VM has a claim that a restore made: that claim.
pub const RESTORED_AS: &str = "cloudfarm.dev/restored-as";

/// Annotation on a root disk that was cloned from a claim: the DataSource that pointed at that claim.
pub const DATA_SOURCE: &str = "cloudfarm.dev/data-source";

/// Annotation on a VM: what its generated guest data was made from, without anything of its content.
pub const GUEST_DATA: &str = "cloudfarm.dev/guest-data";

/// Label in a tenant's derived namespace: which period of `spec.logRetention` keeps the object (`audit`, `access`,
/// `network`, `notices` or `evidence`).
pub const RECORD: &str = "cloudfarm.dev/record";

/// Label on what makes up an open door: the AccessGrant that it is open for.
pub const GRANT: &str = "cloudfarm.dev/grant";

/// Annotation on what makes up an open door: from when on it has to be closed (RFC 3339). Never moved to a later instant.
pub const EXPIRES: &str = "cloudfarm.dev/expires";
/// Annotation on a record of mails: the Notice's name.
pub const NOTICE: &str = "cloudfarm.dev/notice";

/// Annotation on a record of mails: the Notice's uid.
pub const NOTICE_UID: &str = "cloudfarm.dev/notice-uid";

/// Annotation on a Notice that the operator made: what it is about, as JSON, from which the mail is written.
pub const EVENT: &str = "cloudfarm.dev/event";

/// Label on a Lease: it keeps a VLAN id.
pub const VLAN: &str = "cloudfarm.dev/vlan";

/// Annotation on the Lease of a VLAN id: since when its holder has it (RFC 3339).
pub const TAKEN_AT: &str = "cloudfarm.dev/taken-at";

/// Annotation on the Lease of a VLAN id whose network is gone: since when (RFC 3339). The quarantine runs from then. Empty
/// while the id is somebody's again.
pub const RELEASED_AT: &str = "cloudfarm.dev/released-at";

/// Field manager of what a purge run writes on a Retention.
pub const PURGE_MANAGER: &str = "cloudfarm-purge";

/// Field manager of what people write by `kubectl cloudfarm`: on a Retention, on an AccessGrant.
pub const PEOPLE_MANAGER: &str = "kubectl-cloudfarm";

/// Field manager of what a Retention says on objects that others made: a hold, an approval, a halt.
pub const RETENTION_MANAGER: &str = "cloudfarm-retention";

/// Label on a CronJob and its Jobs: the Retention it works for.
pub const RETENTION: &str = "cloudfarm.dev/retention";

/// Label on a ConfigMap in the evidence namespace: the clause that it holds a signed statement about.
pub const ATTESTATION: &str = "cloudfarm.dev/attestation";

/// Label on a ConfigMap in the images' namespace: what it records of an image, [`IMAGE_RESULT`] or [`IMAGE_EXCEPTION`].
pub const IMAGE_RECORD: &str = "cloudfarm.dev/image-record";

/// Value of [`IMAGE_RECORD`]: what a scan found.
pub const IMAGE_RESULT: &str = "result";

/// Value of [`IMAGE_RECORD`]: an image may be used in spite of that.
pub const IMAGE_EXCEPTION: &str = "exception";

/// Label with value `"true"` on Jobs that scan an image, and on their pods.
pub const IMAGE_SCAN: &str = "cloudfarm.dev/image-scan";

/// Annotation on such a Job: the digest of the image.
pub const IMAGE: &str = "cloudfarm.dev/image";

/// Prefixes of the label and annotation keys that we own on an object; everything else belongs to others.
pub const OWNED_PREFIXES: [&str; 5] =
    ["cloudfarm.dev/", NETWORK_PREFIX, "pod-security.kubernetes.io/", MANAGED_BY, "k8s.ovn.org/"];

/// Keys below our prefix that others than an object's owner write on it; they are no drift.
pub const NOT_THE_OWNERS: [&str; 4] = [LEGAL_HOLD, PURGE_APPROVED, DISPOSABLE, REMOVED_AT];
