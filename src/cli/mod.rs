//! The commands people type. Flags are also environment variables; exit codes are in [`exit`].

mod application_id;
mod authentication;
mod check;
mod connection;
mod evidence;
mod people;
mod probe;
mod report;
mod restore;
mod retention;
mod scan;
mod sessions;
pub mod signing_key;
mod status_page;
mod verify;

use std::fmt;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use k8s_controller::LeaderElection;
use k8s_openapi::jiff::SignedDuration;
use kube::Client;
use tracing_subscriber::EnvFilter;

use crate::api::retention::RunOutcome;
use crate::operator::clock::Clock;
use crate::operator::config::Config;
use crate::operator::{self, Settings};
use crate::purge::live::Live;
use crate::purge::look::Asked;
use crate::{install, purge, render};

/// Exit codes.
pub mod exit {
    /// A manifest, the operator config or a certificate is wrong; the message says what would be right.
    pub const INPUT: u8 = 1;
    /// The cluster cannot be reached, or the operator lost a watch. (2 is clap's: wrong usage.)
    pub const CLUSTER: u8 = 3;
    /// A purge was refused and nothing was deleted; or the API server refused a person's change, and nothing changed.
    /// Or a VM was not brought back. Or a check of a tenant failed.
    pub const REFUSED: u8 = 4;
    /// No check of a tenant failed, and not every one could be judged.
    pub const UNKNOWN: u8 = 5;
}

/// Isolated VM environments on Kubernetes whose promises are made true, or reported as not true.
#[derive(Debug, Parser)]
#[command(
    name = "cloudfarm",
    version,
    about,
    after_help = "Exit codes: 0 done; 1 manifest, config or certificate wrong; 2 wrong usage; \
3 cluster not reachable, or a watch lost; 4 purge or change refused, or a check failed; 5 a check could not be judged.\n\
RUST_LOG selects what is logged, for instance RUST_LOG=cloudfarm=debug."
)]
pub struct Cli {
    /// Log lines for people or as JSON
    #[arg(long, global = true, env = "CLOUDFARM_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator until it is told to stop
    Run(Run),
    /// Print the CRDs, or write them with their API reference into a folder
    Crds {
        /// Folder to write one file per CRD and README.md into
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Print what a cluster needs besides the CRDs: namespace, identities, roles, admission policies
    Manifests(Manifests),
    /// Print, without any cluster, every object that manifests would become
    Render(Render),
    /// One purge run, as the CronJob's pod does it
    Purge(Purge),
    /// Check, without any cluster, that erasure certificates are what was signed and that none is missing between them
    Verify(verify::Verify),
    /// Look at what a Retention will erase, hold it, release it, approve it
    Retention(retention::Retention),
    /// Bring a VM back from one of its backups by plan
    Restore(restore::Restore),
    #[command(flatten)]
    People(people::People),
    /// Ask the Multi-Tenancy Benchmark of one live tenant, and store nothing
    Check(check::Check),
    /// Show how each promise to one tenant is kept: as a table, JSON, OSCAL or a page to print
    Report(report::Report),
    /// The clauses, signed statements about them, and all evidence of one tenant in one archive
    Evidence(evidence::Evidence),
    /// Send packets between the probe's pods, as those pods do it
    Probe(probe::Probe),
    /// Scan an image for malware and record what was found, as the Jobs in cloudfarm-images do it
    Scan(scan::Scan),
    /// Print the API server's AuthenticationConfiguration, by what Tenants say of how their people sign in
    Authentication(authentication::Authentication),
    /// Read an application ID and print the keyed hash by which its Tenant is found
    ApplicationId(application_id::ApplicationId),
    /// Write published Notices as a page and an Atom feed for any web server
    StatusPage(status_page::StatusPage),
    /// Write down who entered customers' areas, by the API server's audit log
    Sessions(sessions::Sessions),
    /// Print a Secret with a fresh key that signs erasure certificates
    SigningKey,
}

#[derive(Debug, Args)]
struct Run {
    /// The operator's config file (YAML)
    #[arg(long, env = "CLOUDFARM_CONFIG")]
    config: PathBuf,
    /// Address of /healthz, /readyz and /metrics
    #[arg(long, env = "CLOUDFARM_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Namespace of the leader-election lease
    #[arg(long, env = "CLOUDFARM_LEASE_NAMESPACE", default_value = install::NAMESPACE)]
    lease_namespace: String,
    /// Name of this replica, unique among them; the pod's name
    #[arg(long, env = "HOSTNAME", default_value = "cloudfarm-local")]
    identity: String,
}

#[derive(Debug, Args)]
struct Manifests {
    /// The operator's config file: with it comes the ConfigMap that says which program may run as the purge; until
    /// that is there, no pod starts in the operator's namespace
    #[arg(long, env = "CLOUDFARM_CONFIG")]
    config: Option<PathBuf>,
    /// Print what the probe of the network plugin needs besides its pods, instead
    #[arg(long, conflicts_with = "config")]
    probe: bool,
    /// Print what the session log needs besides its pods, instead
    #[arg(long, conflicts_with_all = ["config", "probe"])]
    sessions: bool,
}

#[derive(Debug, Args)]
struct Render {
    /// A manifest, a folder of manifests, or - for standard input; may be given several times
    #[arg(short = 'f', long = "filename", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// The operator's config file; without it a documentation-only platform is assumed (192.0.2.0/24 addresses)
    #[arg(long, env = "CLOUDFARM_CONFIG")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Purge {
    /// Name of the Retention
    #[arg(long)]
    retention: String,
    /// Uid the Retention must have; a namesake is not purged
    #[arg(long)]
    uid: String,
    /// Least hours between the first sight of an end date and a purge
    #[arg(long, env = "CLOUDFARM_COOL_OFF_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=720))]
    cool_off_hours: u16,
    /// Seconds that this run waits for its turn and for what others hold
    #[arg(long, env = "CLOUDFARM_PATIENCE", default_value_t = 18000)]
    patience: u64,
    /// Namespace of the operator: its lease, the budget, the signing key
    #[arg(long, env = "CLOUDFARM_LEASE_NAMESPACE", default_value = install::NAMESPACE)]
    namespace: String,
    /// Name of this run, unique among those that wait for their turn; the pod's name
    #[arg(long, env = "HOSTNAME", default_value = "cloudfarm-local")]
    identity: String,
}

/// A command that did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    /// One of [`exit`].
    pub code: u8,
    message: String,
}

