//! Retentions: who decides what.

use serde_json::{Value, json};

use crate::bed::{ADMIN, OPERATOR, PURGE, accepted, bed, begun, ended, refused, spec_by, spec_refused, status_by};
use crate::support::world;

fn hold(by: &str) -> Value {
    json!({"legalHold": {"active": true, "reference": "2026-1", "placedBy": by}})
}

fn retention(name: &str, spec: Value) -> Value {
    world::retention(name, name, spec)
}

#[tokio::test]
async fn a_retention_is_kept_as_long_as_something_is_lost_by_it() {
    let plane = bed().await;
    ended(plane, "proof").await;
    let words = "delete retention proof --dry-run=server";
    for who in [ADMIN, "clerk"] {
        refused(plane, who, words, None, &["Retention proof of tenant proof is kept", "status.deletable"]).await;
    }
    status_by(plane, OPERATOR, "proof", json!({"deletable": false})).await;
    refused(plane, ADMIN, words, None, &["is kept"]).await;
    status_by(plane, OPERATOR, "proof", json!({"deletable": true})).await;
    accepted(plane, ADMIN, words, None).await;
    spec_by(plane, "officer", "proof", hold("officer")).await;
    refused(plane, ADMIN, words, None, &["has an active legal hold: release it first"]).await;

    accepted(plane, ADMIN, "create", Some(retention("unpinned", json!({})))).await;
    accepted(plane, ADMIN, "delete retention unpinned --dry-run=server", None).await;
}

#[tokio::test]
async fn a_hold_is_placed_in_ones_own_name_and_released_by_somebody_else() {
    let plane = bed().await;
    ended(plane, "hold").await;
    spec_refused(plane, "clerk", "hold", hold("clerk"), &["with the verb hold", "clerk has it not"]).await;
    spec_refused(plane, "officer", "hold", hold("colleague"), &["placedBy is colleague, and you are officer"]).await;
    spec_by(plane, "officer", "hold", hold("officer")).await;

    for off in [json!({"legalHold": null}), json!({"legalHold": {"active": false}})] {
        spec_refused(
            plane,
            "officer",
            "hold",
            off.clone(),
            &["was placed by officer, so somebody else has to release it"],
        )
        .await;
        spec_refused(plane, "clerk", "hold", off, &["with the verb release", "clerk has it not"]).await;
    }
    // Who placed it cannot become somebody else first.
    spec_refused(plane, "officer", "hold", hold("clerk"), &["placedBy is clerk, and you are officer"]).await;
    let other_file = json!({"legalHold": {"reference": "2026-2"}});
    spec_refused(plane, "colleague", "hold", other_file.clone(), &["placedBy is officer, and you are colleague"]).await;
    spec_refused(plane, "clerk", "hold", other_file.clone(), &["with the verb hold"]).await;
    spec_by(plane, "officer", "hold", other_file).await;
    spec_refused(plane, "clerk", "hold", json!({"legalHold": {"visibility": "Tenant"}}), &["with the verb hold"]).await;
    spec_by(plane, "colleague", "hold", json!({"legalHold": {"visibility": "Tenant"}})).await;
    spec_by(plane, "colleague", "hold", json!({"legalHold": {"active": false}})).await;

    let mut born = hold("clerk");
    refused(
        plane,
        "clerk",
        "create --dry-run=server",
        Some(retention("held-at-birth", born.clone())),
        &["with the verb hold"],
    )
    .await;
    born["legalHold"]["placedBy"] = json!("admin");
    accepted(plane, ADMIN, "create --dry-run=server", Some(retention("held-at-birth", born))).await;
}

#[tokio::test]
async fn everybody_approves_for_himself() {
    let plane = bed().await;
    ended(plane, "agreed").await;
    let by = |names: &[&str]| json!({"approvals": names.iter().map(|name| json!({"by": name, "at": "2026-09-01T00:00:00Z"})).collect::<Vec<_>>()});
    spec_refused(plane, "clerk", "agreed", by(&["clerk"]), &["with the verb approve", "clerk has it not"]).await;
    spec_refused(plane, "officer", "agreed", by(&["colleague"]), &["of colleague cannot be written by officer"]).await;
    spec_by(plane, "officer", "agreed", by(&["officer"])).await;
    spec_refused(
        plane,
        "officer",
        "agreed",
        by(&["officer", "colleague"]),
        &["of colleague cannot be written by officer"],
    )
    .await;
    spec_by(plane, "colleague", "agreed", by(&["officer", "colleague"])).await;
    // The time is part of it: it tells which end date was agreed to.
    let later = json!({"approvals": [{"by": "officer", "at": "2027-01-01T00:00:00Z"}, {"by": "colleague", "at": "2026-09-01T00:00:00Z"}]});
    spec_refused(plane, "colleague", "agreed", later.clone(), &["of officer cannot be written by colleague"]).await;
    spec_by(plane, "officer", "agreed", later).await;

    spec_refused(
        plane,
        "clerk",
        "agreed",
        json!({"approvals": null}),
        &["of officer, colleague are taken back by those people themselves"],
    )
    .await;
    spec_by(plane, "officer", "agreed", json!({"approvals": null})).await;
    refused(
        plane,
        "clerk",
        "create --dry-run=server",
        Some(retention("agreed-at-birth", by(&["clerk"]))),
        &["with the verb approve"],
    )
    .await;
}

