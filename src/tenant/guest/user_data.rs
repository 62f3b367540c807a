//! The customer's own user data: what it is, what in it the floor overrules, and what is refused. Nothing of its content
//! is ever told, only names that stand in this file (I9).

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::linux::TIME_ZONE;
use super::logins;

/// Most bytes of a customer's user data. What is made of it has to fit a Secret, which takes 1 MiB, after two turns of
/// base64.
pub const MOST_BYTES: usize = 512 * 1024;

/// What user data may be. Everything else is refused, since nobody could say what of it the floor overrules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    CloudConfig,
    Script,
}

impl Form {
    /// The content type by which cloud-init knows the part.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::CloudConfig => "text/cloud-config",
            Self::Script => "text/x-shellscript",
        }
    }
}

/// User data that was looked through.
#[derive(Clone, PartialEq, Eq)]
pub struct UserData<'a> {
    pub form: Form,
    pub text: &'a str,
    /// Fields of the floor that it tries to set otherwise.
    pub overruled: Vec<String>,
}

/// First words that are refused, and what would be right. The longest come first, as cloud-init looks for them.
const REFUSED_FORMS: [(&str, &str); 7] = [
    ("#cloud-config-archive", "is a cloud-config archive"),
    ("#cloud-boothook", "is a boot hook, which runs before the floor is there and at every boot"),
    ("#include", "is a list of addresses to fetch, whose content nobody here can look through"),
    ("#part-handler", "is a part handler, which could put itself before the floor"),
    ("## template:", "is a template, whose result nobody here knows"),
    ("content-type:", "is a MIME archive"),
    ("mime-version:", "is a MIME archive"),
];

/// What would be right, wherever something is refused.
const RIGHT: &str = "write one cloud-config (first line #cloud-config) or one script (first line #!)";

/// Fields by which the floor could be switched off, and which no later part can take away again.
const SWITCHES: [&str; 7] = [
    "cloud_init_modules",
    "cloud_config_modules",
    "cloud_final_modules",
    "disable_root_opts",
    "merge_how",
    "merge_type",
    // Says who the default user is, among others.
    "system_info",
];

/// They end a line for cloud-init's YAML 1.1 and not for today's parsers, so that a comment here is a field there.
const LINE_ENDS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// Lists that are joined.
const JOINED: [&str; 3] = ["packages", "runcmd", "write_files"];

/// Looks through it.
///
/// # Errors
/// What is wrong with it and what would be right, without a word of its content.
pub fn user_data(data: &[u8]) -> Result<UserData<'_>, String> {
    if data.len() > MOST_BYTES {
        return Err(format!("has {} bytes; at most {MOST_BYTES} are taken", data.len()));
    }
    if data.starts_with(&[0x1f, 0x8b]) {
        return Err(format!("is compressed; {RIGHT}"));
    }
    let text = std::str::from_utf8(data).map_err(|_| format!("is not UTF-8 text; {RIGHT}"))?;
    if text.contains('\0') {
        return Err(format!("holds a zero byte; {RIGHT}"));
    }
    let start = text.trim_start().chars().take(64).collect::<String>().to_lowercase();
    if start.is_empty() {
        return Err(format!("is empty; {RIGHT}, or leave userDataSecret out"));
    }
    if let Some((_, what)) = REFUSED_FORMS.iter().find(|(word, _)| start.starts_with(word)) {
        return Err(format!("{what}; {RIGHT}"));
    }
    if start.starts_with("#cloud-config") {
        let overruled = overruled(text)?;
        return Ok(UserData { form: Form::CloudConfig, text, overruled });
    }
    // cloud-init knows it by the very first byte.
    if !text.starts_with("#!") {
        return Err(format!("is nothing that is known here; {RIGHT}"));
    }
    Ok(UserData { form: Form::Script, text, overruled: Vec::new() })
}

