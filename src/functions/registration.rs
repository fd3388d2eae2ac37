//! The custom resource by which a pipeline's stack registers its pipeline.
//!
//! In comes a request of CloudFormation; out goes its answer to the address that the request names, always one, because
//! a stack without an answer hangs for its time-out. It refuses a pipeline that another stack owns, and never refuses a
//! deletion: <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requesttypes.html>.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cloud::CloudResult;
use crate::cloud::runs::{Registration, Store};
use crate::control::digest;
use crate::control::plan::Plan;
use crate::functions::account::Account;
use crate::functions::metrics::Metric;
use crate::functions::status::shortened;
use crate::functions::world::World;
use crate::source::{Code, Finding};

/// What a row of the table can take of a plan, with room for the rest of it.
const PLAN_LIMIT: usize = 200 * 1024;
/// CloudFormation reads 4,096 bytes of an answer. Names and ids take at most half of them.
const REASON_LIMIT: usize = 1_500;
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
            Ok(request.physical_resource_id.clone().unwrap_or_else(|| PHYSICAL.to_owned()))
        }
        _ => account.register(&request).await,
    };
    let answer = answer(&request, outcome);
    account.world.respond(&request.response_url, &answer.to_string()).await?;
    Ok(answer)
}

impl<S: Store, W: World> Account<S, W> {
    /// Registers the plan; answers the resource's physical id.
    async fn register(&self, request: &Request) -> Result<String, Refused> {
        let old = request.physical_resource_id.clone();
        let (plan, digest) = read_plan(&request.resource_properties).map_err(|finding| Refused::of(finding, old))?;
        // The id goes with the name: a renamed pipeline is another resource, and CloudFormation deletes the old one.
        let id = format!("{PHYSICAL}{}", plan.pipeline);
        match self.put(plan, digest, &request.stack_id).await {
            Ok(()) => Ok(id),
            Err(finding) => Err(Refused::of(finding, Some(id))),
        }
    }

    async fn put(&self, plan: Plan, digest: String, stack: &str) -> CloudResult<()> {
        let before = self.store.registration(&plan.pipeline).await?;
        let now = self.world.now();
        // New schedules owe nothing of the time before them.
        let (schedules_since, swept_to) = match &before {
            Some(before) if before.plan.schedules == plan.schedules => (before.schedules_since, before.swept_to),
            _ => (now, now),
        };
        let stack = stack.to_owned();
        let registration = Registration { plan, digest, stack, registered_at: now, schedules_since, swept_to };
        let stack = registration.stack.as_str();
        let owner = before.map(|before| before.stack).filter(|owner| owner != stack);
        let heirless = match &owner {
            Some(owner) if self.world.stack_is_gone(owner).await? => Some(owner.as_str()),
            _ => None,
        };
        let pipeline = &registration.plan.pipeline;
        if self.store.register(&registration, heirless).await? {
            tracing::info!(pipeline, stack, digest = registration.digest, "registered");
            return Ok(());
        }
        let owner = owner.as_deref().unwrap_or("another stack");
        let message = format!("pipeline `{pipeline}` is registered by another stack, `{}`", stack_name(owner));
        Err(Box::new(
            Finding::new(Code::AlreadyRegistered, message)
                .why("two stacks would start each other's runs")
                .help(format!("destroy that stack, or give this pipeline another name than `{pipeline}`")),
        ))
    }

    /// Removes what this stack has registered, if anything. A failure is only counted: an answer FAILED would leave the
    /// whole stack undeleted, while a row left behind can be taken over once its stack is gone.
    async fn deregister(&self, request: &Request) {
        let id = request.physical_resource_id.as_deref().unwrap_or_default();
        let Some(pipeline) = id.strip_prefix(PHYSICAL).filter(|pipeline| !pipeline.is_empty()) else { return };
        match self.store.unregister(pipeline, &request.stack_id).await {
            Ok(removed) => tracing::info!(pipeline, stack = request.stack_id, removed, "deregistered"),
            Err(finding) => {
                let why = format!("registration of {pipeline} was not removed: {}", finding.message);
                tracing::error!(pipeline, stack = request.stack_id, "{why}");
                self.world.count(Metric::NeedsAttention, &why);
            }
        }
    }
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

fn answer(request: &Request, outcome: Result<String, Refused>) -> Value {
    let (status, reason, id) = match outcome {
        Ok(id) => ("SUCCESS", None, id),
        Err(refused) => ("FAILED", Some(shortened(&refused.reason, REASON_LIMIT)), refused.physical_id),
    };
    let mut answer = json!({
        "Status": status,
        "PhysicalResourceId": id,
        "StackId": request.stack_id,
        "RequestId": request.request_id,
        "LogicalResourceId": request.logical_resource_id,
    });
    if let (Some(reason), Some(fields)) = (reason, answer.as_object_mut()) {
        fields.insert("Reason".into(), reason.into());
    }
    answer
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
