//! What is recorded of images: who may say that one is clean, and who may except one.

use super::{Guard, label};
use crate::api::labels::{IMAGE_EXCEPTION, IMAGE_RECORD, IMAGE_RESULT};
use crate::images::exception::LONGEST_DAYS;
use crate::install::{IMAGES_NAMESPACE, SCAN_ACCOUNT};

const WHAT: &str = "'ConfigMap ' + request.namespace + '/' + object.metadata.?name.orValue('') + ': '";

/// CEL: who asks is a scan, in whichever namespace its pod runs.
fn is_scan() -> String {
    format!(
        "request.userInfo.username.startsWith('system:serviceaccount:') && request.userInfo.username.endsWith(':{SCAN_ACCOUNT}')"
    )
}

/// A scan reads what strangers made: whoever takes it over by that still says nothing of another image. The token tells
/// the pod's name; a Job's pods are called after it, and a result after its Job.
pub fn results() -> Guard {
    let pod = "request.userInfo.?extra[?'authentication.kubernetes.io/pod-name'].orValue([])";
    Guard::on("cloudfarm-image-results", &["CREATE", "UPDATE"], "", &["configmaps"])
        .in_namespace(IMAGES_NAMESPACE)
        .when("scan", is_scan())
        .unless(
            format!("{pod}.exists(name, name.startsWith(object.metadata.name + '-') && name.size() == object.metadata.name.size() + 6)"),
            format!("{WHAT} + 'is not the result of the pod ' + {pod}.join(', ') + ': a scan writes the result that is called as its own Job'"),
        )
        .unless(
            format!("{}.orValue('') == '{IMAGE_RESULT}'", label("object", IMAGE_RECORD)),
            format!("{WHAT} + 'a scan writes results and nothing else: label {IMAGE_RECORD}={IMAGE_RESULT}'"),
        )
}

/// Dated, signed by who writes it, and never changed. An API server has no word for now; the instant at which an object was
/// made is one.
pub fn exceptions() -> Guard {
    let exception = |object: &str| format!("{}.orValue('') == '{IMAGE_EXCEPTION}'", label(object, IMAGE_RECORD));
    let data = |key: &str| format!("object.?data[?'{key}'].orValue('')");
    let days = 24 * LONGEST_DAYS;
    let instant = "'^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$'";
    let until = data("until");
    Guard::on("cloudfarm-image-exceptions", &["CREATE", "UPDATE"], "", &["configmaps"])
        .in_namespace(IMAGES_NAMESPACE)
        .when("exception", format!("{} || oldObject != null && {}", exception("object"), exception("oldObject")))
        .unless(
            format!("oldObject == null || object.?data.orValue({{}}) == oldObject.?data.orValue({{}}) && object.metadata.?labels[?'{IMAGE_RECORD}'] == oldObject.metadata.?labels[?'{IMAGE_RECORD}']"),
            format!("{WHAT} + 'an exception is not changed, and nothing becomes one; delete it and write a new one, under your own name'"),
        )
        .unless(
            format!("oldObject != null || {} == request.userInfo.username", data("by")),
            format!("{WHAT} + 'by is ' + {} + '; it has to be who writes it: ' + request.userInfo.username", data("by")),
        )
        .unless(
            format!("oldObject != null || {}.trim() != ''", data("reason")),
            format!("{WHAT} + 'reason is empty; say why this image may be used without a clean scan'"),
        )
        .unless(
            format!("{}.matches('^((image:)?sha256:[0-9a-f]{{64}}|sha512:[0-9a-f]{{128}}|claim:[0-9a-f-]{{36}})$')", data("digest")),
            format!("{WHAT} + 'digest is ' + {} + '; it has to be image:sha256:, sha256:, sha512: or claim: with what the condition ImagesScanned says'", data("digest")),
        )
        .unless(
            "oldObject != null || !object.metadata.?name.orValue('').matches('^scan-[0-9a-f]{40}$')",
            format!("{WHAT} + 'a result could be called so, and would find no place; call the exception otherwise'"),
        )
        .unless(
            format!("oldObject != null || {until}.matches({instant}) && timestamp({until}) > timestamp(object.metadata.creationTimestamp) && timestamp({until}) - timestamp(object.metadata.creationTimestamp) <= duration('{days}h')"),
            format!("{WHAT} + 'until is ' + {until} + '; it has to be an instant such as 2026-12-31T00:00:00Z, to come, and at most {LONGEST_DAYS} days from now'"),
        )
}
