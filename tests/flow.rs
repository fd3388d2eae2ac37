//! What steps do to one another, from the YAML to the deployed machine: conditions, outputs, failures, deadlines, retries,
//! queues, clusters.
//!
//! One account, set up once; its parts are pipelines of one project, and the slowest runs beside the others.

#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used, clippy::indexing_slicing)] // Tests may touch the world.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{ACCOUNT, Emulator, Project};

const PROJECT: &str = "project: flow\nenvironments:\n  prod: { account: \"111111111111\", region: eu-central-1 }\n";

/// What every pipeline here begins with; `#` is its name.
const HEAD: &str = "name: #
partition: { by: day }
compute: { cluster: { emr: { release: emr-7.5.0, primary: { type: m6g.xlarge } } } }
";

const OUTPUTS: &str = r#"
params: { full: { type: bool, default: false } }
steps:
  - name: extract
    shell: { command: [bash, -c, 'echo "{\"rows\": 12, \"changed\": true, \"quiet\": false}" > "$DPC_OUTPUT"'] }
  - name: load
    needs: [extract]
    when: "{{ steps.extract.output.changed }}"
    shell: { command: [echo, "loaded {{ steps.extract.output.rows }} rows of {{ run.partition }}"] }
  - name: idle
    needs: [extract]
    when: "{{ steps.extract.output.quiet }}"
    shell: { command: ["false"] }
  - name: after-idle
    needs: [idle]
    shell: { command: [echo, went on] }
  - name: report
    needs: [{ step: idle, onSkip: skip }]
    shell: { command: ["false"] }
  - name: rebuild
    when: "{{ params.full }}"
    shell: { command: [echo, rebuilt everything] }
"#;

const FAILING: &str = r#"
steps:
  - { name: first, shell: { command: [bash, -c, "exit 3"] } }
  - { name: blocked, needs: [first], shell: { command: [echo, never] } }
  - { name: blocked-too, needs: [blocked], shell: { command: [echo, never] } }
  - { name: sibling, shell: { command: [bash, -c, "sleep 1; echo sibling is well"] } }
  - { name: second, needs: [sibling], shell: { command: [bash, -c, "exit 4"] } }
"#;

const HASTY: &str = r#"
failFast: true
steps:
  - { name: slow, shell: { command: [sleep, "300"] } }
  - { name: quick, shell: { command: [bash, -c, "sleep 1; exit 3"] } }
  - { name: last, needs: [slow, quick], shell: { command: [echo, never] } }
"#;

/// A minute is the shortest `timeout` that can be written; its deployed deadline comes sooner.
const LATE: &str = r#"
timeout: 1m
steps:
  - { name: early, shell: { command: [echo, early] } }
  - { name: slow, needs: [early], shell: { command: [sleep, "300"] } }
  - { name: never, needs: [slow], shell: { command: [echo, never] } }
overrides:
  - op: replace
    path: /Resources/StateMachine/Properties/Definition/States/Check input/Choices/0/Assign/deadline
    value: "{% $toMillis($states.context.Execution.StartTime) + 15000 %}"
"#;

const AGAIN: &str = r#"
steps:
  - name: throttled
    retry: { attempts: 2, interval: 1s, jitter: false, errors: [throttling] }
    shell: { command: [bash, -c, 'echo "attempt $DPC_ATTEMPT"'] }
  - name: stubborn
    needs: [throttled]
    retry: { attempts: 2, interval: 1s, jitter: false }
    shell: { command: [bash, -c, 'echo "attempt $DPC_ATTEMPT"; [ "$DPC_ATTEMPT" = 2 ]'] }
  - name: hopeless
    needs: [stubborn]
    retry: { attempts: 2, interval: 1s, jitter: false, errors: [throttling, transient, capacity] }
    shell: { command: [bash, -c, 'echo "attempt $DPC_ATTEMPT"; exit 5'] }
"#;

const MONTHLY: &str = r#"
when: "{{ run.partition is last_day_of_month }}"
steps:
  - { name: close, shell: { command: [echo, closed] } }
"#;

/// Runs at work for a while, so that others find them there.
const WORKING: &str = r#"
overlap: #
steps:
  - { name: work, shell: { command: [sleep, "3"] } }
"#;

const CLUSTERS: &str = "name: clusters
partition: { by: day }
compute:
  small: { emr: { release: emr-7.5.0, primary: { type: m6g.xlarge } } }
  large: { emr: { release: emr-7.5.0, primary: { type: m6g.2xlarge }, core: { type: m6g.2xlarge, count: 2 } } }
steps:
  - { name: one, compute: small, shell: { command: [bash, -c, 'echo \"on $EMR_CLUSTER_ID\"'] } }
  - { name: two, compute: large, needs: [one], shell: { command: [bash, -c, 'echo \"on $EMR_CLUSTER_ID\"'] } }
  - { name: three, compute: large, needs: [two], shell: { command: [bash, -c, 'echo \"on $EMR_CLUSTER_ID\"'] } }
