//! Rust source as tokens: enough of the language to find paths, functions and attributes, and never to be misled by a
//! comment or a string.

/// One token that matters to the checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier or keyword.
    Word(String),
    /// One character of punctuation; `::` is a token of its own, written `:` here.
    Mark(char),
    /// `::`.
    PathSep,
    /// A string, character or number.
    Literal,
}

/// A token and the line it starts on, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub line: usize,
}

impl Token {
    /// The identifier, if it is one.
    pub fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    /// Whether it is this mark.
    pub fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

/// Splits source into tokens; comments and the insides of literals are gone.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: source.chars().collect(), at: 0, line: 1 };
    let mut found = Vec::new();
    while let Some(token) = lexer.next_token() {
        found.push(token);
    }
    found
}

/// For the index of an opening brace, bracket or parenthesis: the index of the one that closes it.
pub fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Mark('{' | '(' | '[') => depth += 1,
            Kind::Mark('}' | ')' | ']') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len().saturating_sub(1)
}

struct Lexer {
    rest: Vec<char>,
    at: usize,
    line: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.rest.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn bump(&mut self) -> char {
        let c = self.peek(0);
        self.at += 1;
        self.line += usize::from(c == '\n');
        c
    }

    fn next_token(&mut self) -> Option<Token> {
        self.skip_blank();
        if self.at >= self.rest.len() {
            return None;
        }
        let line = self.line;
        Some(Token { kind: self.kind(), line })
    }

    fn kind(&mut self) -> Kind {
        if self.starts_raw_string() {
            return self.raw_string();
        }
        match self.peek(0) {
            'b' | 'c' if self.peek(1) == '"' => self.quoted_after(1, '"'),
            'b' if self.peek(1) == '\'' => self.quoted_after(1, '\''),
            '"' => self.quoted_after(0, '"'),
            '\'' => self.char_or_lifetime(),
            c if c.is_alphabetic() || c == '_' => Kind::Word(self.take_word()),
            c if c.is_ascii_digit() => {
                self.take_word();
                Kind::Literal
            }
            ':' if self.peek(1) == ':' => {
                self.at += 2;
                Kind::PathSep
            }
            _ => Kind::Mark(self.bump()),
        }
    }

    fn skip_blank(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                ('/', '/') => {
                    while self.at < self.rest.len() && self.peek(0) != '\n' {
                        self.bump();
                    }
                }
                ('/', '*') => self.block_comment(),
                (c, _) if c.is_whitespace() && self.at < self.rest.len() => {
                    self.bump();
                }
                _ => return,
            }
        }
    }

    // Block comments nest in Rust.
    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.rest.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => (depth, self.at) = (depth + 1, self.at + 2),
                ('*', '/') => (depth, self.at) = (depth - 1, self.at + 2),
                _ => {
                    self.bump();
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn take_word(&mut self) -> String {
        let mut word = String::new();
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            word.push(self.bump());
        }
        word
    }

    // r"…", r#"…"#, br"…"; but not the raw identifier r#type.
    fn starts_raw_string(&self) -> bool {
        let mut ahead = match (self.peek(0), self.peek(1)) {
            ('r', _) => 1,
            ('b' | 'c', 'r') => 2,
            _ => return false,
        };
        while self.peek(ahead) == '#' {
            ahead += 1;
        }
        self.peek(ahead) == '"'
    }

    fn raw_string(&mut self) -> Kind {
        let mut hashes = 0;
        while self.peek(0) != '"' {
            hashes += usize::from(self.bump() == '#');
        }
        self.bump();
        while self.at < self.rest.len() {
            if self.bump() == '"' && (0..hashes).all(|i| self.peek(i) == '#') {
                self.at += hashes;
                break;
            }
        }
        Kind::Literal
    }

    fn quoted_after(&mut self, prefix: usize, quote: char) -> Kind {
        self.at += prefix + 1;
        while self.at < self.rest.len() {
            match self.bump() {
                '\\' => {
                    self.bump();
                }
                c if c == quote => break,
                _ => {}
            }
        }
        Kind::Literal
    }

    // 'a' is a character, 'a is a lifetime.
    fn char_or_lifetime(&mut self) -> Kind {
        if self.peek(1) == '\\' || self.peek(2) == '\'' {
            return self.quoted_after(0, '\'');
        }
        self.bump();
        self.take_word();
        Kind::Literal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        tokens(source).iter().filter_map(|t| t.word().map(str::to_owned)).collect()
    }

    #[test]
    fn comments_and_literals_hide_their_words() {
        let source = r##"
            // crate::a
            /* crate::b /* nested */ crate::c */
            let s = "crate::d \" crate::e"; let r = r#"crate::f " "#; let b = b"crate::g"; let c = '"'; let d = '\'';
            fn f<'a>(x: &'a str) {} // crate::h
            end
        "##;
        let expected = ["let", "s", "let", "r", "let", "b", "let", "c", "let", "d", "fn", "f", "x", "str", "end"];
        assert_eq!(words(source), expected);
    }

    #[test]
    fn lines_are_counted_through_literals_and_comments() {
        let found = tokens("a\n/* \n\n */ b \"\n\n\" c");
        assert_eq!(found.iter().map(|t| t.line).collect::<Vec<_>>(), [1, 4, 4, 6]);
    }

    #[test]
    fn closing_finds_the_partner() {
        let found = tokens("a { b ( { } ) [ ] } c");
        assert_eq!(closing(&found, 1), 9);
    }

    #[test]
    fn raw_identifiers_are_words() {
        assert_eq!(words("r#type"), ["r", "type"]);
    }
}
