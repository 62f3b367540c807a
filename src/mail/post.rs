//! The way to the SMTP server: a few connections that are used again, no faster than the config allows.
//!
//! ```text
//! accepted              the server has it (250 after the last dot)
//! refused    5xx        the server will never take it for this person: a bounce
//! later      4xx, or no answer once the mail was on its way: tried again under the same Message-ID
//! shut                  the server serves nobody now: no connection, no TLS, no login. Nobody's try
//! ```

use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as Sender, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use super::Sealed;
use crate::operator::config::{Encryption, Mail};

/// A server that says nothing for so long is not there. RFC 5321 allows some minutes, which would hold up everybody else.
const PATIENCE: Duration = Duration::from_secs(20);

/// Servers close what is idle, usually after five minutes.
const IDLE: Duration = Duration::from_secs(30);

/// What became of one mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    /// With the server's number.
    Refused(u16),
    /// With the server's number; without one there was no answer.
    Later(Option<u16>),
    /// Why, in words of ours.
    Shut(Shut),
}

/// Why the server serves nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shut {
    /// A file with name, password or authority cannot be read.
    FileMissing(&'static str),
    /// No connection, or none that is encrypted.
    Unreachable(String),
    /// It does not take the login, or the sender.
    Refuses(u16),
}

impl std::fmt::Display for Shut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FileMissing(field) => {
                write!(f, "the file of {field} cannot be read or is empty: mount the Secret that holds it")
            }
            Self::Unreachable(why) => write!(f, "the mail server cannot be reached: {why}"),
            Self::Refuses(code) => write!(
                f,
                "the mail server answers {code} to the login or to the sender: look at mail.usernameFile, mail.passwordFile and mail.from"
            ),
        }
    }
}

/// The connections to the server.
pub struct Post {
    mail: Mail,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
    slots: Semaphore,
    turn: Mutex<Instant>,
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post").finish_non_exhaustive()
    }
}

impl Post {
    #[must_use]
    pub fn new(mail: Mail) -> Self {
        let slots = Semaphore::new(mail.connections.into());
        Self { mail, idle: Mutex::default(), slots, turn: Mutex::new(Instant::now()) }
    }

    /// What it was made from.
    #[must_use]
    pub fn mail(&self) -> &Mail {
        &self.mail
    }

    /// Hands one mail to the server.
    pub async fn send(&self, sealed: &Sealed) -> Outcome {
        let Ok(_slot) = self.slots.acquire().await else { return Outcome::Later(None) };
        self.wait_for_turn().await;
        let mut connection = match self.connection().await {
            Ok(connection) => connection,
            Err(shut) => return Outcome::Shut(shut),
        };
        let (outcome, whole) = hand_over(&mut connection, sealed).await;
        if whole {
            self.idle.lock().await.push((connection, Instant::now()));
        }
        outcome
    }

    /// Mails leave evenly.
    async fn wait_for_turn(&self) {
        let at = {
            let mut turn = self.turn.lock().await;
            let at = (*turn).max(Instant::now());
            *turn = at + Duration::from_secs(1) / u32::from(self.mail.per_second);
            at
        };
        sleep_until(at).await;
    }

