//! Splits Rust source into words and marks, just finely enough to tell code from what only looks like it.
//!
//! [`tokens`] is all there is. Comments, string and character literals and lifetimes leave no token,
//! so whoever searches the result for a word or counts its braces sees code alone. A raw identifier
//! keeps its prefix: `r#unsafe` is a name, not the keyword.
//!
//! Each `*_length` function is handed the rest of the source, starting with the thing it measures.

/// A word or a mark of the code and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind<'a>,
    /// Counted from one.
    pub(crate) line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// A keyword, a name or a number.
    Word(&'a str),
    /// Any other character that is not white space.
    Mark(char),
}

/// The tokens of `source`, in order. Unfinished literals and comments run to the end of the source.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut scanner = Scanner {
        rest: source,
        line: 1,
    };
    let mut tokens = Vec::new();
    while let Some(first) = scanner.rest.chars().next() {
        let line = scanner.line;
        if let Some(kind) = scanner.step(first) {
            tokens.push(Token { kind, line });
        }
    }
    tokens
}

struct Scanner<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Scanner<'a> {
    /// Consumes whatever begins with `first`; yields a token if it is code.
    fn step(&mut self, first: char) -> Option<Kind<'a>> {
        if is_word(first) {
            return self.word();
        }
        let length = match first {
            '/' if self.rest.starts_with("//") => line_comment_length(self.rest),
            '/' if self.rest.starts_with("/*") => block_comment_length(self.rest),
            '"' => quoted_length(self.rest, '"'),
            '\'' => character_or_lifetime_length(self.rest),
            _ => {
                self.take(first.len_utf8());
                return (!first.is_whitespace()).then_some(Kind::Mark(first));
            }
        };
        self.take(length);
        None
    }

    /// Consumes a word. A literal's prefix goes with the literal.
    fn word(&mut self) -> Option<Kind<'a>> {
        let length = word_length(self.rest);
        let (word, after) = self.rest.split_at(length);
        if let Some(raw) = raw_string_length(word, after) {
            self.take(length + raw);
            return None;
        }
        if word == "r" && after.starts_with('#') {
            let name = word_length(&after[1..]);
            return Some(Kind::Word(self.take(length + 1 + name)));
        }
        let prefix = matches!(word, "b" | "c") && after.starts_with(['"', '\'']);
        let word = self.take(length);
        (!prefix).then_some(Kind::Word(word))
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn word_length(rest: &str) -> usize {
    rest.find(|c| !is_word(c)).unwrap_or(rest.len())
}

fn line_comment_length(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

/// Block comments nest.
fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(character) = rest[at..].chars().next() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += character.len_utf8();
        }
    }
    rest.len()
}

/// A string or character literal with escapes, quotes included.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The hashes, quotes and text of a raw string, if `word` is its prefix and `after` goes on as one.
fn raw_string_length(word: &str, after: &str) -> Option<usize> {
    if !matches!(word, "r" | "br" | "cr") {
        return None;
    }
    let hashes = after.len() - after.trim_start_matches('#').len();
    let text = after[hashes..].strip_prefix('"')?;
    let closing = format!("\"{}", "#".repeat(hashes));
    let end = text
        .find(&closing)
        .map_or(text.len(), |at| at + closing.len());
    Some(hashes + 1 + end)
}

/// `'x'` and `'\n'` are characters; `'x` before anything but a quote is a lifetime or a label.
fn character_or_lifetime_length(rest: &str) -> usize {
    let mut characters = rest.chars().skip(1);
    match (characters.next(), characters.next()) {
        (Some('\\'), _) => quoted_length(rest, '\''),
        (Some(character), Some('\'')) => character.len_utf8() + 2,
        _ => 1 + word_length(&rest[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code of `source` with single spaces between tokens.
    fn code(source: &str) -> String {
        let texts = tokens(source).into_iter().map(|token| match token.kind {
            Kind::Word(word) => word.to_owned(),
            Kind::Mark(mark) => mark.to_string(),
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_and_marks_are_code() {
        assert_eq!(code("let x_1 = y;"), "let x_1 = y ;");
        assert_eq!(code("größe + 1.5e3"), "größe + 1 . 5e3");
    }

    #[test]
    fn comments_leave_no_token() {
        assert_eq!(code("a // unsafe { \nb"), "a b");
        assert_eq!(code("/// docs {\n//! more\nfn"), "fn");
        assert_eq!(code("a /* x /* y */ } é */ b"), "a b");
        assert_eq!(code("a /* never closed }"), "a");
        assert_eq!(code("a // at the end"), "a");
    }

    #[test]
    fn strings_leave_no_token() {
        assert_eq!(code(r#"a("}{ \" // \\", b)"#), "a ( , b )");
        assert_eq!(code("b\"}\" c\"{\" x"), "x");
        assert_eq!(code("\"over\n two \\\n lines {\" x"), "x");
        assert_eq!(code("\"never closed }"), "");
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        assert_eq!(code(r###"a r##"} " "# {"## b"###), "a b");
        assert_eq!(code(r###"r"\" x"###), "x");
        assert_eq!(code(r###"br#"{"# cr##" "# "## x"###), "x");
        assert_eq!(code("r#\"never closed }"), "");
    }

    #[test]
    fn raw_identifiers_keep_their_prefix() {
        assert_eq!(code("r#unsafe r#fn() bar"), "r#unsafe r#fn ( ) bar");
    }

    #[test]
    fn names_that_end_in_a_prefix_are_names() {
        assert_eq!(code("for r in attr { b }"), "for r in attr { b }");
        assert_eq!(code(r#"concat!(var"x")"#), "concat ! ( var )");
    }

    #[test]
    fn characters_leave_no_token() {
        assert_eq!(code(r"'{' '\'' '\\' '\u{7d}' 'é' b'{' b'\'' '\'' x"), "x");
        assert_eq!(code(r#"('"', y, '"')"#), "( , y , )");
    }

    #[test]
    fn lifetimes_and_labels_are_not_characters() {
        assert_eq!(code("<'a, 'b>(x: &'a str) {}"), "< , > ( x : & str ) { }");
        assert_eq!(code("'outer: loop { break 'outer; }"), ": loop { break ; }");
        assert_eq!(code("&'static [u8]"), "& [ u8 ]");
    }

    #[test]
    fn lines_are_counted_across_everything() {
        let source = "a\n/* \n */ b \"\n\n\" c r\"\n\" d\n// \ne";
        let lines: Vec<_> = tokens(source).iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 3, 5, 6, 8]);
    }
}
