//! One real node: its containers, volumes, Services and NetworkPolicies are what they are elsewhere.
//!
//! The node has a network of its own (`tests/node/up.sh`), which this process is not in. A thread that enters it takes
//! what it starts along: the worker threads of a runtime, kubectl, helm.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use super::plane::Plane;

/// The node's address.
pub const ADDRESS: &str = "10.99.0.1";

/// A running node, and the plane it belongs to.
pub struct Node {
    pub plane: Plane,
    /// The first process of its namespaces.
    first: u32,
}

impl Node {
    /// The one of this test binary; started by the first test that asks.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Node> = OnceLock::new();
        SHARED.get_or_init(|| Self::of(Plane::of_a_node("node")))
    }

    /// One without kubelet and containers: the test plays its pods.
    pub fn bare(name: &str) -> Self {
        Self::of(Plane::of_a_bare_node(name))
    }

    fn of(plane: Plane) -> Self {
        let first = std::fs::read_to_string(plane.dir.join("pid/first")).expect("a process");
        Self { first: first.trim().parse().expect("a process id"), plane }
    }

    /// Does something in the node's network.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        enter(&self.network(), act)
    }

    /// The node's network.
    pub fn network(&self) -> File {
        open(&self.process().join("ns/net"))
    }

    /// A network that was made on the node under a name, by `ip netns add`.
    pub fn named_network(&self, name: &str) -> File {
        open(&self.process().join("root/run/netns").join(name))
    }

    /// What a command says that runs on the node, in all of its namespaces.
    pub fn command(&self, arguments: &[&str]) -> String {
        let output = Command::new(self.plane.dir.join("in")).args(arguments).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    }

    /// Makes an image known to the node, by this name too.
    pub fn import(&self, archive: &Path, name: &str, also: &str) {
        let archive = archive.to_str().expect("UTF-8");
        self.command(&["ctr", "-n", "k8s.io", "images", "import", archive]);
        self.command(&["ctr", "-n", "k8s.io", "images", "tag", "--force", name, also]);
    }

    /// `/proc` of a process on the node, as this process sees it.
    fn process(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.first))
    }

    /// What a process of the node has started and what has not ended yet; all by the node's own numbers.
    pub fn children(&self, parent: &str) -> Vec<String> {
        let proc = std::fs::read_dir(self.process().join("root/proc")).expect("the node's processes");
        let runs = |process: &String| {
            let status = std::fs::read_to_string(self.process().join("root/proc").join(process).join("status"));
            status
                .is_ok_and(|status| status.contains(&format!("\nPPid:\t{parent}\n")) && !status.contains("\nState:\tZ"))
        };
        proc.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).filter(runs).collect()
    }

    /// `/proc` of the process that a pod's first container runs.
    pub fn process_of(&self, namespace: &str, pod: &str) -> PathBuf {
        let container = self.container(namespace, pod);
        let tasks = self.command(&["ctr", "-n", "k8s.io", "tasks", "ls"]);
        let task = tasks.lines().find(|line| line.starts_with(&container)).expect("the container runs");
        let process = task.split_whitespace().nth(1).expect("a process id");
        self.process().join("root/proc").join(process)
    }

    fn container(&self, namespace: &str, pod: &str) -> String {
        let pod = self.object("pod", namespace, pod);
        let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().unwrap_or_default();
        id.trim_start_matches("containerd://").to_owned()
    }

    /// Ends the program of a pod's first container as if the kernel had.
    pub fn kill(&self, namespace: &str, pod: &str) {
        let container = self.container(namespace, pod);
        self.command(&["ctr", "-n", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", &container]);
    }

    /// Lets a pod's first container stand still, as a machine does that is out of memory, until [`Self::thaw`].
    pub fn freeze(&self, namespace: &str, pod: &str) {
        self.command(&["ctr", "-n", "k8s.io", "tasks", "pause", &self.container(namespace, pod)]);
    }

    /// Lets it go on.
    pub fn thaw(&self, namespace: &str, pod: &str) {
        self.command(&["ctr", "-n", "k8s.io", "tasks", "resume", &self.container(namespace, pod)]);
    }

    /// How long a pod's program has been running, to a hundredth of a second.
    pub fn age(&self, namespace: &str, pod: &str) -> SignedDuration {
        let read = |path: PathBuf| std::fs::read_to_string(path).expect("it runs");
        let stat = read(self.process_of(namespace, pod).join("stat"));
        let fields = stat.rsplit_once(") ").expect("a name in brackets").1;
        let ticks: i64 = fields.split(' ').nth(19).expect("a start").parse().expect("a number");
        let uptime = read("/proc/uptime".into());
        let uptime: f64 = uptime.split(' ').next().expect("a number").parse().expect("a number");
        SignedDuration::from_secs_f64(uptime) - SignedDuration::from_millis(ticks * 10)
    }

    /// Resident memory of a pod's program, in KiB.
    pub fn memory(&self, namespace: &str, pod: &str) -> u64 {
        let status = std::fs::read_to_string(self.process_of(namespace, pod).join("status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Opens a connection from inside a pod; an error of kind `ConnectionRefused` is an answer.
    pub fn connect(&self, namespace: &str, pod: &str, to: SocketAddr) -> io::Result<TcpStream> {
        let network = self.process_of(namespace, pod).join("ns/net");
        enter(&open(&network), || TcpStream::connect_timeout(&to, Duration::from_secs(5)))
    }

    /// An object as it is.
    pub fn object(&self, kind: &str, namespace: &str, name: &str) -> Value {
        let text = self.plane.kubectl(&["get", kind, name, "-n", namespace, "-o", "json"], None);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Objects as they are.
    pub fn objects(&self, kind: &str, namespace: &str, selector: &str) -> Vec<Value> {
        let text = self.plane.kubectl(&["get", kind, "-n", namespace, "-l", selector, "-o", "json"], None);
        let list: Value = serde_json::from_str(&text).expect("JSON");
        list["items"].as_array().cloned().unwrap_or_default()
    }
}

fn open(network: &Path) -> File {
    File::open(network).unwrap_or_else(|error| panic!("{}: {error}", network.display()))
}

/// Does something in this network, on a thread of its own, for a thread cannot be relied on to find its way back.
pub fn enter<T: Send>(network: &File, act: impl FnOnce() -> T + Send) -> T {
    let inside = || {
        go_to(network);
        act()
    };
    let ended = std::thread::scope(|scope| scope.spawn(inside).join());
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Moves the calling thread into this network.
pub fn go_to(network: &File) {
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).expect("the network");
}
