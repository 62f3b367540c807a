//! What is said of one clause, and how several looks become one.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::condition::ConditionType;

/// The five words of OpenReports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Pass,
    Fail,
    Warn,
    Error,
    Skip,
}

impl Outcome {
    /// All of them, in the order in which a summary tells them.
    pub const ALL: [Self; 5] = [Self::Pass, Self::Fail, Self::Warn, Self::Error, Self::Skip];

    /// As it stands in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Skip => "skip",
        }
    }

    /// What is known to be broken outranks what is not known, and that outranks everything that is good.
    fn rank(self) -> u8 {
        match self {
            Self::Skip => 0,
            Self::Pass => 1,
            Self::Warn => 2,
            Self::Error => 3,
            Self::Fail => 4,
        }
    }
}

/// An object that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    pub api_version: String,
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

impl Object {
    /// One of our own kinds.
    #[must_use]
    pub fn of<K: Resource<DynamicType = ()>>(object: &K) -> Self {
        Self {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            namespace: object.namespace(),
            name: object.name_any(),
            uid: object.uid(),
        }
    }
}

/// Objects that a finding names; how many there were stands in its evidence.
const OBJECTS: usize = 6;

/// One look, or several that became one.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub result: Outcome,
    /// A PascalCase fact, as conditions have it.
    pub reason: String,
    pub message: String,
    pub measured: String,
    pub limit: String,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// When somebody measured it, where that is another instant.
    pub checked_at: Option<Timestamp>,
    pub objects: Vec<Object>,
    /// Everything that was looked at: what the evidence's hash is over.
    pub looked: Vec<Value>,
}

impl Verdict {
    pub fn new(result: Outcome, reason: &str, message: impl Into<String>) -> Self {
        Self {
            result,
            reason: reason.to_owned(),
            message: message.into(),
            measured: String::new(),
            limit: String::new(),
            since: None,
            checked_at: None,
            objects: Vec::new(),
            looked: Vec::new(),
        }
    }
    pub fn pass(message: impl Into<String>) -> Self {
        Self::new(Outcome::Pass, "AsPromised", message)
    }
    pub fn fail(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Outcome::Fail, reason, message)
    }
    pub fn warn(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Outcome::Warn, reason, message)
    }
    /// Nobody knows: never taken for good.
    pub fn unknown(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Outcome::Error, reason, message)
    }
    /// There is nothing to judge.
    pub fn skip(reason: &str, message: impl Into<String>) -> Self {
        Self::new(Outcome::Skip, reason, message)
    }

    pub fn measured(self, measured: impl Into<String>) -> Self {
        Self { measured: measured.into(), ..self }
    }
    pub fn limit(self, limit: impl Into<String>) -> Self {
        Self { limit: limit.into(), ..self }
    }
    pub fn since(self, since: Option<Timestamp>) -> Self {
        Self { since, ..self }
    }
    pub fn checked_at(self, checked_at: Option<Timestamp>) -> Self {
        Self { checked_at, ..self }
    }
    /// It was seen on this object.
    pub fn on<K: Resource<DynamicType = ()>>(mut self, object: &K) -> Self {
        self.objects.push(Object::of(object));
        self
    }
    /// This was looked at.
    pub fn looked(mut self, at: Value) -> Self {
        self.looked.push(at);
        self
    }

    /// Of several looks the worst, told with what makes it so; good only if none is worse than good.
    pub fn all(verdicts: &[Self]) -> Self {
        let Some(worst) = verdicts.iter().map(|verdict| verdict.result).max_by_key(|result| result.rank()) else {
            return Self::skip("NothingThere", "there is nothing of the kind");
        };
        let (telling, others): (Vec<&Self>, Vec<&Self>) = verdicts.iter().partition(|verdict| verdict.result == worst);
        let joined = |texts: Vec<&String>| {
            let mut distinct: Vec<&str> = Vec::new();
            for text in texts {
                if !text.is_empty() && !distinct.contains(&text.as_str()) {
                    distinct.push(text);
                }
            }
            let more = distinct.len().saturating_sub(3);
            distinct.truncate(3);
            if more > 0 { format!("{}; and {more} more", distinct.join("; ")) } else { distinct.join("; ") }
        };
        let mut objects: Vec<Object> = Vec::new();
        for object in telling.iter().chain(&others).flat_map(|verdict| &verdict.objects) {
            if !objects.contains(object) && objects.len() < OBJECTS {
                objects.push(object.clone());
            }
        }
        Self {
            result: worst,
            reason: telling.first().map(|verdict| verdict.reason.clone()).unwrap_or_default(),
            message: joined(telling.iter().map(|verdict| &verdict.message).collect()),
            measured: joined(verdicts.iter().map(|verdict| &verdict.measured).collect()),
            limit: joined(verdicts.iter().map(|verdict| &verdict.limit).collect()),
            since: telling.iter().filter_map(|verdict| verdict.since).max(),
            checked_at: verdicts.iter().filter_map(|verdict| verdict.checked_at).min(),
            objects,
            looked: verdicts.iter().flat_map(|verdict| verdict.looked.clone()).collect(),
        }
    }
}

/// Nobody has looked, whatever the status of the condition is.
const UNMEASURED: [&str; 6] = ["NotMeasured", "NotSynced", "ApiError", "ProbeStale", "NotYetEnforced", "Invalid"];

/// Not as promised, in a way that was allowed or that passes.
const EXCUSED: [&str; 4] = ["Progressing", "HardeningException", "ImageExcepted", "HoldPlaced"];

/// What a condition of an object says.
pub fn condition<K: Resource<DynamicType = ()>>(
    object: &K,
    observed_generation: Option<i64>,
    conditions: &[Condition],
    type_: ConditionType,
) -> Verdict {
    let (kind, name, type_) = (K::kind(&()), object.name_any(), type_.as_str());
    let Some(found) = conditions.iter().find(|condition| condition.type_ == type_) else {
        let message = format!("{kind} {name} says nothing of {type_}");
        return Verdict::unknown("NotSaid", message)
            .on(object)
            .looked(json!({"object": Object::of(object), "missing": type_}));
    };
    // What is said of an earlier spec is not said of this one.
    let behind = object.meta().generation.is_some_and(|wanted| {
        let seen = found.observed_generation.or(observed_generation);
        object.meta().uid.is_some() && seen.is_some_and(|seen| seen < wanted)
    });
    let said = format!("{type_}: {}", found.message.chars().take(300).collect::<String>());
    let result = match (found.status.as_str(), found.reason.as_str()) {
        _ if behind => Outcome::Error,
        ("True", "SwitchedOff") => Outcome::Skip,
        ("True" | "False", reason) if UNMEASURED.contains(&reason) => Outcome::Error,
        ("True", _) => Outcome::Pass,
        ("False", reason) if EXCUSED.contains(&reason) => Outcome::Warn,
        ("False", _) => Outcome::Fail,
        _ => Outcome::Error,
    };
    let reason = if behind { "NotObserved" } else { &found.reason };
    Verdict::new(result, reason, if behind { format!("{kind} {name} was changed; {type_} is of before") } else { said })
        .on(object)
        .since(Some(found.last_transition_time.0))
        .looked(json!({
            "object": Object::of(object),
            "condition": {
                "type": found.type_, "status": found.status, "reason": found.reason, "message": found.message,
                "lastTransitionTime": found.last_transition_time,
            },
        }))
}
