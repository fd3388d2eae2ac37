//! `dpc validate`: everything that `synth` does, for every environment, but write.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::guard::Rules;
use super::{Exit, Failure, Format, Terminal, roles, schedules};
use crate::compile::{self, Compiled};
use crate::control::parallel;
use crate::language::project::{EnvironmentChoice, Resolved, Workspace};
use crate::source::{FileId, Files, Findings, Severity, Span};

/// Arguments of `dpc validate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code: 0 nothing is wrong, 1 something is, 2 wrong usage. Warnings alone are no fault.\n\
                        `dpc explain CODE` tells more about a finding.")]
pub struct Args {
    /// Check this environment only; without it, all are checked
    #[arg(long = "env", value_name = "NAME")]
    environment: Option<String>,
    /// How findings are printed: text goes to stderr, everything else to stdout
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Check against the rules of this file instead of the project's policy.yaml
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Hold the templates against a CloudFormation Guard file, or a folder of them; can be repeated
    #[arg(long, value_name = "FILE|DIR")]
    rules: Vec<PathBuf>,
    /// Say when each pipeline runs, and how near it comes to AWS's limits
    #[arg(short, long)]
    verbose: bool,
}

/// What was checked, and what was found.
struct Checked {
    files: Files,
    findings: Findings,
    environments: Vec<String>,
    /// By path. What `-v` says of it stands for the first environment that it compiles for: templates are large, so they
    /// are not kept until everything is checked.
    pipelines: BTreeMap<String, Option<String>>,
    /// Whether the dpc.yaml made sense, so that pipelines were looked for.
    complete: bool,
    verbose: bool,
}

/// Checks the project that the working directory lies in.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let checked = match check(&args) {
        Ok(checked) => checked,
        // Also what stops the check altogether comes in the format that was asked for.
        Err(failure) => {
            terminal.findings(&failure.files, &failure.findings.sorted(), args.format);
            return Ok(Exit::Fault);
        }
    };
    if args.format != Format::Text {
        terminal.findings(&checked.files, &checked.findings, args.format);
    } else {
        if args.verbose {
            checked.pipelines.iter().for_each(|(path, described)| match described {
                Some(text) => terminal.data(text),
                None => terminal.data(&format!("{path}\n  not compiled, because it has errors\n\n")),
            });
        }
        terminal.findings(&checked.files, &checked.findings, Format::Text);
        if !checked.findings.has_errors() {
            terminal.say(&checked.praise());
        } else if !checked.complete {
            terminal.say("pipelines were not checked");
        }
    }
    Ok(if checked.findings.has_errors() { Exit::Fault } else { Exit::Done })
}

fn check(args: &Args) -> Result<Checked, Failure> {
    let rules = Rules::read(&args.rules)?;
    let workspace = Workspace::read_under(&super::root()?, args.policy.as_deref());
    let environments = match &args.environment {
        Some(name) => vec![name.clone()],
        None => workspace.environments(),
    };
    let mut choices: Vec<_> = environments.iter().cloned().map(EnvironmentChoice::Named).collect();
    if choices.is_empty() {
        choices.push(EnvironmentChoice::Any);
    }
    let mut checked = Checked {
        files: Files::new(),
        findings: Findings::new(),
        environments,
        pipelines: BTreeMap::new(),
        complete: false,
        verbose: args.verbose,
    };
    for choice in choices {
        checked.take(&workspace, &choice, &rules);
    }
    checked.findings = checked.findings.sorted();
    Ok(checked)
}

impl Checked {
    /// Checks the project for one environment.
    fn take(&mut self, workspace: &Workspace, choice: &EnvironmentChoice, rules: &Rules) {
        let loaded = workspace.load(choice);
        self.files = loaded.files;
        let known = errors(&loaded.findings);
        self.findings.extend(loaded.findings);
        let Some(project) = loaded.project else { return };
        self.complete = true;
        let space = project.environment.as_ref().map_or("none", |chosen| chosen.space.as_str());
        let context = super::context(space, &project);
        let rules = rules.entered(&mut self.files, &mut self.findings);
        let checked = parallel::map(&project.pipelines, |pipeline| {
            let mut found = Findings::new();
            let compiled = compile::compile(pipeline, &context, &mut found);
            if let Some(compiled) = &compiled {
                rules.judge(compiled, pipeline.manifest.name.span, &self.files, &mut found);
            }
            let describe = |compiled| match self.verbose {
                true => describe(&pipeline.path, &compiled, project.environment.as_ref()),
                false => String::new(),
            };
            (found, compiled.map(describe))
        });
        for (pipeline, (found, described)) in project.pipelines.iter().zip(checked) {
            // What an earlier stage has said of a place is not said again in other words.
            let is_new = |span: Span| !known.get(&span.file).into_iter().flatten().any(|other| overlap(*other, span));
            self.findings.extend(
                found.into_iter().filter(|finding| finding.primary.as_ref().is_none_or(|label| is_new(label.span))),
            );
            let slot = self.pipelines.entry(pipeline.path.clone()).or_default();
            *slot = slot.take().or(described);
        }
    }

    /// `2 pipelines are fine, for dev and prod`.
    fn praise(&self) -> String {
        let pipelines = match self.pipelines.len() {
            0 => return "no pipeline to check: no file matches `pipelines` of the dpc.yaml".to_owned(),
            1 => "1 pipeline is fine".to_owned(),
            several => format!("{several} pipelines are fine"),
        };
        match self.environments.split_last() {
            None => pipelines,
            Some((only, [])) => format!("{pipelines}, for {only}"),
            Some((last, others)) => format!("{pipelines}, for {} and {last}", others.join(", ")),
        }
    }
}

/// Where errors are, by file: in a large project, most findings are in other files.
fn errors(findings: &Findings) -> HashMap<FileId, Vec<Span>> {
    let mut places: HashMap<FileId, Vec<Span>> = HashMap::new();
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    for span in errors.filter_map(|finding| finding.primary.as_ref().map(|label| label.span)) {
        places.entry(span.file).or_default().push(span);
    }
    places
}

fn overlap(one: Span, other: Span) -> bool {
    one.file == other.file && one.start < other.end && other.start < one.end
}

/// What `-v` says of a pipeline.
fn describe(path: &str, compiled: &Compiled, place: Option<&Resolved>) -> String {
    let mut lines = vec![format!("{} ({path})", compiled.pipeline)];
    lines.extend(schedules::lines(&compiled.plan, jiff::Timestamp::now()).into_iter().map(|line| format!("  {line}")));
    if let Some(size) = compiled.sizes.iter().max_by_key(|size| size.percent()) {
        let (percent, what, amount, limit, unit) = (size.percent(), &size.what, size.amount, size.limit, size.unit);
        lines.push(format!("  nearest limit, at {percent} %: {what}, {amount} of {limit} {unit}"));
    }
    if let Some(place) = place {
        let needed = roles::needed(compiled, &place.account, &place.region).into_iter();
        lines.extend(needed.map(|policy| format!("  {}", policy.replace('\n', "\n  "))));
    }
    format!("{}\n\n", lines.join("\n"))
}
