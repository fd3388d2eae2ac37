//! A run from its start to its end with the real account function: followed, looked up, its output read.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // Tests may touch the world.

mod support;

use support::{ACCOUNT, Emulator, Project};

#[test]
fn a_run_is_followed_to_its_end_and_its_output_is_kept() {
    let emulator = Emulator::start(&[]);
    let aws = emulator.credentials(ACCOUNT);
    let project = Project::copy("listings");
    project.dpc(&["setup", "account", "--yes"], &aws).exits(0);
    project.dpc(&["deploy", "--yes"], &aws).exits(0);

    let ran = project.dpc(&["run", "listings", "--partition", "2026-11-21"], &aws).exits(0);
    ran.says("Started listings/2026-11-21/1").says("aggregate").says("SUCCEEDED listings/2026-11-21/1  in ");
    let logs = project.dpc(&["logs", "listings", "--step", "aggregate"], &aws).exits(0);
    assert!(logs.stdout.contains("2026-11-21 has 7 events"), "{}\n{}", logs.stdout, logs.stderr);
    assert!(!logs.stderr.contains("--- publish"), "{}", logs.stderr);

    // A step that fails: its own words, not EMR's description of it.
    std::fs::write(project.folder.join("listings/src/publish.sh"), "echo about to fail\nexit 3\n").unwrap();
    project.dpc(&["deploy", "--yes"], &aws).exits(0).says("Updated listings");
    let ran = project.dpc(&["run", "listings", "--date", "2026-11-20"], &aws).exits(1);
    let ran = ran.says("DPC753").says("step `publish` failed").says("dpc logs listings/2026-11-20/1 --step publish");
    assert!(!ran.stderr.contains("HadoopJarStep") && !ran.stderr.contains("{\"Step\""), "{}", ran.stderr);
    let logs = project.dpc(&["logs", "listings/2026-11-20/1", "--step", "publish"], &aws).exits(0);
    assert!(logs.stdout.contains("about to fail"), "{}", logs.stdout);

    // What does not fit is refused by the one door.
    project.dpc(&["run", "listings", "--partition", "2026-11"], &aws).exits(1).says("is a month");
    project.dpc(&["destroy", "listings", "--yes"], &aws).exits(0);
    let status = project.dpc(&["status"], &aws).exits(0);
    assert!(status.stdout.contains("not deployed") && status.stdout.contains("2026-11-20/1"), "{}", status.stdout);
    emulator.nothing_was_denied();
}
