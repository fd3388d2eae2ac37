//! How content is named: by its SHA-256.
//!
//! In come bytes; out come hexadecimal digits, the same on every machine. It refuses to know what is named.

use sha2::{Digest, Sha256};

/// SHA-256 in hexadecimal, 64 digits.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first eight of these digits: for logical ids and names of things that have no name.
pub fn short(text: &str) -> String {
    sha256(text).chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::{sha256, short};

    #[test]
    fn a_digest_is_the_well_known_one() {
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(short(""), "e3b0c442");
    }
}
