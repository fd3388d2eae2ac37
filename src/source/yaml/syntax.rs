//! What a syntax error means in the words of somebody who writes a pipeline, not of a parser.

use granit_parser::ErrorKind as E;

use super::build::quoted;
use super::{DEPTH, Finding};
use crate::source::{Code, FileId, Span};

/// The text around an error.
struct Place<'a> {
    text: &'a str,
    file: FileId,
    /// Byte of the error.
    at: usize,
}

/// The finding for a syntax error at byte `at`; `bracket` is the innermost `[` or `{` that was open there.
pub(super) fn explain(text: &str, file: FileId, kind: &E, at: usize, bracket: Option<usize>) -> Finding {
    let place = Place { text, file, at };
    match kind {
        E::TabInBlockIndentation
        | E::TabInIndentation
        | E::TabNotAllowed
        | E::TabInPlainScalar
        | E::TabAtBlockScalarStart => place.tab(),
        E::UnclosedQuotedScalar | E::DocumentIndicatorInQuotedScalar => place.unclosed_quote(),
        E::UnclosedFlowCollection { .. } => place.unclosed_bracket(at),
        E::MismatchedFlowCollectionEnd { open, close } => place.mismatched(*open, *close),
        E::MisplacedFlowCollectionEnd => place.misplaced_bracket(),
        E::InvalidTrailingSingleQuotedScalar => place.after_quote('\''),
        E::InvalidTrailingDoubleQuotedScalar => place.after_quote('"'),
        E::RecursionLimitExceeded => place.too_deep(),
        _ if place.tab_at().is_some() && place.breaks_structure(kind) => place.tab(),
        _ if place.breaks_structure(kind) && bracket.is_some_and(|open| place.line_of(open) < place.line_of(at)) => {
            place.unclosed_bracket(bracket.unwrap_or(at))
        }
        E::MappingValueNotAllowed => place.colon(),
        E::SimpleKeyExpected => place.no_key(),
        E::ExpectedBlockMappingKey
        | E::ExpectedBlockSequenceEntry
        | E::InvalidIndentation
        | E::BlockSequenceEntryNotAllowed => place.indentation(),
        E::UnexpectedCharacter { character } => place.reserved(*character),
        E::UnknownQuotedScalarEscape => place.escape(),
        E::ExpectedFlowMappingSeparator | E::ExpectedFlowSequenceSeparator => place
            .finding(
                Code::YamlSyntax,
                place.character(),
                "a comma or the closing bracket is missing",
                "expected before this",
            )
            .help("put a comma between two items, and quote a value that holds brackets, braces or commas"),
        E::CommentNotSeparated | E::CommentInterceptedScalar => place
            .finding(Code::YamlSyntax, place.character(), "a comment stands in the middle of a value", "")
            .help("put a space before the `#` of a comment, or quote the value if the `#` is part of it"),
        _ => place.finding(Code::YamlSyntax, place.character(), &format!("this is not YAML: {kind}"), ""),
    }
}

