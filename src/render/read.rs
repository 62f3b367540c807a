//! Reading manifests: files, folders, standard input; several documents a file.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// One document of a file.
#[derive(Debug)]
pub struct Document {
    pub file: String,
    pub value: Value,
}

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    pub file: String,
    /// `Tenant acme`, if the document says what it is.
    pub object: String,
    /// `spec.contract.endDate`, or nothing when it is about the whole.
    pub field: String,
    pub message: String,
}

/// All that is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.file, &self.object, &self.field, &self.message];
        let told: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
        f.write_str(&told.join(": "))
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.object())
    }
}

impl Document {
    /// `kind`, or nothing.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.value["kind"].as_str().unwrap_or_default()
    }

    /// Kind and name.
    #[must_use]
    pub fn object(&self) -> String {
        format!("{} {}", self.kind(), self.value["metadata"]["name"].as_str().unwrap_or_default()).trim().to_owned()
    }

    /// A mistake in this document.
    #[must_use]
    pub fn mistake(&self, field: impl Into<String>, message: impl Into<String>) -> Mistake {
        Mistake { file: self.file.clone(), object: self.object(), field: field.into(), message: message.into() }
    }
}

/// Every document of these files; a folder stands for the `.yaml`, `.yml` and `.json` files in it, `-` for standard
/// input.
///
/// # Errors
/// A file cannot be read or is not YAML.
pub fn read(files: &[PathBuf]) -> Result<Vec<Document>, Mistakes> {
    let mut documents = Vec::new();
    let mut mistakes = Vec::new();
    for file in files.iter().flat_map(|file| expanded(file)) {
        match text(&file).and_then(|text| parsed(&text)) {
            Ok(values) => {
                let name = file.display().to_string();
                let values = values.into_iter().filter(|value| !value.is_null());
                documents.extend(values.map(|value| Document { file: name.clone(), value }));
            }
            Err(message) => mistakes.push(Mistake {
                file: file.display().to_string(),
                object: String::new(),
                field: String::new(),
                message,
            }),
        }
    }
    if mistakes.is_empty() { Ok(documents) } else { Err(Mistakes(mistakes)) }
}

fn expanded(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else { return vec![path.to_owned()] };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|file| {
            file.extension().is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known))
        })
        .collect();
    files.sort();
    files
}

fn text(file: &Path) -> Result<String, String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| error.to_string())?;
        return Ok(text);
    }
    std::fs::read_to_string(file).map_err(|error| error.to_string())
}

fn parsed(text: &str) -> Result<Vec<Value>, String> {
    serde_saphyr::from_multiple::<Value>(text).map_err(|error| error.to_string())
}
