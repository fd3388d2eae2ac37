//! One stack of a setup: proposed, shown, made, watched; and found unchanged when it is what it shall be.
//!
//! In come one of dpc's own templates and its parameters; out comes what became of the stack. It refuses stacks of the name
//! that setup did not make, and takes over what an earlier setup has left.

use std::collections::BTreeMap;

use super::leftovers;
use crate::cli::Terminal;
use crate::cli::aws::{Here, Tone, act, took};
use crate::cli::change_list::Question;
use crate::cli::stack_progress::{self, Purposes, Watched};
use crate::cloud::artifacts;
use crate::cloud::failure::sentence;
use crate::cloud::stack::{self, Adopt, ChangeSet, Event, Proposal, Request, StackState, Watch, changes};
use crate::cloud::{CloudResult, Session};
use crate::control::names;
use crate::source::{Code, Finding};

pub(super) const BOOTSTRAP: &str = include_str!("../../../templates/bootstrap.yaml");
pub(super) const ACCOUNT: &str = include_str!("../../../templates/account.yaml");
pub(super) const CENTRAL: &str = include_str!("../../../templates/central.yaml");

/// The tag by which setup knows its own stacks.
pub(crate) const SETUP_TAG: &str = "dpc-setup";

/// One of the stacks.
pub(super) struct Part {
    pub(super) stack: &'static str,
    pub(super) template: &'static str,
    pub(super) parameters: BTreeMap<String, String>,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Unchanged,
    Made,
    /// By the person: declined, or Ctrl-C. What goes on has been said.
    Stopped,
}

/// A setup at work.
pub(super) struct Setup<'a> {
    pub(super) here: &'a Here,
    pub(super) session: &'a Session,
    pub(super) terminal: &'a Terminal,
    pub(super) yes: bool,
    /// As it was typed: `dpc setup account`.
    pub(super) command: &'static str,
}

impl Setup<'_> {
    /// Key and bucket, which both kinds of account share.
    pub(super) async fn bootstrap(&self) -> CloudResult<Step> {
        let part = Part { stack: names::BOOTSTRAP_STACK, template: BOOTSTRAP, parameters: BTreeMap::new() };
        let left = match stack::describe(self.session, part.stack).await? {
            Some(stack) if stack.state.holds_resources() => Vec::new(),
            _ => leftovers::of_bootstrap(self.session).await?,
        };
        if left.is_empty() {
            return self.make(&part).await;
        }
        act(
            self.terminal,
            Tone::Calm,
            "Found",
            "bucket and key of an earlier setup; they are taken over with all they hold",
        );
        // An import may do nothing else, not even put tags on: the rest of the stack comes after it.
        // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import.html
        let ids: Vec<&str> = left.iter().map(|one| one.logical.as_str()).collect();
        let template = leftovers::only(part.template, &ids);
        let request = Request {
            adopt: Adopt::These(left),
            tags: BTreeMap::new(),
            ..self.request(part.stack, template, BTreeMap::new()).await?
        };
        match self.propose_and_make(&part, &request).await? {
            Step::Stopped => Ok(Step::Stopped),
            Step::Made | Step::Unchanged => self.make(&part).await.map(|step| match step {
                Step::Unchanged => Step::Made,
                other => other,
            }),
        }
    }

    /// Makes one, or finds it unchanged.
    pub(super) async fn make(&self, part: &Part) -> CloudResult<Step> {
        let request = self.request(part.stack, part.template.to_owned(), part.parameters.clone()).await?;
        self.propose_and_make(part, &request).await
    }

    async fn request(
        &self,
        stack: &str,
        template: String,
        parameters: BTreeMap<String, String>,
    ) -> CloudResult<Request> {
        let kind = stack.strip_prefix("dpc-").filter(|kind| *kind != "bootstrap").unwrap_or("account");
        Ok(Request {
            stack: stack.to_owned(),
            template: artifacts::template(self.session, stack, template).await?,
            parameters,
            tags: [(SETUP_TAG.to_owned(), kind.to_owned())].into(),
            adopt: Adopt::Named,
        })
    }

    async fn propose_and_make(&self, part: &Part, request: &Request) -> CloudResult<Step> {
        self.refuse_foreign(part.stack).await?;
        let on_cleanup =
            |reason: &str| act(self.terminal, Tone::Odd, "Cleaning up", &format!("{}: {reason}", part.stack));
        let changes = match changes::propose(self.session, request, on_cleanup).await? {
            Proposal::Unchanged(_) => return Ok(Step::Unchanged),
            Proposal::Changes(changes) => changes,
        };
        let purposes = purposes(part.template);
        let &Self { here, session, terminal, command, .. } = self;
        let subject = part.stack;
        let question = Question { here, session, terminal, subject, verb: "Make", command, meaning: Vec::new() };
        if !question.agreed(&changes, &purposes, self.yes).await? {
            act(self.terminal, Tone::Odd, "Declined", &format!("{}  nothing was changed", part.stack));
            return Ok(Step::Stopped);
        }
        self.execute(&changes, &purposes).await
    }

    async fn refuse_foreign(&self, name: &str) -> CloudResult<()> {
        let Some(stack) = stack::describe(self.session, name).await? else { return Ok(()) };
        // Neither a review nor an import carries tags; whoever imports what setup has left has begun what it goes on with.
        let untagged = matches!(stack.state, StackState::ReviewInProgress | StackState::ImportComplete);
        if untagged || stack.tags.contains_key(SETUP_TAG) {
            return Ok(());
        }
        let message = format!("stack `{name}` was not made by `dpc setup`: it has no tag `{SETUP_TAG}`");
        let finding = Finding::new(Code::ForeignStack, message).why("nothing was changed");
        Err(Box::new(finding.help("set up another region, or delete that stack if nobody needs it")))
    }

    async fn execute(&self, changes: &ChangeSet, purposes: &Purposes) -> CloudResult<Step> {
        let watch = Watch::begin(self.session, &changes.stack_id).await?;
        let began = std::time::Instant::now();
        changes::execute(self.session, changes).await?;
        let name = &changes.stack;
        match stack_progress::follow(self.session, watch, purposes, self.terminal).await? {
            Watched::Interrupted => {
                let resume = format!("{}{}", self.command, self.here.flag());
                act(self.terminal, Tone::Odd, "Interrupted", &format!("AWS goes on with stack {name}"));
                act(self.terminal, Tone::Calm, "Resume", &format!("{resume}, when AWS is done with it"));
                Ok(Step::Stopped)
            }
            Watched::Ended(state, _) if state.is_deployed() => {
                let word = match (state, changes.creates) {
                    (StackState::ImportComplete, _) => "Taken over",
                    (_, true) => "Created",
                    (_, false) => "Updated",
                };
                act(self.terminal, Tone::Good, word, &format!("{name}  in {}", took(began.elapsed().as_secs_f64())));
                Ok(Step::Made)
            }
            Watched::Ended(state, events) => Err(Box::new(self.failed(name, state, &events, purposes))),
        }
    }

    fn failed(&self, name: &str, state: StackState, events: &[Event], purposes: &Purposes) -> Finding {
        let cause = stack::first_cause(events);
        let reason = cause.and_then(|event| event.reason.as_deref()).unwrap_or("CloudFormation gave no reason");
        let reason = sentence(reason);
        let what =
            cause.and_then(|event| purposes.get(&event.resource)).map_or(String::new(), |what| format!(" ({what})"));
        let resource = cause.map_or(name, |event| event.resource.as_str());
        let message = format!("setting up `{name}` failed: `{resource}`{what}: {reason}");
        let again = format!("type `{}{}` again", self.command, self.here.flag());
        let help = if reason.contains("already exists") {
            format!(
                "something else in this account has that name: rename or delete it if nobody needs it, then {again}"
            )
        } else {
            format!("mend the cause, then {again}")
        };
        let why = format!("the stack is in state {}: {}", state.as_str(), state.advice());
        Finding::new(Code::DeployFailed, message).why(why).help(help)
    }
}

