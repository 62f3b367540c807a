//! What people look at and decide day by day: tenants, staff access, notices. `kubectl cloudfarm tenants` and so on, with their
//! own kubeconfig and rights, in their own name.

mod answer;
mod conditions;
mod grant;
mod grants;
mod notices;
mod reads;
mod request;
mod show;
mod table;
mod tenants;
mod time;

use std::io::IsTerminal as _;

use clap::{Args, Subcommand, ValueEnum};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use self::reads::Reads;
use self::table::Paint;
use super::connection::Connection;
use super::{Failure, REORDERS, exit, print, printable};
use crate::cluster::people::{Person, SignedIn};
use crate::cluster::write::WriteError;
use crate::operator::clock::Clock;

#[derive(Debug, Subcommand)]
pub enum People {
    /// Show every Tenant that you may read, one line each
    Tenants(tenants::Tenants),
    /// Show one tenant on one screen: what is not as declared first, then VMs, networks, disks, backups, access, retention
    Show(show::Show),
    /// Show who asked to enter tenants' VMs, why, until when, and who has to decide
    Grants(grants::Grants),
    /// Ask to enter a tenant's VMs, in your own name
    Request(request::Request),
    /// Let the provider's staff in, as the customer's privileged administrator
    Approve(answer::Approve),
    /// Say no to a request of the provider's staff
    Deny(answer::Deny),
    /// Sign, as the second person of the staff, an access that the terms allow
    Second(answer::Second),
    /// End an access at once, for good; or take a request back
    Revoke(answer::Revoke),
    /// Show what customers are told by mail, how many were reached, and what is late
    Notices(notices::Notices),
}

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Common {
    /// Print for people, or as JSON
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    connection: Connection,
}

impl People {
    pub async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Tenants(tenants) => tenants.run().await,
            Self::Show(show) => Box::pin(show.run()).await,
            Self::Grants(grants) => grants.run().await,
            Self::Request(request) => request.run().await,
            Self::Approve(approve) => approve.run().await,
            Self::Deny(deny) => deny.run().await,
            Self::Second(second) => second.run().await,
            Self::Revoke(revoke) => revoke.run().await,
            Self::Notices(notices) => notices.run().await,
        }
    }
}

/// Where a person sits: rights, a name, one instant for everything that is printed, and perhaps colours.
struct Desk {
    reads: Reads,
    person: Person,
    now: Timestamp,
    paint: Paint,
}

impl Desk {
    async fn at(common: &Common) -> Result<Self, Failure> {
        let client = common.connection.client().await?;
        let (reads, person) = (Reads::new(client.clone()), Person::new(client));
        Ok(Self { reads, person, now: Clock::default().now(), paint: Paint { colours: colours() } })
    }

    async fn signed_in(&self) -> Result<SignedIn, Failure> {
        self.person.signed_in().await.map_err(|error| match error {
            WriteError::Refused(said) => refused(&format!("who you are cannot be asked: {said}")),
            error => Failure::new(exit::CLUSTER, printable(&error.to_string())),
        })
    }
}

/// Only where somebody looks at it, and nobody has said no (<https://no-color.org>).
fn colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    std::io::stdout().is_terminal() && !unwanted
}

/// JSON that a terminal shows and does not obey, also where JSON itself has no need to escape.
fn json_text(value: &Value) -> String {
    let text = format!("{value:#}\n");
    let escaped = |letter: char| {
        if letter != '\n' && (letter.is_control() || REORDERS.contains(&letter)) {
            format!("\\u{:04x}", u32::from(letter)).chars().collect()
        } else {
            vec![letter]
        }
    };
    text.chars().flat_map(escaped).collect()
}

fn print_json(value: &Value) -> Result<(), Failure> {
    print(&json_text(value))
}

fn wrong(message: &str) -> Failure {
    Failure::new(exit::INPUT, printable(message))
}

fn refused(message: &str) -> Failure {
    Failure::new(exit::REFUSED, printable(message))
}

/// `there are a, b, c`, the likest first; for somebody who mistyped.
fn there_are(name: &str, mut names: Vec<String>) -> String {
    let unlike = |other: &String| {
        let shared = name.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
        (name.chars().count().max(other.chars().count()) - shared, other.clone())
    };
    names.sort_by_key(unlike);
    match names.len() {
        0 => "there is none at all".to_owned(),
        1 => format!("there is {}", names[0]),
        2..=5 => format!("there are {}", names.join(", ")),
        number => format!("there are {number}, among them {}", names[..5].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Compares with `tests/golden/cli/<name>.txt`; `CLOUDFARM_GOLDEN=write` accepts.
    pub fn golden(name: &str, text: &str) {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/cli/{name}.txt"));
        if std::env::var("CLOUDFARM_GOLDEN").is_ok_and(|wish| wish == "write") {
            std::fs::write(&file, text).unwrap();
        }
        let accepted = std::fs::read_to_string(&file).unwrap_or_default();
        let fits = text.lines().all(|line| table::width(line) <= table::WIDTH);
        assert!(fits, "wider than {} columns:\n{text}", table::WIDTH);
        assert!(accepted == text, "{}: if this is meant, CLOUDFARM_GOLDEN=write accepts it:\n{text}", file.display());
    }

    #[test]
    fn json_says_everything_and_commands_no_terminal() {
        let hidden = json!({"reason": "a\u{9b}31m \u{202e}b \u{1b}[0m 日本 \u{7f}"});
        let text = json_text(&hidden);
        assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{text:?}");
        assert!(!text.contains('\u{202e}') && text.contains("日本"));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), hidden);
    }

    #[test]
    fn who_mistypes_is_told_the_likest_first() {
        let names = |number: usize| (0..number).map(|each| format!("acm{each}")).chain(["globex".to_owned()]).collect();
        assert_eq!(there_are("acme", Vec::new()), "there is none at all");
        assert_eq!(there_are("acme", names(1)), "there are acm0, globex");
        assert_eq!(there_are("acme", names(9)), "there are 10, among them acm0, acm1, acm2, acm3, acm4");
    }
}
