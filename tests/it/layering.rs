//! Which module may import which: read from the source, so that an import upwards or sideways fails here.
//!
//! A path counts wherever it stands (a `use`, an expression, a macro, a unit test): what a module names, it depends on.

use crate::support::source::{self, Kind, Token};
use crate::support::tree;
use std::collections::BTreeSet;

/// Top modules by layer, lowest first; a module imports only from layers below its own, and from [`SIDEWAYS`].
const LAYERS: [&[&str]; 7] = [
    &["clock", "exchange", "secret"],
    &["net", "tls", "vendors"],
    &["history", "quota", "recorder", "telemetry", "upstream"],
    &["proxy", "sandbox"],
    &["admin", "config"],
    &["app"],
    &["cli"],
];

/// Edges within a layer: infrastructure that builds on other infrastructure, and the configuration that resolves the
/// read side's settings. Features have none: they meet in records and rows.
const SIDEWAYS: [(&str, &str); 9] = [
    ("exchange", "secret"),
    ("net", "tls"),
    ("quota", "telemetry"),
    ("quota", "upstream"),
    ("recorder", "history"),
    ("recorder", "quota"),
    ("recorder", "telemetry"),
    ("telemetry", "upstream"),
    ("config", "admin"),
];

/// A path into another top module of the crate.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Import {
    module: String,
    line: usize,
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Why `from` may not import `to`, if so.
fn objection(from: &str, to: &str) -> Option<String> {
    if from == to || SIDEWAYS.contains(&(from, to)) {
        return None;
    }
    match (layer(from), layer(to)) {
        (None, _) => Some(format!("`{from}` has no layer: add it to LAYERS")),
        (_, None) => Some(format!("`{to}` has no layer: add it to LAYERS")),
        (Some(own), Some(other)) if own < other => Some(format!("`{from}` is below `{to}`")),
        (Some(own), Some(other)) if own == other => Some(format!("`{from}` and `{to}` are of one layer")),
        _ => None,
    }
}

/// The top module and the depth below the crate of `src/a/b.rs`: (`a`, 2); the crate's own files have none.
fn place(path: &str) -> Option<(String, usize)> {
    let inner = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    if inner == "lib" || inner == "main" {
        return None;
    }
    let parts: Vec<&str> = inner.split('/').collect();
    Some((parts[0].to_owned(), parts.len()))
}

/// Every path that starts at the crate: `crate::x`, `crate::{x, y::z}`, and `super::…` that climbs that far.
/// `root` is the word the crate goes by: `crate`, or its name in `main.rs`.
fn imports(tokens: &[Token], root: &str, depth: usize) -> BTreeSet<Import> {
    let mut found = BTreeSet::new();
    let mut open_mods: Vec<usize> = Vec::new();
    for index in 0..tokens.len() {
        open_mods.retain(|end| *end >= index);
        if let Some(end) = inline_module(tokens, index) {
            open_mods.push(end);
        }
        let here = depth + open_mods.len();
        if let Some(after) = root_path(tokens, index, root, here) {
            first_segments(tokens, after, &mut found);
        }
    }
    found
}

/// At `mod x {`: the index of its closing brace.
fn inline_module(tokens: &[Token], index: usize) -> Option<usize> {
    let opens = tokens[index].word() == Some("mod") && tokens.get(index + 2).is_some_and(|t| t.is('{'));
    opens.then(|| source::closing(tokens, index + 2))
}

/// If a path from the crate's root starts at `index`: the index after its `::`.
fn root_path(tokens: &[Token], index: usize, root: &str, depth: usize) -> Option<usize> {
    if index > 0 && tokens[index - 1].kind == Kind::PathSep {
        return None;
    }
    let sep = |at: usize| tokens.get(at).is_some_and(|t| t.kind == Kind::PathSep);
    if tokens[index].word() == Some(root) && sep(index + 1) {
        return Some(index + 2);
    }
    let mut at = index;
    let mut climbed = 0;
    if tokens[at].word() == Some("self") && sep(at + 1) {
        at += 2;
    }
    while tokens.get(at).and_then(Token::word) == Some("super") && sep(at + 1) {
        (at, climbed) = (at + 2, climbed + 1);
    }
    (climbed > 0 && climbed == depth).then_some(at)
}

/// The first segment after the root, or of each branch of `{…}`; `*` is reported as such, it hides what is used.
fn first_segments(tokens: &[Token], start: usize, found: &mut BTreeSet<Import>) {
    let Some(token) = tokens.get(start) else { return };
    if !token.is('{') {
        let module = token.word().unwrap_or("*").to_owned();
        found.insert(Import { module, line: token.line });
        return;
    }
    let end = source::closing(tokens, start);
    let mut at = start + 1;
    while at < end {
        first_segments(tokens, at, found);
        at = next_branch(tokens, at, end);
    }
}

/// The index after the next comma of this level.
fn next_branch(tokens: &[Token], mut at: usize, end: usize) -> usize {
    while at < end && !tokens[at].is(',') {
        at = if tokens[at].is('{') { source::closing(tokens, at) } else { at } + 1;
    }
    at + 1
}

