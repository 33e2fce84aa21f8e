//! Memory under calls that are all different: what is kept is bounded, so it stops growing. `make soak` sends five million.

use crate::support::{DEADLINE, Process, TestAgent, free_port, peers, tree};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Calls in each mode.
const CALLS: u64 = 20_000;
const SOAK_CALLS: u64 = 5_000_000;
/// What the agent may grow by between the second and third fifth of the calls and the last two: a twentieth, and a megabyte for
/// what threads happen to hold at once.
const GROWTH: f64 = 1.05;
const SLACK_KB: u64 = 1024;
/// Width of the chart's longest bar.
const BAR: u64 = 60;

/// How much the agent held at most on the way to so many calls: what it holds at one moment depends on what is being sealed,
/// rotated and sent just then.
struct Sample {
    calls: u64,
    resident_kb: u64,
}

#[tokio::test]
async fn memory_does_not_grow_with_the_number_of_calls() {
    let home = tempfile::tempdir().expect("a directory");
    let (_nginx, upstream) = origin(home.path()).await;
    let agent = TestAgent::start(&format!("http://{upstream}"), everything(upstream)).await;
    let calls = if peers::soak() { SOAK_CALLS } else { CALLS };
    let slice = if peers::soak() { "-d10s" } else { "-d1s" };
    let mut samples: Vec<Sample> = Vec::new();
    let done = |samples: &[Sample]| samples.last().is_some_and(|sample| sample.calls >= calls);
    while !done(&samples) {
        forget_peak(agent.id());
        load(&agent, slice, home.path()).await;
        let answered = agent.metric("vigie_requests_total", "").await as u64;
        let before = samples.last().map_or(0, |sample| sample.calls);
        assert!(answered > before, "no calls get through any more: {answered}\n{}", agent.output());
        samples.push(Sample { calls: answered, resident_kb: peak_kb(agent.id()) });
    }
    show(&samples);
    bounded(&agent).await;
    // A short run fills what is bounded, and shows that the load is what it says.
    if peers::soak() {
        flat(&samples);
    }
}

/// nginx, which answers every call alike; it takes spans as well.
async fn origin(home: &Path) -> (Process, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let config = format!(
        "daemon off; master_process off; pid {0}/pid; error_log stderr;\nevents {{ worker_connections 1024; }}\nhttp {{ access_log off;\n\
         client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;\n\
         keepalive_requests 1000000000; server {{ listen {address}; default_type application/json;\n\
         return 200 '{{\"contact\":{{\"id\":4711,\"email\":\"a@example.com\",\"city\":\"Lyon\"}}}}'; }} }}\n",
        home.display()
    );
    let file = home.join("nginx.conf");
    std::fs::write(&file, config).expect("nginx's configuration");
    let arguments = ["-e", "stderr", "-p", home.to_str().expect("UTF-8"), "-c", file.to_str().expect("UTF-8")];
    let mut nginx = Process::start(&peers::program("VIGIE_TEST_NGINX"), arguments, &home.join("nginx.log"));
    nginx.listening(address).await;
    (nginx, address)
}

/// Log, history and spans, each with bounds that a run reaches.
fn everything(collector: SocketAddr) -> Value {
    json!({
        "log": { "stdout": false, "file": { "max_size": "64MB", "keep": 2 } },
        "history": { "max_size": "1GB" },
        "traces": { "endpoint": format!("http://{collector}/v1/traces"), "protocol": "http", "ratio": 0.1 },
    })
}

async fn load(agent: &TestAgent, slice: &str, home: &Path) {
    let script = tree::root().join("tests/peers/random_calls.lua");
    let (script, url) = (script.to_str().expect("UTF-8"), agent.proxy_url());
    let arguments = ["-t1", "-c64", slice, "--timeout", "30s", "-s", script, &url];
    let mut wrk = Process::start(&peers::program("VIGIE_TEST_WRK"), arguments, &home.join("wrk.log"));
    let status = wrk.wait(DEADLINE + Duration::from_secs(30)).await;
    let told = wrk.output();
    assert!(status.success() && !told.contains("Non-2xx") && !told.contains("Socket errors"), "{status}: {told}");
}

/// The kernel notes the peak anew from here on (proc_pid_clear_refs(5)).
fn forget_peak(process: u32) {
    std::fs::write(format!("/proc/{process}/clear_refs"), "5").expect("the agent runs");
}

fn peak_kb(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the agent runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// What random calls could fill is as large as it may be, and the rest was counted.
async fn bounded(agent: &TestAgent) {
    let page = agent.admin_text("/metrics").await;
    let series = page.lines().filter(|line| line.starts_with("vigie_requests_total")).count();
    assert!((5..=2_000).contains(&series), "{series} series of calls");
    let callers: Value = serde_json::from_str(&agent.admin_text("/api/v1/callers").await).expect("JSON");
    let listed = callers.to_string().matches("fingerprint").count();
    assert!((90..=1_100).contains(&listed), "{listed} callers");
}

fn flat(samples: &[Sample]) {
    let total = samples.last().map_or(0, |sample| sample.calls);
    // Of the peaks the median: a single one tells how far the recorder once fell behind.
    let usual = |fifths: [u64; 2]| {
        let within = samples.iter().filter(|s| fifths.contains(&(s.calls * 5 / total.max(1)).min(4)));
        let mut peaks: Vec<_> = within.map(|s| s.resident_kb).collect();
        peaks.sort_unstable();
        *peaks.get(peaks.len() / 2).expect("samples in each fifth")
    };
    let (early, late) = (usual([1, 2]), usual([3, 4]));
    let allowed = (early as f64 * GROWTH) as u64 + SLACK_KB;
    assert!(late <= allowed, "it grew from {early} kB to {late} kB; {allowed} kB are allowed\n{}", chart(samples));
}

#[expect(clippy::print_stdout, reason = "the chart is what `make soak` is run for")]
fn show(samples: &[Sample]) {
    println!("{}", chart(samples));
}

/// One line a sample: calls so far, memory, a bar.
fn chart(samples: &[Sample]) -> String {
    let most = samples.iter().map(|s| s.resident_kb).max().unwrap_or(1).max(1);
    let line = |s: &Sample| {
        let bar = "#".repeat((s.resident_kb * BAR / most) as usize);
        format!("{:>9} calls {:>7.1} MB {bar}\n", s.calls, s.resident_kb as f64 / 1000.0)
    };
    samples.iter().map(line).collect()
}
