//! Links in bodies, for upstreams that ask for it (`rewrite_links`): where the profile names places of links, a whole JSON
//! answer is held back, its links are replaced, and its length is told anew.
//!
//! Invariants: what is held has a bound, for one answer and for all of a worker's; what is not changed passes byte for byte; an
//! answer that is signed, coded, partial or told not to be changed is not changed (RFC 9110 section 7.7). Answers of
//! other calls never come here.

use super::{Map, Placed, bypass, held};
use crate::exchange::{BodyLinks, Bypass, Why};
use crate::proxy::body::{ReplyBody, ReplyStream};
use crate::proxy::copies::Copies;
use crate::upstream;
use crate::vendors::{Link, Profile, RouteDef};
use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use std::rc::Rc;

/// Bytes of an answer held back at most: ten times a page of a hundred records. What is larger streams on as it is.
pub const MAX_HELD: usize = 1 << 20;

/// The parts of a header's name that say it vouches for the very bytes of the body.
const VOUCHING: [&str; 6] = ["signature", "digest", "hmac", "checksum", "content-md5", "-sha256"];

/// What is asked of one answer.
pub struct Plan<'a> {
    /// Knows where links stand.
    pub profile: &'a Profile,
    /// The call's method.
    pub method: Method,
    /// The call's route, if the profile knows it.
    pub route: Option<&'a RouteDef>,
}

/// What is to be done for one call's answer; `None` if nothing is.
pub fn plan<'a>(upstream: &'a upstream::Config, method: &Method, route: Option<u16>) -> Option<Plan<'a>> {
    if !upstream.rewrite_links || *method == Method::HEAD {
        return None;
    }
    let profile = &*upstream.profile;
    let route = route.and_then(|index| profile.routes().get(usize::from(index)));
    profile.may_link(method, route).then(|| Plan { profile, method: method.clone(), route })
}

/// Why an answer's body must stay as it is; `Ok(false)` if nothing in it is looked for.
fn judge(head: &Parts) -> Result<bool, Why> {
    if !head.status.is_success() || matches!(head.status.as_u16(), 204 | 205) {
        return Ok(false);
    }
    let headers = &head.headers;
    if head.status == StatusCode::PARTIAL_CONTENT || headers.contains_key(CONTENT_RANGE) {
        return Err(Why::Partial);
    }
    let vouches = |name: &http::HeaderName| VOUCHING.iter().any(|part| name.as_str().contains(part));
    if headers.keys().any(vouches) || lists(headers, &CACHE_CONTROL, "no-transform") {
        return Err(Why::Signed);
    }
    let coded =
        headers.get_all(CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if coded || !headers.get(CONTENT_TYPE).is_some_and(is_json) {
        return Err(Why::Unreadable);
    }
    match length(headers) {
        Some(length) if length > MAX_HELD as u64 => Err(Why::TooLarge),
        _ => Ok(true),
    }
}

fn lists(headers: &HeaderMap, name: &http::HeaderName, word: &str) -> bool {
    let words = headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    words.map(<[u8]>::trim_ascii).any(|listed| listed.eq_ignore_ascii_case(word.as_bytes()))
}

fn is_json(media: &HeaderValue) -> bool {
    let media = media.as_bytes().split(|b| *b == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    media.ends_with(b"/json") || media.ends_with(b"+json")
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Rewrites the links in a streaming answer, if it may be changed and is small enough to be held.
pub async fn rewrite(
    response: Response<ReplyBody>,
    map: Map<'_>,
    plan: Plan<'_>,
    copies: &Rc<Copies>,
) -> Response<ReplyBody> {
    let (mut parts, mut stream) = match response.into_parts() {
        (parts, ReplyBody::Stream(stream)) => (parts, stream),
        (parts, body) => return Response::from_parts(parts, body),
    };
    match judge(&parts) {
        Ok(true) => {}
        Ok(false) => return Response::from_parts(parts, ReplyBody::Stream(stream)),
        Err(why) => {
            note(&mut stream, Vec::new(), BodyLinks::Untouched(why));
            return Response::from_parts(parts, ReplyBody::Stream(stream));
        }
    }
    let mut held = held::hold(&mut stream, copies, MAX_HELD).await;
    match held.whole().map(|body| (plan.profile.links(&plan.method, plan.route, body), body)) {
        Ok((Some(links), body)) => {
            let (new, left) = replace(body, &links, |text| map.place_in_body(text));
            note(&mut stream, left, BodyLinks::Rewritten);
            if let Some(new) = new {
                change(&mut parts.headers, new.len());
                held.replace(new);
            }
        }
        Ok((None, _)) => note(&mut stream, Vec::new(), BodyLinks::Untouched(Why::Unreadable)),
        Err(why) => note(&mut stream, Vec::new(), BodyLinks::Untouched(why)),
    }
    Response::from_parts(parts, ReplyBody::Held(Box::new(held.before(*stream))))
}

fn note(stream: &mut ReplyStream, left: Vec<Bypass>, body: BodyLinks) {
    if let Some(links) = stream.links() {
        links.left.extend(left);
        links.body = body;
    }
}

/// The body with other links; `None` if none changes. And those that lead past the agent.
fn replace(body: &[u8], links: &[Link], place: impl Fn(&str) -> Placed) -> (Option<Bytes>, Vec<Bypass>) {
    let (mut new, mut copied, mut left) = (Vec::new(), 0, Vec::new());
    for link in links {
        let placed = place(&link.text);
        if let Some(why) = placed.past {
            let bypass = bypass(&link.place, why);
            if !left.contains(&bypass) {
                left.push(bypass);
            }
        }
        // Written as a JSON string; its quotes are there already.
        let Some(text) = placed.to.and_then(|to| serde_json::to_string(&to).ok()) else { continue };
        new.extend_from_slice(&body[copied..link.at.start]);
        new.extend_from_slice(&text.as_bytes()[1..text.len() - 1]);
        copied = link.at.end;
    }
    new.extend_from_slice(&body[copied..]);
    ((copied > 0).then(|| Bytes::from(new)), left)
}

/// The head of an answer that was changed. A strong validator speaks of the upstream's bytes, and so do ranges of it.
fn change(headers: &mut HeaderMap, length: usize) {
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.remove(ACCEPT_RANGES);
    let strong = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"));
    if let Some(weak) = strong.and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok()) {
        headers.insert(ETAG, weak);
    }
}

#[cfg(test)]
mod tests;
