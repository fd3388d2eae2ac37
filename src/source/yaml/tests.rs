use proptest::prelude::*;

use super::{NODES, read};
use crate::language::manifest::{Manifest, ProjectFile};
use crate::source::render::{TextStyle, text};
use crate::source::{Files, Findings, Node, Value, de, schema};

fn parse(text: &str) -> (Files, Option<Node>, Findings) {
    let mut files = Files::new();
    let file = files.add("x.yaml", text);
    let mut findings = Findings::new();
    let node = read(&files, file, &mut findings);
    (files, node, findings)
}

/// The findings of a text, one a line: code, message, the text at the caret, and what the fix puts there.
fn found(text: &str) -> Vec<String> {
    let (files, _, findings) = parse(text);
    findings.iter().map(|finding| finding.told(&files)).collect()
}

/// The tree in one line.
fn shape(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) => {
            format!("{}:{}", scalar.text, format!("{:?}", scalar.kind).split('(').next().unwrap_or_default())
        }
        Value::List(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(" ")),
        Value::Map(entries) => {
            let entries: Vec<_> =
                entries.iter().map(|entry| format!("{}={}", entry.key.text, shape(&entry.value))).collect();
            format!("{{{}}}", entries.join(" "))
        }
    }
}

fn tree(text: &str) -> String {
    let (_, node, findings) = parse(text);
    assert!(findings.is_empty(), "{findings:?}");
    shape(&node.expect("a document without findings has a tree"))
}

#[test]
fn scalars_keep_the_typed_text() {
    assert_eq!(
        tree("a: 007\nb: on\nc: 0x1F\nd: 1.50\ne: 'no'\nf: True\ng: |\n  x\n"),
        "{a=007:Int b=on:Text c=0x1F:Int d=1.50:Float e=no:Text f=True:Bool g=x\n:Text}"
    );
}

#[test]
fn spans_cover_what_was_typed() {
    let (files, node, _) = parse("a: \"0 3 * * *\"\nb: \"q\\\"q\"\nc: ''\nd:\n  - x\n  - y\n\n\ne: [1,\n 2]\n");
    let node = node.expect("it is YAML");
    let text = |key: &str| node.get(key).map(|value| files.text_of(value.span)).unwrap_or_default();
    assert_eq!(text("a"), "0 3 * * *");
    assert_eq!(text("b"), "\"q\\\"q\"");
    assert_eq!(text("c"), "''");
    assert_eq!(text("d"), "- x\n  - y");
    assert_eq!(text("e"), "[1,\n 2]");
    assert_eq!(node.entry("e").map(|entry| files.text_of(entry.key.span)), Some("e"));
}

#[test]
fn carriage_returns_do_not_show() {
    assert_eq!(tree("a: x\r\nb:\r\n  - y\r\n"), "{a=x:Text b=[y:Text]}");
}

#[test]
fn anchors_and_merge_keys_expand() {
    let base = "base: &base { x: 1, y: 2 }\nother: &other { y: 3, z: 4 }\n";
    assert!(tree(&format!("{base}a: {{ <<: *base, y: 9 }}\n")).ends_with("a={y=9:Int x=1:Int}}"));
    assert!(
        tree(&format!("{base}a:\n  <<: [*base, *other]\n  w: 0\n")).ends_with("a={w=0:Int x=1:Int y=2:Int z=4:Int}}")
    );
    assert!(tree(&format!("{base}a: *base\n")).ends_with("a={x=1:Int y=2:Int}}"));
    assert_eq!(
        found(&format!("{base}a: {{ <<: [*base, 7] }}\n")),
        ["DPC012 `<<` merges mappings, not the number `7` @ 7"]
    );
    assert_eq!(found("a: { <<: text }\n"), ["DPC012 `<<` merges mappings, not text @ text"]);
}

#[test]
fn duplicates_are_all_reported_and_the_first_counts() {
    assert_eq!(
        found("a: 1\nb: {c: 1, c: 2}\na: 2\na: 3\n"),
        [
            "DPC008 the key `c` is here twice @ c",
            "DPC008 the key `a` is here twice @ a",
            "DPC008 the key `a` is here twice @ a"
        ]
    );
    let (_, node, _) = parse("a: 1\na: { b: 2 }\n");
    assert_eq!(shape(&node.expect("there is a tree")), "{a=1:Int}");
}

