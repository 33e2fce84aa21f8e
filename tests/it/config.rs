//! Reading the configuration: a corpus of bad files with their exact messages, and what good ones become.

mod credentials;

use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vigie::config::{self, Config, Env, KeySource, Loaded};
use vigie::recorder::Capture;
use vigie::upstream::HttpVersion;
use vigie::vendors::Profile;

/// A value that stands for a secret; no message may hold it.
const SECRET: &str = "s3cret-value-of-a-variable";
/// A file that needs nothing else.
const SMALL: &str = "upstreams: {crm: {vendor: freshsales, url: https://acme.example/base/}}\n";

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/config/bad")
}

fn env_for(name: &str) -> Env {
    let mut pairs = vec![("TOKEN", SECRET), ("VIGIE_LOG_STDOUT", "")];
    if name.starts_with("override") {
        pairs.extend([("VIGIE_HISTORY_DAYS", SECRET), ("VIGIE_ADMIN_ADDRESS", "0.0.0.0:1")]);
        pairs.push(("VIGIE_MASKING_KEY", "file:s3cret/does/not/exist"));
    }
    pairs.into_iter().collect()
}

fn load(text: &str, env: &[(&str, &str)]) -> Loaded {
    let env = env.iter().copied().collect();
    config::parse(text, "vigie.yaml", &env).unwrap_or_else(|errors| panic!("{errors}"))
}

fn small(rest: &str) -> Config {
    load(&format!("{SMALL}{rest}"), &[]).config
}

