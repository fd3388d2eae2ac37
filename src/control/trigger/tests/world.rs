//! A central account in memory: messages in, fires out, and a crash wherever one is wanted.

use jiff::{SignedDuration, Timestamp};

use crate::control::message::{Body, MESSAGE_VERSION, Message};
use crate::control::trigger::fact::FireRecord;
use crate::control::trigger::process::{Applied, apply, evaluate};
use crate::control::trigger::space::Space;
use crate::control::trigger::store::{Snapshot, Write};

/// A fire that was published.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    pub pipeline: String,
    pub label: String,
    pub fire: FireRecord,
}

/// After how many steps the central function dies: a write, a publication, and the note about it are one each.
#[derive(Clone, Copy, Debug)]
pub struct Fuel(pub usize);

pub struct World {
    pub space: Space,
    pub snapshot: Snapshot,
    pub now: Timestamp,
    pub published: Vec<Published>,
    /// Fires that were recorded as done.
    pub muted: Vec<Published>,
    /// Every fire that was written, muted ones too.
    pub recorded: Vec<Published>,
    pub count: usize,
}

impl World {
    pub fn new(now: Timestamp) -> Self {
        let (space, snapshot) = (Space::new("prod", [], []), Snapshot::complete());
        Self { space, snapshot, now, published: Vec::new(), muted: Vec::new(), recorded: Vec::new(), count: 0 }
    }

    pub fn message(&mut self, body: Body) -> Message {
        self.count += 1;
        Message { version: MESSAGE_VERSION, id: String::new(), space: "prod".into(), dpc: "0.1.0".into(), body }
    }

    /// One message, to its end.
    pub fn deliver(&mut self, message: &Message, account: &str) -> Applied {
        self.deliver_until(message, account, None).expect("without a crash there is an end")
    }

    /// One message, until the fuel is spent.
    pub fn deliver_until(&mut self, message: &Message, account: &str, fuel: Option<Fuel>) -> Option<Applied> {
        let mut left = fuel.map_or(usize::MAX, |fuel| fuel.0);
        let mut step = || {
            let goes_on = left > 0;
            left = left.saturating_sub(1);
            goes_on.then_some(())
        };
        self.now = self.now.checked_add(SignedDuration::from_secs(1)).expect("the calendar goes on");
        let applied = apply(&self.space, &self.snapshot, message, account, self.now).expect("nothing is missing");
        step()?;
        self.write(&applied.writes);
        loop {
            // What is decided and not written dies with the function.
            let kept = fuel.map(|_| self.snapshot.clone());
            let batch = evaluate(&self.space, &mut self.snapshot, &applied.touched, self.now);
            assert!(batch.missing.keys.is_empty(), "a complete snapshot misses nothing");
            if step().is_none() {
                self.snapshot = kept.expect("there is fuel");
                return None;
            }
            let fires = batch.writes.iter().filter_map(|write| match write {
                Write::Fire { pipeline, label, fire } => {
                    Some(Published { pipeline: pipeline.clone(), label: label.clone(), fire: fire.clone() })
                }
                _ => None,
            });
            let fires: Vec<Published> = fires.collect();
            self.recorded.extend(fires.clone());
            for one in fires {
                let Published { pipeline, label, fire } = &one;
                if fire.is_pending() {
                    step()?;
                    self.published.push(one.clone());
                    step()?;
                    let mut noted = fire.clone();
                    (noted.published, noted.rev) = (true, fire.rev + 1);
                    self.write(&[Write::Fire { pipeline: pipeline.clone(), label: label.clone(), fire: noted }]);
                } else {
                    self.muted.push(one.clone());
                }
            }
            if !batch.more {
                break;
            }
        }
        step()?;
        self.write(&applied.after);
        Some(applied)
    }

    /// Publishes again what nobody has noted as published.
    pub fn sweep(&mut self) -> Vec<Published> {
        let open = |fire: &FireRecord| fire.is_pending() && !fire.published;
        let found: Vec<Published> = self
            .snapshot
            .partitions()
            .filter_map(|(pipeline, label, facts)| {
                let fire = facts.fire.clone().filter(|fire| open(fire))?;
                Some(Published { pipeline: pipeline.to_owned(), label: label.to_owned(), fire })
            })
            .collect();
        for one in &found {
            let mut noted = one.fire.clone();
            (noted.published, noted.rev) = (true, noted.rev + 1);
            self.write(&[Write::Fire { pipeline: one.pipeline.clone(), label: one.label.clone(), fire: noted }]);
        }
        self.published.extend(found.clone());
        found
    }

    fn write(&mut self, writes: &[Write]) {
        for write in writes {
            self.check(write);
            self.snapshot.write(write);
            self.space.write(write);
        }
    }

    /// Each row is one revision above the one that it replaces.
    fn check(&self, write: &Write) {
        let (old, new) = match write {
            Write::Run { pipeline, label, run } => {
                let facts = self.snapshot.partition(pipeline, label).expect("it is complete");
                (facts.run(run.number).map(|run| run.rev), run.rev)
            }
            Write::Fire { pipeline, label, fire } => {
                let facts = self.snapshot.partition(pipeline, label).expect("it is complete");
                (facts.fire.as_ref().map(|fire| fire.rev), fire.rev)
            }
            Write::Overrides { pipeline, label, overrides } => {
                let facts = self.snapshot.partition(pipeline, label).expect("it is complete");
                (Some(facts.overrides.rev), overrides.rev)
            }
            Write::Received { pipeline, received } => {
                let known = self.snapshot.received(pipeline).expect("it is complete");
                (known.map(|received| received.rev), received.rev)
            }
            Write::Registered(row) => (self.space.known(&row.registration.pipeline).map(|row| row.rev), row.rev),
            Write::Reservation(row) => (self.space.reservation(&row.id).map(|row| row.rev), row.rev),
            Write::Released(_) => return,
        };
        assert_eq!(new, old.unwrap_or_default() + 1, "{write:?}");
    }
}
