//! One scan of one image, by `clamscan`.
//!
//! What clamscan does not look at it calls clean unless it is told otherwise: files beyond its limits, and any file of 2 GiB
//! and more whatever the limits say. So limits are raised, going beyond one is a finding, and big files are handed over
//! piece by piece, with an overlap longer than a signature. Clean is said only when clamscan has read every piece and
//! found nothing.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256, Sha512};

use super::identity::{Content, Digest};
use super::result::Finding;
use crate::evidence::hex;

/// Bytes of a piece. Half of the size from which clamscan reads nothing.
const PIECE: u64 = 1 << 30;

/// Bytes that two pieces share, so that nothing hides on the border.
const OVERLAP: u64 = 1 << 20;

/// Files that are handed over at once.
const AT_ONCE: usize = 256;

/// Files of one image at most; one more, and it was not looked at whole.
const FILES: usize = 200_000;

/// Bytes that are copied at a time.
const BUFFER: usize = 1 << 16;

/// What the scanner calls what it did not look at.
const LIMITS: &str = "Heuristics.Limits.Exceeded";

/// A scanner, and where it keeps pieces.
#[derive(Clone, Debug)]
pub struct Scanner {
    /// `clamscan`, or where it is.
    pub program: PathBuf,
    /// Folder with signatures.
    pub signatures: PathBuf,
    /// Folder for pieces and for what archives unpack to.
    pub scratch: PathBuf,
    /// Bytes of a piece; [`Scanner::new`] takes the usual.
    pub piece: u64,
}

impl Scanner {
    #[must_use]
    pub fn new(program: PathBuf, signatures: PathBuf, scratch: PathBuf) -> Self {
        Self { program, signatures, scratch, piece: PIECE }
    }

    /// What it calls itself, such as `ClamAV 1.4.6`.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn version(&self) -> Result<String, String> {
        let said = Command::new(&self.program).arg("--version").output();
        let said = said.map_err(|error| format!("{}: {error}", self.program.display()))?;
        let text = String::from_utf8_lossy(&said.stdout);
        let name = text.lines().next().unwrap_or_default().split('/').next().unwrap_or_default().trim();
        if name.is_empty() {
            Err(format!("{} --version says nothing", self.program.display()))
        } else {
            Ok(name.to_owned())
        }
    }

    /// Looks at a file, a device, or every file below a folder. What goes wrong is a finding, too: not looked at.
    #[must_use]
    pub fn scan(&self, path: &Path) -> Finding {
        match self.look(path) {
            Ok(None) => Finding::Clean,
            Ok(Some(finding)) => finding,
            Err(why) => Finding::Failed(why),
        }
    }

    fn look(&self, path: &Path) -> Result<Option<Finding>, String> {
        let files = files(path)?;
        // clamscan passes a device by, however small it is.
        let device = !path.is_dir() && !path.is_file();
        if files.is_empty() || device && files.iter().any(|(_, size)| *size == 0) {
            return Err(format!("{} has nothing in it", path.display()));
        }
        let (whole, big): (Vec<_>, Vec<_>) = files.into_iter().partition(|(_, size)| !device && *size <= self.piece);
        let whole: Vec<PathBuf> = whole.into_iter().map(|(path, _)| path).collect();
        let mut worst = None;
        for some in whole.chunks(AT_ONCE) {
            worst = self.run(some)?.or(worst);
            if matches!(worst, Some(Finding::Infected(_))) {
                return Ok(worst);
            }
        }
        for (path, size) in big {
            worst = self.pieces(&path, size)?.or(worst);
            if matches!(worst, Some(Finding::Infected(_))) {
                return Ok(worst);
            }
        }
        Ok(worst)
    }

    fn pieces(&self, path: &Path, size: u64) -> Result<Option<Finding>, String> {
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        let piece = self.scratch.join(format!("piece-{}", std::process::id()));
        let mut source = File::open(path).map_err(told)?;
        let mut worst = None;
        let mut from = 0;
        loop {
            source.seek(SeekFrom::Start(from)).map_err(told)?;
            let length = self.piece.min(size - from);
            copy(&mut source, &piece, length).map_err(told)?;
            let found = self.run(std::slice::from_ref(&piece));
            std::fs::remove_file(&piece).map_err(told)?;
            worst = found?.or(worst);
            if matches!(worst, Some(Finding::Infected(_))) || from + length >= size {
                return Ok(worst);
            }
            from += length - OVERLAP.min(self.piece / 2);
        }
    }

    /// `None` is clean.
    fn run(&self, files: &[PathBuf]) -> Result<Option<Finding>, String> {
        let (signatures, scratch) = (self.signatures.display(), self.scratch.display());
        let mut command = Command::new(&self.program);
        command
            .args(["--no-summary", "--infected", "--stdout", "--follow-file-symlinks=0"])
            .args(["--max-filesize=4000M", "--max-scansize=4000M", "--max-scantime=0", "--alert-exceeds-max=yes"])
            .arg(format!("--database={signatures}"))
            .arg(format!("--tempdir={scratch}"))
            .arg("--")
            .args(files)
            .stdin(Stdio::null());
        let said = command.output().map_err(|error| format!("{}: {error}", self.program.display()))?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        judged(said.status.code(), &text, &String::from_utf8_lossy(&said.stderr))
    }
}

