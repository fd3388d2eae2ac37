//! Steps that call services, from the YAML to their effect: a function's answer, jobs that run, a run of another pipeline, a
//! state of the user's own.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // Tests may touch the world.

mod support;

use support::{ACCOUNT, Emulator, Project, Stacks};

const CHILD: &str = r#"
name: child
params: { rows: { type: int } }
steps:
  - name: check
    state:
      definition:
        Type: Parallel
        Arguments: { rows: "{{ params.rows }}", day: "{{ run.partition }}" }
        Branches:
          - StartAt: right
            States:
              right:
                Type: Choice
                Choices: [{ Condition: "{% $string($states.input.rows) = '7' and $states.input.day = '2026-11-21' %}", Next: good }]
                Default: bad
              good: { Type: Succeed }
              bad: { Type: Fail, Error: Wrong, Cause: "{% $string($states.input) %}" }
"#;

const PARENT: &str = r#"
name: parent
steps:
  - name: ask
    lambda: { function: dpc-account, payload: { dpc: version } }
  - name: child
    needs: [ask]
    pipeline: { name: child, params: { rows: 7 } }
  - name: told
    needs: [child, ask]
    state:
      definition:
        Type: Pass
        Output: { run: "{{ steps.child.output.run }}", status: "{{ steps.child.output.status }}", by: "{{ steps.ask.output.version }}" }
  - name: check
    needs: [told]
    state:
      definition:
        Type: Parallel
        Arguments: { said: "{{ steps.told.output.run }} {{ steps.told.output.status }} {{ steps.told.output.by }}" }
        Branches:
          - StartAt: right
            States:
              right:
                Type: Choice
                Choices: [{ Condition: "{% $states.input.said = 'child/2026-11-21/1 SUCCEEDED VERSION' %}", Next: good }]
                Default: bad
              good: { Type: Succeed }
              bad: { Type: Fail, Error: Wrong, Cause: "{% $states.input.said %}" }
"#;

const REFUSED: &str = r#"
name: refused
steps:
  - name: nobody
    pipeline: { name: nobody }
"#;

const JOBS: &str = r#"
name: work
steps:
  - name: convert
    glue: { job: convert, arguments: { "--date": "{{ run.partition }}" } }
  - name: crunch
    batch:
      queue: nightly
      definition: crunch
      command: [sh, -c, 'test "$DAY $DPC_STEP $AWS_BATCH_JOB_ARRAY_INDEX" != "" && test "$DAY" = 2026-11-21']
      environment: { DAY: "{{ run.partition }}" }
      arraySize: 2
"#;

const AROUND: &str = r#"
Resources:
  Vpc: { Type: "AWS::EC2::VPC", Properties: { CidrBlock: 10.0.0.0/16 } }
  Subnet: { Type: "AWS::EC2::Subnet", Properties: { VpcId: { Ref: Vpc }, CidrBlock: 10.0.1.0/24 } }
  Group: { Type: "AWS::EC2::SecurityGroup", Properties: { GroupDescription: jobs, VpcId: { Ref: Vpc } } }
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: jobs
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{ Effect: Allow, Principal: { Service: [glue.amazonaws.com, ecs-tasks.amazonaws.com] }, Action: "sts:AssumeRole" }]
      Policies:
        - PolicyName: all
          PolicyDocument: { Version: "2012-10-17", Statement: [{ Effect: Allow, Action: "*", Resource: "*" }] }
  Environment:
    Type: AWS::Batch::ComputeEnvironment
    Properties:
      Type: MANAGED
      ComputeResources: { Type: FARGATE, MaxvCpus: 4, Subnets: [{ Ref: Subnet }], SecurityGroupIds: [{ Ref: Group }] }
  Queue:
    Type: AWS::Batch::JobQueue
    Properties: { JobQueueName: nightly, Priority: 1, ComputeEnvironmentOrder: [{ Order: 1, ComputeEnvironment: { Ref: Environment } }] }
  Definition:
    Type: AWS::Batch::JobDefinition
    Properties:
      JobDefinitionName: crunch
      Type: container
      PlatformCapabilities: [FARGATE]
      ContainerProperties:
        Image: alpine
        ExecutionRoleArn: { "Fn::GetAtt": [Role, Arn] }
        ResourceRequirements: [{ Type: VCPU, Value: "0.25" }, { Type: MEMORY, Value: "512" }]
  Job:
    Type: AWS::Glue::Job
    Properties:
      Name: convert
      Role: { "Fn::GetAtt": [Role, Arn] }
      Command: { Name: pythonshell, PythonVersion: "3.9", ScriptLocation: "s3://dpc-111111111111-eu-central-1/convert.py" }
