//! Pure: the Job that scans an image. Its pod has no rights but to write this image's result: admission compares the name
//! of the pod with that of the result (`install/policies/images.rs`).

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EmptyDirVolumeSource, ImageVolumeSource, PersistentVolumeClaimVolumeSource,
    PodSecurityContext, PodSpec, PodTemplateSpec, ResourceRequirements, SeccompProfile, SecurityContext, Volume,
    VolumeDevice, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::identity::{Identified, Origin};
use crate::api::labels;
use crate::install::SCAN_ACCOUNT;
use crate::operator::config::Config;
use crate::retention::desired::token;

/// Where the pod has the image: a folder, or a device.
const IMAGE: &str = "/image";

/// Where the program is laid for the scanner's container. A volume made of an image cannot be executed from.
const PROGRAM: &str = "/program";

/// Where pieces of big images lie while they are scanned.
const SCRATCH: &str = "/scratch";

/// Where signatures are in the scanner's image, and where the provider's claim is mounted over them.
const SIGNATURES: &str = "/var/lib/clamav";

/// Seconds for which a Job is kept when it is over: so long until one that came to nothing is made again.
const KEPT: i32 = 3600;

/// User and group who may read disks: CDI writes them as this one, and container disks are made for it.
const QEMU: i64 = 107;

/// Most room for pieces and for what archives unpack to.
const SCRATCH_ROOM: &str = "8Gi";

/// The Job, beside what it scans; `None` for images that no volume brings.
#[must_use]
pub fn job(image: &Identified, config: &Config) -> Option<Job> {
    let scanner = config.images.as_ref()?;
    let namespace = image.origin.scanned_in()?.to_owned();
    let of_the_provider = scanner.signatures_claim.as_ref();
    let marks = BTreeMap::from([
        (labels::MANAGED_BY.to_owned(), labels::FIELD_MANAGER.to_owned()),
        (labels::IMAGE_SCAN.to_owned(), "true".to_owned()),
    ]);
    let mut volumes =
        vec![token::volume(), room("program", "512Mi"), room("scratch", SCRATCH_ROOM), image_volume(&image.origin)?];
    volumes.extend(of_the_provider.map(|claim| claim_volume("signatures", claim)));
    let pod = PodSpec {
        service_account_name: Some(SCAN_ACCOUNT.into()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        restart_policy: Some("Never".into()),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(QEMU),
            run_as_group: Some(QEMU),
            fs_group: None,
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        init_containers: Some(vec![program(&config.purge.image)]),
        containers: vec![scan(image, &scanner.scanner_image, of_the_provider.is_some())],
        volumes: Some(volumes),
        ..PodSpec::default()
    };
    Some(Job {
        metadata: ObjectMeta {
            name: Some(image.name()),
            namespace: Some(namespace),
            labels: Some(marks.clone()),
            annotations: Some(BTreeMap::from([(labels::IMAGE.to_owned(), image.digest.to_string())])),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            backoff_limit: Some(2),
            active_deadline_seconds: Some(21600),
            ttl_seconds_after_finished: Some(KEPT),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(marks), ..ObjectMeta::default() }),
                spec: Some(pod),
            },
            ..JobSpec::default()
        }),
        status: None,
    })
}

/// The image as a volume; `None` where no volume brings it.
fn image_volume(origin: &Origin) -> Option<Volume> {
    match origin {
        Origin::Registry(reference) => Some(Volume {
            name: "image".into(),
            image: Some(ImageVolumeSource {
                reference: Some(reference.clone()),
                pull_policy: Some("IfNotPresent".into()),
            }),
            ..Volume::default()
        }),
        Origin::Claim { name, .. } => Some(claim_volume("image", name)),
        Origin::Http(_) => None,
    }
}

fn room(name: &str, size: &str) -> Volume {
    let empty_dir =
        EmptyDirVolumeSource { size_limit: Some(Quantity(size.to_owned())), ..EmptyDirVolumeSource::default() };
    Volume { name: name.to_owned(), empty_dir: Some(empty_dir), ..Volume::default() }
}

/// Where the disk is: CDI and KubeVirt take what lies in `/disk` of a container image, and `disk.img` of a file system.
fn path(origin: &Origin) -> String {
    match origin {
        Origin::Registry(_) => format!("{IMAGE}/disk"),
        Origin::Claim { block: false, .. } => format!("{IMAGE}/disk.img"),
        Origin::Claim { block: true, .. } | Origin::Http(_) => IMAGE.to_owned(),
    }
}

fn claim_volume(name: &str, claim: &str) -> Volume {
    let source = PersistentVolumeClaimVolumeSource { claim_name: claim.to_owned(), read_only: Some(true) };
    Volume { name: name.to_owned(), persistent_volume_claim: Some(source), ..Volume::default() }
}

/// Lays the program where the scanner's container finds it.
fn program(image: &str) -> Container {
    Container {
        name: "program".into(),
        image: Some(image.to_owned()),
        args: Some(vec!["scan".into(), format!("--install-into={PROGRAM}")]),
        volume_mounts: Some(vec![mount("program", PROGRAM, false)]),
        resources: Some(resources(&[("cpu", "10m"), ("memory", "32Mi")], &[("memory", "64Mi")])),
        security_context: Some(restricted()),
        ..Container::default()
    }
}

