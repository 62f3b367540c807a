//! What the chart becomes, without a cluster.
//!
//! `golden/charts/<case>.yaml` is what helm makes of `charts/values/<case>.yaml`; of what `cloudfarm manifests` prints there
//! are only names, and nothing of alert rules and dashboards: other tests compare those whole. After a change that is meant:
//! `CLOUDFARM_GOLDEN=write cargo test --test charts rendered`, then read `git diff`.

use std::collections::BTreeMap;

use cloudfarm::install;
use cloudfarm::operator::config::Config;
use serde_json::{Value, json};

use crate::helm::{alone, root, usual, values};

/// What a cluster with the Prometheus Operator has.
const PROMETHEUS: [&str; 4] = [
    "--api-versions",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "--api-versions",
    "monitoring.coreos.com/v1/PrometheusRule",
];

const VERSION: &str = env!("CARGO_PKG_VERSION");

const CASES: [&str; 3] = ["default", "minimal", "everything"];

pub fn template(values: &Value, more: &[&str]) -> Result<String, String> {
    let words = ["template", "cloudfarm", "charts/cloudfarm", "--namespace", "cloudfarm-system"];
    alone(&[&words, more].concat(), Some(values))
}

/// Every object with the template that it is from.
pub fn objects(text: &str) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for document in text.split("\n---\n").map(|text| text.trim_start_matches("---\n")) {
        let source = document.lines().find_map(|line| line.strip_prefix("# Source: ")).unwrap_or_default();
        let object: Value = serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{error}: {document}"));
        if !object.is_null() {
            all.push((source.to_owned(), object));
        }
    }
    all
}

fn name(object: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = word(&object["metadata"]["namespace"]);
    let namespace = if namespace.is_empty() { namespace } else { namespace + "/" };
    format!("{} {namespace}{}", word(&object["kind"]), word(&object["metadata"]["name"]))
}

pub fn find<'a>(all: &'a [(String, Value)], wanted: &str) -> &'a Value {
    let found = all.iter().find(|(_, object)| name(object) == wanted);
    &found.unwrap_or_else(|| panic!("{wanted} is not there")).1
}

#[test]
fn helm_lints_both_charts_without_a_warning() {
    for case in CASES {
        alone(&["lint", "--strict", "charts/cloudfarm", "--namespace", "cloudfarm-system"], Some(&values(case)))
            .unwrap_or_else(|complaint| panic!("{case}: {complaint}"));
    }
    alone(&["lint", "--strict", "charts/cloudfarm-crds"], None).unwrap_or_else(|complaint| panic!("{complaint}"));
}

#[test]
fn rendered_charts_are_as_accepted() {
    let mut stale = Vec::new();
    for case in CASES {
        let text = template(&values(case), if case == "everything" { &PROMETHEUS } else { &[] });
        let text = text.unwrap_or_else(|complaint| panic!("{case}: {complaint}"));
        let (mut short, mut names) = (String::new(), String::new());
        for document in text.split("\n---\n").map(|text| text.trim_start_matches("---\n")) {
            let object: Value = serde_saphyr::from_str(document).expect("YAML");
            let copied = object["kind"] == "PrometheusRule" || name(&object).contains("/cloudfarm-dashboard-");
            // The templates of probe and session log hold what the code prints, and pods of their own.
            let printed =
                [install::probe(), install::sessions()].concat().iter().any(|each| name(each) == name(&object));
            if document.starts_with("# Source: cloudfarm/templates/generated.yaml") || printed {
                names = names + "# generated: " + &name(&object) + "\n";
            } else if !copied {
                short = short + "---\n" + document.trim_end() + "\n";
            }
        }
        let now = names + &short;
        let file = root().join(format!("tests/golden/charts/{case}.yaml"));
        if std::env::var("CLOUDFARM_GOLDEN").is_ok_and(|asked| asked == "write") {
            std::fs::write(&file, &now).expect("the golden file");
        }
        let accepted = std::fs::read_to_string(&file).unwrap_or_default();
        if let Some((number, (was, is))) =
            accepted.lines().chain([""]).zip(now.lines().chain([""])).enumerate().find(|(_, (was, is))| was != is)
        {
            stale.push(format!("{case}.yaml:{}: accepted is {was:?}, now it is {is:?}", number + 1));
        }
    }
    let meant = "if that is meant: CLOUDFARM_GOLDEN=write cargo test --test charts rendered, then read git diff";
    assert!(stale.is_empty(), "{}\n{meant}", stale.join("\n"));
}

