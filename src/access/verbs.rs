//! Pure: what each verb of a grant is in the API server's own words. What staff get, what the operator has to hold to give
//! it, and what people are told are all read from this one table.

use k8s_openapi::api::rbac::v1::PolicyRule;

use crate::api::access_grant::Verb;

/// One right that a verb gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    pub group: &'static str,
    pub resources: &'static [&'static str],
    pub verbs: &'static [&'static str],
    /// Only on the VMs of the grant. Otherwise on the whole namespace.
    pub by_vm: bool,
    /// Only where the grant names a VM that is there.
    pub needs_vm: bool,
}

const SUBRESOURCES: &str = "subresources.kubevirt.io";

const fn of_vms(resources: &'static [&'static str], verbs: &'static [&'static str]) -> Right {
    Right { group: SUBRESOURCES, resources, verbs, by_vm: true, needs_vm: true }
}

/// The rights of a verb.
#[must_use]
pub fn rights(verb: Verb) -> &'static [Right] {
    match verb {
        Verb::GuestInfo => {
            const {
                &[of_vms(
                    &[
                        "virtualmachineinstances/guestosinfo",
                        "virtualmachineinstances/userlist",
                        "virtualmachineinstances/filesystemlist",
                    ],
                    &["get"],
                )]
            }
        }
        Verb::Console => const { &[of_vms(&["virtualmachineinstances/console"], &["get"])] },
        Verb::Vnc => {
            const { &[of_vms(&["virtualmachineinstances/vnc", "virtualmachineinstances/vnc/screenshot"], &["get"])] }
        }
        Verb::Power => {
            const { &[of_vms(&["virtualmachines/start", "virtualmachines/stop", "virtualmachines/restart"], &["update"])] }
        }
        // A snapshot is called as it likes and no list can be cut to names, so that the VMs of the grant do not narrow
        // it. It tells when a copy was made and of which VM; what is in the disks it does not.
        Verb::SnapshotRead => {
            const {
                &[Right {
                    group: "snapshot.kubevirt.io",
                    resources: &["virtualmachinesnapshots"],
                    verbs: &["get", "list"],
                    by_vm: false,
                    needs_vm: true,
                }]
            }
        }
        // Who entered when, by whose consent, and what was done: the grants of this one tenant with their sessions.
        Verb::AuditExtract => {
            const {
                &[Right {
                    group: "cloudfarm.dev",
                    resources: &["accessgrants"],
                    verbs: &["get", "list"],
                    by_vm: false,
                    needs_vm: false,
                }]
            }
        }
    }
}

/// The rules of a Role that gives these verbs on these VMs: none where there is nothing that they could be used on.
#[must_use]
pub fn rules(verbs: &[Verb], vms: &[String]) -> Vec<PolicyRule> {
    let asked = Verb::ALL.into_iter().filter(|verb| verbs.contains(verb)).flat_map(rights);
    let given = asked.filter(|right| !right.needs_vm || !vms.is_empty());
    given
        .map(|right| PolicyRule {
            api_groups: Some(vec![right.group.to_owned()]),
            resources: Some(words(right.resources)),
            verbs: words(right.verbs),
            resource_names: right.by_vm.then(|| vms.to_vec()),
            ..PolicyRule::default()
        })
        .collect()
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_without_a_vm_opens_no_vm_and_no_right_is_wider_than_its_table() {
        assert!(rules(&[Verb::Console, Verb::Vnc, Verb::Power, Verb::GuestInfo, Verb::SnapshotRead], &[]).is_empty());
        assert_eq!(rules(&Verb::ALL, &[]).len(), 1);
        let all = rules(&Verb::ALL, &["web".into()]);
        assert_eq!(all.len(), 6);
        for rule in all {
            assert!(rule.verbs.iter().all(|verb| ["get", "list", "update"].contains(&verb.as_str())), "{rule:?}");
            let narrow = rule.resource_names.as_ref().is_some_and(|names| names == &["web"]);
            let of_vms = rule.api_groups.as_ref().is_some_and(|groups| groups[0] == SUBRESOURCES);
            assert_eq!(narrow, of_vms, "{rule:?}");
        }
    }
}
