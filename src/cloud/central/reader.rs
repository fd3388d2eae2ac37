//! What accounts and the command line may see of the central account: everything in its table, and nothing of the rest.
//!
//! In comes where the central account is; out come answers, registrations and facts, read through the role that it gives
//! to those who may. It refuses to write: whoever wants something else asks the central function for it.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Delivery, Key, Open, Range, Row, Rows, Table, Write, keys, load, unreadable};
use crate::cloud::failure::{Caller, CloudResult};
use crate::cloud::signed::{self, Request};
use crate::cloud::{Clients, Session};
use crate::control::message::Answer;
use crate::control::names;
use crate::control::trigger::fact::PartitionFacts;
use crate::control::trigger::space::Space;
use crate::control::trigger::store::{Missing, Snapshot};
use crate::source::{Code, Finding};

/// Where the central account is, as a member account knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// ARN of the bus that takes messages.
    pub bus: String,
    /// ARN of the role that reads the table.
    pub reader: String,
}

impl Place {
    /// What the account stack hands over in environment variables; `None` for an account without a central one.
    pub fn from_environment() -> Option<Self> {
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Some(Self { bus: read("DPC_CENTRAL_BUS")?, reader: read("DPC_CENTRAL_READER")? })
    }

    /// What `dpc setup account --central` has written down in this account; `None` for an account without a central one.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn of_account(session: &Session) -> CloudResult<Option<Self>> {
        let request = Request {
            service: "ssm",
            operation: "GetParameters",
            method: "POST",
            path: "/".to_owned(),
            target: Some("AmazonSSM.GetParameters".to_owned()),
            body: Some(json!({ "Names": [names::CENTRAL_BUS_PARAMETER, names::CENTRAL_READER_PARAMETER] })),
        };
        let answer = signed::call(&session.clients, &session.caller, &request).await?;
        let find = |name: &str| {
            let found = answer.get("Parameters")?.as_array()?.iter().find(|one| one["Name"] == name)?;
            found.get("Value")?.as_str().map(str::to_owned)
        };
        let bus = find(names::CENTRAL_BUS_PARAMETER);
        Ok(bus.zip(find(names::CENTRAL_READER_PARAMETER)).map(|(bus, reader)| Self { bus, reader }))
    }

    /// The region of the bus and of the table.
    pub fn region(&self) -> &str {
        self.bus.split(':').nth(3).unwrap_or_default()
    }

    /// The central account.
    pub fn account(&self) -> &str {
        self.bus.split(':').nth(4).unwrap_or_default()
    }
}

/// Reads the table of the central account, strongly consistent. It is [`Rows`] too, for whoever decides on them as the
/// central function does; writes are refused by AWS.
#[derive(Clone, Debug)]
pub struct Reader {
    table: Table,
    place: Place,
}

impl Reader {
    /// Through the role that `place` names, with the credentials of these clients. Nothing is called yet.
    pub async fn new(clients: &Clients, caller: &Caller, place: &Place) -> Self {
        let own = clients.assuming(&place.reader, place.region(), SESSION).await;
        let caller = Caller { region: place.region().to_owned(), arn: Some(place.reader.clone()), ..caller.clone() };
        let table = Table::new(own.dynamodb().clone(), caller, names::CENTRAL_TABLE);
        Self { table, place: place.clone() }
    }

    /// For an environment of the command line.
    ///
    /// # Errors
    /// The account has no central one; whatever AWS refuses.
    pub async fn open(session: &Session) -> CloudResult<Self> {
        let Some(place) = Place::of_account(session).await? else { return Err(Box::new(no_central(&session.caller))) };
        Ok(Self::new(&session.clients, &session.caller, &place).await)
    }

    /// Where it reads.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What the central function has answered to a message; `None` as long as it has not.
    ///
    /// # Errors
    /// The role cannot be assumed; whatever AWS refuses.
    pub async fn answer(&self, id: &str) -> CloudResult<Option<Answer>> {
        let rows = self.table.get(&[keys::answer(id)]).await?;
        rows.first().map(read).transpose()
    }

