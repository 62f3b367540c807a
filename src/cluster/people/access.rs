//! Staff access: asked for, answered, signed a second time, ended.

use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::core::Request as Url;
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::Person;
use crate::api::access_grant::{AccessGrant, Answer, Signature};
use crate::api::labels::PEOPLE_MANAGER;
use crate::cluster::write::{WriteError, unsendable};

impl Person {
    /// Asks to enter a tenant's VMs.
    pub async fn request_access(&self, grant: &AccessGrant) -> Result<AccessGrant, WriteError> {
        let body = serde_json::to_vec(grant).map_err(unsendable)?;
        let namespace = grant.namespace();
        let request = Url::new(AccessGrant::url_path(&(), namespace.as_deref()))
            .create(&PostParams { field_manager: Some(PEOPLE_MANAGER.into()), ..PostParams::default() }, body)
            .map_err(unsendable)?;
        self.call(request).await
    }

    /// The customer's yes or no.
    pub async fn answer_access(&self, on: &DynamicObject, answer: &Answer) -> Result<DynamicObject, WriteError> {
        self.change(&grants(), on, json!({"approval": answer})).await
    }

    /// The second person of the staff, where the terms allow the access.
    pub async fn second_access(&self, on: &DynamicObject, by: &Signature) -> Result<DynamicObject, WriteError> {
        self.change(&grants(), on, json!({"secondApprover": by})).await
    }

    /// Ends it at once, for good.
    pub async fn revoke_access(&self, on: &DynamicObject, by: &Signature) -> Result<DynamicObject, WriteError> {
        self.change(&grants(), on, json!({"revoked": by})).await
    }
}

fn grants() -> ApiResource {
    ApiResource::erase::<AccessGrant>(&())
}
