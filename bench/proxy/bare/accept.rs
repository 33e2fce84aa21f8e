//! Accepts connections and spreads them over the workers, in the three ways under comparison.

use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use crate::forward::forward;
use crate::pool::Pool;
use crate::rewrite::Caller;
use crate::{Accept, Client, Options};

/// Connections the kernel may queue: all 512 of the largest load, at once.
const BACKLOG: u32 = 1024;

pub fn run(options: Options) -> anyhow::Result<()> {
    match options.accept {
        Accept::Reuseport => reuseport(options),
        Accept::Dispatch => dispatch(options),
        Accept::Multi => {
            let runtime = Builder::new_multi_thread().worker_threads(options.workers).enable_all().build()?;
            runtime.block_on(accept_all(options))
        }
    }
}

fn current_thread() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn reuseport(options: Options) -> anyhow::Result<()> {
    let workers: Vec<_> =
        (0..options.workers).map(|_| thread::spawn(move || current_thread()?.block_on(accept_all(options)))).collect();
    workers.into_iter().try_for_each(|worker| worker.join().expect("a worker returns its errors"))
}

async fn accept_all(options: Options) -> anyhow::Result<()> {
    let listener = listen(options.listen)?;
    let pool = Arc::new(Pool::new(options.origin, options.client));
    loop {
        let (stream, peer) = listener.accept().await?;
        tokio::spawn(serve(stream, peer, Arc::clone(&pool), options.rewrite));
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A worker as the acceptor sees it.
struct Worker {
    open: Arc<AtomicUsize>,
    connections: mpsc::UnboundedSender<(StdStream, SocketAddr)>,
}

fn dispatch(options: Options) -> anyhow::Result<()> {
    let listener = StdListener::bind(options.listen)?;
    let workers: Vec<Worker> = (0..options.workers).map(|_| start_worker(options)).collect();
    loop {
        let (stream, peer) = listener.accept()?;
        stream.set_nonblocking(true)?;
        let idlest = workers.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed));
        let worker = idlest.expect("at least one worker");
        worker.open.fetch_add(1, Ordering::Relaxed);
        worker.connections.send((stream, peer))?;
    }
}

fn start_worker(options: Options) -> Worker {
    let open = Arc::new(AtomicUsize::new(0));
    let (connections, mut accepted) = mpsc::unbounded_channel();
    let worker = Worker { open: Arc::clone(&open), connections };
    thread::spawn(move || {
        current_thread()?.block_on(async {
            let pool = Arc::new(Pool::new(options.origin, options.client));
            while let Some((stream, peer)) = accepted.recv().await {
                let (open, pool) = (Arc::clone(&open), Arc::clone(&pool));
                let stream = TcpStream::from_std(stream)?;
                tokio::spawn(async move {
                    serve(stream, peer, pool, options.rewrite).await;
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
            std::io::Result::Ok(())
        })
    });
    worker
}

/// Serves one connection to its end; a caller that goes away is no error here.
async fn serve(stream: TcpStream, peer: SocketAddr, pool: Arc<Pool>, rewrite: bool) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let http2 = pool.client == Client::Http2;
    let caller = rewrite.then(|| Caller::new(peer));
    let service = service_fn(move |request| forward(Arc::clone(&pool), caller.clone(), request));
    let io = TokioIo::new(stream);
    let _ended = if http2 {
        http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
    } else {
        http1::Builder::new().serve_connection(io, service).await
    };
}
