//! Who a run is: envelope, run id, execution name, status order, and the keys of `dpc-runs`.
//!
//! These shapes are fixed for the control plane too: docs/runs.md describes them for operators.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The error by which a state machine says that its pipeline's `timeout` is over.
pub const TIMEOUT_ERROR: &str = "dpc.Timeout";

/// The envelope's only version so far.
pub const ENVELOPE_VERSION: u32 = 1;

/// What asks for a run: every source sends this to the account function, and nothing else starts a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    /// [`ENVELOPE_VERSION`].
    pub version: u32,
    /// The namespace of pipeline names; must be the one that the pipeline was deployed with.
    pub space: String,
    /// The pipeline to run.
    pub pipeline: String,
    /// Who asks.
    pub source: Source,
    /// What makes the start unique: the scheduled time, an event id, a witness hash, a caller's request id.
    pub key: String,
    /// RFC 3339; for `schedule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_time: Option<String>,
    /// A partition label; for `run`, `rerun`, `backfill`, `trigger` and `pipeline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// RFC 3339; for `event`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<String>,
    /// The event itself; for `event`. Kept with the run, and `event` in its templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Value>,
    /// Which of the plan's `events` it is; for `event`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// Name of the execution that asks; for `pipeline`. Its partition is the default of `partition`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Task token of the state that waits for the run's end; for `pipeline`. Absent when nobody waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_token: Option<String>,
    /// Why, for people: recorded with the run, never interpreted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Value>,
    /// Values for the pipeline's `params`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// Which downstream pipelines may run because of the run; absent is all. Reported to the central account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downstream: Option<Downstream>,
    /// The reservation that the run fulfils. Reported to the central account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation: Option<String>,
}

impl Envelope {
    /// An envelope that says no more than it must.
    pub fn new(space: &str, pipeline: &str, source: Source, key: impl Into<String>) -> Self {
        Self {
            version: ENVELOPE_VERSION,
            space: space.to_owned(),
            pipeline: pipeline.to_owned(),
            source,
            key: key.into(),
            scheduled_time: None,
            partition: None,
            event_time: None,
            event: None,
            trigger: None,
            parent: None,
            task_token: None,
            cause: None,
            params: Map::new(),
            downstream: None,
            reservation: None,
        }
    }
}

/// Which downstream pipelines may run because of a run. What a run starts inherits it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Downstream {
    /// None.
    None,
    /// These alone.
    Only(Vec<String>),
}

impl Downstream {
    /// Whether this pipeline may run.
    pub fn allows(&self, pipeline: &str) -> bool {
        match self {
            Downstream::None => false,
            Downstream::Only(names) => names.iter().any(|name| name == pipeline),
        }
    }
}

/// Who asks for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// EventBridge Scheduler.
    Schedule,
    /// The central account: upstream pipelines have ended as the condition asks.
    Trigger,
    /// An S3 object or another EventBridge event.
    Event,
    /// A step of another pipeline.
    Pipeline,
    /// A person, by `dpc run`.
    Run,
    /// A person, by `dpc rerun`.
    Rerun,
    /// A person, by `dpc backfill`.
    Backfill,
}

impl Source {
    /// Whether no person has asked: what a pause keeps back.
    pub fn is_automatic(self) -> bool {
        match self {
            Source::Schedule | Source::Trigger | Source::Event | Source::Pipeline => true,
            Source::Run | Source::Rerun | Source::Backfill => false,
        }
    }
}

/// `<partition>.<number>`: one attempt to produce one partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId {
    /// The partition's label, or `none`.
    pub partition: String,
    /// 1, 2, 3 … within (pipeline, partition).
    pub number: u32,
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.partition, self.number)
    }
}

/// `<pipeline>/<partition>/<number>`: a run as commands name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunRef {
    /// The pipeline.
    pub pipeline: String,
    /// The run within it.
    pub id: RunId,
}

impl fmt::Display for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.pipeline, self.id.partition, self.id.number)
    }
}

impl FromStr for RunRef {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let refused =
            || format!("`{text}` is not a run; write pipeline/partition/number, such as listings/2026-11-21/1");
        let mut parts = text.split('/');
        let (Some(pipeline), Some(partition), Some(number), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refused());
        };
        let number = number.parse().ok().filter(|number| *number > 0).ok_or_else(refused)?;
        if pipeline.is_empty() || partition.is_empty() {
            return Err(refused());
        }
        Ok(Self { pipeline: pipeline.to_owned(), id: RunId { partition: partition.to_owned(), number } })
    }
}

impl RunRef {
    /// The name of the run's execution: `listings.2026-11-21.1`. At most 80 characters, because a pipeline's name has at
    /// most 40 and a partition's label at most 14; none of the three parts holds a dot.
    pub fn execution_name(&self) -> String {
        format!("{}.{}", self.pipeline, self.id)
    }

    /// The run that an execution name stands for, if dpc gave that name.
    pub fn of_execution_name(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let (pipeline, partition, number) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || pipeline.is_empty() || partition.is_empty() {
            return None;
        }
        let number = number.parse().ok().filter(|number: &u32| *number > 0)?;
        Some(Self { pipeline: pipeline.to_owned(), id: RunId { partition: partition.to_owned(), number } })
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Claimed, not started yet.
    Queued,
    /// Its execution runs.
    Running,
    /// Ended well.
    Succeeded,
    /// A step failed, or the run could not be started.
    Failed,
    /// Took longer than it may.
    TimedOut,
    /// Stopped by somebody.
    Aborted,
    /// Its precondition was false; nothing ran.
    Skipped,
}

impl Status {
    /// All of them, in the order of the docs.
    pub const ALL: [Status; 7] = [
        Status::Queued,
        Status::Running,
        Status::Succeeded,
        Status::Failed,
        Status::TimedOut,
        Status::Aborted,
        Status::Skipped,
    ];

