//! A pipeline's folder, and the function's code, as one file whose bytes depend on the content alone.
//!
//! In come paths, executable bits and bytes; out comes a `tar.gz` or `zip` with its SHA-256. It refuses to know times,
//! owners and the order in which a file system lists: the same content has the same name in the bucket, on every machine.

use std::io::{Cursor, Read, Write};

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use super::digest::sha256;

/// One file to pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry<'a> {
    /// Relative to the folder, `/` as separator, without `.` and `..`.
    pub path: &'a str,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Its content.
    pub bytes: &'a [u8],
}

/// Packed files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// The `tar.gz` or `zip`.
    pub bytes: Vec<u8>,
    /// SHA-256 of these bytes, in hexadecimal.
    pub sha256: String,
}

/// Packs files, in the order of their paths.
pub fn pack<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> Archive {
    let mut entries: Vec<Entry<'_>> = entries.into_iter().collect();
    entries.sort_unstable();
    // No name and no time in the header, which is what makes two packings differ otherwise.
    let compressor = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    let mut tar = tar::Builder::new(compressor);
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(entry.bytes.len() as u64);
        header.set_mode(if entry.executable { 0o755 } else { 0o644 });
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        // Long paths become a GNU long-name entry; memory does not fail.
        tar.append_data(&mut header, entry.path, entry.bytes)
            .expect("paths are relative, without `..`, and memory does not fail");
    }
    let mut compressor = tar.into_inner().expect("memory does not fail");
    compressor.flush().expect("memory does not fail");
    let bytes = compressor.finish().expect("memory does not fail");
    Archive::of(bytes)
}

/// The content of a file at the top of a `tar.gz`, or in the one folder that all of it lies in.
///
/// # Errors
/// What is no such archive, does not hold the file, or holds one that is too large, in words.
pub fn file(bytes: &[u8], name: &str, limit: u64) -> Result<Vec<u8>, String> {
    /// However large an archive claims to be inside, no more of it is looked at.
    const UNPACKED: u64 = 64 * 1024 * 1024;
    let mut tar = tar::Archive::new(GzDecoder::new(bytes).take(UNPACKED));
    let no_archive = |error: std::io::Error| format!("it is not a `tar.gz`: {error}");
    for entry in tar.entries().map_err(no_archive)? {
        let entry = entry.map_err(no_archive)?;
        let path = entry.path().map_err(no_archive)?.into_owned();
        let mut parts = path.components().filter(|part| !matches!(part, std::path::Component::CurDir)).rev();
        let found = parts.next().is_some_and(|last| last.as_os_str() == name) && parts.count() < 2;
        if !found || !entry.header().entry_type().is_file() {
            continue;
        }
        if entry.size() > limit {
            return Err(format!("its `{name}` has {} bytes, at most {limit} are possible", entry.size()));
        }
        let mut content = Vec::new();
        entry.take(limit).read_to_end(&mut content).map_err(no_archive)?;
        return Ok(content);
    }
    Err(format!("there is no `{name}` in it"))
}

/// The code of a Lambda function on a `provided` runtime: one executable file, `bootstrap`. Lambda takes no binary that
/// comes near a zip's 4 GiB, so callers refuse a larger one before they pack it.
pub fn function(binary: &[u8]) -> Archive {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755)
        .system(System::Unix);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", options).expect("the name is valid and memory does not fail");
    zip.write_all(binary).expect("a binary is smaller than 4 GiB and memory does not fail");
    let bytes = zip.finish().expect("memory does not fail").into_inner();
    Archive::of(bytes)
}

impl Archive {
    fn of(bytes: Vec<u8>) -> Self {
        Self { sha256: sha256(&bytes), bytes }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::{Entry, file, function, pack};

    const A: Entry<'_> = Entry { path: "src/a.py", executable: false, bytes: b"print(1)\n" };
    const B: Entry<'_> = Entry { path: "src/b.sh", executable: true, bytes: b"echo 1\n" };

    #[test]
    fn the_order_of_listing_does_not_matter() {
        assert_eq!(pack([A, B]), pack([B, A]));
    }

    #[test]
    fn content_and_the_executable_bit_do() {
        let plain = pack([A, B]);
        assert_ne!(plain.sha256, pack([A, Entry { executable: false, ..B }]).sha256);
        assert_ne!(plain.sha256, pack([Entry { bytes: b"print(2)\n", ..A }, B]).sha256);
    }

    #[test]
    fn tar_reads_it_back() {
        let packed = pack([A, B]);
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(packed.bytes.as_slice()));
        let found: Vec<(String, u32, u64)> = tar
            .entries()
            .expect("a tar")
            .map(|entry| entry.expect("an entry"))
            .map(|entry| {
                let header = entry.header();
                let path = entry.path().expect("a path").display().to_string();
                (path, header.mode().expect("a mode"), header.mtime().expect("a time"))
            })
            .collect();
        assert_eq!(found, [("src/a.py".to_owned(), 0o644, 0), ("src/b.sh".to_owned(), 0o755, 0)]);
    }

    proptest! {
        /// Whatever a file of a folder can be called: `pack` relies on it.
        #[test]
        fn every_path_of_a_folder_packs(parts in prop::collection::vec("[^/\u{0}]{1,90}", 1..5)) {
            prop_assume!(!parts.iter().any(|part| part == "." || part == ".."));
            let path = parts.join("/");
            let packed = pack([Entry { path: &path, ..A }]);
            let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(packed.bytes.as_slice()));
            let found = tar.entries().unwrap().next().unwrap().unwrap();
            prop_assert_eq!(found.path_bytes().into_owned(), path.into_bytes());
        }
    }

    #[test]
    fn the_function_is_one_executable_without_a_time() {
        let packed = function(b"\x7fELF");
        assert_eq!(packed, function(b"\x7fELF"));
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(packed.bytes)).expect("a zip");
        assert_eq!(zip.len(), 1);
        let mut file = zip.by_index(0).expect("a file");
        assert_eq!((file.name(), file.unix_mode()), ("bootstrap", Some(0o100_755)));
        assert_eq!(file.last_modified().map(|time| time.year()), Some(1980));
        let mut content = Vec::new();
        file.read_to_end(&mut content).expect("content");
        assert_eq!(content, b"\x7fELF");
    }

    #[test]
    fn one_file_is_read_from_the_top_or_the_only_folder() {
        let of = |path: &str| {
            pack([
                Entry { path, executable: false, bytes: b"name: x" },
                Entry { path: "z", executable: true, bytes: b"" },
            ])
        };
        let read = |path: &str| file(&of(path).bytes, "type.yaml", 100);
        assert_eq!(read("type.yaml").expect("it is there"), b"name: x");
        assert_eq!(read("quality/type.yaml").expect("it is there"), b"name: x");
        assert!(read("a/b/type.yaml").is_err(), "too deep");
        assert_eq!(read("other.yaml").expect_err("it is not there"), "there is no `type.yaml` in it");
        assert!(file(&of("type.yaml").bytes, "type.yaml", 3).is_err(), "too large");
        assert!(file(b"no archive", "type.yaml", 100).is_err());
        assert!(file(&[], "type.yaml", 100).is_err());
    }
}
