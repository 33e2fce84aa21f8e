//! The rules of the house that no compiler checks: sizes, names, waiting, and what must not be written anywhere.

use crate::support::source::{self, Token};
use crate::support::tree::{self, TextFile};

/// A file tells one story; at this length it is split.
const FILE_LINES: usize = 400;
/// A function fits a screen.
const FUNCTION_LINES: usize = 70;
/// Files whose length is data, not story.
const LONG_BY_NATURE: [&str; 4] = ["json", "yaml", "yml", "md"];
/// The one place in the tests that lets time pass.
const WAITING: &str = "tests/it/support/eventually.rs";

/// Words that name a machine, an account, a registry or how the text came about; halves, so that this file passes.
const FORBIDDEN: [(&str, &str); 17] = [
    ("/ro", "ot/"),
    ("/wo", "rk/"),
    ("/ho", "me/"),
    ("sha", "red/"),
    ("crates", ".io"),
    ("pypi", ".org"),
    ("npmjs", ".org"),
    ("npmjs", ".com"),
    ("deb.deb", "ian.org"),
    ("cla", "ude"),
    ("anthr", "opic"),
    ("open", "ai"),
    ("chat", "gpt"),
    ("co-auth", "ored-by"),
    ("language ", "model"),
    ("ai", "-generated"),
    ("sub", "agent"),
];

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "common", "helpers", "misc", "manager"];

/// What is wrong with one file, each as `path:line: what`.
fn offences(file: &TextFile) -> Vec<String> {
    let mut found = forbidden_text(file);
    found.extend(too_long(file));
    found.extend(empty_name(file));
    if file.extension() == "md" {
        found.extend(crowded_headings(file));
    }
    if file.extension() == "rs" {
        let tokens = source::tokens(&file.text);
        found.extend(undocumented(file));
        found.extend(long_functions(file, &tokens));
        found.extend(banned_tokens(file, &tokens));
    }
    found
}

fn forbidden_text(file: &TextFile) -> Vec<String> {
    let mut words: Vec<String> = FORBIDDEN.iter().map(|(a, b)| format!("{a}{b}")).collect();
    if !file.is_test() {
        words.push("/tmp/".to_owned());
    }
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let lower = line.to_lowercase();
        let hit = words.iter().find(|word| stands_alone(&lower, word)).map(String::as_str);
        if let Some(word) = hit.or_else(|| numbered_ticket(&lower).then_some("a ticket's number")) {
            found.push(format!("{}:{}: must not be written: {word}", file.path, number + 1));
        }
    }
    found
}

// Not within a longer word or path: `vendors/homework/x` and `openair` are fine.
fn stands_alone(line: &str, word: &str) -> bool {
    let wordy = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '}' || c == '.';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(wordy) && (word.ends_with('/') || !after.is_some_and(|c| c.is_ascii_alphanumeric()))
    })
}

// The word with a number, or with # and a number: the reader has no such list.
fn numbered_ticket(line: &str) -> bool {
    line.match_indices("issue ").any(|(at, word)| {
        let rest = line[at + word.len()..].trim_start_matches('#');
        rest.starts_with(|c: char| c.is_ascii_digit())
    })
}

fn too_long(file: &TextFile) -> Option<String> {
    let lines = file.text.lines().count();
    let counted = !LONG_BY_NATURE.contains(&file.extension());
    (counted && lines > FILE_LINES).then(|| format!("{}:{lines}: more than {FILE_LINES} lines", file.path))
}

fn empty_name(file: &TextFile) -> Option<String> {
    let named = |part: &str| EMPTY_NAMES.contains(&part.split('.').next().unwrap_or(part));
    file.path.split('/').any(named).then(|| format!("{}:1: a name that says nothing", file.path))
}

// Some readers of Markdown take a heading without an empty line before it for text. Code has comments that look like one.
fn crowded_headings(file: &TextFile) -> Vec<String> {
    let (mut found, mut code, mut before) = (Vec::new(), false, "");
    for (number, line) in file.text.lines().enumerate() {
        code ^= line.trim_start().starts_with("```");
        if !code && line.starts_with('#') && !before.is_empty() {
            found.push(format!("{}:{}: no empty line before the heading", file.path, number + 1));
        }
        before = line;
    }
    found
}

// A module opens with what it is and what it guarantees; the tests of the module above need not say so.
fn undocumented(file: &TextFile) -> Option<String> {
    if file.path.ends_with("/mod.rs") {
        return Some(format!("{}:1: no mod.rs: use foo.rs and foo/", file.path));
    }
    let exempt = file.path.ends_with("/tests.rs") || file.path.ends_with("_tests.rs");
    let documented = file.text.starts_with("//! ") || file.text.starts_with("#![doc");
    (!documented && !exempt).then(|| format!("{}:1: starts without a module doc", file.path))
}

fn long_functions(file: &TextFile, tokens: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    for index in 0..tokens.len().saturating_sub(1) {
        let (Some("fn"), Some(name)) = (tokens[index].word(), tokens[index + 1].word()) else { continue };
        let Some(end) = body_end(tokens, index) else { continue };
        let lines = tokens[end].line - tokens[index].line + 1;
        if lines > FUNCTION_LINES {
            found.push(format!("{}:{}: `{name}` has {lines} lines", file.path, tokens[index].line));
        }
    }
    found
}

// From `fn`: the closing brace of its body; a declaration ends at `;` and has none.
fn body_end(tokens: &[Token], start: usize) -> Option<usize> {
    let mut at = start;
    while at < tokens.len() && !tokens[at].is(';') {
        if tokens[at].is('{') {
            return Some(source::closing(tokens, at));
        }
        let skips = tokens[at].is('(') || tokens[at].is('[');
        at = if skips { source::closing(tokens, at) } else { at } + 1;
    }
    None
}

