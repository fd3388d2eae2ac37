//! How a step's output comes from the account's bucket into the results.
//!
//! In come the names of a pipeline and a step; out come the key that the runner writes to and the task that reads it. It
//! refuses to know who reads the output.

use serde_json::{Value, json};

use crate::control::names;
use crate::documents::integration::Integration;
use crate::documents::policy::Statement;
use crate::documents::states::{code, quoted};
use crate::documents::template::{reference, sub};

/// Where the output of a step lies in the account's bucket, as an expression; one for each item of a map.
pub(super) fn output_key(pipeline: &str, step: &str, in_map: bool) -> Value {
    let before = quoted(&format!("{}outputs/", names::logs_prefix(pipeline)));
    let after = if in_map {
        format!("{} & $string($index) & \".json\"", quoted(&format!("/{step}/")))
    } else {
        quoted(&format!("/{step}.json"))
    };
    json!(code(&format!("{before} & $input.run.id & {after}")))
}

/// Fetches what a step has put out:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html>.
pub(super) const GET_OBJECT: Integration = Integration {
    name: "aws-sdk:s3:getObject",
    required: &["Bucket", "Key"],
    optional: &[],
    permissions: |pipeline| {
        vec![
            Statement::allow("ReadOutputs", &["s3:GetObject"])
                .on(sub(format!(
                    "arn:${{AWS::Partition}}:s3:::{}/{}outputs/*",
                    names::BUCKET,
                    names::logs_prefix(pipeline)
                )))
                .when("StringEquals", "aws:ResourceAccount", reference("AWS::AccountId")),
            Statement::allow("ReadEncryptedOutputs", &["kms:Decrypt"]).on(sub(names::arn("kms", "key/*"))).when(
                "ForAnyValue:StringEquals",
                "kms:ResourceAliases",
                names::KEY_ALIAS,
            ),
        ]
    },
};
