//! The engine's own tests, optimised. `DPC_HISTORIES` says how many random histories, `DPC_HISTORY` runs one seed again.
#![allow(missing_docs)]

use histories::control;

#[path = "../../../src/control/trigger/tests/mod.rs"]
mod engine;
