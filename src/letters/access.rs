//! Staff ask to enter a customer's area, and what became of it (5.1.1-4).

use k8s_openapi::jiff::Timestamp;

use super::sheet::{Block, Tone, Words, fact, say, typed};
use super::{Locale, dates, line, pick};
use crate::api::access_grant::{AccessGrantSpec, Basis, GrantState, Verb};

/// One AccessGrant.
pub struct Door<'a> {
    pub tenant: &'a str,
    pub grant: &'a str,
    pub spec: &'a AccessGrantSpec,
    pub state: GrantState,
    pub expires_at: Option<Timestamp>,
}

/// The words for the state it is in.
pub fn sheet(door: &Door<'_>, locale: Locale) -> Words {
    let asks = asks(door);
    let (title, opening) = told(door, locale);
    let mut blocks = vec![say(opening), Block::Facts(facts(door, locale))];
    if asks {
        blocks.extend(answer(door, locale));
    }
    if !door.state.over() && !asks {
        blocks.extend(end_it(door, locale));
    }
    Words { tone: if asks { Tone::Attention } else { Tone::Plain }, title: title.to_owned(), blocks }
}

/// Does the customer have to answer?
fn asks(door: &Door<'_>) -> bool {
    door.state == GrantState::Requested && door.spec.basis == Basis::Consent
}

fn told(door: &Door<'_>, locale: Locale) -> (&'static str, String) {
    let terms = door.spec.basis == Basis::Terms;
    let (ja, en) = match (door.state, terms) {
        (GrantState::Requested, false) => (
            (
                "作業アクセスの承認のお願い",
                "当社の担当者が、お客様環境への作業アクセスを申請しました。特権管理者の方が承認されるまで、当社がアクセスすることはありません。",
            ),
            (
                "Please decide about an access by our staff",
                "Our staff ask to enter your environment. Nobody enters before one of your privileged \
administrators has agreed.",
            ),
        ),
        (GrantState::Requested, true) => (
            (
                "規約に基づく作業アクセスの申請",
                "当社の担当者が、利用規約に基づき、お客様環境への作業アクセスを申請しました。当社の別の担当者が確認したのちに、アクセスが可能になります。",
            ),
            (
                "Access by our staff under the terms is asked for",
                "Our staff ask to enter your environment under the terms of the contract. It opens once a second \
person of our staff has agreed.",
            ),
        ),
        (GrantState::Approved, _) => (
            (
                "作業アクセスが承認されました",
                "お客様環境への作業アクセスが承認されました。開始日時になるまで、当社はアクセスできません。",
            ),
            (
                "Access by our staff was approved",
                "Access to your environment was approved. Our staff cannot enter before the time it begins.",
            ),
        ),
        (GrantState::Active, _) => (
            (
                "作業アクセスが始まりました",
                "お客様環境への作業アクセスが可能になりました。終了日時になると、自動的にアクセスできなくなります。",
            ),
            (
                "Access by our staff has begun",
                "Our staff can now enter your environment. It closes by itself at the time below.",
            ),
        ),
        (GrantState::Expired, _) => (
            (
                "作業アクセスが終了しました",
                "お客様環境への作業アクセスは、期限により終了しました。当社は、この申請ではもうアクセスできません。",
            ),
            (
                "Access by our staff has ended",
                "The time for access to your environment is over. Our staff cannot enter by this request any more.",
            ),
        ),
        (GrantState::Revoked, _) => (
            (
                "作業アクセスが取り消されました",
                "お客様環境への作業アクセスが取り消されました。当社は、この申請ではもうアクセスできません。",
            ),
            (
                "Access by our staff was revoked",
                "Access to your environment was revoked. Our staff cannot enter by this request any more.",
            ),
        ),
        (GrantState::Denied, _) => (
            (
                "作業アクセスは承認されませんでした",
                "お客様環境への作業アクセスの申請は、承認されませんでした。当社は、この申請ではアクセスできません。",
            ),
            (
                "Access by our staff was denied",
                "The request to enter your environment was denied. Our staff cannot enter by it.",
            ),
        ),
    };
    let (title, opening) = pick(locale, ja, en);
    (title, opening.to_owned())
}

