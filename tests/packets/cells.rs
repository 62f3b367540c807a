//! The matrix: everybody to everybody, each port, both protocols, both families; and three opinions on each cell.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde_json::Value;

use super::bed::Bed;
use super::evaluator::{Declared, End};
use super::places::{PORTS, Place};
use super::probing::{Answer, Try, ask};
use super::support::oracle::{self, Endpoint, Flow};

/// One try from one place to another.
#[derive(Clone)]
pub struct Cell {
    pub from: Arc<Place>,
    pub source: IpAddr,
    pub to: Arc<Place>,
    pub target: IpAddr,
    pub protocol: &'static str,
    pub port: u16,
    /// What is dialed instead of the target: a Service that leads to it.
    pub by: Option<SocketAddr>,
    /// Says the other end something? The API server waits for its caller to begin.
    pub is_answered: bool,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.target.is_ipv4() { "IPv4" } else { "IPv6" };
        write!(f, "{} -> {} {} {} {family}", self.from.name, self.to.name, self.protocol, self.port)?;
        self.by.map_or(Ok(()), |by| write!(f, " by {by}"))
    }
}

impl Cell {
    /// From one place to another, between the addresses of this one's family.
    pub fn between(
        from: &Arc<Place>,
        source: IpAddr,
        to: &Arc<Place>,
        protocol: &'static str,
        port: u16,
    ) -> Option<Self> {
        let target = to.address(source)?;
        Some(Self { from: from.clone(), source, to: to.clone(), target, protocol, port, by: None, is_answered: true })
    }

    /// Does the evaluator let it pass?
    pub fn expected(&self, declared: &Declared) -> bool {
        let (from, to) = self.ends();
        declared.passes(&from, &to, self.protocol, self.port)
    }

    pub fn ends(&self) -> (End, End) {
        let end = |place: &Place, ip| End { who: place.who.clone(), ip };
        (end(&self.from, self.source), end(&self.to, self.target))
    }

    pub fn to_try(&self) -> Try<'_> {
        Try {
            from: &self.from,
            source: self.source,
            to: self.by.unwrap_or(SocketAddr::new(self.target, self.port)),
            protocol: self.protocol,
            is_answered: self.is_answered,
        }
    }

    /// Open means: answered by the right pod, which saw the true source.
    pub fn is_right(&self, answer: &Answer, open: bool) -> bool {
        match answer {
            Answer::Open(_) if !self.is_answered => open,
            Answer::Open(said) => open && *said == format!("{} {} {}", self.to.name, self.port, self.source),
            Answer::Refused => !open,
            Answer::Odd(_) => false,
        }
    }
}

/// Every cell between two of these places, one of them a pod at least. What starts on the node is no part of it: a
/// NetworkPolicy does not speak about that.
pub fn cells(places: &[&Arc<Place>]) -> Vec<Cell> {
    let is_pod = |place: &Place| place.name.contains('/');
    let pairs = places.iter().flat_map(|from| places.iter().map(move |to| (*from, *to)));
    let pairs = pairs.filter(|(from, to)| from.name != to.name && from.name != "node" && (is_pod(from) || is_pod(to)));
    let mut all = Vec::new();
    for (from, to) in pairs {
        for source in from.addresses.iter().copied() {
            for protocol in ["TCP", "UDP"] {
                all.extend(PORTS.iter().filter_map(|port| Cell::between(from, source, to, protocol, *port)));
            }
        }
    }
    all
}

/// What every pod may try besides: the API server by its own and its Service's address, and Services that lead to a VM.
pub fn services(bed: &Bed) -> Vec<Cell> {
    let mut all = Vec::new();
    for from in bed.places.values().filter(|place| place.name != "node") {
        let tcp = |to, port| Cell::between(from, from.addresses[0], to, "TCP", port).expect("IPv4");
        if from.name.contains('/') {
            for (server, port) in &bed.api_servers {
                all.push(Cell { is_answered: false, ..tcp(server, *port) });
            }
        }
        let web = &bed.places["cf-acme/web-1"];
        // From outside a Service's own address is translated, so that the answer tells another source.
        let by = bed.exposed.iter().filter(|by| from.name.contains('/') || by.port() >= 30_000);
        all.extend(by.filter(|_| from.name != web.name).map(|by| Cell { by: Some(*by), ..tcp(web, 443) }));
    }
    all
}

/// What packets say about each cell.
pub fn observe(cells: &[Cell]) -> Vec<Answer> {
    ask(&cells.iter().map(Cell::to_try).collect::<Vec<_>>())
}

/// What cyclonus says about each cell, by the policies, pods and namespaces that stand in the API server.
pub fn judge(bed: &Bed, cells: &[Cell]) -> Vec<bool> {
    let (pods, namespaces) = (bed.all("pods"), bed.all("namespaces"));
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let labels = |object: &Value| match &object["metadata"]["labels"] {
        Value::Null => Value::Object(serde_json::Map::new()),
        labels => labels.clone(),
    };
    let endpoint = |place: &Place, ip: IpAddr| {
        let Some((namespace, pod)) = place.name.split_once('/') else { return Endpoint::outside(&place.name, ip) };
        let of = |each: &&Value| each["metadata"]["namespace"] == namespace && name(each) == pod;
        let pod = pods.iter().find(of).unwrap_or_else(|| panic!("{} is no pod", place.name));
        let home = namespaces.iter().find(|each| name(each) == namespace).expect("its namespace");
        Endpoint::pod(&place.name, ip, namespace, &labels(home), &labels(pod))
    };
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let mut known = |place: &Place, ip: IpAddr| {
        let endpoint_name = format!("{} ({ip})", place.name);
        if !endpoints.iter().any(|each| each.name == endpoint_name) {
            endpoints.push(endpoint(place, ip));
        }
        endpoint_name
    };
    let flows: Vec<Flow> = cells
        .iter()
        .map(|cell| Flow {
            from: known(&cell.from, cell.source),
            to: known(&cell.to, cell.target),
            port: cell.port,
            protocol: cell.protocol.to_owned(),
        })
        .collect();
    oracle::ask(&bed.all("networkpolicies"), &endpoints, &flows)
}

/// Cells where packets or cyclonus differ from what was declared, each with the three opinions.
pub fn differences(cells: &[Cell], expected: &[bool], observed: &[Answer], judged: &[bool]) -> Vec<String> {
    let word = |open: bool| if open { "open" } else { "closed" };
    let opinions = expected.iter().zip(observed).zip(judged);
    let differs = cells
        .iter()
        .zip(opinions)
        .filter(|(cell, ((expected, observed), judged))| !cell.is_right(observed, **expected) || expected != judged);
    differs
        .map(|(cell, ((expected, observed), judged))| {
            format!("{cell}: declared {}, packets {observed:?}, cyclonus {}", word(*expected), word(*judged))
        })
        .collect()
}

/// The first of many.
pub fn told(differences: &[String]) -> String {
    let some: Vec<&str> = differences.iter().take(40).map(String::as_str).collect();
    format!("{} cells differ:\n{}", differences.len(), some.join("\n"))
}
