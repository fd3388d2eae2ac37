//! `dpc synth`: writes the templates that a deployment would send, and says how near they are to AWS's limits.
//!
//! The bytes are the same wherever and whenever the same files are compiled. A file that holds them already is left
//! untouched, so that its time tells when the template last changed.

use std::path::{Path, PathBuf};

use super::aws::{EnvironmentArg, Here};
use super::{Exit, Failure, Format, Terminal, guard, roles};
use crate::compile::checks::Size;
use crate::compile::{self, Compiled};
use crate::control::parallel;
use crate::language::project::Resolved;
use crate::source::{Code, Finding, Findings};

/// Arguments of `dpc synth`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    environment: EnvironmentArg,
    /// Folder that the templates are written to
    #[arg(long, value_name = "DIR", default_value = "./dpc.out")]
    out: PathBuf,
    /// Check against the rules of this file instead of the project's policy.yaml
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Hold the templates against a CloudFormation Guard file, or a folder of them; can be repeated
    #[arg(long, value_name = "FILE|DIR")]
    rules: Vec<PathBuf>,
    /// Form of the templates
    #[arg(long, value_enum, default_value_t)]
    format: TemplateFormat,
}

/// The two forms that CloudFormation takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum TemplateFormat {
    /// What a deployment sends
    #[default]
    Json,
    /// The same, easier to read
    Yaml,
}

impl TemplateFormat {
    fn extension(self) -> &'static str {
        match self {
            TemplateFormat::Json => "json",
            TemplateFormat::Yaml => "yaml",
        }
    }

    /// The template in this form.
    ///
    /// # Errors
    /// Never for a template that JSON can hold; the YAML writer's signature says otherwise.
    fn text(self, compiled: &Compiled) -> Result<String, Box<Finding>> {
        match self {
            TemplateFormat::Json => Ok(compiled.template.to_json()),
            // Quotes whatever YAML 1.1 would take for something else, because that is what CloudFormation reads.
            TemplateFormat::Yaml => serde_saphyr::to_string(&compiled.template.to_value())
                .map_err(|error| Box::new(Finding::new(Code::NotWritten, format!("cannot write YAML: {error}")))),
        }
    }
}

/// A template, ready to be written, and what is said of it.
struct Ready {
    path: PathBuf,
    text: Result<String, Box<Finding>>,
    pipeline: String,
    description: String,
    policies: Vec<String>,
}

/// Compiles every pipeline of the project and writes what has changed.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let rules = guard::Rules::read(&args.rules)?;
    let Here { mut files, mut findings, project, environment } = args.environment.read_under(args.policy.as_deref())?;
    let context = super::context(&environment.space, &project);
    let rules = rules.entered(&mut files, &mut findings);
    let compiled = parallel::map(&project.pipelines, |pipeline| {
        let mut found = Findings::new();
        let compiled = compile::compile(pipeline, &context, &mut found);
        if let Some(compiled) = &compiled {
            rules.judge(compiled, pipeline.manifest.name.span, &files, &mut found);
        }
        (found, compiled.map(|compiled| args.ready(compiled, &environment)))
    });
    let mut all = Vec::new();
    for (found, ready) in compiled {
        findings.extend(found);
        all.extend(ready);
    }
    if findings.has_errors() {
        return Err(Failure::new(files, findings));
    }
    terminal.findings(&files, &findings.sorted(), Format::Text);
    let written = parallel::map(&all, |one| write(&one.path, one.text.as_ref().map_err(Clone::clone)?));
    for (one, changed) in all.iter().zip(written) {
        let word = if changed? { "written" } else { "unchanged" };
        terminal.say(&format!("{}: {word}, {}", one.pipeline, one.description));
        one.policies.iter().for_each(|policy| terminal.say(&format!("  {}", policy.replace('\n', "\n  "))));
        terminal.data(&format!("{}\n", one.path.display()));
    }
    Ok(Exit::Done)
}

impl Args {
    /// What remains of a pipeline: its template as text. Trees are several times as large, and there may be thousands.
    fn ready(&self, compiled: Compiled, environment: &Resolved) -> Ready {
        Ready {
            path: self.out.join(format!("{}.template.{}", compiled.pipeline, self.format.extension())),
            text: self.format.text(&compiled),
            description: describe(&compiled),
            policies: roles::needed(&compiled, &environment.account, &environment.region),
            pipeline: compiled.pipeline,
        }
    }
}

/// Whether the file had to be written.
fn write(path: &Path, text: &str) -> Result<bool, Box<Finding>> {
    if std::fs::read(path).is_ok_and(|before| before == text.as_bytes()) {
        return Ok(false);
    }
    let refused = |error: std::io::Error| {
        Box::new(
            Finding::new(Code::NotWritten, format!("cannot write `{}`: {error}", path.display()))
                .help("name a folder that you may write to: `dpc synth --out DIR`"),
        )
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(refused)?;
    }
    std::fs::write(path, text).map_err(refused)?;
    Ok(true)
}

/// `7 resources; fullest: the policy "…", 21% of 10240 characters`.
fn describe(compiled: &Compiled) -> String {
    let resources = compiled.template.resources().count();
    let fullest = compiled.sizes.iter().max_by_key(|size| size.percent());
    let limit = fullest.map(|size| format!("; fullest: {}", used(size))).unwrap_or_default();
    format!("{resources} resources{limit}")
}

fn used(size: &Size) -> String {
    format!("{}, {}% of {} {}", size.what, size.percent(), size.limit, size.unit)
}
