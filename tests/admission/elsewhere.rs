//! The part of the table in `guarded.rs` whose requests are in tests of their own: what policies say about Retentions,
//! Tenants, bindings, volumes, and what runs as the purge.

use serde_json::Value;

use crate::guarded::{Kind, Row, Verdict};

const RETENTIONS: &str = "the_operator_makes_a_retention_with_the_defaults_and_never_changes_what_people_decided";
const PROGRAM: &str = "a_stolen_token_of_the_operator_runs_no_program_of_its_own_as_the_purge";
const AROUND: &str = "nobody_gets_around_it_by_a_job_a_pod_or_an_update";
const GUESTS: &str = "the_provisioner_reads_a_customers_secret_and_changes_only_those_of_its_own_making";
const BINDINGS: &str = "the_provisioner_deletes_nothing_that_holds_data_and_gives_the_purges_rights_to_the_purge_alone";
const VOLUMES: &str = "the_purge_turns_a_tenants_volume_from_retain_to_delete_and_changes_nothing_else";
const CONTENTS: &str =
    "the_purge_deletes_a_snapshots_content_only_of_a_tenant_whose_purge_began_and_only_with_its_data";
const NODES: &str = "only_the_platforms_people_say_where_a_node_is_and_whose_and_no_node_says_it_of_itself";
const EXCEPTIONS: &str = "an_exception_is_dated_and_signed_by_who_writes_it_and_is_never_changed";
const GRANTS: &str = "everybody_asks_and_answers_in_the_own_name_and_only_who_may";
const GRANT_STATUS: &str = "what_became_of_a_grant_is_the_operators_to_say_and_no_time_is_made_longer";
const DOORS: &str = "a_door_is_made_by_the_operator_alone_for_eight_hours_at_most";
const REACH: &str = "the_operator_writes_with_tenants_and_nowhere_else";

/// What has tests of its own since before this table.
pub fn others() -> Vec<Kind> {
    [declarations(), grants(), programs(), reach(), rights()].into_iter().flatten().collect()
}

fn kind(group: &'static str, version: &'static str, resource: &'static str, rows: Vec<Row>) -> Kind {
    Kind { group, version, resource, namespaced: false, object: Value::Null, rows }
}

fn declarations() -> Vec<Kind> {
    vec![
        kind(
            "cloudfarm.dev",
            "v1alpha1",
            "tenants",
            vec![
                ("", "delete deletecollection", Verdict::By("a_running_contract_is_not_deleted_by_a_slip_of_the_hand")),
                ("", "update patch", Verdict::By("the_end_date_stays_once_the_purge_has_begun")),
                ("", "create", Verdict::Open("who may create Tenants is the provider's to say, by roles")),
                ("status", "update patch", Verdict::Open("roles: the operator computes it anew")),
            ],
        ),
        kind(
            "cloudfarm.dev",
            "v1alpha1",
            "notices",
            vec![
                ("", "create update patch", Verdict::By("the_operator_makes_its_kinds_and_people_make_the_others")),
                ("", "delete deletecollection", Verdict::Open("its mails are gone, and their records stay")),
                ("status", "update patch", Verdict::By("who_was_told_is_the_operators_word_and_late_stays_late")),
            ],
        ),
        kind(
            "cloudfarm.dev",
            "v1alpha1",
            "retentions",
            vec![
                ("", "create update patch", Verdict::By(RETENTIONS)),
                ("", "delete deletecollection", Verdict::By("a_retention_is_kept_as_long_as_something_is_lost_by_it")),
                (
                    "status",
                    "update patch",
                    Verdict::By("what_runs_did_is_written_by_runs_and_what_the_operator_saw_by_the_operator"),
                ),
            ],
        ),
    ]
}

fn grants() -> Vec<Kind> {
    vec![kind(
        "cloudfarm.dev",
        "v1alpha1",
        "accessgrants",
        vec![
            ("", "create update patch", Verdict::By(GRANTS)),
            ("", "delete deletecollection", Verdict::Open("a door is closed by it; no role of ours gives it")),
            ("status", "update patch", Verdict::By(GRANT_STATUS)),
        ],
    )]
}