";

/// The account with everything deployed.
struct Account {
    emulator: Emulator,
    project: Project,
    aws: Vec<(String, String)>,
}

impl Account {
    fn set_up() -> Self {
        let emulator = Emulator::start(&[]);
        let pipelines = [
            ("outputs", OUTPUTS.to_owned()),
            ("failing", FAILING.to_owned()),
            ("hasty", HASTY.to_owned()),
            ("late", LATE.to_owned()),
            ("again", AGAIN.to_owned()),
            ("monthly", MONTHLY.to_owned()),
            ("queue", WORKING.replace('#', "queue")),
            ("latest", WORKING.replace('#', "latest")),
            ("skip", WORKING.replace('#', "skip")),
        ];
        let written = |(name, body): (&str, String)| (format!("{name}/pipeline.yaml"), HEAD.replace('#', name) + &body);
        let mut files: Vec<(String, String)> = pipelines.map(written).into();
        files.push(("clusters/pipeline.yaml".to_owned(), CLUSTERS.to_owned()));
        files.push(("dpc.yaml".to_owned(), PROJECT.to_owned()));
        let (project, aws) = (Project::of(&files), emulator.credentials(ACCOUNT));
        project.dpc(&["setup", "account", "--yes"], &aws).exits(0);
        project.dpc(&["deploy", "--yes"], &aws).exits(0);
        Self { emulator, project, aws }
    }

    fn run(&self, arguments: &[&str], code: i32) -> support::Ran {
        self.project.dpc(&[&["run"], arguments].concat(), &self.aws).exits(code)
    }

    /// What a step has written, and the timeline.
    fn logs(&self, run: &str, step: &str) -> String {
        let ran = self.project.dpc(&["logs", run, "--step", step], &self.aws).exits(0);
        ran.stdout + &ran.stderr
    }

    /// Calls Step Functions.
    fn states(&self, operation: &str, body: &Value) -> Value {
        self.json("states", &format!("AWSStepFunctions.{operation}"), body)
    }

    fn json(&self, service: &str, target: &str, body: &Value) -> Value {
        let answer = self.emulator.call("POST", ACCOUNT, service, "/", &body.to_string(), target);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).unwrap()
    }

    /// An execution, as Step Functions describes it.
    fn execution(&self, pipeline: &str, run: &str) -> Value {
        let arn = format!("arn:aws:states:eu-central-1:{ACCOUNT}:execution:dpc-{pipeline}:{pipeline}.{run}");
        self.states("DescribeExecution", &json!({ "executionArn": arn }))
    }

    /// The results that a run has ended with, by step.
    fn results(&self, pipeline: &str, run: &str) -> Value {
        serde_json::from_str(self.execution(pipeline, run)["output"].as_str().unwrap()).unwrap()
    }

    /// Waits for a line of `dpc status` about a run that shows this status.
    fn reaches(&self, pipeline: &str, run: &str, status: &str) {
        let began = Instant::now();
        loop {
            let said = self.project.dpc(&["status", pipeline], &self.aws).exits(0).stdout;
            if said.lines().any(|line| line.contains(run) && line.contains(status)) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{pipeline}/{run} is not {status}\n{said}");
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Every cluster that there was: its name, whether it is gone, its id.
    fn clusters(&self) -> Vec<(String, bool, String)> {
        let answer = self.json("elasticmapreduce", "ElasticMapReduce.ListClusters", &json!({}));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let clusters = answer["Clusters"].as_array().unwrap().iter();
        let gone = |cluster: &Value| text(&cluster["Status"]["State"]).starts_with("TERMINATED");
        clusters.map(|cluster| (text(&cluster["Name"]), gone(cluster), text(&cluster["Id"]))).collect()
    }
}

#[test]
fn steps_and_runs_do_what_the_language_says() {
    let account = Account::set_up();
    std::thread::scope(|scope| {
        let late = scope.spawn(|| a_deadline_ends_the_run(&account));
        conditions_and_outputs(&account);
        a_failure_blocks_what_needs_it(&account);
        fail_fast_cancels(&account);
        retries_are_counted_and_chosen(&account);
        two_clusters_live_around_their_steps(&account);
        a_precondition_skips_the_run(&account);
        partitions_overlap_as_told(&account);
        late.join().unwrap();
    });
    let left: Vec<_> = account.clusters().into_iter().filter(|(_, gone, _)| !gone).collect();
    assert!(left.is_empty(), "{left:?}");
    account.emulator.nothing_was_denied();
}

fn conditions_and_outputs(account: &Account) {
    account.run(&["outputs", "--partition", "2026-11-21"], 0);
    let results = account.results("outputs", "2026-11-21.1");
    let status = |step: &str| results[step]["status"].clone();
    for step in ["extract", "load", "after-idle"] {
        assert_eq!(status(step), "SUCCEEDED", "{step} in {results}");
    }
    for step in ["idle", "report", "rebuild"] {
        assert_eq!(status(step), "SKIPPED", "{step} in {results}");
    }
    let logs = account.logs("outputs/2026-11-21", "load");
    assert!(logs.contains("loaded 12 rows of 2026-11-21"), "{logs}");

    account.run(&["outputs", "--partition", "2026-11-22", "--param", "full=true"], 0);
    let logs = account.logs("outputs/2026-11-22", "rebuild");
    assert!(logs.contains("rebuilt everything"), "{logs}");
}

fn a_failure_blocks_what_needs_it(account: &Account) {
    let ran = account.run(&["failing", "--partition", "2026-11-21"], 1).says("step `first` failed");
    assert!(!ran.stderr.contains("step `second` failed"), "{}", ran.stderr);
    assert_eq!(account.execution("failing", "2026-11-21.1")["error"], "dpc.StepFailed");
    let logs = account.logs("failing", "sibling");
    assert!(logs.contains("sibling is well"), "{logs}");
    let ran = account.project.dpc(&["logs", "failing", "--step", "blocked"], &account.aws);
    assert!(!ran.stdout.contains("never"), "{}", ran.stdout);
}

fn fail_fast_cancels(account: &Account) {
    let began = Instant::now();
    account.run(&["hasty", "--partition", "2026-11-21"], 1).says("step `quick` failed");
    assert!(began.elapsed() < Duration::from_secs(60), "the slow step was waited for");
}

fn a_deadline_ends_the_run(account: &Account) {
    let began = Instant::now();
    account.run(&["late", "--partition", "2026-11-21"], 1).says("ended TIMED_OUT: the run took longer than 1m");
    assert!(began.elapsed() < Duration::from_secs(90), "the slow step was waited for");
    let ended = account.execution("late", "2026-11-21.1");
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("dpc.Timeout")), "{ended}");
    account.reaches("late", "2026-11-21/1", "TIMED_OUT");
}

