//! Disks: stand-alone DataVolumes, never templates of a VM, since those die with it (I8).

use serde_json::{Value, json};

use super::{Home, ImageGate, disk_name, disks, restored};
use crate::api::labels;
use crate::api::tenant::Image;
use crate::cluster::object::DesiredObject;
use crate::foreign::data_volume::{DataVolume, DataVolumeSpec, Made, Storage};
use crate::images::identity::Origin;
use crate::tenant::declared::{DeclaredDisk, DeclaredMachine};

/// One DataVolume per disk; the first gets the image.
pub fn disks(home: &Home, machine: &DeclaredMachine, images: &ImageGate) -> Vec<DesiredObject> {
    let blank = || Made { source: json!({"blank": {}}), ..Made::default() };
    let disks = machine.disks.iter().enumerate();
    disks
        .map(|(index, disk)| {
            let made = if index == 0 { root(home, machine, disk, images) } else { blank() };
            data_volume(home, machine, disk, made)
        })
        .collect()
}

fn data_volume(home: &Home, machine: &DeclaredMachine, disk: &DeclaredDisk, made: Made) -> DesiredObject {
    let spec = &home.snapshot.tenant.spec;
    let storage = &home.snapshot.config.storage;
    let name = disk_name(machine, &disk.spec.name);
    // CDI takes no change of a DataVolume; a disk that grows does so by its claim.
    let size = disks::size_made(home, &name).cloned().unwrap_or_else(|| disk.size.to_string());
    let class = disk.spec.storage_class_name.as_ref().or(spec.residency.storage_class_names.first()).cloned();
    let mut metadata = home.owner.metadata(Some(&home.customer), name);
    let all = metadata.labels.get_or_insert_default();
    all.insert(labels::DATA_CLASS.into(), labels::DATA_CLASS_CUSTOMER.into());
    let classification = disk.spec.classification.as_ref().or(machine.spec.classification.as_ref());
    let default = spec.classification.as_ref().and_then(|classification| classification.default.as_ref());
    if let Some(level) = classification.or(default) {
        all.insert(labels::CLASSIFICATION.into(), level.clone());
    }
    let annotations = metadata.annotations.get_or_insert_default();
    // The name alone does not tell: VM "a-b" may have a disk "c", and VM "a" a disk "b-c".
    annotations.insert(labels::VM.into(), machine.spec.name.clone());
    let restored = restored::claim(home, machine, &disk.spec.name);
    annotations.extend(restored.map(|claim| (labels::RESTORED_AS.to_owned(), claim)));
    annotations.extend(made.data_source.map(|name| (labels::DATA_SOURCE.to_owned(), name)));
    DesiredObject::new(&DataVolume {
        metadata,
        spec: DataVolumeSpec {
            content_type: Some("kubevirt".into()),
            source: made.source,
            source_ref: made.source_ref,
            storage: Storage {
                storage_class_name: class,
                access_modes: vec![storage.access_mode.clone()],
                volume_mode: Some(storage.volume_mode.clone()),
                resources: json!({"requests": {"storage": size}}),
            },
        },
    })
}

/// What fills the root disk. One that is there stays as it was made from this image: CDI takes no change of it, and a
/// DataSource may point elsewhere since.
fn root(home: &Home, machine: &DeclaredMachine, disk: &DeclaredDisk, images: &ImageGate) -> Made {
    let (image, golden) = (&machine.spec.image, &home.snapshot.config.storage.images_namespace);
    let there = disks::made(home, &disk_name(machine, &disk.spec.name));
    if let Some(there) = there.filter(|there| is_of(there, image, golden)) {
        return there.clone();
    }
    if let Some(name) = &image.data_source {
        return match images.judged(&machine.spec.name) {
            // The very claim that was judged: by the time CDI looks, the DataSource may point at another.
            Some(Origin::Claim { namespace, name: claim, .. }) => Made {
                source: json!({"pvc": {"namespace": namespace, "name": claim}}),
                source_ref: Value::Null,
                data_source: Some(name.clone()),
            },
            _ => Made { source_ref: by_name(name, golden), ..Made::default() },
        };
    }
    let source = match (&image.http, &image.registry) {
        (Some(http), _) => json!({"http": {"url": http.url, "checksum": http.checksum}}),
        // By kubelet, as a scan gets it: CDI's own importer goes through the layers one by one, and knows no file that a
        // later one took away.
        (None, Some(registry)) => json!({"registry": {"url": registry.url, "pullMethod": "node"}}),
        // CEL asks for exactly one; without any, an empty disk is the only content nobody else put there.
        (None, None) => json!({"blank": {}}),
    };
    Made { source, ..Made::default() }
}

/// Was a disk made from this image, in whichever spelling of ours?
fn is_of(made: &Made, image: &Image, golden: &str) -> bool {
    let url = made.source.pointer("/registry/url").and_then(Value::as_str);
    match (&image.data_source, &image.registry) {
        (Some(name), _) => made.data_source.as_ref() == Some(name) || made.source_ref == by_name(name, golden),
        (None, Some(registry)) => url == Some(registry.url.as_str()),
        (None, None) => false,
    }
}

fn by_name(data_source: &str, golden: &str) -> Value {
    json!({"kind": "DataSource", "name": data_source, "namespace": golden})
}
