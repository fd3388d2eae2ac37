use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::control::partition::{Granularity, Offset, PartitionSpec};
use crate::control::run::Source;
use crate::control::zone::zone;

fn context() -> Context {
    let spec = PartitionSpec::new(Granularity::Day, Offset::ZERO, zone("Europe/Berlin").unwrap()).unwrap();
    context_of(&spec.parse("2026-11-21", "listings").unwrap())
}

fn context_of(partition: &Partition) -> Context {
    let identity = RunIdentity {
        id: format!("{}.1", partition.label),
        execution: format!("listings.{}.1", partition.label),
        pipeline: "listings".into(),
        partition: partition.label.clone(),
        number: 1,
        space: "prod".into(),
        source: Source::Schedule,
    };
    let params = json!({"name": "Ada <&> \"x\"", "rows": 7, "rate": 0.5, "full": true, "since": "2026-01-31"});
    Context::new(&identity, partition, &zone("Europe/Berlin").unwrap(), params.as_object().unwrap().clone())
}

fn rendered(template: &str) -> Result<String, String> {
    let steps = json!({ "s": { "args": [template] } });
    let result = render_args(steps.as_object().unwrap(), &context());
    result.map(|steps| steps["s"]["args"][0].as_str().unwrap().to_owned()).map_err(|error| error.message)
}

fn names() -> Names {
    Names::new(Granularity::Day, ["name", "rows", "rate", "full", "since"])
}

/// What stands at each problem, and what is said.
fn problems(template: &str) -> Vec<String> {
    check(template, &names())
        .into_iter()
        .map(|TemplateProblem { problem, .. }| {
            let at = template.get(problem.range.clone()).expect("a range inside the template");
            format!("{at} | {}; {}", problem.message, problem.help.unwrap_or_default())
        })
        .collect()
}

fn kind(template: &str) -> Option<TemplateFault> {
    check(template, &names()).first().map(|problem| problem.kind)
}

