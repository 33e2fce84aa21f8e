//! Every metric, once: what is here is the HELP text, the README's table and what the checks compare names against.

use std::fmt::Write as _;

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; starts at zero with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by bucket, with sum and count.
    Histogram,
}

impl Kind {
    /// The word used in `# TYPE` and in the README.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Full name, as scraped.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Label names, in the order of their values.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Entry {
    Entry { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Entry {
    Entry { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Entry {
    Entry { name, kind: Kind::Histogram, labels, help }
}

/// Declares each entry as a constant and gathers them in [`ALL`], so that none can be forgotten there.
macro_rules! catalogue {
    ($($id:ident = $kind:ident($name:literal, $labels:expr, $help:literal);)*) => {
        $(#[doc = $help] pub const $id: Entry = $kind($name, &$labels, $help);)*
        /// Every family, by name.
        pub const ALL: &[Entry] = &[$($id),*];
    };
}

catalogue! {
    ABANDONED = counter("vigie_abandoned_total", ["upstream"],
        "Requests sent whole whose caller left before an answer's head came; those it had waited 2 s or longer for also count, with that time, in the windows.");
    ADMIN_REFUSED = counter("vigie_admin_refused_total", ["reason"],
        "Calls to the read side that were refused: a foreign Host (host), a page of another Origin (origin), no token (missing), a token that is nobody's (invalid), too many of those from one address (limited), a role that does not allow it (role).");
    ADMIN_TOKENS_OK = gauge("vigie_admin_tokens_last_read_successful", [],
        "1 when the tokens file could be read the last time it changed, else 0: then the tokens before it are in force.");
    AGENT_ERRORS = counter("vigie_agent_errors_total", ["upstream", "kind"],
        "Answers that Vigie made itself or broke off, by x-vigie-error kind; never the vendor's.");
    ATTEMPTS = counter("vigie_attempts_total", ["integration", "upstream", "route", "status_code"],
        "Requests sent to an upstream, by the status it answered; status_code 0 when no answer came.");
    AUDIT_ENTRIES = counter("vigie_audit_entries_total", ["result"],
        "Entries of the audit log: written, folded into one of the last minute, or failed: then the call was refused.");
    BUILD_INFO = gauge("vigie_build_info", ["version", "commit"],
        "Always 1; the labels say what is running.");
    BYPASS_LINKS = counter("vigie_bypass_links_total", ["integration", "upstream", "field", "reason"],
        "Links in answers that lead a caller who follows them past Vigie, by the header or field they stood in and why they were left: off (rewrite_links is), other_host (no upstream of this vendor), unreachable (no path of this listener leads there), unreadable (coded, no JSON, or not read to its end), too_large, signed, partial.");
    CERTIFICATE_NOT_AFTER = gauge("vigie_certificate_not_after_timestamp_seconds", ["owner", "name"],
        "Until when a certificate is good, Unix time: of the proxy's listeners and the admin listener (by address), Vigie's own towards an upstream (client), and an upstream's as its last handshake showed it.");
    CONFIG_LAST_RELOAD_SUCCESS = gauge("vigie_config_last_reload_success_timestamp_seconds", [],
        "When the configuration was last loaded without errors, Unix time.");
    CONFIG_LAST_RELOAD_SUCCESSFUL = gauge("vigie_config_last_reload_successful", [],
        "1 when the last loading of the configuration succeeded, else 0.");
    CONNECTIONS_REFUSED = counter("vigie_connections_refused_total", ["reason"],
        "Callers' connections refused, because there were too many (total) or too many from one address (per_caller).");
    DNS_CHANGES = counter("vigie_dns_changes_total", [],
        "Times that an upstream's, proxy's or collector's name had other addresses than before.");
    DNS_CONNECTIONS_DRAINED = counter("vigie_dns_connections_drained_total", [],
        "Connections to upstreams closed, once idle, because their address is no longer among the name's.");
    DNS_NAMES_STALE = gauge("vigie_dns_names_stale", [],
        "Names whose old addresses are used because nobody can tell the present ones.");
    DNS_RESOLUTIONS = counter("vigie_dns_resolutions_total", ["result"],
        "Names resolved: found, none (the name does not exist or has no address), failed (nobody could tell: old addresses stay in use).");
    CREDENTIAL_ECHOES = counter("vigie_credential_echoes_total", ["upstream"],
        "Answers in which the upstream gave back a credential that Vigie knows: in a header, where it was hidden from the caller, or in the copied part of the body, which was passed on as it came.");
    CREDENTIAL_INFO = gauge("vigie_credential_info", ["upstream", "integration", "fingerprint"],
        "Always 1; which credential Vigie puts on calls, by the fingerprint that /api/v1/callers would show for it; integration is empty for everybody's.");
    HISTORY_BYTES = gauge("vigie_history_bytes", [],
        "Bytes the searchable history holds on disk.");
    HISTORY_EVICTED = counter("vigie_history_evicted_total", [],
        "Records removed from the history before their days were over, because all days together reached `history.max_size`.");
    HTTP2_CONNECTIONS_CUT = counter("vigie_http2_connections_cut_total", ["reason"],
        "Callers' HTTP/2 connections cut because they reset streams faster than these were looked at (reset_flood), left more exchanges than they waited for (abandoned), or did not read what was answered long ago (unread).");
    INTEGRATIONS_CAPPED = counter("vigie_integrations_capped_total", [],
        "New integrations counted under other because there are already the most allowed; one that comes again counts again.");
    INTERIM_ANSWERS = counter("vigie_interim_answers_total", ["result"],
        "Answers of upstreams that came before the answer (102, 103 and other 1xx) over HTTP/1.1, by whether the caller got them: forwarded, or left_out since it speaks HTTP/2 or 1.0 or does not read.");
    LOG_FILES_REMOVED_EARLY = counter("vigie_log_files_removed_early_total", [],
        "Rotated files of the exchange log that went for lack of room before their days were over.");
    LOG_LINES = counter("vigie_log_lines_total", ["sink"],
        "Lines of the exchange log that were written, by sink.");
    LOG_WRITE_ERRORS = counter("vigie_log_write_errors_total", ["sink"],
        "Failed writes of the exchange log, by sink; the lines concerned are in vigie_recorder_dropped_total.");
    OTLP_SPANS = counter("vigie_otlp_spans_total", ["result"],
        "Spans by what became of them: sent, failed (unreachable collector; refused, or rejected from a batch) or dropped (queue full).");
    OUTCOMES = counter("vigie_outcomes_total", ["upstream", "outcome"],
        "Exchanges by outcome; every series exists from the start.");
    OVERHEAD = histogram("vigie_overhead_seconds", ["integration", "upstream", "route"],
        "Vigie's own share of the time to the answer's head.");
    QUOTA_EXHAUSTION = gauge("vigie_quota_exhaustion_timestamp_seconds", ["upstream", "window"],
        "When the quota runs out at the present rate, Unix time; absent when it does not or is not known.");
    QUOTA_LIMIT = gauge("vigie_quota_limit", ["upstream", "window"],
        "Calls the upstream allows per window; absent when not known.");
    QUOTA_REMAINING = gauge("vigie_quota_remaining", ["upstream", "window"],
        "Calls left in the window; absent when not known or expired.");
    QUOTA_RESET = gauge("vigie_quota_reset_timestamp_seconds", ["upstream", "window"],
        "When the window starts anew, Unix time; absent when not known.");
    QUOTA_SOURCE = gauge("vigie_quota_source", ["upstream", "window", "source"],
        "Always 1; the label says where the quota's numbers come from: told (the vendor's answers), counted (calls of the last window length against the configured limit), counted_since_start (the same, but those before the start are not known).");
    RECORDER_DROPPED = counter("vigie_recorder_dropped_total", ["stage"],
        "What the recorder had to give up: whole exchanges (queue), bodies (body), log lines (log), history rows (history), spans (trace).");
    RECORDER_QUEUE_BYTES = gauge("vigie_recorder_queue_bytes", [],
        "Bytes of bodies held by exchanges that wait for the recorder.");
    RECORDER_QUEUE_DEPTH = gauge("vigie_recorder_queue_depth", [],
        "Exchanges that wait for the recorder.");
    RECORDER_RECORDS = counter("vigie_recorder_records_total", [],
        "Exchanges that the recorder turned into records.");
    REQUEST_DURATION = histogram("vigie_request_duration_seconds", ["integration", "upstream", "route"],
        "Request head read to last byte handed to the caller; not for blaming the vendor.");
    REQUESTS = counter("vigie_requests_total", ["integration", "upstream", "route", "method", "status_code", "outcome"],
        "Exchanges, by the status the caller got and the outcome judged from the content.");
    ROUTES_CAPPED = counter("vigie_routes_capped_total", ["upstream"],
        "Calls whose route no profile knows and whose template is counted under other, because the upstream has its most of them.");
    SERIES_CAPPED = counter("vigie_series_capped_total", ["family"],
        "New label values counted under other because the family has no more room for them; values that come again count again.");
    START_TIME = gauge("vigie_start_time_seconds", [],
        "When the agent started, Unix time.");
    TLS_HANDSHAKE_FAILURES = counter("vigie_tls_handshake_failures_total", ["reason"],
        "Callers' TLS handshakes that failed: timeout, closed, not_tls, incompatible (version or cipher), no_certificate, bad_certificate, refused (by the caller) or other.");
    UNKNOWN_CALLERS = gauge("vigie_unknown_callers", [],
        "Credential fingerprints seen that belong to no configured integration.");
    UPGRADED_BYTES = counter("vigie_upgraded_bytes_total", ["direction"],
        "Bytes of connections switched to another protocol, by the way they went: to_upstream or from_upstream.");
    UPGRADED_CONNECTIONS = gauge("vigie_upgraded_connections", [],
        "Connections switched to another protocol that are open.");
    UPSTREAM_DURATION = histogram("vigie_upstream_duration_seconds", ["integration", "upstream", "route"],
        "Request sent to answer head: the vendor's time; a time-out counts its elapsed time, and so does a wait of 2 s or more that the caller gave up.");
    WINDOW_ATTEMPTS = gauge("vigie_window_attempts", ["upstream", "window"],
        "Attempts answered, timed out, or given up by the caller after 2 s or more, within the window.");
    WINDOW_COMPLETE = gauge("vigie_window_complete", ["upstream"],
        "1 when the window covers its whole length, else 0 (after a start, until the history was read).");
    WINDOW_DURATION = gauge("vigie_window_duration_seconds", ["upstream", "window"],
        "Sum of the vendor's time over the window; divided by vigie_window_attempts it is the mean.");
    WINDOW_SERVER_ERRORS = gauge("vigie_window_server_errors", ["upstream", "window"],
        "Attempts answered 500-599, or with an inner 5xx, within the window.");
    WINDOW_UNREACHABLE = gauge("vigie_window_unreachable", ["upstream", "window"],
        "Attempts that failed to connect, in TLS or by time-out within the window.");
    WORKER_ACCEPTED = counter("vigie_worker_accepted_connections_total", ["worker"],
        "Connections handed to a data-path thread.");
    WORKER_CONNECTIONS = gauge("vigie_worker_connections", ["worker"],
        "Callers' connections open on a data-path thread.");
    WORKER_EXCHANGES = gauge("vigie_worker_exchanges", ["worker"],
        "Exchanges in flight on a data-path thread.");
    WORKER_HEARTBEAT_AGE = gauge("vigie_worker_heartbeat_age_seconds", ["worker"],
        "Time since a data-path thread last showed life; /live fails above 5 s.");
    // The process collector's, with its own words.
    PROCESS_CPU = counter("process_cpu_seconds_total", [], "Total user and system CPU time spent in seconds.");
    PROCESS_MAX_FDS = gauge("process_max_fds", [], "Maximum number of open file descriptors.");
    PROCESS_OPEN_FDS = gauge("process_open_fds", [], "Number of open file descriptors.");
    PROCESS_RSS = gauge("process_resident_memory_bytes", [], "Resident memory size in bytes.");
    PROCESS_START_TIME = gauge("process_start_time_seconds", [],
        "Start time of the process since unix epoch in seconds.");
    PROCESS_THREADS = gauge("process_threads", [], "Number of OS threads in the process.");
    PROCESS_VIRTUAL = gauge("process_virtual_memory_bytes", [], "Virtual memory size in bytes.");
}

/// The README's table: `make readme` puts it there.
pub fn markdown() -> String {
    let mut table = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for Entry { name, kind, labels, help } in ALL {
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(" ");
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| `{name}` | {} | {labels} | {help} |", kind.as_str());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_follow_the_rules() {
        let names: BTreeSet<_> = ALL.iter().map(|e| e.name).collect();
        assert_eq!(names.len(), ALL.len(), "a name appears twice");
        for entry in ALL {
            assert!(entry.name.starts_with("vigie_") || entry.name.starts_with("process_"), "{}", entry.name);
            assert_eq!(entry.kind == Kind::Counter, entry.name.ends_with("_total"), "{}", entry.name);
            assert!(!entry.help.contains(['|', '\n']) && entry.help.ends_with('.'), "{}", entry.name);
            for reserved in ["_bucket", "_sum", "_count", "_info_total"] {
                assert!(!entry.name.ends_with(reserved), "{}", entry.name);
            }
        }
    }

    #[test]
    fn the_table_has_a_row_for_each() {
        let table = markdown();
        assert_eq!(table.lines().count(), ALL.len() + 2);
        assert!(table.contains("| `vigie_outcomes_total` | counter | `upstream` `outcome` | Exchanges by outcome;"));
        assert!(table.contains("| `vigie_history_bytes` | gauge |  | Bytes"));
    }
}
