//! Bootstrap actions: scripts that every node runs before the applications start.
//!
//! In come scripts of the pipeline's folder or of S3, with arguments; out come `BootstrapActions` of RunJobFlow and
//! findings. It refuses to read the scripts: whoever compiles says under which key the bucket holds them.
//! <https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-plan-bootstrap.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::compute::Request;
use crate::documents::{frame, states};
use crate::source::{Code, Finding, Findings, Spanned};

/// A script that every node runs before the applications start.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bootstrap {
    /// A script of the pipeline's folder, or `s3://bucket/key`.
    #[schemars(extend("x-dpc-also" = ["path", "file"]))]
    pub script: Spanned<String>,
    /// Arguments of the script, as they are: no `{{ }}`.
    #[serde(default)]
    pub args: Vec<Spanned<String>>,
    /// Its name in EMR's console. Default: the script's.
    pub name: Option<Spanned<String>>,
}

/// The most that a cluster takes: the page above.
const MOST: usize = 16;

impl Bootstrap {
    /// The path, if it is a file of the pipeline's folder.
    pub(super) fn file(&self) -> Option<&Spanned<String>> {
        (!self.script.contains("://")).then_some(&self.script)
    }

    fn check(&self, findings: &mut Findings) {
        let Some((scheme, rest)) = self.script.split_once("://") else { return };
        let object = rest.split_once('/').is_some_and(|(bucket, key)| !bucket.is_empty() && !key.is_empty());
        if scheme != "s3" || !object || rest.ends_with('/') {
            findings.push(
                Finding::at(
                    Code::BadBootstrap,
                    self.script.span,
                    format!("`{}` is not a script", self.script.value),
                    "",
                )
                .why("EMR fetches bootstrap scripts from S3")
                .help("write a path of the pipeline's folder, or `s3://bucket/key`"),
            );
        }
    }

    fn value(&self, request: &Request<'_>) -> Option<Value> {
        let script = self.script.value.as_str();
        let path = match self.file() {
            Some(file) => format!("s3://{}/{}", frame::substitution(frame::BUCKET), request.key(file)?),
            None => states::text(script),
        };
        let short = script.rsplit('/').next().unwrap_or(script);
        let name = self.name.as_ref().map_or(short, |name| name.value.as_str());
        let args: Vec<String> = self.args.iter().map(|argument| states::text(argument)).collect();
        Some(json!({ "Name": states::text(name), "ScriptBootstrapAction": { "Path": path, "Args": args } }))
    }
}

/// Reports bootstrap actions that EMR would refuse.
pub(super) fn check(actions: &[Spanned<Bootstrap>], findings: &mut Findings) {
    actions.iter().for_each(|action| action.check(findings));
    if let Some(one_too_many) = actions.get(MOST) {
        let message = format!("there are {} bootstrap actions, and EMR takes {MOST}", actions.len());
        findings.push(
            Finding::at(Code::BadBootstrap, one_too_many.script.span, message, "")
                .help("let one script call the others"),
        );
    }
}

/// `BootstrapActions`.
pub(super) fn actions(actions: &[Spanned<Bootstrap>], request: &Request<'_>) -> Vec<Value> {
    actions.iter().filter_map(|action| action.value.value(request)).collect()
}
