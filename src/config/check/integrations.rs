//! Whether every caller can be told from every other.

use super::Checker;
use crate::config::raw::Integration;
use crate::config::scalar;
use crate::config::tree::Path;
use std::collections::BTreeMap;

/// What a caller is recognised by; secrets only as hashes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Token([u8; 32]),
    Credential([u8; 32]),
    Fingerprint(u64),
    Header(String, String),
}

/// Reports marks that two callers share, and callers that nothing recognises.
pub fn check(checker: &mut Checker<'_>) {
    let mut taken: BTreeMap<Mark, String> = BTreeMap::new();
    let file = checker.file;
    for name in checker.root.keys("integrations") {
        let Some(integration) = file.integrations.get(name) else { continue };
        let section = format!("integrations/{name}");
        for (path, mark) in marks(integration) {
            let path = format!("{section}/{path}");
            match taken.get(&mark) {
                Some(first) => {
                    let message = format!("the same as {}; each caller needs its own", Path::of(first));
                    checker.error(&path, message);
                }
                None => drop(taken.insert(mark, path)),
            }
        }
        let pinned = file.proxy.listening().iter().any(|l| l.integration == Some(name));
        let recognised = pinned || integration.path_prefix.is_some() || !marks(integration).is_empty();
        if !recognised && !checker.report.broken(&section) {
            checker.warn(
                &section,
                "nothing recognises it; give it tokens, credentials, a path_prefix, a header or a listener",
            );
        }
    }
}

fn marks(integration: &Integration) -> Vec<(String, Mark)> {
    let token =
        |(i, t): (usize, &scalar::Token)| (format!("tokens/{i}"), Mark::Token(scalar::token_hash(t.0.expose())));
    let credential = |(i, c): (usize, &scalar::HeaderSecret)| {
        (format!("credentials/{i}"), Mark::Credential(*blake3::hash(c.0.expose().as_bytes()).as_bytes()))
    };
    let fingerprint = |(i, f): (usize, &scalar::Fingerprint)| (format!("fingerprints/{i}"), Mark::Fingerprint(f.0));
    let mut marks: Vec<_> = integration.tokens.iter().enumerate().map(token).collect();
    marks.extend(integration.credentials.iter().enumerate().map(credential));
    marks.extend(integration.fingerprints.iter().enumerate().map(fingerprint));
    let header = integration.header.as_ref();
    marks.extend(header.map(|h| ("header".to_owned(), Mark::Header(h.name.0.to_string(), h.value.clone()))));
    marks
}
