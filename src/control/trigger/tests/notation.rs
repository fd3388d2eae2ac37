//! Histories as text. One line an event, and behind `>` the fires that it must cause, in any order; none if it says none.
//!
//! ```text
//! day L, S                      pipelines that are not triggered, by day, hour, month or none; `L:Europe/Berlin` in a zone
//! day X = L & S                 a triggered one; `L | S`, `(L | S) & T`, `L FAILED`, `L-1d` (offset), `L*7d` (last)
//! L1 ok                         run 1 of L: queue, run, ok, fail, abort, timeout, skip (by `when`), superseded, paused
//! L1@22 ok                      of another partition than 2026-11-21; `H1@21T07`, `M1@2026-10`
//! L1~1 ok                       redriven once
//! L2! ok                        by hand, although a fire waits
//! (L1 ok)                       lost: a sweep tells it later, which is a line of its own
//! L1 ok x3                      delivered three times
//! L1 ok !2                      the central function dies after two steps, and the message comes again
//! ```
//!
//! `X{L1,S1}` is a fire of X on these; `X@22{L1@22}`; `!` and `'` behind a run: redriven, overridden.

use std::collections::BTreeMap;

use super::world::{Fuel, Published, World};
use crate::control::condition::{Condition, Leaf, window};
use crate::control::message::{Body, Change, Downstream, Message, Override, Registration, Report, Reserve, Skip};
use crate::control::partition::Offset;
use crate::control::plan::{PartitionPlan, SchedulePlan};
use crate::control::run::{Source, Status};
use crate::control::trigger::store::TIMED;

/// Runs a history and compares each line; panics with all of them if one differs.
pub fn play(name: &str, text: &str) {
    let mut script = Script::new();
    let (mut told, mut wrong) = (Vec::new(), false);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (event, expected) = line.split_once('>').unwrap_or((line, ""));
        let mut expected: Vec<String> = expected.split_whitespace().map(str::to_owned).collect();
        let mut found = script.line(event.trim());
        if expected == ["ALL24"] && found.len() == 24 {
            expected = found.clone();
        }
        expected.sort();
        found.sort();
        wrong |= found != expected;
        let mark = if found == expected { " " } else { "≠" };
        told.push(format!("{mark} {event} > {}", found.join(" ")));
    }
    assert!(!wrong, "history {name}:\n{}\n\nwas to be\n{text}", told.join("\n"));
}

pub struct Script {
    pub world: World,
    accounts: BTreeMap<String, String>,
    /// Fires that no run has answered yet, and keys that runs have: (pipeline, label, number) to key.
    keys: BTreeMap<(String, String, u32), String>,
    seen: usize,
    stacks: u32,
}

impl Script {
    pub fn new() -> Self {
        let now = "2026-11-20T00:00:00Z".parse().unwrap();
        Self { world: World::new(now), accounts: BTreeMap::new(), keys: BTreeMap::new(), seen: 0, stacks: 0 }
    }

