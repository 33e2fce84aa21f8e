//! The head of an answer: links are rewritten, cookies kept to this host.

use super::{Map, bypass, cookie, link_header};
use crate::exchange::Bypass;
use http::header::{ALT_SVC, CONTENT_LOCATION, LINK, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

impl Map<'_> {
    /// Rewrites what leads past the agent; gives what had to be left.
    ///
    /// `Alt-Svc` goes: it names other ways to the upstream (RFC 7838). `Strict-Transport-Security` stays: over plain HTTP clients
    /// ignore it (RFC 6797 section 8.1), over TLS it holds for this host as well.
    pub fn head(&self, headers: &mut HeaderMap) -> Vec<Bypass> {
        let mut left = Vec::new();
        let mut alternatives = false;
        for (name, value) in headers.iter_mut() {
            if *name == LOCATION || *name == CONTENT_LOCATION {
                self.reference(name.as_str(), value, &mut left);
            } else if *name == SET_COOKIE {
                self.cookie(value);
            } else if *name == LINK {
                self.links(value, &mut left);
            } else if *name == ALT_SVC {
                alternatives = true;
            }
        }
        if alternatives {
            headers.remove(ALT_SVC);
        }
        left
    }

    fn reference(&self, name: &str, value: &mut HeaderValue, left: &mut Vec<Bypass>) {
        // Bytes beyond ASCII are no URI, yet sent: where they are UTF-8 clients take them as such.
        let Ok(text) = std::str::from_utf8(value.as_bytes()) else { return };
        let placed = self.place(text.trim_ascii());
        left.extend(placed.past.map(|why| bypass(name, why)));
        put(value, placed.to);
    }

    fn links(&self, value: &mut HeaderValue, left: &mut Vec<Bypass>) {
        let Ok(text) = std::str::from_utf8(value.as_bytes()) else { return };
        let rewritten = link_header::rewrite(text, |target| {
            let placed = self.place(target);
            // However many a list holds, it is one header.
            if let Some(why) = placed.past.filter(|why| !left.contains(&bypass("link", *why))) {
                left.push(bypass("link", why));
            }
            placed.to
        });
        put(value, rewritten);
    }

    fn cookie(&self, value: &mut HeaderValue) {
        let rewritten = cookie::rewrite(value.as_bytes(), |path| self.cookie_path(path));
        if let Some(new) = rewritten.and_then(|new| HeaderValue::from_bytes(&new).ok()) {
            *value = new;
            value.set_sensitive(true);
        }
    }

    /// A cookie's path as the caller has to see it, so that it comes back with the calls it is meant for and no others.
    pub(super) fn cookie_path(&self, path: &str) -> Option<String> {
        let (base, front) = (&self.upstream().base_path, self.front());
        let new = match super::below(base, path.trim_end_matches('/')) {
            Some(rest) => front + rest,
            // It covers more than can be reached here, or nothing of it.
            None if super::below(path.trim_end_matches('/'), base).is_some() => front,
            None => return None,
        };
        let new = if new.is_empty() { "/".to_owned() } else { new };
        (new != path && new != path.trim_end_matches('/')).then_some(new)
    }
}

fn put(value: &mut HeaderValue, new: Option<String>) {
    if let Some(new) = new.and_then(|new| HeaderValue::try_from(new).ok()) {
        *value = new;
    }
}
