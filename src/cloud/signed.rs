//! Requests to AWS services of which dpc makes a call or two, signed by hand.
//!
//! In come a service, a request and its JSON; out comes JSON. An SDK crate for each of them would cost more time to build than
//! all of their calls will ever take (docs/decisions/no-ec2-sdk.md). It refuses to know what the calls mean.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

use crate::cloud::Clients;
use crate::cloud::clients::connector;
use crate::cloud::failure::{Caller, CloudResult};
use crate::source::{Code, Finding};

/// One request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The service, as its endpoint and its signatures name it: `ecs`.
    pub service: &'a str,
    /// The operation, for messages and permissions: `StopTask`.
    pub operation: &'a str,
    /// `GET`, `POST` or `DELETE`.
    pub method: &'a str,
    /// Path, from `/` on.
    pub path: String,
    /// `X-Amz-Target`, for services that go by it.
    pub target: Option<String>,
    /// The body.
    pub body: Option<Value>,
}

/// One call, tried three times while AWS or the network falters.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn call(clients: &Clients, caller: &Caller, request: &Request<'_>) -> CloudResult<Value> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match once(clients, caller, request).await {
            Err(finding) if attempt < 3 && matches!(finding.code, Code::Throttled | Code::Unreachable) => {
                tokio::time::sleep(Duration::from_millis(400 * attempt)).await;
            }
            other => return other,
        }
    }
}

async fn once(clients: &Clients, caller: &Caller, request: &Request<'_>) -> CloudResult<Value> {
    let call = format!("{}:{}", request.service, request.operation);
    let signed = signed(clients, caller, request).await.map_err(|error| {
        let message = format!("`{call}` could not be signed: {error}");
        Box::new(Finding::new(Code::AwsRefused, message).help("check the credentials"))
    })?;
    let answer =
        connector().call(signed).await.map_err(|error| Box::new(caller.unreachable(&call, &error.to_string())))?;
    let status = answer.status().as_u16();
    let request_id = answer.headers().get("x-amzn-requestid").map(str::to_owned);
    let kind = answer.headers().get("x-amzn-errortype").map(str::to_owned);
    let body = aws_smithy_types::byte_stream::ByteStream::new(answer.into_body()).collect().await;
    let body = body.map_err(|error| Box::new(caller.unreachable(&call, &error.to_string())))?.to_vec();
    let json: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if (200..300).contains(&status) {
        return Ok(json);
    }
    let (code, message) = error_of(&json, kind);
    Err(Box::new(caller.refused(&call, status, code.as_deref(), message.as_deref(), request_id.as_deref())))
}

/// Code and message of an error answer. The code may have a namespace before it and an address behind.
fn error_of(json: &Value, kind: Option<String>) -> (Option<String>, Option<String>) {
    let text = |names: [&str; 2]| names.iter().find_map(|name| json.get(*name)?.as_str()).map(str::to_owned);
    let code = kind.or_else(|| text(["__type", "code"]));
    let code =
        code.map(|code| code.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default().to_owned());
    (code, text(["message", "Message"]))
}

async fn signed(
    clients: &Clients,
    caller: &Caller,
    request: &Request<'_>,
) -> Result<HttpRequest, Box<dyn std::error::Error + Send + Sync>> {
    let region = &caller.region;
    let host = match &caller.endpoint {
        Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
        None if region.starts_with("cn-") => format!("https://{}.{region}.amazonaws.com.cn", request.service),
        None => format!("https://{}.{region}.amazonaws.com", request.service),
    };
    let url = format!("{host}{}", request.path);
    let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
    let kind = match (&request.target, request.service) {
        (None, _) => "application/json",
        // <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html>
        (Some(_), "sqs") => "application/x-amz-json-1.0",
        (Some(_), _) => "application/x-amz-json-1.1",
    };
    let mut headers = vec![("content-type", kind)];
    headers.extend(request.target.as_deref().map(|target| ("x-amz-target", target)));
    let provider = clients.config().credentials_provider().ok_or("no provider of credentials")?;
    let identity = provider.provide_credentials().await?.into();
    let signing = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(request.service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let signable =
        SignableRequest::new(request.method, &url, headers.iter().copied(), SignableBody::Bytes(body.as_bytes()))?;
    let (instructions, _) = sign(signable, &signing)?.into_parts();
    let mut made = HttpRequest::new(SdkBody::from(body));
    made.set_method(request.method)?;
    made.set_uri(url)?;
    for (name, value) in headers {
        made.headers_mut().insert(name.to_owned(), value.to_owned());
    }
    let (signatures, _) = instructions.into_parts();
    for header in signatures {
        made.headers_mut().insert(header.name(), header.value().to_owned());
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::error_of;

    #[test]
    fn an_error_gives_its_code_in_every_spelling() {
        let code = |json, kind: Option<&str>| error_of(&json, kind.map(str::to_owned)).0;
        assert_eq!(
            code(json!({ "__type": "com.amazonaws.ecs#ClientException" }), None).as_deref(),
            Some("ClientException")
        );
        assert_eq!(code(json!({}), Some("ValidationException:http://x/")).as_deref(), Some("ValidationException"));
    }
}
