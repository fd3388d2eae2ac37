//! The custom resource by which a pipeline's stack registers its pipeline.
//!
//! In comes a request of CloudFormation; out goes its answer to the address that the request names, always one, because
//! a stack without an answer hangs for its time-out. The central account, where there is one, is asked first, within the one
//! invocation. It refuses a pipeline that another stack owns, and never refuses a deletion:
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requesttypes.html>.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cloud::CloudResult;
use crate::cloud::runs::{Registration, Store};
use crate::control::digest;
use crate::control::message::{self, Body};
use crate::control::plan::Plan;
use crate::functions::account::Account;
use crate::functions::ask::{accepted, silent};
use crate::functions::metrics::Metric;
use crate::functions::report::envelope;
use crate::functions::status::shortened;
use crate::functions::world::World;
use crate::source::{Code, Finding};

/// What a row of the table can take of a plan, with room for the rest of it.
const PLAN_LIMIT: usize = 200 * 1024;
/// CloudFormation reads 4,096 bytes of an answer. Names and ids take at most half of them.
const REASON_LIMIT: usize = 1_500;
/// How long the central account has: CloudFormation waits for 120 seconds, and this function lives no longer.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
/// What physical ids begin with; the pipeline's name follows.
const PHYSICAL: &str = "dpc:";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    request_type: String,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
    physical_resource_id: Option<String>,
    #[serde(default)]
    resource_properties: Value,
}

/// Deals with a request and answers it.
///
/// # Errors
/// A request without an address to answer to, and an answer that does not arrive.
pub async fn handle<S: Store, W: World>(account: &Account<S, W>, event: &Value) -> CloudResult<Value> {
    let request = Request::deserialize(event).map_err(|error| {
        let message = format!("a request of CloudFormation cannot be read: {error}");
        Box::new(Finding::new(Code::BadPlan, message).help("the stack operation waits for its time-out"))
    })?;
    let outcome = match request.request_type.as_str() {
        "Delete" => {
            account.deregister(&request).await;
            let id = request.physical_resource_id.clone().unwrap_or_else(|| PHYSICAL.to_owned());
            Ok(Registered { id, warnings: Vec::new() })
        }
        _ => account.register(&request).await,
    };
    let answer = answer(&request, outcome);
    account.world.respond(&request.response_url, &answer.to_string()).await?;
    Ok(answer)
}

impl<S: Store, W: World> Account<S, W> {
    /// Registers the plan, at the central account first.
    async fn register(&self, request: &Request) -> Result<Registered, Refused> {
        let old = request.physical_resource_id.clone();
        let (plan, digest) = read_plan(&request.resource_properties).map_err(|finding| Refused::of(finding, old))?;
        // The id goes with the name: a renamed pipeline is another resource, and CloudFormation deletes the old one.
        let id = format!("{PHYSICAL}{}", plan.pipeline);
        match self.put(plan, digest, request).await {
            Ok(warnings) => Ok(Registered { id, warnings }),
            Err(finding) => Err(Refused::of(finding, Some(id))),
        }
    }

    async fn put(&self, plan: Plan, digest: String, request: &Request) -> CloudResult<Vec<String>> {
        let before = self.store.registration(&plan.pipeline).await?;
        let now = self.world.now();
        // New schedules owe nothing of the time before them.
        let (schedules_since, swept_to) = match &before {
            Some(before) if before.plan.schedules == plan.schedules => (before.schedules_since, before.swept_to),
            _ => (now, now),
        };
        let stack = request.stack_id.as_str();
        let owner = before.map(|before| before.stack).filter(|owner| owner != stack);
        let heirless = match &owner {
            Some(owner) if self.world.stack_is_gone(owner).await? => Some(owner.as_str()),
            _ => None,
        };
        if let Some(owner) = owner.as_ref().filter(|_| heirless.is_none()) {
            return Err(taken(&plan.pipeline, owner));
        }
        let warnings = self.register_at_central(&plan, request, now).await?;
        let registration = Registration {
            plan,
            digest,
            stack: stack.to_owned(),
            warnings: warnings.clone(),
            registered_at: now,
            schedules_since,
            swept_to,
        };
        let pipeline = &registration.plan.pipeline;
        if self.store.register(&registration, heirless).await? {
            tracing::info!(pipeline, stack, digest = registration.digest, "registered");
            return Ok(warnings);
        }
        Err(taken(pipeline, owner.as_deref().unwrap_or("another stack")))
    }

    /// What the central account has to say about it. The id is that of CloudFormation's request: whatever is delivered twice
    /// is answered once.
    async fn register_at_central(&self, plan: &Plan, request: &Request, now: Timestamp) -> CloudResult<Vec<String>> {
        if !self.settings.central {
            return if plan.executions.is_some() { Err(no_central(&plan.pipeline)) } else { Ok(Vec::new()) };
        }
        let body = Body::Register(message::Registration {
            pipeline: plan.pipeline.clone(),
            owner: None,
            region: request.stack_id.split(':').nth(3).unwrap_or_default().to_owned(),
            stack: request.stack_id.clone(),
            partition: plan.partition.clone(),
            schedules: plan.schedules.clone(),
            by_event: !plan.events.is_empty(),
            executions: plan.executions.clone(),
            at: now,
        });
        let message = envelope(&plan.space, format!("register/{}", request.request_id), body);
        let answer = self.answer_of_central(&message, PATIENCE).await?.ok_or_else(|| silent(PATIENCE))?;
        Ok(accepted(answer)?.warnings)
    }

