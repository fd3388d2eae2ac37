//! How the results of tests are printed: for people, as JSON, as JUnit's XML.
//!
//! In come played cases; out come texts. It refuses to know how they were played.

use serde_json::{Value, json};

use super::Played;
use crate::cli::aws::{Tone, tint};
use crate::offline::judge::Line;
use crate::source::{Files, render};

/// A line a case below its file; below one that fails, what was expected beside what has happened.
pub fn text(played: &[Played], colour: bool) -> String {
    let mut out = String::new();
    let mut file = "";
    for case in played {
        if case.file != file {
            file = &case.file;
            out += &format!("{file}\n");
        }
        let (sign, tone) = if case.findings.has_errors() { ("✗", Tone::Bad) } else { ("✓", Tone::Good) };
        out += &format!("  {} {} ({:.1} ms)\n", tint(colour, tone, sign), case.name, case.took);
        if case.lines.iter().any(|line| !matches!(line, Line::Both(_))) {
            out += &case.lines.iter().map(|line| difference(line, colour)).collect::<String>();
        }
    }
    out
}

fn difference(line: &Line, colour: bool) -> String {
    match line {
        Line::Both(run) => format!("      {run}\n"),
        Line::Expected(run) => format!("    {} {run}\n", tint(colour, Tone::Bad, "-")),
        Line::Happened(run) => format!("    {} {run}\n", tint(colour, Tone::Good, "+")),
    }
}

/// `2 cases are as expected, 1 is not`.
pub fn summary(played: &[Played]) -> String {
    let failed = played.iter().filter(|case| case.findings.has_errors()).count();
    let good = played.len() - failed;
    let be = |count: usize| if count == 1 { "is" } else { "are" };
    match (good, failed) {
        (1, 0) => "1 case is as expected".to_owned(),
        (_, 0) => format!("{good} cases are as expected"),
        (0, 1) => "1 case is not as expected".to_owned(),
        (0, _) => format!("{failed} cases are not as expected"),
        _ => {
            let cases = if good == 1 { "case" } else { "cases" };
            format!("{good} {cases} {} as expected, {failed} {} not", be(good), be(failed))
        }
    }
}

/// One document.
pub fn json(played: &[Played], files: &Files) -> String {
    let case = |case: &Played| {
        let findings: Value = serde_json::from_str(&render::json(files, &case.findings)).unwrap_or_default();
        json!({
            "file": case.file,
            "name": case.name,
            "passed": !case.findings.has_errors(),
            "milliseconds": (case.took * 10.0).round() / 10.0,
            "runs": case.lines.iter().map(line).collect::<Vec<_>>(),
            "findings": findings.get("findings"),
        })
    };
    let failed = played.iter().filter(|case| case.findings.has_errors()).count();
    let document = json!({
        "version": 1,
        "summary": { "cases": played.len(), "failed": failed },
        "cases": played.iter().map(case).collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&document).expect("JSON is printable") + "\n"
}

fn line(line: &Line) -> Value {
    match line {
        Line::Both(run) => json!({ "run": run, "expected": true, "happened": true }),
        Line::Expected(run) => json!({ "run": run, "expected": true, "happened": false }),
        Line::Happened(run) => json!({ "run": run, "expected": false, "happened": true }),
    }
}

/// <https://github.com/testmoapp/junitxml>: what build servers read of it.
pub fn junit(played: &[Played], files: &Files) -> String {
    let seconds = |cases: &[&Played]| cases.iter().map(|case| case.took).sum::<f64>() / 1_000.0;
    let failed = |cases: &[&Played]| cases.iter().filter(|case| case.findings.has_errors()).count();
    let counts = |cases: &[&Played]| {
        format!("tests=\"{}\" failures=\"{}\" time=\"{:.4}\"", cases.len(), failed(cases), seconds(cases))
    };
    let all: Vec<&Played> = played.iter().collect();
    let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"dpc\" {}>\n", counts(&all));
    for suite in played.chunk_by(|one, other| one.file == other.file) {
        let Some(first) = suite.first() else { continue };
        let cases: Vec<&Played> = suite.iter().collect();
        out += &format!("  <testsuite name=\"{}\" {}>\n", escaped(&first.file), counts(&cases));
        for case in suite {
            out += &test_case(case, files);
        }
        out += "  </testsuite>\n";
    }
    out + "</testsuites>\n"
}

fn test_case(case: &Played, files: &Files) -> String {
    let (name, file) = (escaped(&case.name), escaped(&case.file));
    let head = format!("    <testcase name=\"{name}\" classname=\"{file}\" time=\"{:.4}\"", case.took / 1_000.0);
    let mut errors = case.findings.iter().map(|finding| finding.message.as_str());
    let Some(first) = errors.next() else { return format!("{head}/>\n") };
    let style = render::TextStyle { colour: false, width: 120 };
    let text = escaped(&render::text(files, &case.findings, style));
    format!("{head}>\n      <failure message=\"{}\">{text}</failure>\n    </testcase>\n", escaped(first))
}

/// Text inside XML. Control characters have no place in it at all: <https://www.w3.org/TR/xml/#charsets>.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(letter),
            control if control.is_control() => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_stays_xml() {
        assert_eq!(escaped("a <b> & \"c\"\u{1b}[0m"), "a &lt;b&gt; &amp; &quot;c&quot;[0m");
    }
}
