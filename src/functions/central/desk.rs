//! The desk on which the rows of one space lie while messages about it are dealt with.
//!
//! In come the engine's writes; out come conditional writes of the table, and the same rows on the desk. It refuses to trust
//! itself: what lies on the desk is compared with the table's counter before each batch, and thrown away after a lost write.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cloud::CloudResult;
use crate::cloud::central::{self, Counter, LARGEST, Row, Rows, TOGETHER, Write, is_of_space, keys, rows_of, size};
use crate::control::trigger::space::Space;
use crate::control::trigger::store::{self, Missing, Snapshot};
use crate::source::{Code, Finding};

/// DynamoDB takes 4 MB in one transaction; the documents are most of it.
const TRANSACTION: usize = 3 * 1024 * 1024;
/// More rounds of loading than any question needs: each one loads all that a look misses.
const ROUNDS: usize = 200;

/// What is known of one space.
#[derive(Debug)]
pub struct Desk {
    /// What is registered and reserved.
    pub space: Space,
    /// The table's counter when `space` was read.
    counter: Counter,
    /// Rows of facts that have been read in this batch.
    pub snapshot: Snapshot,
    /// Whether the counter has been compared in this batch.
    fresh: bool,
    /// Something lies on it that could not be written.
    pub spoiled: bool,
}

/// What is written together, once it is known what follows from it.
#[derive(Debug, Default)]
pub struct Sheet {
    writes: Vec<store::Write>,
    /// Versions of reservations that go.
    released: BTreeMap<String, u64>,
    /// Rows that the engine does not know.
    others: Vec<Write>,
    /// What has been done about fires, by pipeline and label.
    done: BTreeMap<(String, String), Value>,
}

/// How writing went.
#[derive(Debug)]
pub enum Written {
    /// All is in the table.
    Done,
    /// All but these rows, which are too large: keys, and how many bytes.
    TooLarge(Vec<(central::Key, usize)>),
    /// Somebody else has written in between.
    Lost,
}

impl Desk {
    /// Reads a space.
    ///
    /// # Errors
    /// Whatever AWS refuses; rows that cannot be read.
    pub async fn read<R: Rows>(rows: &R, space: &str) -> CloudResult<Self> {
        let (space, version) = central::space(rows, space).await?;
        Ok(Self { space, counter: Counter(version), snapshot: Snapshot::partial(), fresh: true, spoiled: false })
    }

    /// At the end of a batch: what others may write before the next one is forgotten.
    pub fn close(&mut self) {
        self.snapshot = Snapshot::partial();
        self.fresh = false;
    }

