//! The keys that the agent holds: whether they can be sent as the vendor wants them, and who could use them.

use super::{Checker, Listening};
use crate::config::raw::{Authenticate, ClientAuth, Credential, Upstream};
use crate::config::report::{quoted, suggestion};
use crate::config::scalar;
use crate::exchange::redact::MIN_KNOWN_BYTES;
use crate::vendors::{Auth, Profile};
use std::borrow::Cow;

/// The form that a credential is sent in: one of the vendor's, or one of its own. `None` if there is no such form.
pub fn form<'a>(credential: &Credential, profile: &'a Profile) -> Option<Cow<'a, Auth>> {
    let Some(header) = &credential.header else {
        return profile.auth_form(credential.form.as_deref()).map(Cow::Borrowed);
    };
    let before = credential.before.clone().unwrap_or_default();
    Some(Cow::Owned(Auth { header: header.0.as_str().to_owned(), before, ..Auth::default() }))
}

/// Reports keys that cannot be sent as they are, and upstreams that anybody, or nobody, could call with them.
pub fn check(checker: &mut Checker<'_>) {
    let file = checker.file;
    // What is missing there may be what somebody would prove himself by.
    let unknown = checker.report.broken("proxy") || checker.report.broken("integrations");
    for name in checker.root.keys("upstreams") {
        let Some(upstream) = file.upstreams.get(name) else { continue };
        if let Some(credential) = &upstream.credential {
            sendable(checker, &format!("upstreams/{name}/credential"), credential, upstream);
        }
        let count = upstream.access.integrations.as_ref().map_or(0, Vec::len);
        for i in 0..count {
            checker.known(&format!("upstreams/{name}/access/integrations/{i}"), "integration");
        }
        if !unknown {
            callers(checker, name, upstream);
        }
    }
    for integration in checker.root.keys("integrations") {
        let section = format!("integrations/{integration}/upstream_credentials");
        for upstream in checker.root.keys(&section) {
            let path = format!("{section}/{upstream}");
            match file.upstreams.get(upstream) {
                None => {
                    let right = suggestion(upstream, checker.root.keys("upstreams"));
                    checker.error(&path, format!("there is no upstream called {}; {right}", quoted(upstream)));
                }
                Some(target) => {
                    let own = file.integrations.get(integration).and_then(|i| i.upstream_credentials.get(upstream));
                    if let Some(credential) = own {
                        sendable(checker, &path, credential, target);
                        provable(checker, &path, integration, target);
                    }
                }
            }
        }
    }
}

/// Whether the vendor would understand it.
fn sendable(checker: &mut Checker<'_>, path: &str, credential: &Credential, upstream: &Upstream) {
    let Some(profile) = Profile::builtin(&upstream.vendor) else { return };
    if credential.before.is_some() && credential.header.is_none() {
        checker.error(&format!("{path}/before"), "given without header; name the header it belongs to, or remove it");
    }
    if credential.form.is_some() && credential.header.is_some() {
        checker.error(&format!("{path}/form"), "given beside header; keep one of them");
        return;
    }
    let Some(form) = form(credential, &profile) else {
        let words: Vec<_> = profile.auth().iter().map(Auth::word).collect();
        let wrong = checker.subject(&format!("{path}/form"));
        let message = match words.as_slice() {
            [] => "missing; this vendor's profile has no form, so name the header".to_owned(),
            words => format!("{wrong} is no form of {}; use one of {}", upstream.vendor, words.join(", ")),
        };
        checker.error(&format!("{path}/form"), message);
        return;
    };
    match (&credential.user, form.wants_user()) {
        (None, true) => {
            let message = format!("missing; the form {} is made of a user and a key", form.word());
            checker.error(&format!("{path}/user"), message);
        }
        (Some(_), false) => {
            let message = format!("has no place in the form {}; remove it", form.word());
            checker.error(&format!("{path}/user"), message);
        }
        (Some(user), true) if user.contains(':') && !form.basic.is_empty() => {
            checker.error(&format!("{path}/user"), "holds a colon, where the password would begin (RFC 7617)");
        }
        _ => {}
    }
    key(checker, &format!("{path}/key"), credential, &form);
    if !form.query.is_empty() {
        checker
            .warn(path, "this form puts the key into the URL, which servers log; use another form where there is one");
    }
}

