//! Pipelines that start one another across accounts, end to end: three teams, the central account, everything deployed by dpc.
//!
//! One setup for all cases; each case has days or pipelines of its own, so that none disturbs another. Days lie years ahead,
//! because a pipeline never starts by itself for what was before its registration.

#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)] // Tests may touch the world.

mod support;
#[path = "support/world.rs"]
mod world;

use serde_json::{Value, json};
use world::{CENTRAL, Repository, World};

const A: &str = "111111111111";
const B: &str = "222222222222";
const C: &str = "333333333333";

/// A step that takes no time and fails the first run of these partitions.
fn steps(failing: &str) -> String {
    let fails = "{ StartAt: Told, States: { Told: { Type: Fail, Error: Told, Cause: no input for this day } } }";
    format!(
        "steps:\n  - {{ name: work, state: {{ definition: {{ Type: Pass }} }} }}\n  - name: deliver\n    needs: [work]\n    \
         when: \"{{{{ run.number == 1 and run.partition in [{failing}] }}}}\"\n    \
         state: {{ definition: {{ Type: Parallel, Branches: [{fails}] }} }}\n"
    )
}

fn pipeline(partition: &str, triggers: &str, failing: &str) -> String {
    format!("partition: {partition}\n{triggers}\n{}", steps(failing))
}

fn by_schedule(cron: &str) -> String {
    format!("triggers: {{ schedule: {{ cron: \"{cron}\", timezone: Europe/Berlin }} }}")
}

fn waits(condition: &str) -> String {
    format!("triggers: {{ executions: {{ {condition} }} }}")
}

const DAILY: &str = "{ by: day, timezone: Europe/Berlin }";
const DAY_BEFORE: &str = "{ by: day, offset: -1d, timezone: Europe/Berlin }";
const UTC_DAY: &str = "{ by: day }";

fn repositories() -> Vec<Repository> {
    let both = "allOf: [{ pipeline: listings, status: SUCCEEDED }, { pipeline: searches, status: SUCCEEDED }]";
    let either = "anyOf: [{ pipeline: prices, status: SUCCEEDED }, { pipeline: prices-fallback, status: SUCCEEDED }]";
    let diamond = "allOf: [{ pipeline: raw, status: SUCCEEDED }, { pipeline: refined, status: SUCCEEDED }]";
    vec![
        Repository {
            name: "core-data",
            account: A,
            other: None,
            pipelines: vec![
                ("listings", pipeline(DAY_BEFORE, &by_schedule("0 3 * * ? *"), "'2031-01-06'")),
                ("prices", pipeline(UTC_DAY, "", "'2031-02-02'")),
                ("clicks", pipeline("{ by: hour }", &by_schedule("5 0/6 * * ? *").replace("Europe/Berlin", "UTC"), "")),
                ("raw", pipeline(UTC_DAY, "", "")),
            ],
        },
        Repository {
            name: "search",
            account: B,
            other: None,
            pipelines: vec![
                ("searches", pipeline(DAY_BEFORE, &by_schedule("0 5 * * ? *"), "'2031-01-04', '2031-01-06'")),
                ("prices-fallback", pipeline(UTC_DAY, &waits("anyOf: [{ pipeline: prices, status: FAILED }]"), "")),
                ("refined", pipeline(UTC_DAY, &waits("allOf: [{ pipeline: raw, status: SUCCEEDED }]"), "")),
            ],
        },
        Repository {
            name: "rent-journey",
            account: C,
            other: None,
            pipelines: vec![
                ("pipeline-x", pipeline(DAILY, &waits(both), "")),
                ("report", pipeline(UTC_DAY, &waits(either), "")),
                ("clicks-daily", pipeline(UTC_DAY, &waits("allOf: [{ pipeline: clicks, status: SUCCEEDED }]"), "")),
                ("joined", pipeline(UTC_DAY, &waits(diamond), "")),
            ],
        },
    ]
}

