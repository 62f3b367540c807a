//! Follows a log file over its rotations, from the oldest file that is there.
//!
//! kube-apiserver renames `audit.log` to `audit-<time>.log` and begins another one; others copy it away and cut it to
//! nothing. A file is known by device, inode and its first bytes, so that none is read twice in one life of the process.
//! Compressed ones are not read. Never more than one line is in memory, and of a line never more than [`LONGEST_LINE`].

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::event::{Line, Sighting, line};

/// A longer line is malformed. An event of level Metadata has a few kilobytes.
pub const LONGEST_LINE: u64 = 1 << 20;

/// Most that one look reads before it tells what it found.
const AT_ONCE: u64 = 64 << 20;

/// The id is among these bytes of an event, so that no two logs begin alike.
const HEAD: usize = 160;

/// What one look found.
#[derive(Debug, Default)]
pub struct Found {
    pub sightings: Vec<Sighting>,
    pub lines: u64,
    pub malformed: u64,
    /// There is more to read at once.
    pub more: bool,
}

/// How far one file is read.
#[derive(Debug, Default)]
struct Place {
    offset: u64,
    head: Vec<u8>,
}

/// A log that is followed.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    places: BTreeMap<(u64, u64), Place>,
}

impl Log {
    /// The log that is written to this file.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, places: BTreeMap::new() }
    }

    /// Reads on, up to so many sightings.
    ///
    /// # Errors
    /// The file is not there or cannot be read; what was read before is not lost.
    pub fn read(&mut self, most: usize) -> io::Result<Found> {
        let mut found = Found::default();
        let mut there = Vec::new();
        let mut budget = AT_ONCE;
        for path in self.files()? {
            let mut file = match File::open(&path) {
                Ok(file) => file,
                // It was rotated away between two looks at the folder, and is read under its other name.
                Err(error) if error.kind() == io::ErrorKind::NotFound && path != self.path => continue,
                Err(error) => return Err(error),
            };
            let metadata = file.metadata()?;
            let identity = (metadata.dev(), metadata.ino());
            if there.contains(&identity) {
                continue;
            }
            there.push(identity);
            let place = self.places.entry(identity).or_default();
            if metadata.len() < place.offset || !begins_with(&mut file, &place.head)? {
                *place = Place::default();
            }
            if metadata.len() > place.offset && budget > 0 && found.sightings.len() < most {
                let before = place.offset;
                read_on(file, place, most, budget, &mut found)?;
                budget = budget.saturating_sub(place.offset - before);
            }
            found.more |= budget == 0 || found.sightings.len() >= most;
        }
        self.places.retain(|identity, _| there.contains(identity));
        Ok(found)
    }

    /// The rotated ones by their times, then the one that is written.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let text = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let (stem, ending) = (text(self.path.file_stem()) + "-", text(self.path.extension()));
        let mut rotated: Vec<PathBuf> = std::fs::read_dir(folder)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| {
                let time = text(path.file_stem());
                let time =
                    time.strip_prefix(&stem).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
                time && text(path.extension()) == ending
            })
            .collect();
        rotated.sort();
        rotated.push(self.path.clone());
        Ok(rotated)
    }
}

fn begins_with(file: &mut File, head: &[u8]) -> io::Result<bool> {
    let mut first = Vec::with_capacity(HEAD);
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(HEAD as u64).read_to_end(&mut first)?;
    Ok(first.starts_with(head))
}

/// Line after line. A last one without its end is half written, and read again when it is whole.
fn read_on(mut file: File, place: &mut Place, most: usize, budget: u64, found: &mut Found) -> io::Result<()> {
    if place.offset == 0 {
        place.head.clear();
        file.seek(SeekFrom::Start(0))?;
        file.by_ref().take(HEAD as u64).read_to_end(&mut place.head)?;
    }
    file.seek(SeekFrom::Start(place.offset))?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (begin, mut text) = (place.offset, Vec::new());
    while found.sightings.len() < most && place.offset - begin < budget {
        text.clear();
        let mut length = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut text)? as u64;
        let too_long = length == LONGEST_LINE && !text.ends_with(b"\n");
        if too_long {
            match rest_of_line(&mut reader)? {
                Some(rest) => length += rest,
                None => return Ok(()),
            }
        } else if !text.ends_with(b"\n") {
            return Ok(());
        }
        place.offset += length;
        found.lines += 1;
        match if too_long { Line::Malformed } else { line(&text) } {
            Line::Ours(sighting) => found.sightings.push(*sighting),
            Line::Others => {}
            Line::Malformed => found.malformed += 1,
        }
    }
    Ok(())
}

