//! Time zones by IANA name, from the list inside the binary, so that one manifest means the same on every machine.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::source::{Problem, suggest};

/// The zone with this name, spelled as IANA spells it.
pub fn zone(name: &str) -> Result<TimeZone, Problem> {
    let known = TimeZoneDatabase::bundled();
    let refused = |help: String| {
        Problem::new(0..name.len(), format!("`{name}` is not a time zone"))
            .why("schedules and partitions take the names of the IANA list")
            .help(help)
    };
    let zone = known.get(name).map_err(|_| refused(near(&known, name)))?;
    match zone.iana_name() {
        // AWS compares names letter by letter; jiff does not.
        Some(exact) if exact != name => Err(refused(format!("did you mean `{exact}`?"))),
        _ => Ok(zone),
    }
}

fn near(known: &TimeZoneDatabase, name: &str) -> String {
    let names: Vec<String> = known.available().map(|known| known.as_str().to_owned()).collect();
    let names = || names.iter().map(String::as_str);
    // `Berlin` alone, or `EU/Berlin`: what follows the last slash says most.
    let city = |name: &str| name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let same_city = || names().find(|known| city(known) == city(name));
    match same_city().or_else(|| suggest::near(name, names())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write a name such as `UTC` or `Europe/Berlin`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(name: &str) -> String {
        zone(name).unwrap_err().help.unwrap()
    }

    #[test]
    fn names_of_the_list_are_zones() {
        for name in ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "Etc/UTC"] {
            assert_eq!(zone(name).unwrap().iana_name(), Some(name));
        }
    }

    #[test]
    fn others_get_a_near_name() {
        assert_eq!(help("Europe/Berln"), "did you mean `Europe/Berlin`?");
        assert_eq!(help("europe/berlin"), "did you mean `Europe/Berlin`?");
        assert_eq!(help("Berlin"), "did you mean `Europe/Berlin`?");
        assert_eq!(help("America/NewYork"), "did you mean `America/New_York`?");
        assert_eq!(help("utc"), "did you mean `UTC`?");
        assert_eq!(help(""), "write a name such as `UTC` or `Europe/Berlin`");
        assert_eq!(help("+02:00"), "write a name such as `UTC` or `Europe/Berlin`");
    }
}
