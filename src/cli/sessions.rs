//! `cloudfarm sessions`: what runs beside the API server and tells who entered customers' areas.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::{Failure, asked_to_stop, connect, exit};
use crate::operator::clock::Clock;
use crate::sessions::judge::Platform;
use crate::sessions::keeper::Keeper;
use crate::sessions::listen::{Tls, figures, webhook};
use crate::sessions::metrics::Figures;

#[derive(Debug, Args)]
pub struct Sessions {
    /// Follow this audit log; rotated ones beside it are read, too
    #[arg(long, env = "CLOUDFARM_AUDIT_LOG", conflicts_with = "listen", required_unless_present = "listen")]
    audit_log: Option<PathBuf>,
    /// Take batches of audit events here, by POST /audit
    #[arg(long, env = "CLOUDFARM_AUDIT_LISTEN", requires_all = ["tls_certificate", "tls_key", "client_ca"])]
    listen: Option<SocketAddr>,
    /// Certificate chain (PEM) of that address
    #[arg(long, env = "CLOUDFARM_TLS_CERTIFICATE", requires = "listen")]
    tls_certificate: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, env = "CLOUDFARM_TLS_KEY", requires = "listen")]
    tls_key: Option<PathBuf>,
    /// CA (PEM) of the certificates with which API servers come; nobody else is heard
    #[arg(long, env = "CLOUDFARM_CLIENT_CA", requires = "listen")]
    client_ca: Option<PathBuf>,
    /// A user that is the platform itself, beside KubeVirt's own accounts; may be given several times
    #[arg(long = "platform", env = "CLOUDFARM_PLATFORM_USERS", value_delimiter = ',')]
    platform: Vec<String>,
    /// Address of /healthz, /readyz and /metrics
    #[arg(long, env = "CLOUDFARM_LISTEN", default_value = "0.0.0.0:8080")]
    metrics_listen: SocketAddr,
}

impl Sessions {
    pub async fn run(self) -> Result<(), Failure> {
        let wrong = |error: String| Failure::new(exit::INPUT, error);
        let tls = match (self.tls_certificate, self.tls_key, self.client_ca) {
            (Some(certificate), Some(key), Some(client_ca)) => {
                Some(Tls { certificate, key, client_ca }.config().map_err(wrong)?)
            }
            _ => None,
        };
        let shown = Arc::new(Figures::default());
        let keeper =
            Arc::new(Keeper::new(connect().await?, Platform::with(self.platform), Clock::default(), shown.clone()));
        let watched = async {
            match (self.audit_log, self.listen.zip(tls)) {
                (Some(file), _) => {
                    keeper.follow(file).await;
                    Ok(())
                }
                (None, Some((address, tls))) => webhook(keeper, address, tls).await,
                (None, None) => Ok(()),
            }
        };
        let address = |error: std::io::Error| Failure::new(exit::INPUT, format!("the address to listen on: {error}"));
        tokio::select! {
            ended = watched => ended.map_err(address),
            ended = figures(self.metrics_listen, shown) => ended.map_err(address),
            () = asked_to_stop() => Ok(()),
        }
    }
}
