//! `dpc init`: writes a small project that validates, synthesises and deploys as it is.
//!
//! In come a name, what to begin with and perhaps an account; out come files, none of which was there before. It refuses to
//! know AWS: the account is what the user says, or a placeholder that the file explains.

mod templates;

use std::fs;
use std::path::{Path, PathBuf};

use super::{Exit, Failure, Terminal};
use crate::language::project::PROJECT_FILE;
use crate::language::rules::names;
use crate::language::schemas::Published;
use crate::source::{Code, Finding};
use templates::{IGNORE, TEMPLATES, Template, chosen};

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
    /// What to begin with: spark, shell, container, event-driven, fallback, backfill-ready or multi-account. Asked on a terminal;
    /// spark unless said
    #[arg(long, value_name = "NAME", value_parser = template)]
    template: Option<&'static Template>,
    /// Account that the pipelines go to: twelve digits
    #[arg(long, value_name = "NUMBER", value_parser = account)]
    account: Option<String>,
    /// Region that the pipelines go to
    #[arg(long, env = "AWS_REGION", default_value = "eu-central-1")]
    region: String,
}

fn template(text: &str) -> Result<&'static Template, String> {
    let names: Vec<&str> = TEMPLATES.iter().map(|template| template.name).collect();
    chosen(text).ok_or_else(|| format!("there are {}", names.join(", ")))
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
    let Some(template) = begin_with(&args, terminal).await? else {
        terminal.say("nothing was written");
        return Ok(Exit::Fault);
    };
    let inside = args.name.as_ref().map_or_else(PathBuf::new, PathBuf::from);
    let own = template.files.iter().chain([&IGNORE]);
    let own = own.map(|(path, text, program)| (inside.join(path), fill(text, &name, &args), *program));
    // Beside the files that name them, so that an editor completes and checks without a network.
    let schemas = Published::ALL.map(|schema| (inside.join(".schemas").join(schema.file_name()), schema.text(), false));
    let files: Vec<(PathBuf, String, bool)> = own.chain(schemas).collect();

    let there: Vec<String> =
        files.iter().filter(|(path, _, _)| present(path)).map(|(path, _, _)| shown(path)).collect();
    if !there.is_empty() {
        return Err(exists(&there).into());
    }
    for (path, text, program) in &files {
        write(path, text, *program).map_err(|error| failed(path, &error))?;
        terminal.data(&format!("{}\n", shown(path)));
    }
    terminal.say(&next(&args, template));
    Ok(Exit::Done)
}

/// What to begin with: what was said, or what is picked on a terminal. `None` when the question was turned down.
async fn begin_with(args: &Args, terminal: &Terminal) -> Result<Option<&'static Template>, Failure> {
    let first = TEMPLATES.first();
    if args.template.is_some() || !terminal.interactive() {
        return Ok(args.template.or(first));
    }
    terminal.say("What shall the project begin with?");
    for (number, template) in TEMPLATES.iter().enumerate() {
        terminal.say(&format!("  {}  {:<16}{}", number + 1, template.name, template.about));
    }
    loop {
        let Some(answer) = terminal.ask("Number or name [1]: ").await else { return Ok(first) };
        // Enter takes the first; the end of the input, or Ctrl-C, takes nothing.
        if answer.is_empty() {
            return Ok(None);
        }
        match answer.trim() {
            "" => return Ok(first),
            word => match chosen(word) {
                Some(template) => return Ok(Some(template)),
                None => terminal.say(&format!("`{word}` is none of them; Ctrl-C ends without writing anything")),
            },
        }
    }
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

fn next(args: &Args, template: &Template) -> String {
    let mut lines = Vec::new();
    if let Some(folder) = &args.name {
        lines.push(format!("\n  cd {folder}"));
    } else {
        lines.push(String::new());
    }
    if args.account.is_none() {
        lines.push(format!("  # put your account number into {PROJECT_FILE}"));
    }
    let flag = template.environment.map(|name| format!(" --env {name}")).unwrap_or_default();
    let commands = [
        ("dpc validate".to_owned(), "checks it; now, and after every change"),
        (format!("dpc setup account{flag}"), "prepares the account, once"),
        (format!("dpc deploy {}{flag}", template.first), "shows what would change, and asks"),
    ];
    let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or(0) + 2;
    lines.extend(commands.iter().map(|(command, why)| format!("  {command:<width$}# {why}")));
    lines.join("\n")
}

fn shown(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
