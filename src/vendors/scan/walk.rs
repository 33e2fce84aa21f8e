//! The walk itself: follows the trie, and runs over every other value without decoding it.
//!
//! A reader of its own, because a general one costs several times as much on every answer. It accepts what JSON is (RFC
//! 8259) but for two things that change no meaning: text it does not take need not be UTF-8, and a number may be of any
//! size. A test holds it to a general reader.

mod lexer;

use super::{End, Found, Node, Scan, mark};
use std::ops::Range;

/// Deepest nesting walked; a body beyond it is not taken for an answer of an API.
const MAX_DEPTH: u32 = 127;

/// How a walk stops early: [`End::Cut`] or [`End::Broken`].
type Walked<T> = Result<T, End>;

/// Where the walk stands.
pub struct Walk<'a> {
    scan: &'a Scan,
    body: &'a [u8],
    at: usize,
    depth: u32,
    found: &'a mut Found,
}

/// A string between its quotes.
struct Text {
    inner: Range<usize>,
    escaped: bool,
}

impl<'a> Walk<'a> {
    /// Stands before the first byte.
    pub fn new(scan: &'a Scan, body: &'a [u8], found: &'a mut Found) -> Self {
        Self { scan, body, at: 0, depth: 0, found }
    }

    /// Walks one value and white space after it.
    pub fn run(mut self) -> End {
        if let Err(end) = self.value(0) {
            return end;
        }
        match self.token() {
            Err(_) => End::Whole,
            Ok(_) => End::Broken,
        }
    }

    /// Walks the value at a node of the trie.
    fn value(&mut self, node: usize) -> Walked<()> {
        let scan = self.scan;
        let node = &scan.nodes[node];
        match self.token()? {
            b'{' => self.object(node),
            b'[' => self.list(node),
            b'"' => {
                let text = self.string()?;
                if node.marks != 0 {
                    let decoded = self.decode(&text)?;
                    self.found.take_text(node.marks, &decoded);
                    if let Some(place) = &node.link {
                        self.found.take_link(place, text.inner.clone(), &decoded);
                    }
                }
                Ok(())
            }
            b't' => self.literal(b"rue", |found| found.take_filled(node.marks, true)),
            b'f' => self.literal(b"alse", |found| found.failed |= node.marks & mark::IS_FALSE != 0),
            b'n' => self.literal(b"ull", |_| ()),
            first => {
                let start = self.at - 1;
                self.number(first)?;
                // Too large, negative or broken ones are no id and no total, but they are something.
                let whole = std::str::from_utf8(&self.body[start..self.at]).ok().and_then(|t| t.parse().ok());
                match whole {
                    Some(number) => self.found.take_number(node.marks, number),
                    None => self.found.take_filled(node.marks, true),
                }
                Ok(())
            }
        }
    }

    fn object(&mut self, node: &Node) -> Walked<()> {
        self.found.began = true;
        self.enter()?;
        let mut next = self.token()?;
        if next != b'}' {
            self.found.take_filled(node.marks, true);
        }
        while next != b'}' {
            let child = self.key(next, node)?;
            match child {
                Some(child) => self.value(child)?,
                None => self.skip()?,
            }
            next = self.token()?;
            match next {
                b',' => next = self.token_of_key()?,
                b'}' => {}
                _ => return Err(End::Broken),
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads a key and its colon, and finds its node.
    fn key(&mut self, first: u8, node: &Node) -> Walked<Option<usize>> {
        if first != b'"' {
            return Err(End::Broken);
        }
        let text = self.string()?;
        let child = if node.names.is_empty() {
            None
        } else if text.escaped {
            node.child(self.decode(&text)?.as_bytes())
        } else {
            node.child(&self.body[text.inner])
        };
        self.colon()?;
        Ok(child)
    }

    fn list(&mut self, node: &Node) -> Walked<()> {
        self.found.began = true;
        self.enter()?;
        let judged = node.marks & mark::ITEMS != 0;
        let counted = node.marks & mark::LIST != 0;
        if judged {
            self.found.items.get_or_insert_default();
        }
        if counted {
            self.found.listed.get_or_insert_default();
        }
        let outer = self.found.failed;
        let walked = self.elements(node, judged, counted);
        if judged {
            // What its elements came to is counted; it does not fail the whole, not even when the rest is missing.
            self.found.failed = outer;
        }
        self.found.take_filled(node.marks, walked?);
        self.depth -= 1;
        Ok(())
    }

    /// Walks the elements up to the closing bracket; false if there is none.
    fn elements(&mut self, node: &Node, judged: bool, counted: bool) -> Walked<bool> {
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(false);
        }
        loop {
            self.element(node, judged)?;
            if counted {
                self.found.listed = self.found.listed.map(|n| n + 1);
            }
            match self.token()? {
                b',' => {}
                b']' => return Ok(true),
                _ => return Err(End::Broken),
            }
        }
    }

    fn element(&mut self, node: &Node, judged: bool) -> Walked<()> {
        if judged {
            self.found.failed = false;
        }
        match node.elements {
            Some(child) => self.value(child)?,
            None => self.skip()?,
        }
        if judged {
            let (done, failed) = self.found.items.unwrap_or_default();
            self.found.items = Some(if self.found.failed { (done, failed + 1) } else { (done + 1, failed) });
        }
        Ok(())
    }

    /// Runs over one value. Without recursion: what a vendor nests must not be able to use up the stack.
    fn skip(&mut self) -> Walked<()> {
        // One bit a level, set for objects.
        let (mut objects, outer) = (0u128, self.depth);
        loop {
            match self.token()? {
                b'"' => {
                    self.string()?;
                }
                open @ (b'{' | b'[') => {
                    self.enter()?;
                    objects = objects << 1 | u128::from(open == b'{');
                    if self.peek()? == open + 2 {
                        self.at += 1;
                        self.depth -= 1;
                        objects >>= 1;
                    } else if open == b'{' {
                        self.skip_key()?;
                        continue;
                    } else {
                        continue;
                    }
                }
                b't' => self.literal(b"rue", |_| ())?,
                b'f' => self.literal(b"alse", |_| ())?,
                b'n' => self.literal(b"ull", |_| ())?,
                first => self.number(first)?,
            }
            // A value ended: so may what it stands in.
            loop {
                if self.depth == outer {
                    return Ok(());
                }
                let in_object = objects & 1 == 1;
                match self.token()? {
                    b',' if in_object => break self.skip_key()?,
                    b',' => break,
                    b'}' if in_object => {}
                    b']' if !in_object => {}
                    _ => return Err(End::Broken),
                }
                self.depth -= 1;
                objects >>= 1;
            }
        }
    }

    fn skip_key(&mut self) -> Walked<()> {
        if self.token_of_key()? != b'"' {
            return Err(End::Broken);
        }
        self.string()?;
        self.colon()
    }
}
