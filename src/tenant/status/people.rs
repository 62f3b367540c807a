//! Who is let in, how people sign in, and by what a Tenant is found: each as far as it is known here.

use super::in_place;
use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::api::tenant::{AuthenticationMode, Oidc, SubjectKind};
use crate::cluster::applied::Applied;
use crate::cluster::object::Kind;
use crate::operator::config::Issuer;
use crate::tenant::administrators::{self, Prefix};
use crate::tenant::application_id::Known;
use crate::tenant::desired::Plan;
use crate::tenant::observe::TenantSnapshot;

/// Has everybody the rights that are declared, and nobody else?
pub(super) fn bound(snapshot: &TenantSnapshot, plan: &Plan, applied: &Applied, is_over: bool) -> Verdict {
    let type_ = ConditionType::AdministratorsBound;
    let (tenant, rival) = (&snapshot.tenant, snapshot.rival.as_deref());
    let refused = administrators::refused(tenant, rival);
    if !refused.is_empty() {
        return Verdict::bad(type_, Reason::AdministratorRefused, refused.join("; "));
    }
    if is_over {
        let good = "the contract is over: nobody signs in but privileged administrators, who may take data along";
        return in_place(type_, &[Kind::RoleBinding], plan, applied, good);
    }
    let count = |kind: SubjectKind| administrators::bound(tenant, rival).filter(|person| person.kind == kind).count();
    let disabled = tenant.spec.administrators.iter().filter(|person| person.disabled).count();
    let good = format!(
        "who is declared and not disabled has the rights of the role: people {}, groups {} (disabled: {disabled})",
        count(SubjectKind::User),
        count(SubjectKind::Group),
    );
    in_place(type_, &[Kind::RoleBinding], plan, applied, &good)
}

/// Do people sign in as is declared? The API server's own settings cannot be read from inside the cluster, so this is what
/// the operator's config says about them, and never more.
pub(super) fn sign_in(snapshot: &TenantSnapshot) -> Verdict {
    let type_ = ConditionType::SignInConfigured;
    let unknown = |message: &str| Verdict::new(type_, Status::Unknown, Reason::NotMeasured, message);
    let Some(declared) = &snapshot.tenant.spec.authentication else {
        return unknown("spec.authentication is not written, so nobody here knows how this tenant's people sign in");
    };
    let (AuthenticationMode::Oidc, Some(oidc)) = (declared.mode, &declared.oidc) else {
        let message = "spec.authentication.mode Local has no effect: the API server knows no passwords; use mode OIDC";
        return Verdict::bad(type_, Reason::NotYetEnforced, message);
    };
    let Some(configured) = &snapshot.config.issuers else {
        return unknown(
            "nobody can read the API server's settings from here, and the operator's config does not say which issuers they name; `cloudfarm authentication` prints both",
        );
    };
    let prefix = Prefix::of(&snapshot.tenant);
    match fault(oidc, prefix, declared.require_mfa, configured) {
        Some((reason, message)) => Verdict::bad(type_, reason, message),
        None => Verdict::good(
            type_,
            format!(
                "the API server takes tokens of {}{} by the operator's config (its own settings cannot be read from here)",
                oidc.issuer,
                if declared.require_mfa { " with a second factor" } else { "" },
            ),
        ),
    }
}

fn fault(oidc: &Oidc, prefix: Option<Prefix>, require_mfa: bool, configured: &[Issuer]) -> Option<(Reason, String)> {
    let Some(issuer) = configured.iter().find(|issuer| issuer.url == oidc.issuer) else {
        let message = format!(
            "the API server does not take tokens of {}, by the operator's config (authentication.issuers); `cloudfarm authentication` prints what it needs",
            oidc.issuer
        );
        return Some((Reason::IssuerNotConfigured, message));
    };
    if prefix.is_none_or(|prefix| prefix.issuer != issuer.prefix) {
        let message = format!(
            "names of {} begin with {:?} in this cluster, by the operator's config; write a spec.authentication.oidc.groupPrefix that begins so",
            oidc.issuer, issuer.prefix
        );
        return Some((Reason::IssuerNotConfigured, message));
    }
    (require_mfa && !issuer.second_factor).then(|| {
        let message = format!(
            "spec.authentication.requireMFA is true, and the API server takes tokens of {} without a second factor, by the operator's config (authentication.issuers[].secondFactor)",
            oidc.issuer
        );
        (Reason::SecondFactorMissing, message)
    })
}

/// Can staff find this Tenant by its application ID, and nobody the ID by the Tenant?
pub(super) fn application_id(known: &Known) -> Verdict {
    let type_ = ConditionType::ApplicationIdHashed;
    match known {
        Known::Hash(_) => Verdict::good(
            type_,
            "status.applicationIdHash is the application ID under the provider's key; `cloudfarm application-id` says what to look for",
        ),
        Known::NoKeyWanted => Verdict::bad(
            type_,
            Reason::SwitchedOff,
            "the operator's config names no key (applicationId.keyFile), so nothing is shown of the application ID",
        ),
        Known::NoKey(why) => Verdict::bad(
            type_,
            Reason::KeyMissing,
            format!(
                "nothing is shown of the application ID, for want of a key: {why}; the operator reads it when it starts"
            ),
        ),
        Known::Unread { reason, message, .. } => Verdict::bad(type_, *reason, message.clone()),
    }
}

/// What is to be shown.
pub(super) fn shown(known: &Known) -> Option<String> {
    match known {
        Known::Hash(hash) => Some(hash.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oidc(prefix: &str) -> Oidc {
        Oidc { issuer: "https://id.example".into(), group_prefix: Some(prefix.into()), ..Oidc::default() }
    }

    fn issuer(prefix: &str, second_factor: bool) -> Issuer {
        Issuer { url: "https://id.example".into(), prefix: prefix.into(), second_factor }
    }

    #[test]
    fn an_issuer_that_is_missing_has_another_prefix_or_asks_for_no_second_factor_is_told_and_none_by_itself_passes() {
        let judged = |prefix: Option<&str>, mfa, configured: &[Issuer]| {
            let groups = prefix.unwrap_or_default();
            let issuer = groups.split_inclusive(':').next().unwrap_or_default();
            let prefix = prefix.map(|groups| Prefix { groups, issuer });
            fault(&oidc(groups), prefix, mfa, configured).map(|(reason, _)| reason)
        };
        let good = [issuer("oidc:", true)];
        assert_eq!(judged(Some("oidc:acme-"), true, &good), None);
        assert_eq!(judged(Some("oidc:acme-"), true, &[]), Some(Reason::IssuerNotConfigured));
        assert_eq!(judged(Some("acme:"), true, &good), Some(Reason::IssuerNotConfigured));
        assert_eq!(judged(None, true, &good), Some(Reason::IssuerNotConfigured));
        let weak = [issuer("oidc:", false)];
        assert_eq!(judged(Some("oidc:acme-"), true, &weak), Some(Reason::SecondFactorMissing));
        assert_eq!(judged(Some("oidc:acme-"), false, &weak), None);
    }
}
