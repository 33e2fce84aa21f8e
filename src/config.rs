//! One YAML file, made into what each module asks for; or every error at once, each with its place and its remedy.
//!
//! The way of a file: `tree` (YAML with positions) -> `expand` (`${NAME}`, `file:`) -> `overrides` (`VIGIE_…`)
//! -> `json` (typed by the schema) -> `validate` (the schema's verdict) -> `raw` (structs) -> `check` (what
//! crosses keys) -> `resolve`. The structs are the schema, their doc comments its descriptions and the reference.
//!
//! Invariants: no message holds a secret, nor what came from a variable or a secret's file (addresses that parsed as such
//! excepted); the environment is an argument, read in one place only, [`Env::from_process`].

use crate::exchange::redact::PhoneRegion;
use crate::secret::Secret;
use crate::{admin, history, net, proxy, recorder, telemetry, upstream};
use std::io::Read;
use std::path::{Path, PathBuf};

mod changes;
mod check;
mod egress;
mod env;
mod expand;
mod json;
mod overrides;
mod raw;
mod reference;
mod report;
mod resolve;
mod scalar;
mod schema;
mod tree;
mod validate;
mod verdict;
mod watch;

pub use changes::{Change, Document, restart_keys};
pub use egress::ways;
pub use env::{Env, program};
pub use raw::Role;
pub use reference::reference;
pub use report::{Errors, Problem};
pub use scalar::duration;
pub use schema::schema;
pub use watch::Watch;

/// Everything the agent needs to know, resolved and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// What this process does.
    pub role: Role,
    /// Directory for what is kept; not made yet.
    pub data_dir: PathBuf,
    /// How values become tokens.
    pub masking: Masking,
    /// The data path, with the known callers.
    pub proxy: proxy::Config,
    /// The CRM endpoints, in the order of the file.
    pub upstreams: Vec<upstream::Config>,
    /// How connections out are made.
    pub network: net::Config,
    /// The egress proxy in force.
    pub egress: net::Egress,
    /// Bounds of the recorder.
    pub recorder: recorder::Config,
    /// The records that can be searched.
    pub history: history::Config,
    /// Log, spans, caps.
    pub telemetry: telemetry::Config,
    /// The read side.
    pub admin: admin::Config,
}

/// How values become tokens.
#[derive(Clone, Debug)]
pub struct Masking {
    /// Where the key is.
    pub key: KeySource,
    /// Which key it is, from 1.
    pub key_version: u16,
    /// Where phone numbers without a country code belong.
    pub phone_region: Option<PhoneRegion>,
}

/// Where the masking key comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Configured, 32 characters or more.
    Given(Secret),
    /// A file that only its owner may read; made at the first start.
    File(PathBuf),
}

/// A configuration that can be used, and what is doubtful about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// All of it, to be compared with another.
    pub document: Document,
    /// What works but should be looked at, in the order of the file.
    pub warnings: Vec<Problem>,
}

/// Reads the file at `path`. Errors name it as given.
pub fn load(path: &Path, env: &Env) -> Result<Loaded, Errors> {
    let source = path.display().to_string();
    match read(path) {
        Ok(text) => parse(&text, &source, env),
        Err((pos, message)) => {
            let mut report = report::Report::new(&source);
            report.error(pos, tree::Path::default(), message);
            Err(report.failed())
        }
    }
}

fn read(path: &Path) -> Result<String, (tree::Pos, String)> {
    let failed = |e: std::io::Error| (tree::Pos::File, format!("cannot be read: {}", expand::reason(&e)));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    // One byte more than is allowed, so that `tree::parse` sees the excess and says so.
    file.take(tree::MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        (end_of(&String::from_utf8_lossy(valid)), "not UTF-8 text from here on; save the file as UTF-8".to_owned())
    })
}

/// The place behind `text`.
fn end_of(text: &str) -> tree::Pos {
    let last = text.rsplit('\n').next().unwrap_or_default();
    tree::Pos::At { line: text.matches('\n').count() + 1, column: last.chars().count() + 1 }
}

/// Reads a file's text; `source` is what errors call it.
pub fn parse(text: &str, source: &str, env: &Env) -> Result<Loaded, Errors> {
    let mut report = report::Report::new(source);
    let config = config(text, env, &mut report);
    match (config, report.finish()) {
        (Some((config, document)), Ok(mut warnings)) => {
            warnings.extend(overrides::warn_of_slips(&schema(), text, env, source));
            Ok(Loaded { config, document, warnings })
        }
        (_, Err(errors)) => Err(errors),
        (None, Ok(_)) => Err(Errors::unexplained(source)),
    }
}

/// `None` only after an error has been reported.
fn config(text: &str, env: &Env, report: &mut report::Report) -> Option<(Config, Document)> {
    let schema = schema();
    let (mut root, mut failed) = tree::parse(text, report)?;
    failed.extend(expand::expand(&mut root, env, report));
    failed.extend(overrides::apply(&mut root, &schema, env, report));
    let mut value = json::convert(&root, &schema, &failed);
    if !validate::validate(&mut value, &root, &schema, &failed, report) {
        return None;
    }
    let document = Document(value.clone());
    // The schema is made from these structs, so what passed it can be read; serde's own words could show a secret.
    let Ok(file) = serde_json::from_value::<raw::File>(value) else {
        report.error_in(&root, "", "passes the schema, yet cannot be read: please report this with the file's keys");
        return None;
    };
    check::check(&file, &root, &schema, env, report);
    if report.has_errors() {
        return None;
    }
    let egress = egress::resolve(&file, env, report);
    Some((resolve::resolve(file, &root, egress, report)?, document))
}

/// A commented file that shows every section; it loads as it is.
pub fn example() -> &'static str {
    include_str!("config/example.yaml")
}
