//! A letter as bytes. Every header is made of types that hold no line break, so nothing that people write can add one.

use std::time::SystemTime;

use k8s_openapi::jiff::Timestamp;
use lettre::address::Envelope;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};
use sha2::{Digest, Sha256};

use crate::api::tenant::Locale;
use crate::evidence::hex;
use crate::letters::Letter;
use crate::operator::config::Mail;

/// A message with the two addresses that the server is told.
#[derive(Debug)]
pub struct Sealed {
    pub envelope: Envelope,
    pub bytes: Vec<u8>,
}

/// The name of one mail, the same however often it is sent: of this notice, to this person of this tenant, of this revision.
#[must_use]
pub fn message_id(notice_uid: &str, tenant: &str, recipient: &str, revision: i64, domain: &str) -> String {
    let mut digest = Sha256::new();
    for part in [notice_uid, tenant, recipient, &revision.to_string()] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    let digest = hex::encode(&digest.finalize());
    format!("<{}@{domain}>", &digest[..40])
}

/// Makes the message. `None` where it cannot be one, which the checks on addresses leave no way to.
#[must_use]
pub fn seal(
    letter: &Letter,
    mail: &Mail,
    to: &Address,
    message_id: &str,
    locale: Locale,
    at: Timestamp,
) -> Option<Sealed> {
    let provider = match locale {
        Locale::Ja => &mail.provider.ja,
        Locale::En => &mail.provider.en,
    };
    let mut builder = Message::builder()
        .from(Mailbox::new(Some(provider.clone()), mail.from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(letter.subject.clone())
        .date(SystemTime::from(at))
        .message_id(Some(message_id.to_owned()))
        .header(AutoSubmitted)
        .header(ContentLanguage(locale));
    if let Some(reply_to) = &mail.reply_to {
        builder = builder.reply_to(Mailbox::new(None, reply_to.clone()));
    }
    let message =
        builder.multipart(MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone())).ok()?;
    Some(Sealed { envelope: message.envelope().clone(), bytes: message.formatted() })
}

/// RFC 3834: an absence note is no answer to this.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

/// For screen readers and translators.
#[derive(Clone)]
struct ContentLanguage(Locale);

impl Header for ContentLanguage {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Language")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(Locale::En))
    }

    fn display(&self) -> HeaderValue {
        let language = match self.0 {
            Locale::Ja => "ja",
            Locale::En => "en",
        };
        HeaderValue::new(Self::name(), language.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::notice::Line;
    use crate::operator::config::Encryption;

    fn mail() -> Mail {
        Mail {
            host: "smtp.provider.example".into(),
            port: 587,
            encryption: Encryption::StartTls,
            from: "notices@provider.example".parse().unwrap(),
            reply_to: Some("desk@provider.example".parse().unwrap()),
            provider: Line { ja: "提供者".into(), en: "Provider".into() },
            contact: None,
            status_page: None,
            guide: None,
            per_second: 10,
            connections: 1,
            credentials: None,
            ca_file: None,
        }
    }

    fn headers(letter: &Letter) -> Vec<String> {
        let id = message_id("u", "plum", "r", 1, "provider.example");
        let sealed =
            seal(letter, &mail(), &"sato@customer.example".parse().unwrap(), &id, Locale::Ja, Timestamp::UNIX_EPOCH);
        let text = String::from_utf8(sealed.unwrap().bytes).expect("no byte above 127");
        assert!(text.is_ascii());
        let head = text.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ").replace("\r\n\t", " ");
        head.split("\r\n").map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn a_mail_says_when_who_and_that_no_person_wrote_it_and_is_no_list() {
        let letter = Letter { subject: "定期保守".into(), text: "本文\n".into(), html: "<p>本文</p>".into() };
        let found = headers(&letter);
        for wanted in ["From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"] {
            assert!(found.iter().any(|name| name == wanted), "{wanted} in {found:?}");
        }
        assert!(!found.iter().any(|name| name.starts_with("List-") || name == "Bcc"), "{found:?}");
    }

    proptest! {
        #[test]
        fn whatever_a_subject_holds_no_header_is_added(subject in "[\\PC\\r\\n\\t:]{0,200}", text in "\\PC{0,50}") {
            let plain = Letter { subject: "x".into(), text: "x".into(), html: "x".into() };
            let odd = Letter { subject, text: text.clone(), html: text };
            prop_assert_eq!(headers(&odd), headers(&plain));
        }
    }

    #[test]
    fn a_message_has_one_name_and_no_other_has_it() {
        let id = |uid, tenant, to, revision| message_id(uid, tenant, to, revision, "provider.example");
        assert_eq!(id("u", "plum", "r", 1), id("u", "plum", "r", 1));
        let all = [id("u", "plum", "r", 1), id("v", "plum", "r", 1), id("u", "plumr", "", 1), id("u", "plum", "r", 2)];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    }
}
