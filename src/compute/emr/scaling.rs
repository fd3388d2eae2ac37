//! Managed scaling: EMR adds and removes core and task nodes between two limits.
//!
//! In comes `scaling`; out come `ManagedScalingPolicy` of RunJobFlow and findings. It refuses to know how many nodes the
//! cluster begins with: EMR moves from there to the limits by itself.
//! <https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-managed-scaling.html>

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Emr;
use crate::source::{Code, Finding, Findings, Spanned};

/// Limits of managed scaling. They count core and task nodes together, or their units of weight in fleets.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scaling {
    /// The fewest.
    #[schemars(extend("x-dpc-also" = ["minimum"]))]
    pub min: Spanned<u32>,
    /// The most.
    #[schemars(extend("x-dpc-also" = ["maximum"]))]
    pub max: Spanned<u32>,
    /// The most core nodes; what goes beyond becomes task nodes. Default: `max`.
    pub max_core: Option<Spanned<u32>>,
    /// The most on demand; what goes beyond is bought on the spot market. Default: `max`.
    pub max_on_demand: Option<Spanned<u32>>,
    /// What groups count: `instances` or `vcpu`. Default `instances`; fleets count units of weight.
    pub unit: Option<Spanned<Unit>>,
}

/// What the limits count in a cluster of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Instances.
    Instances,
    /// Virtual cores.
    Vcpu,
}

/// Managed scaling works for applications on YARN: the page above, "Supported applications".
const ON_YARN: [&str; 5] = ["Spark", "Hadoop", "Hive", "Flink", "Tez"];

impl Scaling {
    /// Reports limits that EMR would refuse.
    pub(super) fn check(&self, emr: &Emr, findings: &mut Findings) {
        let wrong = |span, message: String| Finding::at(Code::BadScaling, span, message, "");
        if self.min.value == 0 {
            findings.push(wrong(self.min.span, "`min` must be 1 or more".to_owned()).why("a core node holds HDFS"));
        }
        if self.max.value < self.min.value {
            let message = format!("`max` is {}, less than `min`, which is {}", self.max.value, self.min.value);
            findings.push(wrong(self.max.span, message).and(self.min.span, "`min`"));
        }
        for (key, part) in [("maxCore", &self.max_core), ("maxOnDemand", &self.max_on_demand)] {
            let Some(part) = part.as_ref().filter(|part| part.value > self.max.value) else { continue };
            let message = format!("`{key}` is {}, more than `max`, which is {}", part.value, self.max.value);
            findings.push(wrong(part.span, message).and(self.max.span, "`max`"));
        }
        if let Some(unit) = self.unit.as_ref().filter(|_| emr.fleets.is_some()) {
            let finding = wrong(unit.span, "`unit` belongs to a cluster of groups".to_owned());
            findings.push(finding.why("fleets count units of `weight`").help("remove `unit`"));
        }
        let has_core = emr.core.is_some() || emr.fleets.as_ref().is_some_and(|fleets| fleets.core.is_some());
        if !has_core && (emr.primary.is_some() || emr.fleets.is_some()) {
            let finding = wrong(self.min.span, "`scaling` of a cluster without core nodes".to_owned());
            findings.push(finding.why("EMR scales core and task nodes").help("add `core`, or remove `scaling`"));
        }
        let on_yarn = |name: &&str| ON_YARN.iter().any(|known| known.eq_ignore_ascii_case(name));
        let installed = super::installed(emr);
        if !installed.iter().any(on_yarn) {
            let message = format!("managed scaling does nothing for {}", installed.join(" and "));
            let finding = wrong(self.min.span, message);
            findings.push(finding.why("EMR scales by what YARN reports").help("add `Spark`, or remove `scaling`"));
        }
    }

    /// `ManagedScalingPolicy`.
    pub(super) fn value(&self, fleets: bool) -> Value {
        let unit = match self.unit.as_ref().map(|unit| unit.value) {
            _ if fleets => "InstanceFleetUnits",
            Some(Unit::Vcpu) => "VCPU",
            Some(Unit::Instances) | None => "Instances",
        };
        let mut limits = json!({
            "UnitType": unit,
            "MinimumCapacityUnits": self.min.value,
            "MaximumCapacityUnits": self.max.value,
        });
        if let Some(limits) = limits.as_object_mut() {
            let core = self.max_core.as_ref().map(|most| ("MaximumCoreCapacityUnits".to_owned(), json!(most.value)));
            let on_demand = self.max_on_demand.as_ref();
            limits.extend(core);
            limits.extend(on_demand.map(|most| ("MaximumOnDemandCapacityUnits".to_owned(), json!(most.value))));
        }
        json!({ "ComputeLimits": limits })
    }
}