fn facts(door: &Door<'_>, locale: Locale) -> Vec<(String, String)> {
    let spec = door.spec;
    let verbs: Vec<&str> = spec.verbs.iter().map(|verb| word(*verb, locale)).collect();
    let between = pick(locale, "、", ", ");
    let vms = if spec.vms.is_empty() { pick(locale, "なし", "none").to_owned() } else { spec.vms.join(between) };
    let mut rows = vec![
        fact(pick(locale, "申請名", "Request"), door.grant),
        fact(pick(locale, "申請者", "Asked by"), &spec.requested_by),
        fact(pick(locale, "理由", "Reason"), &spec.reason),
    ];
    rows.extend(spec.ticket.iter().map(|ticket| fact(pick(locale, "受付番号", "Ticket"), ticket)));
    rows.extend(spec.clause.iter().map(|clause| fact(pick(locale, "規約の条項", "Clause"), clause)));
    rows.push(fact(pick(locale, "作業内容", "To do"), verbs.join(between)));
    rows.push(fact(pick(locale, "仮想マシン", "VMs"), vms));
    if !door.state.over() {
        let begins = spec.not_before.as_ref().map(|begins| dates::instant(begins.0, locale));
        rows.extend(begins.map(|begins| fact(pick(locale, "開始", "From"), begins)));
        rows.push(fact(pick(locale, "時間", "How long"), duration(&spec.duration, locale)));
    }
    rows.extend(people(spec, locale));
    if let Some(until) = door.expires_at.filter(|_| !matches!(door.state, GrantState::Denied | GrantState::Revoked)) {
        rows.push(fact(pick(locale, "期限", "Until"), dates::instant(until, locale)));
    }
    rows
}

/// Who answered, agreed, revoked.
fn people(spec: &AccessGrantSpec, locale: Locale) -> Vec<(String, String)> {
    let answered = spec.approval.iter().map(|answer| fact(pick(locale, "回答者", "Answered by"), &answer.by));
    let agreed = spec.second_approver.iter().map(|second| fact(pick(locale, "確認者", "Agreed by"), &second.by));
    let revoked = spec.revoked.iter().flat_map(|revoked| {
        let reason = revoked.reason.iter().map(|reason| fact(pick(locale, "取消の理由", "Why revoked"), reason));
        std::iter::once(fact(pick(locale, "取消者", "Revoked by"), &revoked.by)).chain(reason)
    });
    answered.chain(agreed).chain(revoked).collect()
}

/// What the reader types about this request.
fn command(word: &str, door: &Door<'_>) -> Option<Block> {
    typed(&["kubectl", "cloudfarm", word, door.tenant, door.grant])
}

fn answer(door: &Door<'_>, locale: Locale) -> Vec<Block> {
    let (yes, no, nothing) = pick(
        locale,
        (
            "特権管理者の方は、内容をご確認のうえ、承認される場合は次のコマンドを実行してください。",
            "承認されない場合は、次のコマンドでお断りください。",
            "ご回答がない場合、当社がアクセスすることはありません。このメールへの返信では承認になりません。お心当たりのない申請は、承認せずにお問い合わせください。",
        ),
        (
            "If you are a privileged administrator and agree to what is written above:",
            "If you do not agree:",
            "Without an answer nobody enters. A reply to this mail is no answer. If you do not know what this is \
about, do not approve it and ask us.",
        ),
    );
    let approve = [Some(say(yes)), command("approve", door), Some(say(no)), command("deny", door), Some(say(nothing))];
    approve.into_iter().flatten().collect()
}

fn end_it(door: &Door<'_>, locale: Locale) -> Vec<Block> {
    let how = say(pick(
        locale,
        "特権管理者の方は、次のコマンドで、このアクセスをいつでも直ちに終了できます。",
        "A privileged administrator can end it at any time and at once:",
    ));
    [Some(how), command("revoke", door)].into_iter().flatten().collect()
}

/// What may be done, for readers.
fn word(verb: Verb, locale: Locale) -> &'static str {
    let (ja, en) = match verb {
        Verb::GuestInfo => ("ゲスト OS の情報の参照", "read information of the guest system"),
        Verb::Console => ("シリアルコンソールの操作", "use the serial console"),
        Verb::Vnc => ("画面 (VNC) の操作", "use the screen (VNC)"),
        Verb::Power => ("電源の操作 (起動・停止・再起動)", "start, stop and restart"),
        Verb::SnapshotRead => ("スナップショットの読み取り", "read snapshots"),
        Verb::AuditExtract => ("監査ログの抽出", "extract audit logs"),
    };
    pick(locale, ja, en)
}

/// `1h30m` as `1時間30分` or `1 h 30 min`.
fn duration(written: &str, locale: Locale) -> String {
    let (hours, minutes) = written.split_once('h').map_or(("", written), |(hours, minutes)| (hours, minutes));
    let minutes = minutes.trim_end_matches('m');
    let part = |number: &str, ja: &str, en: &str| match (number, locale) {
        ("", _) => String::new(),
        (number, Locale::Ja) => format!("{number}{ja}"),
        (number, Locale::En) => format!("{number} {en} "),
    };
    line(&format!("{}{}", part(hours, "時間", "h"), part(minutes, "分", "min")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_out() {
        assert_eq!(duration("1h30m", Locale::Ja), "1時間30分");
        assert_eq!(duration("1h30m", Locale::En), "1 h 30 min");
        assert_eq!(duration("8h", Locale::En), "8 h");
        assert_eq!(duration("45m", Locale::Ja), "45分");
    }
}
