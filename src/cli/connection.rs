//! How the commands for people reach a cluster: by their own kubeconfig, with their own rights.

use std::path::PathBuf;

use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::{Failure, exit};
use crate::operator::client_config;

#[derive(Debug, Args)]
pub struct Connection {
    /// Kubeconfig file; otherwise that of KUBECONFIG, or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; otherwise its current one
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
}

impl Connection {
    /// A client that signs in as the kubeconfig says.
    pub async fn client(&self) -> Result<Client, Failure> {
        // A second call finds the provider installed; that is the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let unusable = |error: &dyn std::fmt::Display| Failure::new(exit::CLUSTER, format!("kubeconfig: {error}"));
        let kubeconfig = match &self.kubeconfig {
            Some(file) => Kubeconfig::read_from(file),
            None => Kubeconfig::read(),
        };
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let kubeconfig = kubeconfig.map_err(|error| unusable(&error))?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unusable(&error))?;
        Client::try_from(client_config(config)).map_err(|error| unusable(&error))
    }
}
