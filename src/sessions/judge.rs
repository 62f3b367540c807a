//! Pure: whose a session is.
//!
//! The grant that was open for this person, this VM and this verb at that time. A person of the customer is no staff, and
//! what the platform does by itself is nobody's visit. Whoever acts in another's name is known by the own one: a grant is
//! one person's, and nobody becomes the customer by saying so.

use std::collections::BTreeSet;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::event::Sighting;
use crate::api::access_grant::AccessGrant;
use crate::api::tenant::Tenant;

/// By how much the clocks of the API server and the operator may differ at a grant's begin. Before it nobody gets in, so
/// that this excuses nothing. At its end there is no such allowance: whoever is let in after it should not have been.
const CLOCKS: SignedDuration = SignedDuration::from_secs(5);

/// KubeVirt's own accounts, where it is usually installed: they freeze guests for snapshots, move and stop VMs.
const KUBEVIRT: [&str; 3] = [
    "system:serviceaccount:kubevirt:kubevirt-controller",
    "system:serviceaccount:kubevirt:kubevirt-handler",
    "system:serviceaccount:kubevirt:kubevirt-apiserver",
];

/// Namespaces whose accounts look after snapshots: they read what they keep. Through the doors of a VM they come like
/// anybody.
const KEEPERS: [&str; 4] = ["kube-system", "kubevirt", "cdi", "cloudfarm-system"];

/// Who is the platform itself.
#[derive(Clone, Debug, Default)]
pub struct Platform {
    more: BTreeSet<String>,
}

impl Platform {
    /// With these users besides those that every cluster has.
    #[must_use]
    pub fn with(more: impl IntoIterator<Item = String>) -> Self {
        Self { more: more.into_iter().collect() }
    }

    /// Is this the platform at work? In another's name nobody is.
    #[must_use]
    pub fn at_work(&self, sighting: &Sighting) -> bool {
        let person = sighting.key.person.as_str();
        let keeps = || {
            let account = person.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
            account.is_some_and(|(namespace, _)| KEEPERS.contains(&namespace))
                || ["system:kube-controller-manager", "system:apiserver"].contains(&person)
        };
        let known = KUBEVIRT.contains(&person) || self.more.contains(person);
        sighting.in_the_name_of.is_none() && (known || !sighting.action.of_a_vm && keeps())
    }
}

/// What is known of a tenant's area.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// None if nobody declares it (any more).
    pub tenant: Option<Tenant>,
    pub grants: Vec<AccessGrant>,
}

/// Whose a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The customer's own.
    Customers,
    /// On this one of the grants.
    Granted(usize),
    /// Nobody said yes to it.
    Unapproved,
}

impl Known {
    /// The names of the customer's people. One who is disabled is still one of theirs.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        self.tenant.iter().flat_map(|tenant| &tenant.spec.administrators).map(|person| person.username.as_str())
    }

    /// Judges a session.
    #[must_use]
    pub fn judge(&self, sighting: &Sighting) -> Verdict {
        if sighting.in_the_name_of.is_some() {
            return Verdict::Unapproved;
        }
        if self.people().any(|name| name == sighting.key.person) {
            return Verdict::Customers;
        }
        let allowed = self.grants.iter().position(|grant| allows(grant, sighting));
        allowed.map_or(Verdict::Unapproved, Verdict::Granted)
    }
}

fn allows(grant: &AccessGrant, sighting: &Sighting) -> bool {
    let Some(verb) = sighting.action.verb else { return false };
    let of_the_vm = !sighting.action.of_a_vm || grant.spec.vms.contains(&sighting.vm);
    grant.spec.requested_by == sighting.key.person
        && grant.spec.verbs.contains(&verb)
        && of_the_vm
        && open_at(grant, sighting.key.received)
}

