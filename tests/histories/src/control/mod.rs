//! Of the floor `control`, what the engine needs.

#[path = "../../../../src/control/condition.rs"]
pub mod condition;
#[path = "../../../../src/control/cron/mod.rs"]
pub mod cron;
#[path = "../../../../src/control/digest.rs"]
pub mod digest;
#[path = "../../../../src/control/message.rs"]
pub mod message;
#[path = "../../../../src/control/nesting.rs"]
pub mod nesting;
#[path = "../../../../src/control/partition.rs"]
pub mod partition;
#[path = "../../../../src/control/plan.rs"]
pub mod plan;
#[path = "../../../../src/control/registry.rs"]
pub mod registry;
#[path = "../../../../src/control/run.rs"]
pub mod run;
#[path = "../../../../src/control/schedule/mod.rs"]
pub mod schedule;
#[path = "../../../../src/control/trigger/mod.rs"]
pub mod trigger;
#[path = "../../../../src/control/zone.rs"]
pub mod zone;
