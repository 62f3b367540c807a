//! The probe: does the network plugin obey the policies that we write?
//!
//! A policy is an object; whether packets obey it depends on the plugin, and one without policies ignores it in silence.
//! Two namespaces that belong to no tenant get, from the builders that make tenants' walls, the policies of one made-up
//! tenant each ([`walls`]). A pod in the first calls pods in both ([`call`]), once for each thing that a rule can say
//! ([`flows`], written by hand and not derived from the policies), and writes what it found into one ConfigMap
//! ([`report`]), from which the operator sets RulesEnforced on every TenantNetwork.
//!
//! What is measured is the plugin on the caller's node and on its peers', not each tenant's own packets.

pub mod call;
pub mod flows;
pub mod listen;
pub mod report;
pub mod walls;

/// Namespace of the caller, its listener and its neighbour.
pub const NAMESPACE_A: &str = "cloudfarm-probe-a";

/// Namespace of the listener that stands for another tenant.
pub const NAMESPACE_B: &str = "cloudfarm-probe-b";

/// Name of the ConfigMap with the report, and of the caller's service account, Role and binding.
pub const NAME: &str = "cloudfarm-probe";
