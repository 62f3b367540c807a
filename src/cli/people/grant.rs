//! One AccessGrant in words: what is asked for, where it stands, who has to do what next.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::table::{self, Tone};
use super::time::{japan, when};
use crate::api::access_grant::{AccessGrant, Basis, Decision, GrantState, Verb};
use crate::api::home;
use crate::api::jst::in_japan;

/// What a person who consents has to know of a verb.
pub fn meaning(verb: Verb) -> &'static str {
    match verb {
        Verb::GuestInfo => "read what the guest's agent tells: system, users who are logged in, file systems",
        Verb::Console => "use the text console: read all that it shows, type on it",
        Verb::Vnc => "use screen, keyboard and mouse",
        Verb::Power => "start, stop and restart",
        Verb::SnapshotRead => "read the data in snapshots",
        Verb::AuditExtract => "take along what the audit log says about these VMs",
    }
}

/// As it is written in the API.
pub fn word(verb: Verb) -> String {
    json!(verb).as_str().unwrap_or_default().to_owned()
}

/// The tenant that a grant is about.
pub fn tenant(grant: &AccessGrant) -> String {
    let namespace = grant.namespace().unwrap_or_default();
    home::of_customer_namespace(&namespace).to_owned()
}

/// Where it stands, as the operator last wrote it.
pub fn state(grant: &AccessGrant) -> Option<GrantState> {
    grant.status.as_ref().and_then(|status| status.state)
}

/// Is it over for good?
pub fn over(grant: &AccessGrant) -> bool {
    state(grant).is_some_and(GrantState::over)
}

/// The state in one word; a grant that no operator has looked at says so.
pub fn state_word(grant: &AccessGrant) -> String {
    state(grant).map_or_else(|| "Unseen".to_owned(), |state| format!("{state:?}"))
}

/// An open door is what people have to see; one that should be closed already, even more.
pub fn tone(grant: &AccessGrant, now: Timestamp) -> Tone {
    match state(grant) {
        Some(GrantState::Active) if !late(grant, now) => Tone::Good,
        Some(GrantState::Active) => Tone::Bad,
        Some(GrantState::Requested | GrantState::Approved) | None => Tone::Doubtful,
        Some(_) => Tone::Plain,
    }
}

fn expires(grant: &AccessGrant) -> Option<Timestamp> {
    grant.status.as_ref().and_then(|status| status.expires_at.as_ref()).map(|at| at.0)
}

/// Open, although its time is over?
fn late(grant: &AccessGrant, now: Timestamp) -> bool {
    state(grant) == Some(GrantState::Active) && expires(grant).is_some_and(|at| at <= now)
}

/// Until when, in Japan and from now; before the consent, how long; when it is over, since when.
pub fn until(grant: &AccessGrant, now: Timestamp) -> String {
    let spec = &grant.spec;
    if over(grant) {
        let ended = grant.status.as_ref().and_then(|status| status.ended_at.as_ref());
        return ended.map_or("-".to_owned(), |at| format!("ended {}", when(at.0, now)));
    }
    if let Some(at) = expires(grant) {
        return when(at, now);
    }
    match &spec.not_before {
        Some(from) if from.0 > now => format!("{} from {}", spec.duration, japan(from.0)),
        _ if spec.basis == Basis::Terms => format!("{} from the signature on", spec.duration),
        _ => format!("{} from the consent on", spec.duration),
    }
}

/// `Console, Power on web-1, web-2`.
pub fn what(grant: &AccessGrant) -> String {
    let verbs: Vec<String> = grant.spec.verbs.iter().copied().map(word).collect();
    let vms = if grant.spec.vms.is_empty() { "no VM".to_owned() } else { grant.spec.vms.join(", ") };
    format!("{} on {vms}", verbs.join(", "))
}

/// With the ticket, and with the clause when the terms allow it.
pub fn why(grant: &AccessGrant) -> String {
    let spec = &grant.spec;
    let ticket = spec.ticket.as_ref().map(|ticket| format!(" (ticket {ticket})")).unwrap_or_default();
    let clause = match spec.basis {
        Basis::Consent => String::new(),
        Basis::Terms => format!(" [by the terms, clause {}]", spec.clause.as_deref().unwrap_or("?")),
    };
    format!("{}{ticket}{clause}", spec.reason)
}

