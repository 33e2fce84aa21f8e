use super::*;
use crate::proxy::{Integration, Listener};
use crate::vendors::Profile;
use http::HeaderMap;
use std::sync::Arc;

/// Listeners: 0 for everybody, 1 for everybody behind a gateway, 2 pinned to `fs`.
struct World {
    config: Config,
    router: Router,
    places: Places,
}

fn world(upstreams: Vec<upstream::Config>) -> World {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let public = PublicUrl { origin: "https://gateway.example".into(), path: "/vigie".into() };
    let mut web = Integration { name: Arc::from("web"), ..Integration::unknown() };
    web.path_prefix = Some("/web".into());
    let config = Config {
        listeners: vec![
            Listener::plain(address),
            Listener { public_url: Some(public), ..Listener::plain(address) },
            Listener { upstream: Some(Arc::from("fs")), ..Listener::plain(address) },
        ],
        integrations: vec![web],
        ..Config::default()
    };
    let router = Router::new(&config, &upstreams, [7; 32]);
    let places = Places::new(&config, &upstreams, &[0, 1, 2]);
    World { config, router, places }
}

fn crm(name: &str, host: &str, prefix: Option<&str>) -> upstream::Config {
    let profile = Profile::builtin("freshsales").expect("a profile");
    upstream::Config { profile, ..upstream::Config::plain(name, host, 80, prefix) }
}

/// `main` below `/base`; `fs` and `old` of the same vendor; `erp` of none.
fn four() -> World {
    let main = upstream::Config { base_path: "/base".into(), ..crm("main", "main.example", None) };
    let erp = upstream::Config::plain("erp", "erp.example", 8443, Some("/erp"));
    world(vec![main, crm("fs", "fs.example", Some("/fs")), crm("old", "old.example", Some("/old")), erp])
}

impl World {
    /// The way of a call for `path` at `Host: vigie:8080`.
    fn way(&self, listener: usize, path: &str) -> Way {
        let routed = self.router.route(listener, path, None, &HeaderMap::new()).expect("a route");
        let mut way = Way::new(listener, &routed);
        way.called(false, Some(&HeaderValue::from_static("vigie:8080")));
        way
    }

    fn map<'a>(&'a self, way: &'a Way) -> Map<'a> {
        Map { places: &self.places, router: &self.router, way }
    }

    /// What becomes of `text` in the answer to a call for `path`, and why it leads past.
    fn placed(&self, listener: usize, path: &str, text: &str) -> (String, Option<&'static str>) {
        let way = self.way(listener, path);
        let Placed { to, past } = self.map(&way).place(text);
        (to.unwrap_or_else(|| text.to_owned()), past.map(Why::as_str))
    }
}

#[test]
fn the_upstreams_own_links_lead_to_the_way_the_caller_came() {
    let world = four();
    let cases = [
        // listener, called, link, becomes
        (0, "/api/x", "http://main.example/base/api/y?q=1#f", "http://vigie:8080/api/y?q=1#f"),
        (0, "/api/x", "HTTP://Main.Example.:80/base/api/y", "http://vigie:8080/api/y"),
        (0, "/api/x", "//main.example/base/y", "http://vigie:8080/y"),
        (0, "/api/x", "http://main.example/base", "http://vigie:8080/"),
        (0, "/api/x", "http://main.example/base?q", "http://vigie:8080/?q"),
        (0, "/web/api/x", "http://main.example/base/y", "http://vigie:8080/web/y"),
        (0, "/fs/api/x", "http://fs.example/api/y", "http://vigie:8080/fs/api/y"),
        (0, "/web/fs/api/x", "http://fs.example/api/y", "http://vigie:8080/web/fs/api/y"),
        (0, "/fs/api/x", "http://fs.example", "http://vigie:8080/fs"),
        (1, "/fs/api/x", "http://fs.example/api/y", "https://gateway.example/vigie/fs/api/y"),
        (2, "/api/x", "http://fs.example/api/y", "http://vigie:8080/api/y"),
        (2, "/fs/api/x", "http://fs.example/api/y", "http://vigie:8080/fs/api/y"),
        (0, "/erp/x", "http://erp.example:8443/a%2Fb", "http://vigie:8080/erp/a%2Fb"),
        // Another upstream of the same vendor.
        (0, "/fs/api/x", "http://old.example/api/y", "http://vigie:8080/old/api/y"),
        (0, "/web/fs/x", "http://main.example/base/y", "http://vigie:8080/web/y"),
        // Paths.
        (0, "/api/x", "/base/y?q", "/y?q"),
        (0, "/fs/x", "/y", "/fs/y"),
        (0, "/web/fs/x", "/y", "/web/fs/y"),
        (1, "/fs/x", "/y", "/vigie/fs/y"),
        (2, "/x", "/y", "/y"),
        // Relative ones are right wherever they stand.
        (0, "/fs/x", "y?page=2", "y?page=2"),
        (0, "/fs/x", "mailto:a@fs.example", "mailto:a@fs.example"),
    ];
    for (listener, called, link, expected) in cases {
        assert_eq!(world.placed(listener, called, link), (expected.to_owned(), None), "{called}: {link}");
    }
}

