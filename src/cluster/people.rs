//! The changes that people make by `cloudfarm retention`, `cloudfarm restore` and the commands for staff access, one function
//! each, with the rights and in the name of whoever is signed in. A change expects exactly the resource version that was shown to
//! the person.
//!
//! | call | expects | sent as |
//! |---|---|---|
//! | [`Person::hold`], [`Person::release`], [`Person::approve`] | exactly this resource version | merge patch that carries it |
//! | [`Person::restore`] | nothing of that name | create |
//! | `Person::request_access` (`people/access.rs`) | nothing of that name | create |
//! | `Person::answer_access`, `second_access`, `revoke_access` | exactly this resource version | merge patch that carries it |
//! | [`Person::signed_in`] | nothing; stores nothing | create of a SelfSubjectReview |

mod access;

use std::time::Duration;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::Request as Url;
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::write::{WriteError, classify, unsendable};
use crate::api::labels::PEOPLE_MANAGER;
use crate::api::retention::{Approval, LegalHold, Retention};
use crate::foreign::virtual_machine_restore::VirtualMachineRestore;

/// No call may take longer than this.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Sends a person's changes.
#[derive(Clone)]
pub struct Person {
    client: Client,
}

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The name by which the API server knows the person.
    pub name: String,
    /// The API server's clock.
    pub at: Option<Timestamp>,
}

impl Person {
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Asks the API server who is asking.
    pub async fn signed_in(&self) -> Result<SignedIn, WriteError> {
        let body = serde_json::to_vec(&SelfSubjectReview::default()).map_err(unsendable)?;
        let request = Url::new(SelfSubjectReview::url_path(&(), None))
            .create(&PostParams::default(), body)
            .map_err(unsendable)?;
        let review: SelfSubjectReview = self.call(request).await?;
        let name = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
        let name = name.ok_or_else(|| WriteError::Unanswered("the API server does not say who is signed in".into()))?;
        Ok(SignedIn { name, at: review.metadata.creation_timestamp.map(|Time(at)| at) })
    }

    /// Places a legal hold.
    pub async fn hold(&self, on: &DynamicObject, hold: &LegalHold) -> Result<DynamicObject, WriteError> {
        self.change(&retentions(), on, json!({"legalHold": hold})).await
    }

    /// Turns the legal hold off; who placed it and why stays to be read.
    pub async fn release(&self, on: &DynamicObject) -> Result<DynamicObject, WriteError> {
        self.change(&retentions(), on, json!({"legalHold": {"active": false}})).await
    }

    /// Adds an approval beside those of others, which stay as they are, letter by letter: an approval that changes is
    /// a new one, which only its giver may write.
    pub async fn approve(&self, on: &DynamicObject, approval: &Approval) -> Result<DynamicObject, WriteError> {
        let given = on.data.pointer("/spec/approvals").and_then(Value::as_array).into_iter().flatten();
        let mut all: Vec<Value> = given.filter(|each| each["by"] != approval.by.as_str()).cloned().collect();
        all.push(json!(approval));
        self.change(&retentions(), on, json!({"approvals": all})).await
    }

    /// Asks KubeVirt to bring a VM back.
    pub async fn restore(&self, restore: &VirtualMachineRestore) -> Result<VirtualMachineRestore, WriteError> {
        let body = serde_json::to_vec(restore).map_err(unsendable)?;
        let namespace = restore.namespace();
        let request = Url::new(VirtualMachineRestore::url_path(&(), namespace.as_deref()))
            .create(&PostParams { field_manager: Some(PEOPLE_MANAGER.into()), ..PostParams::default() }, body)
            .map_err(unsendable)?;
        self.call(request).await
    }

    async fn change(
        &self,
        resource: &ApiResource,
        on: &DynamicObject,
        spec: Value,
    ) -> Result<DynamicObject, WriteError> {
        let name = on.name_any();
        let expected = json!({"uid": on.uid(), "resourceVersion": on.resource_version()});
        let body = json!({"metadata": expected, "spec": spec});
        let parameters = PatchParams { field_manager: Some(PEOPLE_MANAGER.into()), ..PatchParams::default() };
        let request = Url::new(DynamicObject::url_path(resource, on.namespace().as_deref()))
            .patch(&name, &parameters, &Patch::Merge(&body))
            .map_err(unsendable)?;
        self.call(request).await
    }

    async fn call<T: DeserializeOwned>(&self, request: http::Request<Vec<u8>>) -> Result<T, WriteError> {
        match tokio::time::timeout(CALL_TIMEOUT, self.client.request::<T>(request)).await {
            Ok(answer) => answer.map_err(classify),
            Err(_) => Err(WriteError::Unanswered(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
        }
    }
}

fn retentions() -> ApiResource {
    ApiResource::erase::<Retention>(&())
}
