//! One exchange: take a connection, send, stream the answer back.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use anyhow::{Context as _, bail};
use http::{Request, Response};
use hyper::body::Incoming;

use crate::Client;
use crate::body::Answer;
use crate::pool::{Connection, Pool};
use crate::rewrite::{Caller, rewrite_request, rewrite_response};

pub async fn forward(
    pool: Arc<Pool>,
    caller: Option<Caller>,
    mut request: Request<Incoming>,
) -> anyhow::Result<Response<Answer>> {
    let correlation_id = caller.map(|caller| rewrite_request(&mut request, &caller, pool.origin()));
    let mut response = match pool.client {
        Client::Http2 => send_http2(&pool, request).await?,
        Client::Spawned | Client::Inline => send_http1(pool, request).await?,
    };
    if let Some(correlation_id) = correlation_id {
        rewrite_response(response.headers_mut(), correlation_id);
    }
    Ok(response)
}

async fn send_http2(pool: &Pool, request: Request<Incoming>) -> anyhow::Result<Response<Answer>> {
    let mut sender = pool.http2().await?;
    sender.ready().await?;
    Ok(sender.send_request(request).await?.map(|body| Answer::new(body, None)))
}

/// Tries idle connections until one takes the request, then a fresh one.
async fn send_http1(pool: Arc<Pool>, mut request: Request<Incoming>) -> anyhow::Result<Response<Answer>> {
    while let Some(mut connection) = pool.take() {
        match send_on(&mut connection, request).await {
            Ok(response) => return Ok(response.map(|body| Answer::new(body, Some((connection, pool))))),
            Err(Sent::Never(returned)) => request = *returned,
            Err(Sent::Failed(error)) => bail!(error),
        }
    }
    let mut connection = pool.connect().await?;
    match send_on(&mut connection, request).await {
        Ok(response) => Ok(response.map(|body| Answer::new(body, Some((connection, pool))))),
        Err(Sent::Never(_)) => None.context("the upstream closed a fresh connection"),
        Err(Sent::Failed(error)) => bail!(error),
    }
}

/// What became of a request that got no answer.
enum Sent {
    /// Nothing left this process: it may go to another connection.
    Never(Box<Request<Incoming>>),
    Failed(anyhow::Error),
}

async fn send_on(connection: &mut Connection, request: Request<Incoming>) -> Result<Response<Incoming>, Sent> {
    if connection.driver.is_none() && connection.sender.ready().await.is_err() {
        return Err(Sent::Never(Box::new(request)));
    }
    let mut answer = pin!(connection.sender.try_send_request(request));
    let driver = &mut connection.driver;
    let answered = std::future::poll_fn(|cx| {
        let ended = driver.as_mut().is_some_and(|driver| driver.as_mut().poll(cx).is_ready());
        if ended {
            // A finished connection must not be polled again; what it decided about the request is in `answer`.
            *driver = None;
        }
        match answer.as_mut().poll(cx) {
            Poll::Pending if ended => Poll::Ready(None),
            other => other.map(Some),
        }
    });
    match answered.await {
        Some(Ok(response)) => Ok(response),
        Some(Err(mut refused)) => match refused.take_message() {
            Some(request) => Err(Sent::Never(Box::new(request))),
            None => Err(Sent::Failed(refused.into_error().into())),
        },
        None => Err(Sent::Failed(anyhow::anyhow!("the upstream closed the connection"))),
    }
}
