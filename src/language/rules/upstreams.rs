//! Pipelines wait for pipelines: names that may be misspelt, partitions that do not fit together.
//!
//! Other projects' pipelines are as good as the project's own, so a name that is not here is no mistake by itself; one that
//! is almost one of ours most likely is.

use std::collections::HashMap;

use crate::control::nesting;
use crate::control::partition::PartitionSpec;
use crate::control::plan::PartitionPlan;
use crate::language::manifest::Manifest;
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Span, suggest};
use crate::triggers::executions::{self, PlacedLeaf};

/// A pipeline of the project that waits for a pipeline.
pub struct Tie {
    /// The one that waits.
    pub down: usize,
    /// The one waited for, if it is the project's.
    pub up: Option<usize>,
    /// The condition.
    pub placed: PlacedLeaf,
}

/// Who waits for whom in a project.
pub struct Ties {
    /// Every condition of every pipeline, in the order written.
    pub all: Vec<Tie>,
    /// How the times of each pipeline become partitions; looked at once, because a zone is found by its name.
    specs: Vec<Option<PartitionSpec>>,
}

impl Ties {
    /// How a pipeline's times become partitions.
    pub fn spec(&self, at: usize) -> Option<&PartitionSpec> {
        self.specs.get(at)?.as_ref()
    }
}

/// Reads the conditions of every pipeline.
pub fn ties(pipelines: &[Pipeline]) -> Ties {
    let tree = |pipeline: &Pipeline| pipeline.manifest.triggers.as_ref().is_some_and(|it| it.executions.is_some());
    if !pipelines.iter().any(tree) {
        return Ties { all: Vec::new(), specs: Vec::new() };
    }
    let specs: Vec<Option<PartitionSpec>> = pipelines.iter().map(|pipeline| spec(&pipeline.manifest)).collect();
    let names: HashMap<&str, usize> =
        pipelines.iter().enumerate().rev().map(|(at, pipeline)| (pipeline.manifest.name.as_str(), at)).collect();
    let mut ties = Vec::new();
    for (down, manifest) in pipelines.iter().map(|pipeline| &pipeline.manifest).enumerate() {
        let Some(tree) = manifest.triggers.as_ref().and_then(|triggers| triggers.executions.as_ref()) else { continue };
        let read = executions::leaves(tree, &manifest.name, specs.get(down).and_then(Option::as_ref));
        ties.extend(read.leaves.into_iter().map(|placed| {
            let up = names.get(placed.leaf.pipeline.as_str()).copied();
            Tie { down, up, placed }
        }));
    }
    Ties { all: ties, specs }
}

/// How a manifest's times become partitions; `None` if that is wrong, which is reported elsewhere.
pub fn spec(manifest: &Manifest) -> Option<PartitionSpec> {
    let partition = manifest.partition.as_ref().map(|partition| &partition.value);
    let or = |text: Option<&crate::source::Spanned<String>>, default: &str| {
        text.map_or(default, |text| &text.value).to_owned()
    };
    PartitionSpec::of_plan(&PartitionPlan {
        by: or(partition.map(|partition| &partition.by), "day"),
        offset: or(partition.and_then(|partition| partition.offset.as_ref()), "0"),
        timezone: or(partition.and_then(|partition| partition.timezone.as_ref()), "UTC"),
        from: None,
    })
    .ok()
}

/// Conditions on names that are almost known, and on partitions that do not fit.
pub fn check(pipelines: &[Pipeline], ties: &Ties, findings: &mut Findings) {
    unknown(pipelines, &ties.all, findings);
    let mut said: HashMap<(usize, usize), Span> = HashMap::new();
    for tie in &ties.all {
        let Some(up) = tie.up.filter(|up| *up != tie.down) else { continue };
        if said.insert((tie.down, up), tie.placed.name).is_some() {
            continue;
        }
        let manifest = |at: usize| pipelines.get(at).map(|pipeline| &pipeline.manifest);
        let (Some(upstream), Some(downstream)) = (manifest(up), manifest(tie.down)) else { continue };
        let (Some(theirs), Some(own)) = (ties.spec(up), ties.spec(tie.down)) else { continue };
        if let Err((why, help)) = nesting::nesting(theirs, own) {
            let place = upstream.partition.as_ref().map_or(upstream.name.span, |partition| partition.span);
            findings.push(
                Finding::at(
                    Code::DoesNotNest,
                    tie.placed.name,
                    format!(
                        "partitions of `{}` and `{}` do not fit together",
                        upstream.name.value, downstream.name.value
                    ),
                    "waits for it here",
                )
                .and(place, "its partitions")
                .why(format!("{why}, so nobody could say which of them to wait for"))
                .help(help),
            );
        }
    }
}

/// Names that are almost one of the project's.
fn unknown(pipelines: &[Pipeline], ties: &[Tie], findings: &mut Findings) {
    let mut unknown = ties.iter().filter(|tie| tie.up.is_none()).peekable();
    if unknown.peek().is_none() {
        return;
    }
    let near = Near::of(pipelines.iter().map(|pipeline| pipeline.manifest.name.as_str()));
    for tie in unknown {
        let name = tie.placed.leaf.pipeline.as_str();
        let own = pipelines.get(tie.down).map(|pipeline| pipeline.manifest.name.as_str());
        if let Some(near) = near.find(name).filter(|near| Some(*near) != own) {
            findings.push(
                Finding::at(
                    Code::UnknownUpstream,
                    tie.placed.name,
                    format!("no pipeline of this project is named `{name}`"),
                    "",
                )
                .warning()
                .why("it may be another project's; if nobody has it, this pipeline is never started")
                .fix(tie.placed.name, near, format!("did you mean `{near}`?")),
            );
        }
    }
}

/// Names by what is left of them without one letter, so that a near one is found without looking at all.
struct Near<'a>(HashMap<String, Vec<&'a str>>);

impl<'a> Near<'a> {
    fn of(names: impl Iterator<Item = &'a str>) -> Self {
        let mut by_rest: HashMap<String, Vec<&'a str>> = HashMap::new();
        for name in names {
            for rest in shortened(name) {
                by_rest.entry(rest).or_default().push(name);
            }
        }
        Self(by_rest)
    }

    fn find(&self, name: &str) -> Option<&'a str> {
        let found = shortened(name).into_iter().filter_map(|rest| self.0.get(&rest)).flatten().copied();
        suggest::near(name, found)
    }
}

/// A name as it is without separators, and without each one of its letters.
fn shortened(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().filter(|letter| !matches!(letter, '-' | '_')).take(60).collect();
    let without = |skipped: usize| {
        letters.iter().enumerate().filter(|(at, _)| *at != skipped).map(|(_, letter)| letter).collect()
    };
    (0..=letters.len()).map(without).collect()
}

#[cfg(test)]
mod tests {
    use super::Near;

    #[test]
    fn a_near_name_is_found_without_looking_at_all() {
        let near = Near::of(["listings", "searches", "pipeline-x"].into_iter());
        for (typed, meant) in [
            ("listing", "listings"),
            ("lsitings", "listings"),
            ("seaches", "searches"),
            ("pipelinex", "pipeline-x"),
            ("listengs", "listings"),
        ] {
            assert_eq!(near.find(typed), Some(meant), "{typed}");
        }
        assert_eq!(near.find("orders"), None);
    }
}
