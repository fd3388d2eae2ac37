//! `dpc setup` and `dpc uninstall` as whole invocations against the emulator: two accounts, one of them central.
//!
//! Few tests with several acts each: a debug binary takes seconds to be packed as a function.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // Tests may touch the world.

mod support;

use support::{ACCOUNT, Emulator, Project, Stacks};

const CENTRAL: &str = "999999999999";

/// One team's project, in which the platform team's account has an environment too.
fn project(more: &str) -> Project {
    let project = format!(
        "project: core-data\nenvironments:\n  prod: {{ account: \"{ACCOUNT}\", region: eu-central-1 }}\n  \
         platform: {{ account: \"{CENTRAL}\", region: eu-central-1 }}\n{more}"
    );
    let pipeline = "name: listings\nsteps:\n  - { name: note, state: { definition: { Type: Pass } } }\n";
    Project::of(&[("dpc.yaml".into(), project), ("listings/pipeline.yaml".into(), pipeline.into())])
}

#[test]
fn an_account_is_set_up_taken_down_and_set_up_again() {
    let emulator = Emulator::start(&[]);
    let (project, aws, stacks) = (project(""), emulator.credentials(ACCOUNT), Stacks::of(&emulator));
    let dpc = |words: &str| project.dpc(&words.split(' ').collect::<Vec<_>>(), &aws);
    dpc("setup account --env prod --yes").exits(0).says("Set up environment `prod`").says("dpc deploy --env prod");
    dpc("setup account --env prod --yes").exits(0).says("Unchanged environment `prod`");

    // What is registered stays.
    dpc("deploy listings --env prod --yes").exits(0);
    let refused = dpc("uninstall account --env prod --yes").exits(1).findings();
    refused.matches_text_of("DPC672", &[]);
    dpc("destroy listings --env prod --yes").exits(0);

    // Without being asked, and without anybody to ask, nothing goes.
    dpc("uninstall account --env prod").exits(1).says("DPC616").says("stays  table dpc-runs");
    let gone = dpc("uninstall account --env prod --yes").exits(0).says("Removed dpc-account");
    gone.says("Again dpc setup account --env prod");
    assert_eq!(stacks.all(), ["dpc-bootstrap"], "bucket and key stay where they are");
    dpc("uninstall account --env prod --yes").exits(0).says("Gone stack dpc-account");

    // The table was kept, and is taken over.
    let again = dpc("setup account --env prod --yes").exits(0).says("> import   Runs");
    again.says("Created dpc-account");

    // Somebody has deleted the other stack by hand: bucket and key are still there.
    dpc("uninstall account --env prod --yes").exits(0);
    stacks.delete("dpc-bootstrap");
    let taken = dpc("setup account --env prod --yes").exits(0).says("> import   Bucket").says("> import   Key");
    taken.says("Taken over dpc-bootstrap").says("Updated dpc-bootstrap").says("Created dpc-account");
    dpc("setup account --env prod --yes").exits(0).says("Unchanged environment `prod`");

    // Everything.
    let deleted = dpc("uninstall account --env prod --delete-data --yes").exits(0).says("Deleted table dpc-runs");
    deleted.says("Emptied bucket dpc-111111111111-eu-central-1").says("is deleted in 30 days").says("Deleted bucket");
    assert!(stacks.all().is_empty(), "{:?}", stacks.all());
    let new = dpc("setup account --env prod --yes").exits(0).says("Set up environment `prod`");
    assert!(!new.stderr.contains("> import"), "{}", new.stderr);
    emulator.nothing_was_denied();
}

