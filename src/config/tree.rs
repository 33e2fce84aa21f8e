//! YAML as a tree that remembers where everything stood. Nothing is typed yet: a scalar is the text as written.
//!
//! Stricter than YAML: one document, no duplicate keys, no anchors, aliases or tags, and bounded in size and depth, so
//! that a file means what it seems to mean and reading it takes bounded time.

use super::report::{Report, quoted};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Bytes of a configuration file at most: a hundred times the largest that makes sense.
pub const MAX_BYTES: usize = 1 << 20;
/// Nesting at most; the schema needs 6.
const MAX_DEPTH: usize = 32;

/// Where a value was written. Ordered as problems are listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pos {
    /// The file as a whole.
    File,
    /// A place in the file; both count from 1.
    At {
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// An environment variable that overrides the file.
    Env(Arc<str>),
}

/// Keys and indices from the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<String>);

impl Path {
    /// Splits at `/`.
    pub fn of(text: &str) -> Self {
        Self(text.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect())
    }

    /// One step further down.
    pub fn join(&self, step: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(step.to_owned());
        Self(steps)
    }

    /// The steps.
    pub fn steps(&self) -> &[String] {
        &self.0
    }

    /// The path without its last step.
    pub fn parent(&self) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec())
    }

    /// True for the whole file.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// True when this is `other` or lies inside it.
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            let word = |c: char| c.is_ascii_alphanumeric() || "_-$<>".contains(c);
            if step.parse::<usize>().is_ok() && i > 0 {
                write!(f, "[{step}]")?;
            } else {
                f.write_str(if i == 0 { "" } else { "." })?;
                let plain = step.len() <= 40 && !step.is_empty() && step.chars().all(word);
                f.write_str(&if plain { step.clone() } else { quoted(step) })?;
            }
        }
        Ok(())
    }
}

/// Where a scalar's text came from; decides whether a message may show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written in the file.
    Literal,
    /// Put together from what is named here (`${PORT}`, `file:/run/secrets/key`): never shown.
    Expanded(String),
}

/// A scalar's text.
pub struct Scalar {
    /// The text, after expansion once that has run.
    pub text: Zeroizing<String>,
    /// Written without quotes.
    pub plain: bool,
    /// Where the text came from.
    pub origin: Origin,
}

/// A value.
pub enum Value {
    /// Text, number, boolean or nothing.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping, in the order of the file.
    Mapping(Vec<Entry>),
}

/// A value and its place.
pub struct Node {
    /// Where it starts.
    pub pos: Pos,
    /// The value.
    pub value: Value,
}

/// One key of a mapping.
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub pos: Pos,
    /// Its value.
    pub node: Node,
}

