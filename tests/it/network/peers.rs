//! A real forward proxy (tinyproxy) before a real nginx, and a real name server (dnslib's).

use super::support::ForwardProxy;
use crate::support::tls::{Authority, Validity};
use crate::support::{DEADLINE, Origin, Process, TestAgent, client, eventually, free_port, peers, tree};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use tokio::net::TcpListener;

/// The CRM's name. Nobody resolves it: tinyproxy asks another proxy for it, as those of companies' branches do.
const CRM: &str = "crm.example";

/// 127.0.0.1 as the C library understands it, while here it is a name: what is on this machine by its very name is never
/// asked of a proxy.
const ELSEWHERE: &str = "0x7f000001";

fn here(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

async fn nginx(home: &Path, authority: &Authority, port: u16) -> Process {
    let pair = authority.issue("crm", &[CRM], Validity::Now, 3);
    let (dir, certificate, key) = (home.display(), pair.certificate_file.display(), pair.key_file.display());
    let config = format!(
        "daemon off; master_process off; pid {dir}/pid; error_log stderr;\nevents {{}}\nhttp {{ access_log off;\n\
         client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
         server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key};\n\
         default_type application/json; return 200 '{{\"authorization\":\"$http_proxy_authorization\"}}'; }} }}\n"
    );
    let file = home.join("nginx.conf");
    std::fs::write(&file, config).expect("a file");
    let arguments = ["-p".as_ref(), home.as_os_str(), "-c".as_ref(), file.as_os_str()];
    let mut nginx = Process::start(&peers::program("VIGIE_TEST_NGINX"), arguments, &home.join("nginx.out"));
    nginx.listening(here(port)).await;
    nginx
}

async fn tinyproxy(home: &Path, port: u16, allowed: [u16; 2], parent: &str) -> Process {
    let [first, second] = allowed;
    let config = format!(
        "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\nBasicAuth vigie s3cret\n\
         ConnectPort {first}\nConnectPort {second}\nUpstream http {parent} \"{CRM}\"\n"
    );
    let file = home.join("tinyproxy.conf");
    std::fs::write(&file, config).expect("a file");
    let arguments = ["-d".as_ref(), "-c".as_ref(), file.as_os_str()];
    let mut proxy = Process::start(&peers::program("VIGIE_TEST_TINYPROXY"), arguments, &home.join("tinyproxy.out"));
    proxy.listening(here(port)).await;
    proxy
}

fn upstream(authority: &Authority, path: &str, host: &str, port: u16) -> Value {
    let url = format!("https://{host}:{port}");
    json!({ "vendor": "generic", "url": url, "path_prefix": path, "tls": { "ca_file": authority.file() } })
}

async fn assert_kind(agent: &TestAgent, path: &str, kind: Option<&str>) -> String {
    let reply = client().get(format!("{}{path}/x", agent.proxy_url())).send().await.expect("an answer");
    let told = reply.headers().get("x-vigie-error").and_then(|v| v.to_str().ok()).map(str::to_owned);
    assert_eq!(told.as_deref(), kind, "{path}");
    reply.text().await.expect("a body")
}

#[tokio::test]
async fn a_real_proxy_is_passed_and_its_refusals_are_told_apart() {
    let (authority, home) = (Authority::new(), tempfile::tempdir().expect("a directory"));
    let (there, nobody, denied, port) = (free_port(), free_port(), free_port(), free_port());
    let _nginx = nginx(home.path(), &authority, there).await;
    let parent = ForwardProxy::to(here(there)).await;
    let parent_address = parent.url("http").replace("http://", "");
    let _proxy = tinyproxy(home.path(), port, [there, nobody], &parent_address).await;
    let proxy = |password: &str| json!({ "proxy": { "https": format!("http://127.0.0.1:{port}"), "username": "vigie", "password": password } });
    let upstreams = json!({
        "good": upstream(&authority, "/good", CRM, there),
        "nobody": upstream(&authority, "/nobody", ELSEWHERE, nobody),
        "denied": upstream(&authority, "/denied", ELSEWHERE, denied),
    });
    let agent =
        TestAgent::start("https://127.0.0.1:1", json!({ "upstreams": upstreams, "network": proxy("s3cret") })).await;
    let body = assert_kind(&agent, "/good", None).await;
    assert_eq!(body, "{\"authorization\":\"\"}", "the upstream saw the proxy's credentials");
    assert_kind(&agent, "/nobody", Some("proxy_upstream")).await;
    assert_kind(&agent, "/denied", Some("proxy_denied")).await;
    agent.reconfigure(json!({ "network": proxy("wrong") }));
    eventually("the refusal", DEADLINE, || async {
        let reply = client().get(format!("{}/good/x", agent.proxy_url())).send().await.expect("an answer");
        (reply.headers().get("x-vigie-error")? == "proxy_auth").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_real_name_servers_changes_are_followed() {
    let home = tempfile::tempdir().expect("a directory");
    let (zone, port) = (home.path().join("zone.json"), free_port());
    let (first, second) = loop {
        let first = Origin::json(200, "{}").await;
        if let Ok(listener) = TcpListener::bind(SocketAddr::from(([127, 0, 0, 2], first.address().port()))).await {
            break (first, Origin::json_on(listener, 203, "{}"));
        }
    };
    let tell = |address: &str| {
        let new = home.path().join("zone.new");
        std::fs::write(&new, json!({ "crm.example": ["edge.example"], "edge.example": [address] }).to_string())
            .expect("a file");
        std::fs::rename(&new, &zone).expect("a file");
    };
    tell("127.0.0.1");
    let script = tree::root().join("tests/peers/name_server.py");
    let port_text = port.to_string();
    let arguments = [script.as_os_str(), zone.as_os_str(), port_text.as_ref()];
    let mut names = Process::start(&peers::program("VIGIE_TEST_PYTHON"), arguments, &home.path().join("names.out"));
    names.listening(here(port)).await;
    let changes = json!({
        "network": { "dns": { "servers": [here(port).to_string()] } },
        "upstreams": { "freshsales": { "allow_plaintext": true } },
    });
    let agent = TestAgent::start(&format!("http://crm.example:{}", first.address().port()), changes).await;
    let call = || async {
        client().get(format!("{}/api/deals/1", agent.proxy_url())).send().await.expect("an answer").status()
    };
    assert_eq!(call().await, 200);
    tell("127.0.0.2");
    eventually("the second's answer", DEADLINE, || async { (call().await == 203).then_some(()) }).await;
    assert!(!second.seen().is_empty());
}