impl Failure {
    fn new(code: u8, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Starts logging to standard error, so that standard output stays what a command prints.
pub fn telemetry(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,kube_client=warn"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
}

impl Cli {
    /// Runs the command.
    pub async fn dispatch(self) -> Result<(), Failure> {
        match self.command {
            Command::Run(run) => Box::pin(run.run()).await,
            Command::Crds { dir: None } => print(&crate::api::manifest::all_as_yaml()),
            Command::Crds { dir: Some(dir) } => crds_into(&dir),
            Command::Manifests(manifests) => manifests.run(),
            Command::Render(render) => render.run(),
            Command::Purge(purge) => Box::pin(purge.run()).await,
            Command::Verify(verify) => verify.run(),
            Command::Retention(retention) => Box::pin(retention.run()).await,
            Command::Restore(restore) => Box::pin(restore.run()).await,
            Command::People(people) => Box::pin(people.run()).await,
            Command::Check(check) => Box::pin(check.run()).await,
            Command::Report(report) => Box::pin(report.run()).await,
            Command::Evidence(evidence) => Box::pin(evidence.run()).await,
            Command::Probe(probe) => Box::pin(probe.run()).await,
            Command::Scan(scan) => Box::pin(scan.run()).await,
            Command::Authentication(authentication) => Box::pin(authentication.run()).await,
            Command::ApplicationId(id) => id.run(),
            Command::StatusPage(page) => Box::pin(page.run()).await,
            Command::Sessions(sessions) => Box::pin(sessions.run()).await,
            Command::SigningKey => signing_key::run(),
        }
    }
}

impl Run {
    async fn run(self) -> Result<(), Failure> {
        let config = Config::load(&self.config).map_err(|error| Failure::new(exit::INPUT, error))?;
        let client = connect().await?;
        let settings = Settings {
            config,
            listen: Some(self.listen),
            identity: self.identity,
            lease_namespace: Some(self.lease_namespace),
            clock: Clock::default(),
        };
        Box::pin(operator::run(client, settings, asked_to_stop()))
            .await
            .map_err(|error| Failure::new(exit::CLUSTER, error))
    }
}

impl Manifests {
    fn run(self) -> Result<(), Failure> {
        if self.probe {
            return print(&yaml_documents(&install::probe())?);
        }
        if self.sessions {
            return print(&yaml_documents(&install::sessions())?);
        }
        let mut all = install::manifests();
        if let Some(file) = &self.config {
            let config = Config::load(file).map_err(|error| Failure::new(exit::INPUT, error))?;
            all.extend(install::by_config(&config));
        }
        print(&yaml_documents(&all)?)
    }
}

impl Render {
    fn run(self) -> Result<(), Failure> {
        let config = match &self.config {
            Some(file) => Config::load(file).map_err(|error| Failure::new(exit::INPUT, error))?,
            None => render::documentation_config().map_err(|faults| Failure::new(exit::INPUT, faults.join("; ")))?,
        };
        let rendered = render::render(&self.files, config).map_err(|error| Failure::new(exit::INPUT, error))?;
        for remark in &rendered.remarks {
            eprintln!("cloudfarm: {remark}");
        }
        print(&yaml_documents(&rendered.objects)?)
    }
}

impl Purge {
    async fn run(self) -> Result<(), Failure> {
        let client = connect().await?;
        let cool_off = SignedDuration::from_hours(self.cool_off_hours.into());
        let asked = Asked { retention: self.retention.clone(), uid: self.uid.clone(), cool_off };
        let patience = Duration::from_secs(self.patience);
        // One purge at a time in the whole cluster; whoever waits longer than that is told.
        let turn = LeaderElection::new(client.clone(), &self.namespace, install::PURGE_LEASE, &self.identity);
        let world = Live::new(client, asked.clone(), self.namespace, Clock::default(), patience);
        let name = &self.retention;
        let failed = |code, message: &dyn fmt::Display| Failure::new(code, format!("Retention {name}: {message}"));
        let begun = Arc::new(AtomicBool::new(false));
        let purge = async {
            begun.store(true, Ordering::Relaxed);
            Box::pin(purge::engine::run(&world, &asked)).await
        };
        let held = turn.with_lease(purge);
        tokio::pin!(held);
        let waited = async {
            tokio::time::sleep(patience).await;
            if begun.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        let ended = tokio::select! {
            ended = &mut held => ended,
            () = waited => return Err(failed(exit::REFUSED, &"nothing was deleted: another purge has the turn")),
        };
        match ended {
            None => Err(failed(exit::CLUSTER, &"the turn was lost; the next run goes on")),
            Some(Err(lost)) => Err(failed(exit::CLUSTER, &lost)),
            Some(Ok(ended)) => match ended.outcome {
                RunOutcome::Refused => {
                    Err(failed(exit::REFUSED, &format_args!("nothing was deleted: {}", ended.message)))
                }
                RunOutcome::Interrupted => {
                    Err(failed(exit::REFUSED, &format_args!("the deleting has begun and stopped: {}", ended.message)))
                }
                _ => print(&format!("Retention {name}: {:?}: {}\n", ended.outcome, ended.message)),
            },
        }
    }
}

async fn connect() -> Result<Client, Failure> {
    // A second call finds the provider installed; that is the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = kube::Config::infer().await.map_err(|error| Failure::new(exit::CLUSTER, error))?;
    Client::try_from(operator::client_config(config)).map_err(|error| Failure::new(exit::CLUSTER, error))
}

/// Resolves on SIGTERM or Ctrl-C.
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => {
                terminated.recv().await;
            }
            Err(error) => {
                tracing::warn!(%error, "SIGTERM cannot be caught; only Ctrl-C stops this process well");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

fn crds_into(dir: &std::path::Path) -> Result<(), Failure> {
    for (name, text) in crate::api::manifest::files() {
        let file = dir.join(name);
        std::fs::write(&file, text)
            .map_err(|error| Failure::new(exit::INPUT, format!("{}: {error}", file.display())))?;
    }
    let file = dir.join("CLAUSES.md");
    std::fs::write(&file, crate::evidence::clauses::markdown())
        .map_err(|error| Failure::new(exit::INPUT, format!("{}: {error}", file.display())))
}

fn yaml_documents(objects: &[serde_json::Value]) -> Result<String, Failure> {
    let mut text = String::new();
    for object in objects {
        let yaml = serde_saphyr::to_string(object).map_err(|error| Failure::new(exit::INPUT, error))?;
        text.push_str("---\n");
        text.push_str(&yaml);
    }
    Ok(text)
}

/// Who wrote a text may have hidden terminal commands in it, or marks that show its letters in another order.
fn printable(text: &str) -> String {
    let hides = |letter: char| letter.is_control() || REORDERS.contains(&letter);
    text.chars()
        .flat_map(|letter| if hides(letter) { letter.escape_default().collect() } else { vec![letter] })
        .collect()
}

/// Unicode's marks of direction, its separators of lines, and what takes no room at all.
const REORDERS: [char; 17] = [
    '\u{61c}', '\u{200b}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{202b}', '\u{202c}',
    '\u{202d}', '\u{202e}', '\u{2060}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}', '\u{feff}',
];

/// Prints to standard output; a reader that went away (`| head`) is no error.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(exit::INPUT, error)),
        _ => Ok(()),
    }
}
