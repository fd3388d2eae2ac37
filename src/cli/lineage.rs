//! `dpc lineage`: which pipeline waits for which, across accounts, and how each ran last.
//!
//! In come pipelines that were selected and what is known of them; out come a table, upstreams first, a drawing, or JSON. It
//! refuses to know partitions: what one of them waits for, `dpc why` says.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::aws::{EnvironmentArg, Here, Tone, act, took};
use super::central::Central;
use super::runs::line::{self, Line};
use super::table::{Cell, Table};
use super::targets::{Target, Targets};
use super::{Exit, Failure, Terminal};
use crate::cloud::{CloudResult, Session};
use crate::control::condition::Condition;
use crate::control::plan::SchedulePlan;
use crate::control::schedule::{self, Schedule};
use crate::drawing::{self, Arrow, Drawing, Look, Node as Shape};

/// Arguments of `dpc lineage`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Pipelines; a name alone means what lies above and below it, too. Without any, all of the space
    #[arg(value_name = "SELECT")]
    select: Vec<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: LineageFormat,
    #[command(flatten)]
    environment: EnvironmentArg,
}

/// How a lineage is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum LineageFormat {
    /// For people
    #[default]
    Text,
    /// A flowchart in Mermaid, which GitHub and GitLab draw
    Mermaid,
    /// A digraph for Graphviz
    Dot,
    /// An image that stands on its own
    Svg,
    /// One JSON document
    Json,
}

/// A pipeline.
#[derive(Clone, Debug, Default)]
struct Node {
    name: String,
    account: Option<String>,
    owner: Option<String>,
    /// Those that it waits for, with the statuses that count.
    ups: BTreeMap<String, String>,
    /// What starts it beside others, in words.
    starts: Vec<String>,
    last: Option<Line>,
    paused: bool,
    depth: usize,
}

/// Prints the lineage.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut here = args.environment.read()?;
    let session = here.session().await?;
    let mut words: Vec<String> = args.select.iter().map(|word| around(word)).collect();
    let central = Central::find(&session, &here.environment.space).await?;
    if words.is_empty() && central.is_some() {
        words.push("*".to_owned());
        words.push("*+".to_owned());
    }
    let targets = Targets::select(&mut here, &session, &words, None).await?;
    let mut nodes = nodes(&session, &targets, central.as_ref()).await?;
    nodes.sort_by(|one, other| (one.depth, &one.name).cmp(&(other.depth, &other.name)));
    let now = Timestamp::now();
    let print = |draw: fn(&Drawing) -> String| draw(&drawing(&nodes, &here));
    match args.format {
        LineageFormat::Text => terminal.data(&text(&nodes, now, terminal.colour_of_data())),
        LineageFormat::Json => terminal.data(&format!("{:#}\n", json(&nodes, &here))),
        LineageFormat::Mermaid => terminal.data(&print(drawing::mermaid)),
        LineageFormat::Dot => terminal.data(&print(drawing::dot)),
        LineageFormat::Svg => terminal.data(&print(drawing::svg)),
    }
    if central.is_none() {
        let says = "no central account: pipelines of other accounts are not known here";
        act(terminal, Tone::Odd, "Note", says);
    }
    Ok(Exit::Done)
}

/// A name alone means its surroundings.
fn around(word: &str) -> String {
    if word.starts_with('+') || word.ends_with('+') { word.to_owned() } else { format!("+{word}+") }
}

async fn nodes(session: &Session, targets: &Targets, central: Option<&Central>) -> CloudResult<Vec<Node>> {
    let last = match central {
        Some(central) => central.newest(&targets.all).await?,
        None => BTreeMap::new(),
    };
    let mut nodes = Vec::new();
    for target in &targets.all {
        let mut node = of_target(target, central);
        node.last = match last.get(&target.name) {
            None if target.here => {
                session.runs().runs(&target.name, 1, None).await?.first().map(|run| Line::of_row(run, None))
            }
            found => found.cloned(),
        };
        nodes.push(node);
    }
    // Whoever is waited for and known to nobody is part of the answer.
    let names: Vec<String> = nodes.iter().flat_map(|node| node.ups.keys().cloned()).collect();
    for name in names {
        if !nodes.iter().any(|node| node.name == name) {
            nodes.push(Node { name, ..Node::default() });
        }
    }
    depths(&mut nodes);
    Ok(nodes)
}

