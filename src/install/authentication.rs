//! The API server's AuthenticationConfiguration, made of what Tenants say about how their people sign in (5.1.1-5).
//!
//! Each issuer's names get a prefix of their own, so that no issuer can say a name that is another one's or the cluster's.
//! Tenants of one issuer share its entry; what could let one's people be taken for another's is refused with the reason.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use serde_json::{Value, json};

use crate::api::tenant::{AuthenticationMode, Oidc, Tenant};
use crate::tenant::administrators::Prefix;

/// The `aud` of a Tenant's tokens that says none.
const AUDIENCE: &str = "cloudfarm";

/// Methods that are a second factor, or more than one (RFC 8176).
const SECOND_FACTORS: [&str; 3] = ["mfa", "otp", "hwk"];

/// The API server takes no more issuers.
const MOST_ISSUERS: usize = 64;

/// What people are to give the API server and the operator.
#[derive(Debug, PartialEq)]
pub struct SignIn {
    /// The API server's `--authentication-config`.
    pub configuration: Value,
    /// The operator's config, `authentication`.
    pub operator: Value,
    /// What a person should know and neither says.
    pub remarks: Vec<String>,
}

/// One issuer, by the Tenants that name it.
struct Entry<'a> {
    prefix: &'a str,
    username_claim: &'a str,
    groups_claim: &'a str,
    audiences: BTreeSet<&'a str>,
    require_mfa: bool,
    /// Each with the prefix of its groups.
    tenants: Vec<(String, Prefix<'a>)>,
}

/// One entry per issuer. `authorities` are PEM certificates by issuer, for those that the API server's own do not know.
///
/// # Errors
/// Everything that would let one tenant's people be taken for another's or for the cluster's, or that the API server would
/// not take.
pub fn sign_in(tenants: &[Tenant], authorities: &BTreeMap<String, String>) -> Result<SignIn, Vec<String>> {
    let (mut entries, mut faults, mut remarks) = (BTreeMap::<&str, Entry>::new(), Vec::new(), Vec::new());
    let mut tenants: Vec<&Tenant> = tenants.iter().collect();
    tenants.sort_by_key(|tenant| tenant.name_any());
    for tenant in tenants {
        let name = tenant.name_any();
        let declared = tenant.spec.authentication.as_ref();
        let oidc =
            declared.and_then(|declared| declared.oidc.as_ref().filter(|_| declared.mode == AuthenticationMode::Oidc));
        let Some((declared, oidc)) = declared.zip(oidc) else {
            remarks.push(format!(
                "Tenant {name}: spec.authentication says nothing of OIDC; none of its people signs in by it"
            ));
            continue;
        };
        match Prefix::of(tenant) {
            Some(prefix) => {
                faults.extend(joined(&mut entries, &name, oidc, prefix, declared.require_mfa, &mut remarks));
            }
            None => faults.push(format!(
                "Tenant {name}: spec.authentication.oidc.groupPrefix is not written; without a prefix such as {name}: names of {} could be anybody's",
                oidc.issuer
            )),
        }
    }
    faults.extend(shared_prefixes(&entries));
    let unused = authorities.keys().filter(|issuer| !entries.contains_key(issuer.as_str()));
    faults.extend(unused.map(|issuer| format!("a certificate is given for {issuer}, which no Tenant names")));
    if entries.is_empty() && faults.is_empty() {
        faults.push("no Tenant names an issuer in spec.authentication.oidc".into());
    }
    if entries.len() > MOST_ISSUERS {
        faults.push(format!("{} issuers: the API server takes at most {MOST_ISSUERS}", entries.len()));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let jwt: Vec<Value> =
        entries.iter().map(|(issuer, entry)| authenticator(issuer, entry, authorities.get(*issuer))).collect();
    let issuers: Vec<Value> = entries
        .iter()
        .map(|(url, entry)| json!({"url": url, "prefix": entry.prefix, "secondFactor": entry.require_mfa}))
        .collect();
    Ok(SignIn {
        configuration: json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "jwt": jwt,
        }),
        operator: json!({"authentication": {"issuers": issuers}}),
        remarks,
    })
}

