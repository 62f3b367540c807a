//! Gathers what a check judges. Reads here, questions by `cluster/trial.rs`; what is refused becomes [`Unseen`].

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream};
use k8s_openapi::api::authorization::v1::ResourceAttributes;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRole, RoleBinding};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::{GroupVersionKind, NamespaceResourceScope};
use kube::discovery::{ApiCapabilities, Scope};
use kube::{Api, Client, Discovery, ResourceExt};
use serde::de::DeserializeOwned;

use super::super::{Failure, exit, printable};
use crate::api::labels;
use crate::api::tenant::Tenant;
use crate::check::rights::{Access, Ground, Resource, Rights, Topic};
use crate::check::scene::{Scene, Seen, Unseen, Wall};
use crate::check::subjects::{self, Bound, Subject};
use crate::check::trials::{Answer, Trial};
use crate::cluster::trial::Inquirer;
use crate::cluster::write::WriteError;
use crate::install::TENANT_ROLES;

/// Questions under way at one time.
const AT_ONCE: usize = 16;

/// Most namespaces of other tenants, and most objects of one kind, that are asked about each by its name.
const SAMPLE: usize = 20;

/// Made by the platform in the tenant's namespace.
const PLACED: [(&str, &str, &str, &str); 6] = [
    ("", "v1", "ResourceQuota", "resourcequotas"),
    ("", "v1", "LimitRange", "limitranges"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings"),
    ("kubevirt.io", "v1", "VirtualMachine", "virtualmachines"),
    ("cdi.kubevirt.io", "v1beta1", "DataVolume", "datavolumes"),
];

/// Looks at one tenant.
pub async fn look(client: &Client, tenant: &str) -> Result<Scene, Failure> {
    let declared = declared(client, tenant).await?;
    let look = Look { client, inquirer: Inquirer::new(client.clone()), tenant };
    let discovered = Discovery::new(client.clone()).run().await.map_err(|error| unseen("the API's resources", &error));
    let (rights, set_aside) = look.rights(&discovered).await;
    let (customer, derived) = (look.customer(), crate::api::home::derived_namespace(tenant));
    let policies = async {
        let here = listed(&Api::namespaced(client.clone(), &customer)).await?;
        Ok([here, listed(&Api::namespaced(client.clone(), &derived)).await?].concat())
    };
    Ok(Scene {
        tenant: tenant.to_owned(),
        declared,
        rights,
        trials: look.trials().await,
        quotas: look.inside().await,
        policies: policies.await,
        networks: look.inside().await,
        claims: look.inside().await,
        services: look.inside().await,
        volumes: listed(&Api::all(client.clone())).await,
        classes: listed(&Api::all(client.clone())).await,
        wall: look.wall(&discovered).await,
        set_aside,
    })
}

/// The Tenant; that there is none is a mistake of whoever asks.
async fn declared(client: &Client, tenant: &str) -> Result<Seen<Tenant>, Failure> {
    match Api::<Tenant>::all(client.clone()).get_opt(tenant).await {
        Ok(Some(declared)) => Ok(Ok(declared)),
        Ok(None) => Err(Failure::new(exit::INPUT, format!("Tenant {}: does not exist", printable(tenant)))),
        Err(error @ kube::Error::Api(_)) => Ok(Err(unseen(&format!("Tenant {tenant}"), &error))),
        Err(error) => Err(Failure::new(exit::CLUSTER, format!("Tenant {tenant}: {error}"))),
    }
}

struct Look<'a> {
    client: &'a Client,
    inquirer: Inquirer,
    tenant: &'a str,
}

