//! Instance fleets: for each role a target capacity, and the instance types that may fill it.
//!
//! In comes `fleets`; out come `InstanceFleets` of RunJobFlow and findings about their values. It refuses to know groups.
//!
//! Every fleet gets allocation strategies, with which EMR takes up to 30 types instead of five:
//! <https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-instance-fleet.html>.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::check::{instance_type, range};
use super::instances::{Volume, check_volumes, ebs};
use crate::control::duration::Duration;
use crate::source::schema::hints;
use crate::source::{Code, Finding, Findings, Span, Spanned};

/// The fleets of a cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fleets {
    /// The primary node: one instance of any of its types.
    pub primary: Spanned<Fleet>,
    /// Core nodes; without them the primary node does the work.
    pub core: Option<Spanned<Fleet>>,
    /// Task nodes, which hold no data and may go at any time.
    pub task: Option<Spanned<Fleet>>,
}

/// One fleet.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fleet {
    /// Instance types that may fill it, 1 to 30.
    #[schemars(extend("x-dpc-also" = ["instanceTypes", "instances"]))]
    pub types: Spanned<Vec<FleetType>>,
    /// Capacity bought on demand, in units of weight. Default: 1 for the primary, else 0.
    pub on_demand: Option<Spanned<u32>>,
    /// Capacity bought on the spot market, in units of weight. Default 0.
    pub spot: Option<Spanned<u32>>,
    /// How EC2 chooses among the types.
    pub allocation: Option<Spanned<Allocation>>,
    /// How long to wait for spot capacity: `5m` to `1d`. Default `20m`.
    #[schemars(transform = hints::duration, transform = hints::default("20m"))]
    pub spot_timeout: Option<Spanned<String>>,
    /// What to do when the wait is over: `on-demand` buys the rest on demand, `terminate` gives the cluster up. Default
    /// `on-demand`.
    pub on_spot_timeout: Option<Spanned<SpotTimeoutAction>>,
}

/// An instance type of a fleet.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FleetType {
    /// EC2 instance type: `r6g.2xlarge`.
    #[serde(rename = "type")]
    #[schemars(extend("x-dpc-also" = ["instanceType"]))]
    pub instance_type: Spanned<String>,
    /// How much of the capacity one instance fills. Default 1.
    pub weight: Option<Spanned<u32>>,
    /// The most to pay for a spot instance, in percent of its on-demand price. Default 100.
    pub bid_percent: Option<Spanned<f64>>,
    /// For the strategies that go by priority: 0 comes first.
    pub priority: Option<Spanned<u32>>,
    /// EBS volumes of each instance, beside the root volume.
    #[serde(default)]
    #[schemars(extend("x-dpc-also" = ["ebs"]))]
    pub volumes: Vec<Spanned<Volume>>,
}

/// How EC2 chooses among the types of a fleet.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Allocation {
    /// `lowest-price` or `prioritized`. Default `lowest-price`.
    pub on_demand: Option<Spanned<OnDemandAllocation>>,
    /// `price-capacity-optimized`, `capacity-optimized`, `capacity-optimized-prioritized`, `lowest-price` or
    /// `diversified`. Default `price-capacity-optimized`.
    pub spot: Option<Spanned<SpotAllocation>>,
}

/// <https://docs.aws.amazon.com/emr/latest/APIReference/API_OnDemandProvisioningSpecification.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // Reason: EC2's own names
pub enum OnDemandAllocation {
    LowestPrice,
    Prioritized,
}

/// <https://docs.aws.amazon.com/emr/latest/APIReference/API_SpotProvisioningSpecification.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // Reason: EC2's own names
pub enum SpotAllocation {
    PriceCapacityOptimized,
    CapacityOptimized,
    CapacityOptimizedPrioritized,
    LowestPrice,
    Diversified,
}

/// What happens when spot capacity does not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SpotTimeoutAction {
    /// The rest is bought on demand.
    OnDemand,
    /// The cluster is given up, and the run fails.
    Terminate,
}

/// `TimeoutDurationMinutes`: 5 to 1,440, on the page of [`SpotAllocation`].
const SPOT_TIMEOUT: (Duration, Duration) = (Duration(300), Duration(86_400));

