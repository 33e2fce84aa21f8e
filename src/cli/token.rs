//! `vigie token`: tokens for the read side. Vigie keeps their hashes only; the token itself is shown once.

use super::USAGE;
use super::output::{self, Format};
use crate::admin::{Role, tokens};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::io::Read;
use std::process::ExitCode;
use zeroize::Zeroizing;

/// Bytes of chance in a token: nothing to guess, so a fast hash keeps it safe.
const BYTES: usize = 32;

/// What tokens begin with, so that scanners for leaked secrets and people know them.
const PREFIX: &str = "vgt_";

/// A token read from standard input is at most this long.
const MAX_BYTES: u64 = 1 << 10;

/// Makes a token for the read side, or the hash of one.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Makes a token and prints it, once, with the lines that let it in.
    New(Entry),
    /// Reads a token that exists from standard input and prints the lines that let it in.
    Hash(Entry),
}

/// Whose token it is.
#[derive(clap::Args)]
struct Entry {
    /// What its holder may do.
    #[arg(long)]
    role: Role,
    /// Its name in the audit log [default: the role].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How to answer.
    #[arg(long, default_value = "table")]
    output: Format,
}

/// Runs the command.
///
/// # Errors
/// When the system gives no chance, or standard input cannot be read.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (Command::New(entry) | Command::Hash(entry)) = &args.command;
    let name = entry.name.as_deref().unwrap_or(entry.role.as_str());
    // A role's own word is a good name, but for nobody in particular.
    if !tokens::is_name(name) {
        output::complain(&format!(
            "{name:?} cannot be a token's name: use 1 to 40 of a-z, 0-9, - and _, but not local or vigie"
        ));
        return Ok(ExitCode::from(USAGE));
    }
    let (token, made) = match args.command {
        Command::New(_) => (make()?, true),
        Command::Hash(_) => (read()?, false),
    };
    if token.len() < tokens::MIN_TOKEN {
        output::complain(&format!("a token of fewer than {} characters can be guessed", tokens::MIN_TOKEN));
        return Ok(ExitCode::from(USAGE));
    }
    let hash = format!("blake3:{}", blake3::hash(token.as_bytes()));
    let text = match entry.output {
        Format::Json => json(name, entry.role, &hash, made.then_some(&*token)),
        Format::Table => table(name, entry.role, &hash, made.then_some(&*token)),
    };
    output::say(&text);
    Ok(ExitCode::SUCCESS)
}

fn make() -> anyhow::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0_u8; BYTES]);
    getrandom::fill(&mut *bytes).map_err(|error| anyhow::anyhow!("the system gives no random bytes: {error}"))?;
    Ok(Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(*bytes))))
}

fn read() -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().lock().take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn table(name: &str, role: Role, hash: &str, token: Option<&str>) -> String {
    let shown = token.map_or(String::new(), |token| {
        format!("token         {token}\n              (shown once: give it to its holder)\n")
    });
    format!(
        "{shown}vigie.yaml    admin: {{tokens: {{{name}: {{role: {role}, token: \"{hash}\"}}}}}}\ntokens file   {name} {role} {hash}"
    )
}

fn json(name: &str, role: Role, hash: &str, token: Option<&str>) -> String {
    let mut told = json!({ "name": name, "role": role, "hash": hash, "line": format!("{name} {role} {hash}") });
    if let Some(token) = token {
        told["token"] = token.into();
    }
    told.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_new_each_time() {
        let (one, two) = (make().expect("chance"), make().expect("chance"));
        assert_ne!(*one, *two);
        assert_eq!(one.len(), PREFIX.len() + 43);
        assert!(one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
    }

    #[test]
    fn the_line_is_one_that_the_file_takes() {
        let hash = format!("blake3:{}", blake3::hash(b"abc"));
        let told: serde_json::Value = serde_json::from_str(&json("grafana", Role::Viewer, &hash, None)).expect("JSON");
        let read = tokens::parse(told["line"].as_str().expect("a line")).expect("good");
        assert_eq!(
            (&*read[0].name, read[0].role, read[0].hash),
            ("grafana", Role::Viewer, *blake3::hash(b"abc").as_bytes())
        );
        assert!(!table("grafana", Role::Viewer, &hash, None).contains("shown once"));
    }
}
