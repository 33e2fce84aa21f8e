//! From a request that is ready to its answer's head, over as many connections as it takes.

use super::added::Added;
use super::body::{AnswerBody, RequestBody};
use super::flight::{Flight, micros};
use super::interim::Interim;
use super::pool::{Failure, Lease, Pool};
use super::retry;
use super::tee::Tee;
use super::until_head::until_head;
use crate::exchange::{AgentError, Attempt};
use crate::upstream::Timeouts;
use http::Request;
use http::response::Parts;
use std::rc::Rc;
use std::time::Instant;

/// What goes on while an answer's head is waited for.
pub struct Watched<'a> {
    /// The request's body.
    pub tee: Option<&'a Tee>,
    /// How long it is waited for.
    pub timeouts: Timeouts,
    /// Gets what comes before it.
    pub interim: &'a Interim<'a>,
}

/// Leases a connection, sends, and waits for the answer's head. A reused connection that turns out to be closed before
/// a byte was written is replaced once: the upstream cannot have seen the request. What an upstream refused unseen, and what
/// changes nothing and got lost with a reused connection, is sent once more as an attempt of its own.
pub async fn send(
    pool: &Rc<Pool>,
    mut request: Box<Request<RequestBody>>,
    added: &mut Added,
    watched: &Watched<'_>,
    attempt: &mut Attempt,
    flight: &mut Flight,
    started: Instant,
) -> Result<Answered, AgentError> {
    let Watched { tee, timeouts, interim } = *watched;
    let (mut fresh, mut again) = (false, false);
    loop {
        let mut lease = match pool.lease(fresh).await {
            Ok(lease) => lease,
            Err((error, times)) => {
                attempt.upstream_us = micros(started.elapsed());
                attempt.connect = Some(times);
                return Err(error);
            }
        };
        let sent_at = Instant::now();
        attempt.start_us = micros(sent_at.saturating_duration_since(started));
        attempt.connect = lease.connect;
        attempt.http_version = lease.http_version();
        flight.on_wire(Some(attempt.clone()));
        let kept = lease.is_shared().then(|| retry::Kept::of(&request)).flatten();
        let result = until_head(lease.send(request, added, interim), tee, timeouts, sent_at).await;
        let head_at = Instant::now();
        let sent_at = tee.and_then(Tee::ended).filter(|t| *t < head_at).unwrap_or(sent_at);
        attempt.upstream_us = micros(head_at.saturating_duration_since(sent_at));
        match result {
            Ok(Ok((parts, body))) => {
                lease.works();
                return Ok(Answered { parts, body, lease, head_at });
            }
            Err(error) => return Err(error),
            Ok(Err(Failure::Unsent(unsent))) if lease.reused() && !fresh => {
                lease.discard();
                request = match kept {
                    // It was made ready for HTTP/2, and the next connection may speak HTTP/1.1.
                    Some(kept) => Box::new(kept.with(unsent.into_body())),
                    None => unsent,
                };
                fresh = true;
                flight.on_wire(None);
            }
            Ok(Err(Failure::Refused)) => {
                let next = kept.filter(|_| !again).and_then(|kept| kept.request(tee));
                let Some(next) = next else { return Err(AgentError::StreamRefused) };
                request = Box::new(next);
                flight.send_again(attempt, AgentError::StreamRefused, added);
                again = true;
            }
            Ok(Err(Failure::Unanswered(lost))) => {
                request = lost;
                flight.send_again(attempt, AgentError::UpstreamClosed, added);
                (fresh, again) = (true, true);
            }
            Ok(Err(failure)) => return Err(pool.blame(&failure)),
        }
    }
}

/// An answer's head, and where its body is read.
pub struct Answered {
    /// The head.
    pub parts: Parts,
    /// Where the body is read.
    pub body: AnswerBody,
    /// The connection it comes by.
    pub lease: Lease,
    /// When the head came.
    pub head_at: Instant,
}
