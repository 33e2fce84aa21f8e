//! The chart, linted and rendered by Helm's own engine, for several versions of Kubernetes, against its schemas; and every
//! configuration it renders, read by Vigie itself.

mod certificates;
mod shown;

use crate::support::agent::vigie;
use crate::support::peers::{self, script};
use crate::support::tls::Authority;
use crate::support::tree;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Versions rendered for: before native sidecars, the first with them, and the newest that the schemas know well.
const KUBERNETES: [&str; 3] = ["1.28", "1.29", "1.34"];

/// Helm's levels of a lint message (`support.InfoSev`, `WarningSev`, `ErrorSev`).
const WARNING: u64 = 2;

/// What Helm made of one set of values.
struct Rendered(Value);

impl Rendered {
    fn documents(&self, kind: &str) -> Vec<&Value> {
        self.0["documents"].as_array().expect("documents").iter().filter(|d| d["kind"] == kind).collect()
    }

    fn only(&self, kind: &str) -> &Value {
        let found = self.documents(kind);
        assert_eq!(found.len(), 1, "{kind} in {}", self.0);
        found[0]
    }

    fn good(self, name: &str) -> Self {
        assert_eq!(self.0["error"], Value::Null, "{name}");
        assert_eq!(self.0["invalid"], json!([]), "{name}");
        self
    }

    fn notes(&self) -> &str {
        self.0["notes"].as_str().expect("notes")
    }

    fn error(&self) -> &str {
        self.0["error"].as_str().expect("an error")
    }
}

/// Renders `chart` for each of the jobs: a name, values, a version of Kubernetes.
async fn render(chart: &Path, jobs: &[(&str, Value, &str)]) -> Vec<Rendered> {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("jobs.json");
    let list: Vec<Value> =
        jobs.iter().map(|(name, values, k8s)| json!({"name": name, "values": values, "kubernetes": k8s})).collect();
    std::fs::write(&file, Value::from(list).to_string()).expect("the jobs");
    let paths = [chart, &file].map(|path| path.to_str().expect("UTF-8"));
    let printed = script("VIGIE_TEST_PYTHON", "helm/render.py", &paths).await;
    // Helm notes on standard error that it follows the link to the dashboard.
    let told = peers::told(&printed);
    assert_eq!(told["lint"]["Errors"], Value::Null, "{}", told["lint"]);
    let messages = told["lint"]["Messages"].as_array().cloned().unwrap_or_default();
    assert!(messages.iter().all(|m| m["Severity"].as_u64() < Some(WARNING)), "{messages:?}");
    jobs.iter().map(|(name, ..)| Rendered(told["jobs"][name].clone())).collect()
}

fn chart() -> PathBuf {
    tree::root().join("helm/vigie")
}

/// The sets of values beside the chart, by name.
fn examples() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(chart().join("ci")).expect("examples").map(|entry| entry.expect("an example").path());
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("readable");
        let name = path.file_stem().expect("a name").to_string_lossy().trim_end_matches("-values").to_owned();
        (name, serde_saphyr::from_str::<Value>(&text).expect("YAML"))
    };
    files.map(read).collect()
}

async fn example(name: &str, kubernetes: &str) -> Rendered {
    let (_, values) = examples().into_iter().find(|(own, _)| own == name).expect("an example");
    render(&chart(), &[(name, values, kubernetes)]).await.remove(0).good(name)
}

/// Laid over the values of the smallest example.
fn single(changes: Value) -> Value {
    let mut values = json!({"config": {"upstreams": {"crm": {"vendor": "generic", "url": "https://crm.example"}}}, "gateway": {"replicas": 1, "allowPlaintext": true}});
    for (key, change) in changes.as_object().expect("an object") {
        values[key] = change.clone();
    }
    values
}

/// The smallest sidecar, and what is laid over it.
fn sidecar(changes: Value) -> Value {
    let mut values = single(changes);
    values["mode"] = "sidecar".into();
    values
}

