//! `dpc init`: writes a small project that validates, synthesises and deploys as it is.
//!
//! In come a name and perhaps an account; out come files, none of which was there before. It refuses to know AWS: the
//! account is what the user says, or a placeholder that the file explains.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Exit, Failure, Terminal};
use crate::language::project::PROJECT_FILE;
use crate::language::rules::names;
use crate::source::{Code, Finding};

/// What is written: path, text, whether it is a program.
const FILES: [(&str, &str, bool); 6] = [
    (PROJECT_FILE, include_str!("../../templates/init/dpc.yaml"), false),
    (".dpcignore", include_str!("../../templates/init/dpcignore"), false),
    ("hello/pipeline.yaml", include_str!("../../templates/init/hello/pipeline.yaml"), false),
    ("hello/src/count.py", include_str!("../../templates/init/hello/src/count.py"), false),
    ("hello/src/poem.txt", include_str!("../../templates/init/hello/src/poem.txt"), false),
    ("hello/src/report.sh", include_str!("../../templates/init/hello/src/report.sh"), true),
];

/// Twelve digits that no account has.
const NO_ACCOUNT: &str = "000000000000";
const NO_ACCOUNT_NOTE: &str =
    "  # Put your account number here; `aws sts get-caller-identity` prints it. Until then nothing can be deployed.\n";
const ACCOUNT_NOTE: &str =
    "  # The account that `dpc deploy` writes to; your credentials are compared with it first.\n";

/// Arguments of `dpc init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the project, and of the folder that is made for it. Without one, the project is written here
    name: Option<String>,
    /// Account that the pipelines go to: twelve digits
    #[arg(long, value_name = "NUMBER", value_parser = account)]
    account: Option<String>,
    /// Region that the pipelines go to
    #[arg(long, env = "AWS_REGION", default_value = "eu-central-1")]
    region: String,
}

fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err("an account number has 12 digits".to_owned())
}

/// Writes the project, or says which of its files are there already and writes nothing.
pub async fn run(args: Args, terminal: &Terminal) -> Result<Exit, Failure> {
    let here = std::env::current_dir().unwrap_or_else(|_| ".".into());
    let name = match &args.name {
        Some(name) => given(name)?,
        None => of_folder(&here),
    };
    let inside = args.name.as_ref().map_or_else(PathBuf::new, PathBuf::from);
    let files: Vec<(PathBuf, String, bool)> =
        FILES.iter().map(|(path, text, program)| (inside.join(path), fill(text, &name, &args), *program)).collect();

    let there: Vec<String> =
        files.iter().filter(|(path, _, _)| present(path)).map(|(path, _, _)| shown(path)).collect();
    if !there.is_empty() {
        return Err(exists(&there).into());
    }
    for (path, text, program) in &files {
        write(path, text, *program).map_err(|error| failed(path, &error))?;
        terminal.data(&format!("{}\n", shown(path)));
    }
    terminal.say(&next(&args));
    Ok(Exit::Done)
}

fn given(name: &str) -> Result<String, Box<Finding>> {
    let Some(wrong) = names::wrong_with(name) else { return Ok(name.to_owned()) };
    let finding = Finding::new(Code::BadName, format!("the project name `{name}` {wrong}"))
        .why("names are lower-case letters, digits and hyphens, begin with a letter and have at most 40 characters");
    Err(Box::new(match names::mended(name) {
        Some(mended) => finding.help(format!("type `dpc init {mended}`")),
        None => finding.help("choose another name"),
    }))
}

/// The folder's name, as far as it can be one of a project.
fn of_folder(folder: &Path) -> String {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    names::mended(name).unwrap_or_else(|| "pipelines".to_owned())
}

fn fill(text: &str, name: &str, args: &Args) -> String {
    let note = if args.account.is_some() { ACCOUNT_NOTE } else { NO_ACCOUNT_NOTE };
    text.replace("@NAME@", name)
        .replace("@ACCOUNT_NOTE@", note)
        .replace("@ACCOUNT@", args.account.as_deref().unwrap_or(NO_ACCOUNT))
        .replace("@REGION@", &args.region)
}

/// Whether anything has this path, be it a link that leads nowhere.
fn present(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn write(path: &Path, text: &str, program: bool) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // `create_new`: a file that has come since it was looked for is not overwritten either.
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    if program { make_executable(path) } else { Ok(()) }
}

#[cfg(unix)]
fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

fn exists(there: &[String]) -> Finding {
    let list: Vec<String> = there.iter().map(|path| format!("`{path}`")).collect();
    let verb = if list.len() == 1 { "exists" } else { "exist" };
    Finding::new(Code::FileExists, format!("{} {verb} already", list.join(", ")))
        .why("`dpc init` overwrites nothing, and has written nothing")
        .help("type `dpc init NAME` to begin in a new folder")
}

fn failed(path: &Path, error: &std::io::Error) -> Finding {
    Finding::new(Code::NotWritten, format!("`{}` cannot be written: {error}", shown(path)))
        .help("choose a folder that you may write to")
}

fn next(args: &Args) -> String {
    let mut lines = Vec::new();
    if let Some(folder) = &args.name {
        lines.push(format!("\n  cd {folder}"));
    } else {
        lines.push(String::new());
    }
    if args.account.is_none() {
        lines.push(format!("  # put your account number into {PROJECT_FILE}"));
    }
    for (command, why) in [
        ("dpc validate", "checks it; now, and after every change"),
        ("dpc setup account", "prepares the account, once"),
        ("dpc deploy hello", "shows what would change, and asks"),
    ] {
        lines.push(format!("  {command:<20}# {why}"));
    }
    lines.join("\n")
}

fn shown(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
