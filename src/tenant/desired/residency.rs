//! Is this tenant's data in Japan (6.1.3)? Judged from labels and topologies, each of which somebody with rights to the
//! platform wrote; what says nothing is not known.
//!
//! | what | inside | outside |
//! |---|---|---|
//! | a node | its country label says so | the label says another country |
//! | a zone, a region | every node of it is inside | a node of it is outside |
//! | a storage class | its topologies lie inside, or, if it has none, its label says so | a topology or the label is outside |
//! | a volume | its topologies lie inside, or, if it has none, its class is | a topology or its class is outside |
//! | a snapshot class, a backup location | its label says so | the label says another country |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Home;
use crate::api::labels::COUNTRY;
use crate::foreign::place::{ClassPlace, NodePlace, Places, Reach, Spot, VolumePlace};

/// Where a kubelet's own credentials cannot write, as long as the API server has the admission plugin `NodeRestriction`.
pub const OUT_OF_REACH: &str = "node-restriction.kubernetes.io/";

/// What was found. Nothing in either list is the positive evidence that all is inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Residency {
    /// What is outside, by name.
    pub outside: Vec<String>,
    /// What is not known to be inside, by name, with what would tell.
    pub unknown: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Inside,
    Outside,
    Unknown,
}

/// Why something is not inside.
type Told = (Side, String);

/// Where Velero may bring backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BackupPlace {
    /// Velero's namespace, where the location is.
    Inside(String),
    /// What is there goes, and nothing is added.
    Outside(String),
    /// What is there stays, and nothing is added.
    Unknown(String),
}

/// Judges the location that `spec.residency.backupLocation` names.
pub(super) fn backup_place(home: &Home, wanted: &str) -> BackupPlace {
    let said = |why: &str| format!("backup location {}: {why}", short(wanted));
    match Judge::of(home).location(wanted) {
        Ok((namespace, None)) => BackupPlace::Inside(namespace.to_owned()),
        Ok((_, Some((Side::Outside, why)))) => BackupPlace::Outside(said(&why)),
        Ok((_, Some((_, why)))) | Err(why) => BackupPlace::Unknown(said(&why)),
    }
}

/// Judges everything that holds or may hold this tenant's data.
pub(super) fn judged(home: &Home) -> Residency {
    let judge = Judge::of(home);
    let residency = &home.snapshot.tenant.spec.residency;
    let location = residency.backup_location.as_deref();
    judge.tenant(&residency.zones, &residency.storage_class_names, home.snapshot.volumes.as_ref(), location)
}

struct Judge<'a> {
    places: &'a Places,
    label: &'a str,
    country: &'a str,
}

impl<'a> Judge<'a> {
    fn of(home: &'a Home) -> Self {
        Self {
            places: &home.snapshot.places,
            label: &home.snapshot.config.residency.node_label,
            country: &home.snapshot.config.residency.node_value,
        }
    }

    fn tenant(
        &self,
        zones: &[String],
        class_names: &[String],
        volumes: Option<&BTreeMap<String, Arc<VolumePlace>>>,
        location: Option<&str>,
    ) -> Residency {
        let mut found = Residency::default();
        self.nodes(zones, &mut found);
        let mut classes: BTreeSet<&str> = class_names.iter().map(String::as_str).collect();
        match volumes {
            None => found.unknown.push("volumes: they have not been listed".into()),
            Some(volumes) => {
                classes.extend(volumes.values().map(|volume| volume.class.as_str()).filter(|class| !class.is_empty()));
                for (name, volume) in volumes {
                    self.volume(name, volume, &mut found);
                }
            }
        }
        self.classes(&classes, &mut found);
        self.snapshot_classes(&classes, &mut found);
        self.backup_location(location, &mut found);
        found
    }