fn of_target(target: &Target, central: Option<&Central>) -> Node {
    let registered = central.and_then(|central| central.space().registered(&target.name));
    let registration = registered.map(|known| &known.registration);
    let condition = registration.and_then(|known| known.executions.as_ref());
    let condition = condition.or_else(|| target.plan.as_ref()?.executions.as_ref());
    let mut ups: BTreeMap<String, String> = match condition {
        Some(condition) => statuses(condition),
        None => target.upstreams.iter().map(|name| (name.clone(), String::new())).collect(),
    };
    // Its own yesterday is no other pipeline.
    ups.remove(&target.name);
    let schedules: &[SchedulePlan] = match (&target.plan, registration) {
        (Some(plan), _) => &plan.schedules,
        (None, Some(registration)) => &registration.schedules,
        (None, None) => &[],
    };
    let mut starts: Vec<String> =
        schedules.iter().filter_map(|plan| Schedule::of_plan(plan).ok()).map(|it| schedule::describe(&it)).collect();
    let by_event = target.plan.as_ref().is_some_and(|plan| !plan.events.is_empty());
    if by_event || registration.is_some_and(|known| known.by_event) {
        starts.push("an event".to_owned());
    }
    Node {
        name: target.name.clone(),
        account: (registered.is_some() || target.plan.is_some()).then(|| target.account.clone()),
        owner: target.owner.clone().or_else(|| registration?.owner.clone()),
        ups,
        starts,
        last: None,
        paused: registered.is_some_and(|known| known.paused),
        depth: 0,
    }
}

/// Upstream pipelines with the statuses that count.
fn statuses(condition: &Condition) -> BTreeMap<String, String> {
    let mut ups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for leaf in condition.leaves() {
        ups.entry(leaf.pipeline.clone()).or_default().extend(leaf.status.iter().map(|status| status.as_str()));
    }
    let words = |mut statuses: Vec<&str>| {
        statuses.dedup();
        statuses.join(" or ")
    };
    ups.into_iter().map(|(name, statuses)| (name, words(statuses))).collect()
}

