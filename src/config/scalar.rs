//! The file's own kinds of text: durations, sizes, addresses, URLs, prefixes.
//!
//! Each kind is a JSON Schema `format` of its own name; [`check`] is behind both the schema's validation and the
//! message, so a text that passed the schema also parses.

use crate::net;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

mod url;
pub use url::{Url, collector, host_and_port, url};

/// Names of the formats that [`check`] knows.
#[cfg(test)]
pub const FORMATS: [&str; 13] = [
    "vigie-duration",
    "vigie-size",
    "vigie-address",
    "vigie-url",
    "vigie-collector",
    "vigie-exception",
    "vigie-path-prefix",
    "vigie-fingerprint",
    "vigie-token",
    "vigie-header-name",
    "vigie-header-value",
    "vigie-protocol",
    "vigie-workers",
];

/// Zones are numbers of one machine's interfaces: neither names nor certificates know them.
const NO_ZONE: &str = "names an IPv6 zone (%…), which is not supported; use an address without one";

/// Data-path threads at most: more than any machine this is meant for has cores.
const MAX_WORKERS: usize = 64;

/// Whether `text` is of `format`; the error completes "<text> …" and says what would be right.
pub fn check(format: &str, text: &str) -> Result<(), String> {
    match format {
        "vigie-duration" => duration(text).map(drop),
        "vigie-size" => size(text).map(drop),
        "vigie-address" => address(text).map(drop),
        "vigie-url" => url(text).map(drop),
        "vigie-collector" => collector(text).map(drop),
        "vigie-exception" => net::Exception::parse(text).map(drop),
        "vigie-path-prefix" => path_prefix(text),
        "vigie-fingerprint" => fingerprint(text).map(drop),
        "vigie-token" => token(text),
        "vigie-header-name" => header_name(text).map(drop),
        "vigie-header-value" => header_value(text),
        "vigie-protocol" => protocol(text).map(drop),
        "vigie-workers" => workers(text).map(drop),
        _ => Ok(()),
    }
}

/// `500ms`, `5s`, `10m`, `1h`, `2d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "is not a duration; write for example 500ms, 5s, 10m, 1h or 2d".to_owned();
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(|| "is too long a duration".to_owned())
}

/// `64KiB`, `5GB`, `123` (bytes).
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || "is not a size; write for example 64KiB, 5GB or a number of bytes".to_owned();
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let unit_bytes: u64 = match unit {
        "" | "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_bytes).ok_or_else(|| "is too large a size".to_owned())
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim_start_matches(' ')))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if text.contains('%') {
        return Err(NO_ZONE.to_owned());
    }
    text.parse().map_err(|_| {
        let port = text.rsplit(':').next().filter(|p| p.parse::<u16>().is_ok()).unwrap_or("8080");
        format!("is not an IP address and a port; write for example 127.0.0.1:{port}")
    })
}

/// Threads; `None` for `auto`.
fn workers(text: &str) -> Result<Option<usize>, String> {
    match text.parse() {
        _ if text == "auto" => Ok(None),
        Ok(n) if (1..=MAX_WORKERS).contains(&n) => Ok(Some(n)),
        _ => Err(format!("is not a number of threads; write auto, or 1 to {MAX_WORKERS}")),
    }
}

fn path_prefix(text: &str) -> Result<(), String> {
    let segment = |s: &str| !s.is_empty() && s != "." && s != ".." && s.chars().all(unreserved);
    match text.strip_prefix('/') {
        Some(rest) if text.len() <= 200 && rest.split('/').all(segment) => Ok(()),
        _ => Err("is not a path prefix; write for example /erp: a leading /, no trailing /, letters, digits, - . _ ~"
            .to_owned()),
    }
}

fn unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~".contains(c)
}

fn fingerprint(text: &str) -> Result<u64, String> {
    match text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => u64::from_str_radix(text, 16).map_err(|e| e.to_string()),
        false => Err("is not a fingerprint; write its 16 hexadecimal digits as /api/v1/callers lists them".to_owned()),
    }
}

/// Characters of a secret at least: below, it can be guessed.
const MIN_TOKEN: usize = 16;

fn token(text: &str) -> Result<(), String> {
    match text.strip_prefix("blake3:") {
        Some(hash) => match hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()) {
            true => Ok(()),
            false => Err("is not a hash; write blake3: and 64 hexadecimal digits".to_owned()),
        },
        None if text.len() < MIN_TOKEN => Err(format!("is too short to be safe; use at least {MIN_TOKEN} characters")),
        None if text.bytes().all(|b| b.is_ascii_graphic()) => Ok(()),
        None => Err("holds a space or a character that is not ASCII; use letters, digits and punctuation".to_owned()),
    }
}

/// The token's blake3 hash, given or computed.
pub fn token_hash(text: &str) -> [u8; 32] {
    let given = text.strip_prefix("blake3:").and_then(|hash| blake3::Hash::from_hex(hash).ok());
    *given.unwrap_or_else(|| blake3::hash(text.as_bytes())).as_bytes()
}

fn header_name(text: &str) -> Result<http::HeaderName, String> {
    let wrong = |_| "is not a header's name; write for example X-Integration".to_owned();
    http::HeaderName::from_bytes(text.as_bytes()).map_err(wrong)
}

