//! The answer for programs.

use serde_json::{Value, json};

use super::story::{Story, holds, which};
use crate::cli::runs::line::Line;
use crate::control::trigger::explain::{Branch, LeafState, Seen, Verdict};

/// Everything that the text says, and nothing cut.
pub fn json(story: &Story) -> Value {
    let head = story.headline();
    let explanation = story.explanation.as_ref();
    let roots: Vec<Value> = story
        .roots
        .iter()
        .map(|root| {
            json!({ "what": root.what, "account": root.account, "owner": root.owner, "says": root.says,
                "command": root.todo, "via": root.via })
        })
        .collect();
    json!({
        "pipeline": story.pipeline,
        "partition": story.label,
        "account": story.account,
        "owner": story.owner,
        "state": head.word,
        "says": head.says,
        "verdict": explanation.map(|explanation| verdict(&explanation.verdict)),
        "waitsFor": explanation.and_then(|explanation| explanation.tree.as_ref()).map(branch),
        "turns": roots,
        "lastFire": explanation.and_then(|explanation| explanation.fire.as_ref()),
        "due": story.due.iter().map(|due| due.at.to_string()).collect::<Vec<_>>(),
        "paused": story.paused,
        "runs": story.runs.iter().map(Line::json).collect::<Vec<_>>(),
    })
}

fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::NoTrigger => "noTrigger",
        Verdict::BeforeSince(_) => "beforeSince",
        Verdict::Waits => "waits",
        Verdict::Settling(_) => "settling",
        Verdict::Done => "done",
        Verdict::NotReliedOn => "notReliedOn",
        Verdict::Due => "due",
    }
}

fn branch(branch: &Branch) -> Value {
    let inner = |all: &[Branch]| all.iter().map(self::branch).collect::<Vec<_>>();
    match branch {
        Branch::All(_, all) => json!({ "holds": holds(branch), "allOf": inner(all) }),
        Branch::Any(_, all) => json!({ "holds": holds(branch), "anyOf": inner(all) }),
        Branch::Leaf(state) => leaf(state),
    }
}

fn leaf(state: &LeafState) -> Value {
    let behind = state.behind.as_ref().map(|behind| {
        let first: Vec<String> =
            behind.waits_for.iter().map(|(pipeline, label)| format!("{pipeline}/{label}")).collect();
        json!({ "pipeline": behind.pipeline, "partition": behind.label, "has": behind.has.number,
            "newest": behind.newest.number, "waitsFor": first })
    });
    json!({ "holds": state.holds, "leaf": state.leaf, "partitions": state.partitions.iter().map(seen).collect::<Vec<_>>(),
        "behind": behind })
}

fn seen(seen: &Seen) -> Value {
    let mark = seen.mark.as_ref().map(|mark| json!(mark));
    json!({
        "pipeline": seen.pipeline,
        "partition": seen.label,
        "number": seen.run.map(|version| version.number),
        "status": seen.status.map(|status| status.as_str()),
        "since": seen.since.map(|since| since.to_string()),
        "holds": seen.holds,
        "says": (!seen.holds).then(|| which(seen)),
        "mark": mark,
    })
}