fn banned_tokens(file: &TextFile, tokens: &[Token]) -> Vec<String> {
    let tests = test_ranges(tokens);
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let Some(word) = token.word() else { continue };
        let next_is = |mark: char| tokens.get(index + 1).is_some_and(|t| t.is(mark));
        let in_test = file.is_test() || tests.iter().any(|(from, to)| (*from..=*to).contains(&index));
        let why = match word {
            "ignore" if index > 1 && tokens[index - 1].is('[') && tokens[index - 2].is('#') => "no test is ignored",
            "todo" | "unimplemented" | "dbg" if next_is('!') => "finish it",
            "sleep" | "sleep_until" if next_is('(') && in_test && file.path != WAITING => {
                "tests wait for a condition: `eventually`"
            }
            _ => continue,
        };
        found.push(format!("{}:{}: `{word}`: {why}", file.path, token.line));
    }
    found
}

// The bodies of `#[cfg(test)] mod …`.
fn test_ranges(tokens: &[Token]) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    for index in 0..tokens.len() {
        let words = |at: usize| tokens.get(at).and_then(Token::word);
        if words(index) != Some("cfg") || words(index + 2) != Some("test") {
            continue;
        }
        // cfg ( test ) ] mod name {
        let open = index + 7;
        if words(index + 5) == Some("mod") && tokens.get(open).is_some_and(|t| t.is('{')) {
            ranges.push((open, source::closing(tokens, open)));
        }
    }
    ranges
}

#[test]
fn every_file_keeps_the_rules() {
    let files = tree::text_files();
    assert!(files.iter().any(|f| f.path == "src/lib.rs") && files.iter().any(|f| f.path == ".ci/run"), "files missing");
    let found: Vec<String> = files.iter().flat_map(offences).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn scripts_do_not_sleep() {
    let scripts = |f: &TextFile| f.path.starts_with("tests/") && f.extension() != "rs";
    let files: Vec<TextFile> = tree::text_files().into_iter().filter(scripts).collect();
    assert!(files.iter().any(|f| f.path == "tests/run"), "the scripts were not found");
    let sleeps = |f: &&TextFile| f.text.contains("sleep") || f.text.contains("setTimeout");
    let found: Vec<&str> = files.iter().filter(sleeps).map(|f| f.path.as_str()).collect();
    assert!(found.is_empty(), "scripts that wait a fixed time: {found:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        offences(&TextFile { path: path.to_owned(), text: text.to_owned() })
    }

    #[test]
    fn sizes() {
        let long = format!("//! Doc.\n{}", "\n".repeat(FILE_LINES));
        assert_eq!(check("src/a.rs", &long), ["src/a.rs:401: more than 400 lines"]);
        assert!(check("src/a.rs", &long[..long.len() - 1]).is_empty());
        let body = |lines: usize| format!("//! Doc.\nfn f(x: [u8; 2]) -> u8 {{{}}}", "\n".repeat(lines - 1));
        assert_eq!(check("src/a.rs", &body(71)), ["src/a.rs:2: `f` has 71 lines"]);
        assert!(check("src/a.rs", &body(70)).is_empty());
    }

    #[test]
    fn forms() {
        assert_eq!(check("src/a.rs", "use std::fmt;"), ["src/a.rs:1: starts without a module doc"]);
        assert!(check("src/a/tests.rs", "use std::fmt;").is_empty());
        assert_eq!(check("src/a/mod.rs", "//! Doc."), ["src/a/mod.rs:1: no mod.rs: use foo.rs and foo/"]);
        assert_eq!(check("src/utils.rs", "//! Doc."), ["src/utils.rs:1: a name that says nothing"]);
        let ignored = "//! Doc.\n#[ignore = \"slow\"]\nfn f() { todo!() }";
        let expected = ["src/a.rs:2: `ignore`: no test is ignored", "src/a.rs:3: `todo`: finish it"];
        assert_eq!(check("src/a.rs", ignored), expected);
    }

    #[test]
    fn headings() {
        assert!(check("a.md", "# A\n\ntext\n\n## B\n").is_empty());
        assert!(check("a.md", "```sh\nls\n# a comment\n```\n").is_empty());
        assert_eq!(check("a.md", "text\n## B\n"), ["a.md:2: no empty line before the heading"]);
    }

    #[test]
    fn sleeping() {
        let text = "//! Doc.\nfn f() { sleep(x) }\n#[cfg(test)]\nmod tests {\n fn g() { time::sleep(x) }\n}";
        let expected = ["src/a.rs:5: `sleep`: tests wait for a condition: `eventually`"];
        assert_eq!(check("src/a.rs", text), expected);
        assert_eq!(check("tests/it/a.rs", text).len(), 2);
        assert!(check(WAITING, text).is_empty());
    }

    #[test]
    fn words_and_paths() {
        for (first, second) in FORBIDDEN {
            let text = format!("//! Doc.\n// see {first}{second}");
            assert_eq!(check("src/a.rs", &text).len(), 1, "{first}{second}");
            assert_eq!(check("README.md", &text.to_uppercase()).len(), 1, "{first}{second}");
        }
        assert_eq!(check("src/a.md", "under /tmp/x").len(), 1);
        assert_eq!(check("docs/a.md", &format!("as iss{} 12 says", "ue")).len(), 1);
        assert!(check("docs/a.md", "the issue is 12 days old, homework/x, vendors/home/x").is_empty());
        assert!(check("tests/it/a.rs", "//! A path like /tmp/x is data here.").is_empty());
    }
}
