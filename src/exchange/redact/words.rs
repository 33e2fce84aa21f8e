//! The words that errors of web APIs are made of. None is a usual first or last name; what is not here is not shown.

/// Sorted, lower case.
#[rustfmt::skip]
const COMMON: [&str; 442] = [
    "a", "able", "about", "above", "accept", "acceptable", "accepted", "access", "account", "accounts", "action",
    "active", "activity", "added", "after", "again", "all", "allowed", "already", "also", "an", "and", "another",
    "any", "api", "app", "application", "apply", "appointment", "appointments", "archived", "are", "argument",
    "array", "as", "assigned", "associated", "at", "attempt", "attribute", "attributes", "authenticate",
    "authenticated", "authentication", "authorization", "authorized", "available", "bad", "balance", "be", "because",
    "been", "before", "being", "belong", "belongs", "below", "between", "blank", "body", "boolean", "both", "bulk",
    "but", "by", "call", "called", "calls", "can", "can't", "cancelled", "cannot", "change", "changed", "character",
    "characters", "check", "client", "closed", "code", "column", "company", "complete", "completed", "concurrent",
    "condition", "conflict", "connect", "connection", "contact", "contacts", "contain", "contains", "content",
    "correct", "corrupt", "could", "couldn't", "create", "created", "creating", "credential", "credentials",
    "currency", "current", "currently", "custom", "daily", "data", "database", "date", "deal", "deals", "default",
    "delete", "deleted", "denied", "deprecated", "did", "didn't", "different", "disabled", "disallowed", "do", "does",
    "doesn't", "domain", "don't", "done", "due", "duplicate", "duplicated", "during", "each", "edit", "either",
    "email", "emails", "empty", "enabled", "encountered", "endpoint", "enough", "entity", "entry", "error", "errors",
    "exceed", "exceeded", "exceeds", "exist", "existing", "exists", "expected", "expired", "external", "failed",
    "failure", "fetch", "field", "fields", "file", "filter", "first", "follow", "following", "for", "forbidden",
    "format", "found", "from", "full", "future", "gateway", "generated", "get", "given", "greater", "group", "had",
    "has", "hasn't", "have", "header", "help", "here", "hour", "hours", "http", "id", "identifier", "if", "in",
    "inactive", "included", "incorrect", "input", "insufficient", "integer", "internal", "into", "invalid", "is",
    "isn't", "it", "item", "items", "its", "job", "json", "key", "large", "later", "least", "length", "less", "limit",
    "limited", "limits", "list", "locked", "login", "long", "lookup", "lost", "maintenance", "malformed", "mandatory",
    "many", "match", "matches", "matching", "maximum", "media", "merged", "message", "method", "minimum", "minute",
    "minutes", "missing", "mobile", "module", "more", "most", "moved", "multiple", "must", "name", "near", "new",
    "no", "none", "not", "null", "number", "object", "of", "off", "offset", "on", "one", "only", "open", "operation",
    "option", "or", "order", "other", "out", "over", "owner", "page", "pages", "parameter", "parameters", "parent",
    "parse", "parsed", "partial", "password", "past", "pattern", "payload", "pending", "per", "permission",
    "permissions", "permitted", "phone", "please", "positive", "possible", "present", "previous", "primary",
    "problem", "process", "processed", "processing", "product", "property", "provided", "quota", "range", "rate",
    "reached", "read", "reason", "received", "record", "records", "reference", "refused", "rejected", "related",
    "removed", "request", "requested", "requests", "required", "requires", "reset", "resource", "resources",
    "response", "result", "retry", "role", "row", "rows", "rule", "same", "save", "saved", "schema", "scope",
    "search", "second", "seconds", "see", "sent", "server", "service", "set", "should", "size", "some", "something",
    "specified", "stage", "state", "status", "still", "stopped", "string", "subscription", "success", "successful",
    "successfully", "such", "supplied", "supported", "syntax", "system", "taken", "task", "tasks", "temporarily",
    "temporary", "than", "that", "the", "their", "then", "there", "these", "they", "this", "throttled", "through",
    "time", "timed", "timeout", "times", "to", "together", "token", "too", "total", "transaction", "try", "trying",
    "twice", "type", "types", "unable", "unauthenticated", "unauthorized", "unavailable", "undefined", "under",
    "unexpected", "unique", "unknown", "unprocessable", "unsupported", "until", "update", "updated", "updating",
    "upstream", "url", "use", "used", "user", "users", "uses", "using", "valid", "validation", "value", "values",
    "version", "view", "was", "wasn't", "way", "went", "were", "when", "where", "which", "while", "will", "with",
    "without", "won't", "wrong", "you", "your", "zero",
];

/// True for one of them.
pub(super) fn is_common(lower_word: &str) -> bool {
    COMMON.binary_search(&lower_word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_sorted_and_found() {
        assert!(COMMON.is_sorted());
        assert!(is_common("invalid"));
        assert!(!is_common("dupont"));
    }
}
