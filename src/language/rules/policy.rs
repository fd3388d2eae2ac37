//! What the organisation demands: the rules of `policy.yaml`, held against a pipeline.
//!
//! Every violation stands at the line of the pipeline that could be changed, with the rule's line beside it.

use globset::{Glob, GlobMatcher};

use crate::control::duration::Duration;
use crate::control::run::Status;
use crate::language::manifest::{Manifest, ProjectFile};
use crate::language::policy::{Allowed, Level, Most, PolicyFile, RequiredAlerts, RequiredTag, Timeout};
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Severity, Span, Spanned, suggest};
use crate::steps::KINDS;

/// What is wrong with the rules themselves.
pub fn file(policy: &PolicyFile, findings: &mut Findings) {
    let lists = [&policy.instance_types, &policy.step_kinds, &policy.regions, &policy.names, &policy.owners];
    let allowed = lists.into_iter().flatten().flat_map(|rule| &rule.value.allow);
    for pattern in allowed.chain(policy.tags.iter().flat_map(|(_, tag)| &tag.value.allow)) {
        if let Err(error) = Glob::new(pattern) {
            let message = format!("`{}` is not a pattern: {}", pattern.value, error.kind());
            findings.push(
                Finding::at(Code::BadPolicy, pattern.span, message, "")
                    .help("`*` stands for any text, `?` for one character, `{a,b}` for either"),
            );
        }
    }
    for kind in policy.step_kinds.iter().flat_map(|rule| &rule.value.allow) {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.key).collect();
        if !known.iter().any(|known| fits(kind, known)) {
            let message = format!("no kind of step is called `{}`", kind.value);
            findings.push(super::suggest(Finding::at(Code::BadPolicy, kind.span, message, ""), kind, &known));
        }
    }
    for event in policy.alerts.iter().flat_map(|rule| &rule.value.events) {
        let known: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
        if !known.contains(&event.as_str()) {
            let message = format!("`{}` is not a status of a run", event.value);
            findings.push(super::suggest(Finding::at(Code::BadPolicy, event.span, message, ""), event, &known));
        }
    }
    if let Some(rule) = &policy.timeout
        && Duration::parse(&rule.value.most).is_none()
    {
        let most = &rule.value.most;
        findings.push(
            Finding::at(Code::BadPolicy, most.span, format!("`{}` is not a duration", most.value), "")
                .help("write a whole number and one of s, m, h, d, such as `12h`"),
        );
    }
}

/// What the regions of a project's environments violate.
pub fn environments(policy: &PolicyFile, project: &ProjectFile, findings: &mut Findings) {
    let Some(rule) = &policy.regions else { return };
    for (_, environment) in project.environments.iter() {
        allowed(policy, rule, "region", &environment.region, findings);
    }
}

/// What a pipeline violates.
pub fn check(policy: &PolicyFile, pipeline: &Pipeline, findings: &mut Findings) {
    let manifest = &pipeline.manifest;
    if let Some(rule) = &policy.names {
        allowed(policy, rule, "pipeline name", &manifest.name, findings);
    }
    if let Some(rule) = &policy.owners {
        match &manifest.owner {
            Some(owner) => allowed(policy, rule, "owner", owner, findings),
            None => {
                let message = format!("pipeline `{}` has no owner", manifest.name.value);
                let finding = Violation::of(policy, rule.value.level, &rule.value.reason, rule.span)
                    .at(manifest.name.span, message);
                findings.push(finding.help(format!("add `owner:`; allowed: {}", list(&rule.value.allow))));
            }
        }
    }
    for (name, rule) in policy.tags.iter() {
        tag(policy, name, rule, manifest, findings);
    }
    if let Some(rule) = &policy.step_kinds {
        kinds(policy, rule, manifest, findings);
    }
    for (_, compute) in manifest.compute.iter() {
        let Some(machines) = compute.value.machines() else { continue };
        if let Some(rule) = &policy.instance_types {
            machines.types.iter().for_each(|kind| allowed(policy, rule, "instance type", kind, findings));
        }
        if let Some(rule) = &policy.cluster_nodes {
            nodes(policy, rule, machines.most, machines.span.unwrap_or(compute.span), findings);
        }
    }
    if let Some(rule) = &policy.alerts {
        alerts(policy, rule, manifest, findings);
    }
    if let Some(rule) = &policy.timeout {
        timeouts(policy, rule, manifest, findings);
    }
}

/// A rule that something breaks.
struct Violation<'a> {
    severity: Severity,
    reason: Option<&'a str>,
    rule: Span,
}

impl<'a> Violation<'a> {
    fn of(policy: &PolicyFile, level: Option<Level>, reason: &'a Option<String>, rule: Span) -> Self {
        let severity = level.or(policy.level).unwrap_or(Level::Error).into();
        Self { severity, reason: reason.as_deref(), rule }
    }

    fn at(&self, span: Span, message: String) -> Finding {
        let mut finding = Finding::at(Code::PolicyViolated, span, message, "").and(self.rule, "by this rule");
        finding.severity = self.severity;
        match self.reason {
            Some(reason) => finding.why(reason.trim_end_matches('.')),
            None => finding,
        }
    }
}

fn allowed(
    policy: &PolicyFile,
    rule: &Spanned<Allowed>,
    what: &str,
    written: &Spanned<String>,
    findings: &mut Findings,
) {
    let Allowed { allow, level, reason } = &rule.value;
    if allow.iter().any(|pattern| fits(pattern, written)) {
        return;
    }
    let place = allow.first().map_or(rule.span, |first| first.span);
    let finding = Violation::of(policy, *level, reason, place)
        .at(written.span, format!("{what} `{}` is not allowed", written.value));
    // Two instance types are always near each other.
    let words = allow.iter().map(|pattern| pattern.value.as_str());
    let plain = words.filter(|pattern| is_plain(pattern) && what != "instance type");
    findings.push(match suggest::near(written, plain) {
        Some(near) => finding.fix(written.span, near, format!("did you mean `{near}`?")),
        None => finding.help(format!("allowed: {}", list(allow))),
    });
}