#[test]
fn what_has_no_place_is_left_and_told() {
    let world = four();
    let cases = [
        // Another scheme is another origin: an upstream that sends callers to https would send them here for ever.
        (0, "/fs/x", "https://fs.example/y", "other_host"),
        (0, "/fs/x", "http://fs.example:8080/y", "other_host"),
        (0, "/fs/x", "http://fs.example.org/y", "other_host"),
        (0, "/fs/x", "http://key@fs.example/y", "other_host"),
        (0, "/fs/x", "http:fs.example/y", "other_host"),
        (0, "/fs/x", "/\\fs.example/y", "other_host"),
        // An upstream of no known vendor gets nobody's credential but its own.
        (0, "/fs/x", "http://erp.example:8443/y", "other_host"),
        (0, "/erp/x", "http://fs.example/y", "other_host"),
        // Outside the base path; by another prefix to another upstream; out of the prefix again.
        (0, "/x", "http://main.example/login", "unreachable"),
        (0, "/x", "http://main.example/based/y", "unreachable"),
        (0, "/x", "http://main.example/base/fs/y", "unreachable"),
        (0, "/x", "http://main.example/base/web/y", "unreachable"),
        (0, "/fs/x", "http://fs.example/a/../../old/y", "unreachable"),
        (0, "/fs/x", "http://fs.example/%2E%2e/old/y", "unreachable"),
        // This listener leads to one upstream.
        (2, "/x", "http://old.example/y", "unreachable"),
    ];
    for (listener, called, link, why) in cases {
        assert_eq!(world.placed(listener, called, link), (link.to_owned(), Some(why)), "{called}: {link}");
    }
}

#[test]
fn in_bodies_only_links_to_the_vendor_are_looked_at() {
    let world = four();
    let way = world.way(0, "/fs/x");
    let place = |text| world.map(&way).place_in_body(text);
    assert_eq!(place("http://fs.example/y").to.as_deref(), Some("http://vigie:8080/fs/y"));
    for data in ["/y", "y", "http://cdn.example/y", "http://key@fs.example/y"] {
        assert!(place(data) == Placed::default(), "{data}");
    }
    for past in ["https://acme.myfreshworks.com/y", "http://erp.example:8443/y"] {
        assert!(place(past) == Placed::left(Why::OtherHost), "{past}");
    }
}

#[test]
fn a_path_without_a_place_names_its_host() {
    let world = four();
    let cases = [
        ("/login?next=%2F", "http://main.example/login?next=%2F"),
        ("/base/fs/y", "http://main.example/base/fs/y"),
        // Without its base it would name a host.
        ("/base//evil.example/y", "http://main.example/base//evil.example/y"),
    ];
    for (link, expected) in cases {
        assert_eq!(world.placed(0, "/x", link), (expected.to_owned(), Some("unreachable")), "{link}");
    }
}

#[test]
fn without_a_host_nothing_absolute_can_be_said() {
    let world = four();
    let mut way = world.way(0, "/fs/x");
    way.host.clear();
    assert!(world.map(&way).place("http://fs.example/y") == Placed::left(Why::Unreachable));
    assert_eq!(world.map(&way).place("/y").to.as_deref(), Some("/fs/y"));
    assert_eq!(world.config.listeners.len(), 3);
}

