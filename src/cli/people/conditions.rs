//! Conditions for people: what is not good comes first.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;

use super::table::{Paint, Tone, WIDTH, clean, inset, wrap};
use super::time::age;

/// Conditions whose True is what a person has to look at.
const ALARMS: [&str; 2] = ["Stalled", "Overdue"];

/// Conditions that are neither good nor bad, whatever they are.
const FACTS: [&str; 5] = ["Scheduled", "HoldActive", "ErasureAnnounced", "Purged", "EvidenceStored"];

/// What a condition is to a person; in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    Bad,
    Unknown,
    Good,
}

/// What is not known is never good.
pub fn grade(condition: &Condition) -> Grade {
    let alarm = ALARMS.contains(&condition.type_.as_str());
    match condition.status.as_str() {
        _ if FACTS.contains(&condition.type_.as_str()) => Grade::Good,
        "True" if alarm => Grade::Bad,
        "False" if !alarm => Grade::Bad,
        "True" | "False" => Grade::Good,
        _ => Grade::Unknown,
    }
}

/// How many are bad, and the first reason: that of Ready only when there is no other, since Ready repeats others.
pub fn alarms(conditions: &[Condition]) -> (usize, Option<&str>) {
    let bad: Vec<&Condition> = conditions.iter().filter(|each| grade(each) == Grade::Bad).collect();
    let telling = bad.iter().find(|each| each.type_ != "Ready").or(bad.first());
    let number = bad.iter().filter(|each| each.type_ != "Ready" || bad.len() == 1).count();
    (number, telling.map(|each| each.reason.as_str()))
}

/// A condition's status; nothing said is `-`.
pub fn status<'a>(conditions: &'a [Condition], type_: &str) -> &'a str {
    conditions.iter().find(|each| each.type_ == type_).map_or("-", |each| &each.status)
}

/// The tone of a word such as True.
pub fn tone(status: &str) -> Tone {
    match status {
        "True" => Tone::Good,
        "False" => Tone::Bad,
        _ => Tone::Doubtful,
    }
}

/// Each that is not good with type, reason, since when and its message; the names of the good ones in one line.
pub fn text(conditions: &[Condition], now: Timestamp, paint: Paint) -> String {
    let mut sorted: Vec<&Condition> = conditions.iter().collect();
    sorted.sort_by_key(|each| grade(each));
    let mut text = String::new();
    for each in sorted.iter().filter(|each| grade(each) != Grade::Good) {
        let since = age(Some(each.last_transition_time.0), now);
        let tone = if grade(each) == Grade::Bad { Tone::Bad } else { Tone::Doubtful };
        let head = format!("{} {}: {}, for {since}", each.type_, each.status, each.reason);
        let lines = wrap(&head, WIDTH - 2);
        let lines: Vec<String> = lines.iter().map(|line| paint.on(line, tone)).collect();
        text += &inset(2, &lines);
        text += &inset(6, &wrap(&each.message, WIDTH - 6));
    }
    let good: Vec<String> = sorted
        .iter()
        .filter(|each| grade(each) == Grade::Good && each.status == "True")
        .map(|each| clean(&each.type_))
        .collect();
    if !good.is_empty() {
        text += &inset(2, &wrap(&format!("good: {}", good.join(", ")), WIDTH - 2));
    }
    text
}

#[cfg(test)]
pub mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    pub fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Condition {
        Condition {
            type_: type_.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            last_transition_time: Time("2026-11-30T12:07:00Z".parse().unwrap()),
            observed_generation: None,
        }
    }

    #[test]
    fn what_is_not_known_is_not_good_and_ready_is_not_counted_twice() {
        let all = [
            condition("Ready", "False", "NotAllReady", ""),
            condition("Stalled", "False", "AsDeclared", ""),
            condition("VirtualMachinesReady", "False", "NotRunning", ""),
            condition("ResidencyVerified", "Unknown", "NotSynced", ""),
        ];
        assert_eq!(all.each_ref().map(grade), [Grade::Bad, Grade::Good, Grade::Bad, Grade::Unknown]);
        assert_eq!(alarms(&all), (1, Some("NotRunning")));
        assert_eq!(alarms(&all[..2]), (1, Some("NotAllReady")));
        assert_eq!(alarms(&all[1..2]), (0, None));
        assert_eq!(grade(&condition("Stalled", "True", "Invalid", "")), Grade::Bad);
    }
}