#[test]
fn names_become_text() {
    let table = [
        ("plain", "plain"),
        ("{{ run.partition }}", "2026-11-21"),
        ("--date={{run.partition}}", "--date=2026-11-21"),
        ("{{ run.id }}/{{ run.number }}", "2026-11-21.1/1"),
        ("{{ run.pipeline }} {{ run.space }} {{ run.source }}", "listings prod schedule"),
        ("{{ run.start }}", "2026-11-20T23:00:00Z"),
        ("{{ run.end }}", "2026-11-21T23:00:00Z"),
        ("{{ params.name }}", "Ada <&> \"x\""),
        ("{{ params.rows }}", "7"),
        ("{{ params.rows + 1 }}", "8"),
        ("{{ params.rate }}", "0.5"),
        ("{{ params.full }}", "true"),
        ("{{ 'a' if params.full else 'b' }}", "a"),
        ("{{ run['partition'] }}", "2026-11-21"),
        ("{{ run.partition | replace('-', '') }}", "20261121"),
        ("{{ run.partition[:4] }}/{{ run.partition[5:7] }}", "2026/11"),
        ("{{ '%04d' | format(params.rows) }}", "0007"),
        ("{{ {'a': {'b': 1}}['a']['b'] }}", "1"),
        ("{{ '}}' }} {{ '{{' }}", "}} {{"),
        ("a {{- run.number -}} b", "a1b"),
        ("a {{+ run.number }} b", "a 1 b"),
        ("{\"a\": {\"b\": 1}}", "{\"a\": {\"b\": 1}}"),
        ("{{ run.partition.split('-') | first if false else 'x' }}", "x"),
        ("äöü {{ params.rows }} ß", "äöü 7 ß"),
        ("trailing newline {{ 1 }}\n", "trailing newline 1\n"),
    ];
    for (template, expected) in table {
        assert_eq!(rendered(template).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn only_strings_are_templates_and_structure_stays() {
    let steps = json!({
        "one": { "args": ["{{ run.partition }}", 1, true, null, { "k{{": "{{ params.rows }}" }] },
        "two": {},
    });
    let rendered = render_args(steps.as_object().unwrap(), &context()).unwrap();
    let expected = json!({ "one": { "args": ["2026-11-21", 1, true, null, { "k{{": "7" }] }, "two": {} });
    assert_eq!(Value::Object(rendered), expected);
}

#[test]
fn what_has_no_value_is_an_error_with_its_place() {
    let steps = json!({ "ok": {}, "measure": { "args": ["x", { "deep": "{{ params.missing }}" }] } });
    let error = render_args(steps.as_object().unwrap(), &context()).unwrap_err();
    assert_eq!(error.to_string(), "step `measure`, `args[1].deep`: `{{ params.missing }}` has no value");
    assert_eq!(
        rendered("{{ params.missing.deeper }}").unwrap_err(),
        "`{{ params.missing.deeper }}`: `params.missing` is undefined"
    );
    assert_eq!(rendered("{{ none }}").unwrap_err(), "`{{ none }}` has no value");
    assert_eq!(
        rendered("{{ run }}").unwrap_err(),
        "`{{ run }}` is a map, not a text; write `| join(',')` or `| tojson`"
    );
    assert!(rendered("{{ 1 / 0 }}").is_err());
    assert!(rendered("{{ nothing }}").is_err());
    assert!(rendered("{{ 1 ").is_err());
}

#[test]
fn a_pipeline_without_partitions_has_no_start() {
    let none = Partition { label: "none".into(), bounds: None };
    let steps = json!({ "s": ["{{ run.partition }}", "{{ run.start }}"] });
    let error = render_args(steps.as_object().unwrap(), &context_of(&none)).unwrap_err();
    assert_eq!((error.place.as_str(), error.message.as_str()), ("[1]", "`{{ run.start }}` has no value"));
}

#[test]
fn nothing_can_eat_the_memory_or_the_time() {
    for template in [
        "{{ range(1000000000) | list }}",
        "{{ 'x' * 1000000000 }}",
        "{{ ['x'] * 1000000000 }}",
        "{{ ('x' * 1000) | replace('x', 'x' * 1000) | replace('x', 'x' * 1000) }}",
        "{{ 'x' | indent(1000000000, true) }}",
        "{{ '%01000000000d' | format(1) }}",
        "{{ '%.1000000000f' | format(1.5) }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ ('x' * 20000) }}",
        "{{ (('a' * 9999) ~ ',') * 100 | split(',') | join('x' * 100000) }}",
    ] {
        assert!(rendered(template).is_err(), "{template}");
    }
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    assert!(rendered(&deep).is_err());
    assert_eq!(kind(&deep), Some(TemplateFault::Syntax));
    let many = "{{ 'x' * 10000 }}".repeat(10_000);
    assert_eq!(rendered(&many).unwrap_err(), "it is longer than 10240 bytes");
}

#[test]
fn a_step_has_a_limit() {
    let argument = "x".repeat(MAX_ARGUMENT);
    let steps = |count: usize| json!({ "s": { "args": vec![argument.clone(); count] } });
    assert!(render_args(steps(19).as_object().unwrap(), &context()).is_ok());
    let error = render_args(steps(20).as_object().unwrap(), &context()).unwrap_err();
    assert_eq!(error.to_string(), "step `s`, `args`: its arguments are 204870 bytes, at most 204800 are possible");
    assert!(rendered(&"x".repeat(MAX_ARGUMENT + 1)).is_err());
}

#[test]
fn good_templates_have_no_problems() {
    for template in [
        "",
        "plain } %} #}",
        "{{ run.partition }} {{ run['start'] }} {{ params.since }}",
        "{{ params.name | default('x', boolean=true) | upper }}",
        "{{ 'a' if params.full and not params.rows > 3 else none }}",
        "{{ run.number is odd }} {{ run.number is not divisibleby 3 }}",
        "{{ 'run.nothing | nofilter' }}",
        "{{ params.rows in [1, 2] }}",
        "{{ {'key': params.rows} | tojson }}",
        "{{ params.rate * 1.5 }}",
    ] {
        assert_eq!(problems(template), Vec::<String>::new(), "{template}");
    }
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let table = [
        (
            "{{ run.partition",
            "{{ | `{{` is not closed; write `}}` after the expression; for two braces as they are, write `{{ '{{' }}`",
        ),
        ("{{ }}", "{{ }} | `{{ }}` is empty; write a name, such as `{{ run.partition }}`"),
        ("--date={{ run.partitoin }}", "run.partitoin | there is no `run.partitoin`; did you mean `run.partition`?"),
        ("{{ partition }}", "partition | there is no `partition`; did you mean `run.partition`?"),
        ("{{ ds }}", "ds | there is no `ds`; did you mean `run.partition`?"),
        ("{{ params.row }}", "params.row | there is no `params.row`; did you mean `params.rows`?"),
        ("{{ params['row'] }}", "params['row'] | there is no `params.row`; did you mean `params.rows`?"),
        ("{{ params.limit }}", "params.limit | there is no `params.limit`; declare `limit` under `params:`"),
        ("{{ rows }}", "rows | there is no `rows`; did you mean `params.rows`?"),
        ("{{ vars.bucket }}", "vars.bucket | there is no `vars.bucket` when a run starts; write `${vars.bucket}`"),
        (
            "{{ run.partition.upper() }}",
            "run.partition.upper | `run.partition` is a value and has no `upper`; write `run.partition | upper`",
        ),
        ("{{ run.partition | uper }}", "uper | there is no filter `uper`; did you mean `upper`?"),
        ("{{ run.number is od }}", "od | there is no test `od`; did you mean `odd`?"),
        (
            "{{ 1 + steps.extract.output.rows }}",
            "steps.extract.output.rows | `steps.…` is more than a plain path here; write a path between the braces, such as `{{ steps.extract.output.rows }}`, and do the rest in the step",
        ),
        (
            "a {% if x %}",
            "{% | `{%` is not possible in a template; write an expression, such as `{{ 'a' if params.full else 'b' }}`, or decide in the step",
        ),
        (
            "${#array}",
            "{# | `{#` is not possible in a template; move it into the step's script, or write a comment of YAML: `# …`",
        ),
    ];
    for (template, expected) in table {
        assert_eq!(problems(template), [expected], "{template}");
    }
    assert_eq!(kind("{{ run.partition run.id }}"), Some(TemplateFault::Syntax));
    assert_eq!(kind("{{ 'open }}"), Some(TemplateFault::Syntax));
    assert_eq!(kind("{{ (1 }}"), Some(TemplateFault::Syntax));
    assert_eq!(kind("{{ range(3) }}"), Some(TemplateFault::UnknownName));
    assert_eq!(kind("{{ item.key }}"), None);
    assert_eq!(kind("{{ item.key | upper }}"), Some(TemplateFault::LatePath));
    assert_eq!(kind("{{ ö }}"), Some(TemplateFault::Syntax));
    assert!(problems("{{ ö }}")[0].starts_with("ö | this is not an expression"));
    assert_eq!(kind("{{ x = 1 }}"), Some(TemplateFault::Syntax));
    let none = check("{{ run.start }}", &Names::new(Granularity::None, []));
    assert_eq!(none[0].problem.help.as_deref(), Some("a pipeline without partitions has no start and end"));
}

#[test]
fn every_problem_of_a_template_is_reported() {
    assert_eq!(problems("{{ run.x1 }} {{ run.x2 | nofilter }}").len(), 3);
}

#[test]
fn every_filter_and_test_on_the_lists_exists() {
    use minijinja::ErrorKind;
    let engine = engine(&TimeZone::UTC);
    let missing = |expression: String| {
        let kind = |error: minijinja::Error| error.kind();
        let outcome = engine.compile_expression_owned(expression).and_then(|compiled| compiled.eval(()));
        matches!(outcome.map_err(kind), Err(ErrorKind::UnknownFilter | ErrorKind::UnknownTest))
    };
    for filter in filters::filters() {
        assert!(!missing(format!("'x' | {filter}")), "{filter}");
    }
    for test in filters::tests() {
        assert!(!missing(format!("'x' is {test}")), "{test}");
    }
    assert!(missing("'x' | nothing".to_owned()));
    assert!(missing("'x' is nothing".to_owned()));
}

proptest! {
    #[test]
    fn text_without_braces_stays(text in "[^{}]{0,60}") {
        prop_assert_eq!(rendered(&text), Ok(text.clone()));
        prop_assert_eq!(problems(&text), Vec::<String>::new());
    }

    #[test]
    fn a_parameter_is_written_as_it_is(value in "\\PC{0,60}") {
        let mut context = context();
        context.params.insert("name".into(), Value::String(value.clone()));
        let steps = json!({ "s": "<{{ params.name }}>" });
        let rendered = render_args(steps.as_object().unwrap(), &context).unwrap();
        prop_assert_eq!(&rendered["s"], &Value::String(format!("<{value}>")));
    }

    /// What `check` passes can still fail on values, but never on syntax, names or filters.
    #[test]
    fn whatever_is_checked_is_known(words in proptest::collection::vec(prop::sample::select(vec![
        "{{", "}}", "{{-", "-}}", "run", ".", "partition", "params", "rows", "x", "|", "upper", "nofilter", "is", "not",
        "odd", "(", ")", "[", "]", "'", "1", " ", "if", "else", "~", "+", "{", "}", "'a'", ",", "ö", "==", "none",
    ]), 0..14)) {
        let template = words.join(" ");
        for problem in check(&template, &names()) {
            prop_assert!(template.get(problem.problem.range).is_some());
        }
        if check(&template, &names()).is_empty() && let Err(message) = rendered(&template) {
            for known in ["is unknown", "without `}}`", "syntax error", "unknown filter", "unknown test"] {
                prop_assert!(!message.contains(known), "{}", message);
            }
        }
    }
}

/// The rows of docs/time.md: what a template gives.
#[test]
fn the_examples_of_the_documentation_are_true() {
    let text = include_str!("../../../docs/time.md").replace("\\|", "\u{1}");
    let mut checked = 0;
    for row in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<String> = row.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect();
        let [_, _, example, expected, _] = cells.as_slice() else { continue };
        let code = |cell: &str| cell.trim_matches('`').to_owned();
        if example.starts_with("`{{") {
            assert_eq!(rendered(&code(example)), Ok(code(expected)), "{example}");
            assert_eq!(problems(&code(example)), Vec::<String>::new(), "{example}");
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked} examples found");
}

#[test]
fn date_filters_are_checked_before_a_run() {
    let table = [
        (
            "{{ run.partition | add('-1m') }}",
            "'-1m' | `-1m` is not an amount of time; write `mo` for months, `min` for minutes; ",
        ),
        (
            "{{ run.partition | add(month=1) }}",
            "month | `add` has no argument `month`; it has years, quarters, months, weeks, days, hours, minutes, seconds; ",
        ),
        ("{{ run.partition | add }}", "add | `add` needs an argument; write `add('-1d')`"),
        ("{{ run.partition | format('%!') }}", "'%!' | `%!` is not a format: "),
        (
            "{{ run.start | in_zone('Berlin') }}",
            "'Berlin' | `Berlin` is not a time zone; did you mean `Europe/Berlin`?; ",
        ),
        ("{{ run.partition | label('daily') }}", "'daily' | `daily` is not a granularity; did you mean `day`?; "),
        ("{{ run.partition | next('x') }}", "'x' | `'x'` is a text, not a whole number; "),
        ("{{ run.partition | next(1, 2) }}", "2 | `next` takes 1 arguments, not 2; "),
        (
            "{{ run.partition is business_day('2026-12-25') }}",
            "'2026-12-25' | `'2026-12-25'` is a text, not a list of days; write `['2026-12-25']`; ",
        ),
        (
            "{{ run.number | start_of_month }}",
            "run.number | start_of_month | `1` is a number, not a date such as `2026-11-21`; ",
        ),
        (
            "{{ run.partition | months | join }}",
            "run.partition | months | join | `2026-11-21` is a day and has no months; ",
        ),
    ];
    for (template, expected) in table {
        let found = problems(template);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{template}: {found:?}");
    }
    let fine =
        ["{{ params.name | start_of_month }}", "{{ '%04d' | format(params.rows) }}", "{{ run.start | format('%s') }}"];
    for template in fine {
        assert_eq!(problems(template), Vec::<String>::new(), "{template}");
    }
}

#[test]
fn conditions_are_true_or_false_and_nothing_else() {
    let when = |template: &str| condition(template, &context());
    assert_eq!(when("{{ run.partition is last_day_of_month }}"), Ok(false));
    assert_eq!(when(" {{ params.full }} "), Ok(true));
    assert_eq!(when("{{ run.number }}").unwrap_err(), "`{{ run.number }}` is `1`, neither true nor false");
    assert_eq!(when("{{ params.since }}").unwrap_err(), "`{{ params.since }}` is `2026-01-31`, neither true nor false");
    assert_eq!(when("true").unwrap_err(), "`true` is not one `{{ }}`, and nothing else, that is true or false");
    assert!(when("x{{ true }}").is_err());
}

#[test]
fn a_step_of_a_job_knows_the_parameters_of_the_job_alone() {
    let steps = json!({ "load": {
        "jobParams": { "rows": { "type": "int", "default": "{{ params.rows + 1 }}" },
                       "days": { "type": "list", "items": "date", "default": "{{ run.partition | label('week') | days }}" } },
        "jobWhen": "{{ params.rows == 8 }}",
        "args": ["{{ params.rows }}", "{{ params.days | first }}"],
    } });
    let rendered = render_args(steps.as_object().unwrap(), &context()).unwrap();
    assert_eq!(rendered["load"], json!({ "when": true, "args": ["8", "2026-11-16"] }));
    let steps = json!({ "load": { "jobParams": {}, "args": ["{{ params.rows }}"] } });
    assert!(render_args(steps.as_object().unwrap(), &context()).is_err());
    let steps = json!({ "load": { "jobParams": { "rows": { "type": "int", "default": "{{ params.name }}" } } } });
    let error = render_args(steps.as_object().unwrap(), &context()).unwrap_err();
    assert!(error.message.contains("is not of type int"), "{error}");
}

#[test]
fn one_expression_keeps_the_type_of_its_value_where_a_plan_says_so() {
    let of = |template: &str| {
        let steps = json!({ "s": { "payload": { "x": { TYPED: template } } } });
        render_args(steps.as_object().unwrap(), &context()).map(|steps| steps["s"]["payload"]["x"].clone())
    };
    assert_eq!(of(" {{ params.full }} ").unwrap(), json!(true));
    assert_eq!(of("{{ params.rows }}").unwrap(), json!(7));
    assert_eq!(of("{{ params.rows | string }}").unwrap(), json!("7"));
    assert_eq!(of("{{ ['de', 'at'] }}").unwrap(), json!(["de", "at"]));
    assert_eq!(of("{{ run.partition }}").unwrap(), json!("2026-11-21"));
    assert_eq!(of("{{ params.rows }}x").unwrap(), json!("7x"), "what is more than one expression is text");
    assert!(of("{{ params.gone }}").is_err());
    for template in ["de", "", "{{ run.partition }}x", "{{ run.id }}{{ run.id }}", "{{ run.id"] {
        assert_eq!(only_expression(template), None, "{template}");
    }
}
