//! Questions that are sent as creates and store nothing, one function each, with the rights of whoever asks.
//!
//! | call | stores | sent as |
//! |---|---|---|
//! | [`Inquirer::try_out`] | nothing | create with `dryRun=All` |
//! | [`Inquirer::may`] | nothing | create of a SubjectAccessReview |

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::core::Request as Url;
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::write::{WriteError, classify, unsendable};

/// No call may take longer than this.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Asks.
#[derive(Clone)]
pub struct Inquirer {
    client: Client,
}

impl Inquirer {
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// What would be stored if this object were created, or why it is refused.
    pub async fn try_out(&self, kind: &ApiResource, namespace: &str, object: &Value) -> Result<Value, WriteError> {
        let parameters = PostParams { dry_run: true, ..PostParams::default() };
        let body = serde_json::to_vec(object).map_err(unsendable)?;
        let request =
            Url::new(DynamicObject::url_path(kind, Some(namespace))).create(&parameters, body).map_err(unsendable)?;
        self.call(request).await
    }

    /// May this user, in these groups, make this request?
    pub async fn may(&self, user: &str, groups: &[String], access: ResourceAttributes) -> Result<bool, WriteError> {
        let spec = SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            groups: Some(groups.to_vec()),
            resource_attributes: Some(access),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let body = serde_json::to_vec(&review).map_err(unsendable)?;
        let request = Url::new(SubjectAccessReview::url_path(&(), None))
            .create(&PostParams::default(), body)
            .map_err(unsendable)?;
        let answered: SubjectAccessReview = self.call(request).await?;
        match answered.status {
            Some(SubjectAccessReviewStatus { evaluation_error: Some(error), allowed: false, .. }) => {
                Err(WriteError::Unanswered(error))
            }
            Some(status) => Ok(status.allowed),
            None => Err(WriteError::Unanswered("a SubjectAccessReview came back without status".into())),
        }
    }

    /// Asks again what was not answered: of the thousands of questions of one check, one that gets lost would leave it
    /// without a result, and none of them stores anything.
    async fn call<T: DeserializeOwned>(&self, request: http::Request<Vec<u8>>) -> Result<T, WriteError> {
        let again = ExponentialBuilder::new().with_max_times(3);
        let unanswered = |error: &WriteError| matches!(error, WriteError::Unanswered(_));
        (|| self.once(request.clone())).retry(again).when(unanswered).await
    }

    async fn once<T: DeserializeOwned>(&self, request: http::Request<Vec<u8>>) -> Result<T, WriteError> {
        match tokio::time::timeout(CALL_TIMEOUT, self.client.request::<T>(request)).await {
            Ok(answer) => answer.map_err(classify),
            Err(_) => Err(WriteError::Unanswered(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
        }
    }
}
