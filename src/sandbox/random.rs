//! Numbers that look random and are the same on every machine: everything in the sandbox follows from one seed.
//!
//! Nothing here is fit for secrets.

/// The odd constant of splitmix64; a step by it visits every 64-bit value once.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of splitmix64: each bit of the result depends on each bit of `x`.
pub(crate) fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The value number `index` of the stream `stream`, without walking to it.
pub(crate) fn draw(seed: u64, stream: u64, index: u64) -> u64 {
    mix(seed ^ mix(stream.wrapping_add(1)).wrapping_add(index.wrapping_mul(GOLDEN)))
}

/// A hash of text for look-ups in memory (FNV-1a, finished by [`mix`]).
pub(crate) fn hash(text: &str) -> u64 {
    mix(text.bytes().fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01B3)))
}

/// A sequence of draws.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(mix(seed.wrapping_add(GOLDEN)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A value in `0..n`; 0 when `n` is 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next().checked_rem(n).unwrap_or(0)
    }

    /// A value in `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }
}

/// A permutation of `0..n` that costs no memory and can be turned round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shuffle {
    n: u64,
    factor: u64,
    inverse: u64,
    shift: u64,
}

impl Shuffle {
    pub(crate) fn new(n: u64, seed: u64) -> Self {
        let n = n.max(1);
        let mut factor = mix(seed) % n;
        while gcd(factor, n) != 1 {
            factor = (factor + 1) % n;
        }
        Self { n, factor, inverse: invert(factor, n), shift: mix(seed ^ GOLDEN) % n }
    }

    /// The element at `position` (taken modulo n).
    pub(crate) fn at(&self, position: u64) -> u64 {
        (multiply(position % self.n, self.factor, self.n) + self.shift) % self.n
    }

    /// Where `element` stands: the inverse of [`Shuffle::at`].
    pub(crate) fn position(&self, element: u64) -> u64 {
        multiply((element % self.n + self.n - self.shift) % self.n, self.inverse, self.n)
    }
}

fn multiply(a: u64, b: u64, n: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(n)) as u64
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The inverse of `a` modulo `n`, for coprime numbers (extended Euclid).
fn invert(a: u64, n: u64) -> u64 {
    let (mut r0, mut r1) = (i128::from(n), i128::from(a));
    let (mut t0, mut t1) = (0i128, 1i128);
    while r1 != 0 {
        let q = r0 / r1;
        (r0, r1) = (r1, r0 - q * r1);
        (t0, t1) = (t1, t0 - q * t1);
    }
    t0.rem_euclid(i128::from(n)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_shuffle_is_a_permutation_and_turns_round() {
        for n in [1, 2, 3, 10, 97, 1000, 20_000] {
            let shuffle = Shuffle::new(n, 42 + n);
            let seen: HashSet<u64> = (0..n).map(|p| shuffle.at(p)).collect();
            assert_eq!(seen.len() as u64, n);
            assert!((0..n).all(|p| shuffle.position(shuffle.at(p)) == p), "{n}");
        }
    }

    #[test]
    fn draws_repeat_by_seed_and_differ_by_stream() {
        assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
        assert_ne!(draw(1, 2, 3), draw(1, 3, 3));
        assert_ne!(draw(1, 2, 3), draw(2, 2, 3));
    }

    #[test]
    fn chance_keeps_its_probability() {
        let mut rng = Rng::new(7);
        let hits = (0..10_000).filter(|_| rng.chance(0.1)).count();
        assert!((900..1100).contains(&hits), "{hits}");
    }
}
