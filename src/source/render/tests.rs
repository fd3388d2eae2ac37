use serde_json::Value;

use super::{TextStyle, github, json, sarif, text};
use crate::source::{Code, Files, Finding, Findings, Span};

/// Two files and findings of every part: a fix, a second place, a warning, no place at all, and letters to escape.
fn sample() -> (Files, Findings) {
    let mut files = Files::new();
    let one = files.add("a b/pipeline.yaml", "name: ä\ntimout: 5m\nname: b\n");
    let other = files.add("empty.yaml", "");
    let mut findings = Findings::new();
    findings.push(Finding::at(Code::UnknownKey, Span::new(one, 9, 15), "unknown key `timout`", "not known").fix(
        Span::new(one, 9, 15),
        "timeout",
        "did you mean `timeout`?",
    ));
    findings.push(
        Finding::at(Code::DuplicateKey, Span::new(one, 20, 24), "100 %: twice, again", "")
            .and(Span::new(one, 0, 4), "first here")
            .why("one\ntwo")
            .help("keep one"),
    );
    findings.push(Finding::at(Code::EmptyFile, Span::new(other, 0, 0), "the file is empty", "").warning());
    findings.push(Finding::new(Code::FileTooLarge, "no place").note());
    (files, findings)
}

const PLAIN: TextStyle = TextStyle { colour: false, width: 100 };

#[test]
fn text_is_laid_out_like_rustc() {
    let (files, findings) = sample();
    let expected = "\
error[DPC101]: unknown key `timout`
 --> a b/pipeline.yaml:2:1
  |
2 | timout: 5m
  | ^^^^^^ not known
  |
help: did you mean `timeout`?
  |
2 | timeout: 5m
  |    +

error[DPC008]: 100 %: twice, again
 --> a b/pipeline.yaml:3:1
  |
1 | name: ä
  | ---- first here
2 | timout: 5m
3 | name: b
  | ^^^^
  |
  = note: one
          two
  = help: keep one

warning[DPC003]: the file is empty
--> empty.yaml

note[DPC002]: no place

2 errors, 1 warning, 1 note; `dpc explain DPC101` tells more
";
    assert_eq!(text(&files, &findings, PLAIN), expected);
}

#[test]
fn colour_adds_escapes_and_nothing_else() {
    let (files, findings) = sample();
    let coloured = text(&files, &findings, TextStyle { colour: true, width: 100 });
    assert!(coloured.contains('\u{1b}'));
    assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), text(&files, &findings, PLAIN));
}

#[test]
fn text_shows_fifty_and_counts_the_rest() {
    let (files, _) = sample();
    let mut findings = Findings::new();
    for at in 0..73 {
        findings.push(Finding::new(Code::UnknownKey, format!("unknown key {at}")));
    }
    let text = text(&files, &findings, PLAIN);
    assert_eq!(text.matches("error[DPC101]").count(), 50);
    assert!(text.ends_with("73 errors (23 more not shown); `dpc explain DPC101` tells more\n"), "{text}");
}

#[test]
fn a_megabyte_costs_a_window() {
    let mut files = Files::new();
    let line = "key: value\n";
    let big = line.repeat(90_000);
    let end = big.len();
    let file = files.add("big.yaml", big);
    let finding =
        Finding::at(Code::DuplicateKey, Span::new(file, end - line.len(), end - line.len() + 3), "twice", "again")
            .and(Span::new(file, 0, 3), "first");
    let text = text(&files, &finding.into(), PLAIN);
    assert!(text.contains("90000 | key: value"), "{text}");
    assert!(text.contains("    1 | key: value\n      | --- first"), "{text}");
}

#[test]
fn json_holds_every_part() {
    let (files, findings) = sample();
    let document: Value = serde_json::from_str(&json(&files, &findings)).expect("it is JSON");
    assert_eq!(document["summary"], serde_json::json!({ "errors": 2, "warnings": 1, "notes": 1 }));
    let first = &document["findings"][0];
    let place =
        serde_json::json!({ "file": "a b/pipeline.yaml", "line": 2, "column": 1, "endLine": 2, "endColumn": 7 });
    assert_eq!(first["place"], place);
    assert_eq!(first["fix"]["replacement"], "timeout");
    assert_eq!(document["findings"][1]["related"][0]["label"], "first here");
    assert_eq!(document["findings"][3]["place"], Value::Null);
}

