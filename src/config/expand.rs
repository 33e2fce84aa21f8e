//! `${NAME}`, `${NAME:-default}` and `file:PATH` in scalars, after YAML has been read: a value cannot add structure.
//!
//! A value is expanded once: what a variable holds is never expanded again, nor taken as `file:`.

use super::env::Env;
use super::report::{Report, quoted};
use super::tree::{Node, Origin, Path, Scalar, Value};
use std::io::Read;
use zeroize::Zeroizing;

/// Bytes of a secret's file at most: a certificate bundle's size, far above any key.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Expands every scalar below `node`. Returns the paths of those that could not be.
pub fn expand(node: &mut Node, env: &Env, report: &mut Report) -> Vec<Path> {
    let mut failed = Vec::new();
    walk(node, &Path::default(), env, report, &mut failed);
    failed
}

fn walk(node: &mut Node, path: &Path, env: &Env, report: &mut Report, failed: &mut Vec<Path>) {
    match &mut node.value {
        Value::Mapping(entries) => {
            entries.iter_mut().for_each(|e| walk(&mut e.node, &path.join(&e.key), env, report, failed));
        }
        Value::Sequence(items) => {
            items.iter_mut().enumerate().for_each(|(i, n)| walk(n, &path.join(&i.to_string()), env, report, failed));
        }
        Value::Scalar(scalar) => {
            if let Err(message) = expand_scalar(scalar, env) {
                report.error(node.pos.clone(), path.clone(), message);
                failed.push(path.clone());
            }
        }
    }
}

/// Expands one scalar in place; on error it is left as it was, and the message says what would be right.
pub fn expand_scalar(scalar: &mut Scalar, env: &Env) -> Result<(), String> {
    let (text, names) = substitute(&scalar.text, env)?;
    if scalar.text.starts_with("file:") {
        // As written: a variable inside the path stays a name.
        let written = scalar.text.to_string();
        scalar.text = read_secret(&text["file:".len()..], &format!("file {}", quoted(&written["file:".len()..])))?;
        scalar.origin = Origin::Expanded(written);
    } else {
        if !names.is_empty() {
            scalar.origin = Origin::Expanded(names.join(", "));
        }
        scalar.text = text;
    }
    Ok(())
}

/// Replaces the variables in `text`; also returns them as `${NAME}`.
pub fn substitute(text: &str, env: &Env) -> Result<(Zeroizing<String>, Vec<String>), String> {
    let (mut out, mut names, mut rest) = (Zeroizing::new(String::new()), Vec::new(), text);
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let end = after.find('}').ok_or("\"${\" is not closed; write ${NAME}, or $${ for the characters themselves")?;
        let (name, default) = after[..end].split_once(":-").map_or((&after[..end], None), |(n, d)| (n, Some(d)));
        out.push_str(lookup(name, default, env)?);
        names.push(format!("${{{name}}}"));
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    Ok((out, names))
}

fn lookup<'a>(name: &str, default: Option<&'a str>, env: &'a Env) -> Result<&'a str, String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(word) || name.starts_with(|c: char| c.is_ascii_digit()) {
        let name = quoted(name);
        return Err(format!("{name} is not a variable's name; write ${{NAME}}, or $${{ for the characters themselves"));
    }
    match (env.get(name), default) {
        (None | Some(""), Some(default)) => Ok(default),
        (Some(value), _) => Ok(value),
        (None, None) => Err(format!("environment variable {name} is not set; set it, or write ${{{name}:-default}}")),
    }
}

/// Opens a regular file: a pipe or a device could block for ever, or never end.
/// Messages call it `shown`.
pub fn open(path: &str, shown: &str) -> Result<std::fs::File, String> {
    let failed = |e: std::io::Error| format!("{shown} cannot be read: {}", reason(&e));
    match std::fs::metadata(path).map_err(failed)?.is_file() {
        true => std::fs::File::open(path).map_err(failed),
        false => Err(format!("{shown} is not a regular file")),
    }
}

/// The text of the file at `path`, without its last line break.
pub fn read_secret(path: &str, shown: &str) -> Result<Zeroizing<String>, String> {
    let mut bytes = Zeroizing::new(Vec::new());
    let failed = |e: std::io::Error| format!("{shown} cannot be read: {}", reason(&e));
    open(path, shown)?.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return Err(format!("{shown} is larger than {} KiB", MAX_SECRET_BYTES >> 10));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{shown} is not UTF-8 text"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    Ok(Zeroizing::new(text.strip_suffix('\r').unwrap_or(text).to_owned()))
}

/// The reason in words that do not differ between systems where a common one applies.
pub fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "it does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        let env: Env =
            [("A", "1"), ("NESTED", "${A}"), ("FILE", "file:/etc/hostname"), ("EMPTY", "")].into_iter().collect();
        let mut scalar = Scalar { text: Zeroizing::new(text.to_owned()), plain: true, origin: Origin::Literal };
        expand_scalar(&mut scalar, &env).map(|()| scalar.text.to_string())
    }

    #[test]
    fn variables_are_replaced_once() {
        for (text, want) in [
            ("${A}", "1"),
            ("x${A}y${A}", "x1y1"),
            ("${NONE:-d}", "d"),
            ("${EMPTY:-d}", "d"),
            ("${A:-d}", "1"),
            ("${EMPTY}", ""),
            ("$${A}", "${A}"),
            ("a$${A}-${A}", "a${A}-1"),
            ("$A $", "$A $"),
            ("${NESTED}", "${A}"),
            ("${FILE}", "file:/etc/hostname"),
            ("${NONE:-file:/etc/hostname}", "file:/etc/hostname"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        assert!(expanded("${NONE}").is_err_and(|e| e.contains("NONE is not set")));
        assert!(expanded("${A").is_err_and(|e| e.contains("not closed")));
        assert!(expanded("${A B}").is_err_and(|e| e.contains("not a variable's name")));
        assert!(expanded("${}").is_err_and(|e| e.contains("not a variable's name")));
    }
}
