//! What no CRD tells about networks of the types Layer2 and VLAN.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::faults::Faults;

/// What no CRD tells about networks of the types Layer2 and VLAN.
#[derive(Clone, Debug, PartialEq)]
pub struct Networks {
    /// Do the nodes obey MultiNetworkPolicies? OVN-Kubernetes does with `enable-multi-networkpolicy`. The CRD alone filters
    /// nothing.
    pub multi_network_policy: bool,
    /// The Linux bridge on every node, by physical network.
    pub bridges: BTreeMap<String, String>,
    /// Days for which nobody gets a VLAN id after its network is gone (1-365).
    pub vlan_quarantine_days: u16,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawNetworks {
    multi_network_policy: String,
    bridges: BTreeMap<String, String>,
    vlan_quarantine_days: u16,
}

impl Default for RawNetworks {
    fn default() -> Self {
        Self { multi_network_policy: "Absent".into(), bridges: BTreeMap::new(), vlan_quarantine_days: 7 }
    }
}

impl RawNetworks {
    pub(super) fn check(self, faults: &mut Faults) -> Networks {
        let obeyed = faults.one_of("networks.multiNetworkPolicy", self.multi_network_policy, &["Enforced", "Absent"]);
        Networks {
            multi_network_policy: obeyed == "Enforced",
            bridges: faults.bridges("networks.bridges", self.bridges),
            vlan_quarantine_days: faults.within("networks.vlanQuarantineDays", self.vlan_quarantine_days, 365),
        }
    }
}
