//! The pure heart: run identity, partitions, schedules, step graphs, templates, names.
//!
//! In come values that others have read (an envelope, a clock reading, a list of needs); out come decisions (a run id, a
//! structured graph, rendered arguments). This floor refuses to know AWS clients, files and the clock.

pub mod archive;
pub mod arguments;
pub mod condition;
pub mod cron;
pub mod dag;
pub mod digest;
pub mod duration;
pub mod message;
pub mod moment;
pub mod names;
pub mod nesting;
pub mod parallel;
pub mod params;
pub mod partition;
pub mod plan;
pub mod range;
pub mod registry;
pub mod render;
pub mod run;
pub mod schedule;
pub mod trigger;
pub mod verbs;
pub mod zone;
