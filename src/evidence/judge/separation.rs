//! What keeps customers apart and VMs hardened: walls, networks, platform.

use serde_json::json;

use super::verdict::Verdict;
use super::{World, networks_say, said};
use crate::api::condition::ConditionType as Says;
use crate::api::tenant::{IsolationLevel, OperatingSystem};
use crate::api::tenant_network::{NetworkType, TenantNetwork, TlsMode};

/// These conditions of the Tenant, and those of each of its networks that counts.
fn together(world: &World, tenant: &[Says], networks: &[Says], counts: impl Fn(&TenantNetwork) -> bool) -> Verdict {
    let mut verdicts = match world.tenant() {
        Ok(found) => said(found, tenant),
        Err(unknown) => return unknown,
    };
    match world.networks() {
        Ok(all) => verdicts.extend(networks_say(all.iter().filter(|network| counts(network)), networks)),
        Err(unknown) => verdicts.push(unknown),
    }
    let count = world.networks.as_ref().map_or(0, Vec::len);
    Verdict::all(&verdicts).measured(format!("{count} networks"))
}

/// 5.1.1-3: has the customer an area of its own?
pub fn isolation(world: &World) -> Verdict {
    let apart = together(
        world,
        &[Says::NamespacesReady, Says::QuotaEnforced, Says::WallsReady],
        &[Says::PeeringDenied],
        |_| true,
    );
    let physical = world
        .tenant()
        .ok()
        .and_then(|tenant| tenant.spec.isolation.as_ref())
        .filter(|isolation| isolation.level == IsolationLevel::Physical);
    match physical {
        None => apart.limit("Logical"),
        Some(isolation) => {
            let seen = json!({"level": "Physical", "nodePool": isolation.node_pool});
            let nodes = said_of_machines(world).looked(seen);
            Verdict::all(&[apart, nodes]).limit("Physical")
        }
    }
}

/// Nodes are chosen with the VMs: they stand where they should when the VMs stand as declared.
fn said_of_machines(world: &World) -> Verdict {
    world.tenant().map_or_else(|unknown| unknown, |tenant| Verdict::all(&said(tenant, &[Says::VirtualMachinesReady])))
}

/// CLD.9.5.1: are its environments apart from others' and under control?
pub fn environments(world: &World) -> Verdict {
    together(world, &[Says::WallsReady, Says::QuotaEnforced, Says::PlatformHardened], &[Says::PeeringDenied], |_| true)
}

/// CLD.9.5.2: are VMs hardened, and do packets obey every rule that is written?
pub fn hardening(world: &World) -> Verdict {
    let verdict = together(world, &[Says::VMsHardened], &[Says::RulesAccepted, Says::RulesEnforced], |_| true);
    let Ok(networks) = world.networks() else { return verdict };
    let rules: usize = networks.iter().map(|network| network.spec.ingress.len() + network.spec.egress.len()).sum();
    verdict.measured(format!("{} networks, {rules} rules", networks.len()))
}

fn has_tls(network: &TenantNetwork) -> bool {
    network.spec.tls.as_ref().is_some_and(|tls| tls.mode != TlsMode::Disabled)
}

/// 10.1.1: is TLS there where it is asked for? It is an option.
pub fn encryption(world: &World) -> Verdict {
    let networks = match world.networks() {
        Ok(networks) => networks,
        Err(unknown) => return unknown,
    };
    let with_tls: Vec<&TenantNetwork> = networks.iter().filter(|network| has_tls(network)).collect();
    let measured = format!("{} of {} networks with TLS", with_tls.len(), networks.len());
    if with_tls.is_empty() {
        let said = "TLS is an option, and no network asks for it";
        return Verdict::skip("NotAgreed", said).measured(measured).looked(json!({"networks": networks.len()}));
    }
    Verdict::all(&networks_say(with_tls.into_iter(), &[Says::TLSReady])).measured(measured).limit("TLS 1.2")
}

/// 13.1.3: are networks apart from others'? Objects alone do not count, packets have to be measured.
pub fn networks(world: &World) -> Verdict {
    together(world, &[Says::WallsReady], &[Says::PeeringDenied, Says::SubnetsDistinct, Says::RulesEnforced], |_| true)
}

/// CLD.13.1.4: do virtual networks agree with physical ones?
pub fn physical(world: &World) -> Verdict {
    let networks = match world.networks() {
        Ok([]) => {
            return Verdict::skip("NothingThere", "the tenant has no network").looked(json!({"networks": 0}));
        }
        Ok(networks) => networks,
        Err(unknown) => return unknown,
    };
    let vlans = networks.iter().filter(|network| network.spec.type_ == NetworkType::Vlan);
    let measured = format!("{} networks, {} VLANs", networks.len(), vlans.clone().count());
    let mut verdicts = networks_say(networks.iter(), &[Says::Consistent]);
    verdicts.extend(networks_say(vlans, &[Says::VLANAllocated]));
    Verdict::all(&verdicts).measured(measured)
}

/// 18.1.5: SSH by keys in the guests, TLS on what is exposed with it.
pub fn cryptography(world: &World) -> Verdict {
    let tenant = match world.tenant() {
        Ok(tenant) => tenant,
        Err(unknown) => return unknown,
    };
    let linux = tenant.spec.virtual_machines.iter().filter(|vm| vm.os == OperatingSystem::Linux);
    let with_keys = linux.clone().filter(|vm| !vm.ssh_key_secrets.is_empty()).count();
    let floor = Verdict::all(&said(tenant, &[Says::GuestFloor]));
    let certificates = world.networks().map_or_else(
        |unknown| vec![unknown],
        |all| networks_say(all.iter().filter(|network| has_tls(network)), &[Says::TLSReady]),
    );
    Verdict::all(&std::iter::once(floor).chain(certificates).collect::<Vec<_>>())
        .measured(format!("{with_keys} of {} Linux VMs with SSH keys", linux.count()))
        .limit("SSH by keys, TLS 1.2")
}
