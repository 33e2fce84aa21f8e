//! What of the chart speaks TLS, and that plain text is somebody's decision.

use super::{Rendered, chart, example, render, single, the_configuration_is_vigies_own};
use serde_json::{Value, json};

/// Laid over the smallest gateway, in which nothing is decided about plain text.
fn undecided(changes: Value) -> Value {
    let mut values = single(json!({"gateway": {"replicas": 1}}));
    for (key, change) in changes.as_object().expect("an object") {
        values[key] = change.clone();
    }
    values
}

async fn rendered(name: &str, values: Value) -> Rendered {
    render(&chart(), &[(name, values, "1.34")]).await.remove(0).good(name)
}

fn config(rendered: &Rendered) -> Value {
    let map = rendered.documents("ConfigMap").into_iter().find(|map| map["data"]["vigie.yaml"].is_string());
    let text = map.expect("the configuration")["data"]["vigie.yaml"].as_str().expect("a text");
    serde_saphyr::from_str(text).expect("YAML")
}

/// `appProtocol` of the gateway's Service, by port.
fn spoken(rendered: &Rendered) -> Vec<(String, String)> {
    let ports = rendered.only("Service")["spec"]["ports"].as_array().expect("ports");
    let word = |value: &Value| value.as_str().unwrap_or("nothing").to_owned();
    ports.iter().map(|port| (word(&port["name"]), word(&port["appProtocol"]))).collect()
}

fn vigie(rendered: &Rendered) -> &Value {
    &rendered.only("Deployment")["spec"]["template"]["spec"]["containers"][0]
}

fn asks(container: &Value, scheme: &Value) {
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert!(container[probe]["httpGet"].is_object(), "{probe}");
        assert_eq!(container[probe]["httpGet"]["scheme"], *scheme, "{probe}");
    }
}

#[tokio::test]
async fn a_gateway_shows_the_certificate_of_a_secret() {
    let rendered = example("gateway-tls", "1.34").await;
    let files = json!({"certificate_file": "/etc/vigie/tls/tls.crt", "key_file": "/etc/vigie/tls/tls.key"});
    let config = config(&rendered);
    assert_eq!((&config["proxy"]["tls"], &config["admin"]["tls"]), (&files, &files));
    for section in ["proxy", "admin"] {
        assert_eq!(config[section]["allow_plaintext"], Value::Null, "{section}");
    }
    let both = [("proxy", "https"), ("admin", "https")].map(|(port, word)| (port.to_owned(), word.to_owned()));
    assert_eq!(spoken(&rendered), both);

    let pod = &rendered.only("Deployment")["spec"]["template"]["spec"];
    asks(&pod["containers"][0], &json!("HTTPS"));
    let mounts = pod["containers"][0]["volumeMounts"].as_array().expect("mounts");
    let volumes = pod["volumes"].as_array().expect("volumes");
    assert!(mounts.contains(&json!({"name": "vigie-tls", "mountPath": "/etc/vigie/tls", "readOnly": true})));
    assert!(volumes.contains(&json!({"name": "vigie-tls", "secret": {"secretName": "crm-vigie-tls"}})));
    assert!(
        mounts.contains(&json!({"name": "corporate-ca", "mountPath": "/etc/vigie/corporate-ca", "readOnly": true}))
    );
    assert!(volumes.contains(&json!({"name": "corporate-ca", "configMap": {"name": "corporate-ca"}})));

    let endpoint = &rendered.only("ServiceMonitor")["spec"]["endpoints"][0];
    assert_eq!(endpoint["scheme"], "https");
    let authority = json!({"secret": {"name": "crm-vigie-tls", "key": "ca.crt"}});
    assert_eq!(endpoint["tlsConfig"], json!({"serverName": "crm-vigie.crm.svc", "ca": authority}));
    let test = &rendered.only("Pod")["spec"]["containers"][0]["args"];
    let asked = json!([
        "healthcheck",
        "--ready",
        "--admin",
        "https://crm-vigie.crm.svc:9464",
        "--admin-ca",
        "/etc/vigie/tls/ca.crt"
    ]);
    assert_eq!(*test, asked);
    assert!(rendered.notes().contains("https://crm-vigie.crm.svc:8080"), "{}", rendered.notes());
    assert!(!rendered.notes().contains("lain text"), "{}", rendered.notes());
}

