//! How long an answer's head is waited for.

use super::tee::Tee;
use crate::exchange::AgentError;
use crate::upstream::Timeouts;
use std::time::{Duration, Instant};

/// How often a long upload is looked at, at least: by so much the head's time-out after it may come late.
const UPLOAD_LOOK: Duration = Duration::from_secs(1);

/// Waits for the head. The head's time-out starts when the request was sent whole; until then only a standstill of the
/// upload ends the wait, so that long uploads are not cut.
pub async fn until_head<F: Future>(
    sending: F,
    tee: Option<&Tee>,
    timeouts: Timeouts,
    sent_at: Instant,
) -> Result<F::Output, AgentError> {
    let mut sending = std::pin::pin!(sending);
    let mut sleep = std::pin::pin!(tokio::time::sleep_until((sent_at + timeouts.head).into()));
    loop {
        tokio::select! {
            biased;
            output = &mut sending => return Ok(output),
            () = &mut sleep => {}
        }
        let now = Instant::now();
        let sent = tee.map_or(Some(sent_at), Tee::ended);
        let (deadline, look) = match (sent, tee) {
            (None, Some(tee)) => (tee.moved() + timeouts.idle, now + timeouts.head.min(UPLOAD_LOOK)),
            (sent, _) => (sent.unwrap_or(sent_at) + timeouts.head, now + timeouts.head),
        };
        if deadline <= now {
            // Whoever is waited for is to blame: the caller for bytes, or the upstream that takes none.
            let starved = sent.is_none() && tee.is_some_and(Tee::starved);
            return Err(if starved { AgentError::UploadTimeout } else { AgentError::HeadTimeout });
        }
        sleep.as_mut().reset(deadline.min(look).into());
    }
}
