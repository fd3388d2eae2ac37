//! Did-you-mean: the known word that a misspelt one most likely stands for.

/// The candidate nearest to `word`, if one is near enough to be worth saying.
pub fn near<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    let limit = match folded.chars().count() {
        0..=5 => 1,
        6..=8 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .map(|candidate| (distance(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether two words are the same but for case and separators.
pub fn same(one: &str, other: &str) -> bool {
    fold(one) == fold(other)
}

/// Case and separators do not matter: `time_out`, `TimeOut` and `timeout` are one word.
fn fold(word: &str) -> String {
    word.chars().filter(|letter| !matches!(letter, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

fn distance(one: &str, other: &str) -> usize {
    strsim::osa_distance(one, other)
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn a_typo_finds_its_word() {
        let keys = ["timeout", "needs", "name", "retry", "idleTimeout"];
        assert_eq!(near("timout", keys), Some("timeout"));
        assert_eq!(near("nmae", keys), Some("name"));
        assert_eq!(near("idle_timeout", keys), Some("idleTimeout"));
    }

    #[test]
    fn a_stranger_finds_nothing() {
        assert_eq!(near("schedule", ["name", "needs", "retry"]), None);
        assert_eq!(near("x", ["y"]), None);
        assert_eq!(near("", ["y"]), None);
    }
}
