//! Scripts and entrypoints lie in the pipeline's folder, which is all that a step finds.
//!
//! A path is an `entrypoint`, and any argument of a command that ends in `.sh`, `.py` or `.jar` and says the same in every
//! run. Absolute paths and URIs in a command are the cluster's own.

use super::jobs;
use crate::language::folder::{Folder, normal};
use crate::language::project::Pipeline;
use crate::source::{Code, Finding, Findings, Spanned, suggest};

const SCRIPTS: [&str; 3] = [".sh", ".py", ".jar"];

pub fn check(pipeline: &Pipeline, findings: &mut Findings) {
    let here = pipeline.path.rsplit_once('/').map_or(".", |(folder, _)| folder);
    let own = Place { folder: &pipeline.folder, here, from: "the pipeline.yaml" };
    let look = |path: &Spanned<String>, place: Place<'_>, findings: &mut Findings| {
        if let Err(finding) = find(path, place) {
            findings.push(*finding);
        }
    };
    for (_, compute) in pipeline.manifest.compute.iter() {
        compute.value.kind().into_iter().flat_map(|kind| kind.files()).for_each(|file| look(file, own, findings));
    }
    for step in pipeline.manifest.all_steps() {
        let shared = jobs::folder(pipeline, step);
        let place = shared.map_or(own, |(folder, here)| Place { folder, here, from: "the job's file" });
        if let Some(spark) = &step.spark
            && !spark.entrypoint.contains("{{")
        {
            look(&spark.entrypoint, place, findings);
        }
        let Some(shell) = &step.shell else { continue };
        for argument in shell.command.iter().filter(|argument| is_script(argument)) {
            look(argument, place, findings);
        }
        if let Some(program) = shell.command.first() {
            executable(program, place.folder, findings);
        }
    }
}

fn is_script(argument: &str) -> bool {
    let elsewhere = argument.starts_with(['/', '-', '~']) || argument.contains("://");
    let no_path =
        argument.contains("{{") || argument.contains(char::is_whitespace) || argument.contains(['$', '*', ',']);
    SCRIPTS.iter().any(|ending| argument.len() > ending.len() && argument.ends_with(ending)) && !elsewhere && !no_path
}

/// The folder that a path is looked up in.
#[derive(Clone, Copy)]
struct Place<'a> {
    folder: &'a Folder,
    /// Its path in the project.
    here: &'a str,
    /// What paths are relative to.
    from: &'static str,
}

fn find(written: &Spanned<String>, Place { folder, here, from }: Place<'_>) -> Result<(), Box<Finding>> {
    let at = |code, message: String| Finding::at(code, written.span, message, "");
    if written.contains("://") {
        return Err(Box::new(
            at(Code::PathEscapes, format!("`{}` is not a path of the folder", written.value))
                .why("a run uses the code that was deployed with it, so that it can be repeated")
                .help(format!("put the file into `{here}` and write its path there")),
        ));
    }
    let path = if written.starts_with(['/', '~']) || written.contains('\\') { None } else { normal(written) };
    let Some(path) = path else {
        return Err(Box::new(
            at(Code::PathEscapes, format!("`{}` leads out of `{here}`", written.value))
                .why("only the pipeline's own folder is packed and sent to the cluster")
                .help(format!("move the file into the folder, and write its path from {from} on, with `/`")),
        ));
    };
    if folder.get(&path).is_some() {
        return Ok(());
    }
    let missing = at(Code::MissingFile, format!("`{}` is not in `{here}`", written.value))
        .why(format!("paths are relative to {from}"));
    let ignored = |ignored: &&String| {
        path == **ignored || path.strip_prefix(ignored.as_str()).is_some_and(|rest| rest.starts_with('/'))
    };
    Err(Box::new(if folder.has_directory(&path) {
        at(Code::MissingFile, format!("`{}` is a directory", written.value)).help("name a file in it")
    } else if let Some(ignored) = folder.ignored.iter().find(ignored) {
        missing.help(format!("it exists, but `.dpcignore` leaves `{ignored}` out of the archive"))
    } else {
        match near(&path, folder) {
            Some(near) => missing.fix(written.span, near, format!("did you mean `{near}`?")),
            None => missing.help(format!("create `{here}/{path}`, or correct the path")),
        }
    }))
}

/// The file most probably meant: the same name elsewhere, or nearly the same path.
fn near<'a>(path: &str, folder: &'a Folder) -> Option<&'a str> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let mut namesakes = folder.paths().filter(|other| name(other) == name(path));
    match (namesakes.next(), namesakes.next()) {
        (Some(only), None) => Some(only),
        _ => suggest::near(path, folder.paths().filter(|path| *path != "pipeline.yaml")),
    }
}

/// A script that is the program itself must be executable; given to an interpreter it need not be.
fn executable(program: &Spanned<String>, folder: &Folder, findings: &mut Findings) {
    if !program.contains('/') || program.starts_with('/') {
        return;
    }
    let file = normal(program).and_then(|path| folder.get(&path).cloned());
    if file.is_some_and(|file| !file.executable) {
        findings.push(
            Finding::at(Code::NotExecutable, program.span, format!("`{}` is not executable", program.value), "")
                .why("the step would end with \"permission denied\"")
                .help(format!("type `chmod +x {0}`, or write `[bash, {0}]`", program.value)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::is_script;

    #[test]
    fn scripts_are_told_from_other_arguments() {
        for script in ["src/publish.sh", "./a.py", "lib/x.jar"] {
            assert!(is_script(script), "{script}");
        }
        for other in
            [".sh", "--files=a.py", "/usr/lib/x.jar", "s3://b/x.py", "{{ params.x }}.py", "bash a.sh", "a.txt", "*.py"]
        {
            assert!(!is_script(other), "{other}");
        }
    }
}
