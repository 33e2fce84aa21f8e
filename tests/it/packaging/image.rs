//! The image. No container engine is needed: hadolint reads the Dockerfile, and the program runs in a root of what the
//! runtime image holds, as its user, with its command and its health check. What that cannot show is whether the base
//! images can be had, and that two builds are the same.

use crate::support::agent::vigie;
use crate::support::peers::program;
use crate::support::{Origin, Process, TestAgent, client, free_port, tree};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Shared objects of Debian's libc6, libgcc-s1 and libstdc++6, which `distroless/cc` holds.
const IN_THE_IMAGE: [&str; 6] =
    ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1"];

fn dockerfile() -> String {
    let text = std::fs::read_to_string(tree::root().join("Dockerfile")).expect("the Dockerfile");
    text.replace("\\\n", " ")
}

/// What stands behind the last instruction of this name, e.g. `USER`.
fn last(instruction: &str) -> String {
    let text = dockerfile();
    let found = text.lines().filter_map(|line| line.strip_prefix(instruction)?.strip_prefix(' ')).next_back();
    found.unwrap_or_else(|| panic!("no {instruction}")).trim().to_owned()
}

fn words(json: &str) -> Vec<String> {
    serde_json::from_str(json).expect("a list of words")
}

#[test]
fn hadolint_finds_nothing() {
    let output =
        Command::new(program("VIGIE_TEST_HADOLINT")).arg(tree::root().join("Dockerfile")).output().expect("hadolint");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_build_is_locked_and_its_parts_are_sent_to_it() {
    let text = dockerfile();
    let builds = text.matches("cargo build").count();
    assert!(builds > 0 && text.matches("cargo build --release --locked").count() == builds, "{text}");
    assert!(text.contains("SOURCE_DATE_EPOCH") && text.contains("--remap-path-prefix"), "{text}");
    let ignored = std::fs::read_to_string(tree::root().join(".dockerignore")).expect(".dockerignore");
    let copied = text.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from"));
    for file in copied.flat_map(|line| line.split_whitespace().skip(1).filter(|word| !word.starts_with("./"))) {
        assert!(ignored.contains(&format!("!{file}\n")), "{file} is copied and not sent");
    }
    // Targets that the manifest names must be there, or cargo refuses it.
    let manifest = std::fs::read_to_string(tree::root().join("Cargo.toml")).expect("the manifest");
    for path in manifest.lines().filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"')) {
        assert!(text.contains(path), "{path} has no stand-in in the dependencies' layer");
    }
}

/// The shared objects the program needs: name and place.
fn libraries(binary: &Path) -> Vec<(String, PathBuf)> {
    let output = Command::new("ldd").arg(binary).output().expect("ldd");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let entry = |line: &str| {
        let place = line.split_whitespace().find(|word| word.starts_with('/'))?;
        Some((Path::new(place).file_name()?.to_string_lossy().into_owned(), PathBuf::from(place)))
    };
    text.lines().filter_map(entry).collect()
}

/// A root with the program and its libraries, and nothing else that it could lean on.
fn root_of_the_image(dir: &Path) {
    let binary = PathBuf::from(vigie(&["--version"]).get_program());
    std::fs::copy(&binary, dir.join("vigie")).expect("the program");
    for (name, place) in libraries(&binary) {
        assert!(IN_THE_IMAGE.contains(&name.as_str()) || name.starts_with("ld-linux"), "{name} is not in the image");
        let inside = dir.join(place.strip_prefix("/").expect("absolute"));
        std::fs::create_dir_all(inside.parent().expect("a folder")).expect("made");
        std::fs::copy(&place, &inside).expect("a library");
    }
    for folder in ["etc/vigie/config", "var/lib/vigie"] {
        std::fs::create_dir_all(dir.join(folder)).expect("made");
    }
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).expect("set");
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}

/// A command in that root, as the image's user: changed to by root, else in a user namespace that calls us by that number.
fn inside(root: &Path, words: &[String]) -> Command {
    let user = last("USER");
    let mut command;
    if is_root() {
        command = Command::new("chroot");
        command.arg(format!("--userspec={user}")).arg(root);
    } else {
        let (user, group) = user.split_once(':').expect("a user and a group");
        command = Command::new("unshare");
        command.args(["--user".into(), format!("--map-user={user}"), format!("--map-group={group}")]);
        command.arg("--root").arg(root).arg("--");
    }
    command.args(words);
    command.env_remove("RUST_BACKTRACE");
    for pair in last("ENV").split_whitespace() {
        let (name, value) = pair.split_once('=').expect("a pair");
        command.env(name, value);
    }
    command
}

#[tokio::test]
async fn the_program_runs_as_the_image_runs_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let (root, home) = (dir.path().join("root"), dir.path().join("home"));
    [&root, &home].iter().for_each(|folder| std::fs::create_dir(folder).expect("made"));
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("set");
    root_of_the_image(&root);
    assert_eq!(last("USER"), "65532:65532");
    if is_root() {
        std::os::unix::fs::chown(root.join("var/lib/vigie"), Some(65_532), Some(65_532)).expect("root's right");
    }

    let origin = Origin::json(200, "[]").await;
    let (proxy, admin) = (free_port(), free_port());
    let config = json!({
        "proxy": {"address": format!("127.0.0.1:{proxy}")},
        "admin": {"address": format!("127.0.0.1:{admin}")},
        "upstreams": {"crm": {"vendor": "freshsales", "url": origin.url()}},
    });
    std::fs::write(root.join("etc/vigie/config/vigie.yaml"), config.to_string()).expect("written");
    let command = [words(&last("ENTRYPOINT")), words(&last("CMD"))].concat();
    let mut running = Process::spawn(inside(&root, &command), &home.join("output"));
    for port in [admin, proxy] {
        running.listening(([127, 0, 0, 1], port).into()).await;
    }

    let answer = client().get(format!("http://127.0.0.1:{proxy}/api/deals")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let check = last("HEALTHCHECK").split_once("CMD ").map(|(_, words)| words.to_owned()).expect("a command");
    let mut health = inside(&root, &words(&check));
    let output = health.env("VIGIE_ADMIN", format!("http://127.0.0.1:{admin}")).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (file, told) = if is_root() { ("status", "Uid:\t65532\t65532") } else { ("uid_map", " 65532 ") };
    let status = std::fs::read_to_string(format!("/proc/{}/{file}", running.id())).expect("a status");
    assert!(status.contains(told), "{status}");
    assert!(root.join("var/lib/vigie/data/masking.key").exists(), "it keeps its data where the volume is");

    running.signal(last("STOPSIGNAL").trim_start_matches("SIG"));
    assert!(running.wait(crate::support::DEADLINE).await.success(), "{}", running.output());
    let output = inside(&root, &words(&check)).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1), "nobody answers any more");
}

/// The image tells which commit it is of.
#[tokio::test]
async fn the_commit_is_told() {
    let origin = Origin::json(200, "[]").await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let page = agent.admin_text("/metrics").await;
    let line = page.lines().find(|line| line.starts_with("vigie_build_info{")).expect("the metric");
    assert!(line.contains(&format!("commit=\"{}\"", env!("VIGIE_COMMIT"))), "{line}");
    assert!(dockerfile().contains("VIGIE_COMMIT=${VIGIE_COMMIT}"));
}
