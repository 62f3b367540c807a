//! Which test answers which advisory: Capsule's and its proxy's, and those of KubeVirt that a role or a policy answers.

/// Advisory, lesson, tests. An advisory that names no test here would have to be answered by the version of KubeVirt.
const ANSWERED: [(&str, &str, &[&str]); 19] = [
    (
        "CVE-2022-23652",
        "no proxy: the API server authenticates",
        &["s19_cve_2022_23652_cve_2023_48312_without_a_credential_or_with_a_forged_one_nothing_answers"],
    ),
    (
        "CVE-2022-46167",
        "ownership is not in what a customer may write",
        &["s1_cve_2022_46167_nobody_of_a_customer_strips_its_namespace_or_walls_of_labels_and_owners"],
    ),
    (
        "CVE-2023-46254",
        "an identity is its whole name",
        &["s5_cve_2023_46254_a_namesake_in_another_namespace_is_somebody_else"],
    ),
    (
        "CVE-2023-48312",
        "an empty token is none",
        &["s19_cve_2022_23652_cve_2023_48312_without_a_credential_or_with_a_forged_one_nothing_answers"],
    ),
    (
        "CVE-2024-39690",
        "nobody takes a namespace that is there",
        &[
            "s3_cve_2024_39690_nobody_of_a_customer_makes_or_takes_what_the_operator_will_want",
            "a_namespace_without_our_label_is_not_adopted_and_nothing_is_made_in_it",
        ],
    ),
    (
        "CVE-2025-55205",
        "namespaces of the platform get no label",
        &[
            "s2_cve_2025_55205_cve_2026_30963_cve_2026_55636_no_other_namespace_is_relabelled_by_any_subresource",
            "the_operator_writes_with_tenants_and_nowhere_else",
        ],
    ),
    (
        "CVE-2026-30963",
        "guards name every subresource that is served",
        &["every_verb_on_every_subresource_of_a_guarded_kind_is_in_the_table"],
    ),
    (
        "CVE-2026-55636",
        "a guard is tried on a live server",
        &["every_row_refuses_what_is_wrong_with_its_reason_and_lets_through_what_is_right"],
    ),
    (
        "CVE-2026-22872",
        "no manifest of a customer is passed on, and not by an administrator",
        &["s20_cve_2026_22872_cve_2026_65835_a_stolen_operator_reaches_no_data_no_pod_and_nothing_but_tenants"],
    ),
    (
        "CVE-2026-65835",
        "every path of ours ends at the same policies",
        &["s20_cve_2026_22872_cve_2026_65835_a_stolen_operator_reaches_no_data_no_pod_and_nothing_but_tenants"],
    ),
    (
        "CVE-2026-65834",
        "what is malformed is refused at the door and hurts nobody else",
        &[
            "s11_s12_cve_2026_65834_what_is_no_name_and_no_network_is_refused_by_the_schema",
            "hostile_and_huge_declarations_hurt_nobody_else",
        ],
    ),
    (
        "GHSA-gjw4-3v3v-rqxg",
        "keys are compared as they are, before and after",
        &["every_row_refuses_what_is_wrong_with_its_reason_and_lets_through_what_is_right"],
    ),
    (
        "CVE-2026-7374",
        "nobody enters a launcher",
        &["s8_cve_2026_7374_cve_2025_64435_nobody_of_a_customer_makes_enters_or_changes_a_pod"],
    ),
    (
        "CVE-2025-64435",
        "nobody puts a pod beside a VM",
        &["s8_cve_2026_7374_cve_2025_64435_nobody_of_a_customer_makes_enters_or_changes_a_pod"],
    ),
    (
        "CVE-2025-64433",
        "no file of the node or of a container is a disk",
        &[
            "s9_cve_2025_64433_cve_2025_64437_cve_2025_64324_no_vm_or_disk_of_a_customers_own_making",
            "a_provider_that_may_write_vms_puts_none_on_the_node_or_past_the_walls",
        ],
    ),
    (
        "CVE-2025-64437",
        "the same",
        &["s9_cve_2025_64433_cve_2025_64437_cve_2025_64324_no_vm_or_disk_of_a_customers_own_making"],
    ),
    ("CVE-2025-64324", "no hostDisk", &["a_provider_that_may_write_vms_puts_none_on_the_node_or_past_the_walls"]),
    ("GHSA-qv98-3369-g364", "no hostDisk", &["a_provider_that_may_write_vms_puts_none_on_the_node_or_past_the_walls"]),
    (
        "CVE-2026-6383",
        "a deep subresource is a right of its own",
        &[
            "cve_2026_6383_the_deep_subresources_of_a_vm_are_not_opened_by_the_right_to_the_shallow_ones",
            "each_role_of_a_tenant_may_do_what_its_table_says_in_its_own_namespace_and_nothing_else_or_elsewhere",
        ],
    ),
];

#[test]
fn every_advisory_is_answered_by_tests_that_exist() {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut text = std::fs::read_to_string(tests.join("apiserver.rs")).expect("text");
    for folder in ["attacks", "admission"] {
        for file in std::fs::read_dir(tests.join(folder)).expect("the folder") {
            text += &std::fs::read_to_string(file.expect("a file").path()).expect("text");
        }
    }
    for (advisory, lesson, answers) in ANSWERED {
        for test in answers {
            assert!(text.contains(&format!("async fn {test}(")), "{advisory} ({lesson}): there is no test {test}");
        }
    }
}
