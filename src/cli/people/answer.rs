//! `kubectl cloudfarm approve`, `deny`, `second` and `revoke`: one word each, in one's own name, on exactly what was shown.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use clap::Args;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::api::DynamicObject;

use super::reads::Seen;
use super::{Common, Desk, Failure, Output, exit, grant, print, print_json, printable, refused, there_are, wrong};
use crate::api::access_grant::{AccessGrant, Answer, Basis, Decision, Signature};
use crate::api::home;
use crate::cluster::write::WriteError;

/// How often it is tried again on what is there then, while nothing of what was shown has changed.
const TRIES: usize = 5;

#[derive(Debug, Args)]
struct Which {
    /// Name of the Tenant
    tenant: String,
    /// Name of the AccessGrant, as kubectl cloudfarm grants shows it
    grant: String,
    /// Do not ask; needed where nobody can be asked
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kubectl cloudfarm grants acme                    who waits for an answer
  kubectl cloudfarm approve acme web-1-1130-2307   shows what it is, and asks
  kubectl cloudfarm revoke acme web-1-1130-2307    ends it before its time
Only an enabled PrivilegedAdministrator of the Tenant may, and nobody for an own request; the API server sees to it. The time \
runs from the consent; the door closes by itself.
Exit codes: 0 done; 1 no such request, or nothing to answer, or not confirmed; 2 wrong usage; 3 kubeconfig or cluster not \
usable; 4 refused, or changed meanwhile: nothing was changed.")]
pub struct Approve {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kubectl cloudfarm deny acme web-1-1130-2307
Only an enabled PrivilegedAdministrator of the Tenant may. It is over then; whoever still needs it asks again.
Exit codes: as of approve.")]
pub struct Deny {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kubectl cloudfarm second acme web-1-1130-2307
For an access on the ground of the terms: another person of the staff than who asked looks at it and signs; the customer is told.
Exit codes: as of approve.")]
pub struct Second {
    /// Why it is right, for the record
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kubectl cloudfarm revoke acme web-1-1130-2307 --reason 'solved'
  kubectl cloudfarm revoke acme web-1-1130-2307 --yes
The customer's privileged administrators, who asked, and the provider's staff may. A console that is open stays open until its \
connection ends; a new one is refused.
Exit codes: as of approve.")]
pub struct Revoke {
    /// Why, for the record
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    which: Which,
}

/// What is said about a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Approve,
    Deny,
    Second,
    Revoke,
}

impl Approve {
    pub async fn run(&self) -> Result<(), Failure> {
        self.which.say(Word::Approve, None).await
    }
}

impl Deny {
    pub async fn run(&self) -> Result<(), Failure> {
        self.which.say(Word::Deny, None).await
    }
}

impl Second {
    pub async fn run(&self) -> Result<(), Failure> {
        self.which.say(Word::Second, self.reason.as_deref()).await
    }
}

impl Revoke {
    pub async fn run(&self) -> Result<(), Failure> {
        self.which.say(Word::Revoke, self.reason.as_deref()).await
    }
}

impl Word {
    fn past(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Deny => "denied",
            Self::Second => "signed",
            Self::Revoke => "revoked",
        }
    }

    /// What typing yes means.
    fn question(self, grant: &AccessGrant) -> String {
        let (by, duration) = (&grant.spec.requested_by, &grant.spec.duration);
        match self {
            Self::Approve | Self::Second => format!("Let {by} in for {duration} as shown?"),
            Self::Deny => format!("Say no to {by}?"),
            Self::Revoke => format!("End this access of {by} for good?"),
        }
    }

    /// Why there is nothing to say, in words of what would be right.
    fn idle(self, grant: &AccessGrant) -> Option<String> {
        let spec = &grant.spec;
        let state = grant::state_word(grant);
        let ask_again = "what is over stays over: ask again with kubectl cloudfarm request";
        match self {
            _ if grant::over(grant) => Some(format!("status.state is {state}; {ask_again}")),
            _ if spec.revoked.is_some() => Some(format!("spec.revoked is written already; {ask_again}")),
            Self::Approve | Self::Deny if spec.basis == Basis::Terms => Some(
                "spec.basis is Terms: the terms allow it, and a second person of the staff signs with second; revoke ends it"
                    .to_owned(),
            ),
            Self::Approve | Self::Deny => spec.approval.as_ref().map(|answer| {
                let word = if answer.decision == Decision::Deny { "denied" } else { "approved" };
                format!("spec.approval: {} has {word} it already; revoke ends it", answer.by)
            }),
            Self::Second if spec.basis == Basis::Consent => {
                Some("spec.basis is Consent: the customer decides, with approve or deny".to_owned())
            }
            Self::Second => spec.second_approver.as_ref().map(|by| format!("spec.secondApprover: {} has signed it already", by.by)),
            Self::Revoke => None,
        }
    }

