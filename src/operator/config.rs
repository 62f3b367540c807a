//! The operator's config file: what it has to know about the platform it runs on.
//!
//! A missing or unreadable file is an error at start, never "match everything"; all faults are told at once, each
//! with its field, its value and what would be right.

mod faults;
mod images;
mod mail;
mod networks;
mod people;
mod sections;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use k8s_openapi::jiff::SignedDuration;
use serde::{Deserialize, Serialize};

pub use faults::ConfigError;
use faults::Faults;
pub use images::Images;
pub use mail::{Encryption, Mail};
pub use networks::Networks;
pub use people::Issuer;
use sections::{RawEvidence, RawGuestTimes};

/// A config that passed every check.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub platform: Platform,
    pub cluster: ClusterRanges,
    pub walls: Walls,
    pub storage: Storage,
    pub residency: Residency,
    pub pod_security: PodSecurity,
    pub purge: Purge,
    pub rates: Rates,
    pub metrics: Series,
    pub networks: Networks,
    pub guests: GuestTimes,
    pub images: Option<Images>,
    /// What the API server is said to take tokens of; `None` if nobody says.
    pub issuers: Option<Vec<Issuer>>,
    /// File with the key under which application IDs are shown.
    pub application_id_key: Option<PathBuf>,
    pub mail: Option<Mail>,
    /// Is a report kept of each tenant, where OpenReports is installed?
    pub open_reports: bool,
}

/// When the operator looks at what guests start from.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestTimes {
    /// Minutes between two looks at a VM's Secrets (1-1440): so late is a change of one noticed. Nobody may watch Secrets.
    pub reread_minutes: u16,
}

/// Services of the platform that every tenant may reach.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Platform {
    /// DNS resolvers (UDP and TCP 53). Not the cluster's own DNS: it reveals other tenants' services.
    pub resolvers: Vec<IpAddr>,
    /// NTP servers (UDP 123), clause 12.4.4.
    pub ntp: Vec<IpAddr>,
    /// Where CDI's importer pods may fetch images from (TCP 443); empty means no import rule is made.
    pub image_mirrors: Vec<IpNet>,
}

/// Address ranges that no wide CIDR of a tenant's rule ever reaches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterRanges {
    pub pods: Vec<IpNet>,
    pub services: Vec<IpNet>,
    /// API servers, nodes, management networks.
    pub control_plane: Vec<IpNet>,
    /// Instance-metadata addresses; link-local of both families is always among them.
    pub metadata: Vec<IpNet>,
}

impl ClusterRanges {
    /// All ranges together, sorted, each once.
    #[must_use]
    pub fn forbidden(&self) -> Vec<IpNet> {
        let all: BTreeSet<IpNet> =
            [&self.pods, &self.services, &self.control_plane, &self.metadata].into_iter().flatten().copied().collect();
        all.into_iter().collect()
    }
}

/// The tenants' walls in the Admin tier, where the cluster has ClusterNetworkPolicies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walls {
    /// Place among the policies of the tier (0-1000, the lower is asked first): what the provider wants to decide before
    /// the walls gets a lower one. Subjects of walls are disjoint, so all have the same.
    pub priority: u16,
}

/// Storage classes tenants may name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Storage {
    /// The allow-list; empty means that any class a Tenant lists in `residency.storageClassNames` will do.
    pub allowed_classes: Vec<String>,
    /// Access mode of disks: `ReadWriteMany` (live migration) or `ReadWriteOnce`.
    pub access_mode: String,
    /// `Block` or `Filesystem`.
    pub volume_mode: String,
    /// Namespace of the provider's golden images (CDI DataSources).
    pub images_namespace: String,
}

/// How nodes in Japan are told apart (clause 6.1.3).
#[derive(Clone, Debug, PartialEq)]
pub struct Residency {
    /// Node label; under `node-restriction.kubernetes.io/`, so that a kubelet cannot forge it.
    pub node_label: String,
    /// Its value.
    pub node_value: String,
}

/// Pod Security of tenants' namespaces.
#[derive(Clone, Debug, PartialEq)]
pub struct PodSecurity {
    /// `restricted` (KubeVirt's launcher passes it with `seccompConfiguration` set) or `baseline`.
    pub level: String,
    /// Pinned version, for instance `v1.37`.
    pub version: String,
}

