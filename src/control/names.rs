//! The names of everything that dpc deploys, in one place: stacks, functions, tables, keys in the bucket.
//!
//! In come the names that users gave and the digests of content; out come AWS names, ARNs and keys. It refuses to know which
//! account it is: where that matters, `${AWS::…}` stands in the name.

/// The account function.
pub const ACCOUNT_FUNCTION: &str = "dpc-account";
/// The stack that `dpc setup account` owns.
pub const ACCOUNT_STACK: &str = "dpc-account";
/// The stack with the key and the bucket, which must exist before the account stack can.
pub const BOOTSTRAP_STACK: &str = "dpc-bootstrap";
/// The table of registrations and runs.
pub const RUNS_TABLE: &str = "dpc-runs";
/// The sparse index over runs that have not ended. Keys: `open` (always `"1"`), `sk`.
pub const OPEN_INDEX: &str = "open";
/// The queue of everything that could not be delivered.
pub const DEAD_LETTERS: &str = "dpc-dead-letters";
/// The central function.
pub const CENTRAL_FUNCTION: &str = "dpc-central";
/// The stack that `dpc setup central` owns.
pub const CENTRAL_STACK: &str = "dpc-central";
/// The table of the central account: registrations, facts, fires.
pub const CENTRAL_TABLE: &str = "dpc-central";
/// The bus of the central account that takes the messages of account functions.
pub const CENTRAL_BUS: &str = "dpc-central";
/// The queue between that bus and the central function.
pub const CENTRAL_QUEUE: &str = "dpc-central.fifo";
/// The queue of messages that the central function cannot deal with.
pub const CENTRAL_DEAD_LETTERS: &str = "dpc-central-dead-letters.fifo";
/// The bus of a member account that takes the triggers of the central function.
pub const ACCOUNT_BUS: &str = "dpc";
/// The parameter of a member account that holds the number of its central account.
pub const CENTRAL_ACCOUNT_PARAMETER: &str = "/dpc/central-account";
/// The parameter with the ARN of the central bus.
pub const CENTRAL_BUS_PARAMETER: &str = "/dpc/central-bus";
/// The parameter with the ARN of the role that reads the central table.
pub const CENTRAL_READER_PARAMETER: &str = "/dpc/central-reader";
/// The alias of the account's customer-managed key.
pub const KEY_ALIAS: &str = "alias/dpc";
/// The ARN of that key, as CloudFormation text: for properties that take no alias.
pub const KEY_ARN: &str = "{{resolve:ssm:/dpc/key-arn}}";
/// The EMR service role of an account, as CloudFormation text.
pub const EMR_SERVICE_ROLE: &str = "dpc-emr-${AWS::Region}";
/// The managed policy of that role, as CloudFormation text.
pub const EMR_POLICY: &str = "dpc-emr-${AWS::Region}";
/// The role of all schedules of an account, as CloudFormation text.
pub const SCHEDULER_ROLE: &str = "dpc-scheduler-${AWS::Region}";
/// The bucket for artifacts and logs, as CloudFormation text; [`bucket`] names it for callers who know the account.
pub const BUCKET: &str = "dpc-${AWS::AccountId}-${AWS::Region}";
/// The tag that every dpc resource and every cluster carries, with the pipeline's name as value.
pub const PIPELINE_TAG: &str = "dpc-pipeline";
/// The tag with the space.
pub const SPACE_TAG: &str = "dpc-space";
/// The tag with the owner.
pub const OWNER_TAG: &str = "dpc-owner";
/// The tag of a cluster with the run that it works for.
pub const RUN_TAG: &str = "dpc-run";

/// The ARN of something in this account and region, as CloudFormation text.
pub fn arn(service: &str, resource: &str) -> String {
    format!("arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}")
}

/// The ARN of the account function, as CloudFormation text.
pub fn account_function_arn() -> String {
    arn("lambda", &format!("function:{ACCOUNT_FUNCTION}"))
}

/// The role that reads the central table, as setup names it where no prefix is demanded.
pub fn central_reader(region: &str) -> String {
    format!("dpc-central-reader-{region}")
}

/// Stack, state machine and topic of a pipeline: `dpc-listings`.
pub fn pipeline_resource(pipeline: &str) -> String {
    format!("dpc-{pipeline}")
}

/// The pipeline that a stack or state machine name belongs to.
pub fn pipeline_of_resource(name: &str) -> Option<&str> {
    name.strip_prefix("dpc-").filter(|rest| !rest.is_empty())
}

/// The log group of a pipeline's state machine. The prefix keeps the log resource policy small:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html>.
pub fn log_group(pipeline: &str) -> String {
    format!("/aws/vendedlogs/states/dpc-{pipeline}")
}

/// The log group of a pipeline's containers.
pub fn task_log_group(pipeline: &str) -> String {
    format!("/dpc/{pipeline}")
}

/// The bucket for artifacts and logs.
pub fn bucket(account: &str, region: &str) -> String {
    format!("dpc-{account}-{region}")
}

/// Key of a pipeline's archive, named by its content.
pub fn artifact_key(pipeline: &str, sha256: &str) -> String {
    format!("artifacts/{pipeline}/{sha256}.tar.gz")
}

/// Key of a file of a pipeline's folder that AWS fetches by itself, named by its content; the end of its name says what it
/// is.
pub fn file_key(pipeline: &str, sha256: &str, path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    let plain = !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { format!("artifacts/{pipeline}/{sha256}.{end}") } else { format!("artifacts/{pipeline}/{sha256}") }
}

/// Key of the step runner, named by its content.
pub fn runner_key(sha256: &str) -> String {
    format!("runner/{sha256}.sh")
}

/// Key of a template too large to be sent inline, named by its content.
pub fn template_key(pipeline: &str, sha256: &str) -> String {
    format!("templates/{pipeline}/{sha256}.json")
}

/// Key of the function's zip, named by its content.
pub fn function_key(sha256: &str) -> String {
    format!("function/{sha256}.zip")
}

/// Prefix of a pipeline's cluster logs.
pub fn logs_prefix(pipeline: &str) -> String {
    format!("logs/{pipeline}/")
}