    /// May this person never say it?
    fn own(self, grant: &AccessGrant, me: &str) -> Option<String> {
        (self != Self::Revoke && grant.spec.requested_by == me)
            .then(|| format!("spec.requestedBy is {me}, and that is you: nobody consents to an own request"))
    }
}

impl Which {
    async fn say(&self, word: Word, reason: Option<&str>) -> Result<(), Failure> {
        if let Some(reason) = reason.filter(|reason| reason.trim().is_empty() || reason.chars().count() > 253) {
            let number = reason.trim().chars().count();
            return Err(wrong(&format!("--reason has {number} characters; from 1 to 253 are taken")));
        }
        let desk = Desk::at(&self.common).await?;
        let me = desk.signed_in().await?;
        let (mut stored, shown) = self.find(&desk).await?;
        if let Some(why) = word.idle(&shown) {
            return Err(wrong(&format!("{}: {why}", self.title())));
        }
        if let Some(why) = word.own(&shown, &me.name) {
            return Err(refused(&format!("{}: nothing was changed: {why}", self.title())));
        }
        self.confirmed(word, &shown, &desk)?;
        let at = Some(Time(me.at.unwrap_or(desk.now)));
        let signature = Signature { by: me.name.clone(), at: at.clone(), reason: reason.map(str::to_owned) };
        let decision = if word == Word::Deny { Decision::Deny } else { Decision::Approve };
        let answer = Answer { by: me.name.clone(), at, decision };
        let mut tried = 0;
        loop {
            let sent = match word {
                Word::Approve | Word::Deny => desk.person.answer_access(&stored, &answer).await,
                Word::Second => desk.person.second_access(&stored, &signature).await,
                Word::Revoke => desk.person.revoke_access(&stored, &signature).await,
            };
            match sent {
                Ok(after) => return self.told(word, &me.name, after, &desk),
                Err(WriteError::Unexpected(_)) if tried < TRIES => {
                    tried += 1;
                    let (again, now) = self.find(&desk).await?;
                    // The operator writes its status meanwhile; what was shown has to be what is there.
                    let same = |one: &AccessGrant| (one.uid(), one.spec.clone(), grant::over(one));
                    if same(&now) != same(&shown) {
                        let overtaken = "what was shown is no longer what is there; look again";
                        return Err(self.unchanged(&WriteError::Unexpected(overtaken.to_owned())));
                    }
                    stored = again;
                }
                Err(error) => return Err(self.unchanged(&error)),
            }
        }
    }

    fn title(&self) -> String {
        format!("AccessGrant {} of tenant {}", self.grant, self.tenant)
    }

    async fn find(&self, desk: &Desk) -> Result<(DynamicObject, AccessGrant), Failure> {
        let namespace = home::customer_namespace(&self.tenant);
        match desk.reads.one::<AccessGrant>(Some(&namespace), &self.grant).await? {
            Seen::Here(found) => Ok(found),
            Seen::Missing => {
                let all = desk.reads.all::<AccessGrant>(Some(&namespace)).await?;
                let names = all.items().iter().filter(|each| !grant::over(each)).map(ResourceExt::name_any).collect();
                Err(wrong(&format!("{}: does not exist; {}", self.title(), there_are(&self.grant, names))))
            }
            Seen::Refused(said) => Err(refused(&format!("{}: {said}; {}", self.title(), self.who_may()))),
        }
    }

    fn who_may(&self) -> String {
        format!("the enabled PrivilegedAdministrators of Tenant {} answer, the provider's staff ask", self.tenant)
    }

    /// Shows all of it, and asks whoever can be asked.
    fn confirmed(&self, word: Word, shown: &AccessGrant, desk: &Desk) -> Result<(), Failure> {
        let whole = grant::whole(shown, desk.now);
        if self.yes {
            return if self.common.output == Output::Table { print(&(whole + "\n")) } else { Ok(()) };
        }
        if !std::io::stdin().is_terminal() {
            let message = format!("{}: nobody can be asked here, so nothing was changed; give --yes", self.title());
            return Err(wrong(&message));
        }
        let asked = format!("{whole}\n{} Type yes: ", printable(&word.question(shown)));
        let typed = ask(&asked).map_err(|error| Failure::new(exit::INPUT, error))?;
        if typed.trim() == "yes" {
            return Ok(());
        }
        Err(wrong(&format!("{}: {:?} is not yes: nothing was changed", self.title(), typed.trim())))
    }