/// Adds a Tenant to its issuer's entry, or says why it cannot be one of those that are there.
fn joined<'a>(
    entries: &mut BTreeMap<&'a str, Entry<'a>>,
    name: &str,
    oidc: &'a Oidc,
    prefix: Prefix<'a>,
    require_mfa: bool,
    remarks: &mut Vec<String>,
) -> Vec<String> {
    let username_claim = oidc.username_claim.as_deref().unwrap_or("sub");
    let groups_claim = oidc.groups_claim.as_deref().unwrap_or("groups");
    let entry = entries.entry(&oidc.issuer).or_insert_with(|| Entry {
        prefix: prefix.issuer,
        username_claim,
        groups_claim,
        audiences: BTreeSet::new(),
        require_mfa,
        tenants: Vec::new(),
    });
    let mut faults = Vec::new();
    let first = entry.tenants.first().map(|(first, _)| first.clone()).unwrap_or_default();
    let mut differs = |field: &str, first_says: &str, says: &str| {
        if first_says != says {
            faults.push(format!(
                "Tenant {name}: spec.authentication.oidc.{field} means {says:?} and that of Tenant {first} {first_says:?}; {} has one for all its tenants",
                oidc.issuer
            ));
        }
    };
    differs("groupPrefix", entry.prefix, prefix.issuer);
    differs("usernameClaim", entry.username_claim, username_claim);
    differs("groupsClaim", entry.groups_claim, groups_claim);
    let alike = entry.tenants.iter().filter(|(_, other)| prefix.overlaps(*other));
    faults.extend(alike.map(|(other, theirs)| {
        format!(
            "Tenant {name}: groups that begin with {:?} cannot be told from those of Tenant {other}, {:?}; give each its own spec.authentication.oidc.groupPrefix",
            prefix.groups, theirs.groups
        )
    }));
    if entry.require_mfa != require_mfa {
        let issuer = &oidc.issuer;
        remarks.push(format!("{issuer}: one of its tenants asks for a second factor, so all have to give one"));
    }
    entry.require_mfa |= require_mfa;
    let own = oidc.audiences.iter().map(String::as_str);
    entry.audiences.extend(own.chain(oidc.audiences.is_empty().then_some(AUDIENCE)));
    entry.tenants.push((name.to_owned(), prefix));
    faults
}

/// Two issuers of one prefix could say each other's names.
fn shared_prefixes(entries: &BTreeMap<&str, Entry>) -> Vec<String> {
    let mut by_prefix: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (issuer, entry) in entries {
        by_prefix.entry(entry.prefix).or_default().push(issuer);
    }
    let shared = by_prefix.into_iter().filter(|(_, issuers)| issuers.len() > 1);
    shared
        .map(|(prefix, issuers)| {
            format!(
                "{} have the prefix {prefix:?} alike, so each could say the other's names; give each its own spec.authentication.oidc.groupPrefix",
                issuers.join(" and ")
            )
        })
        .collect()
}

