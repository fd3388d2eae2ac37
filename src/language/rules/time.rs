//! How a time becomes a label: a granularity, a shift that fits it, and time zones that exist.

use super::{Subject, place};
use crate::control::partition::{Granularity, Offset, PartitionSpec};
use crate::control::zone::zone;
use crate::language::manifest::Partition;
use crate::source::{Code, Findings};

pub fn check(subject: Subject<'_>, findings: &mut Findings) {
    let manifest = &subject.pipeline.manifest;
    if let Some(partition) = &manifest.partition {
        label(subject, partition, findings);
    }
    let calendar = manifest.partition.iter().filter_map(|partition| partition.timezone.as_ref());
    let schedules = manifest.triggers.iter().flat_map(|triggers| &triggers.schedule.0);
    for name in calendar.chain(schedules.filter_map(|schedule| schedule.timezone.as_ref())) {
        if let Err(problem) = zone(name) {
            findings.push(place(Code::UnknownZone, subject.files, name, problem));
        }
    }
}

fn label(subject: Subject<'_>, partition: &Partition, findings: &mut Findings) {
    let by = Granularity::parse(&partition.by);
    if let Some(written) = &partition.offset {
        let offset = Offset::parse(written);
        let fits = match (&by, offset) {
            (Ok(by), Ok(offset)) => PartitionSpec::new(*by, offset, jiff::tz::TimeZone::UTC).map(|_| ()),
            (Err(_), Ok(_)) => Ok(()),
            (_, Err(problem)) => Err(problem),
        };
        if let Err(problem) = fits {
            findings.push(place(Code::BadPartition, subject.files, written, problem));
        }
    }
    if let Err(problem) = by {
        findings.push(place(Code::BadPartition, subject.files, &partition.by, problem));
    }
}
