//! The one reader of files: from a folder on disk to a checked project.
//!
//! In come the folder that holds `dpc.yaml` and the choice of an environment; out come the files read, everything that is
//! wrong with them, and the project where it can be made sense of. It refuses to know AWS, the clock, and what is
//! compiled from a project.

// Reason: this is the module that the ban on reading files elsewhere points to.
#![allow(clippy::disallowed_methods)]

mod disk;
mod folder;
mod scenarios;
mod types;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::control::parallel;
use crate::language::iam::Iam;
use crate::language::jobs::{self, Job};
use crate::language::manifest::{Manifest, ProjectFile};
use crate::language::policy::PolicyFile;
use crate::language::{decode, environment, later, rules, vars};
use crate::source::{
    Code, FileId, Files, Finding, Findings, Node, Severity, Span, Spanned, SpannedMap, Value, text, yaml,
};
use crate::steps::Step;

pub use crate::language::environment::{Central, EnvironmentChoice, Resolved};
pub use crate::language::folder::{Folder, FolderFile};
pub use disk::find_root;
pub use scenarios::scenarios;
pub use types::{Pin, keep};

/// The project's own file.
pub const PROJECT_FILE: &str = "dpc.yaml";
/// What a folder's archive leaves out, in the syntax of `.gitignore`.
pub const IGNORE_FILE: &str = ".dpcignore";
/// The organisation's rules, unless `policy` names another file.
pub const POLICY_FILE: &str = "policy.yaml";
/// Which files are jobs, unless `jobs` says otherwise.
const DEFAULT_JOBS: &str = "jobs/*.yaml";
/// Which files are pipelines, unless `pipelines` says otherwise.
const DEFAULT_GLOB: &str = "*/pipeline.yaml";
/// Where a pipeline speaks CloudFormation's words, tags included.
const TAGGED: &[&str] = &["resources", "overrides"];

/// What [`load`] found.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Every file that a finding may point into.
    pub files: Files,
    /// What is wrong, in any of them.
    pub findings: Findings,
    /// The project. Absent when its `dpc.yaml` cannot be made sense of, or when the choice of environment fails.
    pub project: Option<Project>,
}

/// A project for one environment, `${vars}` replaced and defaults merged.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// The environment chosen, if one was asked for.
    pub environment: Option<Resolved>,
    /// What every role that is made there must be like.
    pub demands: Iam,
    /// Globs of its tests; none where it does not say.
    pub tests: Vec<Spanned<String>>,
    /// Pipelines that could be read, sorted by path. One with findings may be among them.
    pub pipelines: Vec<Pipeline>,
}

/// One pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Path of its file, relative to the project: `listings/pipeline.yaml`.
    pub path: String,
    /// The files beside it.
    pub folder: Arc<Folder>,
    /// Folders of the jobs that it uses, by their paths in the project, which are theirs in the archive.
    pub shared: BTreeMap<String, Arc<Folder>>,
    /// What it says, with the project's defaults where it is silent.
    pub manifest: Manifest,
}

impl Project {
    /// The pipeline of this name.
    pub fn pipeline(&self, name: &str) -> Option<&Pipeline> {
        self.pipelines.iter().find(|pipeline| pipeline.manifest.name.value == name)
    }
}

/// Reads the project at `root` for one environment.
pub fn load(root: &Path, choice: &EnvironmentChoice) -> Loaded {
    Workspace::read(root).load(choice)
}

/// The same, under the rules of this file instead of the project's own.
pub fn load_under(root: &Path, policy: Option<&Path>, choice: &EnvironmentChoice) -> Loaded {
    Workspace::read_under(root, policy).load(choice)
}

/// A project as it lies on disk, read once, to be loaded for any number of environments.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    files: Files,
    findings: Findings,
    project: Option<ProjectFile>,
    policy: Option<PolicyFile>,
    sources: Vec<Source>,
    jobs: Vec<JobSource>,
    /// The folders of jobs, by path.
    shared: BTreeMap<String, Arc<Folder>>,
    types: types::Types,
}

/// A job before substitution.
#[derive(Clone, Debug)]
struct JobSource {
    path: String,
    node: Node,
    /// What is wrong whatever the environment.
    findings: Findings,
}