/// Who said what so far, and who has to do what.
pub fn standing(grant: &AccessGrant, now: Timestamp) -> String {
    let (spec, status) = (&grant.spec, grant.status.clone().unwrap_or_default());
    let at = |at: Option<Timestamp>| at.map_or_else(String::new, |at| format!(" {}", when(at, now)));
    let mut said = Vec::new();
    if let Some(answer) = &spec.approval {
        let word = match answer.decision {
            Decision::Approve => "approved",
            Decision::Deny => "denied",
        };
        let seen = status.approved_at.as_ref().or(answer.at.as_ref()).map(|at| at.0);
        said.push(format!("{word} by {}{}", answer.by, at(seen)));
    }
    if let Some(second) = &spec.second_approver {
        said.push(format!("signed by {}{}", second.by, at(second.at.as_ref().map(|at| at.0))));
    }
    if let Some(revoked) = &spec.revoked {
        let reason = revoked.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        said.push(format!("revoked by {}{}{reason}", revoked.by, at(revoked.at.as_ref().map(|at| at.0))));
    }
    if late(grant, now) {
        said.push("its time is over, and the operator has not closed it yet".to_owned());
    } else if state(grant) == Some(GrantState::Expired) {
        said.push(format!("over{}", at(status.ended_at.as_ref().map(|at| at.0))));
    }
    if !status.sessions.is_empty() {
        said.push(format!("used {} times", status.sessions.len()));
    }
    said.extend(waits_for(grant).map(|who| format!("waits for {who}")));
    if said.is_empty() { "-".to_owned() } else { said.join("; ") }
}

/// What that person types; it stands in a line of its own, to be copied.
pub fn to_type(grant: &AccessGrant) -> Option<String> {
    let word = if grant.spec.basis == Basis::Terms { "second" } else { "approve" };
    waits_for(grant).map(|_| format!("kubectl cloudfarm {word} {} {}", tenant(grant), grant.name_any()))
}

/// Whose word is missing.
pub fn waits_for(grant: &AccessGrant) -> Option<String> {
    let spec = &grant.spec;
    if over(grant) || spec.revoked.is_some() {
        return None;
    }
    match spec.basis {
        Basis::Consent if spec.approval.is_none() => Some(format!("a privileged administrator of {}", tenant(grant))),
        Basis::Terms if spec.second_approver.is_none() => Some("a second person of the staff".to_owned()),
        _ => None,
    }
}

/// Everything that a person consents to, whole.
pub fn whole(grant: &AccessGrant, now: Timestamp) -> String {
    let spec = &grant.spec;
    let asked =
        grant.metadata.creation_timestamp.as_ref().map_or_else(String::new, |at| format!(", {}", when(at.0, now)));
    let ticket = spec.ticket.as_ref().map(|ticket| format!(", ticket {ticket}")).unwrap_or_default();
    let title = format!("AccessGrant {} of tenant {}: {}", grant.name_any(), tenant(grant), state_word(grant));
    let mut text = table::wrap(&title, table::WIDTH).join("\n") + "\n";
    text += &table::field("Who", &format!("{} of the provider's staff{asked}{ticket}", spec.requested_by));
    for (number, verb) in spec.verbs.iter().enumerate() {
        let head = if number == 0 { "What" } else { "" };
        text += &table::field(head, &format!("{}: {}", word(*verb), meaning(*verb)));
    }
    let vms = if spec.vms.is_empty() { "none".to_owned() } else { spec.vms.join(", ") };
    text += &table::field("VMs", &vms);
    text += &table::field("How long", &until(grant, now));
    let ground = match spec.basis {
        Basis::Consent => "your consent".to_owned(),
        Basis::Terms => format!("the terms, clause {}", spec.clause.as_deref().unwrap_or("?")),
    };
    text += &table::field("Ground", &ground);
    text += &table::field("Why", &spec.reason);
    text + &table::field("So far", &standing(grant, now))
}

/// For programs.
pub fn json(grant: &AccessGrant, now: Timestamp) -> Value {
    let (spec, status) = (&grant.spec, grant.status.clone().unwrap_or_default());
    let left = expires(grant).filter(|_| !over(grant)).map(|at| at.duration_since(now).as_secs().max(0));
    json!({
        "tenant": tenant(grant), "name": grant.name_any(), "state": state(grant), "requestedBy": spec.requested_by,
        "reason": spec.reason, "ticket": spec.ticket, "basis": spec.basis, "clause": spec.clause, "verbs": spec.verbs,
        "vms": spec.vms, "notBefore": spec.not_before, "duration": spec.duration, "approval": spec.approval,
        "secondApprover": spec.second_approver, "revoked": spec.revoked,
        "expiresAt": status.expires_at, "expiresAtJST": expires(grant).map(in_japan), "secondsLeft": left,
        "expired": late(grant, now), "waitsFor": waits_for(grant), "toType": to_type(grant), "sessions": status.sessions,
    })
}

