//! Subnets, asked of EC2's query API by hand.
//!
//! In come subnet ids, or nothing; out come subnets with their VPC. The SDK's EC2 crate holds six hundred operations and
//! would double the time of a clean build for the two that are needed here (docs/decisions/), so the request is signed
//! with the SDK's own signer and the XML is read with roxmltree.

use crate::cloud::failure::CloudResult;
use crate::cloud::query::{self, AnyNamespace, Service, text};
use crate::cloud::session::Session;

const EC2: Service = Service { name: "ec2", version: "2016-11-15", global: false };

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
    let answer = query::query(session, &EC2, "DescribeVpcs", &filter).await?;
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
    let answer = query::query(session, &EC2, "DescribeSubnets", parameters).await?;
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
