//! The declaration that an object is made for, and what the object says of it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::api::labels;

/// The kind of declaration an object is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnerKind {
    Tenant,
    TenantNetwork,
    Retention,
    AccessGrant,
}

/// The declaration that wants an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub kind: OwnerKind,
    /// Namespace of the declaration, for namespaced kinds.
    pub namespace: Option<String>,
    pub name: String,
    pub uid: String,
    /// The tenant it all belongs to.
    pub tenant: String,
}

impl Owner {
    /// Metadata of an object made for this owner: name, our labels and the owner's annotations.
    ///
    /// An owner reference is set where nothing holds data or is a wall: on a TenantNetwork's policy, a Retention's
    /// CronJob and an AccessGrant's door. The garbage collector takes them along even while the operator is down. Nothing is ever owned by a
    /// Tenant (I8).
    #[must_use]
    pub fn metadata(&self, namespace: Option<&str>, name: impl Into<String>) -> ObjectMeta {
        let owner_references = (self.kind != OwnerKind::Tenant).then(|| {
            vec![OwnerReference {
                api_version: format!("{}/v1alpha1", labels::GROUP),
                kind: format!("{:?}", self.kind),
                name: self.name.clone(),
                uid: self.uid.clone(),
                ..OwnerReference::default()
            }]
        });
        ObjectMeta { owner_references, ..self.lasting_metadata(namespace, name) }
    }

    /// The same for an object that has to outlive its declaration: the garbage collector would take a filter away from
    /// under a running VM.
    #[must_use]
    pub fn lasting_metadata(&self, namespace: Option<&str>, name: impl Into<String>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.into()),
            namespace: namespace.map(str::to_owned),
            labels: Some(BTreeMap::from([
                (labels::MANAGED_BY.to_owned(), labels::FIELD_MANAGER.to_owned()),
                (labels::TENANT.to_owned(), self.tenant.clone()),
            ])),
            annotations: Some(BTreeMap::from([
                (labels::OWNER.to_owned(), format!("{:?}/{}", self.kind, self.name)),
                (labels::OWNER_UID.to_owned(), self.uid.clone()),
            ])),
            ..ObjectMeta::default()
        }
    }
}
