//! People who sign in at a real OpenID provider (authorization code with PKCE, a second factor) and come to a real API server
//! with what it gives them: by exactly the AuthenticationConfiguration that `cloudfarm authentication` prints, with an
//! operator whose config has what it prints for that.
#![allow(clippy::expect_used, clippy::panic)] // a test ends where it fails

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use cloudfarm::operator::clock::Clock;
use cloudfarm::operator::config::Config;
use kube::Client;
use serde_json::{Value, json};
use support::caller::Caller;
use support::command::{root, run, tool};
use support::eventually;
use support::faults::Faults;
use support::operator::Operator;
use support::plane::Plane;
use support::world::{self, apply, condition, machine, message, network, tenant};

const VMS: &str = "virtualmachines";
const CODE: &str = "123456";

/// The provider's people by their groups. It belongs to the provider of the cluster, and its tenants share it.
fn members() -> Value {
    json!({
        "abe": ["acme-operators"],
        "ueda": ["globex-admins"],
        "mallory": ["system:masters", "system:serviceaccounts", "masters"],
        "system:admin": ["acme"],
    })
}

/// The running provider and its folder; both go with it, and it ends with its standard input as well.
struct Issuer {
    process: Child,
    url: String,
    certificate: PathBuf,
}

impl Issuer {
    fn start() -> Self {
        let folder = root().join(format!("target/test-planes/issuer-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
        let mut openssl = Command::new("openssl");
        openssl
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"])
            .args(["-subj", "/CN=issuer", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&certificate);
        let (made, _, complaint) = run(&mut openssl, "");
        assert!(made, "{complaint}");
        let mut process = Command::new("node")
            .arg(root().join("tests/oidc/provider.mjs"))
            .args([tool("oidc", "node_modules"), key, certificate.clone()])
            .env("MEMBERS", members().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let mut url = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("a pipe"));
        output.read_line(&mut url).expect("it says where it listens");
        assert!(url.starts_with("https://"), "the provider did not start: {url:?}");
        Self { process, url: url.trim().to_owned(), certificate }
    }

    /// The ID token of somebody who fills the provider's form in.
    fn token(&self, client: &str, name: &str, code: &str) -> String {
        let mut browser = Command::new("node");
        browser
            .arg(root().join("tests/oidc/login.mjs"))
            .arg(&self.url)
            .arg(&self.certificate)
            .args([client, name, code]);
        let (signed_in, token, complaint) = run(&mut browser, "");
        assert!(signed_in, "{name}: {complaint}");
        token.trim().to_owned()
    }

    /// What the program prints for these Tenants: the API server's file, and the operator's config with it.
    fn configured(&self, tenants: &[Value]) -> (PathBuf, Config) {
        let manifests: Vec<String> = tenants.iter().map(|tenant| format!("---\n{tenant}\n")).collect();
        let mut program = Command::new(env!("CARGO_BIN_EXE_cloudfarm"));
        let authority = format!("{}={}", self.url, self.certificate.display());
        program.args(["authentication", "-f", "-", "--certificate-authority", &authority]);
        let (printed, text, complaint) = run(&mut program, &manifests.concat());
        assert!(printed, "{complaint}");
        let file = self.certificate.with_file_name("authentication.yaml");
        std::fs::write(&file, &text).expect("a file");
        let comments = text.lines().skip(1).map_while(|line| line.strip_prefix("# "));
        let told: Vec<&str> = comments.collect();
        let shipped = std::fs::read_to_string(root().join("charts/cloudfarm/config.yaml")).expect("the shipped config");
        (file, Config::parse(&(shipped + &told.join("\n"))).expect("what is printed is a config"))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        self.certificate.parent().map(std::fs::remove_dir_all);
    }
}

/// A Tenant of the shared issuer whose people are these.
fn customer(issuer: &Issuer, name: &str, administrators: &[Value]) -> Value {
    tenant(
        name,
        json!({
            "administrators": administrators,
            "authentication": {"mode": "OIDC", "oidc": {"issuer": issuer.url, "groupPrefix": format!("oidc:{name}-")}},
            "virtualMachines": [machine(&format!("vm-of-{name}"), &["front"])],
        }),
    )
}

fn person(kind: &str, username: &str, role: &str, disabled: bool) -> Value {
    json!({"kind": kind, "username": username, "email": "people@customer.example", "role": role, "disabled": disabled})
}

/// `acme`'s people; whether those are disabled that can be.
fn people_of_acme(disabled: bool) -> Vec<Value> {
    vec![
        person("User", "oidc:sato", "PrivilegedAdministrator", false),
        person("User", "oidc:ito", "User", disabled),
        person("Group", "oidc:acme-operators", "User", disabled),
        // Another customer's, which a slip or a trick could name.
        person("Group", "oidc:globex-admins", "Administrator", false),
    ]
}

fn of(tenant: &str, what: &str) -> String {
    let group = if what == VMS { "kubevirt.io/v1" } else { "cloudfarm.dev/v1alpha1" };
    format!("/apis/{group}/namespaces/cf-{tenant}/{what}")
}

fn both(tenant: &str) -> Vec<String> {
    vec![of(tenant, VMS), of(tenant, "tenantnetworks")]
}

/// What nobody of a customer may see: another one's, and what is the cluster's.
const ELSEWHERE: [&str; 9] = [
    "/apis/kubevirt.io/v1/virtualmachines",
    "/apis/cloudfarm.dev/v1alpha1/tenantnetworks",
    "/apis/cloudfarm.dev/v1alpha1/tenants",
    "/apis/cloudfarm.dev/v1alpha1/retentions",
    "/api/v1/namespaces",
    "/api/v1/secrets",
    "/api/v1/nodes",
    "/api/v1/namespaces/kube-system/secrets",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
];

async fn refused_everywhere(who: &Caller, name: &str, code: u16, more: &[String]) {
    for path in ELSEWHERE.iter().map(|path| (*path).to_owned()).chain(more.iter().cloned()) {
        let answer = who.get(&path).await;
        assert_eq!(answer.code, code, "{name} asks for {path}: {}", answer.text);
    }
}

/// A plane with two customers of one issuer, and the operator.
struct Bed {
    issuer: Issuer,
    plane: Plane,
    client: Client,
    _operator: Operator,
}

impl Bed {
    async fn start() -> Self {
        let issuer = Issuer::start();
        let of_globex = [
            person("User", "oidc:kato", "PrivilegedAdministrator", false),
            person("Group", "oidc:globex-admins", "Administrator", false),
        ];
        let customers = [customer(&issuer, "acme", &people_of_acme(false)), customer(&issuer, "globex", &of_globex)];
        let (file, config) = issuer.configured(&customers);
        let plane = Plane::signing_in("oidc", &file);
        let client = plane.admin().await;
        let operator = Operator::start_with(&plane, Faults::default(), config, Clock::default()).await;
        let names = ["acme", "globex"];
        apply(&plane, &names.map(world::namespace));
        apply(&plane, &customers);
        apply(&plane, &names.map(|name| network(name, "front", json!({}))));
        for name in names {
            let vm = format!("vm-of-{name}");
            eventually("the VM to be made", || async {
                world::machines(&client, name).get_opt(&vm).await.expect("an answer").map(|_| ())
            })
            .await;
        }
        Self { issuer, plane, client, _operator: operator }
    }

    async fn signed_in(&self, name: &str) -> Caller {
        Caller::with_token(&self.plane, &self.issuer.token("cloudfarm", name, CODE)).await
    }

    /// Waits until these people are answered so when they ask for `acme`'s VMs.
    async fn answered(&self, people: &[&Caller], code: u16) {
        let path = of("acme", VMS);
        eventually(&format!("{} people to be answered {code}", people.len()), || async {
            for who in people {
                if who.get(&path).await.code != code {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_sign_in_with_a_token_and_see_their_own_tenant_alone_until_they_are_disabled() {
    let bed = Bed::start().await;
    let tenants = world::tenants(&bed.client);
    condition(&tenants, "globex", "AdministratorsBound", "True").await;
    condition(&tenants, "globex", "SignInConfigured", "True").await;
    // The group of the other one is told and not let in; everybody else of the tenant is.
    let told = condition(&tenants, "acme", "AdministratorsBound", "False").await;
    assert!(message(&told, "AdministratorsBound").contains("spec.administrators[3]"), "{told}");
    who_signs_in_sees_the_own_tenant(&bed).await;
    who_is_nobody_here_sees_nothing(&bed).await;
    who_is_disabled_or_taken_out_is_shut_out(&bed).await;
    condition(&tenants, "acme", "AdministratorsBound", "True").await;
}

/// By name, and by a group.
async fn who_signs_in_sees_the_own_tenant(bed: &Bed) {
    for (name, own, other) in [("sato", "acme", "globex"), ("abe", "acme", "globex"), ("ueda", "globex", "acme")] {
        let who = bed.signed_in(name).await;
        for path in both(own) {
            let answer = who.get(&path).await;
            assert_eq!(answer.code, 200, "{name} asks for {path}: {}", answer.text);
            assert!(!answer.text.contains(&format!("of-{other}")));
        }
        assert!(who.get(&of(own, VMS)).await.text.contains(&format!("vm-of-{own}")), "{name} sees the own VM");
        refused_everywhere(&who, name, 403, &both(other)).await;
    }
    let rules = format!("{}/front", of("acme", "tenantnetworks"));
    let change = json!({"metadata": {"annotations": {"example.com/seen": "yes"}}});
    for (name, code) in [("sato", 200), ("abe", 403)] {
        let answer = bed.signed_in(name).await.patch(&rules, &change).await;
        assert_eq!(answer.code, code, "{name} changes the own rules: {}", answer.text);
    }
}

async fn who_is_nobody_here_sees_nothing(bed: &Bed) {
    let all = [both("acme"), both("globex")].concat();
    // What the provider says of the cluster's own names is a word behind its prefix.
    for name in ["mallory", "system:admin", "nobody"] {
        let who = bed.signed_in(name).await;
        refused_everywhere(&who, name, 403, &all).await;
    }
    // Without a second factor, for another client, or changed on the way.
    let mut forged = bed.issuer.token("cloudfarm", "sato", CODE);
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    for (what, token) in [
        ("a password alone", bed.issuer.token("cloudfarm", "sato", "")),
        ("another client's", bed.issuer.token("another", "sato", CODE)),
        ("a forged one", forged),
    ] {
        let who = Caller::with_token(&bed.plane, &token).await;
        refused_everywhere(&who, what, 401, &all).await;
    }
}

/// With the tokens that were good a moment ago.
async fn who_is_disabled_or_taken_out_is_shut_out(bed: &Bed) {
    let (sato, ito, abe) = (bed.signed_in("sato").await, bed.signed_in("ito").await, bed.signed_in("abe").await);
    let acme = |people: &[Value]| apply(&bed.plane, &[customer(&bed.issuer, "acme", people)]);
    bed.answered(&[&sato, &ito, &abe], 200).await;
    acme(&people_of_acme(true));
    let began = tokio::time::Instant::now();
    bed.answered(&[&ito, &abe], 403).await;
    println!("shut out after {:?}", began.elapsed());
    bed.answered(&[&sato], 200).await;
    acme(&people_of_acme(false));
    bed.answered(&[&sato, &ito, &abe], 200).await;
    acme(&people_of_acme(false)[..1]);
    bed.answered(&[&ito, &abe], 403).await;
    bed.answered(&[&sato], 200).await;
}
