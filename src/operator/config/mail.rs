//! How notices travel (clauses 5.1.1-6, 12.1.3, 16.1.1).

use std::net::IpAddr;
use std::path::PathBuf;

use lettre::Address;
use serde::{Deserialize, Serialize};

use super::faults::Faults;
use crate::api::notice::Line;

/// The SMTP server and who writes. Without it nobody is mailed, which every Notice says.
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    /// Sender of every mail. Its domain stands in every Message-ID.
    pub from: Address,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<Address>,
    /// The provider's name, as customers know it.
    pub provider: Line,
    /// Where questions go: a mail address, a telephone number or a page.
    pub contact: Option<String>,
    /// Address of the status page.
    pub status_page: Option<String>,
    /// Address of the manual.
    pub guide: Option<String>,
    /// Mails per second over all notices (1-1000).
    pub per_second: u16,
    /// Connections to the server at a time (1-16).
    pub connections: u16,
    /// Name and password for the server, each the content of a mounted file, read for every connection.
    pub credentials: Option<Credentials>,
    /// PEM file with the authority behind the server's certificate; the system's authorities where it is not written.
    pub ca_file: Option<PathBuf>,
}

/// Where name and password lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub username_file: PathBuf,
    pub password_file: PathBuf,
}

/// How the way to the server is closed to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// TLS after STARTTLS; a server that does not offer it gets no mail.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None: for a server on this machine alone.
    Loopback,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawMail {
    host: String,
    #[serde(default = "submission")]
    port: u16,
    #[serde(default = "starttls")]
    tls: String,
    from: String,
    reply_to: Option<String>,
    provider: RawProvider,
    contact: Option<String>,
    status_page: Option<String>,
    guide: Option<String>,
    #[serde(default = "ten")]
    per_second: u16,
    #[serde(default = "two")]
    connections: u16,
    username_file: Option<PathBuf>,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawProvider {
    ja: String,
    en: String,
}

fn submission() -> u16 {
    587
}
fn starttls() -> String {
    "STARTTLS".into()
}
fn ten() -> u16 {
    10
}
fn two() -> u16 {
    2
}

impl RawMail {
    /// `None` only beside a fault.
    pub(super) fn check(self, faults: &mut Faults) -> Option<Mail> {
        let host = faults.filled("mail.host", self.host);
        let tls = faults.one_of("mail.tls", self.tls, &["STARTTLS", "TLS", "None"]);
        let encryption = match tls.as_str() {
            "TLS" => Encryption::Tls,
            "None" => Encryption::Loopback,
            _ => Encryption::StartTls,
        };
        let loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if encryption == Encryption::Loopback && !loopback {
            faults.fault(format!(
                "mail.tls: None is for a loopback address such as 127.0.0.1 alone, and host is {host:?}"
            ));
        }
        let credentials = match (self.username_file, self.password_file) {
            (Some(username_file), Some(password_file)) => Some(Credentials { username_file, password_file }),
            (None, None) => None,
            _ => {
                faults.fault("mail.usernameFile and mail.passwordFile: write both or none".into());
                None
            }
        };
        let name = |language: &str, name: String, faults: &mut Faults| {
            let field = format!("mail.provider.{language}");
            if name.chars().any(char::is_control) || name.chars().count() > 60 {
                faults.fault(format!("{field}: {name:?} is not one line of at most 60 characters"));
            }
            faults.filled(&field, name)
        };
        let provider = Line { ja: name("ja", self.provider.ja, faults), en: name("en", self.provider.en, faults) };
        let reply_to = self.reply_to.map(|address| mailbox("mail.replyTo", &address, faults));
        Some(Mail {
            port: faults.within("mail.port", self.port, u16::MAX),
            per_second: faults.within("mail.perSecond", self.per_second, 1000),
            connections: faults.within("mail.connections", self.connections, 16),
            from: mailbox("mail.from", &self.from, faults)?,
            reply_to: reply_to.flatten(),
            contact: self.contact.map(|text| faults.filled("mail.contact", text)),
            status_page: self.status_page.map(|text| page("mail.statusPage", text, faults)),
            guide: self.guide.map(|text| page("mail.guide", text, faults)),
            ca_file: self.ca_file,
            host,
            encryption,
            provider,
            credentials,
        })
    }
}

fn mailbox(field: &str, address: &str, faults: &mut Faults) -> Option<Address> {
    let parsed = address.parse::<Address>().ok().filter(|_| address.is_ascii());
    if parsed.is_none() {
        faults.fault(format!("{field}: {address:?} is not a mail address such as notices@provider.example"));
    }
    parsed
}

fn page(field: &str, address: String, faults: &mut Faults) -> String {
    if !address.starts_with("https://") || address.chars().any(|letter| letter.is_control() || letter == ' ') {
        faults.fault(format!("{field}: {address:?} is not an address such as https://status.provider.example"));
    }
    address
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::tests::SMALLEST;
    use super::Encryption;

    #[test]
    fn mail_in_the_clear_stays_on_the_machine_and_every_fault_names_its_field() {
        assert_eq!(Config::parse(SMALLEST).unwrap().mail, None);
        let of = |mail: &str| Config::parse(&format!("{SMALLEST}\nmail: {mail}"));
        let who = "from: notices@provider.example, provider: {ja: 提供者, en: Provider}";
        let mail = of(&format!("{{host: smtp.provider.example, {who}}}")).unwrap().mail.unwrap();
        assert_eq!((mail.encryption, mail.port, mail.per_second), (Encryption::StartTls, 587, 10));
        assert!(of(&format!("{{host: 127.0.0.1, tls: None, {who}}}")).is_ok());
        for (wrong, field) in [
            (format!("{{host: smtp.provider.example, tls: None, {who}}}"), "mail.tls"),
            (format!("{{host: localhost, tls: None, {who}}}"), "mail.tls"),
            (format!("{{host: a, passwordFile: /x, {who}}}"), "mail.usernameFile"),
            (format!("{{host: a, replyTo: \"a@b.example\\nBcc: x@y.example\", {who}}}"), "mail.replyTo"),
            (format!("{{host: a, statusPage: 'javascript:x', {who}}}"), "mail.statusPage"),
            (format!("{{host: a, perSecond: 0, {who}}}"), "mail.perSecond"),
            ("{host: a, from: nobody, provider: {ja: x, en: x}}".into(), "mail.from"),
            ("{host: a, from: a@b.example, provider: {ja: \"x\\ny\", en: x}}".into(), "mail.provider.ja"),
        ] {
            let faults = of(&wrong).unwrap_err();
            assert!(faults.len() == 1 && faults[0].starts_with(field), "{wrong}: {faults:?}");
        }
    }
}
