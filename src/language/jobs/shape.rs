//! The schema of a job's file: that of a step, less what a step has by its place in a graph.

use schemars::Schema;
use serde_json::{Value, json};

use super::JobFile;
use crate::language::decode::schema_of;
use crate::source::schema::hints;
use crate::steps::{KINDS, Step};

/// Keys of a step that a job has not: they belong to the graph, and `params` are declared here and given there.
const OF_THE_GRAPH: [&str; 4] = ["name", "needs", "job", "params"];

/// The schema of a job's file.
pub fn schema() -> Schema {
    let mut job = schema_of::<Step>().to_value();
    let head = schema_of::<JobFile>().to_value();
    if let Some(properties) = job.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|key, _| !OF_THE_GRAPH.contains(&key.as_str()));
    }
    for part in ["properties", "$defs"] {
        let (Some(from), Some(job)) = (head.get(part).and_then(Value::as_object), job.as_object_mut()) else {
            continue;
        };
        let into = job.entry(part).or_insert_with(|| json!({}));
        if let Some(into) = into.as_object_mut() {
            into.extend(from.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
    }
    if let Some(job) = job.as_object_mut() {
        job.remove("required");
        job.insert("title".to_owned(), json!("JobFile"));
        job.insert(
            "description".to_owned(),
            json!("A job: exactly one of the step kinds, with parameters of its own."),
        );
    }
    let mut job = Schema::try_from(job).expect("an object is a schema");
    hints::exactly_one(&KINDS.iter().map(|kind| kind.key).collect::<Vec<_>>())(&mut job);
    job
}

#[cfg(test)]
mod tests {
    use super::schema;

    #[test]
    fn a_job_has_the_kinds_of_steps_and_no_place_in_a_graph() {
        let schema = schema();
        let properties = schema.get("properties").expect("it has keys");
        for key in ["spark", "shell", "retry", "timeout", "compute", "when", "params", "version"] {
            assert!(properties.get(key).is_some(), "{key}");
        }
        for key in ["name", "needs", "job"] {
            assert!(properties.get(key).is_none(), "{key}");
        }
        assert!(schema.get("$defs").is_some_and(|all| all.get("Param").is_some()));
        assert_eq!(schema.get("additionalProperties"), Some(&false.into()));
    }
}
