//! The answer as text: the first line, the tree, whose turn it is, the runs.

use super::story::{Story, holds, place, which};
use super::turns::Root;
use crate::cli::aws::{Tone, moment, tint};
use crate::cli::runs::line;
use crate::cli::status::in_zones;
use crate::cli::table::{Cell, Table};
use crate::control::condition::Condition;
use crate::control::trigger::explain::{Branch, LeafState, Seen, Verdict};
use crate::control::trigger::fact::Version;

/// Partitions of one leaf that are listed.
const LISTED: usize = 6;

/// The whole answer.
pub fn text(story: &Story, colour: bool) -> String {
    let head = story.headline();
    let mut out =
        format!("{}/{}  {}  {}\n", story.pipeline, story.label, tint(colour, head.tone, head.word), head.says);
    let explanation = story.explanation.as_ref();
    if let Some(tree) = explanation.and_then(|explanation| explanation.tree.as_ref()) {
        out += &format!("\n  what it waits for\n{}", drawn(tree, story, colour));
    }
    out += &turns(story);
    out += &fire(story);
    out += &due(story);
    if !story.runs.is_empty() {
        out += &format!("\n  its runs\n{}", runs(story, colour));
    }
    out
}

/// The tree, each node with whether it holds.
fn drawn(tree: &Branch, story: &Story, colour: bool) -> String {
    let mut table = Table::new(&[]);
    draw(tree, "", "", story, &mut table);
    table.text("    ", colour)
}

fn draw(branch: &Branch, first: &str, rest: &str, story: &Story, table: &mut Table) {
    let mark = |holds: bool| if holds { "✓" } else { "✗" };
    let (title, inner) = match branch {
        Branch::All(_, inner) => ("all of", inner),
        Branch::Any(_, inner) => ("any of", inner),
        Branch::Leaf(state) => return leaf(state, first, rest, story, table),
    };
    let tone = if holds(branch) { Tone::Good } else { Tone::Odd };
    table.row([Cell::new(format!("{first}{} {title}", mark(holds(branch)))).tone(Some(tone))]);
    for (at, one) in inner.iter().enumerate() {
        let (corner, line) = if at + 1 == inner.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        draw(one, &format!("{rest}{corner}"), &format!("{rest}{line}"), story, table);
    }
}

fn leaf(state: &LeafState, first: &str, rest: &str, story: &Story, table: &mut Table) {
    let mark = if state.holds { "✓" } else { "✗" };
    let words = Condition::Leaf(state.leaf.clone()).words().join(" ");
    let tone = Some(if state.holds { Tone::Good } else { Tone::Odd });
    let title = Cell::new(format!("{first}{mark} {words}")).tone(tone);
    match state.partitions.as_slice() {
        [seen] => {
            let cells = seen_cells(seen, story);
            table.row(std::iter::once(title).chain(cells));
        }
        several => {
            let hold = several.iter().filter(|seen| seen.holds).count();
            table.row([title, Cell::new(format!("{hold} of {} hold", several.len()))]);
            let unmet: Vec<&Seen> = several.iter().filter(|seen| !seen.holds).collect();
            for seen in unmet.iter().take(LISTED) {
                table.row(std::iter::once(Cell::new(format!("{rest}  "))).chain(seen_cells(seen, story)));
            }
            if unmet.len() > LISTED {
                table.row([Cell::new(format!("{rest}  ")), Cell::new(format!("and {} more", unmet.len() - LISTED))]);
            }
        }
    }
    if let Some(behind) = &state.behind {
        let (has, newest) = (number(behind.has), number(behind.newest));
        let runs = format!("{}/{}", behind.pipeline, behind.label);
        let says = format!("{rest}  rests on {runs}/{has}, another on {runs}/{newest}");
        let first: Vec<String> =
            behind.waits_for.iter().map(|(pipeline, label)| format!("{pipeline}/{label}")).collect();
        let then = if first.is_empty() {
            "nobody is going to run on the newer one, so this counts as false".to_owned()
        } else {
            format!("{} runs first", first.join(", "))
        };
        table.row([Cell::new(says), Cell::new(then)]);
    }
}

