//! The evidence pack: everything a customer or an auditor asks for, as files with their hashes in one archive that is the
//! same byte for byte for the same world.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::table::Language;
use super::{Document, html, oscal, table};
use crate::api::access_grant::AccessGrant;
use crate::api::jst::in_japan;
use crate::api::notice::Notice;
use crate::api::retention::LogRetention;
use crate::api::tenant::Tenant;
use crate::evidence::hex;
use crate::evidence::judge::{Known, World, about, elapsed};

/// Lists every other file with its SHA-256, as `sha256sum -c` reads it.
pub const MANIFEST: &str = "MANIFEST.sha256";

/// The archive could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the archive could not be made: {0}")]
pub struct NotPacked(String);

/// Every file by its name, without the manifest.
#[must_use]
pub fn files(document: &Document, world: &World, certificate: Option<&str>) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut put = |name: &str, text: String| {
        files.insert(name.to_owned(), text.into_bytes());
    };
    put("report/report.json", pretty(&document.json()));
    put("report/report.oscal.json", pretty(&oscal::assessment_results(document)));
    for (language, name) in [(Language::Japanese, "ja"), (Language::English, "en")] {
        put(&format!("report/report.{name}.html"), html::html(document, language));
        put(&format!("report/report.{name}.txt"), table::table(document, language));
    }
    put("clauses.md", crate::evidence::clauses::markdown());
    for finding in &document.findings {
        if let Some(looked) = &finding.looked {
            put(&format!("evidence/{}.json", finding.clause.id), looked.clone());
        }
    }
    let tenant = world.tenant.as_ref().map(Option::as_ref);
    put("contract.json", known(tenant.map_err(Clone::clone), |tenant| tenant.map_or(Value::Null, contract)));
    put("machines.json", known(tenant.map_err(Clone::clone), |tenant| tenant.map_or(Value::Null, machines)));
    let status = |of: fn(&Tenant) -> Value| known(tenant.map_err(Clone::clone), |found| found.map_or(Value::Null, of));
    put("capacity.json", status(capacity));
    put("backups.json", status(|tenant| json!(tenant.status.as_ref().map(|status| &status.backups))));
    put("residency.json", status(residency));
    put("clock.json", status(|tenant| said(tenant, "ClockSynchronized")));
    put(
        "rules.json",
        known(world.networks.as_ref().map_err(Clone::clone), |networks| {
            json!(networks.iter().map(rules).collect::<Vec<_>>())
        }),
    );
    put(
        "grants.json",
        known(world.grants.as_ref().map_err(Clone::clone), |grants| {
            json!(grants.iter().map(grant).collect::<Vec<_>>())
        }),
    );
    put(
        "notices.json",
        known(about(world), |notices| json!(notices.iter().map(|found| notice(found)).collect::<Vec<_>>())),
    );
    put(
        "logs.json",
        known(world.retention.as_ref().map_err(Clone::clone), |retention| {
            json!(
                retention.as_ref().map(|found| found.spec.log_retention.clone().unwrap_or_else(LogRetention::standard))
            )
        }),
    );
    put(
        "erasure.json",
        known(world.retention.as_ref().map_err(Clone::clone), |retention| {
            json!(retention.as_ref().map(|found| {
            let status = found.status.clone().unwrap_or_default();
            json!({"retention": found.name_any(), "graceDays": found.spec.grace_days, "contractEndsAt": japan(status.contract_ends_at.as_ref()),
                "purgeNotBefore": japan(status.purge_not_before.as_ref()), "deadline": japan(status.deadline.as_ref()),
                "purge": status.progress.purge, "remaining": status.progress.remaining, "evidence": status.progress.evidence})
        }))
        }),
    );
    if let Some(certificate) = certificate {
        put("certificate.json", certificate.to_owned());
    }
    put("README.txt", README.to_owned());
    files
}

