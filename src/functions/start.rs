//! The one door: an envelope in, at most one run out.
//!
//! In comes who wants which pipeline to run for what time or partition; out comes the run that this start key stands for,
//! started. Each step leaves a mark that the next delivery, or the sweep, goes on from: the claim in the table, the
//! execution's name in Step Functions. It refuses to know how arguments are rendered.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cloud::CloudResult;
use crate::cloud::runs::{Progress, Registration, Run, Store};
use crate::control::partition::Granularity;
use crate::control::plan::Plan;
use crate::control::run::{ENVELOPE_VERSION, Envelope, RunId, RunRef, Source, Status};
use crate::control::verbs::Pause;
use crate::functions::account::Account;
use crate::functions::metrics::Metric;
use crate::functions::prepare::{self, Wish};
use crate::functions::queue::PAUSED_ERROR;
use crate::functions::settle::is_wanted;
use crate::functions::status::{CAUSE_LIMIT, shortened};
use crate::functions::stop::{self, STOPPED_ERROR};
use crate::functions::world::{Started, World};
use crate::source::{Code, Finding};

/// How many newer runs of its partition a claim lets pass before it gives up, to be delivered again.
const CLAIM_ATTEMPTS: u32 = 10;

/// What mends a request of another version.
const SAME_DPC: &str = "run `dpc setup account` and `dpc deploy` with the same dpc";

/// The answer to an envelope.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The run.
    pub run: Run,
    /// Whether this envelope made it.
    pub new: bool,
    /// The run that it waits for.
    pub ahead: Option<RunRef>,
    /// The pause of its pipeline, which has not kept it back if a person has asked for it.
    pub pause: Option<Pause>,
}

impl Answer {
    /// As the caller reads it.
    pub fn to_json(&self) -> Value {
        let Run { reference, status, execution, error, cause, .. } = &self.run;
        let mut answer = json!({ "run": reference.to_string(), "status": status.as_str(), "new": self.new });
        if let Some(fields) = answer.as_object_mut() {
            let optional = [("executionArn", execution), ("error", error), ("cause", cause)];
            fields.extend(optional.into_iter().filter_map(|(name, value)| Some((name.into(), value.clone()?.into()))));
            // An error of the run is not an error of the start, which the caller tells by this name.
            if let Some(error) = fields.remove("error") {
                fields.insert("runError".into(), error);
            }
            fields.extend(self.ahead.iter().map(|ahead| ("waitsFor".into(), ahead.to_string().into())));
            fields.extend(self.pause.iter().map(|pause| ("paused".into(), json!(pause))));
        }
        answer
    }
}

/// Codes by which the door says no: nothing was claimed, and the same envelope will be refused again.
pub fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::BadEnvelope
            | Code::NotRegistered
            | Code::OtherSpace
            | Code::WrongPartition
            | Code::BadParams
            | Code::EventTooLarge
    )
}

/// Reads an envelope and lets it in.
///
/// # Errors
/// Refusals ([`is_refusal`]), and what AWS refuses.
pub async fn handle<S: Store, W: World>(account: &Account<S, W>, envelope: Value) -> CloudResult<Value> {
    let envelope = read(envelope)?;
    if let Some(other) = account.taken_by(&envelope).await? {
        tracing::info!(pipeline = envelope.pipeline, key = envelope.key, other, "ignored: another pipeline takes it");
        return Ok(json!({ "ignored": envelope.key, "takenBy": other }));
    }
    match (account.start(&envelope).await, &envelope.task_token) {
        (Ok(started), _) => Ok(started.to_json()),
        // Nobody reads the answer to a step that waits for a token.
        (Err(refusal), Some(token)) if is_refusal(refusal.code) => {
            account.refuse_waiter(token, &refusal).await?;
            Ok(refused(&refusal))
        }
        // Nor does anybody read the answer to a trigger, and the central account waits for a run.
        (Err(refusal), None) if envelope.source == Source::Trigger && is_refusal(refusal.code) => {
            account.refuse_trigger(&envelope, refusal).await
        }
        (Err(finding), _) => Err(finding),
    }
}