    fn nodes(&self, zones: &[String], found: &mut Residency) {
        let Some(nodes) = &self.places.nodes else {
            found.unknown.push("nodes: they have not been listed".into());
            return;
        };
        if !self.label.starts_with(OUT_OF_REACH) {
            found.unknown.push(format!(
                "nodes: a node may write the label {} itself; name one that begins with {OUT_OF_REACH} in residency.nodeLabel of the operator's config",
                self.label
            ));
        }
        for (name, node) in nodes {
            match (self.labelled(node.country.as_deref()), &node.country) {
                (Side::Outside, Some(says)) => {
                    found.outside.push(format!("node {}: its label says {}", short(name), short(says)));
                }
                (Side::Unknown, _) => {
                    found.unknown.push(format!("node {}: it has no label {}", short(name), self.label));
                }
                _ => {}
            }
        }
        let open = |node: &NodePlace| zones.is_empty() || node.zone.as_ref().is_some_and(|zone| zones.contains(zone));
        if !nodes.values().any(|node| self.labelled(node.country.as_deref()) == Side::Inside && open(node)) {
            let zones = if zones.is_empty() { String::new() } else { format!(" in the zones {}", zones.join(", ")) };
            found.unknown.push(format!("nodes: none{zones} is labelled {}={}", self.label, self.country));
        }
    }

    fn classes(&self, names: &BTreeSet<&str>, found: &mut Residency) {
        let Some(classes) = &self.places.classes else {
            found.unknown.push("storage classes: they have not been listed".into());
            return;
        };
        for name in names {
            let told = match classes.get(*name) {
                None => Some((Side::Unknown, "it does not exist".to_owned())),
                Some(class) => self.class(class),
            };
            put(found, &format!("storage class {}", short(name)), told);
        }
    }

    /// Why it is not inside.
    fn class(&self, class: &ClassPlace) -> Option<Told> {
        let country = class.country.as_deref();
        match (self.reach(&class.reach), self.labelled(country)) {
            (Side::Outside, _) => Some((Side::Outside, "its allowedTopologies leave the country".into())),
            (_, Side::Outside) => Some((Side::Outside, says(country))),
            (Side::Inside, _) | (_, Side::Inside) => None,
            (Side::Unknown, Side::Unknown) => Some((
                Side::Unknown,
                format!(
                    "it has neither allowedTopologies of zones whose nodes are known nor the label {COUNTRY}={}",
                    self.country
                ),
            )),
        }
    }

    fn volume(&self, name: &str, volume: &VolumePlace, found: &mut Residency) {
        let what = format!("volume {} (claim {})", short(name), short(&volume.claim));
        let class = self.places.classes.as_ref().and_then(|classes| classes.get(&volume.class));
        let of_class = class.map_or(Side::Unknown, |class| self.class(class).map_or(Side::Inside, |(side, _)| side));
        let told = match (self.reach(&volume.reach), of_class) {
            (Side::Outside, _) => Some((Side::Outside, "its nodeAffinity leaves the country".to_owned())),
            (_, Side::Outside) => {
                Some((Side::Outside, format!("its storage class {} is outside", short(&volume.class))))
            }
            (Side::Inside, _) | (_, Side::Inside) => None,
            (Side::Unknown, Side::Unknown) => {
                Some((Side::Unknown, "neither its nodeAffinity nor its storage class tells where it is".to_owned()))
            }
        };
        put(found, &what, told);
    }

    /// Those by which snapshots of the tenant's volumes can be made.
    fn snapshot_classes(&self, classes: &BTreeSet<&str>, found: &mut Residency) {
        let (Some(storage), Some(all)) = (&self.places.classes, &self.places.snapshot_classes) else { return };
        let drivers: BTreeSet<&str> =
            classes.iter().filter_map(|name| storage.get(*name)).map(|class| class.driver.as_str()).collect();
        for (name, class) in all.iter().filter(|(_, class)| drivers.contains(class.driver.as_str())) {
            put(found, &format!("snapshot class {}", short(name)), self.by_label(class.country.as_deref()));
        }
    }

    fn backup_location(&self, wanted: Option<&str>, found: &mut Residency) {
        let Some(wanted) = wanted else { return };
        let told = match self.location(wanted) {
            Ok((_, told)) => told,
            Err(why) => Some((Side::Unknown, why)),
        };
        put(found, &format!("backup location {}", short(wanted)), told);
    }

