//! A pipeline's folder as one file whose bytes depend on its content alone.
//!
//! In come paths, executable bits and bytes; out comes a `tar.gz` with its SHA-256. It refuses to know times, owners and
//! the order in which a file system lists: the same content has the same name in the bucket, on every machine.

use std::io::Write;

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

/// One file to pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry<'a> {
    /// Relative to the folder, `/` as separator.
    pub path: &'a str,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Its content.
    pub bytes: &'a [u8],
}

/// A packed folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// The `tar.gz`.
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
        tar.append_data(&mut header, entry.path, entry.bytes).expect("paths are relative and memory does not fail");
    }
    let mut compressor = tar.into_inner().expect("memory does not fail");
    compressor.flush().expect("memory does not fail");
    let bytes = compressor.finish().expect("memory does not fail");
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Archive { bytes, sha256 }
}

#[cfg(test)]
mod tests {
    use super::{Entry, pack};

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
}
