//! Everything that these commands read, with the rights of whoever is signed in. What may not be read is said, never guessed;
//! what cannot be decoded hides nothing else.

use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::{Failure, exit, printable};
use crate::api::home;

/// Objects in one answer; a cluster may have 10,000 Tenants.
const PAGE: u32 = 500;

/// Reads.
pub struct Reads {
    client: Client,
}

/// What a question came to.
#[derive(Clone, Debug)]
pub enum Seen<T> {
    Here(T),
    /// There is none, or no such kind.
    Missing,
    /// The API server's words.
    Refused(String),
}

/// What a list holds.
#[derive(Clone, Debug)]
pub struct Listed<K> {
    pub items: Vec<K>,
    /// Names of objects that could not be decoded.
    pub unreadable: Vec<String>,
}

impl<K> Default for Listed<K> {
    fn default() -> Self {
        Self { items: Vec::new(), unreadable: Vec::new() }
    }
}

impl<T> Seen<T> {
    pub fn here(&self) -> Option<&T> {
        match self {
            Self::Here(seen) => Some(seen),
            _ => None,
        }
    }

    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused(said) => Some(said),
            _ => None,
        }
    }
}

impl<K> Seen<Listed<K>> {
    /// What is there, if it may be seen.
    pub fn items(&self) -> &[K] {
        self.here().map_or(&[], |listed| &listed.items)
    }
}

impl Reads {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The tenant whose namespace the kubeconfig's context is in.
    pub fn tenant_of_context(&self) -> Option<String> {
        let tenant = home::of_customer_namespace(self.client.default_namespace());
        (!tenant.is_empty()).then(|| tenant.to_owned())
    }

    /// All of a kind, in a namespace or everywhere.
    pub async fn all<K>(&self, namespace: Option<&str>) -> Result<Seen<Listed<K>>, Failure>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let mut listed = Listed::default();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let answer = match self.api::<K>(namespace).list(&page).await {
                Ok(answer) => answer,
                Err(error) => return unseen(&plural::<K>(), error),
            };
            for object in answer.items {
                let name = object.name_any();
                match decoded(&object) {
                    Some(item) => listed.items.push(item),
                    None => listed.unreadable.push(name),
                }
            }
            match answer.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(Seen::Here(listed)),
            }
        }
    }

    /// One object as it is stored, and as we read it.
    pub async fn one<K>(&self, namespace: Option<&str>, name: &str) -> Result<Seen<(DynamicObject, K)>, Failure>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let what = format!("{} {name}", K::kind(&()));
        match self.api::<K>(namespace).get_opt(name).await {
            Ok(None) => Ok(Seen::Missing),
            Ok(Some(stored)) => match decoded(&stored) {
                Some(read) => Ok(Seen::Here((stored, read))),
                None => Err(Failure::new(exit::INPUT, printable(&format!("{what}: cannot be read by this version")))),
            },
            Err(error) => unseen(&what, error),
        }
    }

    fn api<K: Resource<DynamicType = ()>>(&self, namespace: Option<&str>) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<K>(&());
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }
}

fn decoded<K: DeserializeOwned>(object: &DynamicObject) -> Option<K> {
    serde_json::to_value(object).ok().and_then(|value| serde_json::from_value(value).ok())
}

fn plural<K: Resource<DynamicType = ()>>() -> String {
    K::plural(&()).into_owned()
}

fn unseen<T>(what: &str, error: kube::Error) -> Result<Seen<T>, Failure> {
    match error {
        kube::Error::Api(status) if [401, 403].contains(&status.code) => Ok(Seen::Refused(status.message)),
        kube::Error::Api(status) if status.code == 404 => Ok(Seen::Missing),
        error => Err(Failure::new(exit::CLUSTER, printable(&format!("{what}: {error}")))),
    }
}
