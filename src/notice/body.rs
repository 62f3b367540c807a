//! The text of a notice: in its spec, or in a ConfigMap of the operator's namespace.

use kube::ResourceExt;

use crate::api::notice::{Notice, Text};
use crate::cluster::write::WriteError;
use crate::install::NAMESPACE;
use crate::operator::context::Context;

/// The most of either language.
const LONGEST: usize = 100_000;

/// Why there is no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoText {
    /// With what would help.
    Missing(String),
    /// The API server did not tell.
    Unknown(String),
}

/// The text. A ConfigMap is read once for each generation of the notice: whoever changes it edits the notice, too.
pub async fn body(context: &Context, notice: &Notice) -> Result<Text, NoText> {
    if let Some(body) = &notice.spec.body {
        return Ok(body.clone());
    }
    let (uid, generation) = (notice.uid().unwrap_or_default(), notice.metadata.generation.unwrap_or_default());
    if let Some(text) = context.notices.text(&uid, generation) {
        return Ok(text);
    }
    let name = notice.spec.body_ref.as_ref().map(|body| body.name.as_str()).unwrap_or_default();
    let mut found = match context.cluster.writer.texts(NAMESPACE, name).await {
        Ok(found) => found,
        Err(WriteError::NotFound(_)) => {
            return Err(NoText::Missing(format!("ConfigMap {NAMESPACE}/{name} of spec.bodyRef does not exist")));
        }
        Err(error) => return Err(NoText::Unknown(error.to_string())),
    };
    let mut take = |key: &str| {
        let text = found.remove(key).filter(|text| !text.trim().is_empty() && text.len() <= LONGEST);
        text.ok_or_else(|| {
            NoText::Missing(format!(
                "ConfigMap {NAMESPACE}/{name} of spec.bodyRef needs the key {key} with a text of at most {LONGEST} bytes"
            ))
        })
    };
    let text = Text { ja: take("ja")?, en: take("en")? };
    context.notices.read(&uid, generation, text.clone());
    Ok(text)
}
