//! Disks: stand-alone DataVolumes, never templates of a VM, since those die with it (I8).

use serde_json::{Value, json};

use super::{Home, disk_name};
use crate::api::labels;
use crate::api::tenant::Image;
use crate::cluster::object::DesiredObject;
use crate::foreign::data_volume::{DataVolume, DataVolumeSpec, Storage};
use crate::tenant::declared::{DeclaredDisk, DeclaredMachine};

/// One DataVolume per disk; the first gets the image.
pub fn disks(home: &Home, machine: &DeclaredMachine) -> Vec<DesiredObject> {
    machine.disks.iter().enumerate().map(|(index, disk)| data_volume(home, machine, disk, index == 0)).collect()
}

fn data_volume(home: &Home, machine: &DeclaredMachine, disk: &DeclaredDisk, root: bool) -> DesiredObject {
    let spec = &home.snapshot.tenant.spec;
    let storage = &home.snapshot.config.storage;
    let class = disk.spec.storage_class_name.as_ref().or(spec.residency.storage_class_names.first()).cloned();
    let mut metadata = home.owner.metadata(Some(&home.customer), disk_name(machine, &disk.spec.name));
    let all = metadata.labels.get_or_insert_default();
    all.insert(labels::DATA_CLASS.into(), labels::DATA_CLASS_CUSTOMER.into());
    let classification = disk.spec.classification.as_ref().or(machine.spec.classification.as_ref());
    let default = spec.classification.as_ref().and_then(|classification| classification.default.as_ref());
    if let Some(level) = classification.or(default) {
        all.insert(labels::CLASSIFICATION.into(), level.clone());
    }
    let (source, source_ref) =
        if root { image(&machine.spec.image, &storage.images_namespace) } else { (json!({"blank": {}}), Value::Null) };
    DesiredObject::new(&DataVolume {
        metadata,
        spec: DataVolumeSpec {
            content_type: Some("kubevirt".into()),
            source,
            source_ref,
            storage: Storage {
                storage_class_name: class,
                access_modes: vec![storage.access_mode.clone()],
                volume_mode: Some(storage.volume_mode.clone()),
                resources: json!({"requests": {"storage": disk.size.to_string()}}),
            },
        },
    })
}

/// `source` or `sourceRef`, whichever the image needs.
fn image(image: &Image, images_namespace: &str) -> (Value, Value) {
    if let Some(name) = &image.data_source {
        (Value::Null, json!({"kind": "DataSource", "name": name, "namespace": images_namespace}))
    } else if let Some(http) = &image.http {
        (json!({"http": {"url": http.url, "checksum": http.checksum}}), Value::Null)
    } else if let Some(registry) = &image.registry {
        (json!({"registry": {"url": registry.url}}), Value::Null)
    } else {
        // CEL asks for exactly one; without any, an empty disk is the only content nobody else put there.
        (json!({"blank": {}}), Value::Null)
    }
}
