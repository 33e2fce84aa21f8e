use super::*;
use crate::config;

const SMALL: &str = "upstreams: {crm: {vendor: generic, url: https://crm.example}, \
    erp: {vendor: generic, url: http://erp.corp.example, path_prefix: /erp, allow_plaintext: true}}\n";

fn load(rest: &str, env: &[(&str, &str)]) -> config::Loaded {
    let env = env.iter().copied().collect();
    config::parse(&format!("{SMALL}{rest}"), "vigie.yaml", &env).unwrap_or_else(|errors| panic!("{errors}"))
}

fn told(rest: &str, env: &[(&str, &str)]) -> Vec<String> {
    ways(&load(rest, env).config)
}

#[test]
fn without_a_proxy_nothing_is_told() {
    assert_eq!(told("", &[("NO_PROXY", "x"), ("HTTPS_PROXY", "")]), [""; 0]);
}

#[test]
fn the_environment_counts_where_the_file_names_none() {
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let told = told("", &[(name, "proxy:3128")]);
        assert_eq!(told[0], format!("upstream crm: through http://proxy:3128 ({name})"));
    }
    let both = [("https_proxy", "http://a:1"), ("HTTPS_PROXY", "http://b:2"), ("ALL_PROXY", "http://c:3/")];
    assert_eq!(
        told("traces: {endpoint: 'http://127.0.0.1:4317'}", &both),
        [
            "upstream crm: through http://a:1 (https_proxy, ALL_PROXY)",
            "upstream erp: through http://c:3 (https_proxy, ALL_PROXY)",
            "collector: directly (on this machine)",
        ]
    );
    assert_eq!(told("network: {proxy: {environment: false}}", &both), [""; 0]);
    let file = "network: {proxy: {https: 'https://p.corp.example', no_proxy: [corp.example]}}";
    assert_eq!(
        told(file, &both),
        [
            "upstream crm: through https://p.corp.example:443 (network.proxy)",
            "upstream erp: directly (network.proxy names no proxy for http)",
        ]
    );
}

#[test]
fn a_request_cannot_name_the_proxy() {
    let env = [("HTTP_PROXY", "http://a:1"), ("REQUEST_METHOD", "GET")];
    assert_eq!(told("", &env), [""; 0]);
    assert_eq!(told("", &env[..1])[1], "upstream erp: through http://a:1 (HTTP_PROXY)");
    assert_eq!(told("", &[("http_proxy", "http://a:1"), env[1]])[1], "upstream erp: through http://a:1 (http_proxy)");
}

#[test]
fn exceptions_of_both_count() {
    let env = [("ALL_PROXY", "http://a:1"), ("NO_PROXY", "localhost, .corp.example 10.0.0.0/8,%bad")];
    let loaded = load("network: {proxy: {no_proxy: [crm.example]}}", &env);
    assert_eq!(
        ways(&loaded.config),
        ["upstream crm: directly (no_proxy: crm.example)", "upstream erp: directly (no_proxy: .corp.example)"]
    );
    let warned: Vec<_> = loaded.warnings.iter().map(ToString::to_string).filter(|w| w.contains("PROXY")).collect();
    assert_eq!(warned, ["NO_PROXY: holds an entry that is not understood, which is passed over"]);
}

#[test]
fn credentials_are_decoded_and_not_shown() {
    let env = [("HTTPS_PROXY", "http://us%40er:p%3Ass@proxy:3128/")];
    let config = load("", &env).config;
    let proxy = config.upstreams[0].egress.clone().expect("a proxy");
    assert!(proxy.authorization.as_ref().is_some_and(|a| a.matches(net::basic("us@er", "p:ss").expose().as_bytes())));
    assert!(!format!("{config:?}").contains("p:ss") && !ways(&config).concat().contains("p%3Ass"));
    let file = "network: {proxy: {https: 'http://p:1', username: u, password: '${PW}'}}";
    let proxy = load(file, &[("PW", "secret")]).config.upstreams[0].egress.clone().expect("a proxy");
    assert!(proxy.authorization.as_ref().is_some_and(|a| a.matches(net::basic("u", "secret").expose().as_bytes())));
}

#[test]
fn mistakes_in_the_environment_are_told_without_the_value() {
    for (value, wrong) in [
        ("socks5://s3cret@p:1", "is a SOCKS proxy"),
        ("ftp://s3cret@p", "is neither http nor https"),
        ("http://s3cret@", "has no valid host and port"),
        ("http://s3cret@p:0", "has no valid host and port"),
        ("http://s3cret%FF@p:1", "has credentials that are not UTF-8"),
    ] {
        let env = [("HTTPS_PROXY", value)].into_iter().collect();
        let errors = config::parse(SMALL, "vigie.yaml", &env).expect_err(value).to_string();
        assert!(errors.starts_with(&format!("HTTPS_PROXY: its value {wrong}")), "{errors}");
        assert!(!errors.contains("s3cret"), "{errors}");
    }
}
