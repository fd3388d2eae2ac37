//! Histories: pipelines that are deployed, changed and destroyed, with and without a central account.

use serde_json::{Value, json};

use super::testing::{STACK, TestAccount, account, member, plan, yes};
use super::tests::{assert_says, with};
use crate::cloud::runs::Store;
use crate::control::message::{Answer, Body, Message, Refusal};
use crate::source::Code;

fn request(kind: &str, stack: &str, plan: Value) -> Value {
    json!({
        "RequestType": kind, "ResponseURL": "http://127.0.0.1:1/answer", "StackId": stack, "RequestId": "r-1",
        "LogicalResourceId": "Registration", "ResourceType": "Custom::DpcPipeline",
        "PhysicalResourceId": if kind == "Create" { Value::Null } else { json!("dpc:listings") },
        "ResourceProperties": { "ServiceToken": "arn", "ServiceTimeout": "120", "Plan": plan },
    })
}

fn plan_json() -> Value {
    serde_json::to_value(plan()).unwrap()
}

fn answer_of(account: &TestAccount, request: Value) -> Value {
    account.event(request).unwrap();
    account.world.responses.borrow().last().unwrap().clone()
}

fn owner(account: &TestAccount) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(account.store.registration("listings")).unwrap().map(|registration| registration.stack)
}

const OTHER: &str = "arn:aws:cloudformation:eu-central-1:111111111111:stack/dpc-listings-two/77aa";

#[test]
fn a_pipeline_is_registered_changed_and_removed_by_its_stack() {
    let account = account();
    account.store.registrations.borrow_mut().clear();
    for kind in ["Create", "Update"] {
        let answer = answer_of(&account, request(kind, STACK, plan_json()));
        assert_eq!((&answer["Status"], &answer["PhysicalResourceId"]), (&json!("SUCCESS"), &json!("dpc:listings")));
        assert_eq!((&answer["RequestId"], &answer["StackId"]), (&json!("r-1"), &json!(STACK)));
        assert_eq!(owner(&account).as_deref(), Some(STACK));
    }
    assert_eq!(answer_of(&account, request("Delete", STACK, plan_json()))["Status"], "SUCCESS");
    assert_eq!(owner(&account), None);
}

#[test]
fn another_stack_can_neither_take_nor_remove_a_registration() {
    let account = account();
    let answer = answer_of(&account, request("Create", OTHER, plan_json()));
    assert_eq!(answer["Status"], "FAILED");
    assert_says(Code::AlreadyRegistered, answer["Reason"].as_str().unwrap());
    // CloudFormation then deletes what it failed to create, with the id of the answer.
    assert_eq!(answer["PhysicalResourceId"], "dpc:listings");
    assert_eq!(answer_of(&account, request("Delete", OTHER, plan_json()))["Status"], "SUCCESS");
    assert_eq!(owner(&account).as_deref(), Some(STACK));
}

#[test]
fn a_stack_that_is_gone_owns_nothing() {
    let account = account();
    account.world.stacks_gone.borrow_mut().insert(STACK.into());
    assert_eq!(answer_of(&account, request("Create", OTHER, plan_json()))["Status"], "SUCCESS");
    assert_eq!(owner(&account).as_deref(), Some(OTHER));
}

#[test]
fn a_deletion_succeeds_even_if_the_table_does_not_answer() {
    let account = account();
    account.world.fault.at(0, false);
    let outcome = account.event(request("Delete", STACK, plan_json()));
    // The process that cannot reach its table cannot reach CloudFormation in this world either; what counts is that the
    // deletion got as far as the answer.
    assert!(outcome.is_err());
    assert!(account.world.counted.borrow().iter().any(|(_, why)| why.contains("was not removed")));
}

#[test]
fn a_plan_that_cannot_be_read_is_refused_with_a_short_reason() {
    let account = account();
    let mut plan = plan_json();
    plan["n".repeat(9_000)] = json!("x");
    let answer = answer_of(&account, request("Update", STACK, plan));
    assert_eq!(answer["Status"], "FAILED");
    assert!(answer.to_string().len() < 4_096);
    let old = with(plan_json(), "version", json!("2"));
    assert_says(Code::BadPlan, answer_of(&account, request("Update", STACK, old))["Reason"].as_str().unwrap());
    let answer = answer_of(&account, request("Create", STACK, json!({})));
    assert_eq!((&answer["Status"], &answer["PhysicalResourceId"]), (&json!("FAILED"), &json!("dpc:")));
    assert_eq!(
        answer_of(&account, with(request("Delete", STACK, json!({})), "PhysicalResourceId", json!("dpc:")))["Status"],
        "SUCCESS"
    );
    assert_eq!(owner(&account).as_deref(), Some(STACK), "a refused change leaves what was there");
}

