//! Pure: what is written down of sessions. Both lists are unions, so that reading an audit log again, or two of them, adds
//! nothing that is there.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::event::Sighting;
use crate::api::access_grant::Session;
use crate::api::jst::in_japan;
use crate::evidence::hex;

/// Sessions that a grant's status has room for: the newest.
pub const ON_A_GRANT: usize = 100;

/// Unapproved sessions that one day's record has room for: the first. At most 400 kB of a ConfigMap's 1 MB.
pub const IN_A_DAY: usize = 500;

/// Key that says that there were more than [`IN_A_DAY`].
pub const FULL: &str = "full";

/// Value of the label `cloudfarm.dev/record`: kept for `spec.logRetention.access`.
pub const ACCESS: &str = "access";

/// A session as it is written down.
#[must_use]
pub fn session(sighting: &Sighting) -> Session {
    let whole = |at: Timestamp| Time(Timestamp::from_second(at.as_second()).unwrap_or(at));
    Session {
        user: sighting.key.person.clone(),
        vm: sighting.vm.clone(),
        action: sighting.action.text.clone(),
        began_at: Some(whole(sighting.key.received)),
        ended_at: sighting.ended_at.map(whole),
        audit_id: sighting.key.audit_id.clone(),
    }
}

fn same(one: &Session, other: &Session) -> bool {
    let what = |session: &Session| {
        (session.audit_id.clone(), session.began_at.clone().map(|at| at.0), session.user.clone(), session.vm.clone())
    };
    what(one) == what(other) && one.action == other.action
}

/// A grant's sessions with these among them, the oldest first; nothing if that changes nothing. An end that is written
/// stays.
#[must_use]
pub fn joined(written: &[Session], new: &[Session]) -> Option<Vec<Session>> {
    let mut all = written.to_vec();
    for session in new {
        match all.iter_mut().find(|known| same(known, session)) {
            Some(known) => known.ended_at = known.ended_at.take().or_else(|| session.ended_at.clone()),
            None => all.push(session.clone()),
        }
    }
    all.sort_by_key(|session| (session.began_at.as_ref().map(|at| at.0), session.audit_id.clone()));
    let all = all.split_off(all.len().saturating_sub(ON_A_GRANT));
    (all != written).then_some(all)
}

/// `access-<day in Japan>`: the ConfigMap that has the unapproved sessions of one day.
#[must_use]
pub fn name(session: &Session) -> String {
    let day = session.began_at.as_ref().map(|at| in_japan(at.0)).unwrap_or_default();
    format!("access-{}", day.get(..10).unwrap_or("undated"))
}

/// A session that nobody consented to.
#[derive(Clone, Debug, PartialEq)]
pub struct Unapproved {
    pub session: Session,
    /// In whose name it was. Who really came in is whose session it is, and by this alone it is known again.
    pub in_the_name_of: Option<String>,
}

impl Unapproved {
    /// As it is written down.
    #[must_use]
    pub fn of(sighting: &Sighting) -> Self {
        Self { session: session(sighting), in_the_name_of: sighting.in_the_name_of.clone() }
    }
}

/// A session in a record. What its end tells is last, so that it only adds to the text, which admission can see.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    audit_id: &'a str,
    user: &'a str,
    vm: &'a str,
    action: &'a str,
    began_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_the_name_of: Option<&'a str>,
}

/// Its key: the same for the same session, whoever writes it.
#[must_use]
pub fn key(session: &Session) -> String {
    let began = session.began_at.as_ref().map(|at| at.0.as_second()).unwrap_or_default();
    let parts = [&session.audit_id, &began.to_string(), &session.user, &session.vm, &session.action];
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..16])
}

fn entry(Unapproved { session, in_the_name_of }: &Unapproved) -> String {
    let instant = |at: &Option<Time>| at.as_ref().map(|at| at.0.to_string());
    let entry = Entry {
        audit_id: &session.audit_id,
        user: &session.user,
        vm: &session.vm,
        action: &session.action,
        began_at: instant(&session.began_at),
        ended_at: instant(&session.ended_at),
        in_the_name_of: in_the_name_of.as_deref().filter(|_| session.ended_at.is_some()),
    };
    serde_json::to_string(&entry).unwrap_or_default()
}

/// What a record does not have yet.
#[derive(Debug, Default, PartialEq)]
pub struct Additions {
    /// To be written into its data.
    pub data: BTreeMap<String, String>,
    /// Sessions that it did not have at all.
    pub fresh: Vec<Unapproved>,
}

