//! Finds the functions of a token stream and how long they are.
//!
//! A function is the word `fn` before a name, up to the brace that closes its body. Function pointers
//! have no name and trait methods may have no body; neither counts. Inside a macro the name may be a
//! variable, `fn $name`.

use super::scanner::{Kind, Token};

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    /// The line of the word `fn`.
    pub(crate) line: usize,
    /// From the line of `fn` to the line of the closing brace, both included.
    pub(crate) lines: usize,
}

/// All functions of `tokens`, nested ones too, by the line they start in.
pub(crate) fn functions<'a>(tokens: &[Token<'a>]) -> Vec<Function<'a>> {
    (0..tokens.len())
        .filter_map(|at| function_at(&tokens[at..]))
        .collect()
}

fn function_at<'a>(tokens: &[Token<'a>]) -> Option<Function<'a>> {
    let [first, rest @ ..] = tokens else {
        return None;
    };
    if first.kind != Kind::Word("fn") {
        return None;
    }
    let (name, signature) = split_name(rest)?;
    let body = &signature[body_start(signature)?..];
    let last = &body[body_end(body)?];
    Some(Function {
        name,
        line: first.line,
        lines: last.line - first.line + 1,
    })
}

fn split_name<'a, 't>(tokens: &'t [Token<'a>]) -> Option<(&'a str, &'t [Token<'a>])> {
    let tokens = match tokens {
        [dollar, name @ ..] if dollar.kind == Kind::Mark('$') => name,
        _ => tokens,
    };
    match tokens {
        [first, rest @ ..] => match first.kind {
            Kind::Word(name) => Some((name, rest)),
            Kind::Mark(_) => None,
        },
        [] => None,
    }
}

/// The index of the brace that opens the body: the first one outside all brackets of the signature.
///
/// `<` and `>` are brackets here, except in `->` and inside the braces of a constant, where they may
/// compare.
fn body_start(signature: &[Token<'_>]) -> Option<usize> {
    let mut open = Vec::new();
    let mut previous = ' ';
    for (at, token) in signature.iter().enumerate() {
        let Kind::Mark(mark) = token.kind else {
            previous = ' ';
            continue;
        };
        match mark {
            '{' if open.is_empty() => return Some(at),
            ';' if open.is_empty() => return None,
            '(' | '[' | '{' => open.push(mark),
            '<' if open.last() != Some(&'{') => open.push(mark),
            '>' if open.last() == Some(&'<') && previous != '-' => drop(open.pop()),
            ')' | ']' | '}' => drop(open.pop()?),
            _ => {}
        }
        previous = mark;
    }
    None
}

/// The index of the brace that closes the one `body` starts with.
fn body_end(body: &[Token<'_>]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in body.iter().enumerate() {
        match token.kind {
            Kind::Mark('{') => depth += 1,
            Kind::Mark('}') if depth == 1 => return Some(at),
            Kind::Mark('}') => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::scanner::tokens;

    /// Name, first line and length of every function in `source`.
    fn measured(source: &str) -> Vec<(String, usize, usize)> {
        let tokens = tokens(source);
        let found = functions(&tokens).into_iter();
        found
            .map(|function| (function.name.to_owned(), function.line, function.lines))
            .collect()
    }

    fn one(name: &str, line: usize, lines: usize) -> Vec<(String, usize, usize)> {
        vec![(name.to_owned(), line, lines)]
    }

    #[test]
    fn a_function_runs_from_its_keyword_to_its_closing_brace() {
        let source = "#[test]\npub\nunsafe fn go(\n    x: u8,\n) {\n    { x }\n}\n\n";
        assert_eq!(measured(source), one("go", 3, 5));
    }

    #[test]
    fn braces_in_text_do_not_close_a_function() {
        let source = "fn f() {\n '}'; \"}\"; r#\"}\"#; // }\n /* } */\n}\n";
        assert_eq!(measured(source), one("f", 1, 4));
    }

    #[test]
    fn nested_functions_count_on_their_own() {
        let source = "fn outer() {\n fn inner() {\n }\n}";
        let mut expected = one("outer", 1, 4);
        expected.extend(one("inner", 2, 2));
        assert_eq!(measured(source), expected);
    }

    #[test]
    fn signatures_may_hold_braces() {
        assert_eq!(measured("fn a() -> [u8; { 1 + 1 }] {\n}"), one("a", 1, 2));
        assert_eq!(measured("fn b() -> A<T, { N }> {\n}"), one("b", 1, 2));
        assert_eq!(measured("fn c() -> A<{ 1 < 2 }> {\n}"), one("c", 1, 2));
        assert_eq!(
            measured("fn d<F>(f: F)\nwhere\n F: Fn() -> u8,\n{\n}"),
            one("d", 1, 5)
        );
        assert_eq!(
            measured("fn e(f: Box<dyn Fn(&u8) -> Vec<Vec<u8>>>) {\n}"),
            one("e", 1, 2)
        );
    }

    #[test]
    fn functions_without_a_body_do_not_count() {
        assert_eq!(measured("trait T { fn f(&self) -> [u8; 3]; }"), []);
        assert_eq!(measured("type F = fn(u8) -> u8; struct S { f: fn() }"), []);
        assert_eq!(measured("extern \"C\" { fn f(x: extern \"C\" fn()); }"), []);
        assert_eq!(measured("macro!(fn name) { }"), []);
    }

    #[test]
    fn functions_in_macros_count() {
        let source = "macro_rules! m { ($n:ident) => { fn $n() {\n} } }";
        assert_eq!(measured(source), one("n", 1, 2));
    }

    #[test]
    fn a_function_cut_off_by_the_end_does_not_count() {
        assert_eq!(measured("fn f() {"), []);
        assert_eq!(measured("fn"), []);
    }
}
