//! What becomes of data and of records of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::verdict::{Object, Verdict, condition};
use super::{World, said};
use crate::api::condition::ConditionType as Says;
use crate::api::jst::in_japan;
use crate::api::retention::{HoldVisibility, LogRetention, PurgeState, Retention};

const RUNS: &str = "the contract runs: everything is kept, and goes 60 days after it ends";

fn retention_says(retention: &Retention, type_: Says) -> Verdict {
    let status = retention.status.as_ref();
    let conditions = status.map_or(&[][..], |status| &status.conditions);
    condition(retention, status.and_then(|status| status.observed_generation), conditions, type_)
}

fn is_true(retention: &Retention, type_: Says) -> bool {
    let type_ = type_.as_str();
    let status = retention.status.as_ref();
    status.is_some_and(|status| status.conditions.iter().any(|each| each.type_ == type_ && each.status == "True"))
}

/// The Retention, or what to say without one: its absence is no consent and no proof.
fn retention(world: &World) -> Result<&Retention, Verdict> {
    world.retention()?.ok_or_else(|| {
        let said = format!("no Retention stands for tenant {}: nobody says when its data goes", world.name);
        Verdict::unknown("RetentionMissing", said).looked(json!({"missing": "Retention"}))
    })
}

/// CLD.8.1.5: is data kept as long as it has to be, and gone when it has to be?
pub fn removal(world: &World) -> Verdict {
    let retention = match retention(world) {
        Ok(retention) => retention,
        Err(unknown) => return unknown,
    };
    let Some(status) = &retention.status else {
        let said = format!("nobody has looked at Retention {} yet", retention.name_any());
        return Verdict::unknown("NotObserved", said).on(retention).looked(json!({"status": null}));
    };
    let purged = status.progress.purge.as_ref().filter(|purge| purge.state == PurgeState::Purged);
    let verdict = if let Some(purge) = purged {
        let at = purge.finished_at.as_ref().map(|at| at.0);
        let met = match (&status.deadline, at) {
            (Some(deadline), Some(at)) => at <= deadline.0,
            _ => true,
        };
        let certificate = status.progress.evidence.as_ref();
        match certificate {
            None => Verdict::warn("NoCertificate", "the data is erased; its certificate is not stored yet"),
            Some(_) if !met => Verdict::fail("TooLate", "the data is erased and certified, later than promised"),
            Some(of) => Verdict::pass(format!(
                "the data is erased; certificate {} proves it",
                of.sha256.get(..12).unwrap_or_default()
            )),
        }
        .since(at)
        .measured(format!(
            "{} objects erased, {} left",
            purge.objects,
            status.progress.remaining.unwrap_or_default()
        ))
    } else if is_true(retention, Says::Overdue) {
        let overdue = retention_says(retention, Says::Overdue);
        Verdict::fail("Overdue", overdue.message).since(overdue.since)
    } else if is_true(retention, Says::HoldActive) {
        held(world, retention)
    } else if status.contract_ends_at.is_none() && world.tenant.as_ref().is_ok_and(Option::is_some) {
        let scheduled = retention_says(retention, Says::Scheduled);
        match scheduled.reason.as_str() {
            "NoEndDate" if scheduled.result == super::Outcome::Fail => {
                Verdict { looked: scheduled.looked, ..Verdict::pass(RUNS).since(scheduled.since) }
            }
            _ => scheduled,
        }
    } else {
        let scheduled = retention_says(retention, Says::Scheduled);
        let said =
            format!("the contract's end is known: data is kept until {}", date(status.purge_not_before.as_ref()));
        if scheduled.result == super::Outcome::Pass { Verdict { message: said, ..scheduled } } else { scheduled }
    };
    let seen = json!({
        "object": Object::of(retention), "graceDays": retention.spec.grace_days, "endDate": status.end_date,
        "purgeNotBefore": status.purge_not_before, "deadline": status.deadline, "purge": status.progress.purge,
        "remaining": status.progress.remaining, "evidence": status.progress.evidence,
    });
    let measured = if verdict.measured.is_empty() {
        format!("kept until {}", date(status.purge_not_before.as_ref()))
    } else {
        verdict.measured.clone()
    };
    let limit = format!("{} days after the end, done by {}", retention.spec.grace_days, date(status.deadline.as_ref()));
    verdict.on(retention).measured(measured).limit(limit).looked(seen)
}

