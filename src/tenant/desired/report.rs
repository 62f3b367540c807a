//! The customer's report: beside what is the customer's, where its people may read, and labelled as what our service made.

use crate::api::{home, labels};
use crate::cluster::object::{DesiredObject, Owner};
use crate::evidence::judge::{Finding, Object};
use crate::evidence::report::open_reports::said;
use crate::foreign::open_reports::Report;

/// Name of the Report in `cf-<tenant>`.
pub const NAME: &str = "cloudfarm";

/// Report cloudfarm in `cf-<tenant>`.
#[must_use]
pub fn report(owner: &Owner, about: &Object, findings: &[Finding]) -> DesiredObject {
    let mut metadata = owner.metadata(Some(&home::customer_namespace(&owner.tenant)), NAME);
    metadata
        .labels
        .get_or_insert_default()
        .insert(labels::DATA_CLASS.to_owned(), labels::DATA_CLASS_DERIVED.to_owned());
    DesiredObject::new(&Report { metadata, said: said(findings, about) })
}
