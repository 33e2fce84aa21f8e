//! CPU per record, bytes per record, and what a kill costs.

use super::records::{Maker, batch};
use super::{Candidate, Form, bytes, say, search};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vigie::clock::Clock;
use vigie::history::Filter;

/// The recorder's rest between batches: rows that arrive within it come together.
const REST: Duration = Duration::from_millis(10);

/// Nanoseconds that all threads of this process have been on a CPU.
fn cpu_ns() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().filter_map(Result::ok);
    let stat = |path: &Path| std::fs::read_to_string(path.join("schedstat")).ok();
    let first = |text: String| text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok());
    threads.filter_map(|thread| stat(&thread.path()).and_then(first)).sum()
}

/// Writes at a rate. The same loop without a history is run first, and what it took is taken off.
pub fn measure(form: Form, dir: &Path, a_second: u64, seconds: u64) -> anyhow::Result<()> {
    let (without, _) = at_rate(None, a_second, seconds)?;
    let mut candidate = Candidate::open(form, dir)?;
    let (with, done) = at_rate(Some((&mut candidate, form)), a_second, seconds)?;
    let spent = with.saturating_sub(without);
    let figure = format!("{:.2} us a record ({done} records)", spent as f64 / 1e3 / done as f64);
    say(form, &format!("CPU at {a_second}/s"), figure);
    candidate.close();
    say(form, "bytes a record", format!("{:.1}", bytes(dir) as f64 / done as f64));
    Ok(())
}

/// CPU nanoseconds and records.
fn at_rate(mut to: Option<(&mut Candidate, Form)>, a_second: u64, seconds: u64) -> anyhow::Result<(u64, u64)> {
    let (mut maker, clock, before, mut at) = (Maker::new(), Clock::system(), cpu_ns(), Instant::now());
    for step in 1..=seconds * 100 {
        let (lines, rows) = maker.rows(a_second * step / 100 - maker.made, clock.wall_us());
        let lines = Arc::new(lines);
        if let Some((candidate, form)) = &mut to {
            let entries = if *form == Form::Segments { &rows[..] } else { &[] };
            candidate.append(batch(&lines, entries), &rows)?;
        }
        drop(rows);
        at += REST;
        std::thread::park_timeout(at.saturating_duration_since(Instant::now()));
    }
    if let Some((candidate, _)) = to {
        candidate.flush();
    }
    Ok((cpu_ns() - before, maker.made))
}

/// Writes as fast as it goes.
pub fn bulk(form: Form, dir: &Path, count: u64) -> anyhow::Result<()> {
    let mut candidate = Candidate::open(form, dir)?;
    let (mut maker, clock, start) = (Maker::new(), Clock::system(), Instant::now());
    let (mut spent, mut longest) = (0, Duration::ZERO);
    while maker.made < count {
        let (lines, rows) = maker.rows(1_000.min(count - maker.made), clock.wall_us());
        let (lines, began, at) = (Arc::new(lines), cpu_ns(), Instant::now());
        let entries = if form == Form::Segments { &rows[..] } else { &[] };
        candidate.append(batch(&lines, entries), &rows)?;
        candidate.flush();
        spent += cpu_ns() - began;
        longest = longest.max(at.elapsed());
    }
    candidate.close();
    let seconds = start.elapsed().as_secs_f64();
    say(
        form,
        &format!("CPU in batches of 1,000, {count} records"),
        format!("{:.2} us a record", spent as f64 / 1e3 / count as f64),
    );
    say(form, "longest batch of 1,000", format!("{:.1} ms", longest.as_secs_f64() * 1e3));
    say(form, "bytes a record", format!("{:.1} ({seconds:.0} s in all)", bytes(dir) as f64 / count as f64));
    Ok(())
}

/// Writes until it is killed; tells after each batch how many rows are written.
pub fn write_on(form: Form, dir: &Path) -> anyhow::Result<()> {
    let mut candidate = Candidate::open(form, dir)?;
    let (mut maker, clock, mut out) = (Maker::new(), Clock::system(), std::io::stdout());
    loop {
        let size = 1 + maker.made * 31 % 400;
        let (lines, rows) = maker.rows(size, clock.wall_us());
        let entries = if form == Form::Segments { &rows[..] } else { &[] };
        candidate.append(batch(&Arc::new(lines), entries), &rows)?;
        candidate.flush();
        writeln!(out, "{}", maker.made)?;
    }
}

/// Kills a writer again and again; counts acknowledged rows that are gone.
pub fn kill(form: Form, dir: &Path, times: u64) -> anyhow::Result<()> {
    let (mut acknowledged, mut lost) = (0, 0);
    for time in 0..times {
        let _ = std::fs::remove_dir_all(dir);
        let name = if form == Form::Segments { "segments" } else { "sqlite" };
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(["write", name]).arg(dir).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or_else(|| anyhow::anyhow!("no output"))?;
        let (mut lines, mut last) = (BufReader::new(out).lines(), 0);
        let at = Instant::now() + Duration::from_millis(200 + time * 37 % 400);
        while Instant::now() < at {
            last = lines.next().transpose()?.and_then(|line| line.parse::<u64>().ok()).unwrap_or(last);
        }
        child.kill()?;
        for line in lines.map_while(Result::ok) {
            last = line.parse().unwrap_or(last);
        }
        child.wait()?;
        let found = count(form, dir)?;
        // Opened again, it goes on.
        let mut again = Candidate::open(form, dir)?;
        let (lines, rows) = Maker::new().rows(1, Clock::system().wall_us());
        let entries = if form == Form::Segments { &rows[..] } else { &[] };
        again.append(batch(&Arc::new(lines), entries), &rows)?;
        again.flush();
        again.close();
        anyhow::ensure!(search(form, dir, &Filter { limit: Some(1), ..Filter::default() })? == 1, "nothing is found");
        acknowledged += last;
        lost += last.saturating_sub(found);
    }
    say(form, &format!("{times} kills"), format!("{lost} of {acknowledged} acknowledged records lost"));
    Ok(())
}

/// Rows that a search finds, page by page.
fn count(form: Form, dir: &Path) -> anyhow::Result<u64> {
    if form == Form::Sqlite {
        return super::sqlite::count(dir);
    }
    let reader = vigie::history::Reader::open_readonly(dir)?;
    let mut filter = Filter { limit: Some(10_000), after: Some(0), ..Filter::default() };
    let mut rows = 0;
    loop {
        let found = reader.search(&filter)?;
        rows += found.lines.len() as u64;
        filter.after = Some(found.cursor);
        if !found.truncated {
            return Ok(rows);
        }
    }
}
