//! What people keep: their signed word is shown, with its age, and is never a pass.

use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::verdict::Verdict;
use super::{World, not_known};
use crate::api::jst::{in_japan, plus_days};
use crate::evidence::attestation::{DAYS, Sound, Word};
use crate::evidence::clauses::Clause;

/// Skip, with the statement that there is; warn when it is too old or worth nothing.
pub fn word(clause: &Clause, world: &World) -> Verdict {
    let words = match &world.words {
        Ok(words) => words,
        // Also unknown it is nothing that a look could make true or false.
        Err(why) => return Verdict { result: super::Outcome::Skip, ..not_known("the signed statements", why) },
    };
    let of_clause: Vec<&Word> = words.iter().filter(|word| word.clause == clause.id).collect();
    let newest = of_clause.iter().filter_map(|word| word.sound.as_ref().ok()).max_by_key(|sound| sound.at);
    let Some(Sound { id, key_id, at }) = newest else {
        let Some(why) = of_clause.iter().find_map(|word| word.sound.as_ref().err()) else {
            let said = "people keep this promise; they have signed no statement about it";
            return Verdict::skip("NotAttested", said).limit(limit()).looked(json!({"statements": 0}));
        };
        let said = format!("people keep this promise; their statement counts for nothing: it {why}");
        return Verdict::warn("BadSignature", said).limit(limit()).looked(json!({"flaw": why}));
    };
    let until = plus_days(*at, DAYS);
    let (short, key) = (id.get(..12).unwrap_or_default(), key_id.get(..12).unwrap_or_default());
    let measured = format!("statement {short} of {}, key {key}", in_japan(*at));
    let verdict = if *at > world.now {
        Verdict::warn(
            "FromTheFuture",
            "people keep this promise; their statement says to be of a day that has not come",
        )
    } else if until <= world.now {
        let said = format!("people keep this promise; their statement is older than {DAYS} days");
        Verdict::warn("AttestationTooOld", said).since(Some(until))
    } else {
        let said = format!("people keep this promise; their signed statement {short} counts until {}", in_japan(until));
        Verdict::skip("Attested", said).since(Some(*at))
    };
    let seen = json!({"attestation": id, "keyID": key_id, "attestedAt": in_japan(*at)});
    verdict.measured(measured).limit(limit()).checked_at(Some(*at)).looked(seen)
}

fn limit() -> String {
    format!("at most {DAYS} days old")
}

/// When time alone will change what is said of statements.
#[must_use]
pub fn next_change(words: &[Word], now: Timestamp) -> Option<Timestamp> {
    let sound = words.iter().filter_map(|word| word.sound.as_ref().ok());
    sound.flat_map(|sound| [sound.at, plus_days(sound.at, DAYS)]).filter(|at| *at > now).min()
}
