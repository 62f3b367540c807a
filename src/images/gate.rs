//! Pure: may a VM start from this image now, until when does that hold, and is a scan due?

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::exception::Exception;
use super::identity::{Identified, Origin};
use super::known::{Known, Record, Scan};
use super::result::{Finding, ScanResult};
use crate::api::condition::Reason;
use crate::install::IMAGES_NAMESPACE;

/// How far a scanner's clock may be ahead of ours.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// How far signatures may be ahead: who makes them lives by a clock that nobody here knows.
const SIGNATURES_AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// What the gate says of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Clean, until its signatures are too old.
    Clean { until: Timestamp },
    /// Used by an exception in spite of this.
    Excepted { exception: Exception, why: String },
    /// No VM starts from it.
    Refused { reason: Reason, message: String },
}

/// An image, judged at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub standing: Standing,
    /// A scan is wanted now and none is there.
    pub due: bool,
    /// When time alone changes any of this.
    pub next: Option<Timestamp>,
}

/// Judges an image by what is known. What is not known never opens the gate.
#[must_use]
pub fn judge(image: &Identified, known: &Known, max_age: SignedDuration, now: Timestamp) -> Judged {
    let Some(records) = &known.records else {
        let message = format!("results in namespace {IMAGES_NAMESPACE} have not been listed");
        return Judged { standing: refused(Reason::NotSynced, message), due: false, next: None };
    };
    let name = image.name();
    let found = records.get(&format!("{IMAGES_NAMESPACE}/{name}"));
    let (standing, again) = match found {
        None => (refused(Reason::ImageNotScanned, "no scan of it has come to a result".into()), None),
        Some(Record::Unreadable(why)) => (unusable(&name, why), None),
        Some(Record::Exception(_)) => (unusable(&name, "it is labelled as an exception"), None),
        Some(Record::Result(result)) => by_result(image, &name, result, max_age, now),
    };
    let exceptions = records.values().filter_map(|record| match record {
        Record::Exception(exception) if exception.digest == image.digest && exception.until > now => Some(exception),
        _ => None,
    });
    let exception = exceptions.max_by_key(|exception| exception.until);
    let listed = jobs(image, known);
    let scan = listed.and_then(|jobs| jobs.get(&place(image)));
    let due = listed.is_some() && scan.is_none() && again.is_none_or(|again| again <= now);
    let standing = match (standing, exception) {
        (Standing::Refused { message: why, .. }, Some(exception)) => {
            Standing::Excepted { exception: exception.clone(), why }
        }
        (Standing::Refused { reason, message }, None) => {
            Standing::Refused { reason, message: message + &what_comes(image, listed.is_some(), scan, due) }
        }
        (clean, _) => clean,
    };
    let ends = match &standing {
        Standing::Clean { until } | Standing::Excepted { exception: Exception { until, .. }, .. } => Some(*until),
        Standing::Refused { .. } => None,
    };
    let next = ends.into_iter().chain(again.filter(|again| *again > now)).min();
    Judged { standing, due, next }
}

/// What a result says, and when the image is scanned again; `None`: as soon as no Job for it is left.
fn by_result(
    image: &Identified,
    name: &str,
    result: &ScanResult,
    max_age: SignedDuration,
    now: Timestamp,
) -> (Standing, Option<Timestamp>) {
    if result.digest != image.digest {
        return (unusable(name, &format!("it is about {}", result.digest)), None);
    }
    let at = result.scanned_at;
    let ahead = |instant: Timestamp, most: SignedDuration| instant.duration_since(now) > most;
    if ahead(at, AHEAD) || ahead(result.signatures.made_at, SIGNATURES_AHEAD) {
        return (unusable(name, "its instants lie in the future; a clock is wrong"), None);
    }
    let again = at.checked_add(max_age / 2).ok();
    let made = result.signatures.made_at;
    // A scan by signatures that were old already lapses sooner, and the next one wants its time before that.
    let before_it_lapses = made.checked_add(max_age - max_age / 4).ok();
    match (&result.finding, made.checked_add(max_age)) {
        (Finding::Infected(signature), _) => {
            let message = format!(
                "{} found {signature:?} in it at {at}; use another image, or have an exception written for {}",
                result.engine, image.digest
            );
            (refused(Reason::ImageInfected, message), again)
        }
        (Finding::Failed(why), _) => {
            (refused(Reason::ImageNotScanned, format!("its scan at {at} did not look at it whole: {why}")), None)
        }
        (Finding::Clean, Ok(until)) if until > now => (Standing::Clean { until }, again.min(before_it_lapses)),
        (Finding::Clean, _) => {
            let hours = max_age.as_hours();
            let message = format!(
                "its last clean scan, at {at}, asked signatures of {made}, and images.maxSignatureAgeHours of the operator's config is {hours}"
            );
            (refused(Reason::ScanTooOld, message), None)
        }
    }
}

