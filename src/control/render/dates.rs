//! The filters and tests on dates: their names, the arguments that they take, and what they do.
//!
//! One table serves the engine, which runs them, and the check, which reads arguments that are written out. What they
//! reckon with is [`Moment`]; here its errors become the engine's, marked as a moment that does not fit.

use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use minijinja::value::{Kwargs, Object, ObjectRepr, Rest, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use crate::control::moment::{Amount, Holidays, Moment, Part, Words};
use crate::control::partition::Granularity;
use crate::control::zone::zone;

/// An argument that can be judged where it is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// `-1d`
    Amount,
    /// `%Y/%m/%d`
    Format,
    /// `Europe/Berlin`
    Zone,
    /// `month`
    Granularity,
    /// A whole number.
    Count,
    /// A date of any kind.
    Moment,
    /// A list of days.
    Holidays,
}

impl Argument {
    /// One that fits.
    pub(super) fn example(self) -> &'static str {
        match self {
            Argument::Amount => "'-1d'",
            Argument::Format => "'%Y/%m/%d'",
            Argument::Zone => "'Europe/Berlin'",
            Argument::Granularity => "'month'",
            Argument::Count => "-1",
            Argument::Moment => "'2026-01-01'",
            Argument::Holidays => "['2026-12-25']",
        }
    }

    /// What is wrong with this text as an argument.
    pub(super) fn check(self, text: &str) -> Words<()> {
        match self {
            Argument::Amount => Amount::parse(text).map(|_| ()),
            Argument::Format => Moment::read("2026-11-21")?.format(text, &TimeZone::UTC).map(|_| ()),
            Argument::Zone => the_zone(text).map(|_| ()),
            Argument::Granularity => granularity(text).map(|_| ()),
            Argument::Moment => Moment::read(text).map(|_| ()),
            Argument::Count => Err(format!("`'{text}'` is a text, not a whole number")),
            Argument::Holidays => Err(format!("`'{text}'` is a text, not a list of days; write `['{text}']`")),
        }
    }
}

/// A filter or test of ours, by what it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signature {
    pub takes: &'static [Argument],
    /// How many of them must be there.
    pub least: usize,
    /// Arguments by name.
    pub names: &'static [&'static str],
}

const NOTHING: Signature = Signature { takes: &[], least: 0, names: &[] };
const QUESTION: Signature = Signature { takes: &[Argument::Holidays], least: 0, names: &["holidays"] };

/// What a date filter of this name takes.
pub(super) fn filter(name: &str) -> Option<Signature> {
    let one = |takes| Some(Signature { takes, least: 1, names: &[] });
    let perhaps = |takes| Some(Signature { takes, least: 0, names: &[] });
    match name {
        // The only one that the engine has too, for texts such as `%04d`.
        "format" => Some(Signature { takes: &[Argument::Format], least: 0, names: &[] }),
        "add" => Some(Signature { takes: &[Argument::Amount], least: 0, names: Amount::NAMES }),
        "in_zone" => one(&[Argument::Zone]),
        "label" => one(&[Argument::Granularity]),
        "next" | "previous" => perhaps(&[Argument::Count]),
        "days_between" => one(&[Argument::Moment]),
        "add_business_days" => {
            Some(Signature { takes: &[Argument::Count, Argument::Holidays], least: 1, names: &["holidays"] })
        }
        "date" | "start" | "end" | "days" | "hours" | "months" => Some(NOTHING),
        _ if Moment::NUMBERS.contains(&name) || part(name).is_some() => Some(NOTHING),
        _ => test(name.strip_prefix("is_")?),
    }
}

/// What a date test of this name takes.
pub(super) fn test(name: &str) -> Option<Signature> {
    match Moment::QUESTIONS.contains(&name) {
        true if name.ends_with("business_day") || name.ends_with("business_day_of_month") => Some(QUESTION),
        true => Some(NOTHING),
        false => None,
    }
}

/// Names of all filters but `format`.
pub(super) fn filters() -> Vec<String> {
    let plain = [
        "add",
        "add_business_days",
        "date",
        "days",
        "days_between",
        "end",
        "hours",
        "in_zone",
        "label",
        "months",
        "next",
        "previous",
        "start",
    ];
    let parts =
        Part::ALL.into_iter().flat_map(|part| ["start_of", "end_of"].map(|of| format!("{of}_{}", part.as_str())));
    let questions = Moment::QUESTIONS.iter().map(|question| format!("is_{question}"));
    let numbers = Moment::NUMBERS.iter().map(|name| (*name).to_owned());
    plain.map(str::to_owned).into_iter().chain(parts).chain(numbers).chain(questions).collect()
}

