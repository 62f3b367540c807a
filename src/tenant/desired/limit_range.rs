//! Default requests, so that helper pods (importers, hot-plug) that state none are admitted under the quota.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem, LimitRangeSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::Home;
use crate::cluster::object::DesiredObject;

/// `cloudfarm` in the customer's namespace.
pub fn limit_range(home: &Home) -> DesiredObject {
    let requests =
        BTreeMap::from([("cpu".to_owned(), Quantity("50m".into())), ("memory".to_owned(), Quantity("64Mi".into()))]);
    DesiredObject::new(&LimitRange {
        metadata: home.owner.metadata(Some(&home.customer), "cloudfarm"),
        spec: Some(LimitRangeSpec {
            limits: vec![LimitRangeItem {
                type_: "Container".into(),
                default_request: Some(requests),
                ..LimitRangeItem::default()
            }],
        }),
    })
}