#[test]
fn github_annotations_are_escaped() {
    let (files, findings) = sample();
    let lines = github(&files, &findings);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(
        lines,
        [
            "::error file=a b/pipeline.yaml,line=2,col=1,endLine=2,endColumn=6,title=DPC101 unknown key::unknown key `timout`%0Anot known%0Ahelp: did you mean `timeout`? `timeout`",
            "::error file=a b/pipeline.yaml,line=3,col=1,endLine=3,endColumn=4,title=DPC008 key is here twice::100 %25: twice, again%0Anote: one%0Atwo%0Ahelp: keep one",
            "::warning file=empty.yaml,line=1,col=1,endLine=1,endColumn=1,title=DPC003 file is empty::the file is empty",
            "::notice title=DPC002 file is too large::no place",
        ]
    );
}

/// What the SARIF 2.1.0 schema requires of the parts that are written here.
fn assert_sarif(log: &Value) {
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().is_some_and(|uri| uri.ends_with("sarif-2.1.0.json")));
    let [run] = log["runs"].as_array().expect("runs is a list").as_slice() else { panic!("one run") };
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "dpc");
    let rules = driver["rules"].as_array().expect("rules is a list");
    for rule in rules {
        assert!(rule["shortDescription"]["text"].is_string() && rule["help"]["text"].is_string(), "{rule}");
    }
    for result in run["results"].as_array().expect("results is a list") {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("it fits");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().expect("a level")));
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        for list in ["locations", "relatedLocations"] {
            for location in result[list].as_array().into_iter().flatten() {
                assert_physical(
                    &location["physicalLocation"]["artifactLocation"],
                    &location["physicalLocation"]["region"],
                );
            }
        }
        for fix in result["fixes"].as_array().into_iter().flatten() {
            for change in fix["artifactChanges"].as_array().expect("a fix changes artifacts") {
                for replacement in change["replacements"].as_array().expect("a change replaces") {
                    assert_physical(&change["artifactLocation"], &replacement["deletedRegion"]);
                    assert!(replacement["insertedContent"]["text"].is_string());
                }
            }
        }
    }
}

fn assert_physical(artifact: &Value, region: &Value) {
    let uri = artifact["uri"].as_str().expect("a URI");
    assert!(!uri.contains(' ') && !uri.starts_with('/'), "{uri}");
    for field in ["startLine", "startColumn", "endLine", "endColumn"] {
        assert!(region[field].as_u64().is_some_and(|number| number >= 1), "{region}");
    }
    let place = |line: &str, column: &str| (region[line].as_u64(), region[column].as_u64());
    assert!(place("startLine", "startColumn") <= place("endLine", "endColumn"), "{region}");
}

#[test]
fn sarif_is_well_formed_and_complete() {
    let (files, findings) = sample();
    let log: Value = serde_json::from_str(&sarif(&files, &findings)).expect("it is JSON");
    assert_sarif(&log);
    let results = log["runs"][0]["results"].as_array().expect("a list");
    assert_eq!(results.len(), 4);
    assert_eq!(results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "a%20b/pipeline.yaml");
    assert_eq!(results[3].get("locations"), None);
}

#[test]
fn all_formats_tell_the_same_findings() {
    let (files, findings) = sample();
    let (text, json, sarif) = (text(&files, &findings, PLAIN), json(&files, &findings), sarif(&files, &findings));
    let (json, sarif): (Value, Value) =
        (serde_json::from_str(&json).expect("JSON"), serde_json::from_str(&sarif).expect("JSON"));
    let github = github(&files, &findings);
    for (at, finding) in findings.iter().enumerate() {
        assert!(text.contains(&format!("[{}]: {}", finding.code.id(), finding.message)));
        assert_eq!(json["findings"][at]["message"], finding.message);
        assert!(
            sarif["runs"][0]["results"][at]["message"]["text"]
                .as_str()
                .is_some_and(|text| text.starts_with(&finding.message))
        );
        assert!(github.lines().nth(at).is_some_and(|line| line.contains(&format!("title={} ", finding.code.id()))));
    }
}