    /// Removes what this stack has registered, if anything. A failure is only counted: an answer FAILED would leave the
    /// whole stack undeleted, while a row left behind can be taken over once its stack is gone.
    async fn deregister(&self, request: &Request) {
        let id = request.physical_resource_id.as_deref().unwrap_or_default();
        let Some(pipeline) = id.strip_prefix(PHYSICAL).filter(|pipeline| !pipeline.is_empty()) else { return };
        let told = self.deregister_at_central(pipeline, request).await;
        let removed = self.store.unregister(pipeline, &request.stack_id).await;
        tracing::info!(pipeline, stack = request.stack_id, ?removed, "deregistered");
        for finding in [told.err(), removed.err()].into_iter().flatten() {
            let why = format!("registration of {pipeline} was not removed: {}", finding.message);
            tracing::error!(pipeline, stack = request.stack_id, "{why}");
            self.world.count(Metric::NeedsAttention, &why);
        }
    }

    /// Tells the central account that this stack is gone, now or with the next sweep. It changes nothing there unless the
    /// registration is this stack's.
    async fn deregister_at_central(&self, pipeline: &str, request: &Request) -> CloudResult<()> {
        let space = request.resource_properties.pointer("/Plan/space").and_then(Value::as_str);
        let Some(space) = space.filter(|_| self.settings.central) else { return Ok(()) };
        let body = Body::Deregister { pipeline: pipeline.to_owned(), stack: request.stack_id.clone() };
        let message = envelope(space, format!("deregister/{}", request.request_id), body);
        match self.world.tell(&message).await {
            Ok(()) => Ok(()),
            Err(_) => self.store.owe(&message).await,
        }
    }
}

/// A registration that is done: the physical id, and what a person should know all the same.
struct Registered {
    id: String,
    warnings: Vec<String>,
}

fn taken(pipeline: &str, owner: &str) -> Box<Finding> {
    let message = format!("pipeline `{pipeline}` is registered by another stack, `{}`", stack_name(owner));
    Box::new(
        Finding::new(Code::AlreadyRegistered, message)
            .why("two stacks would start each other's runs")
            .help(format!("destroy that stack, or give this pipeline another name than `{pipeline}`")),
    )
}

fn no_central(pipeline: &str) -> Box<Finding> {
    let message = format!("pipeline `{pipeline}` waits for other pipelines, and this account knows no central account");
    Box::new(
        Finding::new(Code::NoCentral, message)
            .why("nobody would ever start it")
            .help("connect the account with `dpc setup account --central ACCOUNT`, then deploy the pipeline again"),
    )
}

/// A registration that is refused: why, and the physical id that CloudFormation will delete in the end.
struct Refused {
    reason: String,
    physical_id: String,
}

impl Refused {
    fn of(finding: Box<Finding>, physical_id: Option<String>) -> Self {
        let mut reason = format!("{}: {}", finding.code.id(), finding.message);
        if let Some(help) = &finding.help {
            reason.push_str("; ");
            reason.push_str(help);
        }
        Self { reason, physical_id: physical_id.unwrap_or_else(|| PHYSICAL.to_owned()) }
    }
}

fn answer(request: &Request, outcome: Result<Registered, Refused>) -> Value {
    let (status, more, id) = match outcome {
        // An attribute of the resource; one without a text could be no output of the stack.
        Ok(Registered { id, warnings }) if warnings.is_empty() => ("SUCCESS", json!({ "Warnings": "none" }), id),
        Ok(Registered { id, warnings }) => ("SUCCESS", json!({ "Warnings": fitting(&warnings.join("\n")) }), id),
        Err(refused) => ("FAILED", fitting(&refused.reason).into(), refused.physical_id),
    };
    let mut answer = json!({
        "Status": status,
        "PhysicalResourceId": id,
        "StackId": request.stack_id,
        "RequestId": request.request_id,
        "LogicalResourceId": request.logical_resource_id,
    });
    let name = if status == "SUCCESS" { "Data" } else { "Reason" };
    if let Some(fields) = answer.as_object_mut() {
        fields.insert(name.into(), more);
    }
    answer
}

/// As much of a text as an answer has room for. Letters may take several bytes, and some are escaped.
fn fitting(text: &str) -> String {
    let mut limit = REASON_LIMIT;
    loop {
        let short = shortened(text, limit);
        if limit == 0 || Value::from(short.as_str()).to_string().len() <= REASON_LIMIT + 16 {
            return short;
        }
        limit = limit.saturating_sub(100);
    }
}

/// The plan in the resource's properties, and the SHA-256 of its JSON.
fn read_plan(properties: &Value) -> CloudResult<(Plan, String)> {
    let bad = |what: String| {
        let finding = Finding::new(Code::BadPlan, format!("the plan of the pipeline cannot be registered: {what}"));
        Box::new(finding.help("run `dpc setup account` and `dpc deploy` with the same dpc"))
    };
    let plan = properties.get("Plan").ok_or_else(|| bad("property `Plan` is missing".to_owned()))?;
    let plan: Plan = serde_json::from_value(plan.clone()).map_err(|error| bad(error.to_string()))?;
    if plan.version != "1" {
        return Err(bad(format!("its version is {}, and this account function knows 1", plan.version)));
    }
    let json = serde_json::to_vec(&plan).map_err(|error| bad(error.to_string()))?;
    if json.len() > PLAN_LIMIT {
        return Err(bad(format!("it has {} bytes, and {PLAN_LIMIT} is the limit", json.len())));
    }
    Ok((plan, digest::sha256(json)))
}

/// `dpc-listings` of `arn:aws:cloudformation:eu-central-1:111111111111:stack/dpc-listings/8d1f…`.
fn stack_name(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or(arn)
}
