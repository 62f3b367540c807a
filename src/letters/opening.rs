//! The opening notice (9.4.1): an administrator's way in, and what to know.

use super::sheet::{Block, Tone, Words, fact, say, typed, within};
use super::{Locale, Provider, line, pick};
use crate::api::home::{customer_namespace, derived_namespace};
use crate::api::tenant::{Authentication, AuthenticationMode, Role};

/// Who is welcomed.
pub struct Person<'a> {
    pub tenant: &'a str,
    pub username: &'a str,
    pub role: Role,
    pub authentication: Option<&'a Authentication>,
}

/// The words of the opening notice.
pub fn sheet(person: &Person<'_>, provider: &Provider<'_>, locale: Locale) -> Words {
    let (title, opening) = match locale {
        Locale::Ja => (
            "ご利用開始のお知らせ".to_owned(),
            format!(
                "このたびは{}をお申し込みいただき、誠にありがとうございます。お客様環境の準備が整い、\
管理者としてご登録いたしましたので、ご利用方法をお知らせいたします。",
                within(&provider.name.ja)
            ),
        ),
        Locale::En => (
            "Your environment is ready".to_owned(),
            format!(
                "Thank you for choosing {}. Your environment is ready and you are registered as one of its \
administrators. This is how you begin.",
                line(&provider.name.en)
            ),
        ),
    };
    let mut blocks = vec![say(opening), Block::Facts(facts(person, locale))];
    blocks.push(Block::Heading(pick(locale, "サインインの方法", "How to sign in").to_owned()));
    blocks.extend(sign_in(person.authentication, locale));
    blocks.push(Block::Heading(pick(locale, "はじめに", "First steps").to_owned()));
    blocks.extend(first_steps(person, locale));
    blocks.push(Block::Heading(pick(locale, "知っておいていただきたいこと", "Good to know").to_owned()));
    blocks.extend(good_to_know(person.role, locale).into_iter().map(say));
    if let Some(guide) = provider.guide {
        blocks.push(Block::Facts(vec![fact(pick(locale, "操作手順書", "Manual"), guide)]));
    }
    Words { tone: Tone::Plain, title, blocks }
}

fn facts(person: &Person<'_>, locale: Locale) -> Vec<(String, String)> {
    let role = match person.role {
        Role::PrivilegedAdministrator => pick(locale, "特権管理者", "privileged administrator"),
        Role::Administrator => pick(locale, "管理者", "administrator"),
        Role::User => pick(locale, "利用者", "user"),
        Role::Viewer => pick(locale, "閲覧者", "viewer"),
    };
    vec![
        fact(pick(locale, "お客様環境", "Environment"), person.tenant),
        fact(pick(locale, "ユーザー名", "User name"), person.username),
        fact(pick(locale, "役割", "Role"), role),
        fact(pick(locale, "仮想マシンなど", "VMs and more"), customer_namespace(person.tenant)),
        fact(pick(locale, "記録・レポート", "Records"), derived_namespace(person.tenant)),
    ]
}

fn sign_in(authentication: Option<&Authentication>, locale: Locale) -> Vec<Block> {
    let Some(authentication) = authentication else {
        return vec![say(pick(
            locale,
            "サインインの手順は、当社の担当者から個別にご案内いたします。",
            "Our staff will tell you how to sign in, in a message of its own.",
        ))];
    };
    let mut blocks = match (&authentication.oidc, authentication.mode) {
        (Some(oidc), AuthenticationMode::Oidc) => vec![
            say(pick(
                locale,
                "次の認証サーバーのアカウントで、上記のユーザー名によりサインインしてください。パスワードはこの認証サーバーで設定・変更します。",
                "Sign in by the user name above with your account at the identity provider below. Your password is \
set and changed there.",
            )),
            Block::Facts(vec![fact(pick(locale, "認証サーバー", "Identity provider"), &oidc.issuer)]),
        ],
        _ => vec![say(pick(
            locale,
            "パスワードの設定方法は、別のメールで個別にご案内いたします。このメールにパスワードは記載しておりません。",
            "How to set your password comes in a message of its own. There is no password in this mail.",
        ))],
    };
    if authentication.require_mfa {
        blocks.push(say(pick(
            locale,
            "サインインのたびに、2 つ目の認証要素 (ワンタイムコードなど) が必要です。",
            "Every sign-in needs a second factor, such as a one-time code.",
        )));
    }
    blocks
}

fn first_steps(person: &Person<'_>, locale: Locale) -> Vec<Block> {
    let mut blocks = vec![say(pick(
        locale,
        "サインインしたら、次のコマンドで、お客様環境の状態をご確認ください。",
        "Once you are signed in, this command shows the state of your environment:",
    ))];
    blocks.extend(typed(&["kubectl", "cloudfarm", "show", person.tenant]));
    blocks
}

fn good_to_know(role: Role, locale: Locale) -> Vec<&'static str> {
    let mut told = Vec::new();
    if role == Role::PrivilegedAdministrator {
        told.push(pick(
            locale,
            "特権管理者は、ほかの管理者や利用者の登録・変更・削除を行えます。退職・異動された方の登録は、速やかに削除してください。",
            "As a privileged administrator you register, change and remove other people. Please remove those who \
leave.",
        ));
        told.push(pick(
            locale,
            "当社の担当者がお客様環境にアクセスする前には、特権管理者の方に承認をお願いするメールをお送りします。承認がない限り、規約に定める場合を除き、当社がアクセスすることはありません。",
            "Before our staff enter your environment, a mail asks the privileged administrators for consent. \
Without it nobody enters, except where the terms say so.",
        ));
    }
    told.push(pick(
        locale,
        "メンテナンス、障害、脆弱性、契約量の使用状況などのお知らせは、このメールアドレスにお送りします。",
        "Notices about maintenance, incidents, vulnerabilities and the use of your contract come to this mail address.",
    ));
    told.push(pick(
        locale,
        "当社がメールでパスワードをおたずねすることはありません。",
        "We never ask for a password by mail.",
    ));
    told
}