fn number(version: Version) -> u32 {
    version.number
}

fn seen_cells(seen: &Seen, story: &Story) -> [Cell; 4] {
    let tone = seen.status.map(line::tone);
    let word = seen.status.map_or_else(|| which(seen), |status| status.as_str().to_owned());
    let since = seen.since.map(|since| format!("for {}", story.ago(since))).unwrap_or_default();
    let marked = seen.mark.as_ref().map(|mark| {
        let why = mark.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("marked by {}{why}", mark.by)
    });
    [Cell::new(place(seen)), Cell::new(word).tone(tone), Cell::new(since), Cell::new(marked.unwrap_or_default())]
}

/// Whose turn it is, two lines each.
fn turns(story: &Story) -> String {
    if story.roots.is_empty() {
        return String::new();
    }
    let mut out = "\n  whose turn it is\n".to_owned();
    for root in &story.roots {
        out += &format!("    {}{} {}\n", whom(root), root.what, root.says);
        let mut waits = Vec::new();
        let mut below = "it";
        for name in root.via.iter().rev() {
            waits.push(format!("{name} waits for {below}"));
            below = name;
        }
        if !waits.is_empty() {
            out += &format!("      {}\n", waits.join(", "));
        }
        if let Some(todo) = &root.todo {
            let there = if root.account.as_ref().is_some_and(|account| *account != story.account) {
                ", typed there"
            } else {
                ""
            };
            out += &format!("      `{todo}`{there}\n");
        }
    }
    if story.roots.iter().any(|root| root.todo.is_some()) {
        out += &format!("    then {} starts by itself\n", story.pipeline);
    }
    out
}

/// `search, account 222222222222: `.
fn whom(root: &Root) -> String {
    match (&root.owner, &root.account) {
        (Some(owner), Some(account)) => format!("{owner} (account {account}): "),
        (None, Some(account)) => format!("account {account}: "),
        (Some(owner), None) => format!("{owner}: "),
        (None, None) => String::new(),
    }
}

/// What started it last.
fn fire(story: &Story) -> String {
    let Some(explanation) = &story.explanation else { return String::new() };
    let Some(fire) = &explanation.fire else {
        let never = matches!(explanation.verdict, Verdict::Waits | Verdict::Settling(_) | Verdict::Due);
        return if never {
            "\n  it has never been started for this partition by what it waits for\n".to_owned()
        } else {
            String::new()
        };
    };
    let run = fire.run.map(|number| format!(", as {}/{}/{number}", story.pipeline, story.label)).unwrap_or_default();
    let mut out = if fire.muted {
        format!("\n  left out at {}, on\n", moment(fire.at))
    } else {
        format!("\n  last started by what it waits for at {}{run}, on\n", moment(fire.at))
    };
    for rest in fire.witness.iter().take(LISTED) {
        let label = rest.label.split('#').next().unwrap_or(&rest.label);
        let redriven = if rest.version.redrives > 0 { ", redriven" } else { "" };
        let changed = if rest.version.changes > 0 { ", overridden" } else { "" };
        out += &format!("    {}/{label}/{}{redriven}{changed}\n", rest.pipeline, rest.version.number);
    }
    if fire.witness.len() > LISTED {
        out += &format!("    and {} more\n", fire.witness.len() - LISTED);
    }
    out
}

fn due(story: &Story) -> String {
    if story.due.is_empty() {
        return String::new();
    }
    let mut out = "\n  when its schedule yields it\n".to_owned();
    for due in story.due.iter().take(LISTED) {
        let past = if due.at <= story.now { format!("{} ago", story.ago(due.at)) } else { "to come".to_owned() };
        out += &format!("    {}, {past}\n", in_zones(due.at, &due.zone));
    }
    out
}

fn runs(story: &Story, colour: bool) -> String {
    let lines: Vec<line::Line> =
        story.runs.iter().map(|run| line::Line { account: None, ..run.clone() }).take(LISTED).collect();
    let text = line::table(&lines, story.now, colour, &str::to_owned);
    text.lines().skip(1).map(|line| format!("    {line}\n")).collect()
}
