//! Pure: what NetworkPolicy cannot close, told with every check: what closes it, and what of that this cluster has.

use serde::Serialize;

use super::scene::{Scene, Unseen, Wall};

/// One known hole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    pub hole: &'static str,
    pub closed_by: &'static str,
    /// What this cluster has of it, as far as its API tells.
    pub here: String,
}

/// The holes, and who was not asked about.
#[must_use]
pub fn notes(scene: &Scene) -> Vec<Note> {
    let mut notes = vec![
        Note {
            hole: "the node itself reaches every pod on it: Kubernetes allows that, so a node that is broken into is inside",
            closed_by: "spec.isolation.level Physical (a tenant's own nodes), and the node's own firewall",
            here: "the API does not show node firewalls".into(),
        },
        Note {
            hole: "node ports pass policies: towards one, egress rules see a node; behind one, ingress rules may",
            closed_by: "services.nodeports: 0 in the quota, ClusterNetworkPolicy in the Admin tier, the node's firewall",
            here: format!("{}; {}", node_ports(scene), wall(scene)),
        },
        Note {
            hole: "a connection that is open stays open when its rule is closed, with plugins that let known ones pass",
            closed_by: "a restart of the VM, or of its network's connections on the node",
            here: "the API does not show what the network plugin does".into(),
        },
        Note {
            hole: "a pod that sends from another's address is stopped by the node's reverse-path filter, not by policies",
            closed_by: "rp_filter=1 on routed pods, macspoofchk on bridges, or a plugin with port security",
            here: "the API does not show node settings".into(),
        },
        Note {
            hole: "whoever may write NetworkPolicies adds openings to these namespaces; policies only add up",
            closed_by: "ClusterNetworkPolicy in the Admin tier, which no NetworkPolicy opens",
            here: wall(scene),
        },
    ];
    notes.extend(scene.set_aside.iter().map(|account| Note {
        hole: "a service account of another namespace has rights here and counts as the platform's: it was not asked about",
        closed_by: "deleting its RoleBinding, if it is not",
        here: account.clone(),
    }));
    notes
}

fn wall(scene: &Scene) -> String {
    match &scene.wall {
        Ok(Wall::NotServed) => "this cluster does not know ClusterNetworkPolicy".into(),
        Ok(Wall::Missing) => "this cluster knows ClusterNetworkPolicy, and none names this tenant".into(),
        Ok(Wall::Stands(name)) => format!("ClusterNetworkPolicy {name} stands"),
        Err(Unseen(why)) => format!("whether ClusterNetworkPolicy stands: {why}"),
    }
}

fn node_ports(scene: &Scene) -> String {
    let services = match &scene.services {
        Ok(services) => services,
        Err(Unseen(why)) => return format!("services with node ports: {why}"),
    };
    let ports = services.iter().filter_map(|service| service.spec.as_ref()?.ports.as_ref()).flatten();
    match ports.filter(|port| port.node_port.is_some()).count() {
        0 => format!("no service of {} has a node port", scene.customer()),
        some => format!("{some} node ports lead into {}", scene.customer()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::scene::tests::empty;

    #[test]
    fn the_holes_are_told_whatever_could_be_seen_and_say_what_the_cluster_has() {
        let mut scene = empty();
        let told = |scene: &Scene| notes(scene).iter().map(|note| note.here.clone()).collect::<Vec<_>>().join("\n");
        assert_eq!(notes(&scene).len(), 5);
        assert!(told(&scene).contains("whether ClusterNetworkPolicy stands: not looked at"));
        scene.wall = Ok(Wall::Stands("cf-acme".into()));
        scene.set_aside = vec!["system:serviceaccount:backup:backup by RoleBinding b".into()];
        assert!(told(&scene).contains("ClusterNetworkPolicy cf-acme stands"));
        assert!(told(&scene).ends_with("backup by RoleBinding b"));
    }
}
