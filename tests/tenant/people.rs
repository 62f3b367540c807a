//! Who is bound, and by what a Tenant is found.

use cloudfarm::install::INSIDE;
use k8s_openapi::jiff::SignedDuration;

use super::*;

fn of_the_prefix(administrators: &Value) -> Value {
    let mut spec = spec();
    spec["administrators"] = administrators.clone();
    spec["authentication"] =
        json!({"mode": "OIDC", "oidc": {"issuer": "https://id.example", "groupPrefix": "oidc:plum-"}});
    spec
}

fn person(kind: &str, username: &str, role: &str, disabled: bool) -> Value {
    json!({"kind": kind, "username": username, "email": "people@plum.example", "role": role, "disabled": disabled})
}

/// Everybody who is bound but our own accounts: role, kind, name.
fn subjects(plan: &Plan) -> BTreeSet<(String, String, String)> {
    let bindings = plan.desired.objects().filter(|object| object.reference.kind == Kind::RoleBinding);
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let people = bindings.flat_map(|binding| {
        let role = word(&binding.body["roleRef"]["name"]);
        let subjects = binding.body["subjects"].as_array().cloned().unwrap_or_default();
        let people = subjects.into_iter().filter(|subject| subject["kind"] != "ServiceAccount");
        people.map(move |subject| (role.clone(), word(&subject["kind"]), word(&subject["name"])))
    });
    people.collect()
}

fn said<'a>(status: &'a cloudfarm::api::tenant::TenantStatus, type_: &str) -> (&'a str, &'a str, &'a str) {
    let found = status.conditions.iter().find(|each| each.type_ == type_).expect("it speaks of it");
    (&found.status, &found.reason, &found.message)
}

#[test]
fn people_and_groups_of_the_own_prefix_are_bound_and_who_is_disabled_foreign_or_gone_is_in_no_binding() {
    let mut people = json!([
        person("User", "oidc:sato", "PrivilegedAdministrator", false),
        person("Group", "oidc:plum-operators", "User", false),
        person("Group", "oidc:plum-auditors", "Viewer", true),
        person("Group", "oidc:other-admins", "Administrator", false),
        person("Group", "system:masters", "Administrator", false),
        person("User", "ito", "User", false),
    ]);
    let before = snapshot(&of_the_prefix(&people));
    let plan = desired(&before);
    let all = |list: &[(&str, &str, &str)]| -> BTreeSet<(String, String, String)> {
        list.iter().map(|(role, kind, name)| ((*role).into(), (*kind).into(), (*name).into())).collect()
    };
    let admin = ("cloudfarm-tenant-admin", "User", "oidc:sato");
    let approver = ("cloudfarm-tenant-approver", "User", "oidc:sato");
    let user = ("cloudfarm-tenant-user", "Group", "oidc:plum-operators");
    assert_eq!(subjects(&plan), all(&[admin, approver, user]));
    let told = status(&before, &plan, &Applied::default());
    let (is, reason, message) = said(&told, "AdministratorsBound");
    assert_eq!((is, reason), ("False", "AdministratorRefused"));
    for place in [3, 4, 5] {
        assert!(message.contains(&format!("administrators[{place}]")), "{message}");
    }
    assert!(!message.contains("administrators[2]") && !message.contains("people@"), "{message}");
    people[1]["disabled"] = json!(true);
    assert_eq!(subjects(&desired(&snapshot(&of_the_prefix(&people)))), all(&[admin, approver]));
    people.as_array_mut().expect("people").truncate(1);
    let alone = snapshot(&of_the_prefix(&people));
    let plan = desired(&alone);
    assert_eq!(subjects(&plan), all(&[admin, approver]));
    let applied = Applied { observed: in_place(&plan), ..Applied::default() };
    assert_eq!(said(&status(&alone, &plan, &applied), "AdministratorsBound").0, "True");
}

/// Every RoleBinding of a plan, as if it stood.
fn in_place(plan: &Plan) -> BTreeMap<Reference, Observation> {
    let bindings = plan.desired.objects().filter(|object| object.reference.kind == Kind::RoleBinding);
    bindings.map(|object| (object.reference.clone(), observation(&object.reference))).collect()
}

