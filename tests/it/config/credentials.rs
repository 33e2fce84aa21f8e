//! Keys that the agent holds: what is doubtful, and what they become.

use super::{load, warnings};
use vigie::config::Config;

fn config(text: &str) -> (Config, Vec<String>) {
    let loaded =
        load(text, &[("KEY", "the-held-key"), ("USER", "ann@example.com"), ("TOKEN", "a-token-of-sixteen-characters")]);
    let told = warnings(&loaded);
    (loaded.config, told)
}

#[test]
fn a_key_becomes_what_is_sent_and_is_never_shown() {
    let (config, told) = config(
        "upstreams:\n  crm: {vendor: freshsales, url: https://a.example, credential: {key: '${KEY}'}, access: {authenticate: always, integrations: [erp]}}\n\
         \x20 back: {vendor: generic, url: https://b.example, path_prefix: /b, credential: {key: '${KEY}', form: basic, user: '${USER}'}, access: {authenticate: always}}\n\
         integrations: {erp: {tokens: ['${TOKEN}'], upstream_credentials: {crm: {key: '${KEY}-of-erp', header: X-Key, before: 'v1 '}}}}\n",
    );
    assert_eq!(told, [""; 0]);
    let of = |written: &vigie::vendors::Written| {
        let lines = written.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")));
        lines.collect::<Vec<_>>()
    };
    let by_upstream: Vec<_> = config.upstreams.iter().map(|u| of(u.credential.as_ref().expect("one"))).collect();
    assert_eq!(by_upstream[0], ["authorization: Token token=the-held-key"]);
    assert_eq!(by_upstream[1], ["authorization: Basic YW5uQGV4YW1wbGUuY29tOnRoZS1oZWxkLWtleQ=="]);
    let (upstream, own) = &config.proxy.integrations[0].upstream_credentials[0];
    assert_eq!((&**upstream, of(own)), ("crm", vec!["x-key: v1 the-held-key-of-erp".to_owned()]));
    assert!(config.upstreams[0].access.always);
    let shown = format!("{config:?}");
    for secret in ["the-held-key", "ann@example.com", "YW5u"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn what_is_doubtful_about_a_held_key_is_told() {
    let (_, told) = config(
        "proxy: {listeners: [{address: 127.0.0.1:0}, {address: 10.0.0.1:1, allow_plaintext: true}]}\n\
         upstreams:\n  crm: {vendor: freshsales, url: 'http://10.0.0.2', allow_plaintext: true, credential: {key: secret}}\n\
         \x20 b: {vendor: generic, url: https://b.example, path_prefix: /b, access: {authenticate: always, integrations: [shop, erp]}}\n\
         integrations: {erp: {tokens: ['${TOKEN}']}, shop: {path_prefix: /shop, tokens: []}, x: {path_prefix: /x, upstream_credentials: {b: {key: '${KEY}'}}}}\n",
    );
    let told: Vec<_> = told.iter().map(|line| line.split(": ").skip(1).collect::<Vec<_>>().join(": ")).collect();
    for expected in [
        "upstreams.crm: every program on this machine can call with the key that Vigie holds; say access: {authenticate: always}, or off_loopback if that is meant",
        "upstreams.crm.allow_plaintext: credentials reach it in plain text",
        "upstreams.crm.credential.key: a secret is written in the file; use ${NAME} or file:/path",
        "upstreams.crm.credential.key: is shorter than 8 characters: too short to be looked for in answers and records",
        "upstreams.b.access.integrations[0]: integrations.shop cannot prove who it is; give it tokens, or a listener of its own",
        "integrations.x.upstream_credentials.b: integrations.x cannot prove who it is; give it tokens, or a listener of its own",
    ] {
        assert!(told.iter().any(|line| line == expected), "{expected}\n{told:#?}");
    }
}