fn programs() -> Vec<Kind> {
    let spec_stays = || Verdict::Open("the API server takes the spec as it was");
    vec![
        kind(
            "batch",
            "v1",
            "cronjobs",
            vec![
                ("", "create update patch", Verdict::By(PROGRAM)),
                ("", "delete deletecollection", Verdict::Open("a purge that does not run keeps everything")),
                ("status", "update patch", spec_stays()),
            ],
        ),
        kind(
            "batch",
            "v1",
            "jobs",
            vec![
                ("", "create", Verdict::By(AROUND)),
                ("", "update patch", Verdict::Open("a Job's pod template cannot be changed")),
                ("", "delete deletecollection", Verdict::Open("a purge that does not run keeps everything")),
                ("status", "update patch", spec_stays()),
            ],
        ),
    ]
}

fn reach() -> Vec<Kind> {
    vec![
        kind(
            "",
            "v1",
            "nodes",
            vec![
                ("", "create update patch", Verdict::By(NODES)),
                ("", "delete deletecollection", Verdict::Open("a node that is gone runs nothing")),
                ("status", "update patch", Verdict::By(NODES)),
                (
                    "proxy",
                    "create update patch delete",
                    Verdict::Open("roles: whoever runs the cluster; it changes no object"),
                ),
            ],
        ),
        kind(
            "",
            "v1",
            "resourcequotas",
            vec![
                ("", "create update patch delete", Verdict::By(REACH)),
                ("", "deletecollection", Verdict::Open("the operator has no right to it")),
                ("status", "update patch", Verdict::Open("the operator has no right to it")),
            ],
        ),
        kind(
            "",
            "v1",
            "limitranges",
            vec![
                ("", "create update patch delete", Verdict::By(REACH)),
                ("", "deletecollection", Verdict::Open("the operator has no right to it")),
            ],
        ),
        kind(
            "",
            "v1",
            "secrets",
            vec![
                ("", "create update patch delete", Verdict::By(GUESTS)),
                ("", "deletecollection", Verdict::Open("the operator has no right to it")),
            ],
        ),
        kind(
            "",
            "v1",
            "configmaps",
            vec![
                ("", "create update patch", Verdict::By(EXCEPTIONS)),
                ("", "delete deletecollection", Verdict::Open("without result or exception no VM is started")),
            ],
        ),
        kind(
            "",
            "v1",
            "persistentvolumes",
            vec![
                ("", "update patch", Verdict::By(VOLUMES)),
                ("", "create delete deletecollection", Verdict::Open("the purge has no right to it")),
                ("status", "update patch", Verdict::Open("the purge has no right to it")),
            ],
        ),
        kind(
            "snapshot.storage.k8s.io",
            "v1",
            "volumesnapshotcontents",
            vec![
                ("", "update patch delete", Verdict::By(CONTENTS)),
                ("", "create deletecollection", Verdict::Open("the purge has no right to it")),
                ("status", "update patch", Verdict::Open("the purge has no right to it")),
            ],
        ),
    ]
}

fn rights() -> Vec<Kind> {
    vec![
        kind(
            "rbac.authorization.k8s.io",
            "v1",
            "roles",
            vec![
                ("", "create update patch", Verdict::By(DOORS)),
                ("", "delete deletecollection", Verdict::Open("fewer rights")),
            ],
        ),
        kind(
            "rbac.authorization.k8s.io",
            "v1",
            "rolebindings",
            vec![
                ("", "create update patch", Verdict::By(BINDINGS)),
                ("", "delete deletecollection", Verdict::Open("fewer rights")),
            ],
        ),
        kind(
            "rbac.authorization.k8s.io",
            "v1",
            "clusterrolebindings",
            vec![
                ("", "create update patch", Verdict::By(BINDINGS)),
                ("", "delete deletecollection", Verdict::Open("fewer rights")),
            ],
        ),
    ]
}
