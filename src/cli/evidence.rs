//! `cloudfarm evidence`: the clause catalogue, signed statements, and everything about one tenant in one archive.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::json;

use super::connection::Connection;
use super::report::{look, write};
use super::{Failure, exit, print};
use crate::api::labels;
use crate::evidence::attestation::{Attestation, KEY};
use crate::evidence::clauses::{self, Class};
use crate::evidence::judge::judge;
use crate::evidence::report::{Document, Source, pack};
use crate::evidence::signing::SigningKey;
use crate::install::EVIDENCE_NAMESPACE;
use crate::operator::clock::Clock;

#[derive(Debug, Args)]
pub struct Evidence {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the catalogue of clauses as Markdown: what is promised, whose it is, and how it is verified
    Clauses,
    /// Sign a statement about a clause that people keep, and print the `ConfigMap` it is kept in
    #[command(after_help = "\
Pipe it into `kubectl apply -f -`. A statement counts for 365 days, is shown in every tenant's report by its id, and never makes \
a clause pass. Any ed25519 key does: `openssl genpkey -algorithm ed25519`; keep it apart from the key of erasure certificates.")]
    Attest(Attest),
    /// Write everything about one tenant into a zip archive with the hash of each file
    #[command(after_help = "\
Everything is read with your own rights; ClusterRole cloudfarm-auditor has what is needed. What you may not read says so in its file.
`unzip -d pack FILE && cd pack && sha256sum -c MANIFEST.sha256` checks that it is whole.")]
    Pack(Pack),
}

#[derive(Debug, Args)]
struct Attest {
    /// The clause, as `cloudfarm evidence clauses` names it
    #[arg(long)]
    clause: String,
    /// File with the statement, as text; no names of customers, no secrets
    #[arg(long, value_name = "FILE")]
    statement: PathBuf,
    /// File with the ed25519 private key, PKCS#8 in PEM
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

#[derive(Debug, Args)]
struct Pack {
    /// Name of the Tenant
    tenant: String,
    /// The archive; otherwise evidence-TENANT.zip here
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Leave out what the customer may not learn: a legal hold that is the provider's alone
    #[arg(long)]
    for_customer: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Evidence {
    pub async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Clauses => print(&clauses::markdown()),
            Command::Attest(attest) => attest.run(),
            Command::Pack(pack) => pack.run().await,
        }
    }
}

fn input(message: impl std::fmt::Display) -> Failure {
    Failure::new(exit::INPUT, message)
}

impl Attest {
    fn run(&self) -> Result<(), Failure> {
        let clause = clauses::find(&self.clause).ok_or_else(|| {
            input(format!("--clause {}: is none; cloudfarm evidence clauses lists them", self.clause))
        })?;
        if clause.class != Class::Organisation {
            let said = format!("--clause {}: software judges it, a statement would change nothing", clause.id);
            return Err(input(said));
        }
        let file = |path: &PathBuf| std::fs::read(path).map_err(|error| input(format!("{}: {error}", path.display())));
        let statement = String::from_utf8(file(&self.statement)?)
            .map_err(|_| input(format!("{}: is not text in UTF-8", self.statement.display())))?;
        let statement = statement.trim();
        if statement.is_empty() || statement.len() > 16 * 1024 {
            let said = format!("{}: has to be of 1 to 16384 bytes", self.statement.display());
            return Err(input(said));
        }
        let key = SigningKey::from_pem(&file(&self.key)?)
            .map_err(|error| input(format!("{} {error}", self.key.display())))?;
        let signed = Attestation::new(clause.id, statement, Clock::default().now()).signed(&key).map_err(input)?;
        let text = serde_json::to_string(&signed).map_err(input)?;
        print(&super::yaml_documents(&[json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": format!("attestation-{}", clause.id.to_ascii_lowercase()),
                "namespace": EVIDENCE_NAMESPACE,
                "labels": {labels::ATTESTATION: clause.id},
            },
            "data": {KEY: text + "\n"},
        })])?)
    }
}

impl Pack {
    async fn run(self) -> Result<(), Failure> {
        let client = self.connection.client().await?;
        let seen = Box::pin(look::look(&client, &self.tenant, self.for_customer)).await?;
        if seen.published.is_some() {
            let said = format!("Tenant {}: you may not read it; ask for ClusterRole cloudfarm-auditor", self.tenant);
            return Err(Failure::new(exit::REFUSED, said));
        }
        let record = seen.world.retention.as_ref().ok().and_then(Option::as_ref);
        let record = record.and_then(|found| found.status.as_ref()?.progress.evidence.as_ref());
        let certificate = match record {
            None => None,
            Some(record) => {
                let maps = Api::<ConfigMap>::namespaced(client, EVIDENCE_NAMESPACE);
                let map = maps.get(&record.report).await;
                let map =
                    map.map_err(|error| Failure::new(exit::CLUSTER, format!("ConfigMap {}: {error}", record.report)))?;
                map.data.and_then(|mut data| data.remove("certificate.json"))
            }
        };
        let document = Document {
            tenant: self.tenant.clone(),
            at: seen.world.now,
            source: Source::Live,
            findings: judge(&seen.world),
        };
        let files = pack::files(&document, &seen.world, certificate.as_deref());
        let archive = pack::archive(&files).map_err(input)?;
        let file = self.output.unwrap_or_else(|| PathBuf::from(format!("evidence-{}.zip", self.tenant)));
        write(&file, &archive)?;
        print(&format!("{}: {} files and their hashes, {} bytes\n", file.display(), files.len(), archive.len()))
    }
}