#[tokio::test]
async fn what_could_erase_sooner_or_more_is_decided_by_few_and_in_their_own_name() {
    let plane = bed().await;
    ended(plane, "decided").await;
    let decisions = [
        ("endDate", json!({"endDate": "2026-06-30", "requestedBy": "clerk"})),
        (
            "earlyErasure",
            json!({"earlyErasure": {"approvedBy": "sato", "confirmName": "decided"}, "requestedBy": "clerk"}),
        ),
        ("graceDays", json!({"graceDays": 90})),
        ("mode", json!({"mode": "DryRun"})),
        ("rolling", json!({"rolling": [{"target": "RemovedDisks", "olderThan": "1d"}]})),
        ("scope", json!({"scope": ["Disks"]})),
        ("logRetention", json!({"logRetention": {"audit": "90d"}})),
        ("maxObjects", json!({"maxObjects": 100_000})),
        ("schedule", json!({"schedule": "0 0 * * *"})),
    ];
    for (field, spec) in decisions {
        spec_refused(plane, "clerk", "decided", spec.clone(), &[field, "only by somebody with the verb decide"]).await;
        refused(
            plane,
            "clerk",
            "create --dry-run=server",
            Some(retention("decided", spec)),
            &[field, "the verb decide"],
        )
        .await;
    }
    // What keeps data longer may be said by whoever may write at all, and is taken back by few.
    spec_by(plane, "clerk", "decided", json!({"suspend": true, "requiredApprovals": 2})).await;
    spec_refused(plane, "clerk", "decided", json!({"suspend": false}), &["spec.suspend is decided only"]).await;
    spec_refused(
        plane,
        "clerk",
        "decided",
        json!({"requiredApprovals": 1}),
        &["spec.requiredApprovals is decided only"],
    )
    .await;
    spec_by(plane, "officer", "decided", json!({"suspend": false, "requiredApprovals": 0, "graceDays": 90})).await;

    let end = |date: &str, by: &str| json!({"endDate": date, "requestedBy": by});
    spec_refused(
        plane,
        "officer",
        "decided",
        end("2026-06-30", "colleague"),
        &["requestedBy is colleague", "write requestedBy: officer"],
    )
    .await;
    spec_by(plane, "officer", "decided", end("2026-06-30", "officer")).await;
    spec_refused(plane, "colleague", "decided", json!({"endDate": "2026-05-31"}), &["requestedBy is officer"]).await;
    let early = json!({"earlyErasure": {"approvedBy": "sato", "confirmName": "decided"}});
    spec_refused(plane, "colleague", "decided", early, &["requestedBy is officer", "write requestedBy: colleague"])
        .await;
    // Nobody makes room for an own approval by writing another's name.
    spec_refused(plane, "officer", "decided", json!({"requestedBy": "colleague"}), &["requestedBy is colleague"]).await;
    spec_by(plane, "colleague", "decided", json!({"endDate": null, "requestedBy": null})).await;
    accepted(plane, "clerk", "create --dry-run=server", Some(retention("decided-at-birth", json!({"suspend": true}))))
        .await;
}

#[tokio::test]
async fn the_operator_makes_a_retention_with_the_defaults_and_never_changes_what_people_decided() {
    let plane = bed().await;
    ended(plane, "safe").await;
    // Also when roles gave it every verb.
    let masterful = format!("+{OPERATOR}");
    accepted(plane, OPERATOR, "create --dry-run=server", Some(retention("made", json!({})))).await;
    for spec in [json!({"graceDays": 90}), json!({"mode": "DryRun"}), json!({"legalHold": {"active": false}})] {
        refused(
            plane,
            &masterful,
            "create --dry-run=server",
            Some(retention("made", spec)),
            &["never changes its spec"],
        )
        .await;
    }
    for spec in [json!({"suspend": true}), json!({"graceDays": 61}), hold(OPERATOR)] {
        spec_refused(plane, &masterful, "safe", spec, &["never changes its spec"]).await;
    }
    accepted(
        plane,
        OPERATOR,
        "patch retention safe --dry-run=server",
        Some(json!({"metadata": {"labels": {"a": "b"}}})),
    )
    .await;
    let words = "apply --server-side --force-conflicts --field-manager=cloudfarm --dry-run=server";
    accepted(plane, OPERATOR, words, Some(retention("safe", json!({})))).await;
}

#[tokio::test]
async fn what_runs_did_is_written_by_runs_and_what_the_operator_saw_by_the_operator() {
    let plane = bed().await;
    ended(plane, "status").await;
    let words = "patch retention status --subresource=status --dry-run=server";
    let of_runs = [
        begun(),
        json!({"clockMark": "2026-09-01T00:00:00Z"}),
        json!({"remaining": 0}),
        json!({"lastRunAt": "2026-09-01T00:00:00Z"}),
        json!({"steps": [{"name": "a", "state": "Done", "deleted": 0, "remaining": 0}]}),
        json!({"evidence": {"report": "r", "sha256": "0", "signature": "0", "keyID": "0"}}),
    ];
    for status in of_runs {
        let field = status.as_object().expect("an object").keys().next().expect("a field").clone();
        let patch = Some(json!({"status": status}));
        accepted(plane, PURGE, words, patch.clone()).await;
        for who in [OPERATOR, ADMIN, "clerk"] {
            refused(plane, who, words, patch.clone(), &[&format!("status.{field} is written by purge runs alone")])
                .await;
        }
    }
    let of_operator = [
        json!({"endDate": "2026-05-31"}),
        json!({"purgeNotBefore": null}),
        json!({"pinned": {"namespaceUIDs": {"cf-other": "x"}}}),
        json!({"deletable": true}),
        json!({"phase": "Purged"}),
        json!({"observedGeneration": 7}),
    ];
    for status in of_operator {
        let field = status.as_object().expect("an object").keys().next().expect("a field").clone();
        let patch = Some(json!({"status": status}));
        accepted(plane, OPERATOR, words, patch.clone()).await;
        for who in [PURGE, ADMIN, "clerk"] {
            refused(plane, who, words, patch.clone(), &[&format!("status.{field} is written by the operator alone")])
                .await;
        }
    }
}
