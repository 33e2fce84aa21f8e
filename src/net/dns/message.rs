//! Questions for A and AAAA records, and their answers (RFC 1035 section 4, RFC 3596). Pure; whatever does not fit the
//! question, or cannot be read in full, is no answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// CNAMEs followed at most: real chains have two to four.
const MAX_CHAIN: usize = 12;
/// Compression pointers followed within one name: each goes backwards, so this only bounds the work.
const MAX_POINTERS: usize = 32;
/// Bytes of a name on the wire (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;
const HEADER: usize = 12;

const A: u16 = 1;
const CNAME: u16 = 5;
const SOA: u16 = 6;
const AAAA: u16 = 28;
const INTERNET: u16 = 1;

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

impl Family {
    /// That of an address.
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    fn code(self) -> u16 {
        if self == Self::V4 { A } else { AAAA }
    }
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Addresses, and for how many seconds they hold.
    Found(Vec<IpAddr>, u32),
    /// The name has no such addresses, or (`true`) does not exist; for how many seconds that holds, if it is told.
    Nothing(bool, Option<u32>),
    /// Too long for a datagram: ask by TCP.
    Truncated,
    /// The server cannot or will not tell: its RCODE.
    Refused(u8),
}

/// A name on the wire: lower case, each label with its length before it. `None` for what is no name.
pub fn wire_name(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut wire = Vec::with_capacity(text.len() + 2);
    for label in text.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|n| (1..=63).contains(n))?;
        wire.push(length);
        wire.extend(label.bytes().map(|b| b.to_ascii_lowercase()));
    }
    wire.push(0);
    (wire.len() <= MAX_NAME).then_some(wire)
}

/// A question, recursion desired.
pub fn question(id: u16, name: &[u8], family: Family) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + name.len() + 4);
    message.extend(id.to_be_bytes());
    message.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend(name);
    message.extend(family.code().to_be_bytes());
    message.extend(INTERNET.to_be_bytes());
    message
}

/// Reads the answer to [`question`]; `None` for what is none, or is malformed.
pub fn answer(message: &[u8], id: u16, name: &[u8], family: Family) -> Option<Reply> {
    let mut reader = Reader { message, at: 0 };
    let (got, flags) = (reader.u16()?, reader.u16()?);
    let (questions, answers, authorities) = (reader.u16()?, reader.u16()?, reader.u16()?);
    reader.u16()?;
    // QR set, a plain query, and the same question: who guesses ids must guess all of this too.
    if got != id || flags & 0xF800 != 0x8000 || questions != 1 {
        return None;
    }
    if reader.name()? != name || reader.u16()? != family.code() || reader.u16()? != INTERNET {
        return None;
    }
    if flags & 0x0200 != 0 {
        return Some(Reply::Truncated);
    }
    let code = (flags & 0xF) as u8;
    if code != 0 && code != 3 {
        return Some(Reply::Refused(code));
    }
    let records: Vec<Record> = (0..answers).map(|_| reader.record()).collect::<Option<_>>()?;
    if let Some(found) = follow(&records, name, family) {
        return Some(found);
    }
    let authorities: Vec<Record> = (0..authorities).map(|_| reader.record()).collect::<Option<_>>()?;
    let ttl = authorities.iter().find_map(|r| matches!(r.data, Data::Authority(_)).then(|| r.negative_ttl()));
    Some(Reply::Nothing(code == 3, ttl))
}

/// The addresses at the end of the chain that starts at `name`.
fn follow(records: &[Record], name: &[u8], family: Family) -> Option<Reply> {
    let (mut name, mut ttl) = (name, u32::MAX);
    for _ in 0..MAX_CHAIN {
        let here = || records.iter().filter(|r| r.name == name);
        let wanted = |ip: &IpAddr| ip.is_ipv6() == (family == Family::V6);
        let addresses = here().filter_map(|r| if let Data::Address(ip) = r.data { Some((ip, r.ttl)) } else { None });
        let addresses: Vec<_> = addresses.filter(|(ip, _)| wanted(ip)).collect();
        if !addresses.is_empty() {
            let ttl = addresses.iter().fold(ttl, |least, (_, ttl)| least.min(*ttl));
            return Some(Reply::Found(addresses.into_iter().map(|(ip, _)| ip).collect(), ttl));
        }
        let alias = here().find_map(|r| if let Data::Alias(to) = &r.data { Some((to, r.ttl)) } else { None });
        let (to, alias_ttl) = alias?;
        (name, ttl) = (to, ttl.min(alias_ttl));
    }
    None
}

struct Record {
    name: Vec<u8>,
    ttl: u32,
    data: Data,
}

enum Data {
    Address(IpAddr),
    Alias(Vec<u8>),
    /// The zone's own bound on negative answers.
    Authority(u32),
    Other,
}

impl Record {
    /// RFC 2308 section 5: the lesser of the record's own time and the zone's.
    fn negative_ttl(&self) -> u32 {
        if let Data::Authority(minimum) = self.data { self.ttl.min(minimum) } else { self.ttl }
    }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.message.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// A name, uncompressed and in lower case (RFC 1035 section 4.1.4).
    fn name(&mut self) -> Option<Vec<u8>> {
        let (mut name, mut at, mut end) = (Vec::new(), self.at, None);
        let mut pointers = 0;
        loop {
            let length = *self.message.get(at)?;
            match length {
                0 => {
                    name.push(0);
                    self.at = end.unwrap_or(at + 1);
                    return Some(name);
                }
                1..=63 => {
                    let label = self.message.get(at + 1..at + 1 + usize::from(length))?;
                    name.push(length);
                    name.extend(label.iter().map(u8::to_ascii_lowercase));
                    at += 1 + label.len();
                }
                0xC0.. => {
                    let to = usize::from(u16::from_be_bytes([length & 0x3F, *self.message.get(at + 1)?]));
                    end.get_or_insert(at + 2);
                    pointers += 1;
                    // Only backwards: a loop would come round to where it has been.
                    if to >= at || pointers > MAX_POINTERS {
                        return None;
                    }
                    at = to;
                }
                _ => return None,
            }
            if name.len() >= MAX_NAME {
                return None;
            }
        }
    }

    fn record(&mut self) -> Option<Record> {
        let name = self.name()?;
        let (kind, class, ttl) = (self.u16()?, self.u16()?, self.u32()?);
        let length = usize::from(self.u16()?);
        let end = self.at.checked_add(length).filter(|end| *end <= self.message.len())?;
        let data = match kind {
            _ if class != INTERNET => Data::Other,
            A => Data::Address(Ipv4Addr::from(self.array::<4>()?).into()),
            AAAA => Data::Address(Ipv6Addr::from(self.array::<16>()?).into()),
            CNAME => Data::Alias(self.name()?),
            SOA => {
                self.name()?;
                self.name()?;
                self.take(16)?;
                Data::Authority(self.u32()?)
            }
            _ => Data::Other,
        };
        if !matches!(data, Data::Other) && self.at != end {
            return None;
        }
        self.at = end;
        // Above 2^31 a time to live counts as none at all (RFC 2181 section 8).
        let ttl = if ttl > i32::MAX as u32 { 0 } else { ttl };
        Some(Record { name, ttl, data })
    }
}

#[cfg(test)]
mod tests;
