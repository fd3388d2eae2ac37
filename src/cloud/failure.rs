//! AWS errors in the words of this project: who asked, for what, why it was refused, what to type.
//!
//! In comes what an SDK call returned and a [`Caller`]; out comes a [`Finding`] of the DPC6xx codes. This module refuses
//! to know what the call was good for: whoever expects a particular answer (a missing stack, a lost race) looks at the
//! error before handing it over.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::control::names;
use crate::source::{Code, Finding};

/// What every function of this floor returns. Boxed, because a finding is large and success is common.
pub type CloudResult<T> = Result<T, Box<Finding>>;

/// Whose credentials a command uses, as far as it is known yet. Every AWS error names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The environment of `dpc.yaml`.
    pub environment: Option<String>,
    /// The profile of the AWS configuration files; `None` is the standard chain.
    pub profile: Option<String>,
    /// The region that is called.
    pub region: String,
    /// `AWS_ENDPOINT_URL`, when it is set.
    pub endpoint: Option<String>,
    /// What `sts:GetCallerIdentity` answered.
    pub arn: Option<String>,
}

/// Turns the error of an SDK call into a finding.
pub trait Explained<T> {
    /// `call` is the API call with its service, `cloudformation:CreateChangeSet`.
    ///
    /// # Errors
    /// The finding that tells what went wrong.
    fn explained(self, caller: &Caller, call: &str) -> CloudResult<T>;
}

impl<T, E> Explained<T> for Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    fn explained(self, caller: &Caller, call: &str) -> CloudResult<T> {
        self.map_err(|error| Box::new(caller.explain(call, &error)))
    }
}