fn warnings(loaded: &Loaded) -> Vec<String> {
    loaded.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn every_bad_file_gets_its_exact_messages() {
    let mut seen = 0;
    for entry in std::fs::read_dir(corpus()).expect("corpus") {
        let path = entry.expect("entry").path();
        if path.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        let name = path.file_stem().expect("stem").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("readable");
        let wanted = std::fs::read_to_string(path.with_extension("txt")).expect("each bad file has its messages");
        let wanted = wanted.replace("{vendors}", &Profile::builtin_names().join(", "));
        let errors = config::parse(&text, "vigie.yaml", &env_for(&name)).expect_err(&name).to_string();
        assert_eq!(errors.trim_end(), wanted.trim_end(), "\n--- {name} now says:\n{errors}");
        assert!(!errors.contains("s3cret") && !errors.contains("hunter2"), "{name} shows a secret: {errors}");
        seen += 1;
    }
    assert!(seen >= 30, "{seen} files");
}

#[test]
fn the_example_loads_and_is_the_defaults() {
    let Loaded { config, warnings, .. } = load(config::example(), &[]);
    assert_eq!(warnings, []);
    let mut defaults = small("");
    assert_eq!(config.upstreams[0].timeouts, defaults.upstreams[0].timeouts);
    defaults.upstreams.clone_from(&config.upstreams);
    defaults.proxy.integrations.clone_from(&config.proxy.integrations);
    assert_eq!(format!("{config:?}"), format!("{defaults:?}"));
}

#[test]
fn defaults_are_safe_and_usable() {
    let config = small("");
    assert_eq!(config.proxy.listeners.len(), 1);
    assert_eq!(config.proxy.listeners[0].address.to_string(), "127.0.0.1:8080");
    assert_eq!(config.admin.address.to_string(), "127.0.0.1:9464");
    assert!((1..=4).contains(&config.proxy.workers));
    assert_eq!(config.proxy.trace_ratio, 0.0, "nothing is sampled for no collector");
    assert_eq!(config.history.dir, Path::new("./vigie-data/history"));
    assert_eq!((config.history.days, config.history.max_bytes), (30, 5 << 30));
    assert!(matches!(config.masking.key, KeySource::File(path) if path == Path::new("./vigie-data/masking.key")));
    let upstream = &config.upstreams[0];
    assert_eq!((upstream.tls, upstream.host.as_str(), upstream.port), (true, "acme.example", 443));
    assert_eq!((upstream.base_path.as_str(), upstream.http), ("/base", HttpVersion::Auto));
    assert_eq!(upstream.path_prefix, None);
}

#[test]
fn values_are_read_with_their_units() {
    let config = small(
        "proxy: {workers: 3, drain: 500ms, capture: {request: 1KB, response: 0}}\n\
         recorder: {queue: 16, queue_bytes: 2MiB, capture: all}\n\
         log: {stdout: false, file: {path: x.log}}\n\
         traces: {endpoint: 'http://[::1]:4317', ratio: 1, keep_slower_than: 1m}\n",
    );
    assert_eq!((config.proxy.workers, config.proxy.drain), (3, Duration::from_millis(500)));
    assert_eq!((config.proxy.capture_request_bytes, config.proxy.capture_response_bytes), (1000, 0));
    assert_eq!((config.recorder.queue_bytes, config.recorder.capture), (2 << 20, Capture::All));
    let file = config.telemetry.log.file.expect("given");
    assert_eq!((file.max_bytes, file.keep, file.max_days), (100 << 20, 10, 30));
    assert_eq!(config.telemetry.traces.endpoint.as_deref(), Some("http://[::1]:4317"));
    assert_eq!(config.proxy.trace_ratio, 1.0);
}

#[test]
fn callers_and_listeners_keep_the_order_of_the_file() {
    let config = small(
        "proxy: {listeners: [{address: 127.0.0.1:0, integration: web}, {address: 127.0.0.1:0, upstream: crm}]}\n\
         integrations:\n  web: {}\n  erp: {system: ERP, fingerprints: [0000000000000010], header: {name: X-I, value: erp}}\n",
    );
    let names: Vec<_> = config.proxy.integrations.iter().map(|i| (&*i.name, &*i.system)).collect();
    assert_eq!(names, [("web", "web"), ("erp", "ERP")]);
    assert_eq!(config.proxy.integrations[1].fingerprints, [16], "digits without quotes stay text");
    assert_eq!(config.proxy.listeners[0].integration.as_deref(), Some("web"));
    assert_eq!(config.proxy.listeners[1].upstream.as_deref(), Some("crm"));
}

#[test]
fn variables_are_typed_by_what_is_asked_for() {
    let text = format!(
        "{SMALL}history:\n  days: '${{DAYS}}'\n  enabled: ${{ON:-false}}\n\
         proxy: {{address: '127.0.0.1:${{PORT}}'}}\n\
         integrations: {{erp: {{tokens: ['${{DIGITS}}'], system: 'x: [y] # $${{z}}'}}}}\n\
         traces: {{service_name: '${{YAML}}'}}\n"
    );
    let env = [("DAYS", "7"), ("PORT", "81"), ("DIGITS", "00123456789012345678"), ("YAML", "a\nadmin: {x: y}")];
    let config = load(&text, &env).config;
    assert_eq!((config.history.days, config.history.enabled), (7, false));
    assert_eq!(config.proxy.listeners[0].address.port(), 81);
    let erp = &config.proxy.integrations[0];
    assert_eq!(erp.token_hashes, [*blake3::hash(b"00123456789012345678").as_bytes()]);
    assert_eq!(&*erp.system, "x: [y] # ${z}");
    assert_eq!(config.telemetry.traces.service_name, "a\nadmin: {x: y}", "a value adds no structure");
}

#[test]
fn secrets_come_from_files_without_their_last_line_break() {
    let dir = tempfile::tempdir().expect("temp dir");
    let key = "k".repeat(32);
    std::fs::write(dir.path().join("key"), format!("{key}\n")).expect("written");
    std::fs::write(dir.path().join("credential"), "Token token=abc\r\n").expect("written");
    let text = format!(
        "{SMALL}masking: {{key: 'file:${{SECRETS}}/key', key_version: 2}}\n\
         integrations: {{erp: {{credentials: ['file:{}/credential']}}}}\n",
        dir.path().display()
    );
    let loaded = load(&text, &[("SECRETS", &dir.path().display().to_string())]);
    assert_eq!(warnings(&loaded), [""; 0], "a secret from a file is no secret in the file");
    assert!(matches!(&loaded.config.masking.key, KeySource::Given(given) if given.expose() == key));
    assert_eq!(loaded.config.proxy.integrations[0].credentials[0].expose(), "Token token=abc");
    assert!(!format!("{:?}", loaded.config).contains("token=abc"));
}

#[test]
fn the_environment_overrides_the_file() {
    let env = [
        ("VIGIE_DATA_DIR", "/srv/${HOME}"),
        ("VIGIE_PROXY_ADDRESS", "127.0.0.1:1"),
        ("VIGIE_ADMIN_ADDRESS", "127.0.0.1:2"),
        ("VIGIE_LOG_FILE_PATH", "x.log"),
        ("VIGIE_HISTORY_DAYS", "9"),
        ("VIGIE_TRACES_RATIO", ""),
        ("VIGIE_HISTORY_DAY", "8"),
        ("VIGIE_SERVICE_HOST", "10.0.0.1"),
    ];
    let loaded = load(&format!("{SMALL}history: {{days: 3}}\nlog:\n"), &env);
    let config = &loaded.config;
    assert_eq!(config.data_dir, Path::new("/srv/${HOME}"), "not expanded again");
    assert_eq!(config.proxy.listeners[0].address.port(), 1);
    assert_eq!(config.admin.address.port(), 2);
    assert_eq!(config.history.days, 9);
    assert_eq!(config.telemetry.traces.ratio, 0.1, "an empty variable is an unset one");
    assert_eq!(config.telemetry.log.file.as_ref().map(|f| f.path.as_path()), Some(Path::new("x.log")));
    assert_eq!(warnings(&loaded), ["VIGIE_HISTORY_DAY: not read; did you mean VIGIE_HISTORY_DAYS?"]);
}

#[test]
fn what_is_allowed_but_doubtful_is_a_warning() {
    let text = "upstreams: {crm: {vendor: freshsales, url: http://crm.internal, allow_plaintext: true}}\n\
                proxy: {address: 0.0.0.0:8080, allow_plaintext: true}\n\
                log: {stdout: false}\n\
                history: {enabled: false}\n\
                integrations: {erp: {}}\n\
                admin: {address: 0.0.0.0:9464, allow_plaintext: true, tokens: {me: {role: admin, token: written-in-the-file}}}\n";
    assert_eq!(
        warnings(&load(text, &[])),
        [
            "vigie.yaml:1:82: upstreams.crm.allow_plaintext: credentials reach it in plain text",
            "vigie.yaml:2:49: proxy.allow_plaintext: tokens reach 0.0.0.0:8080 in plain text; let something in front of it end TLS",
            "vigie.yaml:3:1: log: no exchange is kept anywhere: stdout, file and history are all off",
            "vigie.yaml:5:16: integrations.erp: nothing recognises it; give it tokens, credentials, a path_prefix, a header or a listener",
            "vigie.yaml:6:49: admin.allow_plaintext: tokens reach 0.0.0.0:9464 in plain text; let something in front of it end TLS",
            "vigie.yaml:6:89: admin.tokens.me.token: a secret is written in the file; use ${NAME} or file:/path",
        ]
    );
}

#[test]
fn what_callers_call_a_listener_is_kept_as_they_write_it() {
    let public =
        |url: &str| small(&format!("proxy: {{public_url: \"{url}\"}}\n")).proxy.listeners[0].public_url.clone();
    for (url, origin, path) in [
        ("HTTPS://Gateway.example:443/vigie/", "https://gateway.example", "/vigie"),
        ("http://[::1]:8443", "http://[::1]:8443", ""),
        ("http://gateway.example:80", "http://gateway.example", ""),
    ] {
        let public = public(url).expect("one is given");
        assert_eq!((public.origin.as_str(), public.path.as_str()), (origin, path), "{url}");
    }
    assert_eq!(small("").proxy.listeners[0].public_url, None);
}

#[test]
fn a_file_is_read_with_its_own_name_in_errors() {
    let dir = tempfile::tempdir().expect("temp dir");
    let path = dir.path().join("v.yaml");
    let error = |path: &Path| config::load(path, &Env::default()).expect_err("bad").to_string();
    assert_eq!(error(&path), format!("{}: cannot be read: it does not exist", path.display()));
    std::fs::write(&path, b"log:\n  # \xc3\xa9t\xe9").expect("written");
    let wanted = "2:7: not UTF-8 text from here on; save the file as UTF-8";
    assert_eq!(error(&path), format!("{}:{wanted}", path.display()));
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).expect("written");
    assert_eq!(error(&path), format!("{}: larger than 1024 KiB, the most that is read", path.display()));
    std::fs::write(&path, format!("\u{feff}{}", SMALL.replace('\n', "\r\n"))).expect("written");
    assert!(config::load(&path, &Env::default()).is_ok(), "a byte order mark and CRLF are fine");
}

