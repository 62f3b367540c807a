//! Pure: which requests are a door into a VM or into its data, and which verb of an AccessGrant opens it.

use crate::api::access_grant::Verb;

/// Group of KubeVirt's aggregated API: every request for it is carried on by the API server to virt-api.
const SUBRESOURCES: &str = "subresources.kubevirt.io";

/// What says nothing of a guest: the VM's own description, written out.
const DESCRIPTIONS: [&str; 2] = ["expand-spec", "objectgraph"];

/// Longest text of an action, as `status.sessions[].action` takes it.
const LONGEST: usize = 128;

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The verb of a grant that allows it; none for what no grant can allow.
    pub verb: Option<Verb>,
    /// Does it last: a console, as against a question?
    pub lasts: bool,
    /// Is it about a VM, by that VM's name?
    pub of_a_vm: bool,
    /// For people: a verb and a resource.
    pub text: String,
}

/// A request, as the audit log names it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub verb: &'a str,
    pub group: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub name: &'a str,
}

impl Action {
    /// What a request does; nothing if it is no door.
    #[must_use]
    pub fn of(request: &Request) -> Option<Self> {
        match request.group {
            SUBRESOURCES => Self::through_kubevirt(request),
            "snapshot.kubevirt.io" | "snapshot.storage.k8s.io" => {
                let read = ["get", "list", "watch"].contains(&request.verb);
                let of_snapshots = ["virtualmachinesnapshots", "virtualmachinesnapshotcontents", "volumesnapshots"]
                    .contains(&request.resource);
                // As the door of a grant has it: what one was made of, and no watch.
                let granted = request.resource == "virtualmachinesnapshots" && request.verb != "watch";
                let verb = granted.then_some(Verb::SnapshotRead);
                (read && of_snapshots && request.subresource.is_empty()).then(|| Self::about_data(request, verb))
            }
            // An export hands a disk out: asking for one is as good as reading, and no grant allows that.
            "export.kubevirt.io" if request.resource == "virtualmachineexports" && request.subresource.is_empty() => {
                Some(Self::about_data(request, None))
            }
            _ => None,
        }
    }

    fn through_kubevirt(request: &Request) -> Option<Self> {
        let of_a_vm = ["virtualmachines", "virtualmachineinstances"].contains(&request.resource);
        if !of_a_vm || request.subresource.is_empty() || DESCRIPTIONS.contains(&request.subresource) {
            return None;
        }
        let verb = match (request.resource, request.subresource) {
            ("virtualmachineinstances", "console") => Some(Verb::Console),
            ("virtualmachineinstances", "vnc") => Some(Verb::Vnc),
            ("virtualmachineinstances", "guestosinfo" | "userlist" | "filesystemlist") => Some(Verb::GuestInfo),
            ("virtualmachines", "start" | "stop" | "restart") => Some(Verb::Power),
            _ => None,
        };
        let lasts = ["console", "vnc", "portforward", "usbredir", "vsock"].contains(&request.subresource);
        let text = format!("{} {}/{}", request.verb, request.resource, request.subresource);
        Some(Self { verb, lasts, of_a_vm, text: short(&text, LONGEST) })
    }

    fn about_data(request: &Request, verb: Option<Verb>) -> Self {
        let text = format!("{} {} {}", request.verb, request.resource, request.name);
        let text = short(text.trim_end(), LONGEST);
        Self { verb, lasts: false, of_a_vm: false, text }
    }
}

/// The first so many characters, without any that could move a terminal's cursor.
pub(super) fn short(text: &str, most: usize) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(words: &str) -> Option<Action> {
        let words: Vec<&str> = words.split(' ').collect();
        let [verb, group, resource, subresource] = words[..] else { panic!("{words:?}") };
        let subresource = subresource.trim_matches('-');
        Action::of(&Request { verb, group, resource, subresource, name: "plum" })
    }

    #[test]
    fn each_verb_of_a_grant_has_its_doors_and_what_no_grant_allows_is_a_door_too() {
        for (words, verb, lasts) in [
            ("get subresources.kubevirt.io virtualmachineinstances console", Some(Verb::Console), true),
            ("get subresources.kubevirt.io virtualmachineinstances vnc", Some(Verb::Vnc), true),
            ("get subresources.kubevirt.io virtualmachineinstances userlist", Some(Verb::GuestInfo), false),
            ("update subresources.kubevirt.io virtualmachines restart", Some(Verb::Power), false),
            ("update subresources.kubevirt.io virtualmachineinstances pause", None, false),
            ("get subresources.kubevirt.io virtualmachineinstances portforward", None, true),
            ("get subresources.kubevirt.io virtualmachineinstances usbredir", None, true),
            ("update subresources.kubevirt.io virtualmachines memorydump", None, false),
            ("get snapshot.kubevirt.io virtualmachinesnapshots -", Some(Verb::SnapshotRead), false),
            ("watch snapshot.kubevirt.io virtualmachinesnapshots -", None, false),
            ("get snapshot.storage.k8s.io volumesnapshots -", None, false),
            ("create export.kubevirt.io virtualmachineexports -", None, false),
        ] {
            let action = action(words).unwrap_or_else(|| panic!("{words}"));
            assert_eq!((action.verb, action.lasts), (verb, lasts), "{words}");
            assert_eq!(action.of_a_vm, words.contains("subresources"), "{words}");
        }
    }

    #[test]
    fn what_shows_nothing_of_a_guest_is_no_door() {
        for words in [
            "get subresources.kubevirt.io virtualmachines expand-spec",
            "get subresources.kubevirt.io version -",
            "create snapshot.kubevirt.io virtualmachinesnapshots -",
            "patch snapshot.kubevirt.io virtualmachinesnapshots status",
            "get kubevirt.io virtualmachines -",
            "get cloudfarm.dev tenants -",
        ] {
            assert_eq!(action(words), None, "{words}");
        }
    }

    #[test]
    fn an_action_fits_its_field_and_has_nothing_in_it_that_a_terminal_would_obey() {
        let name = format!("\u{1b}[2J{}", "名".repeat(300));
        let request = Request {
            verb: "get",
            group: "snapshot.kubevirt.io",
            resource: "virtualmachinesnapshots",
            subresource: "",
            name: &name,
        };
        let text = Action::of(&request).unwrap().text;
        assert_eq!(text.chars().count(), LONGEST);
        assert!(!text.contains('\u{1b}'));
    }
}