impl Caller {
    /// The finding for an error of the API call `call`.
    pub fn explain<E>(&self, call: &str, error: &SdkError<E, HttpResponse>) -> Finding
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        if let Some(credentials) = cause::<CredentialsError, E>(error) {
            // Whoever reads through a role of another account calls under its name before it has been taken on.
            return match self.arn.as_deref().filter(|arn| arn.contains(":role/")) {
                Some(role) => not_assumed(role, &chain(credentials)),
                None => self.no_credentials(&chain(credentials)),
            };
        }
        match error {
            // Something answers, but does not speak as AWS does: a proxy's log-in page, for example.
            SdkError::ServiceError(odd) if odd.err().code().is_none() && odd.raw().status().is_success() => {
                self.unreachable(call, "something answered, but not as AWS does")
            }
            SdkError::ServiceError(refused) => {
                let status = refused.raw().status().as_u16();
                let request = refused.raw().headers().get("x-amzn-requestid");
                let request = request.or_else(|| refused.raw().headers().get("x-amz-request-id"));
                self.refused(call, status, refused.err().code(), refused.err().message(), request)
            }
            SdkError::TimeoutError(_) => self.unreachable(call, "no answer in time"),
            SdkError::DispatchFailure(failure) => self.unreachable(call, &innermost(failure.as_connector_error())),
            SdkError::ResponseError(answer) => {
                let status = answer.raw().status().as_u16();
                self.unreachable(call, &format!("something answered with HTTP status {status}, but not as AWS does"))
            }
            other => Finding::new(Code::AwsRefused, format!("`{call}` could not be sent: {}", chain(other)))
                .help("check the region and the profile of the environment in `dpc.yaml`"),
        }
    }

    /// The finding for an error answer: its HTTP status, its error code and message if it had any, its request id.
    pub fn refused(
        &self,
        call: &str,
        status: u16,
        code: Option<&str>,
        message: Option<&str>,
        request: Option<&str>,
    ) -> Finding {
        // Answers to HEAD have no body, so no code.
        let code = code.unwrap_or(match status {
            401 => "InvalidClientTokenId",
            403 => "AccessDenied",
            404 => "NotFound",
            429 => "Throttling",
            503 => "ServiceUnavailable",
            _ => "no code",
        });
        let message = message.unwrap_or_default().trim();
        // What setup makes is missed by these calls only.
        match (call, code) {
            ("lambda:Invoke", "ResourceNotFoundException") => {
                return self.not_set_up(&format!("function `{}`", names::ACCOUNT_FUNCTION));
            }
            (_, "ResourceNotFoundException") if call.starts_with("dynamodb:") => {
                return self.not_set_up(&format!("table `{}`", names::RUNS_TABLE));
            }
            _ => {}
        }
        match kind(code) {
            Kind::Expired => self.expired(message),
            Kind::BadCredentials => self.bad_credentials(code, message),
            Kind::Denied => self.denied(call, message),
            Kind::Throttled => self.throttled(call, code),
            Kind::Other => {
                let said = if message.is_empty() { format!("HTTP status {status}") } else { sentence(message) };
                let finding = Finding::new(Code::AwsRefused, format!("AWS refused `{call}`: {code}: {said}"));
                match request {
                    Some(id) => finding.help(format!("if this looks wrong, give AWS support the request id `{id}`")),
                    None => finding.help("`dpc status` shows the state of the stack; try again if nothing was changed"),
                }
            }
        }
    }

    /// No credentials in any place where the AWS SDKs look, or the place is broken.
    fn no_credentials(&self, why: &str) -> Finding {
        let lower = why.to_lowercase();
        if lower.contains("expired") || lower.contains("login") && lower.contains("sso") {
            return self.expired(why);
        }
        let environment = self.environment.as_deref().map(|name| format!(" for environment `{name}`"));
        let message = format!("no AWS credentials{}", environment.unwrap_or_default());
        let finding = Finding::new(Code::NoCredentials, message);
        match &self.profile {
            Some(profile) => finding
                .why(format!("profile `{profile}` gives none: {}", sentence(why)))
                .help(format!("log in with `aws sso login --profile {profile}`, or set the profile up with `aws configure sso --profile {profile}`")),
            None => finding
                .why("environment variables, the default profile and the container's role were tried in this order")
                .help("log in with `aws sso login --profile NAME` and set `AWS_PROFILE=NAME`, or write `profile: NAME` into the environment in `dpc.yaml`"),
        }
    }

    fn expired(&self, why: &str) -> Finding {
        let finding = Finding::new(Code::ExpiredCredentials, format!("the AWS credentials{} have expired", self.of()));
        let finding = if why.is_empty() { finding } else { finding.why(format!("AWS says: {}", sentence(why))) };
        match &self.profile {
            Some(profile) => finding.help(format!("log in again with `aws sso login --profile {profile}`")),
            None => finding
                .help("log in again with `aws sso login`, or get new keys if yours stand in environment variables"),
        }
    }

    fn bad_credentials(&self, code: &str, message: &str) -> Finding {
        let finding = Finding::new(Code::BadCredentials, format!("AWS does not accept the credentials{}", self.of()));
        let said = if message.is_empty() { code.to_owned() } else { format!("{code}: {}", sentence(message)) };
        let check = match &self.profile {
            Some(profile) => format!("`aws sts get-caller-identity --profile {profile}`"),
            None => "`aws sts get-caller-identity`, and `env | grep AWS_`".to_owned(),
        };
        finding
            .why(format!("AWS says: {said}"))
            .help(format!("check them with {check}; a wrong clock has the same effect"))
    }

    fn denied(&self, call: &str, message: &str) -> Finding {
        let action = word_after(message, "to perform: ").unwrap_or_else(|| permission(call).to_owned());
        let resource = word_after(message, "on resource: ");
        let who = word_after(message, "User: ").or_else(|| self.arn.clone());
        let on = resource.map(|resource| format!(" on `{resource}`")).unwrap_or_default();
        let who = who.map_or_else(|| format!("the caller{}", self.of()), |arn| format!("`{arn}`"));
        let why = if message.contains("explicit deny") {
            format!(
                "a policy denies {who} the permission `{action}`{on}; an organisation's policy or a boundary may be the one"
            )
        } else {
            format!("{who} lacks the permission `{action}`{on}")
        };
        Finding::new(Code::AccessDenied, format!("not allowed to call `{call}`"))
            .why(why)
            .help(format!("ask an administrator of the account to allow `{action}`{on}, or use a profile that has it"))
    }

    fn throttled(&self, call: &str, code: &str) -> Finding {
        Finding::new(Code::Throttled, format!("AWS is throttling `{call}` in {}", self.region))
            .why(format!(
                "the call was retried and each time answered with {code}; somebody else in the account calls often"
            ))
            .help("wait a minute and type the command again; what is done already is not done twice")
    }

    pub(crate) fn unreachable(&self, call: &str, why: &str) -> Finding {
        let finding = match &self.endpoint {
            Some(endpoint) => Finding::new(Code::Unreachable, format!("`{endpoint}` cannot be reached"))
                .help("`AWS_ENDPOINT_URL` is set: unset it to call AWS itself, or start what should listen there"),
            None => Finding::new(Code::Unreachable, format!("AWS in region `{}` cannot be reached", self.region))
                .help("check the network, the proxy and the spelling of the region"),
        };
        finding.why(format!("`{call}`: {}", sentence(why)))
    }

    /// ` of profile `x``, or nothing.
    fn of(&self) -> String {
        self.profile.as_deref().map(|profile| format!(" of profile `{profile}`")).unwrap_or_default()
    }

    /// The account lacks what `dpc setup account` makes; `missing` says which part, in words.
    pub fn not_set_up(&self, missing: &str) -> Finding {
        let environment = self.environment.as_deref().map(|name| format!(" --env {name}")).unwrap_or_default();
        Finding::new(Code::NotSetUp, format!("the account is not set up for dpc in {}", self.region))
            .why(format!("{missing} does not exist"))
            .help(format!("set the account up once with `dpc setup account{environment}`"))
    }

    /// The caller belongs to another account than the environment names.
    pub fn wrong_account(&self, actual: &str, wanted: &str) -> Finding {
        let environment = self.environment.as_deref().unwrap_or("default");
        let who = self.arn.as_deref().unwrap_or("the caller");
        Finding::new(
            Code::WrongAccount,
            format!("the credentials belong to account `{actual}`, but environment `{environment}` is account `{wanted}`"),
        )
        .why(format!("nothing was written; you are `{who}`"))
        .help(match &self.profile {
            Some(profile) => format!("profile `{profile}` comes from `dpc.yaml`: correct it there, or its account in the AWS configuration"),
            None => format!("set `AWS_PROFILE` to a profile of account `{wanted}`, or write `profile:` into the environment in `dpc.yaml`"),
        })
    }
}