/// What an exit code and the lines before it come to. 0: nothing found; 1: found; all else: not looked at.
fn judged(code: Option<i32>, out: &str, errors: &str) -> Result<Option<Finding>, String> {
    let names: Vec<&str> = out
        .lines()
        .filter_map(|line| line.trim_end().strip_suffix(" FOUND")?.rsplit_once(": "))
        .map(|(_, name)| name)
        .collect();
    if let Some(name) = names.iter().find(|name| !name.starts_with(LIMITS)) {
        return Ok(Some(Finding::Infected((*name).to_owned())));
    }
    match (code, names.first()) {
        (Some(0), None) => Ok(None),
        (Some(0 | 1), Some(limit)) => {
            Ok(Some(Finding::Failed(format!("a part of it is beyond the scanner's limits ({limit})"))))
        }
        (code, _) => {
            let code = code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
            let said = errors.lines().chain(out.lines()).find(|line| !line.trim().is_empty()).unwrap_or_default();
            Err(format!("the scanner ended with {code}: {said}"))
        }
    }
}

/// Regular files below a folder, each with its size; a file or device alone is itself. Links lead nowhere.
fn files(path: &Path) -> Result<Vec<(PathBuf, u64)>, String> {
    let told = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let kind = std::fs::symlink_metadata(path).map_err(|error| told(path, error))?.file_type();
    if kind.is_symlink() {
        return Err(format!("{} is a link, which may lead out of the image", path.display()));
    }
    if !kind.is_dir() {
        let mut file = File::open(path).map_err(|error| told(path, error))?;
        // A device's size is not in its metadata.
        let size = file.seek(SeekFrom::End(0)).map_err(|error| told(path, error))?;
        return Ok(vec![(path.to_owned(), size)]);
    }
    let (mut found, mut folders) = (Vec::new(), vec![path.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| told(&folder, error))? {
            let entry = entry.map_err(|error| told(&folder, error))?;
            let path = entry.path();
            let data = entry.metadata().map_err(|error| told(&path, error))?;
            if data.is_dir() {
                folders.push(path);
            } else if data.is_file() {
                found.push((path, data.len()));
            }
            if found.len() > FILES {
                return Err(format!("it has more than {FILES} files"));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Exactly so many bytes, into a file of its own.
fn copy(source: &mut File, piece: &Path, length: u64) -> std::io::Result<()> {
    let mut target = File::create(piece)?;
    let copied = std::io::copy(&mut source.take(length), &mut target)?;
    target.flush()?;
    if copied == length { Ok(()) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

/// What to look at, once that is known to be what the digest says. Where links lead is what has to have a checksum; that a
/// folder or a device has what a registry or a claim holds is the word of whoever mounts it.
///
/// # Errors
/// It is something else, or cannot be read.
pub fn proven(path: PathBuf, digest: &Digest) -> Result<PathBuf, String> {
    if digest.content() != Content::File {
        return Ok(path);
    }
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = path.canonicalize().map_err(told)?;
    if !file.is_file() {
        return Err(format!("{} is no file, and {digest} is the checksum of one", path.display()));
    }
    if is(&file, digest).map_err(told)? { Ok(file) } else { Err(format!("{} is not {digest}", path.display())) }
}

/// Has this file the checksum?
fn is(path: &Path, digest: &Digest) -> std::io::Result<bool> {
    let text = digest.to_string();
    let (algorithm, wanted) = text.split_once(':').unwrap_or_default();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; BUFFER];
    let (mut short, mut long) = (Sha256::new(), Sha512::new());
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        if algorithm == "sha256" { short.update(&buffer[..count]) } else { long.update(&buffer[..count]) }
    }
    let found = if algorithm == "sha256" { hex::encode(&short.finalize()) } else { hex::encode(&long.finalize()) };
    Ok(found == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_is_an_exit_code_of_zero_without_a_word_and_nothing_else() {
        assert_eq!(judged(Some(0), "", ""), Ok(None));
        let infected = Ok(Some(Finding::Infected("Eicar.UNOFFICIAL".into())));
        assert_eq!(judged(Some(1), "/image/disk.img: Eicar.UNOFFICIAL FOUND\n", ""), infected);
        // A file may be called as it likes.
        assert_eq!(judged(Some(1), "/image/a: OK FOUND: Eicar.UNOFFICIAL FOUND\n", ""), infected);
        let both = "/a: Heuristics.Limits.Exceeded.MaxFileSize FOUND\n/b: Eicar.UNOFFICIAL FOUND\n";
        assert_eq!(judged(Some(1), both, ""), infected);
        for (code, out) in
            [(1, "/a: Heuristics.Limits.Exceeded.MaxFileSize FOUND\n"), (0, "/a: Heuristics.Limits.Exceeded FOUND")]
        {
            assert!(matches!(judged(Some(code), out, ""), Ok(Some(Finding::Failed(_)))), "{out}");
        }
        for code in [Some(1), Some(2), Some(40), None] {
            let said = judged(code, "", "LibClamAV Error: no database\n").unwrap_err();
            assert!(said.contains("no database"), "{said}");
        }
    }

    #[test]
    fn links_are_not_followed_and_a_folder_without_files_is_not_clean() {
        let folder = std::env::temp_dir().join(format!("cloudfarm-scan-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("disk")).unwrap();
        std::os::unix::fs::symlink("/etc", folder.join("disk/etc")).unwrap();
        let scanner = Scanner::new("clamscan-that-is-nowhere".into(), folder.clone(), folder.clone());
        assert!(matches!(scanner.scan(&folder), Finding::Failed(why) if why.contains("nothing in it")));
        std::fs::write(folder.join("disk/a.img"), "hello").unwrap();
        assert_eq!(files(&folder).unwrap(), [(folder.join("disk/a.img"), 5)]);
        assert!(matches!(scanner.scan(&folder), Finding::Failed(why) if why.contains("nowhere")));
        let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        std::os::unix::fs::symlink(folder.join("disk/a.img"), folder.join("latest.img")).unwrap();
        let proven = |path: &str, digest: String| proven(folder.join(path), &digest.parse().unwrap());
        let real = folder.canonicalize().unwrap().join("disk/a.img");
        assert_eq!(proven("disk/a.img", format!("sha256:{hello}")), Ok(real.clone()));
        assert_eq!(proven("latest.img", format!("sha256:{hello}")), Ok(real), "clamscan passes links by");
        for (path, digest) in [
            ("disk/a.img", format!("sha256:{}", "0".repeat(64))),
            ("disk/a.img", format!("sha512:{}", "0".repeat(128))),
            ("latest.img", format!("sha256:{}", "0".repeat(64))),
            // Nobody knows what these are.
            ("disk", format!("sha256:{hello}")),
            ("/dev/null", format!("sha256:{hello}")),
        ] {
            let said = proven(path, digest.clone()).unwrap_err();
            assert!(said.contains(&digest), "{path}: {said}");
        }
        // Of what is mounted here a link is nothing that was read.
        let registry = format!("image:sha256:{hello}");
        assert_eq!(proven("disk", registry.clone()), Ok(folder.join("disk")));
        let link = proven("latest.img", registry).unwrap();
        assert!(matches!(scanner.scan(&link), Finding::Failed(why) if why.contains("is a link")));
        assert!(matches!(scanner.scan(Path::new("/dev/null")), Finding::Failed(why) if why.contains("nothing in it")));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
