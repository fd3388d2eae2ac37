//! The account function, and the central one beside it: Lambda events in, decisions, AWS calls out.
//!
//! In come envelopes, status events, registrations and the sweep's tick; out come runs that are started once, followed to
//! their end, released and announced. This floor refuses to know YAML and the command line, and it keeps nothing between
//! two events: whatever it must remember is in `dpc-runs`.
//!
//! With a central account, `templates/account.yaml` hands over two more environment variables, and the role more rights:
//! `DPC_CENTRAL_BUS`, the ARN of the bus `dpc-central` (`events:PutEvents` on it), and `DPC_CENTRAL_READER`, the ARN of the
//! role that reads the table `dpc-central` in the bus's region (`sts:AssumeRole`). `dpc stop` needs `states:StopExecution`
//! on the executions of `dpc-*`, with or without a central account.
#![allow(clippy::disallowed_methods)] // Lambda's environment variables and clock are this floor's input.

pub mod account;
pub mod ask;
pub mod batches;
pub mod central;
pub mod hello;
pub mod metrics;
pub mod prepare;
pub mod queue;
pub mod registration;
pub mod release;
pub mod report;
pub mod senders;
pub mod settle;
pub mod start;
pub mod status;
pub mod stop;
pub mod sweep;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_asks;
#[cfg(test)]
mod tests_queue;
#[cfg(test)]
mod tests_registration;
#[cfg(test)]
mod tests_reports;
#[cfg(test)]
mod tests_sources;
pub mod waiters;
pub mod world;

use std::process::ExitCode;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

use crate::cloud::central::Place;
use crate::cloud::runs::Table;
use crate::cloud::{Caller, Clients, Target};
use account::{Account, Settings};
use world::Aws;

use crate::source::Finding;

/// Whether this process is one of the functions: Lambda says where its runtime API is, and starts `bootstrap`.
pub fn is_lambda() -> bool {
    let name = std::env::args_os().next();
    let name = name.as_deref().and_then(|path| std::path::Path::new(path).file_name());
    std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() || name.is_some_and(|name| name == "bootstrap")
}

/// The whole life of the process inside Lambda.
pub fn run() -> ExitCode {
    // One JSON object a line: CloudWatch Logs finds fields in it, and Lambda adds the request id.
    tracing_subscriber::fmt().json().flatten_event(true).with_target(false).with_ansi(false).init();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the function cannot start");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the function cannot go on");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), lambda_runtime::Error> {
    if central::Settings::are_given() { serve_central().await } else { serve_account().await }
}

async fn serve_central() -> Result<(), lambda_runtime::Error> {
    let settings = central::Settings::from_environment()?;
    let clients = Clients::new(&Target::default()).await;
    let region = clients.region().unwrap_or_default().to_owned();
    let endpoint = clients.config().endpoint_url().map(str::to_owned);
    let caller = Caller { region, endpoint, ..Caller::default() };
    let table = crate::cloud::central::Table::new(clients.dynamodb().clone(), caller.clone(), &settings.table);
    let central = central::Central::new(table, central::outside::Aws::new(clients, caller, settings));
    let central = &central;
    let handle = move |event: LambdaEvent<Value>| async move {
        let deadline = event.context.deadline();
        central.handle(event.payload, jiff::Timestamp::try_from(deadline)?).await.map_err(failed)
    };
    lambda_runtime::run(service_fn(handle)).await
}

/// A finding as Lambda's error, and in the log.
fn failed(finding: Box<Finding>) -> lambda_runtime::Error {
    tracing::error!(code = finding.code.id(), why = finding.why, "{}", finding.message);
    lambda_runtime::Error::from(format!("{}: {}", finding.code.id(), finding.message))
}

async fn serve_account() -> Result<(), lambda_runtime::Error> {
    let settings = Settings::from_environment()?;
    let clients = Clients::new(&Target::default()).await;
    let region = clients.region().unwrap_or_default().to_owned();
    let caller = Caller { region, ..Caller::default() };
    let table = Table::new(clients.dynamodb().clone(), caller.clone());
    let account = Account { store: table, world: Aws::new(clients, caller, Place::from_environment()), settings };
    let account = &account;
    let handle = move |event: LambdaEvent<Value>| async move {
        let deadline = event.context.deadline();
        account.handle(event.payload, jiff::Timestamp::try_from(deadline)?).await.map_err(failed)
    };
    lambda_runtime::run(service_fn(handle)).await
}