    fn told(&self, word: Word, me: &str, after: DynamicObject, desk: &Desk) -> Result<(), Failure> {
        let after = serde_json::to_value(after).and_then(serde_json::from_value::<AccessGrant>);
        let after =
            after.map_err(|error| wrong(&format!("{}: was changed, and cannot be read: {error}", self.title())))?;
        if self.common.output == Output::Json {
            return print_json(&grant::json(&after, desk.now));
        }
        let (tenant, name) = (&self.tenant, &self.grant);
        let (next, commands) = match word {
            Word::Approve | Word::Second => (
                "it opens as soon as the operator has seen it, and closes by itself",
                format!("  kubectl cloudfarm grants {tenant}\n  kubectl cloudfarm revoke {tenant} {name}\n"),
            ),
            Word::Deny => ("it is over, and nobody was let in", String::new()),
            Word::Revoke => (
                "it is over as soon as the operator has seen it; a connection that is open ends by itself",
                String::new(),
            ),
        };
        let said = format!("{} is {} by {me}; {next}", self.title(), word.past());
        print(&(super::table::wrap(&said, super::table::WIDTH).join("\n") + "\n" + &commands))
    }

    fn unchanged(&self, error: &WriteError) -> Failure {
        let title = self.title();
        match error {
            WriteError::Refused(said) => refused(&format!("{title}: nothing was changed: {said}; {}", self.who_may())),
            WriteError::Unexpected(said) => refused(&format!(
                "{title}: nothing was changed, since somebody else changed it at the same time: {said}"
            )),
            WriteError::NotFound(said) => wrong(&format!("{title}: {said}")),
            WriteError::Unanswered(said) => {
                let look = format!("look whether it took effect: kubectl cloudfarm grants {} --all", self.tenant);
                Failure::new(exit::CLUSTER, printable(&format!("{title}: {said}; {look}")))
            }
        }
    }
}

fn ask(question: &str) -> std::io::Result<String> {
    eprint!("{question}");
    std::io::stderr().flush()?;
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed)?;
    Ok(typed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::grant::tests::grant;
    use super::*;

    #[test]
    fn a_word_that_would_say_nothing_is_told_with_what_would() {
        let terms = json!({"basis": "Terms", "clause": "12.3"});
        let signed = json!({"basis": "Terms", "clause": "12.3", "secondApprover": {"by": "ito"}});
        let given = json!({"approval": {"by": "tanaka", "decision": "Deny"}});
        let none = json!({});
        let cases = [
            (Word::Approve, &none, None, None),
            (Word::Deny, &none, None, None),
            (Word::Revoke, &given, Some("Active"), None),
            (Word::Second, &terms, None, None),
            (Word::Approve, &given, None, Some("spec.approval: tanaka has denied it already")),
            (Word::Deny, &terms, None, Some("spec.basis is Terms")),
            (Word::Second, &none, None, Some("spec.basis is Consent")),
            (Word::Second, &signed, None, Some("spec.secondApprover: ito has signed")),
            (Word::Revoke, &none, Some("Expired"), Some("status.state is Expired")),
            (Word::Approve, &none, Some("Revoked"), Some("status.state is Revoked")),
        ];
        for (word, spec, state, says) in cases {
            let status = state.map_or(Value::Null, |state| json!({"state": state}));
            let said = word.idle(&grant("a", spec.clone(), status));
            assert_eq!(said.is_some(), says.is_some(), "{word:?} {spec}: {said:?}");
            assert!(said.unwrap_or_default().contains(says.unwrap_or_default()), "{word:?} {spec}");
        }
    }

    #[test]
    fn nobody_answers_an_own_request_and_everybody_may_take_it_back() {
        let asked = grant("a", json!({}), Value::Null);
        for word in [Word::Approve, Word::Deny, Word::Second] {
            assert!(word.own(&asked, "sato").is_some_and(|why| why.contains("nobody consents to an own request")));
            assert_eq!(word.own(&asked, "tanaka"), None);
        }
        assert_eq!(Word::Revoke.own(&asked, "sato"), None);
    }
}
