use super::*;
use tokio::net::TcpListener;

fn settings(servers: Vec<SocketAddr>) -> Settings {
    Settings { servers, timeout: Duration::from_millis(300), attempts: 1, ..Settings::default() }
}

/// A server whose answer to a question is a closure's, by the question's bytes.
async fn server(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
    serve(UdpSocket::bind("127.0.0.1:0").await.expect("a port"), answer)
}

fn serve(socket: UdpSocket, answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
    let address = socket.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut buffer = [0; MAX_DATAGRAM];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            if let Some(reply) = answer(&buffer[..length]) {
                let _ = socket.send_to(&reply, from).await;
            }
        }
    });
    address
}

/// The answer to `question` with these flags and, for A, one address.
fn reply(question: &[u8], flags: u16, address: Option<[u8; 4]>) -> Vec<u8> {
    let mut reply = question.to_vec();
    reply[2..4].copy_from_slice(&flags.to_be_bytes());
    if let (Some(address), [.., 0, 1, 0, 1]) = (address, question) {
        reply[7] = 1;
        reply.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 7, 0, 4]);
        reply.extend(address);
    }
    reply
}

#[tokio::test]
async fn a_server_that_fails_is_followed_by_the_next() {
    let silent = server(|_| None).await;
    let failing = server(|q| Some(reply(q, 0x8182, None))).await;
    let good = server(|q| Some(reply(q, 0x8180, Some([192, 0, 2, 1])))).await;
    let nobody = UdpSocket::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    let found = by_dns("crm.example", &settings(vec![nobody, silent, failing, good]), RESOLUTION_DELAY).await;
    assert_eq!(
        found,
        Ok(Answer { addresses: vec![[192, 0, 2, 1].into()], ttl: Duration::from_secs(7), missing: None })
    );
    let failed = by_dns("crm.example", &settings(vec![failing]), RESOLUTION_DELAY).await;
    assert_eq!(failed, Err(Trouble::Failed(format!("{failing} answers SERVFAIL"))));
}

#[tokio::test]
async fn a_family_without_an_answer_does_not_keep_the_other() {
    let lame = server(|q| q.ends_with(&[0, 1, 0, 1]).then(|| reply(q, 0x8180, Some([192, 0, 2, 1])))).await;
    let slow = Settings { timeout: Duration::from_secs(30), ..settings(vec![lame]) };
    let found = by_dns("crm.example", &slow, RESOLUTION_DELAY).await;
    let four = vec![[192, 0, 2, 1].into()];
    assert_eq!(found.map(|a| (a.addresses, a.missing)), Ok((four, Some(Family::V6))));
}

#[tokio::test]
async fn a_family_that_is_late_is_waited_for_where_nobody_waits() {
    let asked = std::sync::atomic::AtomicBool::new(false);
    let late = server(move |q| {
        let known = q.ends_with(&[0, 1, 0, 1]) || asked.swap(true, std::sync::atomic::Ordering::Relaxed);
        known.then(|| reply(q, 0x8180, Some([192, 0, 2, 1])))
    })
    .await;
    let twice = Settings { attempts: 2, ..settings(vec![late]) };
    let found = by_dns("crm.example", &twice, REFRESH_DELAY).await.expect("an answer");
    assert_eq!(found.missing, None, "that it has no such address was told in the end");
}

#[tokio::test]
async fn forged_answers_are_passed_over() {
    let forging = server(|q| {
        let mut forged = reply(q, 0x8180, Some([203, 0, 113, 1]));
        forged[0] ^= 1;
        Some(forged)
    })
    .await;
    let failed = by_dns("crm.example", &settings(vec![forging]), RESOLUTION_DELAY).await;
    assert_eq!(failed, Err(Trouble::Unheard(format!("{forging} does not answer"))));
}

#[tokio::test]
async fn what_does_not_exist_is_no_failure() {
    let empty = server(|q| Some(reply(q, 0x8183, None))).await;
    assert_eq!(
        by_dns("crm.example", &settings(vec![empty]), RESOLUTION_DELAY).await,
        Err(Trouble::Nothing(NOTHING_TTL))
    );
    assert_eq!(addresses("crm.invalid", &[empty], RESOLUTION_DELAY).await, Err(Trouble::Nothing(NOTHING_TTL)));
    assert_eq!(
        by_dns("crm..example", &settings(vec![empty]), RESOLUTION_DELAY).await,
        Err(Trouble::Nothing(NOTHING_TTL))
    );
}

#[tokio::test]
async fn what_is_too_long_comes_by_stream() {
    let (socket, listener) = loop {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        // Somebody else may have the same port for streams.
        if let Ok(listener) = TcpListener::bind(socket.local_addr().expect("bound")).await {
            break (socket, listener);
        }
    };
    let short = serve(socket, |q| Some(reply(q, 0x8380, None)));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let length = stream.read_u16().await.expect("a length");
            let mut question = vec![0; usize::from(length)];
            stream.read_exact(&mut question).await.expect("a question");
            let reply = reply(&question, 0x8180, Some([192, 0, 2, 9]));
            stream.write_u16(reply.len() as u16).await.expect("taken");
            stream.write_all(&reply).await.expect("taken");
        }
    });
    let found = by_dns("crm.example", &settings(vec![short]), RESOLUTION_DELAY).await;
    assert_eq!(found.map(|a| a.addresses), Ok(vec![[192, 0, 2, 9].into()]));
}
