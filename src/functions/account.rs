//! The account function's front: which kind of event is it, and who deals with it.
//!
//! In comes any event that reaches the function; out comes its answer. It refuses to guess: an event that is none of the
//! known kinds is an error, and ends in the dead-letter queue where a person sees it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cloud::CloudResult;
use crate::cloud::central::Place;
use crate::cloud::runs::Store;
use crate::control::message::CENTRAL_SOURCE;
use crate::control::run::Source;
use crate::control::verbs::Verb;
use crate::functions::world::World;
use crate::functions::{ask, hello, registration, start, status};
use crate::source::{Code, Finding};

/// The function and its surroundings. `S` is `dpc-runs`, `W` everything else outside.
#[derive(Debug)]
pub struct Account<S, W> {
    /// The table.
    pub store: S,
    /// The rest of the world.
    pub world: W,
    /// What the account stack says.
    pub settings: Settings,
}

/// What the account stack hands over in environment variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where clusters run; a run takes the one of its number, so that a rerun tries the next zone.
    pub subnets: Vec<String>,
    /// Security group of primary nodes.
    pub primary_group: String,
    /// Security group of core nodes.
    pub core_group: String,
    /// Security group of EMR's own access; for private subnets only.
    pub service_group: Option<String>,
    /// Security group of containers.
    pub task_group: String,
    /// Whether a central account is to be told of runs. Where it is, [`World`] knows.
    pub central: bool,
}

impl Settings {
    /// Reads the environment variables that `templates/account.yaml` sets.
    ///
    /// # Errors
    /// One is missing.
    pub fn from_environment() -> Result<Self, String> {
        let read = |name: &str| std::env::var(name).map_err(|_| format!("environment variable `{name}` is not set"));
        let subnets: Vec<String> = read("DPC_SUBNETS")?.split(',').map(str::to_owned).collect();
        if subnets.iter().any(String::is_empty) {
            return Err("environment variable `DPC_SUBNETS` names no subnet".to_owned());
        }
        Ok(Self {
            subnets,
            primary_group: read("DPC_PRIMARY_SG")?,
            core_group: read("DPC_CORE_SG")?,
            service_group: Some(read("DPC_SERVICE_SG")?).filter(|group| !group.is_empty()),
            task_group: read("DPC_TASK_SG")?,
            central: Place::from_environment().is_some(),
        })
    }
}

/// The kinds of event.
#[derive(Debug)]
enum Event {
    Version,
    Hello,
    Sweep,
    Ask(Value),
    Registration(Value),
    Status(Value),
    Start(Value),
    Unknown,
}

impl Event {
    fn of(event: Value) -> Self {
        match event.get("dpc").and_then(Value::as_str) {
            Some("version") => return Event::Version,
            Some("hello") => return Event::Hello,
            Some("sweep") => return Event::Sweep,
            Some(verb) if Verb::is_one(verb) => return Event::Ask(event),
            Some(_) => return Event::Unknown,
            None => {}
        }
        let source = event.get("source").and_then(Value::as_str);
        if event.get("RequestType").is_some() {
            Event::Registration(event)
        } else if source == Some("aws.states") {
            Event::Status(event)
        } else if event.get("pipeline").is_some() {
            Event::Start(event)
        } else if source == Some(CENTRAL_SOURCE) {
            // The rule hands over the detail alone; one that somebody has made by hand may hand over everything.
            Event::Start(event.get("detail").cloned().unwrap_or_default())
        } else {
            Event::Unknown
        }
    }
}

/// Left for the last call when Lambda's time runs out; the next sweep goes on.
const RESERVE: SignedDuration = SignedDuration::from_secs(20);

/// After this, nothing new is begun.
pub fn last_call(deadline: Timestamp) -> Timestamp {
    deadline.checked_sub(RESERVE).unwrap_or(deadline)
}

impl<S: Store, W: World> Account<S, W> {
    /// Deals with one event; `deadline` is when Lambda ends this invocation.
    ///
    /// # Errors
    /// What could not be done. Lambda tries an asynchronous event again, and puts it into the dead-letter queue in the end.
    pub async fn handle(&self, event: Value, deadline: Timestamp) -> CloudResult<Value> {
        match Event::of(event) {
            Event::Version => Ok(json!({ "version": env!("CARGO_PKG_VERSION") })),
            Event::Hello => Ok(hello::handle(self).await),
            Event::Sweep => Ok(self.sweep(deadline).await?.to_json()),
            Event::Registration(event) => registration::handle(self, &event).await,
            Event::Ask(event) => ask::handle(self, event, last_call(deadline)).await,
            Event::Status(event) => status::handle(self, &event, last_call(deadline)).await,
            Event::Start(event) => self.answer(event).await,
            Event::Unknown => Err(Box::new(
                Finding::new(Code::BadEnvelope, "the account function was sent an event of no kind that it knows")
                    .help("start runs with `dpc run`; nothing else needs to call this function"),
            )),
        }
    }

    /// A person is waiting for `run`, `rerun` and `backfill` and is told why nothing starts. Nobody reads the answer to
    /// the others: there, a refusal must be an error, so that it ends in the dead-letter queue, or fails the step.
    async fn answer(&self, event: Value) -> CloudResult<Value> {
        let waits = event.get("source").and_then(|source| serde_json::from_value::<Source>(source.clone()).ok());
        let waits = matches!(waits, Some(Source::Run | Source::Rerun | Source::Backfill));
        match start::handle(self, event).await {
            Err(refusal) if waits && start::is_refusal(refusal.code) => Ok(start::refused(&refusal)),
            answer => answer,
        }
    }
}