#[test]
fn pipelines_start_one_another_across_accounts() {
    let world = World::of(repositories());
    for team in ["core-data", "search", "rent-journey"] {
        world.deploy(team, &[]);
    }
    world.say("eleven pipelines of three teams are deployed");
    every_order_of_completion(&world);
    a_failed_upstream_is_fixed_and_rerun(&world);
    two_days_interleave(&world);
    a_fallback_runs_on_failure_and_gives_way(&world);
    hours_make_a_day(&world);
    an_unequal_diamond_is_rerun_at_its_root(&world);
    doubled_events_change_nothing(&world);
    late_events_change_nothing(&world);
    lost_events_are_found(&world);
    the_central_function_fails_twice(&world);
    a_member_leaves_and_comes_back(&world);
    a_stranger_cannot_speak_for_others(&world);
    two_environments_never_meet(&world);
    world.emulator.nothing_was_denied();
    assert_eq!(world.messages(CENTRAL, "dpc-central-dead-letters.fifo"), 0, "dead letters");
}

/// The day's schedule of an upstream of the case study fires. A run at 03:00 or 05:00 handles the day before.
fn upstream(world: &World, pipeline: &str, day: &str) {
    let next: jiff::civil::Date = day.parse().unwrap();
    let next = next.tomorrow().unwrap();
    let (team, hour) = if pipeline == "listings" { ("core-data", 2) } else { ("search", 4) };
    world.fire(team, pipeline, &format!("{next}T{hour:02}:00:00Z"));
}

/// The statuses of runs of pipeline-x.
fn x(world: &World, day: &str) -> Vec<String> {
    world.runs(C, "pipeline-x", day)
}

#[track_caller]
fn same(found: &[String], expected: &[&str]) {
    assert_eq!(found, expected);
}

fn every_order_of_completion(world: &World) {
    for (day, order) in [("2031-01-01", ["listings", "searches"]), ("2031-01-02", ["searches", "listings"])] {
        upstream(world, order[0], day);
        world.settle();
        same(&x(world, day), &[]);
        upstream(world, order[1], day);
        world.settle();
        same(&x(world, day), &["SUCCEEDED"]);
        world
            .say(&format!("{day}: {} alone starts nothing; after {} pipeline-x/{day}/1 SUCCEEDED", order[0], order[1]));
    }
    std::thread::scope(|scope| {
        for pipeline in ["listings", "searches"] {
            scope.spawn(move || upstream(world, pipeline, "2031-01-03"));
        }
    });
    world.settle();
    same(&x(world, "2031-01-03"), &["SUCCEEDED"]);
    world.say("2031-01-03: both at once: pipeline-x/2031-01-03/1 SUCCEEDED, and no second");
}

fn a_failed_upstream_is_fixed_and_rerun(world: &World) {
    let day = "2031-01-04";
    upstream(world, "listings", day);
    upstream(world, "searches", day);
    world.settle();
    same(&world.runs(B, "searches", day), &["FAILED"]);
    same(&x(world, day), &[]);
    world.run(B, "prod", "searches", day);
    world.settle();
    same(&world.runs(B, "searches", day), &["FAILED", "SUCCEEDED"]);
    same(&x(world, day), &["SUCCEEDED"]);
    world.say("2031-01-04: searches/1 FAILED, nothing starts; searches/2 SUCCEEDED, pipeline-x/1 SUCCEEDED, touched by nobody");

    world.run(A, "prod", "listings", day);
    world.settle();
    same(&x(world, day), &["SUCCEEDED", "SUCCEEDED"]);
    world.say("2031-01-04: listings/2 replaces what pipeline-x has read: pipeline-x/2 SUCCEEDED");
}

fn two_days_interleave(world: &World) {
    let (one, two) = ("2031-01-06", "2031-01-07");
    upstream(world, "listings", one); // Fails.
    upstream(world, "searches", one); // Fails.
    upstream(world, "listings", two);
    world.settle();
    upstream(world, "searches", two);
    world.settle();
    same(&x(world, one), &[]);
    same(&x(world, two), &["SUCCEEDED"]);
    world.run(B, "prod", "searches", one);
    world.run(A, "prod", "listings", one);
    world.settle();
    same(&x(world, one), &["SUCCEEDED"]);
    same(&x(world, two), &["SUCCEEDED"]);
    world.say("2031-01-06 fails and is rerun after 2031-01-07 is done: each day's pipeline-x runs once, on its own day's upstreams");
}

