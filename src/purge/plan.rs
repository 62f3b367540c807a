//! Pure: what a purge erases, in which order, and its fingerprint.
//!
//! An [`Inventory`] is what lies in the tenant's namespaces and what hangs on it outside them. A preview writes down the
//! inventory's hash; a purge makes the inventory again, and only if it has the same hash becomes it the [`Plan`], which
//! is stored before the first delete. From then on nothing is deleted that is not in the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::rolling::Aged;
use crate::evidence::hex;

/// Steps of a purge, in order: nothing that could make data anew outlives the step in which it goes, and networks and
/// walls outlive everything that could send a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Step {
    /// People's rights.
    Access,
    /// Exports and uploads: ways out.
    Exports,
    /// CronJobs, Deployments and the like: what makes things anew.
    Schedules,
    /// VMs: halted, then deleted, with their instances and pods.
    Machines,
    /// Snapshots and what they are made of.
    Snapshots,
    /// DataVolumes, claims, volumes.
    Disks,
    /// Secrets and configuration.
    Secrets,
    /// What our service made of the data and no record period keeps.
    Derived,
    /// Networks, addresses, walls.
    Networks,
    /// The namespaces, with everything that nobody has to delete one by one, and then the wall around them.
    Namespaces,
}

impl Step {
    /// In order.
    pub const ALL: [Self; 10] = [
        Self::Access,
        Self::Exports,
        Self::Schedules,
        Self::Machines,
        Self::Snapshots,
        Self::Disks,
        Self::Secrets,
        Self::Derived,
        Self::Networks,
        Self::Namespaces,
    ];
}

/// A kind of object as discovery names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KindName {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
}

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() { f.write_str(&self.plural) } else { write!(f, "{}.{}", self.plural, self.group) }
    }
}

/// What a purge does with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Way {
    /// It is deleted by name and uid.
    Delete,
    /// It is labelled disposable and then deleted: it ages out while the contract runs.
    Dispose,
    /// It is made ready (a volume's policy becomes Delete) and then goes with what it belongs to.
    Follow,
    /// It goes with its namespace.
    WithNamespace,
}

/// One object, by uid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Item {
    pub step: Step,
    pub kind: KindName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    pub uid: String,
    pub way: Way,
    /// Uid of what it belongs to and goes after: a claim's DataVolume, a volume's claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Requested size of a claim, capacity of a volume, restore size of a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

impl Item {
    /// What it adds to a sum of bytes: a claim and its volume are the same bytes and count once.
    #[must_use]
    pub fn counted_bytes(&self) -> u64 {
        let stores = ["persistentvolumeclaims", "volumesnapshots"].contains(&self.kind.plural.as_str());
        self.bytes.filter(|_| stores).unwrap_or_default()
    }
}

/// Records that stay although the tenant goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kept {
    /// `audit`, `access`, `network`, `notices` or `evidence`.
    pub class: String,
    pub count: u64,
    /// The last of them, in Japan's time.
    pub until: String,
}

/// Everything that is found of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    pub items: BTreeSet<Item>,
    pub kept: Vec<Kept>,
    /// What may age out while the contract runs.
    pub aged: BTreeSet<Aged>,
    /// What makes the inventory incomplete or ambiguous, for people: nothing is erased while there is any.
    pub doubts: Vec<String>,
}

impl Inventory {
    /// SHA-256 over kind, place, name and uid of every object. What changes by itself (resource versions, sizes that a
    /// driver reports late, records whose time ends day by day) does not count.
    #[must_use]
    pub fn hash(&self) -> String {
        let counted = self.items.iter().filter(|item| item.step != Step::Derived);
        let mut lines: Vec<String> = counted.map(|item| format!("{item} {}", item.uid)).collect();
        lines.sort();
        hex::encode(&Sha256::digest(lines.join("\n")))
    }

    /// Objects by kind; kinds beyond the 63 most numerous are added up as "others".
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, i64> {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for item in &self.items {
            *counts.entry(item.kind.to_string()).or_default() += 1;
        }
        let mut by_count: Vec<_> = counts.into_iter().collect();
        by_count.sort_by(|(one, few), (other, many)| many.cmp(few).then(one.cmp(other)));
        let others: i64 = by_count.iter().skip(63).map(|(_, count)| count).sum();
        by_count.truncate(63);
        by_count.extend((others > 0).then(|| ("others".to_owned(), others)));
        by_count.into_iter().collect()
    }

    /// Of volumes and snapshots: a claim and its volume are the same bytes and count once.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.items.iter().map(Item::counted_bytes).fold(0, u64::saturating_add)
    }
}

/// What one purge deletes, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    pub retention: String,
    #[serde(rename = "retentionUID")]
    pub retention_uid: String,
    pub items: BTreeSet<Item>,
    pub kept: Vec<Kept>,
}

/// A stored plan that is not the one that was decided on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotThePlan {
    #[error("the stored plan has SHA-256 {found}, status.purge.planHash is {wanted}: somebody changed it")]
    Changed { found: String, wanted: String },
    #[error("the stored plan cannot be read: {0}")]
    Unreadable(String),
    #[error("the stored plan is gone")]
    Gone,
}

impl Plan {
    /// As it is stored: one object a line, in the order in which it goes.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let head =
            serde_json::json!({"retention": self.retention, "retentionUID": self.retention_uid, "kept": self.kept});
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{head}");
        for item in &self.items {
            let _ = writeln!(text, "{}", serde_json::json!(item));
        }
        text
    }

    /// Its fingerprint: over the very text that is stored.
    #[must_use]
    pub fn hash(&self) -> String {
        hex::encode(&Sha256::digest(self.text()))
    }

    /// Reads a stored plan and holds it to the hash that was written down before the first delete.
    ///
    /// # Errors
    /// It is gone, cannot be read, or is another one.
    pub fn stored(text: Option<&str>, wanted: &str) -> Result<Self, NotThePlan> {
        let text = text.ok_or(NotThePlan::Gone)?;
        let found = hex::encode(&Sha256::digest(text));
        if found != wanted {
            return Err(NotThePlan::Changed { found, wanted: wanted.to_owned() });
        }
        let unreadable = |error: serde_json::Error| NotThePlan::Unreadable(error.to_string());
        let mut lines = text.lines();
        let head: Head = serde_json::from_str(lines.next().unwrap_or_default()).map_err(unreadable)?;
        let items = lines.map(serde_json::from_str).collect::<Result<_, _>>().map_err(unreadable)?;
        Ok(Self { retention: head.retention, retention_uid: head.retention_uid, items, kept: head.kept })
    }

    /// What goes in a step.
    pub fn of(&self, step: Step) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| item.step == step)
    }
}

#[derive(Deserialize)]
struct Head {
    retention: String,
    #[serde(rename = "retentionUID")]
    retention_uid: String,
    kept: Vec<Kept>,
}
