//! From a checked manifest to what is deployed: a template, a plan, an archive.
//!
//! In come a pipeline and the space that it is compiled for; out come documents that AWS will take, or findings that
//! say why not. This floor refuses to know files, accounts and the network: its bytes are the same in every account.

pub mod checks;
mod clusters;
pub mod guard;
pub mod hatches;
mod lowering;
mod machine;
mod map;
mod outputs;
mod permissions;
pub mod roles;
mod stack;
mod triggers;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::compute::Host;
use crate::compute::ecs::{OVERRIDES_LIMIT, Secret};
use crate::control::archive::{self, Archive};
use crate::control::dag::{self, Flow};
use crate::control::plan::{EventPlan, ParamPlan, PartitionPlan, Plan, SchedulePlan};
use crate::control::render::late::{self, Root};
use crate::control::run::Status;
use crate::control::{digest, names};
use crate::documents::policy::Statement;
use crate::documents::states::Machine;
use crate::documents::template::Resource;
use crate::documents::template::Template;
use crate::language::folder::{self, FolderFile};
use crate::language::manifest::{Manifest, graph_of};
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Span, Spanned};
use crate::steps::{self, Argument, Bench, Step, Tree, Work};
use crate::{alerts, compute};
pub use triggers::Listeners;
use triggers::{events, executions, schedules};

/// What a pipeline is compiled for. The account and the region are not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The namespace of pipeline names.
    pub space: String,
    /// The date of the compilation, UTC: a schedule whose years are over is a mistake. Nothing that is made depends on it.
    pub today: jiff::civil::Date,
    /// Who of the project listens to which objects.
    pub listeners: Arc<Listeners>,
}

/// What a pipeline becomes.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The pipeline's name.
    pub pipeline: String,
    /// The stack.
    pub template: Template,
    /// What the account function must know, as the template's registration carries it. `${AWS::…}` in the first and
    /// third argument of a step, and in the ARNs, is CloudFormation's.
    pub plan: Plan,
    /// The pipeline's folder.
    pub artifact: Archive,
    /// Other files that must lie in the account's bucket, by key.
    pub uploads: BTreeMap<String, Vec<u8>>,
    /// Tags of the stack.
    pub tags: BTreeMap<String, String>,
    /// The place in the manifest that made each resource, by logical id.
    pub origins: BTreeMap<String, Span>,
    /// What roles that exist already must be allowed.
    pub brought: Vec<roles::Brought>,
    /// What `overrides` changed, in their order.
    pub changes: Vec<hatches::Change>,
    /// The state machine, as generated: `overrides` change it in the template.
    pub machine: Machine,
    /// How large it is, against AWS's limits.
    pub sizes: Vec<checks::Size>,
}

/// A pipeline whose names and references are known to be good.
struct Model<'a> {
    manifest: &'a Manifest,
    context: &'a Context,
    name: &'a str,
    body: Body<'a>,
    /// Profiles that some step uses, in the order written.
    profiles: Vec<(&'a Spanned<String>, &'a dyn compute::Kind)>,
    /// Those of them that are made for a run and go with it.
    clusters: Vec<(&'a Spanned<String>, &'a dyn compute::Transient)>,
    schedules: Vec<(SchedulePlan, Span)>,
    events: Vec<(EventPlan, Resource, Span)>,
    announced: Vec<Status>,
    /// Files of the folder that are objects of their own: path and key in the account's bucket.
    objects: Vec<(String, String)>,
}

/// Steps and how they follow one another.
struct Body<'a> {
    flow: Flow,
    /// In the order written.
    steps: Vec<Made<'a>>,
}

/// A step and what its kind has made of it.
struct Made<'a> {
    step: &'a Step,
    span: Span,
    profile: Option<&'a str>,
    work: Work,
    /// The steps inside it.
    inner: Option<Body<'a>>,
    /// The names of the steps beside it, when it is inside another.
    siblings: Option<Vec<&'a str>>,
    wants_output: bool,
    plan: Vec<(String, Tree)>,
    statements: Vec<Statement>,
    resources: Vec<(String, Resource)>,
    uploads: Vec<(String, Vec<u8>)>,
    hosts: Vec<Host>,
    secrets: Vec<Secret>,
}