/// A pipeline before substitution.
#[derive(Clone, Debug)]
struct Source {
    path: String,
    folder: Arc<Folder>,
    node: Node,
    /// What is wrong whatever the environment.
    findings: Findings,
}

impl Workspace {
    /// Reads everything below `root` that belongs to the project.
    pub fn read(root: &Path) -> Self {
        Self::read_under(root, None)
    }

    /// The same, under the rules of this file instead of the project's own.
    pub fn read_under(root: &Path, policy: Option<&Path>) -> Self {
        let mut workspace = Self::default();
        if !root.join(PROJECT_FILE).is_file() {
            workspace.findings.push(disk::no_project(root));
            return workspace;
        }
        let Some(node) = tree(root, PROJECT_FILE, &mut workspace.files, &mut workspace.findings) else {
            return workspace;
        };
        let schema = decode::schema_of::<ProjectFile>();
        let Some(project) = decode::decode::<ProjectFile>(&node, &schema, &mut workspace.findings) else {
            return workspace;
        };
        judged(&mut workspace.findings, |found| rules::project_file(&project, found));
        workspace.policy = workspace.policy(root, &project, policy);
        let globs = match project.pipelines.as_slice() {
            [] => vec![Spanned::new(DEFAULT_GLOB.to_owned(), project.project.span)],
            globs => globs.to_vec(),
        };
        workspace.read_jobs(root, &project);
        let paths = disk::pipelines(root, &globs, &mut workspace.findings);
        workspace.sources(root, &paths);
        workspace.read_types(root);
        workspace.project = Some(project);
        workspace
    }

    /// The rules that hold: those of the file that was asked for, of the one that the dpc.yaml names, or of its own.
    fn policy(&mut self, root: &Path, project: &ProjectFile, asked: Option<&Path>) -> Option<PolicyFile> {
        let missing =
            |finding: Finding| finding.help("correct the path, or write the rules that `docs/policy.md` describes");
        let path = match (asked, &project.policy) {
            (Some(asked), _) if !asked.is_file() => {
                let message = format!("there is no policy file `{}`", asked.display());
                self.findings.push(missing(Finding::new(Code::NoPolicy, message)));
                return None;
            }
            (Some(asked), _) => asked.to_string_lossy().into_owned(),
            (None, Some(named)) if !root.join(&named.value).is_file() => {
                let message = format!("there is no policy file `{}`", named.value);
                self.findings.push(missing(Finding::at(Code::NoPolicy, named.span, message, "")));
                return None;
            }
            (None, Some(named)) => named.value.clone(),
            (None, None) if root.join(POLICY_FILE).is_file() => POLICY_FILE.to_owned(),
            (None, None) => return None,
        };
        // A path that was typed is one from the working directory.
        let root = if asked.is_some() { Path::new("") } else { root };
        let node = tree(root, &path, &mut self.files, &mut self.findings)?;
        let policy: PolicyFile = decode::decode(&node, &decode::schema_of::<PolicyFile>(), &mut self.findings)?;
        judged(&mut self.findings, |found| rules::policy::file(&policy, found));
        let broken = |finding: &Finding| {
            finding.severity == Severity::Error
                && finding.primary.as_ref().is_some_and(|label| label.span.file == node.span.file)
        };
        // Rules that make no sense judge nobody.
        if self.findings.iter().any(broken) {
            return None;
        }
        judged(&mut self.findings, |found| rules::policy::environments(&policy, project, found));
        Some(policy)
    }

    /// Reads the files one after the other, because that gives each its id, and makes sense of them all at once.
    fn sources(&mut self, root: &Path, paths: &[String]) {
        let texts: Vec<(&String, Option<FileId>, Findings)> = paths
            .iter()
            .map(|path| {
                let mut findings = Findings::new();
                (path, read_text(root, path, &mut self.files, &mut findings), findings)
            })
            .collect();
        let files = &self.files;
        let sources = parallel::map(&texts, |(path, file, findings)| {
            let mut findings = findings.clone();
            let source = file.and_then(|file| Source::read(root, path, (files, file), &mut findings));
            (source, findings)
        });
        for (source, findings) in sources {
            match source {
                Some(source) => self.sources.push(Source { findings, ..source }),
                None => self.findings.extend(findings),
            }
        }
    }

