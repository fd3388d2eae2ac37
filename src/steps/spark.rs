//! `spark`: a Python file or a JAR of the pipeline's folder, run by spark-submit on an EMR cluster.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::{Spanned, SpannedMap};

/// Runs a Python file or a JAR with spark-submit.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spark {
    /// A `.py` or `.jar` file, relative to the pipeline.yaml.
    pub entrypoint: Spanned<String>,
    /// Arguments of the program; `{{ }}` is rendered when a run starts.
    #[serde(default)]
    pub args: Vec<Spanned<String>>,
    /// The main class of a JAR whose manifest names none.
    pub class: Option<Spanned<String>>,
    /// Spark properties, such as `spark.executor.memory: 4g`.
    #[serde(default)]
    pub conf: SpannedMap<Spanned<String>>,
}
