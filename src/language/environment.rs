//! Which environment a command is for, and what it resolves to.

use std::collections::BTreeMap;

/// Which environment a command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvironmentChoice {
    /// The one of this name: `--env prod`, or `DPC_ENV`.
    Named(String),
    /// The only one there is; several are an error that lists them.
    Only,
    /// The first, for commands whose answer no environment changes.
    Any,
}

impl EnvironmentChoice {
    /// What `--env` or `DPC_ENV` said; without either, the only one there is.
    pub fn from_option(name: Option<String>) -> Self {
        name.map_or(Self::Only, Self::Named)
    }
}

/// An environment as the compiler and the cloud see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Its name.
    pub name: String,
    /// Twelve digits.
    pub account: String,
    /// The AWS region.
    pub region: String,
    /// Profile of the AWS configuration files, if one is named.
    pub profile: Option<String>,
    /// The namespace of pipeline names.
    pub space: String,
    /// Values of `${vars.name}`.
    pub vars: BTreeMap<String, String>,
}
