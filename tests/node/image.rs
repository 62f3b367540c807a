//! The image: what it is made of, and that it is always the same.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::figures::{mebibytes, tell};

/// What the image is called in these tests; no registry is asked for it.
pub const REPOSITORY: &str = "registry.invalid/cloudfarm";

/// The image of this program, made as `make image` makes it, but compiled for debugging: an optimised build takes
/// minutes that every test run would pay. For figures that mean something: CLOUDFARM_IMAGE_PROFILE=release.
pub struct Image {
    pub archive: PathBuf,
    /// `sha256:…`, as a registry would know it.
    pub digest: String,
    /// With its tag.
    pub name: String,
}

impl Image {
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Image> = OnceLock::new();
        SHARED.get_or_init(|| {
            let image = Self::build("target/image-test");
            let size = std::fs::metadata(&image.archive).expect("the archive").len();
            tell(&format!("image, compressed ({} build)", profile()), &mebibytes(size / 1024));
            image
        })
    }

    fn build(folder: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let name = format!("{REPOSITORY}:{}", env!("CARGO_PKG_VERSION"));
        let mut script = Command::new(root.join("tests/image/build.sh"));
        let output = script.args([&profile(), folder]).env("NAME", &name).output().expect("the script starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let folder = root.join(folder);
        let digest = std::fs::read_to_string(folder.join("digest")).expect("a digest").trim().to_owned();
        Self { archive: folder.join("cloudfarm.tar"), digest, name }
    }
}

/// Cargo's profile that the image is built with.
pub fn profile() -> String {
    std::env::var("CLOUDFARM_IMAGE_PROFILE").unwrap_or_else(|_| "dev".into())
}

/// What a command prints.
fn said(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output().expect("it starts");
    assert!(output.status.success(), "{command} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_image_holds_one_static_program_and_the_same_files_give_the_same_image() {
    let first = Image::shared();
    let archive = first.archive.to_str().expect("UTF-8");
    let files = said("tar", &["--list", "--file", archive]);
    assert_eq!(files.lines().filter(|line| line.starts_with("blobs/sha256/") && !line.ends_with('/')).count(), 3);

    let manifest: serde_json::Value = serde_json::from_str(&said(
        "tar",
        &["-xOf", archive, &format!("blobs/sha256/{}", first.digest.trim_start_matches("sha256:"))],
    ))
    .expect("the manifest has this digest");
    let blob = |descriptor: &serde_json::Value| {
        let digest = descriptor["digest"].as_str().expect("a digest").trim_start_matches("sha256:").to_owned();
        format!("blobs/sha256/{digest}")
    };
    let config: serde_json::Value =
        serde_json::from_str(&said("tar", &["-xOf", archive, &blob(&manifest["config"])])).expect("JSON");
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/cloudfarm"]));
    let list = format!("tar -xOf {archive} {} | tar -tz", blob(&manifest["layers"][0]));
    assert_eq!(said("bash", &["-c", &list]), "cloudfarm\netc/\netc/passwd\n");

    let again = Image::build("target/image-again");
    let bytes = |image: &Image| std::fs::read(&image.archive).expect("the archive");
    assert!(first.digest == again.digest && bytes(first) == bytes(&again), "{} and {}", first.digest, again.digest);
}
