//! Somebody who sends requests as they are: any verb, any subresource, any body, past what kubectl would ask first.

use http::Request;
use kube::{Client, Error};
use serde_json::Value;

use super::plane::Plane;

/// How a change is sent.
pub const MERGE: &str = "application/merge-patch+json";
pub const JSON_PATCH: &str = "application/json-patch+json";
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";
pub const JSON: &str = "application/json";

/// Who asks: an administrator's certificate in somebody's name, or somebody's own token.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    name: Option<String>,
    groups: Vec<String>,
}

/// What the API server answers.
#[derive(Clone, Debug)]
pub struct Answer {
    pub code: u16,
    /// The body, or what the refusal says.
    pub text: String,
}

impl Answer {
    /// By rights, by a policy, or since there is no such thing.
    pub fn refused(&self) -> bool {
        self.code >= 400
    }
}

impl Caller {
    /// The cluster's administrator.
    pub async fn admin(plane: &Plane) -> Self {
        Self { client: client(plane.config().await), name: None, groups: Vec::new() }
    }

    /// A user of this name, as the API server's authentication would say it.
    pub async fn user(plane: &Plane, name: &str) -> Self {
        let groups = vec!["system:authenticated".to_owned()];
        Self { client: client(plane.config().await), name: Some(name.to_owned()), groups }
    }

    /// Whoever has this token.
    pub async fn with_token(plane: &Plane, token: &str) -> Self {
        let mut config = plane.config().await;
        config.auth_info = kube::config::AuthInfo { token: Some(token.to_owned().into()), ..Default::default() };
        Self { client: client(config), name: None, groups: Vec::new() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, JSON, &Value::Null).await
    }

    pub async fn create(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, JSON, body).await
    }

    pub async fn update(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, JSON, body).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, JSON, &Value::Null).await
    }

    /// A merge patch.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, MERGE, body).await
    }

    /// Any request; a body of `null` is none.
    pub async fn send(&self, method: &str, path: &str, content: &str, body: &Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("content-type", content);
        if let Some(name) = &self.name {
            request = request.header("Impersonate-User", name);
        }
        for group in &self.groups {
            request = request.header("Impersonate-Group", group);
        }
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        match self.client.request_text(request.body(body).expect("a request")).await {
            Ok(text) => Answer { code: 200, text },
            Err(Error::Api(status)) => Answer { code: status.code, text: status.message },
            Err(other) => panic!("{method} {path}: no answer: {other}"),
        }
    }
}

/// A client that asks once: a refusal by a busy server is an answer, too.
fn client(config: kube::Config) -> Client {
    Client::try_from(cloudfarm::operator::client_config(config)).expect("client")
}