#[test]
fn a_failed_first_setup_leaves_nothing_in_the_way_of_the_next() {
    let emulator = Emulator::start(&[]);
    let (project, aws) = (project(""), emulator.credentials(ACCOUNT));
    emulator.fault("fail-resource", r#"{"type": "AWS::Events::Rule", "reason": "no"}"#);
    project.dpc(&["setup", "account", "--env", "prod", "--yes"], &aws).exits(1).says("DPC613");
    let again = project.dpc(&["setup", "account", "--env", "prod", "--yes"], &aws).exits(0).says("Cleaning up");
    again.says("Created dpc-account").says("Set up environment `prod`");
}

#[test]
fn the_central_account_is_the_one_that_the_project_names() {
    let project = project("central: { account: \"999999999999\" }\n");
    let refused = project.dpc(&["setup", "central", "--env", "prod", "--accounts", "222222222222"], &[]).exits(1);
    refused.matches_text_of("DPC671", &[]);
}

#[test]
fn a_central_account_is_set_up_opened_and_taken_down() {
    let emulator = Emulator::start(&[]);
    let (project, aws) = (project(""), emulator.credentials(CENTRAL));
    let dpc = |words: &str| project.dpc(&words.split(' ').collect::<Vec<_>>(), &aws);
    dpc("setup central --env platform --yes").exits(1).matches_text_of("DPC670", &[]);
    dpc("setup central --env platform --accounts 12 --yes").exits(2).says("twelve digits");
    let made = dpc("setup central --env platform --accounts 222222222222 --yes").exits(0);
    let made = made.says("Set up environment `platform`").says("open to 222222222222, 999999999999");
    made.says("in each account: dpc setup account --central 999999999999:eu-central-1");
    dpc("setup central --env platform --yes").exits(0).says("Unchanged environment `platform`");
    let opened = dpc("setup central --env platform --add-account 333333333333 --yes")
        .exits(0)
        .says("BusPolicy   Who may report");
    opened.says("ReaderRole  What the accounts may do").says("open to 222222222222, 333333333333, 999999999999");
    let closed = dpc("setup central --env platform --remove-account 222222222222 --yes").exits(0);
    closed.says("open to 333333333333, 999999999999");
    dpc("setup central --env platform --organization o-a1b2c3d4e5 --yes")
        .exits(0)
        .says("open to organisation o-a1b2c3d4e5");
    dpc("setup central --env platform --yes").exits(0).says("Unchanged environment `platform`");

    // One account may be both; what they share stays as long as one of them needs it.
    dpc("setup account --env platform --yes").exits(0).says("Set up environment `platform`");
    let kept = dpc("uninstall central --env platform --delete-data --yes").exits(0).says("Deleted table dpc-central");
    kept.says("stays  bucket dpc-999999999999-eu-central-1: archives, logs; stack dpc-account needs it");
    dpc("setup account --env platform --yes").exits(0).says("Unchanged environment `platform`");
    dpc("setup central --env platform --accounts 111111111111 --yes").exits(0).says("Created dpc-central");
}

#[test]
fn an_account_is_connected_with_the_central_one() {
    let emulator = Emulator::start(&[]);
    let (project, member, central) = (project(""), emulator.credentials(ACCOUNT), emulator.credentials(CENTRAL));
    let in_member = |words: &str| project.dpc(&words.split(' ').collect::<Vec<_>>(), &member);
    let in_central = |words: &str| project.dpc(&words.split(' ').collect::<Vec<_>>(), &central);
    in_central("setup central --env platform --accounts 222222222222 --yes").exits(0);

    // Not admitted: the account is set up all the same.
    let refused = in_member("setup account --env prod --central 999999999999 --yes").exits(1).findings();
    refused.matches_text_of("DPC673", &[]);
    in_central("setup central --env platform --add-account 111111111111 --yes").exits(0);
    let connected = in_member("setup account --env prod --yes").exits(0);
    connected.says("Connected central account 999999999999 in eu-central-1 answers (dpc 0.1.0)").says("Unchanged");

    // Said once, in the project.
    let own = self::project("central: { account: \"999999999999\", region: eu-central-1 }\n");
    own.dpc(&["setup", "account", "--env", "prod", "--yes"], &member).exits(0).says("Connected").says("Unchanged");
    let left = own.dpc(&["setup", "account", "--env", "prod", "--no-central", "--yes"], &member).exits(0);
    assert!(!left.says("TriggerRule").stderr.contains("Connected"), "it has left");
    emulator.nothing_was_denied();
}
