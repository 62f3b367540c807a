//! Pure: what the watches tell about images; only what the gate needs of it is kept.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::ResourceExt;
use kube::api::DynamicObject;
use serde_json::Value;

use super::exception::Exception;
use super::result::ScanResult;
use crate::api::labels;

/// Everything that is known of images, by `<namespace>/<name>`; `None` while a kind is not installed or not listed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Results and exceptions.
    pub records: Option<BTreeMap<String, Record>>,
    /// Jobs that scan registries' images.
    pub scans: Option<BTreeMap<String, Scan>>,
    /// Jobs that scan claims, beside those.
    pub claim_scans: Option<BTreeMap<String, Scan>>,
    /// DataSources in the namespace of the provider's images.
    pub sources: Option<BTreeMap<String, Source>>,
    /// Claims there.
    pub claims: Option<BTreeMap<String, Claim>>,
}

/// A ConfigMap with our label.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    Result(ScanResult),
    Exception(Exception),
    /// It counts as nothing; why it cannot be read.
    Unreadable(String),
}

/// How far a Job is that scans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scan {
    /// It has no pod.
    #[default]
    Ordered,
    Running,
    /// Its pod came to an end; what it found is in the result.
    Ended,
    /// It gave up, and what the Job says of it.
    Failed(String),
}

/// A DataSource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// CDI says that what it points at is whole.
    pub ready: bool,
    pub claim: Option<Pointer>,
}

/// Where a claim is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointer {
    pub namespace: String,
    pub name: String,
}

/// A claim with an image in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    pub uid: String,
    /// A device and no file system.
    pub block: bool,
}

/// Reduces a ConfigMap that carries [`labels::IMAGE_RECORD`].
#[must_use]
pub fn record(object: &ConfigMap) -> Record {
    let data = object.data.clone().unwrap_or_default();
    let made = object.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let read = match object.labels().get(labels::IMAGE_RECORD).map(String::as_str) {
        Some(labels::IMAGE_RESULT) => ScanResult::read(&data).map(Record::Result),
        Some(labels::IMAGE_EXCEPTION) => Exception::read(&object.name_any(), &data, made).map(Record::Exception),
        other => Err(format!(
            "label {} is {other:?}; it has to be {} or {}",
            labels::IMAGE_RECORD,
            labels::IMAGE_RESULT,
            labels::IMAGE_EXCEPTION
        )),
    };
    read.unwrap_or_else(Record::Unreadable)
}

/// Reduces a Job.
#[must_use]
pub fn scan(job: &Job) -> Scan {
    let Some(status) = &job.status else { return Scan::Ordered };
    let mut conditions = status.conditions.iter().flatten();
    let is =
        |type_: &'static str| move |condition: &&JobCondition| condition.type_ == type_ && condition.status == "True";
    if let Some(failed) = conditions.clone().find(is("Failed")) {
        let said = failed.message.as_ref().or(failed.reason.as_ref());
        return Scan::Failed(said.map(|said| said.chars().take(256).collect()).unwrap_or_default());
    }
    if conditions.any(|condition| is("Complete")(&condition)) {
        Scan::Ended
    } else if status.active.is_some_and(|pods| pods > 0) {
        Scan::Running
    } else {
        Scan::Ordered
    }
}

/// Reduces a DataSource. CDI clones what the spec points at; only where that is another DataSource does it go by what it
/// says in the status, which may be of a moment ago.
#[must_use]
pub fn source(object: &DynamicObject) -> Source {
    let said = |path: &str| object.data.pointer(path).filter(|value| value.is_object());
    let at_another = said("/spec/source/dataSource").is_some();
    let pointed = if at_another { said("/status/source") } else { said("/spec/source") };
    let claim = pointed.and_then(|source| source.get("pvc")).and_then(|claim| {
        let text = |key: &str| claim.get(key).and_then(Value::as_str).map(str::to_owned);
        let namespace = text("namespace").or_else(|| object.namespace())?;
        Some(Pointer { namespace, name: text("name")? })
    });
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    let ready =
        conditions.is_some_and(|all| all.iter().any(|each| each["type"] == "Ready" && each["status"] == "True"));
    Source { ready, claim }
}

/// Reduces a claim.
#[must_use]
pub fn claim(object: &PersistentVolumeClaim) -> Claim {
    let mode = object.spec.as_ref().and_then(|spec| spec.volume_mode.as_deref());
    Claim { uid: object.uid().unwrap_or_default(), block: mode == Some("Block") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_without_a_kind_that_is_known_counts_as_nothing_and_says_why() {
        let of = |kind: &str| {
            record(
                &serde_json::from_value(json!({"metadata": {"name": "x", "labels": {labels::IMAGE_RECORD: kind}}}))
                    .unwrap(),
            )
        };
        for kind in ["result", "exception", "clean"] {
            assert!(matches!(of(kind), Record::Unreadable(why) if !why.is_empty()), "{kind}");
        }
    }

    #[test]
    fn a_job_says_how_far_it_is() {
        let of = |status: Value| scan(&serde_json::from_value(json!({"metadata": {}, "status": status})).unwrap());
        let ends = |type_: &str, said: Value| {
            let condition = json!({"type": type_, "status": "True"});
            let mut condition = condition.as_object().cloned().unwrap();
            condition.extend(said.as_object().cloned().unwrap());
            json!({"active": 0, "conditions": [condition]})
        };
        assert_eq!(of(Value::Null), Scan::Ordered);
        assert_eq!(of(json!({"active": 0, "ready": 0})), Scan::Ordered);
        assert_eq!(of(json!({"active": 1})), Scan::Running);
        assert_eq!(of(ends("Complete", json!({}))), Scan::Ended);
        let failed = ends("Failed", json!({"reason": "DeadlineExceeded", "message": "x".repeat(300)}));
        assert_eq!(of(failed), Scan::Failed("x".repeat(256)));
        assert_eq!(of(ends("Failed", json!({"reason": "Y"}))), Scan::Failed("Y".into()));
        let not_yet = json!({"active": 1, "conditions": [{"type": "Failed", "status": "False"}]});
        assert_eq!(of(not_yet), Scan::Running);
    }

    #[test]
    fn a_data_source_is_what_its_spec_points_at_and_its_status_only_where_that_is_another_one() {
        let of = |value: Value| source(&serde_json::from_value(value).unwrap());
        let head = |rest: Value| {
            let mut all = json!({"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataSource",
                "metadata": {"name": "ubuntu", "namespace": "golden"}});
            all.as_object_mut().unwrap().extend(rest.as_object().cloned().unwrap());
            all
        };
        let spec = json!({"source": {"pvc": {"name": "old", "namespace": "golden"}}});
        let found = of(head(json!({"spec": spec})));
        assert_eq!(found.claim.map(|claim| claim.name), Some("old".into()));
        assert!(!found.ready);
        let status = json!({"source": {"pvc": {"name": "new"}}, "conditions": [{"type": "Ready", "status": "True"}]});
        // It was moved, and CDI has not looked yet: it clones what the spec says.
        let found = of(head(json!({"spec": spec, "status": status})));
        assert_eq!(found.claim.map(|claim| claim.name), Some("old".into()));
        let spec = json!({"source": {"dataSource": {"name": "other"}}});
        assert_eq!(of(head(json!({"spec": spec}))).claim, None);
        let found = of(head(json!({"spec": spec, "status": status})));
        assert_eq!(
            found,
            Source { ready: true, claim: Some(Pointer { namespace: "golden".into(), name: "new".into() }) }
        );
        assert_eq!(of(head(json!({"spec": {"source": {"snapshot": {"name": "s"}}}}))).claim, None);
    }
}
