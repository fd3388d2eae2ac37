//! `dpc schema`: prints the JSON Schema of a file of the language, for editors.

use super::{Exit, Failure, Terminal};
use crate::language::schemas::Published;

/// Arguments of `dpc schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Editors with the YAML language server use it when a pipeline.yaml starts with the line\n\
                        # yaml-language-server: $schema=<path of the printed file>")]
pub struct Args {
    /// Which file
    #[arg(value_enum, default_value_t)]
    file: File,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum File {
    /// dpc.yaml
    Project,
    /// pipeline.yaml
    #[default]
    Pipeline,
    /// policy.yaml
    Policy,
    /// jobs/<name>.yaml
    Job,
    /// tests/<name>.yaml
    Test,
    /// type.yaml, of a step type
    Type,
}

/// Prints the schema.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let published = match args.file {
        File::Project => Published::Project,
        File::Pipeline => Published::Pipeline,
        File::Policy => Published::Policy,
        File::Job => Published::Job,
        File::Test => Published::Test,
        File::Type => Published::Type,
    };
    terminal.data(&published.text());
    Ok(Exit::Done)
}
