//! `dpc synth`: writes the templates that a deployment would send, and says how near they are to AWS's limits.
//!
//! The bytes are the same wherever and whenever the same files are compiled. A file that holds them already is left
//! untouched, so that its time tells when the template last changed.

use std::path::{Path, PathBuf};

use super::aws::{EnvironmentArg, Here};
use super::{Exit, Failure, Format, Terminal, guard, roles};
use crate::compile::checks::Size;
use crate::compile::{self, Compiled};
use crate::source::{Code, Finding};

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

/// Compiles every pipeline of the project and writes what has changed.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let rules = guard::Rules::read(&args.rules)?;
    let Here { mut files, mut findings, project, environment } = args.environment.read_under(args.policy.as_deref())?;
    let context = super::context(&environment.space, &project);
    let pipelines = project.pipelines.iter();
    let compiled: Vec<_> = pipelines.filter_map(|one| compile::compile(one, &context, &mut findings)).collect();
    for one in &compiled {
        let name = project.pipeline(&one.pipeline).map(|pipeline| pipeline.manifest.name.span);
        if let Some(name) = name {
            rules.judge(one, name, &mut files, &mut findings);
        }
    }
    if findings.has_errors() {
        return Err(Failure::new(files, findings));
    }
    terminal.findings(&files, &findings.sorted(), Format::Text);
    for one in &compiled {
        let path = args.out.join(format!("{}.template.{}", one.pipeline, args.format.extension()));
        let changed = write(&path, &args.format.text(one)?)?;
        terminal.say(&describe(one, changed));
        for policy in roles::needed(one, &environment.account, &environment.region) {
            terminal.say(&format!("  {}", policy.replace('\n', "\n  ")));
        }
        terminal.data(&format!("{}\n", path.display()));
    }
    Ok(Exit::Done)
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

/// `listings: written, 7 resources; the policy "…" uses 21% of 10240 characters`.
fn describe(compiled: &Compiled, changed: bool) -> String {
    let word = if changed { "written" } else { "unchanged" };
    let resources = compiled.template.resources().count();
    let fullest = compiled.sizes.iter().max_by_key(|size| size.percent());
    let limit = fullest.map(|size| format!("; fullest: {}", used(size))).unwrap_or_default();
    format!("{}: {word}, {resources} resources{limit}", compiled.pipeline)
}

fn used(size: &Size) -> String {
    format!("{}, {}% of {} {}", size.what, size.percent(), size.limit, size.unit)
}
