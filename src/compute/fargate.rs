//! Sizes of Fargate tasks: which amounts of memory go with which number of processors.
//!
//! In come numbers as users write them, vCPU and GB; out come the texts that ECS takes, and findings. It refuses to know
//! what runs. <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>

use crate::source::{Code, Finding, Findings, Spanned};

/// Processors in units of 1/1024, and the amounts of memory in MiB that go with them: least, most, step.
const SIZES: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2_048, 512),
    (512, 1_024, 4_096, 1_024),
    (1_024, 2_048, 8_192, 1_024),
    (2_048, 4_096, 16_384, 1_024),
    (4_096, 8_192, 30_720, 1_024),
    (8_192, 16_384, 61_440, 4_096),
    (16_384, 32_768, 122_880, 8_192),
];

/// Without `cpu` and `memory`: one processor and the least memory that goes with it.
const DEFAULT_CPU: u32 = 1_024;

/// The size of a task, as ECS takes it: units of 1/1024 processor, MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Processors in units of 1/1024.
    pub cpu: u32,
    /// MiB.
    pub memory: u32,
}

/// A whole number of units, if there is one.
fn units(amount: f64) -> Option<u32> {
    let units = amount * 1_024.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Reason: the range was looked at
    ((1.0..=1_000_000.0).contains(&units) && units.fract() == 0.0).then_some(units as u32)
}

fn row(cpu: u32) -> Option<(u32, u32, u32, u32)> {
    SIZES.iter().find(|(units, ..)| *units == cpu).copied()
}

/// The size that was asked for, or the default; `None` for one that Fargate does not have.
pub fn size(cpu: Option<&Spanned<f64>>, memory: Option<&Spanned<f64>>) -> Option<Size> {
    let cpu = cpu.map_or(Some(DEFAULT_CPU), |cpu| units(cpu.value))?;
    let (_, least, most, step) = row(cpu)?;
    let memory = memory.map_or(Some(least), |memory| units(memory.value))?;
    // The smallest size has 512, 1,024 and 2,048 MiB, and not 1,536.
    let fits = (least..=most).contains(&memory) && (memory - least) % step == 0 && (cpu, memory) != (256, 1_536);
    fits.then_some(Size { cpu, memory })
}

/// Reports a size that Fargate does not have.
pub fn check(cpu: Option<&Spanned<f64>>, memory: Option<&Spanned<f64>>, findings: &mut Findings) {
    if size(cpu, memory).is_some() {
        return;
    }
    let known = cpu.map_or(Some(DEFAULT_CPU), |cpu| units(cpu.value)).and_then(row);
    match (known, cpu, memory) {
        (None, Some(cpu), _) => findings.push(
            Finding::at(Code::BadSize, cpu.span, format!("Fargate has no size with {} processors", cpu.value), "")
                .help("write one of 0.25, 0.5, 1, 2, 4, 8, 16"),
        ),
        (Some((units, least, most, step)), _, Some(memory)) => {
            let message = format!("{} GB of memory do not go with {} vCPU", memory.value, gigabytes(units));
            let amounts = if units == 256 {
                "0.5, 1 or 2".to_owned()
            } else {
                format!("{} to {} in steps of {}", gigabytes(least), gigabytes(most), gigabytes(step))
            };
            let finding = Finding::at(Code::BadSize, memory.span, message, "").help(format!("write {amounts}"));
            findings.push(match cpu {
                Some(cpu) => finding.and(cpu.span, "`cpu`"),
                None => finding.why("without `cpu` a container has 1 vCPU"),
            });
        }
        (None, None, _) | (Some(_), _, None) => {}
    }
}

fn gigabytes(units: u32) -> f64 {
    f64::from(units) / 1_024.0
}

#[cfg(test)]
mod tests {
    use super::{Size, size};
    use crate::source::{Files, Findings, Span, Spanned, text};

    fn asked(cpu: Option<f64>, memory: Option<f64>) -> Option<Size> {
        let (mut files, mut findings) = (Files::new(), Findings::new());
        let file = text::add(&mut files, "x", b"x", &mut findings).expect("it is text");
        let place = |value| Spanned::new(value, Span { file, start: 0, end: 1 });
        size(cpu.map(place).as_ref(), memory.map(place).as_ref())
    }

    #[test]
    fn only_pairs_that_fargate_has() {
        assert_eq!(asked(None, None), Some(Size { cpu: 1_024, memory: 2_048 }));
        assert_eq!(asked(Some(0.25), Some(0.5)), Some(Size { cpu: 256, memory: 512 }));
        assert_eq!(asked(Some(4.0), Some(30.0)), Some(Size { cpu: 4_096, memory: 30_720 }));
        assert_eq!(asked(Some(16.0), None), Some(Size { cpu: 16_384, memory: 32_768 }));
        for (cpu, memory) in [(0.25, 1.5), (0.25, 4.0), (3.0, 8.0), (8.0, 18.0), (16.0, 36.0), (1.0, 2.5), (-1.0, 2.0)]
        {
            assert_eq!(asked(Some(cpu), Some(memory)), None, "{cpu} {memory}");
        }
    }
}
