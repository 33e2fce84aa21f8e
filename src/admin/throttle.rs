//! Failed log-ins are limited by address: a burst, then a few a minute. While an address is over its limit its tokens are
//! not even looked at, so guessing is no faster than the limit; the right token has to wait as well.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Failures that an address may make at once: a person who pastes the wrong token a few times is not locked out.
pub const BURST: u32 = 10;

/// After that, one failure may be made in this time.
const REFILL: Duration = Duration::from_secs(6);

/// Addresses remembered; all others beyond share one limit. An entry is 40 bytes.
const MAX_ADDRESSES: usize = 1_024;

/// One address, or one network of IPv6: whoever has one of its addresses has all of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    V4([u8; 4]),
    V6([u8; 8]),
    Rest,
}

impl Key {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.octets()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// When an address will have all its failures back: as a bucket that leaks, in one number.
#[derive(Default)]
pub struct Throttle {
    full_at: Mutex<HashMap<Key, Duration>>,
}

impl Throttle {
    /// How long `address` has to wait at `now` (monotonic), if at all.
    pub fn wait(&self, address: IpAddr, now: Duration) -> Option<Duration> {
        let full_at = self.full_at.lock();
        let own = full_at.get(&Key::of(address));
        // An address that is not remembered is one of the rest only while there is no room to remember it.
        let shared = || if full_at.len() >= MAX_ADDRESSES { full_at.get(&Key::Rest) } else { None };
        let debt = own.or_else(shared)?.checked_sub(now)?;
        debt.checked_sub(REFILL * (BURST - 1)).filter(|wait| !wait.is_zero())
    }

    /// Notes a failure of `address`.
    pub fn failed(&self, address: IpAddr, now: Duration) {
        let mut full_at = self.full_at.lock();
        let mut key = Key::of(address);
        if !full_at.contains_key(&key) && full_at.len() >= MAX_ADDRESSES {
            full_at.retain(|_, at| *at > now);
            if full_at.len() >= MAX_ADDRESSES {
                key = Key::Rest;
            }
        }
        let at = full_at.entry(key).or_insert(now);
        *at = (*at).max(now) + REFILL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn fail(throttle: &Throttle, address: IpAddr, times: u32, now: Duration) {
        (0..times).for_each(|_| throttle.failed(address, now));
    }

    #[test]
    fn a_burst_is_let_through_and_then_one_by_one() {
        let (throttle, now) = (Throttle::default(), Duration::from_secs(100));
        fail(&throttle, A, BURST - 1, now);
        assert_eq!(throttle.wait(A, now), None);
        throttle.failed(A, now);
        assert_eq!(throttle.wait(A, now), Some(REFILL));
        assert_eq!(throttle.wait("10.0.0.2".parse().expect("address"), now), None, "others are not held up");
        assert_eq!(throttle.wait(A, now + REFILL), None);
        throttle.failed(A, now + REFILL);
        assert_eq!(throttle.wait(A, now + REFILL), Some(REFILL));
        assert_eq!(throttle.wait(A, now + Duration::from_secs(3600)), None);
    }

    #[test]
    fn a_network_of_ipv6_is_one_and_mapped_addresses_are_ipv4() {
        let (throttle, now) = (Throttle::default(), Duration::ZERO);
        fail(&throttle, "2001:db8::1".parse().expect("address"), BURST, now);
        assert!(throttle.wait("2001:db8::ffff:1".parse().expect("address"), now).is_some());
        assert!(throttle.wait("2001:db8:0:1::1".parse().expect("address"), now).is_none());
        fail(&throttle, "::ffff:10.0.0.1".parse().expect("address"), BURST, now);
        assert!(throttle.wait(A, now).is_some());
    }

    #[test]
    fn memory_is_bounded_and_the_rest_share_one_limit() {
        let (throttle, now) = (Throttle::default(), Duration::ZERO);
        for i in 0..5_000_u32 {
            throttle.failed(IpAddr::V4(i.to_be_bytes().into()), now);
        }
        assert!(throttle.full_at.lock().len() <= MAX_ADDRESSES + 1);
        let new = IpAddr::V4([99, 9, 9, 9].into());
        assert!(throttle.wait(new, now).is_some(), "as one of the rest");
        let later = now + Duration::from_secs(100_000);
        throttle.failed(new, later);
        assert_eq!(throttle.wait(new, later), None);
        assert_eq!(throttle.full_at.lock().len(), 1, "what has recovered is forgotten");
    }
}