#[test]
fn aliases_that_lead_nowhere_or_to_themselves() {
    assert_eq!(found("a: &base 1\nb: *bsae\n"), ["DPC009 there is no anchor `&bsae` above this line @ *bsae => *base"]);
    assert_eq!(found("a: *.py\n"), ["DPC009 there is no anchor `&.py` above this line @ *.py => \"*.py\""]);
    assert_eq!(found("a: &a [*a]\n"), ["DPC010 `*a` contains itself @ *a"]);
    assert_eq!(found("a: &a\n  b: &b\n    c: [*b, *a]\n"), ["DPC010 `*b` contains itself @ *b"]);
}

#[test]
fn an_alias_bomb_is_counted_and_not_expanded() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (letter, before) in ('b'..='z').zip('a'..) {
        bomb.push_str(&format!("{letter}: &{letter} [{}]\n", vec![format!("*{before}"); 10].join(", ")));
    }
    let found = found(&bomb);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("DPC011 aliases expand to ") && found[0].ends_with("@ *d"), "{found:?}");
    // Many aliases of a value that is not large count as well.
    let list = format!("a: &a [{}]\nb: [{}]\n", vec!["x"; 1_000].join(","), vec!["*a"; NODES / 1_000].join(","));
    assert!(self::found(&list)[0].starts_with("DPC011"), "{:?}", self::found(&list));
}

#[test]
fn nesting_is_limited_whatever_it_is_made_of() {
    for deep in [
        format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)),
        "{a: ".repeat(5_000),
        "- ".repeat(5_000) + "x",
        "? ".repeat(5_000),
    ] {
        let found = found(&deep);
        assert!(found.len() == 1 && found[0].starts_with("DPC019"), "{found:?}");
    }
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for at in 1..100 {
        chain.push_str(&format!("a{at}: &a{at} [*a{}]\n", at - 1));
    }
    assert_eq!(found(&chain), ["DPC019 values nest more than 64 levels deep @ *a62"]);
}

#[test]
fn values_left_out_are_reported_with_the_comment_that_ate_them() {
    assert_eq!(found("slack: #core-data\n"), ["DPC018 `slack` has no value @ slack => \"#core-data\""]);
    assert_eq!(found("owner: # nobody yet\n"), ["DPC018 `owner` has no value @ owner"]);
    assert_eq!(found("a: [x, ]\nb: {c: , d: ~}\n"), ["DPC018 `c` has no value @ c", "DPC018 `d` has no value @ ~"]);
    assert_eq!(found("a:\n  - #x\n  - y\n"), ["DPC018 this item has no value @ - => \"#x\""]);
    assert_eq!(found("a: ''\n"), Vec::<String>::new());
}

#[test]
fn keys_are_text() {
    assert_eq!(found("1: x\n"), ["DPC015 a key must be text, not the number `1` @ 1 => \"1\""]);
    assert_eq!(found("? [a]\n: x\n"), ["DPC015 a key must be text, not a list @ [a]"]);
    assert_eq!(found(": x\n"), ["DPC015 a key must be text, not nothing @ "]);
    assert_eq!(
        found("true: x\n\"yes\": y\non: z\n"),
        ["DPC015 a key must be text, not the boolean `true` @ true => \"true\""]
    );
}

#[test]
fn tags_and_further_documents_are_refused() {
    assert_eq!(
        found("a: !Ref x\nb: !!int '1'\n"),
        ["DPC014 the tag `!Ref` is not supported @ !Ref", "DPC014 the tag `!!int` is not supported @ !!int"]
    );
    assert_eq!(found("---\na: 1\n---\nb: 2\n---\nc: 3\n"), ["DPC013 a second document starts here @ ---"]);
    assert_eq!(found("---\na: 1\n...\n"), Vec::<String>::new());
}

#[test]
fn files_without_anything_are_empty() {
    for text in ["", "\n\n", "# only a comment\n", "---\n", "~\n"] {
        assert_eq!(
            found(text).first().map(|line| line.starts_with("DPC003 the file is empty")),
            Some(true),
            "{text:?}"
        );
    }
}