impl Fleets {
    /// Reports fleets that EMR would refuse.
    pub(super) fn check(&self, findings: &mut Findings) {
        self.primary.check("primary", self.primary.span, findings);
        let primary = (self.primary.units(true).0, self.primary.units(true).1);
        if primary != (1, 0) && primary != (0, 1) {
            let written = self.primary.spot.as_ref().or(self.primary.on_demand.as_ref());
            let span = written.map_or(self.primary.types.span, |written| written.span);
            findings.push(
                Finding::at(Code::BadFleet, span, "the primary fleet has a capacity of exactly one", "")
                    .why("a cluster has one primary node")
                    .help("write `onDemand: 1` or `spot: 1`, not both"),
            );
        }
        for (role, fleet) in [("core", &self.core), ("task", &self.task)] {
            let Some(fleet) = fleet else { continue };
            fleet.check(role, fleet.span, findings);
            if fleet.units(false) == (0, 0) {
                findings.push(
                    Finding::at(Code::BadFleet, fleet.types.span, format!("the {role} fleet has no capacity"), "")
                        .help("add `onDemand: 2`, `spot: 8`, or both, in units of `weight`"),
                );
            }
        }
    }

    /// `InstanceFleets`, in the order primary, core, task.
    pub(super) fn value(&self) -> Vec<Value> {
        let mut fleets = vec![self.primary.value("primary", "MASTER", true)];
        fleets.extend(self.core.as_ref().map(|fleet| fleet.value("core", "CORE", false)));
        fleets.extend(self.task.as_ref().map(|fleet| fleet.value("task", "TASK", false)));
        fleets
    }
}

impl Fleet {
    /// Capacity on demand and on the spot market.
    fn units(&self, primary: bool) -> (u32, u32) {
        let spot = self.spot.as_ref().map_or(0, |units| units.value);
        let default = u32::from(primary && spot == 0);
        (self.on_demand.as_ref().map_or(default, |units| units.value), spot)
    }

    fn check(&self, role: &str, place: Span, findings: &mut Findings) {
        let types = &self.types.value;
        if types.is_empty() || types.len() > 30 {
            let message = format!("the {role} fleet names {} instance types", types.len());
            findings.push(
                Finding::at(Code::BadFleet, self.types.span, message, "must be 1 to 30")
                    .why("EMR takes 1 to 30 a fleet"),
            );
        }
        for (at, one) in types.iter().enumerate() {
            one.check(findings);
            if let Some(first) = types.iter().take(at).find(|other| *other.instance_type == *one.instance_type) {
                let message = format!("`{}` is listed twice", one.instance_type.value);
                findings.push(
                    Finding::at(Code::BadFleet, one.instance_type.span, message, "")
                        .and(first.instance_type.span, "first listed here")
                        .help("remove one of them"),
                );
            }
        }
        let (on_demand, spot) = self.units(role == "primary");
        self.check_spot(spot, findings);
        let heaviest = types.iter().map(FleetType::weight).min().unwrap_or(1);
        if role != "primary" && on_demand + spot > 0 && heaviest > on_demand.max(spot) {
            let message = format!("every type of the {role} fleet weighs more than its capacity");
            findings.push(
                Finding::at(Code::BadFleet, place.part("", 0..0), message, "")
                    .warning()
                    .why("one instance would be more than what was asked for")
                    .help("capacity counts units of `weight`, not instances"),
            );
        }
    }

    fn check_spot(&self, spot: u32, findings: &mut Findings) {
        let timeout = self.spot_timeout.as_ref().map(|timeout| (timeout.span, "spotTimeout"));
        let action = self.on_spot_timeout.as_ref().map(|action| (action.span, "onSpotTimeout"));
        if spot == 0 {
            for (span, key) in timeout.into_iter().chain(action) {
                findings.push(
                    Finding::at(Code::BadSpot, span, format!("`{key}` of a fleet without spot capacity"), "")
                        .help("add `spot: 4`, or remove it"),
                );
            }
            return;
        }
        let Some(timeout) = &self.spot_timeout else { return };
        let (least, most) = SPOT_TIMEOUT;
        match Duration::parse(timeout) {
            None => findings.push(super::not_a_duration(timeout)),
            Some(duration) if duration < least || duration > most || duration.seconds() % 60 != 0 => {
                let message = format!("`spotTimeout` must lie between {least} and {most}, in whole minutes");
                findings.push(Finding::at(Code::DurationOutOfRange, timeout.span, message, ""));
            }
            Some(_) => {}
        }
    }