/// Every key below `node`, as the reference writes it.
fn described(node: &serde_json::Value, path: &str, keys: &mut Vec<String>) {
    for (suffix, child) in [("", Some(node)), ("[]", node.get("items")), (".<name>", node.get("additionalProperties"))]
    {
        for (key, value) in child.and_then(|c| c["properties"].as_object()).into_iter().flatten() {
            let here = format!("{path}{suffix}.{key}").trim_start_matches('.').to_owned();
            assert!(value["description"].as_str().is_some_and(|d| d.len() > 3), "{here} has no description");
            described(value, &here, keys);
            keys.push(here);
        }
    }
}

#[test]
fn the_schema_is_valid_and_describes_every_key() {
    let schema = config::schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(jsonschema::meta::is_valid(&schema));
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["history"]["properties"]["days"]["default"], 30);
    assert_eq!(schema["properties"]["proxy"]["properties"]["capture"]["properties"]["request"]["default"], "64KiB");
    assert!(!schema.to_string().contains("\"null\""), "an absent key is absent, not null");
    let (mut keys, reference) = (Vec::new(), config::reference());
    described(&schema, "", &mut keys);
    assert!(keys.len() > 70, "{}", keys.len());
    for key in keys {
        assert!(reference.contains(&format!("\n| `{key}` | ")), "{key} is not in the reference");
    }
}

proptest! {
    /// Whatever a slip of the hand makes of a file: no panic, and no secret in a message.
    #[test]
    fn damaged_files_are_refused_calmly(at in 0usize..4000, cut in 0usize..40, put in "[\\[\\]{}:#&*!|>'\"%@,$ \n\ta-z0-9\u{e9}]{0,6}") {
        let text = config::example().replace("# tokens", "tokens").replace("# key", "key").replace("# headers", "headers");
        let mut chars: Vec<char> = text.chars().collect();
        let at = at.min(chars.len());
        let end = (at + cut).min(chars.len());
        chars.splice(at..end, put.chars());
        let names = ["ERP_TOKEN", "VIGIE_MASKING_KEY", "OTLP_AUTHORIZATION", "VIGIE_ADMIN_TOKEN"];
        let env: Env = names.into_iter().map(|name| (name, "s3cret ".repeat(6))).collect();
        if let Err(errors) = config::parse(&chars.into_iter().collect::<String>(), "vigie.yaml", &env) {
            prop_assert!(errors.iter().count() > 0);
            prop_assert!(!errors.to_string().contains("s3cret"), "{}", errors);
        }
    }
}
