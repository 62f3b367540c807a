//! `cloudfarm retention`, and `kubectl cloudfarm retention`: what the people who decide about data look at and change.
//! With their own kubeconfig and rights, in their own name.

mod changes;
mod plan;
mod status;
mod text;

use clap::{Args, Subcommand};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, ResourceExt};

use super::connection::Connection;
use super::{Failure, exit, printable};
use crate::api::retention;
use crate::cluster::people::Person;
use crate::cluster::write::WriteError;
use crate::operator::clock::Clock;
use crate::purge::foresight::{Foresight, foresee};
use crate::purge::live::Live;
use crate::purge::look::Asked;
use crate::purge::world::Lost;

/// The role that has what these commands need.
const OFFICER: &str = "cloudfarm-data-protection-officer";

#[derive(Debug, Args)]
#[command(after_help = "\
This is a kubectl plugin, too: the same program installed as kubectl-cloudfarm on the PATH is `kubectl cloudfarm retention`.
Everything is done with the rights and in the name of whoever the kubeconfig signs in. ClusterRole \
cloudfarm-data-protection-officer has what hold, release, approve and status need; plan counts what the person may list \
in the tenant's namespaces and names what not.
Exit codes: 0 done; 1 no such Retention, or nothing to do as asked; 2 wrong usage; 3 kubeconfig or cluster not usable; \
4 refused by the API server, or overtaken by somebody else's change: nothing was changed.")]
pub struct Retention {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show every object that a purge would erase, live, and whether it would begin now
    Plan(plan::Plan),
    /// Place a legal hold in your own name: nothing is erased while it is active
    Hold(changes::Hold),
    /// Release a legal hold that somebody else has placed
    Release(changes::Release),
    /// Show what would be erased, and agree to it in your own name
    Approve(changes::Approve),
    /// Show where a Retention stands and what happens next; without a name, all of them by deadline
    Status(status::Status),
}

impl Retention {
    pub async fn run(self) -> Result<(), Failure> {
        let desk = Desk::at(&self.connection).await?;
        match self.command {
            Command::Plan(plan) => plan.run(&desk).await,
            Command::Hold(hold) => hold.run(&desk).await,
            Command::Release(release) => release.run(&desk).await,
            Command::Approve(approve) => Box::pin(approve.run(&desk)).await,
            Command::Status(status) => status.run(&desk).await,
        }
    }
}

/// Where a person sits: a client with the person's rights, and a clock.
struct Desk {
    client: Client,
    person: Person,
    clock: Clock,
}

/// A Retention as it is stored, and as we read it.
struct Found {
    stored: DynamicObject,
    retention: retention::Retention,
}

impl Desk {
    async fn at(connection: &Connection) -> Result<Self, Failure> {
        let client = connection.client().await?;
        Ok(Self { person: Person::new(client.clone()), client, clock: Clock::default() })
    }

    fn retentions(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &ApiResource::erase::<retention::Retention>(&()))
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn find(&self, name: &str) -> Result<Found, Failure> {
        match self.retentions().get_opt(name).await {
            Ok(Some(stored)) => Found::read(stored),
            Ok(None) => Err(self.unknown(name).await),
            Err(error) => Err(unread(&format!("Retention {name}"), &error)),
        }
    }

    async fn all(&self) -> Result<Vec<Found>, Failure> {
        let list = self.retentions().list(&ListParams::default()).await;
        list.map_err(|error| unread("retentions", &error))?.items.into_iter().map(Found::read).collect()
    }

    /// A Retention may be called otherwise than its tenant, and people mistype.
    async fn unknown(&self, name: &str) -> Failure {
        let all = self.all().await.unwrap_or_default();
        let of_tenant = all.iter().find(|found| found.retention.spec.tenant_ref.name == name);
        let hint = match of_tenant {
            Some(found) => format!("that of tenant {name} is called {}", found.name()),
            None if all.is_empty() => "there is none at all".into(),
            None => {
                let mut names: Vec<String> = all.iter().map(Found::name).collect();
                names.sort_by_key(|other| (unlike(name, other), other.clone()));
                let shown = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
                if names.len() > 5 {
                    format!("there are {}, among them {shown}", names.len())
                } else {
                    format!("there are: {shown}")
                }
            }
        };
        Failure::new(exit::INPUT, format!("Retention {}: does not exist; {hint}", printable(name)))
    }

    async fn foresee(&self, found: &Found, cool_off_hours: u16) -> Result<Foresight, Failure> {
        let asked = Asked {
            retention: found.name(),
            uid: found.retention.uid().unwrap_or_default(),
            cool_off: SignedDuration::from_hours(cool_off_hours.into()),
        };
        let live = Live::new(
            self.client.clone(),
            asked.clone(),
            crate::install::NAMESPACE.into(),
            self.clock.clone(),
            std::time::Duration::ZERO,
        );
        let seen = Box::pin(foresee(&live, &asked, self.now())).await;
        let name = found.name();
        seen.map_err(|lost| match lost {
            Lost::Refused(said) | Lost::Unexpected(said) => refused(&name, &said),
            Lost::Unanswered(said) => Failure::new(exit::CLUSTER, format!("Retention {name}: {said}")),
        })
    }
}

impl Found {
    fn read(stored: DynamicObject) -> Result<Self, Failure> {
        let name = stored.name_any();
        let read = serde_json::to_value(&stored).and_then(serde_json::from_value::<retention::Retention>);
        let retention =
            read.map_err(|error| Failure::new(exit::INPUT, format!("Retention {name}: cannot be read: {error}")))?;
        Ok(Self { stored, retention })
    }

    fn name(&self) -> String {
        self.retention.name_any()
    }

    fn status(&self) -> retention::RetentionStatus {
        self.retention.status.clone().unwrap_or_default()
    }

    /// `Retention longer of tenant acme`.
    fn title(&self) -> String {
        format!("Retention {} of tenant {}", self.name(), self.retention.spec.tenant_ref.name)
    }
}

/// How many letters two names do not share at their beginning.
fn unlike(one: &str, other: &str) -> usize {
    let shared = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    one.chars().count().max(other.chars().count()) - shared
}

fn unread(what: &str, error: &kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) if [401, 403].contains(&status.code) => Failure::new(
            exit::REFUSED,
            printable(&format!(
                "{what}: {}; ask for ClusterRole {OFFICER}, which has what these commands need",
                status.message
            )),
        ),
        error => Failure::new(exit::CLUSTER, printable(&format!("{what}: {error}"))),
    }
}

fn refused(name: &str, said: &str) -> Failure {
    Failure::new(exit::REFUSED, printable(&format!("Retention {name}: {said}")))
}

/// What became of a change that was not made.
fn unchanged(name: &str, error: &WriteError) -> Failure {
    match error {
        WriteError::Refused(said) => refused(name, &format!("nothing was changed: {said}")),
        WriteError::Unexpected(said) => {
            refused(name, &format!("nothing was changed, since somebody else changed it at the same time: {said}"))
        }
        WriteError::NotFound(said) => Failure::new(exit::INPUT, format!("Retention {name}: {said}")),
        WriteError::Unanswered(said) => Failure::new(
            exit::CLUSTER,
            printable(&format!(
                "Retention {name}: {said}; look with cloudfarm retention status {name} whether it took effect"
            )),
        ),
    }
}