    /// The namespace of the one backup location of this name, and why it is not inside. The field names no namespace: that is
    /// the provider's.
    fn location(&self, wanted: &str) -> Result<(&'a str, Option<Told>), String> {
        let all = self.places.backup_locations.as_ref().ok_or("Velero is not installed in this cluster")?;
        let mut named = all.iter().filter_map(|(place, country)| {
            let (namespace, name) = place.split_once('/')?;
            (name == wanted).then_some((namespace, country))
        });
        match (named.next(), named.next()) {
            (None, _) => Err("no BackupStorageLocation has this name".into()),
            (Some(_), Some(_)) => Err("BackupStorageLocations in two namespaces have this name".into()),
            (Some((namespace, country)), None) => Ok((namespace, self.by_label(country.as_deref()))),
        }
    }

    fn by_label(&self, country: Option<&str>) -> Option<Told> {
        match self.labelled(country) {
            Side::Inside => None,
            Side::Outside => Some((Side::Outside, says(country))),
            Side::Unknown => Some((Side::Unknown, format!("it has no label {COUNTRY}={}", self.country))),
        }
    }

    fn labelled(&self, country: Option<&str>) -> Side {
        match country {
            Some(said) if said == self.country => Side::Inside,
            Some(_) => Side::Outside,
            None => Side::Unknown,
        }
    }

    /// One term that leaves is enough; otherwise all of them have to lie inside.
    fn reach(&self, reach: &Reach) -> Side {
        let terms: Vec<Side> = reach.0.iter().map(|term| self.term(term)).collect();
        if terms.contains(&Side::Outside) {
            Side::Outside
        } else if !terms.is_empty() && terms.iter().all(|side| *side == Side::Inside) {
            Side::Inside
        } else {
            Side::Unknown
        }
    }

    /// All groups hold at once, so one that lies inside keeps the term inside.
    fn term(&self, groups: &[Vec<Spot>]) -> Side {
        let groups: Vec<Side> = groups.iter().map(|spots| self.spots(spots)).collect();
        if groups.contains(&Side::Inside) {
            Side::Inside
        } else if groups.contains(&Side::Outside) {
            Side::Outside
        } else {
            Side::Unknown
        }
    }

    fn spots(&self, spots: &[Spot]) -> Side {
        let sides: Vec<Side> = spots.iter().map(|spot| self.spot(spot)).collect();
        if sides.contains(&Side::Outside) {
            Side::Outside
        } else if !sides.is_empty() && sides.iter().all(|side| *side == Side::Inside) {
            Side::Inside
        } else {
            Side::Unknown
        }
    }

    fn spot(&self, spot: &Spot) -> Side {
        let nodes = self.places.nodes.iter().flatten();
        let of_it: Vec<Side> = nodes
            .filter(|(name, node)| match spot {
                Spot::Node(wanted) => *name == wanted,
                Spot::Zone(wanted) => node.zone.as_ref() == Some(wanted),
                Spot::Region(wanted) => node.region.as_ref() == Some(wanted),
            })
            .map(|(_, node)| self.labelled(node.country.as_deref()))
            .collect();
        if of_it.contains(&Side::Outside) {
            Side::Outside
        } else if !of_it.is_empty() && of_it.iter().all(|side| *side == Side::Inside) {
            Side::Inside
        } else {
            Side::Unknown
        }
    }
}

fn put(found: &mut Residency, what: &str, told: Option<Told>) {
    match told {
        Some((Side::Outside, why)) => found.outside.push(format!("{what}: {why}")),
        Some((_, why)) => found.unknown.push(format!("{what}: {why}")),
        None => {}
    }
}

fn says(country: Option<&str>) -> String {
    format!("its label says {}", short(country.unwrap_or_default()))
}

