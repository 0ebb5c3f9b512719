//! Reads out of a Markdown file what link checking needs: its links and the anchors of its headings.
//!
//! Fenced code is skipped, and so are code spans when links are looked for. Headings are those that
//! start with `#`; links are `[text](target)` and `[label]: target`. That is the Markdown we write, not
//! all there is.

use std::collections::{BTreeMap, BTreeSet};

/// A link, image or link definition.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) line: usize,
    /// As written, without a title.
    pub(crate) target: String,
}

/// All links of `text`, to anywhere.
pub(crate) fn links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (line, prose) in prose_lines(text) {
        let prose = without_code_spans(prose);
        let targets = inline_targets(&prose).into_iter();
        for target in targets.chain(defined_target(&prose)) {
            let target = target.to_owned();
            links.push(Link { line, target });
        }
    }
    links
}

/// The anchors GitHub gives the headings of `text`.
pub(crate) fn anchors(text: &str) -> BTreeSet<String> {
    let mut uses = BTreeMap::<String, usize>::new();
    let mut anchors = BTreeSet::new();
    for heading in prose_lines(text).filter_map(|(_, line)| heading(line)) {
        let slug = slug(heading);
        let earlier = uses.entry(slug.clone()).or_default();
        anchors.insert(match *earlier {
            0 => slug,
            count => format!("{slug}-{count}"),
        });
        *earlier += 1;
    }
    anchors
}

/// The lines outside fenced code, numbered from one.
fn prose_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut open_fence: Option<&str> = None;
    (1..).zip(text.lines()).filter(move |&(_, line)| {
        match (open_fence, fence(line)) {
            (None, None) => return true,
            (None, Some((opening, _))) => open_fence = Some(opening),
            (Some(opening), Some((closing, ""))) if closing.starts_with(opening) => {
                open_fence = None;
            }
            (Some(_), _) => {}
        }
        false
    })
}

/// The three or more backticks or tildes that start `line`, and what follows them.
fn fence(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let info = line.trim_start_matches(mark);
    let length = line.len() - info.len();
    // A line with more backticks after the first run is a code span, not a fence.
    (length >= 3 && !info.contains('`')).then(|| (&line[..length], info.trim()))
}

/// `line` without its code spans: runs of backticks up to the next run of the same length.
fn without_code_spans(line: &str) -> String {
    let mut kept = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        let (before, span) = rest.split_at(start);
        let text = span.trim_start_matches('`');
        let ticks = &span[..span.len() - text.len()];
        kept.push_str(before);
        rest = match closing_ticks(text, ticks.len()) {
            Some(end) => &text[end..],
            None => {
                kept.push_str(ticks);
                text
            }
        };
    }
    kept + rest
}

/// Where the first run of exactly `count` backticks in `text` ends.
fn closing_ticks(text: &str, count: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(start) = text[at..].find('`') {
        let run = &text[at + start..];
        let length = run.len() - run.trim_start_matches('`').len();
        at += start + length;
        if length == count {
            return Some(at);
        }
    }
    None
}

/// The targets of `[text](target "title")` in a line.
fn inline_targets(prose: &str) -> Vec<&str> {
    let after_text = prose.match_indices("](").map(|(at, _)| &prose[at + 2..]);
    after_text.filter_map(inline_target).collect()
}

/// The target at the start of `rest`: in angle brackets, or up to white space or the closing parenthesis.
fn inline_target(rest: &str) -> Option<&str> {
    if let Some(bracketed) = rest.strip_prefix('<') {
        return bracketed.split_once('>').map(|(target, _)| target);
    }
    let mut depth = 0_usize;
    for (at, character) in rest.char_indices() {
        match character {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(&rest[..at]),
            ')' => depth -= 1,
            _ if character.is_whitespace() => return Some(&rest[..at]),
            _ => {}
        }
    }
    None
}

/// The target of a line `[label]: target`. Footnotes, `[^label]: text`, have none.
fn defined_target(prose: &str) -> Option<&str> {
    let label = prose.trim_start().strip_prefix('[')?;
    let (label, target) = label.split_once("]:")?;
    let plain = !label.starts_with('^') && !label.contains(['[', ']']);
    let target = target.split_whitespace().next().filter(|_| plain)?;
    Some(target.trim_start_matches('<').trim_end_matches('>'))
}

