use jiff::Timestamp;

use super::due::Due;
use super::story::Story;
use super::turns::Root;
use super::{json, text};
use crate::cli::runs::line::Line;
use crate::control::condition::Leaf;
use crate::control::partition::Offset;
use crate::control::run::{Source, Status};
use crate::control::trigger::explain::{Behind, Branch, Explanation, LeafState, Seen, Turn, Verdict};
use crate::control::trigger::fact::{FireRecord, Rest, Signed, Version};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn version(number: u32) -> Version {
    Version { number, ..Version::default() }
}

fn seen(pipeline: &str, label: &str, number: u32, status: Option<Status>, turn: Option<Turn>) -> Seen {
    Seen {
        pipeline: pipeline.into(),
        label: label.into(),
        run: (number > 0).then(|| version(number)),
        status,
        since: (number > 0).then(|| at("2026-11-22T04:12:00Z")),
        holds: turn.is_none(),
        turn,
        mark: None,
    }
}

fn leaf(pipeline: &str, partitions: Vec<Seen>) -> Branch {
    let own = Leaf { pipeline: pipeline.into(), status: vec![Status::Succeeded], offset: Offset::ZERO, last: None };
    let holds = partitions.iter().all(|seen| seen.holds);
    Branch::Leaf(Box::new(LeafState { leaf: own, holds, partitions, behind: None }))
}

fn story(verdict: Verdict, tree: Option<Branch>) -> Story {
    Story {
        pipeline: "pipeline-x".into(),
        label: "2026-11-21".into(),
        account: "333333333333".into(),
        owner: Some("rent".into()),
        explanation: Some(Explanation { tree, verdict, fire: None }),
        unasked: false,
        runs: Vec::new(),
        due: Vec::new(),
        has_rate: false,
        has_schedule: false,
        by_event: false,
        pause: None,
        paused: false,
        roots: Vec::new(),
        now: at("2026-11-22T07:22:00Z"),
        flag: " --env prod".into(),
    }
}

fn run(number: u32, status: Status) -> Line {
    Line {
        run: format!("pipeline-x/2026-11-21/{number}").parse().unwrap(),
        account: None,
        status,
        source: Source::Trigger,
        claimed_at: None,
        started_at: Some(at("2026-11-22T07:00:00Z")),
        ended_at: status.is_terminal().then(|| at("2026-11-22T07:10:00Z")),
        note: None,
    }
}

fn first(story: &Story) -> String {
    let head = story.headline();
    format!("{} {}", head.word, head.says)
}

fn half() -> Branch {
    Branch::All(
        false,
        vec![
            leaf("listings", vec![seen("listings", "2026-11-21", 2, Some(Status::Succeeded), None)]),
            leaf(
                "searches",
                vec![seen("searches", "2026-11-21", 1, Some(Status::Failed), Some(Turn::Ended(Status::Failed)))],
            ),
        ],
    )
}

#[test]
fn at_two_in_the_morning() {
    let mut story = story(Verdict::Waits, Some(half()));
    story.roots = vec![Root {
        what: "searches/2026-11-21/1".into(),
        account: Some("222222222222".into()),
        owner: Some("search".into()),
        says: "ended FAILED 3h 10m ago, and nothing reruns it by itself".into(),
        todo: Some("dpc rerun searches --partition 2026-11-21".into()),
        via: Vec::new(),
    }];
    let expected = "pipeline-x/2026-11-21  WAITS  for searches/2026-11-21/1, which ended FAILED

  what it waits for
    ✗ all of
    ├─ ✓ listings has SUCCEEDED  listings/2026-11-21/2  SUCCEEDED  for 3h 10m
    └─ ✗ searches has SUCCEEDED  searches/2026-11-21/1  FAILED     for 3h 10m

  whose turn it is
    search (account 222222222222): searches/2026-11-21/1 ended FAILED 3h 10m ago, and nothing reruns it by itself
      `dpc rerun searches --partition 2026-11-21`, typed there
    then pipeline-x starts by itself

  it has never been started for this partition by what it waits for
";
    assert_eq!(text::text(&story, false), expected);
    let json = json::json(&story);
    assert_eq!((&json["state"], &json["verdict"]), (&"WAITS".into(), &"waits".into()));
    assert_eq!(json["waitsFor"]["allOf"][1]["partitions"][0]["says"], "ended FAILED");
}

