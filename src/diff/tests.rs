use serde_json::json;

use super::*;

fn role(statements: Value) -> Value {
    json!({ "Type": "AWS::IAM::Role", "Properties": { "Policies": [
        { "PolicyName": "p", "PolicyDocument": { "Statement": statements } }
    ] } })
}

fn template(resources: Value) -> Value {
    json!({ "Resources": resources })
}

fn texts(diff: &Diff) -> Vec<String> {
    diff.differences.iter().map(|one| format!("{:?} {:?} {}", one.section, one.sign, one.text)).collect()
}

fn details(diff: &Diff, at: usize) -> Vec<&str> {
    diff.differences[at].details.iter().map(|detail| detail.text.as_str()).collect()
}

#[test]
fn what_is_said_in_another_order_is_the_same() {
    let one = role(json!([
        { "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["a", "b"] },
        { "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "q" }
    ]));
    let other = role(json!([
        { "Action": "sqs:SendMessage", "Resource": ["q"], "Effect": "Allow" },
        { "Effect": "Allow", "Action": ["s3:PutObject"], "Resource": ["b", "a"] },
        { "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["b", "a"] }
    ]));
    let found = diff(Some(&template(json!({ "R": one }))), &template(json!({ "R": other })), None);
    assert_eq!(texts(&found), Vec::<String>::new());
}

#[test]
fn widened_comes_first_and_what_a_wildcard_covered_is_not_wider() {
    let one = role(json!([{ "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*" }]));
    let other = role(json!([
        { "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*" },
        { "Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": "arn:aws:s3:::b/*" }
    ]));
    let found = diff(Some(&template(json!({ "R": one }))), &template(json!({ "R": other })), None);
    assert_eq!(
        texts(&found),
        [
            "Permissions Widened `R` may now s3:PutObject, s3:DeleteObject on arn:aws:s3:::b/*",
            "Permissions Narrowed `R` may no longer s3:Get* on arn:aws:s3:::b/*"
        ]
    );
    assert!(found.needs_attention());
}

#[test]
fn a_weaker_condition_is_wider() {
    let statement = |values: Value| {
        role(json!([{ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
            "Condition": { "StringEquals": { "aws:ResourceAccount": values } } }]))
    };
    let found = diff(
        Some(&template(json!({ "R": statement(json!("1")) }))),
        &template(json!({ "R": statement(json!(["1", "2"])) })),
        None,
    );
    assert_eq!(
        texts(&found),
        ["Permissions Widened `R` may now s3:GetObject on everything, if StringEquals aws:ResourceAccount 1 or 2"]
    );
    assert_eq!(details(&found, 0), ["before only if StringEquals aws:ResourceAccount 1"]);
}

#[test]
fn a_deny_that_goes_is_wider() {
    let one = role(json!([{ "Effect": "Deny", "Action": "s3:*", "Resource": "*" }]));
    let found = diff(Some(&template(json!({ "R": one }))), &template(json!({ "R": role(json!([])) })), None);
    assert_eq!(texts(&found), ["Permissions Widened `R` is no longer refused s3:* on everything"]);
}

#[test]
fn what_is_made_anew_takes_along_what_names_it() {
    let resources = |path: &str| {
        json!({
            "R": { "Type": "AWS::IAM::Role", "Metadata": { "dpc": { "purpose": "a role" } }, "Properties": { "Path": path } },
            "P": { "Type": "AWS::IAM::InstanceProfile", "Properties": { "InstanceProfileName": { "Ref": "R" } } },
            "T": { "Type": "AWS::SNS::Topic", "Properties": { "DisplayName": { "Ref": "R" } } }
        })
    };
    let found = diff(Some(&template(resources("/a/"))), &template(resources("/b/")), None);
    assert_eq!(
        texts(&found),
        [
            "Resources Replaced `R` is made anew: a role",
            "Resources Replaced `P` is made anew: AWS::IAM::InstanceProfile"
        ]
    );
    assert_eq!(details(&found, 0), ["Path: /a/ -> /b/"]);
    assert_eq!(details(&found, 1), ["InstanceProfileName names `R`, which is made anew"]);
}

#[test]
fn a_type_that_is_not_known_is_left_to_aws() {
    let resources = |size: u32| json!({ "D": { "Type": "AWS::RDS::DBInstance", "Properties": { "Size": size } } });
    let found = diff(Some(&template(resources(1))), &template(resources(2)), None);
    assert_eq!(texts(&found), ["Resources Changed `D` changes: AWS::RDS::DBInstance"]);
    assert!(details(&found, 0)[1].contains("--change-set"));
}

fn pipeline(steps: Value, needs: Value, states: Value) -> Value {
    json!({
        "Metadata": { "dpc": { "needs": needs } },
        "Resources": {
            "StateMachine": { "Type": "AWS::StepFunctions::StateMachine", "Properties": { "Definition": { "States": states } } },
            "Registration": { "Type": "Custom::DpcPipeline", "Properties": { "Plan": { "steps": steps } } }
        }
    })
}

#[test]
fn steps_by_meaning() {
    let before = pipeline(
        json!({ "a": { "args": ["--fast", "x"] }, "b": {} }),
        json!({ "b": ["a"] }),
        json!({
            "a": { "Type": "Task", "TimeoutSeconds": 60, "Next": "b" },
            "b": { "Type": "Task", "Arguments": { "Name": "one" }, "Next": "end" }
        }),
    );
    let after = pipeline(
        json!({ "c": {}, "b": {}, "a": { "args": ["x"] } }),
        json!({ "b": ["c"] }),
        json!({
            "b": { "Type": "Task", "Arguments": { "Name": "two" }, "Next": "end" },
            "p": { "Type": "Parallel", "Branches": [
                { "States": { "a": { "Type": "Task", "TimeoutSeconds": 120, "Next": "a: end" } } },
                { "States": { "c": { "Type": "Task" } } }
            ] }
        }),
    );
    let found = diff(Some(&before), &after, None);
    let steps: Vec<String> = found
        .differences
        .iter()
        .filter(|one| one.section == Section::Steps)
        .map(|one| {
            format!(
                "{:?} {} [{}]",
                one.sign,
                one.text,
                one.details.iter().map(|detail| detail.text.as_str()).collect::<Vec<_>>().join("; ")
            )
        })
        .collect();
    assert_eq!(
        steps,
        [
            "Added step `c` []",
            "Added the run also does `p` []",
            "Changed step `a` [args: - --fast; TimeoutSeconds: 60 -> 120]",
            "Changed step `b` needs + c, - a []",
            "Changed step `b` [Name: one -> two]"
        ]
    );
}

#[test]
fn schedules_that_come_and_go() {
    let plan = |schedules: Value| {
        json!({ "Resources": { "Registration": { "Type": "Custom::DpcPipeline", "Properties": { "Plan": {
            "partition": { "by": "day", "offset": "0", "timezone": "UTC" }, "schedules": schedules
        } } } } })
    };
    let one = json!({ "expression": "cron(0 3 * * ? *)", "timezone": "UTC" });
    let other = json!({ "expression": "cron(0 4 * * ? *)", "timezone": "UTC" });
    let found = diff(Some(&plan(json!([one]))), &plan(json!([other])), None);
    let times = found.times.expect("they differ");
    assert_eq!((times.removed.len(), times.added.len(), times.kept.len()), (1, 1, 0));
    assert!(diff(Some(&plan(json!([one]))), &plan(json!([one])), None).is_empty());
}

#[test]
fn another_order_of_keys_is_nothing_at_all() {
    let one: Value =
        serde_json::from_str(r#"{"Resources":{"A":{"Type":"T","Properties":{"x":1,"y":2}}}}"#).expect("JSON");
    let other: Value =
        serde_json::from_str(r#"{"Resources":{"A":{"Properties":{"y":2,"x":1},"Type":"T"}}}"#).expect("JSON");
    assert!(diff(Some(&one), &other, None).is_empty());
}
