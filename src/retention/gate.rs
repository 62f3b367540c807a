//! The gate before a purge. In this version it never opens: it tells the first reason why, and nothing is deleted.

use std::fmt;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::api::jst::in_japan;
use crate::api::retention::{PurgeMode, Retention};

/// Why nothing is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is another Retention than the CronJob was made for.
    OtherUid {
        asked: String,
        found: String,
    },
    LegalHold {
        reference: String,
    },
    Suspended,
    /// The operator has not seen it yet, or no date leads to a purge.
    NoDate,
    /// The spec was changed after the dates were computed: they may be too early.
    NotObserved {
        generation: i64,
    },
    NotBefore(Timestamp),
    DryRun,
    /// Everything is fulfilled, and this version does not delete.
    NotInThisVersion,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherUid { asked, found } => {
                write!(f, "its uid is {found}, the run is for {asked}: a namesake is not purged")
            }
            Self::LegalHold { reference } => write!(f, "legal hold {reference:?} is active"),
            Self::Suspended => f.write_str("spec.suspend is true"),
            Self::NoDate => f.write_str("status.purgeNotBefore is not set: without a date everything is kept"),
            Self::NotObserved { generation } => {
                write!(f, "the operator has not looked at generation {generation} yet: its dates may be too early")
            }
            Self::NotBefore(instant) => write!(f, "nothing may be deleted before {}", in_japan(*instant)),
            Self::DryRun => f.write_str("spec.mode is DryRun"),
            Self::NotInThisVersion => f.write_str("this version of cloudfarm does not delete data"),
        }
    }
}

/// The first reason not to delete.
#[must_use]
pub fn refusal(retention: &Retention, uid: &str, now: Timestamp) -> Refusal {
    let found = retention.uid().unwrap_or_default();
    if found != uid {
        return Refusal::OtherUid { asked: uid.to_owned(), found };
    }
    if let Some(hold) = retention.spec.legal_hold.as_ref().filter(|hold| hold.active) {
        return Refusal::LegalHold { reference: hold.reference.clone().unwrap_or_default() };
    }
    if retention.spec.suspend {
        return Refusal::Suspended;
    }
    let status = retention.status.as_ref();
    let generation = retention.metadata.generation;
    match status.and_then(|status| status.purge_not_before.as_ref()) {
        None => Refusal::NoDate,
        Some(_) if status.and_then(|status| status.observed_generation) != generation => {
            Refusal::NotObserved { generation: generation.unwrap_or_default() }
        }
        Some(instant) if now < instant.0 => Refusal::NotBefore(instant.0),
        Some(_) if retention.spec.mode == PurgeMode::DryRun => Refusal::DryRun,
        Some(_) => Refusal::NotInThisVersion,
    }
}