#[tokio::test]
async fn every_example_is_valid_for_every_kubernetes() {
    let examples = examples();
    assert!(examples.len() >= 6, "{}", examples.len());
    let names: Vec<_> =
        examples.iter().flat_map(|(n, v)| KUBERNETES.map(|k8s| (format!("{n} {k8s}"), v.clone(), k8s))).collect();
    let jobs: Vec<_> = names.iter().map(|(name, values, k8s)| (name.as_str(), values.clone(), *k8s)).collect();
    for ((name, ..), rendered) in jobs.iter().zip(render(&chart(), &jobs).await) {
        let rendered = rendered.good(name);
        assert!(!rendered.documents("ConfigMap").is_empty(), "{name}");
        pods_are_confined(&rendered, name);
        volumes_can_be_written(&rendered, name);
        the_configuration_is_vigies_own(&rendered, name);
    }
}

/// No container of Vigie's that could be root, write to its root, gain rights, or keep a token of the cluster.
fn pods_are_confined(rendered: &Rendered, name: &str) {
    let workloads = ["Deployment", "StatefulSet"].into_iter().flat_map(|kind| rendered.documents(kind));
    let mut seen = 0;
    for pod in workloads.map(|workload| &workload["spec"]["template"]["spec"]) {
        assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
        let lists = ["initContainers", "containers"].into_iter().filter_map(|list| pod[list].as_array());
        for container in lists.flatten().filter(|container| container["name"] == "vigie") {
            let security = &container["securityContext"];
            assert_eq!(security["runAsNonRoot"], true, "{name}");
            assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(security["capabilities"]["drop"], json!(["ALL"]), "{name}");
            assert_ne!(container["livenessProbe"], container["readinessProbe"], "{name}");
            assert!(
                container["startupProbe"].is_object() && container["resources"]["limits"]["memory"].is_string(),
                "{name}"
            );
            seen += 1;
        }
    }
    assert_eq!(seen, 1, "{name}");
}

/// A new volume is root's. Vigie is not root: its group has to be made the volume's.
fn volumes_can_be_written(rendered: &Rendered, name: &str) {
    for workload in ["Deployment", "StatefulSet"].into_iter().flat_map(|kind| rendered.documents(kind)) {
        let pod = &workload["spec"]["template"]["spec"];
        let claimed = pod["volumes"].as_array().into_iter().flatten().any(|v| v["persistentVolumeClaim"].is_object());
        if claimed || workload["spec"]["volumeClaimTemplates"].is_array() {
            assert_group(pod, name);
        }
    }
}

fn assert_group(pod: &Value, name: &str) {
    assert_eq!(pod["securityContext"]["fsGroup"], 65_532, "{name}");
    assert_eq!(pod["securityContext"]["fsGroupChangePolicy"], "OnRootMismatch", "{name}");
}

