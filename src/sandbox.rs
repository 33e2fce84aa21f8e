//! A CRM and an ERP to try everything against, with faults on demand.
//!
//! The CRM speaks Freshsales' API as far as it is publicly known; where the vendor documents nothing the choice is
//! said so at the place. The ERP beside it holds mostly the same records; where it does not, `/sandbox/truth` says how
//! many and which. All people, companies and numbers are fictional, and all follow from one seed.
//!
//! Two sockets are served: the CRM's with `/crm/sales/api`, `/api` (classic) and the control API under `/__sandbox`,
//! and the ERP's with `/api`. The control API has no authentication: bind to loopback.

mod answer;
mod control;
mod crm;
mod entity;
mod erp;
mod faults;
mod hooks;
mod journal;
mod listen;
mod names;
mod pairing;
mod query;
mod quota;
mod random;
mod seeded;
mod selectors;
mod store;
mod table;
pub mod traffic;

pub use faults::{FaultSpec, Kind as FaultKind, Match as FaultMatch, Params as FaultParams, Scheduled};
pub use hooks::Webhook;
pub use quota::ResetFormat;

use crate::clock::Clock;
use crate::secret::Secret;
use parking_lot::Mutex;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The key that opens the sandbox where no other is configured: `Authorization: Token token=vigie-sandbox-key`.
/// It protects nothing.
pub const DEMO_KEY: &str = "vigie-sandbox-key";
/// Where the CRM listens by default.
pub const CRM_PORT: u16 = 8090;
/// Where the ERP listens by default.
pub const ERP_PORT: u16 = 8091;
/// The most records of one kind: indexes are 32 bits wide, and lists are sorted in memory.
pub const MAX_RECORDS: usize = 1_000_000;

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the CRM listens; port 0 takes a free one.
    pub crm: SocketAddr,
    /// Where the ERP listens.
    pub erp: SocketAddr,
    /// What all records, flaws and chances follow from.
    pub seed: u64,
    /// Contacts at the start; tasks, appointments and notes are a tenth, a twentieth and an eighth of it.
    pub contacts: usize,
    /// Accounts at the start.
    pub accounts: usize,
    /// Deals at the start; three in ten are won, and have an order in the ERP.
    pub deals: usize,
    /// Keys accepted in `Authorization: Token token=KEY`.
    pub api_keys: Vec<Secret>,
    /// Calls an hour, all keys together; 1000 is the vendor's smallest plan.
    pub quota_per_hour: u64,
    /// Calls a minute; classic plans have 400.
    pub quota_per_minute: Option<u64>,
    /// The unit of `X-RateLimit-Reset`.
    pub reset_format: ResetFormat,
    /// Where writes are announced.
    pub webhook: Option<Webhook>,
    /// Faults that come by themselves.
    pub schedule: Vec<Scheduled>,
    /// Quota windows, record times and the schedule follow this clock.
    pub clock: Clock,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            crm: (Ipv4Addr::LOCALHOST, CRM_PORT).into(),
            erp: (Ipv4Addr::LOCALHOST, ERP_PORT).into(),
            seed: 1,
            contacts: 20_000,
            accounts: 4_000,
            deals: 8_000,
            api_keys: vec![Secret::new(DEMO_KEY)],
            quota_per_hour: 1_000,
            quota_per_minute: None,
            reset_format: ResetFormat::default(),
            webhook: None,
            schedule: Vec::new(),
            clock: Clock::system(),
        }
    }
}

/// What both servers and the control API work on. Locks are held for one answer at most, never across an await; where
/// two are held, `store` was taken first.
struct Shared {
    store: Mutex<store::Store>,
    quota: Mutex<quota::Quota>,
    faults: Mutex<faults::Faults>,
    journal: Mutex<journal::Journal>,
    ledger: Mutex<erp::Ledger>,
    hooks: hooks::Hooks,
    keys: Vec<Secret>,
    reset_format: ResetFormat,
    clock: Clock,
}

/// A bound sandbox that is not served yet.
pub struct Sandbox {
    shared: Arc<Shared>,
    deliveries: Option<hooks::Deliveries>,
    crm: (TcpListener, SocketAddr),
    erp: (TcpListener, SocketAddr),
}

impl Sandbox {
    /// Binds both sockets. Errors: an address that cannot be bound, more than [`MAX_RECORDS`] of a kind, a fault that
    /// cannot be meant, a webhook URL that is none. With a webhook, a rustls provider must have been installed.
    pub async fn bind(config: Config) -> io::Result<Self> {
        let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
        if config.contacts.max(config.accounts).max(config.deals) > MAX_RECORDS {
            return Err(invalid("the sandbox holds at most 1000000 records of a kind"));
        }
        let mut faults = faults::Faults::new(config.seed);
        for planned in config.schedule {
            planned.fault.validate().map_err(invalid)?;
            let from = config.clock.elapsed().saturating_add(Duration::from_secs(planned.after_s));
            if faults.add(planned.fault, from, Some(Duration::from_secs(planned.for_s))).is_none() {
                return Err(invalid("too many faults in the schedule"));
            }
        }
        let (hooks, deliveries) = hooks::Hooks::new(config.webhook)?;
        let [contacts, accounts, deals] = [config.contacts, config.accounts, config.deals].map(|n| n as u64);
        let now_s = config.clock.wall_us() / 1_000_000;
        let world = seeded::World::new(config.seed, contacts, accounts, deals, now_s);
        let shared = Shared {
            store: Mutex::new(store::Store::new(world)),
            quota: Mutex::new(quota::Quota::new(config.quota_per_hour, config.quota_per_minute)),
            faults: Mutex::new(faults),
            journal: Mutex::default(),
            ledger: Mutex::default(),
            hooks,
            keys: config.api_keys,
            reset_format: config.reset_format,
            clock: config.clock,
        };
        Ok(Self { shared: Arc::new(shared), deliveries, crm: bind(config.crm).await?, erp: bind(config.erp).await? })
    }

    /// Where the CRM listens.
    pub fn crm_addr(&self) -> SocketAddr {
        self.crm.1
    }

    /// Where the ERP listens.
    pub fn erp_addr(&self) -> SocketAddr {
        self.erp.1
    }

    /// Serves both until `shutdown` is done; running answers get a second to finish.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let stop = CancellationToken::new();
        let crm = listen::serve(self.crm.0, control::router(self.shared.clone()), stop.clone());
        let erp = listen::serve(self.erp.0, erp::router(self.shared), stop.clone());
        let deliver = async {
            if let Some(deliveries) = self.deliveries {
                deliveries.run(stop.clone()).await;
            }
        };
        let stopper = async {
            shutdown.await;
            stop.cancel();
        };
        tokio::join!(crm, erp, deliver, stopper);
    }
}

async fn bind(addr: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(addr).await.map_err(|e| io::Error::new(e.kind(), format!("{addr}: {e}")))?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}
