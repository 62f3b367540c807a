//! The floor of a Linux guest (12.4.4, CLD.9.5.2), for cloud-init.
//!
//! **The rule of merging**, written down here alone. What the guest gets is a MIME archive of three or four parts:
//!
//! 1. the customer's user data, byte for byte: what is read and written anew is no longer what the customer wrote (YAML
//!    1.1, which cloud-init reads, takes `0644` for 420 and `yes` for true; today's parsers do not);
//! 2. the floor's `runcmd`, which comes before the customer's: all of it is one shell script, and an `exit` ends it;
//! 3. the floor's `packages` and `write_files`, which come after the customer's;
//! 4. the floor: `timezone`, `ntp`, `ssh_pwauth` and `disable_root` replace the customer's.
//!
//! cloud-init puts parts together in their order, and each of ours says how (`merge_how`). What of the customer's the floor
//! overrules is named by [`super::user_data`] before; nothing is overruled silently. SSH keys do not come this way:
//! KubeVirt puts them into NoCloud's metadata by `accessCredentials`.
//!
//! The customer is root in the guest. The floor says how a VM starts, not what somebody does in it later.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::user_data::UserData;

/// Where customers' clocks are.
pub const TIME_ZONE: &str = "Asia/Tokyo";

/// Ends no part of ours: base64 has no hyphen.
const BOUNDARY: &str = "cloudfarm-guest-data";

/// The hypervisor's own clock, where there is one, beside the servers.
const REFERENCE_CLOCK: &str = "modprobe ptp_kvm 2>/dev/null; for conf in /etc/chrony/chrony.conf /etc/chrony.conf; do if [ -e /dev/ptp_kvm ] && [ -f \"$conf\" ] && ! grep -q ptp_kvm \"$conf\"; then echo 'refclock PHC /dev/ptp_kvm poll 2' >> \"$conf\"; systemctl try-restart chronyd || systemctl try-restart chrony; fi; done";

const GUEST_AGENT: &str = "systemctl enable --now qemu-guest-agent || systemctl start qemu-guest-agent";

/// What a guest starts with.
#[must_use]
pub fn user_data(ntp: &[IpAddr], customers: Option<&UserData>) -> String {
    let theirs = customers.map(|data| part(data.form.content_type(), data.text));
    let ours = [first(), joined(), floor(ntp)]
        .map(|config| part("text/cloud-config", &format!("#cloud-config\n{config:#}\n")));
    let parts: String = theirs.into_iter().chain(ours).collect();
    format!("Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\nMIME-Version: 1.0\n\n{parts}--{BOUNDARY}--\n")
}

/// What is put before the customer's own list.
fn first() -> Value {
    json!({
        "merge_how": "dict(no_replace,recurse_list)+list(prepend)+str()",
        "runcmd": [["sh", "-c", GUEST_AGENT], ["sh", "-c", REFERENCE_CLOCK]],
    })
}

/// What is put behind the customer's own lists.
fn joined() -> Value {
    json!({
        "merge_how": "dict(no_replace,recurse_list)+list(append)+str()",
        "packages": ["qemu-guest-agent"],
        "write_files": [{"path": "/etc/modules-load.d/cloudfarm-clock.conf", "content": "ptp_kvm\n"}],
    })
}

/// What replaces the customer's own.
#[must_use]
pub fn floor(ntp: &[IpAddr]) -> Value {
    json!({
        "merge_how": "dict(replace)+list()+str()",
        "timezone": TIME_ZONE,
        // Without pools of its own: a distribution's are outside of Japan and behind the walls.
        "ntp": {"enabled": true, "ntp_client": "chrony", "servers": ntp, "pools": []},
        "ssh_pwauth": false,
        "disable_root": true,
    })
}