"#;

/// A step type that succeeds when two values are the same.
const EQUAL: &str = r#"
name: equal
with: { properties: { one: {}, other: {} }, required: [one, other] }
definition:
  StartAt: look
  States:
    look:
      Type: Choice
      Choices: [{ Condition: "{% $string($with.one) = $string($with.other) %}", Next: same }]
      Default: other
    same: { Type: Pass, Output: "{% $with.one %}", End: true }
    other: { Type: Fail, Error: Differs, Cause: "{% $string($with.one) & ' is not ' & $string($with.other) %}" }
"#;

/// Values that keep their types on the way into step types and out of them.
const CHECKED: &str = r#"
name: checked
params: { least: { type: int, default: 2 }, countries: { type: list, default: [de, at] }, half: { type: number, default: 0.5 } }
steps:
  - name: there
    uses: ../types/quality
    with: { bucket: dpc-111111111111-eu-central-1, prefix: "in/", least: "{{ params.least }}" }
  - name: same
    needs: [there]
    uses: ../types/equal
    with: { one: "{{ steps.there.output.objects }}", other: "{{ params.least }}" }
  - name: types
    needs: [there]
    uses: ../types/equal
    with: { one: { a: "{{ params.countries }}", b: "{{ params.half }}", c: "x{{ params.least }}", d: "{{ run.number }}" }, other: { a: [de, at], b: 0.5, c: x2, d: 1 } }
  - name: again
    needs: [same]
    uses: ../types/equal
    with: { one: "{{ steps.same.output }}", other: 2 }
"#;

/// The same steps for each of a list, inside the execution.
const INLINE: &str = r#"
name: inline
params: { countries: { type: list, default: [de, at, ch] }, bad: { type: string, default: none } }
steps:
  - name: ask
    lambda: { function: dpc-account, payload: { dpc: version } }
  - name: each
    needs: [ask]
    map:
      over: { list: "{{ params.countries }}" }
      concurrency: 2
      tolerate: { failures: 1 }
      steps:
        - name: kept
          state:
            definition: { Type: Pass, Output: { item: "{{ item }}", at: "{{ map.index }}", of: "{{ map.count }}", by: "{{ steps.ask.output.version }}" } }
        - name: fine
          needs: [kept]
          uses: ../types/equal
          with: { one: "{{ steps.kept.output.item }} {{ steps.ask.output.version }} {{ params.bad }}", other: "{{ item }} {{ steps.ask.output.version }} none" }
        - name: last
          needs: [fine]
          state: { definition: { Type: Pass, Output: { said: "{{ steps.kept.output.item }}{{ steps.kept.output.at }}/{{ steps.kept.output.of }}" } } }
  - name: check
    needs: [each]
    uses: ../types/equal
    with: { one: "{{ steps.each.output }}", other: [{ said: de0/3 }, { said: at1/3 }, { said: ch2/3 }] }
"#;

