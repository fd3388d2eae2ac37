//! What a binary needs to run in Lambda, read from its ELF headers.
//!
//! In come the bytes of a file; out come its processor and the newest glibc that it asks for, or why Lambda could not run
//! it. Pure: it refuses to know where the file is.

use std::fmt;

/// The glibc of `provided.al2023`: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html>.
pub const LAMBDA_GLIBC: Version = Version(2, 34);
/// What a function may have unpacked: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
pub const LAMBDA_SIZE: usize = 250 * 1024 * 1024;

/// Major and minor of a glibc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Processors that Lambda has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Intel and AMD.
    X86,
    /// Graviton.
    Arm,
}

impl Architecture {
    /// As Lambda spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Architecture::X86 => "x86_64",
            Architecture::Arm => "arm64",
        }
    }
}

/// What a Linux program needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// Its processor.
    pub architecture: Architecture,
    /// The newest version of glibc that one of its symbols asks for; none if it is linked statically.
    pub glibc: Option<Version>,
}

/// Reads the headers of a 64-bit little-endian ELF file.
///
/// # Errors
/// Why it is none that Lambda could run.
pub fn inspect(bytes: &[u8]) -> Result<Binary, String> {
    let elf = Elf(bytes);
    match bytes {
        [0x7f, b'E', b'L', b'F', 2, 1, ..] => {}
        [0x7f, b'E', b'L', b'F', ..] => return Err("it is not a 64-bit little-endian program".to_owned()),
        [0xcf, 0xfa, 0xed, 0xfe, ..] | [0xca, 0xfe, 0xba, 0xbe, ..] => {
            return Err("it is a program for macOS".to_owned());
        }
        [b'M', b'Z', ..] => return Err("it is a program for Windows".to_owned()),
        _ => return Err("it is not an ELF file".to_owned()),
    }
    let architecture = match elf.u16(18) {
        Some(62) => Architecture::X86,
        Some(183) => Architecture::Arm,
        _ => return Err("its processor is neither x86_64 nor arm64".to_owned()),
    };
    let glibc = elf.glibc().ok_or("its section headers are damaged")?;
    Ok(Binary { architecture, glibc })
}

/// `SHT_GNU_verneed`, the section of versions that the program needs of its libraries:
/// <https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html>.
const NEEDED_VERSIONS: u32 = 0x6fff_fffe;

struct Elf<'a>(&'a [u8]);

/// A section: type, offset, size, the section that it refers to.
struct Section {
    kind: u32,
    offset: usize,
    link: usize,
}

impl Elf<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.bytes(at).map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.bytes(at)?)).ok()
    }

    fn u64(&self, at: usize) -> Option<usize> {
        usize::try_from(u64::from_le_bytes(self.bytes(at)?)).ok()
    }

    fn section(&self, number: usize) -> Option<Section> {
        let (table, size) = (self.u64(40)?, usize::from(self.u16(58)?));
        let at = table.checked_add(size.checked_mul(number)?)?;
        Some(Section {
            kind: u32::try_from(self.u32(at + 4)?).ok()?,
            offset: self.u64(at + 24)?,
            link: self.u32(at + 40)?,
        })
    }

    /// The newest `GLIBC_…` needed. The outer `None` is a damaged file.
    fn glibc(&self) -> Option<Option<Version>> {
        let mut newest = None;
        for number in 0..usize::from(self.u16(60)?) {
            let section = self.section(number)?;
            if section.kind == NEEDED_VERSIONS {
                newest = newest.max(self.newest(section.offset, self.section(section.link)?.offset)?);
            }
        }
        Some(newest)
    }

    /// Walks one list of libraries, each with a list of versions; offsets count from the entry that holds them.
    fn newest(&self, first: usize, strings: usize) -> Option<Option<Version>> {
        let (mut newest, mut library) = (None, first);
        loop {
            let mut version = library.checked_add(self.u32(library + 8)?)?;
            loop {
                let name = self.text(strings.checked_add(self.u32(version + 8)?)?)?;
                newest = newest.max(name.strip_prefix("GLIBC_").and_then(parse));
                match self.u32(version + 12)? {
                    0 => break,
                    next => version = version.checked_add(next)?,
                }
            }
            match self.u32(library + 12)? {
                0 => return Some(newest),
                next => library = library.checked_add(next)?,
            }
        }
    }

    fn text(&self, at: usize) -> Option<&str> {
        let rest = self.0.get(at..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(rest.get(..end)?).ok()
    }
}

/// `2.34` or `2.2.5`; `PRIVATE` is none.
fn parse(text: &str) -> Option<Version> {
    let mut numbers = text.split('.').map(str::parse);
    Some(Version(numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(parse("2.34") > parse("2.4"));
        assert!(parse("2.2.5") < parse("2.3"));
        assert_eq!(parse("PRIVATE"), None);
    }

    #[test]
    fn other_files_are_told_apart() {
        let why = |bytes: &[u8]| inspect(bytes).unwrap_err();
        assert_eq!(why(b"#!/bin/bash\n"), "it is not an ELF file");
        assert_eq!(why(b""), "it is not an ELF file");
        assert_eq!(why(&[0xcf, 0xfa, 0xed, 0xfe, 0]), "it is a program for macOS");
        assert_eq!(why(b"MZ\x90"), "it is a program for Windows");
        assert_eq!(why(b"\x7fELF\x01\x01"), "it is not a 64-bit little-endian program");
        assert_eq!(why(b"\x7fELF\x02\x01\x01"), "its processor is neither x86_64 nor arm64");
    }

    #[test]
    fn a_truncated_program_is_damaged() {
        let mut header = vec![0; 64];
        header[..6].copy_from_slice(b"\x7fELF\x02\x01");
        header[18] = 62;
        header[40] = 200; // section headers behind the end
        header[58] = 64;
        header[60] = 3;
        assert_eq!(inspect(&header), Err("its section headers are damaged".into()));
    }
}