/// A refusal as the answer to whoever asked.
pub fn refused(refusal: &Finding) -> Value {
    json!({ "error": {
        "code": refusal.code.id(), "message": refusal.message, "why": refusal.why, "help": refusal.help,
    } })
}

fn read(envelope: Value) -> CloudResult<Envelope> {
    let known = |version: &Value| version.as_u64() == Some(ENVELOPE_VERSION.into());
    if !envelope.get("version").is_some_and(known) {
        let pipeline = envelope.get("pipeline").and_then(Value::as_str).unwrap_or("?");
        let message = match envelope.get("version") {
            Some(version) => format!("a request to start `{pipeline}` has version {version}, not {ENVELOPE_VERSION}"),
            None => format!("a request to start `{pipeline}` has no version"),
        };
        return Err(Box::new(Finding::new(Code::BadEnvelope, message).help(SAME_DPC)));
    }
    serde_json::from_value(envelope).map_err(|error| {
        Box::new(
            Finding::new(Code::BadEnvelope, format!("a request to start a run cannot be read: {error}"))
                .why("the account function and whoever asks must be of the same version of dpc")
                .help(SAME_DPC),
        )
    })
}

impl<S: Store, W: World> Account<S, W> {
    /// The pipeline that takes an event instead of this one: its prefix in the bucket is the longer one.
    async fn taken_by(&self, envelope: &Envelope) -> CloudResult<Option<String>> {
        let (Source::Event, Some(event)) = (envelope.source, &envelope.event) else { return Ok(None) };
        let Some(registration) = self.store.registration(&envelope.pipeline).await? else { return Ok(None) };
        let mut triggers = registration.plan.events.iter();
        let trigger = triggers.find(|trigger| Some(&trigger.id) == envelope.trigger.as_ref());
        Ok(trigger.and_then(|trigger| trigger.taken_by(event)).map(str::to_owned))
    }

    /// The run that this envelope stands for, started.
    ///
    /// # Errors
    /// Refusals ([`is_refusal`]), and what AWS refuses.
    pub async fn start(&self, envelope: &Envelope) -> CloudResult<Answer> {
        let (registration, pause) = tokio::join!(self.admit(envelope), self.store.pause_of(&envelope.pipeline));
        let (registration, pause) = (registration?, pause?);
        let now = self.world.now();
        let wish = prepare::wish(&registration.plan, envelope, now)?;
        let verdict = match &pause {
            Some(pause) if envelope.source.is_automatic() => Verdict::Paused(&registration.plan, pause),
            _ => Verdict::Plan(&registration.plan),
        };
        let (run, new) = self.claim(envelope, &wish, verdict, now).await?;
        tracing::info!(run = %run.reference, key = run.key, source = ?run.source, new, "asked to start");
        let (run, ahead) = self.carry_on(run, &registration).await?;
        Ok(Answer { run, new, ahead, pause })
    }

    /// The registration of the pipeline that is to run, if it is this space's.
    async fn admit(&self, envelope: &Envelope) -> CloudResult<Registration> {
        self.registered(&envelope.pipeline, &envelope.space).await
    }

    /// The registration of a pipeline, if it is this space's.
    ///
    /// # Errors
    /// It is not registered, or for another space; what AWS refuses.
    pub async fn registered(&self, pipeline: &str, space: &str) -> CloudResult<Registration> {
        let Some(registration) = self.store.registration(pipeline).await? else {
            let finding =
                Finding::new(Code::NotRegistered, format!("pipeline `{pipeline}` is not registered in this account"));
            let finding =
                finding.why("registration is part of its deployment: it was never deployed here, or was destroyed");
            return Err(Box::new(finding.help("deploy it with `dpc deploy`, and see what is there with `dpc status`")));
        };
        let deployed = &registration.plan.space;
        if deployed != space {
            let message = format!("pipeline `{pipeline}` is deployed for space `{deployed}`, not for `{space}`");
            let finding =
                Finding::new(Code::OtherSpace, message).why("one account and region holds one space of a pipeline");
            return Err(Box::new(
                finding.help(format!("choose the environment whose space is `{deployed}` with `--env`")),
            ));
        }
        Ok(registration)
    }

