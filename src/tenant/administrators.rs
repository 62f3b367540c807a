//! Pure: whom of the declared administrators the cluster lets in, and why not the others (5.1.1-7, 9.2.1, 9.4.1).
//!
//! A group is a word that some identity provider says. Whose word it is only the prefix tells that the API server puts
//! before it, so a Tenant binds groups of its own prefix alone. Nothing here tells a name to people: what refuses an entry
//! is said by its place in the list, since a username may be a mail address (I9).

use k8s_openapi::jiff::SignedDuration;
use kube::ResourceExt;

use crate::api::tenant::{Administrator, SubjectKind, Tenant};

/// How soon a Tenant whose prefix is another one's is looked at again: nobody tells it when that one gives it up.
pub const UNCONTESTED: SignedDuration = SignedDuration::from_mins(5);

/// What names of Kubernetes itself begin with; no Tenant's person or group is one of them.
const RESERVED_PREFIXES: [&str; 2] = ["system:", "kubeadm:"];

/// Users whose certificates usual installers make.
const RESERVED: [&str; 2] = ["kubernetes-admin", "kubernetes-super-admin"];

/// What the names of one tenant's people begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix<'a> {
    /// As written: of its groups.
    pub groups: &'a str,
    /// Up to the colon: of every name of its issuer.
    pub issuer: &'a str,
}

impl<'a> Prefix<'a> {
    /// The prefix of a Tenant that says one.
    #[must_use]
    pub fn of(tenant: &'a Tenant) -> Option<Self> {
        let groups = tenant.spec.authentication.as_ref()?.oidc.as_ref()?.group_prefix.as_deref()?;
        let (issuer, _) = groups.split_once(':')?;
        Some(Self { groups, issuer: groups.get(..=issuer.len())? })
    }

    /// Is there a name that both would take for one of theirs?
    #[must_use]
    pub fn overlaps(self, other: Prefix) -> bool {
        self.groups.starts_with(other.groups) || other.groups.starts_with(self.groups)
    }
}

/// An earlier Tenant whose groups cannot be told from this one's. The earlier one keeps them, so that nobody loses a right
/// because of a namesake that comes later.
#[must_use]
pub fn rival<'a>(tenant: &Tenant, all: impl Iterator<Item = &'a Tenant>) -> Option<String> {
    let own = Prefix::of(tenant)?;
    let age = |tenant: &Tenant| (tenant.metadata.creation_timestamp.clone(), tenant.name_any());
    let mine = age(tenant);
    let earlier = all.filter(|other| other.name_any() != mine.1 && age(other) < mine);
    earlier
        .filter(|other| Prefix::of(other).is_some_and(|prefix| own.overlaps(prefix)))
        .map(ResourceExt::name_any)
        .min()
}

/// Does a Tenant bind groups at all?
#[must_use]
pub fn has_groups(tenant: &Tenant) -> bool {
    tenant.spec.administrators.iter().any(|person| person.kind == SubjectKind::Group && !person.disabled)
}

/// Everybody who is let in.
pub fn bound<'a>(tenant: &'a Tenant, rival: Option<&'a str>) -> impl Iterator<Item = &'a Administrator> {
    let enabled = tenant.spec.administrators.iter().filter(|person| !person.disabled);
    enabled.filter(move |person| refusal(person, Prefix::of(tenant), rival).is_none())
}

/// Who is declared, not disabled, and not let in: the place in the list, and why.
#[must_use]
pub fn refused(tenant: &Tenant, rival: Option<&str>) -> Vec<String> {
    let people = tenant.spec.administrators.iter().enumerate().filter(|(_, person)| !person.disabled);
    let told = people.filter_map(|(place, person)| {
        let why = refusal(person, Prefix::of(tenant), rival)?;
        Some(format!("spec.administrators[{place}].username {why}"))
    });
    told.collect()
}

