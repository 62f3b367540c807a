//! A real SMTP server on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::command::{root, run, tool};
use crate::support::eventually;

pub struct Mailpit {
    child: Child,
    pub folder: PathBuf,
    pub smtp: u16,
    web: u16,
}

/// A mail as it arrived.
#[derive(Clone, Debug)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub message_id: String,
    pub raw: String,
}

fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port()
}

impl Mailpit {
    /// One that wants STARTTLS and a login, or, `open`, neither.
    pub async fn start(name: &str, open: bool) -> Self {
        let folder = root().join(format!("target/test-mail/{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let (smtp, web) = (free(), free());
        let mut command = Command::new(tool("mailpit", "mailpit"));
        command.args(["--disable-version-check", "--smtp-disable-rdns", "--max", "0", "--enable-chaos"]);
        command.args(["--listen", &format!("127.0.0.1:{web}"), "--smtp", &format!("127.0.0.1:{smtp}")]);
        command.args(["--database", &file("mail.db")]);
        if !open {
            let (key, certificate) = (file("tls.key"), file("tls.crt"));
            let ec =
                ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=mail"];
            let names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
            let mut openssl = Command::new("openssl");
            openssl.args(["req", "-x509"]).args(ec).args(names).args(["-keyout", &key, "-out", &certificate]);
            let (ok, _, said) = run(&mut openssl, "");
            assert!(ok, "{said}");
            for (name, text) in [("users.txt", "ops:s3cret"), ("username", "ops\n"), ("password", "s3cret\n")] {
                std::fs::write(folder.join(name), text).expect("a file");
            }
            command.args(["--smtp-tls-cert", &certificate, "--smtp-tls-key", &key, "--smtp-require-starttls"]);
            command.args(["--smtp-auth-file", &file("users.txt")]);
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mailpit starts");
        let mailpit = Self { child, folder, smtp, web };
        eventually("mailpit is ready", || async { mailpit.ask("GET", "/readyz", "").map(drop) }).await;
        mailpit
    }

    /// The section `mail` of the operator's config.
    pub fn config(&self) -> Value {
        let file = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        let mut config = Self::plain(self.smtp);
        if self.folder.join("users.txt").exists() {
            config["tls"] = json!("STARTTLS");
            config["usernameFile"] = json!(file("username"));
            config["passwordFile"] = json!(file("password"));
            config["caFile"] = json!(file("tls.crt"));
        }
        config
    }

    /// The same for something that listens on this port without login, such as a proxy before it.
    pub fn plain(port: u16) -> Value {
        json!({"host": "127.0.0.1", "port": port, "tls": "None", "from": "notices@provider.example",
            "replyTo": "desk@provider.example", "provider": {"ja": "試験クラウド", "en": "Test Cloud"},
            "contact": "desk@provider.example", "perSecond": 1000, "connections": 4})
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.web)).ok()?;
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.lines().next()?.contains(" 200").then(|| body.to_owned())
    }

    /// Answers this number at this place (`Recipient`, `Sender`, `Authentication`) to so many of a hundred.
    pub fn chaos(&self, place: &str, code: u16, of_a_hundred: u16) {
        let body = json!({place: {"ErrorCode": code, "Probability": of_a_hundred}}).to_string();
        self.ask("PUT", "/api/v1/chaos", &body).expect("chaos");
    }

    /// How many mails there are.
    pub fn count(&self) -> usize {
        let answer = self.ask("GET", "/api/v1/messages?limit=1", "").expect("an answer");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        usize::try_from(answer["total"].as_u64().expect("a number")).expect("a number")
    }

    /// To whom mails went and their Message-IDs, without their text.
    pub fn heads(&self) -> Vec<(String, String, String)> {
        let answer = self.ask("GET", "/api/v1/messages?limit=100000", "").expect("an answer");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = answer["messages"].as_array().cloned().unwrap_or_default();
        all.iter().map(|each| (text(&each["To"][0]["Address"]), text(&each["MessageID"]), text(&each["ID"]))).collect()
    }

    /// Mails whose text or subject has these words, oldest first.
    pub fn about(&self, words: &str) -> Vec<Mail> {
        let mut found = Vec::new();
        for (to, message_id, id) in self.heads().into_iter().rev() {
            let raw = self.ask("GET", &format!("/api/v1/message/{id}/raw"), "").expect("the mail");
            let whole = self.ask("GET", &format!("/api/v1/message/{id}"), "").expect("the mail");
            let whole: Value = serde_json::from_str(&whole).expect("JSON");
            let subject = whole["Subject"].as_str().unwrap_or_default().to_owned();
            if subject.contains(words) || whole["Text"].as_str().unwrap_or_default().contains(words) {
                found.push(Mail { to, subject, message_id, raw });
            }
        }
        found
    }

    /// Waits until so many mails have these words.
    pub async fn until(&self, words: &str, count: usize) -> Vec<Mail> {
        eventually(&format!("{count} mails about {words}"), || async {
            Some(self.about(words)).filter(|found| found.len() >= count)
        })
        .await
    }
}

impl Drop for Mailpit {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
