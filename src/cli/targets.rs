//! The pipelines that a command about runs is for: of the project, of the account, or of another one.
//!
//! In come the words that were typed; out come pipelines, each with where it is and how its partitions are. The central
//! account is asked only if the words mean more than this account knows. It refuses to know what is done with them.

use std::collections::BTreeMap;

use super::Failure;
use super::affected::Affected;
use super::aws::Here;
use super::central::{self, Central};
use super::runs::line::Line;
use super::select::{self, Candidate};
use crate::cloud::runs::Store;
use crate::cloud::{CloudResult, Session};
use crate::control::partition::PartitionSpec;
use crate::control::plan::Plan;
use crate::control::run::Status;
use crate::language::rules::upstreams;
use crate::source::{Code, Finding, Findings};

/// A pipeline that was selected.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// The account that it is deployed in.
    pub account: String,
    /// The team that owns it.
    pub owner: Option<String>,
    /// Whether it is of the environment's own account.
    pub here: bool,
    /// What the account function knows of it; only of one that is here and deployed.
    pub plan: Option<Plan>,
    /// How its partitions are.
    pub spec: Option<PartitionSpec>,
    /// The pipelines that it waits for, as far as anybody has said so.
    pub upstreams: Vec<String>,
}

/// The pipelines that were selected.
#[derive(Debug)]
pub struct Targets {
    /// In the order of the project, others behind it.
    pub all: Vec<Target>,
    /// The central account, if it was asked.
    pub central: Option<Central>,
}

impl Targets {
    /// Those that the words mean; without any, the project's, or all of `account`.
    ///
    /// # Errors
    /// A word that means nothing, another account without a central one, whatever AWS refuses.
    pub async fn select(
        here: &mut Here,
        session: &Session,
        words: &[String],
        account: Option<&str>,
    ) -> Result<Self, Failure> {
        let elsewhere = account.is_some_and(|account| account != session.account);
        let reaches_out = words.iter().any(|word| word.starts_with('+') || word.ends_with('+'));
        let asks_for_status = words.iter().any(|word| select::asks_for_status(word));
        let whose = format!("of environment `{}`", here.environment.name);
        let mut known = Known::of_project(here, session, words).await?;
        if elsewhere || reaches_out {
            known.ask_central(here, session, elsewhere).await?;
        }
        if asks_for_status {
            known.look_up_statuses(session).await?;
        }
        let mut chosen = known.choose(words, &whose);
        if chosen.is_err() && known.central.is_none() && !asks_for_status {
            // A name that this account does not know may be another one's.
            known.ask_central(here, session, false).await?;
            chosen = known.choose(words, &whose);
        }
        let chosen = chosen.map_err(|finding| broken_project(here, finding))?;
        let target = |at: usize| {
            let upstreams = known.candidates.get(at)?.upstreams.clone();
            known.targets.get(at).map(|target| Target { upstreams, ..target.clone() })
        };
        let mut all: Vec<Target> = chosen.into_iter().filter_map(target).collect();
        if words.is_empty() && account.is_none() {
            all.retain(|target| target.here);
        }
        all.retain(|target| account.is_none_or(|account| target.account == account));
        if all.is_empty() {
            let account = account.unwrap_or(&session.account);
            let finding = Finding::new(Code::NothingSelected, format!("no pipeline of account {account} is meant"));
            let help = format!("`dpc lineage{}` lists pipelines with their accounts", here.flag());
            return Err(finding.help(help).into());
        }
        for target in all.iter_mut().filter(|target| target.here && target.plan.is_none()) {
            target.plan = session.runs().registration(&target.name).await?.map(|registration| registration.plan);
            target.spec = spec_of(target.plan.as_ref()).or(target.spec.take());
        }
        Ok(Self { all, central: known.central })
    }

    /// The account, where several are shown.
    pub fn shown<'a>(&self, target: &'a Target) -> Option<&'a str> {
        let several = self.all.iter().any(|other| other.account != target.account) || !target.here;
        several.then_some(target.account.as_str())
    }

    /// What the central account knows of the runs of a pipeline, the newest partition first.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn facts(
        &self,
        target: &Target,
        first: Option<&str>,
        last: Option<&str>,
        limit: usize,
    ) -> CloudResult<Vec<Line>> {
        match &self.central {
            Some(central) => central.lines(target, first, last, limit).await,
            None => Ok(Vec::new()),
        }
    }
}