impl Look<'_> {
    fn customer(&self) -> String {
        crate::api::home::customer_namespace(self.tenant)
    }

    fn own(&self) -> [String; 2] {
        [self.customer(), crate::api::home::derived_namespace(self.tenant)]
    }

    /// All of a kind in the customer's namespace.
    async fn inside<K>(&self) -> Seen<Vec<K>>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        listed(&Api::namespaced(self.client.clone(), &self.customer())).await
    }

    /// The answers about everybody whom the namespace binds.
    async fn rights(&self, discovered: &Seen<Discovery>) -> (BTreeMap<Topic, Rights>, Vec<String>) {
        let unseen_all = |why: &Unseen| Topic::ALL.map(|topic| (topic, Rights::unseen(&why.0))).into();
        let Bound { mut subjects, set_aside } = match self.inside::<RoleBinding>().await {
            Ok(bindings) => subjects::bound(&bindings, &self.own()),
            Err(why) => return (unseen_all(&why), Vec::new()),
        };
        if subjects.is_empty() {
            match self.roles().await {
                Ok(roles) => subjects = subjects::of_roles(roles),
                Err(why) => return (unseen_all(&why), set_aside),
            }
        }
        subjects.insert(0, Subject::everybody());
        let others = self.others(&subjects).await;
        let placed = self.placed(discovered).await;
        let ground = Ground {
            customer: self.customer(),
            resources: discovered.as_ref().map(resources).unwrap_or_default(),
            others: others.clone().unwrap_or_default(),
            placed: placed.clone().unwrap_or_default(),
        };
        let mut rights = BTreeMap::new();
        for topic in Topic::ALL {
            let needed = match topic {
                Topic::ClusterScoped => discovered.as_ref().err(),
                Topic::OtherTenants => discovered.as_ref().err().or(others.as_ref().err()),
                Topic::Placed => placed.as_ref().err(),
                _ => None,
            };
            let answer = match needed {
                Some(why) => Rights::unseen(&why.0),
                None => self.asked(&subjects, &topic.accesses(&ground)).await,
            };
            rights.insert(topic, answer);
        }
        (rights, set_aside)
    }

    async fn asked(&self, subjects: &[Subject], accesses: &[Access]) -> Rights {
        let questions: Vec<(&Subject, &Access)> =
            subjects.iter().flat_map(|subject| accesses.iter().map(move |access| (subject, access))).collect();
        let asked = stream::iter(questions)
            .map(|(subject, access)| async move { (subject, access, self.may(subject, access).await) });
        let mut rights = Rights::default();
        let mut answers = asked.buffered(AT_ONCE);
        while let Some((subject, access, answer)) = answers.next().await {
            match answer {
                Ok(allowed) => {
                    rights.asked += 1;
                    if allowed {
                        rights.granted.push((subject.name().to_owned(), access.clone()));
                    }
                }
                Err(error) => {
                    rights.unseen = Some(format!("what {} may do: {error}", subject.name()));
                    break; // every other question would be answered alike
                }
            }
        }
        rights
    }

    async fn may(&self, subject: &Subject, access: &Access) -> Result<bool, WriteError> {
        let (user, groups) = match subject {
            Subject::SignedIn { user, groups, .. } => (user, groups),
            Subject::Role { rules, .. } => return Ok(subjects::allows(rules, &self.customer(), access)),
        };
        let attributes = ResourceAttributes {
            verb: Some(access.verb.clone()),
            group: Some(access.group.clone()),
            resource: Some(access.resource.clone()),
            subresource: Some(access.subresource.clone()).filter(|subresource| !subresource.is_empty()),
            namespace: access.namespace.clone(),
            name: access.name.clone(),
            ..ResourceAttributes::default()
        };
        self.inquirer.may(user, groups, attributes).await
    }

    async fn roles(&self) -> Seen<Vec<ClusterRole>> {
        let api = Api::<ClusterRole>::all(self.client.clone());
        let mut roles = Vec::new();
        for name in TENANT_ROLES {
            let role = api.get(name).await;
            roles.push(
                role.map_err(|error| unseen(&format!("ClusterRole {name}, to which nobody is bound yet"), &error))?,
            );
        }
        Ok(roles)
    }

    /// Another tenant's namespaces: those where one of our people is bound, and one more for what binds cluster-wide.
    async fn others(&self, subjects: &[Subject]) -> Seen<Vec<String>> {
        let own = self.own();
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let of_tenants = namespaces.list(&ListParams::default().labels(labels::TENANT)).await;
        let of_tenants = of_tenants.map_err(|error| unseen("the namespaces of other tenants", &error))?.items;
        let of_tenants: BTreeSet<String> =
            of_tenants.iter().map(ResourceExt::name_any).filter(|name| !own.contains(name)).collect();
        let bindings = listed(&Api::<RoleBinding>::all(self.client.clone())).await?;
        let bound = subjects::bound_elsewhere(subjects, &bindings, &own);
        // RBAC does not ask whether a namespace exists: where no other tenant is, the next one is asked about.
        let one = of_tenants.first().cloned().unwrap_or_else(|| "cf-cloudfarm-check-next".to_owned());
        let named = of_tenants.intersection(&bound).take(SAMPLE).cloned();
        Ok(named.chain([one]).collect::<BTreeSet<_>>().into_iter().collect())
    }

    async fn placed(&self, discovered: &Seen<Discovery>) -> Seen<Vec<Access>> {
        let discovered = discovered.as_ref().map_err(Clone::clone)?;
        let ours = ListParams::default().labels(&format!("{}={}", labels::MANAGED_BY, labels::FIELD_MANAGER));
        let customer = self.customer();
        let mut placed = vec![Access { name: Some(customer.clone()), ..Access::on("", "", "namespaces") }];
        for (group, version, kind, plural) in PLACED {
            let gvk = GroupVersionKind::gvk(group, version, kind);
            if discovered.resolve_gvk(&gvk).is_none() {
                continue;
            }
            let kind = ApiResource::from_gvk_with_plural(&gvk, plural);
            let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), &customer, &kind);
            let list = api.list_metadata(&ours).await.map_err(|error| unseen(plural, &error))?;
            let access = |name: String| Access {
                namespace: Some(customer.clone()),
                name: Some(name),
                ..Access::on("", group, plural)
            };
            placed.extend(list.items.iter().take(SAMPLE).map(|object| access(object.name_any())));
        }
        Ok(placed)
    }

    async fn trials(&self) -> BTreeMap<Trial, Answer> {
        let mut answers = BTreeMap::new();
        for trial in Trial::ALL {
            let object = trial.object(&self.customer());
            let kind = match trial {
                Trial::NodePort => ApiResource::erase::<k8s_openapi::api::core::v1::Service>(&()),
                _ => ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&()),
            };
            let answer = match self.inquirer.try_out(&kind, &self.customer(), &object).await {
                Ok(stored) => Answer::Admitted(Box::new(stored)),
                Err(WriteError::Refused(said)) if said.contains("cannot create resource") => Answer::Forbidden(said),
                Err(WriteError::Refused(said)) => Answer::Refused(said),
                Err(error) => Answer::Unanswered(error.to_string()),
            };
            answers.insert(trial, answer);
        }
        answers
    }

    /// By the name or the label that a wall for this tenant has.
    async fn wall(&self, discovered: &Seen<Discovery>) -> Seen<Wall> {
        let discovered = discovered.as_ref().map_err(Clone::clone)?;
        let kinds = discovered.get("policy.networking.k8s.io").map(kube::discovery::ApiGroup::recommended_resources);
        let Some((kind, _)) = kinds.into_iter().flatten().find(|(kind, _)| kind.kind == "ClusterNetworkPolicy") else {
            return Ok(Wall::NotServed);
        };
        let api = Api::<DynamicObject>::all_with(self.client.clone(), &kind);
        let of_tenant = ListParams::default().labels(&format!("{}={}", labels::TENANT, self.tenant));
        let list = api.list_metadata(&of_tenant).await.map_err(|error| unseen("ClusterNetworkPolicies", &error))?;
        Ok(list.items.first().map_or(Wall::Missing, |wall| Wall::Stands(wall.name_any())))
    }
}

