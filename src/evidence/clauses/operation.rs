//! Clauses 12 to 18: operation, networks, development, suppliers, incidents, law.

use super::Class::{Enforced, Organisation, Verified};
use super::Owner::{Provider, Shared};
use super::{Clause, Severity, Words};

/// In the whitepaper's order.
pub(super) const CLAUSES: &[Clause] = &[
    Clause {
        id: "12.1.2",
        title: Words { ja: "変更管理", en: "Change management" },
        promise: Words {
            ja: "影響のある変更や保守の前に、メールまたはウェブで通知します。",
            en: "Changes and maintenance that affect users are told before, by mail or on the web.",
        },
        class: Verified,
        owner: Provider,
        theme: "change",
        severity: Severity::High,
        verified: Words {
            ja: "Maintenance の Notice の送信時刻と開始時刻",
            en: "when a Maintenance was told and when it began",
        },
    },
    Clause {
        id: "12.1.3",
        title: Words { ja: "容量・能力の管理", en: "Capacity" },
        promise: Words {
            ja: "日々稼働を監視し、契約容量の 90% を超えると管理者へメールで通知します。",
            en: "Use is watched daily; administrators get a mail above 90 % of what is contracted.",
        },
        class: Enforced,
        owner: Provider,
        theme: "capacity",
        severity: Severity::High,
        verified: Words {
            ja: "資源ごとの割合、超過時刻、通知",
            en: "share of each resource, when it crossed, and the notice",
        },
    },
    Clause {
        id: "CLD.12.1.5",
        title: Words { ja: "実務管理者の運用", en: "Administrators' operations" },
        promise: Words {
            ja: "操作手順を個別にご案内します。",
            en: "How the service is operated is told individually.",
        },
        class: Organisation,
        owner: Provider,
        theme: "operations",
        severity: Severity::Low,
        verified: Words { ja: "署名付き陳述", en: "signed statement" },
    },
    Clause {
        id: "12.3.1",
        title: Words { ja: "バックアップ", en: "Backup" },
        promise: Words {
            ja: "ご利用のサービス内容に応じてバックアップ環境を提供します。",
            en: "Backup is provided by the plan that is contracted.",
        },
        class: Enforced,
        owner: Provider,
        theme: "backup",
        severity: Severity::High,
        verified: Words { ja: "VM ごとの最後の成功と復元", en: "last good backup and restore of each VM" },
    },
    Clause {
        id: "12.4.1",
        title: Words { ja: "イベントログ", en: "Event logging" },
        promise: Words {
            ja: "サービスの維持に必要な適切なログを取得します。",
            en: "Suitable logs that running the service needs are taken.",
        },
        class: Verified,
        owner: Provider,
        theme: "logging",
        severity: Severity::High,
        verified: Words {
            ja: "監査ログの網羅性（測定が必要）",
            en: "coverage of the audit log, which somebody has to measure",
        },
    },
    Clause {
        id: "12.4.4",
        title: Words { ja: "クロックの同期", en: "Clock synchronisation" },
        promise: Words {
            ja: "時刻は NTP で同期し、日本時間で管理します。",
            en: "Clocks follow NTP and are kept in Japan's time.",
        },
        class: Enforced,
        owner: Provider,
        theme: "clock",
        severity: Severity::Medium,
        verified: Words { ja: "ゲストの時間帯と時計の状態", en: "time zone that the guests report" },
    },
    Clause {
        id: "CLD.12.4.5",
        title: Words { ja: "サービスの監視", en: "Monitoring of the service" },
        promise: Words {
            ja: "ネットワーク・CPU・メモリの使用率の増加を監視します。",
            en: "Rises in the use of network, CPU and memory are watched.",
        },
        class: Verified,
        owner: Provider,
        theme: "monitoring",
        severity: Severity::Medium,
        verified: Words {
            ja: "使用量が測られている資源の数", en: "for how many resources use is measured"
        },
    },
    Clause {
        id: "12.6.1",
        title: Words { ja: "技術的ぜい弱性", en: "Technical vulnerabilities" },
        promise: Words {
            ja: "サービスに影響するぜい弱性を全てのお客様管理者へ一斉にメールします。",
            en: "Vulnerabilities that affect the service are mailed to every customer's administrators at once.",
        },
        class: Verified,
        owner: Provider,
        theme: "vulnerability",
        severity: Severity::High,
        verified: Words {
            ja: "Vulnerability の Notice の宛先と送信数",
            en: "recipients and mails of Notices of kind Vulnerability",
        },
    },
    Clause {
        id: "13.1.3",
        title: Words { ja: "ネットワークの分離", en: "Separation of networks" },
        promise: Words {
            ja: "他のお客様とはネットワークを物理的または論理的に分離します。",
            en: "Networks of different customers are apart, physically or logically.",
        },
        class: Enforced,
        owner: Provider,
        theme: "network",
        severity: Severity::Critical,
        verified: Words {
            ja: "壁、アドレス範囲、ピアリング、実測",
            en: "walls, address ranges, peering, and measured packets",
        },
    },
    Clause {
        id: "CLD.13.1.4",
        title: Words { ja: "仮想と物理の整合", en: "Virtual and physical match" },
        promise: Words {
            ja: "仮想と物理のネットワークの整合を当社が管理します。",
            en: "That virtual and physical networks agree is the provider's to see to.",
        },
        class: Verified,
        owner: Provider,
        theme: "network",
        severity: Severity::Medium,
        verified: Words {
            ja: "VLAN の割当と整合の状態", en: "VLAN allocation and consistency of each network"
        },
    },
    Clause {
        id: "14.1.1",
        title: Words { ja: "セキュリティ機能", en: "Security functions" },
        promise: Words {
            ja: "ウイルスチェック、ログ管理、監視の機能を備えます。",
            en: "The service checks for viruses, keeps logs and monitors.",
        },
        class: Enforced,
        owner: Provider,
        theme: "functions",
        severity: Severity::High,
        verified: Words {
            ja: "起動元イメージのスキャン結果", en: "scan results of the images that VMs start from"
        },
    },
    Clause {
        id: "14.2.1",
        title: Words { ja: "開発の方針", en: "Secure development" },
        promise: Words {
            ja: "変更管理の下で開発し、リリース前にリスクを評価します。",
            en: "Development follows change management, with a risk assessment before each release.",
        },
        class: Organisation,
        owner: Provider,
        theme: "development",
        severity: Severity::Medium,
        verified: Words { ja: "署名付き陳述", en: "signed statement" },
    },
    Clause {
        id: "15.1.2",
        title: Words { ja: "供給者との合意", en: "Agreements with suppliers" },
        promise: Words {
            ja: "責任分界の範囲で必要な対策を講じます。",
            en: "Within the boundary of duties, what security needs is done.",
        },
        class: Organisation,
        owner: Provider,
        theme: "suppliers",
        severity: Severity::Low,
        verified: Words { ja: "署名付き陳述", en: "signed statement" },
    },
    Clause {
        id: "15.1.3",
        title: Words { ja: "ICT サプライチェーン", en: "ICT supply chain" },
        promise: Words {
            ja: "委託先に同等の水準とリスク管理を求めます。",
            en: "Contractors are held to the same level and to managing their risks.",
        },
        class: Organisation,
        owner: Provider,
        theme: "suppliers",
        severity: Severity::Medium,
        verified: Words { ja: "署名付き陳述", en: "signed statement" },
    },
    Clause {
        id: "16.1.1",
        title: Words { ja: "インシデントへの責任と手順", en: "Incident procedure" },
        promise: Words {
            ja: "重大な影響のあるインシデントは、確認から 4 時間以内を目標にメールで連絡します。",
            en: "An incident with serious impact is mailed, aiming at 4 hours from its confirmation.",
        },
        class: Verified,
        owner: Provider,
        theme: "incident",
        severity: Severity::Critical,
        verified: Words {
            ja: "確認から最後の送信までの時間", en: "time from the confirmation to the last mail"
        },
    },
    Clause {
        id: "16.1.2",
        title: Words { ja: "セキュリティ事象の報告", en: "Incident reporting" },
        promise: Words {
            ja: "情報セキュリティ事故をメールまたはウェブで速やかに報告します。",
            en: "A security accident is reported promptly, by mail or on the web.",
        },
        class: Verified,
        owner: Provider,
        theme: "incident",
        severity: Severity::High,
        verified: Words {
            ja: "Incident の Notice の送信と掲載の時刻",
            en: "when Notices of kind Incident were mailed and published",
        },
    },
    Clause {
        id: "16.1.7",
        title: Words { ja: "証拠の収集", en: "Collection of evidence" },
        promise: Words {
            ja: "法令や裁判所の命令による開示は通知なく行うことに、利用規約で同意いただきます。",
            en: "The terms, which users accept, allow disclosure that law or a court orders without notice.",
        },
        class: Enforced,
        owner: Shared,
        theme: "evidence",
        severity: Severity::Medium,
        verified: Words { ja: "同意の記録", en: "record of the acceptance" },
    },
    Clause {
        id: "18.1.1",
        title: Words { ja: "適用法令", en: "Applicable law" },
        promise: Words { ja: "準拠法は日本法です。", en: "Japanese law governs." },
        class: Organisation,
        owner: Provider,
        theme: "law",
        severity: Severity::Low,
        verified: Words {
            ja: "契約の宣言と署名付き陳述", en: "what the contract declares, and a signed statement"
        },
    },
    Clause {
        id: "18.1.2",
        title: Words { ja: "知的財産権", en: "Intellectual property" },
        promise: Words {
            ja: "知的財産権のお問い合わせをサポート窓口で受けます。",
            en: "Questions about intellectual property go to the support desk.",
        },
        class: Organisation,
        owner: Provider,
        theme: "law",
        severity: Severity::Info,
        verified: Words { ja: "署名付き陳述", en: "signed statement" },
    },
    Clause {
        id: "18.1.3",
        title: Words { ja: "記録の保護", en: "Protection of records" },
        promise: Words {
            ja: "保存期間を定めてログを保管します。",
            en: "Logs are kept for a period that is laid down.",
        },
        class: Enforced,
        owner: Provider,
        theme: "records",
        severity: Severity::Medium,
        verified: Words { ja: "Retention の保存期間", en: "periods of the Retention" },
    },
    Clause {
        id: "18.1.5",
        title: Words { ja: "暗号化機能", en: "Encryption in use" },
        promise: Words { ja: "SSH または SSL/TLS を使用します。", en: "SSH or SSL/TLS is in use." },
        class: Enforced,
        owner: Shared,
        theme: "crypto",
        severity: Severity::Medium,
        verified: Words {
            ja: "ゲストのログイン設定と TLS 証明書",
            en: "how guests are logged in to, and certificates",
        },
    },
    Clause {
        id: "18.2.1",
        title: Words { ja: "独立したレビュー", en: "Independent review" },
        promise: Words {
            ja: "ISMS の認証を取得しています。", en: "The organisation is certified for its ISMS."
        },
        class: Organisation,
        owner: Provider,
        theme: "review",
        severity: Severity::Low,
        verified: Words {
            ja: "署名付き陳述（証明書番号）", en: "signed statement with the certificate's number"
        },
    },
];
