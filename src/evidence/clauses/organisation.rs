//! Clauses 5 to 7: policy, roles, people.

use super::Class::{Enforced, Organisation, Verified};
use super::Owner::{Customer, Provider, Shared};
use super::{Clause, Severity, Words};

/// In the whitepaper's order.
pub(super) const CLAUSES: &[Clause] = &[
    Clause {
        id: "5.1.1",
        title: Words { ja: "クラウド情報セキュリティ方針", en: "Cloud security policy" },
        promise: Words {
            ja: "クラウドサービスのための情報セキュリティ方針を定め、必要な水準を保ち高めます。",
            en: "A security policy of its own for the cloud service keeps and raises the level that is needed.",
        },
        class: Organisation,
        owner: Provider,
        theme: "policy",
        severity: Severity::Medium,
        verified: Words {
            ja: "署名付き陳述（方針の版とハッシュ）",
            en: "signed statement with the policy's version and hash",
        },
    },
    Clause {
        id: "5.1.1-1",
        title: Words { ja: "設計と実装", en: "Design and implementation" },
        promise: Words {
            ja: "お客様のセキュリティ要求を勘案し、方針に沿って設計・実装します。",
            en: "What customers require for their security goes into design and implementation, by the policy.",
        },
        class: Organisation,
        owner: Provider,
        theme: "policy",
        severity: Severity::Medium,
        verified: Words { ja: "署名付き陳述", en: "signed statement" },
    },
    Clause {
        id: "5.1.1-2",
        title: Words { ja: "内部関係者のリスク", en: "Insider risk" },
        promise: Words {
            ja: "リスクアセスメントで見つけた内部者のリスクに管理策を講じます。",
            en: "Risks from insiders that an assessment finds are met by controls that are in use.",
        },
        class: Verified,
        owner: Provider,
        theme: "access",
        severity: Severity::High,
        verified: Words {
            ja: "今お客様の領域に入れる者（AccessGrant）の一覧",
            en: "who could enter the customer's area now: AccessGrants and their state",
        },
    },
    Clause {
        id: "5.1.1-3",
        title: Words { ja: "環境の隔離", en: "Isolation" },
        promise: Words {
            ja: "お客様ごとに論理的または物理的に独立した領域を提供します。",
            en: "Each customer has an area of its own, apart logically or physically.",
        },
        class: Enforced,
        owner: Provider,
        theme: "isolation",
        severity: Severity::Critical,
        verified: Words {
            ja: "名前空間、割当、壁、ネットワークの隔離状態",
            en: "conditions of namespaces, quota, walls and networks",
        },
    },
    Clause {
        id: "5.1.1-4",
        title: Words { ja: "従業員によるアクセス", en: "Staff access" },
        promise: Words {
            ja: "約款の定めを除き、お客様の事前の許可なくお客様の領域に立ち入りません。",
            en: "Outside what the terms allow, staff enter the customer's area only with permission given before.",
        },
        class: Enforced,
        owner: Provider,
        theme: "access",
        severity: Severity::Critical,
        verified: Words {
            ja: "全ての AccessGrant の承認・期限・扉の状態",
            en: "every AccessGrant: who consented, until when, and whether the door is closed",
        },
    },
    Clause {
        id: "5.1.1-5",
        title: Words { ja: "管理画面の認証", en: "Console sign-in" },
        promise: Words {
            ja: "管理画面に適切な認証方式を提供します。",
            en: "People sign in to the console in a suitable way.",
        },
        class: Enforced,
        owner: Shared,
        theme: "access",
        severity: Severity::High,
        verified: Words {
            ja: "テナントの authentication 宣言と測定結果",
            en: "the Tenant's authentication, and whether anybody measured it",
        },
    },
    Clause {
        id: "5.1.1-6",
        title: Words { ja: "仕様変更の通知", en: "Notice of changes" },
        promise: Words {
            ja: "仕様変更などをホームページに掲載します。",
            en: "Changes of the service are published on the web.",
        },
        class: Verified,
        owner: Provider,
        theme: "notice",
        severity: Severity::Medium,
        verified: Words {
            ja: "SpecChange の Notice と掲載時刻",
            en: "Notices of kind SpecChange and when they were published",
        },
    },
    Clause {
        id: "5.1.1-7",
        title: Words { ja: "アカウント管理", en: "Account management" },
        promise: Words {
            ja: "約款の定めを除き、アカウントはお客様が管理します。",
            en: "Accounts are the customer's to manage, save where the terms say otherwise.",
        },
        class: Enforced,
        owner: Customer,
        theme: "accounts",
        severity: Severity::Medium,
        verified: Words { ja: "有効な特権管理者の数", en: "how many privileged administrators are enabled" },
    },
    Clause {
        id: "5.1.1-8",
        title: Words { ja: "情報共有", en: "Information sharing" },
        promise: Words {
            ja: "インシデントを通知し、フォレンジックのための情報を共有します。",
            en: "Incidents are told, and what forensics needs is shared.",
        },
        class: Verified,
        owner: Provider,
        theme: "incident",
        severity: Severity::High,
        verified: Words { ja: "Incident の Notice の配信記録", en: "delivery of Notices of kind Incident" },
    },
    Clause {
        id: "6.1.1",
        title: Words { ja: "役割と責任", en: "Roles and duties" },
        promise: Words {
            ja: "お客様と当社の責任範囲を定めます。",
            en: "Who is responsible for what, the customer or the provider, is laid down.",
        },
        class: Organisation,
        owner: Shared,
        theme: "roles",
        severity: Severity::Medium,
        verified: Words {
            ja: "署名付き陳述。本一覧の「担当」列",
            en: "signed statement; the owner column of this catalogue",
        },
    },
    Clause {
        id: "6.1.3",
        title: Words { ja: "関係当局とデータの所在", en: "Authorities and place of data" },
        promise: Words {
            ja: "お客様のデータは日本国内に保存されます。", en: "Customers' data is stored in Japan."
        },
        class: Enforced,
        owner: Provider,
        theme: "residency",
        severity: Severity::Critical,
        verified: Words {
            ja: "ノード、ストレージ、ボリューム、スナップショット、バックアップ先の所在",
            en: "place of nodes, storage classes, volumes, snapshot classes and backup location",
        },
    },
    Clause {
        id: "CLD.6.3.1",
        title: Words { ja: "責任の共有と分担", en: "Shared duties in the cloud" },
        promise: Words {
            ja: "クラウド環境での役割と責任の分担を定めます。",
            en: "How duties in the cloud are shared is laid down.",
        },
        class: Organisation,
        owner: Shared,
        theme: "roles",
        severity: Severity::Medium,
        verified: Words {
            ja: "署名付き陳述。本一覧の「担当」列",
            en: "signed statement; the owner column of this catalogue",
        },
    },
    Clause {
        id: "7.2.2",
        title: Words { ja: "教育と訓練", en: "Training" },
        promise: Words {
            ja: "お客様のデータを扱う社員を定期的に教育します。",
            en: "Staff who handle customers' data are trained regularly.",
        },
        class: Organisation,
        owner: Provider,
        theme: "people",
        severity: Severity::Medium,
        verified: Words { ja: "365 日以内の署名付き陳述", en: "signed statement of the last 365 days" },
    },
];