/// Compiles a pipeline. `None` when something is wrong with it; what, is in `findings`, unless an earlier stage has said
/// it already.
pub fn compile(pipeline: &Pipeline, context: &Context, findings: &mut Findings) -> Option<Compiled> {
    let mut own = Findings::new();
    checks::values::check(&pipeline.manifest, context.today, &mut own);
    let artifact = pack(pipeline);
    let model = Model::of(pipeline, context, &artifact, &mut own).filter(|_| !own.has_errors());
    let compiled = model.map(|mut model| {
        let (objects, uploads) = profile_files(&model, pipeline);
        model.objects = objects;
        let mut compiled = model.compile(artifact, &mut own);
        compiled.uploads.extend(uploads);
        compiled
    });
    if let Some(compiled) = &compiled {
        checks::sizes::check(&compiled.sizes, pipeline.manifest.name.span, &mut own);
        checks::durations::check(&pipeline.manifest, &mut own);
    }
    let broken = own.has_errors();
    findings.extend(own);
    compiled.filter(|_| !broken)
}

impl<'a> Model<'a> {
    /// `None` when steps, needs or profiles do not fit together, which the language's rules report.
    fn of(pipeline: &'a Pipeline, context: &'a Context, artifact: &Archive, findings: &mut Findings) -> Option<Self> {
        let manifest = &pipeline.manifest;
        let name = manifest.name.value.as_str();
        let profiles = manifest.compute.iter().map(|(name, _)| name.value.as_str());
        let mut names = BTreeSet::new();
        // States are called like steps, inside a map too.
        let unique = manifest.all_steps().all(|step| names.insert(step.name.value.as_str()));
        if !unique || !profiles.chain([name]).all(is_name) {
            return None;
        }
        let tags = users_tags(manifest);
        let read = outputs_read(manifest);
        let packed = packed(pipeline);
        let files: Vec<_> = packed.iter().map(|(path, file)| (path.as_ref(), file.bytes.as_slice())).collect();
        let maker = Maker { manifest, name, artifact, files: &files, tags: &tags, read: &read };
        let body = maker.body(&manifest.steps.value, false, findings)?;
        let mut profiles = Vec::new();
        for (profile, compute) in manifest.compute.iter() {
            if body.steps.iter().any(|made| made.profiles().contains(&profile.value.as_str())) {
                profiles.push((profile, compute.value.kind()?));
            }
        }
        let announced = alerts::statuses(manifest.alerts.iter().map(|alert| &alert.value));
        let schedules = schedules(manifest);
        let events = events(manifest, context);
        let clusters = profiles.iter().filter_map(|(name, kind)| Some((*name, kind.transient()?))).collect();
        let objects = Vec::new();
        Some(Self { manifest, context, name, body, profiles, clusters, schedules, events, announced, objects })
    }

    fn compile(&self, artifact: Archive, findings: &mut Findings) -> Compiled {
        let machine = machine::build(self);
        let integrations = checks::machine::verified(&machine);
        let plan = self.plan();
        let (template, mut origins) = stack::build(self, &machine, &integrations, &plan);
        let (template, brought) = roles::apply(self.manifest, template, &mut origins, findings);
        let (template, changes) = hatches::apply(self.manifest, template, &mut origins, findings);
        let sizes = checks::sizes::measure(&template, &machine, &plan);
        let pipeline = self.name.to_owned();
        let uploads = self.body.all().into_iter().flat_map(|made| made.uploads.iter().cloned()).collect();
        let tags = self.stack_tags();
        Compiled { pipeline, template, plan, artifact, uploads, tags, origins, brought, changes, machine, sizes }
    }

