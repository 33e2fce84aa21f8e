//! The same walk by a general JSON reader, to hold the one that is used to: a visitor that carries its place in the trie.

use super::{End, Found, Node, Scan, mark};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What `scan` finds in `body`.
pub fn run(scan: &Scan, body: &[u8]) -> (Found, End) {
    let mut found = Found::default();
    let mut json = serde_json::Deserializer::from_slice(body);
    let walked = Seed { scan, at: 0, found: &mut found }.deserialize(&mut json).and_then(|()| json.end());
    let end = match walked {
        Ok(()) => End::Whole,
        Err(e) if e.is_eof() => End::Cut,
        Err(_) => End::Broken,
    };
    (found, end)
}

/// Walks the value at one node.
struct Seed<'a> {
    scan: &'a Scan,
    at: usize,
    found: &'a mut Found,
}

impl Seed<'_> {
    fn node(&self) -> &Node {
        &self.scan.nodes[self.at]
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        let marks = self.node().marks;
        self.found.failed |= !value && marks & mark::IS_FALSE != 0;
        self.found.take_filled(marks, value);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.found.take_number(self.node().marks, value);
        Ok(())
    }

    fn visit_i64<E: Error>(self, _negative: i64) -> Result<(), E> {
        self.found.take_filled(self.node().marks, true);
        Ok(())
    }

    fn visit_f64<E: Error>(self, _value: f64) -> Result<(), E> {
        self.found.take_filled(self.node().marks, true);
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.found.take_text(self.node().marks, text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Seed { scan, at, found } = self;
        let node = &scan.nodes[at];
        found.began = true;
        let judged = node.marks & mark::ITEMS != 0;
        if judged {
            found.items.get_or_insert_default();
        }
        if node.marks & mark::LIST != 0 {
            found.listed.get_or_insert_default();
        }
        let (outer, mut filled) = (found.failed, false);
        loop {
            if judged {
                found.failed = false;
            }
            let more = match node.elements {
                Some(at) => list.next_element_seed(Seed { scan, at, found: &mut *found })?.is_some(),
                None => list.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
            filled = true;
            if node.marks & mark::LIST != 0 {
                found.listed = found.listed.map(|n| n + 1);
            }
            if judged {
                let (done, failed) = found.items.unwrap_or_default();
                found.items = Some(if found.failed { (done, failed + 1) } else { (done + 1, failed) });
            }
        }
        if judged {
            found.failed = outer;
        }
        found.take_filled(node.marks, filled);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Seed { scan, at, found } = self;
        let node = &scan.nodes[at];
        found.began = true;
        let mut filled = false;
        while let Some(child) = map.next_key_seed(Name(&node.names))? {
            if !filled {
                filled = true;
                found.take_filled(node.marks, true);
            }
            match child {
                Some(at) => map.next_value_seed(Seed { scan, at, found: &mut *found })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Finds the node of a key without keeping the key.
struct Name<'a>(&'a [(Box<str>, usize)]);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|(name, _)| name.as_ref() == key).map(|(_, child)| *child))
    }
}
