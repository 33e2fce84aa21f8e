//! Tells the program which commit it was built from, as `VIGIE_COMMIT`: what the environment says (an image is built
//! without a repository), else what git says for a release build, else `unknown`. A debug build does not ask git: it
//! would be made anew with every commit.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=VIGIE_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let commit = told("VIGIE_COMMIT").or_else(|| (told("PROFILE")? == "release").then(of_git)?);
    println!("cargo::rustc-env=VIGIE_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

fn told(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "how cargo and an image's build tell a build script anything")]
    let value = std::env::var(name).ok();
    // It becomes a label: a word, or nothing.
    value.filter(|value| !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)))
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