    /// The run of the envelope's key, taken now or before, and whether it was now.
    async fn claim(
        &self,
        envelope: &Envelope,
        wish: &Wish,
        verdict: Verdict<'_>,
        now: Timestamp,
    ) -> CloudResult<(Run, bool)> {
        let pipeline = &envelope.pipeline;
        let token = envelope.task_token.as_deref();
        for _ in 0..CLAIM_ATTEMPTS {
            let (used, newest) = tokio::join!(
                self.store.run_of_key(pipeline, &wish.key),
                self.store.newest_number(pipeline, &wish.partition),
            );
            if let Some(id) = used? {
                let reference = RunRef { pipeline: pipeline.clone(), id };
                // Another attempt of the same step has another token: both are told.
                if let Some(token) = token {
                    self.store.await_end(&reference, token).await?;
                }
                if let Some(run) = self.store.run(&reference).await? {
                    return Ok((run, false));
                }
                return Err(Box::new(
                    Finding::new(
                        Code::NoSuchRun,
                        format!("start key `{}` stands for run `{reference}`, which has no row", wish.key),
                    )
                    .why("somebody has deleted the row; key and run are written together")
                    .help("delete the key's row too, or start the run with `dpc run`"),
                ));
            }
            let number = newest? + 1;
            let id = RunId { partition: wish.partition.clone(), number };
            let reference = RunRef { pipeline: pipeline.clone(), id };
            let mut run = Run::queued(reference, envelope.space.clone(), envelope.source, wish.key.clone(), now);
            run.scheduled_time = wish.scheduled_time;
            run.time = wish.time;
            run.downstream.clone_from(&envelope.downstream);
            run.reservation.clone_from(&envelope.reservation);
            run.untold = self.settings.central;
            run.reason.clone_from(&envelope.cause);
            run.params.clone_from(&envelope.params);
            run.event.clone_from(&envelope.event);
            run.parent.clone_from(&envelope.parent);
            run.tokens.extend(token.map(str::to_owned));
            self.judge(&mut run, verdict, now);
            // Asked after the number: who waits there now is older, or the claim is lost.
            let before = self.store.waiting_in(pipeline, &wish.partition).await?.filter(|_| run.is_waiting());
            if self.store.claim(&run).await? {
                if let Some(before) = before {
                    let id = RunId { number: before, ..run.reference.id.clone() };
                    self.supersede(&RunRef { pipeline: pipeline.clone(), id }, number, verdict.plan()).await?;
                }
                return Ok((run, true));
            }
        }
        let message = format!("many runs of `{pipeline}` for partition `{}` start at the same time", wish.partition);
        Err(Box::new(Finding::new(Code::Throttled, message).help("the start is tried again by itself")))
    }

    /// Looks at the pipeline's pause and precondition: a run that is not to be is SKIPPED as it is claimed, and takes no
    /// other's place in the queue.
    fn judge(&self, run: &mut Run, verdict: Verdict<'_>, now: Timestamp) {
        let skipped = |error: Option<&str>, cause: &str| {
            let mut progress = Progress::to(Status::Skipped);
            progress.error = error.map(str::to_owned);
            progress.cause = Some(shortened(cause, CAUSE_LIMIT));
            progress
        };
        let progress = match verdict {
            Verdict::Plan(plan) => match prepare::precondition(plan, run) {
                Ok(None) => return,
                Ok(Some(cause)) => skipped(None, &cause),
                Err(finding) => failure(&finding),
            },
            Verdict::Paused(_, pause) => skipped(Some(PAUSED_ERROR), &in_words(pause)),
            Verdict::Refused(finding) => failure(finding),
        };
        let announce = verdict.plan().is_some_and(|plan| is_wanted(plan, progress.status));
        Progress { ended_at: Some(now), announce, untold: self.settings.central, ..progress }.apply(run);
    }