fn refusal(person: &Administrator, prefix: Option<Prefix>, rival: Option<&str>) -> Option<String> {
    let name = person.username.as_str();
    if RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|reserved| name.starts_with(reserved)) {
        return Some(
            "is an account or a group of Kubernetes itself and is not bound; name people of the customer".into(),
        );
    }
    match (person.kind, prefix) {
        (SubjectKind::User, None) => None,
        (SubjectKind::User, Some(Prefix { issuer, .. })) => (!is_behind(name, issuer)).then(|| {
            format!("does not begin with {issuer:?} as every name of this tenant's issuer does (spec.authentication.oidc.groupPrefix), and is not bound")
        }),
        (SubjectKind::Group, None) => Some(
            "is a group and is not bound: write spec.authentication.oidc.groupPrefix, without which nobody can tell whose group it is"
                .into(),
        ),
        (SubjectKind::Group, Some(Prefix { groups, .. })) => match rival {
            Some(rival) => Some(format!(
                "is a group and is not bound: groups that begin with {groups:?} could be those of tenant {rival}, which was there before; give each its own spec.authentication.oidc.groupPrefix"
            )),
            None => (!is_behind(name, groups)).then(|| {
                format!("is a group that does not begin with {groups:?} (spec.authentication.oidc.groupPrefix), so it may be another customer's, and is not bound")
            }),
        },
    }
}

/// Is there something after the prefix?
fn is_behind(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A Tenant of this prefix, with entries `(kind, username)`.
    fn tenant(name: &str, created: i64, prefix: Option<&str>, people: &[(&str, &str)]) -> Tenant {
        let people: Vec<Value> = people
            .iter()
            .map(|(kind, name)| json!({"kind": kind, "username": name, "email": "a@b.example", "role": "Viewer"}))
            .collect();
        let created = k8s_openapi::jiff::Timestamp::from_second(created).unwrap().to_string();
        serde_json::from_value(json!({
            "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Tenant",
            "metadata": {"name": name, "creationTimestamp": created},
            "spec": {
                "contract": {"applicationId": "A-000001", "startDate": "2026-04-01",
                             "capacity": {"vcpus": 1, "memory": "1Gi", "storage": "1Gi", "instances": 1}},
                "administrators": people,
                "authentication": {"mode": "OIDC", "oidc": {"issuer": "https://id.example", "groupPrefix": prefix}},
                "residency": {"storageClassNames": ["a"]},
            },
        }))
        .unwrap()
    }

    fn let_in(tenant: &Tenant, rival: Option<&str>) -> Vec<String> {
        bound(tenant, rival).map(|person| person.username.clone()).collect()
    }

    #[test]
    fn only_names_behind_the_tenants_own_prefix_are_let_in_and_each_other_is_told_by_its_place() {
        let people = [
            ("User", "oidc:sato"),
            ("User", "sato"),
            ("Group", "oidc:acme-admins"),
            ("Group", "oidc:globex-admins"),
            ("Group", "oidc:acme-"),
            ("Group", "system:masters"),
            ("User", "system:serviceaccount:kube-system:default"),
            ("Group", "kubeadm:cluster-admins"),
            ("User", "kubernetes-admin"),
        ];
        let acme = tenant("acme", 1, Some("oidc:acme-"), &people);
        assert_eq!(let_in(&acme, None), ["oidc:sato", "oidc:acme-admins"]);
        let told = refused(&acme, None);
        assert_eq!(told.len(), people.len() - 2, "{told:?}");
        for (place, said) in [1, 3, 4, 5, 6, 7, 8].into_iter().zip(&told) {
            assert!(said.starts_with(&format!("spec.administrators[{place}]")), "{said}");
        }
        assert!(!told.concat().contains("globex"), "names are not told: {told:?}");
    }

    #[test]
    fn without_a_prefix_people_are_let_in_by_name_and_no_group_is() {
        let acme = tenant("acme", 1, None, &[("User", "sato"), ("Group", "acme:admins"), ("User", "system:admin")]);
        assert_eq!(let_in(&acme, None), ["sato"]);
    }

    #[test]
    fn of_two_tenants_whose_groups_cannot_be_told_apart_the_earlier_one_keeps_them() {
        let of = |name, created, prefix| {
            tenant(name, created, Some(prefix), &[("Group", "oidc:acme-a"), ("User", "oidc:ito")])
        };
        for (first, second) in [("oidc:acme-", "oidc:acme-"), ("oidc:", "oidc:acme-"), ("oidc:acme-", "oidc:")] {
            let (early, late) = (of("zebra", 1, first), of("acme", 2, second));
            let all = [early.clone(), late.clone()];
            assert_eq!(rival(&early, all.iter()), None, "{first} {second}");
            let found = rival(&late, all.iter());
            assert_eq!(found.as_deref(), Some("zebra"), "{first} {second}");
            assert_eq!(let_in(&late, found.as_deref()), ["oidc:ito"]);
        }
        let apart = [of("one", 1, "oidc:acme-"), of("other", 2, "oidc:globex-"), of("third", 3, "acme:")];
        assert!(apart.iter().all(|tenant| rival(tenant, apart.iter()).is_none()));
    }
}