fn header_value(text: &str) -> Result<(), String> {
    match !text.is_empty() && text.trim() == text && text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        true => Ok(()),
        false => Err("is not a header's value; use printable ASCII, without spaces around it".to_owned()),
    }
}

/// Protocols that would take calls out of sight, or make the caller somebody else than the listener took it for.
const HIDING: [&str; 3] = ["h2c", "http", "tls"];

/// A protocol's name and, where it has one, its version (RFC 9110 section 7.8), in lower case: case tells nothing there.
fn protocol(text: &str) -> Result<http::HeaderValue, String> {
    let token = |word: &str| {
        let symbol = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b);
        !word.is_empty() && word.bytes().all(symbol)
    };
    let (name, version) = text.split_once('/').unwrap_or((text, "1"));
    if HIDING.iter().any(|hiding| name.eq_ignore_ascii_case(hiding)) {
        return Err("would hide calls from the agent; name another protocol or none".to_owned());
    }
    let wrong = || "is not a protocol's name in lower case; write for example websocket".to_owned();
    if !token(name) || !token(version) {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

/// Declares a type that is read from text by `$parse`, shown by `$show`, and known to the schema as `$format`.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident($inner:ty), $format:literal, $parse:expr, $show:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                $parse(&text).map(Self).map_err(D::Error::custom)
            }
        }

        // Serialised only into the schema's defaults.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let show: fn(&$inner) -> String = $show;
                serializer.serialize_str(&show(&self.0))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                // Where a fingerprint is wanted, somebody may have pasted the credential itself.
                let hidden = $format == "vigie-fingerprint";
                match hidden {
                    true => json_schema!({ "type": "string", "format": $format, "x-vigie-hidden": true }),
                    false => json_schema!({ "type": "string", "format": $format }),
                }
            }
        }
    };
}

text_type!(
    /// A protocol that HTTP may be switched to.
    Protocol(http::HeaderValue), "vigie-protocol", protocol, |p| p.to_str().unwrap_or_default().to_owned()
);
text_type!(
    /// A length of time.
    Span(Duration), "vigie-duration", duration, |d| match (d.as_millis(), d.as_secs()) {
        (ms, s) if ms != u128::from(s) * 1000 => format!("{ms}ms"),
        (_, s) if s > 0 && s % 86_400 == 0 => format!("{}d", s / 86_400),
        (_, s) if s > 0 && s % 3600 == 0 => format!("{}h", s / 3600),
        (_, s) if s > 60 && s % 60 == 0 => format!("{}m", s / 60),
        (_, s) => format!("{s}s"),
    }
);
text_type!(
    /// A number of bytes.
    Bytes(u64), "vigie-size", size, |n| match n {
        n if *n > 0 && n % (1 << 30) == 0 => format!("{}GiB", n >> 30),
        n if *n > 0 && n % (1 << 20) == 0 => format!("{}MiB", n >> 20),
        n if *n > 0 && n % (1 << 10) == 0 => format!("{}KiB", n >> 10),
        n => n.to_string(),
    }
);
text_type!(
    /// An IP address and a port.
    Address(SocketAddr), "vigie-address", address, SocketAddr::to_string
);
text_type!(
    /// Where an upstream is.
    Link(Url), "vigie-url", url, |_| String::new()
);
text_type!(
    /// Where a collector is.
    Collector(Url), "vigie-collector", collector, |_| String::new()
);
text_type!(
    /// What is called directly although there is a proxy.
    Exception(net::Exception), "vigie-exception", net::Exception::parse, |e| e.to_string()
);
text_type!(
    /// Data-path threads; `None` for as many as there are cores.
    Workers(Option<usize>), "vigie-workers", workers, |n| n.map_or("auto".to_owned(), |n| n.to_string())
);
text_type!(
    /// A credential's fingerprint.
    Fingerprint(u64), "vigie-fingerprint", fingerprint, |n| format!("{n:016x}")
);
text_type!(
    /// A header's name.
    HeaderName(http::HeaderName), "vigie-header-name", header_name, |n| n.to_string()
);

/// Declares a secret: the schema marks it `writeOnly`, and no message shows it.
macro_rules! secret_type {
    ($(#[$doc:meta])* $name:ident, $($schema:tt)*) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub crate::secret::Secret);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(|text| Self(crate::secret::Secret::new(text)))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($($schema)*)
            }
        }
    };
}

secret_type!(
    /// A secret whose form its other side decides.
    SecretText, { "type": "string", "minLength": 1, "writeOnly": true }
);
secret_type!(
    /// A secret that is sent as, or compared with, a header's value.
    HeaderSecret, { "type": "string", "format": "vigie-header-value", "writeOnly": true }
);
secret_type!(
    /// A token that callers show to Vigie: long enough not to be guessed, or a hash.
    Token, { "type": "string", "format": "vigie-token", "writeOnly": true }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2d"), Ok(Duration::from_secs(172_800)));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("5GB"), Ok(5_000_000_000));
        assert_eq!(size("123"), Ok(123));
        for wrong in ["", "5", "s", "-5s", "1.5s", "5 weeks", "5S", "18446744073709551615d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "KiB", "64kib", "64K", "-1", "1e3", "18446744073709551615KiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tokens_are_hashed_unless_they_are_hashes() {
        let hash = token_hash("a-long-enough-token");
        assert_eq!(token_hash(&format!("blake3:{}", hex::encode(hash))), hash);
    }
}
