//! Every metric that people are told of exists: dashboards, rules and texts name only what the catalogue has.

use crate::support::tree::{self, TextFile};
use std::collections::BTreeSet;

/// What Prometheus adds to a histogram's name.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

/// The first cell of each row of the catalogue's table.
fn names_of(table: &str) -> BTreeSet<String> {
    let first_cell = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    table.lines().filter_map(first_cell).collect()
}

/// Metrics named in a text. A name with a colon is a recording rule's; one that a dot, slash or hyphen follows or
/// precedes is a file's or a program's.
fn named_in(text: &str) -> BTreeSet<&str> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '/' | '-');
    let words = text.split(|c: char| !part(c)).map(|word| word.trim_end_matches(['.', ':']));
    let metric = |word: &&str| word.starts_with("vigie_") && word.len() > 6 && !word.contains([':', '.', '/', '-']);
    words.filter(metric).collect()
}

fn unknown<'a>(named: &BTreeSet<&'a str>, known: &BTreeSet<String>) -> Vec<&'a str> {
    let base = |name: &str| SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name).to_owned();
    named.iter().filter(|name| !known.contains(**name) && !known.contains(&base(name))).copied().collect()
}

fn tells_of_metrics(file: &TextFile) -> bool {
    let below = ["dashboards/", "alerts/", "helm/", "docs/"].iter().any(|folder| file.path.starts_with(folder));
    below || file.path == "README.md"
}

#[test]
fn every_metric_named_exists() {
    let known = names_of(&vigie::telemetry::catalogue::markdown());
    assert!(known.contains("vigie_attempts_total"), "the catalogue was not read: {known:?}");
    let files: Vec<TextFile> = tree::text_files().into_iter().filter(tells_of_metrics).collect();
    let mut named = 0;
    let mut found = Vec::new();
    for file in &files {
        let metrics = named_in(&file.text);
        named += metrics.len();
        found.extend(unknown(&metrics, &known).into_iter().map(|name| format!("{}: {name}", file.path)));
    }
    assert!(named > 0, "no text names a metric");
    assert!(found.is_empty(), "not in the catalogue:\n{}", found.join("\n"));
}

/// The text between two marks of the README, `<!-- name -->` and `<!-- /name -->`.
fn marked(name: &str) -> String {
    let readme = std::fs::read_to_string(tree::root().join("README.md")).expect("README.md");
    let (_, after) = readme.split_once(&format!("<!-- {name} -->\n")).expect("the first mark");
    after.split_once(&format!("<!-- /{name} -->")).expect("the last mark").0.to_owned()
}

#[test]
fn the_readme_holds_the_catalogue() {
    let table = vigie::telemetry::catalogue::markdown();
    assert_eq!(marked("metric catalogue"), table, "run `make readme`");
}

#[test]
fn the_readme_holds_the_reference() {
    let table = vigie::config::reference();
    assert!(table.contains("| `upstreams.<name>.url` |"), "the reference was not made: {table}");
    assert_eq!(marked("config reference"), table, "run `make readme`");
}

#[test]
fn the_readme_shows_the_first_two_commands() {
    let readme = std::fs::read_to_string(tree::root().join("README.md")).expect("README.md");
    for command in ["make run", "make test"] {
        assert!(readme.contains(command), "the README does not show `{command}`");
    }
}

mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_expressions_and_prose() {
        let text = "sum(rate(vigie_attempts_total{a=\"b\"}[5m])) / job:vigie_x:mean10m, `vigie_y_seconds_bucket`. vigie_log.json \
            see vigie_z. `vigie_` tests/vigie_t";
        let expected = ["vigie_attempts_total", "vigie_y_seconds_bucket", "vigie_z"];
        assert_eq!(named_in(text).into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn unknown_names_are_told() {
        let known = names_of(
            "| metric | type |\n|---|---|\n| `vigie_a_total` | counter |\n| `vigie_b_seconds` | histogram |\n",
        );
        let named = named_in("vigie_a_total vigie_b_seconds_sum vigie_b_seconds vigie_c vigie_a_count");
        assert_eq!(unknown(&named, &known), ["vigie_a_count", "vigie_c"]);
    }
}
