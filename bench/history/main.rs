//! What the history costs and how fast it is searched, beside the form it did not take: one SQLite file a day.
//!
//! `bench_history cost|bulk|search|kill|drop …`: see the README beside the figures. Prints one line a figure.

mod cost;
mod records;
mod searches;
mod sqlite;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vigie::clock::Clock;
use vigie::history::{self, Batch, Counters, Filter, History, Reader};

/// Which form is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Segments,
    Sqlite,
}

/// A history of either form.
enum Candidate {
    Segments(History),
    Sqlite(Box<sqlite::Days>),
}

/// Longest wait for rows to be written.
const LONG: Duration = Duration::from_secs(600);

impl Candidate {
    fn open(form: Form, dir: &Path) -> anyhow::Result<Self> {
        match form {
            Form::Sqlite => Ok(Self::Sqlite(Box::new(sqlite::Days::open(dir)?))),
            Form::Segments => {
                let config = history::Config { enabled: true, dir: dir.to_owned(), days: 90, max_bytes: 1 << 50 };
                let (history, _) = History::open(&config, Clock::system(), Counters::default())?;
                Ok(Self::Segments(history))
            }
        }
    }

    /// Waits while the queue is full: a bulk load may be faster than the disk.
    fn append(&mut self, batch: Batch, rows: &[records::Row]) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(days) => days.append(&batch.lines, rows),
            Self::Segments(history) => {
                while history.try_append(batch.clone()).is_err() {
                    history.flush(LONG);
                }
                Ok(())
            }
        }
    }

    fn flush(&mut self) {
        if let Self::Segments(history) = self {
            history.flush(LONG);
        }
    }

    fn close(self) {
        if let Self::Segments(history) = self {
            history.shutdown(LONG);
        }
    }
}

fn search(form: Form, dir: &Path, filter: &Filter) -> anyhow::Result<usize> {
    match form {
        Form::Segments => Ok(Reader::open_readonly(dir)?.search(filter)?.lines.len()),
        Form::Sqlite => sqlite::search(dir, filter),
    }
}

/// Bytes of every file below a directory.
fn bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let size = |path: PathBuf| if path.is_dir() { bytes(&path) } else { path.metadata().map_or(0, |m| m.len()) };
    entries.filter_map(Result::ok).map(|entry| size(entry.path())).sum()
}

fn say(form: Form, what: &str, figure: String) {
    use std::io::Write;
    let form = if form == Form::Segments { "segments" } else { "sqlite" };
    // A reader who left has seen enough.
    let _ = writeln!(std::io::stdout(), "{form:9} {what:52} {figure}");
}

fn dropping(form: Form, dir: &Path) -> anyhow::Result<()> {
    let (size, start) = (bytes(dir), Instant::now());
    for entry in std::fs::read_dir(dir)?.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
    }
    say(form, "dropping the day", format!("{:.0} ms for {} MB", start.elapsed().as_secs_f64() * 1e3, size / 1_000_000));
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |at: usize| arguments.get(at).map_or("", String::as_str);
    let number = |at: usize| argument(at).replace('_', "").parse::<u64>();
    let form = if argument(1) == "sqlite" { Form::Sqlite } else { Form::Segments };
    let dir = PathBuf::from(argument(2));
    match argument(0) {
        "cost" => cost::measure(form, &dir, number(3)?, number(4)?),
        "bulk" => cost::bulk(form, &dir, number(3)?),
        "search" => searches::measure(form, &dir, number(3)?),
        "write" => cost::write_on(form, &dir),
        "kill" => cost::kill(form, &dir, number(3)?),
        "drop" => dropping(form, &dir),
        _ => anyhow::bail!(
            "bench_history cost FORM DIR ROWS_A_SECOND SECONDS | bulk FORM DIR ROWS | search FORM DIR ROWS | \
             kill FORM DIR TIMES | drop FORM DIR; FORM is segments or sqlite"
        ),
    }
}