    fn read_jobs(&mut self, root: &Path, project: &ProjectFile) {
        let globs = match project.jobs.as_slice() {
            [] => vec![Spanned::new(DEFAULT_JOBS.to_owned(), project.project.span)],
            globs => globs.to_vec(),
        };
        for path in disk::jobs(root, &globs, project.jobs.is_empty(), &mut self.findings) {
            let mut findings = Findings::new();
            // Of a file that cannot be read there is a job all the same: its users have done nothing wrong.
            let node = tree(root, &path, &mut self.files, &mut findings)
                .unwrap_or_else(|| Node::text("", project.project.span));
            let mut node = later::refuse_in_step(node, &mut findings);
            rules::jobs::of_jobs(&mut node, &mut findings);
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            if !self.shared.contains_key(folder) {
                let read = folder::read(root, folder, &mut self.findings);
                self.shared.insert(folder.to_owned(), Arc::new(read));
            }
            self.jobs.push(JobSource { path, node, findings });
        }
        let places: Vec<(String, Span)> = self.jobs.iter().map(|job| (job.path.clone(), job.place())).collect();
        rules::jobs::names(&places, &mut self.findings);
    }

    /// Reads the step types that pipelines and jobs name.
    fn read_types(&mut self, root: &Path) {
        let mut reader = types::Reader { root, files: &mut self.files, findings: &mut self.findings };
        let pipelines = self.sources.iter_mut().map(|source| (&source.node, &source.path, &mut source.findings));
        let jobs = self.jobs.iter_mut().map(|job| (&job.node, &job.path, &mut job.findings));
        for (node, path, own) in pipelines.chain(jobs) {
            self.types.read(node, path, own, &mut reader);
        }
    }

    /// The step types of S3 that pipelines and jobs name.
    pub fn pins(&self) -> &[Pin] {
        &self.types.pins
    }

    /// The files that were read, and what is wrong with them in every environment.
    pub fn read_so_far(&self) -> (&Files, Findings) {
        let mut findings = self.findings.clone();
        let own = self.sources.iter().map(|source| &source.findings);
        own.chain(self.jobs.iter().map(|job| &job.findings)).for_each(|own| findings.extend(own.clone()));
        (&self.files, findings)
    }

    /// The jobs for one environment.
    fn jobs(&self, environment: Option<&Resolved>, findings: &mut Findings) -> Vec<Job> {
        if self.jobs.is_empty() {
            return Vec::new();
        }
        let (schema, environments) = (jobs::schema(), self.environments());
        let one = |source: &JobSource| {
            let mut own = source.findings.clone();
            let job = Job::of(&source.path, &source.node, &schema, environment, &mut own);
            judged(&mut own, |found| rules::secrets::tree(&job.node, found));
            judged(&mut own, |found| rules::jobs::job(&job, &environments, found));
            findings.extend(own);
            job
        };
        self.jobs.iter().map(one).collect()
    }

    /// The folders of the jobs that a pipeline uses.
    fn shared(&self, manifest: &Manifest) -> BTreeMap<String, Arc<Folder>> {
        let used = manifest.all_steps().filter_map(|step| step.from_job.as_ref());
        used.filter_map(|from| Some((from.folder.clone(), Arc::clone(self.shared.get(&from.folder)?)))).collect()
    }

    /// The names of all environments, in the order written.
    pub fn environments(&self) -> Vec<String> {
        let names = self.project.iter().flat_map(|project| project.environments.iter());
        names.map(|(name, _)| name.value.clone()).collect()
    }

