//! The status step: one write if something changed, none otherwise.
//!
//! Our own watch tells late what we wrote a moment ago. [`StatusBook`] bridges that gap: it keeps the last written
//! status of an object until the watch has caught up, so that a pass in between neither writes twice nor moves a
//! transition time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::api::ApiResource;
use kube::core::object::HasStatus;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::write::{WriteError, Writer};
use crate::api::labels::FIELD_MANAGER;

/// Last written statuses the watch has not shown yet, by uid.
#[derive(Debug, Default)]
pub struct StatusBook {
    written: Mutex<HashMap<String, Written>>,
}

#[derive(Debug)]
struct Written {
    resource_version: u64,
    status: Value,
}

impl StatusBook {
    /// The object with the freshest status we know of.
    #[must_use]
    pub fn freshest<K>(&self, object: &K) -> K
    where
        K: HasStatus + Resource + Clone,
        K::Status: DeserializeOwned,
    {
        let mut fresh = object.clone();
        let book = self.lock();
        if let Some(written) = object.meta().uid.as_ref().and_then(|uid| book.get(uid))
            && version(object.meta().resource_version.as_deref()) < written.resource_version
            && let Ok(status) = serde_json::from_value(written.status.clone())
        {
            *fresh.status_mut() = Some(status);
        }
        fresh
    }

    /// A watch event of the object came. Returns true when it is only the echo of our own status write.
    pub fn echo<K: Resource>(&self, object: &K) -> bool {
        let Some(uid) = &object.meta().uid else { return false };
        let seen = version(object.meta().resource_version.as_deref());
        let mut book = self.lock();
        let Some(written) = book.get(uid).map(|written| written.resource_version) else { return false };
        if seen >= written {
            book.remove(uid);
        }
        seen == written
    }

    /// Writes the status if it differs from the one `object` carries; `own` is the part of it that this manager states.
    /// Returns whether it was written.
    ///
    /// # Errors
    /// The write was refused or not answered; the next pass tries again.
    pub async fn write<K>(
        &self,
        writer: &Writer,
        object: &K,
        status: &K::Status,
        own: &Value,
    ) -> Result<bool, WriteError>
    where
        K: HasStatus + Resource<DynamicType = ()>,
        K::Status: Serialize + PartialEq,
    {
        if object.status() == Some(status) {
            return Ok(false);
        }
        let status = serde_json::to_value(status).map_err(|error| WriteError::Refused(error.to_string()))?;
        let resource = ApiResource::erase::<K>(&());
        let body = body(&resource, object, own);
        let version_written =
            writer.status(&resource, object.namespace().as_deref(), &object.name_any(), FIELD_MANAGER, &body).await?;
        let written = Written { resource_version: version(Some(&version_written)), status };
        self.lock().insert(object.uid().unwrap_or_default(), written);
        Ok(true)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Written>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of a status apply: the uid makes sure that the status of a namesake is never written.
fn body<K: Resource>(resource: &ApiResource, object: &K, status: &Value) -> Value {
    json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": object.meta().name, "namespace": object.meta().namespace, "uid": object.meta().uid},
        "status": status,
    })
}

fn version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}
