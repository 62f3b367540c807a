//! How far those reach whose rights are wider than their work: the operator, whose rights RBAC cannot narrow to names that
//! do not exist yet, and a customer's people, who may write a few objects and with them their metadata.

use super::{Guard, WALLS, is_controller, is_operator, label, made_for_its_tenant, may_for_tenants};
use crate::api::labels::{FIELD_MANAGER, MANAGED_BY, TENANT};
use crate::install::roles::{LAUNCH, MAINTAIN};

/// A stolen token of the operator makes no other namespace a tenant's and takes no Pod Security off `kube-system`.
pub fn namespaces() -> Guard {
    let (new, old) = (label("object", TENANT), label("oldObject", TENANT));
    let tenant = format!("(oldObject == null ? {new} : {old}.or({new})).orValue('')");
    Guard::on(
        "cloudfarm-operator-namespaces",
        &["CREATE", "UPDATE"],
        "",
        &["namespaces", "namespaces/status", "namespaces/finalize"],
    )
    .when("operator", is_operator())
    .with("tenant", tenant)
    .unless(
        "variables.tenant != '' && object.metadata.name in ['cf-' + variables.tenant, 'cfd-' + variables.tenant]",
        format!("'namespace ' + object.metadata.name + ' with the label {TENANT}=' + variables.tenant + ' is not cf-<tenant> or cfd-<tenant> of that tenant: the operator writes no other'"),
    )
}

/// Nor does it open walls, give rights or make VMs anywhere but with a tenant.
pub fn objects() -> Guard {
    Guard::on_all(
        "cloudfarm-operator-objects",
        &["CREATE", "UPDATE", "DELETE"],
        &[
            ("", &["resourcequotas", "limitranges", "services"]),
            ("networking.k8s.io", &["networkpolicies"]),
            ("rbac.authorization.k8s.io", &["roles", "rolebindings"]),
            ("kubevirt.io", &["virtualmachines"]),
            ("cdi.kubevirt.io", &["datavolumes"]),
            ("snapshot.kubevirt.io", &["virtualmachinesnapshots"]),
            ("cert-manager.io", &["certificates"]),
            ("k8s.cni.cncf.io", &["network-attachment-definitions", "multi-networkpolicies"]),
            ("k8s.ovn.org", &["userdefinednetworks"]),
        ],
    )
    .when("operator", is_operator())
    .unless(
        format!("namespaceObject.metadata.?labels[?'{TENANT}'].hasValue()"),
        format!("request.resource.resource + ' in ' + request.namespace + ': the operator writes only in namespaces with the label {TENANT}, and this one has none'"),
    )
}

/// Nor is a network or a wall of the provider's own among what it writes or takes away.
pub fn walls() -> Guard {
    let of = "dyn(object == null ? oldObject : object)";
    Guard::on_all("cloudfarm-operator-walls", &["CREATE", "UPDATE", "DELETE"], &WALLS)
        .when("operator", is_operator())
        .unless(
            made_for_its_tenant(of),
            format!("request.resource.resource + ' ' + {of}.metadata.name + ' is not what cloudfarm makes for a tenant: the operator writes only cf-<tenant> and cf-<tenant>.<network> with the labels {MANAGED_BY}={FIELD_MANAGER} and {TENANT}'"),
        )
}

/// What a customer's people may write gets no finalizer, which would keep a purge waiting for ever, and no owner, by
/// which the garbage collector deletes.
pub fn customers() -> Guard {
    let added = |field: &str| {
        let (new, old) = ("object.metadata", "oldObject.metadata");
        format!("{new}.?{field}.orValue([]).filter(each, oldObject == null || !(each in {old}.?{field}.orValue([])))")
    };
    let what = "request.resource.resource + ' ' + request.namespace + '/' + object.metadata.?name.orValue('') + ': '";
    let who = "is added only by the operator, by KubeVirt and by somebody with the verb maintain on tenants.cloudfarm.dev; leave it out";
    Guard::on_all(
        "cloudfarm-customer-objects",
        &["CREATE", "UPDATE"],
        &[
            ("cloudfarm.dev", &["tenantnetworks", "accessgrants"]),
            ("snapshot.kubevirt.io", &["virtualmachinesnapshots", "virtualmachinerestores"]),
            ("export.kubevirt.io", &["virtualmachineexports"]),
        ],
    )
    .in_namespaces_with(TENANT)
    .with("finalizers", added("finalizers"))
    .with("owners", added("ownerReferences"))
    .with(
        "trusted",
        format!(
            "{} || {} || {} || {}",
            is_operator(),
            is_controller(),
            may_for_tenants(LAUNCH),
            may_for_tenants(MAINTAIN)
        ),
    )
    .unless(
        "variables.finalizers.size() == 0 || variables.trusted",
        format!("{what} + 'the finalizer ' + variables.finalizers.join(', ') + ' {who}'"),
    )
    .unless(
        "variables.owners.size() == 0 || variables.trusted",
        format!("{what} + 'the owner ' + variables.owners.map(owner, owner.name).join(', ') + ' {who}'"),
    )
}
