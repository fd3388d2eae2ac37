//! How large a compiled pipeline is, against what AWS takes.
//!
//! In come the documents of one pipeline; out come measures, and findings about those that are too large or soon will be. It
//! refuses to know what made them so.

use serde_json::Value;

use super::machine::worst_history;
use crate::control::plan::Plan;
use crate::documents::policy;
use crate::documents::states::Machine;
use crate::documents::template::Template;
use crate::documents::{self, frame};
use crate::source::{Code, Finding, Findings, Span};

/// One measure of a compiled pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// What is measured, as a phrase: `the template`.
    pub what: String,
    /// Its unit: `bytes`.
    pub unit: &'static str,
    /// How much there is.
    pub amount: usize,
    /// How much AWS takes.
    pub limit: usize,
    /// What makes it smaller.
    pub remedy: &'static str,
}

impl Size {
    /// How much of the limit is used, rounded up: 0 to 100 for what fits.
    pub fn percent(&self) -> usize {
        (self.amount * 100).div_ceil(self.limit)
    }
}

/// Template: 1,000,000 bytes through a bucket, 500 resources
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>). Definition: 1,048,576
/// bytes; history: 25,000 events (<https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>). Inline
/// policies of a role: 10,240 characters (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>).
/// The plan is kept in one DynamoDB item of 400 KB and travels in a Lambda event of 1 MB; 200 KB leave room for both.
pub(crate) fn measure(template: &Template, machine: &Machine, plan: &Plan) -> Vec<Size> {
    let size = |what: &str, unit, amount, limit, remedy| Size { what: what.to_owned(), unit, amount, limit, remedy };
    let definition = template.get(frame::STATE_MACHINE).and_then(|machine| machine.properties().get("Definition"));
    let fewer_steps = "use fewer or shorter steps, or split the pipeline";
    let mut sizes = vec![
        size("the template", "bytes", template.size(), 1_000_000, fewer_steps),
        size("the template", "resources", template.resources().count(), 500, "use fewer schedules or alerts"),
        size("the state machine", "bytes", definition.map_or(0, documents::size), 1_048_576, fewer_steps),
        size(
            "the state machine's history",
            "events when everything is retried",
            worst_history(machine),
            25_000,
            "use fewer steps or fewer `attempts`",
        ),
        size(
            "the arguments of all steps",
            "bytes",
            documents::size(plan),
            200_000,
            "put long values into a file of the pipeline's folder and pass its name",
        ),
    ];
    for (_, role) in template.resources().filter(|(_, resource)| resource.kind() == "AWS::IAM::Role") {
        let policies = role.properties().get("Policies").and_then(Value::as_array);
        let amount = policies.into_iter().flatten().filter_map(|one| one.get("PolicyDocument")).map(policy::size).sum();
        let what = format!("the policy \"{}\"", role.purpose());
        sizes.push(Size {
            what,
            unit: "characters",
            amount,
            limit: 10_240,
            remedy: "name fewer locations under `access`, with shorter prefixes or a common one",
        });
    }
    sizes
}

/// Reports what is too large, and what soon will be; `span` is the pipeline's name.
pub fn check(sizes: &[Size], span: Span, findings: &mut Findings) {
    for size in sizes {
        let Size { what, unit, amount, limit, remedy } = size;
        if amount > limit {
            findings.push(
                Finding::at(
                    Code::TooLarge,
                    span,
                    format!("{what}: {amount} {unit}, of at most {limit}"),
                    "this pipeline",
                )
                .help(*remedy),
            );
        } else if size.percent() >= 80 {
            findings.push(
                Finding::at(
                    Code::NearLimit,
                    span,
                    format!("{what}: {amount} {unit}, {}% of at most {limit}", size.percent()),
                    "this pipeline",
                )
                .warning()
                .help(*remedy),
            );
        }
    }
}
