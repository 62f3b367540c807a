//! Pure: what a Tenant says about the images its VMs start from (14.1.1).

use crate::api::condition::{ConditionType, Reason, Status, Verdict};
use crate::cluster::applied::Applied;
use crate::images::gate::Standing;
use crate::tenant::desired::{ImageGate, Looked};

/// True only when every image has a clean result by fresh signatures.
pub(super) fn verdict(gate: &ImageGate, applied: &Applied) -> Verdict {
    let type_ = ConditionType::ImagesScanned;
    let all = match gate {
        ImageGate::SwitchedOff => {
            let message =
                "spec.antivirus.images is Off: VMs start from images that nobody has looked at; write Required";
            return Verdict::bad(type_, Reason::SwitchedOff, message);
        }
        ImageGate::NoScanner => {
            let message = "the operator's config names no scanner, so images are not looked at and no VM waits for that; write images.scannerImage";
            return Verdict::bad(type_, Reason::ScannerMissing, message);
        }
        ImageGate::Asked(all) => all,
    };
    let unordered =
        applied.unordered.first().map(|why| (Reason::ApiError, format!("a scan could not be ordered: {why}")));
    let mut told: Vec<(Reason, String)> = unordered.into_iter().chain(all.iter().filter_map(told)).collect();
    // What is infected is said first, whatever else is wrong.
    told.sort_by_key(|(reason, _)| *reason != Reason::ImageInfected);
    match told.first() {
        Some((Reason::NotSynced, message)) => Verdict::new(type_, Status::Unknown, Reason::NotSynced, message),
        Some((reason, _)) => {
            let messages: Vec<&str> = told.iter().map(|(_, message)| message.as_str()).collect();
            Verdict::bad(type_, *reason, messages.join("; "))
        }
        None => Verdict::good(
            type_,
            "every image that a VM starts from has a clean result by signatures that are not too old (files inside of a file system of an image are found by signatures of bodies alone)",
        ),
    }
}

fn told(looked: &Looked) -> Option<(Reason, String)> {
    let Looked { vm, what, standing, waits, .. } = looked;
    match standing {
        Standing::Clean { .. } => None,
        Standing::Excepted { exception, why } => Some((
            Reason::ImageExcepted,
            format!(
                "{vm}: {what}: used until {} by exception {:?} of {:?} ({}), although: {why}",
                exception.until, exception.name, exception.by, exception.reason
            ),
        )),
        Standing::Refused { reason, message } => {
            let so = waits.map_or_else(|| "is there and is left as it is".to_owned(), |waits| waits.to_string());
            Some((*reason, format!("{vm}: {so}: {what}: {message}")))
        }
    }
}
