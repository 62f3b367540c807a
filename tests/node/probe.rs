//! The probe on a real network plugin: what every TenantNetwork says about its rules follows what packets do.

use serde_json::{Value, json};

use super::figures::{now, seconds, tell};
use super::in_turn;
use super::installation::{Installation, NAMESPACE};
use super::support::eventually;
use super::support::world::{self, apply, condition, message, network, tenant};

/// Helm, with more values than usual.
fn upgrade(installation: &Installation, more: &Value) {
    let values = installation.values(more);
    installation.helm_says(&["upgrade", "cloudfarm", "charts/cloudfarm", "-n", NAMESPACE, "-f", &values, "--wait"]);
}

/// The controller of NetworkPolicies, which stands still until this is dropped.
struct Still<'a>(&'a Installation);

impl<'a> Still<'a> {
    /// Stops it between two of its writes: what it has sent to the kernel by a program of its own would come after ours.
    async fn between_writes(installation: &'a Installation) -> Self {
        eventually("the controller to stand still with nothing under way", || {
            let still = Self(installation);
            still.signal("-STOP");
            let under_way = installation.node.children(&still.process());
            async move { under_way.is_empty().then_some(still) }
        })
        .await
    }

    fn process(&self) -> String {
        std::fs::read_to_string(self.0.plane.dir.join("pid/policies")).expect("it runs").trim().to_owned()
    }

    fn signal(&self, signal: &str) {
        self.0.node.command(&["kill", signal, &self.process()]);
    }
}

impl Drop for Still<'_> {
    /// Also when the test fails: others need the walls.
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

/// Takes away what the controller has written into the kernel, as if the plugin knew no policies.
fn open_everything(installation: &Installation) {
    for program in ["iptables", "ip6tables"] {
        for chain in ["KUBE-ROUTER-FORWARD", "KUBE-ROUTER-INPUT", "KUBE-ROUTER-OUTPUT"] {
            let flush = format!("{program} -w -S {chain} >/dev/null 2>&1 || exit 0; {program} -w -F {chain}");
            installation.node.command(&["sh", "-c", &flush]);
        }
    }
}

#[test]
fn rules_are_called_enforced_as_long_as_the_plugin_obeys_them_and_not_a_round_longer() {
    in_turn(async |installation: &Installation| {
        upgrade(installation, &json!({"probe": {"enabled": true, "interval": 5}}));
        apply(installation.plane, &[tenant("probed", json!({})), world::namespace("probed")]);
        apply(installation.plane, &[network("probed", "dmz", json!({}))]);
        let networks = world::networks(&installation.plane.admin().await, "probed");

        let measured = condition(&networks, "dmz", "RulesEnforced", "True").await;
        assert_eq!(measured["status"]["probe"]["unexpected"], Value::Null);
        assert_eq!(
            (&measured["status"]["probe"]["allowed"], &measured["status"]["probe"]["denied"]),
            (&json!(7), &json!(9))
        );

        let still = Still::between_writes(installation).await;
        let opened = now();
        open_everything(installation);
        let open = condition(&networks, "dmz", "RulesEnforced", "False").await;
        tell("plugin ignores policies -> RulesEnforced False", &seconds(now().duration_since(opened)));
        let said = message(&open, "RulesEnforced");
        assert!(said.starts_with("9 flows of the probe on node node are not as expected: caller -> "), "{said}");
        condition(&networks, "dmz", "Ready", "False").await;

        drop(still);
        let mended = now();
        condition(&networks, "dmz", "RulesEnforced", "True").await;
        tell("plugin obeys again -> RulesEnforced True", &seconds(now().duration_since(mended)));
        condition(&networks, "dmz", "Ready", "True").await;

        upgrade(installation, &json!({}));
        let forgotten = condition(&networks, "dmz", "RulesEnforced", "Unknown").await;
        assert!(message(&forgotten, "RulesEnforced").contains("no probe reports"), "{forgotten}");
    });
}