/// A hold keeps the data. That one is there is for the customer only where whoever placed it says so.
fn held(world: &World, retention: &Retention) -> Verdict {
    let visible = retention.spec.legal_hold.as_ref().is_some_and(|hold| hold.visibility == HoldVisibility::Tenant);
    if !world.for_customer || visible {
        let said = "a legal hold keeps the data: nothing is erased while it is active";
        return Verdict::warn("HoldPlaced", said).since(retention_says(retention, Says::HoldActive).since);
    }
    let status = retention.status.as_ref();
    let not_before = status.and_then(|status| status.purge_not_before.as_ref());
    match not_before {
        None => Verdict::pass(RUNS),
        Some(at) if world.now < at.0 => {
            Verdict::pass(format!("the contract's end is known: data is kept until {}", in_japan(at.0)))
        }
        Some(at) => Verdict::warn("NotErasedYet", "the data is not erased yet").since(Some(at.0)),
    }
}

fn date(time: Option<&Time>) -> String {
    time.map_or_else(|| "not set".to_owned(), |time| in_japan(time.0))
}

/// 11.2.7: was what was erased made unreadable?
pub fn disposal(world: &World) -> Verdict {
    let retention = match retention(world) {
        Ok(retention) => retention,
        Err(unknown) => return unknown,
    };
    let method = retention.spec.wipe.as_ref().map_or_else(|| "CryptoErase".into(), |wipe| format!("{:?}", wipe.method));
    let purge = retention.status.as_ref().and_then(|status| status.progress.purge.as_ref());
    let done = purge.filter(|purge| purge.state == PurgeState::Purged);
    let verdict = match (done, purge) {
        (Some(done), _) => {
            let stored = retention_says(retention, Says::EvidenceStored);
            let at = done.finished_at.as_ref().map(|at| at.0);
            Verdict { message: format!("erased by {method}: {}", stored.message), ..stored }.since(at)
        }
        (None, Some(_)) => Verdict::warn("Erasing", "an erasure is under way and not proven yet"),
        (None, None) => {
            Verdict::skip("NotDue", "nothing of this customer's was disposed of: its contract is not erased")
        }
    };
    verdict.on(retention).measured(method).looked(json!({"object": Object::of(retention), "purge": purge}))
}

/// 18.1.3: are the periods laid down?
pub fn periods(world: &World) -> Verdict {
    let retention = match retention(world) {
        Ok(retention) => retention,
        Err(unknown) => return unknown,
    };
    let standard = LogRetention::standard();
    let kept = retention.spec.log_retention.as_ref().unwrap_or(&standard);
    let LogRetention { audit, access, network, notices, evidence } = kept;
    Verdict::pass("each sort of record has a period for which it is kept")
        .on(retention)
        .since(retention.metadata.creation_timestamp.as_ref().map(|at| at.0))
        .measured(format!("audit {audit}, access {access}, network {network}, notices {notices}, evidence {evidence}"))
        .limit("audit at least 90d")
        .looked(json!({"object": Object::of(retention), "logRetention": kept}))
}

/// 8.2.2: what of it is classified? It is the customer's to do.
pub fn labelling(world: &World) -> Verdict {
    let tenant = match world.tenant() {
        Ok(tenant) => tenant,
        Err(unknown) => return unknown,
    };
    let machines = &tenant.spec.virtual_machines;
    let labelled = machines.iter().filter(|vm| vm.classification.is_some()).count();
    let verdict = match &tenant.spec.classification {
        None => Verdict::skip("NotAgreed", "the customer has laid down no levels; it can at any time"),
        Some(levels) if levels.default.is_some() => {
            Verdict::pass("what says no level of its own has the customer's default")
        }
        Some(_) if labelled == machines.len() => Verdict::pass("every VM carries one of the customer's levels"),
        Some(_) => Verdict::warn("NotClassified", "some VMs carry no level, and there is no default"),
    };
    let since = tenant.metadata.creation_timestamp.as_ref().map(|at| at.0);
    verdict
        .on(tenant)
        .since(since)
        .measured(format!("{labelled} of {} VMs with a level of their own", machines.len()))
        .looked(
            json!({"object": Object::of(tenant), "classification": tenant.spec.classification, "labelled": labelled}),
        )
}