/// How far each is from those that wait for nobody; a cycle ends where it began.
fn depths(nodes: &mut [Node]) {
    let places: HashMap<String, usize> = nodes.iter().enumerate().map(|(at, node)| (node.name.clone(), at)).collect();
    let ups: Vec<Vec<usize>> =
        nodes.iter().map(|node| node.ups.keys().filter_map(|name| places.get(name).copied()).collect()).collect();
    // As often as there are pipelines, a longer way is found or there is none left.
    for _ in 0..nodes.len() {
        let mut changed = false;
        for (at, ups) in ups.iter().enumerate() {
            let depth = ups.iter().filter_map(|up| nodes.get(*up)).map(|up| up.depth + 1).max().unwrap_or(0);
            if let Some(node) = nodes.get_mut(at).filter(|node| node.depth < depth && depth < DEEPEST) {
                node.depth = depth;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
}

/// Deeper than anybody's graph: only a cycle gets there.
const DEEPEST: usize = 500;

fn text(nodes: &[Node], now: Timestamp, colour: bool) -> String {
    let accounts = nodes.iter().filter_map(|node| node.account.as_ref());
    let several = accounts.collect::<std::collections::BTreeSet<_>>().len() > 1;
    let mut table = Table::new(&["PIPELINE", "OWNER", "ACCOUNT", "LAST", "STATUS", "", "STARTS"]);
    for node in nodes {
        let (last, status, tone, ago) = match &node.last {
            Some(line) => {
                let at = line.ended_at.or(line.at());
                let ago = at.map(|at| format!("{} ago", took(now.duration_since(at).as_secs_f64())));
                (
                    line.run.id.partition.clone(),
                    line.status.as_str(),
                    Some(line::tone(line.status)),
                    ago.unwrap_or_default(),
                )
            }
            None if node.account.is_none() => (String::new(), "not deployed", Some(Tone::Odd), String::new()),
            None => (String::new(), "never ran", None, String::new()),
        };
        table.row([
            Cell::new(format!("{}{}", "  ".repeat(node.depth), node.name)),
            Cell::new(node.owner.clone().unwrap_or_default()),
            Cell::new(if several { node.account.clone().unwrap_or_default() } else { String::new() }),
            Cell::new(last),
            Cell::new(status).tone(tone),
            Cell::new(ago),
            Cell::new(starts(node)),
        ]);
    }
    table.text("", colour)
}

/// `after listings SUCCEEDED and searches SUCCEEDED; paused`.
fn starts(node: &Node) -> String {
    let up = |(name, status): (&String, &String)| format!("{name} {status}").trim_end().to_owned();
    let ups: Vec<String> = node.ups.iter().map(up).collect();
    let mut words = node.starts.clone();
    if !ups.is_empty() {
        words.push(format!("after {}", ups.join(", ")));
    }
    if node.paused {
        words.push("paused".to_owned());
    }
    words.join("; ")
}

fn drawing(nodes: &[Node], here: &Here) -> Drawing {
    let mut drawing = Drawing { title: format!("space {}", here.environment.space), ..Drawing::default() };
    for node in nodes {
        let look = if node.account.is_some() { Look::Plain } else { Look::Foreign };
        let account = node.account.as_ref().map(|account| format!("account {account}")).unwrap_or_default();
        let last =
            node.last.as_ref().map(|line| format!("{} {}", line.run.id.partition, line.status)).unwrap_or_default();
        let owner = node.owner.as_ref().map(|owner| format!("owner {owner}")).unwrap_or_default();
        drawing.nodes.push(Shape::new(&node.name, &node.name, look).line(owner).line(account).line(last));
        drawing.arrows.extend(node.ups.iter().map(|(up, status)| Arrow::new(up, &node.name).label(status)));
    }
    drawing
}

fn json(nodes: &[Node], here: &Here) -> Value {
    let one = |node: &Node| {
        let ups: Vec<Value> =
            node.ups.iter().map(|(name, status)| json!({ "pipeline": name, "status": status })).collect();
        json!({
            "pipeline": node.name,
            "account": node.account,
            "owner": node.owner,
            "upstreams": ups,
            "starts": node.starts,
            "paused": node.paused,
            "last": node.last.as_ref().map(Line::json),
        })
    };
    json!({ "space": here.environment.space, "pipelines": nodes.iter().map(one).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::run::{Source, Status};

    fn node(name: &str, account: Option<&str>, ups: &[&str]) -> Node {
        Node {
            name: name.to_owned(),
            account: account.map(str::to_owned),
            ups: ups.iter().map(|name| ((*name).to_owned(), "SUCCEEDED".to_owned())).collect(),
            ..Node::default()
        }
    }

    fn nodes() -> Vec<Node> {
        let mut nodes = vec![
            node("listings", Some("111111111111"), &[]),
            node("searches", None, &[]),
            node("pipeline-x", Some("333333333333"), &["listings", "searches"]),
            node("report", Some("333333333333"), &["pipeline-x"]),
        ];
        let ended = "2026-11-22T03:12:00Z".parse().ok();
        nodes[0].last = Some(Line {
            run: "listings/2026-11-21/1".parse().unwrap(),
            account: None,
            status: Status::Succeeded,
            source: Source::Schedule,
            claimed_at: None,
            started_at: ended,
            ended_at: ended,
            note: None,
        });
        nodes[0].starts = vec!["at 03:00".to_owned()];
        nodes[3].paused = true;
        depths(&mut nodes);
        nodes
    }

    #[test]
    fn upstreams_come_first_and_further_left() {
        let expected = "PIPELINE      ACCOUNT       LAST        STATUS                    STARTS
listings      111111111111  2026-11-21  SUCCEEDED     2h 00m ago  at 03:00
searches                                not deployed
  pipeline-x  333333333333              never ran                 after listings SUCCEEDED, searches SUCCEEDED
    report    333333333333              never ran                 after pipeline-x SUCCEEDED; paused
";
        assert_eq!(text(&nodes(), "2026-11-22T05:12:00Z".parse().unwrap(), false), expected);
    }

    #[test]
    fn a_cycle_has_an_end() {
        let mut nodes = vec![node("a", None, &["b"]), node("b", None, &["a"])];
        depths(&mut nodes);
        assert!(nodes.iter().all(|node| node.depth <= DEEPEST));
    }

    #[test]
    fn a_name_alone_means_its_surroundings() {
        assert_eq!((around("a").as_str(), around("a+").as_str()), ("+a+", "a+"));
    }
}
