//! How old the signatures are that a scanner asks.
//!
//! ClamAV's own databases (`*.cvd`, `*.cld`) say in their first line when they were made. What a provider adds by itself
//! (`*.ndb`, `*.hsb` and the like) says nothing: of a folder with nothing else the newest file's own time counts.

use std::path::{Path, PathBuf};

use k8s_openapi::jiff::Timestamp;

use super::result::Signatures;

/// Bytes of the line that a database begins with.
const HEADER: usize = 512;

/// Endings of files with signatures that somebody wrote.
const OWN: [&str; 8] = ["ndb", "hdb", "hsb", "mdb", "msb", "ldb", "yar", "yara"];

/// Looks at a folder of signatures.
///
/// # Errors
/// It cannot be read, or has no signatures in it.
pub fn signatures(folder: &Path) -> Result<Signatures, String> {
    let shown = folder.display();
    let entries = std::fs::read_dir(folder).map_err(|error| format!("signatures in {shown}: {error}"))?;
    let files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let ending = |path: &Path| path.extension().map(|ending| ending.to_string_lossy().into_owned()).unwrap_or_default();
    let made = files.iter().filter(|path| ["cvd", "cld"].contains(&ending(path).as_str())).map(|path| {
        let bytes = head(path).map_err(|error| format!("{}: {error}", path.display()))?;
        header(&bytes).ok_or_else(|| format!("{} does not begin as a database of ClamAV does", path.display()))
    });
    let made = made.collect::<Result<Vec<Signatures>, String>>()?;
    if let Some(newest) = made.into_iter().max_by_key(|one| one.made_at) {
        return Ok(newest);
    }
    let own = files.iter().filter(|path| OWN.contains(&ending(path).as_str()));
    let times = own.filter_map(|path| Timestamp::try_from(path.metadata().ok()?.modified().ok()?).ok());
    let newest = times.max().ok_or_else(|| format!("{shown} has no signatures in it"))?;
    let made_at = Timestamp::from_second(newest.as_second()).unwrap_or(newest);
    Ok(Signatures { version: "own files".into(), made_at })
}

fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::with_capacity(HEADER);
    std::fs::File::open(path)?.take(HEADER as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// `ClamAV-VDB:<date>:<version>:<signatures>:<level>:<md5>:<signed by>:<builder>:<seconds since 1970>`, then blanks.
fn header(bytes: &[u8]) -> Option<Signatures> {
    let line: String = bytes.iter().take_while(|byte| byte.is_ascii()).map(|byte| char::from(*byte)).collect();
    let fields: Vec<&str> = line.trim_end().split(':').collect();
    let [magic, _, version, _, _, _, _, _, seconds] = fields.as_slice() else { return None };
    let made_at = Timestamp::from_second(seconds.trim().parse().ok()?).ok()?;
    (*magic == "ClamAV-VDB").then(|| Signatures { version: (*version).to_owned(), made_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAILY: &str = "ClamAV-VDB:28 Nov 2026 09-30 -0000:27830:2079361:90:X:X:raynman:1795858200";

    fn padded(line: &str) -> Vec<u8> {
        format!("{line:<512}").into_bytes()
    }

    #[test]
    fn a_database_says_when_it_was_made() {
        let found = header(&padded(DAILY)).unwrap();
        assert_eq!((found.version.as_str(), found.made_at.as_second()), ("27830", 1_795_858_200));
        for odd in ["", "ClamAV-VDB:x", "PK:a:1:2:3:4:5:6:7", "ClamAV-VDB:d:1:2:3:4:5:6:soon"] {
            assert_eq!(header(&padded(odd)), None, "{odd}");
        }
    }

    #[test]
    fn the_newest_database_counts_and_a_broken_one_is_no_age() {
        let folder = std::env::temp_dir().join(format!("cloudfarm-signatures-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert!(signatures(&folder).unwrap_err().contains("no signatures"));
        std::fs::write(folder.join("own.ndb"), "x").unwrap();
        assert_eq!(signatures(&folder).unwrap().version, "own files");
        std::fs::write(folder.join("main.cvd"), padded(&DAILY.replace("27830", "62").replace("1795", "1631"))).unwrap();
        std::fs::write(folder.join("daily.cld"), padded(DAILY)).unwrap();
        assert_eq!(signatures(&folder).unwrap().version, "27830");
        std::fs::write(folder.join("broken.cvd"), "x").unwrap();
        assert!(signatures(&folder).unwrap_err().contains("broken.cvd"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
