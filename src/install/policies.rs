//! ValidatingAdmissionPolicies: what CRD rules cannot say, since it is about deleting. No webhooks.

use serde_json::{Value, json};

/// Every policy with its binding.
pub fn policies() -> Vec<Value> {
    tenant_deletion().into()
}

/// A Tenant whose contract runs is not deleted by a slip of the hand (I8). The data would stay anyway; this keeps the
/// declaration, too.
fn tenant_deletion() -> [Value; 2] {
    let name = "cloudfarm-tenant-deletion";
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["cloudfarm.dev"],
                "apiVersions": ["*"],
                "operations": ["DELETE"],
                "resources": ["tenants"],
            }]},
            "validations": [{
                "expression": "has(oldObject.spec.contract) && has(oldObject.spec.contract.endDate) || oldObject.metadata.?annotations[?'cloudfarm.dev/allow-orphan'].orValue('') == 'true'",
                "messageExpression": "'tenant ' + oldObject.metadata.name + ' has a running contract: set spec.contract.endDate, and its data is erased when the retention is over; or annotate it cloudfarm.dev/allow-orphan=true to delete the declaration and keep the data'",
                "reason": "Forbidden",
            }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny", "Audit"]},
    });
    [policy, binding]
}
