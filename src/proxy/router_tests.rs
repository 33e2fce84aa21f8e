use super::*;
use crate::proxy::Listener;
use crate::secret::Secret;
use http::HeaderValue;
use std::sync::Arc;

fn upstream(name: &str, prefix: Option<&str>) -> upstream::Config {
    upstream::Config::plain(name, "127.0.0.1", 1, prefix)
}

fn integration(name: &str) -> Integration {
    Integration { name: Arc::from(name), system: Arc::from(name.to_uppercase()), ..Integration::unknown() }
}

fn listener(upstream: Option<&str>, integration: Option<&str>) -> Listener {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let (upstream, integration) = (upstream.map(Arc::from), integration.map(Arc::from));
    Listener { upstream, integration, ..Listener::plain(address) }
}

fn router() -> Router {
    let mut erp = integration("erp");
    erp.credentials = vec![Secret::new("Token token=erpkey")];
    let mut web = integration("web");
    web.path_prefix = Some("/web".into());
    let mut bi = integration("bi");
    bi.header = Some((HeaderName::from_static("x-integration"), "bi".into()));
    let mut shop = integration("shop");
    shop.token_hashes = vec![*blake3::hash(b"shop-token").as_bytes()];
    let config = Config {
        listeners: vec![listener(None, None), listener(Some("fs"), Some("bi"))],
        integrations: vec![erp, web, bi, shop],
        ..Config::default()
    };
    Router::new(&config, &[upstream("main", None), upstream("fs", Some("/fs"))], [7; 32])
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
}

fn named(listener: usize, path: &str, pairs: &[(&'static str, &'static str)]) -> (String, usize, String) {
    let router = router();
    let headers = headers(pairs);
    let routed = router.route(listener, path, &headers).expect("a route");
    (router.integration(routed.integration).name.to_string(), routed.upstream, routed.path.to_string())
}

#[test]
fn each_way_of_attribution_finds_its_integration() {
    let cases = [
        (0, "/api/x", &[][..], ("unknown", 0, "/api/x")),
        (1, "/api/x", &[], ("bi", 1, "/api/x")),
        (0, "/api/x", &[("x-vigie-token", "shop-token")], ("shop", 0, "/api/x")),
        (0, "/api/x", &[("x-vigie-token", "wrong")], ("unknown", 0, "/api/x")),
        (0, "/api/x", &[("authorization", "Token token=erpkey")], ("erp", 0, "/api/x")),
        (0, "/api/x", &[("authorization", "Bearer erpkey")], ("erp", 0, "/api/x")),
        (0, "/web/api/x", &[], ("web", 0, "/api/x")),
        (0, "/website/x", &[], ("unknown", 0, "/website/x")),
        (0, "/web/fs/api/x", &[], ("web", 1, "/api/x")),
        (0, "/fs/api/x", &[("x-integration", "bi")], ("bi", 1, "/api/x")),
        (0, "/fs", &[], ("unknown", 1, "")),
    ];
    for (listener, path, pairs, (integration, upstream, rest)) in cases {
        assert_eq!(named(listener, path, pairs), (integration.into(), upstream, rest.into()), "{path} {pairs:?}");
    }
}

#[test]
fn the_stronger_evidence_wins() {
    let both = [("authorization", "Token token=erpkey"), ("x-integration", "bi")];
    assert_eq!(named(0, "/web/api/x", &both).0, "erp");
    assert_eq!(named(0, "/web/api/x", &[("x-integration", "bi")]).0, "web");
    assert_eq!(named(1, "/api/x", &[("x-vigie-token", "shop-token")]).0, "bi", "the listener decides first");
}

#[test]
fn the_header_that_served_is_named_for_stripping_and_no_other() {
    let router = router();
    let served = headers(&[("x-integration", "bi")]);
    assert_eq!(router.route(0, "/", &served).expect("a route").strip, Some(HeaderName::from_static("x-integration")));
    let other = headers(&[("x-integration", "nobody")]);
    assert_eq!(router.route(0, "/", &other).expect("a route").strip, None);
}

#[test]
fn a_path_without_upstream_is_refused() {
    let config = Config { listeners: vec![listener(None, None)], ..Config::default() };
    let router = Router::new(&config, &[upstream("fs", Some("/fs"))], [7; 32]);
    assert_eq!(router.route(0, "/api/x", &HeaderMap::new()).err(), Some(AgentError::NoUpstream));
}