    fn plan(&self) -> Plan {
        let params = self.manifest.params.iter().map(|(name, param)| {
            let plan = ParamPlan {
                r#type: param.kind.value.clone(),
                items: param.items.as_ref().map(|items| items.value.clone()),
                values: param
                    .values
                    .iter()
                    .flat_map(|values| &values.value)
                    .map(|value| value.value.0.clone())
                    .collect(),
                default: param.default.as_ref().map(|default| default.value.to_json()),
                required: param.required.as_ref().map(|required| required.value.to_string()),
            };
            (name.value.clone(), serde_json::to_value(plan).expect("a parameter is printable"))
        });
        Plan {
            version: "1".to_owned(),
            pipeline: self.name.to_owned(),
            space: self.context.space.clone(),
            state_machine: names::arn("states", &format!("stateMachine:{}", names::pipeline_resource(self.name))),
            topic: (!self.announced.is_empty()).then(|| names::arn("sns", &names::pipeline_resource(self.name))),
            alerts: self.announced.iter().map(|status| status.as_str().to_owned()).collect(),
            partition: partition(self.manifest),
            when: self.manifest.when.as_ref().map(|when| when.value.clone()),
            overlap: self.manifest.overlap.as_ref().map(|overlap| overlap.value.clone()),
            schedules: self.schedules.iter().map(|(schedule, _)| schedule.clone()).collect(),
            events: self.events.iter().map(|(event, _, _)| event.clone()).collect(),
            executions: executions(self.manifest),
            params: params.collect(),
            steps: self.body.plan(&Tree::plan),
        }
    }

    fn stack_tags(&self) -> BTreeMap<String, String> {
        let mut tags: BTreeMap<String, String> = users_tags(self.manifest).into_iter().collect();
        tags.insert(names::PIPELINE_TAG.to_owned(), self.name.to_owned());
        tags.insert(names::SPACE_TAG.to_owned(), self.context.space.clone());
        if let Some(owner) = &self.manifest.owner {
            tags.insert(names::OWNER_TAG.to_owned(), owner.value.clone());
        }
        tags
    }
}

impl Made<'_> {
    fn all_inside(&self) -> Vec<&Made<'_>> {
        self.inner.iter().flat_map(Body::all).collect()
    }

    /// The profiles that it runs on.
    fn profiles(&self) -> Vec<&str> {
        let mut profiles: Vec<&str> = self.profile.into_iter().collect();
        for profile in self.inner.iter().flat_map(|inner| &inner.steps).flat_map(Made::profiles) {
            if !profiles.contains(&profile) {
                profiles.push(profile);
            }
        }
        profiles
    }
}

impl Body<'_> {
    /// What the plan holds for each step.
    fn plan(&self, form: &dyn Fn(&Tree) -> Value) -> Map<String, Value> {
        let entry = |made: &Made<'_>| {
            let kept = made.plan.iter().map(|(key, tree)| (key.clone(), form(tree)));
            (made.step.name.value.clone(), Value::Object(kept.collect()))
        };
        self.all().into_iter().map(entry).collect()
    }

    /// Every step, those inside others after them.
    fn all(&self) -> Vec<&Made<'_>> {
        let with_inner = |made| std::iter::once(made).chain(Made::all_inside(made));
        self.steps.iter().flat_map(with_inner).collect()
    }

    /// The steps outside whose output one of these reads.
    fn outer_outputs(&self) -> BTreeSet<String> {
        let own = |name: &String| self.steps.iter().any(|made| made.step.name.value == *name);
        let steps = self.steps.iter().map(|made| made.step);
        steps.flat_map(outputs_of).filter(|name| !own(name)).collect()
    }
}

/// The names of the steps whose output some text names, and of those inside a map whose output is the map's.
fn outputs_read(manifest: &Manifest) -> BTreeSet<String> {
    let mut read: BTreeSet<String> = manifest.all_steps().flat_map(|step| outputs_of(step)).collect();
    for step in manifest.steps.iter() {
        let last = step.map.as_ref().filter(|_| read.contains(&step.name.value)).and_then(|map| map.last());
        let last = last.map(|last| last.name.value.clone());
        read.extend(last);
    }
    read
}

