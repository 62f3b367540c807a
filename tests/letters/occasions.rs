//! One occasion of every sort, as it would come.

use cloudfarm::api::access_grant::{AccessGrantSpec, Answer, Basis, Decision, GrantState, Signature, Verb};
use cloudfarm::api::notice::{Line, NoticeKind, NoticeSeverity, NoticeSpec, Text, Window};
use cloudfarm::api::tenant::{Authentication, AuthenticationMode, Oidc, Role};
use cloudfarm::letters::{Occasion, Provider};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

/// What lives as long as the test, so that occasions can borrow it.
fn kept<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

pub fn line(ja: &str, en: &str) -> Line {
    Line { ja: ja.into(), en: en.into() }
}

pub fn text(ja: &str, en: &str) -> Text {
    Text { ja: ja.into(), en: en.into() }
}

pub fn window(start: &str, end: &str) -> Window {
    Window { start: Time(at(start)), end: Time(at(end)) }
}

pub fn provider() -> Provider<'static> {
    Provider {
        name: kept(line("サンプルクラウド", "Sample Cloud")),
        contact: Some("support@provider.example"),
        status_page: Some("https://status.provider.example/"),
        guide: Some("https://docs.provider.example/guide"),
    }
}

pub fn notice(kind: NoticeKind, severity: NoticeSeverity, subject: Line, body: Text) -> NoticeSpec {
    NoticeSpec {
        kind,
        severity,
        subject,
        body: Some(body),
        body_ref: None,
        tenants: None,
        window: None,
        confirmed_at: None,
        web: true,
        restart_virtual_machines: false,
    }
}

pub fn incident() -> NoticeSpec {
    let subject = line("東京第 2 ゾーンでストレージの応答が遅くなっています", "Slow storage in zone Tokyo 2");
    let body = text(
        "東京第 2 ゾーンのストレージ装置の一部で、読み書きの応答が通常の 10 倍程度に遅くなっています。該当するディスクをご利用の\
仮想マシンで、処理の遅延やタイムアウトが発生する可能性があります。データの消失は確認されていません。\n\n\
現在行っていること:\n・故障した制御装置の切り離し\n・影響のあるお客様の特定\n\n復旧の見込みは 17:00 ごろです。お客様に実施いただく作業はありません。",
        "Some of the storage in zone Tokyo 2 answers about ten times slower than usual. VMs with disks there may be \
slow or run into timeouts. No data is known to be lost.\n\nWhat we do:\n- take the broken controller out of \
service\n- find out who is affected\n\nWe expect it to be over at about 17:00. There is nothing that you have to do.",
    );
    let confirmed_at = Some(Time(at("2026-11-30T05:12:00Z")));
    NoticeSpec { confirmed_at, ..notice(NoticeKind::Incident, NoticeSeverity::High, subject, body) }
}

pub fn maintenance() -> NoticeSpec {
    let subject = line("仮想化基盤の更新", "Update of the virtualisation platform");
    let body = text(
        "仮想化基盤のソフトウェアを更新します。仮想マシンは稼働したまま別のサーバーへ移動しますが、移動の際に数秒間、通信が途切れることがあります。",
        "We update the software of the platform. VMs move to other servers while they run; for a few seconds their \
network may be interrupted.",
    );
    NoticeSpec {
        window: Some(window("2026-12-05T13:00:00Z", "2026-12-05T18:00:00Z")),
        restart_virtual_machines: true,
        ..notice(NoticeKind::Maintenance, NoticeSeverity::Medium, subject, body)
    }
}

pub fn change() -> NoticeSpec {
    let subject = line("TLS 1.2 未満の接続の終了", "End of connections older than TLS 1.2");
    let body = text(
        "管理画面と API への接続は、TLS 1.2 以上のみとなります。古いプログラムをお使いの場合は、事前に更新をお願いいたします。",
        "The management screen and the API take connections by TLS 1.2 or later only. Please update old programs \
before.",
    );
    NoticeSpec {
        window: Some(window("2027-01-12T01:00:00Z", "2027-01-12T03:00:00Z")),
        ..notice(NoticeKind::SpecChange, NoticeSeverity::Low, subject, body)
    }
}

pub fn vulnerability() -> NoticeSpec {
    let subject = line("ゲスト OS の OpenSSH に関する脆弱性", "A vulnerability in OpenSSH of guest systems");
    let body = text(
        "OpenSSH に、認証なしで任意のコードを実行されるおそれのある脆弱性が公表されました。当社の基盤は対策済みです。\n\n\
お客様の仮想マシンで OpenSSH をご利用の場合は、ディストリビューションの更新を至急適用してください。更新までの間は、TenantNetwork のルールで \
22 番ポートへの接続元を限定することをお勧めします。",
        "A vulnerability in OpenSSH that allows running code without signing in was made public. Our platform has \
been repaired.\n\nIf OpenSSH runs in your VMs, please install your distribution's update at once. Until then we \
advise to let only known addresses reach port 22, by the rules of your TenantNetwork.",
    );
    notice(NoticeKind::Vulnerability, NoticeSeverity::Critical, subject, body)
}