fn a_fallback_runs_on_failure_and_gives_way(world: &World) {
    world.run(A, "prod", "prices", "2031-02-01");
    world.settle();
    same(&world.runs(B, "prices-fallback", "2031-02-01"), &[]);
    same(&world.runs(C, "report", "2031-02-01"), &["SUCCEEDED"]);
    let day = "2031-02-02";
    world.run(A, "prod", "prices", day);
    world.settle();
    same(&world.runs(A, "prices", day), &["FAILED"]);
    same(&world.runs(B, "prices-fallback", day), &["SUCCEEDED"]);
    same(&world.runs(C, "report", day), &["SUCCEEDED"]);
    world.run(A, "prod", "prices", day);
    world.settle();
    same(&world.runs(B, "prices-fallback", day), &["SUCCEEDED"]);
    same(&world.runs(C, "report", day), &["SUCCEEDED", "SUCCEEDED"]);
    world.say("fallback: prices/1 FAILED, prices-fallback/1 and report/1 run; prices/2 SUCCEEDED, report/2 runs on it");
}

fn hours_make_a_day(world: &World) {
    let day = "2031-03-03";
    let hours = ["00", "06", "12", "18"];
    for hour in hours {
        same(&world.runs(C, "clicks-daily", day), &[]);
        world.run(A, "prod", "clicks", &format!("{day}T{hour}Z"));
        world.settle();
    }
    same(&world.runs(C, "clicks-daily", day), &["SUCCEEDED"]);
    world.run(A, "prod", "clicks", &format!("{day}T06Z"));
    world.settle();
    same(&world.runs(C, "clicks-daily", day), &["SUCCEEDED", "SUCCEEDED"]);
    world.say("hours: clicks-daily waits for the four that the schedule yields; one of them run again, it runs again");
}

fn an_unequal_diamond_is_rerun_at_its_root(world: &World) {
    let day = "2031-02-05";
    world.run(A, "prod", "raw", day);
    world.settle();
    same(&world.runs(B, "refined", day), &["SUCCEEDED"]);
    same(&world.runs(C, "joined", day), &["SUCCEEDED"]);
    world.run(A, "prod", "raw", day);
    world.settle();
    same(&world.runs(B, "refined", day), &["SUCCEEDED", "SUCCEEDED"]);
    same(&world.runs(C, "joined", day), &["SUCCEEDED", "SUCCEEDED"]);
    world.say("diamond: raw/2 makes refined/2, then joined/2, once; joined never read raw/2 beside refined/1");
}