#[test]
fn what_waits_behind_others_says_through_whom() {
    let mut story = story(Verdict::Waits, Some(leaf("b", vec![seen("b", "2026-11-21", 0, None, Some(Turn::NotRun))])));
    assert_eq!(first(&story), "WAITS for b/2026-11-21, which has not run");
    story.roots = vec![Root {
        what: "raw/2026-11-21".into(),
        account: Some("333333333333".into()),
        owner: None,
        says: "has not run yet: its schedule comes at 2026-11-22 09:00 UTC, in 1h 38m".into(),
        todo: None,
        via: vec!["b".into(), "c".into()],
    }];
    let text = text::text(&story, false);
    assert!(text.contains("    account 333333333333: raw/2026-11-21 has not run yet"), "{text}");
    assert!(text.contains("      c waits for it, b waits for c\n"), "{text}");
    assert!(!text.contains("starts by itself"), "{text}");
}

#[test]
fn many_partitions_are_counted_and_the_first_are_named() {
    let hour = |hour: u32| {
        let label = format!("2026-11-21T{hour:02}Z");
        match hour {
            7 => seen("clicks", &label, 1, Some(Status::Failed), Some(Turn::Ended(Status::Failed))),
            0..12 => seen("clicks", &label, 1, Some(Status::Succeeded), None),
            _ => seen("clicks", &label, 0, None, Some(Turn::NotRun)),
        }
    };
    let story = story(Verdict::Waits, Some(leaf("clicks", (0..24).map(hour).collect())));
    let says = first(&story);
    assert_eq!(says, "WAITS for 13 of 24 partitions of clicks, the first of them 2026-11-21T07Z, which ended FAILED");
    let text = text::text(&story, false);
    assert!(text.contains("✗ clicks has SUCCEEDED  11 of 24 hold") && text.contains("and 7 more"), "{text}");
}

#[test]
fn what_has_run_says_on_what() {
    let mut story = story(
        Verdict::Done,
        Some(leaf("listings", vec![seen("listings", "2026-11-21", 2, Some(Status::Succeeded), None)])),
    );
    let rest = Rest {
        pipeline: "listings".into(),
        label: "2026-11-21".into(),
        version: version(2),
        window: None,
        alone: false,
    };
    let fire = FireRecord {
        rev: 1,
        hash: "h".into(),
        witness: vec![rest],
        at: at("2026-11-22T07:00:00Z"),
        published: true,
        muted: false,
        run: Some(1),
        downstream: None,
        brought: None,
        before: Vec::new(),
        generation: 1,
    };
    story.explanation.as_mut().unwrap().fire = Some(fire.clone());
    story.runs = vec![run(1, Status::Succeeded)];
    assert_eq!(
        first(&story),
        "SUCCEEDED pipeline-x/2026-11-21/1 has run on the newest of everything that it waits for"
    );
    let text = text::text(&story, false);
    assert!(text.contains(", as pipeline-x/2026-11-21/1, on\n    listings/2026-11-21/2\n"), "{text}");
    story.runs = vec![run(1, Status::Failed)];
    assert!(first(&story).starts_with("FAILED pipeline-x/2026-11-21/1 has run on the newest"));
    assert!(first(&story).ends_with("`dpc rerun pipeline-x --partition 2026-11-21 --env prod` runs it again"));
    // On its way, and then for too long.
    story.runs.clear();
    let pending = |at| FireRecord { run: None, at, ..fire.clone() };
    story.explanation.as_mut().unwrap().fire = Some(pending(at("2026-11-22T07:21:58Z")));
    assert!(first(&story).starts_with("STARTING its start was decided 2s ago"));
    story.explanation.as_mut().unwrap().fire = Some(pending(at("2026-11-22T07:00:00Z")));
    assert!(first(&story).starts_with("STUCK"));
    let muted = FireRecord { muted: true, run: None, ..fire };
    story.explanation.as_mut().unwrap().fire = Some(muted);
    assert!(first(&story).starts_with("NOT ASKED"));
}

