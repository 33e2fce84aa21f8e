//! Just enough of PromQL to find every selector of an expression, its matchers, its range and the function it stands in.

/// One selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The metric's name.
    pub metric: String,
    /// Between the braces; empty without.
    pub matchers: String,
    /// Between the brackets, e.g. `$__rate_interval`.
    pub range: Option<String>,
    /// The innermost function it is an argument of.
    pub function: Option<String>,
}

impl Selector {
    /// Whether it has this matcher, e.g. `job=~"$job"`.
    pub fn has(&self, matcher: &str) -> bool {
        split_matchers(&self.matchers).iter().any(|own| own == matcher)
    }
}

/// Words that are followed by a list of labels.
const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words that are neither metric nor function.
const OPERATORS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "inf"];

/// Every selector, from left to right.
pub fn selectors(expression: &str) -> Vec<Selector> {
    Scanner { chars: expression.chars().collect(), at: 0, open: Vec::new() }.run()
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    /// For each open parenthesis the function before it.
    open: Vec<Option<String>>,
}

impl Scanner {
    fn run(mut self) -> Vec<Selector> {
        let mut found = Vec::new();
        while let Some(&c) = self.chars.get(self.at) {
            match c {
                '"' | '\'' => drop(self.quoted()),
                '[' => drop(self.until(']')),
                '(' => {
                    self.open.push(None);
                    self.at += 1;
                }
                ')' => {
                    self.open.pop();
                    self.at += 1;
                }
                _ if c.is_ascii_digit() => drop(self.word()),
                _ if c.is_ascii_alphabetic() || c == '_' => {
                    let word = self.word();
                    found.extend(self.after(word));
                }
                _ => self.at += 1,
            }
        }
        found
    }

    fn word(&mut self) -> String {
        let from = self.at;
        let part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.');
        while self.chars.get(self.at).is_some_and(part) {
            self.at += 1;
        }
        self.chars[from..self.at].iter().collect()
    }

    fn after(&mut self, word: String) -> Option<Selector> {
        self.spaces();
        let next = self.chars.get(self.at).copied();
        if GROUPINGS.contains(&word.as_str()) {
            if next == Some('(') {
                self.until(')');
            }
            return None;
        }
        if OPERATORS.contains(&word.as_str()) {
            return None;
        }
        if next == Some('(') {
            self.open.push(Some(word));
            self.at += 1;
            return None;
        }
        if next == Some('b') || next == Some('w') {
            // `sum by (x) (…)`: an aggregation whose grouping stands before its argument.
            let back = self.at;
            let grouping = self.word();
            self.spaces();
            if GROUPINGS.contains(&grouping.as_str()) && self.chars.get(self.at) == Some(&'(') {
                self.until(')');
                return self.after(word);
            }
            self.at = back;
        }
        let matchers = if next == Some('{') { self.until('}') } else { String::new() };
        self.spaces();
        let range = if self.chars.get(self.at) == Some(&'[') { Some(self.until(']')) } else { None };
        let function = self.open.iter().rev().find_map(Clone::clone);
        Some(Selector { metric: word, matchers, range, function })
    }

    fn spaces(&mut self) {
        while self.chars.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
    }

    fn quoted(&mut self) -> String {
        let mark = self.chars[self.at];
        let from = self.at;
        self.at += 1;
        while let Some(&c) = self.chars.get(self.at) {
            self.at += if c == '\\' { 2 } else { 1 };
            if c == mark {
                break;
            }
        }
        self.chars[from..self.at.min(self.chars.len())].iter().collect()
    }

    /// What stands inside the bracket here; brackets in quotes do not count.
    fn until(&mut self, close: char) -> String {
        self.at += 1;
        let mut inside = String::new();
        while let Some(&c) = self.chars.get(self.at) {
            if c == '"' || c == '\'' {
                inside.push_str(&self.quoted());
                continue;
            }
            self.at += 1;
            if c == close {
                break;
            }
            inside.push(c);
        }
        inside
    }
}

fn split_matchers(text: &str) -> Vec<String> {
    let (mut found, mut own, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        quoted ^= c == '"';
        if c == ',' && !quoted {
            found.push(std::mem::take(&mut own).trim().to_owned());
        } else {
            own.push(c);
        }
    }
    found.push(own.trim().to_owned());
    found
}

#[test]
fn selectors_are_found_with_their_surroundings() {
    let found = selectors(
        "topk(10, histogram_quantile(0.95, sum by (route, le) (rate(a_bucket{x=\"}(,\", y=~\"$y\"}[$__rate_interval]))))\n\
         / on (route) group_left max_over_time(b[5m]) > bool 0 unless (c offset 5m) - time()",
    );
    let told: Vec<_> = found.iter().map(|s| (s.metric.as_str(), s.range.as_deref(), s.function.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("a_bucket", Some("$__rate_interval"), Some("rate")),
            ("b", Some("5m"), Some("max_over_time")),
            ("c", None, None)
        ]
    );
    assert!(found[0].has("y=~\"$y\"") && found[0].has("x=\"}(,\"") && !found[0].has("y"));
}
