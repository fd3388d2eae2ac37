//! What people ask of the account function, beside runs: the events `{"dpc": "<verb>", …}` and their answers.
//!
//! In come the shapes that the command line writes and the function reads, and the other way round; out comes their one
//! spelling as JSON. It refuses to know who may ask: that is IAM's, who may invoke the function. `by` is for the record.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::run::{RunRef, Source, Status};

/// Something that is asked of the account function. A refusal is answered like that of a start:
/// `{"error": {"code", "message", "help"}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The namespace of the pipelines' names; must be the one that they were deployed for.
    pub space: String,
    /// Who asks: an ARN, for the record.
    pub by: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Makes the question unique: the same one asked again is answered with what it did the first time. 1 to 40 characters
    /// of `a-z`, `0-9` and `-`; that of a rerun or backfill becomes its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is asked.
    #[serde(flatten)]
    pub verb: Verb,
}

/// The verbs; `dpc` holds the verb's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "dpc", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Verb {
    /// The partition counts as having this status, whatever its runs say; until a newer run. Answer: [`Asked`].
    Mark {
        /// The pipeline.
        pipeline: String,
        /// The partition.
        partition: String,
        /// The status.
        status: Status,
    },
    /// Takes the mark back. Answer: [`Asked`].
    Unmark {
        /// The pipeline.
        pipeline: String,
        /// The partition.
        partition: String,
    },
    /// Takes a run out of the facts: `listings/2026-11-21/2`. Answer: [`Asked`].
    Ignore {
        /// The run.
        run: String,
    },
    /// Takes it back in. Answer: [`Asked`].
    Restore {
        /// The run.
        run: String,
    },
    /// Starts by schedule, trigger, event and step become skipped runs from now on. Answer: [`Paused`].
    Pause {
        /// The pipeline.
        pipeline: String,
    },
    /// They start runs again. Answer: [`Resumed`].
    Resume {
        /// The pipeline.
        pipeline: String,
    },
    /// Stops a run that is at work, or takes a queued one out of the queue. Answer: [`Stopped`].
    Stop {
        /// The run.
        run: String,
    },
    /// Runs partitions again, one after the other, each with the params and the event of its newest run. Answer: [`Batch`].
    Rerun {
        /// The pipeline.
        pipeline: String,
        /// Their labels; runs such as `listings/2026-11-21/2` where a certain run is meant and not the newest.
        partitions: Vec<String>,
        /// Instead of the params of the earlier runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        params: Option<Map<String, Value>>,
        /// Who runs because of it.
        #[serde(default)]
        downstream: Reach,
        /// How many at once; 1 to 100, else 3.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_active: Option<u32>,
    },
    /// Runs the partitions of a stretch of the calendar. Answer: [`Batch`].
    Backfill {
        /// The pipeline.
        pipeline: String,
        /// The first partition.
        from: String,
        /// The last.
        to: String,
        /// Which of them.
        #[serde(default)]
        only: Only,
        /// Values for the pipeline's `params`.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        params: Map<String, Value>,
        /// Who runs because of it.
        #[serde(default)]
        downstream: Reach,
        /// How many at once; 1 to 100, else 3.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_active: Option<u32>,
        /// Starts nothing and writes nothing: the answer says which partitions it would be (`partitions`).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        dry_run: bool,
    },
    /// All reruns and backfills of the account and space, newest first. Answer: [`Batches`].
    Batches {
        /// Those of one pipeline.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pipeline: Option<String>,
    },
    /// One of them, with its partitions. Answer: [`Batch`].
    Batch {
        /// Its id.
        batch: String,
    },
    /// Starts no more of it, takes what it has queued out of the queue, and gives its reservation up. Answer: [`Batch`].
    CancelBatch {
        /// Its id.
        batch: String,
        /// Stops its runs at work as well.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stop: bool,
    },
}

impl Verb {
    /// Whether an event's `dpc` is one of these.
    pub fn is_one(name: &str) -> bool {
        const NAMES: [&str; 12] = [
            "mark",
            "unmark",
            "ignore",
            "restore",
            "pause",
            "resume",
            "stop",
            "rerun",
            "backfill",
            "batches",
            "batch",
            "cancel-batch",
        ];
        NAMES.contains(&name)
    }
}

/// Who runs because of a rerun or backfill.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reach {
    /// Every downstream pipeline, each partition once all that it waits for has run.
    #[default]
    All,
    /// Nobody.
    None,
    /// These alone.
    Only(Vec<String>),
    /// Every downstream pipeline, but nothing before the last partition has run.
    After,
}

/// Which partitions of a stretch a backfill runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Only {
    /// Those that no run has tried yet; skipped runs do not count.
    #[default]
    Missing,
    /// Those whose newest run has ended badly.
    Failed,
    /// All.
    All,
}

/// What the central account has answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// What a person should know all the same.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What came of it.
    #[serde(default)]
    pub result: Value,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Who has paused.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

