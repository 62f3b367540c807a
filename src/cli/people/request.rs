//! `kubectl cloudfarm request`: staff ask to enter, in their own name.

use clap::Args;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use k8s_openapi::jiff::civil::DateTime;
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::reads::{Listed, Seen};
use super::time::zone;
use super::{Common, Desk, Failure, Output, exit, grant, print, print_json, printable, refused, there_are, wrong};
use crate::api::access_grant::{AccessGrant, AccessGrantSpec, Basis, Verb};
use crate::api::home;
use crate::api::tenant::Tenant;
use crate::cluster::write::WriteError;
use crate::foreign::virtual_machine::VirtualMachine;

/// Names that are tried when others ask for the same VM within the same minute.
const TRIES: usize = 9;

/// Characters of the VM's name that the grant's name begins with.
const FROM_VM: usize = 30;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kubectl cloudfarm request acme --vm web-1 --verb Console --reason 'disk full, see T-123' --ticket T-123
  kubectl cloudfarm request acme --vm web-1,db --verb Console,Power --for 2h --from 2026-12-01T22:00 --reason '…'
  kubectl cloudfarm request acme --vm web-1 --verb AuditExtract --reason '…' --terms 'Terms 12.3'
What is asked for cannot be changed afterwards: the customer consents to what was read. Make another request instead.
Exit codes: 0 done; 1 the request is wrong, or there is no such tenant or VM; 2 wrong usage; 3 kubeconfig or cluster not \
usable; 4 refused by the API server: nothing was asked for.")]
pub struct Request {
    /// Name of the Tenant
    tenant: String,
    /// VM that you need to enter; several by commas. None is never all
    #[arg(long = "vm", required = true, value_delimiter = ',', value_name = "VM")]
    vms: Vec<String>,
    /// What you need to do: GuestInfo, Console, VNC, Power, SnapshotRead, AuditExtract; several by commas
    #[arg(long = "verb", required = true, value_delimiter = ',', value_name = "VERB", value_parser = verb)]
    verbs: Vec<Verb>,
    /// Why, in words that the customer understands
    #[arg(long)]
    reason: String,
    /// The ticket that it is about
    #[arg(long)]
    ticket: Option<String>,
    /// How long, from 1m to 8h
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = duration)]
    duration: String,
    /// Not before this time: 2026-12-01T22:00 in Japan, or with an offset of its own; otherwise from the consent on
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<Timestamp>,
    /// The clause of the terms that allows it: a second person of the staff signs instead of the customer, who is told
    #[arg(long, value_name = "CLAUSE")]
    terms: Option<String>,
    #[command(flatten)]
    common: Common,
}

fn verb(text: &str) -> Result<Verb, String> {
    let found = Verb::ALL.into_iter().find(|verb| grant::word(*verb).eq_ignore_ascii_case(text));
    found.ok_or_else(|| format!("must be one of {}", Verb::ALL.map(grant::word).join(", ")))
}

fn duration(text: &str) -> Result<String, String> {
    let right = grant::minutes(text).is_some();
    right.then(|| text.to_owned()).ok_or_else(|| "must be between 1m and 8h, such as 1h30m".to_owned())
}

/// What has no offset is a time in Japan.
fn instant(text: &str) -> Result<Timestamp, String> {
    let local = || text.parse::<DateTime>().ok()?.to_zoned(zone()).ok().map(|zoned| zoned.timestamp());
    text.parse().ok().or_else(local).ok_or_else(|| "must be a time such as 2026-12-01T22:00".to_owned())
}

impl Request {
    pub async fn run(&self) -> Result<(), Failure> {
        let desk = Desk::at(&self.common).await?;
        self.judge(desk.now).map_err(|why| wrong(&why))?;
        self.known(&desk).await?;
        let me = desk.signed_in().await?;
        let mut tried = 1;
        let made = loop {
            match desk.person.request_access(&self.grant(&me.name, desk.now, tried)).await {
                Ok(made) => break made,
                Err(WriteError::Unexpected(_)) if tried < TRIES => tried += 1,
                Err(error) => return Err(self.failed(error)),
            }
        };
        match self.common.output {
            Output::Table => print(&text(&made, desk.now)),
            Output::Json => print_json(&grant::json(&made, desk.now)),
        }
    }