/// Jobs where this image's would be; `None` where no Job is made for it, or Jobs have not been listed.
fn jobs<'a>(image: &Identified, known: &'a Known) -> Option<&'a std::collections::BTreeMap<String, Scan>> {
    match image.origin {
        Origin::Registry(_) => known.scans.as_ref(),
        Origin::Claim { .. } => known.claim_scans.as_ref(),
        Origin::Http(_) => None,
    }
}

/// Namespace and name of the Job that scans it.
fn place(image: &Identified) -> String {
    format!("{}/{}", image.origin.scanned_in().unwrap_or_default(), image.name())
}

/// What happens next, for who waits.
fn what_comes(image: &Identified, listed: bool, scan: Option<&Scan>, due: bool) -> String {
    let (place, name) = (place(image), image.name());
    let log = format!("kubectl logs -n {} job/{name}", image.origin.scanned_in().unwrap_or_default());
    match scan {
        Some(Scan::Ordered) => format!("; its scan, Job {place}, is ordered and has no pod yet"),
        Some(Scan::Running) => format!("; its scan, Job {place}, is under way ({log})"),
        Some(Scan::Ended) => format!("; its scan, Job {place}, has ended ({log}) and is made again within the hour"),
        Some(Scan::Failed(why)) => {
            format!("; its scan, Job {place}, gave up ({why}; {log}) and is made again within the hour")
        }
        None if due => format!("; Job {place} is to scan it"),
        None if listed => String::new(),
        None => match &image.origin {
            Origin::Http(url) => format!(
                "; no Job fetches images by HTTP: fetch {url} and run cloudfarm scan --image-digest={} --path=FILE",
                image.digest
            ),
            _ => "; Jobs that scan have not been listed".to_owned(),
        },
    }
}

fn refused(reason: Reason, message: String) -> Standing {
    Standing::Refused { reason, message }
}

