//! What people ask for, beside runs: marks, pauses, stops, reruns, backfills. One place that answers them all.
//!
//! In comes an event `{"dpc": "<verb>", …}`; out comes an answer that a person waits for, a refusal among them. It refuses
//! to know who may ask: IAM has let the caller in, and `by` is written down as it was said.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::cloud::CloudResult;
use crate::cloud::runs::{Brief, Stop, Store};
use crate::control::arguments::{bad_partition, bad_plan};
use crate::control::message::{Answer, Body, Change, Message, Override};
use crate::control::partition::PartitionSpec;
use crate::control::run::RunRef;
use crate::control::verbs::{Ask, Asked, Batches, Missed, Pause, Paused, Resumed, Verb};
use crate::functions::account::Account;
use crate::functions::queue::PAUSED_ERROR;
use crate::functions::report::envelope;
use crate::functions::start::refused;
use crate::functions::world::World;
use crate::source::{Code, Finding};

/// How long a person waits for the central account.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

/// What is asked of it in the meantime, and how often at most.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(200), Duration::from_millis(400), Duration::from_millis(800)];

/// Answers what a person asks. Nothing tries a question again by itself, so whatever goes wrong is an answer.
///
/// # Errors
/// An answer that cannot be written.
pub async fn handle<S: Store, W: World>(account: &Account<S, W>, event: Value, until: Timestamp) -> CloudResult<Value> {
    let ask = match serde_json::from_value::<Ask>(event) {
        Ok(ask) => ask,
        Err(error) => {
            let finding = Finding::new(Code::BadEnvelope, format!("a question to the account function: {error}"))
                .why("the account function and whoever asks must be of the same version of dpc")
                .help("run `dpc setup account` with the dpc that you use");
            return Ok(refused(&finding));
        }
    };
    match account.ask(&ask, until).await {
        Ok(answer) => Ok(answer),
        Err(finding) => {
            tracing::warn!(by = ask.by, code = finding.code.id(), why = finding.why, "{}", finding.message);
            Ok(refused(&finding))
        }
    }
}

fn written<T: Serialize>(answer: &T) -> CloudResult<Value> {
    serde_json::to_value(answer)
        .map_err(|error| Box::new(Finding::new(Code::BadEnvelope, format!("an answer cannot be written: {error}"))))
}

impl<S: Store, W: World> Account<S, W> {
    async fn ask(&self, ask: &Ask, until: Timestamp) -> CloudResult<Value> {
        tracing::info!(by = ask.by, why = ask.why, verb = ?ask.verb, "asked");
        if let Some(id) = &ask.id {
            check_id(id)?;
        }
        match &ask.verb {
            Verb::Mark { pipeline, partition, status } => {
                written(&self.overrule(ask, pipeline, partition, Change::Mark(*status)).await?)
            }
            Verb::Unmark { pipeline, partition } => {
                written(&self.overrule(ask, pipeline, partition, Change::Unmark).await?)
            }
            Verb::Ignore { run } => written(&self.overrule_run(ask, run, Change::Ignore).await?),
            Verb::Restore { run } => written(&self.overrule_run(ask, run, Change::Restore).await?),
            Verb::Pause { pipeline } => written(&self.pause(ask, pipeline).await?),
            Verb::Resume { pipeline } => written(&self.resume(ask, pipeline).await?),
            Verb::Stop { run } => {
                let run = self.known_run(ask, run).await?;
                let stop = Stop { by: ask.by.clone(), why: ask.why.clone(), at: self.world.now(), redrives: 0 };
                written(&self.stop(&run, stop).await?)
            }
            Verb::Rerun { .. } | Verb::Backfill { .. } => written(&self.begin_batch(ask, until).await?),
            Verb::Batches { pipeline } => {
                let mut batches: Vec<_> = self.store.batches().await?.into_iter().map(|row| row.batch).collect();
                batches.retain(|batch| batch.space == ask.space);
                batches.retain(|batch| pipeline.as_ref().is_none_or(|pipeline| batch.pipeline == *pipeline));
                batches.reverse();
                written(&Batches { batches })
            }
            Verb::Batch { batch } => written(&self.show_batch(&ask.space, batch).await?),
            Verb::CancelBatch { batch, stop } => written(&self.cancel_batch(ask, batch, *stop, until).await?),
        }
    }

    /// A run as a person names it, of a pipeline of this space.
    async fn known_run(&self, ask: &Ask, run: &str) -> CloudResult<RunRef> {
        let unknown = |message: String| {
            let pipeline = run.split('/').next().unwrap_or_default();
            Box::new(Finding::new(Code::NoSuchRun, message).help(format!("`dpc runs {pipeline}` lists its runs")))
        };
        let reference: RunRef = run.parse().map_err(unknown)?;
        match self.store.run(&reference).await? {
            Some(found) if found.space == ask.space => Ok(reference),
            Some(found) => {
                let message = format!("run `{reference}` is of space `{}`, not of `{}`", found.space, ask.space);
                Err(Box::new(Finding::new(Code::OtherSpace, message).help("choose its environment with `--env`")))
            }
            None => Err(unknown(format!("there is no run `{reference}`"))),
        }
    }

    async fn overrule_run(&self, ask: &Ask, run: &str, change: fn(u32) -> Change) -> CloudResult<Asked> {
        let run = self.known_run(ask, run).await?;
        self.overrule(ask, &run.pipeline, &run.id.partition, change(run.id.number)).await
    }

