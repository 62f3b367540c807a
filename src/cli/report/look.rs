//! What a person may read of a tenant.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::super::{Failure, exit, printable};
use crate::api::access_grant::AccessGrant;
use crate::api::notice::Notice;
use crate::api::retention::Retention;
use crate::api::tenant::Tenant;
use crate::api::tenant_network::TenantNetwork;
use crate::api::{home, labels};
use crate::evidence::attestation::{KEY, Word};
use crate::evidence::judge::{Known, World};
use crate::foreign::open_reports::{Report, Said};
use crate::install::EVIDENCE_NAMESPACE;
use crate::operator::clock::Clock;

/// What was read.
pub struct Seen {
    pub world: World,
    /// The operator's Report, where it is all that this person may read.
    pub published: Option<Said>,
}

/// Objects of one page of a list.
const PAGE: u32 = 500;

/// Reads everything that a tenant is judged by.
pub async fn look(client: &Client, name: &str, for_customer: bool) -> Result<Seen, Failure> {
    let tenant = known(Api::<Tenant>::all(client.clone()).get_opt(name).await)?;
    let retentions = all(Api::<Retention>::all(client.clone()), "").await?;
    let home = home::customer_namespace(name);
    let of_tenant = retentions.map(|all| standing(all, name, tenant.as_ref().ok().and_then(Option::as_ref)));
    if matches!((&tenant, &of_tenant), (Ok(None), Ok(None))) {
        let said =
            format!("there is no Tenant {name}, and no Retention that stands for one; kubectl get tenants lists them");
        return Err(Failure::new(exit::INPUT, printable(&said)));
    }
    let published = match &tenant {
        Ok(_) => None,
        Err(why) => Some(published(client, &home, name, why).await?),
    };
    let words = all(Api::<ConfigMap>::namespaced(client.clone(), EVIDENCE_NAMESPACE), labels::ATTESTATION).await?;
    let mut networks = all(Api::<TenantNetwork>::namespaced(client.clone(), &home), "").await?;
    if let Ok(networks) = &mut networks {
        networks.sort_by_key(ResourceExt::name_any);
    }
    let world = World {
        name: name.to_owned(),
        tenant,
        retention: of_tenant,
        networks,
        grants: all(Api::<AccessGrant>::namespaced(client.clone(), &home), "").await?,
        notices: all(Api::<Notice>::all(client.clone()), "").await?,
        words: words.map(|maps| maps.iter().map(word).collect()),
        for_customer,
        now: Clock::default().now(),
    };
    Ok(Seen { world, published })
}

/// Of several Retentions the one that speaks of this tenant and not of an earlier one of its name.
fn standing(all: Vec<Retention>, name: &str, tenant: Option<&Tenant>) -> Option<Retention> {
    let mut of_tenant: Vec<Retention> = all.into_iter().filter(|found| found.spec.tenant_ref.name == name).collect();
    let pinned = |found: &Retention| {
        let status = found.status.as_ref();
        status.and_then(|status| status.pinned.as_ref()).map(|pinned| pinned.tenant_uid.clone())
    };
    let uid = tenant.and_then(ResourceExt::uid);
    // The newest last: without a Tenant, what happened last is what counts.
    of_tenant.sort_by_key(|found| found.metadata.creation_timestamp.as_ref().map(|time| time.0));
    let own = of_tenant.iter().position(|found| uid.is_some() && pinned(found) == uid);
    match own {
        Some(own) => Some(of_tenant.swap_remove(own)),
        None => of_tenant.pop(),
    }
}

async fn published(client: &Client, home: &str, tenant: &str, why: &str) -> Result<Said, Failure> {
    let refused = |more: &str| {
        let said = format!(
            "Tenant {tenant}: {why}; and {more}: ask for ClusterRole cloudfarm-auditor, or for the report in {home}"
        );
        Failure::new(exit::REFUSED, printable(&said))
    };
    let found = Api::<Report>::namespaced(client.clone(), home).get_opt(crate::tenant::desired::report::NAME).await;
    match known(found)? {
        Ok(Some(report)) => Ok(report.said),
        Ok(None) => Err(refused("no report is published")),
        Err(why) => Err(refused(&why)),
    }
}

fn word(map: &ConfigMap) -> Word {
    let clause = map.labels().get(labels::ATTESTATION).map_or("", String::as_str);
    Word::read(clause, map.data.as_ref().and_then(|data| data.get(KEY)).map_or("", String::as_str))
}

/// Every object of a kind, or why this person cannot read them.
async fn all<K>(api: Api<K>, selector: &str) -> Result<Known<Vec<K>>, Failure>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut found = Vec::new();
    let mut parameters = ListParams::default().labels(selector).limit(PAGE);
    loop {
        let page = match known(api.list(&parameters).await)? {
            Ok(page) => page,
            Err(why) => return Ok(Err(why)),
        };
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => return Ok(Ok(found)),
        }
    }
}

/// What the API server says no to is not known; that it cannot be reached is a failure.
fn known<T>(found: Result<T, kube::Error>) -> Result<Known<T>, Failure> {
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Err("its kind is not installed".to_owned())),
        Err(kube::Error::Api(status)) if [401, 403].contains(&status.code) => Ok(Err("you may not read it".to_owned())),
        Err(kube::Error::SerdeError(error)) => Ok(Err(format!("it cannot be decoded: {error}"))),
        Err(error) => Err(Failure::new(exit::CLUSTER, printable(&error.to_string()))),
    }
}
