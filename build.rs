//! What is known before the program runs.
//!
//! - The commit it was built from, as `VIGIE_COMMIT`: what the environment says (an image is built without a repository),
//!   else what git says for a release build, else `unknown`. A debug build does not ask git: it would be made anew with
//!   every commit.
//! - The vendors' profiles (`src/vendors/*.yaml`) as JSON and without their examples: reading YAML at every start would map
//!   a megabyte of program that is not needed again.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=VIGIE_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let commit = told("VIGIE_COMMIT").or_else(|| (told("PROFILE")? == "release").then(of_git)?);
    println!("cargo::rustc-env=VIGIE_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    profiles()
}

/// Writes each profile as JSON, and the list of them in the order of their names, the generic one last.
fn profiles() -> Result<(), Box<dyn Error>> {
    let folder = Path::new("src/vendors");
    println!("cargo::rerun-if-changed={}", folder.display());
    let out = PathBuf::from(variable("OUT_DIR").ok_or("cargo gives no OUT_DIR")?);
    let mut files: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|end| end == "yaml"));
    files.sort_by_key(|file| (file.file_stem().is_some_and(|name| name == "generic"), file.clone()));
    let mut list = String::from("&[\n");
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let yaml = std::fs::read_to_string(&file)?;
        let mut profile: serde_json::Value =
            serde_saphyr::from_str(&yaml).map_err(|e| format!("{}: {e}", file.display()))?;
        if let Some(sections) = profile.as_object_mut() {
            sections.remove("examples");
        }
        let name = file.file_stem().ok_or("a profile without a name")?.display().to_string();
        let json = out.join(format!("{name}.json"));
        std::fs::write(&json, profile.to_string())?;
        writeln!(list, "    ({name:?}, include_str!({json:?})),")?;
    }
    list.push_str("]\n");
    std::fs::write(out.join("profiles.rs"), list)?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "how cargo and an image's build tell a build script anything")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn told(name: &str) -> Option<String> {
    // It becomes a label: a word, or nothing.
    let word = |value: &String| value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    variable(name).filter(|value| !value.is_empty() && word(value))
}

/// The commit's first twelve characters, with `-dirty` where files differ from it.
fn of_git() -> Option<String> {
    for watched in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", watched])?;
        if std::path::Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    for watched in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
