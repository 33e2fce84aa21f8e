//! One acceptor for all workers: each connection goes to the worker that has least to do.
//!
//! Letting the kernel spread connections (SO_REUSEPORT) leaves two to four keep-alive connections on one core and resets
//! queued ones when a listener closes.

use super::Config;
use super::admission::{Admission, Place};
use super::worker::{Shared, Worker};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// How often a worker tells that it lives; `/live` allows five times as much.
const BEAT: Duration = Duration::from_secs(1);

/// Pause after a failed accept (usually no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A connection handed to a worker: the stream, the listener's index, and its place among the connections there may be.
type Handed = (std::net::TcpStream, usize, Place);

struct Lane {
    sender: UnboundedSender<Handed>,
    open: Arc<AtomicUsize>,
}

/// The running data path.
pub struct Running {
    addresses: Vec<SocketAddr>,
    stop: CancellationToken,
    threads: Vec<JoinHandle<usize>>,
}

/// Binds every listener, starts the workers, and accepts.
pub async fn start(config: &Config, shared: Arc<Shared>) -> io::Result<Running> {
    let stop = CancellationToken::new();
    let mut listeners = Vec::new();
    for listener in &config.listeners {
        let bound = TcpListener::bind(listener.address).await;
        listeners
            .push(bound.map_err(|e| io::Error::new(e.kind(), format!("cannot listen on {}: {e}", listener.address)))?);
    }
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
    let mut lanes = Vec::new();
    let mut threads = Vec::new();
    for index in 0..config.workers {
        let (sender, receiver) = unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        lanes.push(Lane { sender, open: Arc::clone(&open) });
        let thread = WorkerThread { shared: Arc::clone(&shared), index, open, stop: stop.clone(), grace: config.drain };
        threads.push(std::thread::Builder::new().name(format!("proxy-{index}")).spawn(move || thread.run(receiver))?);
    }
    let lanes: Arc<[Lane]> = lanes.into();
    let admission = Admission::new(&config.limits, Arc::clone(&shared.metrics));
    for (index, listener) in listeners.into_iter().enumerate() {
        tokio::spawn(accept(listener, index, Arc::clone(&lanes), Arc::clone(&admission), stop.clone()));
    }
    Ok(Running { addresses, stop, threads })
}

impl Running {
    /// Where it listens, in the configuration's order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops accepting, lets running exchanges finish within the grace time, and gives the number that was cut.
    pub async fn drain(self) -> usize {
        self.stop.cancel();
        let joined = tokio::task::spawn_blocking(move || {
            // A worker that panicked has cut its connections already; the others must still be waited for.
            self.threads.into_iter().map(|t| t.join().unwrap_or(1)).sum()
        });
        joined.await.unwrap_or(0)
    }
}

async fn accept(
    listener: TcpListener,
    index: usize,
    lanes: Arc<[Lane]>,
    admission: Arc<Admission>,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match admission.admit(peer.ip()) {
                Ok(place) => hand_over(&lanes, stream, index, place),
                Err(refused) => admission.turn_away(stream, refused),
            },
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn hand_over(lanes: &[Lane], stream: TcpStream, listener: usize, place: Place) {
    let Ok(stream) = stream.into_std() else { return };
    let Some(lane) = lanes.iter().min_by_key(|lane| lane.open.load(Ordering::Relaxed)) else { return };
    lane.open.fetch_add(1, Ordering::Relaxed);
    // A worker that is gone drops the stream, which closes it.
    let _ = lane.sender.send((stream, listener, place));
}

struct WorkerThread {
    shared: Arc<Shared>,
    index: usize,
    open: Arc<AtomicUsize>,
    stop: CancellationToken,
    grace: Duration,
}

impl WorkerThread {
    fn run(self, receiver: UnboundedReceiver<Handed>) -> usize {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "a data-path thread cannot start");
                return 0;
            }
        };
        let local = tokio::task::LocalSet::new();
        let cut = local.block_on(&runtime, self.serve(receiver));
        // Dropping the set drops what was cut, which records it.
        drop(local);
        cut
    }

    async fn serve(self, mut receiver: UnboundedReceiver<Handed>) -> usize {
        let worker = Worker::new(self.shared, self.index);
        let mut beat = tokio::time::interval(BEAT);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                handed = receiver.recv() => match handed {
                    Some(handed) => begin(&worker, handed, &self.open),
                    None => break,
                },
                _ = beat.tick() => worker.beat(),
            }
        }
        // What the acceptor took before it stopped is still served.
        while let Ok(handed) = receiver.try_recv() {
            begin(&worker, handed, &self.open);
        }
        worker.drain.begin();
        worker.finish(self.grace, &mut beat).await
    }
}

fn begin(worker: &Rc<Worker>, (stream, listener, place): Handed, open: &Arc<AtomicUsize>) {
    let (serving, open) = (Rc::clone(worker), Arc::clone(open));
    worker.spawn(async move {
        if let Ok(stream) = TcpStream::from_std(stream) {
            serving.serve(stream, listener).await;
        }
        drop(place);
        open.fetch_sub(1, Ordering::Relaxed);
    });
}