/// What these sessions add to a record's data.
#[must_use]
pub fn additions(written: &BTreeMap<String, String>, sessions: &[Unapproved]) -> Additions {
    let mut added = Additions::default();
    for session in sessions {
        let (key, entry) = (key(&session.session), entry(session));
        let known = added.data.get(&key).or_else(|| written.get(&key));
        let longer = known.is_none_or(|known| entry.len() > known.len());
        let full = written.len() + added.fresh.len() >= IN_A_DAY;
        match known {
            Some(_) if longer => drop(added.data.insert(key, entry)),
            Some(_) => {}
            None if full && written.contains_key(FULL) => {}
            None if full => drop(added.data.insert(FULL.into(), "true".into())),
            None => {
                added.data.insert(key, entry);
                added.fresh.push(session.clone());
            }
        }
    }
    added
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn session(number: i64, ended: bool) -> Session {
        let at = |second: i64| Some(Time(Timestamp::from_second(1_800_000_000 + second).unwrap()));
        Session {
            user: "suzuki".into(),
            vm: "plum".into(),
            action: "get virtualmachineinstances/vnc".into(),
            began_at: at(number),
            ended_at: at(number + 60).filter(|_| ended),
            audit_id: format!("id-{}", number / 2),
        }
    }

    fn unapproved(sessions: &[Session]) -> Vec<Unapproved> {
        sessions.iter().map(|session| Unapproved { session: session.clone(), in_the_name_of: None }).collect()
    }

    proptest! {
        /// In whatever order, in whatever pieces, however often.
        #[test]
        fn both_lists_come_to_the_same(events in proptest::collection::vec((0_i64..90, any::<bool>()), 0..80), cut in 0_usize..80) {
            let all: Vec<Session> = events.iter().map(|(number, ended)| session(*number, *ended)).collect();
            let (first, rest) = all.split_at(cut.min(all.len()));
            let join = |written: Vec<Session>, new: &[Session]| joined(&written, new).unwrap_or(written);
            let whole = join(Vec::new(), &all);
            prop_assert_eq!(&join(join(Vec::new(), rest), first), &whole);
            prop_assert_eq!(joined(&whole, &all), None);
            let add = |mut written: BTreeMap<String, String>, new: &[Unapproved]| {
                written.extend(additions(&written, new).data);
                written
            };
            let (all, first, rest) = (unapproved(&all), unapproved(first), unapproved(rest));
            let whole = add(BTreeMap::new(), &all);
            prop_assert_eq!(&add(add(BTreeMap::new(), &rest), &first), &whole);
            prop_assert_eq!(additions(&whole, &all), Additions::default());
        }
    }

    #[test]
    fn a_grant_keeps_the_newest_hundred_and_an_older_one_comes_in_no_more() {
        let many: Vec<Session> = (0..150).map(|number| session(number, true)).collect();
        let kept = joined(&[], &many).unwrap();
        assert_eq!((kept.len(), &kept[0]), (ON_A_GRANT, &many[50]));
        assert_eq!(joined(&kept, &many[..50]), None);
    }

    #[test]
    fn a_days_record_keeps_the_first_and_says_that_there_were_more() {
        let many = unapproved(&(0..600).map(|number| session(number, true)).collect::<Vec<_>>());
        let first = additions(&BTreeMap::new(), &many);
        assert_eq!((first.fresh.len(), first.data.len()), (IN_A_DAY, IN_A_DAY + 1));
        assert_eq!(first.data[FULL], "true");
        assert_eq!(additions(&first.data, &many), Additions::default());
    }

    #[test]
    fn an_end_only_adds_to_an_entry_and_the_day_is_the_one_in_japan() {
        let (open, over) = (session(0, false), session(0, true));
        assert_eq!(key(&open), key(&over));
        let borrowed = |session: &Session| Unapproved { session: session.clone(), in_the_name_of: Some("sato".into()) };
        let begin = entry(&unapproved(std::slice::from_ref(&open))[0]);
        assert_eq!(begin, entry(&borrowed(&open)), "whose name it was comes with the end");
        for end in [entry(&unapproved(std::slice::from_ref(&over))[0]), entry(&borrowed(&over))] {
            assert!(end.len() > begin.len() && end.starts_with(begin.strip_suffix('}').unwrap()), "{begin} {end}");
        }
        let late = Session { began_at: Some(Time("2026-11-30T15:00:00Z".parse().unwrap())), ..open };
        assert_eq!(name(&late), "access-2026-12-01");
    }
}
