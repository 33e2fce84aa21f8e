//! Who may ask the read side.

use super::Checker;
use crate::admin::tokens;
use crate::config::scalar;
use std::collections::BTreeMap;
use std::path::Path;

/// Reports an open listener, tokens that two names share, and a tokens file that cannot be used.
pub fn check(checker: &mut Checker<'_>) {
    let file = checker.file;
    let admin = &file.admin;
    match &admin.tls {
        Some(raw) => super::tls::server(checker, "admin/tls", raw),
        None if checker.written("admin/tls") => {}
        None => checker.plaintext("admin", admin.address.0, admin.allow_plaintext, super::ADMIN_REMEDY),
    }
    let off_loopback = !admin.address.0.ip().is_loopback();
    let written = checker.written("admin/tokens") && !admin.tokens.is_empty();
    if off_loopback && !written && admin.tokens_file.is_none() {
        let message = "missing; an address off loopback needs at least one, e.g. {grafana: {role: viewer, token: \"${GRAFANA_TOKEN}\"}}, or tokens_file";
        checker.error("admin/tokens", message);
    }
    let mut taken: BTreeMap<[u8; 32], &str> = BTreeMap::new();
    for name in checker.root.keys("admin/tokens") {
        let Some(token) = admin.tokens.get(name) else { continue };
        let path = format!("admin/tokens/{name}");
        if !tokens::is_name(name) {
            checker.error(&path, format!("\"{name}\" stands for somebody else in the audit log; choose another name"));
        }
        if let Some(first) = taken.insert(scalar::token_hash(token.token.0.expose()), name) {
            checker.error(&format!("{path}/token"), format!("the same as {first}'s; each needs its own"));
        }
    }
    tokens_file(checker, off_loopback);
}

fn tokens_file(checker: &mut Checker<'_>, off_loopback: bool) {
    let admin = &checker.file.admin;
    let Some(path) = &admin.tokens_file else { return };
    let at = "admin/tokens_file";
    match tokens::read(Path::new(path)) {
        Err(error) => {
            let message = format!("{} {}", checker.file_named(at), joined(&error));
            checker.error(at, message);
        }
        Ok(tokens) => {
            if let Some(token) = tokens.iter().find(|token| admin.tokens.contains_key(&*token.name)) {
                checker.error(at, format!("holds {}, which is in admin.tokens as well", token.name));
            } else if tokens.is_empty() && admin.tokens.is_empty() && off_loopback {
                checker.warn(at, "holds no token, so nobody may ask for anything");
            }
        }
    }
}

fn joined(error: &tokens::FileError) -> String {
    match error {
        tokens::FileError::Unreadable(_) => error.to_string(),
        tokens::FileError::Line { .. } => format!("cannot be used: {error}"),
    }
}