/// 12.3.1: are there good backups, as young as the plan promises?
pub fn backups(world: &World) -> Verdict {
    let tenant = match world.tenant() {
        Ok(tenant) => tenant,
        Err(unknown) => return unknown,
    };
    let rows = tenant.status.as_ref().map_or(&[][..], |status| &status.backups);
    let last = rows.iter().filter_map(|row| row.last_success.as_ref()).map(|at| at.0).min();
    let restored = rows.iter().filter(|row| row.last_restore.is_some()).count();
    let verdict = Verdict::all(&said(tenant, &[Says::BackupsCurrent]));
    let measured = match last {
        Some(last) => format!("{} plans, the oldest last good of {}, {restored} restored", rows.len(), in_japan(last)),
        None => format!("{} plans, no good one yet", rows.len()),
    };
    // Each night's backup is measured by the condition; its instant alone makes no other finding.
    let rows: Vec<_> =
        rows.iter().map(|row| json!({"vm": row.vm, "plan": row.plan, "failures": row.failures})).collect();
    let verdict = if rows.is_empty() { verdict } else { verdict.measured(measured) };
    verdict.looked(json!({"backups": rows}))
}

/// 12.4.1: that every request is in the audit log is the API server's doing, which nothing here can see.
pub fn logging(world: &World) -> Verdict {
    let kept = match retention(world) {
        Ok(retention) => retention.spec.log_retention.clone().unwrap_or_else(LogRetention::standard),
        Err(unknown) => return unknown,
    };
    let said = "how long logs are kept is laid down; whether the audit log has gaps has been measured by nobody";
    Verdict::unknown("NotMeasured", said).measured(format!("audit {}", kept.audit)).looked(json!({"audit": kept.audit}))
}

/// CLD.12.4.5: for how much of the contract is use measured?
pub fn monitoring(world: &World) -> Verdict {
    let tenant = match world.tenant() {
        Ok(tenant) => tenant,
        Err(unknown) => return unknown,
    };
    let rows = tenant.status.as_ref().map_or(&[][..], |status| &status.capacity);
    let known = rows.iter().filter(|row| row.used.is_some()).count();
    let verdict = if rows.is_empty() || known < rows.len() {
        Verdict::unknown("NotMeasured", "of some resources nobody knows how much is in use")
    } else {
        let said = "CPU, memory and storage in use are known; rates of network traffic are Prometheus's, which nobody reads here";
        Verdict::warn("PartlyMeasured", said)
    };
    let resources: Vec<_> =
        rows.iter().map(|row| json!({"resource": row.resource, "known": row.used.is_some()})).collect();
    verdict
        .on(tenant)
        .measured(format!("use known for {known} of {} resources", rows.len()))
        .looked(json!({"resources": resources}))
}

/// 16.1.7: has the customer accepted that a court may have data disclosed?
pub fn acceptance(world: &World) -> Verdict {
    let tenant = match world.tenant() {
        Ok(tenant) => tenant,
        Err(unknown) => return unknown,
    };
    let contract = &tenant.spec.contract;
    let at: Option<Timestamp> = contract.accepted_at.as_ref().map(|at| at.0);
    let verdict = match (contract.disclosure_accepted, at) {
        (Some(true), Some(at)) => Verdict::pass(format!("the customer accepted disclosure by law on {}", in_japan(at))),
        (Some(true), None) => Verdict::warn("NoDate", "the customer accepted disclosure by law; when is not written"),
        (Some(false), _) => Verdict::fail("NotAccepted", "the customer has not accepted disclosure by law"),
        (None, _) => Verdict::unknown("NotDeclared", "whether the customer accepted disclosure by law is not written"),
    };
    let terms = contract.terms_version.clone().unwrap_or_else(|| "not written".into());
    let seen =
        json!({"disclosureAccepted": contract.disclosure_accepted, "acceptedAt": contract.accepted_at, "terms": terms});
    verdict.on(tenant).since(at).measured(format!("terms {terms}")).looked(seen)
}
