//! What a pipeline becomes, from text to documents.

use serde_json::Value;

use super::{Compiled, Context, compile};
use crate::language::folder::{Folder, FolderFile};
use crate::language::manifest::Manifest;
use crate::language::project::Pipeline;
use crate::source::{Files, Findings, de, yaml};

const LISTINGS: &str = include_str!("../../fixtures/listings/listings/pipeline.yaml");

fn pipeline(text: &str) -> Pipeline {
    let mut files = Files::new();
    let file = files.add("p/pipeline.yaml", text);
    let mut findings = Findings::new();
    let node = yaml::read(&files, file, &mut findings).unwrap_or_else(|| panic!("{findings:?}"));
    let manifest: Manifest = de::from_node(&node).unwrap_or_else(|finding| panic!("{finding:?}"));
    let entry = FolderFile { path: "pipeline.yaml".to_owned(), executable: false, bytes: text.into() };
    Pipeline { path: "p/pipeline.yaml".to_owned(), folder: Folder { files: vec![entry], ignored: vec![] }, manifest }
}

fn found(text: &str) -> (Option<Compiled>, Findings) {
    let context = Context { space: "prod".to_owned(), environment: "prod".to_owned() };
    let mut findings = Findings::new();
    let compiled = compile(&pipeline(text), &context, &mut findings);
    (compiled, findings)
}

fn compiled(text: &str) -> Compiled {
    let (compiled, findings) = found(text);
    compiled.unwrap_or_else(|| panic!("{findings:?}"))
}

fn definition(compiled: &Compiled) -> Value {
    compiled.machine.to_value()
}

#[test]
fn show() {
    let out = std::env::var_os("DPC_SHOW");
    if let Some(out) = out {
        std::fs::write(out, compiled(LISTINGS).template.to_json()).expect("written");
    }
    let _ = definition(&compiled(LISTINGS));
}
