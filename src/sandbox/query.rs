//! Reading many records: views with paging and sorting, searches, look-ups and filters.

use super::answer::Answer;
use super::entity::{Entity, OPEN, Shows, WON};
use super::seeded::{Meta, stamp};
use super::store::{Record, Store, as_id, number, parse_time, text};
use serde_json::{Map, Value, json};
use std::cmp::Reverse;

/// Records on a page where `per_page` is not given; the vendor's own default is not known.
const PER_PAGE: usize = 25;
/// The most `per_page` gives; clients use up to 100.
const MAX_PER_PAGE: usize = 100;
/// Results of one search.
const MAX_FOUND: usize = 50;

/// The parameters of a query string, decoded; the first of a name counts.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let decode = |s: &str| {
            let spaced = s.replace('+', " ");
            percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        };
        let pairs = query.unwrap_or_default().split('&').filter(|p| !p.is_empty());
        Self(pairs.map(|p| p.split_once('=').unwrap_or((p, ""))).map(|(k, v)| (decode(k), decode(v))).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.get(name)?.parse().ok()
    }

    /// The 0-based page and its size.
    pub(crate) fn page(&self) -> (usize, usize) {
        let size = self.number("per_page").unwrap_or(PER_PAGE).clamp(1, MAX_PER_PAGE);
        (self.number("page").unwrap_or(1).max(1) - 1, size)
    }

    fn includes(&self, what: &str) -> bool {
        self.get("include").is_some_and(|list| list.split(',').any(|i| i.trim() == what))
    }
}

/// How to read: `old` ignores what was written where something was seeded under it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Read {
    pub(crate) old: bool,
    pub(crate) now_s: i64,
}

impl Store {
    /// `GET /{entity}/view/{id}`.
    pub(crate) fn view(&self, entity: Entity, view: u64, params: &Params, read: Read) -> Answer {
        let Some((_, _, shows)) = entity.views().into_iter().find(|(id, _, _)| *id == view) else {
            return Answer::not_found();
        };
        let metas: Vec<Meta> = self.table(entity).shown(&self.world, shows).collect();
        self.page(entity, metas, params, read)
    }

    /// `GET /tasks?filter=` and `GET /appointments?filter=`; notes are listed whole.
    pub(crate) fn activities(&self, entity: Entity, params: &Params, read: Read) -> Answer {
        let wanted = params.get("filter");
        let shown = |meta: &Meta| match (entity, wanted) {
            (Entity::Task, Some("completed")) => meta.state == WON,
            (Entity::Task, None | Some("open")) => meta.state == OPEN,
            (Entity::Task, Some("overdue")) => meta.state == OPEN && meta.due < read.now_s,
            (Entity::Appointment, Some("past")) => meta.due < read.now_s,
            (Entity::Appointment, None | Some("upcoming")) => meta.due >= read.now_s,
            (Entity::Note, None) => true,
            _ => false,
        };
        let known = matches!(
            (entity, wanted),
            (_, None)
                | (Entity::Task, Some("open" | "completed" | "overdue"))
                | (Entity::Appointment, Some("past" | "upcoming"))
        );
        if !known {
            return Answer::error(400, &["The filter is invalid."]);
        }
        let metas: Vec<Meta> = self.table(entity).shown(&self.world, Shows::All).filter(shown).collect();
        self.page(entity, metas, params, read)
    }

    /// `GET /contacts/{id}/notes` and its like.
    pub(crate) fn hanging_on(&self, entity: Entity, target: u64, params: &Params, read: Read) -> Answer {
        let all = self.table(entity).shown(&self.world, Shows::All);
        let metas: Vec<Meta> = all.filter(|meta| meta.target == target).collect();
        self.page(entity, metas, params, read)
    }

