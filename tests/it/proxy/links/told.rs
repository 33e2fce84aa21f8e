//! A link that leads past the agent is told: in the record, in the metric, and in a sentence; what it says never is.

use super::*;
use crate::support::agent::vigie;

const JOB: &str = "{\"message\":\"accepted\",\"job_status_url\":\"{here}/api/job_statuses/70042006456\"}";

async fn upsert(agent: &TestAgent, id: &str) {
    let url = format!("{}/api/contacts/bulk_upsert", agent.proxy_url());
    let request = client().post(url).header("x-correlation-id", id).header("x-integration", "erp").body("{}");
    assert_eq!(request.send().await.expect("an answer").status(), 200);
}

fn table(agent: &TestAgent) -> String {
    let mut command = vigie(&["log", "--output", "table", "--admin", &agent.admin_url(), "--last", "9"]);
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[tokio::test]
async fn the_log_says_what_to_do_and_nothing_of_the_link() {
    let origin = crm(|_| vec![], |_| JOB).await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    upsert(&agent, "first").await;
    upsert(&agent, "second").await;
    let told = record(&agent, "second").await;
    assert_eq!(told["bypass_links"], json!([{ "field": "job_status_url", "reason": "off" }]), "{told}");
    assert_eq!(counted(&agent, "erp", "job_status_url", "off").await, 2.0);

    let printed = crate::support::eventually("both rows", DEADLINE, || async {
        Some(table(&agent)).filter(|t| t.contains("first") && t.contains("second"))
    })
    .await;
    let sentence = "job_status_url in the answer points straight at the CRM";
    assert_eq!(printed.matches(sentence).count(), 1, "once a session: {printed}");
    assert!(printed.contains("set upstreams.freshsales.rewrite_links: true"), "{printed}");
    let log = std::fs::read_to_string(agent.log_file()).expect("the log");
    for text in [printed, log, agent.admin_text("/metrics").await, agent.output()] {
        assert!(!text.contains("70042006456") && !text.contains("api/job_statuses/7"), "{text}");
    }
}

#[tokio::test]
async fn an_answer_that_was_not_copied_whole_is_said_to_be_unknown() {
    let origin = crm(|_| vec![], |_| JOB).await;
    // Nine bytes end before the link.
    let agent = TestAgent::start(&origin.url(), json!({ "proxy": { "capture": { "response": 9 } } })).await;
    upsert(&agent, "cut").await;
    let told = record(&agent, "cut").await;
    assert_eq!(told["bypass_links"], json!([{ "field": "unknown", "reason": "unreadable" }]), "{told}");
}

#[tokio::test]
async fn other_answers_say_nothing() {
    let origin = crm(|_| vec![], |_| JOB).await;
    let agent = TestAgent::start(&origin.url(), json!({})).await;
    let url = format!("{}/api/deals/1", agent.proxy_url());
    let reply = client().get(url).header("x-correlation-id", "deal").send().await.expect("an answer");
    assert_eq!(reply.status(), 200);
    assert_eq!(record(&agent, "deal").await.get("bypass_links"), None);
    assert_eq!(agent.metric("vigie_bypass_links_total", "").await, 0.0);
}