    /// What the API server would refuse, in words of the flags.
    fn judge(&self, now: Timestamp) -> Result<(), String> {
        let empty = |text: &str| text.trim().is_empty();
        let long = |text: &str, most: usize| text.chars().count() > most;
        let whole = [
            ("--reason", Some(&self.reason), 1024),
            ("--ticket", self.ticket.as_ref(), 63),
            ("--terms", self.terms.as_ref(), 63),
        ];
        for (flag, text, most) in whole {
            match text {
                Some(text) if empty(text) => {
                    return Err(format!("{flag} is empty: say something the customer understands"));
                }
                Some(text) if long(text, most) => {
                    return Err(format!("{flag} has {} characters; at most {most} are taken", text.chars().count()));
                }
                _ => {}
            }
        }
        if let Some(vm) = self.vms.iter().find(|vm| empty(vm) || long(vm, 63)) {
            return Err(format!("--vm {vm:?} is no name of a VM: 1 to 63 characters"));
        }
        match self.from {
            Some(from) if from <= now => Err(format!("--from {from} is past: leave it out to begin with the consent")),
            _ => Ok(()),
        }
    }

    /// Consent to a VM that does not exist is worth nothing; who may not look is not kept from asking.
    async fn known(&self, desk: &Desk) -> Result<(), Failure> {
        if let Seen::Missing = desk.reads.one::<Tenant>(None, &self.tenant).await? {
            let all = desk.reads.all::<Tenant>(None).await?;
            let names = all.items().iter().map(ResourceExt::name_any).collect();
            return Err(wrong(&format!("Tenant {}: does not exist; {}", self.tenant, there_are(&self.tenant, names))));
        }
        let namespace = home::customer_namespace(&self.tenant);
        let Seen::Here(Listed { items, .. }) = desk.reads.all::<VirtualMachine>(Some(&namespace)).await? else {
            return Ok(());
        };
        let names: Vec<String> = items.iter().map(ResourceExt::name_any).collect();
        match self.vms.iter().find(|vm| !names.contains(vm)) {
            None => Ok(()),
            Some(vm) => Err(wrong(&format!("--vm {vm}: there is no such VM in {namespace}; {}", there_are(vm, names)))),
        }
    }

    fn grant(&self, by: &str, now: Timestamp, number: usize) -> AccessGrant {
        let mut verbs = self.verbs.clone();
        verbs.sort_unstable();
        verbs.dedup();
        let mut vms = self.vms.clone();
        vms.sort_unstable();
        vms.dedup();
        AccessGrant {
            metadata: ObjectMeta {
                name: Some(name(&vms, now, number)),
                namespace: Some(home::customer_namespace(&self.tenant)),
                ..ObjectMeta::default()
            },
            spec: AccessGrantSpec {
                requested_by: by.to_owned(),
                reason: self.reason.clone(),
                ticket: self.ticket.clone(),
                basis: if self.terms.is_some() { Basis::Terms } else { Basis::Consent },
                clause: self.terms.clone(),
                verbs,
                vms,
                not_before: self.from.map(Time),
                duration: self.duration.clone(),
                ..AccessGrantSpec::default()
            },
            status: None,
        }
    }

    fn failed(&self, error: WriteError) -> Failure {
        let tenant = &self.tenant;
        match error {
            WriteError::Refused(said) => refused(&format!("tenant {tenant}: nothing was asked for: {said}")),
            WriteError::Unexpected(said) => {
                refused(&format!("tenant {tenant}: nothing was asked for, since others ask at the same time: {said}"))
            }
            WriteError::NotFound(said) => wrong(&format!(
                "tenant {tenant}: nothing was asked for: {said}; is that the tenant's name? kubectl cloudfarm tenants"
            )),
            WriteError::Unanswered(said) => Failure::new(
                exit::CLUSTER,
                printable(&format!(
                    "tenant {tenant}: {said}; look whether it was asked for: kubectl cloudfarm grants {tenant}"
                )),
            ),
        }
    }
}

