//! How a time becomes a label: a granularity, a shift that fits it, and time zones that exist.

use crate::control::partition::{Granularity, Offset, PartitionSpec};
use crate::control::zone::zone;
use crate::language::manifest::Partition;
use crate::language::project::Pipeline;
use crate::source::{Code, Findings};

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let manifest = &pipeline.manifest;
    if let Some(partition) = &manifest.partition {
        label(partition, findings);
    }
    let calendar = manifest.partition.iter().filter_map(|partition| partition.timezone.as_ref());
    let schedules = manifest.triggers.iter().flat_map(|triggers| &triggers.schedule.0);
    for name in calendar.chain(schedules.filter_map(|schedule| schedule.timezone.as_ref())) {
        if let Err(problem) = zone(name) {
            findings.push(problem.at(Code::UnknownZone, name, name.span));
        }
    }
}

fn label(partition: &Partition, findings: &mut Findings) {
    let by = Granularity::parse(&partition.by);
    if let Some(written) = &partition.offset {
        let offset = Offset::parse(written);
        let fits = match (&by, offset) {
            (Ok(by), Ok(offset)) => PartitionSpec::new(*by, offset, jiff::tz::TimeZone::UTC).map(|_| ()),
            (Err(_), Ok(_)) => Ok(()),
            (_, Err(problem)) => Err(problem),
        };
        if let Err(problem) = fits {
            findings.push(problem.at(Code::BadPartition, written, written.span));
        }
    }
    if let Err(problem) = by {
        findings.push(problem.at(Code::BadPartition, &partition.by, partition.by.span));
    }
}
