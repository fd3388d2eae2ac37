//! Instance groups: nodes of one role, all of one instance type.
//!
//! In come `primary`, `core` and `task`; out come `InstanceGroups` of RunJobFlow and findings about their values. It
//! refuses to know fleets, which EMR lets stand in their place but never beside them.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Emr;
use super::check::{instance_type, range};
use crate::source::{Code, Finding, Findings, Spanned};

/// Nodes of one role, all of one instance type.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nodes {
    /// EC2 instance type: `m6g.xlarge`.
    #[serde(rename = "type")]
    #[schemars(extend("x-dpc-also" = ["instanceType", "size"]))]
    pub instance_type: Spanned<String>,
    /// How many. Default 1; the primary node is always one.
    #[schemars(extend("x-dpc-also" = ["instances", "nodes", "instanceCount"]))]
    pub count: Option<Spanned<u32>>,
    /// `on-demand` or `spot`. Default: on-demand.
    pub market: Option<Spanned<Market>>,
    /// The most to pay for a spot instance, in USD an hour. Default: the on-demand price.
    #[schemars(extend("x-dpc-also" = ["bidPrice", "maxPrice"]))]
    pub bid: Option<Spanned<f64>>,
    /// EBS volumes of each instance, beside the root volume. Default: what EMR attaches to the type.
    #[serde(default)]
    #[schemars(extend("x-dpc-also" = ["ebs"]))]
    pub volumes: Vec<Spanned<Volume>>,
}

/// How instances are bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Market {
    /// At the list price, for as long as they are needed.
    OnDemand,
    /// Cheaper, until EC2 wants them back.
    Spot,
}

/// EBS volumes of an instance that are alike.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// Size in GiB.
    pub size: Spanned<u32>,
    /// `gp3`, `gp2`, `io1`, `st1`, `sc1` or `standard`. Default `gp3`.
    #[serde(rename = "type")]
    pub volume_type: Option<Spanned<VolumeType>>,
    /// Operations a second; `io1` needs it, `gp3` may have it.
    pub iops: Option<Spanned<u32>>,
    /// MiB a second; `gp3` may have it.
    pub throughput: Option<Spanned<u32>>,
    /// How many of them. Default 1.
    pub count: Option<Spanned<u32>>,
}

/// The volume types that EMR takes: <https://docs.aws.amazon.com/emr/latest/APIReference/API_VolumeSpecification.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // Reason: EBS's own names
pub enum VolumeType {
    Gp3,
    Gp2,
    Io1,
    St1,
    Sc1,
    Standard,
}

impl VolumeType {
    fn name(self) -> &'static str {
        match self {
            VolumeType::Gp3 => "gp3",
            VolumeType::Gp2 => "gp2",
            VolumeType::Io1 => "io1",
            VolumeType::St1 => "st1",
            VolumeType::Sc1 => "sc1",
            VolumeType::Standard => "standard",
        }
    }

    /// Smallest and largest size in GiB: <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html>.
    fn sizes(self) -> (u32, u32) {
        match self {
            VolumeType::Gp3 | VolumeType::Gp2 => (1, 16_384),
            VolumeType::Io1 => (4, 16_384),
            VolumeType::St1 | VolumeType::Sc1 => (125, 16_384),
            VolumeType::Standard => (1, 1_024),
        }
    }
}

impl Volume {
    fn kind(&self) -> VolumeType {
        self.volume_type.as_ref().map_or(VolumeType::Gp3, |kind| kind.value)
    }

    fn check(&self, findings: &mut Findings) {
        let kind = self.kind();
        let (least, most) = kind.sizes();
        let size = format!("`size` of a {} volume", kind.name());
        range(Code::BadVolume, &size, &self.size, least..=most, "GiB", findings);
        if let Some(count) = &self.count {
            // "up to 25 volumes of each type", https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-plan-storage.html
            range(Code::BadVolume, "`count` of volumes", count, 1..=25, "volumes", findings);
        }
        match (kind, &self.iops) {
            (VolumeType::Io1, None) => findings.push(
                Finding::at(Code::BadVolume, self.size.span, "an io1 volume needs `iops`", "")
                    .help("add `iops: 1000`, or take `type: gp3`, which has 3,000 without being asked"),
            ),
            (VolumeType::Io1, Some(iops)) => {
                range(Code::BadVolume, "`iops` of an io1 volume", iops, 100..=64_000, "a second", findings);
            }
            (VolumeType::Gp3, Some(iops)) => {
                range(Code::BadVolume, "`iops` of a gp3 volume", iops, 3_000..=16_000, "a second", findings);
            }
            (_, Some(iops)) => findings.push(not_of(kind, "iops", iops.span)),
            (_, None) => {}
        }
        match (kind, &self.throughput) {
            (VolumeType::Gp3, Some(throughput)) => {
                let what = "`throughput` of a gp3 volume";
                range(Code::BadVolume, what, throughput, 125..=1_000, "MiB a second", findings);
            }
            (_, Some(throughput)) => findings.push(not_of(kind, "throughput", throughput.span)),
            (_, None) => {}
        }
    }

