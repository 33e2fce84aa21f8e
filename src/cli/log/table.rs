//! Records as rows that fit the terminal: one line each, the same widths from the first row to the last.

use super::notes::Notes;
use crate::exchange::record::Record;
use comfy_table::{Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Row, Width};
use std::borrow::Cow;

/// Width where there is no terminal to ask.
const WIDTH_IN_A_PIPE: u16 = 160;

/// Blanks after each column.
const GAP: u16 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Time,
    System,
    Method,
    Endpoint,
    Status,
    Outcome,
    Duration,
    Upstream,
    Size,
    Response,
    CorrelationId,
}

use Column::{CorrelationId, Duration, Endpoint, Method, Outcome, Response, Size, Status, System, Time, Upstream};

/// From left to right: the column, its head, the width it needs, and the most it makes use of.
const COLUMNS: [(Column, &str, u16, u16); 11] = [
    (Time, "TIME (UTC)", 12, 18),
    (System, "SYSTEM", 6, 16),
    (Method, "METHOD", 6, 7),
    (Endpoint, "ENDPOINT", 16, 48),
    (Status, "STATUS", 6, 6),
    (Outcome, "OUTCOME", 13, 13),
    (Duration, "MS", 7, 9),
    (Upstream, "CRM MS", 7, 9),
    (Size, "SIZE", 7, 8),
    (Response, "RESPONSE", 12, 64),
    (CorrelationId, "CORRELATION ID", 14, 36),
];

/// What is left out on a narrow terminal, first to last.
const DISPENSABLE: [Column; 5] = [Size, Upstream, Response, CorrelationId, System];

/// See the module.
pub(super) struct Table {
    colour: bool,
    width: u16,
    layout: Vec<(Column, u16)>,
    notes: Notes,
}

impl Table {
    /// As wide as the terminal behind standard output.
    pub(super) fn new(colour: bool) -> Self {
        Self::of_width(comfy_table::Table::new().width().unwrap_or(WIDTH_IN_A_PIPE), colour)
    }

    pub(super) fn of_width(width: u16, colour: bool) -> Self {
        Self { colour, width, layout: Vec::new(), notes: Notes::default() }
    }

    /// The head and the first rows. When more will come, the columns leave room for what those may hold.
    pub(super) fn first(&mut self, lines: &[String], more: bool) -> String {
        let records: Vec<_> = lines.iter().map(|line| parse(line)).collect();
        let used = |column| {
            let texts = records.iter().flatten().map(|record| text(record, column).chars().count());
            u16::try_from(texts.max().unwrap_or(0)).unwrap_or(u16::MAX)
        };
        self.layout = layout(self.width, |column| if more { u16::MAX } else { used(column) });
        if lines.is_empty() && !more {
            return String::new();
        }
        let head = |column| COLUMNS.iter().find(|c| c.0 == column).map_or("", |c| c.1);
        let head: Row =
            self.layout.iter().map(|(c, w)| aligned(*c, fit(head(*c), *w).into_owned())).collect::<Vec<_>>().into();
        self.render(Some(head), lines)
    }

    /// Further rows.
    pub(super) fn more(&mut self, lines: &[String]) -> String {
        self.render(None, lines)
    }

    fn render(&mut self, head: Option<Row>, lines: &[String]) -> String {
        let mut text = String::new();
        if let Some(head) = head {
            text.push_str(&self.lay_out(head));
            text.push('\n');
        }
        for line in lines {
            let record = parse(line);
            match &record {
                Some(record) => text.push_str(&self.lay_out(self.row(record))),
                // A line of a newer version, perhaps: better seen raw than not at all.
                None => text.extend(line.chars().map(visible)),
            }
            text.push('\n');
            for note in record.map(|record| self.notes.about(&record)).unwrap_or_default() {
                text.extend("  ^ ".chars().chain(note.chars().map(visible)).chain(['\n']));
            }
        }
        text
    }

    fn lay_out(&self, mut row: Row) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(self.width.max(1));
        if self.colour {
            table.enforce_styling()
        } else {
            table.force_no_tty()
        };
        row.max_height(1);
        table.add_row(row);
        for (column, (_, width)) in table.column_iter_mut().zip(&self.layout) {
            column.set_padding((0, GAP)).set_constraint(ColumnConstraint::Absolute(Width::Fixed(width + GAP)));
        }
        table.to_string().trim_end().to_owned()
    }

    fn row(&self, record: &Record) -> Row {
        let cell = |(column, width): &(Column, u16)| {
            let cell = aligned(*column, fit(&text(record, *column), *width).into_owned());
            colour(record, *column).map_or(cell.clone(), |colour| cell.fg(colour))
        };
        self.layout.iter().map(cell).collect::<Vec<_>>().into()
    }
}

