//! The few words around the findings, in both languages.

use crate::evidence::clauses::{Class, Owner, Words};
use crate::evidence::judge::Outcome;

/// In which language a report speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Japanese,
    English,
}

impl Language {
    /// These words in it.
    #[must_use]
    pub fn of(self, words: Words) -> &'static str {
        self.choose(words.ja, words.en)
    }

    /// One of the two.
    #[must_use]
    pub fn choose(self, ja: &'static str, en: &'static str) -> &'static str {
        match self {
            Self::Japanese => ja,
            Self::English => en,
        }
    }
}

/// A sign that is told apart without colour, and the word.
pub fn outcome(outcome: Outcome, language: Language) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Pass => ("✓", language.choose("適合", "kept")),
        Outcome::Fail => ("✗", language.choose("不適合", "broken")),
        Outcome::Warn => ("!", language.choose("注意", "watch")),
        Outcome::Error => ("?", language.choose("不明", "unknown")),
        Outcome::Skip => ("–", language.choose("判定なし", "not judged")),
    }
}

pub fn class(class: Class, language: Language) -> &'static str {
    match class {
        Class::Enforced => language.choose("ソフトウェアが実現", "made true by software"),
        Class::Verified => language.choose("ソフトウェアが確認", "looked at by software"),
        Class::Organisation => language.choose("組織が実施", "kept by people"),
    }
}

pub fn owner(owner: Owner, language: Language) -> &'static str {
    match owner {
        Owner::Provider => language.choose("当社", "provider"),
        Owner::Customer => language.choose("お客様", "customer"),
        Owner::Shared => language.choose("双方", "both"),
    }
}

/// What a reason means, in a sentence for people. The message beside it, which names objects, is English.
pub fn reason(reason: &str, result: Outcome, language: Language) -> &'static str {
    if language == Language::English {
        return "";
    }
    match reason {
        "AsPromised" | "AsDeclared" | "Measured" => "約束どおりです。",
        "NotSaid" | "NotObserved" => "まだ誰も状態を確認していません。",
        "NotMeasured" | "NotYetEnforced" => "宣言はありますが、測定されていません。",
        "ProbeStale" => "最後の測定から時間がたっています。",
        "PartlyMeasured" => "一部だけが測定されています。",
        "NotSynced" | "ApiError" | "NotKnown" => "情報を読み取れませんでした。",
        "NotReported" => "公開された Report に記載がありません。",
        "NotDeclared" => "契約またはテナントに書かれていません。",
        "TenantNotFound" => "テナントの宣言がありません。",
        "RetentionMissing" => "データの消去を担う Retention がありません。",
        "EarlierTenant" => "同名の以前のテナントの記録です。",
        "Invalid" => "宣言を解釈できません。",
        "Progressing" | "Sending" => "処理中です。",
        "NoCase" => "該当する事象がありません。",
        "NotAgreed" | "SwitchedOff" => "契約または設定で使われていません。",
        "NothingThere" | "NotDue" => "対象がまだありません。",
        "Erased" => "お客様のデータは消去済みです。",
        "Erasing" => "お客様のデータを消去しています。",
        "NotAttested" => "組織が守る約束です。署名された陳述はまだありません。",
        "Attested" => "組織が守る約束です。署名された陳述があります（合格とは扱いません）。",
        "AttestationTooOld" => "組織の陳述が 365 日より古くなっています。",
        "BadSignature" => "組織の陳述の署名が正しくありません。",
        "FromTheFuture" => "組織の陳述の日付が未来です。",
        "WithoutConsent" => "同意のないアクセスがありました。",
        "OpenTooLong" => "期限を過ぎてもアクセスが閉じていません。",
        "HardeningException" => "要塞化に例外があります。",
        "PlatformNotHardened" => "KubeVirt の設定に不備があります。",
        "KubeVirtMissing" => "KubeVirt が導入されていません。",
        "OutsideResidency" => "日本国外にあるものが見つかりました。",
        "OverThreshold" => "契約容量のしきい値を超えています。",
        "BackupFailed" => "計画どおりの良いバックアップがありません。",
        "ScannerMissing" => "イメージのスキャナーが設定されていません。",
        "ImageNotScanned" | "ImageUnknown" | "ScanTooOld" => "イメージの新しいスキャン結果がありません。",
        "ImageInfected" => "イメージから不正なソフトウェアが見つかりました。",
        "ImageExcepted" => "例外として使われているイメージがあります。",
        "RulesNotEnforceable" | "NotEnforced" => "ルールが実際には守られていません。",
        "ExternalFirewall" => "クラスタ外のファイアウォールが担います（未測定）。",
        "HoldPlaced" => "法的保全のため消去を止めています。",
        "NotErasedYet" => "まだ消去されていません。",
        "Overdue" | "TooLate" => "期限を過ぎています。",
        "NoEndDate" => "契約の終了日がありません。",
        "InPlainSight" => "申込 ID がテナントの本文に書かれています。",
        "NotClassified" => "分類のない VM があります。",
        "NobodyPrivileged" => "有効な特権管理者がいません。",
        "NobodyTold" | "NotTold" | "NotDelivered" => "通知が届いていません。",
        "ToldTooLate" => "開始後に通知されました。",
        "NotToldYet" => "まだ通知されていません。",
        "NotPublished" | "NotOnTheWeb" => "ウェブに掲載されていません。",
        _ => match result {
            Outcome::Pass => "約束どおりです。",
            Outcome::Fail => "約束どおりではありません。",
            Outcome::Warn => "注意が必要です。",
            Outcome::Error => "分かりません。",
            Outcome::Skip => "判定の対象ではありません。",
        },
    }
}