    /// What is registered and reserved in a space.
    ///
    /// # Errors
    /// The role cannot be assumed; whatever AWS refuses; rows that cannot be read.
    pub async fn space(&self, name: &str) -> CloudResult<Space> {
        Ok(load::space(&self.table, name).await?.0)
    }

    /// Answers a question about facts with what the table holds: the rows that the question says it misses are loaded, and it
    /// is asked again. `explain` and `envelope` of `control/trigger` are such questions.
    ///
    /// # Errors
    /// The role cannot be assumed; whatever AWS refuses; rows that cannot be read.
    pub async fn look<T>(
        &self,
        space: &str,
        snapshot: &mut Snapshot,
        question: impl FnMut(&Snapshot) -> Result<T, Missing>,
    ) -> CloudResult<T> {
        load::look(&self.table, space, snapshot, question).await
    }

    /// All that is known of a pipeline's partitions between two labels, both included: runs, overrides, last fires.
    ///
    /// # Errors
    /// The role cannot be assumed; whatever AWS refuses; rows that cannot be read.
    pub async fn partitions(
        &self,
        space: &str,
        pipeline: &str,
        first: &str,
        last: &str,
    ) -> CloudResult<BTreeMap<String, PartitionFacts>> {
        load::partitions(&self.table, space, pipeline, first, last).await
    }

    /// How the last fire of a partition was handed to its account; `None` where there is none.
    ///
    /// # Errors
    /// The role cannot be assumed; whatever AWS refuses.
    pub async fn delivery(&self, space: &str, pipeline: &str, label: &str) -> CloudResult<Option<Delivery>> {
        let rows = self.table.get(&[keys::fire(space, pipeline, label)]).await?;
        Ok(rows.first().map(Delivery::of))
    }
}

/// As the role's sessions are named in CloudTrail of the central account.
const SESSION: &str = "dpc";

/// The document of a row.
fn read<T: serde::de::DeserializeOwned>(row: &Row) -> CloudResult<T> {
    row.read().map_err(|wrong| unreadable(names::CENTRAL_TABLE, &row.key, &wrong))
}

/// An account that is complete for itself was asked for what only a central one has.
pub fn no_central(caller: &Caller) -> Finding {
    let environment = caller.environment.as_deref().map(|name| format!(" --env {name}")).unwrap_or_default();
    Finding::new(Code::NoCentral, "this account knows no central account")
        .why("pipelines of several accounts see each other only through one")
        .help(format!("`dpc setup account{environment} --central ACCOUNT` connects it with one"))
}

impl Rows for Reader {
    async fn get(&self, keys: &[Key]) -> CloudResult<Vec<Row>> {
        self.table.get(keys).await
    }

    async fn ranges(&self, ranges: &[Range]) -> CloudResult<Vec<Vec<Row>>> {
        self.table.ranges(ranges).await
    }

    async fn write(&self, writes: &[Write]) -> CloudResult<bool> {
        self.table.write(writes).await
    }

    async fn open(&self, what: Open) -> CloudResult<Vec<Key>> {
        self.table.open(what).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_without_a_central_one_is_told_how_to_get_it() {
        let caller = Caller { environment: Some("prod".into()), ..Caller::default() };
        let finding = no_central(&caller);
        let said = [Some(finding.message), finding.why, finding.help].map(Option::unwrap_or_default).join("\n") + "\n";
        assert_eq!(said, include_str!("../../../fixtures/broken/DPC799/expected.txt"));
    }

    #[test]
    fn a_place_knows_its_region_and_account() {
        let place = Place {
            bus: "arn:aws:events:eu-central-1:999999999999:event-bus/dpc-central".into(),
            reader: "arn:aws:iam::999999999999:role/dpc-central-reader-eu-central-1".into(),
        };
        assert_eq!((place.region(), place.account()), ("eu-central-1", "999999999999"));
    }
}