/// A role of another account that does not let itself be taken on.
fn not_assumed(role: &str, why: &str) -> Finding {
    let account = role.split(':').nth(4).unwrap_or_default();
    let message = format!("account {account} does not let this one take on the role `{role}`");
    Finding::new(Code::AccessDenied, message).why(format!("AWS says: {}", sentence(why))).help(
        "`dpc setup central --add-account` admits an account there; your own policies must allow `sts:AssumeRole` on that role",
    )
}

enum Kind {
    Expired,
    BadCredentials,
    Denied,
    Throttled,
    Other,
}

/// What an error code means. Services spell the same thing in many ways; the lists are those of botocore and of the
/// SDK's own retry classifiers.
fn kind(code: &str) -> Kind {
    match code {
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired" => Kind::Expired,
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "AuthFailure"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature"
        | "InvalidToken"
        | "RequestTimeTooSkewed" => Kind::BadCredentials,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "NotAuthorized"
        | "Forbidden"
        | "AllAccessDisabled" => Kind::Denied,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "BandwidthLimitExceeded"
        | "ProvisionedThroughputExceededException"
        | "TransactionInProgressException"
        | "PriorRequestNotComplete" => Kind::Throttled,
        _ => Kind::Other,
    }
}

/// The IAM action that an API call needs, where it is spelled differently:
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>.
fn permission(call: &str) -> &str {
    match call {
        "s3:HeadObject" => "s3:GetObject",
        "s3:HeadBucket" | "s3:ListObjectsV2" => "s3:ListBucket",
        "lambda:Invoke" => "lambda:InvokeFunction",
        "dynamodb:TransactWriteItems" => "dynamodb:PutItem",
        other => other,
    }
}

