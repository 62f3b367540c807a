//! The contract as a quota: the wall behind the capacity check.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::Home;
use crate::api::quantity::Quantity;
use crate::cluster::object::DesiredObject;
use crate::tenant::declared::Declared;

/// Disks a VM may have.
const DISKS_PER_VM: i64 = 16;

/// A VM's persistent TPM and UEFI state need a claim of their own.
const STATE_PER_VM: i64 = 1;

/// A VM is attached to at most so many networks, and has one address outside in each.
const ADDRESSES_PER_VM: i64 = 8;

/// `cloudfarm` in the customer's namespace. Never `limits.*`: KubeVirt's launcher sets limits of its own, and a quota on
/// them would refuse VMs that fit the contract.
pub fn resource_quota(home: &Home, declared: &Declared) -> DesiredObject {
    let count = |number: i64| Quantity::whole(number).to_string();
    let storage = declared.storage.to_string();
    let snapshots = home.snapshot.tenant.spec.contract.capacity.snapshots;
    let disks = declared.instances * (DISKS_PER_VM + STATE_PER_VM);
    let mut hard: BTreeMap<String, String> = BTreeMap::from([
        ("requests.cpu".into(), count(declared.vcpus)),
        ("requests.memory".into(), declared.memory.to_string()),
        ("requests.storage".into(), storage.clone()),
        ("persistentvolumeclaims".into(), count(disks)),
        ("services.nodeports".into(), "0".into()),
        ("services.loadbalancers".into(), count(declared.instances * ADDRESSES_PER_VM)),
        ("count/virtualmachines.kubevirt.io".into(), count(declared.instances)),
        ("count/datavolumes.cdi.kubevirt.io".into(), count(declared.instances * DISKS_PER_VM)),
        ("count/virtualmachinesnapshots.snapshot.kubevirt.io".into(), count(snapshots)),
        ("count/volumesnapshots.snapshot.storage.k8s.io".into(), count(snapshots)),
    ]);
    for class in &home.snapshot.tenant.spec.residency.storage_class_names {
        hard.insert(format!("{class}.storageclass.storage.k8s.io/requests.storage"), storage.clone());
    }
    DesiredObject::new(&ResourceQuota {
        metadata: home.owner.metadata(Some(&home.customer), "cloudfarm"),
        spec: Some(ResourceQuotaSpec {
            hard: Some(hard.into_iter().map(|(resource, amount)| (resource, ApiQuantity(amount))).collect()),
            ..ResourceQuotaSpec::default()
        }),
        ..ResourceQuota::default()
    })
}
