//! A real nginx as the upstream, set up well and in every way that goes wrong.

use crate::support::tls::{Authority, Pair, Validity};
use crate::support::{Process, TestAgent, client, free_port, peers};
use serde_json::{Value, json};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

/// One server of nginx: what it shows, which versions it speaks, and what the caller is told.
struct Server {
    name: &'static str,
    pair: Pair,
    protocols: &'static str,
    kind: Option<&'static str>,
    port: u16,
}

fn servers(authority: &Authority) -> Vec<Server> {
    let loopback = ["127.0.0.1", "localhost"];
    let new = |name, pair, protocols, kind| Server { name, pair, protocols, kind, port: free_port() };
    let modern = "TLSv1.2 TLSv1.3";
    vec![
        new("good", authority.good("good"), modern, None),
        new("tls12", authority.good("tls12"), "TLSv1.2", None),
        new("expired", authority.issue("expired", &loopback, Validity::Expired, 2), modern, Some("tls_expired")),
        new("later", authority.issue("later", &loopback, Validity::Later, 3), modern, Some("tls_not_yet_valid")),
        new(
            "elsewhere",
            authority.issue("elsewhere", &["crm.example"], Validity::Now, 4),
            modern,
            Some("tls_wrong_host"),
        ),
        new("self", authority.self_signed("self"), modern, Some("tls_unknown_issuer")),
        new("old", authority.good("old"), "TLSv1.1", Some("tls_old_protocol")),
    ]
}

fn config(servers: &[Server], home: &Path) -> String {
    let mut text = format!(
        "daemon off; pid {0}/pid; error_log stderr;\nevents {{}}\nhttp {{ access_log off;\n\
         client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;\n",
        home.display()
    );
    for Server { pair, protocols, port, .. } in servers {
        let (certificate, key) = (pair.certificate_file.display(), pair.key_file.display());
        writeln!(
            text,
            "server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key};\n\
             ssl_protocols {protocols}; ssl_ciphers \"ALL:@SECLEVEL=0\"; default_type application/json; return 200 '{{}}'; }}"
        )
        .expect("a string");
    }
    text + "}\n"
}

#[tokio::test]
async fn each_way_to_be_set_up_wrongly_is_told_by_name() {
    let (authority, home) = (Authority::new(), tempfile::tempdir().expect("a directory"));
    let servers = servers(&authority);
    let file = home.path().join("nginx.conf");
    std::fs::write(&file, config(&servers, home.path())).expect("a file");
    let arguments = ["-p".as_ref(), home.path().as_os_str(), "-c".as_ref(), file.as_os_str()];
    let mut nginx = Process::start(&peers::program("VIGIE_TEST_NGINX"), arguments, &home.path().join("output"));
    for server in &servers {
        nginx.listening(SocketAddr::from(([127, 0, 0, 1], server.port))).await;
    }
    let upstreams: Value = servers
        .iter()
        .map(|s| {
            let url = format!("https://127.0.0.1:{}", s.port);
            let tls = json!({ "ca_file": authority.file() });
            let path = format!("/{}", s.name);
            (s.name.to_owned(), json!({ "vendor": "freshsales", "url": url, "path_prefix": path, "tls": tls }))
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    let agent = TestAgent::start("https://127.0.0.1:1", json!({ "upstreams": upstreams })).await;
    for server in &servers {
        let url = format!("{}/{}/api/deals/1", agent.proxy_url(), server.name);
        let reply = client().get(url).send().await.expect("an answer");
        let told = reply.headers().get("x-vigie-error").and_then(|v| v.to_str().ok());
        assert_eq!(told, server.kind, "{}", server.name);
        assert_eq!(reply.status(), if server.kind.is_some() { 502 } else { 200 }, "{}", server.name);
        let labels = format!("upstream=\"{}\",outcome=\"ok\"", server.name);
        let ok = agent.metric("vigie_outcomes_total", &labels).await;
        assert!(server.kind.is_none() || ok == 0.0, "{}", server.name);
    }
}
