//! The pod that calls: tries every flow, round after round, and reports what it found.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Client};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, sleep, timeout};

use super::flows::{FLOWS, Flow, Pod, Protocol};
use super::report::Report;
use crate::cluster::probe::Reporter;
use crate::cluster::write::WriteError;
use crate::operator::clock::Clock;

/// Longest that one flow is waited for. A refusal may be noticed only when the first packet is sent again, after 1 s.
const PATIENCE: Duration = Duration::from_secs(3);

/// A plugin needs some time for a new pod. What is not as expected is looked at again for so long before it is reported.
const SETTLING: Duration = Duration::from_secs(30);

/// Between two looks within [`SETTLING`].
const BETWEEN: Duration = Duration::from_secs(2);

/// Calls, and reports.
pub struct Caller {
    client: Client,
    reporter: Reporter,
    clock: Clock,
    node: String,
    interval: Duration,
}

impl Caller {
    /// `interval` is the time between two rounds.
    #[must_use]
    pub fn new(client: Client, clock: Clock, node: String, interval: Duration) -> Self {
        Self { reporter: Reporter::new(client.clone()), client, clock, node, interval }
    }

    /// Round after round, until the task is dropped.
    pub async fn run(&self) {
        let mut written: Option<Report> = None;
        loop {
            match self.settled().await {
                Err(error) => tracing::warn!(%error, "the addresses to call cannot be read; nothing was measured"),
                Ok(report) => {
                    tracing::info!(allowed = report.allowed, denied = report.denied, unexpected = ?report.unexpected, "round");
                    self.report(report, &mut written).await;
                }
            }
            sleep(self.interval).await;
        }
    }

    async fn report(&self, report: Report, written: &mut Option<Report>) {
        if !report.is_due(written.as_ref()) {
            return;
        }
        match self.reporter.report(&report).await {
            Ok(()) => *written = Some(report),
            Err(error) => tracing::warn!(%error, "the report could not be written; the next round tries again"),
        }
    }

    /// One look, or as many as it takes until all is as expected or the time to settle is over.
    async fn settled(&self) -> Result<Report, WriteError> {
        let until = Instant::now() + SETTLING;
        loop {
            let report = self.round(self.clock.now()).await?;
            if report.otherwise == 0 || Instant::now() >= until {
                return Ok(report);
            }
            sleep(BETWEEN).await;
        }
    }

    async fn round(&self, at: Timestamp) -> Result<Report, WriteError> {
        let mut tried = Vec::new();
        for pod in Pod::ALL {
            for address in self.addresses(pod).await? {
                tried.extend(FLOWS.iter().filter(|flow| flow.to == pod).map(|flow| (flow, address)));
            }
        }
        let found = join_all(tried.into_iter().map(|(flow, address)| judged(flow, address))).await;
        Ok(Report::of(at, &self.node, &found))
    }

    /// The Service's addresses, one of each family that the cluster has: DNS is closed here, and reading Services by name is
    /// less than reading pods.
    async fn addresses(&self, pod: Pod) -> Result<Vec<IpAddr>, WriteError> {
        let (namespace, name) = pod.place();
        let service = Api::<Service>::namespaced(self.client.clone(), namespace).get(name).await;
        let service = service.map_err(crate::cluster::write::classify)?;
        let addresses = service.spec.and_then(|spec| spec.cluster_ips).unwrap_or_default();
        Ok(addresses.iter().filter_map(|address| address.parse().ok()).collect())
    }
}

/// Was it open, and what is to be told when that is not as it should be?
async fn judged(flow: &Flow, address: IpAddr) -> (bool, Option<String>) {
    let to = SocketAddr::new(address, flow.port);
    let open = match flow.protocol {
        Protocol::Tcp => tcp(to).await,
        Protocol::Udp => udp(to).await,
    };
    (open, (open != flow.open).then(|| flow.told(address)))
}

/// Something is heard from the other side: a connection alone may be somebody's in between.
async fn tcp(to: SocketAddr) -> bool {
    let heard = async {
        let stream = TcpStream::connect(to).await?;
        stream.readable().await?;
        stream.try_read(&mut [0; 64])
    };
    matches!(timeout(PATIENCE, heard).await, Ok(Ok(1..)))
}

/// The answer comes back to one of three packets: one alone may be lost.
async fn udp(to: SocketAddr) -> bool {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let asked = async {
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(to).await?;
        for _ in 0..3 {
            // A refusal of the packet before is told here; the next one tries again.
            let _ = socket.send(b"?").await;
            if let Ok(Ok(length)) = timeout(PATIENCE / 3, socket.recv(&mut [0; 64])).await {
                return Ok(length > 0);
            }
        }
        Ok::<bool, std::io::Error>(false)
    };
    matches!(asked.await, Ok(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::listen::listen;

    /// A port of this machine that nobody listens on.
    fn free(protocol: Protocol) -> u16 {
        let address = match protocol {
            Protocol::Tcp => std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr(),
            Protocol::Udp => std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr(),
        };
        address.unwrap().port()
    }

    #[tokio::test]
    async fn what_a_listener_answers_is_open_and_where_nobody_listens_is_closed() {
        let (tcp_port, udp_port) = (free(Protocol::Tcp), free(Protocol::Udp));
        let local = |port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        assert!(!tcp(local(tcp_port)).await && !udp(local(udp_port)).await, "nobody listens yet");
        let listening = tokio::spawn(async move { listen(&[tcp_port], &[udp_port]).await });
        let deadline = Instant::now() + Duration::from_secs(30);
        while !(tcp(local(tcp_port)).await && udp(local(udp_port)).await) {
            assert!(!listening.is_finished() && Instant::now() < deadline, "the listener never answered");
        }
        listening.abort();
    }
}
