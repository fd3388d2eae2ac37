//! Under which roles a pipeline works: of its own, or of the organisation's, and what an organisation demands of roles.
//!
//! In comes YAML; out come names that keep their places. What they must look like is judged in `rules::iam`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::Spanned;

/// What an organisation demands of every role that is made in an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Iam {
    /// Permissions boundary of every role: the name or the ARN of a managed policy.
    #[schemars(extend("x-dpc-also" = ["permissionsBoundary", "permissionBoundary"]))]
    pub boundary: Option<Spanned<String>>,
    /// Path of every role: `/data/`. Default `/`.
    pub path: Option<Spanned<String>>,
    /// What the names of all roles begin with: `data-`.
    #[schemars(extend("x-dpc-also" = ["namePrefix", "rolePrefix"]))]
    pub prefix: Option<Spanned<String>>,
}

impl Iam {
    /// These, and those of the other where these are silent.
    #[must_use]
    pub fn or(&self, other: &Iam) -> Iam {
        let either = |one: &Option<Spanned<String>>, two: &Option<Spanned<String>>| one.clone().or_else(|| two.clone());
        Iam {
            boundary: either(&self.boundary, &other.boundary),
            path: either(&self.path, &other.path),
            prefix: either(&self.prefix, &other.prefix),
        }
    }

    /// Every text in it.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut Spanned<String>> {
        self.boundary.iter_mut().chain(&mut self.path).chain(&mut self.prefix)
    }
}

/// The roles of one pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineIam {
    /// Permissions boundary of the pipeline's roles: the name or the ARN of a managed policy. Default: the environment's.
    #[schemars(extend("x-dpc-also" = ["permissionsBoundary", "permissionBoundary"]))]
    pub boundary: Option<Spanned<String>>,
    /// Roles that exist already; none is made for what they do.
    #[serde(default)]
    pub roles: Roles,
}

/// Roles that exist already, each by its name or its ARN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Roles {
    /// The role of the state machine.
    pub state_machine: Option<Spanned<String>>,
    /// The role of the pipeline's own compute.
    pub compute: Option<Spanned<String>>,
}

impl Roles {
    /// Those that are given, with their keys.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &Spanned<String>)> {
        [("stateMachine", &self.state_machine), ("compute", &self.compute)]
            .into_iter()
            .filter_map(|(key, role)| Some((key, role.as_ref()?)))
    }
}
