//! A state machine in Amazon States Language, in its JSONata flavour: the fields that dpc writes, and no others.
//!
//! A string that starts with `{%` is code to Step Functions, so [`code`] and [`text`] are the two ways to write one:
//! <https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value, json};

/// A machine or a branch of one: where it starts and its states in the order written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct States {
    /// The first state.
    pub start_at: String,
    /// Names and states.
    pub states: Vec<(String, State)>,
}

impl States {
    /// Adds a state.
    pub fn add(&mut self, name: impl Into<String>, state: State) {
        self.states.push((name.into(), state));
    }

    /// The state of this name in this scope.
    pub fn get(&self, name: &str) -> Option<&State> {
        self.states.iter().find(|(key, _)| key == name).map(|(_, state)| state)
    }
}

/// A whole state machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// For people who read the console.
    pub comment: String,
    /// The longest that an execution may live.
    pub timeout_seconds: Option<u64>,
    /// What it does.
    pub body: States,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "Type")]
pub enum State {
    /// Decides where to go.
    Choice(Choice),
    /// Calls a service.
    Task(Box<Task>),
    /// Changes data.
    Pass(Pass),
    /// Runs branches at once.
    Parallel(Parallel),
    /// Runs the same states for many items.
    Map(Box<MapState>),
    /// Runs what a user wrote, in a branch of its own.
    #[serde(rename = "Parallel")]
    Enclosed(Box<Enclosed>),
    /// Ends badly.
    Fail(Fail),
    /// Ends well; in a branch: ends the branch.
    Succeed(Succeed),
}

/// See [`State::Choice`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Choice {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The first that holds is taken.
    pub choices: Vec<Rule>,
    /// Taken when none holds.
    pub default: String,
}

/// One way out of a [`Choice`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Rule {
    /// JSONata that yields true or false.
    pub condition: String,
    /// Variables to set.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub assign: Map<String, Value>,
    /// What the next state gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// The next state.
    pub next: String,
}

/// See [`State::Task`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Task {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// ARN of the integration.
    pub resource: String,
    /// Its parameters.
    pub arguments: Value,
    /// How long one attempt may take: a number of seconds, or an expression that yields one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<Value>,
    /// What is tried again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retry: Vec<Retrier>,
    /// Where failures go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub catch: Vec<Catcher>,
    /// Variables to set.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub assign: Map<String, Value>,
    /// What the next state gets.
    pub output: Value,
    /// The next state.
    pub next: String,
}

/// One rule of retrying.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Retrier {
    /// Error names.
    pub error_equals: Vec<String>,
    /// Wait before the first retry.
    pub interval_seconds: u64,
    /// Retries after the first attempt.
    pub max_attempts: u32,
    /// Factor from wait to wait.
    pub backoff_rate: f64,
    /// The longest wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delay_seconds: Option<u64>,
    /// `FULL` or `NONE`.
    pub jitter_strategy: &'static str,
}

/// Where an error goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Catcher {
    /// Error names.
    pub error_equals: Vec<String>,
    /// What the next state gets.
    pub output: Value,
    /// The next state.
    pub next: String,
}

impl Catcher {
    /// Catches everything that can be caught.
    pub fn all(output: Value, next: impl Into<String>) -> Self {
        Self { error_equals: vec!["States.ALL".to_owned()], output, next: next.into() }
    }
}

/// See [`State::Pass`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Pass {
    /// Variables to set.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub assign: Map<String, Value>,
    /// What the next state gets.
    pub output: Value,
    /// The next state.
    pub next: String,
}

/// See [`State::Parallel`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Parallel {
    /// What runs at once.
    pub branches: Vec<States>,
    /// Where failures go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub catch: Vec<Catcher>,
    /// Variables to set.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub assign: Map<String, Value>,
    /// What the next state gets.
    pub output: Value,
    /// The next state.
    pub next: String,
}

/// See [`State::Enclosed`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Enclosed {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What the branch gets.
    pub arguments: Value,
    /// The branch: `StartAt` and `States`, whose variables and failures stay inside.
    pub branches: [Value; 1],
    /// The names of all states in it.
    #[serde(skip)]
    pub names: Vec<String>,
    /// What is tried again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retry: Vec<Retrier>,
    /// Where failures go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub catch: Vec<Catcher>,
    /// What the next state gets.
    pub output: Value,
    /// The next state.
    pub next: String,
}

impl Enclosed {
    /// A branch with the names of its states. What comes after, and what is done about failures, is the caller's.
    pub fn new(branch: Value, names: Vec<String>, arguments: Value) -> Self {
        let output = json!(code("$states.input"));
        let (retry, catch) = (Vec::new(), Vec::new());
        Self { comment: None, arguments, branches: [branch], names, retry, catch, output, next: String::new() }
    }

    /// Gives the tasks of the branch that have no time limit this one: a Parallel itself can have none.
    pub fn limit(&mut self, seconds: Option<Value>) {
        let Some(seconds) = seconds else { return };
        let states = self.branches.iter_mut().filter_map(|branch| branch.get_mut("States")?.as_object_mut());
        for state in states.flat_map(|states| states.values_mut()).filter_map(Value::as_object_mut) {
            if state.get("Type") == Some(&json!("Task")) && !state.contains_key("TimeoutSeconds") {
                state.insert("TimeoutSeconds".to_owned(), seconds.clone());
            }
        }
    }
}