/// How long it is, if it has an end.
fn rest_of_line(reader: &mut BufReader<File>) -> io::Result<Option<u64>> {
    let mut length = 0;
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            return Ok(None);
        }
        let (taken, ended) =
            piece.iter().position(|byte| *byte == b'\n').map_or((piece.len(), false), |at| (at + 1, true));
        reader.consume(taken);
        length += taken as u64;
        if ended {
            return Ok(Some(length));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("cloudfarm-tail-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn file(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        fn append(&self, name: &str, text: &[u8]) {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(self.file(name));
            file.unwrap().write_all(text).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    fn event(id: &str) -> Vec<u8> {
        format!(
            r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"{id}","stage":"ResponseComplete","verb":"get","user":{{"username":"suzuki"}},"objectRef":{{"resource":"virtualmachineinstances","namespace":"cf-acme","name":"plum","apiGroup":"subresources.kubevirt.io","subresource":"vnc"}},"responseStatus":{{"code":101}},"requestReceivedTimestamp":"2026-11-30T01:00:00.1Z","stageTimestamp":"2026-11-30T01:00:00.2Z"}}"#
        )
        .into_bytes()
    }

    fn told(event: &[u8]) -> Vec<u8> {
        [event, b"\n"].concat()
    }

    fn ids(found: &Found) -> Vec<&str> {
        found.sightings.iter().map(|sighting| sighting.key.audit_id.as_str()).collect()
    }

    #[test]
    fn a_log_is_read_once_over_rotation_and_from_its_oldest_file_after_a_restart() {
        let folder = Folder::new("rotation");
        folder.append("audit.log", &told(&event("a")));
        let mut log = Log::new(folder.file("audit.log"));
        assert_eq!(ids(&log.read(9).unwrap()), ["a"]);
        folder.append("audit.log", &told(&event("b")));
        std::fs::rename(folder.file("audit.log"), folder.file("audit-2026-11-30T01-00-00.000.log")).unwrap();
        folder.append("audit.log", &told(&event("c")));
        assert_eq!(ids(&log.read(9).unwrap()), ["b", "c"]);
        assert_eq!(ids(&log.read(9).unwrap()), [""; 0]);
        folder.append("audit-notes.log", b"of somebody else\n");
        assert_eq!(ids(&Log::new(folder.file("audit.log")).read(9).unwrap()), ["a", "b", "c"]);
    }

    #[test]
    fn a_log_that_is_cut_is_read_from_its_begin_also_when_it_has_grown_as_long_meanwhile() {
        let folder = Folder::new("cut");
        folder.append("audit.log", &told(&event("a")));
        let mut log = Log::new(folder.file("audit.log"));
        assert_eq!(ids(&log.read(9).unwrap()), ["a"]);
        let again = [told(&event("b")), told(&event("c"))].concat();
        std::fs::write(folder.file("audit.log"), again).unwrap();
        assert_eq!(ids(&log.read(9).unwrap()), ["b", "c"]);
        std::fs::write(folder.file("audit.log"), b"").unwrap();
        assert_eq!(ids(&log.read(9).unwrap()), [""; 0]);
        folder.append("audit.log", &told(&event("d")));
        assert_eq!(ids(&log.read(9).unwrap()), ["d"]);
    }

    #[test]
    fn a_half_written_line_waits_and_broken_and_endless_ones_are_counted() {
        let folder = Folder::new("hostile");
        let whole = event("a");
        folder.append("audit.log", &whole[..99]);
        let mut log = Log::new(folder.file("audit.log"));
        let found = log.read(9).unwrap();
        assert_eq!((found.lines, found.malformed), (0, 0));
        folder.append("audit.log", &told(&whole[99..]));
        folder.append("audit.log", b"\0\xff broken\n{\"subresources.kubevirt.io\n");
        let endless = usize::try_from(LONGEST_LINE).unwrap() + 7;
        folder.append("audit.log", &vec![b'{'; endless]);
        let found = log.read(9).unwrap();
        assert_eq!((ids(&found), found.lines, found.malformed), (vec!["a"], 3, 2));
        folder.append("audit.log", &told(b"}"));
        folder.append("audit.log", &told(&event("b")));
        let found = log.read(9).unwrap();
        assert_eq!((ids(&found), found.lines, found.malformed), (vec!["b"], 2, 1));
    }

    #[test]
    fn it_stops_where_there_is_no_more_room_and_goes_on_there() {
        let folder = Folder::new("room");
        for id in ["a", "b", "c"] {
            folder.append("audit.log", &told(&event(id)));
        }
        let mut log = Log::new(folder.file("audit.log"));
        let found = log.read(2).unwrap();
        assert!(found.more && ids(&found) == ["a", "b"]);
        assert_eq!(ids(&log.read(2).unwrap()), ["c"]);
        assert!(Log::new(folder.file("none.log")).read(9).is_err());
    }
}
