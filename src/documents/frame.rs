//! What the states of one machine share: their names, their variables, and the shape of the results that pass between
//! them.
//!
//! Every state's input and output is the *results*: step name to `{status, what, error, cause, at}`. What a run was
//! started with is in the variable `input`, and each cluster's id in a variable of its profile.

use serde_json::{Value, json};

use super::states::{code, quoted};

/// Refuses executions that the account function did not start.
pub const CHECK_INPUT: &str = "Check input";
/// Where refused executions end.
pub const REFUSE: &str = "Refuse";
/// Decides how the run ends.
pub const OUTCOME: &str = "Outcome";
/// The good end.
pub const SUCCEEDED: &str = "Succeeded";
/// The bad end.
pub const FAILED: &str = "Failed";

/// Substituted in the definition: name of the account's EMR service role.
pub const SERVICE_ROLE: &str = "EmrServiceRole";
/// Substituted in the definition: name of the pipeline's instance profile.
pub const INSTANCE_PROFILE: &str = "EmrInstanceProfile";
/// Substituted in the definition: where clusters write their logs.
pub const LOG_URI: &str = "ClusterLogs";
/// Substituted in the definition: the JAR that runs a script as an EMR step.
pub const SCRIPT_RUNNER: &str = "ScriptRunner";

/// Substituted in the definition: name of the account's bucket.
pub const BUCKET: &str = "Bucket";
/// Substituted in the definition: what the ARNs of the account's secrets begin with.
pub const SECRET_ARNS: &str = "SecretArns";

/// Logical id of the state machine.
pub const STATE_MACHINE: &str = "StateMachine";
/// Logical id of the state machine's role.
pub const STATE_MACHINE_ROLE: &str = "StateMachineRole";
/// Logical id of the role of the pipeline's own compute.
pub const COMPUTE_ROLE: &str = "ComputeRole";
/// Logical id of the instance profile around that role.
pub const COMPUTE_PROFILE: &str = "ComputeProfile";
/// Logical id of the role that EMR works under when it must fetch secrets.
pub const EMR_ROLE: &str = "EmrRole";
/// Logical id of the log group.
pub const LOG_GROUP: &str = "LogGroup";
/// Logical id of the topic.
pub const TOPIC: &str = "Topic";
/// Logical id of the registration.
pub const REGISTRATION: &str = "Registration";

/// `${name}` in a definition: replaced through `DefinitionSubstitutions`.
pub fn substitution(name: &str) -> String {
    format!("${{{name}}}")
}

/// ARN of an optimised integration: `elasticmapreduce:addStep.sync`. The partition is written out, because linters take
/// no substitution here; regions of other partitions are refused.
pub fn integration(name: &str) -> String {
    format!("arn:aws:states:::{name}")
}

/// The state that creates a profile's cluster.
pub fn create_cluster(profile: &str) -> String {
    format!("Create {profile}")
}

/// The state that terminates a profile's cluster.
pub fn release_cluster(profile: &str) -> String {
    format!("Release {profile}")
}

/// The state that looks whether a step's needs were met.
pub fn needs_met(step: &str) -> String {
    format!("{step}: needs met?")
}

/// The state that records a step as skipped.
pub fn skipped(step: &str) -> String {
    format!("{step}: skipped")
}

/// The variable that holds something of a profile: `main` and `cluster` give `main_cluster`. Profile names begin with a
/// letter, as variables must, and have no underscore, so two profiles never share one:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html>.
pub fn variable(profile: &str, what: &str) -> String {
    format!("{}_{what}", profile.replace('-', "_"))
}

/// Results with one step recorded as done.
pub fn record_success(key: &str) -> Value {
    json!(code(&format!("$merge([$states.input, {{{}: {{\"status\": \"SUCCEEDED\"}}}}])", quoted(key))))
}

/// Results with one step recorded as skipped.
pub fn record_skip(key: &str) -> Value {
    json!(code(&format!("$merge([$states.input, {{{}: {{\"status\": \"SKIPPED\"}}}}])", quoted(key))))
}

/// Results with a failure recorded; for the output of a catcher. The cause is short, because results travel from state
/// to state and a payload holds 256 KiB: <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>.
pub fn record_failure(key: &str, what: &str) -> Value {
    json!(code(&format!(
        "({SAID}; $merge([$states.input, {{{}: {{\"status\": \"FAILED\", \"what\": {}, \
         \"error\": $states.errorOutput.Error, \"cause\": $said, \"at\": $now()}}}}]))",
        quoted(key),
        quoted(what)
    )))
}

/// Assigns `$said`: what a person wants to read of the error output's cause. EMR's cause is the description of the step
/// or cluster as JSON, whose first kilobyte is the arguments of the step; what went wrong stands in `Reason`, `Message`
/// and `LogFile`: <https://docs.aws.amazon.com/emr/latest/APIReference/API_FailureDetails.html>,
/// <https://docs.aws.amazon.com/emr/latest/APIReference/API_ClusterStateChangeReason.html>. A cause without them is cut.
///
/// A mistake in a catcher's output would fail the run for its own sake, so nothing here can fail: `$parse` refuses what is
/// no JSON, while these functions take any text and make nothing of nothing. Escaped backslashes and quotes are put out
/// of the way first (as U+0001 and U+0002), so the next `"` ends the text, and no argument of a step looks like a field.
const SAID: &str = concat!(
    r#"$cause := $exists($states.errorOutput.Cause) ? $string($states.errorOutput.Cause) : ""; "#,
    r#"$flat := $replace($replace($replace($cause, "\\\\", "\u0001"), "\\\"", "\u0002"), "\": \"", "\":\""); "#,
    r#"$field := function($name, $most) {($mark := "\"" & $name & "\":\""; $contains($flat, $mark) ? "#,
    r#"$substring($replace($replace($replace($replace("#,
    r#"$substringBefore($substringAfter($flat, $mark), "\""), "#,
    r#""\\n", " "), "\\t", " "), "\u0002", "\""), "\u0001", "\\"), 0, $most) : "")}; "#,
    r#"$text := $trim($field("Reason", 200) & " " & $field("Message", 600)); $log := $field("LogFile", 300); "#,
    r#"$said := $text = "" ? $substring($cause, 0, 1000) : $text & ($log = "" ? "" : "; log: " & $log)"#,
);

/// Whether every one of these steps succeeded.
pub fn all_succeeded(steps: &[&str]) -> String {
    let terms: Vec<String> =
        steps.iter().map(|step| format!("$states.input.`{step}`.status = \"SUCCEEDED\"")).collect();
    code(&terms.join(" and "))
}

/// Whether nothing failed. Whoever is skipped is so because something failed.
pub fn nothing_failed() -> String {
    code("$not(\"FAILED\" in $states.input.*.status)")
}

/// The earliest failure as a sentence: ``step `aggregate` failed: Unknown Error. Exception in thread …``. The name that
/// Step Functions gives to every failure of a job says nothing that the cause does not.
pub fn earliest_failure() -> String {
    code(
        "($first := $sort($states.input.*[status = \"FAILED\"], function($a, $b) { $a.at > $b.at })[0]; \
         $parts := [$first.error, $first.cause][$ != \"\"]; \
         $first.what & \" failed: \" & $join($count($parts) > 1 ? $parts[$ != \"States.TaskFailed\"] : $parts, \": \"))",
    )
}
