//! Every state of a stack, and what may be done in it.
//!
//! The list is complete, and every `match` over it names every state: one that AWS adds later is refused in words, never
//! taken for another.

/// The status of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names are AWS's own.
pub enum StackState {
    CreateComplete,
    CreateFailed,
    CreateInProgress,
    DeleteComplete,
    DeleteFailed,
    DeleteInProgress,
    ImportComplete,
    ImportInProgress,
    ImportRollbackComplete,
    ImportRollbackFailed,
    ImportRollbackInProgress,
    ReviewInProgress,
    RollbackComplete,
    RollbackFailed,
    RollbackInProgress,
    UpdateComplete,
    UpdateCompleteCleanupInProgress,
    UpdateFailed,
    UpdateInProgress,
    UpdateRollbackComplete,
    UpdateRollbackCompleteCleanupInProgress,
    UpdateRollbackFailed,
    UpdateRollbackInProgress,
}

/// What may be done with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It takes changes.
    Ready,
    /// A change set was made for it, and nothing else: it has no resource yet, and is created.
    Reviewed,
    /// Its first creation failed and was rolled back. It holds nothing and takes nothing: delete it, create it again.
    FailedCreate,
    /// CloudFormation is at work on it.
    Busy,
    /// Only a person can go on.
    Stuck,
    /// Deleted.
    Gone,
}

impl StackState {
    /// All states.
    pub const ALL: [StackState; 23] = [
        StackState::CreateComplete,
        StackState::CreateFailed,
        StackState::CreateInProgress,
        StackState::DeleteComplete,
        StackState::DeleteFailed,
        StackState::DeleteInProgress,
        StackState::ImportComplete,
        StackState::ImportInProgress,
        StackState::ImportRollbackComplete,
        StackState::ImportRollbackFailed,
        StackState::ImportRollbackInProgress,
        StackState::ReviewInProgress,
        StackState::RollbackComplete,
        StackState::RollbackFailed,
        StackState::RollbackInProgress,
        StackState::UpdateComplete,
        StackState::UpdateCompleteCleanupInProgress,
        StackState::UpdateFailed,
        StackState::UpdateInProgress,
        StackState::UpdateRollbackComplete,
        StackState::UpdateRollbackCompleteCleanupInProgress,
        StackState::UpdateRollbackFailed,
        StackState::UpdateRollbackInProgress,
    ];