impl Place<'_> {
    fn finding(&self, code: Code, span: Span, message: &str, label: &str) -> Finding {
        Finding::at(code, span, message, label)
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    /// The one character at `at`.
    fn letter(&self, at: usize) -> Span {
        self.span(at, at + self.from(at).chars().next().map_or(0, char::len_utf8))
    }

    fn from(&self, at: usize) -> &str {
        self.text.get(at..).unwrap_or_default()
    }

    fn line_start(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
    }

    /// The text of the line that holds `at`, without its end.
    fn line(&self, at: usize) -> &str {
        self.from(self.line_start(at)).split(['\n', '\r']).next().unwrap_or_default()
    }

    fn line_of(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or_default().matches('\n').count() + 1
    }

    /// The character at the error; at the end of the file, the last visible one.
    fn character(&self) -> Span {
        match self.from(self.at).chars().next() {
            Some(letter) if !letter.is_whitespace() => self.span(self.at, self.at + letter.len_utf8()),
            _ => {
                let end = self.text.get(..self.at).unwrap_or_default().trim_end().len();
                let start =
                    self.text.get(..end).and_then(|text| text.char_indices().next_back()).map_or(0, |(at, _)| at);
                self.span(start, end)
            }
        }
    }

    /// The visible text from `at` to the end of its line.
    fn rest_of_line(&self, at: usize) -> Span {
        let rest = self.from(at).split(['\n', '\r']).next().unwrap_or_default();
        self.span(at, at + rest.trim_end().len())
    }

    /// Whether an error may come from a bracket left open, or from indentation.
    fn breaks_structure(&self, kind: &E) -> bool {
        matches!(
            kind,
            E::InvalidColonPlacement
                | E::ExpectedFlowMappingSeparator
                | E::ExpectedFlowSequenceSeparator
                | E::MappingKeyNotAllowed
                | E::BlockEntryInFlowCollection
                | E::InvalidFlowScalarIndent
                | E::MappingValueNotAllowed
                | E::SimpleKeyExpected
                | E::ExpectedBlockMappingKey
                | E::ExpectedBlockSequenceEntry
                | E::InvalidIndentation
                | E::UnexpectedEof
                | E::UnexpectedEofFlowSequence
                | E::UnexpectedEofFlowMapping
                | E::UnexpectedEofImplicitFlowMapping
                | E::ExpectedNodeContent
                | E::DocumentIndicatorInQuotedScalar
        )
    }

    /// The first tab in the indentation of the line of the error, or of the next one that has text.
    fn tab_at(&self) -> Option<usize> {
        let mut start = self.line_start(self.at);
        for line in self.from(start).split_inclusive('\n').take(3) {
            let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
            if let Some(tab) = line.get(..indent).and_then(|indent| indent.find('\t')) {
                return Some(start + tab);
            }
            start += line.len();
        }
        None
    }

    fn tab(&self) -> Finding {
        let Some(tab) = self.tab_at() else {
            return self
                .finding(Code::TabIndentation, self.character(), "a tab where YAML wants a space", "")
                .help("replace the tab by a space");
        };
        let span = self.span(tab, tab + 1);
        self.finding(Code::TabIndentation, span, "a tab in the indentation", "the tab")
            .why("YAML indents with spaces only, because nobody sees how wide a tab is")
            .fix(span, "  ", "indent with spaces:")
    }

    fn unclosed_quote(&self) -> Finding {
        let quote = self.from(self.at).chars().next().unwrap_or('"');
        self.finding(Code::Unclosed, self.letter(self.at), &format!("this `{quote}` is never closed"), "opened here")
            .help(format!("put a `{quote}` at the end of the value"))
    }

    fn unclosed_bracket(&self, open: usize) -> Finding {
        let bracket = self.from(open).chars().next().unwrap_or('[');
        let close = if bracket == '{' { '}' } else { ']' };
        let finding = self.finding(
            Code::Unclosed,
            self.letter(open),
            &format!("this `{bracket}` is never closed"),
            "opened here",
        );
        if let Some((comment, value)) = self.comment_that_closes(open, close) {
            return finding
                .and(comment, "YAML takes this for a comment")
                .why("a `#` after a space starts a comment")
                .fix(value, quoted(self.text_of(value)), "if it is the value, quote it:");
        }
        let finding = finding.help(format!("put a `{close}` after the last item"));
        if self.line_of(open) < self.line_of(self.at) && self.at < self.text.trim_end().len() {
            return finding.and(self.character(), "what follows is read as part of it, up to here");
        }
        finding
    }

    /// `{ slack: #core }`: the comment on the bracket's line that holds what would close it, and the value in it.
    fn comment_that_closes(&self, open: usize, close: char) -> Option<(Span, Span)> {
        let line = self.from(open).lines().next()?;
        let start = line.find(" #")? + 1;
        let comment = line.get(start..)?.trim_end();
        let value = comment.split([',', close]).next()?.trim_end();
        let glued = value.len() > 1 && !value.starts_with("# ");
        let span = |length| self.span(open + start, open + start + length);
        (glued && comment.contains(close)).then(|| (span(comment.len()), span(value.len())))
    }

    fn text_of(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn mismatched(&self, open: char, close: char) -> Finding {
        self.finding(Code::Unclosed, self.character(), &format!("`{open}` is closed by `{close}`"), "opened here")
            .help("close each `[` with `]` and each `{` with `}`, the last opened first")
    }

    fn misplaced_bracket(&self) -> Finding {
        let bracket = self.from(self.at).chars().next().unwrap_or(']');
        self.finding(Code::Unclosed, self.character(), &format!("this `{bracket}` closes nothing"), "")
            .help("delete it, or quote the value if it is part of the text")
    }

    /// Text after a closing quote: a quote within the value, or a quote opened lines above.
    fn after_quote(&self, quote: char) -> Finding {
        let before = self.text.get(..self.at).unwrap_or_default();
        let close = before.rfind(quote).unwrap_or_default();
        let open = self.text.get(..close).and_then(|text| text.rfind(quote)).unwrap_or(close);
        if self.line_of(open) < self.line_of(close) {
            return self
                .finding(
                    Code::Unclosed,
                    self.letter(open),
                    &format!("this `{quote}` is not closed on its line"),
                    "opened here",
                )
                .and(self.letter(close), "the next quote closes it, and text follows")
                .help(format!("put a `{quote}` at the end of the value"));
        }
        let finding = self.finding(
            Code::YamlSyntax,
            self.rest_of_line(self.at),
            "text follows the closing quote",
            "not part of the value",
        );
        if quote == '\'' {
            finding.help("inside single quotes, write `''` for a quote; or put the whole value into double quotes")
        } else {
            finding.help("inside double quotes, write `\\\"` for a quote; or put the whole value into single quotes")
        }
    }

    /// A `:` where no key can be: a second one on a line, or a line that is indented too far.
    fn colon(&self) -> Finding {
        let start = self.line_start(self.at);
        let before = self.text.get(start..self.at).unwrap_or_default();
        let Some(first) = before.find(": ") else {
            if let Some(colon) = self.glued_colon(start) {
                return self
                    .finding(Code::YamlSyntax, self.letter(colon), "a space is missing after this colon", "")
                    .why("without it, YAML reads the line as one word")
                    .fix(self.span(colon + 1, colon + 1), " ", "put a space there:");
            }
            let key = start + (before.len() - before.trim_start().len());
            return self
                .finding(
                    Code::YamlSyntax,
                    self.span(key, self.at),
                    "this line is indented more than the keys above it",
                    "",
                )
                .why("the value above has ended: a deeper line cannot belong to it")
                .help("line it up with its siblings, or put what it belongs to on the line above as `key:`");
        };
        let value = start + first + 2;
        let span = self.rest_of_line(value);
        let text = self.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        self.finding(Code::YamlSyntax, self.character(), "a second `: ` in one value", "")
            .why("an unquoted `: ` starts a mapping")
            .fix(span, quoted(text), "if it is one value, quote it:")
    }

    /// The colon of `key:value` on the line above `start`.
    fn glued_colon(&self, start: usize) -> Option<usize> {
        let above = self.text.get(..start)?.trim_end();
        let line_start = above.rfind('\n').map_or(0, |newline| newline + 1);
        let line = above.get(line_start..)?;
        let word = line.trim_start().trim_start_matches("- ");
        let key = word.find(':').and_then(|colon| word.get(..colon))?;
        let is_key =
            !key.is_empty() && key.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_'));
        let glued = !word.get(key.len() + 1..)?.starts_with([' ', '/']) && word.len() > key.len() + 1;
        (is_key && glued).then(|| line_start + line.len() - word.len() + key.len())
    }

    fn no_key(&self) -> Finding {
        let line = self.line(self.at);
        let indent = line.len() - line.trim_start().len();
        let start = self.line_start(self.at) + indent;
        let span = self.rest_of_line(start);
        let finding = self.finding(Code::YamlSyntax, span, "this line is no `key: value`", "");
        let word = line.trim();
        match word.find(':') {
            Some(colon) if !word.starts_with(['"', '\'']) => {
                finding.fix(self.span(start + colon + 1, start + colon + 1), " ", "put a space after the colon:")
            }
            _ => finding.help("write `key: value`, `- item` in a list, or `#` before a comment"),
        }
    }

    fn indentation(&self) -> Finding {
        let line = self.line(self.at);
        let start = self.line_start(self.at) + (line.len() - line.trim_start().len());
        if line.trim_start().starts_with("- ") {
            return self
                .finding(Code::YamlSyntax, self.rest_of_line(start), "a list item where none can be", "")
                .help("line up all `- ` of a list, below the key that the list belongs to");
        }
        self.finding(Code::YamlSyntax, self.rest_of_line(start), "this does not fit what stands above it", "")
            .why("either its indentation differs from its siblings', or a mapping and a list are mixed")
            .help("line up keys with keys and `- ` with `- `")
    }

    fn reserved(&self, character: char) -> Finding {
        let end = self.rest_of_line(self.at).end as usize;
        let rest = self.text.get(self.at..end).unwrap_or_default();
        let end = self.at + rest.find([',', ']', '}']).unwrap_or(rest.len());
        let span = self.span(self.at, end);
        let text = self.text.get(self.at..end).unwrap_or_default();
        self.finding(
            Code::YamlSyntax,
            self.character(),
            &format!("an unquoted value cannot start with `{character}`"),
            "",
        )
        .fix(span, quoted(text), "quote it:")
    }

    /// The parser points at the opening quote; the escape is what matters.
    fn escape(&self) -> Finding {
        let rest = self.from(self.at).chars().collect::<Vec<_>>();
        let mut at = self.at;
        let mut pairs = rest.iter().zip(rest.iter().skip(1));
        while let Some((letter, next)) = pairs.next() {
            if *letter == '\\' {
                if !"0abt\tnvfre \"/\\N_LPxuU\n\r".contains(*next) {
                    let span = self.span(at, at + 1 + next.len_utf8());
                    return self
                        .finding(Code::YamlSyntax, span, &format!("`\\{next}` is no escape that YAML knows"), "")
                        .help(
                            "write `\\\\` for a backslash, or put the value into single quotes, which know no escapes",
                        );
                }
                pairs.next();
                at += next.len_utf8();
            }
            at += letter.len_utf8();
        }
        self.finding(Code::YamlSyntax, self.character(), "an escape in this text is none that YAML knows", "")
    }

    fn too_deep(&self) -> Finding {
        self.finding(
            Code::TooDeep,
            self.character(),
            &format!("values nest more than {DEPTH} levels deep"),
            "the level that is one too many",
        )
        .help("a pipeline needs fewer than ten: look for a runaway bracket")
    }
}
