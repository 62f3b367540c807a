//! What a guest starts with: the floor of clock and logins, and the customer's own user data.
//!
//! Each VM has a generated Secret. What goes into it is decided here, without a call: [`linux`] says how the customer's data
//! and the floor are put together, [`user_data`] what of it is taken, [`windows`] what Windows gets. The customer's Secret
//! is read by [`look`], by its name, at the times that [`book`] says: nobody may list or watch Secrets (I12), so a change
//! of one is noticed at the next reading. The VM's annotation keeps what its Secret was made from, so that a restart reads
//! nothing.

pub mod book;
pub mod linux;
mod logins;
pub mod look;
pub mod user_data;
pub mod windows;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::api::condition::Reason;
use crate::api::tenant::{Machine, OperatingSystem, Tenant};
use crate::cluster::object::Digest;
use crate::operator::config::Config;

/// Key of the customer's Secret.
pub const KEY: &str = "userdata";

/// Begins the names of Secrets that the operator makes.
pub const PREFIX: &str = "cloudfarm-guest-";

/// Name of the Secret that is generated for a VM.
#[must_use]
pub fn secret_name(vm: &str) -> String {
    format!("{PREFIX}{vm}")
}

/// What a VM's guest starts with, as far as it is known in this pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guest {
    /// Looked at now: this is what its Secret has to hold.
    Looked { record: Record, data: Sealed },
    /// Looked at earlier; the Secret stands.
    Known(Record),
    /// The customer's data is not taken. A VM that has a Secret from earlier keeps it.
    Refused { earlier: Option<Record>, refusal: Refusal },
}

impl Guest {
    /// What the VM says its data was made from; `None` if it has none that it could start with.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Looked { record, .. } | Self::Known(record) => Some(record),
            Self::Refused { earlier, .. } => earlier.as_ref(),
        }
    }
}

/// What a generated Secret was made from, without its content: the VM's annotation. No digest of what the customer wrote
/// is in it, since a short password could be guessed by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What it was made for: the data of one system starts no other.
    #[serde(default)]
    pub os: OperatingSystem,
    /// Digest of the floor: the operator's own words and the config's NTP servers.
    pub floor: String,
    /// The customer's Secret, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Fields of the floor that the customer's data would have set otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overruled: Vec<String>,
}

impl Record {
    /// As it stands in the annotation.
    #[must_use]
    pub fn text(&self) -> String {
        json!(self).to_string()
    }

    /// From an annotation, if it is one that this version wrote.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Was it made from what is declared now? The customer's Secret may have changed since.
    #[must_use]
    pub fn is_of(&self, machine: &Machine, config: &Config) -> bool {
        self.os == machine.os && self.floor == floor(machine.os, config) && self.secret == machine.user_data_secret
    }
}

/// Content of a Secret. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub String);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sealed)")
    }
}

/// Why a customer's user data is not taken, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub message: String,
}

/// What was found under the name of the customer's Secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Found {
    /// No Secret of that name.
    Nothing,
    /// A Secret, with what it has under [`KEY`].
    Secret(Option<Vec<u8>>),
}

/// The generated Secret's content and where it comes from. `found` is `None` if the VM names no Secret.
///
/// # Errors
/// The customer's data is not taken.
pub fn merged(machine: &Machine, config: &Config, found: Option<&Found>) -> Result<(Record, Sealed), Refusal> {
    let ntp = &config.platform.ntp;
    let record = |overruled| Record {
        os: machine.os,
        floor: floor(machine.os, config),
        secret: machine.user_data_secret.clone(),
        overruled,
    };
    let Some((name, found)) = machine.user_data_secret.as_ref().zip(found) else {
        let data = match machine.os {
            OperatingSystem::Linux => linux::user_data(ntp, None),
            OperatingSystem::Windows => windows::answer_file(ntp),
        };
        return Ok((record(Vec::new()), Sealed(data)));
    };
    let refused = |reason, message: String| {
        let field = format!("spec.virtualMachines[{}].userDataSecret: Secret {name:?}", machine.name);
        Refusal { reason, message: format!("{field} {message}") }
    };
    let data = match found {
        Found::Nothing => {
            let message = "does not exist in the tenant's namespace; make it, with the key userdata";
            return Err(refused(Reason::UserDataMissing, message.into()));
        }
        Found::Secret(None) => {
            let message = "has no key userdata; write the user data under that key";
            return Err(refused(Reason::UserDataMissing, message.into()));
        }
        Found::Secret(Some(data)) => data,
    };
    let looked_through = user_data::user_data(data)
        .map_err(|fault| refused(Reason::UserDataRefused, format!("key userdata {fault}")))?;
    let data = linux::user_data(ntp, Some(&looked_through));
    Ok((record(looked_through.overruled), Sealed(data)))
}

