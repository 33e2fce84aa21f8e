//! One acceptor for all workers: each connection goes to the worker that has least to do.
//!
//! Letting the kernel spread connections (SO_REUSEPORT) leaves two to four keep-alive connections on one core and resets
//! queued ones when a listener closes.

use super::admission::{Admission, Place, Tongue, Untold};
use super::worker::{Current, Shared, Worker};
use super::{Config, StartError, Surroundings, make_ready, serve};
use crate::upstream;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle as Task;
use tokio_util::sync::CancellationToken;

/// How often a worker tells that it lives; `/live` allows five times as much.
const BEAT: Duration = Duration::from_secs(1);

/// Pause after a failed accept (usually no file descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections that may wait in the kernel's queue when a listener closes; they are taken over first.
const BACKLOG: usize = 4_096;

/// What a worker is handed.
enum Handed {
    /// A connection, its listener's number, and its place among the connections there may be.
    Connection(std::net::TcpStream, usize, Place),
    /// The configuration in force from now on.
    Configuration(Arc<Shared>),
    /// Answers are to tell callers to come again by another connection.
    Leaving,
}

struct Lane {
    sender: UnboundedSender<Handed>,
    open: Arc<AtomicUsize>,
}

/// The running data path.
pub struct Running {
    surroundings: Surroundings,
    lanes: Arc<[Lane]>,
    admission: Arc<Admission>,
    doors: Vec<Door>,
    next_slot: usize,
    threads: Vec<JoinHandle<usize>>,
}

/// A listener that accepts.
struct Door {
    configured: SocketAddr,
    address: SocketAddr,
    slot: usize,
    stop: CancellationToken,
    /// A reload may change it.
    tongue: watch::Sender<Tongue>,
    accepting: Task<()>,
}

impl Door {
    fn open(bound: Bound, tongue: Tongue, lanes: &Arc<[Lane]>, admission: &Arc<Admission>) -> Self {
        let Bound { configured, address, slot, listener } = bound;
        let stop = CancellationToken::new();
        let (tongue, spoken) = watch::channel(tongue);
        let entry = Entry { slot, tongue: spoken, lanes: Arc::clone(lanes), admission: Arc::clone(admission) };
        let accepting = tokio::spawn(accept(listener, entry, stop.clone()));
        Self { configured, address, slot, stop, tongue, accepting }
    }

    /// Takes over what waits, and closes.
    async fn close(self) {
        self.stop.cancel();
        let _ = self.accepting.await;
    }
}

/// A listener that is bound but does not accept yet.
struct Bound {
    configured: SocketAddr,
    address: SocketAddr,
    slot: usize,
    listener: TcpListener,
}

impl Bound {
    async fn to(configured: SocketAddr, slot: usize) -> io::Result<Self> {
        let bound = TcpListener::bind(configured).await;
        let listener = bound.map_err(|e| io::Error::new(e.kind(), format!("cannot listen on {configured}: {e}")))?;
        Ok(Self { configured, address: listener.local_addr()?, slot, listener })
    }
}

/// A configuration that can be put in force: listeners bound, certificates read. Dropping it changes nothing.
pub struct Prepared {
    shared: Arc<Shared>,
    slots: Vec<usize>,
    bound: Vec<Bound>,
    next_slot: usize,
}

/// Binds every listener, starts the workers, and accepts.
pub async fn start(
    config: &Config,
    upstreams: &[upstream::Config],
    surroundings: Surroundings,
) -> Result<Running, StartError> {
    let admission = Admission::new(&config.limits, Arc::clone(&surroundings.metrics));
    let (lanes, doors, threads) = (Arc::new([]), Vec::new(), Vec::new());
    let mut running = Running { surroundings, lanes, admission, doors, next_slot: 0, threads };
    let prepared = running.prepare(config, upstreams).await?;
    let mut lanes = Vec::new();
    for index in 0..config.workers {
        let (sender, receiver) = unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        lanes.push(Lane { sender, open: Arc::clone(&open) });
        let thread = WorkerThread { shared: Arc::clone(&prepared.shared), index, open };
        let thread = std::thread::Builder::new().name(format!("proxy-{index}")).spawn(move || thread.run(receiver));
        running.threads.push(thread?);
    }
    running.lanes = lanes.into();
    running.apply(prepared).await;
    Ok(running)
}

