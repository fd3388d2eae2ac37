//! Whether the central account is there: asked by setup, through the one function that may write to its bus.
//!
//! In comes nothing; out comes the central function's version, or why there is none. It refuses to change anything anywhere.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::cloud::runs::Store;
use crate::control::message::Body;
use crate::functions::account::Account;
use crate::functions::report::envelope;
use crate::functions::start::refused;
use crate::functions::world::World;

/// How long a person waits for it. A central function that is busy has a few seconds' work before it.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// No pipeline is asked about, and every space has the same function.
const SPACE: &str = "setup";

/// Asks; a refusal is an answer, too.
pub async fn handle<S: Store, W: World>(account: &Account<S, W>) -> Value {
    let id = format!("hello/{:016x}", fastrand::u64(..));
    match account.ask_central(&envelope(SPACE, id, Body::Hello), PATIENCE).await {
        Ok(asked) => json!({ "dpc": asked.result.get("dpc") }),
        Err(finding) => {
            tracing::warn!(code = finding.code.id(), why = finding.why, "{}", finding.message);
            refused(&finding)
        }
    }
}
