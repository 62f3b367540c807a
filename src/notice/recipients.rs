//! Pure: whom a notice is about, and who of them is written to.

use std::collections::BTreeSet;

use kube::ResourceExt;
use sha2::{Digest, Sha256};

use crate::api::notice::Audience;
use crate::api::tenant::{Administrator, NoticeKind, Role, Tenant};
use crate::evidence::hex;

/// What nobody with a PrivilegedAdministrator's duties can switch off (12.6.1, 16.1.1, 5.1.1-4).
const ALWAYS: [NoticeKind; 3] = [NoticeKind::Incident, NoticeKind::Vulnerability, NoticeKind::Access];

/// Is the notice about this tenant?
#[must_use]
pub fn is_about(audience: Option<&Audience>, tenant: &Tenant) -> bool {
    let Some(audience) = audience else { return false };
    let labels = tenant.labels();
    let selected = audience.selector.iter().all(|(key, value)| labels.get(key) == Some(value));
    audience.all || audience.names.contains(&tenant.name_any()) || !audience.selector.is_empty() && selected
}

/// The people of a tenant who are written to, each address once. `privileged` asks for those alone who have that role.
#[must_use]
pub fn recipients(kind: NoticeKind, privileged: bool, tenant: &Tenant) -> Vec<&Administrator> {
    let mut addresses = BTreeSet::new();
    let wants = |person: &&Administrator| {
        let always = person.role == Role::PrivilegedAdministrator && ALWAYS.contains(&kind);
        !person.disabled
            && (!privileged || person.role == Role::PrivilegedAdministrator)
            && (always || privileged || person.notify.as_ref().is_none_or(|kinds| kinds.contains(&kind)))
    };
    // Of two entries with one address the one with more duties counts.
    let mut people: Vec<&Administrator> = tenant.spec.administrators.iter().filter(wants).collect();
    people.sort_by_key(|person| person.role);
    people.into_iter().filter(|person| addresses.insert(person.email.to_ascii_lowercase())).collect()
}

/// Stands for a person in records: not to be turned back into an address without knowing the notice and the tenant.
#[must_use]
pub fn hash(notice_uid: &str, tenant: &str, person: &Administrator) -> String {
    let address = person.email.to_ascii_lowercase();
    hex::encode(&Sha256::digest(format!("{notice_uid}\n{tenant}\n{address}").as_bytes()))[..32].to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A tenant without people.
    pub fn plum() -> Tenant {
        let spec = json!({
            "contract": {
                "applicationId": "TEST-000001",
                "startDate": "2026-04-01",
                "capacity": {"vcpus": 8, "memory": "32Gi", "storage": "500Gi", "instances": 4},
            },
            "administrators": [],
            "residency": {"storageClassNames": ["cf-jp-encrypted"]},
        });
        Tenant::new("plum", serde_json::from_value(spec).unwrap())
    }

    fn person(name: &str, role: Role) -> Administrator {
        Administrator {
            username: name.into(),
            email: format!("{name}@customer.example"),
            role,
            notify: None,
            kind: crate::api::tenant::SubjectKind::User,
            locale: crate::api::tenant::Locale::Ja,
            disabled: false,
        }
    }

    fn told(kind: NoticeKind, people: &[Administrator]) -> Vec<String> {
        let mut tenant = plum();
        tenant.spec.administrators = people.to_vec();
        recipients(kind, false, &tenant).into_iter().map(|person| person.username.clone()).collect()
    }

    #[test]
    fn who_is_disabled_gets_nothing_and_who_is_privileged_cannot_shut_incidents_out() {
        let quiet = Some(vec![NoticeKind::Capacity]);
        let people = [
            Administrator { notify: quiet.clone(), ..person("sato", Role::PrivilegedAdministrator) },
            Administrator { notify: quiet, ..person("abe", Role::Administrator) },
            Administrator { disabled: true, ..person("ito", Role::PrivilegedAdministrator) },
            person("kato", Role::Viewer),
        ];
        for kind in ALWAYS {
            assert_eq!(told(kind, &people), ["sato", "kato"], "{kind:?}");
        }
        assert_eq!(told(NoticeKind::Maintenance, &people), ["kato"]);
        assert_eq!(told(NoticeKind::Capacity, &people), ["sato", "abe", "kato"]);
    }

    #[test]
    fn one_address_is_one_recipient_and_no_audience_is_nobody() {
        let mut again = person("sato", Role::PrivilegedAdministrator);
        again.username = "other".into();
        again.email = "SATO@customer.example".into();
        let people = [person("sato", Role::Viewer), again];
        assert_eq!(told(NoticeKind::Incident, &people), ["other"]);

        let mut tenant = plum();
        tenant.labels_mut().insert("tier".into(), "gold".into());
        let selector =
            |value: &str| Audience { selector: [("tier".into(), value.into())].into(), ..Audience::default() };
        assert!(is_about(Some(&selector("gold")), &tenant) && !is_about(Some(&selector("tin")), &tenant));
        assert!(is_about(Some(&Audience { names: vec!["plum".into()], ..Audience::default() }), &tenant));
        assert!(is_about(Some(&Audience { all: true, ..Audience::default() }), &tenant));
        assert!(!is_about(Some(&Audience::default()), &tenant) && !is_about(None, &tenant));
    }
}
