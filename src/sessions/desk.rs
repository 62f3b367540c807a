//! Pure: what is known to be under way, until it can be judged. Of bounded size: whoever fills it waits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::event::{Key, SETTLED, Sighting};

/// Most requests that are under way or wait to be written.
pub const CAPACITY: usize = 10_000;

/// Requests that wait.
#[derive(Debug)]
pub struct Desk {
    waiting: BTreeMap<Key, Sighting>,
    /// Answered lately: an event about their begin that comes later says nothing new.
    answered: BTreeSet<Key>,
    in_order: VecDeque<Key>,
    /// How old a request is that nobody has answered, before it counts as open.
    open_after: SignedDuration,
}

impl Desk {
    /// `open_after` covers by how much later the answer of a refused request may come than the request.
    #[must_use]
    pub fn new(open_after: SignedDuration) -> Self {
        Self { waiting: BTreeMap::new(), answered: BTreeSet::new(), in_order: VecDeque::new(), open_after }
    }

    /// For how many more there is room.
    #[must_use]
    pub fn room(&self) -> usize {
        CAPACITY.saturating_sub(self.waiting.len())
    }

    /// Takes what an event says.
    pub fn see(&mut self, sighting: Sighting) {
        if !sighting.answered() && (!sighting.action.lasts || self.answered.contains(&sighting.key)) {
            return;
        }
        if sighting.answered() {
            self.forget(&sighting.key);
        }
        match self.waiting.get_mut(&sighting.key) {
            Some(known) => known.join(sighting),
            None => drop(self.waiting.insert(sighting.key.clone(), sighting)),
        }
    }

    /// This request is answered, and somebody else writes that down: its begin need not wait any more.
    pub fn answered_elsewhere(&mut self, key: &Key) {
        self.waiting.remove(key);
        self.forget(key);
    }

    fn forget(&mut self, key: &Key) {
        if self.answered.insert(key.clone()) {
            self.in_order.push_back(key.clone());
        }
        while self.in_order.len() > CAPACITY {
            if let Some(oldest) = self.in_order.pop_front() {
                self.answered.remove(&oldest);
            }
        }
    }

    /// Takes off what can be judged now.
    pub fn due(&mut self, now: Timestamp) -> Vec<Sighting> {
        let age = |sighting: &Sighting| now.duration_since(sighting.key.received);
        let ripe = |sighting: &Sighting| age(sighting) >= if sighting.answered() { SETTLED } else { self.open_after };
        let ripe: Vec<Key> =
            self.waiting.iter().filter(|(_, sighting)| ripe(sighting)).map(|(key, _)| key.clone()).collect();
        ripe.iter().filter_map(|key| self.waiting.remove(key)).collect()
    }

    /// These could not be written.
    pub fn put_back(&mut self, sightings: Vec<Sighting>) {
        for sighting in sightings {
            match self.waiting.get_mut(&sighting.key) {
                Some(later) => later.join(sighting),
                None => drop(self.waiting.insert(sighting.key.clone(), sighting)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::action::{Action, Request};
    use super::*;

    fn sighting(id: &str, subresource: &str, code: Option<i64>) -> Sighting {
        let request = Request {
            verb: "get",
            group: "subresources.kubevirt.io",
            resource: "virtualmachineinstances",
            subresource,
            name: "plum",
        };
        Sighting {
            key: Key { audit_id: id.into(), received: at(0), person: "suzuki".into() },
            in_the_name_of: None,
            namespace: "cf-acme".into(),
            vm: "plum".into(),
            action: Action::of(&request).unwrap(),
            code,
            ended_at: code.map(|_| at(1)),
            panicked: false,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_console_is_open_once_it_was_not_refused_in_time_and_a_question_waits_for_its_answer() {
        let mut desk = Desk::new(SETTLED);
        desk.see(sighting("open", "console", None));
        desk.see(sighting("refused", "console", None));
        desk.see(sighting("refused", "console", Some(403)));
        desk.see(sighting("question", "guestosinfo", None));
        assert!(desk.due(at(4)).is_empty());
        let due = desk.due(at(5));
        let told: Vec<(&str, bool)> = due.iter().map(|each| (each.key.audit_id.as_str(), each.let_in())).collect();
        assert_eq!(told, [("open", true), ("refused", false)]);
        desk.see(sighting("open", "console", Some(101)));
        assert!(desk.due(at(60))[0].ended_at.is_some(), "its end comes later");
        assert!(desk.due(at(600)).is_empty());
    }

    #[test]
    fn a_begin_that_comes_after_the_answer_opens_nothing() {
        let mut desk = Desk::new(SignedDuration::from_mins(1));
        desk.answered_elsewhere(&sighting("late", "vnc", None).key);
        desk.see(sighting("late", "vnc", None));
        assert!(desk.due(at(3600)).is_empty());
    }

    #[test]
    fn what_could_not_be_written_is_due_again_with_what_came_meanwhile() {
        let mut desk = Desk::new(SETTLED);
        desk.see(sighting("a", "vnc", None));
        let due = desk.due(at(9));
        desk.see(sighting("a", "vnc", Some(101)));
        desk.put_back(due);
        let due = desk.due(at(9));
        assert_eq!((due.len(), due[0].code), (1, Some(101)));
    }

    #[test]
    fn what_it_remembers_is_bounded() {
        let mut desk = Desk::new(SETTLED);
        for number in 0..2 * CAPACITY {
            desk.see(sighting(&number.to_string(), "vnc", Some(101)));
            desk.due(at(9));
        }
        assert_eq!(desk.room(), CAPACITY);
        assert!(desk.answered.len() <= CAPACITY && desk.in_order.len() <= CAPACITY);
    }
}
