//! What becomes of routes when more of them are called than metrics may name.

use super::support::{assert_fields, record};
use crate::support::{DEADLINE, Origin, TestAgent, client, eventually};
use serde_json::json;

#[tokio::test]
async fn paths_nobody_knows_take_no_room_from_the_vendors_routes_and_stay_readable_in_the_log() {
    let origin = Origin::json(200, "{\"contact\":{\"id\":1}}").await;
    let agent = TestAgent::start(&origin.url(), json!({ "metrics": { "caps": { "routes": 2 } } })).await;
    let paths = ["/api/reports/1", "/api/exports/1", "/api/reports/exports", "/api/exports/reports", "/api/contacts/1"];
    for path in paths {
        let call =
            client().get(format!("{}{path}", agent.proxy_url())).header("x-correlation-id", path.replace('/', "."));
        call.send().await.expect("an answer").bytes().await.expect("a body");
    }
    let routes = [
        "/api/reports/{id}",
        "/api/exports/{id}",
        "/api/reports/exports",
        "/api/exports/reports",
        "/api/contacts/{id}",
    ];
    for (path, route) in paths.iter().zip(routes) {
        assert_fields(&record(&agent, &path.replace('/', ".")).await, json!({ "endpoint": route }));
    }
    eventually("all of them in the history", DEADLINE, || async {
        (agent.search(&["--route", "/api/exports/reports"]).len() == 1).then_some(())
    })
    .await;
    for family in ["vigie_requests_total", "vigie_attempts_total", "vigie_request_duration_seconds_count"] {
        for (route, calls) in [(routes[0], 1.0), (routes[1], 1.0), ("other", 2.0), (routes[4], 1.0)] {
            assert_eq!(agent.metric(family, &format!("route=\"{route}\"")).await, calls, "{family} {route}");
        }
    }
    assert_eq!(agent.metric("vigie_routes_capped_total", "upstream=\"freshsales\"").await, 2.0);
}
