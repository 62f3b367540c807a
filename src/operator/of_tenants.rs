//! What a watch tells of objects each of which is one tenant's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use super::places::News;
use super::stores::OfTenant;
use crate::foreign::place::VolumePlace;
use crate::foreign::velero::Backup;

impl OfTenant for VolumePlace {
    fn tenant(&self) -> String {
        self.tenant.clone()
    }
}

impl OfTenant for Backup {
    fn tenant(&self) -> String {
        self.tenant.clone()
    }
}

/// Objects by name, and by tenant.
#[derive(Debug)]
pub(super) struct OfTenants<P>(RwLock<Known<P>>);

#[derive(Debug)]
struct Known<P> {
    listed: bool,
    by_name: HashMap<String, Arc<P>>,
    by_tenant: HashMap<String, BTreeMap<String, Arc<P>>>,
}

impl<P> Default for OfTenants<P> {
    fn default() -> Self {
        Self(RwLock::new(Known::default()))
    }
}

impl<P> Default for Known<P> {
    fn default() -> Self {
        Self { listed: false, by_name: HashMap::new(), by_tenant: HashMap::new() }
    }
}

impl<P: OfTenant + PartialEq> OfTenants<P> {
    /// A tenant's objects by name; `None` before the kind was listed.
    pub(super) fn of(&self, tenant: &str) -> Option<BTreeMap<String, Arc<P>>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.listed.then(|| known.by_tenant.get(tenant).cloned().unwrap_or_default())
    }

    /// Takes news; returns the tenants that look again.
    pub(super) fn change(&self, news: News<P>) -> Vec<String> {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match news {
            News::All(all) => {
                let before = std::mem::take(&mut known.by_tenant);
                *known = Known { listed: true, ..Known::default() };
                for (name, object) in all {
                    known.put(name, Some(object));
                }
                let names = before.keys().chain(known.by_tenant.keys());
                let mut changed: Vec<String> =
                    names.filter(|name| before.get(*name) != known.by_tenant.get(*name)).cloned().collect();
                changed.sort();
                changed.dedup();
                changed
            }
            News::One(name, object) => known.put(name, object),
            News::Nothing => std::mem::take(&mut *known).by_tenant.into_keys().collect(),
        }
    }
}

impl<P: OfTenant + PartialEq> Known<P> {
    fn put(&mut self, name: String, object: Option<P>) -> Vec<String> {
        if self.by_name.get(&name).map(|known| &**known) == object.as_ref() {
            return Vec::new();
        }
        let mut changed = Vec::new();
        if let Some(old) = self.by_name.remove(&name).map(|old| old.tenant()) {
            if let Some(all) = self.by_tenant.get_mut(&old) {
                all.remove(&name);
                if all.is_empty() {
                    self.by_tenant.remove(&old);
                }
            }
            changed.push(old);
        }
        if let Some(object) = object.map(Arc::new) {
            changed.push(object.tenant());
            self.by_tenant.entry(object.tenant()).or_default().insert(name.clone(), object.clone());
            self.by_name.insert(name, object);
        }
        changed.dedup();
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(tenant: &str, claim: &str) -> VolumePlace {
        VolumePlace { tenant: tenant.into(), claim: claim.into(), ..VolumePlace::default() }
    }

    #[test]
    fn an_object_makes_its_own_tenant_look_and_nobody_when_it_says_the_same() {
        let store = OfTenants::default();
        assert!(store.of("plum").is_none(), "not listed is not empty");
        let listed = vec![("a".to_owned(), volume("plum", "x")), ("b".to_owned(), volume("pear", "y"))];
        assert_eq!(store.change(News::All(listed.clone())), ["pear", "plum"]);
        assert!(store.change(News::All(listed)).is_empty());
        assert!(store.change(News::One("a".into(), Some(volume("plum", "x")))).is_empty());
        assert_eq!(store.change(News::One("a".into(), Some(volume("pear", "x")))), ["plum", "pear"]);
        assert_eq!(store.of("plum").map(|all| all.len()), Some(0));
        assert_eq!(store.change(News::One("a".into(), None)), ["pear"]);
        assert_eq!(store.change(News::All(Vec::new())), ["pear"]);
        assert!(store.change(News::Nothing).is_empty());
        assert!(store.of("plum").is_none(), "the kind is gone");
    }
}