pub fn grant() -> AccessGrantSpec {
    AccessGrantSpec {
        requested_by: "staff:yamada".into(),
        reason: "web-1 が起動しない件の調査のため (お問い合わせ 4711)".into(),
        ticket: Some("SUP-4711".into()),
        verbs: vec![Verb::Console, Verb::Vnc, Verb::Power],
        vms: vec!["web-1".into(), "web-2".into()],
        duration: "1h30m".into(),
        ..AccessGrantSpec::default()
    }
}

fn access(spec: AccessGrantSpec, state: GrantState, expires_at: Option<&str>) -> Occasion<'static> {
    Occasion::Access { tenant: "acme", grant: "sup-4711", spec: kept(spec), state, expires_at: expires_at.map(at) }
}

fn of_people(spec: NoticeSpec, follow_up: bool) -> Occasion<'static> {
    let spec = kept(spec);
    let body = spec.body.as_ref().expect("a body");
    Occasion::Notice { tenant: "acme", spec, body, follow_up }
}

fn grants() -> Vec<(&'static str, Occasion<'static>)> {
    let answered = |decision| Some(Answer { by: "oidc:sato".into(), at: None, decision });
    let signed = |by: &str, reason: Option<&str>| Signature { by: by.into(), at: None, reason: reason.map(Into::into) };
    let approved = AccessGrantSpec { approval: answered(Decision::Approve), ..grant() };
    let later = AccessGrantSpec { not_before: Some(Time(at("2026-12-01T01:00:00Z"))), ..approved.clone() };
    let denied = AccessGrantSpec { approval: answered(Decision::Deny), ..grant() };
    let revoked = Some(signed("oidc:sato", Some("調査の必要がなくなったため")));
    let terms = AccessGrantSpec { basis: Basis::Terms, clause: Some("第 12 条第 3 項".into()), ..grant() };
    let agreed = AccessGrantSpec { second_approver: Some(signed("staff:suzuki", None)), ..terms.clone() };
    let until = Some("2026-11-30T06:45:30Z");
    vec![
        ("access-requested", access(grant(), GrantState::Requested, None)),
        ("access-approved-for-later", access(later, GrantState::Approved, Some("2026-12-01T02:30:00Z"))),
        ("access-active", access(approved.clone(), GrantState::Active, until)),
        ("access-expired", access(approved.clone(), GrantState::Expired, until)),
        ("access-revoked", access(AccessGrantSpec { revoked, ..approved }, GrantState::Revoked, until)),
        ("access-denied", access(denied, GrantState::Denied, None)),
        ("access-by-terms-requested", access(terms, GrantState::Requested, None)),
        ("access-by-terms-active", access(agreed, GrantState::Active, until)),
    ]
}

fn capacity(percent: i64, used: &'static str, again: bool) -> Occasion<'static> {
    Occasion::Capacity { tenant: "acme", resource: "storage", used, limit: "2Ti", percent, threshold: 90, again }
}

/// Name of the golden files, and the occasion.
pub fn all() -> Vec<(&'static str, Occasion<'static>)> {
    let oidc = Oidc { issuer: "https://id.acme.example".into(), ..Oidc::default() };
    let authentication = Authentication {
        mode: AuthenticationMode::Oidc,
        oidc: Some(oidc),
        require_mfa: true,
        ..Authentication::default()
    };
    let not_before = at("2026-11-29T15:00:00Z");
    let mut all = vec![
        ("incident", of_people(incident(), false)),
        ("incident-second-notice", of_people(incident(), true)),
        ("maintenance", of_people(maintenance(), false)),
        ("maintenance-second-notice", of_people(maintenance(), true)),
        ("change", of_people(change(), false)),
        ("vulnerability", of_people(vulnerability(), false)),
        ("capacity", capacity(91, "1863Gi", false)),
        ("capacity-full-again", capacity(100, "2Ti", true)),
        ("erasure-in-30-days", Occasion::ErasureComing { tenant: "acme", days: 30, not_before }),
        ("erasure-in-1-day", Occasion::ErasureComing { tenant: "acme", days: 1, not_before }),
        (
            "erased",
            Occasion::Erased {
                tenant: "acme",
                completed_at: at("2026-11-29T19:04:11Z"),
                certificate: "erasure-certificate-acme-000001",
            },
        ),
        (
            "opening",
            Occasion::Opening {
                tenant: "acme",
                username: "sato",
                role: Role::PrivilegedAdministrator,
                authentication: Some(kept(authentication)),
            },
        ),
        (
            "opening-for-a-viewer",
            Occasion::Opening { tenant: "acme", username: "ito", role: Role::Viewer, authentication: None },
        ),
    ];
    all.extend(grants());
    all
}