fn outputs_of(step: &Step) -> Vec<String> {
    let mut names = Vec::new();
    let mut look = |text: &str| {
        if text.contains("{{") {
            names.extend(late::of(text).into_iter().filter_map(|path| match path.root {
                Root::Output(step) => Some(step),
                Root::Item | Root::Index | Root::Count => None,
            }));
        }
    };
    for (_, _, kind) in step.kinds() {
        steps::templates(kind).into_iter().for_each(|text| look(text.value));
    }
    step.when.iter().for_each(|when| look(when));
    names
}

/// The user's tags, in the order written.
fn users_tags(manifest: &Manifest) -> Vec<(String, String)> {
    manifest.tags.iter().map(|(key, value)| (key.value.clone(), value.value.clone())).collect()
}

/// What is needed to make steps.
struct Maker<'a, 'b> {
    manifest: &'a Manifest,
    name: &'a str,
    artifact: &'b Archive,
    /// The files of the pipeline's folder: path and bytes.
    files: &'b [(&'b str, &'b [u8])],
    tags: &'b [(String, String)],
    /// Names of the steps whose output others read.
    read: &'b BTreeSet<String>,
}

impl<'a> Maker<'a, '_> {
    /// A body of steps; `None` when steps and needs do not fit together, which the language's rules report.
    fn body(&self, steps: &'a [Spanned<Step>], inside: bool, findings: &mut Findings) -> Option<Body<'a>> {
        let graph = graph_of(steps);
        let names: Vec<&str> = steps.iter().map(|step| step.name.value.as_str()).collect();
        let known: BTreeSet<&str> = names.iter().copied().collect();
        let whole = graph.iter().all(|(_, needs)| needs.iter().all(|need| known.contains(need.as_str())));
        if graph.is_empty() || known.len() != names.len() || !whole || !names.iter().all(|name| is_name(name)) {
            return None;
        }
        let flow = dag::structure(&graph).ok()?;
        let siblings = inside.then(|| names.clone());
        let made = steps.iter().map(|step| self.step(&step.value, step.span, siblings.clone(), findings));
        Some(Body { flow, steps: made.collect::<Option<_>>()? })
    }

    /// Lets a step's kind do its work.
    fn step(
        &self,
        step: &'a Step,
        span: Span,
        siblings: Option<Vec<&'a str>>,
        findings: &mut Findings,
    ) -> Option<Made<'a>> {
        let kind = step.kind()?;
        let profile = self.manifest.profile_of(step).filter(|(_, compute)| {
            compute.value.kind().is_some_and(|profile| kind.runs_on().possible().contains(&profile.key()))
        });
        let mut bench = Bench {
            pipeline: self.name,
            step: &step.name.value,
            archive: &self.artifact.sha256,
            profile: profile.map(|(name, compute)| (name.value.as_str(), &compute.value)),
            tags: self.tags,
            retried: step.retry.is_some(),
            wants_output: self.read.contains(&step.name.value),
            siblings: siblings.as_deref(),
            enclosed: false,
            folder: step.from_job.as_ref().map(|from| from.folder.as_str()),
            plan: Vec::new(),
            statements: Vec::new(),
            resources: Vec::new(),
            files: self.files,
            uploads: Vec::new(),
            hosts: Vec::new(),
            secrets: Vec::new(),
        };
        let work = kind.work(&mut bench)?;
        check_bench(&bench, step, findings);
        if let Some(when) = step.when.as_ref().filter(|when| late::of(when).is_empty()) {
            let of_job = step.from_job.as_ref().is_some_and(|from| from.when);
            let key = if of_job { "jobWhen" } else { "when" };
            bench.plan.push((key.to_owned(), Tree::Text(Argument::Users(when.value.clone()))));
        }
        if let Some(from) = step.from_job.as_ref().filter(|from| !from.params.is_empty()) {
            bench.plan.push(("jobParams".to_owned(), Tree::Fixed(from.plan())));
        }
        if matches!(&work, Work::Map(map) if map.distributed) {
            bench.statements.extend(map::statements(self.name));
        }
        let inner = match kind.inner() {
            [] => None,
            inner => Some(self.body(inner, true, findings)?),
        };
        let Bench { wants_output, plan, statements, resources, uploads, hosts, secrets, .. } = bench;
        let profile = profile.map(|(name, _)| name.value.as_str());
        Some(Made {
            step,
            span,
            profile,
            work,
            inner,
            siblings,
            wants_output,
            plan,
            statements,
            resources,
            uploads,
            hosts,
            secrets,
        })
    }
}