/// The same in executions of their own: for shards, objects, rows and elements.
const SPREAD: &str = r#"
name: spread
params: { prefix: { type: string, default: in } }
steps:
  - name: ask
    lambda: { function: dpc-account, payload: { dpc: version } }
  - name: shards
    needs: [ask]
    map:
      over: { shards: 3 }
      mode: distributed
      steps:
        - { name: shard, uses: ../types/equal, with: { one: "{{ item.index }}/{{ item.count }} {{ map.index }}/{{ map.count }} {{ steps.ask.output.version }}", other: "{{ map.index }}/3 {{ item.index }}/3 {{ steps.ask.output.version }}" } }
  - name: objects
    map:
      over: { objects: "s3://dpc-111111111111-eu-central-1/{{ params.prefix }}/" }
      concurrency: 1
      steps:
        - { name: object, uses: ../types/equal, with: { one: "{{ item.Key }} {{ run.partition }}", other: "{{ item.Key }} {{ run.partition }}" } }
  - name: rows
    map:
      over: { csv: "s3://dpc-111111111111-eu-central-1/{{ params.prefix }}/a.csv" }
      tolerate: { percent: 50 }
      steps:
        - { name: row, uses: ../types/equal, with: { one: "{{ item.country }}", other: de } }
  - name: elements
    map:
      over: { json: "s3://dpc-111111111111-eu-central-1/{{ params.prefix }}/b.json" }
      tolerate: { failures: 1 }
      steps:
        - { name: element, uses: ../types/equal, with: { one: "{{ item.n }}", other: 1 } }
"#;

const SCRIPT: &str = "import sys\nassert sys.argv[sys.argv.index('--date') + 1] == DAY, sys.argv\n";

#[test]
fn steps_that_call_services_have_their_effect() {
    let emulator = Emulator::start(&["SFN_WAIT_SCALE=0"]);
    let aws = emulator.credentials(ACCOUNT);
    let project = Project::copy("services");
    for entry in std::fs::read_dir(&project.folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
    let parent = PARENT.replace("VERSION", env!("CARGO_PKG_VERSION"));
    let pipelines = [
        ("child", CHILD),
        ("parent", &parent),
        ("work", JOBS),
        ("refused", REFUSED),
        ("checked", CHECKED),
        ("inline", INLINE),
        ("spread", SPREAD),
    ];
    for (name, text) in pipelines {
        std::fs::create_dir(project.folder.join(name)).unwrap();
        std::fs::write(project.folder.join(name).join("pipeline.yaml"), text).unwrap();
    }
    let quality = std::fs::read_to_string(support::root().join("fixtures/types/step-types/quality/type.yaml")).unwrap();
    for (name, text) in [("equal", EQUAL), ("quality", &quality)] {
        std::fs::create_dir_all(project.folder.join("types").join(name)).unwrap();
        std::fs::write(project.folder.join("types").join(name).join("type.yaml"), text).unwrap();
    }
    project.dpc(&["setup", "account", "--yes"], &aws).exits(0);
    assert_eq!(Stacks::of(&emulator).create("around", AROUND), "CREATE_COMPLETE");
    let script = SCRIPT.replace("DAY", "'2026-11-21'");
    let rows = "country,rows\nde,1\nde,2\nat,3\n";
    let files =
        [("convert.py", script.as_str()), ("in/a.csv", rows), ("in/b.json", r#"[{"n": 1}, {"n": 2}, {"n": 1}]"#)];
    for (key, text) in files {
        let put = emulator.call("PUT", ACCOUNT, "s3", &format!("/dpc-{ACCOUNT}-eu-central-1/{key}"), text, "");
        assert!(put.starts_with("HTTP/1.1 200"), "{put}");
    }
    project.dpc(&["deploy", "--yes"], &aws).exits(0);

    for name in ["parent", "work", "checked", "inline", "spread"] {
        project.dpc(&["run", name, "--partition", "2026-11-21"], &aws).exits(0).says("SUCCEEDED");
    }
    let run = |arguments: &[&str]| project.dpc(&[&["run", "--partition", "2026-11-22"], arguments].concat(), &aws);
    run(&["checked", "--param", "least=3"]).exits(1).says("2 objects below in/, and 3 are needed");
    run(&["inline", "--param", "bad=x"]).exits(1).says("step `each` failed");
    run(&["spread", "--param", "prefix=gone"]).exits(1).says("step `");
    project.dpc(&["run", "child", "--partition", "2026-11-21", "--param", "rows=8"], &aws).exits(1).says("Wrong");
    project.dpc(&["run", "refused", "--partition", "2026-11-21"], &aws).exits(1).says("dpc.NotStarted");
    // The script finds another day than its own.
    project.dpc(&["run", "work", "--partition", "2026-11-20"], &aws).exits(1).says("step `");
    emulator.nothing_was_denied();
}
