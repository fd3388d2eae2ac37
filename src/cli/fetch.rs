//! `dpc fetch`: brings the step types that the project pins into its cache, so that everything else works without AWS.

use super::aws::{Tone, act, count, size};
use super::{Exit, Failure, Terminal, aws::EnvironmentArg};
use crate::cloud::{Session, artifacts};
use crate::control::digest;
use crate::language::project::{self, Pin, Workspace};
use crate::source::{Code, Finding};

/// Arguments of `dpc fetch`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The copies lie in .dpc/, which git ignores; each is compared with its sha256 whenever it is read."
)]
pub struct Args {
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// Fetches what is not there yet.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let root = super::root()?;
    let workspace = Workspace::read(&root);
    let pins = workspace.pins();
    if pins.is_empty() {
        let (files, findings) = workspace.read_so_far();
        if findings.has_errors() {
            return Err(Failure::new(files.clone(), findings));
        }
        terminal.say("no step pins a type of S3: there is nothing to fetch");
        return Ok(Exit::Done);
    }
    let missing: Vec<&Pin> = pins.iter().filter(|pin| !pin.is_here(&root)).collect();
    if missing.is_empty() {
        terminal.say(&format!("{} here already", count(pins.len(), "step type")));
        return Ok(Exit::Done);
    }
    let here = args.environment.read()?;
    let session = here.session().await?;
    for pin in missing {
        let fetched = one(pin, &session).await.and_then(|bytes| {
            project::keep(&root, pin, &bytes).map(|()| bytes.len()).map_err(|why| {
                let message = format!("`{}` cannot be written: {why}", pin.path(&root).display());
                Box::new(Finding::new(Code::FileUnreadable, message).help("check the permissions of `.dpc/`"))
            })
        });
        match fetched {
            Ok(bytes) => act(terminal, Tone::Good, "Fetched", &format!("{} ({})", pin.uri.value, size(bytes))),
            Err(finding) => return Err(Failure::new(here.files, *finding)),
        }
    }
    Ok(Exit::Done)
}

async fn one(pin: &Pin, session: &Session) -> Result<Vec<u8>, Box<Finding>> {
    let (bucket, key) = pin.parts().unwrap_or_default();
    let Some(bytes) = artifacts::download_from(session, bucket, key).await? else {
        let message = format!("there is no `{}`", pin.uri.value);
        return Err(Box::new(Finding::at(Code::NoStepType, pin.uri.span, message, "").help("correct bucket and key")));
    };
    let found = digest::sha256(&bytes);
    if found == pin.sha256 {
        return Ok(bytes);
    }
    Err(Box::new(
        Finding::at(Code::BadPin, pin.uri.span, "the archive is not the one that was pinned", "")
            .why(format!("its SHA-256 is {found}, and {} is pinned", pin.sha256))
            .help("ask its owner what has changed before you write the new digest: a type brings permissions with it"),
    ))
}
