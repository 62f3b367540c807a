//! Sections of the config file with one field.

use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawGuestTimes {
    pub reread_minutes: u16,
}

impl Default for RawGuestTimes {
    fn default() -> Self {
        Self { reread_minutes: 30 }
    }
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RawEvidence {
    pub open_reports: bool,
}