/// See [`State::Map`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MapState {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The items: a list, or an expression that yields one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Value>,
    /// What reads the items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_reader: Option<Value>,
    /// What each item becomes.
    pub item_selector: Value,
    /// How many run at once.
    pub max_concurrency: u32,
    /// How many may fail, of a distributed map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerated_failure_count: Option<u32>,
    /// How many of a hundred may fail, of a distributed map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerated_failure_percentage: Option<u32>,
    /// Part of the names of a distributed map's runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What runs for each.
    pub item_processor: Processor,
    /// Where the results go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_writer: Option<Value>,
    /// What is tried again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retry: Vec<Retrier>,
    /// Where failures go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub catch: Vec<Catcher>,
    /// What the next state gets.
    pub output: Value,
    /// The next state.
    pub next: String,
}

/// The states of a map and how they run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Processor {
    /// `Mode` and, of a distributed one, `ExecutionType`.
    pub processor_config: Value,
    /// The states.
    #[serde(flatten)]
    pub states: States,
}

/// See [`State::Fail`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Fail {
    /// The error's name.
    pub error: String,
    /// Why, as text or code.
    pub cause: String,
}

/// See [`State::Succeed`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Succeed {}

impl State {
    /// Every state that may come next in the same scope.
    pub fn next(&self) -> Vec<&str> {
        match self {
            State::Choice(choice) => {
                choice.choices.iter().map(|rule| rule.next.as_str()).chain([choice.default.as_str()]).collect()
            }
            State::Task(task) => {
                task.catch.iter().map(|catcher| catcher.next.as_str()).chain([task.next.as_str()]).collect()
            }
            State::Pass(pass) => vec![&pass.next],
            State::Parallel(parallel) => {
                parallel.catch.iter().map(|catcher| catcher.next.as_str()).chain([parallel.next.as_str()]).collect()
            }
            State::Enclosed(inside) => {
                inside.catch.iter().map(|catcher| catcher.next.as_str()).chain([inside.next.as_str()]).collect()
            }
            State::Map(map) => {
                map.catch.iter().map(|catcher| catcher.next.as_str()).chain([map.next.as_str()]).collect()
            }
            State::Fail(_) | State::Succeed(_) => Vec::new(),
        }
    }

    /// The scopes inside it.
    pub fn branches(&self) -> &[States] {
        match self {
            State::Parallel(parallel) => &parallel.branches,
            State::Map(map) => std::slice::from_ref(&map.item_processor.states),
            State::Choice(_)
            | State::Task(_)
            | State::Pass(_)
            | State::Enclosed(_)
            | State::Fail(_)
            | State::Succeed(_) => &[],
        }
    }
}

impl Serialize for States {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("StartAt", &self.start_at)?;
        map.serialize_entry("States", &Ordered(&self.states))?;
        map.end()
    }
}

struct Ordered<'a>(&'a [(String, State)]);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, state)| (name, state)))
    }
}

impl Machine {
    /// The definition as a JSON object.
    pub fn to_value(&self) -> Value {
        let body = serde_json::to_value(&self.body).expect("states have string keys and finite numbers");
        let mut definition = Map::new();
        definition.insert("Comment".to_owned(), json!(self.comment));
        definition.insert("QueryLanguage".to_owned(), json!("JSONata"));
        if let Some(seconds) = self.timeout_seconds {
            definition.insert("TimeoutSeconds".to_owned(), json!(seconds));
        }
        if let Value::Object(body) = body {
            definition.extend(body);
        }
        Value::Object(definition)
    }
}

/// A JSONata expression as Step Functions wants it: `{% … %}`.
pub fn code(expression: &str) -> String {
    format!("{{% {expression} %}}")
}

/// Text that stays text, whatever it looks like: what would be read as code, or substituted through
/// `DefinitionSubstitutions`, becomes an expression that yields it.
pub fn text(literal: &str) -> String {
    if literal.starts_with("{%") || literal.contains("${") { code(&self::literal(literal)) } else { literal.to_owned() }
}

/// A JSONata string literal; JSONata reads JSON's escapes.
pub fn quoted(literal: &str) -> String {
    Value::String(literal.to_owned()).to_string()
}

/// A JSONata string literal in a definition, where `${` is CloudFormation's.
pub fn literal(text: &str) -> String {
    quoted(text).replace("${", "$\" & \"{")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_code_is_quoted() {
        assert_eq!(text("nightly"), "nightly");
        assert_eq!(text("{% $now() %}"), r#"{% "{% $now() %}" %}"#);
        assert_eq!(text("at ${ScriptRunner}"), r#"{% "at $" & "{ScriptRunner}" %}"#);
        assert_eq!(quoted("a \"b\""), r#""a \"b\"""#);
    }

    #[test]
    fn a_machine_keeps_the_order_of_its_states() {
        let mut body = States { start_at: "b".to_owned(), ..States::default() };
        body.add("b", State::Pass(Pass { output: json!({}), next: "a".to_owned(), ..Pass::default() }));
        body.add("a", State::Succeed(Succeed {}));
        let machine = Machine { comment: "two".to_owned(), timeout_seconds: None, body };
        assert_eq!(
            machine.to_value().to_string(),
            concat!(
                r#"{"Comment":"two","QueryLanguage":"JSONata","StartAt":"b","States":{"#,
                r#""b":{"Type":"Pass","Output":{},"Next":"a"},"a":{"Type":"Succeed"}}}"#
            )
        );
    }
}