fn authenticator(url: &str, entry: &Entry, authority: Option<&String>) -> Value {
    let mut issuer = json!({"url": url, "audiences": entry.audiences});
    if entry.audiences.len() > 1 {
        issuer["audienceMatchPolicy"] = "MatchAny".into();
    }
    if let Some(authority) = authority {
        issuer["certificateAuthority"] = authority.as_str().into();
    }
    let mut all = json!({
        "issuer": issuer,
        "claimMappings": {
            "username": {"claim": entry.username_claim, "prefix": entry.prefix},
            "groups": {"claim": entry.groups_claim, "prefix": entry.prefix},
        },
        // The prefix sees to it already: this is for whoever edits the file.
        "userValidationRules": [
            {"expression": "!user.username.startsWith('system:')", "message": "no issuer says names of Kubernetes itself"},
            {"expression": "user.groups.all(group, !group.startsWith('system:'))",
             "message": "no issuer says groups of Kubernetes itself"},
        ],
    });
    if entry.require_mfa {
        let factors = SECOND_FACTORS.map(|factor| format!("'{factor}'")).join(", ");
        all["claimValidationRules"] = json!([{
            "expression": format!("has(claims.amr) && [{factors}].exists(factor, factor in dyn(claims.amr))"),
            "message": format!("a second factor is needed: the claim amr has none of {}", SECOND_FACTORS.join(", ")),
        }]);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str, authentication: &Value) -> Tenant {
        serde_json::from_value(json!({
            "apiVersion": "cloudfarm.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name},
            "spec": {
                "contract": {"applicationId": "A-000001", "startDate": "2026-04-01",
                             "capacity": {"vcpus": 1, "memory": "1Gi", "storage": "1Gi", "instances": 1}},
                "administrators": [{"username": "sato", "email": "a@b.example", "role": "PrivilegedAdministrator"}],
                "authentication": authentication,
                "residency": {"storageClassNames": ["a"]},
            },
        }))
        .unwrap()
    }

    fn oidc(issuer: &str, prefix: &str) -> Value {
        json!({"mode": "OIDC", "oidc": {"issuer": issuer, "groupPrefix": prefix}})
    }

    fn made(tenants: &[(&str, Value)]) -> Result<SignIn, Vec<String>> {
        let tenants: Vec<Tenant> = tenants.iter().map(|(name, written)| tenant(name, written)).collect();
        sign_in(&tenants, &BTreeMap::new())
    }

    #[test]
    fn each_issuer_has_one_entry_whose_names_are_behind_its_prefix_and_none_is_kubernetes_own() {
        let shared = "https://id.provider.example";
        let other_audience = json!({"mode": "OIDC", "requireMFA": false, "oidc": {
            "issuer": shared, "groupPrefix": "oidc:globex-", "audiences": ["portal"]}});
        let own = json!({"mode": "OIDC", "requireMFA": false, "oidc": {"issuer": "https://id.plum.example",
            "groupPrefix": "plum:", "usernameClaim": "email", "groupsClaim": "roles"}});
        let made = made(&[
            ("globex", other_audience),
            ("acme", oidc(shared, "oidc:acme-")),
            ("plum", own),
            ("none", Value::Null),
        ]);
        let SignIn { configuration, operator, remarks } = made.unwrap();
        let expected = json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "jwt": [
                {
                    "issuer": {"url": "https://id.plum.example", "audiences": ["cloudfarm"]},
                    "claimMappings": {"username": {"claim": "email", "prefix": "plum:"}, "groups": {"claim": "roles", "prefix": "plum:"}},
                    "userValidationRules": configuration["jwt"][0]["userValidationRules"],
                },
                {
                    "issuer": {"url": shared, "audiences": ["cloudfarm", "portal"], "audienceMatchPolicy": "MatchAny"},
                    "claimMappings": {"username": {"claim": "sub", "prefix": "oidc:"}, "groups": {"claim": "groups", "prefix": "oidc:"}},
                    "claimValidationRules": [{
                        "expression": "has(claims.amr) && ['mfa', 'otp', 'hwk'].exists(factor, factor in dyn(claims.amr))",
                        "message": "a second factor is needed: the claim amr has none of mfa, otp, hwk",
                    }],
                    "userValidationRules": configuration["jwt"][1]["userValidationRules"],
                },
            ],
        });
        assert_eq!(configuration, expected);
        for entry in configuration["jwt"].as_array().unwrap() {
            assert!(entry["userValidationRules"].to_string().matches("startsWith('system:')").count() == 2);
        }
        assert_eq!(
            operator["authentication"]["issuers"][1],
            json!({"url": shared, "prefix": "oidc:", "secondFactor": true})
        );
        assert_eq!(remarks.len(), 2, "who has no OIDC, and a second factor for all: {remarks:?}");
    }

    #[test]
    fn what_could_let_one_tenants_people_be_taken_for_anothers_is_refused_with_the_reason() {
        let (a, b) = ("https://a.example", "https://b.example");
        let claims =
            json!({"mode": "OIDC", "oidc": {"issuer": a, "groupPrefix": "oidc:globex-", "usernameClaim": "email"}});
        let without = json!({"mode": "OIDC", "oidc": {"issuer": a}});
        for (one, other, said) in [
            (oidc(a, "oidc:acme-"), oidc(a, "oidc:acme-"), "cannot be told"),
            (oidc(a, "oidc:"), oidc(a, "oidc:globex-"), "cannot be told"),
            (oidc(a, "oidc:acme-"), oidc(a, "globex:"), "has one for all its tenants"),
            (oidc(a, "oidc:acme-"), claims, "usernameClaim"),
            (oidc(a, "oidc:acme-"), oidc(b, "oidc:globex-"), "could say the other's names"),
            (oidc(a, "oidc:acme-"), without, "groupPrefix is not written"),
        ] {
            let faults = made(&[("acme", one), ("globex", other)]).unwrap_err();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].contains(said), "{said}: {faults:?}");
        }
        assert!(made(&[("acme", Value::Null)]).unwrap_err()[0].contains("no Tenant names an issuer"));
    }

    #[test]
    fn an_issuer_that_no_public_authority_knows_gets_the_certificate_that_is_given_for_it_and_no_other_one_does() {
        let acme = [tenant("acme", &oidc("https://a.example", "acme:"))];
        let given = |issuer: &str| BTreeMap::from([(issuer.to_owned(), "PEM".to_owned())]);
        let made = sign_in(&acme, &given("https://a.example")).unwrap();
        assert_eq!(made.configuration["jwt"][0]["issuer"]["certificateAuthority"], "PEM");
        assert!(sign_in(&acme, &given("https://other.example")).unwrap_err()[0].contains("which no Tenant names"));
    }
}
