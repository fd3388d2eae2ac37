//! One environment's clients, after the caller's account was compared with the environment's.
//!
//! In comes where the environment is; out comes a [`Session`], or the refusal. Everything that writes takes a session,
//! so that nothing can be written with the credentials of another account.

use crate::cloud::failure::{Caller, CloudResult, Explained};
use crate::cloud::runs::Table;
use crate::cloud::{Clients, Target};
use crate::control::names;

/// Where an environment of `dpc.yaml` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The environment's name.
    pub environment: String,
    /// Twelve digits.
    pub account: String,
    /// The region.
    pub region: String,
    /// The profile, if the environment names one.
    pub profile: Option<String>,
}

/// Clients whose credentials belong to the environment's account.
#[derive(Debug)]
pub struct Session {
    /// The SDK clients.
    pub clients: Clients,
    /// Who calls, for messages.
    pub caller: Caller,
    /// The account, compared.
    pub account: String,
}

impl Session {
    /// Asks AWS who calls, and refuses the credentials of another account.
    ///
    /// # Errors
    /// No, expired or foreign credentials; an endpoint that does not answer.
    pub async fn open(place: &Place) -> CloudResult<Self> {
        let target = Target { profile: place.profile.clone(), region: Some(place.region.clone()) };
        let clients = Clients::new(&target).await;
        let mut caller = Caller {
            environment: Some(place.environment.clone()),
            profile: place.profile.clone(),
            region: place.region.clone(),
            endpoint: clients.config().endpoint_url().map(str::to_owned),
            arn: None,
        };
        let identity = clients.sts().get_caller_identity().send().await;
        let identity = identity.explained(&caller, "sts:GetCallerIdentity")?;
        caller.arn = identity.arn().map(str::to_owned);
        let actual = identity.account().unwrap_or_default();
        if actual != place.account {
            return Err(Box::new(caller.wrong_account(actual, &place.account)));
        }
        Ok(Self { clients, caller, account: place.account.clone() })
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.caller.region
    }

    /// The table of runs.
    pub fn runs(&self) -> Table {
        Table::new(self.clients.dynamodb().clone(), self.caller.clone())
    }

    /// The bucket for artifacts and logs.
    pub fn bucket(&self) -> String {
        names::bucket(&self.account, self.region())
    }
}
