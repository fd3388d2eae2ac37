//! How long a run takes when everything that may be tried again is, against what ends it.
//!
//! In comes a manifest; out come findings. Steps without a `timeout` are left out: nobody knows how long they take, so what is
//! said is the least that the worst case comes to.

use std::collections::HashMap;

use crate::control::duration::Duration;
use crate::language::manifest::Manifest;
use crate::source::{Code, Finding, Findings, Spanned};
use crate::steps::Step;

/// An execution lives for a year: <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>.
const YEAR: u64 = 365 * 86_400;

/// Reports steps whose retries the pipeline's `timeout` would cut off, and runs that would outlive an execution.
pub fn check(manifest: &Manifest, findings: &mut Findings) {
    let Some((written, limit)) =
        manifest.timeout.as_ref().and_then(|timeout| Some((timeout, Duration::parse(timeout)?)))
    else {
        let path = longest(&manifest.steps.value);
        let total = sum(&path);
        if let (Some(slowest), true) = (path.iter().max_by_key(|step| worst(step)), total > YEAR) {
            let message = format!("the steps may take {}, and an execution ends after a year", words(total));
            let finding = Finding::at(Code::MayTakeTooLong, slowest.name.span, message, "the slowest").warning();
            findings.push(finding.help("shorten `timeout`, `attempts` or `interval` of steps"));
        }
        return;
    };
    for step in manifest.steps.value.iter().filter(|step| worst(step) > limit.seconds()) {
        let place = step.timeout.as_ref().map_or(step.name.span, |timeout| timeout.span);
        let message =
            format!("step `{}` may take {}, and the run is ended after {limit}", step.name.value, words(worst(step)));
        let finding =
            Finding::at(Code::MayTakeTooLong, place, message, "").warning().and(written.span, "ended by this");
        findings.push(match &step.retry {
            Some(_) => finding
                .why("with all its retries, each to the step's `timeout`")
                .help("raise the pipeline's `timeout`, or shorten `timeout`, `attempts` or `interval` of the step"),
            None => finding.help("raise the pipeline's `timeout`, or shorten the step's"),
        });
    }
}

/// How long a run takes if every step that has a `timeout` takes it with every retry, in words; none where no step has one.
pub fn worst_case(manifest: &Manifest) -> Option<String> {
    let path = longest(&manifest.steps.value);
    let total = sum(&path);
    (total > 0).then(|| {
        let names: Vec<&str> = path.iter().map(|step| step.name.as_str()).collect();
        let ended = manifest.timeout.as_ref().map(|timeout| format!("; a run is ended after {}", timeout.value));
        let open = manifest.all_steps().filter(|step| step.map.is_none() && step.timeout.is_none()).count();
        let open = match open {
            0 => String::new(),
            1 => ", and one step without a `timeout`".to_owned(),
            open => format!(", and {open} steps without a `timeout`"),
        };
        format!("up to {} if all is retried, by {}{open}{}", words(total), names.join(", "), ended.unwrap_or_default())
    })
}

fn sum(path: &[&Step]) -> u64 {
    path.iter().map(|step| worst(step)).fold(0, u64::saturating_add)
}

/// The steps of the path that takes longest in the worst case.
fn longest(steps: &[Spanned<Step>]) -> Vec<&Step> {
    let all: HashMap<&str, &Step> = steps.iter().map(|step| (step.name.as_str(), &step.value)).collect();
    // For each step that has been looked at: what is before it on its longest path, and how long that takes with it.
    let mut known: HashMap<&str, (Option<&str>, u64)> = HashMap::new();
    let mut waiting: Vec<&Step> = steps.iter().map(|step| &step.value).collect();
    // Each round knows at least one more, unless steps wait for each other, which is reported elsewhere.
    for _ in 0..steps.len() {
        waiting.retain(|step| {
            let needs: Vec<&str> =
                step.needs.iter().map(|need| need.step.as_str()).filter(|need| all.contains_key(need)).collect();
            if !needs.iter().all(|need| known.contains_key(need)) {
                return true;
            }
            let ended = |need: &str| known.get(need).map_or(0, |(_, ended)| *ended);
            let before = needs.into_iter().max_by_key(|need| ended(need));
            let ended = before.map_or(0, ended).saturating_add(worst(step));
            known.insert(step.name.as_str(), (before, ended));
            false
        });
        if waiting.is_empty() {
            break;
        }
    }
    let mut last =
        known.iter().max_by_key(|(name, (_, ended))| (*ended, std::cmp::Reverse(**name))).map(|(name, _)| *name);
    let mut path = Vec::new();
    while let Some(name) = last {
        path.extend(all.get(name).copied().filter(|step| worst(step) > 0));
        last = known.get(name).and_then(|(before, _)| *before);
    }
    path.reverse();
    path
}

/// The longest that a step may take with all its retries, in seconds; 0 where nothing limits it.
fn worst(step: &Step) -> u64 {
    let once = match &step.map {
        Some(map) => {
            let inside = sum(&longest(&map.value.steps.value));
            inside.saturating_mul(map.value.rounds())
        }
        None => step.timeout_seconds().unwrap_or_default(),
    };
    let Some(retry) = step.retry.as_ref().filter(|_| once > 0) else { return once };
    let retrier = retry.retrier();
    let mut wait = retrier.interval_seconds;
    let mut total = once;
    for _ in 0..retrier.max_attempts {
        total = total.saturating_add(once).saturating_add(wait);
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        // Reason: seconds, and what is too large is the largest number.
        let next = (wait as f64 * retrier.backoff_rate) as u64;
        wait = retrier.max_delay_seconds.map_or(next, |most| next.min(most));
    }
    total
}

/// `2d 4h`, `5h 30m`, `20m`.
fn words(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds.div_ceil(60) % 60);
    let parts = [(days, "d"), (hours, "h"), (if days > 0 { 0 } else { minutes }, "m")];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    parts.join(" ")
}