/// What today's YAML parser sees otherwise than cloud-init's: fields could be hidden from whoever looks through it here.
fn read_otherwise(text: &str) -> Option<&'static str> {
    if text.contains(LINE_ENDS) {
        return Some("holds a line end of YAML 1.1 (U+0085, U+2028 or U+2029); write plain line feeds");
    }
    let directive = |line: &str| line.starts_with("%TAG");
    if text.split(['\n', '\r']).any(directive) {
        return Some("names tags of its own (%TAG); take that out");
    }
    let merges = |tag: &str| {
        let tag = unescaped(tag.split(char::is_whitespace).next().unwrap_or_default());
        tag.starts_with("!merge") || tag.starts_with('<') && tag.contains("merge>")
    };
    if text.match_indices('!').any(|(at, mark)| merges(&text[at + mark.len()..])) {
        return Some(
            "merges by a tag (!!merge), which other parsers take for a plain field; merge by << or not at all",
        );
    }
    None
}

/// A tag as cloud-init reads it: `%6d` is an m.
fn unescaped(tag: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = tag.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let hex = more.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &more[2..] } else { more };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn overruled(text: &str) -> Result<Vec<String>, String> {
    if let Some(fault) = read_otherwise(text) {
        return Err(fault.into());
    }
    // The parser's own message quotes the text.
    let Fields(fields) = serde_saphyr::from_str::<Option<Fields>>(text)
        .map_err(|error| {
            let place = error.location().map(|place| format!(" near line {}", place.line())).unwrap_or_default();
            format!("is no cloud-config that can be read: it is not a YAML mapping{place}")
        })?
        .unwrap_or_default();
    let given = |name: &str| fields.iter().rev().find(|(field, _)| *field == name).map(|(_, given)| given);
    let switches: Vec<&str> = SWITCHES.into_iter().filter(|name| given(name).is_some()).collect();
    if !switches.is_empty() {
        return Err(format!("sets {}, which could switch the floor off; take that out", switches.join(", ")));
    }
    if matches!(given("users"), Some(Given::Whole(users)) if logins::root_has_keys(users)) {
        return Err("gives root SSH keys under users, which the floor keeps out; give them to another user".into());
    }
    if matches!(given("user"), Some(Given::Whole(user)) if logins::is_root(user)) {
        return Err("makes root the default user, whom the floor keeps out; name another user".into());
    }
    let odd: Vec<&str> =
        JOINED.into_iter().filter(|name| given(name).is_some_and(|given| *given != Given::List)).collect();
    if !odd.is_empty() {
        return Err(format!("has {} that is no list; write a list or leave it out", odd.join(", ")));
    }
    let agrees = |name: &str, given: &Given| match name {
        "timezone" => *given == Given::Text(TIME_ZONE.to_owned()),
        "ssh_pwauth" => given.is(false),
        "disable_root" => given.is(true),
        _ => false,
    };
    let floor = ["disable_root", "ntp", "ssh_pwauth", "timezone"];
    let against = |name: &&str| given(name).is_some_and(|given| *given != Given::Nothing && !agrees(name, given));
    Ok(floor.into_iter().filter(against).map(str::to_owned).collect())
}

/// A field's value, as far as the floor cares.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Given {
    Nothing,
    Text(String),
    Flag(bool),
    List,
    /// What is looked into further.
    Whole(Value),
    Other,
}

impl Given {
    /// As cloud-init reads flags: YAML 1.1 knows more words for them than today's parsers.
    fn is(&self, wanted: bool) -> bool {
        let words = if wanted { ["true", "yes", "on", "1"] } else { ["false", "no", "off", "0"] };
        match self {
            Self::Flag(flag) => *flag == wanted,
            Self::Text(text) => words.contains(&text.to_lowercase().as_str()),
            _ => false,
        }
    }
}