/// `vigie check-config` takes what the chart renders, with the secrets in their place.
fn the_configuration_is_vigies_own(rendered: &Rendered, name: &str) {
    let configs = rendered.documents("ConfigMap").into_iter().filter_map(|map| map["data"]["vigie.yaml"].as_str());
    let text = configs.collect::<Vec<_>>().concat();
    assert!(!text.is_empty(), "{name}");
    let dir = tempfile::tempdir().expect("a directory");
    let secrets = dir.path().join("secrets");
    std::fs::create_dir(&secrets).expect("made");
    let hash = blake3::hash(b"a-token-for-this-test");
    std::fs::write(secrets.join("tokens"), format!("grafana viewer blake3:{hash}\n")).expect("written");
    std::fs::write(secrets.join("masking-key"), "k".repeat(32)).expect("written");
    std::fs::write(secrets.join("erp-key"), "Token token=0123456789abcdef").expect("written");
    std::fs::write(secrets.join("emea-key"), "fedcba9876543210").expect("written");
    std::fs::write(secrets.join("erp-token"), "a-token-of-sixteen-characters").expect("written");
    let authority = Authority::new();
    let pair = authority.good("tls");
    let tls = dir.path().join("tls");
    std::fs::create_dir(&tls).expect("made");
    let files = [("tls.crt", pair.certificate_file), ("tls.key", pair.key_file), ("ca.crt", authority.file())];
    for (name, from) in files {
        std::fs::copy(from, tls.join(name)).expect("copied");
    }
    let places = [("/etc/vigie/secrets", &secrets), ("/etc/vigie/tls", &tls), ("/etc/vigie/corporate-ca", &tls)];
    let put = |text: String, (from, to): &(&str, &PathBuf)| text.replace(from, to.to_str().expect("UTF-8"));
    let file = dir.path().join("vigie.yaml");
    std::fs::write(&file, places.iter().fold(text, put)).expect("written");
    let output =
        vigie(&["check-config".as_ref(), "--config".as_ref(), file.as_os_str()]).output().expect("the program starts");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_sidecar_is_native_where_kubernetes_knows_it() {
    let new = example("sidecar", "1.29").await;
    let pod = &new.only("Deployment")["spec"]["template"]["spec"];
    let vigie = &pod["initContainers"][0];
    assert_eq!((&vigie["name"], &vigie["restartPolicy"]), (&json!("vigie"), &json!("Always")));
    assert_eq!(vigie["lifecycle"], Value::Null, "it is stopped after the integration");
    assert_eq!(pod["containers"].as_array().map(Vec::len), Some(1));
    assert_eq!(pod["containers"][0]["env"][0], json!({"name": "CRM_BASE_URL", "value": "http://127.0.0.1:8080"}));
    new.only("PodMonitor");

    let old = example("sidecar", "1.28").await;
    let pod = &old.only("Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["initContainers"], Value::Null);
    let vigie = &pod["containers"][1];
    assert_eq!((&vigie["name"], &vigie["restartPolicy"]), (&json!("vigie"), &Value::Null));
    let pause = json!(["/vigie", "pause", "15s"]);
    assert_eq!(vigie["lifecycle"]["preStop"]["exec"]["command"], pause, "it outlives the integration's last calls");
}

#[tokio::test]
async fn the_grace_period_holds_announcement_and_drain() {
    let slow = json!({"drain": {"announceSeconds": 7, "seconds": 120}});
    let rendered = render(&chart(), &[("slow", single(slow), "1.34")]).await.remove(0).good("slow");
    let pod = &rendered.only("Deployment")["spec"]["template"]["spec"];
    let command = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"].clone();
    assert_eq!(command, json!(["/vigie", "pause", "7s"]));
    assert!(pod["terminationGracePeriodSeconds"].as_u64() > Some(7 + 120));
    assert!(rendered.only("ConfigMap")["data"]["vigie.yaml"].as_str().expect("a text").contains("drain: 120s"));
    let paused = vigie(&["pause", "1ms"]).status().expect("the program starts");
    assert!(paused.success(), "the command that the hook runs is there");
}

#[tokio::test]
async fn around_vigie_in_one_variable() {
    let (_, mut values) = examples().into_iter().find(|(name, _)| name == "sidecar").expect("an example");
    values["bypass"] = json!({"upstream": "freshsales"});
    let rendered = render(&chart(), &[("bypass", values, "1.34")]).await.remove(0).good("bypass");
    let environment = &rendered.only("Deployment")["spec"]["template"]["spec"]["containers"][0]["env"];
    assert_eq!(environment[0]["value"], "https://acme.myfreshworks.com");
}

#[tokio::test]
async fn replicas_and_volumes_fit_together() {
    let gateway = example("gateway", "1.34").await;
    assert_eq!(gateway.only("Deployment")["spec"]["replicas"], 2);
    assert_eq!(gateway.only("PodDisruptionBudget")["spec"]["maxUnavailable"], 1);
    gateway.only("NetworkPolicy");
    gateway.only("ServiceMonitor");
    let dashboards: Vec<_> = gateway
        .documents("ConfigMap")
        .into_iter()
        .filter(|map| map["data"]["vigie-overview.json"].is_string())
        .collect();
    let text = dashboards[0]["data"]["vigie-overview.json"].as_str().expect("a text");
    let file = std::fs::read_to_string(tree::root().join("dashboards/overview.json")).expect("the dashboard");
    assert_eq!(serde_json::from_str::<Value>(text).expect("JSON"), serde_json::from_str::<Value>(&file).expect("JSON"));

    let stateful = example("stateful", "1.34").await;
    let claim = &stateful.only("StatefulSet")["spec"]["volumeClaimTemplates"][0]["spec"];
    assert_eq!(claim["resources"]["requests"]["storage"], "25Gi");
    assert!(
        example("single", "1.34").await.documents("PodDisruptionBudget").is_empty(),
        "one replica could never be drained"
    );
}

#[tokio::test]
async fn a_sidecars_volume_is_its_own() {
    let example = example("sidecar-persistent", "1.34").await;
    let deployment = example.only("Deployment");
    assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate");
    let pod = &deployment["spec"]["template"]["spec"];
    assert_group(pod, "sidecar-persistent");
    assert_eq!(pod["securityContext"]["runAsUser"], 1000, "what the integration wants stays");
    let claim = json!({"claimName": example.only("PersistentVolumeClaim")["metadata"]["name"]});
    let volumes = pod["volumes"].as_array().expect("volumes");
    assert!(volumes.iter().any(|volume| volume["persistentVolumeClaim"] == claim), "{volumes:?}");

    // A group that the integration chose wins: Vigie is made a member of it.
    let values = sidecar(
        json!({"integration": {"image": "i", "podSecurityContext": {"fsGroup": 2000}}, "persistence": {"enabled": true}}),
    );
    let rendered = render(&chart(), &[("group", values, "1.34")]).await.remove(0).good("group");
    let context = rendered.only("Deployment")["spec"]["template"]["spec"]["securityContext"].clone();
    assert_eq!(context, json!({"fsGroup": 2000, "fsGroupChangePolicy": "OnRootMismatch"}));
}

#[tokio::test]
async fn mistakes_are_told_when_they_are_made() {
    let upstreams = json!({"crm": {"vendor": "generic", "url": "https://crm.example"}});
    let two = json!({"image": "i", "replicas": 2});
    let keyed = json!({"existingSecret": "vigie", "maskingKeyKey": "masking-key"});
    let cases = [
        ("nothing", json!({}), "config.upstreams: name at least one"),
        (
            "replicas",
            json!({"config": {"upstreams": upstreams}, "gateway": {"allowPlaintext": true}}),
            "secrets.maskingKeyKey: missing; several replicas",
        ),
        ("key", single(json!({"secrets": {"tokensKey": "tokens"}})), "secrets.existingSecret: missing"),
        ("monitor", single(json!({"monitoring": {"enabled": true}})), "monitoring.enabled: needs secrets"),
        ("image", single(json!({"mode": "sidecar"})), "integration.image: missing"),
        (
            "volume",
            sidecar(json!({"integration": two, "persistence": {"enabled": true}, "secrets": keyed})),
            "integration.replicas: 1 at most with persistence.enabled",
        ),
        ("keys", sidecar(json!({"integration": two})), "secrets.maskingKeyKey: missing; several replicas"),
        ("bypass", single(json!({"bypass": {"upstream": "nobody"}})), "there is no config.upstreams.nobody.url"),
        ("typo", single(json!({"persistance": {"enabled": true}})), "persistance"),
        ("mode", single(json!({"mode": "sidecart"})), "/mode"),
        ("type", single(json!({"drain": {"seconds": "30s"}})), "/drain/seconds"),
    ];
    let jobs: Vec<_> = cases.iter().map(|(name, values, _)| (*name, values.clone(), "1.34")).collect();
    for ((name, _, expected), rendered) in cases.iter().zip(render(&chart(), &jobs).await) {
        assert!(rendered.error().contains(expected), "{name}: {}", rendered.error());
    }
    // The validation itself can fail.
    let broken = single(json!({"resources": {"limits": {"memory": true}}}));
    let rendered = render(&chart(), &[("broken", broken, "1.34")]).await.remove(0);
    assert_ne!(rendered.0["invalid"], json!([]), "{}", rendered.0["error"]);
}

#[tokio::test]
async fn a_chart_of_ones_own_brings_the_sidecar() {
    let consumer = tree::root().join("tests/peers/helm/consumer");
    let jobs = [("new", json!({}), "1.34"), ("old", json!({}), "1.28")];
    let rendered = render(&consumer, &jobs).await;
    let names = |rendered: &Rendered, list: &str| {
        let pod = &rendered.only("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        pod[list].as_array().into_iter().flatten().map(|c| c["name"].to_string()).collect::<Vec<_>>().join(" ")
    };
    let [new, old] = <[Rendered; 2]>::try_from(rendered).ok().expect("two").map(|r| r.good("consumer"));
    assert_eq!((names(&new, "initContainers"), names(&new, "containers")), ("\"vigie\"".into(), "\"erp-sync\"".into()));
    assert_eq!(
        (names(&old, "initContainers"), names(&old, "containers")),
        (String::new(), "\"erp-sync\" \"vigie\"".into())
    );
    the_configuration_is_vigies_own(&new, "consumer");
    assert_group(&new.only("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"], "consumer");
    new.only("PersistentVolumeClaim");
    assert!(new.documents("Deployment").is_empty(), "a library brings no pods of its own");
}
