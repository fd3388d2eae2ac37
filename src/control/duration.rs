//! Durations as users write them: `45m`, `2h`, `7d`.

use std::fmt;

/// A duration in whole seconds; prints as it is best written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub u64);

impl Duration {
    /// One minute.
    pub const MINUTE: Duration = Duration(60);
    /// One hour.
    pub const HOUR: Duration = Duration(3_600);

    /// The duration that `text` says: a positive whole number and one of `s`, `m`, `h`, `d`. Nothing else is guessed.
    pub fn parse(text: &str) -> Option<Self> {
        let unit = text.chars().last()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        let digits = text.strip_suffix(unit)?;
        if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let count: u64 = digits.parse().ok()?;
        (count > 0).then_some(Self(count * seconds))
    }

    /// How many seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.0 {
            seconds if seconds > 0 && seconds % 86_400 == 0 => (seconds / 86_400, "d"),
            seconds if seconds > 0 && seconds % 3_600 == 0 => (seconds / 3_600, "h"),
            seconds if seconds > 0 && seconds % 60 == 0 => (seconds / 60, "m"),
            seconds => (seconds, "s"),
        };
        write!(f, "{count}{unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::Duration;

    #[test]
    fn reads_a_count_and_a_unit() {
        for (text, seconds) in [("30s", 30), ("45m", 2_700), ("2h", 7_200), ("1d", 86_400)] {
            assert_eq!(Duration::parse(text), Some(Duration(seconds)), "{text}");
            assert_eq!(Duration(seconds).to_string(), text);
        }
    }

    #[test]
    fn guesses_nothing() {
        for text in ["", "m", "45", "45 m", "1h30m", "-5m", "0m", "1.5h", "45M", "2w", "9999999999d", "٣m"] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
    }
}