fn observation(reference: &Reference) -> Observation {
    Observation {
        reference: reference.clone(),
        uid: "uid".into(),
        resource_version: "1".into(),
        owner: "Tenant/plum".into(),
        owner_uid: "t-uid".into(),
        tenant: "plum".into(),
        ours: true,
        digest: Digest::of(&Value::Null),
        facts: Facts::None,
        deleting: false,
    }
}

#[test]
fn a_group_whose_prefix_an_earlier_tenant_has_waits_and_is_looked_at_again_and_people_do_not_wait() {
    let people = json!([
        person("User", "oidc:sato", "PrivilegedAdministrator", false),
        person("Group", "oidc:plum-operators", "User", false),
    ]);
    let mut contested = snapshot(&of_the_prefix(&people));
    contested.rival = Some("elder".into());
    let plan = desired(&contested);
    assert!(subjects(&plan).iter().all(|(_, kind, _)| kind == "User"), "{:?}", subjects(&plan));
    assert_eq!(subjects(&plan).len(), 2);
    assert!(said(&status(&contested, &plan, &Applied::default()), "AdministratorsBound").2.contains("elder"));
    let wait = plan.next_change(&contested).expect("another look").duration_since(contested.now);
    assert_eq!(wait, SignedDuration::from_mins(5));
}

#[test]
fn how_people_sign_in_is_unknown_until_the_operators_config_says_it_and_makes_nobody_unready() {
    let people = json!([person("User", "oidc:sato", "PrivilegedAdministrator", false)]);
    let judged = |config: Option<&str>, spec: &Value| {
        let mut snapshot = snapshot(spec);
        if let Some(issuers) = config {
            let shipped = include_str!("../../charts/cloudfarm/config.yaml");
            let text = format!("{shipped}\nauthentication: {{issuers: [{issuers}]}}\n");
            snapshot.config = Arc::new(cloudfarm::operator::config::Config::parse(&text).expect("a config"));
        }
        let plan = desired(&snapshot);
        let told = status(&snapshot, &plan, &Applied { observed: in_place(&plan), ..Applied::default() });
        assert!(!said(&told, "Ready").2.contains("SignIn"), "{:?}", said(&told, "Ready"));
        let (is, reason, _) = said(&told, "SignInConfigured");
        (is.to_owned(), reason.to_owned())
    };
    let declared = of_the_prefix(&people);
    let is = |status: &str, reason: &str| (status.to_owned(), reason.to_owned());
    assert_eq!(judged(None, &spec()), is("Unknown", "NotMeasured"));
    assert_eq!(judged(None, &declared), is("Unknown", "NotMeasured"));
    assert_eq!(judged(Some(""), &declared), is("False", "IssuerNotConfigured"));
    let with = |factor: bool| format!("{{url: 'https://id.example', prefix: 'oidc:', secondFactor: {factor}}}");
    assert_eq!(judged(Some(&with(false)), &declared), is("False", "SecondFactorMissing"));
    assert_eq!(judged(Some(&with(true)), &declared), is("True", "AsDeclared"));
    let mut local = declared.clone();
    local["authentication"] = json!({"mode": "Local", "local": {"passwordSecretRef": {"name": "a", "key": "b"}}});
    assert_eq!(judged(Some(&with(true)), &local), is("False", "NotYetEnforced"));
}

#[test]
fn the_operator_reads_inside_a_tenant_without_vms_only_until_it_has_the_application_id() {
    let mut bare = spec();
    bare["virtualMachines"] = json!([]);
    let seen = |application_id: Known| {
        let snapshot = TenantSnapshot { application_id, ..snapshot(&bare) };
        let plan = desired(&snapshot);
        let bound = plan.desired.objects().any(|object| object.reference.name == INSIDE);
        let told = status(&snapshot, &plan, &Applied::default());
        (bound, told.application_id_hash.clone(), said(&told, "ApplicationIdHashed").0.to_owned())
    };
    let unread =
        Known::Unread { reason: Reason::Progressing, message: "not yet".into(), again: SignedDuration::from_secs(2) };
    assert_eq!(seen(unread), (true, None, "False".into()));
    assert_eq!(seen(Known::Hash("0a-1b".into())), (false, Some("0a-1b".into()), "True".into()));
    assert_eq!(seen(Known::NoKeyWanted), (false, None, "False".into()));
    assert_eq!(seen(Known::NoKey("no file".into())), (false, None, "False".into()));
}
