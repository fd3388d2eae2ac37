//! What `dpc init` can begin with: the files in `templates/init/`, and what to say of each.

/// A file: its path, its text, whether it is a program.
pub type File = (&'static str, &'static str, bool);

/// Something to begin with.
#[derive(Debug)]
pub struct Template {
    /// What is typed.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// The pipeline to deploy first.
    pub first: &'static str,
    /// The environment to name, where there are several.
    pub environment: Option<&'static str>,
    /// Its files, `dpc.yaml` first.
    pub files: &'static [File],
}

macro_rules! text {
    ($path:literal) => {
        include_str!(concat!("../../../templates/init/", $path))
    };
}

const PROJECT: File = ("dpc.yaml", text!("dpc.yaml"), false);
const PROJECT_WITH_BUCKET: File = ("dpc.yaml", text!("with-bucket.yaml"), false);
/// What every project gets.
pub const IGNORE: File = (".dpcignore", text!("dpcignore"), false);

/// All of them; the first is taken when nobody chooses.
pub const TEMPLATES: &[Template] = &[
    Template {
        name: "spark",
        about: "Spark on a small EMR cluster, and a command after it, once a day",
        first: "hello",
        environment: None,
        files: &[
            PROJECT,
            ("hello/pipeline.yaml", text!("spark/hello/pipeline.yaml"), false),
            ("hello/src/count.py", text!("spark/hello/src/count.py"), false),
            ("hello/src/poem.txt", text!("spark/hello/src/poem.txt"), false),
            ("hello/src/report.sh", text!("spark/hello/src/report.sh"), true),
            ("tests/hello.yaml", text!("spark/tests/hello.yaml"), false),
        ],
    },
    Template {
        name: "shell",
        about: "commands with retries and a time-out, every night",
        first: "nightly",
        environment: None,
        files: &[
            PROJECT,
            ("nightly/pipeline.yaml", text!("shell/nightly/pipeline.yaml"), false),
            ("nightly/src/fetch.sh", text!("shell/nightly/src/fetch.sh"), true),
            ("nightly/src/check.sh", text!("shell/nightly/src/check.sh"), true),
            ("nightly/src/report.sh", text!("shell/nightly/src/report.sh"), true),
        ],
    },
    Template {
        name: "container",
        about: "commands in containers, without a cluster, every night",
        first: "exports",
        environment: None,
        files: &[
            PROJECT,
            ("exports/pipeline.yaml", text!("container/exports/pipeline.yaml"), false),
            ("exports/src/fetch.sh", text!("container/exports/src/fetch.sh"), true),
            ("exports/src/pack.sh", text!("container/exports/src/pack.sh"), true),
        ],
    },
    Template {
        name: "event-driven",
        about: "a run for every file that arrives in a bucket",
        first: "arrivals",
        environment: None,
        files: &[
            PROJECT_WITH_BUCKET,
            ("arrivals/pipeline.yaml", text!("event-driven/arrivals/pipeline.yaml"), false),
            ("arrivals/src/load.sh", text!("event-driven/arrivals/src/load.sh"), true),
        ],
    },
    Template {
        name: "fallback",
        about: "a pipeline that runs when another one has failed",
        first: "prices",
        environment: None,
        files: &[
            PROJECT,
            ("prices/pipeline.yaml", text!("fallback/prices/pipeline.yaml"), false),
            ("prices/src/fetch.sh", text!("fallback/prices/src/fetch.sh"), true),
            ("prices-fallback/pipeline.yaml", text!("fallback/prices-fallback/pipeline.yaml"), false),
            ("prices-fallback/src/estimate.sh", text!("fallback/prices-fallback/src/estimate.sh"), true),
            ("tests/prices.yaml", text!("fallback/tests/prices.yaml"), false),
        ],
    },
    Template {
        name: "backfill-ready",
        about: "runs that can be repeated for any day, with a parameter",
        first: "daily",
        environment: None,
        files: &[
            PROJECT_WITH_BUCKET,
            ("daily/pipeline.yaml", text!("backfill-ready/daily/pipeline.yaml"), false),
            ("daily/src/build.py", text!("backfill-ready/daily/src/build.py"), false),
        ],
    },
    Template {
        name: "multi-account",
        about: "one project in two accounts, reading the bucket of a third",
        first: "shared",
        environment: Some("dev"),
        files: &[
            ("dpc.yaml", text!("multi-account/dpc.yaml"), false),
            ("shared/pipeline.yaml", text!("multi-account/shared/pipeline.yaml"), false),
            ("shared/src/copy.sh", text!("multi-account/shared/src/copy.sh"), true),
        ],
    },
];

/// The template of this name, or with this number in the list, from 1.
pub fn chosen(answer: &str) -> Option<&'static Template> {
    let by_number = || TEMPLATES.get(answer.parse::<usize>().ok()?.checked_sub(1)?);
    TEMPLATES.iter().find(|template| template.name == answer).or_else(by_number)
}
