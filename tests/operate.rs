//! Operating pipelines from the command line, in one account without a central one: what ran, why, again, not now, stop.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // Tests may touch the world.

mod support;

use serde_json::Value;
use support::{ACCOUNT, Emulator, Project};

const PROJECT: &str = "project: operate\nenvironments:\n  prod: { account: \"111111111111\", region: eu-central-1 }\n";

/// `#` is the name.
const HEAD: &str = "name: #
owner: core
partition: { by: day }
compute: { cluster: { emr: { release: emr-7.5.0, primary: { type: m6g.xlarge } } } }
";

const QUICK: &str =
    "steps:\n  - { name: work, shell: { command: [bash, -c, 'test {{ run.partition }} != 2026-11-13'] } }\n";
const SLOW: &str = "steps:\n  - { name: work, shell: { command: [sleep, \"90\"] } }\n";

/// An account in which two pipelines are deployed: `quick`, which fails on the thirteenth, and `slow`.
struct Account {
    emulator: Emulator,
    project: Project,
    aws: Vec<(String, String)>,
}

impl Account {
    fn set_up() -> Self {
        let emulator = Emulator::start(&[]);
        let written = |(name, body): (&str, &str)| (format!("{name}/pipeline.yaml"), HEAD.replace('#', name) + body);
        let mut files: Vec<(String, String)> = [("quick", QUICK), ("slow", SLOW)].map(written).into();
        files.push(("dpc.yaml".to_owned(), PROJECT.to_owned()));
        let project = Project::of(&files);
        let aws = emulator.credentials(ACCOUNT);
        project.dpc(&["setup", "account", "--yes"], &aws).exits(0);
        project.dpc(&["deploy", "--yes"], &aws).exits(0);
        Self { emulator, project, aws }
    }

    fn dpc(&self, words: &str) -> support::Ran {
        self.project.dpc(&words.split(' ').collect::<Vec<_>>(), &self.aws)
    }

    fn json(&self, words: &str) -> Value {
        let ran = self.dpc(&format!("{words} --format json")).exits(0);
        serde_json::from_str(&ran.stdout).unwrap()
    }
}

#[test]
fn an_account_is_operated_from_the_command_line() {
    let account = Account::set_up();
    account.dpc("runs").exits(0).says("none has run yet");
    account.dpc("run quick --partition 2026-11-12").exits(0);
    account.dpc("run quick --partition 2026-11-13").exits(1);
    account.dpc("run slow --partition 2026-11-12 --no-follow").exits(0);
    account.dpc("run slow --partition 2026-11-11 --no-follow").exits(0);
    listed(&account);
    shown(&account);
    explained(&account);
    stopped(&account);
    paused(&account);
    rerun(&account);
    backfilled(&account);
    account.emulator.nothing_was_denied();
}

fn listed(account: &Account) {
    let all = account.dpc("runs").exits(0).stdout;
    assert!(all.contains("quick/2026-11-13/1  FAILED"), "{all}");
    assert!(all.contains("behind slow/2026-11-12/1, which is at work"), "{all}");
    let status = account.dpc("status slow").exits(0).stdout;
    assert!(status.contains("behind slow/2026-11-12/1, which is at work"), "{status}");
    let failed = account.json("runs --status failed --since 1d");
    assert_eq!(failed["runs"].as_array().unwrap().len(), 1, "{failed}");
    assert_eq!(failed["runs"][0]["run"], "quick/2026-11-13/1");
    let week = account.dpc("runs owner:core --partition 2026-W46 --limit 1").exits(0).says("there are more");
    assert_eq!(week.stdout.lines().count(), 2, "{}", week.stdout);
    let grid = account.dpc("runs --grid --partition 2026-11-11..2026-11-14").exits(0).stdout;
    assert!(grid.contains("quick  -.F-\n"), "{grid}");
    account.dpc("runs status:failed").exits(0);
    account.dpc("runs quik").exits(1).says("did you mean `quick`?");
    account.dpc("runs --partition 2026-11-14..2026-11-11").exits(2).says("it ends before it begins");
    account.dpc("runs --account 222222222222").exits(1).says("no central account");
}

fn shown(account: &Account) {
    let shown = account.dpc("runs show quick/2026-11-13").exits(0).stdout;
    assert!(
        shown.contains("a person, by `dpc run`") && shown.contains("dpc rerun quick --partition 2026-11-13"),
        "{shown}"
    );
    assert!(shown.contains("step `work` failed"), "{shown}");
    let shown = account.json("runs show slow/2026-11-11/1");
    assert_eq!((&shown["status"], &shown["waitsFor"]), (&"QUEUED".into(), &"slow/2026-11-12/1".into()));
    account.dpc("runs show quick/2026-11-13/9").exits(1).says("DPC752");
}

