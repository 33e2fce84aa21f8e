//! Routes as written -> the trie and what each method's answer is scanned for.

use super::{Compiler, File, file};
use crate::vendors::Trust;
use crate::vendors::route::{Action, Intent, RouteDef, Segment, Trie, Verb};
use crate::vendors::scan::{Scan, mark};
use http::Method;
use std::sync::Arc;

/// Routes a profile may have: the largest CRM read so far needs fewer than 200, and a label set must stay small.
const MAX_ROUTES: usize = 300;

impl Compiler<'_> {
    pub fn routes(&mut self, file: &File) -> (Trie, Vec<RouteDef>) {
        let mut trie = Trie::new(file.paths.id_shape);
        let mut routes = Vec::new();
        for written in &file.routes {
            for name in written.each.iter().filter(|name| file.objects.iter().all(|o| o.one != **name)) {
                self.error(
                    format!("routes: {}", written.path),
                    format!("each `{name}`"),
                    "that is not one of `objects`",
                );
            }
            for (route, object) in expand(written, &file.objects) {
                let at = format!("routes: {}", route.path);
                let segments = match Segment::parse_all(&route.path) {
                    Ok(segments) => segments,
                    Err(problem) => {
                        self.error(at, problem, "e.g. `/contacts/{id:contact}/notes`");
                        continue;
                    }
                };
                let index = u16::try_from(routes.len()).unwrap_or(u16::MAX);
                if !trie.insert(&segments, index) {
                    self.error(at.as_str(), "another route has the same shape", "keep one, with all its methods");
                }
                routes.push(self.route(&at, file, &route, object, &segments, index));
            }
        }
        if routes.len() > MAX_ROUTES {
            self.error("routes", format!("there are {}", routes.len()), format!("at most {MAX_ROUTES} are kept"));
        }
        (trie, routes)
    }

    fn route(
        &mut self,
        at: &str,
        file: &File,
        route: &file::Route,
        object: Option<&file::Object>,
        segments: &[Segment],
        index: u16,
    ) -> RouteDef {
        if object.is_none() && !route.object.is_empty() {
            self.error(at, format!("object `{}`", route.object), "that is not one of `objects`");
        }
        let shown: Vec<String> = segments.iter().map(Segment::shown).collect();
        let id = |(at, segment): (usize, &Segment)| match segment {
            Segment::Id { kind, .. } => Some((at, Arc::from(kind.as_str()))),
            _ => None,
        };
        let (token, noun, nouns) = words(route, object);
        let written = [&route.get, &route.post, &route.put, &route.patch, &route.delete];
        let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let mut methods = methods.into_iter();
        let sure = route.from.iter().filter_map(|key| file.sources.get(key)).any(|s| s.trust > Trust::Unverified);
        RouteDef {
            index,
            template: format!("{}/{}", file.paths.base, shown.join("/")).into(),
            object: route.object.as_str().into(),
            noun: noun.into(),
            nouns: nouns.into(),
            token: token.into(),
            params: segments.iter().enumerate().filter_map(id).collect(),
            actions: written.map(|action| {
                let method = methods.next()?;
                action.as_ref().map(|action| self.action(at, file, action, &method, sure))
            }),
        }
    }

    /// `sure`: what is said of its answers may be relied on.
    fn action(&mut self, at: &str, file: &File, action: &file::Action, method: &Method, sure: bool) -> Action {
        let by_verb = match action.verb {
            Verb::Read | Verb::Listed | Verb::Searched => Intent::Read,
            Verb::Called => Intent::of_method(method),
            _ => Intent::Write,
        };
        let intent = action.intent.unwrap_or(by_verb);
        let mut scan = self.scan(at, file, Some(action));
        scan.expects = sure && scan.has(mark::ID | mark::LIST | mark::JOB | mark::ITEMS);
        let names_links = !action.links.is_empty();
        Action { verb: action.verb, intent, scan, links: link_scan(file, Some(action)), names_links }
    }

    pub fn scan(&mut self, at: &str, file: &File, action: Option<&file::Action>) -> Scan {
        let errors = &file.errors;
        let mut scan = Scan::default();
        let mut add = |places: &[String], marks| places.iter().try_for_each(|place| scan.add(place, marks));
        let mut result = add(&errors.message, mark::MESSAGE).and_then(|()| add(&file.links.places, mark::LINK));
        let data = action.is_some_and(|a| a.errors_are_data);
        if !data {
            result = result
                .and_then(|()| add(&errors.hidden.non_empty, mark::NON_EMPTY))
                .and_then(|()| add(&errors.hidden.is_false, mark::IS_FALSE))
                .and_then(|()| add(&errors.status, mark::STATUS));
        }
        if let Some(action) = action {
            result = result
                .and_then(|()| add(&action.id, mark::ID))
                .and_then(|()| add(&action.list, mark::LIST))
                .and_then(|()| add(&action.total, mark::TOTAL))
                .and_then(|()| add(&action.job, mark::JOB))
                .and_then(|()| add(&action.links, mark::LINK));
        }
        if let Some(items) = action.and_then(|a| a.items.as_ref()) {
            let within = |places: &[String]| places.iter().map(|p| format!("{}[].{p}", items.list)).collect::<Vec<_>>();
            result = result
                .and_then(|()| add(std::slice::from_ref(&items.list), mark::ITEMS))
                .and_then(|()| add(&within(&items.failed.non_empty), mark::NON_EMPTY))
                .and_then(|()| add(&within(&items.failed.is_false), mark::IS_FALSE));
        }
        scan.errors_are_data = data;
        if let Err(problem) = result {
            self.error(at, problem, "e.g. `errors.message` or `results[].id`");
        }
        scan
    }

    pub fn message_scan(&mut self, errors: &file::Errors) -> Scan {
        let mut scan = Scan::default();
        for (places, marks) in [(&errors.message, mark::MESSAGE), (&errors.status, mark::STATUS)] {
            // A misspelt place was reported with the other scans.
            places.iter().for_each(|place| drop(scan.add(place, marks)));
        }
        scan
    }
}

