//! The end of a contract: data will be erased, data was erased (CLD.8.1.5).

use k8s_openapi::jiff::Timestamp;

use super::sheet::{Block, Tone, Words, fact, say};
use super::{Locale, dates, pick};

/// So many days before the erasure.
pub fn coming(days: i64, not_before: Timestamp, locale: Locale) -> Words {
    let when = dates::instant(not_before, locale);
    let title = match (locale, days) {
        (Locale::Ja, _) => format!("お客様データの消去まであと {days} 日です"),
        (Locale::En, 1) => "Your data will be erased in 1 day".to_owned(),
        (Locale::En, _) => format!("Your data will be erased in {days} days"),
    };
    let (opening, what, keep) = pick(
        locale,
        (
            "ご契約の終了に伴い、下記の日時以降に、お客様環境のデータをすべて消去いたします。",
            "仮想マシン、ディスク、スナップショット、バックアップ",
            "消去したデータは元に戻せません。必要なデータは、それまでにお客様ご自身で保存してくださいますようお願いいたします。\
ご契約の継続をご希望の場合や、消去を待つ必要がある場合は、お早めにお問い合わせください。",
        ),
        (
            "Your contract has ended. From the time below on, all data of your environment will be erased.",
            "VMs, disks, snapshots and backups",
            "Erased data cannot be brought back. Please save what you need before that time. If you want to go on \
with the contract, or if the erasure has to wait, please tell us soon.",
        ),
    );
    let facts = vec![
        fact(pick(locale, "消去予定", "Erased from"), pick(locale, format!("{when} 以降"), when.clone())),
        fact(pick(locale, "対象", "What"), what),
    ];
    let proof = pick(
        locale,
        "消去が完了しましたら、消去証明書とあわせてメールでお知らせいたします。",
        "Once it is done we will tell you by mail, with a certificate of the erasure.",
    );
    Words {
        tone: if days <= 7 { Tone::Urgent } else { Tone::Attention },
        title,
        blocks: vec![say(opening), Block::Facts(facts), say(keep), say(proof)],
    }
}

/// After the erasure.
pub fn erased(completed_at: Timestamp, certificate: &str, locale: Locale) -> Words {
    let (title, opening, thanks) = pick(
        locale,
        (
            "お客様データの消去が完了しました",
            "ご契約の終了に伴うお客様環境のデータの消去が、下記のとおり完了いたしました。",
            "これまでご利用いただき、誠にありがとうございました。",
        ),
        (
            "Your data has been erased",
            "The erasure of all data of your environment, after the end of the contract, is complete.",
            "Thank you for having been our customer.",
        ),
    );
    let check = pick(
        locale,
        "消去証明書には、消去した対象の一覧と電子署名が含まれます。cloudfarm verify コマンドで、内容が改ざんされていないことを確認できます。\
証明書の写しが必要な場合は、お問い合わせください。",
        "The certificate lists what was erased and is signed; the command cloudfarm verify checks that nobody has \
changed it. Please ask us if you need a copy.",
    );
    let facts = vec![
        fact(pick(locale, "完了日時", "Completed"), dates::instant(completed_at, locale)),
        fact(pick(locale, "消去証明書", "Certificate"), certificate),
    ];
    Words {
        tone: Tone::Plain,
        title: title.to_owned(),
        blocks: vec![say(opening), Block::Facts(facts), say(check), say(thanks)],
    }
}