    /// The project for one environment.
    pub fn load(&self, choice: &EnvironmentChoice) -> Loaded {
        let mut loaded = Loaded { files: self.files.clone(), findings: self.findings.clone(), project: None };
        let Some(project) = &self.project else { return loaded };
        let environment = match environment::resolve(project, choice) {
            Ok(environment) => environment,
            Err(finding) => {
                // What was typed is wrong; what the files say is not the question.
                loaded.findings = (*finding).into();
                return loaded;
            }
        };
        let defaults = Defaults::of(project, environment.as_ref(), &mut loaded.findings);
        let jobs = self.jobs(environment.as_ref(), &mut loaded.findings);
        let stage = Stage {
            workspace: self,
            environments: self.environments(),
            environment: environment.as_ref(),
            schema: decode::schema_of::<Manifest>(),
            defaults: &defaults,
            jobs: &jobs,
        };
        let mut used = vec![false; jobs.len()];
        let mut pipelines = Vec::new();
        for (pipeline, findings, uses) in parallel::map(&self.sources, |source| stage.pipeline(source)) {
            used.iter_mut().zip(uses).for_each(|(used, uses)| *used |= uses);
            pipelines.extend(pipeline);
            loaded.findings.extend(findings);
        }
        for (job, _) in jobs.iter().zip(&used).filter(|(_, used)| !**used) {
            judged(&mut loaded.findings, |found| rules::jobs::unused(job, found));
        }
        rules::project(&pipelines, &mut loaded.findings);
        loaded.project = Some(Project {
            name: project.project.value.clone(),
            environment,
            demands: defaults.demands,
            tests: project.tests.clone(),
            pipelines,
        });
        loaded
    }
}

/// What every pipeline is checked against when a project is loaded.
struct Stage<'a> {
    workspace: &'a Workspace,
    environments: Vec<String>,
    environment: Option<&'a Resolved>,
    schema: schemars::Schema,
    defaults: &'a Defaults,
    jobs: &'a [Job],
}

impl Stage<'_> {
    /// A pipeline, if it can be made sense of, what is wrong within it, and which jobs it uses.
    fn pipeline(&self, source: &Source) -> (Option<Pipeline>, Findings, Vec<bool>) {
        let mut findings = source.findings.clone();
        let mut used = vec![false; self.jobs.len()];
        let Some(manifest) = source.manifest(self, &mut used, &mut findings) else {
            return (None, findings, used);
        };
        let (path, folder) = (source.path.clone(), Arc::clone(&source.folder));
        let pipeline = Pipeline { path, folder, shared: self.workspace.shared(&manifest), manifest };
        judged(&mut findings, |found| rules::pipeline(&pipeline, found));
        rules::params::environments(&pipeline.manifest.params, &self.environments, &mut findings);
        if let Some(environment) = self.environment {
            judged(&mut findings, |found| rules::in_environment(&pipeline, environment, found));
        }
        if let Some(policy) = &self.workspace.policy {
            judged(&mut findings, |found| rules::policy::check(policy, &pipeline, found));
        }
        (Some(pipeline), findings, used)
    }
}

impl Source {
    /// The tree of a file and the folder around it; the findings are the caller's.
    fn read(root: &Path, path: &str, (files, file): (&Files, FileId), findings: &mut Findings) -> Option<Self> {
        let mut node = yaml::read_tagged(files, file, TAGGED, findings)?;
        later::refuse(&mut node, findings);
        let inside = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let folder = Arc::new(folder::read(root, inside, findings));
        Some(Self { path: path.to_owned(), folder, node, findings: Findings::new() })
    }

    fn manifest(&self, stage: &Stage<'_>, used: &mut [bool], findings: &mut Findings) -> Option<Manifest> {
        let Stage { environment, schema, defaults, jobs, .. } = stage;
        let mut node = self.node.clone();
        if let Some(environment) = *environment {
            vars::substitute(&mut node, environment, findings);
        }
        if matches!(node.value, Value::Map(_)) {
            judged(findings, |found| rules::templates::tree(&node, found));
            judged(findings, |found| rules::secrets::tree(&node, found));
        }
        let made = made_of(&mut node, jobs, used, findings);
        let manifest: Option<Manifest> = decode::decode(&node, schema, findings);
        rules::templates::keep_to_the_known(&node, findings);
        let mut manifest = manifest?;
        let types = &stage.workspace.types;
        jobs::attach(&mut manifest.steps.value, &made);
        attach_types(&mut manifest.steps.value, types);
        for map in manifest.steps.value.iter_mut().filter_map(|step| step.value.map.as_mut()) {
            jobs::attach(&mut map.value.steps.value, &made);
            attach_types(&mut map.value.steps.value, types);
        }
        defaults.fill(&mut manifest);
        if let Some(environment) = environment {
            manifest.params.0.iter_mut().for_each(|(_, param)| param.value.choose(&environment.name));
        }
        Some(manifest)
    }
}