    /// As AWS spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            StackState::CreateComplete => "CREATE_COMPLETE",
            StackState::CreateFailed => "CREATE_FAILED",
            StackState::CreateInProgress => "CREATE_IN_PROGRESS",
            StackState::DeleteComplete => "DELETE_COMPLETE",
            StackState::DeleteFailed => "DELETE_FAILED",
            StackState::DeleteInProgress => "DELETE_IN_PROGRESS",
            StackState::ImportComplete => "IMPORT_COMPLETE",
            StackState::ImportInProgress => "IMPORT_IN_PROGRESS",
            StackState::ImportRollbackComplete => "IMPORT_ROLLBACK_COMPLETE",
            StackState::ImportRollbackFailed => "IMPORT_ROLLBACK_FAILED",
            StackState::ImportRollbackInProgress => "IMPORT_ROLLBACK_IN_PROGRESS",
            StackState::ReviewInProgress => "REVIEW_IN_PROGRESS",
            StackState::RollbackComplete => "ROLLBACK_COMPLETE",
            StackState::RollbackFailed => "ROLLBACK_FAILED",
            StackState::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
            StackState::UpdateComplete => "UPDATE_COMPLETE",
            StackState::UpdateCompleteCleanupInProgress => "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
            StackState::UpdateFailed => "UPDATE_FAILED",
            StackState::UpdateInProgress => "UPDATE_IN_PROGRESS",
            StackState::UpdateRollbackComplete => "UPDATE_ROLLBACK_COMPLETE",
            StackState::UpdateRollbackCompleteCleanupInProgress => "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
            StackState::UpdateRollbackFailed => "UPDATE_ROLLBACK_FAILED",
            StackState::UpdateRollbackInProgress => "UPDATE_ROLLBACK_IN_PROGRESS",
        }
    }

    /// The state that AWS spells so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// What may be done in it.
    pub fn phase(self) -> Phase {
        match self {
            StackState::CreateComplete
            | StackState::ImportComplete
            | StackState::ImportRollbackComplete
            | StackState::UpdateComplete
            // Not to be confused with ROLLBACK_COMPLETE: an update was rolled back, the stack before it lives on.
            | StackState::UpdateRollbackComplete => Phase::Ready,
            StackState::ReviewInProgress => Phase::Reviewed,
            StackState::RollbackComplete => Phase::FailedCreate,
            StackState::CreateInProgress
            | StackState::DeleteInProgress
            | StackState::ImportInProgress
            | StackState::ImportRollbackInProgress
            | StackState::RollbackInProgress
            | StackState::UpdateCompleteCleanupInProgress
            | StackState::UpdateInProgress
            | StackState::UpdateRollbackCompleteCleanupInProgress
            | StackState::UpdateRollbackInProgress => Phase::Busy,
            StackState::CreateFailed
            | StackState::DeleteFailed
            | StackState::ImportRollbackFailed
            | StackState::RollbackFailed
            | StackState::UpdateFailed
            | StackState::UpdateRollbackFailed => Phase::Stuck,
            StackState::DeleteComplete => Phase::Gone,
        }
    }

    /// Whether a deployment that ended so has done what it was asked for. An update counts from the moment when only old
    /// resources remain to be cleaned up.
    pub fn is_deployed(self) -> bool {
        match self {
            StackState::CreateComplete
            | StackState::UpdateComplete
            | StackState::UpdateCompleteCleanupInProgress
            | StackState::ImportComplete => true,
            StackState::CreateFailed
            | StackState::CreateInProgress
            | StackState::DeleteComplete
            | StackState::DeleteFailed
            | StackState::DeleteInProgress
            | StackState::ImportInProgress
            | StackState::ImportRollbackComplete
            | StackState::ImportRollbackFailed
            | StackState::ImportRollbackInProgress
            | StackState::ReviewInProgress
            | StackState::RollbackComplete
            | StackState::RollbackFailed
            | StackState::RollbackInProgress
            | StackState::UpdateFailed
            | StackState::UpdateInProgress
            | StackState::UpdateRollbackComplete
            | StackState::UpdateRollbackCompleteCleanupInProgress
            | StackState::UpdateRollbackFailed
            | StackState::UpdateRollbackInProgress => false,
        }
    }

    /// Whether resources may stand in a stack of this state.
    pub fn holds_resources(self) -> bool {
        match self.phase() {
            Phase::Ready | Phase::Busy | Phase::Stuck => true,
            Phase::Reviewed | Phase::FailedCreate | Phase::Gone => false,
        }
    }

    /// What the state means and what one may do, in words: what `dpc status` prints.
    pub fn advice(self) -> &'static str {
        match self {
            StackState::CreateComplete | StackState::UpdateComplete | StackState::ImportComplete => "deployed",
            StackState::UpdateRollbackComplete => "the last update failed and was undone; deploy again",
            StackState::ImportRollbackComplete => "the last import failed and was undone; deploy again",
            StackState::ReviewInProgress => "a change set was made and never executed; deploy again",
            StackState::RollbackComplete => "the first deployment failed; `dpc deploy` cleans up and creates it again",
            StackState::CreateInProgress => "is being created; wait",
            StackState::UpdateInProgress => "is being updated; wait",
            StackState::UpdateCompleteCleanupInProgress => "updated; what was replaced is being removed; wait",
            StackState::ImportInProgress => "resources are being imported; wait",
            StackState::DeleteInProgress => "is being deleted; wait",
            StackState::RollbackInProgress => "the first deployment failed and is being undone; wait",
            StackState::UpdateRollbackInProgress
            | StackState::UpdateRollbackCompleteCleanupInProgress
            | StackState::ImportRollbackInProgress => "the last update failed and is being undone; wait",
            StackState::CreateFailed => {
                "the first deployment failed without being undone; `dpc destroy`, then deploy again"
            }
            StackState::RollbackFailed => "the first deployment could not be undone; `dpc destroy`, then deploy again",
            StackState::DeleteFailed => "the deletion failed; `dpc destroy` tries again",
            StackState::UpdateFailed => {
                "the last update failed without being undone; `aws cloudformation rollback-stack`, then deploy again"
            }
            StackState::UpdateRollbackFailed | StackState::ImportRollbackFailed => {
                "the last update could not be undone; `aws cloudformation continue-update-rollback`, then deploy again"
            }
            StackState::DeleteComplete => "deleted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_the_sdk_is_known() {
        for value in aws_sdk_cloudformation::types::StackStatus::values() {
            assert!(StackState::parse(value).is_some(), "{value}");
        }
        assert_eq!(aws_sdk_cloudformation::types::StackStatus::values().len(), StackState::ALL.len());
    }

    #[test]
    fn the_two_rollbacks_are_not_confused() {
        assert_eq!(StackState::RollbackComplete.phase(), Phase::FailedCreate);
        assert_eq!(StackState::UpdateRollbackComplete.phase(), Phase::Ready);
    }

    #[test]
    fn in_progress_is_busy_but_for_a_review() {
        for state in StackState::ALL {
            let busy = state.as_str().ends_with("_IN_PROGRESS") && state != StackState::ReviewInProgress;
            assert_eq!(state.phase() == Phase::Busy, busy, "{}", state.as_str());
        }
    }
}