fn key(checker: &mut Checker<'_>, path: &str, credential: &Credential, form: &Auth) {
    let key = credential.key.0.expose();
    let word = |text: &str| text.split(' ').next().unwrap_or_default().to_ascii_lowercase();
    let scheme = if form.basic.is_empty() { word(&form.before) } else { "basic".to_owned() };
    if key.contains(' ') && !scheme.is_empty() && word(key) == scheme {
        checker.error(path, "holds the whole header's value; give what stands behind the scheme alone");
    }
    if key.len() < MIN_KNOWN_BYTES {
        let message =
            format!("is shorter than {MIN_KNOWN_BYTES} characters: too short to be looked for in answers and records");
        checker.warn(path, message);
    }
    let hash = scalar::token_hash(key);
    let file = checker.file;
    for (name, integration) in &file.integrations {
        if integration.tokens.iter().any(|token| scalar::token_hash(token.0.expose()) == hash) {
            checker.error(
                path,
                format!("the same as a token of integrations.{name}, which that caller knows; use the CRM's own key"),
            );
        }
    }
}

/// Who could make the agent put the key on: not just anybody, and not nobody.
fn callers(checker: &mut Checker<'_>, name: &str, upstream: &Upstream) {
    let file = checker.file;
    let holds = upstream.credential.is_some()
        || file.integrations.values().any(|integration| integration.upstream_credentials.contains_key(name));
    let (always, allowed) = (upstream.access.authenticate == Authenticate::Always, &upstream.access.integrations);
    if !(holds || always || allowed.is_some()) {
        return;
    }
    let may = |integration: &str| allowed.as_ref().is_none_or(|names| names.iter().any(|n| n == integration));
    let tokens = file.integrations.iter().any(|(name, i)| may(name) && !i.tokens.is_empty());
    let listening = file.proxy.listening();
    let mut open = false;
    for listener in listening.iter().filter(|l| l.upstream.is_none_or(|pinned| pinned == name)) {
        let loopback = listener.address.ip().is_loopback();
        let provable = tokens || asks_for_certificates(listener);
        if (always || (holds && !loopback)) && !provable {
            let (address, path) = (listener.address, format!("{}/address", listener.path));
            let message = format!(
                "{address} leads to upstreams.{name}, whose callers must show who they are, and none could; \
                 give an integration tokens, or this listener tls.client_ca_file"
            );
            checker.error(&path, message);
        }
        open |= holds && loopback && !always;
    }
    let said = checker.written(&format!("upstreams/{name}/access"));
    if open && !said {
        let message = "every program on this machine can call with the key that Vigie holds; say access: {authenticate: always}, or off_loopback if that is meant";
        checker.warn(&format!("upstreams/{name}"), message);
    }
    for (i, integration) in allowed.iter().flatten().enumerate() {
        provable(checker, &format!("upstreams/{name}/access/integrations/{i}"), integration, upstream);
    }
}

/// Warns where an integration has nothing to prove itself by, off loopback or wherever proof is always asked for.
fn provable(checker: &mut Checker<'_>, path: &str, integration: &str, upstream: &Upstream) {
    let file = checker.file;
    let Some(known) = file.integrations.get(integration) else { return };
    let listening = file.proxy.listening();
    let believed = upstream.access.authenticate == Authenticate::OffLoopback;
    let pinned = listening.iter().any(|l| l.integration == Some(integration));
    let local = listening.iter().any(|l| l.address.ip().is_loopback());
    if known.tokens.is_empty() && !pinned && !(believed && local) {
        checker.warn(
            path,
            format!("integrations.{integration} cannot prove who it is; give it tokens, or a listener of its own"),
        );
    }
}

fn asks_for_certificates(listener: &Listening<'_>) -> bool {
    listener.tls.is_some_and(|tls| tls.client_ca_file.is_some() && tls.client_auth != ClientAuth::Optional)
}
