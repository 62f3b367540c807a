//! From tenant to tenant, a few at a time: what is due is written down, sent, and written down again. A pass ends after some
//! seconds, says how far it came, and the next one goes on: so a notice to ten thousand tenants holds up nobody, and what is in
//! memory is a line for each tenant and the letters that are on their way.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use lettre::Address;
use tokio::time::{Instant, sleep};

use super::book::{Line, Lines};
use super::observe::NoticeSnapshot;
use super::record::{Record, Summary, Wanted};
use crate::api::home;
use crate::api::tenant::{Administrator, NoticeKind, Tenant};
use crate::cluster::deliveries::{Place, Version};
use crate::cluster::write::WriteError;
use crate::install::EVIDENCE_NAMESPACE;
use crate::letters::{self, Occasion, Provider};
use crate::mail::{Outcome, Post, Shut, message_id, seal};
use crate::operator::context::Context;

/// How long a pass goes on.
const BUDGET: Duration = Duration::from_secs(10);

/// Seconds before a tenant is looked at again whose record could not be written.
const RECORD_REST: i64 = 10;

/// Tries to write down what became of a mail that is gone.
const PERSISTENCE: u32 = 4;

/// What is known after a pass.
#[derive(Clone, Debug, Default)]
pub struct Delivered {
    /// Sums over the tenants that were looked at; `None` when nothing had to be looked at.
    pub total: Option<Summary>,
    /// Was every tenant looked at since this process leads?
    pub whole: bool,
    /// Tenants with somebody who cannot be reached, at most five, and whose record cannot be written.
    pub failing: Vec<String>,
    pub unwritten: Vec<String>,
    pub shut: Option<Shut>,
    /// When there is something to do.
    pub next: Option<Timestamp>,
}

/// One pass. Settled notices, and those that cannot be told, cost nothing.
pub async fn deliver(context: &Context, snapshot: &NoticeSnapshot) -> Delivered {
    let Some(post) = context.post.as_ref().filter(|_| snapshot.can_be_told() && !snapshot.is_settled()) else {
        context.notices.forget(&snapshot.uid);
        return Delivered::default();
    };
    let mut lines = context.notices.take(&snapshot.uid);
    lines.retain(|name, _| snapshot.tenants.binary_search_by(|tenant| tenant.name_any().as_str().cmp(name)).is_ok());
    let todo: Vec<&Tenant> = snapshot.tenants().filter(|tenant| has_work(snapshot, tenant, &lines)).collect();
    let (until, parallel) = (Instant::now() + BUDGET, usize::from(post.mail().connections) * 2);
    let goes_on = || Instant::now() < until && context.notices.rests(context.clock.now()).is_none();
    let mut todo = todo.into_iter();
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < parallel && goes_on() {
            let Some(tenant) = todo.next() else { break };
            under_way.push(one(context, snapshot, post, tenant).boxed());
        }
        let Some((name, line)) = under_way.next().await else { break };
        lines.insert(name, line);
    }
    let delivered = summed(context, snapshot, &lines);
    context.notices.keep(&snapshot.uid, lines);
    delivered
}

fn has_work(snapshot: &NoticeSnapshot, tenant: &Tenant, lines: &Lines) -> bool {
    let people = people(snapshot, &snapshot.wanted(tenant));
    lines
        .get(&tenant.name_any())
        .is_none_or(|line| line.people != people || line.next.is_some_and(|next| next <= snapshot.now))
}

fn people(snapshot: &NoticeSnapshot, wanted: &[(Wanted, &Administrator)]) -> u64 {
    let mut hasher = DefaultHasher::new();
    snapshot.content.hash(&mut hasher);
    for (wanted, _) in wanted {
        (&wanted.recipient, wanted.privileged).hash(&mut hasher);
    }
    hasher.finish()
}