    /// A connection that is ready.
    async fn connection(&self) -> Result<AsyncSmtpConnection, Shut> {
        loop {
            let found = self.idle.lock().await.pop();
            match found {
                Some((mut connection, since)) if since.elapsed() < IDLE => {
                    // The server may have closed it; that is no mail's fault.
                    if timeout(PATIENCE, connection.command(Rset)).await.is_ok_and(|answer| answer.is_ok()) {
                        return Ok(connection);
                    }
                }
                Some(_) => {}
                None => break,
            }
        }
        match timeout(PATIENCE, self.connect()).await {
            Ok(connection) => connection,
            Err(_) => Err(Shut::Unreachable(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Shut> {
        let mail = &self.mail;
        let name = ClientId::Domain(mail.from.domain().to_owned());
        let tls = match mail.encryption {
            Encryption::Loopback => None,
            Encryption::StartTls | Encryption::Tls => Some(self.tls().await?),
        };
        let at_once = tls.clone().filter(|_| mail.encryption == Encryption::Tls);
        let server = (mail.host.as_str(), mail.port);
        let opened = AsyncSmtpConnection::connect_tokio1(server, Some(PATIENCE), &name, at_once, None).await;
        let mut connection = opened.map_err(|error| unreachable_for(&error))?;
        if let Some(tls) = tls.filter(|_| mail.encryption == Encryption::StartTls) {
            connection.starttls(tls, &name).await.map_err(|error| unreachable_for(&error))?;
        }
        if let Some(files) = &mail.credentials {
            let username = read(&files.username_file, "mail.usernameFile").await?;
            let password = read(&files.password_file, "mail.passwordFile").await?;
            let credentials = Credentials::new(username, password);
            let login = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
            login.map_err(|error| match error.status() {
                Some(code) => Shut::Refuses(code.into()),
                None => unreachable_for(&error),
            })?;
        }
        Ok(connection)
    }

    async fn tls(&self) -> Result<TlsParameters, Shut> {
        let mut builder = TlsParameters::builder(self.mail.host.clone());
        if let Some(file) = &self.mail.ca_file {
            let missing = Shut::FileMissing("mail.caFile");
            let pem = tokio::fs::read(file).await.map_err(|_| missing.clone())?;
            let authority = Certificate::from_pem(&pem).map_err(|_| missing)?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(authority);
        }
        builder.build_rustls().map_err(|error| unreachable_for(&error))
    }
}

/// Sends one mail; tells, too, whether the connection may be used again.
async fn hand_over(connection: &mut AsyncSmtpConnection, sealed: &Sealed) -> (Outcome, bool) {
    let sender = Sender::new(sealed.envelope.from().cloned(), Vec::new());
    match said(connection.command(sender)).await {
        Ok(()) => {}
        // A server that has had enough of this connection is not shut.
        Err(Some(code)) if (500..600).contains(&code) => return (Outcome::Shut(Shut::Refuses(code)), false),
        Err(code) => return (Outcome::Later(code), false),
    }
    for to in sealed.envelope.to() {
        if let Err(code) = said(connection.command(Rcpt::new(to.clone(), Vec::new()))).await {
            return (judged(code), code.is_some_and(|code| code != 421));
        }
    }
    if let Err(code) = said(connection.command(Data)).await {
        return (judged(code), false);
    }
    match said(connection.message(&sealed.bytes)).await {
        Ok(()) => (Outcome::Accepted, true),
        Err(code) => (judged(code), code.is_some_and(|code| code != 421)),
    }
}

/// Nothing if the server agrees, its number if it refuses; `None` if there is no answer that can be read.
async fn said<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<(), Option<u16>> {
    match timeout(PATIENCE, answer).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.status().map(u16::from)),
        Err(_) => Err(None),
    }
}

fn judged(code: Option<u16>) -> Outcome {
    match code {
        Some(code) if (500..600).contains(&code) => Outcome::Refused(code),
        other => Outcome::Later(other),
    }
}

/// In words of ours: a server's own may hold anything.
fn unreachable_for(error: &Error) -> Shut {
    let why = match error.status() {
        Some(code) => format!("it answers {}", u16::from(code)),
        None if error.is_tls() => {
            "TLS fails: its certificate does not fit, or the authority is not known (mail.caFile)".into()
        }
        None if error.is_timeout() => "no answer in time".into(),
        None if error.is_client() => "it offers neither STARTTLS nor a login that is known".into(),
        None => "no connection, or it was cut".into(),
    };
    Shut::Unreachable(why)
}

async fn read(file: &std::path::Path, field: &'static str) -> Result<String, Shut> {
    let text = tokio::fs::read_to_string(file).await.map_err(|_| Shut::FileMissing(field))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err(Shut::FileMissing(field)) } else { Ok(text.to_owned()) }
}
