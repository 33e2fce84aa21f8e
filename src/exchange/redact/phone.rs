//! Phone numbers brought to one form (ITU-T E.164: `+`, country code, number), so that one number is one token however a
//! system writes it.
//!
//! Own rules over a small table instead of a library: what is needed is one form for each number, not whether it exists or
//! what kind it is, and the metadata for that weighs megabytes. Without a region only what says so itself is international.

use std::fmt;

/// Digits below which a number is a service's (112, 3631): those have no international form.
const LEAST_DIGITS: usize = 7;

/// Italy keeps the zero that others drop behind the country code.
const KEEPS_ZERO: &str = "39";

/// How one country writes its numbers.
#[derive(PartialEq, Eq)]
struct Plan {
    region: &'static str,
    country: &'static str,
    /// Dialed before the country code for a call abroad; `00` is understood everywhere beside it.
    abroad: &'static str,
    /// Dialed before a number at home, and left out behind the country code.
    trunk: &'static str,
    /// Digits of its usual numbers at most, without trunk prefix.
    longest: usize,
}

const fn row(
    region: &'static str,
    country: &'static str,
    abroad: &'static str,
    trunk: &'static str,
    longest: usize,
) -> Plan {
    Plan { region, country, abroad, trunk, longest }
}

/// Countries with one way to dial abroad and one trunk prefix at most. Facts: the national numbering plans as ITU-T E.164
/// lists them, compared with libphonenumber's metadata.
const PLANS: &[Plan] = &[
    row("AE", "971", "00", "0", 9),
    row("AT", "43", "00", "0", 13),
    row("AU", "61", "0011", "0", 9),
    row("BE", "32", "00", "0", 9),
    row("BG", "359", "00", "0", 9),
    row("CA", "1", "011", "1", 10),
    row("CH", "41", "00", "0", 9),
    row("CN", "86", "00", "0", 11),
    row("CY", "357", "00", "", 8),
    row("CZ", "420", "00", "", 9),
    row("DE", "49", "00", "0", 11),
    row("DK", "45", "00", "", 8),
    row("DZ", "213", "00", "0", 9),
    row("EE", "372", "00", "", 8),
    row("EG", "20", "00", "0", 10),
    row("ES", "34", "00", "", 9),
    row("FI", "358", "00", "0", 10),
    row("FR", "33", "00", "0", 9),
    row("GB", "44", "00", "0", 10),
    row("GR", "30", "00", "", 10),
    row("HR", "385", "00", "0", 9),
    row("HU", "36", "00", "06", 9),
    row("IE", "353", "00", "0", 9),
    row("IL", "972", "00", "0", 9),
    row("IN", "91", "00", "0", 10),
    row("IS", "354", "00", "", 9),
    row("IT", "39", "00", "", 11),
    row("JP", "81", "010", "0", 10),
    row("LT", "370", "00", "0", 8),
    row("LU", "352", "00", "", 9),
    row("LV", "371", "00", "", 8),
    row("MA", "212", "00", "0", 9),
    row("MT", "356", "00", "", 8),
    row("MX", "52", "00", "", 10),
    row("MY", "60", "00", "0", 10),
    row("NL", "31", "00", "0", 9),
    row("NO", "47", "00", "", 8),
    row("NZ", "64", "00", "0", 10),
    row("PE", "51", "00", "0", 9),
    row("PH", "63", "00", "0", 10),
    row("PL", "48", "00", "", 9),
    row("PT", "351", "00", "", 9),
    row("RO", "40", "00", "0", 9),
    row("RS", "381", "00", "0", 9),
    row("SA", "966", "00", "0", 9),
    row("SE", "46", "00", "0", 9),
    row("SI", "386", "00", "0", 8),
    row("SK", "421", "00", "0", 9),
    row("TN", "216", "00", "", 8),
    row("TR", "90", "00", "0", 10),
    row("UA", "380", "00", "0", 9),
    row("US", "1", "011", "1", 10),
    row("VN", "84", "00", "0", 10),
    row("ZA", "27", "00", "0", 9),
];

/// The country whose way of writing numbers is meant where a number does not say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PhoneRegion(&'static Plan);

impl PhoneRegion {
    /// By its ISO 3166-1 code, e.g. `FR`; none for one that is not known here.
    pub fn of(code: &str) -> Option<Self> {
        PLANS.iter().find(|plan| plan.region == code).map(Self)
    }

    /// Every code that is known.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        PLANS.iter().map(|plan| plan.region)
    }
}

impl fmt::Debug for PhoneRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.region)
    }
}

/// The one form of `number`, which holds a digit: `+` and digits where the country is known, else digits alone.
pub(super) fn normal(number: &str, region: Option<PhoneRegion>) -> String {
    let first = number.find(|c: char| c == '+' || c.is_ascii_digit());
    let says_plus = first.is_some_and(|at| number[at..].starts_with('+'));
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if says_plus {
        return international(&without_optional_zero(number, digits), region);
    }
    let abroad = region.map_or("00", |r| r.0.abroad);
    let rest = digits.strip_prefix(abroad).or_else(|| digits.strip_prefix("00"));
    match (rest, region) {
        (Some(rest), _) => international(rest, region),
        (None, Some(region)) => national(digits, region),
        (None, None) => digits,
    }
}

/// `+33 (0)6 …`: the zero is dialed at home only.
fn without_optional_zero(number: &str, digits: String) -> String {
    match number.split_once("(0)") {
        Some((before, after)) if !digits.starts_with(KEEPS_ZERO) => {
            before.chars().chain(after.chars()).filter(char::is_ascii_digit).collect()
        }
        _ => digits,
    }
}

fn international(digits: &str, region: Option<PhoneRegion>) -> String {
    let own = region.and_then(|r| Some((r.0, digits.strip_prefix(r.0.country)?)));
    match own {
        // Written with the trunk prefix all the same. A `1` is none there: it would be the number's own first digit.
        Some((plan, rest)) if plan.trunk.starts_with('0') => {
            format!("+{}{}", plan.country, rest.strip_prefix(plan.trunk).unwrap_or(rest))
        }
        _ => format!("+{digits}"),
    }
}

fn national(digits: String, PhoneRegion(plan): PhoneRegion) -> String {
    if digits.len() < LEAST_DIGITS {
        return digits;
    }
    let trunk = Some(plan.trunk).filter(|trunk| !trunk.is_empty());
    match trunk.and_then(|trunk| digits.strip_prefix(trunk)) {
        Some(rest) => format!("+{}{rest}", plan.country),
        // Too long for one of its own: the country code without a plus.
        None if digits.len() > plan.longest && digits.starts_with(plan.country) => {
            international(&digits, Some(PhoneRegion(plan)))
        }
        None => format!("+{}{digits}", plan.country),
    }
}

#[cfg(test)]
mod tests;
