//! A Git server on loopback, as a platform team has one, and people who push to it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};

/// Serves every repository under a folder by smart HTTP, also for pushing, and `/artifacts/` for the fetcher.
#[derive(Clone)]
pub struct GitServer {
    folder: PathBuf,
    address: SocketAddr,
}

impl GitServer {
    /// Starts one that lives as long as the process.
    pub fn start(folder: PathBuf) -> Self {
        for part in ["repositories", "artifacts", "people"] {
            std::fs::create_dir_all(folder.join(part)).expect("a folder");
        }
        let (started, address) = std::sync::mpsc::channel();
        let served = folder.clone();
        // A runtime of its own, since each test's runtime ends with the test.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
                started.send(listener.local_addr().expect("an address")).expect("somebody waits");
                let service = axum::Router::new().fallback(answer).with_state(served);
                axum::serve(listener, service).await.expect("it serves");
            });
        });
        Self { folder, address: address.recv().expect("the server starts") }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Where files lie that are served under `/artifacts/`.
    pub fn artifacts(&self) -> PathBuf {
        self.folder.join("artifacts")
    }

    /// A new, empty repository and somebody's clone of it.
    pub fn repository(&self, name: &str) -> Repository {
        let bare = self.folder.join(format!("repositories/{name}.git"));
        git(&self.folder, &["init", "--quiet", "--bare", "--initial-branch=main", &bare.display().to_string()]);
        git(&bare, &["config", "http.receivepack", "true"]);
        let clone = self.folder.join("people").join(name);
        let url = self.url(&format!("{name}.git"));
        git(&self.folder, &["clone", "--quiet", &url, &clone.display().to_string()]);
        Repository { clone, url }
    }
}

/// Somebody's clone of a repository.
pub struct Repository {
    clone: PathBuf,
    pub url: String,
}

impl Repository {
    pub fn write(&self, path: &str, text: &str) {
        let file = self.clone.join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, text).expect("a file");
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.clone.join(path)).expect("a file")
    }

    pub fn remove(&self, path: &str) {
        git(&self.clone, &["rm", "--quiet", "-r", path]);
    }

    /// Takes the last commit back by another one.
    pub fn revert(&self) -> String {
        git(&self.clone, &["revert", "--no-edit", "HEAD"]);
        self.send()
    }

    /// Commits everything and pushes it; returns the revision as Flux writes it.
    pub fn push(&self, message: &str) -> String {
        git(&self.clone, &["add", "--all"]);
        git(&self.clone, &["commit", "--quiet", "--message", message]);
        self.send()
    }

    fn send(&self) -> String {
        git(&self.clone, &["push", "--quiet", "origin", "HEAD:main"]);
        format!("main@sha1:{}", git(&self.clone, &["rev-parse", "HEAD"]).trim())
    }
}

/// git without anybody's settings; panics with its words when it fails.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "Engineer").env(format!("GIT_{who}_EMAIL"), "engineer@provider.example");
    }
    let output = command.output().expect("git");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {}: {said}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn answer(
    State(folder): State<PathBuf>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    if let Some(name) = uri.path().strip_prefix("/artifacts/") {
        let file = std::fs::read(folder.join("artifacts").join(name));
        return file.map_or_else(|_| plain(StatusCode::NOT_FOUND), |bytes| Response::new(Body::from(bytes)));
    }
    let backend = tokio::task::spawn_blocking(move || backend(&folder, &method, &uri, &headers, &body));
    backend.await.expect("git http-backend")
}

/// `git http-backend`, by CGI.
fn backend(folder: &Path, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Response<Body> {
    use std::io::Write as _;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut command = Command::new("git");
    command.arg("http-backend").stdin(Stdio::piped()).stdout(Stdio::piped());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("GIT_PROJECT_ROOT", folder.join("repositories")).env("PATH_INFO", uri.path());
    command.env("REQUEST_METHOD", method.as_str()).env("QUERY_STRING", uri.query().unwrap_or_default());
    command.env("CONTENT_TYPE", header("content-type")).env("CONTENT_LENGTH", body.len().to_string());
    command.env("HTTP_CONTENT_ENCODING", header("content-encoding")).env("GIT_PROTOCOL", header("git-protocol"));
    let mut child = command.spawn().expect("git http-backend");
    let mut pipe = child.stdin.take().expect("a pipe");
    std::thread::scope(|scope| {
        scope.spawn(move || pipe.write_all(body));
        response(&child.wait_with_output().expect("git http-backend").stdout)
    })
}

fn response(output: &[u8]) -> Response<Body> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").expect("headers");
    let (head, body) = (String::from_utf8_lossy(&output[..end]), output[end + 4..].to_vec());
    let mut response = Response::builder();
    for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
        response = match name {
            "Status" => response.status(value.get(..3).unwrap_or_default()),
            _ => response.header(name, value),
        };
    }
    response.body(Body::from(body)).expect("a response")
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