impl Running {
    /// Where it listens, in the configuration's order.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.doors.iter().map(|door| door.address).collect()
    }

    /// The listeners by number, and where each listens.
    pub fn listeners(&self) -> Vec<(u32, SocketAddr)> {
        self.doors.iter().map(|door| (number(door.slot), door.address)).collect()
    }

    /// The same of a configuration that is ready.
    pub fn listeners_of(&self, prepared: &Prepared) -> Vec<(u32, SocketAddr)> {
        let kept = self.doors.iter().filter(|door| prepared.slots.contains(&door.slot));
        let kept = kept.map(|door| (number(door.slot), door.address));
        kept.chain(prepared.bound.iter().map(|bound| (number(bound.slot), bound.address))).collect()
    }

    /// Makes another configuration ready beside the one in force, of which nothing changes.
    ///
    /// # Errors
    /// Names the address that cannot be bound, or the file that cannot be used.
    pub async fn prepare(&self, config: &Config, upstreams: &[upstream::Config]) -> Result<Prepared, StartError> {
        let mut kept: Vec<_> = self.doors.iter().map(|door| (door.configured, door.slot)).collect();
        let (mut slots, mut bound, mut next_slot) = (Vec::new(), Vec::new(), self.next_slot);
        for listener in &config.listeners {
            let slot = match kept.iter().position(|(address, _)| *address == listener.address) {
                Some(at) => kept.remove(at).1,
                None => {
                    bound.push(Bound::to(listener.address, next_slot).await?);
                    next_slot += 1;
                    next_slot - 1
                }
            };
            slots.push(slot);
        }
        let shared = Arc::new(make_ready(config, upstreams, &slots, &self.surroundings)?);
        Ok(Prepared { shared, slots, bound, next_slot })
    }

    /// Puts a configuration in force. What begins from now on goes by it, what runs finishes by the old one; connections
    /// of listeners that it no longer has are told to finish.
    pub async fn apply(&mut self, prepared: Prepared) {
        let Prepared { shared, slots, bound, next_slot } = prepared;
        self.next_slot = next_slot;
        self.admission.bound_by(&shared.limits);
        self.surroundings.metrics.set_credentials(shared.credentials());
        let (kept, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.doors).into_iter().partition(|door| slots.contains(&door.slot));
        self.doors = kept;
        for door in gone {
            door.close().await;
        }
        for lane in &*self.lanes {
            // A worker that is gone needs no configuration.
            let _ = lane.sender.send(Handed::Configuration(Arc::clone(&shared)));
        }
        let tongue = |slot: usize| Tongue::of(shared.entrances.get(slot).and_then(Option::as_ref));
        for door in &self.doors {
            door.tongue.send_replace(tongue(door.slot));
        }
        // Their first connection comes behind the configuration that knows them.
        for bound in bound {
            let tongue = tongue(bound.slot);
            self.doors.push(Door::open(bound, tongue, &self.lanes, &self.admission));
        }
        let order = |door: &Door| slots.iter().position(|slot| *slot == door.slot);
        self.doors.sort_by_key(order);
    }

    /// Answers tell callers from now on to come again by another connection, of HTTP/1.1; whoever comes is served.
    pub fn leave(&self) {
        for lane in &*self.lanes {
            // A worker that is gone answers nobody.
            let _ = lane.sender.send(Handed::Leaving);
        }
    }

    /// Stops accepting, lets running exchanges finish within the grace time, and gives the number that was cut.
    pub async fn drain(self) -> usize {
        for door in self.doors {
            door.close().await;
        }
        // With the last lane's end the workers know that nothing more comes.
        drop(self.lanes);
        let joined = tokio::task::spawn_blocking(move || {
            // A worker that panicked has cut its connections already; the others must still be waited for.
            self.threads.into_iter().map(|t| t.join().unwrap_or(1)).sum()
        });
        joined.await.unwrap_or(0)
    }
}

/// A listener's number, as exchanges tell it.
pub fn number(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}

/// Where a listener's connections go.
struct Entry {
    slot: usize,
    tongue: watch::Receiver<Tongue>,
    lanes: Arc<[Lane]>,
    admission: Arc<Admission>,
}

impl Entry {
    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        match self.admission.admit(peer.ip()) {
            Ok(place) => self.hand_over(stream, place),
            Err(refused) => self.admission.turn_away(stream, *self.tongue.borrow(), refused),
        }
    }

    fn hand_over(&self, stream: TcpStream, place: Place) {
        let Ok(stream) = stream.into_std() else { return };
        let Some(lane) = self.lanes.iter().min_by_key(|lane| lane.open.load(Ordering::Relaxed)) else { return };
        lane.open.fetch_add(1, Ordering::Relaxed);
        // A worker that is gone drops the stream, which closes it.
        let _ = lane.sender.send(Handed::Connection(stream, self.slot, place));
    }
}

async fn accept(listener: TcpListener, entry: Entry, stop: CancellationToken) {
    let mut untold = Untold::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => entry.admit(stream, peer),
            Err(error) => {
                if let Some(times) = untold.line(Instant::now()) {
                    tracing::warn!(%error, times, "connections cannot be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Closing would reset those that the kernel has greeted already.
    for _ in 0..BACKLOG {
        let waiting = std::future::poll_fn(|cx| match listener.poll_accept(cx) {
            Poll::Ready(Ok(accepted)) => Poll::Ready(Some(accepted)),
            _ => Poll::Ready(None),
        });
        let Some((stream, peer)) = waiting.await else { return };
        entry.admit(stream, peer);
    }
}

struct WorkerThread {
    shared: Arc<Shared>,
    index: usize,
    open: Arc<AtomicUsize>,
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
        let current = Current::new(Worker::new(self.shared, self.index));
        let mut beat = tokio::time::interval(BEAT);
        loop {
            tokio::select! {
                biased;
                handed = receiver.recv() => match handed {
                    Some(Handed::Connection(stream, slot, place)) => begin(&current, stream, slot, (place, &self.open)),
                    Some(Handed::Configuration(shared)) => current.renew(shared),
                    Some(Handed::Leaving) => current.get().drain.leave(),
                    // All listeners are closed, and what they took has been handed over.
                    None => break,
                },
                _ = beat.tick() => current.get().beat(),
            }
        }
        let worker = current.get();
        worker.drain.begin();
        worker.finish(worker.shared.grace, &mut beat).await
    }
}

fn begin(current: &Rc<Current>, stream: std::net::TcpStream, slot: usize, (place, open): (Place, &Arc<AtomicUsize>)) {
    let (serving, open) = (Rc::clone(current), Arc::clone(open));
    current.get().spawn(async move {
        if let Ok(stream) = TcpStream::from_std(stream) {
            serve::connection(serving, stream, slot).await;
        }
        drop(place);
        open.fetch_sub(1, Ordering::Relaxed);
    });
}
