//! What the API server wrote down about the operator and about purge runs: the only witness of the calls they make.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::eventually;
use super::plane::Plane;

/// Where the API server says which token was used.
pub const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";

/// One call of the operator, or of a purge run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub verb: String,
    /// `networkpolicies`, or `tenants/status`.
    pub resource: String,
    pub namespace: String,
    pub name: String,
    pub code: i64,
    /// When it reached the API server.
    pub received: Timestamp,
    /// Which token made it: replicas share an identity, not a token.
    pub credential: String,
    /// What was sent, where the audit policy keeps it: for our own kinds.
    pub body: Value,
}

/// A place in the audit log.
pub struct Mark {
    offset: u64,
}

impl Call {
    pub fn writes(&self) -> bool {
        ["create", "update", "patch", "delete", "deletecollection"].contains(&self.verb.as_str())
    }

    pub fn creates(&self) -> bool {
        self.writes() && self.code == 201
    }

    pub fn deletes(&self) -> bool {
        self.verb == "delete" && self.code < 300
    }

    fn is_housekeeping(&self) -> bool {
        // Not those that keep VLAN ids.
        self.resource == "leases" && !self.name.starts_with("vlan-") || self.resource == "events"
    }
}

impl Mark {
    /// Everything that is written from here on.
    pub fn now(plane: &Plane) -> Self {
        let size = std::fs::metadata(plane.dir.join("audit.log")).map_or(0, |file| file.len());
        Self { offset: size }
    }

    /// Calls of the operator's identity since the mark, without watches, leases and Events.
    pub async fn calls(&self, plane: &Plane) -> Vec<Call> {
        self.calls_of(plane, cloudfarm::install::OPERATOR).await
    }

    /// The same of purge runs.
    pub async fn purge_calls(&self, plane: &Plane) -> Vec<Call> {
        self.calls_of(plane, cloudfarm::install::PURGE).await
    }

    /// Waits until a write with this token is in the log.
    pub async fn some_write(&self, plane: &Plane, credential: &str) {
        eventually("a write of this replica", || async {
            self.lines(plane, credential)
                .iter()
                .map(call)
                .any(|call| call.writes() && !call.is_housekeeping())
                .then_some(())
        })
        .await;
    }

    /// Events that the operator told or tried to tell since the mark, also those that were there already.
    pub async fn events(&self, plane: &Plane) -> Vec<Call> {
        self.flushed(plane).await;
        let lines = self.lines(plane, cloudfarm::install::OPERATOR);
        let calls = lines.iter().filter(|line| line["user"]["username"] == cloudfarm::install::OPERATOR).map(call);
        calls.filter(|call| call.resource == "events" && call.writes()).collect()
    }

    /// Every write by anybody about a tenant's declarations and what was made of them, with in whose name; not those that
    /// were only tried (`dryRun`). The control plane's own controllers are not in the log.
    pub async fn writes_about(&self, plane: &Plane, tenant: &str) -> Vec<(String, Call)> {
        self.flushed(plane).await;
        let of_tenant = |call: &Call| {
            let homes = [format!("cf-{tenant}"), format!("cfd-{tenant}")];
            call.name == tenant || homes.contains(&call.name) || homes.contains(&call.namespace)
        };
        let lines = self.lines(plane, tenant);
        let real = lines.iter().filter(|line| {
            let tried = line["requestURI"].as_str().is_some_and(|uri| uri.contains("dryRun="));
            !tried && line["objectRef"]["apiGroup"] != "kustomize.toolkit.fluxcd.io"
        });
        let writes = real.map(|line| (in_the_name_of(line), call(line)));
        writes.filter(|(_, call)| call.writes() && !call.is_housekeeping() && of_tenant(call)).collect()
    }

    async fn calls_of(&self, plane: &Plane, user: &str) -> Vec<Call> {
        self.flushed(plane).await;
        self.lines(plane, user)
            .iter()
            .filter(|line| line["user"]["username"] == user)
            .map(call)
            .filter(|call| call.verb != "watch" && !call.is_housekeeping())
            .collect()
    }

    /// Waits until a call made now can be read in the log, so that everything before it can, too.
    async fn flushed(&self, plane: &Plane) {
        let marker = format!("audit-marker-{}", rand());
        plane.try_kubectl(&["get", "configmap", &marker, "-n", "default"], None);
        eventually("the audit log to be written", || async {
            self.lines(plane, &marker).iter().any(|line| line["objectRef"]["name"] == marker.as_str()).then_some(())
        })
        .await;
    }

    /// The lines with this word in them; there may be very many others.
    fn lines(&self, plane: &Plane, word: &str) -> Vec<Value> {
        let mut text = String::new();
        let mut file = std::fs::File::open(plane.dir.join("audit.log")).expect("audit log");
        file.seek(SeekFrom::Start(self.offset)).expect("seek");
        file.read_to_string(&mut text).expect("audit log is text");
        // The last line may be half written.
        let lines = text.lines().filter(|line| line.contains(word));
        // Of a door into a VM the begin is there, too: one call is one line.
        let over = |line: &Value| line["stage"] != "RequestReceived";
        lines.filter_map(|line| serde_json::from_str(line).ok()).filter(over).collect()
    }
}

fn in_the_name_of(line: &Value) -> String {
    let acted = line["impersonatedUser"]["username"].as_str().or(line["user"]["username"].as_str());
    acted.unwrap_or_default().to_owned()
}

fn call(line: &Value) -> Call {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let target = &line["objectRef"];
    let subresource = text(&target["subresource"]);
    let resource = text(&target["resource"]);
    Call {
        verb: text(&line["verb"]),
        resource: if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") },
        namespace: text(&target["namespace"]),
        name: text(&target["name"]),
        code: line["responseStatus"]["code"].as_i64().unwrap_or_default(),
        received: text(&line["requestReceivedTimestamp"]).parse().expect("a time"),
        credential: text(&line["user"]["extra"][CREDENTIAL][0]),
        body: line["requestObject"].clone(),
    }
}

/// How often each object was created and deleted.
pub fn births_and_deaths(calls: &[Call], tenant: &str) -> BTreeMap<String, (usize, usize)> {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.creates() || call.deletes()) {
        let object = format!("{} {}/{}", call.resource, call.namespace, call.name).replace(tenant, "<tenant>");
        let count = counts.entry(object).or_default();
        count.0 += usize::from(call.creates());
        count.1 += usize::from(call.deletes());
    }
    counts
}

fn rand() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}