#[test]
fn an_unquoted_expression_is_one_finding_and_reads_as_meant() {
    let cases = [
        ("d: {{ run.partition }}\n", "{{ run.partition }}"),
        ("d: {{ run.partition }}-x y # note\n", "{{ run.partition }}-x y"),
        ("d: {{ a }}, {{ b }}\n", "{{ a }}, {{ b }}"),
        ("d: {{ a[\"x\"] }}\n", "{{ a[\"x\"] }}"),
        ("d: {{ open\n", "{{ open"),
        ("d: {{ a | f('x') }}/{{ b }}\n", "{{ a | f('x') }}/{{ b }}"),
        ("l: { d: {{ a }} }\n", "{{ a }}"),
        ("l: { d: s3://${vars.b}/x }\n", "s3://${vars.b}/x"),
        ("l: { d: pre {{ a }} post }\n", "pre {{ a }} post"),
    ];
    for (text, meant) in cases {
        let text = format!("{text}e: [1, 1]\n1: x\n");
        let found = found(&text);
        assert_eq!(found.len(), 2, "{text:?}: {found:?}");
        assert!(found[0].starts_with(&format!("DPC016 `{meant}` must be quoted @ {meant} => ")), "{text:?}: {found:?}");
        assert!(found[1].starts_with("DPC015"), "the rest of the file is read, too: {found:?}");
        let (_, node, _) = parse(&text);
        let node = node.expect("there is a tree");
        let value = node.get("d").or_else(|| node.get("l")?.get("d")).expect("the key is there");
        assert_eq!(value.as_str(), Some(meant));
    }
}

#[test]
fn every_unquoted_expression_of_a_list_is_found() {
    let text = "args: [--date, {{ run.partition }}, a {{ b }}, ${vars.x}]\nsteps:\n  - {{ c }}\n";
    let fixes: Vec<_> =
        parse(text).2.iter().filter_map(|finding| finding.fix.as_ref().map(|fix| fix.replacement.clone())).collect();
    assert_eq!(fixes, ["\"{{ run.partition }}\"", "\"a {{ b }}\"", "\"${vars.x}\"", "\"{{ c }}\""]);
}

#[test]
fn an_unquoted_cron_is_one_finding_and_reads_as_meant() {
    for (text, meant) in [
        ("cron: * 3 * * *\n", "* 3 * * *"),
        ("cron: */5 * * * * # often\n", "*/5 * * * *"),
        ("cron: *\n", "*"),
        ("s: { cron: * 3 * * ? *, timezone: UTC }\n", "* 3 * * ? *"),
        ("cron: */5 0,12 * * *\n", "*/5 0,12 * * *"),
    ] {
        assert_eq!(found(text), [format!("DPC017 `{meant}` must be quoted @ {meant} => \"{meant}\"")], "{text:?}");
    }
}

#[test]
fn syntax_errors_in_words() {
    let cases = [
        ("a:\n\tb: 1\n", "DPC006 a tab in the indentation @ \t =>   "),
        ("a:\n  b: 1\n\tc: 1\n", "DPC006 a tab in the indentation @ \t =>   "),
        ("a: \"x\nb: 1\n", "DPC007 this `\"` is never closed @ \""),
        ("a: 'x\n", "DPC007 this `'` is never closed @ '"),
        ("a: \"x\nb: \"y\"\n", "DPC007 this `\"` is not closed on its line @ \""),
        ("a: [1, 2\nb: 1\n", "DPC007 this `[` is never closed @ ["),
        ("a: {x: 1\nb: 1\n", "DPC007 this `{` is never closed @ {"),
        ("a: [1, 2\n", "DPC007 this `[` is never closed @ ["),
        ("a: [1, 2}\n", "DPC007 `[` is closed by `}` @ ["),
        ("a: ]\n", "DPC007 this `]` closes nothing @ ]"),
        ("a: b: c\n", "DPC005 a second `: ` in one value @ : => \"b: c\""),
        ("a: 1\n   b: 2\n", "DPC005 this line is indented more than the keys above it @ b"),
        ("a: 1\nb\nc: 2\n", "DPC005 this line is no `key: value` @ b"),
        ("a: 1\nb:2\nc: 2\n", "DPC005 this line is no `key: value` @ b:2 =>  "),
        ("a: @x\n", "DPC005 an unquoted value cannot start with `@` @ @ => \"@x\""),
        ("a: %x\n", "DPC005 an unquoted value cannot start with `%` @ % => \"%x\""),
        ("a: `x`\n", "DPC005 an unquoted value cannot start with ``` @ ` => \"`x`\""),
        ("a: \"\\q\"\n", "DPC005 `\\q` is no escape that YAML knows @ \\q"),
        ("a: 'it's'\n", "DPC005 text follows the closing quote @ s'"),
        ("- a\nb: 1\n", "DPC005 this does not fit what stands above it @ b: 1"),
        ("a: 1\n- b\n", "DPC005 a list item where none can be @ - b"),
        ("a: [b c: d e: f]\n", "DPC005 a comma or the closing bracket is missing @ :"),
    ];
    for (text, expected) in cases {
        assert_eq!(found(text), [expected], "{text:?}");
    }
}

