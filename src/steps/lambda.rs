//! `lambda`: a function is invoked; what it returns is the step's output.
//!
//! Failures: what the function raised has the name of its own error type; `Lambda.ServiceException`,
//! `Lambda.AWSLambdaException` and `Lambda.SdkClientException` are Lambda's, and worth another try;
//! `Lambda.TooManyRequestsException` is its throttling; `Lambda.Unknown` a function that ran out of time or memory.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, json};

use super::{Bench, Kind, KindOfStep, Output, RunsOn, Tree, Work, any};
use crate::control::names;
use crate::documents::integration::Integration;
use crate::documents::policy::Statement;
use crate::documents::states::Retrier;
use crate::documents::template::sub;
use crate::source::{self, Code, Finding, Findings, Spanned};

/// Invokes a Lambda function.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lambda {
    /// Name of the function, with `:alias` if one is meant; an ARN for a function of another account.
    pub function: Spanned<String>,
    /// The event that the function gets: anything. Texts may hold `{{ }}`.
    pub payload: Option<Spanned<source::Tree>>,
    /// Start it and go on without waiting for what it returns. Default false.
    pub r#async: Option<Spanned<bool>>,
}

/// See [`super::KINDS`].
pub const KIND: KindOfStep =
    KindOfStep { key: "lambda", templates: &["payload", "payload.**"], integrations: &[INVOKE] };

/// <https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html>
pub(super) const INVOKE: Integration = Integration {
    name: "lambda:invoke",
    required: &["FunctionName"],
    optional: &["InvocationType", "Payload"],
    permissions: |_| Vec::new(),
};

impl Lambda {
    fn waits(&self) -> bool {
        !self.r#async.as_ref().is_some_and(|r#async| r#async.value)
    }
}

impl Kind for Lambda {
    fn check(&self, findings: &mut Findings) {
        if Function::parse(&self.function).is_none() {
            findings.push(not_a_function(&self.function));
        }
        if let Some(payload) = &self.payload {
            any::check_keys(&payload.value, findings);
        }
    }

    fn runs_on(&self) -> RunsOn {
        RunsOn::Nothing
    }

    fn output(&self) -> Output {
        if self.waits() { Output::Result("$states.result.Payload") } else { Output::None }
    }

    fn texts(&self) -> Vec<&Spanned<String>> {
        Vec::new()
    }

    fn values(&self) -> Vec<&Spanned<source::Tree>> {
        self.payload.iter().collect()
    }

    fn work(&self, bench: &mut Bench<'_>) -> Option<Work> {
        let function = Function::parse(&self.function)?;
        let mut arguments = Map::from_iter([("FunctionName".to_owned(), json!(self.function.value))]);
        if !self.waits() {
            arguments.insert("InvocationType".to_owned(), json!("Event"));
        }
        if let Some(payload) = &self.payload {
            arguments.insert("Payload".to_owned(), bench.typed("payload", Tree::from(&payload.value)));
        }
        bench.statements.push(function.statement());
        let mut task = INVOKE.task(arguments);
        task.retry.push(hiccups(&[
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
            "Lambda.TooManyRequestsException",
        ]));
        Some(Work::Task(Box::new(task)))
    }
}

/// Failures of Lambda itself, which its own guide says to try again:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception>.
pub(super) fn hiccups(errors: &[&str]) -> Retrier {
    Retrier {
        error_equals: errors.iter().map(|error| (*error).to_owned()).collect(),
        interval_seconds: 1,
        max_attempts: 3,
        backoff_rate: 2.0,
        max_delay_seconds: None,
        jitter_strategy: "FULL",
    }
}

/// What a user calls a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function<'a> {
    /// One of this account's: name, or name and alias.
    Own(&'a str),
    /// The ARN of any.
    Arn(&'a str),
}

impl<'a> Function<'a> {
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>, "FunctionName". The short forms of an ARN, which
    /// leave the region out, are none: a policy has to name it.
    fn parse(text: &'a str) -> Option<Self> {
        let Some(rest) = text.strip_prefix("arn:aws:lambda:") else { return is_name(text).then_some(Self::Own(text)) };
        let mut parts = rest.splitn(4, ':');
        let region = parts.next()?;
        let account = parts.next()?;
        let sound = region.split('-').count() == 3
            && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && parts.next()? == "function"
            && is_name(parts.next()?);
        sound.then_some(Self::Arn(text))
    }

    /// A function that is called by its name must be allowed by its name, one that is called by an alias by that alias:
    /// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html>.
    fn statement(self) -> Statement {
        let invoke = Statement::allow("InvokeFunctions", &["lambda:InvokeFunction"]);
        match self {
            Self::Own(name) => invoke.on(sub(names::arn("lambda", &format!("function:{name}")))),
            Self::Arn(arn) => invoke.on(json!(arn)),
        }
    }
}

/// `name` or `name:alias`.
fn is_name(text: &str) -> bool {
    let plain = |text: &str, longest: usize| {
        (1..=longest).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let (name, alias) = text.split_once(':').map_or((text, None), |(name, alias)| (name, Some(alias)));
    plain(name, 64) && alias.is_none_or(|alias| alias == "$LATEST" || plain(alias, 128))
}

fn not_a_function(function: &Spanned<String>) -> Finding {
    let message = format!("`{}` is not a Lambda function", function.value);
    let finding = Finding::at(Code::BadFunction, function.span, message, "");
    if function.starts_with("arn:") {
        return finding.why("the ARN of a function has seven parts, or eight with an alias").help(
            "write `arn:aws:lambda:eu-central-1:222222222222:function:name`, or only the name of one of this account's",
        );
    }
    finding
        .why("a name has letters, digits, `-` and `_`, at most 64 of them, and may have `:` and an alias behind it")
        .help("write `name`, `name:alias`, or the ARN of another account's function")
}

#[cfg(test)]
mod tests {
    use super::Function;

    #[test]
    fn functions_are_named_in_three_ways() {
        assert_eq!(Function::parse("check"), Some(Function::Own("check")));
        assert_eq!(Function::parse("Check_it-2:live"), Some(Function::Own("Check_it-2:live")));
        assert_eq!(Function::parse("check:$LATEST"), Some(Function::Own("check:$LATEST")));
        let arn = "arn:aws:lambda:eu-central-1:222222222222:function:check:live";
        assert_eq!(Function::parse(arn), Some(Function::Arn(arn)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "my function",
            "check:",
            "a:b:c",
            "222222222222:function:check",
            "arn:aws:lambda:eu-central-1:22:function:check",
            "arn:aws:lambda:eu-central-1:222222222222:function:",
            "arn:aws:lambda:*:222222222222:function:check",
            "arn:aws:s3:::check",
            "${Function}",
            &"x".repeat(65),
        ] {
            assert_eq!(Function::parse(text), None, "{text}");
        }
    }
}