fn open_at(grant: &AccessGrant, at: Timestamp) -> bool {
    let Some(status) = &grant.status else { return false };
    let (Some(approved), Some(expires)) = (&status.approved_at, &status.expires_at) else { return false };
    let opens = grant.spec.not_before.as_ref().map_or(approved.0, |not_before| not_before.0.max(approved.0));
    // An instant is kept in whole seconds: what ended at 7 was open until 8.
    let ended = status.ended_at.as_ref().is_some_and(|ended| at.as_second() > ended.0.as_second());
    at.duration_since(opens) >= -CLOCKS && at < expires.0 && !ended
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    use super::super::action::{Action, Request};
    use super::super::event::Key;
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn console(person: &str, vm: &str, second: i64) -> Sighting {
        let request = Request {
            verb: "get",
            group: "subresources.kubevirt.io",
            resource: "virtualmachineinstances",
            subresource: "console",
            name: vm,
        };
        Sighting {
            key: Key { audit_id: "a".into(), received: at(second), person: person.into() },
            in_the_name_of: None,
            namespace: "cf-acme".into(),
            vm: vm.into(),
            action: Action::of(&request).unwrap(),
            code: Some(101),
            ended_at: None,
            panicked: false,
        }
    }

    fn known() -> Known {
        let tenant = json!({"metadata": {"name": "acme"}, "spec": {
            "contract": {"applicationId": "A-000001", "startDate": "2026-04-01",
                "capacity": {"vcpus": 1, "memory": "1Gi", "storage": "1Gi", "instances": 1, "snapshots": 0}},
            "administrators": [{"username": "sato", "email": "s@c.example", "role": "PrivilegedAdministrator"},
                {"username": "ito", "email": "i@c.example", "role": "User", "disabled": true}],
            "residency": {"storageClassNames": ["x"]}}});
        let grant = json!({"metadata": {"name": "g", "namespace": "cf-acme"}, "spec": {
            "requestedBy": "suzuki", "reason": "r", "verbs": ["Console", "SnapshotRead"], "vms": ["plum"]}});
        let mut grant: AccessGrant = serde_json::from_value(grant).unwrap();
        let status = grant.status.get_or_insert_default();
        status.approved_at = Some(Time(at(0)));
        status.expires_at = Some(Time(at(3600)));
        Known { tenant: Some(serde_json::from_value(tenant).unwrap()), grants: vec![grant] }
    }

    #[test]
    fn a_session_is_on_the_grant_that_was_open_for_who_came_where_and_when() {
        let known = known();
        for (session, verdict) in [
            (console("suzuki", "plum", 0), Verdict::Granted(0)),
            (console("suzuki", "plum", 3599), Verdict::Granted(0)),
            (console("suzuki", "plum", 3600), Verdict::Unapproved),
            (console("suzuki", "plum", -5), Verdict::Granted(0)),
            (console("suzuki", "plum", -6), Verdict::Unapproved),
            (console("suzuki", "pear", 9), Verdict::Unapproved),
            (console("tanaka", "plum", 9), Verdict::Unapproved),
            (console("sato", "plum", 9), Verdict::Customers),
            (console("ito", "plum", 9), Verdict::Customers),
            (console("Sato", "plum", 9), Verdict::Unapproved),
        ] {
            assert_eq!(known.judge(&session), verdict, "{session:?}");
        }
        let mut vnc = console("suzuki", "plum", 9);
        vnc.action.verb = Some(crate::api::access_grant::Verb::Vnc);
        assert_eq!(known.judge(&vnc), Verdict::Unapproved, "another verb");
        vnc.action.verb = None;
        assert_eq!(known.judge(&vnc), Verdict::Unapproved, "what no grant can allow");
    }

    #[test]
    fn a_grant_that_was_ended_early_or_begins_later_or_was_never_consented_to_opens_nothing() {
        let judged = |change: &dyn Fn(&mut AccessGrant), second: i64| {
            let mut known = known();
            change(&mut known.grants[0]);
            known.judge(&console("suzuki", "plum", second))
        };
        let ended = |grant: &mut AccessGrant| grant.status.get_or_insert_default().ended_at = Some(Time(at(60)));
        assert_eq!(judged(&ended, 60), Verdict::Granted(0));
        assert_eq!(judged(&ended, 61), Verdict::Unapproved);
        let later = |grant: &mut AccessGrant| grant.spec.not_before = Some(Time(at(1000)));
        assert_eq!(judged(&later, 900), Verdict::Unapproved);
        assert_eq!(judged(&later, 1000), Verdict::Granted(0));
        let never = |grant: &mut AccessGrant| grant.status.get_or_insert_default().approved_at = None;
        assert_eq!(judged(&never, 9), Verdict::Unapproved);
        assert_eq!(judged(&|grant: &mut AccessGrant| grant.status = None, 9), Verdict::Unapproved);
    }

    #[test]
    fn nobody_becomes_the_customer_the_grantee_or_the_platform_by_saying_so() {
        let platform = Platform::with(["robot".to_owned()]);
        for person in ["sato", "suzuki", "robot", KUBEVIRT[0]] {
            let borrowed = Sighting { in_the_name_of: Some("sato".into()), ..console(person, "plum", 9) };
            assert_eq!(known().judge(&borrowed), Verdict::Unapproved);
            assert!(!platform.at_work(&borrowed));
        }
    }

    #[test]
    fn the_platform_is_excused_where_it_works_and_keepers_of_snapshots_from_consoles_are_not() {
        let platform = Platform::with(["robot".to_owned()]);
        let keeper = "system:serviceaccount:kube-system:snapshot-controller";
        assert!(platform.at_work(&console("robot", "plum", 9)) && platform.at_work(&console(KUBEVIRT[0], "plum", 9)));
        assert!(!platform.at_work(&console(keeper, "plum", 9)) && !platform.at_work(&console("admin", "plum", 9)));
        let mut reading = console(keeper, "", 9);
        reading.action.of_a_vm = false;
        assert!(platform.at_work(&reading));
        reading.key.person = "system:serviceaccount:cf-acme:kube-system".into();
        assert!(!platform.at_work(&reading));
    }
}
