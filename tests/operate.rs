//! Operating pipelines from the command line, in one account without a central one: what ran, why, again, not now, stop.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::indexing_slicing)] // Tests may touch the world.

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
const SLOW: &str = "steps:\n  - { name: work, shell: { command: [sleep, \"20\"] } }\n";

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
