use super::*;
use crate::control::partition::Granularity;
use crate::source::{Files, de, yaml};

fn found(text: &str) -> (Option<Condition>, Vec<String>) {
    let (mut files, mut findings) = (Files::new(), Findings::new());
    let file = files.add("pipeline.yaml", text);
    let node = yaml::read(&files, file, &mut findings).expect("it is YAML");
    assert!(findings.is_empty(), "{findings:?}");
    let tree: Spanned<Executions> = de::from_node(&node).expect("it is a tree");
    let spec = PartitionSpec::new(Granularity::Day, Offset::ZERO, jiff::tz::TimeZone::UTC).unwrap();
    let read = read(&tree, "own", Some(&spec), &mut findings);
    (read.condition, findings.iter().map(|finding| finding.told(&files)).collect())
}

#[test]
fn trees_are_read() {
    let (condition, findings) = found(
        "{ allOf: [{ pipeline: a, status: SUCCEEDED }, { pipeline: own, status: [SUCCEEDED, SKIPPED], offset: -1d }], \
         anyOf: [{ pipeline: b, status: FAILED }, { allOf: [{ pipeline: c, status: RUNNING, last: 7d }] }] }",
    );
    assert_eq!(findings, Vec::<String>::new());
    let words = condition.unwrap().words();
    assert_eq!(
        words,
        [
            "all of",
            "  all of",
            "    a has SUCCEEDED",
            "    own has SUCCEEDED or SKIPPED, -1d from its partition",
            "  any of",
            "    b has FAILED",
            "    all of",
            "      c has started, for each of the last 7d",
        ]
    );
    let (condition, _) =
        found("{ operator: OR, allOf: [{ pipeline: a, status: FAILED }], anyOf: [{ pipeline: b, status: FAILED }] }");
    assert!(matches!(condition, Some(Condition::Any { .. })));
}

#[test]
fn what_is_wrong_is_said_where_it_stands() {
    let leaf = "{ pipeline: a, status: SUCCEEDED }";
    for (text, expected) in [
        ("{ operator: AND }", "DPC356 `executions` waits for nothing @ { operator: AND }"),
        ("{ allOf: [] }", "DPC356 `allOf` is empty @ []"),
        ("{ allOf: [{ status: FAILED }] }", "DPC356 this condition names no `pipeline` @ FAILED"),
        ("{ allOf: [{ pipeline: a }] }", "DPC356 this condition names no `status` @ a"),
        ("{ allOf: [{ pipeline: a, status: [] }] }", "DPC356 `status` is empty @ []"),
        (
            "{ allOf: [{ pipeline: a, status: SUCCESS }] }",
            "DPC357 `SUCCESS` is not a status to wait for @ SUCCESS => SUCCEEDED",
        ),
        (
            "{ allOf: [{ pipeline: a, status: failed }] }",
            "DPC357 `failed` is not a status to wait for @ failed => FAILED",
        ),
        ("{ allOf: [{ pipeline: a, status: QUEUED }] }", "DPC357 `QUEUED` is not a status to wait for @ QUEUED"),
        (
            "{ allOf: [{ pipeline: a, status: FAILED, offset: -1h }] }",
            "DPC358 an offset of `-1h` does not fit a partition by day @ -1h",
        ),
        ("{ allOf: [{ pipeline: a, status: FAILED, last: -7d }] }", "DPC358 `-7d` is not a number of partitions @ -7d"),
        ("{ allOf: [{ pipeline: a, status: FAILED, last: 7h }] }", "DPC358 `7h` does not count partitions by day @ 7h"),
        ("{ allOf: [{ pipeline: own, status: SUCCEEDED }] }", "DPC361 `own` waits for itself @ own"),
        (
            "{ allOf: [{ pipeline: a, status: SUCCEEDED }, { pipeline: a, status: FAILED }] }",
            "DPC360 this can never hold together with another condition @ { pipeline: a, status: FAILED }",
        ),
        (
            "{ anyOf: [{ pipeline: a, status: [RUNNING, FAILED] }] }",
            "DPC359 `RUNNING` makes the other statuses pointless @ RUNNING",
        ),
    ] {
        assert_eq!(found(text).1, [expected], "{text}");
    }
    let two = format!("{{ operator: AND, allOf: [{leaf}] }}");
    assert_eq!(found(&two).1, ["DPC356 `operator` joins `allOf` and `anyOf`, and one is not there @ AND"]);
    let twice = format!("{{ anyOf: [{leaf}, {leaf}] }}");
    assert_eq!(found(&twice).1, [format!("DPC359 this condition is written twice @ {leaf}")]);
    let absorbed = format!("{{ anyOf: [{leaf}, {{ allOf: [{leaf}, {{ pipeline: b, status: FAILED }}] }}] }}");
    assert!(
        found(&absorbed).1.iter().any(|line| line.starts_with("DPC359 this list is pointless")),
        "{:?}",
        found(&absorbed)
    );
    let both = format!("{{ allOf: [{{ anyOf: [{leaf}], pipeline: b, status: FAILED }}] }}");
    assert_eq!(found(&both).1, ["DPC356 this condition is two at once @ b"]);
}

#[test]
fn a_failed_or_skipped_run_is_no_contradiction() {
    for other in ["RUNNING", "SKIPPED", "[FAILED, SUCCEEDED]"] {
        let text = format!("{{ allOf: [{{ pipeline: a, status: SUCCEEDED }}, {{ pipeline: a, status: {other} }}] }}");
        assert_eq!(found(&text).1, Vec::<String>::new(), "{other}");
    }
}
