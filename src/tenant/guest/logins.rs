//! Who gets a login by a customer's cloud-config, as far as root does. cloud-init hands a user of this name the keys that
//! stand with it as they are: `disable_root` is about the others alone.

use serde_json::{Map, Value};

const ROOT: &str = "root";

/// What gives a user SSH keys.
const KEYS: [&str; 2] = ["ssh_authorized_keys", "ssh_import_id"];

/// Does `users` give root SSH keys? It is a list with a mapping for each, or a mapping by name; lists and texts of names
/// have none.
pub(super) fn root_has_keys(users: &Value) -> bool {
    match users {
        Value::Array(users) => users.iter().filter_map(Value::as_object).any(|user| named_root(user) && has_keys(user)),
        Value::Object(users) => users.get(ROOT).and_then(Value::as_object).is_some_and(has_keys),
        _ => false,
    }
}

/// Does `user` say that the default user is root?
pub(super) fn is_root(user: &Value) -> bool {
    user.as_str().is_some_and(|name| name.trim() == ROOT) || user.as_object().is_some_and(named_root)
}

fn named_root(user: &Map<String, Value>) -> bool {
    user.get("name").is_some_and(|name| name == ROOT)
}

/// cloud-init takes hyphens and blanks in names of fields for what they are not.
fn has_keys(user: &Map<String, Value>) -> bool {
    user.keys().any(|key| KEYS.contains(&key.replace('-', "_").trim()))
}

#[cfg(test)]
mod tests {
    use crate::tenant::guest::user_data::user_data;

    #[test]
    fn root_gets_no_keys_past_the_floor() {
        for text in [
            "users: [default, {name: root, ssh_authorized_keys: [k]}]\n",
            "users: [{ssh-authorized-keys: [k], name: 'root'}]\n",
            "users: [{name: !!python/unicode root, ssh_import_id: gh:x}]\n",
            "users: {root: {ssh_import_id: [gh:x]}}\n",
            "base: &b {ssh_authorized_keys: [k]}\nusers: [{<<: *b, name: root}]\n",
            "base: &b {name: root}\nusers: [{<<: *b, ' ssh_authorized_keys': [k]}]\n",
            "user: root\n",
            "user: {name: root}\nusers: [{name: default, ssh_authorized_keys: [k]}]\n",
        ] {
            let fault = user_data(format!("#cloud-config\n{text}").as_bytes()).err().unwrap_or_default();
            assert!(fault.contains("root"), "{text:?}: {fault}");
        }
        for fine in [
            "users: [default, {name: root, lock_passwd: true}, {name: ops, ssh_authorized_keys: [k]}]\n",
            "users: root,ops\n",
            "users: {ops: {ssh_authorized_keys: [k]}, root: true}\n",
            "user: ops\nusers:\n",
            "users: [{name: ops, groups: root}]\n",
        ] {
            assert!(user_data(format!("#cloud-config\n{fine}").as_bytes()).is_ok(), "{fine}");
        }
    }
}