/// What is wrong with one file.
fn offences(path: &str, text: &str) -> Vec<String> {
    let tokens = source::tokens(text);
    let Some((module, depth)) = place(path) else { return root_offences(path, &tokens) };
    let report = |import: Import| {
        let why = objection(&module, &import.module)?;
        Some(format!("{path}:{}: {why}", import.line))
    };
    imports(&tokens, "crate", depth).into_iter().filter_map(report).collect()
}

// `lib.rs` only names the modules; `main.rs` only starts the commands.
fn root_offences(path: &str, tokens: &[Token]) -> Vec<String> {
    let (root, allowed): (&str, &[&str]) = if path == "src/main.rs" { ("vigie", &["cli"]) } else { ("crate", &[]) };
    let unwanted = |import: &Import| !allowed.contains(&import.module.as_str());
    imports(tokens, root, 0)
        .into_iter()
        .filter(unwanted)
        .map(|i| format!("{path}:{}: uses `{}`, allowed are {allowed:?}", i.line, i.module))
        .collect()
}

#[test]
fn no_module_imports_upwards_or_sideways() {
    let files = tree::rust_files("src");
    assert!(files.len() > 10, "the source was not found");
    let found: Vec<String> = files.iter().flat_map(|file| offences(&file.path, &file.text)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_top_module_has_a_layer() {
    let lib = tree::rust_files("src").into_iter().find(|f| f.path == "src/lib.rs").expect("src/lib.rs");
    let tokens = source::tokens(&lib.text);
    let named = tokens.windows(2).filter(|pair| pair[0].word() == Some("mod")).filter_map(|pair| pair[1].word());
    let modules: Vec<&str> = named.collect();
    assert!(modules.contains(&"proxy"), "the modules were not found: {modules:?}");
    let without: Vec<&&str> = modules.iter().filter(|m| layer(m).is_none()).collect();
    assert!(without.is_empty(), "no layer: {without:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(text: &str, depth: usize) -> Vec<String> {
        imports(&source::tokens(text), "crate", depth).into_iter().map(|import| import.module).collect()
    }

    #[test]
    fn finds_paths_wherever_they_stand() {
        assert_eq!(modules("use crate::secret::Secret;", 1), ["secret"]);
        assert_eq!(modules("fn f() -> crate::clock::Clock { x(crate::quota::y()) }", 1), ["clock", "quota"]);
        assert_eq!(modules("pub(in crate::proxy) fn f() {} m!($crate::vendors::x)", 1), ["proxy", "vendors"]);
        assert_eq!(modules("use ::other::crate_::x; pub(crate) fn f() {}", 1), [] as [String; 0]);
    }

    #[test]
    fn finds_every_branch_of_braces() {
        let text = "use crate::{\n admin::{self, Config}, config,\n proxy::{a, b::{c, d}},\n};";
        assert_eq!(modules(text, 1), ["admin", "config", "proxy"]);
        assert_eq!(modules("use crate::*;", 1), ["*"]);
    }

    #[test]
    fn finds_climbing_paths() {
        assert_eq!(modules("use super::history::x;", 1), ["history"]);
        assert_eq!(modules("use super::history::x;", 2), [] as [String; 0]);
        assert_eq!(modules("use super::super::{history, quota};", 2), ["history", "quota"]);
        assert_eq!(modules("mod tests { use super::*; use super::super::app; } use super::cli;", 1), ["app", "cli"]);
    }

    #[test]
    fn comments_and_strings_are_no_imports() {
        assert_eq!(modules("// use crate::app;\nlet s = \"crate::cli\"; /* crate::config::x */", 1), [] as [String; 0]);
    }

    #[test]
    fn names_the_line_and_the_reason() {
        let upward = offences("src/proxy/forward.rs", "//! doc\nuse crate::config::Config;");
        assert_eq!(upward, ["src/proxy/forward.rs:2: `proxy` is below `config`"]);
        assert_eq!(
            offences("src/proxy.rs", "use crate::sandbox;"),
            ["src/proxy.rs:1: `proxy` and `sandbox` are of one layer"]
        );
        assert_eq!(
            offences("src/admin.rs", "use crate::config;"),
            ["src/admin.rs:1: `admin` and `config` are of one layer"]
        );
        assert_eq!(
            offences("src/proxy.rs", "use crate::odd;"),
            ["src/proxy.rs:1: `odd` has no layer: add it to LAYERS"]
        );
        assert_eq!(offences("src/main.rs", "vigie::app::run()"), ["src/main.rs:1: uses `app`, allowed are [\"cli\"]"]);
        assert_eq!(offences("src/lib.rs", "pub use crate::app::x;").len(), 1);
    }

    #[test]
    fn downward_imports_pass() {
        assert!(offences("src/main.rs", "vigie::cli::main()").is_empty());
        assert!(offences("src/config.rs", "use crate::{admin, proxy, exchange, vendors};").is_empty());
        assert!(
            offences("src/recorder/run.rs", "use crate::telemetry::Metrics; use crate::recorder::Config;").is_empty()
        );
    }
}
