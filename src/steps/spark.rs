//! `spark`: a Python file or a JAR of the pipeline's folder, run by spark-submit on an EMR cluster or by EMR Serverless.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Argument, Bench, Kind, KindOfStep, Output, RunsOn, Tree, Work, runner};
use crate::compute::serverless::{Job, Serverless};
use crate::compute::{Host, emr};
use crate::control::names;
use crate::documents::states::Task;
use crate::source::{Code, Finding, Findings, Spanned, SpannedMap};

/// Runs a Python file or a JAR with spark-submit.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spark {
    /// A `.py` or `.jar` file, relative to the pipeline.yaml.
    pub entrypoint: Spanned<String>,
    /// Arguments of the program; `{{ }}` is rendered when a run starts.
    #[serde(default)]
    pub args: Vec<Spanned<String>>,
    /// The main class of a JAR whose manifest names none.
    pub class: Option<Spanned<String>>,
    /// Spark properties, such as `spark.executor.memory: 4g`.
    #[serde(default)]
    #[schemars(schema_with = "crate::source::spanned::scalars")]
    pub conf: SpannedMap<Spanned<String>>,
}

/// See [`super::KINDS`].
pub const KIND: KindOfStep = KindOfStep { key: "spark", templates: &["args.[]", "conf.*"], integrations: &[] };

impl Kind for Spark {
    fn check(&self, findings: &mut Findings) {
        let file = self.entrypoint.value.as_str();
        if !file.ends_with(".py") && !file.ends_with(".jar") {
            findings.push(
                Finding::at(
                    Code::BadEntrypoint,
                    self.entrypoint.span,
                    format!("`{file}` is neither a Python file nor a JAR"),
                    "must end in .py or .jar",
                )
                .why("spark-submit tells them apart by the end of the name")
                .help("a command of another kind runs as `shell: { command: […] }`"),
            );
        }
        if let Some(class) = self.class.as_ref().filter(|_| file.ends_with(".py")) {
            findings.push(
                Finding::at(
                    Code::ClassOfPython,
                    class.span,
                    "`class` belongs to a JAR",
                    "a Python file has no main class",
                )
                .and(self.entrypoint.span, "the entrypoint")
                .help("remove `class`"),
            );
        }
        for (key, _) in self.conf.iter() {
            let well_formed =
                key.starts_with("spark.") && key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=');
            if !well_formed {
                findings.push(
                    Finding::at(
                        Code::BadSparkProperty,
                        key.span,
                        format!("`{}` is not a Spark property", key.value),
                        "",
                    )
                    .why("spark-submit ignores properties that do not start with `spark.`")
                    .help("Hadoop's are written with a prefix: `spark.hadoop.fs.s3a.endpoint`"),
                );
            }
        }
    }

    fn applications(&self) -> &'static [&'static str] {
        &["Spark"]
    }

    fn runs_on(&self) -> RunsOn {
        RunsOn::OneOf(&["emr", "emrServerless"])
    }

    fn output(&self) -> Output {
        Output::File
    }

    fn texts(&self) -> Vec<&Spanned<String>> {
        self.args.iter().chain(&self.class).chain(self.conf.iter().map(|(_, value)| value)).collect()
    }

    fn work(&self, bench: &mut Bench<'_>) -> Option<Work> {
        let (profile, compute) = bench.profile?;
        if let Some(serverless) = &compute.emr_serverless {
            return self.as_job(profile, serverless, bench).map(|task| Work::Task(Box::new(task)));
        }
        let _emr = compute.emr.as_ref()?;
        bench.hosts.push(Host::Ec2);
        let mut command = vec!["spark-submit".to_owned(), "--name".to_owned(), bench.step.to_owned()];
        if let Some(class) = &self.class {
            command.extend(["--class".to_owned(), class.value.clone()]);
        }
        for (key, value) in self.conf.iter() {
            command.extend(["--conf".to_owned(), format!("{}={}", key.value, value.value)]);
        }
        command.push(self.entrypoint.value.clone());
        command.extend(self.args.iter().map(|argument| argument.value.clone()));
        let arguments = runner::arguments(bench, &[], command);
        let arguments = bench.command("args", arguments);
        Some(Work::Task(Box::new(emr::run_script(bench.step, profile, arguments))))
    }
}

/// Where a job of EMR Serverless finds the pipeline's folder.
const FOLDER: &str = "folder";

impl Spark {
    /// The program as a job of EMR Serverless, which fetches it from the bucket by itself, and the folder beside it.
    fn as_job(&self, name: &str, profile: &Serverless, bench: &mut Bench<'_>) -> Option<Task> {
        let entrypoint = bench.object(&self.entrypoint)?;
        let arguments = self.args.iter().map(|argument| Argument::Users(argument.value.clone())).collect();
        let arguments = bench.words("args", arguments);
        let properties = self.properties(bench);
        let properties = bench.value("conf", Tree::Map(properties));
        let job = Job {
            pipeline: bench.pipeline,
            step: bench.step,
            name,
            profile,
            entrypoint: &entrypoint,
            class: self.class.as_ref().map(|class| class.value.as_str()),
        };
        bench.hosts.push(Host::EmrServerless);
        bench.statements.extend(job.statements());
        Some(job.task(arguments, properties))
    }

    /// Spark properties: dpc's, by which the program finds the folder and learns which run it works for, and the user's.
    /// <https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/jobs-spark.html>
    fn properties(&self, bench: &Bench<'_>) -> Vec<(String, Tree)> {
        let own = |key: &str, text: String| (key.to_owned(), Tree::Text(Argument::Own(text)));
        let archive = format!("s3://{}/{}", names::BUCKET, names::artifact_key(bench.pipeline, bench.archive));
        let root = bench.folder.map_or(FOLDER.to_owned(), |folder| format!("{FOLDER}/{folder}"));
        let folder = self.entrypoint.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("/{folder}"));
        let modules = format!("./{root}{folder}:./{root}");
        let mut properties = vec![
            own("spark.archives", format!("{archive}#{FOLDER}")),
            own("spark.emr-serverless.driverEnv.PYTHONPATH", modules.clone()),
            own("spark.executorEnv.PYTHONPATH", modules),
        ];
        let variables = [
            ("DPC_PIPELINE", bench.pipeline),
            ("DPC_STEP", bench.step),
            ("DPC_RUN", "{{ run.id }}"),
            ("DPC_PARTITION", "{{ run.partition }}"),
        ];
        for (name, value) in variables {
            properties.push(own(&format!("spark.emr-serverless.driverEnv.{name}"), value.to_owned()));
        }
        for (key, value) in self.conf.iter() {
            let text = Tree::Text(Argument::Users(value.value.clone()));
            match properties.iter_mut().find(|(other, _)| *other == key.value) {
                Some((_, own)) => *own = text,
                None => properties.push((key.value.clone(), text)),
            }
        }
        properties
    }
}
