//! Changes to an answer's JSON on its way out: fields removed, times set back, times as the classic hosts write them.

use super::super::seeded::stamp;
use super::super::store::parse_time;
use serde_json::Value;

/// What to change.
pub(super) struct Shape<'a> {
    /// Write times as `2019-09-18T06:55:54Z`.
    pub(super) classic: bool,
    /// Set `updated_at` back by so many seconds.
    pub(super) stale_s: i64,
    /// Names of fields to leave out, at any depth.
    pub(super) removed: &'a [String],
}

/// Applies `shape` to the whole of `value`. The depth is bounded: what is stored was parsed with serde's limit.
pub(super) fn apply(value: &mut Value, shape: &Shape<'_>) {
    if shape.classic || shape.stale_s != 0 || !shape.removed.is_empty() {
        walk(value, shape);
    }
}

fn walk(value: &mut Value, shape: &Shape<'_>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|v| walk(v, shape)),
        Value::Object(map) => {
            map.retain(|key, _| !shape.removed.contains(key));
            for (key, value) in map {
                match value {
                    Value::String(text) => {
                        if key == "updated_at" && shape.stale_s != 0 {
                            *text = parse_time(text).map_or_else(String::new, |at| stamp(at - shape.stale_s));
                        }
                        if shape.classic {
                            utc(text);
                        }
                    }
                    _ => walk(value, shape),
                }
            }
        }
        _ => {}
    }
}

fn utc(text: &mut String) {
    let is_time = text.len() == 25 && text.ends_with("-04:00") && text.as_bytes()[10] == b'T';
    if is_time && let Ok(at) = text.parse::<jiff::Timestamp>() {
        *text = at.to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_go_at_every_depth_and_times_move() {
        let mut value =
            json!({"contacts": [{"email": "a", "updated_at": "2022-08-30T00:33:27-04:00", "x": {"email": 1}}]});
        apply(&mut value, &Shape { classic: true, stale_s: 27, removed: &["email".to_owned()] });
        assert_eq!(value, json!({"contacts": [{"updated_at": "2022-08-30T04:33:00Z", "x": {}}]}));
    }
}
