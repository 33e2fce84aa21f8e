//! Sending once more what the upstream certainly did not look at: an HTTP/2 stream refused with `REFUSED_STREAM`, or above the
//! last stream that a GOAWAY names (RFC 9113 section 8.7). And what does no harm twice and was most likely never looked at: a
//! request that changes nothing, on a connection whose idle time ran out as it was sent (RFC 9112 section 9.3.1). Nothing
//! else is ever sent twice, and nothing three times.

use super::body::RequestBody;
use super::tee::Tee;
use http::{Request, Version, request};

/// What is kept of a request until its stream was accepted.
pub struct Kept(request::Parts);

impl Kept {
    /// The head of `request`.
    pub fn of(request: &Request<RequestBody>) -> Option<Self> {
        let mut kept = Request::builder().method(request.method()).uri(request.uri().clone()).body(()).ok()?;
        kept.headers_mut().clone_from(request.headers());
        *kept.version_mut() = Version::HTTP_11;
        Some(Self(kept.into_parts().0))
    }

    /// The whole request once more; `None` when its body is still on its way, or larger than the copy.
    pub fn request(self, tee: Option<&Tee>) -> Option<Request<RequestBody>> {
        let body = match tee {
            None => RequestBody::Empty,
            Some(tee) => RequestBody::Kept(Some(tee.whole()?)),
        };
        Some(self.with(body))
    }

    /// The request again, with its body if not a byte of it has gone.
    pub fn with(self, body: RequestBody) -> Request<RequestBody> {
        Request::from_parts(self.0, body)
    }
}

/// True for a request that changes nothing and has no body: it may be sent again although the upstream may have seen it
/// (RFC 9110 section 9.2.1).
pub fn is_repeatable(request: &Request<RequestBody>) -> bool {
    request.method().is_safe() && matches!(request.body(), RequestBody::Empty)
}

/// True when the peer says that it did not process the request.
pub fn was_refused(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|e| e.downcast_ref::<h2::Error>());
    // A GOAWAY becomes the error of those streams only that are above the last one it names.
    cause.is_some_and(|e| {
        e.is_remote() && (e.is_go_away() || (e.is_reset() && e.reason() == Some(h2::Reason::REFUSED_STREAM)))
    })
}
