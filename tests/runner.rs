//! The script that runs a step on a cluster, run for real: with a stand-in for the AWS command line that copies files.

#![cfg(unix)]
#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used, clippy::indexing_slicing)]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use dpc::control::archive::{Entry, pack};
use dpc::steps::runner::SCRIPT;

/// A folder with the script, an archive, and an `aws` that knows `s3 cp` only.
struct Cluster {
    folder: PathBuf,
    sha256: String,
}

impl Cluster {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("dpc-runner-{name}-{}", std::process::id()));
        let _absent = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("bin")).unwrap();
        std::fs::create_dir_all(folder.join("tmp")).unwrap();
        std::fs::write(folder.join("step.sh"), SCRIPT).unwrap();
        let aws = folder.join("bin/aws");
        std::fs::write(&aws, "#!/bin/bash\n[ \"$1 $2\" = 's3 cp' ] && cp \"${4#s3:/}\" \"$5\"\n").unwrap();
        std::fs::set_permissions(&aws, std::fs::Permissions::from_mode(0o755)).unwrap();
        let say = b"#!/bin/bash\nprintf '[%s]' \"$@\" \"$DPC_STEP\" \"$DPC_RUN\" \"$NOTE\"\n";
        let archive = pack([
            Entry { path: "src/say.sh", executable: true, bytes: say },
            Entry { path: "src/fail.sh", executable: true, bytes: b"#!/bin/bash\nexit 42\n" },
        ]);
        std::fs::write(folder.join("archive.tar.gz"), &archive.bytes).unwrap();
        Self { folder, sha256: archive.sha256 }
    }

    fn command(&self, sha256: &str, command: &[&str]) -> Command {
        let mut script = Command::new("bash");
        script.arg(self.folder.join("step.sh"));
        script.args(["--archive", &format!("s3:/{}/archive.tar.gz", self.folder.display()), "--sha256", sha256]);
        script.args(["--step", "publish", "--run", "2026-11-21.1", "--env", "NOTE=a \"b\" $(c)", "--"]);
        script.args(command);
        let path = format!("{}:{}", self.folder.join("bin").display(), std::env::var("PATH").unwrap());
        script.env("PATH", path).env("TMPDIR", self.folder.join("tmp"));
        script
    }

    fn run(&self, command: &[&str]) -> Output {
        self.command(&self.sha256, command).output().unwrap()
    }

    fn left_behind(&self) -> usize {
        std::fs::read_dir(self.folder.join("tmp")).unwrap().count()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

fn talk(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_command_gets_its_words_as_they_are() {
    let cluster = Cluster::new("words");
    let output = cluster.run(&["bash", "src/say.sh", "two words", "$(reboot)", "`x`", "a;b", "*", ""]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "[two words][$(reboot)][`x`][a;b][*][][publish][2026-11-21.1][a \"b\" $(c)]",
        "{}",
        talk(&output)
    );
    assert!(output.status.success());
    assert_eq!(cluster.left_behind(), 0);
}

#[test]
fn the_command_s_exit_code_is_kept() {
    let cluster = Cluster::new("code");
    let output = cluster.run(&["src/fail.sh"]);
    assert_eq!(output.status.code(), Some(42), "{}", talk(&output));
    assert!(talk(&output).contains("ended with exit code 42"));
    assert_eq!(cluster.left_behind(), 0);
    assert_eq!(cluster.run(&["no-such-program"]).status.code(), Some(127));
}

#[test]
fn another_archive_is_refused_in_words() {
    let cluster = Cluster::new("archive");
    let output = cluster.command(&"0".repeat(64), &["src/say.sh"]).output().unwrap();
    assert_eq!(output.status.code(), Some(65));
    assert!(talk(&output).contains("is not the archive that was deployed"), "{}", talk(&output));
    assert!(output.stdout.is_empty(), "nothing ran");
    std::fs::remove_file(cluster.folder.join("archive.tar.gz")).unwrap();
    assert_eq!(cluster.run(&["src/say.sh"]).status.code(), Some(66));
    assert_eq!(cluster.left_behind(), 0);
}

#[test]
fn wrong_arguments_are_refused_in_words() {
    let cluster = Cluster::new("arguments");
    let script =
        |arguments: &[&str]| Command::new("bash").arg(cluster.folder.join("step.sh")).args(arguments).output().unwrap();
    for arguments in [&["--step"][..], &["--what", "x"], &["--env", "1X=2"], &["--step", "a", "--", "true"], &[]] {
        let output = script(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {}", talk(&output));
    }
}

#[test]
fn a_cancelled_step_ends_its_command() {
    let cluster = Cluster::new("cancel");
    let mut child = cluster
        .command(&cluster.sha256, &["bash", "-c", "echo ready; exec sleep 60"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut ready = [0; 5];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
    let begun = Instant::now();
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(begun.elapsed() < Duration::from_secs(20), "the command was not waited for to its own end");
    assert_eq!(cluster.left_behind(), 0);
}
