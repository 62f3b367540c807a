//! `cloudfarm authentication`: the API server's AuthenticationConfiguration, by what Tenants say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use kube::Api;
use kube::api::ListParams;

use super::connection::Connection;
use super::{Failure, exit, print, printable};
use crate::api::tenant::Tenant;
use crate::install::authentication::{SignIn, sign_in};
use crate::render;

#[derive(Debug, Args)]
#[command(after_help = "\
Give what is printed to every kube-apiserver as --authentication-config; it notices a later change of the file by itself. \
The comment at its head belongs into the operator's config, which cannot read the API server's.")]
pub struct Authentication {
    /// A manifest, a folder of manifests, or - for standard input; may be given several times. Without it the Tenants of
    /// the cluster are asked
    #[arg(short = 'f', long = "filename", num_args = 1..)]
    files: Vec<PathBuf>,
    /// Certificates (PEM) that vouch for an issuer which no public authority knows; may be given several times
    #[arg(long, value_name = "ISSUER=FILE", value_parser = authority)]
    certificate_authority: Vec<(String, PathBuf)>,
    #[command(flatten)]
    connection: Connection,
}

fn authority(text: &str) -> Result<(String, PathBuf), String> {
    let (issuer, file) = text.rsplit_once('=').ok_or("write ISSUER=FILE, such as https://id.example=ca.pem")?;
    Ok((issuer.to_owned(), file.into()))
}

impl Authentication {
    pub async fn run(self) -> Result<(), Failure> {
        let input = |message: String| Failure::new(exit::INPUT, printable(&message));
        let mut authorities = BTreeMap::new();
        for (issuer, file) in &self.certificate_authority {
            let pem = std::fs::read_to_string(file).map_err(|error| input(format!("{}: {error}", file.display())))?;
            authorities.insert(issuer.clone(), pem);
        }
        let tenants = if self.files.is_empty() { self.of_the_cluster().await? } else { self.of_files()? };
        let SignIn { configuration, operator, remarks } =
            sign_in(&tenants, &authorities).map_err(|faults| Failure::new(exit::INPUT, told(&faults)))?;
        for remark in &remarks {
            eprintln!("cloudfarm: {}", printable(remark));
        }
        let yaml = |value| serde_saphyr::to_string(value).map_err(|error| Failure::new(exit::INPUT, error));
        let told = yaml(&operator)?;
        let head: Vec<String> = told.lines().map(|line| format!("# {line}\n")).collect();
        print(&format!("# For the operator's config:\n{}{}", head.concat(), yaml(&configuration)?))
    }

    fn of_files(&self) -> Result<Vec<Tenant>, Failure> {
        let documents = render::read(&self.files).map_err(|error| Failure::new(exit::INPUT, error))?;
        let mut tenants = Vec::new();
        for document in documents.iter().filter(|document| document.kind() == "Tenant") {
            let mistakes: Vec<String> = render::check(document).iter().map(ToString::to_string).collect();
            if !mistakes.is_empty() {
                return Err(Failure::new(exit::INPUT, told(&mistakes)));
            }
            let tenant = serde_json::from_value(document.value.clone())
                .map_err(|error| Failure::new(exit::INPUT, format!("{document}: {error}")))?;
            tenants.push(tenant);
        }
        Ok(tenants)
    }

    async fn of_the_cluster(&self) -> Result<Vec<Tenant>, Failure> {
        let tenants: Api<Tenant> = Api::all(self.connection.client().await?);
        let all = tenants.list(&ListParams::default()).await;
        Ok(all.map_err(|error| Failure::new(exit::CLUSTER, format!("Tenants: {error}")))?.items)
    }
}

fn told(faults: &[String]) -> String {
    faults.iter().map(|fault| printable(fault)).collect::<Vec<_>>().join("\n")
}
