//! A table and an outside in memory, with the faults that real ones have: calls that fail before or after they took effect,
//! buses that refuse, writes that somebody else has won.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Central;
use super::outside::{Letter, Outside};
use crate::cloud::CloudResult;
use crate::cloud::bus::Event;
use crate::cloud::central::{Key, Open, Range, Row, Rows, TOGETHER, Write};
use crate::control::condition::Condition;
use crate::control::message::{Answer, Body, MESSAGE_VERSION, Message, Registration, Report};
use crate::control::plan::PartitionPlan;
use crate::control::run::{Envelope, Source, Status};
use crate::functions::metrics::Metric;
use crate::functions::testing::Fault;

/// `dpc-central` in memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) fault: Rc<Fault>,
    pub(super) rows: RefCell<BTreeMap<Key, Row>>,
    /// So many of the next writes are lost to somebody else.
    pub(super) loses: Cell<u32>,
    /// Whoever asks for the rows of this key dies.
    pub(super) deadly: RefCell<Option<String>>,
    /// Round trips that only read.
    pub(super) trips: Cell<u64>,
    pub(super) reads: Cell<u64>,
    pub(super) writes: Cell<u64>,
    pub(super) items: Cell<u64>,
}

impl Rows for Memory {
    async fn get(&self, keys: &[Key]) -> CloudResult<Vec<Row>> {
        self.trips.set(self.trips.get() + 1);
        self.reads.set(self.reads.get() + 1);
        self.fault.call(|| {
            let rows = self.rows.borrow();
            keys.iter().filter_map(|key| rows.get(key).cloned()).collect()
        })
    }

    async fn ranges(&self, ranges: &[Range]) -> CloudResult<Vec<Vec<Row>>> {
        self.trips.set(self.trips.get() + 1);
        self.reads.set(self.reads.get() + ranges.len() as u64);
        let deadly = self.deadly.borrow();
        assert!(ranges.iter().all(|range| Some(&range.pk) != deadly.as_ref()), "this row is deadly");
        assert!(ranges.iter().all(|range| !range.first.is_empty()), "DynamoDB compares with no empty text");
        self.fault.call(|| {
            let rows = self.rows.borrow();
            let of = |range: &Range| {
                let (first, last) = (Key::new(&range.pk, &range.first), Key::new(&range.pk, &range.last));
                let found = rows.range(first..=last).map(|(_, row)| row.clone());
                match range.limit {
                    Some(limit) => found.rev().take(limit).collect(),
                    None => found.collect(),
                }
            };
            ranges.iter().map(of).collect()
        })
    }

    async fn write(&self, writes: &[Write]) -> CloudResult<bool> {
        assert!(writes.len() <= TOGETHER, "{} rows in one transaction", writes.len());
        let distinct: BTreeSet<&Key> = writes.iter().map(Write::key).collect();
        assert_eq!(distinct.len(), writes.len(), "DynamoDB takes each row once in a transaction");
        self.writes.set(self.writes.get() + 1);
        self.items.set(self.items.get() + writes.len() as u64);
        self.fault.call(|| {
            if self.loses.get() > 0 {
                self.loses.set(self.loses.get() - 1);
                return false;
            }
            let mut rows = self.rows.borrow_mut();
            let version = |key: &Key| rows.get(key).map_or(0, |row| row.version);
            if writes.iter().any(|write| version(write.key()) != write.replaces()) {
                return false;
            }
            for write in writes {
                match write {
                    Write::Put(row, _) => drop(rows.insert(row.key.clone(), row.clone())),
                    Write::Delete(key, _) => drop(rows.remove(key)),
                }
            }
            true
        })
    }

    async fn open(&self, what: Open) -> CloudResult<Vec<Key>> {
        self.reads.set(self.reads.get() + 1);
        self.fault.call(|| {
            let rows = self.rows.borrow();
            rows.values().filter(|row| row.open == Some(what)).map(|row| row.key.clone()).collect()
        })
    }
}

