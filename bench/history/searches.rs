//! How long searches take: each the median of some tries with other values, after one that is not counted.

use super::records::{Noise, correlation_id, vendor_request_id};
use super::{Form, say, search};
use std::path::Path;
use std::time::Instant;
use vigie::exchange::redact::Masked;
use vigie::history::{Filter, StatusRange};

const TRIES: usize = 11;

/// Rows of the page that is asked for.
const PAGE: usize = 50;

pub fn measure(form: Form, dir: &Path, count: u64) -> anyhow::Result<()> {
    let mut noise = Noise(3);
    let mut id = |of: fn(u64) -> Masked| Some(of(noise.next() % count).as_str().to_owned());
    let page = Filter { limit: Some(PAGE), ..Filter::default() };
    let by_correlation = || Filter { correlation_id: id(correlation_id), ..page.clone() };
    time(form, dir, "by correlation id", by_correlation, 1)?;
    if form == Form::Segments {
        let mut noise = Noise(5);
        let mut id = || Some(vendor_request_id(noise.next() % count).as_str().to_owned());
        time(form, dir, "by vendor request id", || Filter { vendor_request_id: id(), ..page.clone() }, 1)?;
        time(form, dir, "by trace id, none", || Filter { trace_id: Some("0".repeat(32)), ..page.clone() }, 0)?;
    } else {
        // It has no index for these: the line is searched.
        let mut noise = Noise(5);
        let mut text = || Some(vendor_request_id(noise.next() % count).as_str().to_owned());
        time(form, dir, "by vendor request id", || Filter { text: text(), ..page.clone() }, 1)?;
    }
    let words =
        |key: &str, value: &str| Filter::parse([(key, value), ("limit", "50")], 0).map_err(|e| anyhow::anyhow!("{e}"));
    let status = |from, to| Some(vec![StatusRange { from, to }]);
    time(form, dir, "newest, no filter", || page.clone(), PAGE)?;
    let failed = words("outcome", "!ok")?;
    time(form, dir, "outcome !ok", || failed.clone(), PAGE)?;
    let narrow = Filter {
        status: status(500, 599),
        integration: Some("shop".into()),
        route: Some("/api/deals/*".into()),
        ..page.clone()
    };
    time(form, dir, "5xx, one integration, five routes", || narrow.clone(), PAGE)?;
    let rare = Filter { status: status(504, 504), ..page.clone() };
    let expected = (count / 1_000_000) as usize;
    time(form, dir, "one in a million (504)", || rare.clone(), expected)?;
    time(form, dir, "a status that never was (418)", || Filter { status: status(418, 418), ..page.clone() }, 0)
}

fn time(form: Form, dir: &Path, what: &str, mut filter: impl FnMut() -> Filter, at_least: usize) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for n in 0..=TRIES {
        let (filter, start) = (filter(), Instant::now());
        let found = search(form, dir, &filter)?;
        anyhow::ensure!(found >= at_least.min(PAGE), "{what}: {found} found, not {at_least}");
        if n > 0 {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        if times.iter().sum::<f64>() > 60_000.0 {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    say(form, what, format!("{median:.2} ms (worst {worst:.2})"));
    Ok(())
}