impl Targets {
    /// What may run because these partitions run, in the account and beyond.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn downstream_of(
        &self,
        session: &Session,
        here: &Here,
        asked: &[(String, Vec<String>)],
    ) -> CloudResult<Vec<Affected>> {
        match Central::find(session, &here.environment.space).await? {
            Some(central) => Ok(central.downstream_of(asked)),
            None => Ok(Vec::new()),
        }
    }
}

/// How the partitions of a plan are.
pub fn spec_of(plan: Option<&Plan>) -> Option<PartitionSpec> {
    PartitionSpec::of_plan(&plan?.partition).ok()
}

/// Everything that words may mean.
struct Known {
    targets: Vec<Target>,
    candidates: Vec<Candidate>,
    central: Option<Central>,
}

impl Known {
    async fn of_project(here: &Here, session: &Session, words: &[String]) -> CloudResult<Self> {
        let mut known = Self { targets: Vec::new(), candidates: select::candidates(&here.project), central: None };
        let own = |name: &str| Target {
            name: name.to_owned(),
            account: session.account.clone(),
            owner: None,
            here: true,
            plan: None,
            spec: None,
            upstreams: Vec::new(),
        };
        for (pipeline, candidate) in here.project.pipelines.iter().zip(&known.candidates) {
            let owner = candidate.owner.clone();
            known.targets.push(Target { owner, spec: upstreams::spec(&pipeline.manifest), ..own(&candidate.name) });
        }
        if words.is_empty() {
            return Ok(known);
        }
        // What was deployed here stays reachable, in whichever project it is now.
        for name in session.runs().pipelines().await? {
            if !known.targets.iter().any(|target| target.name == name) {
                known.targets.push(own(&name));
                known.candidates.push(Candidate { name, ..Candidate::default() });
            }
        }
        Ok(known)
    }

    fn choose(&self, words: &[String], whose: &str) -> Result<Vec<usize>, Box<Finding>> {
        if self.candidates.is_empty() && words.is_empty() {
            let finding = Finding::new(Code::NothingSelected, format!("there is no pipeline {whose}"));
            return Err(Box::new(finding.help("name one, or go to the folder of a project that has some")));
        }
        select::choose(&self.candidates, words, whose)
    }

    /// Adds what the central account knows. Without one, what is asked for must be here, unless it cannot be.
    async fn ask_central(&mut self, here: &Here, session: &Session, needed: bool) -> CloudResult<()> {
        let Some(central) = Central::find(session, &here.environment.space).await? else {
            return if needed { Err(Box::new(central::missing(session))) } else { Ok(()) };
        };
        for pipeline in central.space().pipelines() {
            let (name, owner) = (&pipeline.registration.pipeline, &pipeline.registration.owner);
            let upstreams = central::upstreams(pipeline);
            if let Some(one) = self.candidates.iter_mut().find(|one| one.name == *name) {
                one.upstreams.extend(upstreams);
                one.owner = one.owner.take().or_else(|| owner.clone());
                continue;
            }
            self.candidates.push(Candidate {
                name: name.clone(),
                owner: owner.clone(),
                tags: BTreeMap::new(),
                upstreams,
                status: None,
            });
            self.targets.push(Target {
                here: pipeline.account == session.account,
                name: name.clone(),
                account: pipeline.account.clone(),
                owner: owner.clone(),
                plan: None,
                spec: central::spec(pipeline),
                upstreams: Vec::new(),
            });
        }
        self.central = Some(central);
        Ok(())
    }

    async fn look_up_statuses(&mut self, session: &Session) -> CloudResult<()> {
        for (candidate, target) in self.candidates.iter_mut().zip(&self.targets) {
            candidate.status = match &self.central {
                _ if target.here => newest(session, &target.name).await?,
                Some(central) => central.lines(target, None, None, 1).await?.first().map(|line| line.status),
                None => None,
            };
        }
        Ok(())
    }
}

/// The status of the newest run of the newest partition.
async fn newest(session: &Session, pipeline: &str) -> CloudResult<Option<Status>> {
    Ok(session.runs().runs(pipeline, 1, None).await?.first().map(|run| run.status))
}

/// A pipeline that is not found may be in a file that cannot be read: that is the better news.
fn broken_project(here: &mut Here, finding: Box<Finding>) -> Failure {
    let mut findings = std::mem::take(&mut here.findings);
    if !findings.has_errors() {
        findings = Findings::from(*finding);
    }
    Failure::new(std::mem::take(&mut here.files), findings)
}
