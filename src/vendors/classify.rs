//! An answer -> its meaning. Pure; runs in the recorder for every exchange that got an answer.
//!
//! - 2xx: what the profile expects (JSON, or nothing), with no failure inside, is `ok`. A failure inside is what its
//!   inner status says, else `client_error`; results that failed one by one make it `partial`. Anything that is not the API's format (a login
//!   or maintenance page) is `vendor_error`.
//! - An answer that holds nothing of what the profile says its route answers is `unclassified`; so is a 207, of several
//!   results, that does not tell what became of each. A failure that a 207 shows makes it `partial`.
//! - A body that was copied in part, or cannot be decoded, is `unclassified` wherever its rest could change the
//!   meaning. The one exception is a read whose beginning was consistent, of a vendor whose profile says that failures
//!   of reads never come late (`cut_reads: ok`).
//! - 101 is `ok`: the switch that was asked for was done, and what was said afterwards nobody read.
//! - 304 is `ok`; other 3xx are `unclassified`: the caller was sent elsewhere, what it asked was not done here.
//! - 401, 403 `auth`; 429 `rate_limited`; other 4xx `client_error`; 5xx `vendor_error`. An inner status tells more than a
//!   plain 4xx, and than a 403 where the profile says what hides in it; the others name their cause, and it stands.

use super::Profile;
use super::file::{Content, CutReads, Messages};
use super::route::{Intent, RouteDef, Verb};
use super::scan::{End, Found, Link, Scan, mark};
use super::summary::Summary;
use crate::exchange::Outcome;
use http::Method;
use std::sync::Arc;

/// Bytes of an error body in which an inner status is sought when no message was found.
const MAX_SOUGHT_BYTES: usize = 4096;

/// Of several results, each with a status of its own (RFC 4918 section 11.1).
const MULTI_STATUS: u16 = 207;

/// What the CRM answered, raw.
pub struct Answer<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's route, if the profile knows it.
    pub route: Option<&'a RouteDef>,
    /// The request's path, without query.
    pub path: &'a str,
    /// The CRM's status.
    pub status: u16,
    /// Its `content-type`.
    pub content_type: Option<&'a str>,
    /// The body's copy, content-decoded.
    pub body: &'a [u8],
    /// The copy is not the whole body.
    pub truncated: bool,
    /// False if the body could not be decoded; `body` is ignored then.
    pub readable: bool,
}

/// The meaning of an answer. Not `Debug`: the message is raw.
pub struct Judgement {
    /// The meaning.
    pub outcome: Outcome,
    /// A status the vendor hid inside the body.
    pub inner_status: Option<u16>,
    /// The vendor's message, raw: present only on failures and where the profile lets it be logged after masking.
    pub message: Option<String>,
    /// What was done, or meant.
    pub summary: Summary,
    /// Results of a batch: done, failed.
    pub items: Option<(u64, u64)>,
    /// The work goes on after the answer: the synchronisation's result is not known yet.
    pub pending_job: bool,
    /// Absolute URLs at the places that the profile names, raw.
    pub links: Vec<Link>,
    /// The route names places of links, and the answer was not read to its end.
    pub links_unread: bool,
}

/// What some programs put before UTF-8 text. JSON has none (RFC 8259 section 8.1), but readers may ignore it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Judges one answer.
pub fn classify(profile: &Profile, answer: &Answer) -> Judgement {
    let body = answer.body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(answer.body);
    let answer = &Answer { body, ..*answer };
    let summary = Summary::intended(profile, answer.method, answer.route, answer.path);
    let outcome = Outcome::Unclassified;
    let mut judgement = Judgement {
        outcome,
        inner_status: None,
        message: None,
        summary,
        items: None,
        pending_job: false,
        links: Vec::new(),
        links_unread: false,
    };
    match answer.status {
        200..=299 => judge_success(profile, answer, &mut judgement),
        101 | 304 => judgement.outcome = Outcome::Ok,
        300..=399 => {}
        _ => judge_failure(profile, answer, &mut judgement),
    }
    if profile.messages == Messages::Never || judgement.outcome == Outcome::Ok {
        judgement.message = None;
    }
    judgement
}

fn judge_success(profile: &Profile, answer: &Answer, judgement: &mut Judgement) {
    if matches!(answer.status, 204 | 205) || *answer.method == Method::HEAD {
        judgement.outcome = Outcome::Ok;
        return;
    }
    let action = answer.route.and_then(|route| route.action(answer.method));
    let scan = action.map_or(&profile.unknown_scan, |action| &action.scan);
    let names_links = action.is_some_and(|action| action.names_links);
    let empty = answer.readable && answer.body.is_empty() && !answer.truncated;
    let json = answer.readable && !empty && is_json(answer.content_type, answer.body);
    let (found, end) =
        if json { scan.run(answer.body) } else { (Found::default(), if empty { End::Whole } else { End::Cut }) };
    judgement.links_unread = names_links && if json { end != End::Whole } else { !answer.readable };
    let mut outcome = if json {
        success(profile, answer, scan, &found, end)
    } else if empty || profile.content == Content::Any {
        Outcome::Ok
    } else if answer.readable {
        Outcome::VendorError
    } else {
        Outcome::Unclassified
    };
    if outcome == Outcome::Ok && tells_too_little(answer, scan, &found, end) {
        outcome = Outcome::Unclassified;
    }
    if found.failed && !scan.errors_are_data {
        let in_message = || status_in(profile, found.message.as_deref()?.as_bytes());
        judgement.inner_status = found.status.or_else(in_message);
    }
    take(judgement, answer.route, found, end);
    judgement.outcome = match judgement.inner_status.map_or(outcome, of_status) {
        // It stands for several results, and shows a failure: only where they were told one by one did all of them fail.
        Outcome::ClientError if answer.status == MULTI_STATUS && judgement.items.is_none() => Outcome::Partial,
        outcome => outcome,
    };
}

