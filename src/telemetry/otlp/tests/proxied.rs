//! Spans through the egress proxy.

use super::*;
use crate::net::{Proxy, basic};
use crate::tls::Trust;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A proxy on the way to `collector`, and the heads of what it was asked.
async fn proxy(collector: String) -> (Arc<Proxy>, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let collector: SocketAddr = collector.trim_start_matches("http://").parse().unwrap();
    let (asked, heads) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let mut there = TcpStream::connect(collector).await.unwrap();
            if head.starts_with(b"CONNECT ") {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            } else {
                there.write_all(&head).await.unwrap();
            }
            asked.send(String::from_utf8(head).unwrap().to_lowercase()).unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut stream, &mut there).await });
        }
    });
    let authorization = Some(basic("u", "p"));
    let (host, port, trust) = (address.ip().to_string(), address.port(), Trust::default());
    (Arc::new(Proxy { tls: false, host, port, authorization, trust }), heads)
}

#[tokio::test]
async fn both_protocols_take_the_egress_proxy() {
    for (protocol, first_line) in [
        (OtlpProtocol::Http, "post http://collector.example:4318/v1/traces http/1.1\r\n"),
        (OtlpProtocol::Grpc, "connect collector.example:4318 http/1.1\r\n"),
    ] {
        let ((address, mut received), metrics) = (collector().await, metrics());
        let (proxy, mut heads) = proxy(address).await;
        let there = config("http://collector.example:4318".into(), protocol);
        let exporter = start(&TraceConfig { egress: Some(proxy), ..there }, &metrics);
        assert!(exporter.try_send(spans()));
        let one = tokio::time::timeout(PATIENCE, received.recv()).await.unwrap().unwrap();
        assert_eq!(one.key, "k1");
        let head = heads.recv().await.unwrap();
        // u:p
        assert!(head.starts_with(first_line) && head.contains("\r\nproxy-authorization: basic dtpw\r\n"), "{head}");
        assert_eq!(head.contains("x-key"), protocol == OtlpProtocol::Http, "{head}");
        exporter.shutdown(PATIENCE).await;
        assert_eq!(counts(&metrics), [3, 0, 0]);
    }
}

#[tokio::test]
async fn a_reload_changes_the_way() {
    let ((address, mut received), metrics) = (collector().await, metrics());
    let (proxy, mut heads) = proxy(address.clone()).await;
    let exporter = start(&config(nobody().await, OtlpProtocol::Grpc), &metrics);
    drop(exporter);
    let there = config("http://collector.example:4318".into(), OtlpProtocol::Grpc);
    let nowhere = Arc::new(Proxy { port: 1, ..(*proxy).clone() });
    let exporter = start(&TraceConfig { egress: Some(nowhere), ..there }, &metrics);
    exporter.renew(Some(&proxy)).unwrap();
    assert!(exporter.try_send(spans()));
    tokio::time::timeout(PATIENCE, received.recv()).await.unwrap().unwrap();
    assert!(heads.recv().await.is_some());
    exporter.shutdown(PATIENCE).await;
}
