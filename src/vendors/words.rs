//! The words that web APIs are made of: the only ones an unknown path may show.
//!
//! No given name, no surname and no place belongs here, however often it is also a noun (`bill`, `mark`, `may`).

/// Sorted, for the binary search.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "access", "account", "accounts", "action", "actions", "activate", "active", "activities", "activity", "add",
    "address", "addresses", "admin", "agents", "analytics", "api", "apis", "app", "application", "applications",
    "appointment", "appointments", "apps", "archive", "archived", "article", "articles", "assign", "associate",
    "associations", "attachment", "attachments", "audience", "audit", "auth", "authorize", "avatar", "backup",
    "balance", "bank", "batch", "batches", "billing", "blob", "board", "boards", "bookings", "bulk", "bundle",
    "calendar", "calendars", "call", "callback", "calls", "campaign", "campaigns", "cancel", "carts", "cases",
    "catalog", "categories", "category", "certificates", "change", "changes", "channel", "channels", "charges",
    "charts", "check", "checkout", "clients", "clone", "close", "comment", "comments", "commit", "communication",
    "communications", "companies", "company", "config", "configuration", "connect", "connections", "contact",
    "contacts", "content", "contents", "contract", "contracts", "conversation", "conversations", "convert", "copy",
    "count", "counts", "create", "created", "credit", "crm", "currencies", "currency", "custom", "customer",
    "customers", "customization", "customizations", "dashboard", "dashboards", "data", "dataset", "datasets",
    "deactivate", "deal", "deals", "default", "delete", "deleted", "deliveries", "delivery", "departments",
    "describe", "destroy", "details", "device", "devices", "directory", "disable", "discounts", "document",
    "documents", "domains", "download", "downloads", "draft", "drafts", "duplicate", "duplicates", "email", "emails",
    "employee", "employees", "enable", "endpoint", "endpoints", "engagements", "entities", "entity", "entries",
    "entry", "error", "errors", "event", "events", "execute", "expenses", "export", "exports", "external", "feed",
    "feedback", "feeds", "field", "fields", "file", "files", "filter", "filtered", "filters", "finance", "find",
    "folder", "folders", "follow", "followers", "forecast", "forget", "form", "forms", "forward", "fulfillments",
    "function", "functions", "generic", "geo", "get", "goals", "graph", "graphql", "group", "groups", "health",
    "healthcheck", "healthz", "help", "history", "hooks", "image", "images", "import", "imports", "inbound", "inbox",
    "incidents", "index", "info", "insights", "install", "integration", "integrations", "interactions", "inventory",
    "invite", "invites", "invoice", "invoices", "item", "items", "job", "jobs", "journal", "journals", "json",
    "jsonrpc", "key", "keys", "kinds", "label", "labels", "layouts", "lead", "leads", "ledger", "library", "licenses",
    "limit", "limits", "line", "link", "links", "list", "lists", "live", "load", "locale", "locales", "location",
    "locations", "log", "login", "logout", "logs", "lookup", "mail", "mailbox", "mailboxes", "mails", "manage",
    "mapping", "media", "meeting", "meetings", "member", "members", "memberships", "menu", "merge", "message",
    "messages", "meta", "metadata", "metrics", "migrate", "modify", "module", "modules", "move", "multi", "news",
    "newsletter", "note", "notes", "notification", "notifications", "oauth", "oauth2", "object", "objects", "odata",
    "offers", "opportunities", "opportunity", "options", "order", "orders", "organization", "organizations", "orgs",
    "outbound", "owner", "owners", "package", "packages", "page", "pages", "participants", "partners", "patch",
    "payload", "payment", "payments", "payouts", "people", "permission", "permissions", "person", "persons", "phone",
    "phones", "photo", "photos", "ping", "pipeline", "pipelines", "plan", "plans", "policies", "policy", "polls",
    "posts", "preferences", "prices", "pricing", "process", "processes", "product", "products", "profile", "profiles",
    "project", "projects", "properties", "property", "provision", "public", "publish", "purchase", "purchases",
    "push", "queries", "query", "queue", "queues", "quota", "quotas", "quote", "quotes", "rates", "read", "ready",
    "recent", "recents", "record", "records", "recycle", "refresh", "refunds", "regions", "register", "registry",
    "relations", "relationship", "relationships", "release", "reminders", "remove", "rename", "render", "replace",
    "reply", "report", "reports", "request", "requests", "reset", "resolve", "resource", "resources", "rest",
    "restore", "result", "results", "revenue", "review", "reviews", "revoke", "role", "roles", "root", "rows",
    "rules", "run", "sales", "sample", "sandbox", "save", "schedule", "schedules", "schema", "schemas", "scim",
    "scope", "score", "search", "searches", "secure", "segment", "segments", "select", "selector", "send", "sequence",
    "sequences", "serve", "service", "services", "session", "sessions", "set", "settings", "share", "shipments",
    "shipping", "shop", "sign", "site", "sites", "snippets", "sobjects", "social", "sources", "spaces", "stage",
    "stages", "start", "state", "stats", "status", "statuses", "stop", "storage", "store", "stores", "stream",
    "streams", "sub", "subjects", "submit", "subscribe", "subscription", "subscriptions", "summary", "suppliers",
    "support", "survey", "surveys", "sync", "system", "table", "tables", "tag", "tags", "task", "tasks", "tax",
    "taxes", "team", "teams", "template", "templates", "tenant", "tenants", "territories", "territory", "test",
    "tests", "text", "thread", "threads", "ticket", "tickets", "time", "timeline", "timezones", "token", "tokens",
    "tools", "topics", "tracking", "transaction", "transactions", "transfer", "trash", "trigger", "triggers", "type",
    "types", "undelete", "unlink", "unsubscribe", "update", "updated", "upload", "uploads", "upsert", "url", "urls",
    "usage", "user", "users", "validate", "validation", "value", "values", "variants", "vendors", "verify", "version",
    "versions", "view", "views", "visitors", "visits", "void", "warehouse", "warehouses", "web", "webhook",
    "webhooks", "widgets", "wishlist", "workflow", "workflows", "workspace", "workspaces", "write", "zones",
];

/// Whether `word` is on the list.
pub(super) fn is_api_word(word: &str) -> bool {
    WORDS.binary_search(&word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_holds_no_common_given_name() {
        assert!(WORDS.is_sorted_by(|a, b| a < b));
        for name in ["anna", "bill", "carol", "chase", "grant", "jack", "mark", "may", "paris", "rob", "sue", "will"] {
            assert!(!is_api_word(name), "{name}");
        }
    }
}