/// Adds filters and tests that see dates from `zone`.
pub(super) fn add(engine: &mut Environment<'static>, zone: &TimeZone) {
    for name in filters() {
        let (of, zone) = (name.clone(), zone.clone());
        engine.add_filter(name, move |value: &Value, arguments: Rest<ValueOrKwargs>| {
            let arguments = arguments.into_values();
            Call::new(&of, filter(&of), &arguments)?.filter(value, &zone)
        });
    }
    let own = zone.clone();
    engine.add_filter("format", move |state: &mut State, value: &Value, arguments: Rest<ValueOrKwargs>| {
        if value.as_str().is_some_and(|text| text.contains('%')) {
            return minijinja::filters::format(state, value, arguments);
        }
        let arguments = arguments.into_values();
        Call::new("format", filter("format"), &arguments)?.filter(value, &own)
    });
    for question in Moment::QUESTIONS {
        let zone = zone.clone();
        engine.add_test(*question, move |value: &Value, arguments: Rest<ValueOrKwargs>| {
            let arguments = arguments.into_values();
            Call::new(question, test(question), &arguments)?.question(question, value, &zone)
        });
    }
}

/// Marks an error as one of a moment that does not fit, whatever the values of a run.
#[derive(Debug)]
struct Unfit;

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a moment that fits")
    }
}

impl std::error::Error for Unfit {}

pub(super) fn is_unfit(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<Unfit>())
}

fn unfit(words: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, words).with_source(Unfit)
}

/// An instant with a zone of its own, inside the engine; prints as RFC 3339.
#[derive(Debug)]
struct Local(jiff::Zoned);

impl Object for Local {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Moment::Local(self.0.clone()))
    }
}

fn moment(value: &Value) -> Result<Moment, Error> {
    if let Some(local) = value.downcast_object_ref::<Local>() {
        return Ok(Moment::Local(local.0.clone()));
    }
    match (value.as_str(), value.kind()) {
        (Some(text), _) => Moment::read(text).map_err(unfit),
        (None, ValueKind::Undefined | ValueKind::None) => Err(unfit("there is no date to reckon with".to_owned())),
        (None, kind) => Err(unfit(format!("`{value}` is a {kind}, not a date such as `2026-11-21`"))),
    }
}

fn value(moment: Moment) -> Value {
    match moment {
        Moment::Local(zoned) => Value::from_object(Local(zoned)),
        moment => Value::from(moment.to_string()),
    }
}

fn part(filter: &str) -> Option<(Part, bool)> {
    let (start, name) = match filter.strip_prefix("start_of_") {
        Some(name) => (true, name),
        None => (false, filter.strip_prefix("end_of_")?),
    };
    Part::ALL.into_iter().find(|part| part.as_str() == name).map(|part| (part, start))
}

fn the_zone(name: &str) -> Words<TimeZone> {
    zone(name).map_err(|problem| format!("{}; {}", problem.message, problem.help.unwrap_or_default()))
}

fn granularity(name: &str) -> Words<Granularity> {
    Granularity::parse(name).map_err(|problem| format!("{}; {}", problem.message, problem.help.unwrap_or_default()))
}

/// A filter or test with its arguments.
struct Call<'a> {
    name: &'a str,
    given: &'a [Value],
    named: Kwargs,
}

impl<'a> Call<'a> {
    fn new(name: &'a str, signature: Option<Signature>, arguments: &'a [Value]) -> Result<Self, Error> {
        let (given, named): (&[Value], Kwargs) = from_args(arguments)?;
        let Signature { takes, names, .. } = signature.unwrap_or(NOTHING);
        if given.len() > takes.len() {
            let message = format!("`{name}` takes {} arguments, not {}", takes.len(), given.len());
            return Err(Error::new(ErrorKind::TooManyArguments, message));
        }
        if let Some(unknown) = named.args().find(|argument| !names.contains(argument)) {
            let message = format!("`{name}` has no argument `{unknown}`");
            return Err(Error::new(ErrorKind::TooManyArguments, message));
        }
        Ok(Self { name, given, named })
    }

