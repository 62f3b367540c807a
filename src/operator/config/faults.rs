//! What is wrong with a config file, field by field.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

/// Everything that is wrong with a config file.
#[derive(Debug, thiserror::Error)]
#[error("operator config {file}: {}", faults.join("; "))]
pub struct ConfigError {
    pub file: String,
    pub faults: Vec<String>,
}

/// Entries of any list of addresses: what is denied has to fit into one ClusterNetworkPolicy.
const LONGEST_LIST: usize = 512;

/// Collects what is wrong instead of stopping at the first fault.
#[derive(Default)]
pub(super) struct Faults(Vec<String>);

impl Faults {
    /// The value, unless anything was wrong.
    pub fn none_or<T>(self, value: T) -> Result<T, Vec<String>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }

    /// What is wrong in a way of its own.
    pub fn fault(&mut self, told: String) {
        self.0.push(told);
    }

    pub fn addresses(&mut self, field: &str, values: &[String]) -> Vec<IpAddr> {
        self.parsed(field, values, "an IP address such as 192.0.2.53")
    }

    pub fn networks(&mut self, field: &str, values: &[String]) -> Vec<IpNet> {
        let networks: Vec<IpNet> = self.parsed(field, values, "a network such as 10.96.0.0/16");
        for network in networks.iter().filter(|network| network.trunc() != **network) {
            self.0.push(format!("{field}: {network} has host bits; write {}", network.trunc()));
        }
        networks
    }

    pub fn some(&mut self, field: &str, values: &[String]) -> Vec<IpNet> {
        if values.is_empty() {
            self.0.push(format!("{field}: is empty; without it a tenant's wide rule would reach the cluster"));
        }
        self.networks(field, values)
    }

    fn parsed<T: std::str::FromStr>(&mut self, field: &str, values: &[String], right: &str) -> Vec<T> {
        if values.len() > LONGEST_LIST {
            self.0.push(format!("{field}: has {} entries, the most is {LONGEST_LIST}; join networks", values.len()));
        }
        let mut good = Vec::new();
        for value in values {
            match value.parse() {
                Ok(parsed) => good.push(parsed),
                Err(_) => self.0.push(format!("{field}: {value:?} is not {right}")),
            }
        }
        good
    }

    pub fn filled(&mut self, field: &str, value: String) -> String {
        if value.trim().is_empty() {
            self.0.push(format!("{field}: is empty"));
        }
        value
    }

    pub fn one_of(&mut self, field: &str, value: String, allowed: &[&str]) -> String {
        if !allowed.contains(&value.as_str()) {
            self.0.push(format!("{field}: {value:?} is not one of {}", allowed.join(", ")));
        }
        value
    }

    /// Linux cuts the name of an interface at 15 characters.
    pub fn bridges(&mut self, field: &str, bridges: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        for (network, bridge) in &bridges {
            if bridge.is_empty() || bridge.len() > 15 || !bridge.chars().all(plain) {
                self.0.push(format!(
                    "{field}.{network}: {bridge:?} is not a bridge such as br-physnet1, of at most 15 characters"
                ));
            }
        }
        bridges
    }

    pub fn version(&mut self, field: &str, value: String) -> String {
        let minor = value.strip_prefix("v1.").and_then(|minor| minor.parse::<u16>().ok());
        if minor.is_none() {
            self.0.push(format!("{field}: {value:?} is not a pinned version such as v1.37"));
        }
        value
    }

    pub fn at_most(&mut self, field: &str, value: u16, most: u16) -> u16 {
        if value > most {
            self.0.push(format!("{field}: {value} is not between 0 and {most}"));
        }
        value
    }

    pub fn within(&mut self, field: &str, value: u16, most: u16) -> u16 {
        if !(1..=most).contains(&value) {
            self.0.push(format!("{field}: {value} is not between 1 and {most}"));
        }
        value
    }
}