fn scan(image: &Identified, scanner: &str, of_the_provider: bool) -> Container {
    let block = matches!(image.origin, Origin::Claim { block: true, .. });
    let mut mounts = vec![token::mount(), mount("program", PROGRAM, true), mount("scratch", SCRATCH, false)];
    mounts.extend((!block).then(|| mount("image", IMAGE, true)));
    mounts.extend(of_the_provider.then(|| mount("signatures", SIGNATURES, true)));
    let device = VolumeDevice { name: "image".into(), device_path: IMAGE.into() };
    Container {
        name: "scan".into(),
        image: Some(scanner.to_owned()),
        command: Some(vec![format!("{PROGRAM}/cloudfarm")]),
        args: Some(vec![
            "scan".into(),
            format!("--image-digest={}", image.digest),
            format!("--image={}", image.origin),
            format!("--path={}", path(&image.origin)),
            format!("--signatures={SIGNATURES}"),
            format!("--scratch={SCRATCH}"),
        ]),
        volume_mounts: Some(mounts),
        volume_devices: block.then(|| vec![device]),
        // ClamAV holds its signatures in memory, and beside them the piece it looks at.
        resources: Some(resources(
            &[("cpu", "500m"), ("memory", "2Gi"), ("ephemeral-storage", "2Gi")],
            &[("memory", "4Gi"), ("ephemeral-storage", "10Gi")],
        )),
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        security_context: Some(restricted()),
        ..Container::default()
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount { name: name.into(), mount_path: path.into(), read_only: Some(read_only), ..VolumeMount::default() }
}

fn restricted() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
        ..SecurityContext::default()
    }
}

fn resources(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
    let quantity = |(name, amount): &(&str, &str)| ((*name).to_owned(), Quantity((*amount).to_owned()));
    ResourceRequirements {
        requests: Some(requests.iter().map(quantity).collect()),
        limits: Some(limits.iter().map(quantity).collect()),
        ..ResourceRequirements::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::IMAGES_NAMESPACE;
    use crate::operator::config::Images;

    fn config() -> Config {
        let mut config = crate::render::documentation_config().unwrap();
        config.images = Some(Images {
            scanner_image: "registry.invalid/clamav".into(),
            signatures_claim: Some("signatures".into()),
            max_signature_age_hours: 72,
        });
        config
    }

    fn made(origin: Origin) -> Option<Job> {
        let digest = format!("image:sha256:{}", "a".repeat(64)).parse().unwrap();
        job(&Identified { digest, origin }, &config())
    }

    fn pod(job: &Job) -> &PodSpec {
        job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).unwrap()
    }

    #[test]
    fn a_registry_s_image_comes_as_a_volume_and_is_never_run() {
        let job = made(Origin::Registry("registry.example/fedora@sha256:aa".into())).unwrap();
        assert_eq!(job.metadata.namespace.as_deref(), Some(IMAGES_NAMESPACE));
        let pod = pod(&job);
        let volume = pod.volumes.iter().flatten().find(|volume| volume.name == "image").unwrap();
        let reference = volume.image.as_ref().and_then(|image| image.reference.as_deref());
        assert_eq!(reference, Some("registry.example/fedora@sha256:aa"));
        let run: Vec<_> = pod.containers.iter().chain(pod.init_containers.iter().flatten()).collect();
        assert!(run.iter().all(|container| container.image.as_deref().is_some_and(|image| !image.contains("fedora"))));
    }

    #[test]
    fn a_claim_is_read_where_it_lies_and_a_block_claim_as_a_device() {
        for block in [true, false] {
            let job = made(Origin::Claim { namespace: "golden".into(), name: "ubuntu-7".into(), block }).unwrap();
            assert_eq!(job.metadata.namespace.as_deref(), Some("golden"));
            let pod = pod(&job);
            let claims: Vec<_> =
                pod.volumes.iter().flatten().filter_map(|volume| volume.persistent_volume_claim.as_ref()).collect();
            let claims: Vec<_> = claims.iter().map(|claim| (claim.claim_name.as_str(), claim.read_only)).collect();
            let signatures = ("signatures", Some(true));
            assert_eq!(claims, [("ubuntu-7", Some(true)), signatures], "the provider's, of the same name");
            let scan = &pod.containers[0];
            assert_eq!(scan.volume_devices.is_some(), block);
            let mounted =
                scan.volume_mounts.iter().flatten().any(|mount| mount.name == "image" && mount.read_only == Some(true));
            assert_eq!(mounted, !block);
            assert_eq!(word(scan, "--path="), if block { "/image" } else { "/image/disk.img" });
        }
    }

    /// What an argument says.
    fn word<'a>(scan: &'a Container, argument: &str) -> &'a str {
        scan.args.iter().flatten().find_map(|word| word.strip_prefix(argument)).unwrap()
    }

    #[test]
    fn a_scan_can_read_what_cdi_writes_and_takes_no_more_than_its_room_and_time() {
        let job = made(Origin::Registry("registry.example/fedora@sha256:aa".into())).unwrap();
        let spec = job.spec.as_ref().unwrap();
        assert_eq!(
            (spec.backoff_limit, spec.active_deadline_seconds, spec.ttl_seconds_after_finished),
            (Some(2), Some(6 * 3600), Some(3600)),
            "messages say: again within the hour"
        );
        let pod = pod(&job);
        let user = pod.security_context.as_ref().unwrap();
        assert_eq!((user.run_as_user, user.run_as_group, user.run_as_non_root), (Some(107), Some(107), Some(true)));
        assert_eq!(word(&pod.containers[0], "--path="), "/image/disk");
        let rooms = pod.volumes.iter().flatten().filter_map(|volume| volume.empty_dir.as_ref());
        assert!(rooms.into_iter().all(|room| room.size_limit.is_some()));
        let limits = pod.containers[0].resources.as_ref().and_then(|resources| resources.limits.as_ref()).unwrap();
        assert!(["memory", "ephemeral-storage"].iter().all(|limit| limits.contains_key(*limit)), "{limits:?}");
    }

    #[test]
    fn what_no_volume_brings_has_no_job() {
        assert_eq!(made(Origin::Http("https://mirror.example/a".into())), None);
    }
}
