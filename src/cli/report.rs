//! `cloudfarm report`, and `kubectl cloudfarm report`: how is each promise to this tenant kept?

pub(super) mod look;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::connection::Connection;
use super::{Failure, exit, print};
use crate::evidence::judge::judge;
use crate::evidence::report::table::{Language, table};
use crate::evidence::report::{Document, Source, html, open_reports, oscal};

#[derive(Debug, Args)]
#[command(after_help = "\
This is a kubectl plugin, too: the same program installed as kubectl-cloudfarm on the PATH is `kubectl cloudfarm report`.
Everything is read with your own rights; ClusterRole cloudfarm-auditor has what a whole report needs. What you may not read is \
error and never a pass. Who may not read the Tenant gets what the operator published in cf-TENANT (a customer's people).
Exit codes: 0 done, whatever the findings are; 1 no such Tenant, or the file cannot be written; 2 wrong usage; 3 kubeconfig or \
cluster not usable; 4 you may read neither the Tenant nor a published report.")]
pub struct Report {
    /// Name of the Tenant
    tenant: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// In which language; JSON has both, and OSCAL is English
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,
    /// Write into a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Leave out what the customer may not learn: a legal hold that is the provider's alone
    #[arg(long)]
    for_customer: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Oscal,
    Html,
}

/// `ja` or `en`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    Ja,
    En,
}

impl Report {
    pub async fn run(self) -> Result<(), Failure> {
        let client = self.connection.client().await?;
        let seen = Box::pin(look::look(&client, &self.tenant, self.for_customer)).await?;
        let (source, findings) = match &seen.published {
            Some(said) => (Source::Published, open_reports::findings(said)),
            None => (Source::Live, judge(&seen.world)),
        };
        let document = Document { tenant: self.tenant.clone(), at: seen.world.now, source, findings };
        let language = match self.lang {
            Lang::Ja => Language::Japanese,
            Lang::En => Language::English,
        };
        let pretty = |value| serde_json::to_string_pretty(value).map_err(|error| Failure::new(exit::INPUT, error));
        let text = match self.format {
            Format::Table => table(&document, language),
            Format::Json => pretty(&document.json())? + "\n",
            Format::Oscal => pretty(&oscal::assessment_results(&document))? + "\n",
            Format::Html => html::html(&document, language),
        };
        match &self.output {
            None => print(&text),
            Some(file) => write(file, text.as_bytes()),
        }
    }
}

/// Writes a file of this name, over what is there.
pub(super) fn write(file: &Path, content: &[u8]) -> Result<(), Failure> {
    std::fs::write(file, content).map_err(|error| Failure::new(exit::INPUT, format!("{}: {error}", file.display())))
}