fn retries_are_counted_and_chosen(account: &Account) {
    let throttling = json!({ "action": "elasticmapreduce:AddJobFlowSteps", "code": "ThrottlingException" });
    account.emulator.fault("fail-call", &throttling.to_string());
    account.run(&["again", "--partition", "2026-11-21"], 1).says("step `hopeless` failed");
    for (step, attempt, never) in [("throttled", 2, 3), ("stubborn", 2, 3), ("hopeless", 1, 2)] {
        let logs = account.logs("again", step);
        assert!(logs.contains(&format!("attempt {attempt}")), "{step}: {logs}");
        assert!(!logs.contains(&format!("attempt {never}")), "{step}: {logs}");
    }
}

fn two_clusters_live_around_their_steps(account: &Account) {
    account.run(&["clusters", "--partition", "2026-11-21"], 0);
    let clusters = account.clusters();
    let mine: Vec<_> = clusters.iter().filter(|(name, ..)| name.starts_with("clusters.")).collect();
    assert_eq!(mine.len(), 2, "{clusters:?}");
    assert!(mine.iter().all(|(_, gone, _)| *gone), "{mine:?}");
    let on = |step: &str| {
        let logs = account.logs("clusters", step);
        mine.iter()
            .find(|(.., id)| logs.contains(&format!("on {id}")))
            .unwrap_or_else(|| panic!("{step}: {logs}"))
            .2
            .clone()
    };
    assert_ne!(on("one"), on("two"));
    assert_eq!(on("two"), on("three"));
}

fn a_precondition_skips_the_run(account: &Account) {
    let ran = account.run(&["monthly", "--partition", "2026-11-29"], 0);
    ran.says("SKIPPED");
    account.run(&["monthly", "--partition", "2026-11-30"], 0).says("SUCCEEDED");
    account.reaches("monthly", "2026-11-29/1", "SKIPPED");
    let executions = account.states(
        "ListExecutions",
        &json!({ "stateMachineArn": format!("arn:aws:states:eu-central-1:{ACCOUNT}:stateMachine:dpc-monthly") }),
    );
    assert_eq!(executions["executions"].as_array().unwrap().len(), 1, "{executions}");
}

fn partitions_overlap_as_told(account: &Account) {
    for pipeline in ["queue", "latest", "skip"] {
        for day in ["2026-11-20", "2026-11-21", "2026-11-22"] {
            account.project.dpc(&["run", pipeline, "--partition", day, "--no-follow"], &account.aws);
        }
    }
    for (pipeline, second, third) in
        [("queue", "SUCCEEDED", "SUCCEEDED"), ("latest", "SKIPPED", "SUCCEEDED"), ("skip", "SKIPPED", "SKIPPED")]
    {
        account.reaches(pipeline, "2026-11-20/1", "SUCCEEDED");
        account.reaches(pipeline, "2026-11-21/1", second);
        account.reaches(pipeline, "2026-11-22/1", third);
    }
}