#[test]
fn roles_policies_and_identities_are_those_that_the_code_prints() {
    let all = objects(&template(&usual(), &[]).expect("it renders"));
    let ours: BTreeMap<String, &Value> = all
        .iter()
        .filter(|(source, _)| source.ends_with("generated.yaml"))
        .map(|(_, object)| (name(object), object))
        .collect();
    let mut printed: BTreeMap<String, Value> =
        install::manifests().into_iter().map(|object| (name(&object), object)).collect();
    // A release cannot own the namespace in which its own record lies.
    assert!(printed.remove("Namespace cloudfarm-system").is_some());
    assert_eq!(ours.keys().collect::<Vec<_>>(), printed.keys().collect::<Vec<_>>());
    for (name, object) in printed {
        let mut labelled = object.clone();
        let labels = labelled["metadata"]["labels"].take();
        let mut expected = json!({
            "app.kubernetes.io/name": "cloudfarm", "app.kubernetes.io/instance": "cloudfarm",
            "app.kubernetes.io/version": VERSION, "app.kubernetes.io/part-of": "cloudfarm",
            "app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": format!("cloudfarm-{VERSION}"),
        });
        if labels.is_object() {
            crate::support::world::merge(&mut expected, labels);
        }
        labelled["metadata"]["labels"] = expected;
        assert_eq!(*ours[&name], labelled, "{name}");
    }
}

#[test]
fn the_config_and_the_program_of_the_purge_are_what_the_operator_reads() {
    for case in CASES {
        let all = objects(&template(&values(case), &[]).expect("it renders"));
        let text = find(&all, "ConfigMap cloudfarm-system/cloudfarm-config")["data"]["config.yaml"].clone();
        let config = Config::parse(text.as_str().expect("text")).unwrap_or_else(|faults| panic!("{case}: {faults:?}"));
        let program = find(&all, "ConfigMap cloudfarm-system/cloudfarm-purge-program");
        let storage = find(&all, "ConfigMap cloudfarm-system/cloudfarm-storage");
        assert_eq!(storage["data"], install::storage(&config)["data"], "{case}");
        let expected = install::purge_program(&config);
        assert_eq!(program["data"], expected["data"], "{case}");
        assert_eq!(program["metadata"]["annotations"], expected["metadata"]["annotations"], "{case}");
        let image =
            &find(&all, "Deployment cloudfarm-system/cloudfarm")["spec"]["template"]["spec"]["containers"][0]["image"];
        assert_eq!(
            case != "everything",
            *image == program["data"]["image"],
            "{case}: one image, unless said otherwise"
        );
    }
}

#[test]
fn defaults_of_the_chart_are_those_of_the_config_file() {
    let needed = json!({
        "platform": {"resolvers": ["192.0.2.53"], "ntp": ["192.0.2.123"]},
        "cluster": {"pods": ["10.244.0.0/16"], "services": ["10.96.0.0/16"], "controlPlane": [], "metadata": ["169.254.169.254/32"]},
        "purge": {"image": "registry.example/cloudfarm:1"},
    });
    let smallest = Config::parse(&needed.to_string()).expect("a config");
    let mut values =
        json!({"config": needed, "image": {"repository": "registry.example/cloudfarm", "tag": "1", "allowTag": true}});
    values["config"]["purge"] = json!({});
    let all = objects(&template(&values, &[]).expect("it renders"));
    let text = find(&all, "ConfigMap cloudfarm-system/cloudfarm-config")["data"]["config.yaml"].clone();
    assert_eq!(Config::parse(text.as_str().expect("text")), Ok(smallest));
}

#[test]
fn what_a_cluster_lacks_is_off_until_it_is_asked_for() {
    let has = |values: &Value, more: &[&str], kind: &str| {
        objects(&template(values, more).expect("it renders")).iter().any(|(_, object)| object["kind"] == kind)
    };
    let with = |field: &str, wanted: Value| {
        let mut values = usual();
        values["metrics"] = json!({field: {"enabled": wanted}});
        values
    };
    let rules = root().join("charts/cloudfarm/alerts.yaml").exists();
    for (field, kind, there) in
        [("serviceMonitor", "ServiceMonitor", true), ("prometheusRule", "PrometheusRule", rules)]
    {
        assert!(!has(&usual(), &[], kind));
        assert_eq!(has(&usual(), &PROMETHEUS, kind), there, "{kind}");
        assert_eq!(has(&with(field, json!(true)), &[], kind), there, "{kind}");
        assert!(!has(&with(field, json!(false)), &PROMETHEUS, kind), "{kind}");
    }
}

