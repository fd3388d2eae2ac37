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
    for (name, text) in [("child", CHILD), ("parent", &parent), ("work", JOBS), ("refused", REFUSED)] {
        std::fs::create_dir(project.folder.join(name)).unwrap();
        std::fs::write(project.folder.join(name).join("pipeline.yaml"), text).unwrap();
    }
    project.dpc(&["setup", "account", "--yes"], &aws).exits(0);
    assert_eq!(Stacks::of(&emulator).create("around", AROUND), "CREATE_COMPLETE");
    let script = SCRIPT.replace("DAY", "'2026-11-21'");
    let put = emulator.call("PUT", ACCOUNT, "s3", "/dpc-111111111111-eu-central-1/convert.py", &script, "");
    assert!(put.starts_with("HTTP/1.1 200"), "{put}");
    project.dpc(&["deploy", "--yes"], &aws).exits(0);

    for name in ["parent", "work"] {
        project.dpc(&["run", name, "--partition", "2026-11-21"], &aws).exits(0).says("SUCCEEDED");
    }
    project.dpc(&["run", "child", "--partition", "2026-11-21", "--param", "rows=8"], &aws).exits(1).says("Wrong");
    project.dpc(&["run", "refused", "--partition", "2026-11-21"], &aws).exits(1).says("dpc.NotStarted");
    // The script finds another day than its own.
    project.dpc(&["run", "work", "--partition", "2026-11-20"], &aws).exits(1).says("step `");
    emulator.nothing_was_denied();
}