/// Buses, queues and the clock in memory.
#[derive(Debug)]
pub(super) struct Fake {
    pub(super) fault: Rc<Fault>,
    pub(super) clock: Cell<Timestamp>,
    /// Bus and event, as they were taken.
    pub(super) taken: RefCell<Vec<(String, Envelope)>>,
    pub(super) requests: Cell<u64>,
    /// Buses that take nothing.
    pub(super) closed: RefCell<BTreeSet<String>>,
    /// Of each request, all entries but so many are refused.
    pub(super) takes: Cell<usize>,
    pub(super) letters: RefCell<Vec<Letter>>,
    pub(super) pauses: RefCell<Vec<(String, u32)>>,
    pub(super) counted: RefCell<Vec<(Metric, String)>>,
}

impl Outside for Fake {
    fn now(&self) -> Timestamp {
        self.clock.get()
    }

    fn count(&self, metric: Metric, why: &str) {
        self.counted.borrow_mut().push((metric, why.to_owned()));
    }

    async fn put(&self, bus: &str, events: &[Event]) -> CloudResult<Vec<Result<(), String>>> {
        assert!(events.len() <= 10, "{} events in one request", events.len());
        self.requests.set(self.requests.get() + 1);
        self.fault.call(|| {
            let take = |(at, event): (usize, &Event)| {
                if self.closed.borrow().contains(bus) {
                    return Err("NotAuthorized: not you".to_owned());
                }
                if at >= self.takes.get() {
                    return Err("ThrottlingException: rate exceeded".to_owned());
                }
                let envelope = serde_json::from_str(&event.detail).expect("the detail is an envelope");
                self.taken.borrow_mut().push((bus.to_owned(), envelope));
                Ok(())
            };
            events.iter().enumerate().map(take).collect()
        })
    }

    async fn bury(&self, letter: &Letter) -> CloudResult<()> {
        self.fault.call(|| self.letters.borrow_mut().push(letter.clone()))
    }

    async fn again_in(&self, receipt: &str, seconds: u32) -> CloudResult<()> {
        self.pauses.borrow_mut().push((receipt.to_owned(), seconds));
        Ok(())
    }
}

pub(super) type TestCentral = Central<Memory, Fake>;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) const A: &str = "111111111111";
pub(super) const B: &str = "222222222222";
pub(super) const C: &str = "333333333333";
pub(super) const BUS_C: &str = "arn:aws:events:eu-central-1:333333333333:event-bus/dpc";
pub(super) const DAY: &str = "2026-11-21";

/// A central account that has heard of nobody, in the early afternoon of 21 November.
pub(super) fn empty() -> TestCentral {
    let fault = Rc::new(Fault::default());
    let outside = Fake {
        fault: fault.clone(),
        clock: Cell::new(at("2026-11-21T13:00:00Z")),
        taken: RefCell::default(),
        requests: Cell::default(),
        closed: RefCell::default(),
        takes: Cell::new(usize::MAX),
        letters: RefCell::default(),
        pauses: RefCell::default(),
        counted: RefCell::default(),
    };
    Central::new(Memory { fault, ..Memory::default() }, outside)
}

/// The case study: `listings` of account A, `searches` of B, and `pipeline-x` of C that waits for both.
pub(super) fn central() -> TestCentral {
    let central = empty();
    central.tell(A, "r-1", Body::Register(registration("listings", A, "day", &[])));
    central.tell(B, "r-2", Body::Register(registration("searches", B, "day", &[])));
    central.tell(C, "r-3", Body::Register(registration("pipeline-x", C, "day", &["listings", "searches"])));
    central
}

pub(super) fn registration(pipeline: &str, account: &str, by: &str, above: &[&str]) -> Registration {
    let leaf = |name: &&str| json!({ "pipeline": name, "status": ["SUCCEEDED"] });
    let tree = json!({ "allOf": above.iter().map(leaf).collect::<Vec<_>>() });
    Registration {
        pipeline: pipeline.into(),
        owner: None,
        region: "eu-central-1".into(),
        stack: format!("arn:aws:cloudformation:eu-central-1:{account}:stack/dpc-{pipeline}/1"),
        partition: PartitionPlan { by: by.into(), offset: "0".into(), timezone: "UTC".into(), from: None },
        schedules: Vec::new(),
        by_event: false,
        executions: (!above.is_empty()).then(|| serde_json::from_value::<Condition>(tree).unwrap()),
        at: at("2026-11-21T12:00:00Z"),
    }
}