    /// A trigger for a run that cannot be: the pipeline was destroyed, or deployed for another space or by another calendar,
    /// while the central account was deciding. It is recorded as a run that has failed, which the central account is told, so
    /// that nothing waits for it and a person sees it.
    async fn refuse_trigger(&self, envelope: &Envelope, refusal: Box<Finding>) -> CloudResult<Value> {
        let label = envelope.partition.clone().filter(|label| Granularity::of_label(label).is_some());
        let Some(partition) = label.filter(|_| !envelope.key.is_empty() && envelope.key.len() <= 512) else {
            return Err(refusal);
        };
        let now = self.world.now();
        let wish = Wish { partition, key: envelope.key.clone(), scheduled_time: None, time: now };
        let (run, new) = self.claim(envelope, &wish, Verdict::Refused(&refusal), now).await?;
        let why = format!("trigger of {}: {}: {}", run.reference, refusal.code.id(), refusal.message);
        tracing::error!(run = %run.reference, "{why}");
        if new {
            self.world.count(Metric::NeedsAttention, &why);
        }
        self.conclude(&run, None).await?;
        Ok(Answer { run, new, ahead: None, pause: None }.to_json())
    }

    /// Goes on with a run that was claimed, just now or before, perhaps by an invocation that was cut off, perhaps by one
    /// that is at it now. Answers it as it is then, and the run that it waits for.
    ///
    /// # Errors
    /// What AWS refuses.
    pub async fn carry_on(&self, run: Run, registration: &Registration) -> CloudResult<(Run, Option<RunRef>)> {
        if run.is_waiting() {
            let ahead = self.hand_on(registration, &run.reference.id.partition).await?;
            let run = self.store.run(&run.reference).await?.unwrap_or(run);
            if run.is_waiting() {
                self.settle(&run, Some(&registration.plan)).await?;
            }
            return Ok((run.clone(), ahead.filter(|ahead| run.is_waiting() && *ahead != run.reference)));
        }
        if run.status != Status::Queued {
            self.conclude(&run, Some(registration)).await?;
            return Ok((run, None));
        }
        // Its execution may exist although the row does not say so. Then what would be rendered now is of no interest.
        let arn = execution_arn(&registration.plan.state_machine, &run.reference);
        if let Some(execution) = self.world.execution(&arn).await? {
            return Ok((self.follow(run, &execution).await?, None));
        }
        let run = self.launch(run, registration).await?;
        if run.status.is_terminal() {
            self.hand_on(registration, &run.reference.id.partition).await?;
        }
        Ok((run, None))
    }

    /// Renders the arguments and starts the execution; a run for which that is impossible has FAILED. The run has its
    /// slot.
    ///
    /// # Errors
    /// What AWS refuses.
    pub async fn launch(&self, run: Run, registration: &Registration) -> CloudResult<Run> {
        let plan = &registration.plan;
        if let Some(words) = stop::words(&run) {
            let mut progress = Progress::to(Status::Aborted);
            progress.error = Some(STOPPED_ERROR.to_owned());
            progress.cause = Some(words);
            progress.ended_at = Some(self.world.now());
            progress.announce = is_wanted(plan, Status::Aborted);
            return self.reach(run, plan, progress).await;
        }
        let input = match prepare::input(plan, &run, &self.settings) {
            Ok(input) => input,
            Err(finding) => return self.fail(run, plan, &finding).await,
        };
        let name = run.reference.execution_name();
        let mut progress = Progress::to(Status::Running);
        match self.world.start(&plan.state_machine, &name, &input).await? {
            Started::Now(arn, at) => {
                progress.execution = Some(arn);
                progress.started_at = Some(at);
            }
            // By another delivery of the same start, at the same time.
            Started::Before => progress.execution = Some(execution_arn(&plan.state_machine, &run.reference)),
            Started::Refused(words) => {
                let finding =
                    Finding::new(Code::StartRefused, format!("Step Functions does not start the run: {words}"));
                return self.fail(run, plan, &finding).await;
            }
        }
        progress.plan_digest = Some(registration.digest.clone());
        progress.announce = is_wanted(plan, Status::Running);
        self.reach(run, plan, progress).await
    }

