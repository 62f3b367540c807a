//! Letters: the texts of all mails to customers' administrators, in Japanese and in English, as plain text and as HTML.
//!
//! Pure: who is written to, when, and how a mail travels is decided elsewhere. Each occasion says its words once, as a
//! [`sheet::Sheet`]; [`plain`] and [`html`] set the same sheet in the two forms, so that they cannot say different
//! things.
//! No letter has a field that could carry an application ID.

mod access;
mod capacity;
mod clean;
mod dates;
mod html;
mod notice;
mod opening;
mod plain;
mod retention;
mod sheet;

use k8s_openapi::jiff::Timestamp;

use crate::api::access_grant::{AccessGrantSpec, GrantState};
use crate::api::notice::{Line, NoticeSpec, Text};
pub use crate::api::tenant::Locale;
use crate::api::tenant::{Authentication, Role};
pub use clean::{line, paragraphs};
pub use dates::{instant, span};
pub use notice::{kind, severity};

/// One mail's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter {
    /// One line, at most 200 characters, without control characters; not yet encoded for a header.
    pub subject: String,
    /// Lines end with `\n`.
    pub text: String,
    pub html: String,
}

/// Who writes.
#[derive(Clone, Copy, Debug)]
pub struct Provider<'a> {
    pub name: &'a Line,
    /// Where questions go: a mail address, a telephone number or a page.
    pub contact: Option<&'a str>,
    /// Address of the page that `cloudfarm status-page` makes.
    pub status_page: Option<&'a str>,
    /// Address of the manual (CLD.12.1.5); it is named in the opening notice.
    pub guide: Option<&'a str>,
}

/// Why a letter is written. `tenant` is the Tenant's name.
#[derive(Clone, Copy, Debug)]
pub enum Occasion<'a> {
    /// What people at the provider wrote: Maintenance, SpecChange, Vulnerability, Incident.
    Notice {
        tenant: &'a str,
        spec: &'a NoticeSpec,
        /// spec.body, or what spec.bodyRef leads to.
        body: &'a Text,
        /// The reader was told before, and this is a changed or later text.
        follow_up: bool,
    },
    /// A resource of the contract is fuller than the threshold (12.1.3).
    Capacity {
        tenant: &'a str,
        /// As in status.capacity: vcpus, memory, storage, instances.
        resource: &'a str,
        used: &'a str,
        limit: &'a str,
        percent: i64,
        threshold: i64,
        /// It was told before and is so still.
        again: bool,
    },
    /// The contract is over, and data will be erased (CLD.8.1.5).
    ErasureComing { tenant: &'a str, days: i64, not_before: Timestamp },
    /// Data was erased. `certificate` is the name under which the certificate is kept, or where it can be had.
    Erased { tenant: &'a str, completed_at: Timestamp, certificate: &'a str },
    /// An AccessGrant has got into this state (5.1.1-4).
    Access {
        tenant: &'a str,
        /// Name of the AccessGrant.
        grant: &'a str,
        spec: &'a AccessGrantSpec,
        state: GrantState,
        expires_at: Option<Timestamp>,
    },
    /// To a new administrator: how to sign in (9.4.1).
    Opening { tenant: &'a str, username: &'a str, role: Role, authentication: Option<&'a Authentication> },
}

/// The letter for this occasion, in this language.
#[must_use]
pub fn write(occasion: &Occasion<'_>, provider: &Provider<'_>, locale: Locale) -> Letter {
    let words = match *occasion {
        Occasion::Notice { spec, body, follow_up, .. } => notice::sheet(spec, body, follow_up, provider, locale),
        Occasion::Capacity { resource, used, limit, percent, threshold, again, .. } => {
            let filling = capacity::Filling { resource, used, limit, percent, threshold, again };
            capacity::sheet(&filling, locale)
        }
        Occasion::ErasureComing { days, not_before, .. } => retention::coming(days, not_before, locale),
        Occasion::Erased { completed_at, certificate, .. } => retention::erased(completed_at, certificate, locale),
        Occasion::Access { tenant, grant, spec, state, expires_at } => {
            access::sheet(&access::Door { tenant, grant, spec, state, expires_at }, locale)
        }
        Occasion::Opening { tenant, username, role, authentication } => {
            opening::sheet(&opening::Person { tenant, username, role, authentication }, provider, locale)
        }
    };
    let sheet = sheet::addressed(words, occasion.tenant(), provider, locale);
    Letter { subject: sheet.subject(), text: plain::set(&sheet), html: html::set(&sheet) }
}

impl<'a> Occasion<'a> {
    /// The Tenant whose administrators are written to.
    #[must_use]
    pub fn tenant(&self) -> &'a str {
        match *self {
            Self::Notice { tenant, .. }
            | Self::Capacity { tenant, .. }
            | Self::ErasureComing { tenant, .. }
            | Self::Erased { tenant, .. }
            | Self::Access { tenant, .. }
            | Self::Opening { tenant, .. } => tenant,
        }
    }
}

/// The word of one language or of the other.
pub(crate) fn pick<T>(locale: Locale, ja: T, en: T) -> T {
    match locale {
        Locale::Ja => ja,
        Locale::En => en,
    }
}