/// Reports arguments that a service would refuse for their length, and an output that nobody could fetch.
fn check_bench(bench: &Bench<'_>, step: &Step, findings: &mut Findings) {
    let limits = [(Host::Ec2, "EMR", steps::ARGUMENTS_LIMIT), (Host::Ecs, "ECS", OVERRIDES_LIMIT)];
    for (_, service, limit) in limits.into_iter().filter(|(host, ..)| bench.hosts.contains(host)) {
        let arguments = bench.plan.iter().filter(|(key, _)| key == "args");
        arguments.for_each(|(_, arguments)| steps::check_length(arguments, &step.name, (service, limit), findings));
    }
    if bench.wants_output && bench.hosts.contains(&Host::EmrServerless) {
        let message = format!("step `{}` runs on EMR Serverless, and another step reads its output", step.name.value);
        findings.push(
            Finding::at(Code::WrongCompute, step.name.span, message, "")
                .why("a job there has no `$DPC_OUTPUT`: nothing of its driver's disk is kept")
                .help("run it on `emr`, or let it write its result where the other step reads it"),
        );
    }
}

/// Whether a name of the user's may become part of state names, ids and expressions. The language's rules say what is
/// wrong with one that may not.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=40).contains(&name.len()) && name.bytes().all(plain)
}

/// The files of the pipeline's folder, and those of its jobs with the paths that they have in the project.
fn packed(pipeline: &Pipeline) -> Vec<(Cow<'_, str>, &FolderFile)> {
    let own = pipeline.folder.files.iter().map(|file| (Cow::Borrowed(file.path.as_str()), file));
    let shared = pipeline.shared.iter().flat_map(|(folder, shared)| {
        shared.files.iter().map(move |file| (Cow::Owned(format!("{folder}/{}", file.path)), file))
    });
    own.chain(shared.filter(|(path, _)| pipeline.folder.get(path).is_none())).collect()
}

fn pack(pipeline: &Pipeline) -> Archive {
    let files = packed(pipeline);
    archive::pack(files.iter().map(|(path, file)| archive::Entry {
        path,
        executable: file.executable,
        bytes: &file.bytes,
    }))
}

/// The files that profiles want as objects of their own: (path, key), and (key, bytes). A path that is not there is
/// reported by the language's rules.
#[allow(clippy::type_complexity)] // Reason: two lists, each used once
fn profile_files(model: &Model<'_>, pipeline: &Pipeline) -> (Vec<(String, String)>, Vec<(String, Vec<u8>)>) {
    let wanted = model.profiles.iter().flat_map(|(_, kind)| kind.files());
    let found = wanted.filter_map(|written| {
        let path = folder::normal(written)?;
        let bytes = pipeline.folder.get(&path)?.bytes.clone();
        let key = names::file_key(model.name, &digest::sha256(&bytes), &path);
        Some(((written.value.clone(), key.clone()), (key, bytes)))
    });
    found.unzip()
}

fn partition(manifest: &Manifest) -> PartitionPlan {
    let partition = manifest.partition.as_ref().map(|partition| &partition.value);
    let or = |text: Option<&Spanned<String>>, default: &str| text.map_or(default, |text| &text.value).to_owned();
    PartitionPlan {
        by: or(partition.map(|partition| &partition.by), "day"),
        offset: or(partition.and_then(|partition| partition.offset.as_ref()), "0"),
        timezone: or(partition.and_then(|partition| partition.timezone.as_ref()), "UTC"),
        from: partition.and_then(|partition| partition.from.as_ref()).map(|from| from.value.clone()),
    }
}

#[cfg(test)]
mod tests;
