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
/// The end of a run that took longer than its pipeline's `timeout`.
pub const TIMED_OUT: &str = "Timed out";
/// The error of that end, by which the account function knows it: `control::run` has the same.
pub const TIMEOUT_ERROR: &str = "dpc.Timeout";
/// The error by which a failure leaves its branch, its record as the cause.
pub const CARRIED: &str = "dpc.Carried";

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

/// Substituted in the definition: ARN of the pipeline's compute role.
pub const COMPUTE_ROLE_ARN: &str = "ComputeRoleArn";

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
/// Logical id of the role under which ECS starts containers.
pub const EXECUTION_ROLE: &str = "ContainerStartRole";
/// Logical id of the log group of containers.
pub const TASK_LOGS: &str = "ContainerLogs";
/// Logical id of the log group.
pub const LOG_GROUP: &str = "LogGroup";
/// Logical id of the topic.
pub const TOPIC: &str = "Topic";
/// Logical id of the registration.
pub const REGISTRATION: &str = "Registration";

/// The logical id of something that belongs to a step or profile of this name: `Task` and `load-all` give `TaskLoadAll`.
/// Where two names could give one id, as `a-1` and `a1`, the digest of the name tells them apart.
pub fn logical_id(prefix: &str, name: &str) -> String {
    let mut id = prefix.to_owned();
    let mut ambiguous = false;
    for part in name.split('-') {
        let mut letters = part.chars();
        let Some(first) = letters.next() else {
            ambiguous = true;
            continue;
        };
        ambiguous |= first.is_ascii_digit();
        id.push(first.to_ascii_uppercase());
        id.extend(letters);
    }
    if ambiguous { format!("{id}{:08x}", fnv(name)) } else { id }
}

/// FNV-1a, 32 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

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

/// The state that records a step as skipped by its own `when`, or by one that it needs.
pub fn skipped(step: &str) -> String {
    format!("{step}: skipped")
}

/// The state that records a step as blocked, because something that it needs is not there.
pub fn blocked(step: &str) -> String {
    format!("{step}: blocked")
}

/// The state that lets a step's failure leave its branch.
pub fn failed(step: &str) -> String {
    format!("{step}: failed")
}

/// The state that fetches what a step has put out.
pub fn read_output(step: &str) -> String {
    format!("{step}: output")
}

/// Under which key of the results a cluster's creation is recorded. No step's name has a blank.
pub fn cluster_key(profile: &str) -> String {
    format!("cluster {profile}")
}

/// The variable that holds something of a profile: `main` and `cluster` give `main_cluster`. Profile names begin with a
/// letter, as variables must, and have no underscore, so two profiles never share one:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html>.
pub fn variable(profile: &str, what: &str) -> String {
    format!("{}_{what}", profile.replace('-', "_"))
}

/// Results with one step recorded as done; with the number of its attempts if it may have had several, and what it put
/// out if others read that.
pub fn record_success(key: &str, retried: bool, output: Option<&str>) -> Value {
    let mut fields = "\"status\": \"SUCCEEDED\"".to_owned();
    if retried {
        fields += ", \"attempts\": $states.context.State.RetryCount + 1";
    }
    if let Some(output) = output {
        fields += &format!(", \"output\": {output}");
    }
    merged(key, &fields)
}

/// Results with one step's status recorded.
pub fn record(key: &str, status: &str) -> Value {
    merged(key, &format!("\"status\": {}", quoted(status)))
}

/// Results with a cluster recorded as created.
pub fn record_cluster(profile: &str) -> Value {
    merged(&cluster_key(profile), "\"status\": \"SUCCEEDED\", \"id\": $states.result.ClusterId")
}

fn merged(key: &str, fields: &str) -> Value {
    json!(code(&format!("$merge([$states.input, {{{}: {{{fields}}}}}])", quoted(key))))
}

/// Results with a failure recorded; for the output of a catcher. The cause is short, because results travel from state
/// to state and a payload holds 256 KiB: <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>.
/// `timed`: whether there is a deadline, after which every failure is one of time.
pub fn record_failure(key: &str, what: &str, timed: bool) -> Value {
    json!(code(&format!("({SAID}; $merge([$states.input, {}]))", failure(key, what, timed))))
}

/// One failure and nothing else.
pub fn failure_alone(key: &str, what: &str, timed: bool) -> Value {
    json!(code(&format!("({SAID}; {})", failure(key, what, timed))))
}

fn failure(key: &str, what: &str, timed: bool) -> String {
    let error = if timed {
        format!("$millis() >= $deadline ? \"{TIMEOUT_ERROR}\" : $states.errorOutput.Error")
    } else {
        "$states.errorOutput.Error".to_owned()
    };
    format!(
        "{{{}: {{\"status\": \"FAILED\", \"what\": {}, \"error\": {error}, \"cause\": $said, \"at\": $now()}}}}",
        quoted(key),
        quoted(what)
    )
}

/// Results with the failure recorded that has left its branch; for the catcher around it. What else can fail a parallel,
/// such as results that are too large, is recorded as the parallel's own.
pub fn record_carried_failure() -> Value {
    let own = failure("parallel", "what runs in parallel", false);
    json!(code(&format!(
        "$states.errorOutput.Error = \"{CARRIED}\" ? $merge([$states.input, $parse($states.errorOutput.Cause)]) : \
         ({SAID}; $merge([$states.input, {own}]))"
    )))
}

