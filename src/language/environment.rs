//! Which environment a command is for, and what it resolves to.

use std::collections::{BTreeMap, BTreeSet};

use crate::control::names;
use crate::language::manifest::{CentralAccount, Environment, ProjectFile};
use crate::source::{Code, Finding, suggest};

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
    /// The central account, if one is named.
    pub central: Option<Central>,
    /// Values of `${vars.name}`.
    pub vars: BTreeMap<String, String>,
    /// Names of the variables that any environment of the project sets: for messages.
    pub known_vars: BTreeSet<String>,
}

/// Where a central account is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Central {
    /// Twelve digits.
    pub account: String,
    /// The region of its bus and its table.
    pub region: String,
    /// Path and name of the role that reads its table.
    pub reader: String,
}

impl Central {
    /// The central account of this number, its role named as setup names it.
    pub fn new(account: &str, region: &str) -> Self {
        Self { account: account.to_owned(), region: region.to_owned(), reader: names::central_reader(region) }
    }

    fn of(written: &CentralAccount, region: &str) -> Self {
        let region = written.region.as_ref().map_or(region, |region| &region.value);
        let central = Self::new(&written.account, region);
        let reader = written.reader.as_ref().map(|reader| reader.trim_start_matches('/').to_owned());
        Self { reader: reader.unwrap_or_else(|| central.reader.clone()), ..central }
    }
}

/// The environment that a choice means. `None` only for a project that has none, which a rule reports.
///
/// # Errors
/// When no environment has the name, or when none was named and several exist.
pub fn resolve(project: &ProjectFile, choice: &EnvironmentChoice) -> Result<Option<Resolved>, Box<Finding>> {
    let names: Vec<&str> = project.environments.iter().map(|(name, _)| name.as_str()).collect();
    let chosen = match choice {
        EnvironmentChoice::Named(name) if !names.contains(&name.as_str()) => {
            return Err(Box::new(unknown(name, &names)));
        }
        EnvironmentChoice::Named(name) => project.environments.iter().find(|(other, _)| other.value == *name),
        EnvironmentChoice::Only if names.len() > 1 => return Err(Box::new(several(&names))),
        EnvironmentChoice::Only | EnvironmentChoice::Any => project.environments.iter().next(),
    };
    let all = project.environments.iter().flat_map(|(_, environment)| environment.vars.iter());
    let known_vars: BTreeSet<String> = all.map(|(name, _)| name.value.clone()).collect();
    Ok(chosen.map(|(name, environment)| Resolved { known_vars, ..resolved(project, name, environment) }))
}

fn resolved(project: &ProjectFile, name: &str, environment: &Environment) -> Resolved {
    let central = environment.central.as_ref().or(project.central.as_ref());
    let vars = environment.vars.iter().map(|(name, value)| (name.value.clone(), value.value.clone())).collect();
    Resolved {
        name: name.to_owned(),
        account: environment.account.value.clone(),
        region: environment.region.value.clone(),
        profile: environment.profile.as_ref().map(|profile| profile.value.clone()),
        space: environment.space.as_ref().map_or_else(|| name.to_owned(), |space| space.value.clone()),
        central: central.map(|central| Central::of(central, &environment.region)),
        vars,
        known_vars: BTreeSet::new(),
    }
}

fn unknown(name: &str, names: &[&str]) -> Finding {
    let finding = Finding::new(Code::UnknownEnvironment, format!("there is no environment `{name}` in `dpc.yaml`"));
    match suggest::near(name, names.iter().copied()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None if names.is_empty() => finding.help("`dpc.yaml` declares none"),
        None => finding.help(format!("choose one of them: {}", names.join(", "))),
    }
}

fn several(names: &[&str]) -> Finding {
    Finding::new(Code::WhichEnvironment, format!("the project has {} environments: {}", names.len(), names.join(", ")))
        .why("dpc does not guess which account is meant")
        .help(format!("add `--env {}`, or set `DPC_ENV`", names.first().copied().unwrap_or_default()))
}