/// `1h30m` in minutes, as the API takes it.
pub fn minutes(duration: &str) -> Option<i64> {
    let (hours, rest) = duration.split_once('h').map_or((None, duration), |(hours, rest)| (Some(hours), rest));
    let number = |text: &str, digits: usize| {
        (!text.is_empty() && text.len() <= digits && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<i64>().ok())
            .flatten()
    };
    let hours = hours.map_or(Some(0), |text| number(text, 2))?;
    let minutes = if rest.is_empty() { 0 } else { number(rest.strip_suffix('m')?, 3)? };
    Some(hours * 60 + minutes).filter(|minutes| (1..=480).contains(minutes))
}

#[cfg(test)]
pub mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    /// 30 November 2026, 23:07 in Japan.
    pub fn now() -> Timestamp {
        "2026-11-30T14:07:00Z".parse().unwrap()
    }

    /// A grant of acme; `spec` and `status` over what every one has.
    #[allow(clippy::needless_pass_by_value)] // a literal reads better without &
    pub fn grant(name: &str, spec: Value, status: Value) -> AccessGrant {
        let mut whole = json!({
            "requestedBy": "sato", "reason": "the disk of web-1 is full", "verbs": ["Console", "Power"], "vms": ["web-1"],
            "duration": "1h",
        });
        for (key, value) in spec.as_object().unwrap() {
            whole[key] = value.clone();
        }
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "cf-acme", "creationTimestamp": "2026-11-30T14:04:00Z"},
            "spec": whole, "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn who_consents_sees_all_of_it_and_what_it_means() {
        let spec = json!({"ticket": "T-123", "vms": ["web-1", "db"], "verbs": ["VNC", "SnapshotRead"],
            "reason": format!("障害調査のためディスクの中を見る。{}\u{1b}[2J\u{202e}", "とても".repeat(90))});
        super::super::tests::golden(
            "grant",
            &whole(&grant("web-1-1130-2307", spec, json!({"state": "Requested"})), now()),
        );
    }

    #[test]
    fn a_door_that_is_open_too_long_is_told_by_the_clock_and_not_by_the_state() {
        let open = |expires: &str| grant("a", json!({}), json!({"state": "Active", "expiresAt": expires}));
        let (good, late) = (open("2026-11-30T14:41:00Z"), open("2026-11-30T14:07:00Z"));
        assert_eq!((tone(&good, now()), tone(&late, now())), (Tone::Good, Tone::Bad));
        assert_eq!(until(&good, now()), "2026-11-30 23:41 JST (in 34m)");
        assert!(standing(&late, now()).starts_with("its time is over"));
        assert_eq!(
            (json(&late, now())["expired"].clone(), json(&good, now())["secondsLeft"].clone()),
            (json!(true), json!(2040))
        );
    }

    #[test]
    fn whose_word_is_missing_is_told_until_it_is_given_or_the_grant_is_over() {
        let terms = json!({"basis": "Terms", "clause": "12.3"});
        let given = json!({"approval": {"by": "tanaka", "at": Time(now()), "decision": "Approve"}});
        let waits = |spec: &Value, status: Value| to_type(&grant("a", spec.clone(), status)).unwrap_or_default();
        assert_eq!(waits(&json!({}), json!({})), "kubectl cloudfarm approve acme a");
        assert_eq!(waits(&terms, json!({})), "kubectl cloudfarm second acme a");
        assert_eq!(waits(&given, json!({"state": "Requested"})), "");
        assert_eq!(waits(&json!({}), json!({"state": "Expired"})), "");
        assert_eq!(waits(&json!({"revoked": {"by": "sato"}}), json!({})), "");
    }

    #[test]
    fn durations_are_read_as_the_api_reads_them() {
        for (text, is) in [
            ("1h", Some(60)),
            ("90m", Some(90)),
            ("1h30m", Some(90)),
            ("8h", Some(480)),
            ("1m", Some(1)),
            ("8h1m", None),
            ("0m", None),
            ("", None),
            ("h", None),
            ("1", None),
            ("+1h", None),
            ("1h ", None),
            ("1d", None),
            ("１h", None),
        ] {
            assert_eq!(minutes(text), is, "{text:?}");
        }
    }
}
