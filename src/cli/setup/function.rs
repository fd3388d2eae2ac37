//! The code of the functions: one program, checked for Lambda and uploaded once.
//!
//! In comes a path, or nothing for this very program; out comes the key of a zip in the account's bucket. It refuses what
//! Lambda could not start, before anything is written.

use std::path::Path;

use crate::cli::Terminal;
use crate::cli::aws::{Tone, act, size};
use crate::cloud::artifacts;
use crate::cloud::binary::{self, Architecture, Binary, LAMBDA_GLIBC, LAMBDA_SIZE};
use crate::cloud::{CloudResult, Session};
use crate::control::{archive, digest, names};
use crate::source::{Code, Finding};

/// The functions' code.
pub(super) struct Function {
    program: Vec<u8>,
    pub(super) architecture: Architecture,
}

impl Function {
    /// Reads and checks it.
    pub(super) fn read(path: Option<&Path>) -> CloudResult<Self> {
        let own = std::env::current_exe().ok();
        let path = path.or(own.as_deref()).unwrap_or(Path::new("dpc"));
        let program = std::fs::read(path).map_err(|error| unusable(path, error.to_string()))?;
        let found = binary::inspect(&program).map_err(|why| unusable(path, why))?;
        runs_in_lambda(path, &found, program.len())?;
        Ok(Self { program, architecture: found.architecture })
    }

    /// Uploads it, unless this very program is there. The key is the program's digest, so that one that is there need not
    /// be packed to be known.
    pub(super) async fn upload(&self, session: &Session, terminal: &Terminal) -> CloudResult<String> {
        let key = names::function_key(&digest::sha256(&self.program));
        if artifacts::exists(session, &key).await? {
            return Ok(key);
        }
        act(terminal, Tone::Calm, "Packing", &format!("the function ({})", size(self.program.len())));
        let zip = archive::function(&self.program).bytes;
        let weight = size(zip.len());
        artifacts::upload(session, &key, zip, "application/zip").await?;
        act(terminal, Tone::Good, "Uploaded", &format!("{key} ({weight})"));
        Ok(key)
    }
}

fn runs_in_lambda(path: &Path, found: &Binary, bytes: usize) -> CloudResult<()> {
    if let Some(needed) = found.glibc.filter(|needed| *needed > LAMBDA_GLIBC) {
        let message = format!("`{}` needs glibc {needed}, and Lambda has {LAMBDA_GLIBC}", path.display());
        let finding = Finding::new(Code::GlibcTooNew, message);
        let finding = finding.why("it was built on a newer system than the function runs on; nothing was written");
        return Err(Box::new(finding.help(OTHER_BINARY)));
    }
    if bytes > LAMBDA_SIZE {
        let sizes = format!("it has {}, and a function may have {}", size(bytes), size(LAMBDA_SIZE));
        return Err(unusable(path, format!("{sizes}; is it a debug build?")));
    }
    Ok(())
}

fn unusable(path: &Path, why: String) -> Box<Finding> {
    let message = format!("`{}` is no program that Lambda can run", path.display());
    Box::new(
        Finding::new(Code::NotALinuxProgram, message).why(format!("{why}; nothing was written")).help(OTHER_BINARY),
    )
}

const OTHER_BINARY: &str = "pass the dpc of a Linux release with `--function-binary PATH`";

#[cfg(test)]
mod tests {
    use super::super::testing::assert_reads;
    use super::*;

    #[test]
    fn what_lambda_cannot_run_is_refused() {
        assert_reads(&Function::read(Some(Path::new("templates/account.yaml"))).err().unwrap());
        let newer = Binary { architecture: Architecture::Arm, glibc: Some(binary::Version(2, 38)) };
        assert_reads(&runs_in_lambda(Path::new("target/release/dpc"), &newer, 1).unwrap_err());
        let fits = Binary { architecture: Architecture::X86, glibc: Some(LAMBDA_GLIBC) };
        assert_eq!(runs_in_lambda(Path::new("dpc"), &fits, LAMBDA_SIZE), Ok(()));
        let why = runs_in_lambda(Path::new("dpc"), &fits, LAMBDA_SIZE + 1).unwrap_err().why.unwrap();
        assert!(why.contains("debug build"), "{why}");
    }
}
