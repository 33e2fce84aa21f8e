//! What README.md and docs/ say beside the generated tables: their links lead somewhere, and a figure is one figure.

use crate::support::tree;
use std::path::Path;
use vigie::exchange::AgentError;

/// The documents people read, from the root.
const DOCUMENTS: [&str; 5] =
    ["README.md", "docs/operations.md", "docs/security.md", "helm/vigie/README.md", "src/ARCHITECTURE.md"];

/// `history.max_size` where nothing is said.
const DEFAULT_HISTORY: u64 = 5 << 30;

fn read(path: &str) -> String {
    std::fs::read_to_string(tree::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Bytes a record of the history at 500 records a second, as bench/README.md has them measured.
fn measured_bytes() -> u64 {
    let bench = read("bench/README.md");
    let row = bench.lines().find(|line| line.starts_with("| bytes a record on disk")).expect("the row");
    // | figure | (a), at three rates | (b), at three rates | command |
    let kept = row.split('|').nth(3).expect("the form that was taken");
    kept.split('/').next().and_then(|figure| figure.trim().parse().ok()).expect("a number")
}

#[test]
fn every_word_that_an_answer_of_vigies_own_bears_is_explained() {
    let readme = read("README.md");
    let unexplained: Vec<_> =
        AgentError::ALL.iter().map(|e| e.as_str()).filter(|word| !readme.contains(&format!("`{word}`"))).collect();
    assert!(unexplained.is_empty(), "README.md says nothing of x-vigie-error {unexplained:?}");
}

#[test]
fn the_history_holds_what_was_measured() {
    let bytes = measured_bytes();
    let millions = DEFAULT_HISTORY / bytes / 1_000_000;
    let default = vigie::config::reference();
    assert!(default.contains("| `history.max_size` | size | `5GiB` |"), "another default: {default}");
    for path in ["README.md", "docs/operations.md"] {
        let text = read(path);
        let said = format!("hold {millions} million calls");
        assert!(text.contains(&said), "{path} does not say that 5 GiB {said} at {bytes} bytes each");
    }
    // The load it is made for, sustained for a day.
    let day = 500 * 86_400 * bytes;
    let said = format!("{}.{} GB a day", day / 1_000_000_000, day / 100_000_000 % 10);
    assert!(
        read("docs/operations.md").contains(&said),
        "docs/operations.md does not say that 500 calls a second are {said}"
    );
}

/// Text of the links' targets: `](target)`, outside of code.
fn targets(text: &str) -> Vec<&str> {
    let mut code = false;
    let prose = text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    });
    prose.flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split(')').next())).collect()
}

/// How a heading is linked to: lower case, words joined by hyphens, nothing else.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn leads_somewhere(from: &str, target: &str) -> bool {
    let (path, place) = target.split_once('#').map_or((target, None), |(path, place)| (path, Some(place)));
    let root = tree::root();
    let file =
        if path.is_empty() { root.join(from) } else { root.join(from).parent().unwrap_or(Path::new("")).join(path) };
    let Some(place) = place else { return file.exists() };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == place)
}

#[test]
fn links_lead_somewhere() {
    let mut seen = 0;
    for from in DOCUMENTS {
        let text = read(from);
        for target in targets(&text).into_iter().filter(|target| !target.contains("://")) {
            assert!(leads_somewhere(from, target), "{from}: {target}");
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} links were found");
    assert!(!leads_somewhere("README.md", "docs/none.md") && !leads_somewhere("README.md", "docs/security.md#none"));
}