    /// Asks the central account to see a partition otherwise.
    async fn overrule(&self, ask: &Ask, pipeline: &str, partition: &str, change: Change) -> CloudResult<Asked> {
        let registration = self.registered(pipeline, &ask.space).await?;
        let spec = PartitionSpec::of_plan(&registration.plan.partition).map_err(|bad| bad_plan(pipeline, &bad))?;
        // A run of an earlier calendar can still be ignored.
        if matches!(change, Change::Mark(_)) {
            spec.parse(partition, pipeline).map_err(|problem| bad_partition(&problem))?;
        }
        let body = Body::Override(Override {
            pipeline: pipeline.to_owned(),
            partition: partition.to_owned(),
            change,
            by: ask.by.clone(),
            why: ask.why.clone(),
            at: self.world.now(),
        });
        self.ask_central(&envelope(&ask.space, message_id(ask), body), PATIENCE).await
    }

    async fn pause(&self, ask: &Ask, pipeline: &str) -> CloudResult<Paused> {
        self.registered(pipeline, &ask.space).await?;
        let pause = Pause { by: ask.by.clone(), why: ask.why.clone(), at: self.world.now() };
        let new = self.store.pause(pipeline, &pause).await?;
        let before = if new { None } else { self.store.pause_of(pipeline).await? };
        tracing::info!(pipeline, by = pause.by, new, "paused");
        Ok(Paused { pipeline: pipeline.to_owned(), pause: before.unwrap_or(pause), new })
    }

    async fn resume(&self, ask: &Ask, pipeline: &str) -> CloudResult<Resumed> {
        self.registered(pipeline, &ask.space).await?;
        // Looked up before the pause ends: what is missed must not be lost between the two.
        let missed = match self.store.pause_of(pipeline).await? {
            Some(pause) => missed(pipeline, &self.store.briefs(pipeline, None).await?, pause.at),
            None => Vec::new(),
        };
        let pause = self.store.resume(pipeline).await?;
        tracing::info!(pipeline, by = ask.by, was = pause.is_some(), "resumed");
        Ok(Resumed { pipeline: pipeline.to_owned(), pause, missed })
    }

    /// Asks the central account and waits for its answer.
    ///
    /// # Errors
    /// Its refusal; there is no central account, or it does not answer; what AWS refuses.
    pub async fn ask_central(&self, message: &Message, patience: SignedDuration) -> CloudResult<Asked> {
        match self.answer_of_central(message, patience).await? {
            Some(answer) => accepted(answer),
            None => Err(silent(patience)),
        }
    }

    /// Tells the central account, and waits for its answer; `None` if there is none in time. One that was given before to
    /// the same message is taken: whoever asks again after a crash asks nothing new.
    ///
    /// # Errors
    /// There is no central account; what AWS refuses.
    pub async fn answer_of_central(&self, message: &Message, patience: SignedDuration) -> CloudResult<Option<Answer>> {
        if let Some(answer) = self.world.answer(&message.id).await? {
            return Ok(Some(answer));
        }
        self.world.tell(message).await?;
        let end = self.world.now().checked_add(patience).unwrap_or(Timestamp::MAX);
        let mut pauses = PAUSES.into_iter();
        let mut pause = Duration::from_secs(1);
        loop {
            pause = pauses.next().unwrap_or(pause);
            self.world.wait(pause).await;
            let answer = self.world.answer(&message.id).await?;
            if answer.is_some() || self.world.now() >= end {
                return Ok(answer);
            }
        }
    }
}

/// What the central account has accepted.
///
/// # Errors
/// Its refusal, in its words.
pub fn accepted(answer: Answer) -> CloudResult<Asked> {
    let Some(refusal) = answer.refused else {
        return Ok(Asked { warnings: answer.warnings, result: answer.result });
    };
    let code = Code::parse(&refusal.code).unwrap_or(Code::CentralRefused);
    let finding = Finding::new(code, refusal.message);
    Err(Box::new(match refusal.help {
        Some(help) => finding.help(help),
        None => finding,
    }))
}

/// The central account has not answered in time.
pub fn silent(patience: SignedDuration) -> Box<Finding> {
    let seconds = patience.as_secs();
    Box::new(
        Finding::new(Code::CentralSilent, format!("the central account has not answered for {seconds} seconds"))
            .why("the message is on its bus; its function is behind, or fails")
            .help(
                "look at its alarm and at its queue `dpc-central-dead-letters`, then type the command again; a message that \
                 arrives later is not lost and does no harm",
            ),
    )
}

fn message_id(ask: &Ask) -> String {
    let id = ask.id.clone().unwrap_or_else(|| format!("{:016x}", fastrand::u64(..)));
    format!("ask/{id}")
}

/// # Errors
/// The id cannot be a part of keys and names.
fn check_id(id: &str) -> CloudResult<()> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=40).contains(&id.len()) && id.bytes().all(good) {
        return Ok(());
    }
    let finding = Finding::new(Code::BadEnvelope, format!("`{id}` cannot be the id of a question"));
    Err(Box::new(finding.help("give 1 to 40 of `a-z`, `0-9` and `-`, or none")))
}

/// What a pause has kept back, of partitions in which nothing ran after it.
fn missed(pipeline: &str, runs: &[Brief], since: Timestamp) -> Vec<Missed> {
    let newest: BTreeMap<&str, &Brief> = runs.iter().map(|run| (run.id.partition.as_str(), run)).collect();
    let kept_back =
        newest.into_values().filter(|run| run.error.as_deref() == Some(PAUSED_ERROR) && run.claimed_at >= since);
    let missed = kept_back.map(|run| Missed {
        run: RunRef { pipeline: pipeline.to_owned(), id: run.id.clone() },
        source: run.source,
        at: run.claimed_at,
    });
    missed.collect()
}