fn summed(context: &Context, snapshot: &NoticeSnapshot, lines: &Lines) -> Delivered {
    let mut total = Summary::default();
    let mut delivered = Delivered { whole: lines.len() == snapshot.tenants.len(), ..Delivered::default() };
    for (tenant, line) in lines {
        let summary = &line.summary;
        total.recipients += summary.recipients;
        total.sent += summary.sent;
        total.failed += summary.failed;
        total.first = total.first.into_iter().chain(summary.first).min();
        total.last = total.last.max(summary.last);
        total.late |= summary.late;
        total.untold |= summary.untold;
        total.next_try = total.next_try.into_iter().chain(line.next).min();
        if summary.failed > 0 && delivered.failing.len() < 5 {
            delivered.failing.push(tenant.clone());
        }
        if let Some(fault) = line.fault.as_ref().filter(|_| delivered.unwritten.len() < 5) {
            delivered.unwritten.push(format!("{tenant}: {fault}"));
        }
    }
    if !delivered.whole {
        let all: usize = snapshot.tenants().map(|tenant| snapshot.wanted(tenant).len()).sum();
        total.recipients = u32::try_from(all).unwrap_or(u32::MAX);
    }
    delivered.next = total.next_try;
    let now = context.clock.now();
    match context.notices.rests(now) {
        Some((why, until)) => {
            delivered.shut = Some(why);
            delivered.next = Some(until);
        }
        // The time was over before the work.
        None if !delivered.whole => delivered.next = Some(now),
        None => {}
    }
    delivered.total = Some(total);
    delivered
}

/// One tenant: reads its record, sends what is due, writes it.
async fn one(context: &Context, snapshot: &NoticeSnapshot, post: &Post, tenant: &Tenant) -> (String, Line) {
    let wanted = snapshot.wanted(tenant);
    let people = people(snapshot, &wanted);
    let errand = Errand { context, snapshot, post, tenant, place: place(snapshot, tenant) };
    match errand.run(&wanted).await {
        Ok(record) => {
            let summary = record.summary(snapshot.deadline());
            (tenant.name_any(), Line { people, next: summary.next_try, summary, fault: None })
        }
        Err(error) => {
            tracing::warn!(notice = snapshot.notice.name_any(), tenant = tenant.name_any(), %error, "no record of mails");
            let unsent = Summary {
                recipients: u32::try_from(wanted.len()).unwrap_or(u32::MAX),
                untold: wanted.iter().any(|(person, _)| person.privileged),
                ..Summary::default()
            };
            let next = context.clock.now().checked_add(SignedDuration::from_secs(RECORD_REST)).ok();
            (tenant.name_any(), Line { people, summary: unsent, next, fault: Some(error.to_string()) })
        }
    }
}

/// Where the record is: with the tenant's other derived data. What is told at the end of a contract outlives that.
fn place(snapshot: &NoticeSnapshot, tenant: &Tenant) -> Place {
    let (tenant, notice) = (tenant.name_any(), snapshot.notice.name_any());
    let namespace = if snapshot.notice.spec.kind == NoticeKind::Retention {
        EVIDENCE_NAMESPACE.to_owned()
    } else {
        home::derived_namespace(&tenant)
    };
    let uid: String = snapshot.uid.chars().take(8).collect();
    let name = if snapshot.is_own() { format!("notice-{notice}") } else { format!("notice-{notice}-{uid}") };
    Place { namespace, name, tenant, notice, notice_uid: snapshot.uid.clone() }
}

/// The way to one tenant.
struct Errand<'a> {
    context: &'a Context,
    snapshot: &'a NoticeSnapshot,
    post: &'a Post,
    tenant: &'a Tenant,
    place: Place,
}

