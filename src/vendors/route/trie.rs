//! A trie of segments, compiled once, walked for every request without allocating.

use crate::vendors::template::IdShape;

/// One segment of a route's pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Taken literally.
    Word(String),
    /// An id: name shown, kind of its token.
    Id { name: String, kind: String },
    /// Any other value: name shown.
    Value { name: String },
}

impl Segment {
    /// Splits a pattern such as `/contacts/{id:contact}`; the error says what is wrong with it.
    pub fn parse_all(pattern: &str) -> Result<Vec<Self>, String> {
        let rest = pattern.strip_prefix('/').ok_or_else(|| format!("`{pattern}` does not start with `/`"))?;
        rest.split('/').map(Self::parse).collect()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let plain =
            |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
            return plain(text).then(|| Self::Word(text.into())).ok_or_else(|| format!("`{text}` is not a segment"));
        };
        match inner.split_once(':') {
            Some((name, kind)) if plain(name) && plain(kind) => Ok(Self::Id { name: name.into(), kind: kind.into() }),
            None if plain(inner) => Ok(Self::Value { name: inner.into() }),
            _ => Err(format!("`{text}` is not `{{name}}` or `{{name:kind}}`")),
        }
    }

    /// How it is written in a template.
    pub fn shown(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            Self::Id { name, .. } | Self::Value { name } => format!("{{{name}}}"),
        }
    }
}

/// One node of the trie.
#[derive(Debug, Default)]
struct Node {
    /// Sorted by word.
    words: Vec<(Box<str>, usize)>,
    id: Option<usize>,
    value: Option<usize>,
    route: Option<u16>,
}

/// All routes of a profile. Words win over ids, ids over other values; there is no backtracking: a path whose word
/// leads nowhere is unknown.
#[derive(Debug)]
pub struct Trie {
    nodes: Vec<Node>,
    /// All literal segments, sorted.
    words: Vec<Box<str>>,
    id_shape: IdShape,
}

impl Trie {
    pub fn new(id_shape: IdShape) -> Self {
        Self { nodes: vec![Node::default()], words: Vec::new(), id_shape }
    }

    /// False if another route has the same shape.
    pub fn insert(&mut self, segments: &[Segment], route: u16) -> bool {
        for segment in segments {
            if let Segment::Word(word) = segment
                && let Err(at) = self.words.binary_search_by(|w| w.as_ref().cmp(word))
            {
                self.words.insert(at, word.as_str().into());
            }
        }
        let end = segments.iter().fold(0, |at, segment| self.child(at, segment));
        self.nodes[end].route.replace(route).is_none()
    }

    fn child(&mut self, at: usize, segment: &Segment) -> usize {
        let next = self.nodes.len();
        let node = &mut self.nodes[at];
        let found = match segment {
            Segment::Word(word) => match node.words.binary_search_by(|(w, _)| w.as_ref().cmp(word)) {
                Ok(i) => node.words[i].1,
                Err(i) => {
                    node.words.insert(i, (word.as_str().into(), next));
                    next
                }
            },
            Segment::Id { .. } => *node.id.get_or_insert(next),
            Segment::Value { .. } => *node.value.get_or_insert(next),
        };
        if found == next {
            self.nodes.push(Node::default());
        }
        found
    }

    /// The route of `path`, whose prefix is already gone.
    pub fn find(&self, path: &str) -> Option<u16> {
        let mut node = self.nodes.first()?;
        for segment in segments(path) {
            let next = match node.words.binary_search_by(|(w, _)| w.as_ref().cmp(segment)) {
                Ok(i) => node.words[i].1,
                Err(_) if node.id.is_some() && self.id_shape.fits(segment) => node.id?,
                Err(_) if !segment.is_empty() => node.value?,
                Err(_) => return None,
            };
            node = self.nodes.get(next)?;
        }
        node.route
    }

    /// Whether some route has `word` as a literal segment.
    pub fn has_word(&self, word: &str) -> bool {
        self.words.binary_search_by(|w| w.as_ref().cmp(word)).is_ok()
    }
}

/// The segments of a path: one leading and one trailing slash are not segments.
pub fn segments(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut rest = Some(path.strip_suffix('/').unwrap_or(path));
    // Byte by byte: segments are shorter than what a general search needs to begin.
    std::iter::from_fn(move || {
        let path = rest?;
        let end = path.bytes().position(|b| b == b'/');
        rest = end.map(|at| &path[at + 1..]);
        Some(end.map_or(path, |at| &path[..at]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trie(patterns: &[&str]) -> Trie {
        let mut trie = Trie::new(IdShape::Integer);
        for (i, pattern) in patterns.iter().enumerate() {
            assert!(trie.insert(&Segment::parse_all(pattern).expect(pattern), i as u16), "{pattern}");
        }
        trie
    }

    #[test]
    fn words_win_over_ids_and_ids_over_values() {
        let trie = trie(&["/deals", "/deals/upsert", "/deals/{id:deal}", "/deals/{id:deal}/notes", "/selector/{list}"]);
        let table = [
            ("/deals", Some(0)),
            ("/deals/", Some(0)),
            ("/deals/upsert", Some(1)),
            ("/deals/7", Some(2)),
            ("/deals/7/notes", Some(3)),
            ("/selector/owners", Some(4)),
            ("/deals/seven", None),
            ("/deals/7/", Some(2)),
            ("/deals//7", None),
            ("/selector/", None),
            ("/deals/7/notes/1", None),
            ("/", None),
            ("", None),
        ];
        for (path, expected) in table {
            assert_eq!(trie.find(path), expected, "{path}");
        }
    }

    #[test]
    fn a_second_route_of_the_same_shape_is_noticed() {
        let mut trie = trie(&["/deals/{id:deal}"]);
        assert!(!trie.insert(&Segment::parse_all("/deals/{other:deal}").expect("parses"), 1));
    }

    #[test]
    fn a_pattern_that_cannot_match_is_refused() {
        for bad in ["deals", "/de als", "/{}", "/{id:}", "/deals//x", "/{id"] {
            assert!(Segment::parse_all(bad).is_err(), "{bad}");
        }
    }
}
