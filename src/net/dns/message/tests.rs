use super::*;
use proptest::prelude::*;

const ID: u16 = 0x1234;

fn name(text: &str) -> Vec<u8> {
    wire_name(text).expect("a name")
}

/// An answer to `asked`, whose records are (owner, type, time to live, data).
fn message(
    asked: &str,
    family: Family,
    flags: u16,
    answers: &[(&[u8], u16, u32, Vec<u8>)],
    more: &[(&[u8], u16, u32, Vec<u8>)],
) -> Vec<u8> {
    let mut bytes = question(ID, &name(asked), family);
    bytes[2..4].copy_from_slice(&flags.to_be_bytes());
    bytes[7] = answers.len() as u8;
    bytes[9] = more.len() as u8;
    for (owner, kind, ttl, data) in answers.iter().chain(more) {
        bytes.extend(*owner);
        bytes.extend(kind.to_be_bytes());
        bytes.extend(INTERNET.to_be_bytes());
        bytes.extend(ttl.to_be_bytes());
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(data);
    }
    bytes
}

/// Points at the question's name.
const ASKED: &[u8] = &[0xC0, 12];

fn read(bytes: &[u8], asked: &str, family: Family) -> Option<Reply> {
    answer(bytes, ID, &name(asked), family)
}

#[test]
fn addresses_come_with_the_least_time() {
    let records = [(ASKED, A, 300, vec![192, 0, 2, 1]), (ASKED, A, 60, vec![192, 0, 2, 2])];
    let bytes = message("crm.example", Family::V4, 0x8180, &records, &[]);
    let found = vec![[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
    assert_eq!(read(&bytes, "CRM.example.", Family::V4), Some(Reply::Found(found, 60)));
    let six: Ipv6Addr = "2001:db8::1".parse().expect("an address");
    let bytes = message("crm.example", Family::V6, 0x8180, &[(ASKED, AAAA, 5, six.octets().into())], &[]);
    assert_eq!(read(&bytes, "crm.example", Family::V6), Some(Reply::Found(vec![six.into()], 5)));
}

#[test]
fn aliases_are_followed_and_strangers_are_not() {
    let (alias, stranger) = (name("edge.cdn.example"), name("other.example"));
    let records = [
        (ASKED, CNAME, 20, alias.clone()),
        (stranger.as_slice(), A, 300, vec![203, 0, 113, 9]),
        (alias.as_slice(), A, 300, vec![192, 0, 2, 1]),
    ];
    let bytes = message("crm.example", Family::V4, 0x8180, &records, &[]);
    assert_eq!(read(&bytes, "crm.example", Family::V4), Some(Reply::Found(vec![[192, 0, 2, 1].into()], 20)));
    let looped = [(ASKED, CNAME, 20, alias.clone()), (alias.as_slice(), CNAME, 20, name("crm.example"))];
    let bytes = message("crm.example", Family::V4, 0x8180, &looped, &[]);
    assert_eq!(read(&bytes, "crm.example", Family::V4), Some(Reply::Nothing(false, None)));
}

#[test]
fn that_there_is_nothing_holds_as_long_as_the_zone_says() {
    let mut soa = [name("ns.example"), name("hostmaster.example"), vec![0; 16]].concat();
    soa.extend(30u32.to_be_bytes());
    let bytes = message("crm.example", Family::V4, 0x8183, &[], &[(ASKED, SOA, 900, soa.clone())]);
    assert_eq!(read(&bytes, "crm.example", Family::V4), Some(Reply::Nothing(true, Some(30))));
    let bytes = message("crm.example", Family::V4, 0x8180, &[], &[(ASKED, SOA, 10, soa)]);
    assert_eq!(read(&bytes, "crm.example", Family::V4), Some(Reply::Nothing(false, Some(10))));
}

#[test]
fn servers_that_cannot_tell_are_told_apart() {
    let flags = |flags| message("crm.example", Family::V4, flags, &[], &[]);
    assert_eq!(read(&flags(0x8182), "crm.example", Family::V4), Some(Reply::Refused(2)));
    assert_eq!(read(&flags(0x8185), "crm.example", Family::V4), Some(Reply::Refused(5)));
    assert_eq!(read(&flags(0x8380), "crm.example", Family::V4), Some(Reply::Truncated));
}

#[test]
fn only_an_answer_to_this_very_question_counts() {
    let good = message("crm.example", Family::V4, 0x8180, &[(ASKED, A, 60, vec![192, 0, 2, 1])], &[]);
    assert!(read(&good, "crm.example", Family::V4).is_some());
    assert_eq!(answer(&good, ID + 1, &name("crm.example"), Family::V4), None, "another id");
    assert_eq!(read(&good, "crm2.example", Family::V4), None, "another name");
    assert_eq!(read(&good, "crm.example", Family::V6), None, "another type");
    let query = message("crm.example", Family::V4, 0x0100, &[], &[]);
    assert_eq!(read(&query, "crm.example", Family::V4), None, "a question");
    for cut in 0..good.len() {
        assert_eq!(read(&good[..cut], "crm.example", Family::V4), None, "cut at {cut}");
    }
    let short = message("crm.example", Family::V4, 0x8180, &[(ASKED, A, 60, vec![192, 0, 2])], &[]);
    assert_eq!(read(&short, "crm.example", Family::V4), None);
}

#[test]
fn pointers_go_backwards_only() {
    let at = question(ID, &name("crm.example"), Family::V4).len() as u8;
    for owner in [[0xC0, at], [0xC0, at + 2], [0xFF, 0xFF]] {
        let bytes = message("crm.example", Family::V4, 0x8180, &[(&owner, A, 60, vec![192, 0, 2, 1])], &[]);
        assert_eq!(read(&bytes, "crm.example", Family::V4), None, "{owner:?}");
    }
}

#[test]
fn names_keep_their_bounds() {
    assert_eq!(wire_name("a.bc."), Some(vec![1, b'a', 2, b'b', b'c', 0]));
    for wrong in ["", ".", "a..b", &"x".repeat(64), &"abcdefg.".repeat(33)] {
        assert_eq!(wire_name(wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_borne(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0usize..80) {
        let _ = read(&bytes, "crm.example", Family::V4);
        // The rest of a good answer with something odd in the middle.
        let records = [(ASKED, CNAME, 9, name("a.example")), (ASKED, A, 60, vec![192, 0, 2, 1])];
        let mut good = message("crm.example", Family::V4, 0x8180, &records, &[]);
        if let Some(first) = bytes.first() && at < good.len() {
            good[at] = *first;
        }
        let _ = read(&good, "crm.example", Family::V4);
    }
}
