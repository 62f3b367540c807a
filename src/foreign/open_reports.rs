//! OpenReports' `Report` and `ClusterReport` (openreports.io/v1alpha1, reports-api 0.2). They have no spec: what they say
//! stands at their top.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::Resource;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cluster::object::{Kind, Managed};

/// What a report says.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
pub struct Said {
    /// Who says it.
    pub source: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub scope: Value,
    /// How many results of each sort.
    pub summary: BTreeMap<String, i64>,
    pub results: Vec<ResultRow>,
}

/// One result.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
pub struct ResultRow {
    pub policy: String,
    pub rule: String,
    pub category: String,
    pub severity: String,
    pub scored: bool,
    pub result: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Stamp>,
    pub message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Value>,
    pub properties: BTreeMap<String, String>,
}

/// An instant.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    pub seconds: i64,
    pub nanos: i32,
}

macro_rules! report {
    ($name:ident, $plural:literal, $scope:ty, $doc:literal) => {
        #[doc = $doc]
        #[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
        pub struct $name {
            pub metadata: ObjectMeta,
            #[serde(flatten)]
            pub said: Said,
        }

        impl Resource for $name {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> Cow<'_, str> {
                stringify!($name).into()
            }
            fn group((): &()) -> Cow<'_, str> {
                "openreports.io".into()
            }
            fn version((): &()) -> Cow<'_, str> {
                "v1alpha1".into()
            }
            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }

        impl Managed for $name {
            const KIND: Kind = Kind::$name;
            fn owned(&self) -> Value {
                json!(self.said)
            }
        }
    };
}
report!(Report, "reports", NamespaceResourceScope, "A report in a namespace.");
report!(ClusterReport, "clusterreports", ClusterResourceScope, "A report of the whole cluster.");
