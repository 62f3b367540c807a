//! The operator inside the test process.

use std::time::Duration;

use cloudfarm::operator::clock::Clock;
use cloudfarm::operator::config::Config;
use cloudfarm::operator::{RunError, Settings};
use kube::client::ClientBuilder;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::faults::Faults;
use super::plane::Plane;

/// A running operator; dropping it kills it like SIGKILL does.
pub struct Operator {
    task: JoinHandle<Result<(), RunError>>,
    stop: Option<oneshot::Sender<()>>,
    pub faults: Faults,
    pub clock: Clock,
}

/// The config of the test bed: the one in `charts/cloudfarm/config.yaml`.
pub fn config() -> Config {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/cloudfarm/config.yaml");
    Config::load(&file).expect("the shipped config is valid")
}

/// The operator that the tests of a binary share; it lives until the process ends.
pub fn shared(plane: &'static Plane) {
    shared_in(plane, None);
}

/// The same, holding the Lease.
pub fn shared_leading(plane: &'static Plane) {
    shared_in(plane, Some(cloudfarm::install::NAMESPACE));
}

fn shared_in(plane: &'static Plane, lease: Option<&'static str>) {
    static SHARED: std::sync::OnceLock<()> = std::sync::OnceLock::new();
    SHARED.get_or_init(|| {
        let (started, ready) = std::sync::mpsc::channel();
        // A thread with a runtime of its own, since each test's runtime ends with the test.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("runtime");
            runtime.block_on(async {
                let operator = Operator::start_in(plane, Faults::default(), config(), Clock::default(), lease).await;
                started.send(()).expect("somebody waits");
                let ended = operator.ended().await;
                panic!("the shared operator ended: {ended}");
            });
        });
        ready.recv().expect("the operator starts");
    });
}

impl Operator {
    /// Resolves when it ends by itself, with how.
    pub async fn ended(mut self) -> String {
        format!("{:?}", (&mut self.task).await)
    }

    /// Starts one that never fails.
    pub async fn start(plane: &Plane) -> Self {
        Self::start_with(plane, Faults::default(), config(), Clock::default()).await
    }

    /// Starts one with faults, another config or another clock.
    pub async fn start_with(plane: &Plane, faults: Faults, config: Config, clock: Clock) -> Self {
        Self::start_in(plane, faults, config, clock, None).await
    }

    /// Starts one that holds the Lease, in which purge runs read what time it believes it is.
    pub async fn leading(plane: &Plane, faults: Faults) -> Self {
        Self::start_in(plane, faults, config(), Clock::default(), Some(cloudfarm::install::NAMESPACE)).await
    }

    async fn start_in(plane: &Plane, faults: Faults, config: Config, clock: Clock, lease: Option<&str>) -> Self {
        // RUST_LOG=cloudfarm=debug shows what the operator does.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init().ok();
        let client_config = plane.operator_config().await;
        let client = ClientBuilder::try_from(client_config).expect("client").with_layer(&faults).build();
        let settings = Settings {
            config,
            listen: None,
            identity: format!("test-{}", std::process::id()),
            lease_namespace: lease.map(str::to_owned),
            clock: clock.clone(),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            cloudfarm::operator::run(client, settings, async {
                stopped.await.ok();
            })
            .await
        });
        Self { task, stop: Some(stop), faults, clock }
    }

    /// Waits until it has begun no write for so long: as far as can be seen from outside, everything is done.
    pub async fn rest(&self, quiet: Duration) {
        let resting = async {
            let (mut writes, mut since) = (self.faults.writes(), Instant::now());
            while since.elapsed() < quiet {
                tokio::time::sleep(quiet / 10).await;
                if self.faults.writes() != writes {
                    (writes, since) = (self.faults.writes(), Instant::now());
                }
            }
        };
        tokio::time::timeout(super::PATIENCE, resting).await.expect("it comes to rest");
    }

    /// Stops it well, as SIGTERM does.
    pub async fn stop(mut self) {
        self.stop.take().map(|stop| stop.send(()));
        let ended = (&mut self.task).await;
        assert!(matches!(ended, Ok(Ok(()))), "the operator did not end well: {ended:?}");
    }

    /// Kills it where it stands.
    pub async fn kill(mut self) {
        self.task.abort();
        (&mut self.task).await.ok();
    }

    /// Is it still running?
    pub fn runs(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}