/// Gives steps the types that they name, and those what the steps give them.
fn attach_types(steps: &mut [Spanned<Step>], types: &types::Types) {
    for step in steps {
        let Step { uses: Some(uses), with, .. } = &mut step.value else { continue };
        uses.value.step_type = types.at(uses.span);
        uses.value.with.clone_from(with);
        uses.value.place.span = uses.span;
    }
}

/// Puts jobs in the place of the steps that use them, and looks at their templates as this pipeline renders them.
fn made_of(node: &mut Node, jobs: &[Job], used: &mut [bool], findings: &mut Findings) -> Vec<jobs::Used> {
    let made = jobs::expand(node, jobs, findings);
    let (by, events) = rules::templates::surroundings(node);
    let mut seen = Vec::new();
    for one in &made {
        let Some(job) = jobs.get(one.job).filter(|_| !seen.contains(&one.job)) else { continue };
        seen.push(one.job);
        used.iter_mut().skip(one.job).take(1).for_each(|used| *used = true);
        judged(findings, |found| rules::templates::job(job, by, events, found));
    }
    made
}

impl JobSource {
    /// Where its file begins.
    fn place(&self) -> Span {
        self.node.entries().first().map_or(self.node.span, |entry| entry.key.span)
    }
}

/// `defaults` of the dpc.yaml, `${vars}` replaced.
struct Defaults {
    owner: Option<Spanned<String>>,
    tags: SpannedMap<Spanned<String>>,
    /// The environment's, and the project's where it is silent.
    demands: Iam,
}

impl Defaults {
    fn of(project: &ProjectFile, environment: Option<&Resolved>, findings: &mut Findings) -> Self {
        let of_project = project.defaults.iam.as_ref().map(|iam| iam.value.clone()).unwrap_or_default();
        let of_environment = environment.and_then(|chosen| project.environments.get(&chosen.name)?.iam.as_ref());
        let demands = of_environment.map_or(of_project.clone(), |iam| iam.or(&of_project));
        let of_pipelines = &project.defaults;
        let mut defaults = Self { owner: of_pipelines.owner.clone(), tags: of_pipelines.tags.clone(), demands };
        if let Some(environment) = environment {
            let tags = defaults.tags.0.iter_mut().map(|(_, value)| value);
            for text in defaults.owner.iter_mut().chain(tags).chain(defaults.demands.texts_mut()) {
                vars::substitute_text(text, environment, findings);
            }
        }
        defaults
    }

    /// The project's tags first, less those that the pipeline sets itself.
    fn fill(&self, manifest: &mut Manifest) {
        if manifest.owner.is_none() {
            manifest.owner.clone_from(&self.owner);
        }
        manifest.demands.clone_from(&self.demands);
        let own = std::mem::take(&mut manifest.tags.0);
        let inherited = self.tags.0.iter().filter(|(name, _)| !own.iter().any(|(other, _)| other.value == name.value));
        manifest.tags.0 = inherited.cloned().collect();
        manifest.tags.0.extend(own);
    }
}

/// The tree of a file, if it has one.
fn tree(root: &Path, path: &str, files: &mut Files, findings: &mut Findings) -> Option<Node> {
    let file = read_text(root, path, files, findings)?;
    yaml::read(files, file, findings)
}

/// Reads a file into the table, if it is text.
fn read_text(root: &Path, path: &str, files: &mut Files, findings: &mut Findings) -> Option<FileId> {
    match disk::manifest(root, path, files) {
        Ok(bytes) => text::add(files, path, &bytes, findings),
        Err(finding) => {
            findings.push(*finding);
            None
        }
    }
}

/// Runs rules, and leaves out what they say about places that have an error already: each mistake is said once.
fn judged(findings: &mut Findings, rules: impl FnOnce(&mut Findings)) {
    let place = |finding: &Finding| finding.primary.as_ref().map(|label| label.span);
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let known: Vec<Span> = errors.filter_map(place).collect();
    let overlaps =
        |one: Span| known.iter().any(|other| one.file == other.file && one.start < other.end && other.start < one.end);
    let mut all = findings.clone();
    rules(&mut all);
    let new = all.into_iter().skip(findings.iter().count());
    findings.extend(new.filter(|finding| !place(finding).is_some_and(overlaps)));
}

/// The words of an I/O error, without the number that only a debugger wants.
fn reason(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}