/// Reads, checks, decodes and renders; the only promise is that it comes back.
fn survive(text: &str) {
    let (files, node, mut findings) = parse(text);
    if let Some(node) = node {
        schema::check(&node, &schemars::schema_for!(Manifest), &mut findings);
        schema::check(&node, &schemars::schema_for!(ProjectFile), &mut findings);
        for error in [de::from_node::<Manifest>(&node).err(), de::from_node::<ProjectFile>(&node).err()] {
            findings.extend(error.map(|finding| *finding));
        }
    } else {
        assert!(findings.has_errors(), "no tree and no reason: {text:?}");
    }
    for finding in findings.iter() {
        for label in finding.primary.iter().chain(&finding.secondary) {
            let text = &files.get(label.span.file).text;
            assert!(
                text.get(label.span.start as usize..label.span.end as usize).is_some(),
                "a span off the text: {finding:?}"
            );
        }
    }
    text_of(&files, &findings);
}

fn text_of(files: &Files, findings: &Findings) -> String {
    text(files, findings, TextStyle { colour: false, width: 80 })
}

const LISTINGS: &str = "name: listings\npartition: { by: day, offset: -1d, timezone: Europe/Berlin } # ä\ntriggers:\n  schedule: { cron: \"0 3 * * ? *\" }\n\
    compute:\n  cluster: &c\n    emr: { release: emr-7.5.0, primary: { type: m6g.xlarge } }\nsteps:\n  - name: aggregate\n    spark: { entrypoint: src/a.py, \
    args: [\"--date\", '{{ run.partition }}'] }\n  - { name: b, needs: [aggregate], shell: { command: [bash, b.sh] }, retry: { attempts: 2 } }\n";

/// What a hand that slips puts into a file.
const SLIPS: &[&str] = &[
    "\t", ":", ": ", "- ", "[", "]", "{", "}", "{{", "}}", "\"", "'", "&a ", "*c", "* ", "<<: ", "#", " #", "!x ",
    "|\n", "? ", "---\n", "\n", "  ", "\r\n", "${", "{%", "ö", ",", "%", "@", "~",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_survived(text in "\\PC{0,200}") {
        survive(&text);
    }

    #[test]
    fn any_heap_of_yaml_is_survived(parts in prop::collection::vec(prop::sample::select(SLIPS), 0..60)) {
        survive(&parts.concat());
    }

    #[test]
    fn a_slip_in_a_good_file_is_survived(edits in prop::collection::vec((0..LISTINGS.len(), 0..12usize, prop::sample::select(SLIPS)), 1..5)) {
        let mut text = LISTINGS.to_owned();
        for (at, cut, slip) in edits {
            let boundary = |at: usize| (at.min(text.len())..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
            let (start, end) = (boundary(at), boundary(at + cut));
            text.replace_range(start..end, slip);
        }
        survive(&text);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (mut files, mut findings) = (Files::new(), Findings::new());
        match crate::source::text::add(&mut files, "x.yaml", &bytes, &mut findings) {
            Some(file) => survive(&files.get(file).text),
            None => prop_assert!(findings.has_errors()),
        }
        text_of(&files, &findings);
    }
}