    /// One line; the fires that it has caused.
    pub fn line(&mut self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [by @ ("none" | "hour" | "day" | "week" | "month" | "year"), rest @ ..] => {
                self.register(by, &rest.join(" "))
            }
            ["at", time] => self.world.now = time.parse().unwrap(),
            ["destroy", name] => self.destroy(name),
            ["reserve", id, rest @ ..] => self.reserve(id, rest),
            ["cancel", id] => {
                let body = Body::Cancel { reservation: (*id).to_owned(), by: "me".into() };
                let account = "A".to_owned();
                self.send(body, &account, 1, None);
            }
            [change @ ("ignore" | "restore" | "mark" | "unmark"), rest @ ..] => self.change(change, rest),
            [run, status, rest @ ..] if !line.starts_with('(') => {
                let (name, labels) = run.split_once('@').unwrap_or((run, ""));
                if labels.contains("..") {
                    for label in labels_of(labels) {
                        self.report(&format!("{name}@{}", label.trim_end_matches('Z')), status, rest);
                    }
                } else {
                    self.report(run, status, rest);
                }
            }
            _ => {}
        }
        self.fires()
    }

    /// `X = L & S`, or `L, S`; behind `by`: an account other than A, or a schedule.
    fn register(&mut self, by: &str, text: &str) {
        let (names, tree) = text.split_once('=').map_or((text, None), |(names, tree)| (names, Some(tree.trim())));
        let (names, options) =
            names.split_once('[').map_or((names, ""), |(names, rest)| (names, rest.trim_end_matches([']', ' '])));
        let option = |name: &str| options.split(';').find_map(|one| one.trim().strip_prefix(name)).map(str::trim);
        let account = option("in ").unwrap_or("A").to_owned();
        for name in names.split(',').map(str::trim) {
            let (name, zone) = name.split_once(':').unwrap_or((name, "UTC"));
            let cron = option("cron ").map(|cron| SchedulePlan {
                expression: format!("cron({cron})"),
                timezone: zone.to_owned(),
                start: None,
                end: None,
            });
            let registration = Registration {
                pipeline: name.to_owned(),
                owner: None,
                region: "eu-central-1".into(),
                stack: option("stack ").map_or_else(|| format!("stack/{name}/{account}"), str::to_owned),
                partition: PartitionPlan {
                    by: by.to_owned(),
                    offset: option("offset ").unwrap_or("0").to_owned(),
                    timezone: zone.to_owned(),
                    from: None,
                },
                schedules: cron.into_iter().collect(),
                by_event: false,
                executions: tree.map(tree_of),
                at: self.world.now,
            };
            self.stacks += 1;
            self.accounts.insert(name.to_owned(), account.clone());
            self.send(Body::Register(registration), &account, 1, None);
        }
    }

    fn destroy(&mut self, name: &str) {
        let account = self.accounts.get(name).cloned().unwrap_or_else(|| "A".into());
        let stack = format!("stack/{name}/{account}");
        self.send(Body::Deregister { pipeline: name.to_owned(), stack }, &account, 1, None);
    }

    /// `reserve r1 H@21T00..23 [together] [none|only X]`.
    fn reserve(&mut self, id: &str, rest: &[&str]) {
        let (name, labels) = rest.first().unwrap().split_once('@').unwrap();
        let downstream = match rest {
            [.., "none"] => Some(Downstream::None),
            [.., "only", one] => Some(Downstream::Only(vec![(*one).to_owned()])),
            _ => None,
        };
        let body = Body::Reserve(Reserve {
            reservation: id.to_owned(),
            pipeline: name.to_owned(),
            partitions: labels_of(labels),
            downstream,
            together: rest.contains(&"together"),
            by: "me".into(),
            at: self.world.now,
        });
        self.send(body, "A", 1, None);
    }

    /// `ignore L2`, `mark L@21 SUCCEEDED`.
    fn change(&mut self, change: &str, rest: &[&str]) {
        let (pipeline, number, _, partition) = run_of(rest.first().unwrap());
        let change = match change {
            "ignore" => Change::Ignore(number),
            "restore" => Change::Restore(number),
            "mark" => Change::Mark(Status::parse(rest.get(1).unwrap()).unwrap()),
            _ => Change::Unmark,
        };
        let at = self.world.now;
        let body = Body::Override(Override { pipeline, partition, change, by: "me".into(), why: None, at });
        self.send(body, "A", 1, None);
    }

    fn report(&mut self, run: &str, status: &str, rest: &[&str]) {
        let by_hand = run.contains('!');
        let (pipeline, number, redrives, partition) = run_of(&run.replace('!', ""));
        let (status, skip) = match status {
            "queue" => (Status::Queued, None),
            "run" => (Status::Running, None),
            "ok" => (Status::Succeeded, None),
            "fail" => (Status::Failed, None),
            "abort" => (Status::Aborted, None),
            "timeout" => (Status::TimedOut, None),
            "skip" => (Status::Skipped, Some(Skip::When)),
            "superseded" => (Status::Skipped, Some(Skip::Superseded)),
            "overlap" => (Status::Skipped, Some(Skip::Overlap)),
            "paused" => (Status::Skipped, Some(Skip::Paused)),
            other => panic!("{other} is no status"),
        };
        let option = |name: &str| rest.iter().find_map(|word| word.strip_prefix(name)).map(str::to_owned);
        let time = option("at=").map_or(self.world.now, |time| time.parse().unwrap());
        let id = (pipeline.clone(), partition.clone(), number);
        let mut key = self.keys.get(&id).cloned();
        if key.is_none() && !by_hand {
            let fire = self.world.snapshot.partition(&pipeline, &partition).unwrap().fire.clone();
            key = fire.filter(|fire| fire.is_pending()).map(|fire| fire.hash);
        }
        if let Some(key) = &key {
            self.keys.insert(id, key.clone());
        }
        let source = if key.is_some() { Source::Trigger } else { Source::Run };
        let account = option("in=").unwrap_or_else(|| self.accounts.get(&pipeline).cloned().unwrap_or_default());
        let downstream = option("down=").map(|only| match only.as_str() {
            "none" => Downstream::None,
            only => Downstream::Only(only.split(',').map(str::to_owned).collect()),
        });
        let started_at = (!matches!(status, Status::Queued | Status::Skipped)).then_some(self.world.now);
        let body = Body::Run(Report {
            pipeline,
            partition,
            number,
            status,
            redrives,
            skip,
            source,
            key: key.unwrap_or_else(|| run.to_string()),
            time,
            started_at,
            ended_at: status.is_terminal().then_some(self.world.now),
            downstream,
            reservation: option("for="),
        });
        let times = rest.iter().find_map(|word| word.strip_prefix('x')).map_or(1, |times| times.parse().unwrap());
        let crash = rest.iter().find_map(|word| word.strip_prefix('!')).map(|steps| steps.parse().unwrap());
        self.send(body, &account, times, crash);
    }

    fn send(&mut self, body: Body, account: &str, times: usize, crash: Option<usize>) {
        let message: Message = self.world.message(body);
        if let Some(steps) = crash {
            assert!(
                self.world.deliver_until(&message, account, Some(Fuel(steps))).is_none(),
                "it must not come that far"
            );
        }
        for _ in 0..times {
            let applied = self.world.deliver(&message, account);
            let refused = applied.answer.and_then(|answer| answer.refused);
            assert!(refused.is_none(), "{refused:?}");
        }
        self.world.sweep();
    }

    /// What has been published since the last line.
    fn fires(&mut self) -> Vec<String> {
        let found = self.world.published.iter().skip(self.seen).map(spell).collect();
        self.seen = self.world.published.len();
        found
    }
}