#[test]
fn two_versions_of_one_upstream_are_named() {
    let mut tree = half();
    let Branch::All(_, inner) = &mut tree else { panic!("it is one") };
    let Some(Branch::Leaf(state)) = inner.first_mut() else { panic!("it is one") };
    state.holds = false;
    state.behind = Some(Behind {
        pipeline: "raw".into(),
        label: "2026-11-21".into(),
        has: version(1),
        newest: version(2),
        waits_for: vec![("listings".into(), "2026-11-21".into())],
    });
    let story = story(Verdict::Settling(vec![("listings".into(), "2026-11-21".into())]), Some(tree));
    assert!(first(&story).starts_with("WAITS for listings/2026-11-21 to run on the newest data"));
    let text = text::text(&story, false);
    assert!(text.contains("rests on raw/2026-11-21/1, another on raw/2026-11-21/2"), "{text}");
    assert!(text.contains("listings/2026-11-21 runs first"), "{text}");
}

#[test]
fn a_schedule_comes_is_missed_or_never_was() {
    let due = |at: Timestamp| Due { at, zone: "Europe/Berlin".into() };
    let mut story = Story { has_schedule: true, ..story(Verdict::NoTrigger, None) };
    story.due = vec![due(at("2026-11-22T09:00:00Z"))];
    assert_eq!(first(&story), "WAITS for its schedule: 2026-11-22 10:00 CET (09:00 UTC), in 1h 38m");
    story.due = vec![due(at("2026-11-22T07:20:00Z"))];
    assert!(first(&story).starts_with("DUE its schedule came 2m 00s ago"));
    story.due = vec![due(at("2026-11-22T05:00:00Z"))];
    assert!(first(&story).starts_with("MISSED its schedule was due 2h 22m ago") && first(&story).contains("the sweep"));
    story.due = vec![due(at("2026-11-20T05:00:00Z"))];
    assert!(first(&story).contains("more than a day ago") && first(&story).contains("`dpc run pipeline-x"));
    story.due.clear();
    assert!(first(&story).starts_with("NEVER by itself: no schedule"));
    story.has_schedule = false;
    assert!(first(&story).contains("no schedule and no trigger"));
    story.by_event = true;
    assert_eq!(first(&story), "WAITS for an event that starts it");
}

#[test]
fn pauses_queues_and_skips_come_first() {
    let mut story = story(Verdict::Waits, Some(half()));
    story.paused = true;
    story.pause = Some(Signed { by: "ada".into(), why: Some("migration".into()), at: at("2026-11-21T00:00:00Z") });
    assert!(first(&story).starts_with("PAUSED since 2026-11-21"), "{}", first(&story));
    assert!(
        first(&story).contains("by ada (migration)") && first(&story).contains("`dpc resume pipeline-x --env prod`")
    );
    story.runs = vec![run(2, Status::Queued)];
    story.runs[0].note = Some("behind pipeline-x/2026-11-20/1, which is at work".into());
    assert!(
        first(&story)
            .starts_with("QUEUED pipeline-x/2026-11-21/2 is queued for 22m 00s: behind pipeline-x/2026-11-20/1")
    );
    story.runs = vec![run(2, Status::Running)];
    assert_eq!(first(&story), "RUNNING pipeline-x/2026-11-21/2 is at work for 22m 00s");
    let mut never = Story { unasked: true, explanation: None, ..story };
    never.runs.clear();
    never.paused = false;
    assert!(first(&never).starts_with("UNKNOWN"));
}

#[test]
fn one_of_several_is_said_as_such() {
    let missing = |name: &str| leaf(name, vec![seen(name, "2026-11-21", 0, None, Some(Turn::Unregistered))]);
    let tree = Branch::Any(false, vec![missing("a"), missing("b")]);
    let story = story(Verdict::Waits, Some(tree));
    assert_eq!(
        first(&story),
        "WAITS for one of these: a/2026-11-21, which is not deployed in this space, or b/2026-11-21, which is not deployed in this space"
    );
}
