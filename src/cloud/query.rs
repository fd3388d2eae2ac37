//! AWS's query APIs, asked by hand: those of services whose SDK crate would cost more than the few calls that are needed.
//!
//! In come a service, an operation and its parameters; out comes the XML of the answer. It refuses to know what the calls
//! are for (docs/decisions/no-ec2-sdk.md).

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

use crate::cloud::clients::connector;
use crate::cloud::failure::CloudResult;
use crate::cloud::session::Session;
use crate::source::{Code, Finding};

/// A service with a query API.
pub(super) struct Service {
    /// As in its host and in signatures.
    pub name: &'static str,
    /// Of its API.
    pub version: &'static str,
    /// Whether it has one endpoint for all regions.
    pub global: bool,
}

/// EC2's elements stand in a namespace that changes with the API version, and so do others'.
pub(super) trait AnyNamespace {
    fn has_tag_name_in(&self, name: &str) -> bool;
}

impl AnyNamespace for roxmltree::Node<'_, '_> {
    fn has_tag_name_in(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

/// The text of a child element.
pub(super) fn text(node: roxmltree::Node<'_, '_>, name: &str) -> Option<String> {
    node.children().find(|child| child.has_tag_name_in(name))?.text().map(str::to_owned)
}

/// One call, tried three times while AWS or the network falters.
pub(super) async fn query(
    session: &Session,
    service: &Service,
    operation: &str,
    parameters: &[(&str, &str)],
) -> CloudResult<String> {
    let call = format!("{}:{operation}", service.name);
    let mut attempt = 0;
    loop {
        attempt += 1;
        let outcome = once(session, service, &call, operation, parameters).await;
        match outcome {
            Err(finding) if attempt < 3 && matches!(finding.code, Code::Throttled | Code::Unreachable) => {
                tokio::time::sleep(Duration::from_millis(400 * attempt)).await;
            }
            other => return other,
        }
    }
}

async fn once(
    session: &Session,
    service: &Service,
    call: &str,
    operation: &str,
    parameters: &[(&str, &str)],
) -> CloudResult<String> {
    let caller = &session.caller;
    let request = signed(session, service, operation, parameters).await.map_err(|error| {
        Box::new(
            Finding::new(Code::AwsRefused, format!("`{call}` could not be signed: {error}"))
                .help("check the credentials"),
        )
    })?;
    let answer =
        connector().call(request).await.map_err(|error| Box::new(caller.unreachable(call, &error.to_string())))?;
    let status = answer.status().as_u16();
    let request_id = answer.headers().get("x-amzn-requestid").map(str::to_owned);
    let body = aws_smithy_types::byte_stream::ByteStream::new(answer.into_body()).collect().await;
    let body = body.map_err(|error| Box::new(caller.unreachable(call, &error.to_string())))?;
    let body = String::from_utf8_lossy(&body.to_vec()).into_owned();
    if (200..300).contains(&status) {
        return Ok(body);
    }
    let (code, message) = error_of(&body);
    Err(Box::new(caller.refused(call, status, code.as_deref(), message.as_deref(), request_id.as_deref())))
}

/// Code and message of an error answer.
fn error_of(xml: &str) -> (Option<String>, Option<String>) {
    let Ok(document) = roxmltree::Document::parse(xml) else { return (None, None) };
    let find = |name: &str| {
        document.descendants().find(|node| node.has_tag_name_in(name)).and_then(|node| node.text()).map(str::to_owned)
    };
    (find("Code"), find("Message"))
}

async fn signed(
    session: &Session,
    service: &Service,
    operation: &str,
    parameters: &[(&str, &str)],
) -> Result<HttpRequest, Box<dyn std::error::Error + Send + Sync>> {
    const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
    let name = service.name;
    // https://docs.aws.amazon.com/general/latest/gr/iam-service.html: requests to the one endpoint are signed for us-east-1.
    let region = if service.global { "us-east-1" } else { session.region() };
    let url = match &session.caller.endpoint {
        Some(endpoint) => format!("{}/", endpoint.trim_end_matches('/')),
        None if service.global => format!("https://{name}.amazonaws.com/"),
        None if region.starts_with("cn-") => format!("https://{name}.{region}.amazonaws.com.cn/"),
        None => format!("https://{name}.{region}.amazonaws.com/"),
    };
    let body = form(service, operation, parameters);
    let provider = session.clients.config().credentials_provider().ok_or("no provider of credentials")?;
    let identity = provider.provide_credentials().await?.into();
    let signing = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(name)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let headers = [("content-type", FORM)];
    let signable = SignableRequest::new("POST", &url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))?;
    let (instructions, _) = sign(signable, &signing)?.into_parts();
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("POST")?;
    request.set_uri(url)?;
    request.headers_mut().insert("content-type", FORM);
    let (headers, _) = instructions.into_parts();
    for header in headers {
        request.headers_mut().insert(header.name(), header.value().to_owned());
    }
    Ok(request)
}

/// The body of a query request.
fn form(service: &Service, operation: &str, parameters: &[(&str, &str)]) -> String {
    let mut body = format!("Action={operation}&Version={}", service.version);
    for (name, value) in parameters {
        body.push('&');
        body.push_str(name);
        body.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => body.push(char::from(byte)),
                other => body.push_str(&format!("%{other:02X}")),
            }
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded() {
        let ec2 = Service { name: "ec2", version: "2016-11-15", global: false };
        assert_eq!(
            form(&ec2, "DescribeSubnets", &[("SubnetId.1", "subnet-1 &x=é")]),
            "Action=DescribeSubnets&Version=2016-11-15&SubnetId.1=subnet-1%20%26x%3D%C3%A9"
        );
    }

    #[test]
    fn an_error_answer_gives_its_code() {
        let xml = "<Response><Errors><Error><Code>InvalidSubnetID.NotFound</Code><Message>no such subnet</Message></Error></Errors></Response>";
        assert_eq!(error_of(xml), (Some("InvalidSubnetID.NotFound".into()), Some("no such subnet".into())));
        assert_eq!(error_of("<html"), (None, None));
    }
}
