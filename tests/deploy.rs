//! Deployments as whole invocations against the emulator: what is done, what is said, and what is left alone.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // Tests may touch the world.

mod support;

use support::{ACCOUNT, OnFailure, Project, Stacks, set_up, set_up_with};

const TOPIC: &str = r#"{"Resources":{"Topic":{"Type":"AWS::SNS::Topic"}}}"#;

#[test]
fn deploys_then_finds_nothing_to_change_then_removes() {
    let emulator = set_up();
    let project = Project::copy("listings");
    let aws = emulator.credentials(ACCOUNT);
    let deployed = project.dpc(&["deploy", "--yes"], &aws).exits(0).says("Created listings");
    assert!(deployed.stdout.is_empty(), "progress is talk");
    deployed.says("Next dpc run listings --partition ").says("The state machine that runs the steps");

    let again = project.dpc(&["deploy", "--yes"], &aws).exits(0);
    assert_eq!(again.stderr, "   Unchanged listings\n");

    let status = project.dpc(&["status"], &aws).exits(0);
    assert!(status.stdout.starts_with("listings  deployed  (CREATE_COMPLETE, "), "{}", status.stdout);
    let json = project.dpc(&["status", "--format", "json"], &aws).exits(0);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json.pointer("/pipelines/0/stack/state").unwrap(), "CREATE_COMPLETE");

    project.dpc(&["destroy", "listings", "--yes"], &aws).exits(0).says("Removed listings");
    assert_eq!(Stacks::of(&emulator).state("dpc-listings"), None);
    project.dpc(&["destroy", "listings", "--yes"], &aws).exits(0).says("Gone listings is not deployed");
    project.dpc(&["destroy", "listing", "--yes"], &aws).exits(1).says("did you mean `listings`?");
}

#[test]
fn an_update_changes_only_what_is_new() {
    let emulator = set_up();
    let project = Project::copy("listings");
    let aws = emulator.credentials(ACCOUNT);
    project.dpc(&["deploy", "--yes"], &aws).exits(0);
    project.edit("listings/pipeline.yaml", "0 3 * * ? *", "30 4 * * ? *");
    let updated = project.dpc(&["deploy", "--yes"], &aws).exits(0).says("Updated listings");
    // The list of changes; the emulator goes through every resource afterwards.
    let updated = updated.says("+ add      Schedule").says("- remove   Schedule");
    assert!(!updated.stderr.contains("~ change   LogGroup"), "{}", updated.stderr);
    assert!(updated.stderr.contains("The schedule cron(0 3 * * ? *) in Europe/Berlin"), "{}", updated.stderr);
    assert!(!updated.stderr.contains("Uploaded the script"), "the runner was there: {}", updated.stderr);
}

