//! The process's environment as a value, so that only one line of the program reads the real one.

use std::collections::BTreeMap;

/// Environment variables. A variable that is empty counts as unset for overrides, as container tools pass empty ones.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

/// How this program was called, e.g. `target/release/vigie`: what a user can type again.
pub fn program() -> String {
    std::env::args_os().next().map_or_else(|| "vigie".to_owned(), |name| name.to_string_lossy().into_owned())
}

impl Env {
    /// The real environment; variables that are not UTF-8 are left out.
    pub fn from_process() -> Self {
        std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
    }

    /// The variable's value, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names of the variables that start with `prefix`.
    pub fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.keys().map(String::as_str).filter(move |name| name.starts_with(prefix))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

// Values may be secrets: names only.
impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
