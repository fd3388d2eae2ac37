//! The frame of the state machine: check of the input, the steps with their clusters, an honest end.
//!
//! In comes a model whose references hold; out comes a machine in which every failure that can be caught reaches the
//! release of the clusters, and a failed run ends FAILED. It refuses to know resources and permissions.

use serde_json::{Map, Value, json};

use super::{Model, clusters};
use crate::control::duration::Duration;
use crate::control::run::TIMEOUT_ERROR;
use crate::documents::frame;
use crate::documents::states::{Choice, Fail, Machine, Rule, State, States, Succeed, code};

/// How much longer than the pipeline's own `timeout` Step Functions lets an execution live: time for the release of
/// clusters, which Step Functions watches by asking every few minutes.
const GRACE: Duration = Duration(30 * 60);

/// The machine of a pipeline.
pub(super) fn build(model: &Model<'_>) -> Machine {
    let mut body = States { start_at: frame::CHECK_INPUT.to_owned(), ..States::default() };
    let mut steps = States::default();
    let first = clusters::around(model, frame::OUTCOME, &mut steps);
    check_input(model, &first, &mut body);
    body.states.extend(steps.states);
    outcome(model, &mut body);
    let comment = model.manifest.description.as_ref().map(|description| description.value.trim().to_owned());
    Machine {
        comment: comment.unwrap_or_else(|| format!("The pipeline {}", model.name)),
        timeout_seconds: model.deadline().map(|deadline| deadline.seconds() + GRACE.seconds()),
        body,
    }
}

fn check_input(model: &Model<'_>, first: &str, body: &mut States) {
    let mut assign = Map::from_iter([("input".to_owned(), json!(code("$states.input")))]);
    if let Some(deadline) = model.deadline() {
        let expression = format!("$toMillis($states.context.Execution.StartTime) + {}", deadline.seconds() * 1_000);
        assign.insert("deadline".to_owned(), json!(code(&expression)));
    }
    for (profile, kind) in &model.clusters {
        assign.extend(kind.variables(profile));
    }
    let rule = Rule {
        condition: code("$states.input.run.execution = $states.context.Execution.Name"),
        assign,
        output: Some(json!({})),
        next: first.to_owned(),
    };
    let comment = Some("Only the account function knows the name of its own execution".to_owned());
    body.add(
        frame::CHECK_INPUT,
        State::Choice(Choice { comment, choices: vec![rule], default: frame::REFUSE.to_owned() }),
    );
    let cause = format!("this execution was not started by dpc; start a run with: dpc run {}", model.name);
    body.add(frame::REFUSE, State::Fail(Fail { error: "dpc.NotStartedByDpc".to_owned(), cause }));
}

fn outcome(model: &Model<'_>, body: &mut States) {
    let rule =
        |condition: String, next: &str| Rule { condition, assign: Map::new(), output: None, next: next.to_owned() };
    let mut choices = vec![rule(frame::all_is_well(), frame::SUCCEEDED)];
    if model.deadline().is_some() {
        choices.push(rule(frame::out_of_time(), frame::TIMED_OUT));
    }
    body.add(frame::OUTCOME, State::Choice(Choice { comment: None, choices, default: frame::FAILED.to_owned() }));
    body.add(frame::SUCCEEDED, State::Succeed(Succeed {}));
    body.add(frame::FAILED, State::Fail(Fail { error: "dpc.StepFailed".to_owned(), cause: frame::earliest_failure() }));
    if let Some(deadline) = model.deadline() {
        let cause = format!("the run took longer than {deadline}, the pipeline's `timeout`");
        body.add(frame::TIMED_OUT, State::Fail(Fail { error: TIMEOUT_ERROR.to_owned(), cause }));
    }
}

impl Model<'_> {
    /// Whether the first failure is to cancel everything that runs beside it.
    pub(super) fn fail_fast(&self) -> bool {
        self.manifest.fail_fast.as_ref().is_some_and(|fail_fast| fail_fast.value)
    }

    /// How long a run may take.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.manifest.timeout.as_ref().and_then(|timeout| Duration::parse(timeout))
    }

    /// `TimeoutSeconds` of a task that may itself take so long: never past the pipeline's deadline.
    pub(super) fn time_left(&self, own: Option<u64>) -> Option<Value> {
        if self.deadline().is_none() {
            return own.map(|seconds| json!(seconds));
        }
        let left = "$max([1, $ceil(($deadline - $millis()) / 1000)])";
        let seconds = own.map_or(left.to_owned(), |own| format!("$min([{own}, {left}])"));
        Some(json!(code(&seconds)))
    }

    /// Whether a profile is something that a run creates and releases.
    pub(super) fn is_provided(&self, profile: &str) -> bool {
        self.clusters.iter().any(|(name, _)| name.value == profile)
    }

    /// The profiles that a step of this name runs on, those of the steps inside it included.
    pub(super) fn profiles_of(&self, step: &str) -> Vec<&str> {
        self.body.steps.iter().find(|made| made.step.name.value == step).map(|made| made.profiles()).unwrap_or_default()
    }
}