/// Whether what seems a success says less than it would: of several results what became of each, else the record, list or
/// job that the profile says is in it. Work that was only accepted has nothing to show yet.
fn tells_too_little(answer: &Answer, scan: &Scan, found: &Found, end: End) -> bool {
    match answer.status {
        MULTI_STATUS => found.items.is_none() && !found.job,
        202 => false,
        _ => scan.expects && end == End::Whole && !found.anything(),
    }
}

fn success(profile: &Profile, answer: &Answer, scan: &Scan, found: &Found, end: End) -> Outcome {
    if found.failed && !scan.errors_are_data {
        return Outcome::ClientError;
    }
    match end {
        End::Broken | End::Cut if profile.content == Content::Any => Outcome::Ok,
        End::Broken => Outcome::VendorError,
        End::Cut if !answer.truncated => Outcome::VendorError,
        End::Cut if meaning_is_at_the_start(profile, answer, scan, found) => Outcome::Ok,
        End::Cut => Outcome::Unclassified,
        // One JSON value ended, but the body went on: whatever follows was not read.
        End::Whole if answer.truncated => Outcome::Unclassified,
        End::Whole => match found.items {
            Some((0, failed)) if failed > 0 => Outcome::ClientError,
            Some((_, failed)) if failed > 0 => Outcome::Partial,
            _ => Outcome::Ok,
        },
    }
}

fn meaning_is_at_the_start(profile: &Profile, answer: &Answer, scan: &Scan, found: &Found) -> bool {
    let reads = answer.route.is_some_and(|route| profile.intent(answer.method, Some(route)) == Intent::Read);
    found.began && reads && profile.cut_reads == CutReads::Ok && !scan.has(mark::ITEMS | mark::JOB)
}

fn take(judgement: &mut Judgement, route: Option<&RouteDef>, found: Found, end: End) {
    let summary = &mut judgement.summary;
    if let Some((id, route)) = found.id.zip(route) {
        summary.id = Some((Arc::clone(&route.token), id));
    }
    // Of a list that was not read to its end, the length is not known.
    summary.count = found.listed.filter(|_| end == End::Whole);
    summary.total = found.total;
    if found.job {
        summary.verb = Verb::Queued;
    }
    judgement.message = found.message;
    judgement.items = found.items;
    judgement.pending_job = found.job;
    judgement.links = found.links;
}

fn judge_failure(profile: &Profile, answer: &Answer, judgement: &mut Judgement) {
    let body = if answer.readable { answer.body } else { &[] };
    let mut told = None;
    if is_json(answer.content_type, body) {
        let (found, _) = profile.error_scan.run(body);
        judgement.message = found.message.filter(|m| !m.is_empty());
        told = found.status.filter(|status| *status != answer.status && is_plain(answer.status));
    }
    judgement.inner_status = inner_status(profile, answer.status, judgement.message.as_deref(), body).or(told);
    judgement.outcome = of_status(judgement.inner_status.unwrap_or(answer.status));
}

/// A refusal that names no cause: what the body tells is more. The others stand, whatever a proxy or a default put inside.
fn is_plain(status: u16) -> bool {
    matches!(status, 400..=499) && !matches!(status, 401 | 403 | 429)
}

fn of_status(status: u16) -> Outcome {
    match status {
        401 | 403 => Outcome::Auth,
        429 => Outcome::RateLimited,
        400..=499 => Outcome::ClientError,
        500..=599 => Outcome::VendorError,
        _ => Outcome::Unclassified,
    }
}

fn inner_status(profile: &Profile, status: u16, message: Option<&str>, body: &[u8]) -> Option<u16> {
    profile.inner_status.as_ref().filter(|inner| inner.statuses.contains(&status))?;
    status_in(profile, message.map_or(&body[..body.len().min(MAX_SOUGHT_BYTES)], str::as_bytes))
}

fn status_in(profile: &Profile, sought: &[u8]) -> Option<u16> {
    let digits = profile.inner_status.as_ref()?.pattern.captures(sought)?.get(1)?.as_bytes();
    // An inner success cannot explain an outer failure.
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|status| matches!(status, 400..=599))
}

/// By its type; where that is missing or plain text, by its first character.
fn is_json(content_type: Option<&str>, body: &[u8]) -> bool {
    let media = content_type.unwrap_or_default().as_bytes();
    let media = media.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    let ends_with = |end: &[u8]| media.len() >= end.len() && media[media.len() - end.len()..].eq_ignore_ascii_case(end);
    if media.is_empty() || media.eq_ignore_ascii_case(b"text/plain") {
        return body.iter().find(|b| !b.is_ascii_whitespace()).is_some_and(|b| matches!(b, b'{' | b'['));
    }
    ends_with(b"/json") || ends_with(b"+json")
}