    /// The run has failed before it had an execution.
    async fn fail(&self, run: Run, plan: &Plan, finding: &Finding) -> CloudResult<Run> {
        let mut progress = failure(finding);
        progress.ended_at = Some(self.world.now());
        progress.announce = is_wanted(plan, Status::Failed);
        tracing::warn!(run = %run.reference, cause = progress.cause, "the run has failed before it started");
        self.reach(run, plan, progress).await
    }

    async fn reach(&self, run: Run, plan: &Plan, progress: Progress) -> CloudResult<Run> {
        self.advance(&run.reference, progress).await?;
        let Some(run) = self.store.run(&run.reference).await? else { return Ok(run) };
        self.settle(&run, Some(plan)).await?;
        Ok(run)
    }
}

/// What becomes of a run as it is claimed.
#[derive(Clone, Copy, Debug)]
enum Verdict<'a> {
    /// What the plan's `when` says.
    Plan(&'a Plan),
    /// It is skipped.
    Paused(&'a Plan, &'a Pause),
    /// It has failed.
    Refused(&'a Finding),
}

impl<'a> Verdict<'a> {
    fn plan(self) -> Option<&'a Plan> {
        match self {
            Verdict::Plan(plan) | Verdict::Paused(plan, _) => Some(plan),
            Verdict::Refused(_) => None,
        }
    }
}

/// Why a run was skipped by a pause.
fn in_words(pause: &Pause) -> String {
    let why = pause.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("the pipeline was paused by {} at {:.0}{why}", pause.by, pause.at)
}

/// The end of a run that cannot be started.
fn failure(finding: &Finding) -> Progress {
    let mut cause = finding.message.clone();
    for more in [&finding.why, &finding.help].into_iter().flatten() {
        cause.push_str("; ");
        cause.push_str(more);
    }
    let mut progress = Progress::to(Status::Failed);
    progress.error = Some(finding.code.id().to_owned());
    progress.cause = Some(shortened(&cause, CAUSE_LIMIT));
    progress
}

/// The ARN of an execution, made from its state machine's.
pub fn execution_arn(machine: &str, run: &RunRef) -> String {
    format!("{}:{}", machine.replacen(":stateMachine:", ":execution:", 1), run.execution_name())
}

/// The start key of a schedule's fire: the minute that it was due, so that two schedules that coincide, a second
/// delivery and the sweep's own start are one run.
pub fn schedule_key(due: Timestamp) -> String {
    let minute = due.as_second().div_euclid(60) * 60;
    Timestamp::from_second(minute).unwrap_or(due).to_string()
}

/// The envelope of a schedule that was due at `due` and produced no run.
pub fn missed(plan: &Plan, due: Timestamp) -> Envelope {
    let mut envelope = Envelope::new(&plan.space, &plan.pipeline, Source::Schedule, schedule_key(due));
    envelope.scheduled_time = Some(due.to_string());
    envelope.cause = Some(Value::String("missed schedule, started by the sweep".to_owned()));
    envelope
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_do_not_make_another_start_key() {
        let key = |text: &str| schedule_key(text.parse().unwrap());
        assert_eq!(key("2026-11-22T02:00:00Z"), "2026-11-22T02:00:00Z");
        assert_eq!(key("2026-11-22T03:00:59.9+01:00"), "2026-11-22T02:00:00Z");
        assert_ne!(key("2026-11-22T02:01:00Z"), key("2026-11-22T02:00:00Z"));
    }

    #[test]
    fn an_executions_arn_follows_from_its_machines() {
        let run = "listings/2026-11-21/1".parse().unwrap();
        assert_eq!(
            execution_arn("arn:aws:states:eu-central-1:1:stateMachine:dpc-listings", &run),
            "arn:aws:states:eu-central-1:1:execution:dpc-listings:listings.2026-11-21.1"
        );
    }
}