fn explained(account: &Account) {
    let why = account.dpc("why quick --partition 2026-11-13").exits(0).stdout;
    assert!(why.starts_with("quick/2026-11-13  FAILED  quick/2026-11-13/1 ended"), "{why}");
    let why = account.dpc("why slow --partition 2026-11-11").exits(0).stdout;
    assert!(why.starts_with("slow/2026-11-11  QUEUED") && why.contains("behind slow/2026-11-12/1"), "{why}");
    let why = account.json("why quick --partition 2026-11-20");
    assert_eq!(why["state"], "NEVER", "{why}");
    account.dpc("why quick --partition 2026-11").exits(1).says("DPC760");
    let lineage = account.dpc("lineage").exits(0).says("no central account").stdout;
    assert!(lineage.contains("quick") && lineage.contains("FAILED"), "{lineage}");
    assert!(account.dpc("lineage quick --format mermaid").exits(0).stdout.starts_with("flowchart"));
    account.dpc("mark quick --partition 2026-11-13 --status succeeded --why known").exits(1).says("central account");
    account.dpc("runs ignore quick/2026-11-13/1").exits(1).says("central account");
}

fn stopped(account: &Account) {
    account.dpc("stop slow/2026-11-11 --why mistake").exits(0).says("Stopped slow/2026-11-11/1  it was queued");
    account.dpc("stop slow/2026-11-12/1").exits(0).says("slow/2026-11-12/1");
    account.dpc("stop quick/2026-11-12").exits(1).says("has ended");
    let shown = account.dpc("runs show slow/2026-11-11/1").exits(0).stdout;
    assert!(shown.contains("ABORTED") && shown.contains("mistake"), "{shown}");
}

fn paused(account: &Account) {
    account.dpc("pause quick --why migration").exits(0).says("Paused quick");
    account.dpc("pause quick").exits(0).says("Was paused quick").says("migration");
    let why = account.dpc("why quick --partition 2026-11-20").exits(0).stdout;
    assert!(why.contains("PAUSED") && why.contains("migration"), "{why}");
    account.dpc("resume quick").exits(0).says("it has missed nothing");
    account.dpc("resume quick").exits(0).says("Not paused");
}

/// Waits until a batch is over, and returns it.
fn over(account: &Account, id: &str) -> Value {
    for _ in 0..120 {
        let batch = account.json(&format!("backfill show {id}"));
        if ["DONE", "CANCELLED", "REFUSED"].iter().any(|state| batch["state"] == *state) {
            return batch;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    panic!("{id} does not end: {}", account.json(&format!("backfill show {id}")));
}

fn rerun(account: &Account) {
    let upside_down = account.dpc("rerun quick --partition 2026-11-21..2026-11-01 --yes");
    upside_down.exits(1).matches_text_of("DPC760", &[]);
    let asked = account.dpc("rerun quick --partition 2026-11-12,2026-11-13").exits(1).says("asks before it writes");
    assert!(asked.stderr.contains("2026-11-12..2026-11-13  asked for"), "{}", asked.stderr);
    account.dpc("rerun quick").exits(1).says("which partitions of `quick`");
    let begun = account.json("rerun quick/2026-11-13/1 --yes --why mended");
    let id = begun["batches"][0]["id"].as_str().unwrap();
    assert_eq!(over(account, id)["ended"]["FAILED"], 1);
    let shown = account.dpc("runs show quick/2026-11-13/2").exits(0).stdout;
    assert!(shown.contains("a person, by `dpc rerun`"), "{shown}");
}

fn backfilled(account: &Account) {
    let begun = account.json("backfill quick --from 2026-11-12 --to 2026-11-16 --yes --max-active 2");
    assert_eq!(begun["affected"][0]["partitions"].as_array().unwrap().len(), 3, "{begun}");
    let id = begun["batches"][0]["id"].as_str().unwrap();
    assert_eq!(over(account, id)["ended"]["SUCCEEDED"], 3);
    let list = account.dpc("backfill list").exits(0).stdout;
    assert!(list.contains(id) && list.contains("3/3") && list.lines().count() == 3, "{list}");
    account.dpc("backfill quick --from 2026-11-12 --to 2026-11-16 --yes").exits(0).says("every partition from");
    account.dpc("backfill quick --from 2026-11-12 --to 2026-11-16 --only failed --dry-run").exits(0).says("1 run");
    account.dpc("backfill quick --from 2026-11-12 --to 2026-02-30 --yes").exits(1).says("not in the calendar");
    account.dpc("backfill show bf-nowhere").exits(1).says("no rerun or backfill");
    // Really cancelled: what is at work is stopped, what is queued leaves the queue, the rest never starts.
    let begun = account.json("backfill slow --from 2026-10-01 --to 2026-10-20 --yes --downstream none");
    let id = begun["batches"][0]["id"].as_str().unwrap();
    account.dpc(&format!("backfill cancel {id} --stop")).exits(0);
    let cancelled = over(account, id);
    assert_eq!(cancelled["state"], "CANCELLED", "{cancelled}");
    assert!(cancelled["started"].as_u64().unwrap() < 20, "{cancelled}");
}
