//! The contract fills up (12.1.3).

use super::sheet::{Block, Tone, Words, fact, say};
use super::{Locale, pick};

/// How full one resource is.
pub struct Filling<'a> {
    pub resource: &'a str,
    pub used: &'a str,
    pub limit: &'a str,
    pub percent: i64,
    pub threshold: i64,
    pub again: bool,
}

/// The words: above the threshold.
pub fn sheet(filling: &Filling<'_>, locale: Locale) -> Words {
    let &Filling { used, limit, percent, threshold, again, .. } = filling;
    let resource = resource(filling.resource, locale);
    let full = percent >= 100;
    let opening = match (locale, again) {
        (Locale::Ja, false) => {
            format!("ご契約の{resource}の使用率が、お知らせの基準である {threshold}% を超えました。")
        }
        (Locale::Ja, true) => {
            format!("ご契約の{resource}の使用率が、お知らせの基準である {threshold}% を引き続き超えています。")
        }
        (Locale::En, false) => format!("The use of {resource} is above {threshold}% of your contract."),
        (Locale::En, true) => {
            format!("The use of {resource} is still above {threshold}% of your contract.")
        }
    };
    let (title, advice) = match (locale, full) {
        (Locale::Ja, false) => (
            format!("{resource}の使用率が {percent}% になりました"),
            "契約量に達すると、新しい仮想マシンやディスクを追加できなくなります。不要なものの整理、または契約量の変更をご検討ください。",
        ),
        (Locale::Ja, true) => (
            format!("{resource}が契約量に達しました"),
            "現在、新しい仮想マシンやディスクを追加できません。不要なものの整理、または契約量の変更をご検討ください。",
        ),
        (Locale::En, false) => (
            format!("{percent}% of your contract's {resource} in use"),
            "Once all of it is used, no further VM or disk can be added. Please remove what is not needed, or ask \
us for more.",
        ),
        (Locale::En, true) => (
            format!("All of your contract's {resource} in use"),
            "No further VM or disk can be added now. Please remove what is not needed, or ask us for more.",
        ),
    };
    let facts = vec![
        fact(pick(locale, "対象", "Resource"), &resource),
        fact(pick(locale, "使用量", "In use"), format!("{used} ({percent}%)")),
        fact(pick(locale, "契約量", "Contract"), limit),
        fact(pick(locale, "お知らせの基準", "Told above"), format!("{threshold}%")),
    ];
    let running =
        pick(locale, "稼働中の仮想マシンは、そのままご利用いただけます。", "VMs that run now are not affected.");
    Words {
        tone: if full { Tone::Urgent } else { Tone::Attention },
        title,
        blocks: vec![say(opening), Block::Facts(facts), say(format!("{advice}{}{running}", pick(locale, "", " ")))],
    }
}

fn resource(name: &str, locale: Locale) -> String {
    let (ja, en) = match name {
        "vcpus" | "cpu" => ("仮想 CPU", "virtual CPUs"),
        "memory" => ("メモリー", "memory"),
        "storage" => ("ストレージ", "storage"),
        "instances" => ("仮想マシン数", "VMs"),
        "snapshots" => ("スナップショット数", "snapshots"),
        other => return super::line(other),
    };
    pick(locale, ja, en).to_owned()
}
