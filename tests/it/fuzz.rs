//! The fuzz targets' functions (`fuzz/`) over their seeds and random changes of them: bounded, on the stable compiler.
//! `make fuzz` runs the same functions under libFuzzer.

#[path = "../../fuzz/entries.rs"]
mod entries;

use crate::framing::cases;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::path::Path;

/// Changed inputs a target.
const CASES: u32 = 400;
/// Pieces that mean something to one of the targets.
const WORDS: [&[u8]; 14] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b":",
    b"0\r\n\r\n",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"\"",
    b"${TOKEN}",
    b"{\"a\":",
    b"/12345678",
    b"\xff",
];

/// One change: where, how many bytes go, and what comes in their place.
type Change = (usize, usize, Vec<u8>);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let word = prop_oneof![
        3 => proptest::sample::select(WORDS.to_vec()).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec((any::<usize>(), 0..12usize, word), 0..5)
}

fn changed(seed: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for (at, gone, word) in changes {
        let from = at % (bytes.len() + 1);
        let to = (from + gone).min(bytes.len());
        bytes.splice(from..to, word.iter().copied());
    }
    bytes
}

/// The seeds in the target's folder; those of requests are the corpus, each behind a byte that chooses where to cut.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    if target != "requests" {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
        let files = std::fs::read_dir(folder).expect("a folder of seeds");
        return files.map(|file| std::fs::read(file.expect("a file").path()).expect("a seed")).collect();
    }
    let short = cases::requests().into_iter().filter(|case| case.raw.len() < 2_000);
    short.map(|case| [&[(case.name.len() as u8).wrapping_mul(7)], case.raw.as_slice()].concat()).collect()
}

fn run(target: &str, entry: entries::Entry) {
    let seeds = seeds(target);
    assert!(seeds.len() >= 4, "{target} has too few seeds");
    seeds.iter().for_each(|seed| entry(seed));
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let inputs = (proptest::sample::select(seeds), changes()).prop_map(|(seed, changes)| changed(&seed, &changes));
    let outcome = TestRunner::new(config).run(&inputs, |bytes| {
        entry(&bytes);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{target}: {failure}"));
}

#[test]
fn every_target_keeps_its_promises_on_changed_seeds() {
    for (target, entry) in entries::TARGETS {
        run(target, entry);
    }
}