/// Assigns `$said`: what a person wants to read of the error output's cause. EMR's cause is the description of the step
/// or cluster as JSON, whose first kilobyte is the arguments of the step; what went wrong stands in `Reason`, `Message`
/// and `LogFile`: <https://docs.aws.amazon.com/emr/latest/APIReference/API_FailureDetails.html>,
/// <https://docs.aws.amazon.com/emr/latest/APIReference/API_ClusterStateChangeReason.html>; of a job of EMR Serverless it
/// stands in `StateDetails`, of a container in `Reason`, or in `StoppedReason` and `ExitCode`. A cause without them is cut.
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
    r#"$text := $trim($field("Reason", 200) & " " & $field("Message", 600)); "#,
    r#"$text := $text = "" ? $field("StateDetails", 600) : $text; $stopped := $field("StoppedReason", 200); "#,
    r#"$exit := $trim($substringBefore($substringBefore($substringAfter($flat, "\"ExitCode\":"), ","), "}")); "#,
    r#"$text := $text = "" and $stopped != "" ? $stopped & ($contains($flat, "\"ExitCode\":") ? " with code " & $exit : "") : $text; "#,
    r#"$log := $field("LogFile", 300); "#,
    r#"$said := $text = "" ? $substring($cause, 0, 1000) : $text & ($log = "" ? "" : "; log: " & $log)"#,
);

/// What an item of a map yields when all is well: the output of its last step, if others read it.
pub fn item_done(last: Option<&str>) -> Value {
    let output = last.map(|step| format!(", \"output\": $states.input.`{step}`.output")).unwrap_or_default();
    json!(code(&format!("{{\"status\": \"SUCCEEDED\"{output}}}")))
}

/// What an item of a map yields when one of its steps failed.
pub fn item_failed() -> Value {
    let cause = earliest_failure();
    let cause = cause.trim_start_matches("{%").trim_end_matches("%}").trim();
    json!(code(&format!("{{\"status\": \"FAILED\", \"index\": $index, \"cause\": {cause}}}")))
}

/// Results with a map recorded: it has failed when more of its items have than may.
pub fn record_items(key: &str, what: &str, tolerate: (Option<u32>, Option<u32>), output: bool) -> Value {
    let most = match tolerate {
        (Some(failures), _) => failures.to_string(),
        (None, Some(percent)) => format!("$count($all) * {percent} / 100"),
        (None, None) => "0".to_owned(),
    };
    let output = if output { ", \"output\": [$all.output]" } else { "" };
    json!(code(&format!(
        "($all := $states.result; $bad := $all[status = \"FAILED\"]; $merge([$states.input, {{{key}: \
         $count($bad) <= {most} ? {{\"status\": \"SUCCEEDED\", \"failed\": $count($bad){output}}} : \
         {{\"status\": \"FAILED\", \"what\": {what}, \"error\": \"dpc.ItemsFailed\", \"at\": $now(), \
         \"cause\": $string($count($bad)) & \" of \" & $string($count($all)) & \" items failed, the first of them item \" & \
         $string($bad[0].index) & \": \" & $substring($bad[0].cause, 0, 800)}}}}]))",
        key = quoted(key),
        what = quoted(what),
    )))
}

/// That a step has succeeded, or was skipped by its own `when`.
pub fn done(step: &str) -> String {
    format!("$states.input.`{step}`.status in [\"SUCCEEDED\", \"SKIPPED\"]")
}

/// That something has succeeded, by its key in the results.
pub fn succeeded(key: &str) -> String {
    format!("$states.input.`{key}`.status = \"SUCCEEDED\"")
}

/// That none of these steps, as far as they are known, keeps what needs it from running.
pub fn none_failed<'a>(steps: impl Iterator<Item = &'a str>) -> String {
    let statuses: Vec<String> = steps.map(|step| format!("$states.input.`{step}`.status")).collect();
    format!("$count([{}][$ in [\"FAILED\", \"BLOCKED\"]]) = 0", statuses.join(", "))
}

/// That nothing has failed yet.
pub fn no_failure_so_far() -> String {
    "$not(\"FAILED\" in $states.input.*.status)".to_owned()
}

/// That a step's `when` was true when the run started, as the account function rendered it.
pub fn wanted(step: &str) -> String {
    format!("$string($input.steps.`{step}`.when) = \"true\"")
}

/// That the deadline has not passed.
pub fn in_time() -> String {
    "$millis() < $deadline".to_owned()
}

/// That nothing failed, and nothing was kept from running.
pub fn all_is_well() -> String {
    code("$not(\"FAILED\" in $states.input.*.status) and $not(\"BLOCKED\" in $states.input.*.status)")
}

/// That the deadline ended the run: it failed a step, or it kept steps from running that nothing else kept.
pub fn out_of_time() -> String {
    code(&format!("\"{TIMEOUT_ERROR}\" in $states.input.*.error or $not(\"FAILED\" in $states.input.*.status)"))
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
