//! helm and its neighbours as people call them.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::command::helm;
pub use crate::support::command::{root, run, tool};
use crate::support::plane::Plane;
use crate::support::world::merge;

/// helm without a cluster: output, or what it complained about.
pub fn alone(words: &[&str], values: Option<&Value>) -> Result<String, String> {
    let (ok, output, complaint) = helm(words, values, Path::new("/nonexistent"));
    if ok { Ok(output) } else { Err(output + &complaint) }
}

/// helm on a plane: what it said, or what it complained about.
pub fn on(plane: &Plane, words: &[&str], values: Option<&Value>) -> Result<String, String> {
    let (ok, output, complaint) = helm(words, values, &plane.dir.join("kubeconfig"));
    if ok { Ok(output + &complaint) } else { Err(output + &complaint) }
}

/// helm on a plane, in the operator's namespace; has to succeed.
pub fn done(plane: &Plane, words: &[&str], values: Option<&Value>) -> String {
    let words = [words, &["--namespace", "cloudfarm-system"]].concat();
    on(plane, &words, values).unwrap_or_else(|complaint| panic!("helm {}: {complaint}", words.join(" ")))
}

/// helm on a plane, in the operator's namespace; has to be refused with each of these words.
pub fn refused(plane: &Plane, words: &[&str], values: Option<&Value>, says: &[&str]) {
    let words = [words, &["--namespace", "cloudfarm-system"]].concat();
    let complaint = on(plane, &words, values).expect_err(&words.join(" "));
    for say in says {
        assert!(complaint.contains(say), "helm {}: {say:?} is missing in: {complaint}", words.join(" "));
    }
}

/// The operator's namespace, and the chart of the kinds in it.
pub fn prepared(plane: &Plane) {
    plane.kubectl(&["create", "namespace", "cloudfarm-system"], None);
    plane.kubectl(&["label", "namespace", "cloudfarm-system", "pod-security.kubernetes.io/enforce=restricted"], None);
    done(plane, &["upgrade", "--install", "cloudfarm-crds", "charts/cloudfarm-crds"], None);
    plane.our_crds_established();
}

/// `tests/charts/values/<name>.yaml` over the shipped config.
pub fn values(name: &str) -> Value {
    let read = |file: &str| -> Value {
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
    };
    let mut values = json!({"config": read("charts/cloudfarm/config.yaml")});
    // The purge runs what the operator runs, unless somebody wants it otherwise.
    values["config"]["purge"].as_object_mut().expect("purge").remove("image");
    merge(&mut values, read(&format!("tests/charts/values/{name}.yaml")));
    values
}

/// What people install who need nothing special.
pub fn usual() -> Value {
    values("default")
}
