use super::*;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;
use tokio::net::UdpSocket;
use tokio::sync::watch;

/// A server that answers A questions with what `says` holds: an address, an RCODE, or nothing at all.
#[derive(Clone, Copy)]
enum Says {
    Address([u8; 4]),
    /// Of both families; and whether AAAA questions fail (SERVFAIL), A questions do, or none.
    Both([u8; 4], Ipv6Addr, Option<Family>),
    Code(u8),
    Silence,
}

#[derive(Clone, Copy, PartialEq)]
enum Family {
    V4,
    V6,
}

async fn server(says: watch::Receiver<Says>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let mut reply = buffer[..length].to_vec();
            let family = if reply.ends_with(&[0, 1, 0, 1]) { Family::V4 } else { Family::V6 };
            let is_a = family == Family::V4;
            (reply[2], reply[3]) = (0x81, 0x80);
            match *says.borrow() {
                Says::Silence => continue,
                Says::Both(.., Some(failing)) if failing == family => reply[3] |= 2,
                Says::Both(four, six, _) => {
                    reply[7] = 1;
                    let (kind, bytes) = if is_a { (1, four.to_vec()) } else { (28, six.octets().to_vec()) };
                    reply.extend([0xC0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0, bytes.len() as u8]);
                    reply.extend(bytes);
                }
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

/// Asks until more than one is known: at first the slower family is not waited for.
async fn several(name: &Arc<Name>) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while name.addresses().await.expect("addresses").len() < 2 {
        assert!(Instant::now() < deadline, "the second family is not asked for");
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
async fn old_addresses_serve_while_the_servers_are_still_waited_for() {
    let (resolver, says, counters) = resolver(Says::Address([192, 0, 2, 1])).await;
    let name = resolver.name("crm.example");
    first(&name).await.expect("an address");
    says.send_replace(Says::Silence);
    // The first answer may have been followed by another until here.
    let over = Instant::now() + 2 * Duration::from_secs(1);
    loop {
        let now = Instant::now();
        assert_eq!(first(&name).await, Ok([192, 0, 2, 1].into()));
        assert_eq!(counters.results(DnsResult::Failed), 0, "nobody waits for the end of the round");
        if now > over {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_family_that_fails_keeps_its_addresses() {
    let (four, six, other) = ([192, 0, 2, 1], Ipv6Addr::LOCALHOST, [192, 0, 2, 9]);
    let (resolver, says, counters) = resolver(Says::Both(four, six, None)).await;
    let name = resolver.name("crm.example");
    let all = |four: [u8; 4]| vec![IpAddr::from(four), six.into()];
    several(&name).await;
    for failing in [Family::V6, Family::V4] {
        says.send_replace(Says::Both(four, six, Some(failing)));
        let enough = counters.results(DnsResult::Found) + 2;
        let deadline = Instant::now() + Duration::from_secs(20);
        while counters.results(DnsResult::Found) < enough {
            assert_eq!(name.addresses().await.expect("addresses").to_vec(), all(four));
            assert!(Instant::now() < deadline, "the name is not resolved anew");
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(counters.changes(), 0);
    // What is answered is followed, whatever the other family does; and that there is nothing is an answer.
    says.send_replace(Says::Both(other, six, Some(Family::V6)));
    until(&name, other).await;
    assert_eq!(name.addresses().await.expect("addresses").to_vec(), all(other));
    assert_eq!(counters.changes(), 1);
    says.send_replace(Says::Address(other));
    let deadline = Instant::now() + Duration::from_secs(20);
    while name.addresses().await.expect("addresses").len() > 1 {
        assert!(Instant::now() < deadline, "no change was noticed");
        tokio::task::yield_now().await;
    }
    assert_eq!(counters.changes(), 2);
}

#[tokio::test]
async fn a_family_that_failed_at_first_is_no_change_when_it_comes() {
    let (four, six) = ([192, 0, 2, 1], Ipv6Addr::LOCALHOST);
    let (resolver, says, counters) = resolver(Says::Both(four, six, Some(Family::V6))).await;
    let name = resolver.name("crm.example");
    assert_eq!(name.addresses().await.expect("addresses").to_vec(), [IpAddr::from(four)]);
    says.send_replace(Says::Both(four, six, None));
    several(&name).await;
    assert_eq!(counters.changes(), 0);
}

#[tokio::test]
async fn addresses_need_nobody() {
    let (resolver, _says, counters) = resolver(Says::Code(2)).await;
    assert_eq!(first(&resolver.name("::1")).await, Ok("::1".parse().expect("an address")));
    assert_eq!(counters.results(DnsResult::Failed), 0);
    let error = first(&resolver.name("crm.example")).await.expect_err("nobody can tell");
    assert!(error.to_string().contains("SERVFAIL"), "{error}");
}