#[tokio::test]
async fn plain_text_is_somebodys_decision() {
    let refused = render(&chart(), &[("plain", undecided(json!({})), "1.34")]).await.remove(0);
    for word in ["gateway.allowPlaintext: true", "tls.secretName", "kubernetes.io/tls"] {
        assert!(refused.error().contains(word), "{}", refused.error());
    }
    let ways = [
        ("value", json!({"gateway": {"replicas": 1, "allowPlaintext": true}})),
        (
            "key",
            json!({"config": {"upstreams": {"crm": {"vendor": "generic", "url": "https://crm.example"}}, "proxy": {"allow_plaintext": true}}}),
        ),
    ];
    for (name, way) in ways {
        let secrets = json!({"existingSecret": "vigie", "tokensKey": "tokens"});
        let mut values = undecided(way);
        values["secrets"] = secrets;
        let rendered = rendered(name, values).await;
        assert_eq!(config(&rendered)["proxy"]["allow_plaintext"], true, "{name}");
        assert!(spoken(&rendered).iter().all(|(_, word)| word == "http"), "{name}: {:?}", spoken(&rendered));
        asks(vigie(&rendered), &Value::Null);
        let notes = rendered.notes();
        assert!(notes.contains("callers' keys cross the network in plain text"), "{notes}");
        assert!(notes.contains("tokens of the read side cross the network in plain text"), "{notes}");
    }
}

/// Certificates that the configuration names itself, from volumes of the user's own.
#[tokio::test]
async fn the_configurations_own_certificates_are_noticed() {
    let files = json!({"certificate_file": "/etc/vigie/tls/tls.crt", "key_file": "/etc/vigie/tls/tls.key"});
    let upstreams = json!({"crm": {"vendor": "generic", "url": "https://crm.example"}});
    let listeners = json!([{"address": "0.0.0.0:8080", "tls": files}, {"address": "127.0.0.1:8081"}]);
    let values = undecided(json!({
        "config": {"upstreams": upstreams, "proxy": {"listeners": listeners}, "admin": {"tls": files}},
        "secrets": {"existingSecret": "vigie", "tokensKey": "tokens"},
        "extraVolumes": [{"name": "mine", "secret": {"secretName": "mine"}}],
        "extraVolumeMounts": [{"name": "mine", "mountPath": "/etc/vigie/tls", "readOnly": true}],
        "monitoring": {"enabled": true, "tokenSecret": {"name": "viewer"}, "tlsConfig": {"insecureSkipVerify": true}},
    }));
    let rendered = rendered("own", values).await;
    the_configuration_is_vigies_own(&rendered, "own");
    assert!(spoken(&rendered).iter().all(|(_, word)| word == "https"), "{:?}", spoken(&rendered));
    asks(vigie(&rendered), &json!("HTTPS"));
    assert_eq!(config(&rendered)["admin"]["allow_plaintext"], Value::Null);
    let endpoint = &rendered.only("ServiceMonitor")["spec"]["endpoints"][0];
    assert_eq!(endpoint["scheme"], "https");
    assert_eq!(endpoint["tlsConfig"], json!({"serverName": "crm-vigie.crm.svc", "insecureSkipVerify": true}));
    assert!(rendered.documents("Pod").is_empty(), "`helm test` knows no authority to verify it by");
}

#[tokio::test]
async fn certificates_that_cannot_work_are_refused() {
    let upstreams = json!({"crm": {"vendor": "generic", "url": "https://crm.example"}});
    let tls = json!({"certificate_file": "/c", "key_file": "/k", "client_ca_file": "/ca"});
    let tokens = json!({"existingSecret": "vigie", "tokensKey": "tokens"});
    let admin = |tls: &Value| json!({"upstreams": upstreams, "admin": {"tls": tls}});
    let cases = [
        ("both", single(json!({"tls": {"secretName": "t"}})), "gateway.allowPlaintext: has no effect"),
        ("nothing", single(json!({"tls": {"admin": true}})), "tls.secretName: missing"),
        ("authority", single(json!({"tls": {"caKey": "ca.crt"}})), "tls.secretName: missing"),
        (
            "loopback",
            single(json!({"config": admin(&json!({"certificate_file": "/c", "key_file": "/k"}))})),
            "on loopback only",
        ),
        (
            "kubelet",
            single(json!({"config": admin(&tls), "secrets": tokens})),
            "config.admin.tls.client_auth: must be optional",
        ),
        ("typo", single(json!({"tls": {"secret": "t"}})), "secret"),
        ("type", single(json!({"extraVolumes": {}})), "/extraVolumes"),
    ];
    let jobs: Vec<_> = cases.iter().map(|(name, values, _)| (*name, values.clone(), "1.34")).collect();
    for ((name, _, expected), rendered) in cases.iter().zip(render(&chart(), &jobs).await) {
        assert!(rendered.error().contains(expected), "{name}: {}", rendered.error());
    }
}