pub(super) fn report(pipeline: &str, partition: &str, number: u32, status: Status) -> Report {
    let start = at("2026-11-21T12:30:00Z");
    Report {
        pipeline: pipeline.into(),
        partition: partition.into(),
        number,
        status,
        redrives: 0,
        skip: None,
        source: Source::Run,
        key: format!("{pipeline}-{partition}-{number}"),
        time: start,
        started_at: Some(start),
        ended_at: status.is_terminal().then(|| start + SignedDuration::from_mins(10)),
        downstream: None,
        reservation: None,
    }
}

/// A message as the queue holds it.
pub(super) fn body(account: &str, id: &str, body: Body) -> Value {
    let version = MESSAGE_VERSION;
    let message = Message { version, id: id.into(), space: "prod".into(), dpc: env!("CARGO_PKG_VERSION").into(), body };
    json!({
        "version": "0", "id": format!("e-{id}"), "detail-type": "dpc message", "source": "dpc.account",
        "account": account, "time": "2026-11-21T13:00:00Z", "region": "eu-central-1", "detail": message,
    })
}

/// A record of the queue.
pub(super) fn record(id: &str, body: &str, received: u32) -> Value {
    json!({
        "messageId": id, "receiptHandle": format!("receipt-{id}"), "body": body, "eventSource": "aws:sqs",
        "attributes": { "ApproximateReceiveCount": received.to_string(), "MessageGroupId": "central" },
    })
}

pub(super) fn ended(pipeline: &str) -> Body {
    Body::Run(report(pipeline, DAY, 1, Status::Succeeded))
}

impl TestCentral {
    /// Hands the function a batch, as Lambda would; answers with the ids that must come again.
    pub(super) fn records(&self, records: &[Value]) -> Vec<String> {
        let deadline = self.outside.now() + SignedDuration::from_secs(60);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(self.handle(json!({ "Records": records }), deadline)).unwrap();
        let failures = answer["batchItemFailures"].as_array().unwrap();
        failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }

    /// One message that must be dealt with.
    pub(super) fn tell(&self, account: &str, id: &str, what: Body) {
        let failed = self.records(&[record(id, &body(account, id, what).to_string(), 1)]);
        assert_eq!(failed, Vec::<String>::new(), "{id}");
    }

    pub(super) fn sweep_now(&self) -> Vec<String> {
        let tick = json!({
            "version": "0", "id": "t-1", "detail-type": "Scheduled Event", "source": "aws.events", "account": "999999999999",
            "time": "2026-11-21T13:05:00Z", "region": "eu-central-1", "detail": {},
            "resources": ["arn:aws:events:eu-central-1:999999999999:rule/dpc-central-sweep"],
        });
        self.records(&[record("tick", &tick.to_string(), 1)])
    }

    pub(super) fn wait(&self, minutes: i64) {
        self.outside.clock.set(self.outside.now() + SignedDuration::from_mins(minutes));
    }

    pub(super) fn answer_to(&self, id: &str) -> Option<Answer> {
        let rows = self.rows.rows.borrow();
        rows.get(&crate::cloud::central::keys::answer(id)).map(|row| row.read().unwrap())
    }

    /// Sweeps that came to their end.
    pub(super) fn swept(&self) -> usize {
        self.outside.counted.borrow().iter().filter(|(metric, _)| *metric == Metric::Sweeps).count()
    }

    /// Pipelines and start keys of what was published, in order.
    pub(super) fn published(&self) -> Vec<(String, String)> {
        let taken = self.outside.taken.borrow();
        taken.iter().map(|(_, envelope)| (envelope.pipeline.clone(), envelope.key.clone())).collect()
    }

    pub(super) fn attention(&self) -> Vec<String> {
        let counted = self.outside.counted.borrow();
        counted.iter().filter(|(metric, _)| *metric == Metric::NeedsAttention).map(|(_, why)| why.clone()).collect()
    }

    /// What is in the table, without what differs from attempt to attempt: versions, and times.
    pub(super) fn facts(&self) -> Vec<(Key, bool, Value)> {
        let rows = self.rows.rows.borrow();
        let facts = rows.values().filter(|row| row.key.pk.starts_with("FACT#"));
        let plain = |row: &Row| {
            let mut document = row.document.clone();
            if let Some(fields) = document.as_object_mut() {
                fields.remove("rev");
            }
            (row.key.clone(), row.open.is_some(), document)
        };
        facts.map(plain).collect()
    }
}