/// The purge CronJobs.
#[derive(Clone, Debug, PartialEq)]
pub struct Purge {
    /// Namespace of the CronJobs: never one that is going to be deleted.
    pub namespace: String,
    pub service_account: String,
    /// Image with the `cloudfarm` binary; by digest in production.
    pub image: String,
    /// Least hours between the first sight of an end date and a purge (1-720): time to notice a mistake.
    pub cool_off_hours: u16,
}

impl Purge {
    /// [`Purge::cool_off_hours`] as a span.
    #[must_use]
    pub fn cool_off(&self) -> SignedDuration {
        SignedDuration::from_hours(self.cool_off_hours.into())
    }
}

/// How fast the operator may go.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// Reconciles in parallel, per kind (1-64).
    pub concurrency: u16,
    /// Writes in flight over all kinds (1-256). The default stays below what default API priority and fairness
    /// gives one flow, so that nobody sees a 429.
    pub writes_in_flight: u16,
}

/// What `/metrics` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Tenants that have series of their own (1-10000), those with a problem first: at most 47 series each.
    pub per_tenant: u16,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The file cannot be read, is not YAML of this shape, or holds values out of range: all of them at once.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError { file: file.clone(), faults: vec![format!("cannot be read: {error}")] })?;
        Self::parse(&text).map_err(|faults| ConfigError { file, faults })
    }

    /// Checks the text of a config file.
    ///
    /// # Errors
    /// Every fault, as a sentence with field, value and what would be right.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let raw: Raw = serde_saphyr::from_str(text).map_err(|error| vec![error.to_string()])?;
        raw.check()
    }
}

