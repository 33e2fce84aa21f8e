use super::*;
use std::net::IpAddr;
use std::time::Instant;
use tokio::net::UdpSocket;
use tokio::sync::watch;

/// A server that answers A questions with what `says` holds: an address, an RCODE, or nothing at all.
#[derive(Clone, Copy)]
enum Says {
    Address([u8; 4]),
    Code(u8),
}

async fn server(says: watch::Receiver<Says>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let mut reply = buffer[..length].to_vec();
            let is_a = reply.ends_with(&[0, 1, 0, 1]);
            (reply[2], reply[3]) = (0x81, 0x80);
            match *says.borrow() {
                Says::Address(ip) if is_a => {
                    reply[7] = 1;
                    reply.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
                    reply.extend(ip);
                }
                Says::Address(_) => {}
                Says::Code(code) => reply[3] |= code,
            }
            let _ = socket.send_to(&reply, from).await;
        }
    });
    address
}

async fn resolver(says: Says) -> (Resolver, watch::Sender<Says>, Arc<Counters>) {
    let (sender, receiver) = watch::channel(says);
    let config = Config { servers: vec![server(receiver).await], ..Config::default() };
    let counters = Arc::new(Counters::default());
    (Resolver::new(&config, Arc::clone(&counters), Handle::current()), sender, counters)
}

async fn first(name: &Arc<Name>) -> Result<IpAddr, Unresolved> {
    name.addresses().await.map(|addresses| addresses[0])
}

/// Asks until `wanted` comes: a time to live of zero counts as one second.
async fn until(name: &Arc<Name>, wanted: [u8; 4]) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while first(name).await != Ok(wanted.into()) {
        assert!(Instant::now() < deadline, "no change was noticed");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_change_is_followed_and_counted() {
    let (resolver, says, counters) = resolver(Says::Address([192, 0, 2, 1])).await;
    let name = resolver.name("crm.example");
    assert_eq!(first(&name).await, Ok([192, 0, 2, 1].into()));
    assert!(Arc::ptr_eq(&name, &resolver.name("crm.example")), "all share one");
    says.send_replace(Says::Address([192, 0, 2, 2]));
    until(&name, [192, 0, 2, 2]).await;
    assert_eq!(counters.changes(), 1);
}

#[tokio::test]
async fn old_addresses_stay_when_nobody_can_tell_and_go_when_the_name_does() {
    let (resolver, says, counters) = resolver(Says::Address([192, 0, 2, 1])).await;
    let name = resolver.name("crm.example");
    first(&name).await.expect("an address");
    says.send_replace(Says::Code(2));
    let deadline = Instant::now() + Duration::from_secs(20);
    while counters.names_stale() == 0 {
        assert_eq!(first(&name).await, Ok([192, 0, 2, 1].into()));
        assert!(Instant::now() < deadline, "no failure was noticed");
        tokio::task::yield_now().await;
    }
    assert_eq!(first(&name).await, Ok([192, 0, 2, 1].into()));
    says.send_replace(Says::Code(3));
    while first(&name).await.is_ok() {
        assert!(Instant::now() < deadline, "the name's end was not noticed");
        tokio::task::yield_now().await;
    }
    assert_eq!(counters.names_stale(), 0);
    says.send_replace(Says::Address([192, 0, 2, 3]));
    // A missing name may be taken to be missing for 30 s: a new handle's time has not begun.
    drop(name);
    assert_eq!(first(&resolver.name("crm.example")).await, Ok([192, 0, 2, 3].into()));
}

#[tokio::test]
async fn addresses_need_nobody() {
    let (resolver, _says, counters) = resolver(Says::Code(2)).await;
    assert_eq!(first(&resolver.name("::1")).await, Ok("::1".parse().expect("an address")));
    assert_eq!(counters.results(DnsResult::Failed), 0);
    let error = first(&resolver.name("crm.example")).await.expect_err("nobody can tell");
    assert!(error.to_string().contains("SERVFAIL"), "{error}");
}
