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

/// Label on a VM's pod template: the VM's name, so that rules can select one VM.
pub const VM: &str = "cloudfarm.dev/vm";

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

/// Label: may be deleted while the contract runs; admission asks for it. Written by a rolling purge before it deletes.
pub const DISPOSABLE: &str = "cloudfarm.dev/disposable";

/// Annotation on a disk that no VM declares any more: since when (RFC 3339).
pub const REMOVED_AT: &str = "cloudfarm.dev/removed-at";

/// Label in a tenant's derived namespace: which period of `spec.logRetention` keeps the object (`audit`, `access`,
/// `network`, `notices` or `evidence`).
pub const RECORD: &str = "cloudfarm.dev/record";

/// Label on a Lease: it keeps a VLAN id.
pub const VLAN: &str = "cloudfarm.dev/vlan";

/// Annotation on the Lease of a VLAN id: since when its holder has it (RFC 3339).
pub const TAKEN_AT: &str = "cloudfarm.dev/taken-at";

/// Annotation on the Lease of a VLAN id whose network is gone: since when (RFC 3339). The quarantine runs from then. Empty
/// while the id is somebody's again.
pub const RELEASED_AT: &str = "cloudfarm.dev/released-at";

/// Field manager of what a purge run writes on a Retention.
pub const PURGE_MANAGER: &str = "cloudfarm-purge";

/// Field manager of what people write on a Retention by `kubectl cloudfarm retention`.
pub const PEOPLE_MANAGER: &str = "kubectl-cloudfarm";

/// Field manager of what a Retention says on objects that others made: a hold, an approval, a halt.
pub const RETENTION_MANAGER: &str = "cloudfarm-retention";

/// Label on a CronJob and its Jobs: the Retention it works for.
pub const RETENTION: &str = "cloudfarm.dev/retention";

/// Prefixes of the label and annotation keys that we own on an object; everything else belongs to others.
pub const OWNED_PREFIXES: [&str; 5] =
    ["cloudfarm.dev/", NETWORK_PREFIX, "pod-security.kubernetes.io/", MANAGED_BY, "k8s.ovn.org/"];

/// Keys below our prefix that others than an object's owner write on it; they are no drift.
pub const NOT_THE_OWNERS: [&str; 4] = [LEGAL_HOLD, PURGE_APPROVED, DISPOSABLE, REMOVED_AT];
