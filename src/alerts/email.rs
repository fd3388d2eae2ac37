//! `email`: an SNS subscription of an address to the pipeline's topic, filtered by status.

use serde_json::{Value, json};

use crate::control::digest;
use crate::control::run::Status;
use crate::documents::template::{Resource, reference};
use crate::source::{Code, Finding, Findings, Spanned};

/// Reports an address that SNS would refuse.
pub fn check(address: &Spanned<String>, findings: &mut Findings) {
    let well_formed = address.split_once('@').is_some_and(|(local, domain)| {
        let clean = |part: &str| part.bytes().all(|byte| byte.is_ascii_graphic() && !b"@,;<>()\"".contains(&byte));
        let labels = domain.split('.').count();
        !local.is_empty()
            && clean(local)
            && clean(domain)
            && labels > 1
            && domain.split('.').all(|label| !label.is_empty())
    });
    if !well_formed {
        findings.push(
            Finding::at(Code::BadEmail, address.span, format!("`{}` is not an e-mail address", address.value), "")
                .help("write one address, such as `team@example.com`; a second one is a second alert"),
        );
    }
}

/// The subscription of one address to every status that it wants.
pub fn subscription(address: &str, statuses: &[Status]) -> (String, Resource) {
    let wanted: Vec<Value> = statuses.iter().map(|status| json!(status.as_str())).collect();
    let words: Vec<&str> = statuses.iter().map(|status| status.as_str()).collect();
    let resource = Resource::new(
        "AWS::SNS::Subscription",
        format!("The mails to {address} about {}", words.join(", ")),
        json!({
            "TopicArn": reference(crate::documents::frame::TOPIC),
            "Protocol": "email",
            "Endpoint": address,
            "FilterPolicyScope": "MessageAttributes",
            "FilterPolicy": { "status": wanted },
        }),
    );
    (format!("Mail{}", digest::short(address)), resource)
}
