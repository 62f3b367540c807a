//! What a letter says, before it is set as text or as HTML.

use super::clean::{cut, line};
use super::{Locale, Provider, pick};

/// Longest subject, in characters.
const SUBJECT: usize = 200;
/// Longest name of the provider in a subject.
const NAME: usize = 40;
/// Longest word of a command: longer names there are none.
const MOST: usize = 63;

/// One piece of a letter.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Lines of one paragraph.
    Paragraph(Vec<String>),
    Heading(String),
    /// Names and values.
    Facts(Vec<(String, String)>),
    /// What the reader may type, word by word.
    Command(Vec<String>),
}

/// How the letter looks at first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Attention,
    Urgent,
}

/// What one occasion says.
pub struct Words {
    pub tone: Tone,
    pub title: String,
    pub blocks: Vec<Block>,
}

/// A whole letter.
pub struct Sheet {
    pub locale: Locale,
    pub tone: Tone,
    pub title: String,
    pub greeting: String,
    pub blocks: Vec<Block>,
    pub farewell: &'static str,
    pub provider: String,
    /// Names and values at the foot; addresses of the provider's, as its config writes them.
    pub foot: Vec<(String, String)>,
    pub small: String,
}

/// A paragraph of one line.
pub fn say(text: impl Into<String>) -> Block {
    Block::Paragraph(vec![text.into()])
}

/// One row of [`Block::Facts`].
pub fn fact(name: &str, value: impl AsRef<str>) -> (String, String) {
    (name.to_owned(), line(value.as_ref()))
}

/// What the reader may type, if no shell could read it otherwise than it looks.
pub fn typed(words: &[&str]) -> Option<Block> {
    let plain = |word: &&str| {
        let letters = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte));
        letters && (1..=MOST).contains(&word.len())
    };
    words.iter().all(plain).then(|| Block::Command(words.iter().map(|&word| word.to_owned()).collect()))
}

/// A name in a Japanese sentence: letters of the Latin script stand apart from those around them.
pub fn within(name: &str) -> String {
    let name = line(name);
    let apart = |letter: Option<char>| if letter.is_some_and(|letter| letter.is_ascii()) { " " } else { "" };
    format!("{}{name}{}", apart(name.chars().next()), apart(name.chars().next_back()))
}

/// With greeting and foot.
pub fn addressed(words: Words, tenant: &str, provider: &Provider<'_>, locale: Locale) -> Sheet {
    let name = line(pick(locale, &provider.name.ja, &provider.name.en));
    let tenant = line(tenant);
    let foot = [
        (pick(locale, "お問い合わせ", "Questions"), provider.contact),
        (pick(locale, "サービス状況", "Service status"), provider.status_page),
    ];
    Sheet {
        locale,
        tone: words.tone,
        title: words.title,
        greeting: pick(
            locale,
            format!("お客様環境「{tenant}」 管理者の皆様"),
            format!("To the administrators of {tenant}"),
        ),
        blocks: words.blocks,
        farewell: pick(locale, "何卒よろしくお願い申し上げます。", "Kind regards"),
        small: pick(
            locale,
            format!("このメールは、{}がお客様環境の管理者としてご登録の方へ自動でお送りしています。", within(&name)),
            format!("{name} sends this mail by itself to everybody who is registered as an administrator."),
        ),
        provider: name,
        foot: foot.into_iter().filter_map(|(name, value)| Some(fact(name, value?))).collect(),
    }
}

impl Sheet {
    /// `[Provider] title`, at most 200 characters.
    pub fn subject(&self) -> String {
        cut(&format!("[{}] {}", cut(&self.provider, NAME), self.title), SUBJECT)
    }
}