fn unusable(name: &str, why: &str) -> Standing {
    refused(Reason::ImageNotScanned, format!("ConfigMap {IMAGES_NAMESPACE}/{name} is no result: {why}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::images::result::Signatures;

    const AGE: SignedDuration = SignedDuration::from_hours(72);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn image() -> Identified {
        let digest = format!("image:sha256:{}", "a".repeat(64)).parse().unwrap();
        Identified { digest, origin: Origin::Registry("registry.example/fedora".into()) }
    }

    fn job() -> String {
        format!("{IMAGES_NAMESPACE}/{}", image().name())
    }

    /// Signatures of noon on the first, a scan an hour later.
    fn result(finding: Finding) -> ScanResult {
        ScanResult {
            digest: image().digest,
            image: String::new(),
            finding,
            engine: "ClamAV 1.4.6".into(),
            signatures: Signatures { version: "27001".into(), made_at: at("2026-11-01T12:00:00Z") },
            scanned_at: at("2026-11-01T13:00:00Z"),
        }
    }

    fn exception(until: &str) -> Exception {
        let text = |text: &str| text.to_owned();
        Exception {
            name: text("fedora"),
            digest: image().digest,
            reason: text("r"),
            by: text("sato"),
            until: at(until),
        }
    }

    fn known(result: Option<ScanResult>, exceptions: Vec<Exception>) -> Known {
        let place = |name: &str| format!("{IMAGES_NAMESPACE}/{name}");
        let mut records: BTreeMap<String, Record> =
            exceptions.into_iter().map(|one| (place(&one.name), Record::Exception(one))).collect();
        records.extend(result.map(|result| (place(&image().name()), Record::Result(result))));
        Known { records: Some(records), scans: Some(BTreeMap::new()), ..Known::default() }
    }

    fn reason(judged: &Judged) -> Option<Reason> {
        match &judged.standing {
            Standing::Refused { reason, .. } => Some(*reason),
            _ => None,
        }
    }

    #[test]
    fn what_nobody_has_looked_at_is_refused_and_scanned_once() {
        let now = at("2026-11-01T14:00:00Z");
        let judged = judge(&image(), &known(None, vec![]), AGE, now);
        assert_eq!((reason(&judged), judged.due), (Some(Reason::ImageNotScanned), true));
        let mut under_way = known(None, vec![]);
        under_way.scans = Some(BTreeMap::from([(job(), Scan::default())]));
        let judged = judge(&image(), &under_way, AGE, now);
        assert_eq!((reason(&judged), judged.due), (Some(Reason::ImageNotScanned), false));
        // Nothing is known: nothing is opened, and nothing is ordered either.
        let judged = judge(&image(), &Known::default(), AGE, now);
        assert_eq!((reason(&judged), judged.due), (Some(Reason::NotSynced), false));
    }

    #[test]
    fn clean_lasts_as_long_as_its_signatures_to_the_second() {
        let known = known(Some(result(Finding::Clean)), vec![]);
        let before = judge(&image(), &known, AGE, at("2026-11-04T11:59:59Z"));
        assert_eq!(before.standing, Standing::Clean { until: at("2026-11-04T12:00:00Z") });
        assert_eq!(before.next, Some(at("2026-11-04T12:00:00Z")));
        let after = judge(&image(), &known, AGE, at("2026-11-04T12:00:00Z"));
        assert_eq!((reason(&after), after.due), (Some(Reason::ScanTooOld), true));
    }

    #[test]
    fn the_next_scan_is_due_half_an_age_after_the_last() {
        let known = known(Some(result(Finding::Clean)), vec![]);
        let early = judge(&image(), &known, AGE, at("2026-11-03T00:59:59Z"));
        assert_eq!((early.due, early.next), (false, Some(at("2026-11-03T01:00:00Z"))));
        assert!(judge(&image(), &known, AGE, at("2026-11-03T01:00:00Z")).due);
        // By signatures of two days before it is clean for a day, and scanned again before that is over.
        let mut old = result(Finding::Clean);
        old.signatures.made_at = at("2026-10-30T13:00:00Z");
        let known = super::tests::known(Some(old), vec![]);
        let early = judge(&image(), &known, AGE, at("2026-11-01T18:59:59Z"));
        assert_eq!((early.due, early.next), (false, Some(at("2026-11-01T19:00:00Z"))));
        let due = judge(&image(), &known, AGE, at("2026-11-01T19:00:00Z"));
        assert_eq!((due.due, due.standing), (true, Standing::Clean { until: at("2026-11-02T13:00:00Z") }));
    }

    #[test]
    fn infected_stays_infected_however_old_it_is_and_what_was_not_whole_is_not_clean() {
        for now in ["2026-11-01T14:00:00Z", "2027-11-01T14:00:00Z"] {
            let infected = known(Some(result(Finding::Infected("Eicar".into()))), vec![]);
            let judged = judge(&image(), &infected, AGE, at(now));
            assert_eq!(reason(&judged), Some(Reason::ImageInfected));
            assert!(matches!(&judged.standing, Standing::Refused { message, .. } if message.contains("Eicar")));
        }
        let failed = known(Some(result(Finding::Failed("too big".into()))), vec![]);
        let judged = judge(&image(), &failed, AGE, at("2026-11-01T14:00:00Z"));
        assert_eq!((reason(&judged), judged.due), (Some(Reason::ImageNotScanned), true));
    }

    #[test]
    fn a_result_about_another_image_or_from_the_future_is_none() {
        let now = at("2026-11-01T13:30:00Z");
        let other =
            ScanResult { digest: format!("sha256:{}", "b".repeat(64)).parse().unwrap(), ..result(Finding::Clean) };
        let ahead = ScanResult { scanned_at: at("2026-11-01T13:35:01Z"), ..result(Finding::Clean) };
        let mut signatures = result(Finding::Clean);
        signatures.signatures.made_at = at("2026-11-02T13:30:01Z");
        // Clocks differ a little.
        let mut allowed = ScanResult { scanned_at: at("2026-11-01T13:35:00Z"), ..result(Finding::Clean) };
        allowed.signatures.made_at = at("2026-11-02T13:30:00Z");
        assert_eq!(reason(&judge(&image(), &known(Some(allowed), vec![]), AGE, now)), None);
        for result in [other, ahead, signatures] {
            assert_eq!(reason(&judge(&image(), &known(Some(result), vec![]), AGE, now)), Some(Reason::ImageNotScanned));
        }
    }

    #[test]
    fn an_exception_opens_until_its_end_and_only_for_its_digest() {
        let infected = || Some(result(Finding::Infected("Eicar".into())));
        let until = "2026-11-05T00:00:00Z";
        let open = judge(&image(), &known(infected(), vec![exception(until)]), AGE, at("2026-11-04T23:59:59Z"));
        assert!(
            matches!(&open.standing, Standing::Excepted { exception, why } if exception.by == "sato" && why.contains("Eicar"))
        );
        assert_eq!(open.next, Some(at(until)));
        let ended = judge(&image(), &known(infected(), vec![exception(until)]), AGE, at(until));
        assert_eq!(reason(&ended), Some(Reason::ImageInfected));
        let longer = Exception { name: "second".into(), ..exception("2026-11-06T00:00:00Z") };
        let both = vec![longer.clone(), exception(until)];
        let judged = judge(&image(), &known(infected(), both), AGE, at("2026-11-04T00:00:00Z"));
        assert!(
            matches!(&judged.standing, Standing::Excepted { exception, .. } if *exception == longer),
            "the one that ends last"
        );
        let digest = format!("sha256:{}", "b".repeat(64)).parse().unwrap();
        let others = Exception { digest, ..exception(until) };
        let judged = judge(&image(), &known(infected(), vec![others]), AGE, at("2026-11-01T14:00:00Z"));
        assert_eq!(reason(&judged), Some(Reason::ImageInfected));
        let clean = judge(
            &image(),
            &known(Some(result(Finding::Clean)), vec![exception(until)]),
            AGE,
            at("2026-11-01T14:00:00Z"),
        );
        assert!(matches!(clean.standing, Standing::Clean { .. }), "an exception takes nothing away");
    }

    #[test]
    fn who_waits_for_an_image_by_http_or_for_a_scan_that_gave_up_is_told_what_to_do() {
        let now = at("2026-11-01T14:00:00Z");
        let digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let http = Identified { digest, origin: Origin::Http("https://mirror.example/a.qcow2".into()) };
        let judged = judge(&http, &known(None, vec![]), AGE, now);
        assert!(!judged.due);
        assert!(
            matches!(&judged.standing, Standing::Refused { message, .. } if message.contains("cloudfarm scan --image-digest=sha256:"))
        );
        let cases = [
            (Scan::Ordered, "is ordered and has no pod yet"),
            (Scan::Running, "is under way (kubectl logs -n cloudfarm-images job/scan-"),
            (Scan::Ended, "has ended"),
            (
                Scan::Failed("DeadlineExceeded".into()),
                "gave up (DeadlineExceeded; kubectl logs -n cloudfarm-images job/",
            ),
        ];
        for (scan, words) in cases {
            let mut under_way = known(None, vec![]);
            under_way.scans = Some(BTreeMap::from([(job(), scan)]));
            let judged = judge(&image(), &under_way, AGE, now);
            let Standing::Refused { message, .. } = judged.standing else { panic!("{words}") };
            assert!(message.contains(words) && message.contains(&format!("Job {}", job())), "{message}");
        }
    }
}
