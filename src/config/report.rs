//! What is wrong with a configuration, and where.

use super::tree::{Node, Path, Pos};
use std::fmt;

/// Problems listed at most; a file with more is broken in another way than line by line.
const MAX_PROBLEMS: usize = 100;

/// One thing that is wrong, or doubtful: `file:line:column: path: what is wrong; what would be right`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    source: String,
    pos: Pos,
    path: Path,
    message: String,
}

impl Problem {
    /// About an environment variable.
    pub(super) fn of_variable(source: &str, name: &str, message: String) -> Self {
        Self { source: source.to_owned(), pos: Pos::Env(name.into()), path: Path::default(), message }
    }

    /// The key it is about, e.g. `upstreams.freshsales.url`; empty for the whole file.
    pub fn path(&self) -> String {
        self.path.to_string()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pos {
            Pos::File if self.source.is_empty() => {}
            Pos::File => write!(f, "{}: ", self.source)?,
            Pos::At { line, column } => write!(f, "{}:{line}:{column}: ", self.source)?,
            Pos::Env(name) => write!(f, "{name}: ")?,
        }
        if !self.path.is_root() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Every error of one configuration, in the order of the file, those of the environment last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors(Vec<Problem>);

impl Errors {
    /// For a reading that stopped without saying why; never seen unless this module has a bug.
    pub(super) fn unexplained(source: &str) -> Self {
        let message = "cannot be read, for a reason that was not recorded".to_owned();
        Self(vec![Problem { source: source.to_owned(), pos: Pos::File, path: Path::default(), message }])
    }

    /// The errors, never none.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().take(MAX_PROBLEMS).enumerate() {
            write!(f, "{}{problem}", if i == 0 { "" } else { "\n" })?;
        }
        match self.0.len().saturating_sub(MAX_PROBLEMS) {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

impl std::error::Error for Errors {}

/// Collects problems while a configuration is read.
pub struct Report {
    source: String,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Report {
    /// An empty report about the file called `source`.
    pub fn new(source: &str) -> Self {
        Self { source: source.to_owned(), errors: Vec::new(), warnings: Vec::new() }
    }

    /// Adds an error.
    pub fn error(&mut self, pos: Pos, path: Path, message: impl Into<String>) {
        let problem = Problem { source: self.source.clone(), pos, path, message: message.into() };
        if !self.errors.contains(&problem) {
            self.errors.push(problem);
        }
    }

    /// Adds an error about the value at `path`, or about the closest thing that the file holds.
    pub fn error_in(&mut self, root: &Node, path: &str, message: impl Into<String>) {
        let path = Path::of(path);
        self.error(root.pos_of(&path), path, message);
    }

    /// Adds a warning about the value at `path`.
    pub fn warn_in(&mut self, root: &Node, path: &str, message: impl Into<String>) {
        let path = Path::of(path);
        let pos = root.pos_of(&path);
        self.warnings.push(Problem { source: self.source.clone(), pos, path, message: message.into() });
    }

    /// Adds a warning about an environment variable.
    pub fn warn_of_variable(&mut self, name: &str, message: &str) {
        let problem = Problem::of_variable(&self.source, name, message.to_owned());
        if !self.warnings.contains(&problem) {
            self.warnings.push(problem);
        }
    }

    /// True when `path`, or something inside it, is already known to be wrong.
    pub fn broken(&self, path: &str) -> bool {
        let path = Path::of(path);
        self.errors.iter().any(|e| e.path.starts_with(&path))
    }

    /// True when `path` itself, and not only something inside it, is known to be wrong.
    pub fn refused(&self, path: &str) -> bool {
        let path = Path::of(path);
        self.errors.iter().any(|e| e.path == path)
    }

    /// True when something is wrong.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The errors alone, for when there is at least one.
    pub fn failed(self) -> Errors {
        Errors(self.errors)
    }

    /// The warnings, when there is no error.
    pub fn finish(mut self) -> Result<Vec<Problem>, Errors> {
        self.errors.sort_by(|a, b| a.pos.cmp(&b.pos));
        self.warnings.sort_by(|a, b| a.pos.cmp(&b.pos));
        if self.errors.is_empty() { Ok(self.warnings) } else { Err(Errors(self.errors)) }
    }
}

/// `; did you mean "x"?` for the closest of `known`, else the list of them.
pub fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let distance = |k: &str| strsim::damerau_levenshtein(&word.to_lowercase(), &k.to_lowercase());
    match known.iter().map(|k| (distance(k), *k)).min() {
        // A third of the letters wrong is a slip; more is another word.
        Some((d, k)) if d <= (word.len().max(k.len())) / 3 => format!("did you mean \"{k}\"?"),
        Some(_) => format!("use one of {}", known.join(", ")),
        None => "nothing can stand here".to_owned(),
    }
}

/// `text` in quotes, cut where it is long, control characters escaped.
pub fn quoted(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}", format!("{}…", &text[..end])),
        None => format!("{text:?}"),
    }
}
