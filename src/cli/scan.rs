//! `cloudfarm scan`: one scan of one image, as the Job's pod does it, and as a person does it whose image no Job fetches.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, connect, exit, print, printable};
use crate::cluster::scans::Recorder;
use crate::images::identity::Digest;
use crate::images::result::{Finding, ScanResult};
use crate::images::scan::{self, Scanner};
use crate::images::signatures::signatures;
use crate::operator::clock::Clock;

#[derive(Debug, Args)]
pub struct Scan {
    /// Lay this program into a folder and do nothing else
    #[arg(long, conflicts_with_all = ["image_digest", "path"])]
    install_into: Option<PathBuf>,
    /// Digest of the image: sha256: or sha512: of a file, image:sha256: of what a registry has, or claim:
    #[arg(long, required_unless_present = "install_into")]
    image_digest: Option<Digest>,
    /// Where the image comes from; a registry's as docker:// and all of its reference, since its result is called after it
    #[arg(long, default_value = "")]
    image: String,
    /// File, device or folder to look at; a file has to have the digest
    #[arg(long, required_unless_present = "install_into")]
    path: Option<PathBuf>,
    /// The scanner
    #[arg(long, env = "CLOUDFARM_CLAMSCAN", default_value = "clamscan")]
    clamscan: PathBuf,
    /// Folder with its signatures
    #[arg(long, env = "CLOUDFARM_SIGNATURES", default_value = "/var/lib/clamav")]
    signatures: PathBuf,
    /// Folder for pieces of big files: two gibibytes
    #[arg(long, env = "CLOUDFARM_SCRATCH", default_value = "/tmp")]
    scratch: PathBuf,
}

impl Scan {
    pub async fn run(self) -> Result<(), Failure> {
        if let Some(folder) = &self.install_into {
            return install_into(folder);
        }
        let (Some(digest), Some(path)) = (self.image_digest.clone(), self.path.clone()) else {
            return Err(Failure::new(exit::INPUT, "--image-digest and --path are needed"));
        };
        let path =
            scan::proven(path, &digest).map_err(|why| Failure::new(exit::INPUT, why + "; nothing was recorded"))?;
        let scanner = Scanner::new(self.clamscan, self.signatures.clone(), self.scratch);
        let engine = scanner.version().map_err(|why| Failure::new(exit::INPUT, why))?;
        // Before the scan: what comes in meanwhile was not asked.
        let signatures = signatures(&self.signatures).map_err(|why| Failure::new(exit::INPUT, why))?;
        let finding = tokio::task::spawn_blocking(move || scanner.scan(&path)).await;
        let finding = finding.unwrap_or_else(|error| Finding::Failed(error.to_string()));
        let scanned_at = Clock::default().now();
        let result = ScanResult { digest, image: self.image, finding, engine, signatures, scanned_at };
        let recorded = Recorder::new(connect().await?).record(&result).await;
        recorded.map_err(|error| Failure::new(exit::CLUSTER, format!("{}: {error}", result.name())))?;
        let detail = match &result.finding {
            Finding::Clean => String::new(),
            Finding::Infected(what) | Finding::Failed(what) => format!(": {}", printable(what)),
        };
        print(&format!("{}: {}{detail}\n", result.digest, result.finding))
    }
}

/// The scanner's image has no program of ours, and ours has no `cp`.
fn install_into(folder: &Path) -> Result<(), Failure> {
    let own = std::env::current_exe().map_err(|error| input(folder, &error))?;
    std::fs::copy(own, folder.join("cloudfarm")).map(drop).map_err(|error| input(folder, &error))
}

fn input(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(exit::INPUT, format!("{}: {error}", path.display()))
}