/// Names and labels are others': a long one does not push everything else out of a message.
fn short(text: &str) -> String {
    text.chars().take(63).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::foreign::place::SnapshotClassPlace;

    const LABEL: &str = "node-restriction.kubernetes.io/cloudfarm-country";

    type Change = fn(&mut Places);

    fn node(zone: &str, country: Option<&str>) -> NodePlace {
        NodePlace { country: country.map(str::to_owned), zone: Some(zone.into()), region: Some("jp-east".into()) }
    }

    fn class(country: Option<&str>, zones: &[&str]) -> ClassPlace {
        let spots: Vec<Spot> = zones.iter().map(|zone| Spot::Zone((*zone).to_owned())).collect();
        let reach = if spots.is_empty() { Reach::default() } else { Reach(vec![vec![spots]]) };
        ClassPlace { driver: "rbd".into(), country: country.map(str::to_owned), reach }
    }

    /// Two zones in Japan and one abroad without a node that is labelled so.
    fn places() -> Places {
        Places {
            nodes: Some(BTreeMap::from([
                ("a1".into(), node("jp-a", Some("JP"))),
                ("b1".into(), node("jp-b", Some("JP"))),
            ])),
            classes: Some(BTreeMap::from([("gold".into(), class(None, &["jp-a", "jp-b"]))])),
            snapshot_classes: None,
            backup_locations: None,
        }
    }

    fn volume(class: &str, zone: Option<&str>) -> VolumePlace {
        let reach = zone.map(|zone| Reach(vec![vec![vec![Spot::Zone(zone.into())]]])).unwrap_or_default();
        VolumePlace {
            tenant: "plum".into(),
            claim: "web-root".into(),
            class: class.into(),
            reach,
            size: None,
            bound: true,
        }
    }

    fn look(places: &Places, volumes: &[VolumePlace], location: Option<&str>) -> Residency {
        let volumes = volumes.iter().enumerate().map(|(i, volume)| (format!("pv-{i}"), Arc::new(volume.clone())));
        let judge = Judge { places, label: LABEL, country: "JP" };
        judge.tenant(&[], &["gold".to_owned()], Some(&volumes.collect()), location)
    }

    #[test]
    fn everything_inside_is_the_evidence_and_each_thing_alone_takes_it_away() {
        let well = [volume("gold", Some("jp-a")), volume("gold", None)];
        assert_eq!(look(&places(), &well, None), Residency::default());
        let outside: [(&str, Change); 5] = [
            ("node x1: its label says SG", |it| {
                it.nodes.get_or_insert_default().insert("x1".into(), node("sg-a", Some("SG")));
            }),
            ("storage class gold: its label says US", |it| {
                it.classes.get_or_insert_default().insert("gold".into(), class(Some("US"), &[]));
            }),
            ("storage class gold: its allowedTopologies leave", |it| {
                it.nodes.get_or_insert_default().insert("x1".into(), node("sg-a", Some("SG")));
                it.classes.get_or_insert_default().insert("gold".into(), class(Some("JP"), &["jp-a", "sg-a"]));
            }),
            ("volume pv-1 (claim web-root): its storage class gold is outside", |it| {
                it.classes.get_or_insert_default().insert("gold".into(), class(Some("US"), &[]));
            }),
            ("snapshot class snap: its label says US", |it| {
                let snap = SnapshotClassPlace { driver: "rbd".into(), country: Some("US".into()) };
                it.snapshot_classes = Some(BTreeMap::from([("snap".into(), snap)]));
            }),
        ];
        for (told, change) in outside {
            let mut changed = places();
            change(&mut changed);
            let found = look(&changed, &well, None);
            assert!(found.outside.iter().any(|each| each.starts_with(told)), "{told}: {found:?}");
        }
        let unknown: [(&str, Change); 6] = [
            ("nodes: they have not been listed", |it| it.nodes = None),
            ("nodes: none is labelled", |it| it.nodes = Some(BTreeMap::new())),
            ("node c1: it has no label", |it| {
                it.nodes.get_or_insert_default().insert("c1".into(), node("jp-c", None));
            }),
            ("storage class gold: it does not exist", |it| it.classes = Some(BTreeMap::new())),
            ("storage class gold: it has neither", |it| {
                it.classes.get_or_insert_default().insert("gold".into(), class(None, &["nowhere"]));
            }),
            ("snapshot class snap: it has no label", |it| {
                let snap = SnapshotClassPlace { driver: "rbd".into(), country: None };
                it.snapshot_classes = Some(BTreeMap::from([("snap".into(), snap)]));
            }),
        ];
        for (told, change) in unknown {
            let mut changed = places();
            change(&mut changed);
            let found = look(&changed, &well, None);
            assert!(found.unknown.iter().any(|each| each.starts_with(told)), "{told}: {found:?}");
            assert!(found.outside.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn a_volume_abroad_is_named_and_a_class_that_is_labelled_does_not_excuse_it() {
        let mut abroad = places();
        abroad.classes = Some(BTreeMap::from([("gold".into(), class(Some("JP"), &[]))]));
        abroad.nodes.get_or_insert_default().insert("x1".into(), node("sg-a", Some("SG")));
        let found = look(&abroad, &[volume("gold", Some("sg-a"))], None);
        assert!(found.outside.iter().any(|each| each.contains("pv-0") && each.contains("nodeAffinity")), "{found:?}");
    }

    #[test]
    fn a_backup_location_counts_only_when_exactly_one_has_the_name_and_says_where_it_is() {
        let told = |locations: Option<Vec<(&str, Option<&str>)>>| {
            let all = locations.map(|all| {
                all.into_iter().map(|(place, country)| (place.to_owned(), country.map(str::to_owned))).collect()
            });
            look(&Places { backup_locations: all, ..places() }, &[], Some("s3-jp"))
        };
        assert_eq!(told(Some(vec![("velero/s3-jp", Some("JP")), ("velero/other", None)])), Residency::default());
        assert_eq!(told(Some(vec![("velero/s3-jp", Some("US"))])).outside.len(), 1);
        for unknown in [
            None,
            Some(vec![]),
            Some(vec![("velero/s3-jp", None)]),
            Some(vec![("velero/s3-jp", Some("JP")), ("mine/s3-jp", Some("JP"))]),
        ] {
            let found = told(unknown.clone());
            assert!(found.outside.is_empty() && found.unknown.len() == 1, "{unknown:?}: {found:?}");
        }
    }

    #[test]
    fn a_label_that_nodes_may_write_themselves_and_zones_without_a_node_prove_nothing() {
        let places = places();
        let judge = Judge { places: &places, label: "example.com/country", country: "JP" };
        let found = judge.tenant(&[], &["gold".to_owned()], Some(&BTreeMap::new()), None);
        assert!(found.unknown.iter().any(|each| each.contains("may write the label")), "{found:?}");
        let judge = Judge { places: &places, label: LABEL, country: "JP" };
        let found = judge.tenant(&["jp-z".to_owned()], &["gold".to_owned()], Some(&BTreeMap::new()), None);
        assert!(found.unknown.iter().any(|each| each.contains("in the zones jp-z")), "{found:?}");
        let found = judge.tenant(&[], &["gold".to_owned()], None, None);
        assert!(found.unknown.iter().any(|each| each.starts_with("volumes:")), "{found:?}");
    }

    proptest! {
        /// Whatever labels say: nobody is taken for inside whose zone has a node that is not, and names stay short.
        #[test]
        fn no_odd_label_passes_for_japan(
            countries in proptest::collection::vec(proptest::option::of("(JP|jp|SG|JP |\\PC{0,80})"), 1..6),
            zones in proptest::collection::vec("(jp-a|jp-b|\\PC{0,20})", 1..6),
        ) {
            let nodes: BTreeMap<String, NodePlace> = countries.iter().zip(zones.iter().cycle()).enumerate()
                .map(|(i, (country, zone))| (format!("n{i}"), node(zone, country.as_deref()))).collect();
            let all_in = countries.iter().all(|country| country.as_deref() == Some("JP"));
            let it = Places { nodes: Some(nodes), ..places() };
            let judge = Judge { places: &it, label: LABEL, country: "JP" };
            let found = judge.tenant(&[], &[], Some(&BTreeMap::new()), None);
            prop_assert_eq!(found == Residency::default(), all_in);
            for (i, country) in countries.iter().enumerate() {
                let side = judge.spot(&Spot::Node(format!("n{i}")));
                prop_assert_eq!(side == Side::Inside, country.as_deref() == Some("JP"));
            }
            prop_assert!(found.outside.iter().chain(&found.unknown).all(|each| each.chars().count() < 256));
        }
    }
}
