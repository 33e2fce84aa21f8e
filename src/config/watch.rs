//! Noticing that the configuration, or a file it reads, was changed: by looking, once a second.
//!
//! Looking costs a handful of `stat` calls and works on every kind of volume; notifications do not come through the
//! symbolic links that Kubernetes swaps when a secret changes, nor over network file systems.

use super::env::Env;
use super::expand;
use super::report::Report;
use super::tree::{self, Node, Value};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files looked at, at most: a configuration names a handful.
const MAX_FILES: usize = 1_000;

/// Identity, size and time of a file; `None` for one that is not there.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// The files of one configuration, as they were when it was read.
pub struct Watch {
    path: PathBuf,
    env: Env,
    stamps: BTreeMap<PathBuf, Stamp>,
    /// What the last look found, when it differed: a writer may be in the middle.
    unsettled: Option<BTreeMap<PathBuf, Stamp>>,
}

impl Watch {
    /// Watches the file at `path` and what it names.
    pub fn new(path: &Path, env: Env) -> Self {
        let mut watch = Self { path: path.to_owned(), env, stamps: BTreeMap::new(), unsettled: None };
        watch.renew();
        watch
    }

    /// Looks; true once something has changed since the configuration was read, and stood still between two looks.
    pub fn changed(&mut self) -> bool {
        let now: BTreeMap<_, _> = self.stamps.keys().map(|path| (path.clone(), stamp(path))).collect();
        if now == self.stamps {
            self.unsettled = None;
            return false;
        }
        if self.unsettled.as_ref() != Some(&now) {
            self.unsettled = Some(now);
            return false;
        }
        self.unsettled = None;
        self.stamps = now;
        true
    }

    /// To be called when the configuration has been read anew: it may name other files.
    pub fn renew(&mut self) {
        let known = std::mem::take(&mut self.stamps);
        let files = files(&self.path, &self.env).into_iter().take(MAX_FILES);
        // What changed while it was read must be noticed by the next look: stamps from before stay.
        self.stamps =
            files.map(|path| (path.clone(), known.get(&path).copied().unwrap_or_else(|| stamp(&path)))).collect();
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

/// The file itself, and every file it names, usable or not.
fn files(path: &Path, env: &Env) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    let text = super::read(path).unwrap_or_default();
    if let Some((root, _)) = tree::parse(&text, &mut Report::new("")) {
        collect(&root, "", env, &mut found);
    }
    let variables = env.names("VIGIE_").filter_map(|name| env.get(name)?.strip_prefix("file:"));
    found.extend(variables.map(PathBuf::from));
    found
}

fn collect(node: &Node, key: &str, env: &Env, found: &mut Vec<PathBuf>) {
    match &node.value {
        Value::Mapping(entries) => entries.iter().for_each(|e| collect(&e.node, &e.key, env, found)),
        Value::Sequence(items) => items.iter().for_each(|item| collect(item, key, env, found)),
        Value::Scalar(scalar) => {
            let secret = scalar.text.strip_prefix("file:");
            let named = secret.or_else(|| key.ends_with("_file").then_some(scalar.text.as_str()));
            let path = named.and_then(|text| expand::substitute(text, env).ok());
            found.extend(path.map(|(text, _)| PathBuf::from(text.as_str())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_it_has_settled() {
        let dir = tempfile::tempdir().expect("a directory");
        let (file, secret, ca) = (dir.path().join("vigie.yaml"), dir.path().join("token"), dir.path().join("ca.pem"));
        std::fs::write(&secret, "one").expect("a file");
        let env: Env = [("DIR", dir.path().display().to_string())].into_iter().collect();
        std::fs::write(&file, "a: {tokens: ['file:${DIR}/token'], tls: {ca_file: '${DIR}/ca.pem'}}").expect("a file");
        let mut watch = Watch::new(&file, env);
        assert!(!watch.changed());
        std::fs::write(&secret, "two!").expect("a file");
        assert!(!watch.changed(), "a writer may be in the middle");
        assert!(watch.changed());
        assert!(!watch.changed());
        std::fs::write(&ca, "made").expect("a file");
        assert!(!watch.changed());
        assert!(watch.changed(), "a file that was missing has come");
        std::fs::write(&file, "a: 1").expect("a file");
        assert!(!watch.changed());
        assert!(watch.changed());
        watch.renew();
        std::fs::write(&secret, "three").expect("a file");
        assert!(!watch.changed() && !watch.changed(), "named no more");
    }
}