/// What can be said against a VM's Secret before anybody reads it.
#[must_use]
pub fn unreadable(machine: &Machine) -> Option<Refusal> {
    let name = machine.user_data_secret.as_ref()?;
    let field = format!("spec.virtualMachines[{}].userDataSecret", machine.name);
    let message = if !is_name(name) {
        format!("{field}: {name:?} is no name of a Secret in the tenant's own namespace; write the name alone")
    } else if name.starts_with(PREFIX) {
        format!("{field}: {name:?} is a Secret that the operator makes; name one of your own")
    } else if machine.os == OperatingSystem::Windows {
        format!(
            "{field}: a Windows guest starts from one answer file, and that is the operator's; leave the field out and put what the VM needs into its image"
        )
    } else {
        return None;
    };
    Some(Refusal { reason: Reason::UserDataRefused, message })
}

/// A DNS subdomain, as names of Secrets are: nothing that a path could be made of.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !label.is_empty()
            && label.bytes().all(|byte| inside(byte) || byte == b'-')
            && label.bytes().next().is_some_and(inside)
            && label.bytes().last().is_some_and(inside)
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn floor(os: OperatingSystem, config: &Config) -> String {
    let ntp = &config.platform.ntp;
    let words = match os {
        OperatingSystem::Linux => linux::user_data(ntp, None),
        OperatingSystem::Windows => windows::answer_file(ntp),
    };
    Digest::of(&json!(words)).to_string()
}

/// What is known of a Tenant's guests where nobody can read a Secret: what customers put into theirs is left open.
#[must_use]
pub fn by_declaration(tenant: &Tenant, config: &Config) -> BTreeMap<String, Guest> {
    let known = |machine: &Machine| match (unreadable(machine), machine.user_data_secret.is_some()) {
        (Some(refusal), _) => Guest::Refused { earlier: None, refusal },
        (None, true) => Guest::Known(Record {
            os: machine.os,
            floor: floor(machine.os, config),
            secret: machine.user_data_secret.clone(),
            overruled: Vec::new(),
        }),
        (None, false) => match merged(machine, config, None) {
            Ok((record, data)) => Guest::Looked { record, data },
            Err(refusal) => Guest::Refused { earlier: None, refusal },
        },
    };
    tenant.spec.virtual_machines.iter().map(|machine| (machine.name.clone(), known(machine))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        crate::render::documentation_config().unwrap()
    }

    fn machine(secret: Option<&str>) -> Machine {
        Machine { name: "web".into(), user_data_secret: secret.map(str::to_owned), ..Machine::default() }
    }

    fn with(text: &str) -> Found {
        Found::Secret(Some(text.into()))
    }

    #[test]
    fn a_refusal_names_vm_field_and_secret_and_nothing_of_the_content() {
        let cases = [
            (Found::Nothing, Reason::UserDataMissing, "does not exist"),
            (Found::Secret(None), Reason::UserDataMissing, "no key userdata"),
            (with("#include\nhttps://hunter2.invalid\n"), Reason::UserDataRefused, "addresses to fetch"),
        ];
        for (found, reason, said) in cases {
            let refusal = merged(&machine(Some("web-data")), &config(), Some(&found)).err().unwrap();
            assert_eq!(refusal.reason, reason);
            let field = "spec.virtualMachines[web].userDataSecret: Secret \"web-data\"";
            assert!(refusal.message.starts_with(field) && refusal.message.contains(said), "{refusal:?}");
            assert!(!refusal.message.contains("hunter2"));
        }
    }

    #[test]
    fn a_name_that_is_no_name_is_not_asked_for() {
        for name in
            ["other/secret", "../../cf-pear/secrets/x", "..", "a..b", "", "Secret", "a?b", "cloudfarm-guest-db", "x\n"]
        {
            assert!(unreadable(&machine(Some(name))).is_some(), "{name:?}");
        }
        for name in ["web", "web.data", "0-1"] {
            assert_eq!(unreadable(&machine(Some(name))), None, "{name:?}");
        }
        let windows = Machine { os: OperatingSystem::Windows, ..machine(Some("web")) };
        assert!(unreadable(&windows).unwrap().message.contains("answer file"));
    }

    #[test]
    fn the_record_says_where_the_data_comes_from_and_nothing_of_it() {
        let found = with("#cloud-config\ntimezone: hunter2\npassword: hunter2\n");
        let (record, data) = merged(&machine(Some("web-data")), &config(), Some(&found)).unwrap();
        assert_eq!(record.overruled, ["timezone"]);
        assert!(!record.text().contains("hunter2"));
        assert_eq!(format!("{data:?}"), "(sealed)");
        assert_eq!(Record::read(&record.text()), Some(record.clone()));
        let (same, _) = merged(&machine(Some("web-data")), &config(), Some(&with("#!/bin/sh\n"))).unwrap();
        assert_eq!(record.floor, same.floor, "the customer's words are in no digest");
        assert!(record.is_of(&machine(Some("web-data")), &config()));
        assert!(!record.is_of(&machine(Some("other")), &config()) && !record.is_of(&machine(None), &config()));
        let mut other = config();
        other.platform.ntp.clear();
        assert!(!record.is_of(&machine(Some("web-data")), &other));
    }
}
