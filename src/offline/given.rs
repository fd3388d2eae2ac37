//! Pipelines of other teams, as far as a scenario gives them.
//!
//! In comes what `given` says of a pipeline; out comes a plan that has a partition, schedules and a condition, and no
//! steps. It refuses to know runs.

use jiff::civil::Date;
use serde_json::Map;

use crate::control::partition::{Granularity, Offset, PartitionSpec};
use crate::control::plan::{PartitionPlan, Plan, SchedulePlan};
use crate::control::zone;
use crate::language::manifest::Partition;
use crate::language::scenario::Given;
use crate::source::{Code, Finding, Findings, Spanned};
use crate::triggers::executions;

/// The plan of a pipeline that is given.
pub fn plan(name: &Spanned<String>, given: &Spanned<Given>, space: &str, findings: &mut Findings) -> Option<Plan> {
    let partition = partition(given.partition.as_ref(), findings)?;
    let spec = match PartitionSpec::of_plan(&partition) {
        Ok(spec) => spec,
        Err(problem) => {
            let span = given.partition.as_ref().map_or(name.span, |partition| partition.span);
            let finding = Finding::at(Code::BadGiven, span, problem.message, "");
            findings.push(match problem.help {
                Some(help) => finding.help(help),
                None => finding,
            });
            return None;
        }
    };
    let before = findings.iter().count();
    // Whatever is long over here is what the test is about.
    given.schedule.0.iter().for_each(|schedule| schedule.check(&partition.timezone, Date::MIN, findings));
    let schedules: Vec<SchedulePlan> =
        given.schedule.0.iter().filter_map(|schedule| schedule.plan(&partition.timezone)).collect();
    let executions = given.executions.as_ref();
    let executions = executions.and_then(|tree| executions::read(tree, name, Some(&spec), findings).condition);
    if findings.iter().count() > before {
        return None;
    }
    Some(Plan {
        version: "1".to_owned(),
        pipeline: name.value.clone(),
        space: space.to_owned(),
        state_machine: String::new(),
        topic: None,
        alerts: Vec::new(),
        partition,
        when: None,
        // Whether another team's runs wait for one another is theirs to know.
        overlap: Some("allow".to_owned()),
        schedules,
        events: Vec::new(),
        executions,
        params: Map::new(),
        steps: Map::new(),
    })
}

fn partition(given: Option<&Spanned<Partition>>, findings: &mut Findings) -> Option<PartitionPlan> {
    let mut plan = PartitionPlan { by: "day".into(), offset: "0".into(), timezone: "UTC".into(), from: None };
    let Some(given) = given else { return Some(plan) };
    let mut sound = true;
    let mut refuse = |problem: crate::source::Problem, text: &Spanned<String>| {
        findings.push(problem.at(Code::BadGiven, text, text.span));
        sound = false;
    };
    match Granularity::parse(&given.by) {
        Ok(_) => plan.by.clone_from(&given.by.value),
        Err(problem) => refuse(problem, &given.by),
    }
    if let Some(offset) = &given.offset {
        match Offset::parse(offset) {
            Ok(_) => plan.offset.clone_from(&offset.value),
            Err(problem) => refuse(problem, offset),
        }
    }
    if let Some(name) = &given.timezone {
        match zone::zone(name) {
            Ok(_) => plan.timezone.clone_from(&name.value),
            Err(problem) => refuse(problem, name),
        }
    }
    sound.then_some(plan)
}
