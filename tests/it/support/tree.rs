//! The files of the package, as a contributor writes them: nothing generated, nothing fetched.

use std::path::{Path, PathBuf};

/// Folders at the top that hold what people write; `target`, `.git` and a user's own data are not among them.
const FOLDERS: [&str; 8] = ["src", "tests", "alerts", "dashboards", "helm", "bench", ".ci", "docs"];

/// One text file.
pub struct TextFile {
    /// Path below the package's root, with `/`.
    pub path: String,
    /// Its content.
    pub text: String,
}

impl TextFile {
    /// The path's extension, or nothing.
    pub fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|e| e.to_str()).unwrap_or("")
    }

    /// Whether it is code that only tests run.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.ends_with("/tests.rs") || self.path.ends_with("_tests.rs")
    }
}

/// The package's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file, sorted by path.
pub fn text_files() -> Vec<TextFile> {
    let mut paths: Vec<PathBuf> = top_level_files();
    for folder in FOLDERS {
        walk(&root().join(folder), &mut paths);
    }
    paths.sort();
    paths.iter().filter_map(|path| read(path)).collect()
}

/// Every Rust file below `folder`, sorted by path.
pub fn rust_files(folder: &str) -> Vec<TextFile> {
    let below = format!("{folder}/");
    text_files().into_iter().filter(|f| f.extension() == "rs" && f.path.starts_with(&below)).collect()
}

// The lock file is cargo's, the licence is Apache's: neither is ours to tidy.
fn top_level_files() -> Vec<PathBuf> {
    let names = [
        "Cargo.toml",
        "clippy.toml",
        "rustfmt.toml",
        "build.rs",
        "Makefile",
        "Dockerfile",
        ".dockerignore",
        "README.md",
        "CHANGELOG.md",
        ".gitignore",
    ];
    names.iter().map(|name| root().join(name)).filter(|path| path.is_file()).collect()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("").to_owned();
        if path.is_dir() && name != "__pycache__" && name != "node_modules" && name != "target" {
            walk(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

// Binary files (an image in a page) have no text to check.
fn read(path: &Path) -> Option<TextFile> {
    let text = String::from_utf8(std::fs::read(path).expect("a readable file")).ok()?;
    let below = path.strip_prefix(root()).expect("a path below the root");
    Some(TextFile { path: below.to_str().expect("a UTF-8 path").to_owned(), text })
}