fn tag(
    policy: &PolicyFile,
    name: &Spanned<String>,
    rule: &Spanned<RequiredTag>,
    manifest: &Manifest,
    findings: &mut Findings,
) {
    let RequiredTag { allow, level, reason } = &rule.value;
    let violation = Violation::of(policy, *level, reason, name.span);
    match manifest.tags.get(name) {
        None => {
            let message = format!("pipeline `{}` has no tag `{}`", manifest.name.value, name.value);
            let plain = allow.iter().map(|pattern| pattern.value.as_str()).find(|pattern| is_plain(pattern));
            let value = plain.unwrap_or("…");
            let help = format!(
                "add `tags: {{ {}: {value} }}`, or give it to all pipelines under `defaults` of the dpc.yaml",
                name.value
            );
            findings.push(violation.at(manifest.name.span, message).help(help));
        }
        Some(value) if !allow.is_empty() && !allow.iter().any(|pattern| fits(pattern, value)) => {
            let message = format!("tag `{}` may not be `{}`", name.value, value.value);
            findings.push(violation.at(value.span, message).help(format!("allowed: {}", list(allow))));
        }
        Some(_) => {}
    }
}

fn kinds(policy: &PolicyFile, rule: &Spanned<Allowed>, manifest: &Manifest, findings: &mut Findings) {
    let Allowed { allow, level, reason } = &rule.value;
    for step in manifest.all_steps() {
        for (key, span, _) in step.kinds() {
            if allow.iter().any(|pattern| fits(pattern, key)) {
                continue;
            }
            let place = allow.first().map_or(rule.span, |first| first.span);
            let message = format!("step `{}` is of kind `{key}`, which is not allowed", step.name.value);
            let finding = Violation::of(policy, *level, reason, place).at(span, message);
            findings.push(finding.help(format!("allowed: {}", list(allow))));
        }
    }
}

fn nodes(policy: &PolicyFile, rule: &Spanned<Most>, most: u64, span: Span, findings: &mut Findings) {
    let Most { most: limit, level, reason } = &rule.value;
    if most > u64::from(limit.value) {
        let message = format!("the cluster may have {most} nodes, more than the {} that are allowed", limit.value);
        let finding = Violation::of(policy, *level, reason, limit.span).at(span, message);
        findings.push(finding.help(format!("use at most {} nodes, the primary one counted", limit.value)));
    }
}

fn alerts(policy: &PolicyFile, rule: &Spanned<RequiredAlerts>, manifest: &Manifest, findings: &mut Findings) {
    let RequiredAlerts { events, level, reason } = &rule.value;
    let heard =
        |event: &str| manifest.alerts.iter().any(|alert| alert.value.events.iter().any(|other| other.value == event));
    let missing: Vec<&Spanned<String>> = events.iter().filter(|event| !heard(event)).collect();
    let Some(first) = missing.first() else { return };
    let words: Vec<&str> = missing.iter().map(|event| event.as_str()).collect();
    let span = manifest.alerts.first().map_or(manifest.name.span, |alert| alert.span);
    let message = format!("nobody is told when pipeline `{}` is {}", manifest.name.value, words.join(" or "));
    let finding = Violation::of(policy, *level, reason, first.span).at(span, message);
    findings
        .push(finding.help(format!("add `alerts: [{{ events: [{}], email: team@example.com }}]`", words.join(", "))));
}

fn timeouts(policy: &PolicyFile, rule: &Spanned<Timeout>, manifest: &Manifest, findings: &mut Findings) {
    let Timeout { most, required, level, reason } = &rule.value;
    let Some(limit) = Duration::parse(most) else { return };
    let violation = Violation::of(policy, *level, reason, most.span);
    let of_pipeline = manifest.timeout.as_ref().filter(|written| Duration::parse(written).is_some());
    if let Some(written) = of_pipeline.filter(|written| Duration::parse(written).is_some_and(|timeout| timeout > limit))
    {
        let message = format!("`timeout` is {}, longer than the {limit} that are allowed", written.value);
        findings.push(violation.at(written.span, message).help(format!("write `timeout: {limit}` or less")));
    }
    for step in manifest.all_steps() {
        match &step.timeout {
            Some(written) if Duration::parse(written).is_some_and(|timeout| timeout > limit) => {
                let message = format!("`timeout` is {}, longer than the {limit} that are allowed", written.value);
                findings.push(violation.at(written.span, message).help(format!("write `timeout: {limit}` or less")));
            }
            // No step outlives its pipeline.
            None if *required && of_pipeline.is_none() => {
                let message = format!("step `{}` has no `timeout`, and neither has its pipeline", step.name.value);
                findings.push(violation.at(step.name.span, message).help(format!("add `timeout:`, at most `{limit}`")));
            }
            _ => {}
        }
    }
}

/// Whether a pattern fits all of a text. One that is no pattern fits nothing, which is said of the policy itself.
fn fits(pattern: &str, text: &str) -> bool {
    matcher(pattern).is_some_and(|matcher| matcher.is_match(text))
}

fn is_plain(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '{', '['])
}

fn matcher(pattern: &str) -> Option<GlobMatcher> {
    Glob::new(pattern).ok().map(|glob| glob.compile_matcher())
}

fn list(patterns: &[Spanned<String>]) -> String {
    patterns.iter().map(|pattern| format!("`{}`", pattern.value)).collect::<Vec<_>>().join(", ")
}
