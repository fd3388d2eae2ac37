//! Subnets, asked of EC2's query API by hand.
//!
//! In come subnet ids, or nothing; out come subnets with their VPC. The SDK's EC2 crate holds six hundred operations and
//! would double the time of a clean build for the two that are needed here (docs/decisions/), so the request is signed
//! with the SDK's own signer and the XML is read with roxmltree.

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

/// One subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// The VPC that it belongs to.
    pub vpc: String,
    /// Its availability zone.
    pub zone: String,
    /// Whether instances in it get public addresses.
    pub public: bool,
}

/// The subnets of the region's default VPC, by zone; none when there is no default VPC.
///
/// # Errors
/// Whatever AWS refuses.
pub async fn default_subnets(session: &Session) -> CloudResult<Vec<Subnet>> {
    let filter = [("Filter.1.Name", "is-default"), ("Filter.1.Value.1", "true")];
    let answer = query(session, "DescribeVpcs", &filter).await?;
    let vpcs = read(session, "ec2:DescribeVpcs", &answer, "vpcSet", |item| text(item, "vpcId"))?;
    let Some(vpc) = vpcs.first() else { return Ok(Vec::new()) };
    let filter = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", vpc.as_str())];
    subnets_of(session, &filter).await
}

/// The subnets with these ids, in their order.
///
/// # Errors
/// An id that does not exist; whatever else AWS refuses.
pub async fn subnets(session: &Session, ids: &[String]) -> CloudResult<Vec<Subnet>> {
    let names: Vec<String> = (1..=ids.len()).map(|number| format!("SubnetId.{number}")).collect();
    let parameters: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(ids.iter().map(String::as_str)).collect();
    let found = subnets_of(session, &parameters).await?;
    Ok(ids.iter().filter_map(|id| found.iter().find(|subnet| &subnet.id == id).cloned()).collect())
}

async fn subnets_of(session: &Session, parameters: &[(&str, &str)]) -> CloudResult<Vec<Subnet>> {
    let answer = query(session, "DescribeSubnets", parameters).await?;
    let mut subnets = read(session, "ec2:DescribeSubnets", &answer, "subnetSet", |item| {
        Some(Subnet {
            id: text(item, "subnetId")?,
            vpc: text(item, "vpcId")?,
            zone: text(item, "availabilityZone").unwrap_or_default(),
            public: text(item, "mapPublicIpOnLaunch").as_deref() == Some("true"),
        })
    })?;
    subnets.sort_by(|one, other| (&one.zone, &one.id).cmp(&(&other.zone, &other.id)));
    Ok(subnets)
}

/// The items of a set in an answer.
fn read<T>(
    session: &Session,
    call: &str,
    xml: &str,
    set: &str,
    item: impl Fn(roxmltree::Node<'_, '_>) -> Option<T>,
) -> CloudResult<Vec<T>> {
    let document = roxmltree::Document::parse(xml).map_err(|error| {
        Box::new(session.caller.refused(call, 200, Some("UnreadableAnswer"), Some(&error.to_string()), None))
    })?;
    let set = document.root_element().children().find(|node| node.has_tag_name_in(set));
    Ok(set
        .into_iter()
        .flat_map(|set| set.children())
        .filter(|node| node.has_tag_name_in("item"))
        .filter_map(item)
        .collect())
}

fn text(node: roxmltree::Node<'_, '_>, name: &str) -> Option<String> {
    node.children().find(|child| child.has_tag_name_in(name))?.text().map(str::to_owned)
}

/// EC2 puts its elements into a namespace that changes with the API version.
trait AnyNamespace {
    fn has_tag_name_in(&self, name: &str) -> bool;
}

impl AnyNamespace for roxmltree::Node<'_, '_> {
    fn has_tag_name_in(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}

/// One call, tried three times while AWS or the network falters.
async fn query(session: &Session, operation: &str, parameters: &[(&str, &str)]) -> CloudResult<String> {
    let call = format!("ec2:{operation}");
    let mut attempt = 0;
    loop {
        attempt += 1;
        let outcome = once(session, &call, operation, parameters).await;
        match outcome {
            Err(finding) if attempt < 3 && matches!(finding.code, Code::Throttled | Code::Unreachable) => {
                tokio::time::sleep(Duration::from_millis(400 * attempt)).await;
            }
            other => return other,
        }
    }
}

async fn once(session: &Session, call: &str, operation: &str, parameters: &[(&str, &str)]) -> CloudResult<String> {
    let caller = &session.caller;
    let request = signed(session, operation, parameters).await.map_err(|error| {
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
    operation: &str,
    parameters: &[(&str, &str)],
) -> Result<HttpRequest, Box<dyn std::error::Error + Send + Sync>> {
    const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
    let region = session.region();
    let url = match &session.caller.endpoint {
        Some(endpoint) => format!("{}/", endpoint.trim_end_matches('/')),
        None if region.starts_with("cn-") => format!("https://ec2.{region}.amazonaws.com.cn/"),
        None => format!("https://ec2.{region}.amazonaws.com/"),
    };
    let body = form(operation, parameters);
    let provider = session.clients.config().credentials_provider().ok_or("no provider of credentials")?;
    let identity = provider.provide_credentials().await?.into();
    let signing = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("ec2")
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
fn form(operation: &str, parameters: &[(&str, &str)]) -> String {
    let mut body = format!("Action={operation}&Version=2016-11-15");
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
        assert_eq!(
            form("DescribeSubnets", &[("SubnetId.1", "subnet-1 &x=é")]),
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
