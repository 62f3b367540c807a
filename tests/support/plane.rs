//! A real control plane for one test binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cloudfarm::install::OPERATOR_ACCOUNT;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// A running control plane with our CRDs, roles and policies.
pub struct Plane {
    pub dir: PathBuf,
    /// The script that stops it.
    down: &'static str,
}

impl Plane {
    /// The plane of this test binary, with all neighbours' CRDs; started by the first test that asks.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Plane> = OnceLock::new();
        SHARED.get_or_init(|| Self::start("shared", None))
    }

    /// A plane of its own. `crds` as in up.sh: `Some("none")` for a cluster without any neighbour.
    pub fn start(name: &str, crds: Option<&str>) -> Self {
        let plane = Self::with_our_crds_alone(name, crds);
        plane.install_our_manifests();
        plane
    }

    /// Roles, identities and policies: what is installed beside the CRDs.
    pub fn install_our_manifests(&self) {
        let mut manifests = cloudfarm::install::manifests();
        manifests.extend(cloudfarm::install::by_config(&super::operator::config()));
        let manifests: Vec<String> = manifests.iter().map(|manifest| format!("---\n{manifest}\n")).collect();
        self.kubectl(&["apply", "--server-side", "--field-manager=test-install", "-f", "-"], Some(&manifests.concat()));
    }

    /// A plane with our CRDs and without roles and policies, where the CRDs' own rules can be judged: an administrator
    /// may write there what only the operator or a purge run writes elsewhere.
    pub fn with_our_crds_alone(name: &str, crds: Option<&str>) -> Self {
        let plane = Self::with_nothing_of_ours(name, crds);
        plane.install_our_crds();
        plane
    }

    /// Our CRDs, until the API server serves their kinds.
    pub fn install_our_crds(&self) {
        self.kubectl(&["apply", "--server-side", "--field-manager=test-install", "-f", "crds"], None);
        self.our_crds_established();
    }

    /// A plane as [`Plane::start`] makes it, whose API server takes tokens by this AuthenticationConfiguration.
    pub fn signing_in(name: &str, authentication: &Path) -> Self {
        let file = authentication.to_str().expect("a path of this checkout");
        let plane = Self::up(name, &["--authentication", file]);
        plane.install_our_crds();
        plane.install_our_manifests();
        plane
    }

    /// A plane as a newcomer has it, before anything is installed.
    pub fn with_nothing_of_ours(name: &str, crds: Option<&str>) -> Self {
        match crds {
            Some(crds) => Self::up(name, &["--crds", crds]),
            None => Self::up(name, &[]),
        }
    }

    fn up(name: &str, options: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dir = root.join(format!("target/test-planes/{name}-{}", std::process::id()));
        let mut up = Command::new(root.join("tests/controlplane/up.sh"));
        up.arg(&dir).args(["--owner", &std::process::id().to_string()]).args(options);
        run(&mut up);
        Self { dir, down: "tests/controlplane/down.sh" }
    }

    /// Waits until the API server serves our kinds.
    pub fn our_crds_established(&self) {
        let crds = ["crd/tenants.cloudfarm.dev", "crd/tenantnetworks.cloudfarm.dev", "crd/retentions.cloudfarm.dev"];
        // `kubectl wait` gives up on a CRD that has no conditions yet.
        let wait = [&["wait", "--for=condition=Established"], &crds[..]].concat();
        let established = (0..20).any(|_| self.try_kubectl(&wait, None).0);
        assert!(established, "kubectl {}: {}", wait.join(" "), self.try_kubectl(&wait, None).1);
    }

    /// A plane with one real node (`tests/node/`), with nothing of ours in it. Only who is in the node's network reaches
    /// it: see [`super::node::Node`].
    pub fn of_a_node(name: &str) -> Self {
        Self::of_this_node(name, &[])
    }

    /// The same with a node whose pods the test plays, and with the CRDs of KubeVirt and CDI.
    pub fn of_a_bare_node(name: &str) -> Self {
        Self::of_this_node(name, &["--bare"])
    }

    fn of_this_node(name: &str, options: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dir = root.join(format!("target/test-planes/{name}-{}", std::process::id()));
        let owner = std::process::id().to_string();
        run(Command::new(root.join("tests/node/up.sh")).arg(&dir).args(["--owner", &owner]).args(options));
        Self { dir, down: "tests/node/down.sh" }
    }

    /// Installs a neighbour's CRDs later.
    pub fn install(&self, set: &str) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        run(Command::new(root.join("tests/controlplane/crds.sh")).arg(&self.dir).arg(set));
    }

    /// KubeVirt's own virt-api and virt-controller in the place of the stand-in for VMs.
    pub fn run_kubevirt(&self) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        run(Command::new(root.join("tests/controlplane/kubevirt.sh")).arg(&self.dir));
    }

    /// Sends a signal to one of the plane's servers.
    pub fn signal(&self, server: &str, signal: &str) {
        let pid = std::fs::read_to_string(self.dir.join("pid").join(server)).expect("a running server");
        run(Command::new("kill").args([signal, pid.trim()]));
    }

    /// Waits until a server that was told to end has done so.
    pub async fn ended(&self, server: &str) {
        let pid = std::fs::read_to_string(self.dir.join("pid").join(server)).expect("a server that ran");
        let program = PathBuf::from(format!("/proc/{}/exe", pid.trim()));
        super::eventually(&format!("{server} to end"), || async { program.read_link().is_err().then_some(()) }).await;
    }

    /// Starts again what has ended.
    pub fn up_again(&self) {
        run(Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/controlplane/up.sh")).arg(&self.dir));
    }

    /// kubectl as cluster administrator; panics with its words when it fails.
    pub fn kubectl(&self, arguments: &[&str], stdin: Option<&str>) -> String {
        let (ok, said) = self.try_kubectl(arguments, stdin);
        assert!(ok, "kubectl {}: {said}", arguments.join(" "));
        said
    }

    /// kubectl as cluster administrator: whether it succeeded, and what it said.
    pub fn try_kubectl(&self, arguments: &[&str], stdin: Option<&str>) -> (bool, String) {
        self.try_kubectl_with(&self.dir.join("kubeconfig"), arguments, stdin)
    }

    /// kubectl with another kubeconfig: whether it succeeded, and what it said.
    pub fn try_kubectl_with(&self, kubeconfig: &Path, arguments: &[&str], stdin: Option<&str>) -> (bool, String) {
        let mut command = Command::new(self.dir.join("bin/kubectl"));
        command.args(arguments).env("KUBECONFIG", kubeconfig).current_dir(env!("CARGO_MANIFEST_DIR"));
        let (ok, output, complaint) = super::command::run(&mut command, stdin.unwrap_or_default());
        (ok, output + &complaint)
    }

    /// A client's config as cluster administrator.
    pub async fn config(&self) -> Config {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let kubeconfig = Kubeconfig::read_from(self.dir.join("kubeconfig")).expect("kubeconfig");
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("config")
    }

    /// A client as cluster administrator.
    pub async fn admin(&self) -> Client {
        Client::try_from(self.config().await).expect("client")
    }

    /// A token of one of our service accounts.
    fn token(&self, account: &str) -> String {
        let token = self.kubectl(&["create", "token", account, "-n", "cloudfarm-system", "--duration=24h"], None);
        token.trim().to_owned()
    }

    /// A kubeconfig file with the operator's token, for an operator that is a process of its own.
    pub fn operator_kubeconfig(&self, identity: &str) -> PathBuf {
        self.kubeconfig_of(OPERATOR_ACCOUNT, identity)
    }

    /// A kubeconfig file with the token of one of our service accounts.
    pub fn kubeconfig_of(&self, account: &str, identity: &str) -> PathBuf {
        let admin = self.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"], None);
        let mut kubeconfig: serde_json::Value = serde_json::from_str(&admin).expect("JSON");
        kubeconfig["users"][0]["user"] = serde_json::json!({"token": self.token(account)});
        let file = self.dir.join(format!("{identity}.kubeconfig"));
        std::fs::write(&file, kubeconfig.to_string()).expect("a file");
        file
    }

    /// A client's config with the token of the operator's service account: its rights and no more.
    pub async fn operator_config(&self) -> Config {
        self.config_of(OPERATOR_ACCOUNT).await
    }

    /// The same for one of our service accounts.
    pub async fn config_of(&self, account: &str) -> Config {
        let mut config = self.config().await;
        config.auth_info = kube::config::AuthInfo { token: Some(self.token(account).into()), ..Default::default() };
        cloudfarm::operator::client_config(config)
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        let down = Path::new(env!("CARGO_MANIFEST_DIR")).join(self.down);
        Command::new(down).arg(&self.dir).arg("--wipe").output().ok();
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("the script starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
