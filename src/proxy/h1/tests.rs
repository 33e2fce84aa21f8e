use super::names::Names;
use super::*;
use proptest::prelude::*;

/// What an answer's bytes come to: status, body and trailers, or how they break.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    status: u16,
    body: Vec<u8>,
    trailers: usize,
    left: usize,
}

/// Reads `bytes` in pieces of `piece` bytes; their end is the connection's.
fn read(bytes: &[u8], piece: usize, bodiless: bool) -> Result<Read, Broken> {
    let (mut search, mut read, mut at) = (Search::default(), Bytes::new(), 0);
    let mut fill = |read: &mut Bytes| {
        let end = (at + piece).min(bytes.len());
        *read = [read.as_ref(), &bytes[at..end]].concat().into();
        std::mem::replace(&mut at, end) < end
    };
    let length = loop {
        match search.end(&read, AnswerHead::default())? {
            Some(length) => break length,
            None if fill(&mut read) => {}
            None => return Err(Broken::Closed),
        }
    };
    let mut head = Head::parse(read.split_to(length), bodiless, AnswerHead::default(), &Names::default())?;
    let (mut body, mut trailers) = (Vec::new(), 0);
    while !head.length.has_ended() {
        let frame = match &mut head.length {
            Length::Chunked(chunked) => chunked.next(&mut read)?,
            Length::Exact(left) => {
                let taken = read.split_to(read.len().min(*left as usize));
                *left -= taken.len() as u64;
                (!taken.is_empty()).then(|| Frame::data(taken))
            }
            Length::ToClose => (!read.is_empty()).then(|| Frame::data(std::mem::take(&mut read))),
        };
        match frame.map(Frame::into_data) {
            Some(Ok(data)) => body.extend_from_slice(&data),
            Some(Err(frame)) => trailers = frame.into_trailers().map_or(0, |t| t.len()),
            None if head.length.has_ended() || fill(&mut read) => {}
            None if matches!(head.length, Length::ToClose) => break,
            None => return Err(Broken::Closed),
        }
    }
    let left = read.len() + bytes.len() - at;
    Ok(Read { status: head.parts.status.as_u16(), body, trailers, left })
}

fn ok(status: u16, body: &str, trailers: usize, left: usize) -> Result<Read, Broken> {
    Ok(Read { status, body: body.into(), trailers, left })
}

/// Answers, whether they are to HEAD, and what they come to. RFC 9112 unless said otherwise.
fn table() -> Vec<(&'static str, bool, Result<Read, Broken>)> {
    let bad = || Err(Broken::Malformed);
    let unclear = || Err(Broken::Ambiguous);
    vec![
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false, ok(200, "ok", 0, 0)),
        // Section 6.3, rule 1: no body, whatever the headers say.
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", true, ok(200, "", 0, 0)),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", false, ok(304, "", 0, 0)),
        ("HTTP/1.1 204 No Content\r\n\r\n", false, ok(204, "", 0, 0)),
        // Rule 8: up to the connection's end.
        ("HTTP/1.0 200 OK\r\n\r\nto the end", false, ok(200, "to the end", 0, 0)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxyz", false, ok(200, "x", 0, 2)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nx", false, Err(Broken::Closed)),
        ("HTTP/1.1 200 OK\r\ncontent-le", false, Err(Broken::Closed)),
        // Section 7.1.
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n",
            false,
            ok(200, "abc0123456789", 0, 0),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 1\r\n\r\n!",
            false,
            ok(200, "a", 1, 1),
        ),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na", false, Err(Broken::Closed)),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", false, bad()),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n", false, bad()),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", false, bad()),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n", false, bad()),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", false, bad()),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\na\r\n0\r\n\r\n", false, bad()),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10000000000000000\r\na", false, bad()),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx y: 1\r\n\r\n", false, bad()),
        // Section 6.1: both at once, another coding, HTTP/1.0.
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n", false, unclear()),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n", false, unclear()),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n", false, unclear()),
        ("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", false, unclear()),
        // RFC 9110 section 8.6.
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n", false, unclear()),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok", false, unclear()),
        ("HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok", false, bad()),
        ("HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\nok", false, bad()),
        ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n", false, bad()),
        // Sections 2.2, 4, 5.
        ("HTTP/1.1 200 OK\ncontent-length: 2\n\nok", false, bad()),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", false, bad()),
        ("HTTP/2 200 OK\r\n\r\n", false, bad()),
        ("HTTP/1.1 2000 OK\r\n\r\n", false, bad()),
        ("HTTP/1.1 200 OK\r\nx : 1\r\n\r\n", false, bad()),
        ("HTTP/1.1 200 OK\r\nx: 1\r\n folded\r\n\r\n", false, bad()),
        ("HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n", false, bad()),
        ("HTTP/1.1 200 OK\r\nx: a\rb\r\n\r\n", false, bad()),
        ("<html>", false, bad()),
    ]
}