/// Which columns, and how wide: what does not fit is left out, what is over is shared among those that can use it.
fn layout(width: u16, used: impl Fn(Column) -> u16) -> Vec<(Column, u16)> {
    let mut columns: Vec<_> = COLUMNS.to_vec();
    let needed = |columns: &[(Column, &str, u16, u16)]| columns.iter().map(|c| c.2 + GAP).sum::<u16>();
    for column in DISPENSABLE {
        if needed(&columns) > width {
            columns.retain(|c| c.0 != column);
        }
    }
    let mut over = width.saturating_sub(needed(&columns));
    let mut grown: Vec<_> = columns.iter().map(|(column, _, least, _)| (*column, *least)).collect();
    // The time shows its day or does not: what lies between would be blanks.
    let day = COLUMNS[0].3 - COLUMNS[0].2;
    if over >= day && used(Time) > grown[0].1 {
        grown[0].1 += day;
        over -= day;
    }
    loop {
        let before = over;
        for ((column, width), (_, _, _, most)) in grown.iter_mut().zip(&columns) {
            if over > 0 && *column != Time && *width < used(*column).min(*most) {
                *width += 1;
                over -= 1;
            }
        }
        if over == before {
            return grown;
        }
    }
}

fn text(record: &Record, column: Column) -> Cow<'_, str> {
    match column {
        Time => Cow::Owned(record.timestamp.get(5..).unwrap_or("").replace('T', " ").replace('Z', "")),
        System => Cow::Borrowed(&record.system),
        Method => Cow::Borrowed(&record.method),
        Endpoint => Cow::Borrowed(&record.endpoint),
        Status if record.status_code == 0 => Cow::Borrowed("-"),
        Status => Cow::Owned(record.status_code.to_string()),
        Outcome => Cow::Borrowed(&record.outcome),
        Duration => Cow::Owned(format!("{:.1}", record.duration_ms)),
        Upstream => record.upstream_ms.map_or(Cow::Borrowed("-"), |ms| Cow::Owned(format!("{ms:.1}"))),
        Size => Cow::Borrowed(&record.payload_size),
        Response => Cow::Borrowed(record.response.as_str()),
        CorrelationId => Cow::Borrowed(record.correlation_id.as_str()),
    }
}

fn colour(record: &Record, column: Column) -> Option<Color> {
    match (column, record.status_code, &*record.outcome) {
        (Status, 200..=299, _) | (Outcome, _, "ok") => Some(Color::Green),
        (Status, 100..=399, _) => Some(Color::Cyan),
        (Status, 400..=499, _) | (Outcome, _, "client_error" | "client_closed" | "rate_limited" | "partial") => {
            Some(Color::Yellow)
        }
        (Status | Outcome, ..) => Some(Color::Red),
        _ => None,
    }
}

fn aligned(column: Column, text: String) -> Cell {
    let right = matches!(column, Status | Duration | Upstream | Size);
    Cell::new(text).set_alignment(if right { CellAlignment::Right } else { CellAlignment::Left })
}

/// The text in so many characters; the day goes from a time that does not fit, an end from anything else.
fn fit(text: &str, width: u16) -> Cow<'_, str> {
    let (width, length) = (usize::from(width), text.chars().count());
    let clean = |s: &str| s.chars().map(visible).collect::<String>();
    if length <= width {
        return Cow::Owned(clean(text));
    }
    match text.split_once(' ') {
        Some((day, time)) if day.len() == 5 && time.len() <= width && time.as_bytes().get(2) == Some(&b':') => {
            Cow::Owned(clean(time))
        }
        _ => Cow::Owned(text.chars().take(width.saturating_sub(1)).map(visible).chain(['…']).collect()),
    }
}

/// Control characters and marks that turn the direction of writing would let a record draw on the terminal.
fn visible(c: char) -> char {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || turns { '?' } else { c }
}

fn parse(line: &str) -> Option<Record> {
    serde_json::from_str(line).ok()
}

#[cfg(test)]
mod tests;