/// A pipeline is paused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Paused {
    /// The pipeline.
    pub pipeline: String,
    /// The pause: this one, or the one that was there before.
    pub pause: Pause,
    /// Whether it is this one.
    pub new: bool,
}

/// A pipeline is not paused any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resumed {
    /// The pipeline.
    pub pipeline: String,
    /// The pause that has ended; absent if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// What would have run, oldest partition first: the newest skipped run of each partition that no run came after.
    pub missed: Vec<Missed>,
}

/// A start that a pause has kept back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Missed {
    /// The skipped run.
    #[serde(with = "in_words")]
    pub run: RunRef,
    /// Who asked for it.
    pub source: Source,
    /// When.
    pub at: Timestamp,
}

/// A run was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stopped {
    /// The run.
    #[serde(with = "in_words")]
    pub run: RunRef,
    /// Where it stood before.
    pub was: Status,
    /// Where it stands now; RUNNING while Step Functions is still stopping it.
    pub status: Status,
}

/// Reruns and backfills.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batches {
    /// Without their partitions.
    pub batches: Vec<Batch>,
}

/// A rerun or backfill: partitions of one pipeline that are run a few at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// Its id, which is that of its reservation too: `bf-…` or `rr-…`.
    pub id: String,
    /// `backfill` or `rerun`.
    pub source: Source,
    /// The pipeline.
    pub pipeline: String,
    /// Its space.
    pub space: String,
    /// Where it stands.
    pub state: BatchState,
    /// Why it stands there, if that needs a word: a refusal, who cancelled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The first partition.
    pub from: String,
    /// The last.
    pub to: String,
    /// Which of them; absent for a rerun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Only>,
    /// Who runs because of it.
    pub downstream: Reach,
    /// How many at once.
    pub max_active: u32,
    /// The params that were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Map<String, Value>>,
    /// Who asked for it.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When.
    pub at: Timestamp,
    /// How many partitions it has.
    pub total: u32,
    /// How many of them were started.
    pub started: u32,
    /// How many of these ended so.
    #[serde(default)]
    pub ended: BTreeMap<String, u32>,
    /// Those at work or queued.
    #[serde(default)]
    pub active: Vec<String>,
    /// Its partitions in their order, where one batch is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<BatchPartition>,
    /// What a person should know: the central account's warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Where a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BatchState {
    /// The central account has not confirmed its reservation yet; nothing was started.
    Reserving,
    /// At work.
    Running,
    /// Cancelled; its runs have not all ended, or the central account has not been told yet.
    Cancelling,
    /// Cancelled.
    Cancelled,
    /// The central account or the account function would not have it; see `cause`.
    Refused,
    /// Every partition has run. How each ended, `ended` says.
    Done,
}

impl BatchState {
    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, BatchState::Cancelled | BatchState::Refused | BatchState::Done)
    }
}

/// One partition of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchPartition {
    /// Its label.
    pub partition: String,
    /// The number of the batch's run of it; absent until it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// Where that run stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// A run as commands name it.
mod in_words {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::RunRef;

    pub fn serialize<S: Serializer>(run: &RunRef, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(run)
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<RunRef, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(event: Value) -> Result<Ask, String> {
        serde_json::from_value(event).map_err(|error| error.to_string())
    }

    #[test]
    fn an_ask_is_spelled_as_documented() {
        let event = json!({
            "dpc": "mark", "space": "prod", "by": "ada", "why": "known good", "pipeline": "listings",
            "partition": "2026-11-21", "status": "SUCCEEDED",
        });
        let ask = read(event.clone()).unwrap();
        let (pipeline, partition) = ("listings".to_owned(), "2026-11-21".to_owned());
        assert_eq!(ask.verb, Verb::Mark { pipeline, partition, status: Status::Succeeded });
        assert_eq!(serde_json::to_value(&ask).unwrap(), event);
    }

    #[test]
    fn what_is_left_out_is_the_careful_choice() {
        let ask = read(json!({ "dpc": "backfill", "space": "prod", "by": "ada", "pipeline": "listings",
            "from": "2026-11-01", "to": "2026-11-21", "downstream": { "only": ["pipeline-x"] } }))
        .unwrap();
        let Verb::Backfill { only, downstream, max_active, .. } = ask.verb else { panic!("{ask:?}") };
        assert_eq!((only, downstream, max_active), (Only::Missing, Reach::Only(vec!["pipeline-x".into()]), None));
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let wrong = read(json!({ "dpc": "stop", "space": "prod", "by": "ada", "run": "a/b/1", "rum": 1 }));
        assert!(wrong.unwrap_err().contains("rum"));
    }

    #[test]
    fn every_verb_is_known_by_its_name() {
        for name in ["pause", "cancel-batch", "batches"] {
            assert!(Verb::is_one(name), "{name}");
        }
        assert!(!Verb::is_one("sweep"));
    }
}