fn spell(one: &Published) -> String {
    let place = |label: &str| match label {
        "2026-11-21" | "none" => String::new(),
        label if label.starts_with(TIMED) => String::new(),
        label => format!("@{}", label.strip_prefix("2026-11-").unwrap_or(label).trim_end_matches('Z')),
    };
    let relied: Vec<String> = one
        .fire
        .witness
        .iter()
        .map(|rest| {
            let version = rest.version;
            let (redriven, changed) = ("!".repeat(version.redrives as usize), "'".repeat(version.changes as usize));
            format!("{}{}{redriven}{changed}{}", rest.pipeline, version.number, place(&rest.label))
        })
        .collect();
    // Windows are long: the first, and how many more.
    let relied = if relied.len() > 4 { format!("{}..{}", relied[0], relied.len()) } else { relied.join(",") };
    format!("{}{}{{{relied}}}", one.pipeline, place(&one.label))
}

/// `L1~1@22`: pipeline, number, redrives, label.
fn run_of(text: &str) -> (String, u32, u64, String) {
    let (run, label) = text.split_once('@').map_or((text, None), |(run, label)| (run, Some(label)));
    let (run, redrives) = run.split_once('~').map_or((run, 0), |(run, redrives)| (run, redrives.parse().unwrap()));
    let name = run.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number = run[name.len()..].parse().unwrap_or_default();
    let none = name.starts_with('N');
    let label = match label {
        None if none => "none".to_owned(),
        None => "2026-11-21".to_owned(),
        Some(label) => label_of(label),
    };
    (name.to_owned(), number, redrives, label)
}

/// `22`, `21T07`, `10-25T00`, `2026-10`: what is left out is 2026-11.
fn label_of(text: &str) -> String {
    let full = match text.find('T').unwrap_or(text.len()) {
        2 => format!("2026-11-{text}"),
        5 => format!("2026-{text}"),
        _ => text.to_owned(),
    };
    if full.contains('T') { format!("{full}Z") } else { full }
}

/// `21T00..23` or one label.
pub fn labels_of(text: &str) -> Vec<String> {
    let Some((first, last)) = text.split_once("..") else { return vec![label_of(text)] };
    let (stem, from) = first.split_at(first.len() - 2);
    let (from, to): (u32, u32) = (from.parse().unwrap(), last.parse().unwrap());
    (from..=to).map(|at| label_of(&format!("{stem}{at:02}"))).collect()
}

/// `(A | B FAILED) & C-1d`.
pub fn tree_of(text: &str) -> Condition {
    let text = text.trim();
    for (sign, all) in [('|', false), ('&', true)] {
        let mut depth = 0;
        let mut parts = vec![String::new()];
        for letter in text.chars() {
            depth += i32::from(letter == '(') - i32::from(letter == ')');
            if letter == sign && depth == 0 {
                parts.push(String::new());
            } else {
                parts.last_mut().unwrap().push(letter);
            }
        }
        if parts.len() > 1 {
            let inner = parts.iter().map(|part| tree_of(part)).collect();
            return if all { Condition::All { all_of: inner } } else { Condition::Any { any_of: inner } };
        }
    }
    if let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        return tree_of(inner);
    }
    let mut words = text.split_whitespace();
    let named = words.next().unwrap();
    let statuses: Vec<Status> = words.map(|word| Status::parse(word).unwrap()).collect();
    let (named, last) = named.split_once('*').map_or((named, None), |(name, last)| (name, Some(window(last).unwrap())));
    let cut = named.find(['-', '+']).unwrap_or(named.len());
    let (name, offset) = named.split_at(cut);
    let offset = if offset.is_empty() { Offset::ZERO } else { Offset::parse(offset).unwrap() };
    let status = if statuses.is_empty() { vec![Status::Succeeded] } else { statuses };
    Condition::Leaf(Leaf { pipeline: name.to_owned(), status, offset, last })
}