impl Errand<'_> {
    async fn run(&self, wanted: &[(Wanted, &Administrator)]) -> Result<Record, WriteError> {
        let writer = &self.context.cluster.writer;
        let (mut record, seen) = match writer.delivery(&self.place).await? {
            Some((text, version)) => (read(&text)?, Some(version)),
            None => (Record::default(), None),
        };
        let before = record.clone();
        let people: Vec<Wanted> = wanted.iter().map(|(person, _)| person.clone()).collect();
        let domain = self.post.mail().from.domain();
        let named = |recipient: &str, revision: i64| {
            message_id(&self.snapshot.uid, &self.place.tenant, recipient, revision, domain)
        };
        let now = self.context.clock.now();
        record.plan(&people, &self.snapshot.content, now, named);
        let due: Vec<usize> =
            (0..record.deliveries.len()).filter(|each| record.deliveries[*each].is_due(now)).collect();
        for each in &due {
            record.deliveries[*each].begin(now);
        }
        // Who is told nothing needs no record.
        if record == before || record.deliveries.is_empty() {
            return Ok(record);
        }
        let begun = writer.deliver(&self.place, &written(&record)?, seen.as_ref()).await?;
        if due.is_empty() {
            return Ok(record);
        }
        for each in due {
            self.send(&mut record, each, wanted).await;
        }
        self.note(&record, begun).await?;
        Ok(record)
    }

    /// Sends one mail and notes in the record what became of it.
    async fn send(&self, record: &mut Record, each: usize, wanted: &[(Wanted, &Administrator)]) {
        let clock = &self.context.clock;
        let delivery = &mut record.deliveries[each];
        if let Some((_, until)) = self.context.notices.rests(clock.now()) {
            return delivery.not_tried(until);
        }
        let found = wanted.iter().find(|(person, _)| person.recipient == delivery.recipient);
        let Some((_, person)) = found else { return delivery.refused(None) };
        let again = delivery.first_sent_at.is_some();
        let letter = self.letter(person, again);
        let mail = self.post.mail();
        let address = person.email.parse::<Address>().ok();
        let sealed = address.and_then(|to| seal(&letter, mail, &to, &delivery.message_id, person.locale, clock.now()));
        let Some(sealed) = sealed else { return delivery.refused(None) };
        let outcome = self.post.send(&sealed).await;
        let now = clock.now();
        match &outcome {
            Outcome::Accepted => {
                self.context.notices.opened();
                delivery.accepted(now);
            }
            Outcome::Refused(code) => {
                self.context.notices.opened();
                delivery.refused(Some(*code));
            }
            Outcome::Later(code) => delivery.later(*code, now),
            Outcome::Shut(why) => delivery.not_tried(self.context.notices.shut(why, now)),
        }
        self.context.metrics.mail(&outcome);
    }

    fn letter(&self, person: &Administrator, follow_up: bool) -> letters::Letter {
        let mail = self.post.mail();
        let provider = Provider {
            name: &mail.provider,
            contact: mail.contact.as_deref(),
            status_page: mail.status_page.as_deref(),
            guide: mail.guide.as_deref(),
        };
        if let Some(event) = &self.snapshot.event {
            return event.letter(self.tenant, person, &provider);
        }
        let none = crate::api::notice::Text::default();
        let body = self.snapshot.body.as_ref().unwrap_or(&none);
        let (tenant, spec) = (self.place.tenant.as_str(), &self.snapshot.notice.spec);
        letters::write(&Occasion::Notice { tenant, spec, body, follow_up }, &provider, person.locale)
    }

    /// Mails are gone: what became of them is written down with some persistence, for whoever does not find it sends again.
    async fn note(&self, record: &Record, begun: Version) -> Result<(), WriteError> {
        let (writer, text) = (&self.context.cluster.writer, written(record)?);
        let mut over = begun;
        let mut tries = 0;
        loop {
            let Err(error) = writer.deliver(&self.place, &text, Some(&over)).await else { return Ok(()) };
            tries += 1;
            if tries == PERSISTENCE || matches!(error, WriteError::NotFound(_) | WriteError::Refused(_)) {
                return Err(error);
            }
            sleep(Duration::from_millis(200) * tries).await;
            // The answer may be lost and not the write. Nobody else writes a record that is begun while this process leads.
            match writer.delivery(&self.place).await {
                Ok(Some((found, _))) if found == text => return Ok(()),
                Ok(Some((_, version))) if matches!(error, WriteError::Unanswered(_)) => over = version,
                Ok(_) => return Err(error),
                Err(_) => {}
            }
        }
    }
}

fn read(text: &str) -> Result<Record, WriteError> {
    serde_json::from_str(text).map_err(|error| {
        WriteError::Refused(format!(
            "its record of mails cannot be read ({error}); without it nobody knows who was told"
        ))
    })
}

fn written(record: &Record) -> Result<String, WriteError> {
    serde_json::to_string(record).map_err(|error| WriteError::Refused(error.to_string()))
}
