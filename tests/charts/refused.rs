//! Values that are wrong, and what is said about them.

use serde_json::{Value, json};

use crate::helm::{alone, usual};
use crate::rendered::template;
use crate::support::world::merge;

fn refused(change: &Value, says: &[&str]) {
    let mut values = usual();
    merge(&mut values, change.clone());
    let complaint = template(&values, &[]).expect_err(&change.to_string());
    for say in says {
        assert!(complaint.contains(say), "{change}: {say:?} is missing in: {complaint}");
    }
}

#[test]
fn wrong_values_are_refused_with_their_field_and_what_would_be_right() {
    let digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    for (change, says) in [
        (json!({"replica": 3}), ["at ''", "additional properties 'replica' not allowed"]),
        (json!({"replicas": "two"}), ["at '/replicas'", "got string, want integer"]),
        (json!({"replicas": 0}), ["at '/replicas'", "minimum: got 0, want 1"]),
        (
            json!({"image": {"digest": "sha256:11"}}),
            ["at '/image/digest'", "does not match pattern '^(sha256:[0-9a-f]{64})?$'"],
        ),
        (
            json!({"image": {"digest": format!("sha512:{}", &digest[7..])}}),
            ["at '/image/digest'", "does not match pattern"],
        ),
        (
            json!({"image": {"repository": format!("registry.example/cloudfarm@{digest}")}}),
            ["at '/image/repository'", "does not match pattern"],
        ),
        (json!({"logFormat": "xml"}), ["at '/logFormat'", "one of 'text', 'json'"]),
        (
            json!({"metrics": {"serviceMonitor": {"enabled": "yes"}}}),
            ["at '/metrics/serviceMonitor/enabled'", "one of 'auto', true, false"],
        ),
        (
            json!({"networkPolicy": {"apiServer": {"cidrs": ["10.0.0.1"]}}}),
            ["at '/networkPolicy/apiServer/cidrs/0'", "does not match pattern"],
        ),
        (
            json!({"networkPolicy": {"apiServer": {"ports": []}}}),
            ["at '/networkPolicy/apiServer/ports'", "minItems: got 0, want 1"],
        ),
        (
            json!({"resources": {"limits": {"memory": "much"}}}),
            ["at '/resources/limits/memory'", "does not match pattern"],
        ),
        (
            json!({"config": {"platform": {"resolver": ["192.0.2.53"]}}}),
            ["at '/config/platform'", "'resolver' not allowed"],
        ),
        (
            json!({"config": {"platform": {"resolvers": ["dns.example"]}}}),
            ["at '/config/platform/resolvers/0'", "'dns.example' is not valid ipv4"],
        ),
        (
            json!({"config": {"cluster": {"pods": ["10.244.0.0"]}}}),
            ["at '/config/cluster/pods/0'", "does not match pattern"],
        ),
        (
            json!({"config": {"storage": {"volumeMode": "Files"}}}),
            ["at '/config/storage/volumeMode'", "one of 'Block', 'Filesystem'"],
        ),
        (
            json!({"config": {"purge": {"coolOffHours": 0}}}),
            ["at '/config/purge/coolOffHours'", "minimum: got 0, want 1"],
        ),
        (
            json!({"config": {"purge": {"namespace": "default"}}}),
            ["at '/config/purge/namespace'", "must be 'cloudfarm-system'"],
        ),
        (
            json!({"config": {"purge": {"image": "registry.example/purge:1"}}}),
            ["at '/config/purge/image'", "does not match pattern"],
        ),
        (
            json!({"config": {"rates": {"writesInFlight": 1000}}}),
            ["at '/config/rates/writesInFlight'", "maximum: got 1,000, want 256"],
        ),
        (json!({"image": {"tag": "1.0"}}), ["image.digest and image.tag are both set", "leave out image.tag (1.0)"]),
        (
            json!({"image": {"tag": "1.0", "digest": ""}}),
            ["image.tag is \"1.0\"; a tag can be moved", "image.allowTag=true"],
        ),
    ] {
        refused(&change, &says);
    }
}

#[test]
fn everything_that_is_needed_is_named_at_once() {
    let words = ["template", "cloudfarm", "charts/cloudfarm", "--namespace", "default"];
    let complaint = alone(&words, None).expect_err("nothing is given");
    for say in [
        "the namespace is \"default\"; it has to be cloudfarm-system",
        "add --namespace cloudfarm-system",
        "image.repository is empty; write the registry and path",
        "image.digest is empty; write sha256:",
        "config.platform.resolvers is empty; write DNS servers for tenants",
        "config.platform.ntp is empty; write NTP servers",
        "config.cluster.pods is empty; write the cluster's pod networks",
        "config.cluster.services is empty; write the cluster's service networks",
    ] {
        assert!(complaint.contains(say), "{say:?} is missing in: {complaint}");
    }
}

#[test]
fn the_kinds_take_no_values() {
    let complaint =
        alone(&["template", "crds", "charts/cloudfarm-crds"], Some(&json!({"keep": false}))).expect_err("a typo");
    assert!(complaint.contains("additional properties 'keep' not allowed"), "{complaint}");
}
