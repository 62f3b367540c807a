//! Where a tenant's things are: the names that are made from the tenant's name, in both directions.

/// `cf-<tenant>`: what the customer puts in.
#[must_use]
pub fn customer_namespace(tenant: &str) -> String {
    format!("cf-{tenant}")
}

/// `cfd-<tenant>`: what our service makes of it.
#[must_use]
pub fn derived_namespace(tenant: &str) -> String {
    format!("cfd-{tenant}")
}

/// `cf-<tenant>`: the tenant's wall in the Admin tier, an object of the whole cluster.
#[must_use]
pub fn wall(tenant: &str) -> String {
    customer_namespace(tenant)
}

/// `cf-purge-<tenant>`: the CronJob at the contract's end.
#[must_use]
pub fn purge_cron_job(tenant: &str) -> String {
    format!("cf-purge-{tenant}")
}

/// The tenant in whose customer namespace something lies; nobody's anywhere else, also not a tenant's that happens to be
/// called like the namespace.
#[must_use]
pub fn of_customer_namespace(namespace: &str) -> &str {
    namespace.strip_prefix("cf-").unwrap_or_default()
}

/// The tenant that one of the two namespaces belongs to.
#[must_use]
pub fn of_namespace(namespace: &str) -> &str {
    namespace.strip_prefix("cfd-").unwrap_or_else(|| of_customer_namespace(namespace))
}

/// The tenant that a purge CronJob is for.
#[must_use]
pub fn of_purge_cron_job(name: &str) -> &str {
    name.strip_prefix("cf-purge-").unwrap_or_default()
}

/// `cf-<tenant>.<network>`: a network of a tenant that is an object of the whole cluster. Names of tenants have no dot.
#[must_use]
pub fn cluster_network(tenant: &str, network: &str) -> String {
    format!("cf-{tenant}.{network}")
}

/// The tenant that a network of the whole cluster belongs to.
#[must_use]
pub fn of_cluster_network(name: &str) -> &str {
    name.split_once('.').map_or("", |(home, _)| of_customer_namespace(home))
}

/// `vlan-<physical network>-<id>`: the Lease that keeps a VLAN id for one network of one tenant. At most 73 characters.
#[must_use]
pub fn vlan_lease(physical_network: &str, id: i64) -> String {
    format!("vlan-{physical_network}-{id}")
}

/// `cloudfarm-<tenant>`: the report that outlives the tenant; with the Retention's uid where that is not the default one, so
/// that a later tenant of the name takes nobody's proof away.
#[must_use]
pub fn cluster_report(tenant: &str, retention: &str, retention_uid: &str) -> String {
    if retention == tenant {
        return format!("cloudfarm-{tenant}");
    }
    format!("cloudfarm-{tenant}.{}", retention_uid.chars().take(8).collect::<String>())
}

/// The tenant that such a report is about.
#[must_use]
pub fn of_cluster_report(name: &str) -> &str {
    let rest = name.strip_prefix("cloudfarm-").unwrap_or_default();
    rest.split_once('.').map_or(rest, |(tenant, _)| tenant)
}

/// `cf-record-<tenant>.<first 8 of the Retention's uid>`: plan and certificate of one purge. A tenant that is declared
/// again after its erasure has another Retention and another record.
#[must_use]
pub fn purge_record(tenant: &str, retention_uid: &str) -> String {
    format!("cf-record-{tenant}.{}", retention_uid.chars().take(8).collect::<String>())
}

/// The tenant that a purge record is about.
#[must_use]
pub fn of_purge_record(name: &str) -> &str {
    name.strip_prefix("cf-record-").and_then(|rest| rest.split_once('.')).map_or("", |(tenant, _)| tenant)
}
