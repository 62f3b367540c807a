//! What the operator is told of how people sign in, which it cannot see, and of the key under which application IDs are
//! shown.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::faults::Faults;

/// One issuer that the API server's AuthenticationConfiguration names, as `cloudfarm authentication` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Its `url`, letter by letter.
    pub url: String,
    /// What the API server puts before its names; it ends with its one colon.
    pub prefix: String,
    /// Does a rule ask for a second factor?
    pub second_factor: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawAuthentication {
    issuers: Vec<RawIssuer>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawIssuer {
    url: String,
    prefix: String,
    #[serde(default)]
    second_factor: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawApplicationId {
    key_file: String,
}

impl RawAuthentication {
    pub(super) fn check(self, faults: &mut Faults) -> Vec<Issuer> {
        let (mut urls, mut prefixes) = (BTreeSet::new(), BTreeSet::new());
        for (place, issuer) in self.issuers.iter().enumerate() {
            let field = |name: &str| format!("authentication.issuers[{place}].{name}");
            if !issuer.url.starts_with("https://") {
                faults.fault(format!("{}: {:?} does not begin with https://", field("url"), issuer.url));
            }
            if issuer.prefix.find(':').is_none_or(|colon| colon == 0 || colon + 1 != issuer.prefix.len()) {
                faults.fault(format!(
                    "{}: {:?} does not end with its one colon, as oidc: does",
                    field("prefix"),
                    issuer.prefix
                ));
            }
            if !urls.insert(&issuer.url) || !prefixes.insert(&issuer.prefix) {
                faults.fault(format!("authentication.issuers[{place}]: its url or its prefix is there twice"));
            }
        }
        let issuers = self.issuers.into_iter();
        issuers.map(|RawIssuer { url, prefix, second_factor }| Issuer { url, prefix, second_factor }).collect()
    }
}

impl RawApplicationId {
    pub(super) fn check(self, faults: &mut Faults) -> PathBuf {
        faults.filled("applicationId.keyFile", self.key_file).into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::tests::SMALLEST;

    #[test]
    fn nothing_is_known_of_sign_in_and_keys_until_it_is_written_and_what_cannot_be_is_told() {
        let config = Config::parse(SMALLEST).unwrap();
        assert_eq!((config.issuers, config.application_id_key), (None, None));
        let of = |written: &str| Config::parse(&format!("{SMALLEST}\n{written}"));
        let good = of("authentication: {issuers: [{url: 'https://id.example', prefix: 'oidc:'}]}").unwrap();
        assert!(good.issuers.is_some_and(|issuers| !issuers[0].second_factor), "absence is no second factor");
        let faults = of(
            "authentication: {issuers: [{url: 'http://a', prefix: oidc}, {url: 'https://b', prefix: 'a:b:'}, {url: 'https://b', prefix: 'c:'}]}\napplicationId: {keyFile: ''}",
        );
        let faults = faults.unwrap_err();
        for said in
            ["issuers[0].url", "issuers[0].prefix", "issuers[1].prefix", "issuers[2]: its url", "applicationId.keyFile"]
        {
            assert!(faults.iter().any(|fault| fault.contains(said)), "{said}: {faults:?}");
        }
    }
}