#[test]
fn an_answer_is_read_in_one_way_or_refused() {
    for (bytes, bodiless, expected) in table() {
        for piece in [1, 2, 3, 7, bytes.len()] {
            assert_eq!(read(bytes.as_bytes(), piece, bodiless), expected, "{bytes:?} in pieces of {piece}");
        }
    }
}

#[test]
fn an_answer_says_whether_another_may_follow() {
    for (bytes, bodiless, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false, true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: x, Close\r\n\r\n", false, false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", false, false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n", false, true),
        ("HTTP/1.1 200 OK\r\n\r\n", false, false),
        ("HTTP/1.1 200 OK\r\n\r\n", true, true),
        ("HTTP/1.1 204 No Content\r\n\r\n", false, true),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 00\r\n\r\n", false, true),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 10\r\n\r\n", false, false),
        ("HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n", false, false),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 10\r\n\r\n", true, true),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n", false, true),
    ] {
        let head =
            Head::parse(Bytes::from_static(bytes.as_bytes()), bodiless, AnswerHead::default(), &Names::default())
                .expect("a head");
        assert_eq!(head.keep_alive, expected, "{bytes:?}, to HEAD: {bodiless}");
    }
}

#[test]
fn only_a_sound_switch_to_what_was_asked_is_one() {
    let switches = |bytes: &'static str| {
        let head = Head::parse(Bytes::from_static(bytes.as_bytes()), false, AnswerHead::default(), &Names::default())
            .expect("a head");
        head.switches_to(&HeaderValue::from_static("websocket"))
    };
    assert!(switches("HTTP/1.1 101 x\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\r\n"));
    for wrong in [
        "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket, h2c\r\n\r\n",
        "HTTP/1.1 101 x\r\nconnection: upgrade\r\n\r\n",
        "HTTP/1.1 101 x\r\nupgrade: websocket\r\n\r\n",
        "HTTP/1.0 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 0\r\n\r\n",
    ] {
        assert!(!switches(wrong), "{wrong}");
    }
}

#[test]
fn a_head_is_bounded() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "v".repeat(AnswerHead::default().bytes));
    assert_eq!(read(long.as_bytes(), 4096, false), Err(Broken::TooLarge));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: 1\r\n".repeat(AnswerHead::default().lines + 1));
    assert_eq!(read(many.as_bytes(), 4096, false), Err(Broken::TooLarge));
}

proptest! {
    #[test]
    fn chunks_of_any_sizes_give_the_body_back(parts in prop::collection::vec("[a-z\r\n]{1,40}", 0..6), piece in 1usize..50) {
        let mut bytes = String::from("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        for part in &parts {
            bytes.push_str(&format!("{:X}\r\n{part}\r\n", part.len()));
        }
        bytes.push_str("0\r\n\r\n");
        prop_assert_eq!(read(bytes.as_bytes(), piece, false), ok(200, &parts.concat(), 0, 0));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[ -~\r\n]{0,200}", piece in 1usize..50) {
        let framed = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{text}");
        for bytes in [bytes, text.into_bytes(), framed.into_bytes()] {
            let _ = read(&bytes, piece, false);
        }
    }
}