    fn value(&self, name: &str, role: &str, primary: bool) -> Value {
        let (on_demand, spot) = self.units(primary);
        let types: Vec<Value> = self.types.value.iter().map(|one| one.value(primary)).collect();
        let mut fleet = Map::new();
        fleet.insert("Name".to_owned(), json!(name));
        fleet.insert("InstanceFleetType".to_owned(), json!(role));
        if on_demand > 0 {
            fleet.insert("TargetOnDemandCapacity".to_owned(), json!(on_demand));
        }
        if spot > 0 {
            fleet.insert("TargetSpotCapacity".to_owned(), json!(spot));
        }
        fleet.insert("InstanceTypeConfigs".to_owned(), json!(types));
        fleet.insert("LaunchSpecifications".to_owned(), self.launch(on_demand, spot));
        Value::Object(fleet)
    }

    fn launch(&self, on_demand: u32, spot: u32) -> Value {
        let allocation = self.allocation.as_ref();
        let chosen = allocation.and_then(|allocation| allocation.on_demand.as_ref());
        let of_on_demand = chosen.map_or(OnDemandAllocation::LowestPrice, |chosen| chosen.value);
        let chosen = allocation.and_then(|allocation| allocation.spot.as_ref());
        let of_spot = chosen.map_or(SpotAllocation::PriceCapacityOptimized, |chosen| chosen.value);
        let wait = self.spot_timeout.as_ref().and_then(|timeout| Duration::parse(timeout));
        let give_up = self.on_spot_timeout.as_ref().is_some_and(|it| it.value == SpotTimeoutAction::Terminate);
        let mut launch = Map::new();
        if spot > 0 {
            let specification = json!({
                "AllocationStrategy": of_spot,
                "TimeoutDurationMinutes": wait.map_or(20, |wait| wait.seconds() / 60),
                "TimeoutAction": if give_up { "TERMINATE_CLUSTER" } else { "SWITCH_TO_ON_DEMAND" },
            });
            launch.insert("SpotSpecification".to_owned(), specification);
        }
        // What spot capacity falls back to is chosen by the same rule.
        if on_demand > 0 || !give_up {
            launch.insert("OnDemandSpecification".to_owned(), json!({ "AllocationStrategy": of_on_demand }));
        }
        Value::Object(launch)
    }
}

impl FleetType {
    fn weight(&self) -> u32 {
        self.weight.as_ref().map_or(1, |weight| weight.value)
    }

    fn check(&self, findings: &mut Findings) {
        instance_type(&self.instance_type, findings);
        check_volumes(&self.volumes, findings);
        if let Some(weight) = &self.weight {
            range(Code::BadFleet, "`weight`", weight, 1..=999, "units", findings);
        }
        if let Some(bid) = self.bid_percent.as_ref().filter(|bid| !(bid.value > 0.0 && bid.value <= 1_000.0)) {
            findings.push(
                Finding::at(Code::BadSpot, bid.span, "`bidPercent` is a percentage of the on-demand price", "")
                    .help("write `bidPercent: 60` for 60 %, or leave it out to pay at most the on-demand price"),
            );
        }
    }

    /// The primary fleet takes no weights: its capacity is one instance.
    fn value(&self, primary: bool) -> Value {
        let mut one = Map::new();
        one.insert("InstanceType".to_owned(), json!(self.instance_type.value));
        if !primary {
            one.insert("WeightedCapacity".to_owned(), json!(self.weight()));
        }
        let bid = self.bid_percent.as_ref().map(|bid| json!(bid.value));
        one.extend(bid.map(|bid| ("BidPriceAsPercentageOfOnDemandPrice".to_owned(), bid)));
        one.extend(self.priority.as_ref().map(|priority| ("Priority".to_owned(), json!(priority.value))));
        one.extend(ebs(&self.volumes).map(|ebs| ("EbsConfiguration".to_owned(), ebs)));
        Value::Object(one)
    }
}