    /// Whether the space is as it is in the table. One question a batch, and the only one that most batches need for it.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn is_current<R: Rows>(&mut self, rows: &R) -> CloudResult<bool> {
        if !self.fresh {
            let found = rows.get(&[keys::version(self.space.name())]).await?;
            self.fresh = found.first().map_or(0, |row| row.version) == self.counter.0;
        }
        Ok(self.fresh)
    }

    /// Answers a question with what the table holds.
    ///
    /// # Errors
    /// Whatever AWS refuses; rows that cannot be read.
    pub async fn look<R: Rows, T>(
        &mut self,
        rows: &R,
        mut question: impl FnMut(&Space, &Snapshot) -> Result<T, Missing>,
    ) -> CloudResult<T> {
        for _ in 0..ROUNDS {
            match question(&self.space, &self.snapshot) {
                Ok(answer) => return Ok(answer),
                Err(missing) => self.load(rows, &missing).await?,
            }
        }
        Err(endless())
    }

    /// Loads what is missing.
    ///
    /// # Errors
    /// Whatever AWS refuses; rows that cannot be read.
    pub async fn load<R: Rows>(&mut self, rows: &R, missing: &Missing) -> CloudResult<()> {
        central::load(rows, self.space.name(), &mut self.snapshot, missing).await
    }

    /// Takes in what the engine wants written, and notes it for [`Desk::write`].
    pub fn note(&mut self, sheet: &mut Sheet, writes: impl IntoIterator<Item = store::Write>) {
        for write in writes {
            if let store::Write::Released(id) = &write {
                let known = self.space.reservations().find(|reservation| reservation.id == *id);
                let version = known.map_or(0, |reservation| u64::from(reservation.rev));
                sheet.released.insert(id.clone(), version);
            }
            self.space.write(&write);
            self.snapshot.write(&write);
            sheet.writes.push(write);
        }
    }

    /// Writes the sheet: in one transaction, unless it is larger than DynamoDB takes; then in several, in order, and `last`
    /// after all others. `last` is what says that nothing is left to be done.
    ///
    /// # Errors
    /// Whatever AWS refuses.
    pub async fn write<R: Rows>(&mut self, rows: &R, sheet: Sheet, last: Sheet) -> CloudResult<Written> {
        let of_space = sheet.writes.iter().chain(&last.writes).any(is_of_space);
        let (mut all, too_large) = match self.made([&sheet, &last])? {
            Fitting::Together(writes) => (vec![writes], Vec::new()),
            Fitting::Apart => self.apart(&sheet, &last)?,
        };
        all.retain(|part| !part.is_empty());
        for part in &all {
            if !rows.write(part).await? {
                return Ok(Written::Lost);
            }
        }
        if of_space {
            self.counter.0 += u64::from(bumps(&all, self.space.name()));
        }
        self.spoiled |= !too_large.is_empty();
        Ok(if too_large.is_empty() { Written::Done } else { Written::TooLarge(too_large) })
    }

    /// All of it as one transaction, if it fits.
    fn made(&self, sheets: [&Sheet; 2]) -> CloudResult<Fitting> {
        let writes: Vec<store::Write> = sheets.iter().flat_map(|sheet| sheet.writes.iter().cloned()).collect();
        let mut released = BTreeMap::new();
        for sheet in sheets {
            for (id, version) in &sheet.released {
                released.entry(id.clone()).or_insert(*version);
            }
        }
        let mut made =
            rows_of(self.space.name(), self.counter, &writes, &released).map_err(|wrong| unwritable(&wrong))?;
        for sheet in sheets {
            sheet.finish(&mut made);
        }
        let sizes: Vec<usize> = made.iter().map(weight).collect();
        let fits = made.len() <= TOGETHER
            && sizes.iter().all(|size| *size <= LARGEST)
            && (made.len() == 1 || sizes.iter().sum::<usize>() <= TRANSACTION);
        Ok(if fits { Fitting::Together(made) } else { Fitting::Apart })
    }

    /// In several transactions. What is too large for a row is left out, and of `last` all but the answer: the sweep comes back
    /// to it.
    fn apart(&self, sheet: &Sheet, last: &Sheet) -> CloudResult<Parts> {
        let made = |sheet: &Sheet, counter: Counter| {
            let made = rows_of(self.space.name(), counter, &sheet.writes, &sheet.released);
            let mut made = made.map_err(|wrong| unwritable(&wrong))?;
            sheet.finish(&mut made);
            CloudResult::Ok(made)
        };
        let mut too_large = Vec::new();
        let mut parts: Vec<Vec<Write>> = vec![Vec::new()];
        let (mut bytes, mut counter) = (0, self.counter);
        for write in made(sheet, counter)? {
            let size = weight(&write);
            if size > LARGEST {
                too_large.push((write.key().clone(), size));
                continue;
            }
            counter.0 += u64::from(*write.key() == keys::version(self.space.name()));
            if parts.last().is_some_and(|part| part.len() == TOGETHER) || bytes + size > TRANSACTION {
                parts.push(Vec::new());
                bytes = 0;
            }
            bytes += size;
            if let Some(part) = parts.last_mut() {
                part.push(write);
            }
        }
        let last = if too_large.is_empty() { made(last, counter)? } else { last.others.clone() };
        parts.extend(last.chunks(TOGETHER).map(<[Write]>::to_vec));
        Ok((parts, too_large))
    }
}

/// Transactions, and the rows that fit into none with their bytes.
type Parts = (Vec<Vec<Write>>, Vec<(central::Key, usize)>);

/// Whether a sheet is one transaction.
enum Fitting {
    Together(Vec<Write>),
    Apart,
}

impl Sheet {
    /// Notes a row that the engine does not know.
    pub fn put(&mut self, row: Row, replaces: u64) {
        self.others.push(Write::Put(row, replaces));
    }

    /// Notes what has been done about a fire; the fire itself must be noted too.
    pub fn done(&mut self, pipeline: &str, label: &str, done: Value) {
        self.done.insert((pipeline.to_owned(), label.to_owned()), done);
    }

    /// How many rows, at most.
    pub fn len(&self) -> usize {
        self.writes.len() + self.others.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn finish(&self, made: &mut Vec<Write>) {
        for write in made.iter_mut() {
            let Write::Put(row, _) = write else { continue };
            let Some((pipeline, label)) = fire_of(&row.key) else { continue };
            if let Some(done) = self.done.get(&(pipeline.to_owned(), label.to_owned())) {
                row.done = Some(done.clone());
            }
        }
        made.extend(self.others.iter().cloned());
    }
}

/// Pipeline and label of a fire's row.
pub fn fire_of(key: &central::Key) -> Option<(&str, &str)> {
    let (_, pipeline) = key.pk.strip_prefix("FACT#")?.rsplit_once('#')?;
    Some((pipeline, key.sk.strip_suffix("#~fire")?))
}

/// The bytes of a write, about.
fn weight(write: &Write) -> usize {
    match write {
        Write::Put(row, _) => size(&row.document) + 1024,
        Write::Delete(..) => 1024,
    }
}

/// How often the space's counter is written.
fn bumps(parts: &[Vec<Write>], space: &str) -> u32 {
    let counter = keys::version(space);
    let count = parts.iter().flatten().filter(|write| *write.key() == counter).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn unwritable(wrong: &str) -> Box<Finding> {
    Box::new(Finding::new(Code::AwsRefused, format!("a row of the central table cannot be written: {wrong}")))
}

fn endless() -> Box<Finding> {
    let finding = Finding::new(Code::AwsRefused, "a decision does not end: it misses what it has been given");
    Box::new(finding.help("this is a bug of dpc; the message is in the dead-letter queue"))
}