/// The fields that matter here, in the order of the text.
#[derive(Default)]
struct Fields(Vec<(String, Given)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Mapping;
        impl<'de> Visitor<'de> for Mapping {
            type Value = Fields;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mapping")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(key) = map.next_key::<Given>()? {
                    match key {
                        Given::Text(name) if name == "users" || name == "user" => {
                            fields.push((name, Given::Whole(map.next_value()?)));
                        }
                        Given::Text(name) => fields.push((name, map.next_value::<Given>()?)),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Fields(fields))
            }
        }
        from.deserialize_map(Mapping)
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Anything;
        impl<'de> Visitor<'de> for Anything {
            type Value = Given;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("any value")
            }
            fn visit_bool<E: Error>(self, flag: bool) -> Result<Given, E> {
                Ok(Given::Flag(flag))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Given, E> {
                Ok(Given::Text(number.to_string()))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Given, E> {
                Ok(Given::Text(number.to_string()))
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Given, E> {
                Ok(Given::Other)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Given, E> {
                Ok(Given::Text(text.to_owned()))
            }
            fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<Given, E> {
                Ok(Given::Other)
            }
            fn visit_unit<E: Error>(self) -> Result<Given, E> {
                Ok(Given::Nothing)
            }
            fn visit_none<E: Error>(self) -> Result<Given, E> {
                Ok(Given::Nothing)
            }
            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Given, D::Error> {
                Given::deserialize(inner)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Given, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Given::List)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Given::Other)
            }
        }
        from.deserialize_any(Anything)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overruled_in(text: &str) -> Vec<String> {
        user_data(text.as_bytes()).unwrap_or_else(|fault| panic!("{text:?}: {fault}")).overruled
    }

    fn fault(data: &[u8]) -> String {
        user_data(data).err().unwrap_or_else(|| panic!("{:?} is taken", String::from_utf8_lossy(data)))
    }

    #[test]
    fn what_stands_against_the_floor_is_named_and_what_agrees_with_it_is_not() {
        let against = "#cloud-config\ntimezone: Etc/UTC\nntp: {enabled: false}\nssh_pwauth: yes\ndisable_root: false\n";
        assert_eq!(overruled_in(against), ["disable_root", "ntp", "ssh_pwauth", "timezone"]);
        let agrees = "#cloud-config\ntimezone: Asia/Tokyo\nssh_pwauth: 'no'\ndisable_root: yes\npackages: [nginx]\n";
        assert!(overruled_in(agrees).is_empty());
        assert!(overruled_in("#cloud-config\nssh_pwauth: 0\ndisable_root: 1\ntimezone:\n").is_empty());
        assert_eq!(overruled_in("#cloud-config\nssh_pwauth: unchanged\n"), ["ssh_pwauth"]);
        assert!(overruled_in("#cloud-config\n").is_empty(), "nothing at all");
    }

    #[test]
    fn a_cloud_config_may_hold_everything_that_yaml_has() {
        let text = "#cloud-config\nwrite_files:\n- {path: /a, permissions: 0644, content: !!binary aGVsbG8=}\n1: one\nbase: &b {x: 1}\nmore: {<<: *b}\nntp: !own {a: 1}\n";
        assert_eq!(overruled_in(text), ["ntp"]);
    }

    #[test]
    fn scripts_go_as_they_are() {
        let text = "#!/bin/sh\ntimedatectl # \u{2028} !!merge\n";
        let found = user_data(text.as_bytes()).unwrap();
        assert_eq!((found.form, found.text, found.overruled.len()), (Form::Script, text, 0));
    }

    #[test]
    fn what_cannot_be_compared_is_refused_and_says_what_would_be_right() {
        let cases: [(&[u8], &str); 13] = [
            (b"", "is empty"),
            (b"  \n", "is empty"),
            (b"\x1f\x8b\x08", "is compressed"),
            (b"#!/bin/sh\n\xff\xfe", "is not UTF-8"),
            (b"#!/bin/sh\n\0", "zero byte"),
            (b"#cloud-config-archive\n- {}\n", "archive"),
            (b"#include\nhttps://example.invalid/\n", "addresses to fetch"),
            (b"#include-once\nhttps://example.invalid/\n", "addresses to fetch"),
            (b"#part-handler\n", "part handler"),
            (b"#cloud-boothook\nrm -rf /var/lib/cloud\n", "boot hook"),
            (b"## template: jinja\n#cloud-config\n", "template"),
            (b"Content-Type: multipart/mixed; boundary=x\n", "MIME"),
            (b"timezone: UTC\n", "nothing that is known"),
        ];
        for (data, said) in cases {
            let fault = fault(data);
            assert!(fault.contains(said) && fault.contains("#cloud-config"), "{fault}");
        }
        assert!(fault(&vec![b'#'; MOST_BYTES + 1]).contains("at most 524288"));
    }

    #[test]
    fn what_could_switch_the_floor_off_is_refused() {
        for name in [
            "cloud_init_modules",
            "cloud_config_modules",
            "cloud_final_modules",
            "disable_root_opts",
            "merge_how",
            "merge_type",
            "system_info",
        ] {
            assert!(fault(format!("#cloud-config\n{name}: []\n").as_bytes()).contains(name));
        }
        // cloud-init's own merge keeps what is no list, and the floor's list with it would be lost.
        for name in ["packages", "runcmd", "write_files"] {
            for value in ["", "text", "{}"] {
                let fault = fault(format!("#cloud-config\n{name}: {value}\n").as_bytes());
                assert!(fault.contains(name) && fault.contains("no list"), "{fault}");
            }
        }
    }

    /// PyYAML 6.0.3 reads `cloud_final_modules` at the top of each of these.
    #[test]
    fn no_field_is_hidden_by_what_cloud_init_reads_otherwise() {
        for end in ["\u{85}", "\u{2028}", "\u{2029}"] {
            let fault = fault(format!("#cloud-config\na: b # x{end}cloud_final_modules: []\n").as_bytes());
            assert!(fault.contains("line end"), "{fault}");
        }
        for tag in ["!!merge", "!!m%65rge", "!<tag:yaml.org,2002:merge>", "!<tag:yaml.org,2002:%6derge>"] {
            let fault = fault(format!("#cloud-config\n{tag} x: {{cloud_final_modules: []}}\n").as_bytes());
            assert!(fault.contains("merge"), "{tag}: {fault}");
        }
        let own = "#cloud-config\n%TAG !y! tag:yaml.org,2002:\n---\n!y!merge x: {cloud_final_modules: []}\n";
        assert!(fault(own.as_bytes()).contains("%TAG"));
        for text in [
            "a: b\r\ncloud_final_modules: []\r\n",
            "a: b # x\rcloud_final_modules: []\n",
            "a: {b: &c {cloud_final_modules: []}}\n<<: *c\n",
            "a: {b: &c {cloud_final_modules: []}}\n<<: [*c]\n",
            "!!str cloud_final_modules: []\n",
            "!!python/unicode cloud_final_modules: []\n",
            "\"cloud_final\\x5fmodules\": []\n",
            "? cloud_final_modules\n: []\n",
            "? >-\n  cloud_final_modules\n: []\n",
            "&a cloud_final_modules: []\n",
            "a: &k cloud_final_modules\n*k : []\n",
            "{\"cloud_final_modules\":[]}\n",
        ] {
            let fault = fault(format!("#cloud-config\n{text}").as_bytes());
            assert!(fault.contains("cloud_final_modules"), "{text:?}: {fault}");
        }
        for fine in ["runcmd: [\"echo no! merge\"]\n", "a: !own x\n", "# 100%TAG\na: b!\n"] {
            assert!(overruled_in(&format!("#cloud-config\n{fine}")).is_empty(), "{fine}");
        }
    }

    #[test]
    fn a_yaml_that_cannot_be_read_is_told_by_its_line_and_not_by_its_content() {
        for text in ["#cloud-config\n- hunter2\n", "#cloud-config\na: [hunter2\n", "#cloud-config\na: hunter2\na: b\n"]
        {
            let fault = fault(text.as_bytes());
            assert!(fault.contains("YAML") && !fault.contains("hunter2"), "{fault}");
        }
    }
}
