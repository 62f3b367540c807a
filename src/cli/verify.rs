//! `cloudfarm verify`: are these certificates what was signed, and is none missing? Needs no cluster.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::{Failure, exit, print, printable};
use crate::evidence::chain::{self, Fault, Verified};
use crate::evidence::signing::PublicKey;

/// The key of a ConfigMap's data under which a certificate is kept.
const KEY: &str = "certificate.json";

#[derive(Debug, Args)]
pub struct Verify {
    /// A signed certificate, what kubectl get configmap -o yaml or -o json prints of one or of several, or - for
    /// standard input; the certificates of one chain, in any order
    #[arg(required = true, value_name = "CERT")]
    certificates: Vec<PathBuf>,
    /// The public key all of them have to be signed with, as openssl pkey -pubout writes it
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
}

type Document = (String, Vec<u8>);

impl Verify {
    pub fn run(&self) -> Result<(), Failure> {
        let trusted = self.public_key.as_deref().map(public_key).transpose().map_err(input)?;
        let (documents, unread) = read_all(&self.certificates);
        let judged = if documents.is_empty() { Err(Vec::new()) } else { chain::verify(&documents, trusted.as_ref()) };
        match judged {
            Ok(report) if unread.is_empty() => {
                for remark in &report.remarks {
                    eprintln!("cloudfarm: {}", printable(remark));
                }
                print(&report.certificates.iter().map(line).collect::<String>())
            }
            judged => Err(input(all_faults(unread, &judged.err().unwrap_or_default()))),
        }
    }
}

fn input(message: String) -> Failure {
    Failure::new(exit::INPUT, message)
}

fn all_faults(unread: Vec<String>, faults: &[Fault]) -> String {
    let judged = faults.iter().map(|fault| printable(&fault.to_string()));
    unread.into_iter().chain(judged).collect::<Vec<_>>().join("\n")
}

fn line(verified: &Verified) -> String {
    let certificate = &verified.certificate;
    let bytes: u128 = certificate.objects.iter().filter_map(|object| object.bytes).map(u128::from).sum();
    let line = format!(
        "{} tenant {}, retention {}: {} objects, {bytes} bytes, completed {}, key {}",
        certificate.sequence,
        certificate.tenant,
        certificate.retention_uid,
        certificate.objects.len(),
        certificate.completed_at,
        verified.key_id
    );
    printable(&line) + "\n"
}

fn public_key(file: &Path) -> Result<PublicKey, String> {
    let name = file.display();
    let pem = std::fs::read(file).map_err(|error| format!("{name}: {error}"))?;
    PublicKey::from_pem(&pem).map_err(|error| format!("{name} {error}"))
}

fn read_all(files: &[PathBuf]) -> (Vec<Document>, Vec<String>) {
    let mut documents = Vec::new();
    let mut unread = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let found = content(file).map_err(|error| format!("{name}: {error}"));
        match found.and_then(|content| documents_in(&name, content)) {
            Ok(found) => documents.extend(found),
            Err(error) => unread.push(error),
        }
    }
    (documents, unread)
}

fn content(file: &Path) -> std::io::Result<Vec<u8>> {
    if file != Path::new("-") {
        return std::fs::read(file);
    }
    let mut content = Vec::new();
    std::io::stdin().read_to_end(&mut content)?;
    Ok(content)
}

/// What is no object of Kubernetes is taken as a signed document, and judged byte by byte as that.
fn documents_in(file: &str, content: Vec<u8>) -> Result<Vec<Document>, String> {
    let Some(object) = kubernetes_object(&content) else { return Ok(vec![(file.to_owned(), content)]) };
    let Some(items) = object["items"].as_array() else {
        return Ok(vec![(file.to_owned(), certificate_in(file, &object)?)]);
    };
    if items.is_empty() {
        return Err(format!("{file}: items: is empty; select the ConfigMaps that hold certificates"));
    }
    let name = |item: &Value| format!("{file} {}", item["metadata"]["name"].as_str().unwrap_or_default());
    items.iter().map(|item| Ok((name(item), certificate_in(&name(item), item)?))).collect()
}

fn kubernetes_object(content: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(content).ok()?;
    serde_saphyr::from_str::<Value>(text).ok().filter(|value| value["kind"].is_string())
}

fn certificate_in(name: &str, object: &Value) -> Result<Vec<u8>, String> {
    let certificate = object["data"][KEY].as_str().map(|text| text.as_bytes().to_vec());
    certificate.ok_or_else(|| {
        let kind = object["kind"].as_str().unwrap_or_default();
        printable(&format!("{name}: data[{KEY:?}]: is not in this {kind}; give a ConfigMap that holds a certificate"))
    })
}