/// The error of type `T` in the chain of causes, if there is one.
fn cause<T: Error + 'static, E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> Option<&T> {
    let mut next = error.source();
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        next = current.source();
    }
    None
}

/// All messages of a chain, outermost first, each once.
fn chain(error: &dyn Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(current) = next {
        let text = current.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = current.source();
    }
    parts.join(": ")
}

/// The message of the last cause: "connection refused", not the wrappers around it.
fn innermost(error: Option<&(impl Error + 'static)>) -> String {
    let Some(error) = error else { return "no connection".to_owned() };
    let mut current: &dyn Error = error;
    while let Some(next) = current.source() {
        current = next;
    }
    current.to_string()
}

/// AWS's words as part of a sentence of ours: one line, no full stop.
pub(crate) fn sentence(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.trim_end_matches('.').to_owned()
}

/// The word that follows a marker in one of AWS's messages.
fn word_after(message: &str, marker: &str) -> Option<String> {
    let rest = message.split_once(marker)?.1;
    let word = rest.split_whitespace().next()?.trim_end_matches(['.', ',']);
    (!word.is_empty()).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> Caller {
        Caller {
            environment: Some("prod".into()),
            profile: Some("core".into()),
            region: "eu-central-1".into(),
            endpoint: None,
            arn: Some("arn:aws:iam::111111111111:user/ada".into()),
        }
    }

    #[test]
    fn a_denied_call_names_action_resource_and_caller() {
        let message = "User: arn:aws:sts::111111111111:assumed-role/dev/ada is not authorized to perform: \
                       cloudformation:CreateChangeSet on resource: arn:aws:cloudformation:eu-central-1:111111111111:stack/dpc-x/* \
                       because no identity-based policy allows the cloudformation:CreateChangeSet action";
        let finding =
            caller().refused("cloudformation:CreateChangeSet", 403, Some("AccessDenied"), Some(message), None);
        assert_eq!(finding.code, Code::AccessDenied);
        assert_eq!(
            finding.why.as_deref(),
            Some(
                "`arn:aws:sts::111111111111:assumed-role/dev/ada` lacks the permission `cloudformation:CreateChangeSet` on \
                 `arn:aws:cloudformation:eu-central-1:111111111111:stack/dpc-x/*`"
            )
        );
    }

    #[test]
    fn a_head_request_without_a_body_is_denied_by_its_status() {
        let finding = caller().refused("s3:HeadObject", 403, None, None, None);
        assert_eq!(finding.code, Code::AccessDenied);
        assert!(finding.why.is_some_and(|why| why.contains("`s3:GetObject`") && why.contains("user/ada")));
    }

    #[test]
    fn expired_and_wrong_credentials_are_told_apart() {
        let code = |aws: &str| caller().refused("sts:GetCallerIdentity", 400, Some(aws), Some("x"), None).code;
        assert_eq!(code("ExpiredToken"), Code::ExpiredCredentials);
        assert_eq!(code("InvalidClientTokenId"), Code::BadCredentials);
        assert_eq!(code("ThrottlingException"), Code::Throttled);
        assert_eq!(code("ValidationError"), Code::AwsRefused);
    }

    #[test]
    fn a_profile_without_credentials_gets_the_login_command() {
        let finding = caller().no_credentials("the credential provider was not enabled");
        assert_eq!(finding.code, Code::NoCredentials);
        assert!(finding.help.is_some_and(|help| help.contains("aws sso login --profile core")));
        assert_eq!(caller().no_credentials("the SSO session has expired").code, Code::ExpiredCredentials);
    }
}