#[test]
fn one_host_may_be_two_upstreams() {
    let below = |base: &str, config| upstream::Config { base_path: base.into(), ..config };
    let new = below("/crm/sales", crm("new", "acme.example", None));
    let world = world(vec![new, below("/classic", upstream::Config::plain("classic", "acme.example", 80, Some("/c")))]);
    assert_eq!(world.placed(0, "/x", "http://acme.example/classic/y").0, "http://vigie:8080/c/y");
    assert_eq!(world.placed(0, "/c/x", "http://acme.example/crm/sales/y").0, "http://vigie:8080/y");
    assert_eq!(world.placed(0, "/c/x", "http://acme.example/classic/y").0, "http://vigie:8080/c/y");
}

#[test]
fn a_head_keeps_what_is_no_link() {
    let world = four();
    let way = world.way(0, "/fs/x");
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("location", "http://fs.example/y"),
        ("content-location", "https://elsewhere.example/y"),
        ("alt-svc", "h3=\":443\""),
        ("alt-svc", "clear"),
        ("set-cookie", "a=1; Domain=fs.example; Path=/; Secure"),
        ("set-cookie", "b=2; Path=/api"),
        ("set-cookie", "c=3"),
        ("link", "<http://fs.example/p2>; rel=next, <https://elsewhere.example/a>, <https://elsewhere.example/b>"),
        ("strict-transport-security", "max-age=1"),
        ("x-url", "http://fs.example/y"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    let left = world.map(&way).head(&mut headers);
    let left: Vec<_> = left.iter().map(|b| (b.field.as_ref(), b.why)).collect();
    assert_eq!(left, [("content-location", Why::OtherHost), ("link", Why::OtherHost)]);
    let all = |name: &str| headers.get_all(name).iter().map(|v| v.to_str().expect("text")).collect::<Vec<_>>();
    assert_eq!(all("location"), ["http://vigie:8080/fs/y"]);
    assert_eq!(all("content-location"), ["https://elsewhere.example/y"]);
    assert_eq!(all("alt-svc"), [""; 0]);
    assert_eq!(all("set-cookie"), ["a=1; Path=/fs; Secure", "b=2; Path=/fs/api", "c=3"]);
    let links = "<http://vigie:8080/fs/p2>; rel=next, <https://elsewhere.example/a>, <https://elsewhere.example/b>";
    assert_eq!(all("link"), [links]);
    assert_eq!((all("x-url"), all("strict-transport-security")), (vec!["http://fs.example/y"], vec!["max-age=1"]));
}

#[test]
fn a_cookies_path_is_the_callers() {
    let world = four();
    let path = |called: &str, listener: usize, path: &str| {
        let way = world.way(listener, called);
        world.map(&way).cookie_path(path)
    };
    assert_eq!(path("/x", 0, "/base/api").as_deref(), Some("/api"));
    assert_eq!(path("/x", 0, "/base/").as_deref(), Some("/"));
    assert_eq!(path("/x", 0, "/"), None, "it covers all that can be reached");
    assert_eq!(path("/x", 0, "/other"), None);
    assert_eq!(path("/web/fs/x", 1, "/").as_deref(), Some("/vigie/web/fs"));
    assert_eq!(path("/x", 2, "/api"), None);
}

proptest::proptest! {
    /// Whatever a link says: where it is rewritten, the caller's next call arrives at what was meant.
    #[test]
    fn a_rewritten_link_arrives_where_it_led(
        listener in 0usize..3,
        called in "(/web)?(/fs|/old|/erp|)/x",
        host in "(main|fs|old)\\.example|erp\\.example:8443",
        path in "(/base|/fs|/web|/old|/erp|/api|/|/\\.\\.|//|/%2e|/y){0,4}",
    ) {
        let world = four();
        let way = world.way(listener, &called);
        let link = format!("http://{host}{path}");
        let Some(to) = world.map(&way).place(&link).to else { return Ok(()) };
        let front = if listener == 1 { "https://gateway.example/vigie" } else { "http://vigie:8080" };
        let asked = to.strip_prefix(front).expect("it leads here");
        let asked = if asked.is_empty() { "/" } else { asked };
        let routed = world.router.route(listener, asked, None, &HeaderMap::new()).expect("a route");
        let config = &world.places.upstreams[routed.upstream];
        proptest::prop_assert_eq!(config.authority(), host);
        let sent = format!("{}{}", config.base_path, routed.path);
        proptest::prop_assert_eq!(sent.trim_end_matches('/'), path.trim_end_matches('/'));
        proptest::prop_assert_eq!(routed.integration, usize::from(way.integration));
    }
}
