//! Where a cluster's nodes stand: subnets, security groups, root volume, machine image.
//!
//! In come the choices of a profile; out come the parts of RunJobFlow that hold them, and findings. It refuses to know
//! the account's own network, which a run's input brings: what a profile says takes its place.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Emr;
use super::check::range;
use crate::documents::states::code;
use crate::source::{Code, Finding, Findings, Spanned};

/// Security groups in place of the account's own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecurityGroups {
    /// EMR-managed group of the primary node.
    pub primary: Option<Spanned<String>>,
    /// EMR-managed group of core and task nodes.
    pub core: Option<Spanned<String>>,
    /// EMR's own access to private subnets.
    pub service: Option<Spanned<String>>,
    /// Further groups of the primary node.
    #[serde(default)]
    pub additional_primary: Vec<Spanned<String>>,
    /// Further groups of core and task nodes.
    #[serde(default)]
    pub additional_core: Vec<Spanned<String>>,
}

/// The root volume of every instance.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RootVolume {
    /// Size in GiB, 15 to 100.
    pub size: Option<Spanned<u32>>,
    /// Operations a second, 3,000 to 16,000; from emr-6.15.0 on.
    pub iops: Option<Spanned<u32>>,
    /// MiB a second, 125 to 1,000; from emr-6.15.0 on.
    pub throughput: Option<Spanned<u32>>,
}

/// Reports ids and sizes that EMR would refuse.
pub(super) fn check(emr: &Emr, findings: &mut Findings) {
    for (at, subnet) in emr.subnets.iter().enumerate() {
        check_id(subnet, "subnet-", "a subnet", findings);
        if let Some(first) = emr.subnets.iter().take(at).find(|other| other.value == subnet.value) {
            let message = format!("subnet `{}` is listed twice", subnet.value);
            findings.push(
                Finding::at(Code::BadNetwork, subnet.span, message, "")
                    .and(first.span, "first listed here")
                    .help("remove one of them"),
            );
        }
    }
    if let Some(groups) = &emr.security_groups {
        let managed = [&groups.primary, &groups.core, &groups.service];
        let further = groups.additional_primary.iter().chain(&groups.additional_core);
        for group in managed.into_iter().flatten().chain(further) {
            check_id(group, "sg-", "a security group", findings);
        }
        // https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-man-sec-groups.html: both or none.
        if let (Some(one), None) | (None, Some(one)) = (&groups.primary, &groups.core) {
            findings.push(
                Finding::at(Code::BadNetwork, one.span, "`primary` and `core` security groups go together", "")
                    .why("nodes of one group could not reach those of the account's other group")
                    .help("name both, or leave both to dpc"),
            );
        }
    }
    if let Some(image) = &emr.custom_ami {
        check_id(image, "ami-", "a machine image", findings);
    }
    if let Some(volume) = &emr.root_volume {
        check_root_volume(volume, super::check::release_of(&emr.release), findings);
    }
}

/// Ids of EC2 have a prefix and 8 or 17 hexadecimal digits:
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html>.
pub(crate) fn check_id(id: &Spanned<String>, prefix: &str, what: &str, findings: &mut Findings) {
    let digits = id.strip_prefix(prefix).unwrap_or_default();
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if !hexadecimal || ![8, 17].contains(&digits.len()) {
        findings.push(
            Finding::at(Code::BadNetwork, id.span, format!("`{}` is not the id of {what}", id.value), "")
                .help(format!("ids look like `{prefix}0a1b2c3d4e5f67890`")),
        );
    }
}

/// <https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-custom-ami-root-volume-size.html>
fn check_root_volume(volume: &RootVolume, release: Option<(u32, u32)>, findings: &mut Findings) {
    if let Some(size) = &volume.size {
        range(Code::BadVolume, "`size` of the root volume", size, 15..=100, "GiB", findings);
    }
    let parts = [("iops", &volume.iops, 3_000..=16_000), ("throughput", &volume.throughput, 125..=1_000)];
    for (key, written, limits) in parts {
        let Some(written) = written else { continue };
        range(Code::BadVolume, &format!("`{key}` of the root volume"), written, limits, "", findings);
        if release.is_some_and(|release| release < (6, 15)) {
            let message = format!("`{key}` of the root volume came with emr-6.15.0");
            findings.push(
                Finding::at(Code::BadVolume, written.span, message, "").help("remove it, or use a newer release"),
            );
        }
    }
    let (size, iops) = (volume.size.as_ref().map_or(15, |size| size.value), volume.iops.as_ref());
    if let Some(iops) = iops.filter(|iops| iops.value > size.saturating_mul(500)) {
        let message = format!("a root volume of {size} GiB takes {} operations a second", size * 500);
        findings.push(Finding::at(Code::BadVolume, iops.span, message, "").help("make it larger, or ask for fewer"));
    }
    let operations = iops.map_or(3_000, |iops| iops.value);
    if let Some(most) = volume.throughput.as_ref().filter(|most| most.value > operations / 4) {
        let message = format!("a root volume of {operations} operations takes {} MiB a second", operations / 4);
        findings.push(Finding::at(Code::BadVolume, most.span, message, "").help("raise `iops`, or ask for less"));
    }
}

/// What takes the place of the account's network in `Instances`; evaluated before the variable `input` is set. `None` when
/// the account's own network fits as it is: groups take one subnet, which the run's number picks, and fleets take all.
pub(super) fn own(emr: &Emr) -> Option<Map<String, Value>> {
    let mut own = Map::new();
    let subnets: Vec<&str> = emr.subnets.iter().map(|subnet| subnet.value.as_str()).collect();
    match (emr.fleets.is_some(), subnets.as_slice()) {
        (true, []) => {
            own.insert("Ec2SubnetIds".to_owned(), json!(code("$states.input.vpc.Subnets")));
        }
        (true, subnets) => {
            own.insert("Ec2SubnetIds".to_owned(), json!(subnets));
        }
        (false, []) => {}
        (false, [only]) => {
            own.insert("Ec2SubnetId".to_owned(), json!(only));
        }
        (false, several) => {
            let turn = format!("{}[($states.input.run.number - 1) % {}]", json!(several), several.len());
            own.insert("Ec2SubnetId".to_owned(), json!(code(&turn)));
        }
    }
    if let Some(groups) = &emr.security_groups {
        let mut put = |name: &str, id: Option<&Spanned<String>>| {
            own.extend(id.map(|id| (name.to_owned(), json!(id.value))));
        };
        put("EmrManagedMasterSecurityGroup", groups.primary.as_ref());
        put("EmrManagedSlaveSecurityGroup", groups.core.as_ref());
        put("ServiceAccessSecurityGroup", groups.service.as_ref());
        let ids = |list: &[Spanned<String>]| json!(list.iter().map(|id| id.value.as_str()).collect::<Vec<_>>());
        if !groups.additional_primary.is_empty() {
            own.insert("AdditionalMasterSecurityGroups".to_owned(), ids(&groups.additional_primary));
        }
        if !groups.additional_core.is_empty() {
            own.insert("AdditionalSlaveSecurityGroups".to_owned(), ids(&groups.additional_core));
        }
    }
    (!own.is_empty()).then_some(own)
}

/// The account's network without its one subnet, which stands in the way where a profile names subnets in the plural.
pub(super) const ACCOUNTS_WITHOUT_SUBNET: &str =
    "$sift($input.network, function($value, $key) { $key != \"Ec2SubnetId\" })";