    /// One page of `metas`, sorted as asked, with `meta.total` and `meta.total_pages`.
    fn page(&self, entity: Entity, mut metas: Vec<Meta>, params: &Params, read: Read) -> Answer {
        let descending = params.get("sort_type").is_some_and(|t| t.eq_ignore_ascii_case("desc"));
        let key = |m: &Meta| match params.get("sort") {
            Some("updated_at") => m.updated,
            Some("created_at") => m.created,
            Some("due_date" | "from_date") => m.due,
            _ => 0,
        };
        // Ties are broken by id, so that pages neither repeat nor skip records.
        match descending {
            true => metas.sort_unstable_by_key(|m| Reverse((key(m), m.id))),
            false => metas.sort_unstable_by_key(|m| (key(m), m.id)),
        }
        let (page, size) = params.page();
        let total = metas.len();
        let shown = metas.iter().skip(page.saturating_mul(size)).take(size);
        let mut users = false;
        let list: Vec<Value> = shown
            .filter_map(|m| self.table(entity).get(&self.world, m.id, read.old))
            .map(|record| {
                users |= params.includes("owner");
                Value::Object(self.include(entity, record, params))
            })
            .collect();
        let mut body = Map::from_iter([(entity.plural().to_owned(), Value::Array(list))]);
        if users {
            body.insert("users".into(), super::selectors::users().into());
        }
        body.insert("meta".into(), json!({"total_pages": total.div_ceil(size), "total": total}));
        Answer::ok(Value::Object(body))
    }

    /// Adds what `include=` names to a record.
    pub(crate) fn include(&self, entity: Entity, mut record: Record, params: &Params) -> Record {
        let account = |record: &Record| {
            let id = record.get("sales_account_id").and_then(as_id)?;
            self.table(Entity::Account).live(&self.world, id, false).map(Value::Object)
        };
        if matches!(entity, Entity::Contact | Entity::Deal) && params.includes("sales_accounts") {
            let accounts: Vec<Value> = account(&record).into_iter().collect();
            record.insert("sales_accounts".into(), accounts.into());
        }
        if entity == Entity::Deal && params.includes("sales_account") {
            record.insert("sales_account".into(), account(&record).unwrap_or(Value::Null));
        }
        record
    }

    /// `GET /search?q=&include=`: a bare array, without meta.
    pub(crate) fn search(&self, params: &Params) -> Answer {
        let needle = params.get("q").unwrap_or_default().trim().to_lowercase();
        let include = params.get("include").unwrap_or("contact,sales_account,deal");
        let limit = params.number("per_page").unwrap_or(PER_PAGE).clamp(1, MAX_FOUND);
        let mut found = Vec::new();
        if !needle.is_empty() {
            for entity in include.split(',').filter_map(|name| Entity::from_singular(name.trim())) {
                self.search_in(entity, &needle, limit, &mut found);
            }
        }
        Answer::ok(Value::Array(found))
    }

    fn search_in(&self, entity: Entity, needle: &str, limit: usize, found: &mut Vec<Value>) {
        let table = self.table(entity);
        let hit = |id: u64| {
            let record = table.live(&self.world, id, false)?;
            let name = if entity == Entity::Contact { "display_name" } else { "name" };
            Some(json!({
                "id": id.to_string(),
                "type": entity.singular(),
                "name": record.get(name),
                "email": record.get("email"),
                "avatar": null,
                "partial": true,
            }))
        };
        let written = table.written().filter(|(_, row)| !row.deleted);
        let mut ids: Vec<u64> =
            written.filter(|(_, row)| row.text().to_lowercase().contains(needle)).map(|(id, _)| id).collect();
        let mut text = String::new();
        for i in 0..self.world.count(entity) {
            if ids.len() >= limit {
                break;
            }
            self.world.search_text(entity, i, &mut text);
            if text.contains(needle) && !table.is_written(entity.base_id() + i) {
                ids.push(entity.base_id() + i);
            }
        }
        found.extend(ids.into_iter().take(limit).filter_map(hit));
    }

    /// `GET /lookup?q=&f=&entities=`: wrapped twice, empty for what is not there.
    pub(crate) fn lookup(&self, params: &Params) -> Answer {
        let (q, field) = (params.get("q").unwrap_or_default(), params.get("f").unwrap_or_default());
        let mut body = Map::new();
        for entity in
            params.get("entities").unwrap_or("contact").split(',').filter_map(|n| Entity::from_singular(n.trim()))
        {
            let ids = match field {
                "email" | "emails" if entity == Entity::Contact => self.by_primary(entity, q),
                "name" if entity != Entity::Contact => self.by_primary(entity, q),
                "external_id" => self.by_external(entity, q),
                "mobile_number" | "phone" | "phone_numbers" => self.by_phone(entity, q),
                _ => return Answer::error(400, &["The field to look up is invalid."]),
            };
            let records: Vec<Value> = ids
                .into_iter()
                .take(MAX_FOUND)
                .filter_map(|id| self.table(entity).live(&self.world, id, false).map(Value::Object))
                .collect();
            let total = records.len();
            body.insert(entity.plural().into(), json!({ entity.plural(): records, "meta": {"total": total} }));
        }
        Answer::ok(Value::Object(body))
    }

