//! A file of tokens, one a line: `<name> <role> blake3:<hash>`; read again when it changes. A file that is wrong changes
//! nothing: the tokens before it stay in force.

use super::{Token, is_name};
use crate::admin::audit::{Action, Actor};
use crate::admin::role::Role;
use crate::admin::{State, audit};
use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A file holds at most this: [`MAX_TOKENS`] lines of the longest kind, and comments.
pub const MAX_FILE_BYTES: u64 = 64 << 10;

/// Tokens at most, in the file and in the configuration each: every call is compared with all of them.
pub const MAX_TOKENS: usize = 64;

/// Between two looks at the file's time and size: a rotation counts within this.
const LOOK: Duration = Duration::from_secs(1);

/// Why a file cannot be used; no message holds anything of its content but names.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// A line is wrong.
    #[error("line {line}: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

/// Reads a file of tokens.
///
/// # Errors
/// When it cannot be read, is larger than [`MAX_FILE_BYTES`], or a line is wrong.
pub fn read(path: &Path) -> Result<Vec<Token>, FileError> {
    parse(&text(path)?)
}

fn text(path: &Path) -> Result<String, FileError> {
    let failed = |error: std::io::Error| FileError::Unreadable(error.to_string());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(FileError::Unreadable(format!("larger than {} KiB", MAX_FILE_BYTES >> 10)));
    }
    Ok(text)
}

/// Reads the lines of a file of tokens; empty ones and those that start with `#` say nothing.
///
/// # Errors
/// At the first line that is wrong.
pub fn parse(text: &str) -> Result<Vec<Token>, FileError> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        let line_error = |problem: String| FileError::Line { line: index + 1, problem };
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let token = token(line).map_err(|problem| line_error(problem.to_owned()))?;
        if !seen.insert(token.name.to_string()) || tokens.iter().any(|other| other.hash == token.hash) {
            return Err(line_error("a name or a hash that an earlier line has; each token stands once".to_owned()));
        }
        if tokens.len() == MAX_TOKENS {
            return Err(line_error(format!("more than {MAX_TOKENS} tokens")));
        }
        tokens.push(token);
    }
    Ok(tokens)
}

fn token(line: &str) -> Result<Token, &'static str> {
    let mut words = line.split_ascii_whitespace();
    let (Some(name), Some(role), Some(hash), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err("is not of three words; write: <name> <role> blake3:<hash>, as `vigie token new` prints it");
    };
    if !is_name(name) {
        return Err("its name is not 1 to 40 of a-z, 0-9, - and _, or is local or vigie");
    }
    let role = Role::parse(role).ok_or("its role is not one of viewer, steward, operator, auditor, admin")?;
    // A token itself has no place in the file: whoever reads it could use it.
    let hash = hash.strip_prefix("blake3:").and_then(|hash| blake3::Hash::from_hex(hash).ok());
    let hash = hash.ok_or("its hash is not blake3: and 64 hexadecimal digits; `vigie token hash` makes it")?;
    Ok(Token { name: name.into(), role, hash: *hash.as_bytes() })
}

/// What tells that a file is another: mounted secrets are replaced by a rename, so the inode counts too.
type Stamp = (u64, i64, i64, u64);

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
}

/// Follows the tokens file until `stop`.
pub async fn watch(state: Arc<State>, stop: CancellationToken) {
    let mut last = None;
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {}
        }
        let Some(path) = state.access.tokens.file() else { continue };
        let now = (path.clone(), stamp(&path));
        if last.as_ref() == Some(&now) {
            continue;
        }
        last = Some(now);
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        take_over(&state, read.unwrap_or_else(|_| Err(FileError::Unreadable("reading it failed".to_owned())))).await;
    }
}

async fn take_over(state: &State, read: Result<Vec<Token>, FileError>) {
    let read =
        read.and_then(|tokens| match tokens.iter().find(|token| state.access.tokens.is_configured(&token.name)) {
            Some(token) => Err(FileError::Unreadable(format!("{} is also in admin.tokens", token.name))),
            None => Ok(tokens),
        });
    state.metrics.agent().tokens_read(read.is_ok());
    match read {
        Ok(tokens) => {
            let Some(count) = state.access.tokens.replace_from_file(tokens) else { return };
            tracing::info!(count, "the tokens of the read side were replaced");
            let object = format!("{count} tokens in force");
            let entry = audit::Entry { actor: Actor::agent(), action: Action::TokensChanged, object };
            // The change is made already; that it could not be written down is counted and warned of.
            let _ = state.access.audit.record(entry).await;
        }
        Err(error) => tracing::warn!("admin.tokens_file {error}; the tokens before it stay in force"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

    #[test]
    fn lines_are_tokens() {
        let read = parse(&format!("# who\n\n grafana\tviewer  {HASH}\n")).expect("good");
        assert_eq!((&*read[0].name, read[0].role), ("grafana", Role::Viewer));
        assert_eq!(read[0].hash, *blake3::hash(b"").as_bytes());
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn wrong_lines_are_named_and_not_shown() {
        let other = HASH.replace("af13", "af14");
        for (text, expected) in [
            ("grafana viewer", "line 1: is not of three words"),
            ("grafana viewer hunter2hunter2hunter2", "line 1: its hash is not"),
            ("grafana root blake3:0", "line 1: its role is not"),
            (&*format!("Grafana viewer {HASH}"), "line 1: its name is not"),
            (&*format!("a viewer {HASH}\na admin {other}"), "line 2: a name or a hash"),
            (&*format!("a viewer {HASH}\n\nb admin {HASH}"), "line 3: a name or a hash"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let many: String = (0..=MAX_TOKENS).map(|i| format!("t{i} viewer blake3:{i:064x}\n")).collect();
        assert_eq!(parse(&many).expect_err("many").to_string(), "line 65: more than 64 tokens");
    }
}
