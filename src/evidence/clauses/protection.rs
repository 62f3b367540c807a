//! Clauses 8 to 11: assets, access, cryptography, disposal.

use super::Class::{Enforced, Verified};
use super::Owner::{Customer, Provider, Shared};
use super::{Clause, Severity, Words};

/// In the whitepaper's order.
pub(super) const CLAUSES: &[Clause] = &[
    Clause {
        id: "8.1.1",
        title: Words { ja: "資産目録", en: "Inventory" },
        promise: Words {
            ja: "お客様のデータと、サービスから生じるデータを明確に分けます。",
            en: "Customers' data and what the service derives from it are clearly apart.",
        },
        class: Enforced,
        owner: Provider,
        theme: "inventory",
        severity: Severity::High,
        verified: Words { ja: "ラベルの付いた二つの名前空間", en: "the two namespaces and their labels" },
    },
    Clause {
        id: "CLD.8.1.5",
        title: Words { ja: "資産の除去", en: "Removal of data" },
        promise: Words {
            ja: "契約終了の 60 日後にお客様のデータを削除します。",
            en: "Customers' data is deleted 60 days after the contract is complete.",
        },
        class: Enforced,
        owner: Provider,
        theme: "deletion",
        severity: Severity::Critical,
        verified: Words {
            ja: "Retention の期日、法的保全、消去証明書",
            en: "dates and holds of the Retention, and the certificate of the erasure",
        },
    },
    Clause {
        id: "8.2.2",
        title: Words { ja: "ラベル付け", en: "Labelling" },
        promise: Words {
            ja: "お客様は専用環境の中で分類を行えます。",
            en: "Customers can classify what is theirs inside their own environment.",
        },
        class: Enforced,
        owner: Customer,
        theme: "labelling",
        severity: Severity::Low,
        verified: Words {
            ja: "分類ラベルの付いた VM とディスクの割合", en: "how many VMs and disks carry a level"
        },
    },
    Clause {
        id: "9.2.1",
        title: Words { ja: "登録と削除", en: "Registration" },
        promise: Words {
            ja: "担当者を登録・変更・削除する機能を提供します。",
            en: "Contact persons can be registered, changed and removed.",
        },
        class: Enforced,
        owner: Shared,
        theme: "accounts",
        severity: Severity::High,
        verified: Words {
            ja: "管理者の一覧とロール結合", en: "the list of administrators and their role bindings"
        },
    },
    Clause {
        id: "9.2.2",
        title: Words { ja: "アクセスの提供", en: "Provisioning of access" },
        promise: Words {
            ja: "発行された申込 ID と自ら設定したパスワードで管理画面に入れます。",
            en: "The console opens with the ID issued on acceptance and a password of the person's own.",
        },
        class: Enforced,
        owner: Shared,
        theme: "accounts",
        severity: Severity::Medium,
        verified: Words {
            ja: "申込 ID が Secret にあるか、認証の宣言",
            en: "whether the ID is kept in a Secret, and the declared sign-in",
        },
    },
    Clause {
        id: "9.2.3",
        title: Words { ja: "特権の管理", en: "Privileged access" },
        promise: Words {
            ja: "申込 ID は登録者だけが知ります。",
            en: "The ID is known to who registered, and to nobody else.",
        },
        class: Enforced,
        owner: Provider,
        theme: "secrets",
        severity: Severity::High,
        verified: Words {
            ja: "申込 ID がオブジェクトの本文に書かれていないこと",
            en: "that the ID is written in no object but its Secret",
        },
    },
    Clause {
        id: "9.2.4",
        title: Words { ja: "秘密認証情報の管理", en: "Secrets of users" },
        promise: Words {
            ja: "パスワードの設定・変更・再発行の方法を個別にお知らせします。",
            en: "How passwords are set, changed and issued again is told individually.",
        },
        class: Verified,
        owner: Shared,
        theme: "secrets",
        severity: Severity::Medium,
        verified: Words {
            ja: "認証の宣言と測定結果", en: "the declared sign-in, and whether anybody measured it"
        },
    },
    Clause {
        id: "9.4.1",
        title: Words { ja: "アクセス制御", en: "Access control" },
        promise: Words {
            ja: "開通通知でアクセス情報をお知らせし、特権管理者が利用者を追加できます。",
            en: "The opening notice says how to get in, and privileged administrators can add users.",
        },
        class: Enforced,
        owner: Shared,
        theme: "access",
        severity: Severity::High,
        verified: Words {
            ja: "役割ごとの人数と開通通知の配信",
            en: "people by role, and delivery of the opening notice",
        },
    },
    Clause {
        id: "9.4.4",
        title: Words { ja: "特権的ユーティリティ", en: "Privileged utilities" },
        promise: Words {
            ja: "セキュリティ手順を回避するユーティリティを提供しません。",
            en: "No utility is offered that goes around security.",
        },
        class: Enforced,
        owner: Provider,
        theme: "hardening",
        severity: Severity::High,
        verified: Words {
            ja: "VM の要塞化の例外と KubeVirt の設定",
            en: "exceptions of VMs' hardening, and KubeVirt's settings",
        },
    },
    Clause {
        id: "CLD.9.5.1",
        title: Words { ja: "仮想環境の分離", en: "Separation of environments" },
        promise: Words {
            ja: "お客様の仮想環境を論理的に分離し制御します。",
            en: "Customers' virtual environments are apart and under control.",
        },
        class: Enforced,
        owner: Provider,
        theme: "isolation",
        severity: Severity::Critical,
        verified: Words {
            ja: "壁、割当、プラットフォームの設定、ピアリング",
            en: "walls, quota, platform settings and peering",
        },
    },
    Clause {
        id: "CLD.9.5.2",
        title: Words { ja: "仮想マシンの要塞化", en: "Hardening of VMs" },
        promise: Words {
            ja: "VLAN・IP・プロトコル・ポートの制限などで仮想マシンを要塞化します。",
            en: "VMs are hardened by limits on VLAN, address, protocol and port, among others.",
        },
        class: Enforced,
        owner: Shared,
        theme: "hardening",
        severity: Severity::Critical,
        verified: Words {
            ja: "VM の要塞化、ルールの受理と実測",
            en: "hardening of each VM, rules accepted and measured",
        },
    },
    Clause {
        id: "10.1.1",
        title: Words { ja: "暗号の利用方針", en: "Use of cryptography" },
        promise: Words {
            ja: "データをやり取りする通信に SSL/TLS のオプションを提供します。",
            en: "Communication that exchanges data can be had with SSL/TLS.",
        },
        class: Enforced,
        owner: Shared,
        theme: "crypto",
        severity: Severity::High,
        verified: Words { ja: "TLS を使うネットワークの証明書", en: "certificates of networks with TLS" },
    },
    Clause {
        id: "11.2.7",
        title: Words { ja: "処分と再利用", en: "Disposal and reuse" },
        promise: Words {
            ja: "再利用や廃棄の前に資源の削除や設備の破壊を行います。",
            en: "Before anything is reused or disposed of, it is erased or destroyed.",
        },
        class: Enforced,
        owner: Provider,
        theme: "disposal",
        severity: Severity::High,
        verified: Words { ja: "消去証明書と消去の方法", en: "certificate and method of the erasure" },
    },
];