    /// As printed and stored: `TIMED_OUT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Queued => "QUEUED",
            Status::Running => "RUNNING",
            Status::Succeeded => "SUCCEEDED",
            Status::Failed => "FAILED",
            Status::TimedOut => "TIMED_OUT",
            Status::Aborted => "ABORTED",
            Status::Skipped => "SKIPPED",
        }
    }

    /// The status with this spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The status that an execution gives its run. Whatever the machine itself says of the pipeline's `timeout` counts
    /// more than that it said so by failing.
    pub fn of_execution(spelled: &str, error: Option<&str>) -> Option<Self> {
        match (spelled, error) {
            ("FAILED", Some(TIMEOUT_ERROR)) => Some(Status::TimedOut),
            _ => Self::parse(spelled),
        }
    }

    /// Whether nothing follows but a redrive.
    pub fn is_terminal(self) -> bool {
        self.phase() == 2
    }

    fn phase(self) -> u64 {
        match self {
            Status::Queued => 0,
            Status::Running => 1,
            Status::Succeeded | Status::Failed | Status::TimedOut | Status::Aborted | Status::Skipped => 2,
        }
    }

    /// A status replaces another only if its order is higher: (redrive count, phase) as one number, so that late and
    /// doubled events change nothing and a redrive, which keeps the execution's ARN, still counts.
    pub fn order(self, redrive_count: u64) -> u64 {
        redrive_count * 10 + self.phase()
    }

    /// The redrive count in an order.
    pub fn redrives(order: u64) -> u64 {
        order / 10
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an execution gets as input: who the run is, where its clusters go, and every step's rendered arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionInput {
    /// [`ENVELOPE_VERSION`].
    pub version: u32,
    /// Who the run is.
    pub run: RunIdentity,
    /// Merged into `Instances` of createCluster as it is: `Ec2SubnetId`, `EmrManagedMasterSecurityGroup`,
    /// `EmrManagedSlaveSecurityGroup` and, in private subnets, `ServiceAccessSecurityGroup`.
    pub network: Map<String, Value>,
    /// Where containers go, as ECS takes it: `Subnets`, all of them, `SecurityGroups` and `AssignPublicIp`.
    #[serde(default)]
    pub vpc: Map<String, Value>,
    /// Step name to that step's arguments, rendered.
    pub steps: Map<String, Value>,
}

/// The identity of a run inside its execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunIdentity {
    /// `<partition>.<number>`.
    pub id: String,
    /// Must equal the execution's own name, else the first state refuses to go on.
    pub execution: String,
    /// The pipeline.
    pub pipeline: String,
    /// The partition's label, or `none`.
    pub partition: String,
    /// The run's number within the partition.
    pub number: u32,
    /// The space.
    pub space: String,
    /// Who asked.
    pub source: Source,
}

/// Keys of `dpc-runs`. Partition key `pk`, sort key `sk`, both strings. A pipeline's rows share one `pk`; a pipeline's
/// name is unique in an account and region, because its stack's is, so the space is an attribute and not a key.
pub mod keys {
    use super::RunId;

    /// `pk` of everything about a pipeline.
    pub fn pipeline(pipeline: &str) -> String {
        format!("PIPELINE#{pipeline}")
    }

    /// `sk` of the registration: plan, stack id, state machine.
    pub const REGISTRATION: &str = "REGISTRATION";

    /// `sk` of a partition's counter of runs.
    pub fn partition(label: &str) -> String {
        format!("PARTITION#{label}")
    }

    /// `sk` of the newest run of a partition that waits for its turn; sorts by partition.
    pub fn waiting(label: &str) -> String {
        format!("{WAITING}{label}")
    }

    /// Prefix of a pipeline's queue.
    pub const WAITING: &str = "WAIT#";

    /// `sk` of the run that took the pipeline's only slot last, where partitions do not run side by side.
    pub const SLOT: &str = "SLOT";

    /// `sk` of a run; sorts by partition, then number.
    pub fn run(id: &RunId) -> String {
        format!("RUN#{}#{:06}", id.partition, id.number)
    }

    /// `sk` of a pipeline's pause.
    pub const PAUSE: &str = "PAUSE";

    /// `pk` of all reruns and backfills; `sk` is the id.
    pub const BATCHES: &str = "BATCHES";

    /// `pk` of the partitions of a rerun or backfill.
    pub fn batch(id: &str) -> String {
        format!("BATCH#{id}")
    }

    /// `sk` of a row of them.
    pub fn batch_partitions(at: usize) -> String {
        format!("PARTITIONS#{at:04}")
    }

    /// `pk` of messages that could not be sent to the central account yet; `sk` is the message's id.
    pub const OWED: &str = "OWED";

    /// Prefix of all runs of a pipeline.
    pub const RUNS: &str = "RUN#";

    /// `sk` of a start key that was used: holds the run that it started.
    pub fn start_key(key: &str) -> String {
        format!("KEY#{key}")
    }
}
