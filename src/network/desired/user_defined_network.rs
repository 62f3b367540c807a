//! A network of type Layer2: OVN-Kubernetes' `UserDefinedNetwork` in the tenant's namespace.

use serde_json::json;

use super::ranges::{ipam, subnets};
use crate::api::tenant_network::TenantNetworkSpec;
use crate::cluster::object::{DesiredObject, Owner};
use crate::foreign::user_defined_network::{UserDefinedNetwork, UserDefinedNetworkSpec};

/// `<network>`. Secondary: a primary one would have to be told by a label at the making of the namespace, and would take
/// the pod network away from every pod in it.
pub fn user_defined_network(owner: &Owner, spec: &TenantNetworkSpec) -> DesiredObject {
    let mut layer2 = json!({"role": "Secondary", "ipam": ipam(spec)});
    if !spec.subnets.is_empty() {
        layer2["subnets"] = json!(subnets(spec));
    }
    DesiredObject::new(&UserDefinedNetwork {
        metadata: owner.lasting_metadata(owner.namespace.as_deref(), &owner.name),
        spec: UserDefinedNetworkSpec { topology: "Layer2".into(), layer2 },
        status: None,
    })
}