#[test]
fn a_plan_as_large_as_the_limit_allows_is_kept_and_a_larger_one_is_not() {
    let account = account();
    for (bytes, status) in [(190 * 1024, "SUCCESS"), (201 * 1024, "FAILED")] {
        let mut plan = plan_json();
        plan["steps"]["aggregate"]["args"] = json!(["x".repeat(bytes)]);
        assert_eq!(answer_of(&account, request("Update", STACK, plan))["Status"], status);
    }
}

#[test]
fn new_schedules_owe_nothing_of_the_past() {
    let account = account();
    let mut plan = plan_json();
    plan["schedules"][0]["expression"] = json!("cron(0 * * * ? *)");
    account.wait(30);
    answer_of(&account, request("Update", STACK, plan.clone()));
    account.wait(10);
    assert_eq!(account.sweep_now()["missed"], 0);
    account.wait(30);
    answer_of(&account, request("Update", STACK, plan)); // the same schedules: what is owed stays owed
    assert_eq!(account.sweep_now()["missed"], 1);
}

// ------------------------------------------------------------------------------------------- with a central account

fn told(account: &TestAccount) -> Vec<Message> {
    account.world.told.borrow().clone()
}

fn waiting_plan() -> Value {
    let leaf = json!({ "pipeline": "searches", "status": ["SUCCEEDED"] });
    with(plan_json(), "executions", json!({ "allOf": [leaf] }))
}

#[test]
fn the_central_account_is_asked_first_and_its_warnings_are_passed_on() {
    let account = member();
    account.store.registrations.borrow_mut().clear();
    *account.world.says.borrow_mut() =
        Some(Answer { warnings: vec!["`searches` is not registered yet".into()], ..yes() });
    let answer = answer_of(&account, request("Create", STACK, waiting_plan()));
    assert_eq!(
        (&answer["Status"], &answer["Data"]["Warnings"]),
        (&json!("SUCCESS"), &json!("`searches` is not registered yet"))
    );
    let told = told(&account);
    assert_eq!((told[0].id.as_str(), told[0].space.as_str()), ("register/r-1", "prod"));
    let Body::Register(registration) = &told[0].body else { panic!("{told:?}") };
    assert_eq!((registration.region.as_str(), registration.stack.as_str()), ("eu-central-1", STACK));
    assert!(registration.executions.is_some() && !registration.by_event);
    assert_eq!(account.store.registrations.borrow()["listings"].warnings.len(), 1, "whoever deploys reads it there");
    // Lambda delivers the same request again: the answer is there already.
    answer_of(&account, request("Create", STACK, waiting_plan()));
    assert_eq!(account.world.told.borrow().len(), 1);
}

#[test]
fn a_refusal_fails_the_deployment_with_its_sentence_and_leaves_what_was_there() {
    let account = member();
    let message = "pipeline `listings` of space `prod` belongs to account 222222222222".to_owned();
    let refusal = Refusal { code: "DPC791".into(), message, help: Some("give it another name".into()) };
    *account.world.says.borrow_mut() = Some(Answer { refused: Some(refusal), ..yes() });
    let digest = account.store.registrations.borrow()["listings"].digest.clone();
    let answer = answer_of(&account, request("Update", STACK, waiting_plan()));
    assert_eq!(answer["Status"], "FAILED");
    let reason = answer["Reason"].as_str().unwrap();
    assert!(reason.contains("belongs to account 222222222222; give it another name"), "{reason}");
    assert_eq!(account.store.registrations.borrow()["listings"].digest, digest);
}