/// The text of a heading line.
fn heading(line: &str) -> Option<&str> {
    let marked = line.trim_end();
    let text = marked.trim_start_matches('#');
    let level = marked.len() - text.len();
    let is_heading = (1..=6).contains(&level) && (text.is_empty() || text.starts_with(' '));
    is_heading.then(|| text.trim())
}

/// GitHub's anchor for a heading: the visible text in lower case, without punctuation, spaces as hyphens.
fn slug(heading: &str) -> String {
    let mut visible = heading.to_owned();
    while let Some(start) = visible.find("](") {
        let end = visible[start..]
            .find(')')
            .map_or(visible.len(), |at| start + at + 1);
        visible.replace_range(start..end, "");
    }
    visible
        .to_lowercase()
        .chars()
        .filter(|&c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str) -> Vec<(usize, String)> {
        let links = links(text).into_iter();
        links.map(|link| (link.line, link.target)).collect()
    }

    fn target(text: &str) -> String {
        let mut found = targets(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        found.remove(0).1
    }

    #[test]
    fn inline_links_and_images_are_found_on_their_lines() {
        assert_eq!(
            targets("see [a](b.md) and\n![c](d.svg), [e](#f)"),
            [
                (1, "b.md".to_owned()),
                (2, "d.svg".to_owned()),
                (2, "#f".to_owned())
            ]
        );
    }

    #[test]
    fn titles_brackets_and_parentheses_do_not_belong_to_the_target() {
        assert_eq!(target("[a](b.md \"title (x)\")"), "b.md");
        assert_eq!(target("[a](<b c.md>)"), "b c.md");
        assert_eq!(target("([a](b_(c).md))"), "b_(c).md");
        assert_eq!(target("[`code`](b.md)"), "b.md");
        assert_eq!(target("[a\nb](c.md)"), "c.md");
    }

    #[test]
    fn definitions_are_links() {
        assert_eq!(target("[label]: ../a.md#b \"title\""), "../a.md#b");
        assert_eq!(target("[`label`]: <a.md>"), "a.md");
        assert!(targets("[^note]: some text").is_empty());
    }

    #[test]
    fn code_is_not_searched_for_links() {
        assert!(targets("```rust\n[a](b)\n```\n").is_empty());
        assert!(targets("~~~\n```\n[a](b)\n~~~").is_empty());
        assert!(targets("  ````md\n```\n[a](b)\n```\n  ````").is_empty());
        assert!(targets("```\n[a](b)\n``` not the end\n[a](b)").is_empty());
        assert!(targets("`x[0](y)` and ``a ` [b](c)``").is_empty());
    }

    #[test]
    fn prose_after_code_is_searched() {
        assert_eq!(target("```\n[a](b)\n```\n[c](d)"), "d");
        assert_eq!(target("`x` [c](d) `y`"), "d");
        assert_eq!(target("an ` alone [c](d)"), "d");
        assert_eq!(target("```not a fence``` [c](d)"), "d");
    }

    #[test]
    fn slugs_are_githubs() {
        for (heading, expected) in [
            ("Two words", "two-words"),
            ("1. Layers", "1-layers"),
            ("G, M, P", "g-m-p"),
            ("Go's `select` — and ours!", "gos-select--and-ours"),
            ("`park_timeout(d)`", "park_timeoutd"),
            ("See [the guide](guide.md#x)", "see-the-guide"),
            ("What is `unsafe`?", "what-is-unsafe"),
            ("Größe", "größe"),
            ("gorge-sync", "gorge-sync"),
        ] {
            assert_eq!(slug(heading), expected);
        }
    }

    #[test]
    fn headings_outside_code_give_anchors() {
        let text = "# Top\n## A b\n```sh\n# comment\n```\n#hash\n####### seven\n### C\n";
        let expected = ["a-b", "c", "top"].map(str::to_owned);
        assert_eq!(anchors(text), BTreeSet::from(expected));
    }

    #[test]
    fn repeated_headings_are_numbered() {
        let expected = ["a", "a-1", "a-2"].map(str::to_owned);
        assert_eq!(anchors("# A\n## A\n# A"), BTreeSet::from(expected));
    }
}