/// The file as written.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Raw {
    platform: RawPlatform,
    cluster: RawCluster,
    #[serde(default)]
    walls: RawWalls,
    #[serde(default)]
    storage: RawStorage,
    #[serde(default)]
    residency: RawResidency,
    #[serde(default)]
    pod_security: RawPodSecurity,
    purge: RawPurge,
    #[serde(default)]
    rates: RawRates,
    #[serde(default)]
    metrics: RawSeries,
    #[serde(default)]
    networks: networks::RawNetworks,
    #[serde(default)]
    guests: RawGuestTimes,
    images: Option<images::RawImages>,
    authentication: Option<people::RawAuthentication>,
    application_id: Option<people::RawApplicationId>,
    mail: Option<mail::RawMail>,
    #[serde(default)]
    evidence: RawEvidence,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawPlatform {
    resolvers: Vec<String>,
    ntp: Vec<String>,
    #[serde(default)]
    image_mirrors: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawCluster {
    pods: Vec<String>,
    services: Vec<String>,
    control_plane: Vec<String>,
    #[serde(default)]
    metadata: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawWalls {
    priority: u16,
}

impl Default for RawWalls {
    fn default() -> Self {
        Self { priority: 100 }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawStorage {
    allowed_classes: Vec<String>,
    access_mode: String,
    volume_mode: String,
    images_namespace: String,
}

impl Default for RawStorage {
    fn default() -> Self {
        Self {
            allowed_classes: Vec::new(),
            access_mode: "ReadWriteMany".into(),
            volume_mode: "Block".into(),
            images_namespace: "cf-golden".into(),
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawResidency {
    node_label: String,
    node_value: String,
}

impl Default for RawResidency {
    fn default() -> Self {
        Self { node_label: "node-restriction.kubernetes.io/cloudfarm-country".into(), node_value: "JP".into() }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawPodSecurity {
    level: String,
    version: String,
}

impl Default for RawPodSecurity {
    fn default() -> Self {
        Self { level: "restricted".into(), version: "v1.37".into() }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawPurge {
    #[serde(default = "default_namespace")]
    namespace: String,
    #[serde(default = "default_service_account")]
    service_account: String,
    image: String,
    #[serde(default = "a_day")]
    cool_off_hours: u16,
}

fn a_day() -> u16 {
    24
}

fn default_namespace() -> String {
    "cloudfarm-system".into()
}

fn default_service_account() -> String {
    "cloudfarm-purge".into()
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawRates {
    concurrency: u16,
    writes_in_flight: u16,
}

impl Default for RawRates {
    fn default() -> Self {
        Self { concurrency: 16, writes_in_flight: 48 }
    }
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RawSeries {
    per_tenant: u16,
}

impl Default for RawSeries {
    fn default() -> Self {
        Self { per_tenant: 1000 }
    }
}

impl Raw {
    fn check(self) -> Result<Config, Vec<String>> {
        let mut faults = Faults::default();
        let mut metadata = faults.networks("cluster.metadata", &self.cluster.metadata);
        metadata
            .extend(["169.254.0.0/16", "fe80::/10"].iter().filter_map(|link_local| link_local.parse::<IpNet>().ok()));
        let config = Config {
            platform: Platform {
                resolvers: faults.addresses("platform.resolvers", &self.platform.resolvers),
                ntp: faults.addresses("platform.ntp", &self.platform.ntp),
                image_mirrors: faults.networks("platform.imageMirrors", &self.platform.image_mirrors),
            },
            cluster: ClusterRanges {
                pods: faults.some("cluster.pods", &self.cluster.pods),
                services: faults.some("cluster.services", &self.cluster.services),
                control_plane: faults.networks("cluster.controlPlane", &self.cluster.control_plane),
                metadata,
            },
            walls: Walls { priority: faults.at_most("walls.priority", self.walls.priority, 1000) },
            residency: Residency {
                node_label: faults.filled("residency.nodeLabel", self.residency.node_label),
                node_value: faults.filled("residency.nodeValue", self.residency.node_value),
            },
            pod_security: PodSecurity {
                level: faults.one_of("podSecurity.level", self.pod_security.level, &["restricted", "baseline"]),
                version: faults.version("podSecurity.version", self.pod_security.version),
            },
            purge: Purge {
                namespace: faults.filled("purge.namespace", self.purge.namespace),
                service_account: faults.filled("purge.serviceAccount", self.purge.service_account),
                image: faults.filled("purge.image", self.purge.image),
                cool_off_hours: faults.within("purge.coolOffHours", self.purge.cool_off_hours, 720),
            },
            rates: Rates {
                concurrency: faults.within("rates.concurrency", self.rates.concurrency, 64),
                writes_in_flight: faults.within("rates.writesInFlight", self.rates.writes_in_flight, 256),
            },
            metrics: Series { per_tenant: faults.within("metrics.perTenant", self.metrics.per_tenant, 10_000) },
            networks: self.networks.check(&mut faults),
            guests: GuestTimes {
                reread_minutes: faults.within("guests.rereadMinutes", self.guests.reread_minutes, 1440),
            },
            images: self.images.map(|images| images.check(&mut faults)),
            issuers: self.authentication.map(|written| written.check(&mut faults)),
            application_id_key: self.application_id.map(|written| written.check(&mut faults)),
            mail: self.mail.and_then(|mail| mail.check(&mut faults)),
            open_reports: self.evidence.open_reports,
            storage: Storage {
                access_mode: faults.one_of(
                    "storage.accessMode",
                    self.storage.access_mode,
                    &["ReadWriteMany", "ReadWriteOnce"],
                ),
                volume_mode: faults.one_of("storage.volumeMode", self.storage.volume_mode, &["Block", "Filesystem"]),
                images_namespace: faults.filled("storage.imagesNamespace", self.storage.images_namespace),
                allowed_classes: self.storage.allowed_classes,
            },
        };
        faults.none_or(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) const SMALLEST: &str = "
platform: {resolvers: [192.0.2.53], ntp: [192.0.2.123]}
cluster: {pods: [10.244.0.0/16], services: [10.96.0.0/16], controlPlane: []}
purge: {image: 'registry.invalid/cloudfarm:dev'}
";

    #[test]
    fn the_smallest_config_has_safe_defaults() {
        let config = Config::parse(SMALLEST).unwrap();
        assert_eq!(config.pod_security.level, "restricted");
        assert!(config.cluster.forbidden().contains(&"169.254.0.0/16".parse().unwrap()));
    }

    #[test]
    fn all_faults_are_told_at_once_with_field_and_value() {
        let text = SMALLEST.replace("192.0.2.53", "resolver.example").replace("10.96.0.0/16", "10.96.0.1/16");
        let faults = Config::parse(&(text + "rates: {concurrency: 0}")).unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(faults[0].contains("platform.resolvers") && faults[0].contains("resolver.example"));
        assert!(faults.iter().any(|fault| fault.contains("write 10.96.0.0/16")));
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let faults = Config::parse(&format!("{SMALLEST}\nrate: {{}}")).unwrap_err();
        assert!(faults[0].contains("rate"), "{faults:?}");
    }

    #[test]
    fn a_missing_file_is_an_error_and_not_an_empty_config() {
        let error = Config::load(Path::new("does-not-exist.yaml")).unwrap_err();
        assert!(error.to_string().contains("does-not-exist.yaml"));
    }
}