    fn value(&self) -> Value {
        let mut volume = json!({ "VolumeType": self.kind().name(), "SizeInGB": self.size.value });
        if let Some(fields) = volume.as_object_mut() {
            fields.extend(self.iops.as_ref().map(|iops| ("Iops".to_owned(), json!(iops.value))));
            fields.extend(self.throughput.as_ref().map(|most| ("Throughput".to_owned(), json!(most.value))));
        }
        json!({ "VolumeSpecification": volume, "VolumesPerInstance": self.count.as_ref().map_or(1, |count| count.value) })
    }
}

fn not_of(kind: VolumeType, key: &str, span: crate::source::Span) -> Finding {
    Finding::at(Code::BadVolume, span, format!("volumes of type {} take no `{key}`", kind.name()), "")
        .help(format!("remove it, or take `type: gp3`, whose `{key}` can be chosen"))
}

/// `EbsConfiguration` of these volumes.
pub(super) fn ebs(volumes: &[Spanned<Volume>]) -> Option<Value> {
    let volumes: Vec<Value> = volumes.iter().map(|volume| volume.value.value()).collect();
    (!volumes.is_empty()).then(|| json!({ "EbsBlockDeviceConfigs": volumes, "EbsOptimized": true }))
}

/// Reports volumes that EMR or EBS would refuse.
pub(super) fn check_volumes(volumes: &[Spanned<Volume>], findings: &mut Findings) {
    volumes.iter().for_each(|volume| volume.value.check(findings));
}

impl Nodes {
    fn check(&self, role: &str, findings: &mut Findings) {
        instance_type(&self.instance_type, findings);
        check_volumes(&self.volumes, findings);
        if let Some(count) = self.count.as_ref().filter(|count| count.value == 0) {
            findings.push(
                Finding::at(
                    Code::BadNodeCount,
                    count.span,
                    format!("`{role}` needs at least one node"),
                    "must be 1 or more",
                )
                .help(match role {
                    "core" => "leave `core` out to let the primary node do the work",
                    _ => "leave it out if there is to be none",
                }),
            );
        }
        let Some(bid) = &self.bid else { return };
        if self.market.as_ref().is_none_or(|market| market.value == Market::OnDemand) {
            findings.push(
                Finding::at(Code::BadSpot, bid.span, "`bid` belongs to spot instances", "")
                    .why("on-demand instances have a list price")
                    .help("add `market: spot`, or remove `bid`"),
            );
        } else if !(bid.value > 0.0 && bid.value.is_finite()) {
            findings.push(
                Finding::at(Code::BadSpot, bid.span, "`bid` is a price in USD an hour, more than 0", "")
                    .help("leave it out to pay at most the on-demand price"),
            );
        }
    }

    fn value(&self, name: &str, role: &str) -> Value {
        let spot = self.market.as_ref().is_some_and(|market| market.value == Market::Spot);
        let mut group = json!({
            "Name": name,
            "InstanceRole": role,
            "InstanceType": self.instance_type.value,
            "InstanceCount": self.count.as_ref().map_or(1, |count| count.value),
            "Market": if spot { "SPOT" } else { "ON_DEMAND" },
        });
        if let Some(fields) = group.as_object_mut() {
            fields.extend(self.bid.as_ref().map(|bid| ("BidPrice".to_owned(), json!(bid.value.to_string()))));
            fields.extend(ebs(&self.volumes).map(|ebs| ("EbsConfiguration".to_owned(), ebs)));
        }
        group
    }
}

/// Reports groups that EMR would refuse.
pub(super) fn check(emr: &Emr, findings: &mut Findings) {
    if let Some(primary) = &emr.primary {
        if let Some(count) = primary.count.as_ref().filter(|count| count.value != 1) {
            findings.push(
                Finding::at(Code::BadNodeCount, count.span, "a cluster has one primary node", "must be 1")
                    .help("remove `count` here, and set it under `core`"),
            );
        }
        let one = Nodes { count: None, ..primary.value.clone() };
        one.check("primary", findings);
    }
    if let Some(core) = &emr.core {
        core.check("core", findings);
    }
    for task in &emr.task.0 {
        task.check("task", findings);
    }
    // https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-instance-group-configuration.html: up to 48 task groups.
    if let Some(one_too_many) = emr.task.0.get(48) {
        findings.push(Finding::at(
            Code::BadNodeCount,
            one_too_many.instance_type.span,
            "a cluster takes 48 groups of task nodes",
            "",
        ));
    }
}

/// `InstanceGroups`, in the order primary, core, task.
pub(super) fn groups(emr: &Emr) -> Vec<Value> {
    let mut groups: Vec<Value> = Vec::new();
    groups.extend(emr.primary.as_ref().map(|nodes| nodes.value.value("primary", "MASTER")));
    groups.extend(emr.core.as_ref().map(|nodes| nodes.value.value("core", "CORE")));
    groups.extend(emr.task.0.iter().enumerate().map(|(at, nodes)| {
        let name = if at == 0 { "task".to_owned() } else { format!("task-{}", at + 1) };
        nodes.value(&name, "TASK")
    }));
    groups
}
