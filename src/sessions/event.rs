//! Pure: from one audit event to what it says about a session.
//!
//! The API server writes an event at each stage of a request, under one audit id. Of what KubeVirt serves only
//! `portforward` counts as long-running to it, so that a console has no `ResponseStarted`: its begin is `RequestReceived`,
//! which comes before anybody has been let in, and `ResponseComplete` comes when it is over.
//!
//! | said | is |
//! |---|---|
//! | 101 | the API server handed the connection over: a session. virt-api's own refusal comes through that connection and is not in the log, so that a console of a VM that is off counts, too |
//! | 200 to 299 | done: a session |
//! | 401, 403, 404, 503 and every other | refused by the API server, or virt-api is not there: none |
//! | nothing yet | under way; see [`super::desk`] |

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::action::{Action, Request, short};
use crate::api::home;
use crate::evidence::hex;

/// After so long somebody is inside or refused, and what the operator did to a grant is in its status.
pub const SETTLED: SignedDuration = SignedDuration::from_secs(5);

/// Longest name of a user, as `status.sessions[].user` takes it.
const LONGEST_USER: usize = 253;

/// Longest name of a VM there.
const LONGEST_VM: usize = 63;

/// What tells requests apart. Whoever asks may choose the audit id (a header), and with it alone could have a session taken
/// for an older one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub audit_id: String,
    pub received: Timestamp,
    /// By whose credentials.
    pub person: String,
}

/// What one stage of one request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub key: Key,
    /// In whose name, if not the own one (impersonation). Known with the answer: when a request comes in, the API server
    /// logs it before it looks at that.
    pub in_the_name_of: Option<String>,
    pub namespace: String,
    /// Empty where it is not about one VM by its name.
    pub vm: String,
    pub action: Action,
    /// None while nobody has answered.
    pub code: Option<i64>,
    pub ended_at: Option<Timestamp>,
    /// The API server broke off.
    pub panicked: bool,
}

/// What a line of the log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    Ours(Box<Sighting>),
    Others,
    Malformed,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    verb: String,
    user: User,
    impersonated_user: Option<User>,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
    request_received_timestamp: Timestamp,
    stage_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    resource: String,
    namespace: String,
    name: String,
    api_group: String,
    subresource: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    code: Option<i64>,
}

/// Words of which a line that matters has one. Looking for them costs a tenth of reading JSON.
const WORDS: [&str; 3] = ["subresources.kubevirt.io", "snapshot.", "export.kubevirt.io"];

/// Reads one line of the log.
#[must_use]
pub fn line(bytes: &[u8]) -> Line {
    let bytes = bytes.trim_ascii();
    if bytes.is_empty() {
        return Line::Others;
    }
    if !(bytes.starts_with(b"{") && bytes.ends_with(b"}")) {
        return Line::Malformed;
    }
    let matters = std::str::from_utf8(bytes).map_or(true, |text| WORDS.iter().any(|word| text.contains(word)));
    if !matters {
        return Line::Others;
    }
    serde_json::from_slice::<Event>(bytes).map_or(Line::Malformed, sighting)
}

/// Reads one item of an EventList.
#[must_use]
pub fn item(item: serde_json::Value) -> Line {
    serde_json::from_value::<Event>(item).map_or(Line::Malformed, sighting)
}

fn sighting(event: Event) -> Line {
    let target = event.object_ref.unwrap_or_default();
    let request = Request {
        verb: &event.verb,
        group: &target.api_group,
        resource: &target.resource,
        subresource: &target.subresource,
        name: &target.name,
    };
    let tenants = !home::of_customer_namespace(&target.namespace).is_empty();
    let Some(action) = Action::of(&request).filter(|_| tenants) else { return Line::Others };
    let over = ["ResponseComplete", "Panic"].contains(&event.stage.as_str());
    // Before that there is no answer, whatever the event says.
    let answered = over || event.stage == "ResponseStarted";
    let person = short(&event.user.username, LONGEST_USER);
    Line::Ours(Box::new(Sighting {
        key: Key { audit_id: audit_id(&event.audit_id), received: event.request_received_timestamp, person },
        in_the_name_of: event.impersonated_user.map(|other| short(&other.username, LONGEST_USER)),
        namespace: target.namespace,
        vm: if action.of_a_vm { short(&target.name, LONGEST_VM) } else { String::new() },
        action,
        code: answered.then(|| event.response_status.and_then(|status| status.code).unwrap_or(200)),
        ended_at: over.then_some(event.stage_timestamp),
        panicked: event.stage == "Panic",
    }))
}

/// As it is, where it is one of the API server's own; whoever asks may send anything of any length.
fn audit_id(text: &str) -> String {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain && (1..=64).contains(&text.len()) {
        return text.to_owned();
    }
    let hash = hex::encode(&Sha256::digest(text));
    format!("sha256:{}", &hash[..57])
}

impl Sighting {
    /// Has this request been answered?
    #[must_use]
    pub fn answered(&self) -> bool {
        self.code.is_some()
    }

    /// Was somebody let in? What lasted longer than [`SETTLED`] has been taken for an open session already, and gets its
    /// end even if it was a refusal after all: rather one session too many than one too few.
    #[must_use]
    pub fn let_in(&self) -> bool {
        match self.code {
            None => self.action.lasts,
            Some(101 | 200..=299) => true,
            Some(_) => self.action.lasts && (self.panicked || self.lasted() > SETTLED),
        }
    }

    fn lasted(&self) -> SignedDuration {
        self.ended_at.map_or(SignedDuration::ZERO, |ended| ended.duration_since(self.key.received))
    }

