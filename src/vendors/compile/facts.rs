//! Where each section's facts come from.

use super::{Compiler, File};
use crate::vendors::fields::Fields;
use crate::vendors::{Fact, Trust};

impl Compiler<'_> {
    pub fn gather_facts(&mut self, file: &File) {
        let mut all: Vec<(String, &[String], Option<&String>, bool)> = vec![
            ("hosts".into(), &file.hosts.from, file.hosts.note.as_ref(), !file.hosts.patterns.is_empty()),
            ("paths".into(), &file.paths.from, file.paths.note.as_ref(), !file.paths.prefixes.is_empty()),
            ("request_id".into(), &file.request_id.from, file.request_id.note.as_ref(), false),
            ("links".into(), &file.links.from, file.links.note.as_ref(), !file.links.places.is_empty()),
            ("answers".into(), &file.answers.from, file.answers.note.as_ref(), false),
            ("errors".into(), &file.errors.from, file.errors.note.as_ref(), !file.errors.message.is_empty()),
            ("fields".into(), &file.fields.from, file.fields.note.as_ref(), has_fields(&file.fields)),
        ];
        let hidden = &file.errors.hidden;
        let some_hidden = !hidden.non_empty.is_empty() || !hidden.is_false.is_empty();
        all.push(("errors.hidden".into(), &hidden.from, hidden.note.as_ref(), some_hidden));
        all.extend(
            file.errors.inner_status.iter().map(|s| ("errors.inner_status".into(), s.from.as_slice(), None, true)),
        );
        let numbered = |name: &str, i: usize| format!("{name}[{i}]");
        all.extend(
            file.auth.iter().enumerate().map(|(i, s)| (numbered("auth", i), s.from.as_slice(), s.note.as_ref(), true)),
        );
        all.extend(
            file.quota
                .iter()
                .enumerate()
                .map(|(i, s)| (numbered("quota", i), s.from.as_slice(), s.note.as_ref(), true)),
        );
        all.extend(
            file.count
                .iter()
                .enumerate()
                .map(|(i, s)| (numbered("count", i), s.from.as_slice(), s.note.as_ref(), true)),
        );
        all.extend(
            file.who_am_i
                .iter()
                .enumerate()
                .map(|(i, s)| (numbered("who_am_i", i), s.from.as_slice(), s.note.as_ref(), true)),
        );
        all.extend(
            file.routes.iter().map(|r| (format!("routes: {}", r.path), r.from.as_slice(), r.note.as_ref(), true)),
        );
        for (about, from, note, required) in all {
            self.fact(file, about, from, note, required);
        }
    }

    fn fact(&mut self, file: &File, about: String, from: &[String], note: Option<&String>, required: bool) {
        if from.is_empty() {
            if required {
                self.error(about, "`from` is empty", "name at least one key of `sources`");
            }
            return;
        }
        let mut trust = Trust::Unverified;
        for key in from {
            match file.sources.get(key) {
                Some(source) => trust = trust.max(source.trust),
                None => self.error(about.clone(), format!("`from` names `{key}`"), "that is no key of `sources`"),
            }
        }
        self.facts.push(Fact { about, trust, from: from.to_vec(), note: note.cloned() });
    }
}

/// What is shown must have been read somewhere; what is masked need not.
fn has_fields(fields: &Fields) -> bool {
    let Fields { dates, numbers, flags, enums, names, .. } = fields;
    [dates, numbers, flags, enums, names].iter().any(|list| !list.is_empty())
}
