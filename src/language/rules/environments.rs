//! Environments are targets that AWS knows: an account of twelve digits, a region, and no two of a project in one place.

use std::collections::HashMap;

use crate::language::manifest::ProjectFile;
use crate::source::{Code, Finding, Findings, Spanned, suggest};

/// Regions of today in the partition `aws`, for suggestions only: what is not here may be new.
const REGIONS: [&str; 34] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// How the names of regions in other partitions begin:
/// <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>.
const ELSEWHERE: &[(&str, &str)] = &[
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("eu-isoe-", "aws-iso-e"),
    ("eusc-", "aws-eusc"),
];

pub fn check(project: &ProjectFile, findings: &mut Findings) {
    if project.environments.is_empty() {
        let message = "the project has no environments";
        findings.push(
            Finding::at(Code::NoEnvironment, project.project.span, message, "")
                .why("an environment says which account and region a pipeline goes to")
                .help("add one: `environments: { prod: { account: \"111111111111\", region: eu-central-1 } }`"),
        );
    }
    let of_environments = project.environments.iter().filter_map(|(_, environment)| environment.central.as_ref());
    for central in of_environments.chain(&project.central) {
        account(&central.account, findings);
        central.region.iter().for_each(|place| region(place, findings));
    }
    let mut first: HashMap<(&str, &str), &Spanned<String>> = HashMap::new();
    for (name, environment) in project.environments.iter() {
        let (number, place) = (&environment.account, &environment.region);
        account(number, findings);
        region(place, findings);
        match first.get(&(number.as_str(), place.as_str())) {
            None => {
                first.insert((number.as_str(), place.as_str()), name);
            }
            Some(other) => findings.push(
                Finding::at(
                    Code::SameTarget,
                    name.span,
                    format!("environments `{}` and `{}` are one account and region", other.value, name.value),
                    "second",
                )
                .and(other.span, "first")
                .why("a pipeline's stack has one name, so the second deployment would replace the first")
                .help("give one of them another account or another region"),
            ),
        }
    }
}

/// An account number as AWS writes it.
pub fn account(number: &Spanned<String>, findings: &mut Findings) {
    let digits = number.chars().all(|letter| letter.is_ascii_digit());
    if digits && number.len() == 12 {
        return;
    }
    let compact = number.replace(['-', ' '], "");
    let finding = Finding::at(
        Code::BadAccount,
        number.span,
        if digits {
            format!("`{}` has {} digits; an account number has 12", number.value, number.len())
        } else {
            format!("`{}` is not an account number", number.value)
        },
        "",
    );
    let mends = compact != number.value && compact.len() == 12 && compact.chars().all(|letter| letter.is_ascii_digit());
    findings.push(if mends {
        finding.help(format!("write the twelve digits alone: `\"{compact}\"`"))
    } else {
        finding.help("write the twelve digits in quotes; `aws sts get-caller-identity` prints yours")
    });
}

fn region(region: &Spanned<String>, findings: &mut Findings) {
    if REGIONS.contains(&region.as_str()) {
        return;
    }
    if let Some((_, partition)) = ELSEWHERE.iter().find(|(beginning, _)| region.starts_with(beginning)) {
        let message = format!("regions of the partition `{partition}` are not supported yet");
        findings.push(
            Finding::at(Code::NotSupportedYet, region.span, message, "")
                .why("the states of a state machine name their integrations in the partition `aws`")
                .help("choose a region of the partition `aws`, such as `eu-central-1`"),
        );
        return;
    }
    let near = suggest::near(&region.value, REGIONS);
    let finding = if looks_like_region(&region.value) {
        // Only the number differs: most likely a region that is newer than this list.
        let stem = |name: &str| name.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned();
        if near.is_none_or(|near| stem(near) == stem(&region.value)) {
            return;
        }
        Finding::at(Code::BadRegion, region.span, format!("`{}` is not a region that dpc knows", region.value), "")
            .warning()
    } else {
        Finding::at(Code::BadRegion, region.span, format!("`{}` is not an AWS region", region.value), "")
    };
    findings.push(match near {
        Some(near) => finding.fix(region.span, near, format!("did you mean `{near}`?")),
        None => finding.help("write the region's code, such as `eu-central-1`"),
    });
}

/// `eu-central-1`: letters, then words, then a number.
fn looks_like_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    let word = |word: &&str| word.len() >= 2 && word.chars().all(|letter| letter.is_ascii_lowercase());
    words.len() >= 2
        && words.iter().all(word)
        && (1..=2).contains(&number.len())
        && number.chars().all(|letter| letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{REGIONS, looks_like_region};

    #[test]
    fn every_known_region_has_the_form_of_one() {
        assert!(REGIONS.into_iter().all(looks_like_region));
        for other in ["Frankfurt", "eu-central", "eu_central_1", "eu-central-1a", "eu-1"] {
            assert!(!looks_like_region(other), "{other}");
        }
    }
}
