//! The Secret that a VM's guest starts from: generated, and pruned with its VM.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::{Home, secret_reference};
use crate::api::labels;
use crate::api::tenant::OperatingSystem;
use crate::cluster::managed::GUEST_KEYS;
use crate::cluster::object::DesiredObject;
use crate::tenant::declared::DeclaredMachine;
use crate::tenant::guest::Guest;

/// The Secret, if its content is at hand in this pass.
pub fn secret(home: &Home, machine: &DeclaredMachine) -> Option<DesiredObject> {
    let Guest::Looked { data, .. } = home.snapshot.guests.by_vm.get(&machine.spec.name)? else { return None };
    let mut metadata = home.owner.metadata(Some(&home.customer), secret_reference(home, &machine.spec.name).name);
    let label = (labels::DATA_CLASS.to_owned(), labels::DATA_CLASS_CUSTOMER.to_owned());
    metadata.labels.get_or_insert_default().extend([label]);
    let key = match machine.spec.os {
        OperatingSystem::Linux => GUEST_KEYS[0],
        OperatingSystem::Windows => GUEST_KEYS[1],
    };
    Some(DesiredObject::new(&Secret {
        metadata,
        type_: Some("Opaque".into()),
        data: Some(BTreeMap::from([(key.to_owned(), ByteString(data.0.clone().into_bytes()))])),
        ..Secret::default()
    }))
}
