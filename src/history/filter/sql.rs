//! A filter as an SQL condition. Values are always bound; only numbers of the program's own stand in the text.

use super::Filter;
use super::value::Words;
use crate::history::schema::lookup_hash;
use rusqlite::types::Value;

/// A `WHERE` clause and the values it binds, in order.
pub(in crate::history) struct Conditions {
    /// Without the word `WHERE`; never empty.
    pub(in crate::history) sql: String,
    /// For `?` in the order of the text.
    pub(in crate::history) values: Vec<Value>,
}

impl Conditions {
    /// The filter on one day's file, whose buckets end with this one.
    pub(in crate::history) fn of(filter: &Filter, last_bucket: i64) -> Self {
        let mut all = Self { sql: "1".into(), values: Vec::new() };
        if let Some(after) = filter.after {
            all.and("id > ?", [after.into()]);
        }
        if let Some(since) = filter.since_us {
            // Nothing is recorded before it started, so the id bounds the search, and the time decides.
            all.and("id >= ? AND ts_us >= ?", [since.into(), since.into()]);
        }
        if let Some(until) = filter.until_us {
            all.and("ts_us < ?", [until.into()]);
        }
        all.and_correlation_id(filter, last_bucket);
        for (column, pattern) in
            [("route", &filter.route), ("integration", &filter.integration), ("upstream", &filter.upstream)]
        {
            all.and_pattern(column, pattern.as_deref());
        }
        if let Some(method) = &filter.method {
            all.and("method = ?", [method.clone().into()]);
        }
        for (column, words) in [("outcome", &filter.outcome), ("kind", &filter.kind)] {
            all.and_words(column, words.as_ref());
        }
        all.and_status(filter);
        if let Some(text) = &filter.text {
            all.and("instr(json, ?) > 0", [text.clone().into()]);
        }
        all
    }

    fn and<const N: usize>(&mut self, sql: &str, values: [Value; N]) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.values.extend(values);
    }

    /// Asks the index once for each bucket that the file spans.
    fn and_correlation_id(&mut self, filter: &Filter, last_bucket: i64) {
        let Some(id) = &filter.correlation_id else { return };
        let keys = format!(
            "lookup IN (WITH RECURSIVE bucket(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM bucket WHERE n < ?) \
             SELECT (n << 32) | {} FROM bucket) AND correlation_id = ?",
            lookup_hash(id)
        );
        self.and(&keys, [last_bucket.into(), id.clone().into()]);
    }

    fn and_pattern(&mut self, column: &str, pattern: Option<&str>) {
        let Some(pattern) = pattern else { return };
        if pattern.contains('*') {
            self.and(&format!("{column} GLOB ?"), [glob(pattern).into()]);
        } else {
            self.and(&format!("{column} = ?"), [pattern.to_owned().into()]);
        }
    }

    fn and_words(&mut self, column: &str, words: Option<&Words>) {
        let Some(words) = words else { return };
        let marks = vec!["?"; words.list.len()].join(",");
        let not = if words.not { "NOT " } else { "" };
        self.and(&format!("{column} {not}IN ({marks})"), []);
        self.values.extend(words.list.iter().map(|w| Value::from((*w).to_owned())));
    }

    fn and_status(&mut self, filter: &Filter) {
        let Some(ranges) = &filter.status else { return };
        let any = vec!["status BETWEEN ? AND ?"; ranges.len()].join(" OR ");
        self.and(&format!("({any})"), []);
        self.values.extend(ranges.iter().flat_map(|r| [i64::from(r.from).into(), i64::from(r.to).into()]));
    }
}

/// SQLite's GLOB pattern (case counts, unlike LIKE) in which `*` alone has a meaning.
fn glob(pattern: &str) -> String {
    let mut glob = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            '?' | '[' => glob.extend(['[', c, ']']),
            _ => glob.push(c),
        }
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn a_star_is_the_only_wildcard() {
        let db = Connection::open_in_memory().unwrap();
        let matches = |pattern: &str, text: &str| {
            db.query_row("SELECT ?1 GLOB ?2", [text, &glob(pattern)], |row| row.get::<_, bool>(0)).unwrap()
        };
        assert!(matches("/api/*", "/api/deals/{id}"));
        assert!(matches("*/{id}", "/api/deals/{id}"));
        assert!(!matches("/api/*", "/API/deals"));
        for (pattern, itself, other) in
            [("a%*", "a%b", "axb"), ("a_*", "a_b", "axb"), ("a?*", "a?b", "axb"), ("[a]*", "[a]b", "ab")]
        {
            assert!(matches(pattern, itself), "{pattern}");
            assert!(!matches(pattern, other), "{pattern}");
        }
    }

    #[test]
    fn every_value_is_bound() {
        let quote = "x' OR 1=1 --";
        let filter = Filter {
            route: Some(quote.into()),
            integration: Some(format!("{quote}*")),
            method: Some(quote.into()),
            correlation_id: Some(quote.into()),
            text: Some(quote.into()),
            ..Filter::default()
        };
        let conditions = Conditions::of(&filter, 7);
        assert!(!conditions.sql.contains('\''), "{}", conditions.sql);
        assert_eq!(conditions.sql.matches('?').count(), conditions.values.len());
    }
}
