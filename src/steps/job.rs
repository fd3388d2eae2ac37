//! What a step keeps of the job that it was made from; its kind is the job's, word for word.

use serde_json::{Map, Value};

use crate::control::plan::ParamPlan;

/// A job, used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FromJob {
    /// The job's name.
    pub job: String,
    /// The folder of its file, relative to the project: where its work runs, and where that lies in the archive.
    pub folder: String,
    /// The parameters that its texts know, each with the value that this step gives.
    pub params: Vec<(String, ParamPlan)>,
    /// Whether the step's `when` is the job's, and knows the job's parameters alone.
    pub when: bool,
}

impl FromJob {
    /// What the plan says of the parameters.
    pub fn plan(&self) -> Value {
        let plan = |plan: &ParamPlan| serde_json::to_value(plan).expect("a parameter is printable");
        Value::Object(self.params.iter().map(|(name, param)| (name.clone(), plan(param))).collect::<Map<_, _>>())
    }
}
