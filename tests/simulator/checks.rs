//! What is checked at each effect and at the end: nothing wide, nothing left over, one unbroken chain.

use std::collections::BTreeSet;

use cloudfarm::api::home;
use cloudfarm::api::retention::RetentionPhase;
use cloudfarm::evidence::certificate::Signed;
use cloudfarm::evidence::chain;
use cloudfarm::purge::look::Asked;
use cloudfarm::purge::plan::{Item, Plan};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::model::Book;
use crate::world::{Cluster, phase};

impl Cluster {
    pub fn check_purged(&mut self, name: &str, uid: &str, began: Option<Timestamp>) {
        let (now, began) = (self.now, began.unwrap_or(self.now));
        let tenant = uid.split('.').next().unwrap_or_default();
        let derived = home::derived_namespace(tenant);
        let keeps = self
            .objects
            .all
            .values()
            .any(|object| object.era == uid && object.kept_until.is_some_and(|until| until > began));
        let stays = |object: &&crate::objects::Object| {
            let records = object.kept_until.is_some_and(|until| until > began);
            let walls = ["networkpolicies", "namespaces"].contains(&object.kind) || object.name == "kube-root-ca.crt";
            let there = object.namespace.as_ref().unwrap_or(&object.name) == &derived;
            keeps && (records || walls && there)
        };
        let left: Vec<String> = self
            .objects
            .all
            .values()
            .filter(|object| object.era == uid && !stays(object))
            .map(|object| format!("{} {}", object.kind, object.name))
            .collect();
        if !left.is_empty() {
            self.breach(format!("{name}: Purged, and there is still {}", left.join(", ")));
        }
        let certificate = self.records.get(uid).and_then(|record| record.certificate.clone());
        let signed = certificate.and_then(|text| serde_json::from_str::<Signed>(&text).ok());
        let hash = signed.and_then(|signed| signed.certificate.sha256().ok()).unwrap_or_default();
        if !self.hashes.contains(&hash) {
            self.breach(format!("{name}: Purged without a certificate in the chain"));
        }
        if let Some(due) = self.books.get(uid).and_then(Book::due) {
            self.lateness.push(now.duration_since(due).as_hours());
        }
        self.note(format!("{name}: Purged"));
    }

    /// Before anything is changed in what is a tenant's: whose is it, and may it go?
    pub fn check(&mut self, retention: &str, item: &Item, verdict: Option<&'static str>) {
        self.deletes += 1;
        let Some(found) = self.retentions.get(retention).cloned() else { return };
        let uid = found.uid().unwrap_or_default();
        if let Some(why) = verdict {
            self.breach(format!("{retention}: {item} was erased: {why}"));
        }
        let Some(object) = self.objects.at(item).cloned() else { return };
        if object.era != uid {
            self.breach(format!("{retention}: {item} is not its own but of {}", object.era));
        }
        let mark = found.status.and_then(|status| status.progress.purge);
        let text = self.records.get(&uid).and_then(|record| record.original.clone().or(record.plan.clone()));
        let plan = mark.and_then(|mark| Plan::stored(text.as_deref(), &mark.plan_hash).ok());
        if !plan.is_some_and(|plan| plan.items.iter().any(|planned| planned.uid == object.uid)) {
            self.breach(format!("{retention}: {item} of uid {} is in no stored plan", object.uid));
        }
    }

    /// With admission in front of it, no delete at all comes between a hold on the namespace and the next look.
    pub fn check_hold(&mut self, retention: &str, item: &Item) {
        let namespace = item.namespace.as_ref().unwrap_or(&item.name);
        if self.guarded && self.objects.namespace(namespace).is_some_and(|seen| seen.hold.is_some()) {
            self.breach(format!("{retention}: {item} was erased in a namespace under hold"));
        }
    }

    /// A namespace must not take along a disk or snapshot that the run has seen and its plan does not name.
    pub fn check_inside(&mut self, asked: &Asked, item: &Item, seen: &BTreeSet<String>) {
        let plan = self.records.get(&asked.uid).and_then(|record| record.original.clone().or(record.plan.clone()));
        let plan = plan.unwrap_or_default();
        let inside = self.objects.all.values().filter(|object| object.namespace.as_ref() == Some(&item.name));
        let data = inside.filter(|object| ["persistentvolumeclaims", "volumesnapshots"].contains(&object.kind));
        let unnamed = data.filter(|object| seen.contains(&object.uid) && !plan.contains(&object.uid));
        let unnamed: Vec<String> = unnamed.map(|object| object.name.clone()).collect();
        if item.kind.plural == "namespaces" && !unnamed.is_empty() {
            self.breach(format!(
                "{}: {} goes with its namespace and is in no plan",
                asked.retention,
                unnamed.join(", ")
            ));
        }
    }

    /// Every certificate there is, as one chain.
    pub fn check_chain(&mut self) {
        let written: Vec<(String, Vec<u8>)> = self
            .records
            .iter()
            .filter_map(|(era, record)| Some((era.clone(), record.certificate.clone()?.into_bytes())))
            .collect();
        let lives = self.retentions.values().filter(|found| phase(found) == Some(RetentionPhase::Purged)).count();
        if written.len() < lives || written.len() != self.hashes.len() {
            self.breach(format!("{} certificates, {} in the chain, {lives} lives", written.len(), self.hashes.len()));
        }
        if !written.is_empty()
            && let Err(faults) = chain::verify(&written, Some(&crate::eyes::key().public_key()))
        {
            let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
            self.breach(format!("the chain is broken: {}", told.join("; ")));
        }
    }
}