#[test]
fn alert_rules_and_dashboards_are_the_files_of_the_chart() {
    let folder = root().join("charts/cloudfarm");
    let all = |more: &[&str]| objects(&template(&usual(), more).expect("it renders"));
    let rules: Vec<Value> = all(&PROMETHEUS)
        .into_iter()
        .filter(|(_, object)| object["kind"] == "PrometheusRule")
        .map(|(_, mut object)| object["spec"].take())
        .collect();
    let written: Vec<Value> = std::fs::read_to_string(folder.join("alerts.yaml"))
        .map(|text| serde_saphyr::from_str(&text).expect("alert rules"))
        .into_iter()
        .collect();
    assert_eq!(rules, written);
    let mut elsewhere = usual();
    elsewhere["metrics"] = json!({"prometheusRule": {"enabled": true, "runbook": "https://docs.example/runbook"}});
    let text = template(&elsewhere, &[]).expect("it renders");
    assert!(!text.contains("runbook_url: RUNBOOK.md"));
    assert_eq!(text.matches("runbook_url: https://docs.example/runbook#").count() > 10, !written.is_empty());

    let shown = |more: &[&str]| {
        let mut found = BTreeMap::new();
        for (_, object) in all(more) {
            if name(&object).starts_with("ConfigMap cloudfarm-system/cloudfarm-dashboard-") {
                assert_eq!(object["metadata"]["labels"]["grafana_dashboard"], "1");
                found.extend(object["data"].as_object().expect("data").clone());
            }
        }
        found
    };
    let files: BTreeMap<String, Value> = std::fs::read_dir(folder.join("dashboards"))
        .map(|entries| entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>())
        .unwrap_or_default()
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(&file).expect("a dashboard");
            (file.file_name().expect("a name").to_string_lossy().into_owned(), json!(text.trim_end().to_owned() + "\n"))
        })
        .collect();
    assert_eq!(shown(&PROMETHEUS), files);
    assert_eq!(shown(&[]), BTreeMap::new());
}

#[test]
fn a_change_of_the_config_restarts_the_pods_and_nothing_else_does() {
    let checksum = |values: &Value| {
        let all = objects(&template(values, &[]).expect("it renders"));
        find(&all, "Deployment cloudfarm-system/cloudfarm")["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
            .as_str()
            .expect("a checksum")
            .to_owned()
    };
    let (mut other, mut scaled) = (usual(), usual());
    other["config"]["rates"]["concurrency"] = json!(8);
    scaled["replicas"] = json!(3);
    assert_ne!(checksum(&usual()), checksum(&other));
    assert_eq!(checksum(&usual()), checksum(&scaled));
}

#[test]
fn the_session_log_reads_its_nodes_file_or_is_posted_events_and_has_nothing_of_the_other() {
    let rendered = |source: &str| {
        let mut values = usual();
        crate::support::world::merge(&mut values, json!({"sessions": {"enabled": true, "source": source}}));
        objects(&template(&values, &[]).expect("it renders"))
    };
    let file = rendered("file");
    let pod = &find(&file, "DaemonSet cloudfarm-sessions/cloudfarm-sessions")["spec"]["template"]["spec"];
    assert!(pod["containers"][0]["args"].to_string().contains("--audit-log=/audit/audit.log"), "{pod}");
    assert_eq!(pod["volumes"][1]["hostPath"]["path"], "/var/log/kubernetes/audit");
    assert_eq!(pod["containers"][0]["volumeMounts"][1]["readOnly"], true);
    let level = |all: &[(String, Value)]| {
        let namespace = find(all, "Namespace cloudfarm-sessions");
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"].as_str().map(str::to_owned)
    };
    assert_eq!(level(&file).as_deref(), Some("privileged"));

    let posts = rendered("webhook");
    let pod = &find(&posts, "Deployment cloudfarm-sessions/cloudfarm-sessions")["spec"]["template"]["spec"];
    assert!(!pod.to_string().contains("hostPath") && pod["securityContext"]["runAsNonRoot"] == true, "{pod}");
    assert_eq!(level(&posts).as_deref(), Some("restricted"));

    let without = objects(&template(&usual(), &[]).expect("it renders"));
    assert!(without.iter().all(|(_, object)| !name(object).contains("cloudfarm-sessions/")));
}
