//! `cloudfarm check`, and `kubectl cloudfarm check`: is this tenant as separated as it is promised to be?

mod look;
mod text;

use clap::{Args, ValueEnum};

use super::connection::Connection;
use super::{Failure, exit, print};
use crate::check::{self, Outcome};
use crate::cluster::people::Person;

#[derive(Debug, Args)]
#[command(after_help = "\
This is a kubectl plugin, too: the same program installed as kubectl-cloudfarm on the PATH is `kubectl cloudfarm check`.
What is looked at: the rights of everybody whom the tenant's namespace binds (or, when nobody is bound, of the tenant roles); \
admission, by creating pods and a Service with dryRun=All, which stores nothing; quotas, policies, volumes, classes.
Everything is done with your own rights. To judge all of it you need: create on subjectaccessreviews.authorization.k8s.io; \
create on pods and services in the tenant's namespace; get on the Tenant and the tenant ClusterRoles; list on namespaces, \
RoleBindings, PersistentVolumes and StorageClasses of the cluster and on what lies in the tenant's namespaces. \
What you may not see is UNKNOWN and never a pass.
Exit codes: 0 every check passes, or fails on purpose; 1 no such Tenant; 2 wrong usage; 3 kubeconfig or cluster not usable; \
4 a check fails; 5 none fails and one is unknown.")]
pub struct Check {
    /// Name of the Tenant
    tenant: String,
    /// Print for people, or as JSON
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

impl Check {
    pub async fn run(self) -> Result<(), Failure> {
        let client = self.connection.client().await?;
        let asked_by = Person::new(client.clone()).signed_in().await;
        let asked_by = asked_by.map_err(|error| Failure::new(exit::CLUSTER, error))?.name;
        let scene = Box::pin(look::look(&client, &self.tenant)).await?;
        let (rows, notes) = (check::judge(&scene), check::notes::notes(&scene));
        print(&match self.output {
            Output::Table => text::table(&scene, &asked_by, &rows, &notes),
            Output::Json => text::json(&scene, &asked_by, &rows, &notes),
        })?;
        let some = |outcome| rows.iter().any(|row| row.outcome == outcome);
        let named = |outcome| text::ids(&rows, outcome);
        if some(Outcome::Fail) {
            return Err(Failure::new(exit::REFUSED, format!("tenant {} fails {}", self.tenant, named(Outcome::Fail))));
        }
        if some(Outcome::Unknown) {
            let message = format!("tenant {}: not known: {}", self.tenant, named(Outcome::Unknown));
            return Err(Failure::new(exit::UNKNOWN, message));
        }
        Ok(())
    }
}
