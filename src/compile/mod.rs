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
mod permissions;
pub mod roles;
mod stack;
mod triggers;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::compute::ecs::{OVERRIDES_LIMIT, Secret};
use crate::compute::{Compute, Host};
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
use crate::language::manifest::Manifest;
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
        let steps: Vec<(&Step, Span)> = manifest.steps.value.iter().map(|step| (&step.value, step.span)).collect();
        let graph = manifest.graph();
        let known = |need: &String| graph.iter().any(|(name, _)| name == need);
        let unique =
            graph.iter().enumerate().all(|(at, (name, _))| graph.iter().take(at).all(|(other, _)| other != name));
        if graph.is_empty() || !unique || !graph.iter().all(|(_, needs)| needs.iter().all(known)) {
            return None;
        }
        let profiles = manifest.compute.iter().map(|(name, _)| name.value.as_str());
        if !graph.iter().map(|(step, _)| step.as_str()).chain(profiles).chain([name]).all(is_name) {
            return None;
        }
        let flow = dag::structure(&graph).ok()?;
        let tags = users_tags(manifest);
        let read = outputs_read(manifest);
        let packed = packed(pipeline);
        let files: Vec<_> = packed.iter().map(|(path, file)| (path.as_ref(), file.bytes.as_slice())).collect();
        let mut made = Vec::new();
        for (step, span) in steps {
            let profile = manifest.profile_of(step).map(|(name, compute)| (name.value.as_str(), &compute.value));
            let mut bench = bench(name, step, profile, (artifact, &files), &tags);
            bench.wants_output = read.contains(step.name.value.as_str());
            let profile = profile.map(|(name, _)| name).filter(|_| bench.profile.is_some());
            made.push(make((step, span), profile, bench, findings)?);
        }
        let body = Body { flow, steps: made };
        let mut profiles = Vec::new();
        for (profile, compute) in manifest.compute.iter() {
            if body.steps.iter().any(|made| made.profile == Some(profile.value.as_str())) {
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
        let uploads = self.body.steps.iter().flat_map(|made| made.uploads.iter().cloned()).collect();
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
    /// The profiles that it runs on.
    fn profiles(&self) -> Vec<&str> {
        self.profile.into_iter().collect()
    }
}

impl Body<'_> {
    /// What the plan holds for each step.
    fn plan(&self, form: &dyn Fn(&Tree) -> Value) -> Map<String, Value> {
        let entry = |made: &Made<'_>| {
            let kept = made.plan.iter().map(|(key, tree)| (key.clone(), form(tree)));
            (made.step.name.value.clone(), Value::Object(kept.collect()))
        };
        self.steps.iter().map(entry).collect()
    }
}

/// The names of the steps whose output some text names.
fn outputs_read(manifest: &Manifest) -> BTreeSet<String> {
    let texts = manifest.steps.iter().flat_map(|step| {
        let of_kinds = step.kinds().into_iter().flat_map(|(_, _, kind)| steps::templates(kind));
        of_kinds.map(|text| text.value).chain(step.value.when.as_ref().map(|when| when.value.as_str()))
    });
    let paths = texts.filter(|text| text.contains("{{")).flat_map(|text| late::of(text));
    let names = paths.filter_map(|path| match path.root {
        Root::Output(step) => Some(step),
        Root::Item | Root::Index | Root::Count => None,
    });
    names.collect()
}

/// The user's tags, in the order written.
fn users_tags(manifest: &Manifest) -> Vec<(String, String)> {
    manifest.tags.iter().map(|(key, value)| (key.value.clone(), value.value.clone())).collect()
}

fn bench<'a>(
    pipeline: &'a str,
    step: &'a Step,
    profile: Option<(&'a str, &'a Compute)>,
    (artifact, files): (&'a Archive, &'a [(&'a str, &'a [u8])]),
    tags: &'a [(String, String)],
) -> Bench<'a> {
    let possible = step.kind().map_or(&[][..], |kind| kind.runs_on().possible());
    let key = profile.and_then(|(_, compute)| compute.kind()).map(|kind| kind.key());
    Bench {
        pipeline,
        step: &step.name.value,
        archive: &artifact.sha256,
        profile: profile.filter(|_| key.is_some_and(|key| possible.contains(&key))),
        tags,
        retried: step.retry.is_some(),
        wants_output: false,
        siblings: None,
        folder: step.from_job.as_ref().map(|from| from.folder.as_str()),
        plan: Vec::new(),
        statements: Vec::new(),
        resources: Vec::new(),
        files,
        uploads: Vec::new(),
        hosts: Vec::new(),
        secrets: Vec::new(),
    }
}

/// Lets a step's kind do its work.
fn make<'a>(
    (step, span): (&'a Step, Span),
    profile: Option<&'a str>,
    mut bench: Bench<'_>,
    findings: &mut Findings,
) -> Option<Made<'a>> {
    let work = step.kind()?.work(&mut bench)?;
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
    if let Some(when) = step.when.as_ref().filter(|when| late::of(when).is_empty()) {
        let of_job = step.from_job.as_ref().is_some_and(|from| from.when);
        let key = if of_job { "jobWhen" } else { "when" };
        bench.plan.push((key.to_owned(), Tree::Text(Argument::Users(when.value.clone()))));
    }
    if let Some(from) = step.from_job.as_ref().filter(|from| !from.params.is_empty()) {
        bench.plan.push(("jobParams".to_owned(), Tree::Fixed(from.plan())));
    }
    let Bench { wants_output, plan, statements, resources, uploads, hosts, secrets, .. } = bench;
    Some(Made { step, span, profile, work, wants_output, plan, statements, resources, uploads, hosts, secrets })
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