fn part(content_type: &str, text: &str) -> String {
    let encoded = STANDARD.encode(text);
    let lines: String =
        encoded.as_bytes().chunks(76).flat_map(|line| [line, b"\n"]).flatten().map(|byte| char::from(*byte)).collect();
    format!(
        "--{BOUNDARY}\nContent-Type: {content_type}; charset=\"utf-8\"\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n{lines}\n"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Map;

    use super::*;
    use crate::tenant::guest::user_data::user_data as read;

    fn servers() -> Vec<IpAddr> {
        vec!["192.0.2.123".parse().unwrap(), "2001:db8::123".parse().unwrap()]
    }

    /// Content type and text of every part, as a reader of MIME takes it apart.
    fn parts(archive: &str) -> Vec<(String, String)> {
        let (header, body) = archive.split_once("\n\n").unwrap();
        let boundary = header.split('"').nth(1).unwrap();
        let body = body.strip_suffix(&format!("--{boundary}--\n")).unwrap();
        let between = format!("--{boundary}\n");
        let parts = body.split(&between).skip(1);
        let decode = |part: &str| {
            let (header, text) = part.split_once("\n\n").unwrap();
            let type_ = header.strip_prefix("Content-Type: ").unwrap().split(';').next().unwrap().to_owned();
            let text = STANDARD.decode(text.replace('\n', "")).unwrap();
            (type_, String::from_utf8(text).unwrap())
        };
        parts.map(decode).collect()
    }

    /// As cloud-init 22.4.2 merges (`mergers/m_dict.py`, `m_list.py`): each part by what it says, and by its own rule where
    /// it says nothing.
    fn merged(archive: &str) -> Map<String, Value> {
        let mut all = Map::new();
        for (type_, text) in parts(archive) {
            if type_ != "text/cloud-config" {
                continue;
            }
            let config: Option<Map<String, Value>> = serde_saphyr::from_str(&text).unwrap();
            let mut config = config.unwrap_or_default();
            let how = config.remove("merge_how").unwrap_or_else(|| "dict(replace)+list()+str()".into());
            let how: Vec<String> = how.as_str().unwrap().split('+').map(str::to_owned).collect();
            let says = |merger: &str, word: &str| {
                let words = how.iter().find_map(|each| each.strip_prefix(merger)).unwrap();
                words.trim_matches(['(', ')']).split(',').any(|each| each == word)
            };
            for (key, value) in config {
                let there = all.remove(&key);
                let value = match (there, value) {
                    (None, value) => value,
                    (Some(_), value) if !says("dict", "no_replace") => value,
                    (Some(Value::Array(old)), Value::Array(new)) if says("dict", "recurse_list") => {
                        // Without a word about it one replaces the other index by index.
                        let rest = old.iter().skip(new.len()).cloned().collect();
                        let lists = if says("list", "prepend") {
                            [new, old]
                        } else if says("list", "append") {
                            [old, new]
                        } else {
                            [new, rest]
                        };
                        lists.concat().into()
                    }
                    (Some(old), _) => old,
                };
                all.insert(key, value);
            }
        }
        all
    }

    #[test]
    fn the_floor_sets_clock_and_logins() {
        let all = merged(&user_data(&servers(), None));
        assert_eq!(all["timezone"], "Asia/Tokyo");
        assert_eq!(all["ntp"]["servers"], json!(["192.0.2.123", "2001:db8::123"]));
        assert_eq!((&all["ssh_pwauth"], &all["disable_root"]), (&json!(false), &json!(true)));
        assert_eq!(all["packages"], json!(["qemu-guest-agent"]));
        assert_eq!(all["runcmd"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn the_customers_lists_are_joined_and_the_rest_stays_theirs() {
        let text = "#cloud-config\npackages: [nginx]\nruncmd: [exit 0, [echo, hi]]\nhostname: web\ntimezone: UTC\n";
        let all = merged(&user_data(&servers(), Some(&read(text.as_bytes()).unwrap())));
        assert_eq!(all["packages"], json!(["nginx", "qemu-guest-agent"]));
        let commands = all["runcmd"].as_array().unwrap();
        assert_eq!(commands[2..], [json!("exit 0"), json!(["echo", "hi"])], "an exit ends the script");
        assert!(commands[0][2].as_str().unwrap().contains("qemu-guest-agent"));
        assert_eq!((&all["hostname"], &all["timezone"]), (&json!("web"), &json!("Asia/Tokyo")));
    }

    #[test]
    fn a_script_is_carried_to_the_byte_with_the_floor_behind_it() {
        let text = "#!/bin/sh\necho '--cloudfarm-guest-data--' \u{e9}\r\n";
        let parts = parts(&user_data(&servers(), Some(&read(text.as_bytes()).unwrap())));
        assert_eq!(parts[0], ("text/x-shellscript".to_owned(), text.to_owned()));
        assert_eq!(parts.len(), 4);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    const KEYS: [&str; 8] =
        ["timezone", "ntp", "ssh_pwauth", "disable_root", "packages", "runcmd", "write_files", "merge_how"];

    fn any_key() -> impl Strategy<Value = String> {
        prop_oneof![prop::sample::select(&KEYS[..]).prop_map(str::to_owned), "[a-z_]{1,10}"]
    }

    proptest! {
        /// Whatever the customer's cloud-config says, it is refused, or the floor's keys hold and what it said against
        /// them is named.
        #[test]
        fn the_floor_holds(config in prop::collection::btree_map(any_key(), any_value(), 0..6)) {
            let text = format!("#cloud-config\n{}\n", json!(config));
            let Ok(data) = read(text.as_bytes()) else { return Ok(()) };
            let archive = user_data(&servers(), Some(&data));
            let all = merged(&archive);
            for (key, value) in floor(&servers()).as_object().unwrap().iter().filter(|(key, _)| *key != "merge_how") {
                prop_assert_eq!(&all[key], value);
            }
            let ours = |config: Value, key: &str| config[key].as_array().unwrap().clone();
            for key in ["packages", "write_files"] {
                prop_assert!(all[key].as_array().unwrap().ends_with(&ours(joined(), key)), "{}: {:?}", key, all[key]);
            }
            prop_assert!(all["runcmd"].as_array().unwrap().starts_with(&ours(first(), "runcmd")), "{:?}", all["runcmd"]);
            for key in ["timezone", "ntp", "ssh_pwauth", "disable_root"] {
                let differs = config.get(key).is_some_and(|value| !value.is_null() && *value != floor(&servers())[key]);
                let words = config.get(key).is_some_and(|value| value.is_string() || value.is_number());
                prop_assert!(!differs || words || data.overruled.iter().any(|name| name == key), "{} is not named", key);
            }
            prop_assert_eq!(&parts(&archive)[0].1, &text);
        }

        /// No text breaks out of its part.
        #[test]
        fn any_text_stays_in_its_part(text in "#!(?s).{0,200}") {
            prop_assume!(!text.contains('\0'));
            let archive = user_data(&servers(), Some(&read(text.as_bytes()).unwrap()));
            let found = parts(&archive);
            prop_assert_eq!(found.len(), 4);
            prop_assert_eq!(&found[0].1, &text);
        }
    }
}