    /// What another stage of the same request says, too.
    pub fn join(&mut self, other: Self) {
        self.in_the_name_of = self.in_the_name_of.take().or(other.in_the_name_of);
        self.panicked |= other.panicked;
        self.ended_at = self.ended_at.max(other.ended_at);
        if other.ended_at.is_some() || self.code.is_none() {
            self.code = other.code.or(self.code);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn event(stage: &str, more: &Value) -> Value {
        let mut event = json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "a-1", "stage": stage,
            "requestURI": "/apis/…/plum/vnc", "verb": "get", "user": {"username": "suzuki", "groups": ["staff"]},
            "objectRef": {"resource": "virtualmachineinstances", "namespace": "cf-acme", "name": "plum",
                "apiGroup": "subresources.kubevirt.io", "apiVersion": "v1", "subresource": "vnc"},
            "requestReceivedTimestamp": "2026-11-30T01:00:00.100000Z", "stageTimestamp": "2026-11-30T01:00:00.200000Z",
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            event[key] = value.clone();
        }
        event
    }

    fn seen(stage: &str, more: &Value) -> Sighting {
        match line(event(stage, more).to_string().as_bytes()) {
            Line::Ours(sighting) => *sighting,
            other => panic!("{other:?}"),
        }
    }

    fn code(code: i64) -> Value {
        json!({"responseStatus": {"metadata": {}, "code": code}})
    }

    #[test]
    fn two_stages_of_one_request_are_one_session_with_a_begin_and_an_end() {
        let mut session = seen("RequestReceived", &json!({}));
        assert!(session.let_in() && !session.answered() && session.ended_at.is_none());
        let mut last = code(101);
        last["stageTimestamp"] = json!("2026-11-30T01:30:00Z");
        let last = seen("ResponseComplete", &last);
        assert_eq!(last.key, session.key);
        session.join(last);
        assert_eq!((session.key.person.as_str(), session.vm.as_str()), ("suzuki", "plum"));
        assert_eq!(session.ended_at.unwrap().to_string(), "2026-11-30T01:30:00Z");
        assert!(session.let_in() && session.answered());
        // Whatever the order in which they come.
        let mut other = session.clone();
        other.join(seen("RequestReceived", &json!({})));
        assert_eq!(other, session);
    }

    #[test]
    fn a_refusal_or_a_virt_api_that_is_not_there_is_no_session() {
        for refused in [401, 403, 404, 409, 429, 500, 503] {
            assert!(!seen("ResponseComplete", &code(refused)).let_in(), "{refused}");
        }
        for done in [101, 200, 202] {
            assert!(seen("ResponseComplete", &code(done)).let_in(), "{done}");
        }
        // What was taken for open gets its end.
        let mut late = code(503);
        late["stageTimestamp"] = json!("2026-11-30T01:00:30Z");
        assert!(seen("ResponseComplete", &late).let_in());
        assert!(seen("Panic", &code(500)).let_in(), "it may have been open for hours");
    }

    #[test]
    fn somebody_else_in_whose_name_it_is_done_is_known_at_the_end_of_the_same_session() {
        // The API server looks at it after it has logged that the request came.
        let mut session = seen("RequestReceived", &json!({}));
        let end = seen("ResponseComplete", &json!({"impersonatedUser": {"username": "sato"}}));
        assert_eq!(session.key, end.key);
        session.join(end);
        assert_eq!((session.key.person.as_str(), session.in_the_name_of.as_deref()), ("suzuki", Some("sato")));
    }

    #[test]
    fn an_audit_id_that_somebody_chose_is_kept_short_and_hides_no_other_session() {
        let long = seen("ResponseComplete", &json!({"auditID": "x".repeat(100_000)})).key.audit_id;
        assert_eq!(long.len(), 64);
        assert!(seen("ResponseComplete", &json!({"auditID": "a\u{1b}[2J"})).key.audit_id.starts_with("sha256:"));
        let again = seen("ResponseComplete", &json!({"requestReceivedTimestamp": "2026-11-30T02:00:00Z"}));
        assert_ne!(again.key, seen("ResponseComplete", &json!({})).key, "the same id an hour later is another session");
    }

    #[test]
    fn lines_of_others_are_passed_over_and_broken_ones_told_apart() {
        let elsewhere = json!({"objectRef": {"resource": "virtualmachineinstances", "namespace": "default", "name": "plum",
            "apiGroup": "subresources.kubevirt.io", "subresource": "vnc"}});
        let others = [
            event("ResponseComplete", &elsewhere).to_string(),
            event("ResponseComplete", &json!({"objectRef": null})).to_string(),
            r#"{"kind":"Event","auditID":"b","verb":"list"}"#.to_owned(),
            String::new(),
        ];
        for text in others {
            assert_eq!(line(text.as_bytes()), Line::Others, "{text}");
        }
        let whole = event("ResponseComplete", &json!({})).to_string();
        let broken: [&[u8]; 5] = [
            &whole.as_bytes()[..whole.len() / 2],
            b"\0\0\0\0",
            b"{\"subresources.kubevirt.io\": }",
            b"{\"auditID\": [\"subresources.kubevirt.io\"]}",
            b"{\"\xff\xfe\"}",
        ];
        for text in broken {
            assert_eq!(line(text), Line::Malformed, "{}", String::from_utf8_lossy(text));
        }
    }

    proptest! {
        #[test]
        fn no_line_whatsoever_stops_it(bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0_usize..900) {
            drop(line(&bytes));
            let whole = event("ResponseComplete", &json!({})).to_string();
            let cut = cut.min(whole.len());
            prop_assert_eq!(matches!(line(&whole.as_bytes()[..cut]), Line::Ours(_)), cut == whole.len());
        }
    }
}
