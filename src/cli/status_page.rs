//! `cloudfarm status-page`: published Notices as a page and a feed for any web server. Reads, and writes nothing but
//! files.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt};
use serde::Deserialize;

use super::connection::Connection;
use super::{Failure, exit, print, printable};
use crate::api::notice::{Line, Notice, Text};
use crate::install::NAMESPACE;
use crate::operator::clock::Clock;
use crate::render::{self, Document};
use crate::statuspage::{self, Made, Site, Told};

/// Notices in one answer of the API server.
const PAGE: u32 = 500;

#[derive(Debug, Args)]
#[command(after_help = "\
Shown is every Notice with web, but for those that the operator makes for one tenant. Whom a Notice is about is never shown. \
A Notice that was deleted is not on the next page; an incident is over once its window is.\n\
Run it once a minute or so. When the Notices cannot be read, nothing is written and the page stays as it was.\n\
From a cluster it needs list of notices, and get of the ConfigMaps that bodyRef names in the operator's namespace.")]
pub struct StatusPage {
    /// Folder to write index.html and feed.atom into; without it the page is printed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Manifests of Notices, and of the ConfigMaps of their bodyRef, or - for standard input; without it the cluster is
    /// asked
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kubeconfig", "context"])]
    notices: Option<PathBuf>,
    /// The operator's config file: its section mail has the provider's name, where questions go, and the page's address
    #[arg(long, env = "CLOUDFARM_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Namespace of the operator
    #[arg(long, env = "CLOUDFARM_LEASE_NAMESPACE", default_value = NAMESPACE)]
    namespace: String,
    #[command(flatten)]
    connection: Connection,
}

/// What the page needs of the config file; the rest may name files that are not where the page is made.
#[derive(Default, Deserialize)]
struct Config {
    #[serde(default)]
    mail: Mail,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    provider: Option<Line>,
    contact: Option<String>,
    status_page: Option<String>,
}

impl StatusPage {
    pub async fn run(self) -> Result<(), Failure> {
        let mail = self.config.as_deref().map(config).transpose()?.unwrap_or_default().mail;
        let told = match &self.notices {
            Some(file) => from_file(file, &self.namespace)?,
            None => from_cluster(&self.connection.client().await?, &self.namespace).await?,
        };
        let site = Site {
            provider: mail.provider,
            contact: mail.contact,
            address: mail.status_page,
            made_at: Clock::default().now(),
        };
        let made = statuspage::make(&told, &site);
        match &self.out {
            Some(folder) => put(folder, &made),
            None => print(&made.html),
        }
    }
}

fn input(what: &str, error: impl std::fmt::Display) -> Failure {
    Failure::new(exit::INPUT, printable(&format!("{what}: {error}")))
}

fn config(file: &Path) -> Result<Config, Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| input(&name, error))?;
    serde_saphyr::from_str(&text).map_err(|error| input(&name, error))
}

/// A Notice that people hand over has to be right; nothing is shown of a file that is half understood.
fn from_file(file: &Path, namespace: &str) -> Result<Vec<Told>, Failure> {
    let documents = render::read(std::slice::from_ref(&file.to_owned()));
    let documents = documents.map_err(|mistakes| Failure::new(exit::INPUT, printable(&mistakes.to_string())))?;
    let documents: Vec<Document> = documents.into_iter().flat_map(listed).collect();
    let texts: Vec<ConfigMap> = documents
        .iter()
        .filter(|document| document.kind() == "ConfigMap")
        .filter_map(|document| serde_json::from_value(document.value.clone()).ok())
        .filter(|map: &ConfigMap| map.metadata.namespace.as_deref().is_none_or(|within| within == namespace))
        .collect();
    let notices = documents.into_iter().filter(|document| document.kind() == "Notice");
    let read = notices.map(|document| {
        let notice: Notice = serde_json::from_value(document.value.clone()).map_err(|error| {
            Failure::new(exit::INPUT, printable(&document.mistake("", error.to_string()).to_string()))
        })?;
        let wanted = notice.spec.body_ref.as_ref().map(|body| body.name.as_str());
        let body = texts.iter().find(|map| map.metadata.name.as_deref() == wanted).and_then(text);
        Ok(told(notice, body))
    });
    read.collect()
}

/// What `kubectl get -o yaml` prints of several is one document.
fn listed(document: Document) -> Vec<Document> {
    let Some(items) = document.value["items"].as_array().filter(|_| document.kind().ends_with("List")) else {
        return vec![document];
    };
    items.iter().map(|item| Document { file: document.file.clone(), value: item.clone() }).collect()
}

/// One Notice that cannot be read must not keep the others from people: it is named and left out.
async fn from_cluster(client: &Client, namespace: &str) -> Result<Vec<Told>, Failure> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::erase::<Notice>(&()));
    let mut found = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let mut asked = ListParams::default().limit(PAGE);
        asked.continue_token = next.take();
        let list = api.list(&asked).await.map_err(|error| unread("notices", &error))?;
        for object in list.items {
            found.extend(read_one(client, namespace, object).await?);
        }
        next = list.metadata.continue_.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(found);
        }
    }
}

async fn read_one(client: &Client, namespace: &str, object: DynamicObject) -> Result<Option<Told>, Failure> {
    let name = object.name_any();
    let notice: Notice = match object.try_parse() {
        Ok(notice) => notice,
        Err(error) => {
            eprintln!("cloudfarm: Notice {}: left out: {}", printable(&name), printable(&error.to_string()));
            return Ok(None);
        }
    };
    // A text that nobody will see is not asked for.
    let wanted = notice.spec.body_ref.as_ref().filter(|_| statuspage::is_published(&notice));
    let Some(wanted) = wanted else { return Ok(Some(told(notice, None))) };
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let what = format!("ConfigMap {namespace}/{} of Notice {name}", wanted.name);
    let map = maps.get_opt(&wanted.name).await.map_err(|error| unread(&what, &error))?;
    let body = map.as_ref().and_then(text);
    if body.is_none() {
        eprintln!("cloudfarm: {}: has no ja and en; the notice is shown without it", printable(&what));
    }
    Ok(Some(told(notice, body)))
}

fn unread(what: &str, error: &kube::Error) -> Failure {
    Failure::new(exit::CLUSTER, printable(&format!("{what}: {error}; nothing was written")))
}

fn told(notice: Notice, referred: Option<Text>) -> Told {
    Told { body: notice.spec.body.clone().or(referred), notice }
}

fn text(map: &ConfigMap) -> Option<Text> {
    let data = map.data.as_ref()?;
    Some(Text { ja: data.get("ja")?.clone(), en: data.get("en")?.clone() })
}

/// Whoever fetches a file meanwhile gets the old one or the new one, whole. The feed leads to the page, so it comes
/// after.
fn put(folder: &Path, made: &Made) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| input(&folder.display().to_string(), error))?;
    for (name, text) in [("index.html", &made.html), ("feed.atom", &made.feed)] {
        let file = folder.join(name);
        whole(&file, text).map_err(|error| input(&file.display().to_string(), error))?;
    }
    Ok(())
}

fn whole(file: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = file.with_extension(format!("unfinished-{}", std::process::id()));
    let written = std::fs::File::create(&unfinished).and_then(|mut handle| {
        handle.write_all(text.as_bytes())?;
        handle.sync_all()
    });
    let placed = written.and_then(|()| std::fs::rename(&unfinished, file));
    if placed.is_err() {
        // What is left of a failed attempt; that it cannot be removed either is told by the attempt's own error.
        let _ = std::fs::remove_file(&unfinished);
    }
    placed
}
