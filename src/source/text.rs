//! From the bytes of a file to text: at most one megabyte of UTF-8 without control characters.

use super::{Code, FileId, Files, Finding, Findings, Span};

/// Files of the language are at most this long; ask for the size before you read one.
pub const LIMIT: u64 = 1_000_000;

/// Adds a file to the table, if it is text. What is wrong with it otherwise is one finding.
pub fn add(files: &mut Files, path: &str, bytes: &[u8], findings: &mut Findings) -> Option<FileId> {
    if bytes.len() as u64 > LIMIT {
        findings.push(too_large(files, path, bytes.len() as u64));
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            findings.push(not_utf8(files, path, bytes, error.valid_up_to()));
            return None;
        }
    };
    let file = files.add(path, text);
    if let Some((at, control)) = text.char_indices().find(|(_, letter)| is_control(*letter)) {
        findings.push(control_character(Span::new(file, at, at + control.len_utf8()), control));
        return None;
    }
    Some(file)
}

/// The finding for a file that is longer than [`LIMIT`].
pub fn too_large(files: &mut Files, path: &str, size: u64) -> Finding {
    let file = files.add(path, "");
    #[allow(clippy::cast_precision_loss)] // Reason: a size in words.
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let message = format!("`{path}` is {:.1} MB; at most {:.0} MB is read", megabytes(size), megabytes(LIMIT));
    Finding::at(Code::FileTooLarge, Span::new(file, 0, 0), message, "")
        .why("a file of this size is data, not a description of a pipeline")
        .help("keep data in files of their own, and name them in `args` or `command`")
}

fn not_utf8(files: &mut Files, path: &str, bytes: &[u8], at: usize) -> Finding {
    let save = "save it as UTF-8 in your editor; `iconv -f WINDOWS-1252 -t UTF-8` converts from an older encoding";
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = bytes {
        let file = files.add(path, "");
        return Finding::at(Code::NotUtf8, Span::new(file, 0, 0), format!("`{path}` is UTF-16, not UTF-8"), "")
            .help("save it as UTF-8 in your editor, or convert it with `iconv -f UTF-16 -t UTF-8`");
    }
    let byte = bytes.get(at).copied().unwrap_or_default();
    let message = format!("`{path}` is not UTF-8: byte {at} is 0x{byte:02X}");
    // The lossy text equals the file up to that byte, where it shows a replacement character of three bytes.
    let file = files.add(path, String::from_utf8_lossy(bytes));
    Finding::at(Code::NotUtf8, Span::new(file, at, at + '\u{fffd}'.len_utf8()), message, "not UTF-8 from here")
        .help(save)
}

fn control_character(span: Span, control: char) -> Finding {
    let code = u32::from(control);
    let message = format!("the control character U+{code:04X} is not allowed in YAML");
    let finding = Finding::at(Code::ControlCharacter, span, message, "an invisible character");
    if control == '\0' {
        finding.why("a NUL means that this is a binary file, or text in UTF-16 or UTF-32").help("save it as UTF-8 text")
    } else {
        finding.help(format!("delete it; in double quotes, `\\x{code:02X}` stands for it"))
    }
}

/// What YAML's `c-printable` leaves out, but for surrogates, which no UTF-8 holds.
fn is_control(letter: char) -> bool {
    matches!(letter, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}'
        | '\u{fffe}' | '\u{ffff}')
}