    fn missing(&self, example: &str) -> Error {
        unfit(format!("`{}` needs an argument, such as `{example}`", self.name))
    }

    fn text(&self, example: &str) -> Result<&str, Error> {
        let given = self.given.first().ok_or_else(|| self.missing(example))?;
        given.as_str().ok_or_else(|| unfit(format!("`{given}` is not a text such as `{example}`")))
    }

    fn count(&self, or: i64) -> Result<i64, Error> {
        let Some(given) = self.given.first() else { return Ok(or) };
        whole(given).ok_or_else(|| unfit(format!("`{given}` is not a whole number")))
    }

    fn holidays(&self, place: usize) -> Result<Holidays, Error> {
        let named: Option<Value> = self.named.get("holidays")?;
        let Some(given) = self.given.get(place).cloned().or(named) else { return Ok(Holidays::default()) };
        let not_a_list = || unfit(format!("holidays are a list of days, not `{given}`"));
        if given.kind() != ValueKind::Seq && given.kind() != ValueKind::Iterable {
            return Err(not_a_list());
        }
        let days: Vec<String> = given.try_iter()?.map(|day| day.to_string()).collect();
        Holidays::read(days.iter().map(String::as_str)).map_err(unfit)
    }

    fn amount(&self) -> Result<Amount, Error> {
        let mut amount = match self.given.first() {
            Some(_) => Amount::parse(self.text("-1d")?).map_err(unfit)?,
            None => Amount::default(),
        };
        for name in Amount::NAMES {
            let Some(given) = self.named.get::<Option<Value>>(name)? else { continue };
            let count = whole(&given).ok_or_else(|| unfit(format!("`{name}={given}` is not a whole number")))?;
            amount = amount.and(count, name).map_err(unfit)?;
        }
        if amount == Amount::default() { Err(self.missing("add('-1d')")) } else { Ok(amount) }
    }

    fn question(&self, question: &str, of: &Value, zone: &TimeZone) -> Result<bool, Error> {
        moment(of)?.is(question, &self.holidays(0)?, zone).map_err(unfit)
    }

    fn filter(&self, of: &Value, zone: &TimeZone) -> Result<Value, Error> {
        if let Some(question) = self.name.strip_prefix("is_") {
            return self.question(question, of, zone).map(Value::from);
        }
        let moment = moment(of)?;
        if let Some((part, start)) = part(self.name) {
            let changed = if start { moment.start_of(part, zone) } else { moment.end_of(part, zone) };
            return changed.map(value).map_err(unfit);
        }
        if Moment::NUMBERS.contains(&self.name) {
            return moment.number(self.name, zone).map(Value::from).map_err(unfit);
        }
        let list = |moments: Vec<Moment>| moments.into_iter().map(value).collect::<Value>();
        match self.name {
            "format" => moment.format(self.text("%Y/%m/%d")?, zone).map(Value::from),
            "add" => moment.add(&self.amount()?, zone).map(value),
            "next" => moment.next(self.count(1)?, zone).map(value),
            "previous" => moment.next(-self.count(1)?, zone).map(value),
            "date" => moment.label(Granularity::Day, zone).map(value),
            "label" => granularity(self.text("month")?).and_then(|by| moment.label(by, zone)).map(value),
            "in_zone" => the_zone(self.text("Europe/Berlin")?).and_then(|to| moment.in_zone(&to, zone)).map(value),
            "start" => moment.start(zone).map(|start| Value::from(start.timestamp().to_string())),
            "end" => moment.end(zone).map(|end| Value::from(end.to_string())),
            "days" => moment.days(zone).map(list),
            "hours" => moment.hours(zone).map(list),
            "months" => moment.months().map(list),
            "days_between" => {
                let other = self.given.first().ok_or_else(|| self.missing("2026-01-01"))?;
                Ok(Value::from(moment.days_between(&self::moment(other)?, zone)))
            }
            "add_business_days" => {
                self.given.first().ok_or_else(|| self.missing("-1"))?;
                moment.add_business_days(self.count(1)?, &self.holidays(1)?, zone).map(value)
            }
            name => Err(format!("there is no filter `{name}`")),
        }
        .map_err(unfit)
    }
}

/// A whole number, also as text: params of that type are, before they are typed.
fn whole(value: &Value) -> Option<i64> {
    if value.kind() == ValueKind::Bool { None } else { value.as_i64() }
}