/// The events of one of the three ways on which they can go wrong.
fn ways() -> [(&'static str, Value); 3] {
    [
        ("status events", json!({ "source": ["aws.states"] })),
        ("reports", json!({ "source": ["dpc.account"] })),
        ("triggers", json!({ "source": ["dpc.central"] })),
    ]
}

fn doubled_events_change_nothing(world: &World) {
    let day = "2031-01-10";
    for (_, pattern) in ways() {
        world.fault("events", json!({ "effect": "double", "pattern": pattern, "count": 100 }));
    }
    for _ in 0..2 {
        upstream(world, "listings", day);
        upstream(world, "searches", day);
    }
    world.settle();
    world.emulator.post("/_dpc/faults/clear", "{}");
    for (account, pipeline) in [(A, "listings"), (B, "searches"), (C, "pipeline-x")] {
        same(&world.runs(account, pipeline, day), &["SUCCEEDED"]);
    }
    world.say("2031-01-10: schedules, status events, reports and triggers all delivered twice: one run each");
}

fn late_events_change_nothing(world: &World) {
    for (day, (what, pattern)) in ["2031-01-11", "2031-01-12", "2031-01-13"].into_iter().zip(ways()) {
        world.fault("events", json!({ "effect": "delay", "seconds": 1, "pattern": pattern }));
        upstream(world, "listings", day);
        upstream(world, "searches", day);
        world.settle();
        world.emulator.post("/_dpc/faults/clear", "{}");
        same(&x(world, day), &["SUCCEEDED"]);
        world.say(&format!("{day}: the first of its {what} comes late: pipeline-x runs once"));
    }
}

fn lost_events_are_found(world: &World) {
    let day = "2031-01-14";
    world.fault("drop-status-events", json!({ "stateMachine": "dpc-listings", "statuses": ["SUCCEEDED"] }));
    upstream(world, "searches", day);
    upstream(world, "listings", day);
    world.settle();
    same(&x(world, day), &[]);
    world.age(A, "listings", day, 1);
    world.sweep(A);
    world.settle();
    same(&x(world, day), &["SUCCEEDED"]);
    world.say("2031-01-14: the end of listings is lost: its account's sweep finds it, pipeline-x runs");

    let day = "2031-01-15";
    upstream(world, "searches", day);
    world.settle();
    for code in ["ThrottlingException", "InternalFailure"] {
        world.fault("fail-entry", json!({ "code": code, "detailType": "dpc message", "count": 20 }));
    }
    upstream(world, "listings", day);
    world.settle();
    world.emulator.post("/_dpc/faults/clear", "{}");
    same(&world.runs(A, "listings", day), &["SUCCEEDED"]);
    same(&x(world, day), &[]);
    world.age(A, "listings", day, 1);
    world.sweep(A);
    world.settle();
    same(&x(world, day), &["SUCCEEDED"]);
    world.say("2031-01-15: EventBridge takes no report of listings: the run stays open, the sweep reports it, pipeline-x runs");

    let day = "2031-01-16";
    world.fault("events", json!({ "effect": "drop", "pattern": { "source": ["dpc.central"] } }));
    upstream(world, "searches", day);
    upstream(world, "listings", day);
    world.settle();
    same(&x(world, day), &[]);
    world.sweep(CENTRAL);
    world.settle();
    same(&x(world, day), &[]);
    let done = json!({ "attempts": 1, "publishedAt": jiff::Timestamp::now() - jiff::SignedDuration::from_mins(16) });
    let update = json!({
        "TableName": "dpc-central", "UpdateExpression": "SET done = :done", "ConditionExpression": "attribute_exists(pk)",
        "Key": { "pk": { "S": "FACT#prod#pipeline-x" }, "sk": { "S": format!("{day}#~fire") } },
        "ExpressionAttributeValues": { ":done": { "S": done.to_string() } }
    });
    world.json(CENTRAL, "dynamodb", "DynamoDB_20120810.UpdateItem", &update);
    world.sweep(CENTRAL);
    world.settle();
    same(&x(world, day), &["SUCCEEDED"]);
    world.say(
        "2031-01-16: the trigger is lost: a quarter of an hour later the central sweep sends it again, pipeline-x runs",
    );
}

fn the_central_function_fails_twice(world: &World) {
    for (day, after) in [("2031-01-20", false), ("2031-01-21", true)] {
        upstream(world, "listings", day);
        world.settle();
        world.fault(
            "fail-function",
            json!({ "function": "dpc-central", "account": CENTRAL, "count": 2, "after": after }),
        );
        upstream(world, "searches", day);
        world.settle();
        same(&x(world, day), &["SUCCEEDED"]);
        let when = if after { "after its work" } else { "before its work" };
        world.say(&format!(
            "{day}: the central function dies twice {when}: the queue brings the report again, pipeline-x runs once"
        ));
    }
}

fn a_member_leaves_and_comes_back(world: &World) {
    let day = "2031-01-22";
    world.emulator.post("/_dpc/organization", &json!({ "outsiders": [B] }).to_string());
    upstream(world, "listings", day);
    upstream(world, "searches", day);
    world.settle();
    same(&world.runs(B, "searches", day), &["SUCCEEDED"]);
    same(&x(world, day), &[]);
    world.emulator.post("/_dpc/organization", &json!({ "outsiders": [] }).to_string());
    world.age(B, "searches", day, 1);
    world.sweep(B);
    world.settle();
    same(&x(world, day), &["SUCCEEDED"]);
    world.say("2031-01-22: account B is outside the organisation: searches runs, its report is refused, pipeline-x waits; back, the sweep reports");
}

fn a_stranger_cannot_speak_for_others(world: &World) {
    let day = "2031-01-23";
    upstream(world, "searches", day);
    world.settle();
    let report = json!({
        "version": 1, "id": "spoofed-1", "space": "prod", "dpc": env!("CARGO_PKG_VERSION"), "body": { "run": {
            "pipeline": "listings", "partition": day, "number": 1, "status": "SUCCEEDED", "source": "schedule",
            "key": "2031-01-24T02:00:00Z", "time": "2031-01-24T02:00:00Z" } }
    });
    let bus = format!("arn:aws:events:eu-central-1:{CENTRAL}:event-bus/dpc-central");
    let entry = json!({ "EventBusName": bus, "Source": "dpc.account", "DetailType": "dpc message", "Detail": report.to_string() });
    let answer = world.put_event_as_function(B, &entry);
    assert_eq!(answer["FailedEntryCount"], 0, "the function of a member may report: {answer}");
    world.settle();
    same(&x(world, day), &[]);
    let spoofs = world.rows("SPOOF#");
    assert_eq!(spoofs.len(), 1, "{spoofs:?}");
    world.say("2031-01-23: account B reports listings as SUCCEEDED: refused and recorded, pipeline-x waits");

    // Nobody but an account function reports, not even the root of a member.
    let answer = world.json(B, "events", "AWSEvents.PutEvents", &json!({ "Entries": [entry] }));
    assert_eq!(answer["Entries"][0]["ErrorCode"], "AccessDeniedException", "{answer}");
    // Nor starts anybody but the central function a pipeline.
    let bus = format!("arn:aws:events:eu-central-1:{C}:event-bus/dpc");
    let trigger = json!({
        "EventBusName": bus, "Source": "dpc.central", "DetailType": "dpc trigger", "Detail": json!({
            "version": 1, "space": "prod", "pipeline": "pipeline-x", "source": "trigger", "key": "forged", "partition": day
        }).to_string()
    });
    // Its role does not allow it either; that is noted, and no fault of dpc's.
    world.emulator.nothing_was_denied();
    let answer = world.put_event_as_function(B, &trigger);
    world.emulator.post("/_dpc/denied/clear", "{}");
    assert_eq!(answer["Entries"][0]["ErrorCode"], "AccessDeniedException", "{answer}");
    upstream(world, "listings", day);
    world.settle();
    same(&x(world, day), &["SUCCEEDED"]);
    world.say("2031-01-23: B may not start pipeline-x on C's bus either; the real listings comes, pipeline-x runs");
}

fn two_environments_never_meet(world: &World) {
    let files = [
        (
            "dpc.yaml".to_owned(),
            format!(
                "project: pair\nenvironments:\n  prod: {{ account: \"{A}\", region: eu-central-1 }}\n  \
             dev: {{ account: \"{B}\", region: eu-central-1 }}\n"
            ),
        ),
        ("one/pipeline.yaml".to_owned(), format!("name: one\n{}", pipeline(UTC_DAY, "", ""))),
        (
            "two/pipeline.yaml".to_owned(),
            format!("name: two\n{}", pipeline(UTC_DAY, &waits("allOf: [{ pipeline: one, status: SUCCEEDED }]"), "")),
        ),
    ];
    let project = support::Project::of(&files);
    for (environment, account) in [("prod", A), ("dev", B)] {
        project.dpc(&["deploy", "--yes", "--env", environment], &world.emulator.credentials(account)).exits(0);
    }
    let day = "2031-04-01";
    world.run(B, "dev", "one", day);
    world.settle();
    same(&world.runs(B, "two", day), &["SUCCEEDED"]);
    same(&world.runs(A, "two", day), &[]);
    world.run(A, "prod", "one", day);
    world.settle();
    same(&world.runs(B, "two", day), &["SUCCEEDED"]);
    same(&world.runs(A, "two", day), &["SUCCEEDED"]);
    world.say("dev and prod: `one` in dev starts `two` in dev alone, `one` in prod starts `two` in prod alone");
}

/// The case study alone, operated from three folders: each command is typed where it would be at two in the morning.
#[test]
#[ignore = "takes a minute with a debug binary: cargo test --test central -- --ignored commands"]
fn commands_look_and_reach_across_accounts() {
    let mut teams = repositories();
    for team in &mut teams {
        team.pipelines.retain(|(name, _)| ["listings", "searches", "pipeline-x"].contains(name));
    }
    let world = World::of(teams);
    for team in ["core-data", "search", "rent-journey"] {
        world.deploy(team, &[]);
    }
    let day = "2031-01-04";
    upstream(&world, "listings", day);
    upstream(&world, "searches", day); // Fails.
    world.settle();
    they_look(&world, day);
    // What the answer says to type, where it says to type it.
    world.dpc("search", &["rerun", "searches", "--partition", day, "--yes"]).exits(0).says("pipeline-x");
    world.settle();
    same(&x(&world, day), &["SUCCEEDED"]);
    let why = world.dpc("rent-journey", &["why", "pipeline-x", "--partition", day]).exits(0).stdout;
    assert!(why.contains("SUCCEEDED  pipeline-x/2031-01-04/1 has run on the newest"), "{why}");
    let shown = world.dpc("rent-journey", &["runs", "show", "pipeline-x/2031-01-04/1"]).exits(0).stdout;
    assert!(shown.contains("listings/2031-01-04/1") && shown.contains("account 222222222222"), "{shown}");
    they_overrule(&world, day);
    they_reach(&world);
    world.emulator.nothing_was_denied();
}

fn they_look(world: &World, day: &str) {
    let why = world.dpc("rent-journey", &["why", "pipeline-x", "--partition", day]).exits(0).stdout;
    world.say(&why);
    assert!(why.starts_with("pipeline-x/2031-01-04  WAITS  for searches/2031-01-04/1, which ended FAILED\n"), "{why}");
    assert!(why.contains("account 222222222222: searches/2031-01-04/1 ended FAILED"), "{why}");
    assert!(why.contains("`dpc rerun searches --partition 2031-01-04`, typed there"), "{why}");
    // From another account the answer is the same; and of a pipeline by schedule there is one, too.
    let there = world.dpc("core-data", &["why", "pipeline-x", "--partition", day]).exits(0).stdout;
    assert_eq!(why.lines().next(), there.lines().next());
    let tomorrow = world.dpc("rent-journey", &["why", "searches", "--partition", "2031-05-01"]).exits(0).stdout;
    assert!(tomorrow.contains("WAITS  for its schedule"), "{tomorrow}");
    let lineage = world.dpc("rent-journey", &["lineage"]).exits(0).stdout;
    world.say(&lineage);
    assert!(lineage.contains("\n  pipeline-x") && lineage.contains("222222222222"), "{lineage}");
    let runs = world.dpc("core-data", &["runs", "listings+", "--partition", day]).exits(0).stdout;
    assert!(runs.contains("listings/2031-01-04/1") && !runs.contains("searches/"), "{runs}");
    let elsewhere = world.dpc("core-data", &["runs", "--account", B, "--partition", day]).exits(0).stdout;
    assert!(elsewhere.contains("searches/2031-01-04/1  FAILED"), "{elsewhere}");
    let foreign = world.dpc("core-data", &["rerun", "searches", "--partition", day, "--yes"]);
    foreign.exits(1).matches_text_of("DPC761", &[]);
}

fn they_overrule(world: &World, day: &str) {
    let mark = ["mark", "searches", "--partition", day, "--status", "FAILED", "--why", "wrong currency"];
    world.dpc("search", &mark).exits(0).says("Marked searches/2031-01-04 as FAILED");
    world.settle();
    let why = world.dpc("rent-journey", &["why", "pipeline-x", "--partition", day]).exits(0).stdout;
    assert!(why.contains("wrong currency"), "{why}");
    world.dpc("search", &["mark", "searches", "--partition", day, "--remove"]).exits(0);
    world.dpc("core-data", &["runs", "ignore", "listings/2031-01-04/1"]).exits(0).says("counts for nobody");
    world.settle();
    let why = world.dpc("rent-journey", &["why", "pipeline-x", "--partition", day]).exits(0).stdout;
    world.say(&why);
    world.dpc("core-data", &["runs", "ignore", "listings/2031-01-04/1", "--restore"]).exits(0).says("counts again");
    world.settle();
    // What is taken back is a new version of the fact, on which nothing has run yet.
    same(&x(world, day), &["SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]);
}

/// A backfill upstream runs each day downstream once, unless it is left out.
fn they_reach(world: &World) {
    let days = ["--from", "2031-03-01", "--to", "2031-03-03", "--yes"];
    let all = world.dpc("search", &[&["backfill", "searches"][..], &days].concat()).exits(0);
    all.says("2031-03-01..2031-03-03  after searches");
    world.settle();
    let left_out = [&["backfill", "listings", "--downstream", "none"][..], &days].concat();
    world.dpc("core-data", &left_out).exits(0).says("stays as it is");
    world.settle();
    same(&x(world, "2031-03-02"), &[]);
    let why = world.dpc("rent-journey", &["why", "pipeline-x", "--partition", "2031-03-02"]).exits(0).stdout;
    world.say(&why);
    let again = ["rerun", "listings", "--partition", "2031-03-01..2031-03-03", "--yes"];
    world.dpc("core-data", &again).exits(0).says("after listings");
    world.settle();
    for day in ["2031-03-01", "2031-03-02", "2031-03-03"] {
        same(&x(world, day), &["SUCCEEDED"]);
    }
}