const README: &str = "What this is: one tenant's evidence pack, made by `cloudfarm evidence pack`.
Check that it is whole:   sha256sum -c MANIFEST.sha256
Check one finding:        sha256sum evidence/CLAUSE.json   (equals evidenceSHA256 in report/report.json)
Check the erasure:        cloudfarm verify certificate.json   (where there is one)
There is no application ID, password, mail address or mail body in it. What could not be read says so as {\"notKnown\": why}.
";

/// The archive: the files in their order, the manifest at the end, all with one time.
///
/// # Errors
/// The archive cannot be written, which in memory nothing can bring about but its size.
pub fn archive(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, NotPacked> {
    let mut manifest = String::new();
    for (name, content) in files {
        // Writing to a String cannot fail.
        let _ = writeln!(manifest, "{}  {name}", hex::encode(&Sha256::digest(content)));
    }
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let all = files.iter().map(|(name, content)| (name.as_str(), content.as_slice()));
    for (name, content) in all.chain([(MANIFEST, manifest.as_bytes())]) {
        archive.start_file(name, options).map_err(|error| NotPacked(format!("{name}: {error}")))?;
        archive.write_all(content).map_err(|error| NotPacked(format!("{name}: {error}")))?;
    }
    let written = archive.finish().map_err(|error| NotPacked(error.to_string()))?;
    Ok(written.into_inner())
}

fn known<T>(found: Known<T>, table: impl FnOnce(T) -> Value) -> String {
    pretty(&found.map_or_else(|why| json!({"notKnown": why}), table))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn japan(time: Option<&Time>) -> Option<String> {
    time.map(|time| in_japan(time.0))
}

/// The contract without the application ID, whatever way it is written.
fn contract(tenant: &Tenant) -> Value {
    let contract = &tenant.spec.contract;
    json!({
        "tenant": tenant.name_any(), "startDate": contract.start_date, "endDate": contract.end_date,
        "servicePlan": contract.service_plan, "terminationReason": contract.termination_reason,
        "governingLaw": contract.governing_law, "timeZone": contract.time_zone, "termsVersion": contract.terms_version,
        "acceptedAt": japan(contract.accepted_at.as_ref()), "disclosureAccepted": contract.disclosure_accepted,
        "capacity": contract.capacity, "residency": tenant.spec.residency,
        "people": tenant.spec.administrators.iter().fold(BTreeMap::<String, usize>::new(), |mut counted, person| {
            let role = if person.disabled { "disabled".to_owned() } else { format!("{:?}", person.role) };
            *counted.entry(role).or_default() += 1;
            counted
        }),
    })
}

fn machines(tenant: &Tenant) -> Value {
    let rows = tenant.spec.virtual_machines.iter().map(|vm| {
        json!({
            "name": vm.name, "os": vm.os, "hardening": vm.hardening, "classification": vm.classification,
            "networks": vm.networks.iter().map(|network| &network.name).collect::<Vec<_>>(),
            "disks": vm.disks.iter().map(|disk| json!({"name": disk.name, "size": disk.size, "classification": disk.classification})).collect::<Vec<_>>(),
            "loginBySSHKeys": !vm.ssh_key_secrets.is_empty(),
        })
    });
    json!({"machines": rows.collect::<Vec<_>>(), "VMsHardened": said(tenant, "VMsHardened"), "PlatformHardened": said(tenant, "PlatformHardened"), "ImagesScanned": said(tenant, "ImagesScanned")})
}

fn capacity(tenant: &Tenant) -> Value {
    let status = tenant.status.clone().unwrap_or_default();
    json!({"now": status.capacity, "history": status.capacity_history, "alert": tenant.spec.capacity_alert, "CapacityWithinThreshold": said(tenant, "CapacityWithinThreshold")})
}

fn residency(tenant: &Tenant) -> Value {
    let found = tenant.status.as_ref().and_then(|status| status.residency.as_ref());
    json!({"country": tenant.spec.residency.country, "against": found, "ResidencyVerified": said(tenant, "ResidencyVerified")})
}

fn said(tenant: &Tenant, type_: &str) -> Value {
    let status = tenant.status.as_ref();
    json!(status.and_then(|status| status.conditions.iter().find(|condition| condition.type_ == type_)))
}

fn rules(network: &crate::api::tenant_network::TenantNetwork) -> Value {
    let status = network.status.clone().unwrap_or_default();
    json!({
        "network": network.name_any(), "type": network.spec.type_, "zone": network.spec.zone, "subnets": network.spec.subnets,
        "ingress": network.spec.ingress, "egress": network.spec.egress, "intraNetwork": network.spec.intra_network,
        "backend": status.backend, "probe": status.probe,
        "conditions": status.conditions.iter().map(|each| json!({"type": each.type_, "status": each.status, "reason": each.reason})).collect::<Vec<_>>(),
    })
}

fn grant(grant: &AccessGrant) -> Value {
    let status = grant.status.clone().unwrap_or_default();
    json!({
        "grant": grant.name_any(), "requestedBy": grant.spec.requested_by, "reason": grant.spec.reason, "ticket": grant.spec.ticket,
        "basis": grant.spec.basis, "clause": grant.spec.clause, "verbs": grant.spec.verbs, "vms": grant.spec.vms,
        "approval": grant.spec.approval, "secondApprover": grant.spec.second_approver, "revoked": grant.spec.revoked,
        "state": status.state, "approvedAt": japan(status.approved_at.as_ref()), "expiresAt": japan(status.expires_at.as_ref()),
        "endedAt": japan(status.ended_at.as_ref()), "sessions": status.sessions,
    })
}

/// Without the text: who was told what is the mail's; that and when is the record's.
fn notice(notice: &Notice) -> Value {
    let status = notice.status.clone().unwrap_or_default();
    let confirmed = notice.spec.confirmed_at.as_ref();
    let delta = confirmed.zip(status.last_sent_at.as_ref()).map(|(from, to)| elapsed(from.0, to.0));
    json!({
        "notice": notice.name_any(), "kind": notice.spec.kind, "severity": notice.spec.severity, "subject": notice.spec.subject,
        "window": notice.spec.window, "confirmedAt": japan(confirmed), "firstSentAt": japan(status.first_sent_at.as_ref()),
        "lastSentAt": japan(status.last_sent_at.as_ref()), "confirmedToLastMail": delta, "deadline": japan(status.deadline.as_ref()),
        "deadlineMet": status.deadline_met, "publishedAt": japan(status.published_at.as_ref()),
    })
}