/// Every resource and subresource that the cluster serves.
fn resources(discovered: &Discovery) -> Vec<Resource> {
    let resource = |kind: &ApiResource, subresource: &str, capabilities: &ApiCapabilities, namespaced| Resource {
        group: kind.group.clone(),
        resource: kind.plural.clone(),
        subresource: subresource.to_owned(),
        namespaced,
        verbs: capabilities.operations.clone(),
    };
    let of = |(kind, capabilities): (ApiResource, ApiCapabilities)| {
        let namespaced = capabilities.scope == Scope::Namespaced;
        let below = capabilities.subresources.iter().map(|(subresource, capabilities)| {
            let name = subresource.plural.rsplit('/').next().unwrap_or_default();
            resource(&kind, name, capabilities, namespaced)
        });
        let below: Vec<Resource> = below.collect();
        [vec![resource(&kind, "", &capabilities, namespaced)], below].concat()
    };
    discovered.groups().flat_map(kube::discovery::ApiGroup::recommended_resources).flat_map(of).collect()
}

async fn listed<K>(api: &Api<K>) -> Seen<Vec<K>>
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let list = api.list(&ListParams::default()).await;
    Ok(list.map_err(|error| unseen(&K::plural(&()), &error))?.items)
}

fn unseen(what: &str, error: &kube::Error) -> Unseen {
    match error {
        kube::Error::Api(status) => Unseen(format!("{what}: {}", status.message)),
        error => Unseen(format!("{what}: {error}")),
    }
}