#[test]
fn a_silent_central_account_fails_the_deployment_in_time() {
    let account = member();
    *account.world.says.borrow_mut() = None;
    let before = account.world.clock.get();
    let answer = answer_of(&account, request("Update", STACK, waiting_plan()));
    let waited = account.world.clock.get().duration_since(before).as_secs();
    assert!((60..=65).contains(&waited), "{waited}");
    let reason = answer["Reason"].as_str().unwrap();
    assert!(answer["Status"] == "FAILED" && reason.contains("dpc-central-dead-letters"), "{answer}");
}

#[test]
fn a_refused_creation_is_deleted_without_harm_and_can_be_repeated() {
    let account = member();
    account.store.registrations.borrow_mut().clear();
    let refusal = Refusal { code: "DPC791".into(), message: "no".into(), help: None };
    *account.world.says.borrow_mut() = Some(Answer { refused: Some(refusal), ..yes() });
    assert_eq!(answer_of(&account, request("Create", STACK, waiting_plan()))["Status"], "FAILED");
    assert_eq!(
        answer_of(&account, with(request("Delete", STACK, waiting_plan()), "RequestId", json!("r-2")))["Status"],
        "SUCCESS"
    );
    let Body::Deregister { pipeline, stack } = &told(&account)[1].body else { panic!() };
    assert_eq!((pipeline.as_str(), stack.as_str()), ("listings", STACK), "the central account looks at the stack");
    *account.world.says.borrow_mut() = Some(yes());
    let again = with(request("Create", STACK, waiting_plan()), "RequestId", json!("r-3"));
    assert_eq!(answer_of(&account, again)["Status"], "SUCCESS");
    assert_eq!(owner(&account).as_deref(), Some(STACK));
}

#[test]
fn another_stack_of_the_account_is_refused_before_the_central_account_hears_of_it() {
    let account = member();
    assert_eq!(answer_of(&account, request("Create", OTHER, waiting_plan()))["Status"], "FAILED");
    assert!(told(&account).is_empty());
}

#[test]
fn a_roll_back_registers_the_old_plan_again() {
    let account = member();
    for (request_id, plan) in [("r-1", plan_json()), ("r-2", waiting_plan()), ("r-3", plan_json())] {
        let answer = answer_of(&account, with(request("Update", STACK, plan), "RequestId", json!(request_id)));
        assert_eq!(answer["Status"], "SUCCESS");
    }
    assert!(account.store.registrations.borrow()["listings"].plan.executions.is_none());
    assert_eq!(told(&account).len(), 3);
}

#[test]
fn a_deletion_that_cannot_be_told_is_told_by_the_sweep() {
    for call in 0.. {
        let account = member();
        account.world.fault.at(call, false);
        let died = account.event(request("Delete", STACK, plan_json())).is_err();
        account.world.fault.mend();
        if died {
            // CloudFormation's call is an asynchronous one: Lambda delivers it again.
            answer_of(&account, request("Delete", STACK, plan_json()));
        }
        account.sweep_now();
        assert!(told(&account).iter().any(|message| matches!(message.body, Body::Deregister { .. })), "call {call}");
        assert!(account.store.owed.borrow().is_empty() && owner(&account).is_none(), "call {call}");
        if !died {
            break;
        }
    }
    // The bus alone does not answer.
    let account = member();
    let message = super::report::envelope(
        "prod",
        "deregister/r-9".into(),
        Body::Deregister { pipeline: "x".into(), stack: "s".into() },
    );
    account.store.owed.borrow_mut().insert(message.id.clone(), message.clone());
    account.sweep_now();
    assert_eq!(told(&account), [message]);
    assert!(account.store.owed.borrow().is_empty());
}

#[test]
fn without_a_central_account_nobody_can_be_waited_for() {
    let account = account();
    let answer = answer_of(&account, request("Update", STACK, waiting_plan()));
    assert_eq!(answer["Status"], "FAILED");
    assert!(answer["Reason"].as_str().unwrap().contains("dpc setup account --central"), "{answer}");
}

#[test]
fn long_words_fit_into_the_answer() {
    let account = member();
    let refusal = Refusal { code: "DPC791".into(), message: "ä\"".repeat(5_000), help: None };
    *account.world.says.borrow_mut() = Some(Answer { refused: Some(refusal), ..yes() });
    let answer = answer_of(&account, request("Update", STACK, waiting_plan()));
    assert!(answer.to_string().len() < 4_096, "{}", answer.to_string().len());
}