impl Node {
    /// The entry of `key`, if this is a mapping that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|e| e.key == key),
            _ => None,
        }
    }

    /// The node at `path`.
    pub fn at(&self, path: &Path) -> Option<&Node> {
        path.steps().iter().try_fold(self, |node, step| match &node.value {
            Value::Sequence(items) => items.get(step.parse::<usize>().ok()?),
            _ => node.entry(step).map(|e| &e.node),
        })
    }

    /// The keys of the mapping at `path`, in the order of the file.
    pub fn keys(&self, path: &str) -> Vec<&str> {
        match self.at(&Path::of(path)).map(|n| &n.value) {
            Some(Value::Mapping(entries)) => entries.iter().map(|e| e.key.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    /// Where `path` stands: its value, its key if the value is a mapping or empty, else its closest ancestor.
    pub fn pos_of(&self, path: &Path) -> Pos {
        let Some(node) = self.at(path) else { return self.pos_of(&path.parent()) };
        let key = || self.at(&path.parent())?.entry(path.steps().last()?).map(|e| e.pos.clone());
        match &node.value {
            Value::Scalar(s) if !super::json::is_null(s) => node.pos.clone(),
            _ => key().unwrap_or_else(|| node.pos.clone()),
        }
    }
}

/// Reads `text`. Errors go to `report`, with the paths of values that were not read; `None` when there is no tree to go on
/// with.
pub fn parse(text: &str, report: &mut Report) -> Option<(Node, Vec<Path>)> {
    if text.len() > MAX_BYTES {
        report.error(Pos::File, Path::default(), format!("larger than {} KiB, the most that is read", MAX_BYTES >> 10));
        return None;
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { parser: Parser::new_from_str(text), report, unread: Vec::new() };
    match reader.document() {
        Ok(node) => Some((node, reader.unread)),
        Err(stop) => {
            report.error(stop.0, Path::default(), stop.1);
            None
        }
    }
}

/// Why reading cannot go on.
struct Stop(Pos, String);

struct Reader<'a, 'r> {
    parser: Parser<'a, StrInput<'a>>,
    report: &'r mut Report,
    /// Values that were refused: what stands there says nothing.
    unread: Vec<Path>,
}

impl<'a> Reader<'a, '_> {
    fn document(&mut self) -> Result<Node, Stop> {
        let empty = || Node { pos: Pos::At { line: 1, column: 1 }, value: Value::Mapping(Vec::new()) };
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root.unwrap_or_else(empty)),
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(Stop(pos(span), "a second document starts here; one file is one document".into()));
                }
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                event => root = Some(self.node(event, span, &Path::default(), 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        let end = || Stop(Pos::File, "ends in the middle".into());
        self.parser.next_event().ok_or_else(end)?.map_err(|e| not_yaml(&e))
    }

    fn node(&mut self, event: Event<'a>, span: Span, path: &Path, depth: usize) -> Result<Node, Stop> {
        if depth > MAX_DEPTH {
            return Err(Stop(pos(span), format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.refuse_anchor_and_tag(&event, span, path);
        let value = match event {
            Event::Scalar(text, style, ..) => Value::Scalar(Scalar {
                text: Zeroizing::new(text.into_owned()),
                plain: style == ScalarStyle::Plain,
                origin: Origin::Literal,
            }),
            Event::SequenceStart(..) => Value::Sequence(self.sequence(path, depth)?),
            Event::MappingStart(..) => Value::Mapping(self.mapping(path, depth)?),
            _ => Value::Mapping(Vec::new()),
        };
        Ok(Node { pos: pos(span), value })
    }

    fn refuse_anchor_and_tag(&mut self, event: &Event<'_>, span: Span, path: &Path) {
        let (anchored, tagged) = marks(event);
        if anchored {
            let message = "anchors (&name) and aliases (*name) are not read; write the value out";
            self.report.error(pos(span), path.clone(), message);
        }
        if tagged {
            self.report.error(pos(span), path.clone(), "tags (!name) are not read; remove it");
        }
        // What an anchor stands before can be judged as it is written.
        if tagged || matches!(event, Event::Alias(_)) {
            self.unread.push(path.clone());
        }
    }

    fn sequence(&mut self, path: &Path, depth: usize) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, &path.join(&items.len().to_string()), depth + 1)?),
            }
        }
    }

    /// A key's text; `None` for one that has none.
    fn key(&mut self, event: Event<'a>, span: Span, path: &Path, depth: usize) -> Result<Option<String>, Stop> {
        let (anchored, tagged) = marks(&event);
        let Event::Scalar(text, ..) = event else {
            self.report.error(pos(span), path.clone(), "a key must be plain text, not a list, a mapping or an alias");
            if !matches!(event, Event::Alias(_)) {
                self.node(event, span, path, depth + 1)?;
            }
            return Ok(None);
        };
        if anchored || tagged {
            let what = if anchored { "anchor (&name)" } else { "tag (!name)" };
            let message = format!("a key must be plain text; remove the {what} before it");
            self.report.error(pos(span), path.join(&text), message);
        }
        Ok(Some(text.into_owned()))
    }

    fn mapping(&mut self, path: &Path, depth: usize) -> Result<Vec<Entry>, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(entries);
            }
            let unread = self.unread.len();
            let key = self.key(event, span, path, depth)?;
            let here = key.as_ref().map_or_else(|| path.clone(), |key| path.join(key));
            let (event, value_span) = self.next()?;
            let node = self.node(event, value_span, &here, depth + 1)?;
            let Some(key) = key else {
                // It is in no place that could be judged.
                self.unread.truncate(unread);
                continue;
            };
            match entries.iter().find(|e| e.key == key) {
                None => entries.push(Entry { key, pos: pos(span), node }),
                Some(Entry { pos: Pos::At { line, .. }, .. }) => {
                    self.report.error(pos(span), here, format!("written twice, first on line {line}; keep one"));
                }
                Some(_) => {}
            }
        }
    }
}

/// Whether something has an anchor, or stands for one, and whether it has a tag.
fn marks(event: &Event<'_>) -> (bool, bool) {
    match event {
        Event::Alias(_) => (true, false),
        Event::Scalar(_, _, id, tag) | Event::SequenceStart(id, tag) | Event::MappingStart(id, tag) => {
            (*id != 0, tag.is_some())
        }
        _ => (false, false),
    }
}

fn pos(span: Span) -> Pos {
    Pos::At { line: span.start.line(), column: span.start.col() + 1 }
}

fn not_yaml(error: &ScanError) -> Stop {
    let pos = Pos::At { line: error.marker().line(), column: error.marker().col() + 1 };
    Stop(pos, format!("not valid YAML: {}", error.info()))
}