#[test]
fn a_failed_first_deployment_is_cleaned_up_and_created_again() {
    let emulator = set_up();
    let project = Project::copy("listings");
    let aws = emulator.credentials(ACCOUNT);
    emulator.fault("fail-resource", r#"{"type": "AWS::Scheduler::Schedule", "reason": "Invalid Schedule Expression"}"#);
    project.dpc(&["deploy", "--yes"], &aws).exits(1).says("DPC613").says("listings/pipeline.yaml:");
    assert_eq!(Stacks::of(&emulator).state("dpc-listings").as_deref(), Some("ROLLBACK_COMPLETE"));
    project.dpc(&["deploy", "--yes"], &aws).exits(0).says("Cleaning up").says("Created listings");
    assert_eq!(Stacks::of(&emulator).state("dpc-listings").as_deref(), Some("CREATE_COMPLETE"));
}

#[test]
fn a_failed_update_is_undone_and_never_deleted() {
    let emulator = set_up();
    let project = Project::copy("listings");
    let aws = emulator.credentials(ACCOUNT);
    project.dpc(&["deploy", "--yes"], &aws).exits(0);
    project.edit("listings/pipeline.yaml", "0 3 * * ? *", "30 4 * * ? *");
    emulator.fault("fail-resource", r#"{"type": "AWS::Scheduler::Schedule", "reason": "Invalid Schedule Expression"}"#);
    project.dpc(&["deploy", "--yes"], &aws).exits(1).says("Undoing");
    assert_eq!(Stacks::of(&emulator).state("dpc-listings").as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));
    let mended = project.dpc(&["deploy", "--yes"], &aws).exits(0).says("Updated listings");
    assert!(!mended.stderr.contains("Cleaning up"), "{}", mended.stderr);
}

#[test]
fn a_large_template_goes_through_the_bucket() {
    let emulator = set_up();
    let project = Project::copy("listings");
    let steps: String = (0..70)
        .map(|number| {
            format!("  - {{ name: step-{number}, needs: [aggregate], shell: {{ command: [echo, \"{{{{ run.partition }}}}\"] }} }}\n")
        })
        .collect();
    project.edit("listings/pipeline.yaml", "access:", &format!("{steps}access:"));
    project.dpc(&["deploy", "--yes"], &emulator.credentials(ACCOUNT)).exits(0).says("Created listings");
    let keys = emulator.keys(ACCOUNT);
    assert!(keys.iter().any(|key| key.starts_with("templates/listings/")), "{keys:?}");
}

#[test]
fn one_failed_pipeline_does_not_hide_the_others() {
    let emulator = set_up();
    let project = Project::copy("listings");
    std::fs::create_dir(project.folder.join("searches")).unwrap();
    for file in ["src/aggregate.py", "src/publish.sh", "pipeline.yaml"] {
        let target = project.folder.join("searches").join(file);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(project.folder.join("listings").join(file), target).unwrap();
    }
    project.edit("searches/pipeline.yaml", "name: listings", "name: searches");
    emulator.fault("fail-resource", r#"{"type": "AWS::Scheduler::Schedule", "reason": "no"}"#);
    let ran = project.dpc(&["deploy", "--yes"], &emulator.credentials(ACCOUNT)).exits(1);
    let ran = ran.says("Failed listings  DPC613").says("Created searches");
    assert!(!ran.stderr.contains("Next dpc run"), "{}", ran.stderr);
}

#[test]
fn findings_in_files_stop_everything_before_aws_is_asked() {
    let project = Project::copy("listings");
    project.edit("listings/pipeline.yaml", "needs: [aggregate]", "needs: [agregate]");
    // No credentials: if AWS were asked, that would be the complaint.
    let ran = project.dpc(&["deploy", "--yes"], &[]).exits(1).says("agregate");
    assert!(!ran.stderr.contains("credentials"), "{}", ran.stderr);
}

#[test]
fn a_stack_of_another_space_is_not_removed() {
    let emulator = set_up();
    let stacks = Stacks::of(&emulator);
    stacks.begin("dpc-listings", TOPIC, &[("dpc-space", "dev")], OnFailure::Rollback);
    stacks.end("dpc-listings");
    let project = Project::copy("listings");
    project.dpc(&["destroy", "listings", "--yes"], &emulator.credentials(ACCOUNT)).exits(1).says("DPC615");
    assert_eq!(stacks.state("dpc-listings").as_deref(), Some("CREATE_COMPLETE"));
}

#[test]
fn ctrl_c_leaves_the_deployment_to_aws_and_says_how_to_watch_it() {
    // The account function never answers, so the registration is created until somebody gives up.
    let emulator = set_up_with(|template| template.replace("if \"RequestType\" in event", "if \"Nothing\" in event"));
    let project = Project::copy("listings");
    let aws = emulator.credentials(ACCOUNT);
    let ran = project.interrupt_after("Creating Registration", &["deploy", "--yes"], &aws).exits(1);
    ran.says("Interrupted AWS goes on with stack dpc-listings").says("dpc status listings --watch --env prod");
    assert_eq!(Stacks::of(&emulator).state("dpc-listings").as_deref(), Some("CREATE_IN_PROGRESS"));
}

#[test]
fn differences_from_what_is_deployed_name_the_lines_that_cause_them() {
    let emulator = set_up();
    let project = Project::copy("listings");
    let aws = emulator.credentials(ACCOUNT);
    let new = project.dpc(&["diff", "--exit-code"], &aws).exits(3);
    assert!(new.stdout.starts_with("`listings` is new (listings/pipeline.yaml)\n"), "{}", new.stdout);
    assert_eq!(Stacks::of(&emulator).state("dpc-listings"), None, "nothing was written");
    project.dpc(&["deploy", "--yes"], &aws).exits(0);
    let same = project.dpc(&["diff", "--exit-code"], &aws).exits(0);
    assert!(same.stdout.starts_with("1 pipeline: no difference, in environment `prod`"), "{}", same.stdout);

    project.edit("listings/pipeline.yaml", "s3://core-data-events/*", "s3://core-data-clicks/*");
    project.edit("listings/pipeline.yaml", "owner: core-data-availability", "owner: core-data");
    for arguments in [["plan", "listings"], ["diff", "--change-set"]] {
        let ran = project.dpc(&arguments, &aws).exits(0);
        let wider = ran.stdout.lines().find(|line| line.contains("! `ComputeRole` may now s3:GetObject")).unwrap();
        assert!(wider.ends_with("(listings/pipeline.yaml:20)"), "{wider}");
        assert!(
            ran.stdout.contains("tag dpc-owner of every resource: core-data-availability -> core-data"),
            "{}",
            ran.stdout
        );
    }
    let deployed = project.dpc(&["deploy", "--yes"], &aws).exits(0).says("Updated listings");
    deployed.says("    ! `ComputeRole` may now s3:GetObject");
}

#[test]
fn conditions_need_a_central_account() {
    let emulator = set_up();
    let project = Project::copy("broken/DPC366");
    let refused = project.dpc(&["deploy", "--env", "prod", "--yes"], &emulator.credentials(ACCOUNT)).exits(1);
    refused.matches_text_of("DPC366", &[]);
}
