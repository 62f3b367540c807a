//! By what a VM boots, and whether its memory is encrypted. KubeVirt 1.9 refuses what hardware cannot do together:
//! SEV-SNP with secure boot, TDX with system management mode, and both with kept UEFI variables or live migration.

use serde_json::{Value, json};

use crate::api::tenant::Confidential;
use crate::foreign::virtual_machine::{Features, Firmware};

/// What depends on the encryption of memory.
pub struct Boot {
    pub firmware: Firmware,
    pub features: Option<Features>,
    pub launch_security: Value,
    /// What a node's drain does with the VM.
    pub eviction_strategy: &'static str,
}

/// Secure boot always, but where the hardware measures what boots in its place.
pub fn boot(confidential: Confidential) -> Boot {
    let firmware = |secure: bool, persistent: bool| Firmware {
        bootloader: json!({"efi": {"secureBoot": secure, "persistent": persistent}}),
    };
    match confidential {
        Confidential::None => Boot {
            firmware: firmware(true, true),
            // KubeVirt refuses secure boot without it.
            features: Some(Features { smm: json!({"enabled": true}) }),
            launch_security: Value::Null,
            eviction_strategy: "LiveMigrate",
        },
        Confidential::SevSnp => Boot {
            firmware: firmware(false, false),
            features: None,
            launch_security: json!({"snp": {}}),
            eviction_strategy: "None",
        },
        Confidential::Tdx => Boot {
            firmware: firmware(true, false),
            features: None,
            launch_security: json!({"tdx": {}}),
            eviction_strategy: "None",
        },
    }
}