/// `web-1-1130-2307`: which VM, when in Japan. Short, since a customer types it; nothing about who asks (I9).
fn name(vms: &[String], now: Timestamp, number: usize) -> String {
    let first: String = vms.first().map(String::as_str).unwrap_or_default().chars().take(FROM_VM).collect();
    let letters: String = first
        .chars()
        .map(|letter| if letter.is_ascii_lowercase() || letter.is_ascii_digit() { letter } else { '-' })
        .collect();
    let vm = Some(letters.trim_matches('-')).filter(|vm| !vm.is_empty()).unwrap_or("access");
    let again = if number > 1 { format!("-{number}") } else { String::new() };
    format!("{vm}-{}{again}", now.to_zoned(zone()).strftime("%m%d-%H%M"))
}

/// What was asked for, and what its customer has to type.
fn text(made: &AccessGrant, now: Timestamp) -> String {
    let (name, tenant) = (made.name_any(), grant::tenant(made));
    let next = match made.spec.basis {
        Basis::Consent => format!(
            "The customer's privileged administrator says yes or no with:\n\n    kubectl cloudfarm approve {tenant} {name}\n    kubectl cloudfarm deny {tenant} {name}\n"
        ),
        Basis::Terms => format!(
            "A second person of the staff signs it, and the customer is told, with:\n\n    kubectl cloudfarm second {tenant} {name}\n"
        ),
    };
    format!("{}\n{next}\nTake it back with: kubectl cloudfarm revoke {tenant} {name}\n", grant::whole(made, now))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proptest::prelude::*;

    use super::super::grant::tests::now;
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        request: Request,
    }

    fn asked(more: &[&str]) -> Result<Request, String> {
        let words = ["request", "acme", "--vm", "web-1", "--verb", "console", "--reason", "disk full"];
        Line::try_parse_from([&words[..], more].concat()).map(|line| line.request).map_err(|error| error.to_string())
    }

    #[test]
    fn a_request_is_made_in_ones_own_name_for_what_was_said() {
        let request =
            asked(&["--verb", "VNC,Console", "--vm", "db", "--from", "2026-12-01T22:00", "--for", "90m"]).unwrap();
        let made = request.grant("sato@provider.example", now(), 1);
        assert_eq!(made.name_any(), "db-1130-2307");
        assert_eq!(made.metadata.namespace.as_deref(), Some("cf-acme"));
        let spec = &made.spec;
        assert_eq!((spec.requested_by.as_str(), spec.basis), ("sato@provider.example", Basis::Consent));
        assert_eq!(
            (&spec.verbs, &spec.vms),
            (&vec![Verb::Console, Verb::Vnc], &vec!["db".to_owned(), "web-1".to_owned()])
        );
        assert_eq!(spec.not_before.as_ref().unwrap().0, "2026-12-01T13:00:00Z".parse().unwrap());
        let terms = asked(&["--terms", "12.3"]).unwrap().grant("sato", now(), 2);
        assert_eq!((terms.name_any(), terms.spec.clause), ("web-1-1130-2307-2".to_owned(), Some("12.3".to_owned())));
    }

    #[test]
    fn what_is_wrong_is_told_by_flag_with_what_would_be_right() {
        let misread: [(&[&str], &str); 3] = [
            (&["--verb", "Root"], "must be one of GuestInfo, Console, VNC, Power, SnapshotRead, AuditExtract"),
            (&["--for", "9h"], "must be between 1m and 8h"),
            (&["--from", "tomorrow"], "must be a time such as 2026-12-01T22:00"),
        ];
        for (more, says) in misread {
            let said = asked(more).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
        let long = "x".repeat(64);
        let wrong: [(&[&str], &str); 5] = [
            (&["--from", "2026-11-30T23:07"], "is past"),
            (&["--from", "2026-11-30T14:00:00Z"], "is past"),
            (&["--ticket", " "], "--ticket is empty"),
            (&["--terms", &long], "--terms has 64 characters; at most 63"),
            (&["--vm", ""], "is no name of a VM"),
        ];
        for (more, says) in wrong {
            let said = asked(more).unwrap().judge(now()).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
        assert_eq!(asked(&[]).unwrap().judge(now()), Ok(()));
    }

    proptest! {
        #[test]
        fn every_name_is_one_that_the_api_server_takes(vm in "\\PC{0,70}", number in 1_usize..=9) {
            let name = name(&[vm], now(), number);
            let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            prop_assert!(letters && name.len() <= 52 && !name.starts_with('-') && !name.ends_with('-'), "{name}");
        }
    }
}
