//! Reading a scrape: just enough of Prometheus' text format for tests.

/// The sum of the series of `name` whose labels contain `labels` (e.g. `result="sent"`); 0 when there is none.
pub fn sum(scrape: &str, name: &str, labels: &str) -> f64 {
    scrape.lines().filter_map(|line| value(line, name, labels)).sum()
}

fn value(line: &str, name: &str, labels: &str) -> Option<f64> {
    let rest = line.strip_prefix(name)?;
    let (told, value) = match rest.strip_prefix('{') {
        Some(rest) => rest.split_once("} ")?,
        None => ("", rest.strip_prefix(' ')?),
    };
    if told.contains(labels) { value.trim().parse().ok() } else { None }
}

#[test]
fn series_are_summed() {
    let scrape = "# HELP a_total x\na_total{x=\"1\",y=\"2\"} 3\na_total{x=\"2\",y=\"2\"} 4\na_total_more 9\nb 5\n";
    assert_eq!(sum(scrape, "a_total", ""), 7.0);
    assert_eq!(sum(scrape, "a_total", "x=\"2\""), 4.0);
    assert_eq!(sum(scrape, "b", ""), 5.0);
    assert_eq!(sum(scrape, "c", ""), 0.0);
}
