use super::*;

fn sample() -> Drawing {
    let mut map = Node::new("each", "each", Look::Plain).line("map over 3 shards");
    map.inside = vec![Drawing {
        title: String::new(),
        nodes: vec![Node::new("each/load", "load", Look::Plain), Node::new("each/end", "end", Look::Plain)],
        arrows: vec![Arrow::new("each/load", "each/end")],
    }];
    Drawing {
        title: "a \"quoted\" <title> & more".to_owned(),
        nodes: vec![
            Node::new("start", "0 3 * * ? *", Look::Source),
            Node::new("odd", "`end` [x] \\N", Look::Plain).line("shell echo \"{{ run.partition }}\" <b>&amp;</b>"),
            map,
            Node::new("other", "other", Look::Foreign),
        ],
        arrows: vec![
            Arrow::new("start", "odd"),
            Arrow::new("odd", "each").label("FAILED | \"TIMED_OUT\""),
            Arrow::new("odd", "other").dashed(),
            Arrow::new("odd", "nowhere"),
        ],
    }
}

#[test]
fn dot_quotes_every_name() {
    let text = dot(&sample());
    assert!(text.starts_with("digraph \"a \\\"quoted\\\" <title> & more\" {\n"), "{text}");
    assert!(
        text.contains("\"odd\" [label=\"`end` [x] \\\\N\\nshell echo \\\"{{ run.partition }}\\\" <b>&amp;</b>\"];"),
        "{text}"
    );
    assert!(
        text.contains("\"odd\" -> \"each\" [label=\"FAILED | \\\"TIMED_OUT\\\"\", lhead=\"cluster_each\"];"),
        "{text}"
    );
    assert!(!text.contains("nowhere"), "{text}");
}

#[test]
fn mermaid_has_ids_of_its_own_and_nothing_that_it_would_read() {
    let text = mermaid(&sample());
    assert!(text.starts_with("flowchart TB\n"), "{text}");
    assert!(text.contains("n0([\"0 3 #42; #42; ? #42;\"])"), "{text}");
    assert!(text.contains("n1[\"#96;end#96; #91;x#93; #92;N<br/>shell echo #34;{{ run.partition }}#34;"), "{text}");
    assert!(text.contains("subgraph n2[\"each<br/>map over 3 shards\"]"), "{text}");
    assert!(text.contains("n1 -->|\"FAILED #124; #34;TIMED#95;OUT#34;\"| n2"), "{text}");
    assert!(text.contains("n1 -.-> n5"), "{text}");
}

#[test]
fn svg_is_well_formed_whatever_the_names() {
    let text = svg(&sample());
    let parsed = roxmltree::Document::parse(&text).expect("it is XML");
    let texts: Vec<&str> =
        parsed.descendants().filter(|node| node.has_tag_name("text")).filter_map(|node| node.text()).collect();
    assert!(texts.contains(&"a \"quoted\" <title> & more"), "{texts:?}");
    assert_eq!(parsed.descendants().filter(|node| node.attribute("marker-end").is_some()).count(), 4);
    assert!(text.contains("prefers-color-scheme: dark"));
}

#[test]
fn the_same_drawing_has_the_same_bytes() {
    assert_eq!(svg(&sample()), svg(&sample()));
}

#[test]
fn long_lines_are_cut() {
    assert_eq!(cut("short", 10), "short");
    assert_eq!(cut("a little longer", 10), "a little…");
    assert_eq!(cut("two\nlines", 10), "two lines");
}
