//! `cloudfarm application-id`: what to look for in the cluster when somebody names an application ID.

use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;

use super::{Failure, exit, print};
use crate::tenant::application_id::{Key, is_application_id};

/// More than any application ID has.
const MOST_BYTES: u64 = 4096;

#[derive(Debug, Args)]
#[command(after_help = "\
The ID is read from standard input and never from the command line, which other users of the machine can see. \
kubectl get tenants --field-selector status.applicationIdHash=HASH finds its Tenant.")]
pub struct ApplicationId {
    /// The operator's key (its config's applicationId.keyFile)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

impl ApplicationId {
    pub fn run(&self) -> Result<(), Failure> {
        let key = Key::read(&self.key).map_err(|error| Failure::new(exit::INPUT, error))?;
        let mut text = String::new();
        let read = std::io::stdin().take(MOST_BYTES).read_to_string(&mut text);
        read.map_err(|error| Failure::new(exit::INPUT, format!("standard input: {error}")))?;
        let id = text.trim();
        if !is_application_id(id) {
            // What was typed instead is not told: it may be an ID with a slip in it.
            let message = "standard input has no application ID, which is 6 to 32 of A-Z, 0-9 and -";
            return Err(Failure::new(exit::INPUT, message));
        }
        print(&format!("{}\n", key.hash(id)))
    }
}