    /// `POST /filtered_search/{entity}` with `filter_rule`: every rule must hold.
    pub(crate) fn filtered(&self, entity: Entity, body: &Record, params: &Params, read: Read) -> Answer {
        let rules: Vec<Rule<'_>> = match body.get("filter_rule") {
            Some(Value::Array(rules)) => match rules.iter().map(Rule::parse).collect() {
                Some(rules) => rules,
                None => return Answer::error(400, &["The filter rule is invalid."]),
            },
            None => Vec::new(),
            Some(_) => return Answer::error(400, &["The filter rule is invalid."]),
        };
        let holds = |meta: &Meta| {
            let (on_record, on_meta): (Vec<&Rule<'_>>, Vec<&Rule<'_>>) =
                rules.iter().partition(|r| r.time(meta).is_none());
            // Times are compared first: they need no record to be made.
            on_meta.iter().all(|rule| rule.holds_for_time(meta))
                && (on_record.is_empty()
                    || self
                        .table(entity)
                        .get(&self.world, meta.id, false)
                        .is_some_and(|record| on_record.iter().all(|rule| rule.holds_for(&record))))
        };
        let metas: Vec<Meta> = self.table(entity).shown(&self.world, Shows::All).filter(holds).collect();
        let mut sorted = Params(params.0.clone());
        for key in ["sort", "sort_type"] {
            if sorted.get(key).is_none() && !text(body, key).is_empty() {
                sorted.0.push((key.to_owned(), text(body, key).to_owned()));
            }
        }
        self.page(entity, metas, &sorted, read)
    }
}

/// One rule of a filtered search.
struct Rule<'a> {
    attribute: &'a str,
    operator: Operator,
    value: &'a Value,
}

#[derive(Clone, Copy, PartialEq)]
enum Operator {
    IsIn,
    IsNotIn,
    Contains,
    After,
    Before,
    Range,
}

impl<'a> Rule<'a> {
    fn parse(rule: &'a Value) -> Option<Self> {
        let operator = match rule.get("operator")?.as_str()? {
            "is_in" | "is" | "equals" => Operator::IsIn,
            "is_not_in" | "is_not" => Operator::IsNotIn,
            "contains" => Operator::Contains,
            "is_after" => Operator::After,
            "is_before" => Operator::Before,
            "is_in_the_range" => Operator::Range,
            _ => return None,
        };
        Some(Self { attribute: rule.get("attribute")?.as_str()?, operator, value: rule.get("value")? })
    }

    fn time(&self, meta: &Meta) -> Option<i64> {
        match self.attribute {
            "updated_at" => Some(meta.updated),
            "created_at" => Some(meta.created),
            _ => None,
        }
    }

    fn holds_for_time(&self, meta: &Meta) -> bool {
        let bound = |value: &Value| value.as_str().and_then(parse_time);
        let Some(time) = self.time(meta) else { return false };
        match self.operator {
            Operator::After => bound(self.value).is_some_and(|b| time > b),
            Operator::Before => bound(self.value).is_some_and(|b| time < b),
            Operator::Range => {
                let ends = (bound(&self.value[0]), bound(&self.value[1]));
                matches!(ends, (Some(from), Some(to)) if (from..=to).contains(&time))
            }
            Operator::IsIn => self.value.as_str() == Some(stamp(time).as_str()),
            Operator::IsNotIn | Operator::Contains => false,
        }
    }

    fn holds_for(&self, record: &Record) -> bool {
        // `contact_email.email` and its like name a related table; here the field is on the record itself.
        let name = self.attribute.rsplit('.').next().unwrap_or(self.attribute);
        let found = record.get(name).or_else(|| record.get("custom_field").and_then(|c| c.get(name)));
        let (Some(found), wanted) = (found, self.value) else { return self.operator == Operator::IsNotIn };
        let same = |wanted: &Value| plain(found).eq_ignore_ascii_case(&plain(wanted));
        let is_in = || wanted.as_array().map_or_else(|| same(wanted), |list| list.iter().any(same));
        match self.operator {
            Operator::IsIn => is_in(),
            Operator::IsNotIn => !is_in(),
            Operator::Contains => plain(found).to_lowercase().contains(&plain(wanted).to_lowercase()),
            Operator::After => number(found).zip(number(wanted)).is_some_and(|(a, b)| a > b),
            Operator::Before => number(found).zip(number(wanted)).is_some_and(|(a, b)| a < b),
            Operator::Range => false,
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
