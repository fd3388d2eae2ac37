//! What the central function does, in memory: a message in, due fires out.
//!
//! In come messages, one after the other; out come envelopes for the accounts. Every decision is the engine's: this only
//! keeps its rows. It refuses to know who answers an envelope.

use jiff::Timestamp;

use crate::control::message::{Answer, Body, MESSAGE_VERSION, Message};
use crate::control::run::Envelope;
use crate::control::trigger::explain::{self, Explanation};
use crate::control::trigger::fire;
use crate::control::trigger::process::{apply, evaluate};
use crate::control::trigger::space::Space;
use crate::control::trigger::store::{Snapshot, Write};

/// The central account of one space.
#[derive(Debug)]
pub struct Central {
    space: Space,
    snapshot: Snapshot,
    messages: u32,
}

/// What comes of a message.
#[derive(Debug, Default)]
pub struct Told {
    /// Runs to start, in this order.
    pub due: Vec<Envelope>,
    /// What a sender who waits is told.
    pub answer: Option<Answer>,
}

impl Central {
    /// One that knows nobody yet.
    pub fn new(space: &str) -> Self {
        Self { space: Space::new(space, [], []), snapshot: Snapshot::complete(), messages: 0 }
    }

    /// Takes a message of this account.
    pub fn tell(&mut self, account: &str, body: Body, now: Timestamp) -> Told {
        self.messages += 1;
        let message = Message {
            version: MESSAGE_VERSION,
            id: format!("m-{}", self.messages),
            space: self.space.name().to_owned(),
            dpc: env!("CARGO_PKG_VERSION").to_owned(),
            body,
        };
        // Nothing is missing in a snapshot that is complete.
        let Ok(applied) = apply(&self.space, &self.snapshot, &message, account, now) else { return Told::default() };
        applied.writes.iter().for_each(|write| self.write(write));
        let mut due = Vec::new();
        loop {
            let batch = evaluate(&self.space, &mut self.snapshot, &applied.touched, now);
            batch.writes.iter().for_each(|write| self.space.write(write));
            for (pipeline, label, fired) in batch.due() {
                due.extend(fire::envelope(&self.space, &self.snapshot, pipeline, label, fired));
            }
            for write in &batch.writes {
                self.mark_published(write);
            }
            if !batch.more {
                break;
            }
        }
        applied.after.iter().for_each(|write| self.write(write));
        Told { due, answer: applied.answer }
    }

    fn write(&mut self, write: &Write) {
        self.space.write(write);
        self.snapshot.write(write);
    }

    fn mark_published(&mut self, write: &Write) {
        if let Write::Fire { pipeline, label, fire } = write
            && fire.is_pending()
        {
            let mut fire = fire.clone();
            fire.published = true;
            fire.rev += 1;
            self.snapshot.write(&Write::Fire { pipeline: pipeline.clone(), label: label.clone(), fire });
        }
    }

    /// Why a partition has not run.
    pub fn explain(&self, pipeline: &str, label: &str) -> Option<Explanation> {
        explain::explain(&self.space, &self.snapshot, pipeline, label).ok()
    }

    /// The partitions of downstream pipelines that what has happened may reach, each once.
    pub fn reached(&self) -> Vec<(String, String)> {
        let mut labels: std::collections::BTreeMap<&str, Vec<String>> = std::collections::BTreeMap::new();
        for (pipeline, label, facts) in self.snapshot.partitions() {
            if !facts.runs.is_empty() || facts.overrides.mark.is_some() {
                labels.entry(pipeline).or_default().push(label.to_owned());
            }
        }
        let mut reached: Vec<(String, String)> = labels
            .into_iter()
            .flat_map(|(pipeline, labels)| explain::downstream_of(&self.space, pipeline, &labels))
            .map(|reached| (reached.pipeline, reached.label))
            .collect();
        reached.sort();
        reached.dedup();
        reached
    }
}
