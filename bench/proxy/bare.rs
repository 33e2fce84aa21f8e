//! The bare forwarder of the proxy benchmark: what hyper alone costs, with no log, no metrics and no checks.
//!
//! One current-thread runtime a worker, each with its own pool of connections to the upstream. The switches exist to
//! measure one decision of the data path at a time; the defaults are the forwarder the results table calls `bare`.
//!
//! Usage: `bench_bare --listen ADDRESS --origin ADDRESS [--workers N] [--accept reuseport|dispatch|multi]
//! [--client spawned|inline] [--rewrite off|on] [--protocol http1|http2]`

#[path = "bare/accept.rs"]
mod accept;
#[path = "bare/body.rs"]
mod body;
#[path = "bare/forward.rs"]
mod forward;
#[path = "bare/pool.rs"]
mod pool;
#[path = "bare/rewrite.rs"]
mod rewrite;

use std::net::SocketAddr;

use anyhow::{Context, bail};

/// Vigie's own allocator: the comparison is about the work, not about malloc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How connections reach the workers.
#[derive(Clone, Copy, PartialEq)]
enum Accept {
    /// Every worker listens; the kernel spreads connections by hash.
    Reuseport,
    /// One acceptor hands each connection to the worker with the fewest open.
    Dispatch,
    /// One work-stealing runtime with a shared pool, for comparison.
    Multi,
}

/// Who drives the connections to the upstream.
#[derive(Clone, Copy, PartialEq)]
enum Client {
    /// A task for each connection, as hyper's documentation shows.
    Spawned,
    /// The task that serves the caller: no wake-up passes between tasks.
    Inline,
    /// One HTTP/2 connection a worker.
    Http2,
}

#[derive(Clone, Copy)]
struct Options {
    listen: SocketAddr,
    origin: SocketAddr,
    workers: usize,
    accept: Accept,
    client: Client,
    rewrite: bool,
}

fn main() -> anyhow::Result<()> {
    let options = options(std::env::args().skip(1))?;
    accept::run(options)
}

fn options(mut args: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let (listen, origin) = (nowhere, nowhere);
    let mut options =
        Options { listen, origin, workers: 2, accept: Accept::Dispatch, client: Client::Spawned, rewrite: false };
    while let Some(flag) = args.next() {
        let value = args.next().with_context(|| format!("{flag} wants a value"))?;
        match (flag.as_str(), value.as_str()) {
            ("--listen", address) => options.listen = address.parse()?,
            ("--origin", address) => options.origin = address.parse()?,
            ("--workers", count) => options.workers = count.parse()?,
            ("--accept", "reuseport") => options.accept = Accept::Reuseport,
            ("--accept", "dispatch") => options.accept = Accept::Dispatch,
            ("--accept", "multi") => options.accept = Accept::Multi,
            ("--client", "spawned") | ("--protocol", "http1") => options.client = Client::Spawned,
            ("--client", "inline") => options.client = Client::Inline,
            ("--protocol", "http2") => options.client = Client::Http2,
            ("--rewrite", choice @ ("on" | "off")) => options.rewrite = choice == "on",
            _ => bail!("cannot use {flag} {value}"),
        }
    }
    Ok(options)
}