/// The places of links alone.
pub(super) fn link_scan(file: &File, action: Option<&file::Action>) -> Scan {
    let mut scan = Scan::default();
    let own = action.map(|a| a.links.as_slice()).unwrap_or_default();
    // A misspelt place was reported with the other scans.
    file.links.places.iter().chain(own).for_each(|place| drop(scan.add(place, mark::LINK)));
    scan
}

/// The route for each object it is written for; itself where it holds no `<one>` or `<many>`.
fn expand<'o>(route: &file::Route, objects: &'o [file::Object]) -> Vec<(file::Route, Option<&'o file::Object>)> {
    let named = |route: file::Route| {
        let object = objects.iter().find(|o| o.one == route.object);
        (route, object)
    };
    if !route.path.contains('<') {
        return vec![named(route.clone())];
    }
    let meant = |o: &&file::Object| route.each.is_empty() || route.each.contains(&o.one);
    objects.iter().filter(meant).map(|object| named(for_object(route, object))).collect()
}

fn for_object(route: &file::Route, object: &file::Object) -> file::Route {
    let mut route = route.clone();
    let kind = object.noun.as_ref().unwrap_or(&object.one).replace(' ', "_");
    let fill = |text: &mut String| {
        *text = text.replace("<one>", &object.one).replace("<many>", &object.many).replace("<kind>", &kind);
    };
    fill(&mut route.path);
    fill(&mut route.object);
    let actions = [&mut route.get, &mut route.post, &mut route.put, &mut route.patch, &mut route.delete];
    for action in actions.into_iter().flatten() {
        let places = action.id.iter_mut().chain(&mut action.list).chain(&mut action.total).chain(&mut action.job);
        let places = places.chain(&mut action.links);
        places.for_each(fill);
    }
    route
}

/// Token kind, noun and plural.
fn words(route: &file::Route, object: Option<&file::Object>) -> (String, String, String) {
    let own = object.map(|o| o.noun.clone().unwrap_or_else(|| o.one.replace('_', " ")));
    let token = own.clone().unwrap_or_default().replace(' ', "_");
    let noun = route.noun.clone().or(own).unwrap_or_default();
    let plural = || if noun.is_empty() { String::new() } else { format!("{noun}s") };
    let of_object = object.and_then(|o| o.nouns.clone()).filter(|_| route.noun.is_none());
    let nouns = route.nouns.clone().or(of_object).unwrap_or_else(plural);
    (token, noun, nouns)
}