/// What each resource of one of our own templates is for: the `purpose` of its metadata. The templates are YAML with
/// CloudFormation's short tags, which no reader of plain YAML takes; they are ours, and a test holds them to this form.
pub(crate) fn purposes(template: &str) -> Purposes {
    let mut purposes = Purposes::new();
    let mut resource = None;
    for line in template.lines() {
        if let Some(name) = resource_of(line) {
            resource = Some(name.to_owned());
        }
        let purpose = line.trim().strip_prefix("dpc: { purpose: \"").and_then(|rest| rest.strip_suffix("\" }"));
        if let (Some(name), Some(purpose)) = (&resource, purpose) {
            purposes.insert(name.clone(), purpose.to_owned());
        }
    }
    purposes
}

/// The name that a line of a template of ours begins a resource with.
pub(super) fn resource_of(line: &str) -> Option<&str> {
    let name = line.strip_prefix("  ")?.strip_suffix(':')?;
    Some(name).filter(|name| name.chars().all(|letter| letter.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATES: [&str; 3] = [BOOTSTRAP, ACCOUNT, CENTRAL];

    #[test]
    fn every_resource_says_what_it_is_for() {
        for template in TEMPLATES {
            let types = template.lines().filter(|line| line.starts_with("    Type: AWS::") && !line.contains("::Id"));
            assert_eq!(purposes(template).len(), types.count());
        }
    }

    #[test]
    fn the_first_template_travels_with_the_request() {
        assert!(BOOTSTRAP.len() <= changes::INLINE_LIMIT * 8 / 10, "there is no bucket yet");
    }

    /// One account may be both, so nothing but AWS's own names may be the same in two of them.
    #[test]
    fn no_two_templates_give_one_name() {
        let mut names: Vec<(&str, &str)> = Vec::new();
        for template in TEMPLATES {
            let given = template.lines().filter_map(|line| {
                let (key, value) = line.strip_prefix("      ")?.split_once(": ")?;
                (key.ends_with("Name") && key != "MetricName" && !key.contains(' ') && !value.contains("!Ref"))
                    .then_some((key, value))
            });
            names.extend(given);
        }
        let all = names.len();
        assert!(all > 30, "{names:?}");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{names:?}");
    }
}
