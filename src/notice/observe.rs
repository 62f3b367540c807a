//! What one pass over a Notice looks at. Tenants come from the watch; only a text that lies elsewhere is read.

use std::sync::Arc;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::body::{NoText, body};
use super::event::Event;
use super::recipients::{hash, is_about, recipients};
use super::record::Wanted;
use crate::api::jst::plus_days;
use crate::api::labels;
use crate::api::notice::{Notice, Text};
use crate::api::tenant::{Administrator, NoticeKind, Role, Tenant};
use crate::evidence::hex;
use crate::operator::context::Context;
use crate::operator::stores::Guarded;

/// Days for which a notice without a window tells whoever comes new.
const STANDS_DAYS: i64 = 30;

/// From the confirmation of an incident to the last of the mails (16.1.1).
const INCIDENT_HOURS: i64 = 4;

/// A Notice and the world around it at one instant.
#[derive(Clone, Debug)]
pub struct NoticeSnapshot {
    pub notice: Notice,
    /// By what its mails and records know it: its uid. What the operator makes says in its name what it is about, and is the
    /// same when it is made again.
    pub uid: String,
    pub event: Option<Event>,
    pub body: Result<Text, NoText>,
    /// Whom it is about, by name; those that cannot be read are among [`NoticeSnapshot::missing`].
    pub tenants: Vec<Arc<Guarded<Tenant>>>,
    /// Tenants that `spec.tenants.names` has and nobody knows.
    pub missing: Vec<String>,
    /// Stands for the text.
    pub content: String,
    /// Stands for whom is told what.
    pub audience: String,
    pub mail: bool,
    pub now: Timestamp,
}

/// Gathers the snapshot.
pub async fn observe(context: &Context, notice: Notice) -> NoticeSnapshot {
    let now = context.clock.now();
    let own = notice.annotations().contains_key(labels::EVENT);
    let mut snapshot = NoticeSnapshot {
        uid: if own { notice.name_any() } else { notice.uid().unwrap_or_default() },
        event: Event::of(&notice),
        body: Ok(Text::default()),
        tenants: Vec::new(),
        missing: Vec::new(),
        content: String::new(),
        audience: String::new(),
        mail: context.post.is_some(),
        now,
        notice,
    };
    // Old notices cost nothing.
    if !snapshot.is_over() {
        snapshot.body = body(context, &snapshot.notice).await;
        snapshot.content = content(&snapshot.notice, snapshot.body.as_ref().ok());
        audience(context, &mut snapshot);
        snapshot.audience = who_and_what(&snapshot);
    }
    snapshot
}

fn audience(context: &Context, snapshot: &mut NoticeSnapshot) {
    let Some(about) = &snapshot.notice.spec.tenants else { return };
    let found = |name: &String| context.stores.tenants.get(&ObjectRef::new(name));
    let candidates = if about.names.is_empty() {
        context.stores.tenants.store.state()
    } else {
        about.names.iter().filter_map(found).collect()
    };
    let mut tenants: Vec<_> = candidates
        .into_iter()
        .filter(|found| found.0.as_ref().is_ok_and(|tenant| is_about(Some(about), tenant)))
        .collect();
    tenants.sort_by_key(|tenant| tenant.name_any());
    let known = |name: &&String| tenants.iter().all(|tenant| tenant.name_any() != **name);
    snapshot.missing = about.names.iter().filter(known).cloned().collect();
    snapshot.tenants = tenants;
}

/// What people would notice of a change: another text or another time.
fn content(notice: &Notice, body: Option<&Text>) -> String {
    digest(&json!([notice.spec.subject, body, notice.spec.window]).to_string())
}

fn who_and_what(snapshot: &NoticeSnapshot) -> String {
    let mut digest = Sha256::new();
    digest.update(&snapshot.content);
    for tenant in snapshot.tenants() {
        digest.update(tenant.name_any());
        for (wanted, _) in snapshot.wanted(tenant) {
            digest.update([0, u8::from(wanted.privileged)]);
            digest.update(wanted.recipient);
        }
        digest.update([1]);
    }
    hex::encode(&digest.finalize())[..32].to_owned()
}

fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes()))[..32].to_owned()
}

impl NoticeSnapshot {
    /// Whom it is about.
    pub fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.tenants.iter().filter_map(|tenant| tenant.0.as_ref().ok())
    }

    /// Who of a tenant is written to.
    #[must_use]
    pub fn wanted<'a>(&self, tenant: &'a Tenant) -> Vec<(Wanted, &'a Administrator)> {
        let privileged = self.event.as_ref().is_some_and(Event::for_privileged);
        let name = tenant.name_any();
        recipients(self.notice.spec.kind, privileged, tenant)
            .into_iter()
            .map(|person| {
                let privileged = person.role == Role::PrivilegedAdministrator;
                (Wanted { recipient: hash(&self.uid, &name, person), privileged }, person)
            })
            .collect()
    }

    /// Is the time over in which it tells anybody anything?
    #[must_use]
    pub fn is_over(&self) -> bool {
        let made = self.notice.creation_timestamp().map_or(self.now, |at| at.0);
        match (&self.notice.spec.window, &self.event) {
            (_, Some(event)) if event.lasts() => false,
            (Some(window), _) => self.now >= window.end.0,
            (None, _) => self.now >= plus_days(made, STANDS_DAYS),
        }
    }

    /// Is it one of those that the operator makes?
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.notice.annotations().contains_key(labels::EVENT)
    }

    /// An incident's deadline.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let confirmed =
            self.notice.spec.confirmed_at.as_ref().filter(|_| self.notice.spec.kind == NoticeKind::Incident);
        confirmed.and_then(|at| at.0.checked_add(SignedDuration::from_hours(INCIDENT_HOURS)).ok())
    }

    /// Was everybody told already, in an earlier pass or by an earlier leader?
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.notice.status.as_ref().and_then(|status| status.audience.as_ref()) == Some(&self.audience)
    }

    /// Can anything be sent at all?
    #[must_use]
    pub fn can_be_told(&self) -> bool {
        self.mail && self.body.is_ok() && !self.is_over()
    }
}
